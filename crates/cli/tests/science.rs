//! The classical models in `worlds/science`: short runs that show the figures of `docs/science.md` where a short run can,
//! repeat to the bit, and whose books add up.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::path::Path;

use serde_json::Value;

use self::small::{example, hashes, oikos, run, talk};

/// Runs a world with some of its keys set, and gives its measures. It is run twice, and is the same; it is recorded
/// whole, and its books add up.
fn measures(world: &str, sets: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let [db, again] = ["one.oikos", "two.oikos"].map(|name| folder.path().join(name));
    let file = example(&format!("science/{world}"));
    let more: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let report = run(&file, &db, &more);
    assert_eq!(hashes(&report), hashes(&run(&file, &again, &more)), "{world}");
    verify(&db);
    report["measures"].clone()
}

fn verify(db: &Path) {
    let output = oikos([Path::new("verify"), db, Path::new("--json")]);
    assert!(output.status.success(), "{}", talk(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["ok"], true, "{told}");
}

/// Asserts that a measure is near what is expected.
fn near(measures: &Value, name: &str, expected: f64, most: f64) {
    let value = measures[name].as_f64().unwrap_or(f64::NAN);
    assert!((value - expected).abs() <= most, "{name} is {value}, not {expected} ± {most}");
}

#[test]
fn a_reshuffle_of_money_makes_it_exponential() {
    let told = measures("reshuffle", &["execution.ticks=12", "agents.person.count=100"]);
    // Four standard deviations of 100 persons.
    near(&told, "gini", 99.0 / 200.0, 4.0 * 0.029);
    near(&told, "median", 1000.0 * std::f64::consts::LN_2, 4.0 * 70.0);
}

#[test]
fn fair_bets_make_one_rich() {
    let told = measures("yard_sale", &["execution.ticks=250", "agents.trader.count=10"]);
    near(&told, "gini", 0.9, 0.03);
    // At most nine of ten are not the richest: `nine` is all or nothing, or nearly.
    let nine = told["nine"].as_f64().expect("a number");
    assert!(!(1000.0..9000.0).contains(&nine), "{nine}");
}

#[test]
fn a_harvest_above_the_greatest_growth_empties_the_lake() {
    let told = measures("commons", &["execution.ticks=120"]);
    assert_eq!(told["stock"], 600.0);
    assert_eq!(told["caught"], 7200.0);
    let told = measures("commons", &["execution.ticks=120", "parameters.harvest=11"]);
    assert_eq!(told["stock"], 0.0);
    assert_eq!(told["caught"], 5537.0);
}

#[test]
fn those_who_are_never_the_first_to_defect_come_in_first() {
    let told = measures("prisoners", &["execution.ticks=60"]);
    let sum = |names: [&str; 4]| names.map(|name| told[name].as_f64().expect("a score")).iter().sum::<f64>();
    let nice = sum(["tit_for_tat", "shubik", "friedman", "davis"]);
    let rest = sum(["feld", "joss", "tullock", "random"]);
    // 3 points a round of each other, beside all that they have of the rest.
    assert!(nice > rest + 4.0 * 60.0, "{told}");
    near(&told, "against_random", 1.5 + 59.0 * 2.25, 4.0 * 8.0);
}

#[test]
fn the_second_price_is_as_vickrey_says() {
    let told = measures("second_price", &["execution.ticks=100"]);
    near(&told, "price", 2.0 / 3.0, 4.0 * 0.018);
    near(&told, "honest_gain", 1.0 / 30.0, 4.0 * 0.005);
}

#[test]
fn bids_for_slots_settle_where_all_pay_what_their_presence_costs() {
    let told = measures("slots", &["execution.ticks=20", "parameters.hurry=0"]);
    assert_eq!(told["revenue"], 1_050_000.0);
    let told = measures("slots", &["execution.ticks=100"]);
    near(&told, "revenue", 750_000.0, 500.0);
}

#[test]
fn ants_that_meet_seldom_agree() {
    // By themselves alone half of them are black: a binomial of twenty.
    let told = measures("ants", &["execution.duration=10m", "parameters.alone=0.5", "parameters.met=0"]);
    near(&told, "black", 0.5, 4.0 * 0.112);
    // By others alone nothing but chance moves them, and they end all alike.
    let few = ["agents.black.count=8", "agents.red.count=8"];
    let told = measures("ants", &["execution.duration=100m", "parameters.alone=0", few[0], few[1]]);
    assert_eq!(told["mix"], 0.0);
}

#[test]
fn a_line_is_as_long_as_it_keeps_those_who_come() {
    let told = measures("queue", &["execution.duration=600m", "parameters.load=0.5"]);
    let [present, stay, served] =
        ["present", "stay", "served"].map(|name| told[name].as_f64().expect("a number"));
    near(&told, "present", 1.0, 4.0 * 0.25);
    near(&told, "served", 300.0, 4.0 * 17.0);
    // Little's law, up to those who are still there.
    assert!((present - served / 600.0 * stay).abs() < 0.1, "{told}");
}

#[test]
fn residents_who_ask_for_little_live_apart() {
    let told = measures("schelling", &["execution.ticks=30"]);
    near(&told, "alike", 0.73, 4.0 * 0.035);
    assert_eq!(told["unhappy"], 0.0);
}
