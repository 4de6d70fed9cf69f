//! Models in the terminal: the tape, its cost, and those who asked, as snapshots. Nobody is asked: the rows are written
//! by the journal, as minds would have them.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod small;

use std::{fs, process::Stdio};

use oikos_runner::{
    Journal, JournalError,
    kernel::{
        record::Cause,
        tape::{FailureKind, Origin, Purpose, Taped},
        time::Time,
    },
};
use serde_json::Value;

use self::small::{COMMAND, Small, hashes, oikos, talk};

const WORLD: &str = r#"
[world]
name = "small"
seed = 3
[execution]
ticks = 8
tick_duration = "60s"
[llm]
model = "local::smollm2-135m-instruct"
[llm.providers.local]
api = "openai"
url = "http://127.0.0.1:9/v1"
[llm.prices."anthropic::claude-haiku-4-5-20251001"]
input = "$1"
output = "$5"
[llm.prices."local::smollm2-135m-instruct"]
input = "$0.10"
output = "$0.40"
internal = true
[[agents]]
id = "shopkeeper"
mind = "llm"
prompt = "You keep a shop."
[[agents]]
id = "the_critic_who_reads_everything_and_forgets_nothing"
mind = "llm"
model = "anthropic::claude-haiku-4-5-20251001"
[[agents]]
id = "clerk"
code_file = "mind.py"
[[agents]]
id = "alice"
mind = "external"
"#;

const MIND: &str = "def step(o):\n    return {'op': 'noop'}\n";

const CRITIC: &str = "the_critic_who_reads_everything_and_forgets_nothing";

/// The same world without minds that are asked, so that it runs.
fn scripted() -> Small {
    let world = WORLD
        .replace("mind = \"llm\"", "code_file = \"mind.py\"")
        .replace("mind = \"external\"", "code_file = \"mind.py\"");
    let world = world
        .replace("prompt = \"You keep a shop.\"\n", "")
        .replace("model = \"anthropic::claude-haiku-4-5-20251001\"\n", "");
    Small::of(&world, MIND)
}

/// A world that is founded and has not run.
fn founded() -> Small {
    let small = Small::of(WORLD, MIND);
    let mut command = std::process::Command::new(COMMAND);
    command.args(["session", &small.file(), "--db"]).arg(small.path("a.oikos")).stdin(Stdio::null());
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}", talk(&output));
    small
}

fn row(agent: &str, n: u64, seq: u64, purpose: Purpose, model: &str) -> Taped {
    let request =
        format!("{{\"messages\":[{{\"content\":\"{agent} {n}\",\"role\":\"user\"}}],\"model\":\"m\"}}");
    let (provider, model) = model.split_once("::").expect("PROVIDER::MODEL");
    Taped {
        hash: *blake3::hash(request.as_bytes()).as_bytes(),
        n: 0,
        seq,
        agent: agent.into(),
        purpose,
        provider: provider.into(),
        model: model.into(),
        request,
        failure: None,
        answer: "{\"ops\":[]}".into(),
        tokens_in: 1_200,
        tokens_cached: 800,
        tokens_out: 40,
        cost: 2_000,
        latency_ms: 900,
        asked_at: Time::from_ms(1_000).expect("a time"),
        answered_at: Time::from_ms(1_900).expect("a time"),
        origin: Origin::Asked,
    }
}

const LOCAL: &str = "local::smollm2-135m-instruct";
const HAIKU: &str = "anthropic::claude-haiku-4-5-20251001";

/// The rows of two agents and of a piece of code.
fn rows() -> Vec<Taped> {
    let mut rows = vec![
        row("shopkeeper", 0, 2, Purpose::Step, LOCAL),
        Taped { failure: Some(FailureKind::Timeout), ..row("shopkeeper", 1, 2, Purpose::Repair, LOCAL) },
        row("clerk", 0, 2, Purpose::CallLlm, LOCAL),
    ];
    rows.extend((0..6).map(|n| Taped {
        tokens_in: 123_456,
        cost: 104_999,
        ..row(CRITIC, n, 2, Purpose::Step, HAIKU)
    }));
    rows
}

