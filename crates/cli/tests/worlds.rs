//! The example worlds as acceptance tests: each shows the figures that `docs/worlds.md` states.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

/// Runs a world to its end and gives the object that `run --json` ends with.
fn run(world: &str, db: &Path) -> Value {
    run_with(world, db, &[])
}

fn run_with(world: &str, db: &Path, more: &[&str]) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worlds").join(format!("{world}.toml"));
    let output = Command::new(env!("CARGO_BIN_EXE_oikos"))
        .args(["run", "--json", "--db"])
        .args([db, &file])
        .args(more)
        .output()
        .expect("the binary runs");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{talk}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {talk}"))
}

fn lines(db: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oikos"));
    command.arg(arguments[0]).arg(db).args(&arguments[1..]).arg("--json");
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Asserts that a measure is within four standard deviations of what was found over many seeds.
fn within(report: &Value, name: &str, mean: f64, deviation: f64) {
    let value = report["measures"][name].as_f64().unwrap_or(f64::NAN);
    assert!((value - mean).abs() <= 4.0 * deviation, "{name} is {value}, not {mean} ± {deviation}");
}

#[test]
fn coins_have_the_stationary_state_of_parallel_updates() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("coins.oikos");
    let report = run("coins", &db);
    // √2 − 1, and what follows from it; one-at-a-time updates would give 1/2 and 2/3.
    within(&report, "share_zero", 0.4142, 0.010);
    within(&report, "gini", 0.5799, 0.012);
    assert_eq!(report["supply"], 1_000);
    let balances = lines(&db, &["inspect", "agents"]).remove(0);
    let sum: i64 =
        balances.as_array().expect("agents").iter().map(|agent| agent["scrip"].as_i64().unwrap()).sum();
    assert_eq!(sum, 1_000);
}

#[test]
fn coins_that_move_one_at_a_time_follow_the_geometric_law() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = run("coins_autonomous", &folder.path().join("coins.oikos"));
    within(&report, "share_zero", 0.5, 0.011);
    within(&report, "gini", 2.0 / 3.0, 0.010);
    assert_eq!(report["supply"], 1_000);
}

#[test]
fn a_day_and_a_night_tell_their_story_and_tell_it_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let [db, again] = ["one.oikos", "two.oikos"].map(|name| folder.path().join(name));
    let report = run("night_and_day", &db);
    assert_eq!(report, run("night_and_day", &again));
    assert_eq!(report["measures"]["claims"], 1.0);
    let log = lines(&db, &["log"]);
    let of = |kind: &str, actor: &str| {
        let fits = log
            .iter()
            .filter(|line| line["type"] == kind && line["actor"] == actor && line["error"].is_null());
        fits.map(|line| {
            (line["seq"].as_u64().expect("a number"), line["time"].as_str().expect("a time").to_owned())
        })
        .collect::<Vec<_>>()
    };
    let (freezes, rescues) = (of("freeze", "hasty"), of("rescue", "creditor"));
    assert_eq!((freezes.len(), rescues.len()), (3, 2));
    for (freeze, rescue) in freezes.iter().zip(&rescues) {
        assert!(
            freeze.0 < rescue.0 && freeze.1 == rescue.1,
            "help comes at that instant: {freeze:?} {rescue:?}"
        );
    }
    // The opening wakes all who wait for it, and an agent that waits for a call has it at that instant.
    for worker in ["steady", "slow", "hasty"] {
        let opened = of("wake", worker).iter().filter(|(_, at)| at == "2026-01-01T06:00:00.000Z").count();
        assert_eq!(opened, 1, "{worker}");
    }
    let (blocks, unblocks) = (of("block", "hasty"), of("unblock", "hasty"));
    assert!(blocks.len() > 10 && unblocks.len() > 10, "{blocks:?} {unblocks:?}");
}

