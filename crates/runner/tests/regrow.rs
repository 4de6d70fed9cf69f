//! Resources that grow back: by the formula, whoever sleeps, whichever scheduler, and never beyond the rules.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod door;

use oikos_runner::{
    Journal, Live, Stop,
    config::{self, Overrides},
    kernel::record::{Cause, Effect},
    library,
    request::Request,
};
use serde_json::{Value, json};

use self::door::{workplace, world_file};

const POND: &str = r#"
[[artifacts]]
id = "pond"
has_standing = true
resources = { fish = STOCK }
code = """
def fish(n):
    transfer(call["caller"], n, "fish")

def stock():
    return query("resources")["fish"]["balance"]

def close():
    delete(me, heir="ann")
"""
[[artifacts]]
id = "ann"
has_standing = true
"#;

fn world(execution: &str, (stock, rate, cap, every): (i64, i64, i64, &str)) -> String {
    let regrow = format!("regrow = {{ rate_ppm = {rate}, cap = {cap}, every = \"{every}\" }}");
    format!(
        "[execution]\n{execution}\n[resources.fish]\nkind = \"depletable\"\ntotal = 9000000000000000000\nsplit = \"none\"\n{regrow}\n{}",
        POND.replace("STOCK", &stock.to_string())
    )
}

fn live(text: String) -> Live {
    workplace().found(world_file(text), Journal::in_memory).expect("it is founded")
}

fn stock(live: &Live) -> i64 {
    let world = live.world();
    let fish = world.rules().resource("fish").expect("it is named");
    world.capacity(world.lookup("pond").expect("it is there"), fish, world.now())
}

fn advance(live: &mut Live, ms: i64) {
    live.answer(Request::Advance(ms), &Stop::default()).expect("no fault");
}

fn fish(live: &mut Live, amount: i64) -> bool {
    let op = json!({ "op": "invoke", "artifact": "pond", "method": "fish", "args": [amount] });
    live.sequencer.act("ann", op).expect("no fault").outcome.is_ok()
}

/// The formula of the design, in the simplest words.
fn grown(mut stock: i128, rate: i128, cap: i128, intervals: u32) -> i128 {
    for _ in 0..intervals {
        if 0 < stock && stock < cap {
            stock += stock * rate * (cap - stock) / (cap * 1_000_000);
        }
    }
    stock
}

#[test]
fn a_stock_grows_by_the_formula_at_once_or_one_by_one() {
    const HOUR: i64 = 3_600_000;
    for (begun, rate, cap) in [
        (500, 250_000, 1_000),
        (1, 250_000, 1_000),
        (4, 250_000, 1_000),
        (0, 250_000, 1_000),
        (999, 250_000, 1_000),
        (1_000, 250_000, 1_000),
        // Above the cap nothing grows, and nothing goes.
        (1_500, 250_000, 1_000),
        (500, 0, 1_000),
        (500, 250_000, 0),
        (500, 1_000_000, 1_000),
        (1, 1_000_000, 1_000_000_000_000_000),
        (499_999_999_999_999, 1_000_000, 1_000_000_000_000_000),
        (8_999_999_999_999_999_999, 1_000_000, 1_000_000_000_000_000),
    ] {
        let rules = (begun, rate, cap, "1h");
        let of = |intervals| {
            i64::try_from(grown(begun.into(), rate.into(), cap.into(), intervals)).expect("it fits")
        };
        let (mut once, mut often) = (live(world("ticks = 1", rules)), live(world("ticks = 1", rules)));
        advance(&mut once, HOUR - 1);
        assert_eq!(stock(&once), begun, "{rules:?} before its time");
        advance(&mut once, 9 * HOUR + 1);
        for hour in 1..=10 {
            advance(&mut often, HOUR);
            assert_eq!(stock(&often), of(hour), "{rules:?} after {hour}");
        }
        assert_eq!(stock(&once), of(10), "{rules:?} at once");
        // All that there is came into being in the founding, or by the rule.
        once.world().audit().expect("the books add up");
        often.world().audit().expect("the books add up");
    }
}

#[test]
fn what_is_taken_grows_from_what_is_left_under_both_schedulers() {
    let rules = (500, 250_000, 1_000, "1h");
    for (execution, intervals) in [
        // The third hour ends where the fourth tick would begin.
        ("ticks = 3\ntick_duration = \"1h\"", 2),
        ("mode = \"autonomous\"\nduration = \"3h\"\npace = \"20m\"", 3),
    ] {
        let agent =
            "[[agents]]\nid = \"bob\"\nresources = { fish = 7 }\ncode = \"def step(o): return None\"\n";
        let mut live = live(world(execution, rules) + agent);
        assert!(fish(&mut live, 100));
        let goal = live.goal().expect("a goal");
        live.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs");
        assert_eq!(i128::from(stock(&live)), grown(400, 250_000, 1_000, intervals), "{execution}");
        assert!(!fish(&mut live, 100_000));
        assert_eq!(i128::from(stock(&live)), grown(400, 250_000, 1_000, 3), "{execution}");
        // Fish that an agent has caught stay as they are.
        let world = live.world();
        let fish = world.rules().resource("fish").expect("it is named");
        let of = |id: &str| world.capacity(world.lookup(id).expect("it is there"), fish, world.now());
        assert_eq!((of("ann"), of("bob")), (100, 7), "{execution}");
        world.audit().expect("the books add up");
        let journal = live.sequencer.journal().expect("the journal");
        let mut seen = Vec::new();
        journal
            .records(1, |record| {
                let grows = record.effects.iter().any(|effect| matches!(effect, Effect::Grow { .. }));
                assert_eq!(grows, record.cause == Cause::Regrow, "only the rule makes anything grow");
                seen.extend(grows.then_some(record.time.ms()));
                Ok::<(), oikos_runner::JournalError>(())
            })
            .expect("it can be read");
        assert!(seen.len() == 3 && seen.iter().all(|ms| ms % 3_600_000 == 0), "{execution}: {seen:?}");
    }
}