/// A command as shown, without the name of its folder.
fn show(small: &Small, arguments: &[&str]) -> String {
    let paths = arguments.iter().map(|word| {
        let is_file = word.ends_with(".oikos") || word.ends_with(".jsonl");
        if is_file { small.path(word).to_str().expect("UTF-8").to_owned() } else { (*word).to_owned() }
    });
    let output = oikos(paths.collect::<Vec<_>>());
    let folder = format!("{}/", small.folder.path().canonicalize().expect("a folder").display());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&folder, "");
    let (code, out, talk) =
        (output.status.code().expect("it ends"), text(&output.stdout), text(&output.stderr));
    // The log shows what others wrote, as long as it is; of that, reasons alone are wrapped.
    let is_bound = |line: &&str| {
        if arguments[0] == "log" { line.starts_with("         ") } else { !line.starts_with(['{', '[']) }
    };
    for line in out.lines().filter(is_bound) {
        assert!(line.chars().count() <= 80, "{arguments:?}: {line}");
    }
    format!("$ oikos {}\n-- exit {code}\n{out}-- talk\n{talk}", arguments.join(" "))
}

fn snapshot(name: &str, small: &Small, commands: &[&[&str]]) {
    let shown: Vec<String> = commands.iter().map(|arguments| show(small, arguments)).collect();
    insta::with_settings!({ omit_expression => true, snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, shown.join("\n"));
    });
}

/// The answer of a command for programs.
fn told(small: &Small, arguments: &[&str]) -> Value {
    let shown = show(small, &[arguments, &["--json"]].concat());
    let (head, rest) = shown.split_once("\n-- exit 0\n").expect("it succeeds");
    let (out, _) = rest.split_once("-- talk").expect("its talk");
    serde_json::from_str(out).unwrap_or_else(|error| panic!("{head}: {error}: {out}"))
}

fn journal(small: &Small, db: &str) -> Journal {
    Journal::open(small.path(db)).expect("a world")
}

#[test]
fn the_cost_of_a_world_is_shown_by_agent_model_and_purpose() {
    let small = founded();
    let empty = show(&small, &["cost", "a.oikos"]);
    assert!(empty.contains("no model was asked in this world"), "{empty}");
    assert!(empty.contains("call_llm"), "it says what would ask one: {empty}");
    assert_eq!(told(&small, &["cost", "a.oikos"])["rows"], Value::Array(Vec::new()));

    let mut rows = rows();
    let imported = rows.split_off(5);
    let mut journal = journal(&small, "a.oikos");
    journal.import_tape(&imported).expect("rows");
    drop(journal);
    let unused = show(&small, &["cost", "a.oikos"]);
    assert!(unused.contains("no model was asked") && unused.contains("4 rows of the tape"), "{unused}");

    let mut journal = self::journal(&small, "a.oikos");
    journal.put_tape(&rows).expect("rows");
    for row in &imported[..3] {
        journal.use_tape(&[Taped { seq: 2, ..row.clone() }]).expect("a row");
    }
    drop(journal);
    snapshot(
        "cost",
        &small,
        &[&["cost", "a.oikos"], &["cost", "a.oikos", "--json"], &["inspect", "a.oikos", "agents"]],
    );

    // The same, added up by hand.
    let cost = told(&small, &["cost", "a.oikos"]);
    let of =
        |pointer: &str| cost.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}"));
    assert_eq!((of("/paid/calls"), of("/paid/micro_dollars")), (2, 2 * 104_999));
    assert_eq!((of("/replayed/calls"), of("/replayed/micro_dollars")), (3, 3 * 104_999));
    assert_eq!((of("/internal/asked/calls"), of("/internal/asked/micro_dollars")), (3, 3 * 2_000));
    assert_eq!((of("/internal/replayed/calls"), of("/unused")), (0, 1));
    let sum = |field: &str| -> u64 {
        cost["rows"].as_array().expect("rows").iter().map(|row| row[field].as_u64().expect("a number")).sum()
    };
    assert_eq!((sum("calls"), sum("failures"), sum("tokens_out")), (8, 1, 8 * 40));
    assert_eq!(sum("micro_dollars"), 5 * 104_999 + 3 * 2_000);

    let agents = told(&small, &["inspect", "a.oikos", "agents"]);
    let agent =
        |id: &str| agents.as_array().expect("agents").iter().find(|row| row["id"] == id).expect("it").clone();
    assert_eq!(agent(CRITIC)["mind"], serde_json::json!({ "kind": "llm", "model": HAIKU }));
    assert_eq!(agent("shopkeeper")["mind"]["model"], LOCAL, "the world's");
    assert_eq!(
        (&agent("shopkeeper")["failures"], &agent("shopkeeper")["dollars"]),
        (&1.into(), &"$0.00".into())
    );
    assert_eq!(agent("shopkeeper")["tokens"], 2 * 1_240);
    assert_eq!((&agent("clerk")["mind"]["kind"], &agent("clerk")["calls"]), (&"script".into(), &1.into()));
    assert_eq!((&agent("alice")["mind"]["kind"], &agent("alice")["calls"]), (&"external".into(), &0.into()));
}