#[test]
fn the_exchange_is_nearly_efficient_without_clever_traders() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = run("exchange", &folder.path().join("exchange.oikos"));
    // A hundred floors that vary by 0.0465 each.
    within(&report, "efficiency", 0.978, 0.0047);
    within(&report, "trades", 3.82, 0.047);
    assert_eq!(report["supply"], 200_000);
}

/// Asserts the figures of the auction house that hold whether bids are sealed or not.
fn assert_auctions(report: &Value) {
    // (n - k) / (n + 1) of the highest value, for k units and n bidders.
    within(report, "revenue_2", 1.0 / 3.0, 0.0091);
    within(report, "revenue_3", 2.0 / 4.0, 0.0118);
    within(report, "revenue_5", 4.0 / 6.0, 0.0115);
    within(report, "revenue_10", 9.0 / 11.0, 0.0093);
    within(report, "revenue_uniform", 3.0 / 6.0, 0.0134);
    // Nobody gains by another bid than the value, and those lose most who are farthest from it.
    for (name, mean, deviation) in [
        ("second_80", -0.00667, 0.0026),
        ("second_90", -0.00167, 0.0009),
        ("second_110", -0.00138, 0.0009),
        ("second_120", -0.00463, 0.0020),
        ("uniform_80", -0.00467, 0.0022),
        ("uniform_90", -0.00100, 0.0007),
        ("uniform_110", -0.00069, 0.0005),
        ("uniform_120", -0.00231, 0.0013),
    ] {
        within(report, name, mean, deviation);
        assert!(report["measures"][name].as_f64().is_some_and(|gain| gain <= 0.0), "{name}");
    }
    // Where winners pay the best losing bid, it is no use to know it.
    assert_eq!(report["measures"]["spy_second"], 0.0);
    assert_eq!(report["supply"], 1_023_130_000);
}

#[test]
fn the_auction_house_has_vickreys_prices_and_spies_who_learn_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("auction_house.oikos");
    let report = run("auction_house", &db);
    assert_auctions(&report);
    within(&report, "revenue_first", 1.0 / 3.0, 0.0076);
    assert_eq!(report["measures"]["spy_first"], 0.0);
    // Every spy has looked, and has been told: only that balances are private.
    let spies = lines(&db, &["log", "--of", "spy_first_001", "--type", "invoke"]);
    for detail in ["look_round", "bid_late"] {
        assert_eq!(spies.iter().filter(|line| line["detail"] == detail).count(), 12, "{detail}");
    }
    // All bids were given back or paid: what there is, bidders and the sponsor have.
    let balances = lines(&db, &["inspect", "balances"]).remove(0);
    let balances = balances.as_array().expect("balances");
    let houses = balances.iter().filter(|one| one["kind"] == "house").collect::<Vec<_>>();
    assert_eq!(houses.len(), 9);
    assert!(houses.iter().all(|house| house["scrip"] == 0), "a house has kept something");
    let sum: i64 = balances.iter().map(|one| one["scrip"].as_i64().unwrap()).sum();
    assert_eq!(sum, 1_023_130_000);
}

#[test]
fn where_balances_are_public_spies_read_the_bids_and_the_seller_pays_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("auction_house.oikos");
    let report = run_with("auction_house", &db, &["--set", "privacy.balances=public"]);
    assert_auctions(&report);
    within(&report, "spy_first", 0.0704, 0.0071);
    within(&report, "revenue_first", 0.2871, 0.0082);
}

