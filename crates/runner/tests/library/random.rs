//! Random sequences over escrow, debts and the market, against a model of them that is as plain as can be: after each
//! call the model and the world agree on whether it was done, and on every balance, quota and owner.

use std::collections::BTreeMap;

use oikos_runner::kernel::seed::{below, mix};
use serde_json::{Value, json};

use crate::{Play, play};

/// Calls in all, and in one world.
const CALLS: u64 = 10_000;
const CALLS_PER_WORLD: u64 = 1_000;

const PEOPLE: [&str; 4] = ["ann", "bob", "carl", "dora"];
const THINGS: [&str; 5] = ["t0", "t1", "t2", "t3", "t4"];
const LOT: i64 = 3;

const WORLD: &str = r#"
    file: [resources.fuel]\nkind = "depletable"\ntotal = 1200\nsplit = "none"\n[market]\nlots = { fuel = 3 }
    scrip ann 300 fuel 300, bob 300 fuel 300, carl 300 fuel 300, dora 300 fuel 300
    thing t0 ann
    thing t1 bob
    thing t2 carl
    thing t3 dora
    thing t4 ann
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

#[derive(Clone)]
struct Listing {
    seller: &'static str,
    price: i64,
    buyer: Option<&'static str>,
}

#[derive(Clone)]
struct Claim {
    debtor: &'static str,
    creditor: &'static str,
    principal: i64,
    owed: i64,
    status: &'static str,
    collateral: Option<&'static str>,
}

#[derive(Clone)]
struct Order {
    id: String,
    who: &'static str,
    sells: bool,
    lots: i64,
    price: i64,
}

/// The world as it should be.
#[derive(Clone)]
struct Naive {
    scrip: BTreeMap<&'static str, i64>,
    fuel: BTreeMap<&'static str, i64>,
    owner: BTreeMap<&'static str, &'static str>,
    listings: BTreeMap<&'static str, Listing>,
    claims: Vec<Claim>,
    orders: Vec<Order>,
    numbers: i64,
}

impl Naive {
    fn new() -> Self {
        let everybody = PEOPLE.into_iter().chain(["genesis_escrow", "genesis_debt", "genesis_market"]);
        let has = |who: &str| if PEOPLE.contains(&who) { 300 } else { 0 };
        Self {
            scrip: everybody.clone().map(|who| (who, has(who))).collect(),
            fuel: everybody.map(|who| (who, has(who))).collect(),
            owner: THINGS.into_iter().zip(["ann", "bob", "carl", "dora", "ann"]).collect(),
            listings: BTreeMap::new(),
            claims: Vec::new(),
            orders: Vec::new(),
            numbers: 0,
        }
    }

    fn pay(&mut self, from: &'static str, to: &'static str, amount: i64) -> Option<()> {
        let left = self.scrip[from].checked_sub(amount).filter(|left| *left >= 0)?;
        self.scrip.insert(from, left);
        *self.scrip.get_mut(to).expect("somebody") += amount;
        Some(())
    }

    fn fuel(&mut self, from: &'static str, to: &'static str, amount: i64) -> Option<()> {
        let left = self.fuel[from].checked_sub(amount).filter(|left| *left >= 0)?;
        self.fuel.insert(from, left);
        *self.fuel.get_mut(to).expect("somebody") += amount;
        Some(())
    }

    fn list(
        &mut self,
        who: &'static str,
        thing: &'static str,
        price: i64,
        buyer: Option<&'static str>,
    ) -> Option<()> {
        (self.owner[thing] == who && buyer != Some(who)).then_some(())?;
        self.owner.insert(thing, "genesis_escrow");
        self.listings.insert(thing, Listing { seller: who, price, buyer });
        Some(())
    }

    fn purchase(&mut self, who: &'static str, thing: &'static str, paid: i64) -> Option<()> {
        let Listing { seller, price, buyer } = self.listings.get(thing)?.clone();
        (who != seller && paid == price && buyer.is_none_or(|buyer| buyer == who)).then_some(())?;
        self.pay(who, seller, price)?;
        self.listings.remove(thing);
        self.owner.insert(thing, who);
        Some(())
    }

    fn unlist(&mut self, who: &'static str, thing: &'static str) -> Option<()> {
        self.listings.get(thing).filter(|listing| listing.seller == who)?;
        self.listings.remove(thing);
        self.owner.insert(thing, who);
        Some(())
    }

    fn issue(
        &mut self,
        who: &'static str,
        creditor: &'static str,
        (principal, repay): (i64, i64),
        collateral: Option<&'static str>,
    ) -> Option<()> {
        (who != creditor && collateral.is_none_or(|thing| self.owner[thing] == who)).then_some(())?;
        if let Some(thing) = collateral {
            self.owner.insert(thing, "genesis_debt");
        }
        self.claims.push(Claim {
            debtor: who,
            creditor,
            principal,
            owed: repay,
            status: "offered",
            collateral,
        });
        Some(())
    }

    fn end(&mut self, at: usize, status: &'static str) {
        let claim = &mut self.claims[at];
        claim.status = status;
        if let Some(thing) = claim.collateral.take() {
            let debtor = claim.debtor;
            self.owner.insert(thing, debtor);
        }
    }