#[test]
fn worlds_without_models_show_no_columns_for_them() {
    let small = scripted();
    small.run("a.oikos", &[]);
    let shown = show(&small, &["inspect", "a.oikos", "agents"]);
    assert!(!shown.contains("tokens") && !shown.contains("mind"), "{shown}");
    let agents = told(&small, &["inspect", "a.oikos", "agents"]);
    assert!(agents.as_array().expect("agents").iter().all(|row| row["mind"]["kind"] == "script"), "{agents}");
}

#[test]
fn a_forecast_has_its_basis_and_range() {
    let small = scripted();
    small.run("a.oikos", &["--set", "execution.ticks=6"]);
    let log = show(&small, &["log", "a.oikos", "--type", "tick", "--json"]);
    let ticks: Vec<u64> =
        log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()?["seq"].as_u64()).collect();
    assert_eq!(ticks.len(), 6, "{log}");
    assert_eq!(told(&small, &["cost", "a.oikos"])["forecast"], Value::Null, "nothing was asked");
    // A cent in each of the first three ticks, two in the others; what no one bills is no dollars.
    let mut rows: Vec<Taped> = Vec::new();
    for (at, seq) in (0..).zip(&ticks) {
        let cost = if at < 3 { 10_000 } else { 20_000 };
        rows.push(Taped { cost, ..row(CRITIC, at, *seq, Purpose::Step, HAIKU) });
        rows.push(Taped { cost: 1_000_000, ..row("shopkeeper", at, *seq, Purpose::Step, LOCAL) });
    }
    let mut journal = journal(&small, "a.oikos");
    journal.put_tape(&rows).expect("rows");
    journal
        .import_tape(&[Taped { cost: 9_000_000, ..row(CRITIC, 99, 3, Purpose::Step, HAIKU) }])
        .expect("a row");
    drop(journal);
    assert_eq!(told(&small, &["cost", "a.oikos"])["forecast"], Value::Null, "the run is at its end");
    lasts_until(&small, 100);
    let cost = told(&small, &["cost", "a.oikos"]);
    // Fifteen thousandths of a dollar for each tick so far, twenty for each of the last three.
    let wanted = serde_json::json!({ "low": "$1.50", "high": "$1.97", "ticks": { "done": 6, "goal": 100 } });
    assert_eq!(cost["forecast"], wanted, "{cost}");
    let text = show(&small, &["cost", "a.oikos"]);
    assert!(text.contains("forecast $1.50 to $1.97 by tick 100, from 6 ticks so far"), "{text}");

    // A second run of the same: the rows are used in other ticks, and cost as much.
    let mut journal = self::journal(&small, "a.oikos");
    rows.iter().filter(|row| row.agent == CRITIC).for_each(|row| {
        journal.use_tape(&[Taped { seq: ticks[5], ..row.clone() }]).expect("a row");
    });
    drop(journal);
    let late = told(&small, &["cost", "a.oikos"]);
    assert_eq!(
        (&late["forecast"]["low"], &late["forecast"]["high"]),
        (&"$1.50".into(), &"$2.91".into()),
        "{late}"
    );
}