#[test]
fn nobody_bends_the_auction() {
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worlds/auction_house.toml");
    let mut session = Command::new(env!("CARGO_BIN_EXE_oikos"));
    session.arg("session").arg(world).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut session = session.spawn().expect("the binary runs");
    let bid = |who: &str, house: &str, pay: i64| json!({ "act": { "as": who, "op": "invoke", "artifact": house, "method": "bid", "args": [0], "pay": pay } });
    let sold = json!([{ "bids": [["bidder_2_001", 1]], "prices": { "bidder_2_001": 0 } }]);
    let terms = json!({ "rule": "uniform", "units": 1, "bidders": 2 });
    let call = |who: &str, artifact: &str, method: &str, args: Value| json!({ "act": { "as": who, "op": "invoke", "artifact": artifact, "method": method, "args": args } });
    // The bids of the first round are in, and the hammer has not fallen.
    let requests = [
        (json!({ "run": { "ticks": 2 } }), None),
        (bid("bidder_2_001", "second_2", 9_999), Some("your bid of this round stands")),
        (bid("bidder_3_001", "second_2", 9_999), Some("all seats at this table are taken")),
        (bid("bidder_3_001", "spied_first", 0), Some("a bid is the scrip sent along")),
        (call("bidder_2_001", "second_2", "hammer", json!([])), Some("the hammer is the auctioneer's")),
        (call("bidder_2_001", "second_2", "_resolve", json!([])), Some("the code has no function")),
        (call("auctioneer", "sponsor", "settle", json!([terms, sold])), Some("with its own houses only")),
        (call("bidder_2_001", "bidder_2_002", "take_part", json!([])), Some("only the artifact itself")),
        (json!({ "query": { "what": "balance", "of": "second_2" } }), None),
        (json!({ "run": { "ticks": 2 } }), None),
        (json!({ "query": { "what": "balance", "of": "second_2" } }), None),
    ];
    let mut input = session.stdin.take().expect("piped");
    for (request, _) in &requests {
        writeln!(input, "{request}").expect("the session reads");
    }
    drop(input);
    let output = session.wait_with_output().expect("the session ends");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), requests.len(), "{text}");
    for ((request, refusal), answer) in requests.iter().zip(&answers) {
        let told = refusal.is_none_or(|part| {
            let error = &answer["receipt"]["error"];
            error["message"].as_str().is_some_and(|message| message.contains(part))
        });
        assert!(told, "{request}: {answer}");
        assert!(refusal.is_none() || answer["receipt"]["payments"] == json!([]), "{request}: {answer}");
    }
    assert!(answers[8]["result"].as_i64().is_some_and(|held| held > 100_000), "the house holds the bids");
    assert_eq!(answers[10]["result"], 0, "it keeps nothing");
}

#[test]
fn the_bazaar_builds_capital_on_capital() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("bazaar.oikos");
    let report = run("bazaar", &db);
    assert_eq!(report["supply"], 1_300);
    within(&report, "gini", 0.42, 0.07);
    within(&report, "tools", 12.0, 2.0);
    within(&report, "reports", 667.0, 63.0);
    let artifacts = lines(&db, &["inspect", "artifacts"]).remove(0);
    let tools = artifacts.as_array().expect("artifacts").iter().filter(|artifact| artifact["kind"] == "tool");
    assert!(tools.count() >= 3, "tools that agents made stand at the end");
    // An index calls a detector, which calls an analysis: three deep, each paid for.
    let log = lines(&db, &["log"]);
    for (caller, callee) in [("index", "patterns"), ("patterns", "analysis")] {
        let calls = log.iter().any(|line| {
            line["type"] == "invoke"
                && line["actor"].as_str().is_some_and(|actor| actor.starts_with(caller))
                && line["artifact"].as_str().is_some_and(|artifact| artifact.starts_with(callee))
        });
        assert!(calls, "no {caller} ever called a {callee}");
    }
    for code in ["insufficient_scrip", "not_found", "limit_exceeded", "quota_exceeded", "permission_denied"] {
        assert!(log.iter().any(|line| line["error"]["code"] == code), "nobody was ever refused with {code}");
    }
}

/// Lets a principal act in a world and gives the receipt.
fn act(db: &Path, who: &str, action: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oikos"));
    let output =
        command.arg("act").arg(db).args(["--json", "--as", who, action]).output().expect("the binary runs");
    serde_json::from_slice(&output.stdout).expect("a receipt")
}

