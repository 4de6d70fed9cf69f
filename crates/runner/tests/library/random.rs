//! Random sequences over all of the library that moves value, against a model that is as plain as can be: after each call
//! the model and the world agree on whether it was done, and on every balance, quota and owner.

use std::collections::BTreeMap;

use oikos_runner::kernel::seed::{below, mix};
use serde_json::{Value, json};

use crate::{
    Play,
    every::rows,
    naive::{LOT, MADE, Naive, PEOPLE, THINGS, TOOLS},
    play,
};

/// Calls in all, and in one world.
const CALLS: u64 = 10_000;
const CALLS_PER_WORLD: u64 = 1_000;

const WORLD: &str = r#"
    file: [mint]\nevery = "1m"\nslots = 2\nreserve = 2\nratio = 1\n[resources.fuel]\nkind = "depletable"\ntotal = 1200\nsplit = "none"\n[market]\nlots = { fuel = 3 }
    agent eve 0
    agent fay 0
    scrip ann 300 fuel 300, bob 300 fuel 300, carl 300 fuel 300, dora 300 fuel 300
    thing t0 ann
    thing t1 bob
    thing t2 carl
    thing t3 dora
    thing t4 ann
    tool c0 by bob price 1: def run(x): return x
    tool c1 by carl price 1: def run(x): return x + 1
    tool c2 by dora price 1: def run(x): return x + 2
    tool c3 by ann price 1: def run(x): return x + 3
    ---
"#;

/// Numbers as a seed has them.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = mix(self.0, 1);
        below(self.0, sides)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len())]
    }

    fn number(&mut self, least: i64, most: i64) -> i64 {
        least + i64::try_from(self.roll(usize::try_from(most - least + 1).expect("a range"))).expect("small")
    }
}

fn call(artifact: &str, method: &str, args: Value, pay: i64, give: Value) -> Value {
    json!({ "op": "invoke", "artifact": artifact, "method": method, "args": args, "pay": pay, "give": give })
}