#[test]
fn a_forecast_goes_by_time_where_agents_have_their_own_turns() {
    let small = scripted();
    let loops = ["--set", "execution.mode=autonomous", "--set", "execution.duration=10s"];
    let text = fs::read_to_string(small.file()).expect("a file");
    small.write("small.toml", &text.replace("ticks = 8\n", "").replace("tick_duration = \"60s\"\n", ""));
    small.run("a.oikos", &loops);
    let reader = Journal::open_read_only(small.path("a.oikos")).expect("a world");
    let (mut start, mut steps) = (None, Vec::new());
    let looked = reader.records(1, |record| {
        let start = *start.get_or_insert(record.time.ms());
        if matches!(record.cause, Cause::Step { .. }) {
            steps.push((record.seq, record.time.ms() - start));
        }
        Ok::<(), JournalError>(())
    });
    looked.expect("records");
    drop(reader);
    let end = steps.last().expect("steps").1;
    let spent = steps.iter().filter(|(_, at)| *at > 0 && *at < end).count();
    assert!(spent > 4, "{steps:?}");
    // A dollar at the first step after the beginning, and one at the last: half of it in each half.
    let rows: Vec<Taped> = [*steps.iter().find(|(_, at)| *at > 0).expect("one"), *steps.last().expect("one")]
        .iter()
        .zip(0..)
        .map(|((seq, _), n)| Taped { cost: 1_000_000, ..row(CRITIC, n, *seq, Purpose::Step, HAIKU) })
        .collect();
    journal(&small, "a.oikos").put_tape(&rows).expect("rows");
    let mut command = std::process::Command::new(COMMAND);
    command.args(["session", &small.file(), "--set", "execution.mode=autonomous"]);
    command
        .args(["--set", "execution.duration=100s", "--db"])
        .arg(small.path("a.oikos"))
        .stdin(Stdio::null());
    assert!(command.output().expect("the binary runs").status.success());
    let cost = told(&small, &["cost", "a.oikos"]);
    let span = &cost["forecast"]["ms"];
    assert_eq!((&span["goal"], &span["done"]), (&100_000.into(), &end.into()), "{cost}");
    // Two dollars in all of the time, one in its last half: the same rate, but for a millisecond that has no half.
    let whole = 2.0 + 2.0 * (100_000 - end) as f64 / end as f64;
    for bound in ["low", "high"] {
        let dollars = cost["forecast"][bound].as_str().expect("dollars").trim_start_matches('$');
        let dollars: f64 = dollars.parse().expect("a number");
        assert!((dollars - whole).abs() < 0.01, "{bound}: {dollars}, and not {whole}");
    }
    let text = show(&small, &["cost", "a.oikos"]);
    assert!(text.contains(" by 100s, from ") || text.contains(" by 1m40s, from "), "{text}");
}

/// Lets the file of a world say that it runs until a later tick, and runs nothing.
fn lasts_until(small: &Small, ticks: u64) {
    let mut command = std::process::Command::new(COMMAND);
    command.args(["session", &small.file(), "--set", &format!("execution.ticks={ticks}"), "--db"]);
    let output = command.arg(small.path("a.oikos")).stdin(Stdio::null()).output().expect("the binary runs");
    assert!(output.status.success(), "{}", talk(&output));
}

#[test]
fn a_tape_leaves_one_world_and_comes_into_another() {
    let (one, other) = (founded(), founded());
    let mut journal = self::journal(&one, "a.oikos");
    journal.put_tape(&rows()).expect("rows");
    drop(journal);
    let before = told(&other, &["verify", "a.oikos"]);
    let lines = show(&one, &["tape", "export", "a.oikos"]);
    assert_eq!(lines.lines().filter(|line| line.starts_with('{')).count(), 9, "{lines}");
    snapshot(
        "tape",
        &one,
        &[
            &["tape", "export", "a.oikos", "tape.jsonl"],
            &["tape", "export", "a.oikos", "tape.jsonl"],
            &["tape", "import", "a.oikos", "tape.jsonl"],
            &["tape", "import", "a.oikos", "nowhere.jsonl"],
            &["tape", "export", "nowhere.oikos"],
        ],
    );
    let file = fs::read_to_string(one.path("tape.jsonl")).expect("a file");
    assert!(lines.contains(&file), "both ways say the same");
    let text = |rows: &[Taped]| rows.iter().map(|row| row.to_line() + "\n").collect::<String>();
    assert_eq!(file, text(&rows()));

    other.write("part.jsonl", &text(&rows()[..4]));
    other.write("tape.jsonl", &file);
    assert_eq!(told(&other, &["tape", "import", "a.oikos", "part.jsonl"])["added"], 4);
    let whole = told(&other, &["tape", "import", "a.oikos", "tape.jsonl"]);
    assert_eq!((&whole["added"], &whole["kept"]), (&5.into(), &4.into()));
    assert_eq!(
        hashes(&told(&other, &["verify", "a.oikos"])),
        hashes(&before),
        "the tape is beside the world"
    );
    show(&other, &["tape", "export", "a.oikos", "again.jsonl"]);
    assert_eq!(fs::read_to_string(other.path("again.jsonl")).expect("a file"), file);
    let cost = told(&other, &["cost", "a.oikos"]);
    assert_eq!((&cost["paid"]["calls"], &cost["unused"]), (&0.into(), &9.into()), "nothing is paid twice");
}