/// A measure that counts.
fn count(report: &Value, name: &str) -> i64 {
    let value = report["measures"][name].as_f64().unwrap_or(f64::NAN);
    assert!(value.fract() == 0.0, "{name} is {value}");
    value as i64
}

/// The scrip of a principal.
fn scrip(db: &Path, id: &str) -> i64 {
    let principals = lines(db, &["inspect", "principals"]).remove(0);
    let mut found = principals.as_array().expect("principals").iter().filter(|row| row["id"] == id);
    found.next().expect("a principal")["scrip"].as_i64().expect("an amount")
}

/// The sum of the amounts of lines.
fn sum<'a>(lines: impl Iterator<Item = &'a Value>) -> i64 {
    lines.map(|line| line["amount"].as_i64().expect("an amount")).sum()
}

#[test]
fn a_guild_keeps_its_lake_by_a_vote_and_the_lake_without_one_dies() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("guild.oikos");
    let report = run("guild", &db);
    assert_eq!(report["supply"], 41_200);
    within(&report, "lower_fish", 76.3, 8.1);
    within(&report, "lower_catch", 3_810.0, 277.0);
    within(&report, "law_day", 17.0, 4.1);
    // The fish settle where a day's growth is a day's catch, whichever number of boats has won.
    let (boats, law_day) = (count(&report, "boats"), count(&report, "law_day"));
    let (fish, spread, landed, spread_landed) = match boats {
        4 => (1_316.0, 45.0, 8_890.0, 130.0),
        6 => (963.0, 50.0, 9_754.0, 230.0),
        8 => (605.0, 50.0, 9_100.0, 400.0),
        other => panic!("no law allows {other} boats"),
    };
    within(&report, "upper_fish", fish, spread);
    within(&report, "upper_catch", landed, spread_landed);

    // To the last scrip: full seasons from the day after the law, and equal shares at each season's beginning.
    let seasons = (149 - law_day + 9) / 10;
    let (mut treasury, mut paid_out) = (40 * boats, 0);
    for _ in 1..seasons {
        paid_out += treasury / 12 * 12;
        treasury = treasury % 12 + 40 * boats;
    }
    assert_eq!(count(&report, "contributed"), 40 * boats * seasons);
    assert_eq!((count(&report, "paid_out"), count(&report, "treasury")), (paid_out, treasury));
    let log = lines(&db, &["log"]);
    let contributions =
        log.iter().filter(|line| line["artifact"] == "guild" && line["detail"] == "contribute");
    assert_eq!(sum(contributions.clone()), 40 * boats * seasons);
    let shares = log.iter().filter(|line| line["type"] == "transfer" && line["actor"] == "guild");
    assert_eq!(sum(shares), paid_out);

    // The vote alone made the law: the lake's contract changed once, and to what had won.
    let laws: Vec<_> = log.iter().filter(|line| line["type"] == "set_contract").collect();
    assert_eq!(laws.len(), 1);
    assert_eq!((&laws[0]["actor"], &laws[0]["artifact"]), (&"guild".into(), &"upper_lake".into()));
    let tally = format!(
        r#"{{"op": "invoke", "artifact": "genesis_vote", "method": "tally", "args": ["vote_{}"]}}"#,
        count(&report, "votes")
    );
    let tally = act(&db, "upper_001", &tally);
    assert_eq!(
        (&tally["result"]["status"], &tally["result"]["winner"]),
        (&"passed".into(), &boats.to_string().into())
    );
    assert!(tally["result"]["until"].as_str() <= laws[0]["time"].as_str());
    let rewrite = act(&db, "upper_001", r#"{"op": "write", "artifact": "guild", "metadata": {"boats": 12}}"#);
    assert_eq!(rewrite["error"]["code"], "permission_denied");

    // Anybody fished before it, and afterwards nobody who had not contributed in the ten days to that one.
    let law = laws[0]["seq"].as_u64();
    let fished = |line: &&Value| line["artifact"] == "upper_lake" && line["detail"] == "fish";
    let denied = |line: &&Value| line["error"]["code"] == "permission_denied";
    let (before, after): (Vec<&Value>, Vec<&Value>) = log.iter().partition(|line| line["seq"].as_u64() < law);
    assert!(before.iter().copied().filter(fished).count() > 12 * 5);
    assert_eq!(before.iter().copied().filter(denied).count(), 0);
    assert!(after.iter().copied().filter(denied).count() > 0);
    have_contributed(&after, fished);

    // The lower lake's purse: each boat's hire came in, each fish was paid for.
    let boats_out = log.iter().filter(|line| line["artifact"] == "lower_lake" && line["detail"] == "fish");
    let boats_out = i64::try_from(boats_out.count()).expect("a count");
    assert_eq!(scrip(&db, "lower_lake"), 20_000 + boats_out - count(&report, "lower_catch"));
}