/// A call: who makes it, the op, and whether the model does it.
type Call = (&'static str, Value, Option<()>);

/// One random call of what people do with each other.
fn dealt(dice: &mut Dice, naive: &mut Naive) -> Call {
    let (who, thing, other) = (dice.of(&PEOPLE), dice.of(&THINGS), dice.of(&PEOPLE));
    let at = if naive.claims.is_empty() {
        0
    } else {
        naive.claims.len() - 1 - dice.roll(naive.claims.len().min(6))
    };
    let claim = format!("claim_{}", at + 1);
    let off = dice.number(0, 9) / 9;
    match dice.roll(13) {
        0 => {
            let (price, buyer) = (dice.number(1, 40), (dice.roll(4) == 0).then_some(other));
            let op = call("genesis_escrow", "list", json!([price, buyer]), 0, json!([thing]));
            (who, op, naive.list(who, thing, price, buyer))
        }
        1 | 2 => {
            let paid = naive.listings.get(thing).map_or(3, |listing| listing.price) + off;
            let op = call("genesis_escrow", "purchase", json!([thing]), paid, json!([]));
            (who, op, naive.purchase(who, thing, paid))
        }
        3 => {
            let op = call("genesis_escrow", "cancel", json!([thing]), 0, json!([]));
            (who, op, naive.unlist(who, thing))
        }
        4 => {
            let amounts = (dice.number(1, 50), dice.number(1, 60), dice.number(1, 40));
            let collateral = (dice.roll(2) == 0).then_some(thing);
            let give: Vec<&str> = collateral.into_iter().collect();
            let args = json!([other, amounts.0, amounts.1, format!("{}s", amounts.2 * 30)]);
            let op = call("genesis_debt", "issue", args, 0, json!(give));
            (who, op, naive.issue(who, other, amounts, collateral))
        }
        5 => {
            let (who, paid) =
                naive.claims.get(at).map_or((who, 5), |claim| (claim.creditor, claim.principal + off));
            let op = call("genesis_debt", "accept", json!([claim]), paid, json!([]));
            (who, op, naive.accept(who, at, paid))
        }
        6 => {
            let paid = dice.number(0, 40);
            let op = call("genesis_debt", "repay", json!([claim]), paid, json!([]));
            (who, op, naive.repay(who, at, paid))
        }
        7 => {
            let op = call("genesis_debt", "transfer", json!([claim, other]), 0, json!([]));
            (who, op, naive.hand_on(who, at, other))
        }
        8 => {
            let op = call("genesis_debt", "cancel", json!([claim]), 0, json!([]));
            (who, op, naive.let_go(who, at))
        }
        9 => {
            let who = naive.claims.get(at).map_or(who, |claim| claim.creditor);
            let op = call("genesis_debt", "default", json!([claim]), 0, json!([]));
            (who, op, naive.call_in(who, at))
        }
        10 => {
            let (lots, price) = (dice.number(1, 6), dice.number(1, 9));
            let give = json!([{ "resource": "fuel", "amount": lots * LOT }]);
            let op = call("genesis_market", "ask", json!(["fuel", "balance", lots, price]), 0, give);
            (who, op, naive.trade(who, true, lots, price))
        }
        11 => {
            let (lots, price) = (dice.number(1, 6), dice.number(1, 9));
            let args = json!(["fuel", "balance", lots, price]);
            let op = call("genesis_market", "bid", args, lots * price, json!([]));
            (who, op, naive.trade(who, false, lots, price))
        }
        _ => {
            let id = match naive.orders.is_empty() {
                true => "order_1".to_owned(),
                false => naive.orders[dice.roll(naive.orders.len())].id.clone(),
            };
            let op = call("genesis_market", "cancel", json!([id]), 0, json!([]));
            (who, op, naive.take_out(who, &id))
        }
    }
}

/// One random call of what is made, used and handed on.
fn handed(dice: &mut Dice, naive: &mut Naive) -> Call {
    let (who, other, tool, made) = (dice.of(&PEOPLE), dice.of(&PEOPLE), dice.of(&TOOLS), dice.of(&MADE));
    let amount = dice.number(0, 20);
    match dice.roll(6) {
        0 => {
            let op = call("genesis_ledger", "transfer", json!([other]), amount, json!([]));
            let done = (amount > 0).then_some(()).and_then(|()| naive.pay(who, other, amount));
            (who, op, done)
        }
        1 => {
            let thing = dice.of(&THINGS);
            let op = call("genesis_ledger", "transfer_ownership", json!([other]), 0, json!([thing]));
            (who, op, naive.hand(who, thing, other))
        }
        2 => {
            let amount = amount + 1;
            let give = json!([{ "resource": "fuel", "amount": amount }]);
            let op = call("genesis_rights_registry", "transfer_quota", json!([other]), 0, give);
            (who, op, naive.fuel(who, other, amount))
        }
        3 => {
            let op = call("genesis_store", "create", json!([made, amount]), 0, json!([]));
            (who, op, naive.make(who, made))
        }
        4 => {
            let op = call("genesis_store", "delete", json!([]), 0, json!([made]));
            (who, op, naive.unmake(who, made))
        }
        _ => {
            let op = json!({ "op": "invoke", "artifact": tool, "args": [1] });
            (who, op, naive.buy_use(who, tool))
        }
    }
}

/// One random call of what ends with time.
fn timed(dice: &mut Dice, naive: &mut Naive) -> Call {
    let (who, tool) = (dice.of(&PEOPLE), dice.of(&TOOLS));
    let (until, amount) = (dice.number(1, 8), dice.number(1, 30));
    let ends = format!("{}s", until * 30);
    let late = |all: usize, dice: &mut Dice| all.saturating_sub(1 + dice.roll(4));
    let due = |service: &str| json!({ "op": "run", "code": format!("for i in range(4): invoke('{service}', method='due')") });
    match dice.roll(12) {
        0 | 1 => {
            let thing = if dice.roll(8) == 0 { dice.of(&THINGS) } else { tool };
            let who = if dice.roll(3) > 0 && PEOPLE.contains(&naive.owner[thing]) {
                naive.owner[thing]
            } else {
                who
            };
            let op = call("genesis_mint", "bid", json!([thing]), amount, json!([]));
            (who, op, naive.bid(who, thing, amount))
        }
        2 => {
            let op = call("genesis_mint", "cancel", json!([tool]), 0, json!([]));
            (who, op, naive.unbid(who, tool))
        }
        3 => (who, due("genesis_mint"), naive.resolve()),
        4 => {
            let wants = dice.number(0, 4);
            let test = |x: i64| json!([{ "args": [x], "result": x + wants }]);
            let args = json!(["add", test(1), test(5), amount, ends]);
            let op = call("genesis_tasks", "post", args, amount, json!([]));
            (who, op, naive.post(who, wants, amount, until))
        }
        5 | 6 => {
            let at = late(naive.tasks.len(), dice);
            let who = if PEOPLE.contains(&naive.owner[tool]) { naive.owner[tool] } else { who };
            let op = call("genesis_tasks", "submit", json!([format!("task_{}", at + 1), tool]), 0, json!([]));
            (who, op, naive.submit(who, at, tool))
        }
        7 => {
            let at = late(naive.tasks.len(), dice);
            let who = naive.tasks.get(at).map_or(who, |task| task.poster);
            let op = call("genesis_tasks", "cancel", json!([format!("task_{}", at + 1)]), 0, json!([]));
            (who, op, naive.withdraw(who, at))
        }
        8 if dice.roll(2) == 0 => (who, due("genesis_tasks"), naive.end_tasks()),
        8 => (who, due("genesis_vote"), Some(())),
        9 => {
            let electorate = (dice.roll(2) == 0).then(|| vec![dice.of(&PEOPLE), dice.of(&PEOPLE)]);
            let quorum = dice.roll(4);
            let args = json!(["x", ["0", "1"], ends, electorate, quorum]);
            let op = call("genesis_vote", "propose", args, 0, json!([]));
            (who, op, naive.propose(electorate, quorum, until))
        }
        _ => {
            let (at, option) = (late(naive.votes.len(), dice), dice.roll(9) / 4);
            let args = json!([format!("vote_{}", at + 1), option.to_string()]);
            let op = call("genesis_vote", "vote", args, 0, json!([]));
            (who, op, naive.vote(who, at, option))
        }
    }
}

/// One random call.
fn next(dice: &mut Dice, naive: &mut Naive) -> Call {
    match dice.roll(12) {
        0..6 => dealt(dice, naive),
        6..8 => handed(dice, naive),
        _ => timed(dice, naive),
    }
}

fn compare(play: &Play, naive: &Naive) -> Result<(), String> {
    let world = play.live.world();
    let fuel = world.rules().resource("fuel").expect("it is named");
    for (who, scrip) in &naive.scrip {
        let handle = world.lookup(who).expect("it is there");
        let found = (world.scrip(handle), world.limit(handle, fuel));
        if found != (*scrip, naive.fuel[who]) {
            return Err(format!("{who} has {found:?}, not {:?}", (scrip, naive.fuel[who])));
        }
    }
    for thing in THINGS.iter().chain(&MADE) {
        let there = world.lookup(thing).and_then(|handle| world.get(handle)).filter(|row| !row.is_deleted());
        let found = there.map(|artifact| world.name(artifact.owner()));
        if found != naive.owner.get(thing).copied() {
            return Err(format!("{thing} is {found:?}'s, not {:?}'s", naive.owner.get(thing)));
        }
    }
    world.audit().map_err(|error| error.to_string())
}

/// Compares the votes under way, and those that ended last, with their tallies.
fn count_votes(play: &mut Play, naive: &Naive) {
    for at in naive.votes.len().saturating_sub(6)..naive.votes.len() {
        let op = call("genesis_vote", "tally", json!([format!("vote_{}", at + 1)]), 0, json!([]));
        let found = play.act("ann", &op)["result"].clone();
        let (counts, status) = naive.tally(at).expect("a proposal");
        let counts = json!({ "0": counts[0], "1": counts[1] });
        assert_eq!((&found["counts"], &found["status"]), (&counts, &json!(status)), "{found}");
    }
}

#[test]
fn random_calls_do_what_the_model_does() {
    let (mut done, mut by_method) = (0, BTreeMap::<String, u64>::new());
    for world in 0..CALLS / CALLS_PER_WORLD {
        let (mut play, mut naive, mut dice) = (play(WORLD), Naive::new(), Dice(mix(world, 77)));
        for number in 0..CALLS_PER_WORLD {
            let before = naive.clone();
            let (who, op, said) = next(&mut dice, &mut naive);
            if said.is_none() {
                naive = Naive { ..before };
            }
            let receipt = play.act(who, &op);
            let place = || format!("world {world}, call {number}: {who} {op}\n{receipt}");
            assert_eq!(receipt["ok"] == true, said.is_some(), "{}", place());
            if let Err(problem) = compare(&play, &naive) {
                panic!("{}\n{problem}", place());
            }
            if said.is_some() {
                done += 1;
                let word = |key: &str| op[key].as_str().unwrap_or("").to_owned();
                *by_method.entry(format!("{}.{}", word("artifact"), word("method"))).or_default() += 1;
            }
            if dice.roll(25) == 0 {
                play.line("advance 30s");
                naive.now += 1;
                count_votes(&mut play, &naive);
            }
        }
        play.end();
    }
    // Each method that moves something did so often; only principals are not made, for they have no end.
    for row in rows().iter().filter(|row| !row.looks() && !row.name.ends_with(".due")) {
        let times = by_method.get(row.name).copied().unwrap_or_default();
        // Spaces move no means: they have a model of their own.
        let is_left_out =
            row.name == "genesis_ledger.spawn_principal" || row.name.starts_with("genesis_space.");
        assert!(times >= 10 || is_left_out, "{} {times}", row.name);
    }
    // Both kinds are many.
    assert!((CALLS / 5..CALLS * 4 / 5).contains(&done), "{done} of {CALLS} were done");
}