#[test]
fn a_holder_that_is_gone_grows_nothing() {
    let mut live = live(world("ticks = 1", (500, 250_000, 1_000, "1h")));
    advance(&mut live, 3_600_000);
    let before = stock(&live);
    let close = json!({ "op": "invoke", "artifact": "pond", "method": "close" });
    let receipt = live.sequencer.act("ann", close).expect("no fault");
    assert!(receipt.outcome.is_ok(), "{:?}", receipt.outcome);
    advance(&mut live, 36_000_000);
    let world = live.world();
    let fish = world.rules().resource("fish").expect("it is named");
    assert_eq!(world.capacity(world.lookup("ann").expect("it is there"), fish, world.now()), before);
    world.audit().expect("the books add up");
}

#[test]
fn growth_that_cannot_be_is_refused_with_its_place() {
    let text = world("ticks = 1", (500, 250_000, 1_000, "1h"));
    let problem = |text: String| {
        let mut none = |_: &str| Err("there is none".to_owned());
        config::parse("w.toml", text, &mut none, &Overrides::default(), library::founders())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(problem(text.clone()), Ok(()));
    for (from, to, says) in [
        ("rate_ppm = 250000", "rate_ppm = 1000001", "`rate_ppm` may be 1000000 at most"),
        ("rate_ppm = 250000", "rate_ppm = -1", "`rate_ppm` must be an integer of at least 0"),
        ("rate_ppm = 250000, ", "", "`rate_ppm` is missing"),
        ("cap = 1000", "cap = 1000000000000001", "`cap` may be 1000000000000000 at most"),
        ("cap = 1000", "cap = -1", "at least 0"),
        ("cap = 1000, ", "", "`cap` is missing"),
        ("every = \"1h\"", "every = \"0s\"", "`every` must be a duration of at least 1ms"),
        (", every = \"1h\"", "", "`every` is missing"),
        ("every = \"1h\"", "every = \"1h\", most = 5", "unknown key `most`"),
        ("regrow = {", "regrow = 5 #", "`regrow` must be a table"),
        ("resources = { fish = 500 }", "", "no artifact of this file holds `fish`"),
    ] {
        assert!(text.contains(from), "{from}");
        let told = problem(text.replacen(from, to, 1)).expect_err(to);
        assert!(told.contains(says) && told.contains("w.toml:"), "{to}: {told}");
    }
    let renewable = "[resources.air]\nkind = \"renewable\"\nrate = 5\nregrow = { rate_ppm = 1, cap = 1, every = \"1h\" }\n";
    let told = problem(renewable.to_owned() + &text).expect_err("it comes back by itself");
    assert!(told.contains("`regrow` does not go with a resource of this kind"), "{told}");
}

#[test]
fn the_pond_tells_its_stock() {
    let mut live = live(world("ticks = 1", (500, 250_000, 1_000, "1h")));
    advance(&mut live, 7_200_000);
    let told = live.sequencer.act("ann", json!({ "op": "invoke", "artifact": "pond", "method": "stock" }));
    let result: Value = told.expect("no fault").outcome.result();
    assert_eq!(i128::from(result.as_i64().expect("a number")), grown(500, 250_000, 1_000, 2));
}

#[test]
fn it_grows_while_nobody_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let text = format!("[world]\nclock = \"wall\"\n{}", world("ticks = 1", (100_000, 1_000, 900_000, "5ms")));
    let mut live = workplace().found(world_file(text), || Journal::create(&db)).expect("it is founded");
    assert!(fish(&mut live, 1));
    live.sequencer.commit().expect("no fault");
    let (before, then) = (stock(&live), live.world().now());
    drop(live);
    // Longer than clocks may be apart, so that the absence is told.
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    let mut live = workplace().open(Journal::open(&db).expect("a journal")).expect("it goes on");
    live.sequencer.act("ann", json!({ "op": "noop" })).expect("no fault");
    // All intervals that have ended count, each once, and it is the records that say how many there were.
    let world = live.world();
    let ended = |time: oikos_runner::kernel::time::Time| (time.ms() - world.rules().start.ms()).div_euclid(5);
    let intervals = u32::try_from(ended(world.now()) - ended(then)).expect("some");
    assert!(intervals >= 200 && world.away_ms() > 0, "{intervals} intervals");
    assert_eq!(i128::from(stock(&live)), grown(before.into(), 1_000, 900_000, intervals));
    live.sequencer.commit().expect("no fault");
    drop(live);
    let replayed = oikos_runner::verify(&Journal::open(&db).expect("a journal"), |_| ());
    assert!(replayed.is_ok(), "{replayed:?}");
}