/// Asserts that whoever fished had contributed to the guild on that day or on one of the nine before it.
fn have_contributed(lines: &[&Value], fished: impl Fn(&&Value) -> bool) {
    let (mut days_left, mut day) = (BTreeMap::new(), "");
    for line in lines {
        let today = line["time"].as_str().expect("a time");
        if today != day {
            day = today;
            days_left.values_mut().for_each(|days: &mut i32| *days -= 1);
        }
        let who = line["actor"].as_str().unwrap_or_default();
        if line["artifact"] == "guild" && line["detail"] == "contribute" {
            days_left.insert(who, 10);
        } else if fished(line) {
            assert!(days_left.get(who).is_some_and(|days| *days > 0), "{who} has no place: {line}");
        }
    }
}

#[test]
fn jobs_make_specialists_who_buy_the_parts_they_cannot_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("jobs.oikos");
    let report = run("jobs", &db);
    assert_eq!(report["supply"], 15_900);
    within(&report, "specialisation_early", 0.64, 0.17);
    within(&report, "specialisation_late", 1.47, 0.17);
    within(&report, "success_early", 0.58, 0.05);
    within(&report, "success_late", 0.74, 0.05);
    within(&report, "solved", 228.0, 25.0);
    within(&report, "subcontracted", 78.0, 13.0);
    let rise = |name: &str| {
        let [early, late] = ["early", "late"]
            .map(|when| report["measures"][format!("{name}_{when}")].as_f64().expect("a number"));
        late - early
    };
    assert!(rise("specialisation") > 0.3 && rise("success") > 0.0, "{report}");
    // A task has three steps at most, and somebody bought a part that was built on a part.
    assert_eq!(count(&report, "depth"), 3);

    // Clients paid in, winners were paid out, and the rest stands for tasks that are open.
    let log = lines(&db, &["log"]);
    let of = |artifact: &str, kind: &str| {
        log.iter()
            .filter(|line| {
                line["type"] == kind && (line["artifact"] == artifact || line["actor"] == artifact)
            })
            .collect::<Vec<_>>()
    };
    let posted = of("genesis_tasks", "invoke").into_iter().filter(|line| line["detail"] == "post");
    let paid = of("genesis_tasks", "transfer");
    let (back, won): (Vec<&Value>, Vec<&Value>) =
        paid.into_iter().partition(|line| line["to"].as_str().is_some_and(|to| to.starts_with("client")));
    let won_count = i64::try_from(won.len()).expect("a count");
    assert_eq!(won_count, count(&report, "solved"));
    assert_eq!(sum(posted) - sum(won.into_iter()) - sum(back.into_iter()), scrip(&db, "genesis_tasks"));
    // The escrow keeps no scrip: each purchase paid the seller and handed over the part, in one action.
    assert_eq!(scrip(&db, "genesis_escrow"), 0);
    let sold = of("genesis_escrow", "invoke").into_iter().filter(|line| line["detail"] == "purchase");
    assert_eq!(sum(sold.clone()), sum(of("genesis_escrow", "transfer").into_iter()));
    assert!(i64::try_from(sold.count()).expect("a count") >= count(&report, "subcontracted"));
}