    fn accept(&mut self, who: &'static str, at: usize, paid: i64) -> Option<()> {
        let claim = self.claims.get(at)?.clone();
        (claim.creditor == who && claim.status == "offered" && paid == claim.principal).then_some(())?;
        self.pay(who, claim.debtor, paid)?;
        self.claims[at].status = "open";
        Some(())
    }

    fn repay(&mut self, who: &'static str, at: usize, paid: i64) -> Option<()> {
        let claim = self.claims.get(at)?.clone();
        (claim.status == "open" && (1..=claim.owed).contains(&paid)).then_some(())?;
        self.pay(who, claim.creditor, paid)?;
        self.claims[at].owed -= paid;
        if self.claims[at].owed == 0 {
            self.end(at, "repaid");
        }
        Some(())
    }

    fn hand_on(&mut self, who: &'static str, at: usize, to: &'static str) -> Option<()> {
        let claim = self.claims.get_mut(at)?;
        (claim.creditor == who && claim.status == "open" && to != claim.debtor && to != who).then_some(())?;
        claim.creditor = to;
        Some(())
    }

    fn let_go(&mut self, who: &'static str, at: usize) -> Option<()> {
        let claim = self.claims.get(at)?.clone();
        match claim.status {
            "offered" if claim.debtor == who => self.end(at, "cancelled"),
            "open" if claim.creditor == who => self.end(at, "forgiven"),
            _ => return None,
        }
        Some(())
    }

    /// Meets the orders one lot at a time: the best first, then the oldest.
    fn trade(&mut self, who: &'static str, sells: bool, lots: i64, price: i64) -> Option<()> {
        let market = "genesis_market";
        if sells {
            self.fuel(who, market, lots * LOT)?
        } else {
            self.pay(who, market, lots * price)?
        }
        self.numbers += 1;
        let mut left = lots;
        while left > 0 {
            let fits = |order: &&Order| {
                order.sells != sells && if sells { order.price >= price } else { order.price <= price }
            };
            let meets = self.orders.iter().filter(fits);
            let best = if sells {
                meets.max_by(|one, other| one.price.cmp(&other.price).then(std::cmp::Ordering::Greater))
            } else {
                meets.min_by_key(|order| order.price)
            };
            let Some(best) = best.cloned() else { break };
            if best.who == who {
                return None;
            }
            let (seller, buyer) = if sells { (who, best.who) } else { (best.who, who) };
            self.pay(market, seller, best.price)?;
            self.fuel(market, buyer, LOT)?;
            if !sells {
                self.pay(market, who, price - best.price)?;
            }
            let order = self.orders.iter_mut().find(|order| order.id == best.id).expect("it is there");
            order.lots -= 1;
            self.orders.retain(|order| order.lots > 0);
            left -= 1;
        }
        if left > 0 {
            let id = format!("order_{}", self.numbers);
            self.orders.push(Order { id, who, sells, lots: left, price });
        }
        Some(())
    }

    fn take_out(&mut self, who: &'static str, id: &str) -> Option<()> {
        let order = self.orders.iter().find(|order| order.id == id && order.who == who)?.clone();
        self.orders.retain(|order| order.id != id);
        match order.sells {
            true => self.fuel("genesis_market", who, order.lots * LOT),
            false => self.pay("genesis_market", who, order.lots * order.price),
        }
    }
}

fn call(artifact: &str, method: &str, args: Value, pay: i64, give: Value) -> Value {
    json!({ "op": "invoke", "artifact": artifact, "method": method, "args": args, "pay": pay, "give": give })
}

/// One random call: who makes it, the op, and what the model says of it.
fn next(dice: &mut Dice, naive: &mut Naive) -> (&'static str, Value, Option<()>) {
    let (who, thing, other) = (dice.of(&PEOPLE), dice.of(&THINGS), dice.of(&PEOPLE));
    let at = if naive.claims.is_empty() {
        0
    } else {
        naive.claims.len() - 1 - dice.roll(naive.claims.len().min(6))
    };
    let claim = format!("claim_{}", at + 1);
    let off = dice.number(0, 9) / 9;
    match dice.roll(12) {
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
            let amounts = (dice.number(1, 50), dice.number(1, 60));
            let collateral = (dice.roll(2) == 0).then_some(thing);
            let give: Vec<&str> = collateral.into_iter().collect();
            let args = json!([other, amounts.0, amounts.1, "9999h"]);
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
            let (lots, price) = (dice.number(1, 6), dice.number(1, 9));
            let give = json!([{ "resource": "fuel", "amount": lots * LOT }]);
            let op = call("genesis_market", "ask", json!(["fuel", "balance", lots, price]), 0, give);
            (who, op, naive.trade(who, true, lots, price))
        }
        10 => {
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
    for (thing, owner) in &naive.owner {
        let found = world.get(world.lookup(thing).expect("it is there")).expect("it is there").owner();
        if world.name(found) != *owner {
            return Err(format!("{thing} is {}'s, not {owner}'s", world.name(found)));
        }
    }
    world.audit().map_err(|error| error.to_string())
}

#[test]
fn random_calls_do_what_the_model_does() {
    let mut done = 0;
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
            done += u64::from(said.is_some());
        }
        play.end();
    }
    // Both kinds are many.
    assert!((CALLS / 5..CALLS * 4 / 5).contains(&done), "{done} of {CALLS} were done");
}