#[test]
fn a_line_that_is_no_row_brings_nothing_in() {
    let small = founded();
    let good: Vec<String> = rows().iter().map(Taped::to_line).collect();
    for (bad, says) in [
        ("{", "line 3: it is no JSON"),
        ("[]", "line 3: it is no JSON object"),
        (&good[0].replace("\"n\":0", "\"n\":-1"), "line 3: `n` must be a whole number"),
        (&good[0].replace("\"answer\"", "\"answers\""), "line 3: `answer` is missing"),
        (&good[0].replace("shopkeeper 0", "shopkeeper 7"), "line 3: `hash` is not the BLAKE3 of `request`"),
        (&good[0].replace("\"ok\"", "\"fine\""), "line 3: `outcome` can't be"),
        (&good[0].replace("{\"", "{\"origin\":\"asked\",\""), "line 3: a row has no field `origin`"),
        (
            &good[0].replace("\"cost\":2000", "\"cost\":1000000000001"),
            "line 3: `cost` is at most 1000000000000",
        ),
        (&good[0].replace("\"shopkeeper\"", "\"shop\\u001b[1mkeeper\""), "line 3: `agent` is no id"),
    ] {
        small.write("bad.jsonl", &format!("{}\n\n{bad}\n{}\n", good[0], good[1]));
        let shown = show(&small, &["tape", "import", "a.oikos", "bad.jsonl"]);
        assert!(
            shown.contains("-- exit 2") && shown.contains(says) && shown.contains("nothing was added"),
            "{shown}"
        );
    }
    fs::write(small.path("bad.jsonl"), [good[0].as_bytes(), b"\n\xff\n"].concat()).expect("a file");
    let shown = show(&small, &["tape", "import", "a.oikos", "bad.jsonl"]);
    assert!(shown.contains("-- exit 2") && shown.contains("line 2: it is no UTF-8"), "{shown}");
    assert!(shown.contains("nothing was added"), "{shown}");
    assert_eq!(told(&small, &["cost", "a.oikos"])["unused"], 0);

    // A row that stands twice is one asking.
    small.write("twice.jsonl", &[&good[0], &good[1], &good[0]].map(|line| format!("{line}\n")).concat());
    for (added, kept) in [(2, 0), (0, 2)] {
        let whole = told(&small, &["tape", "import", "a.oikos", "twice.jsonl"]);
        assert_eq!(
            (&whole["added"], &whole["kept"], &whole["repeated"]),
            (&added.into(), &kept.into(), &1.into())
        );
    }
    let shown = show(&small, &["tape", "import", "a.oikos", "twice.jsonl"]);
    assert!(shown.contains("; 2 were there\n1 row of the file repeats another"), "{shown}");

    // The greatest sums fit into a table.
    let dear = |n| Taped {
        cost: 1_000_000_000_000,
        tokens_in: 1_000_000_000_000,
        ..row(CRITIC, n, 2, Purpose::Step, HAIKU)
    };
    small.write("dear.jsonl", &(0..9).map(|n| dear(n).to_line() + "\n").collect::<String>());
    assert_eq!(told(&small, &["tape", "import", "a.oikos", "dear.jsonl"])["added"], 9);
    let mut journal = journal(&small, "a.oikos");
    (0..9).for_each(|n| journal.use_tape(&[dear(n)]).expect("a row"));
    drop(journal);
    let shown = show(&small, &["cost", "a.oikos"]);
    assert!(shown.contains("$9.0M"), "{shown}");

    // An empty file is a tape of no rows.
    small.write("empty.jsonl", "\n");
    assert_eq!(told(&small, &["tape", "import", "a.oikos", "empty.jsonl"])["added"], 0);
}

#[test]
fn a_world_that_is_written_to_takes_no_tape_from_another() {
    let small = founded();
    small.write("tape.jsonl", &rows()[0].to_line());
    let writer = journal(&small, "a.oikos");
    let shown = show(&small, &["tape", "import", "a.oikos", "tape.jsonl"]);
    assert!(shown.contains("-- exit 3") && shown.contains("another process"), "{shown}");
    // To look at it does no harm.
    let exported = show(&small, &["tape", "export", "a.oikos"]);
    assert!(exported.contains("-- exit 0"), "{exported}");
    drop(writer);
    assert_eq!(told(&small, &["tape", "import", "a.oikos", "tape.jsonl"])["added"], 1);
}