/// Runs a world of models without one, twice, and gives its report; nobody was asked, and nobody paid.
fn replayed(world: &str, db: &Path) -> Value {
    let report = run_with(world, db, &["--tape", "replay"]);
    assert_eq!(report, run_with(world, &db.with_extension("again"), &["--tape", "replay"]));
    let cost = &lines(db, &["cost"])[0];
    assert_eq!(cost["paid"]["calls"], 0, "{cost}");
    assert!(cost["replayed"]["calls"].as_u64() > Some(20), "{cost}");
    report
}

#[test]
fn the_salon_is_told_again_by_its_tape() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("salon.oikos");
    let report = replayed("salon", &db);
    assert_eq!(report["journal_hash"], "777955898dcc1b8b09123a69a658b75e05c33cdec4795bb4f736b030eb7e1aa6");
    assert_eq!((&report["supply"], &report["ticks"]), (&json!(200), &json!(12)));
    let log = lines(&db, &["log"]);
    let of = |kind: &str, actor: &str| {
        let fits = log.iter().filter(|line| line["type"] == kind && line["actor"] == actor);
        let told = fits.filter(|line| line["error"].is_null()).map(|line| {
            (line["artifact"].as_str().unwrap_or_default(), line["seq"].as_u64().expect("a number"))
        });
        told.collect::<Vec<_>>()
    };
    // The wish of a guest becomes a tool, the tool a trial, the trial a word, and the word a trade.
    let (written, tried, used) = (of("write", "maker"), of("invoke", "critic"), of("invoke", "newcomer"));
    let names = |deeds: &[(&str, u64)]| deeds.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&written), ["reverse_text", "add_two_numbers", "count_words", "greet_guest"]);
    assert_eq!(
        names(&tried),
        ["reverse_text", "add_two_numbers"],
        "the others failed, and failed trials leave no mark"
    );
    assert_eq!(names(&used), ["reverse_text", "add_two_numbers"]);
    for ((written, tried), used) in written.iter().zip(&tried).zip(&used) {
        assert!(written.1 < tried.1 && tried.1 < used.1, "{written:?} {tried:?} {used:?}");
    }
    let kept = of("remember", "newcomer");
    assert_eq!(
        names(&kept),
        ["newcomer_memory", "newcomer_memory"],
        "it keeps in mind the tools that it used"
    );
}

#[test]
fn a_tape_that_has_ended_invents_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worlds/salon.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_oikos"));
    command.args(["run", "--tape", "replay", "--set", "execution.ticks=14", "--db"]);
    let output = command.arg(folder.path().join("more.oikos")).arg(file).output().expect("the binary runs");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{talk}");
    assert!(talk.contains("the tape has no answer for"), "{talk}");
}

#[test]
fn a_memory_is_worth_three_answers_of_three() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("interview.oikos");
    let report = replayed("interview", &db);
    assert_eq!(report["journal_hash"], "ccc97f7e88ec825d9cca20a7ff66a47b16e34b8395d557eeac4a52b3c40091e1");
    assert_eq!(report["measures"], json!({ "witness": 3.0, "stranger": 0.0 }));
    assert_eq!(report["supply"], 250);
    // The stranger wished to remember as often, and could not.
    let refused = lines(&db, &["log", "--refused"]);
    let refused = refused.iter().filter(|line| line["actor"] == "stranger").count();
    assert_eq!(refused, 3);
}

#[test]
fn the_readme_shows_what_the_first_command_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let world = root.join("worlds/bazaar.toml").canonicalize().expect("the world file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_oikos"));
    let output = command.current_dir(folder.path()).arg("run").arg(world).output().expect("the binary runs");
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let block = readme.split("```\n").find_map(|block| block.split_once("-- run worlds/bazaar.toml\n"));
    assert_eq!(block.map(|(_, shown)| shown), Some(shown.as_str()), "README.md shows another output");
}
