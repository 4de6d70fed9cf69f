//! Worlds of language models, run by the binary against a provider on this machine: killed around their calls, with
//! providers that fail in every way, and with a key that is to be seen nowhere.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod provider;
mod small;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;

use self::{
    provider::{Provider, Way},
    small::{COMMAND, talk},
};

/// The value of the key, which nobody is to see.
const KEY: &str = "sk-planted-0123456789abcdef";

struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// A world of so many models that ask a provider, for so many seconds of its time.
    fn new(provider: &Provider, agents: u32, seconds: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            r#"
[world]
name = "w"
[execution]
mode = "autonomous"
duration = "{seconds}s"
[llm]
model = "local::m"
[llm.providers.local]
api = "openai"
url = "{}"
key_env = "PLANTED_KEY"
timeout = "700ms"
[llm.prices."local::m"]
input = "$1.00"
output = "$4.00"
[[agents]]
id = "model"
count = {agents}
mind = "llm"
prompt = "Say something."
max_output_tokens = 80
memory = true
scrip = 100
"#,
            provider.url()
        );
        std::fs::write(folder.path().join("w.toml"), text).expect("a file");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, db: &str, more: &[&str]) -> Command {
        let mut command = Command::new(COMMAND);
        command
            .arg("run")
            .arg(self.path("w.toml"))
            .arg("--db")
            .arg(self.path(db))
            .arg("--json")
            .args(more)
            .env("PLANTED_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, db: &str, more: &[&str]) -> Output {
        self.command(db, more).output().expect("the binary runs")
    }

    fn oikos(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(COMMAND);
        command.args(arguments).current_dir(self.folder.path()).env("PLANTED_KEY", KEY);
        command.stdin(Stdio::null()).output().expect("the binary runs")
    }

    /// The rows of a tape, without what differs from run to run.
    fn tape(&self, db: &str) -> Vec<Value> {
        let output = self.oikos(&["tape", "export", db]);
        assert!(output.status.success(), "{}", talk(&output));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let mut rows: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        for row in &mut rows {
            let row = row.as_object_mut().expect("a row");
            ["latency_ms", "asked_at", "answered_at"].iter().for_each(|key| drop(row.remove(*key)));
        }
        rows.sort_by_key(Value::to_string);
        rows
    }
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", talk(output));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// How often the process is killed.
fn kills_wanted() -> u32 {
    std::env::var("OIKOS_LLM_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(25)
}

#[test]
fn a_run_that_is_killed_around_its_calls_pays_for_each_answer_once() {
    // So many are asked at once, and as many may have answered whose rows are being written.
    const IN_FLIGHT: u64 = 4 + 4;
    let provider = Provider::start(|n| Way::Well(n % 7));
    let world = World::new(&provider, 5, 24);
    let whole = report(&world.run("whole.oikos", &[]));
    let rows = world.tape("whole.oikos");
    assert_eq!(rows.len() as u64, provider.asked(), "each answer is on the tape");
    let (mut kills, mut worlds, mut wait_ms) = (0, 0_u32, 1);
    while kills < kills_wanted() {
        let before = provider.asked();
        let db = format!("killed_{worlds}.oikos");
        worlds += 1;
        let mut killed = 0;
        let end = loop {
            let mut child = world.command(&db, &[]).spawn().expect("the binary runs");
            // Later each time, so that every part of a run is met.
            wait_ms = 20 + (wait_ms * 31 + 17) % 400;
            std::thread::sleep(Duration::from_millis(wait_ms));
            let is_done = child.try_wait().expect("a child").is_some();
            if !is_done && kills < kills_wanted() {
                child.kill().expect("it is ours");
                child.wait().expect("a child");
                (kills, killed) = (kills + 1, killed + 1);
                continue;
            }
            break child.wait_with_output().expect("a child");
        };
        let end = report(&end);
        assert_eq!(end["journal_hash"], whole["journal_hash"], "killed {killed} times");
        assert_eq!(end["state_digest"], whole["state_digest"], "killed {killed} times");
        let paid = provider.asked() - before;
        let recorded = world.tape(&db);
        assert_eq!(recorded, rows, "killed {killed} times");
        let most = recorded.len() as u64 + IN_FLIGHT * killed;
        assert!(paid <= most, "{paid} were asked, {} are recorded, {killed} kills", recorded.len());
        let verified = world.oikos(&["verify", &db]);
        assert!(verified.status.success(), "{}", talk(&verified));
    }
    // All of them again, at no cost.
    let before = provider.asked();
    let again = report(&world.run("whole.oikos", &["--tape", "replay"]));
    assert_eq!((again["journal_hash"].clone(), provider.asked()), (whole["journal_hash"].clone(), before));
}

/// All bytes of a folder's files, and of what was printed.
fn holds_key(folder: &Path, outputs: &[Output]) -> Option<String> {
    let has = |bytes: &[u8]| bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
    for output in outputs {
        if has(&output.stdout) || has(&output.stderr) {
            return Some("what was printed".into());
        }
    }
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_file() && has(&std::fs::read(entry.path()).expect("a file")) {
            return Some(entry.path().display().to_string());
        }
    }
    None
}

#[test]
fn whatever_a_provider_does_the_world_goes_on_and_nobody_sees_the_key() {
    for way in [
        Way::Status(500),
        Way::Status(429),
        Way::Status(529),
        Way::Status(400),
        Way::Later(429),
        Way::Later(503),
        Way::Cut,
        Way::Garbage,
        Way::Prose,
        Way::Fenced,
        Way::Empty,
        Way::NoText,
        Way::Hung,
    ] {
        // Good answers before and after: the fault is one of the world's weather.
        let provider = Provider::start(move |n| if n % 3 == 1 { way } else { Way::Well(0) });
        let world = World::new(&provider, 2, 9);
        let output = world.run("w.oikos", &[]);
        let end = report(&output);
        assert_eq!(end["finished"], true, "{way:?}: {end}");
        let log = world.oikos(&["log", "w.oikos", "--thoughts", "--json"]);
        let tape = world.oikos(&["tape", "export", "w.oikos", "t.jsonl"]);
        let cost = world.oikos(&["cost", "w.oikos"]);
        let agents = world.oikos(&["inspect", "w.oikos", "agents"]);
        for output in [&log, &tape, &cost, &agents] {
            assert!(output.status.success(), "{way:?}: {}", talk(output));
        }
        let found = holds_key(world.folder.path(), &[output, log, tape, cost, agents]);
        assert_eq!(found, None, "{way:?}: the key is in it");
        let again = world.run("w.oikos", &["--tape", "replay"]);
        assert_eq!(report(&again)["journal_hash"], end["journal_hash"], "{way:?}");
    }
}

#[test]
fn a_key_that_is_refused_ends_the_run_and_so_does_a_provider_that_nobody_knows() {
    let provider = Provider::start(|_| Way::Status(401));
    let world = World::new(&provider, 3, 9);
    let refused = world.run("w.oikos", &[]);
    assert_eq!(refused.status.code(), Some(3), "{}", talk(&refused));
    assert!(talk(&refused).contains("PLANTED_KEY") || talk(&refused).contains("key"), "{}", talk(&refused));
    let keyless = world.command("w.oikos", &[]).env_remove("PLANTED_KEY").output().expect("the binary runs");
    assert_eq!(keyless.status.code(), Some(3));
    assert!(talk(&keyless).contains("`PLANTED_KEY`"), "{}", talk(&keyless));
    let odd =
        world.command("w.oikos", &[]).env("PLANTED_KEY", "two\nlines").output().expect("the binary runs");
    assert_eq!(odd.status.code(), Some(3));
    assert!(talk(&odd).contains("`PLANTED_KEY`") && !talk(&odd).contains("two"), "{}", talk(&odd));
    let unknown = world.run("u.oikos", &["--set", "llm.model=nobody::m"]);
    assert_eq!(unknown.status.code(), Some(3), "{}", talk(&unknown));
    assert!(talk(&unknown).contains("[llm.providers.nobody]"), "{}", talk(&unknown));
    assert_eq!(holds_key(world.folder.path(), &[refused, keyless, odd, unknown]), None);
    // A provider that can be asked again goes on from there.
    let good = Provider::start(|_| Way::Well(0));
    let url = format!("llm.providers.local.url={}", good.url());
    assert_eq!(report(&world.run("w.oikos", &["--set", &url]))["finished"], true);
}

#[test]
fn no_budget_is_exceeded_and_more_money_goes_on() {
    let provider = Provider::start(|n| Way::Well(n % 5));
    let world = World::new(&provider, 64, 12);
    let costs =
        |db: &str| -> u64 { world.tape(db).iter().map(|row| row["cost"].as_u64().expect("a cost")).sum() };
    let whole = report(&world.run("whole.oikos", &[]));
    let all = costs("whole.oikos");
    let dollars = |micro: u64| format!("${}.{:06}", micro / 1_000_000, micro % 1_000_000);
    let (half, third) = (all / 2, all / 3);
    for (more, most) in [
        (["--set".to_owned(), format!("llm.budget='{}'", dollars(half))], half),
        (["--max-cost".to_owned(), dollars(third)], third),
        (["--max-cost".to_owned(), "$0".to_owned()], 0),
    ] {
        let stopped = report(&world.run("b.oikos", &[&more[0], &more[1], "--fresh"]));
        let told = (&stopped["stopped"], &stopped["finished"]);
        assert_eq!(told, (&"budget".into(), &false.into()), "{more:?}: {all} in all");
        let cost = costs("b.oikos");
        assert!(cost <= most, "{more:?}: {cost} of {most}, {all} in all");
        assert!(most == 0 || cost > most / 2, "{more:?}: {cost} of {most}: it stopped too early");
    }
    // A cap counts what this run pays, and what is on the tape is paid.
    let mut runs = 0;
    let end = loop {
        let end = report(&world.run("b.oikos", &["--max-cost", &dollars(third)]));
        runs += 1;
        if end["finished"] == true {
            break end;
        }
        assert!(runs < 100, "it does not come to its end");
    };
    assert!(runs > 1, "one run had enough");
    assert_eq!((costs("b.oikos"), &end["journal_hash"]), (all, &whole["journal_hash"]));
}

/// Each schema within one.
fn each(schema: &Value, look: &mut dyn FnMut(&Value)) {
    look(schema);
    let inner = |key: &str| schema[key].as_array().cloned().unwrap_or_default();
    inner("anyOf").iter().for_each(|schema| each(schema, look));
    for schema in schema["properties"].as_object().into_iter().flat_map(|map| map.values()) {
        each(schema, look);
    }
    if let Some(items) = schema.get("items") {
        each(items, look);
    }
}

#[test]
fn the_schema_for_models_is_the_one_that_a_request_holds() {
    let (sender, asked) = std::sync::mpsc::channel();
    let provider = Provider::saying(move |body| {
        // Nobody listens after the first.
        let _ = sender.send(body["response_format"]["json_schema"].clone());
        r#"{"think": null, "looks": null, "ops": []}"#.into()
    });
    let world = World::new(&provider, 1, 1);
    report(&world.run("a.oikos", &[]));
    let asked = asked.recv().expect("a request");
    assert_eq!(asked["strict"], true);
    let output = world.oikos(&["schema", "op", "--for", "llm", "--json"]);
    let printed: Value = report(&output);
    assert_eq!(printed.to_string(), asked["schema"].to_string(), "the order of the keys counts too");
    let mut objects = 0;
    each(&printed, &mut |schema| {
        for key in ["oneOf", "allOf", "$ref", "patternProperties"] {
            assert!(schema.get(key).is_none(), "{schema}");
        }
        if schema["type"] == "object" {
            objects += 1;
            assert_eq!(schema["additionalProperties"], false, "{schema}");
            let names: Vec<&String> = schema["properties"].as_object().expect("properties").keys().collect();
            assert_eq!(schema["required"], serde_json::json!(names), "all are required, in order");
        }
    });
    assert!(objects > 20, "{objects}");

    let plain = report(&world.oikos(&["schema", "op", "--json"]));
    assert!(plain["oneOf"].as_array().expect("ops").len() > 15 && plain.get("properties").is_none());
    for of in ["world", "query", "event", "log"] {
        let output = world.oikos(&["schema", of, "--for", "llm"]);
        assert_eq!(output.status.code(), Some(2), "{}", talk(&output));
        assert!(talk(&output).contains("oikos schema op --for llm"), "{}", talk(&output));
    }
}

#[test]
fn people_are_shown_dollars_and_lines_that_fit() {
    let provider = Provider::saying(|_| r#"{"think": "so", "ops": [{"op": "noop"}]}"#.into());
    let world = World::new(&provider, 3, 12);
    let text = std::fs::read_to_string(world.path("w.toml")).expect("a file");
    let limits = "[resources.llm_budget]\nkind = 'depletable'\ntotal = '$0.40'\n\
                  [resources.llm_tokens]\nkind = 'renewable'\nrate = 900000\nwindow = '1h'\n\
                  [resources.llm_calls]\nkind = 'renewable'\nrate = 2\nwindow = '10m'\n[[agents]]";
    std::fs::write(world.path("w.toml"), text.replace("[[agents]]", limits)).expect("a file");
    let run = world.oikos(&["run", "w.toml", "--db", "a.oikos"]);
    let shown = |arguments: &[&str]| {
        let output = world.oikos(arguments);
        assert!(output.status.success(), "{}", talk(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert!(run.status.success(), "{}", talk(&run));
    let run = String::from_utf8(run.stdout).expect("UTF-8");
    let (agents, cost) = (shown(&["inspect", "a.oikos", "agents"]), shown(&["cost", "a.oikos"]));
    // The line with the commands that look at the world is as long as its name.
    let run_lines = run.lines().filter(|line| !line.starts_with("world "));
    for line in run_lines.chain(agents.lines()).chain(cost.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(agents.contains("blocked") && agents.contains("1 of llm_calls, until"), "{agents}");
    assert!(!agents.contains("blocke…"), "{agents}");
    for text in [&agents, &run] {
        let line = text.lines().find(|line| line.contains("llm_budget")).expect("the budget");
        let at = text.lines().position(|other| other == line).expect("it is there");
        assert!(text.lines().skip(at).take(2).any(|line| line.contains("$0.")), "{text}");
    }

    // Programs have whole micro-dollars.
    let agents = report(&world.oikos(&["inspect", "a.oikos", "agents", "--json"]));
    let free = agents[0].pointer("/resources/llm_budget/capacity").and_then(Value::as_i64).expect("a number");
    assert!((1_000..133_334).contains(&free), "{free}");
}

#[test]
fn a_turn_that_fails_is_told_as_such_with_its_looks() {
    let provider = Provider::saying(|body| {
        if body["messages"].to_string().contains("Your looks:") {
            return "no idea".into();
        }
        r#"{"think": "who?", "looks": [{"op": "query", "what": "supply"}]}"#.into()
    });
    let world = World::new(&provider, 1, 3);
    report(&world.run("a.oikos", &[]));
    let log = |more: &[&str]| {
        let output = world.oikos(&[&["log", "a.oikos"], more].concat());
        assert!(output.status.success(), "{}", talk(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    for more in [&["--thoughts"][..], &["--thoughts", "--refused"]] {
        let text = log(more);
        let (looks, failed) = (text.find("looks {\"op\":\"query\""), text.find("model_001 thought failed: "));
        assert!(looks.is_some() && failed.is_some() && looks < failed, "{text}");
        assert!(!text.contains("refused refused"), "{text}");
    }

    let provider = Provider::start(|_| Way::Status(500));
    let world = World::new(&provider, 1, 3);
    report(&world.run("a.oikos", &[]));
    let output = world.oikos(&["log", "a.oikos", "--type", "thought"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("model_001 thought failed: code_error: llm server"), "{text}");
}

#[test]
fn a_run_that_can_not_go_on_says_so_to_programs_too() {
    let provider = Provider::start(|_| Way::Well(0));
    let world = World::new(&provider, 1, 1);
    for (more, code, says) in [
        (&["--tape", "replay"][..], 3, "`replay` asks nobody"),
        (&["--set", "execution.duration=soon"], 2, "duration"),
    ] {
        let output = world.run("a.oikos", more);
        assert_eq!(output.status.code(), Some(code), "{}", talk(&output));
        assert!(talk(&output).contains(says), "{}", talk(&output));
        let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!(told["ok"], false, "{told}");
        assert!(told["problem"].as_str().expect("a sentence").contains(says), "{told}");
    }
    let people = world.oikos(&["run", "w.toml", "--db", "a.oikos", "--tape", "replay"]);
    assert!(people.status.code() == Some(3) && people.stdout.is_empty(), "{}", talk(&people));
    assert_eq!(provider.asked(), 0);
}

#[test]
fn a_world_file_whose_minds_nobody_can_answer_for_is_not_fine() {
    let provider = Provider::start(|_| Way::Well(0));
    let world = World::new(&provider, 2, 1);
    let text = std::fs::read_to_string(world.path("w.toml")).expect("a file");
    for (own, says) in [
        ("", None),
        ("model = \"local::other\"\n", None),
        ("model = \"nobody::m\"\n", Some("[llm.providers.nobody]")),
        ("model = \"far::m\"\n", Some("[llm.prices.\"far::m\"]")),
    ] {
        let far = "[llm.providers.far]\napi = \"openai\"\nurl = \"https://far.example.com/v1\"\n[[agents]]";
        let agents = text.replace("mind = \"llm\"\n", &format!("mind = \"llm\"\n{own}"));
        std::fs::write(world.path("v.toml"), agents.replace("[[agents]]", far)).expect("a file");
        let output = world.oikos(&["validate", "v.toml"]);
        match says {
            None => assert!(output.status.success(), "{}", talk(&output)),
            Some(says) => {
                assert_eq!(output.status.code(), Some(2), "{}", talk(&output));
                for part in [says, "`model_001`", "`model_002`", "m`"] {
                    assert!(talk(&output).contains(part), "{}", talk(&output));
                }
            }
        }
    }
    assert_eq!(provider.asked(), 0);
}