const DEEDS: &str = r#"
[world]
name = "small"
[execution]
ticks = 1
[scrip]
start = 10
[[agents]]
id = "giver"
code = "def step(o): return {'op': 'transfer', 'to': 'taker', 'amount': 3}"
[[agents]]
id = "taker"
code = "def step(o): return {'op': 'transfer', 'to': 'giver', 'amount': 1000}"
[[agents]]
id = "loser"
code = "def step(o): return 1 / 0"
[[agents]]
id = "idler"
code = "def step(o): return None"
[[agents]]
id = "mute"
code = "def step(o): return {'op': 'transfer', 'to': 'taker', 'amount': 1}"
"#;

/// A world whose agents gave reasons, as minds do.
fn reasoned() -> Small {
    let small = Small::of(DEEDS, MIND);
    small.run("mute.oikos", &[]);
    let mute = journal(&small, "mute.oikos");
    let names = oikos_runner::state(&mute).expect("a world");
    let mut records = Vec::new();
    mute.records(1, |mut record| {
        if let Cause::Step { agent, thought, .. } = &mut record.cause {
            if names.name(*agent) == "giver" {
                thought.looks = vec![serde_json::json!({ "op": "query", "what": "agents" }).into()];
            }
            thought.think = match names.name(*agent) {
                "giver" => format!("The taker is poor,\nand I am rich. {}", "I can spare it. ".repeat(9)),
                "taker" => "I am\u{1b}[31m generous \u{7}today.".to_owned(),
                "loser" => "x".repeat(100),
                "idler" => "Nothing is worth it.".to_owned(),
                _ => String::new(),
            };
        }
        records.push(record);
        Ok::<(), JournalError>(())
    })
    .expect("records");
    let source = mute.meta("source").expect("it can be read").expect("a world file");
    let mut journal = Journal::create(small.path("a.oikos")).expect("a new world");
    journal.append(&records, &[("source", &source)]).expect("records");
    small
}

#[test]
fn the_reasons_of_steps_are_in_the_log_where_they_are_asked_for() {
    let small = reasoned();
    snapshot(
        "thoughts",
        &small,
        &[
            &["log", "a.oikos", "--thoughts"],
            &["log", "a.oikos", "--thoughts", "--refused"],
            &["log", "a.oikos", "--type", "think", "--of", "taker", "--json"],
        ],
    );
    let types = |more: &[&str]| -> Vec<(String, String)> {
        let shown = show(&small, &[&["log", "a.oikos", "--json"], more].concat());
        let lines = shown.lines().filter(|line| line.starts_with('{'));
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        // A failure is an object too.
        let lines = lines.filter(|line| line.get("type").is_some());
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        lines.map(|line| (text(&line, "type"), text(&line, "actor"))).collect()
    };
    let of = |more: &[&str]| -> Vec<String> {
        types(more).into_iter().map(|(kind, actor)| format!("{kind} {actor}")).collect()
    };
    assert!(of(&[]).iter().all(|line| !line.starts_with("think")), "only where they are asked for");
    let mut thinkers: Vec<String> = of(&["--type", "think"]);
    thinkers.sort();
    assert_eq!(thinkers, ["think giver", "think idler", "think loser", "think taker"]);
    // Each stands before what came of it.
    assert_eq!(of(&["--thoughts", "--type", "transfer", "--of", "giver"]), ["think giver", "transfer giver"]);
    assert_eq!(of(&["--thoughts", "--type", "thought"]), ["think loser", "thought loser"]);
    assert_eq!(of(&["--thoughts", "--refused", "--of", "taker"]), ["think taker", "refused taker"]);
    assert_eq!(
        of(&["--thoughts", "--since", "2", "--of", "idler"]),
        ["think idler"],
        "who did nothing had a reason too"
    );
    assert_eq!(of(&["--thoughts", "--since", "2", "--of", "mute"]), ["transfer mute"]);
    assert_eq!(of(&["--type", "think", "--refused"]), Vec::<String>::new(), "no op has the name");
    let most = of(&["--thoughts", "--limit", "3"]);
    assert_eq!(most.len(), 3, "reasons are lines like others: {most:?}");
}
