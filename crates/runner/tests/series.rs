//! Series: measures that are taken as time goes by, the same however often a run is cut short.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod door;

use std::path::Path;

use oikos_runner::{Journal, Live, Stop, measure::take_all, session::respond};
use serde_json::json;

use self::door::{workplace, world_file};

/// A giver who gives one each minute, in ticks or by itself, and a tool that counts.
fn world(execution: &str, every: &str) -> String {
    format!(
        r#"
[execution]
{execution}
[measures]
{every}
given = {{ of = "sum(scrip)", where = "taker" }}
least = "min(scrip)"
who = "count()"
skill = "mean(content.skill)"
twice = "counter.twice"
never = "counter.fails"
gifts = "count(event.transfer)"
paid = {{ of = "sum(payment.transfer)", where = "giver" }}
back = {{ of = "count(payment)", where = "taker" }}
[measures.agents]
wealth = "scrip"
skill = "content.skill"
left = "disk"
[[artifacts]]
id = "counter"
owner = "taker"
code = "def twice(): return 2 * (storage_get('n') or 0)\ndef add(): storage_set('n', (storage_get('n') or 0) + 1)\ndef fails(): return 'no number'"
[[agents]]
id = "giver"
scrip = 100
content = {{ skill = 3 }}
code = "def step(o): return [{{'op': 'transfer', 'to': 'taker', 'amount': 1}}, {{'op': 'invoke', 'artifact': 'counter', 'method': 'add'}}]"
[[agents]]
id = "taker"
content = {{ skill = 0.5 }}
code = "def step(o): return None"
"#
    )
}

const TICKS: &str = "mode = \"tick\"\ntick_duration = \"1m\"\nticks = ";
const ALONE: &str = "mode = \"autonomous\"\npace = \"1m\"\nduration = ";

fn open(text: &str, db: &Path) -> Live {
    workplace().open_or_found(world_file(text), db).expect("it goes on")
}

fn run(live: &mut Live) {
    let goal = live.goal().expect("a goal");
    assert!(live.run_to_end(goal, &Stop::default(), |_, _| ()).expect("it runs").is_done());
}

/// The rows of one measure, as minute and value.
fn rows(db: &Path, name: &str) -> Vec<(i64, Option<f64>)> {
    let journal = Journal::open_read_only(db).expect("the journal");
    let (mut rows, mut start) = (Vec::new(), None);
    journal
        .series(|row| {
            let start = *start.get_or_insert(row.time.ms());
            if row.name == name {
                rows.push(((row.time.ms() - start) / 1_000, row.value));
            }
            Ok::<(), oikos_runner::JournalError>(())
        })
        .expect("the series");
    rows
}

fn whole(db: &Path) -> Vec<(u64, i64, String, Option<f64>)> {
    let journal = Journal::open_read_only(db).expect("the journal");
    let mut rows = Vec::new();
    journal
        .series(|row| {
            rows.push((row.seq, row.time.ms(), row.name, row.value));
            Ok::<(), oikos_runner::JournalError>(())
        })
        .expect("the series");
    rows
}

/// The lines of the series of agents, with the second of each.
fn agents(db: &Path) -> Vec<(i64, String)> {
    let journal = Journal::open_read_only(db).expect("the journal");
    let (mut lines, mut start) = (Vec::new(), None);
    journal
        .agent_series(|part| {
            let start = *start.get_or_insert(part.time.ms());
            assert_eq!(part.rows.columns, r#"["wealth","skill","left"]"#);
            let text = String::from_utf8(part.rows.lines).expect("UTF-8");
            let second = (part.time.ms() - start) / 1_000;
            lines.extend(text.lines().map(|line| (second, line.to_owned())));
            Ok::<(), oikos_runner::JournalError>(())
        })
        .expect("the series");
    lines
}

#[test]
fn measures_are_taken_on_the_state_of_each_moment_and_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let mut live = open(&world(&format!("{TICKS}10"), "every = \"2m\""), &db);
    run(&mut live);
    drop(live);
    // Ticks at the minutes 0 to 9; a moment sees the tick that is at its own time.
    let given: Vec<(i64, Option<f64>)> =
        [(0, 1.0), (120, 3.0), (240, 5.0), (360, 7.0), (480, 9.0), (600, 10.0)]
            .map(|(at, value)| (at, Some(value)))
            .to_vec();
    assert_eq!(rows(&db, "given"), given);
    let also = |name: &str| rows(&db, name).into_iter().map(|(_, value)| value).collect::<Vec<_>>();
    assert_eq!(
        also("twice"),
        given.iter().map(|(_, value)| value.map(|value| 2.0 * value)).collect::<Vec<_>>()
    );
    assert_eq!(also("who"), vec![Some(2.0); 6]);
    assert_eq!(also("skill"), vec![Some(1.75); 6]);
    assert_eq!(also("never"), vec![None; 6], "one without a value has its rows");
    let rate = |name: &str| also(name).into_iter().map(|rate| rate.expect("a rate")).collect::<Vec<_>>();
    assert_eq!(rate("gifts"), [1.0, 2.0, 2.0, 2.0, 2.0, 1.0], "since the moment before");
    assert_eq!(rate("paid"), rate("gifts"));
    assert_eq!(rate("back"), [0.0; 6]);
    let each = agents(&db);
    assert_eq!(each.len(), 12, "a line for each agent and moment");
    for (at, line) in &each {
        let numbers: serde_json::Value = serde_json::from_str(line).expect("a list");
        let one =
            given.iter().find(|(moment, _)| moment == at).and_then(|(_, value)| *value).expect("a moment");
        let (wealth, skill) = if numbers[0] == "taker" { (one, json!(0.5)) } else { (100.0 - one, json!(3)) };
        assert_eq!((numbers[1].as_f64(), &numbers[2]), (Some(wealth), &skill), "{at}: {line}");
        assert!(numbers[3].as_i64().is_some_and(|left| left > 0), "{line}");
    }
    // More ticks: the moment at which it ended is measured again, for more has happened at it.
    let mut live = open(&world(&format!("{TICKS}13"), "every = \"2m\""), &db);
    run(&mut live);
    let measures = live.file.measures.clone();
    let taken = take_all(&mut live.sequencer, &measures).expect("no fault");
    for (name, total) in [("gifts", 13.0), ("paid", 13.0), ("back", 0.0), ("given", 13.0)] {
        let of = taken.iter().find(|(of, _)| of == name).map(|(_, number)| number);
        assert_eq!(of, Some(&Ok(total)), "{name} of the whole run");
    }
    drop(live);
    assert_eq!(rows(&db, "given").split_off(5), [(600, Some(11.0)), (720, Some(13.0)), (780, Some(13.0))]);
    let gifts = rows(&db, "gifts").split_off(5);
    assert_eq!(
        gifts,
        [(600, Some(2.0)), (720, Some(2.0)), (780, Some(0.0))],
        "counted on where it was cut short"
    );
}

#[test]
fn a_series_is_the_same_however_often_a_run_is_cut_short() {
    for (execution, units) in
        [(TICKS, ["3", "4", "11", "12"]), (ALONE, ["\"95s\"", "\"5m\"", "\"601s\"", "\"12m\""])]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let (once, often) = (folder.path().join("a.oikos"), folder.path().join("b.oikos"));
        let every = "every = \"90s\"";
        let mut live = open(&world(&format!("{execution}{}", units[3]), every), &once);
        run(&mut live);
        drop(live);
        for until in units {
            let mut live = open(&world(&format!("{execution}{until}"), every), &often);
            run(&mut live);
        }
        assert!(agents(&once).len() > 12);
        assert_eq!(agents(&once), agents(&often), "{execution}");
        let (once, often) = (whole(&once), whole(&often));
        assert!(once.len() > 40, "{}", once.len());
        assert_eq!(once, often, "{execution}");
    }
}

#[test]
fn a_session_takes_them_too_and_without_a_time_only_the_end_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let mut live = open(&world(&format!("{ALONE}\"1h\""), "every = \"1m\""), &db);
    for _ in 0..2 {
        let request = json!({ "run": { "for": "150s" } }).to_string();
        respond(&mut live, request.as_bytes(), &Stop::default()).expect("no fault");
    }
    live.sequencer.commit().expect("it is on disk");
    drop(live);
    let given = rows(&db, "given");
    assert_eq!(given.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 60, 120, 180, 240]);
    let db = folder.path().join("end.oikos");
    let mut live = open(&world(&format!("{TICKS}4"), ""), &db);
    run(&mut live);
    drop(live);
    assert_eq!(whole(&db).len(), 9, "each measure once");
    assert_eq!(agents(&db).len(), 2, "each agent once");
    assert_eq!(rows(&db, "given"), [(0, Some(4.0))]);
}

#[test]
fn long_times_in_which_nothing_happens_are_not_measured_without_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let text =
        world(&format!("{ALONE}\"720h\""), "every = \"1s\"").replace("pace = \"1m\"", "pace = \"240h\"");
    let text = text.replace("twice = \"counter.twice\"\nnever = \"counter.fails\"\n", "");
    let mut live = open(&text, &db);
    run(&mut live);
    drop(live);
    let given = rows(&db, "given");
    assert!(given.len() > 10_000 && given.len() <= 3 * 10_000 + 3, "{}", given.len());
}
