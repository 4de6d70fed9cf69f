//! The library as it should be, as plain as can be: sales, debts, orders, and things that are made and handed on.

use std::collections::{BTreeMap, BTreeSet};

use crate::naive_due::{Bid, Proposal, Task};

pub(crate) const PEOPLE: [&str; 4] = ["ann", "bob", "carl", "dora"];
/// Agents that do nothing, among which the mint's proceeds are shared.
pub(crate) const AGENTS: [&str; 2] = ["eve", "fay"];
/// Things, and tools: the last of them add 0, 1, 2 and 3 to what they are given.
pub(crate) const THINGS: [&str; 9] = ["t0", "t1", "t2", "t3", "t4", "c0", "c1", "c2", "c3"];
pub(crate) const TOOLS: [&str; 4] = ["c0", "c1", "c2", "c3"];
/// Things that are made and deleted, each once.
pub(crate) const MADE: [&str; 24] = [
    "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15",
    "d16", "d17", "d18", "d19", "d20", "d21", "d22", "d23",
];
/// Those of the library who hold things.
pub(crate) const SERVICES: [&str; 5] =
    ["genesis_escrow", "genesis_debt", "genesis_market", "genesis_mint", "genesis_tasks"];
pub(crate) const LOT: i64 = 3;

#[derive(Clone)]
pub(crate) struct Listing {
    pub(crate) seller: &'static str,
    pub(crate) price: i64,
    pub(crate) buyer: Option<&'static str>,
}

#[derive(Clone)]
pub(crate) struct Claim {
    pub(crate) debtor: &'static str,
    pub(crate) creditor: &'static str,
    pub(crate) principal: i64,
    pub(crate) owed: i64,
    pub(crate) status: &'static str,
    pub(crate) collateral: Option<&'static str>,
    pub(crate) due: i64,
}

#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) who: &'static str,
    pub(crate) sells: bool,
    pub(crate) lots: i64,
    pub(crate) price: i64,
}

/// The world as it should be.
#[derive(Clone)]
pub(crate) struct Naive {
    pub(crate) scrip: BTreeMap<&'static str, i64>,
    pub(crate) fuel: BTreeMap<&'static str, i64>,
    pub(crate) owner: BTreeMap<&'static str, &'static str>,
    pub(crate) listings: BTreeMap<&'static str, Listing>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) orders: Vec<Order>,
    pub(crate) numbers: i64,
    pub(crate) customers: BTreeSet<(&'static str, &'static str)>,
    /// Half minutes since the beginning.
    pub(crate) now: i64,
    pub(crate) bids: Vec<Bid>,
    pub(crate) bid_numbers: i64,
    pub(crate) resolves: Option<i64>,
    pub(crate) carried: i64,
    pub(crate) made: BTreeSet<&'static str>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) votes: Vec<Proposal>,
}

impl Naive {
    pub(crate) fn new() -> Self {
        let everybody = PEOPLE.into_iter().chain(AGENTS).chain(SERVICES);
        let has = |who: &str| if PEOPLE.contains(&who) { 300 } else { 0 };
        Self {
            scrip: everybody.clone().map(|who| (who, has(who))).collect(),
            fuel: everybody.map(|who| (who, has(who))).collect(),
            owner: THINGS.into_iter().zip(PEOPLE.into_iter().cycle()).collect(),
            listings: BTreeMap::new(),
            claims: Vec::new(),
            orders: Vec::new(),
            numbers: 0,
            customers: BTreeSet::new(),
            now: 0,
            bids: Vec::new(),
            bid_numbers: 0,
            resolves: None,
            carried: 0,
            made: BTreeSet::new(),
            tasks: Vec::new(),
            votes: Vec::new(),
        }
    }

    pub(crate) fn owns(&self, who: &str, thing: &str) -> bool {
        self.owner.get(thing).is_some_and(|owner| *owner == who)
    }

    pub(crate) fn hand(&mut self, who: &'static str, thing: &'static str, to: &'static str) -> Option<()> {
        self.owns(who, thing).then_some(())?;
        self.owner.insert(thing, to);
        Some(())
    }

    pub(crate) fn make(&mut self, who: &'static str, thing: &'static str) -> Option<()> {
        self.made.insert(thing).then_some(())?;
        self.owner.insert(thing, who);
        Some(())
    }

    pub(crate) fn unmake(&mut self, who: &'static str, thing: &'static str) -> Option<()> {
        self.owns(who, thing).then_some(())?;
        self.owner.remove(thing);
        Some(())
    }

    pub(crate) fn buy_use(&mut self, who: &'static str, tool: &'static str) -> Option<()> {
        let owner = self.owner[tool];
        if owner != who {
            self.pay(who, owner, 1)?;
            self.customers.insert((tool, who));
        }
        Some(())
    }

    pub(crate) fn pay(&mut self, from: &'static str, to: &'static str, amount: i64) -> Option<()> {
        let left = self.scrip[from].checked_sub(amount).filter(|left| *left >= 0)?;
        self.scrip.insert(from, left);
        *self.scrip.get_mut(to).expect("somebody") += amount;
        Some(())
    }

    pub(crate) fn fuel(&mut self, from: &'static str, to: &'static str, amount: i64) -> Option<()> {
        let left = self.fuel[from].checked_sub(amount).filter(|left| *left >= 0)?;
        self.fuel.insert(from, left);
        *self.fuel.get_mut(to).expect("somebody") += amount;
        Some(())
    }

    pub(crate) fn list(
        &mut self,
        who: &'static str,
        thing: &'static str,
        price: i64,
        buyer: Option<&'static str>,
    ) -> Option<()> {
        (self.owns(who, thing) && buyer != Some(who)).then_some(())?;
        self.owner.insert(thing, "genesis_escrow");
        self.listings.insert(thing, Listing { seller: who, price, buyer });
        Some(())
    }

    pub(crate) fn purchase(&mut self, who: &'static str, thing: &'static str, paid: i64) -> Option<()> {
        let Listing { seller, price, buyer } = self.listings.get(thing)?.clone();
        (who != seller && paid == price && buyer.is_none_or(|buyer| buyer == who)).then_some(())?;
        self.pay(who, seller, price)?;
        self.listings.remove(thing);
        self.owner.insert(thing, who);
        Some(())
    }

    pub(crate) fn unlist(&mut self, who: &'static str, thing: &'static str) -> Option<()> {
        self.listings.get(thing).filter(|listing| listing.seller == who)?;
        self.listings.remove(thing);
        self.owner.insert(thing, who);
        Some(())
    }

    pub(crate) fn issue(
        &mut self,
        who: &'static str,
        creditor: &'static str,
        (principal, repay, due): (i64, i64, i64),
        collateral: Option<&'static str>,
    ) -> Option<()> {
        (who != creditor && collateral.is_none_or(|thing| self.owns(who, thing))).then_some(())?;
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
            due: self.now + due,
        });
        Some(())
    }

    pub(crate) fn end(&mut self, at: usize, status: &'static str) {
        let claim = &mut self.claims[at];
        claim.status = status;
        if let Some(thing) = claim.collateral.take() {
            let debtor = claim.debtor;
            self.owner.insert(thing, debtor);
        }
    }

    pub(crate) fn accept(&mut self, who: &'static str, at: usize, paid: i64) -> Option<()> {
        let claim = self.claims.get(at)?.clone();
        (claim.creditor == who
            && claim.status == "offered"
            && claim.due > self.now
            && paid == claim.principal)
            .then_some(())?;
        self.pay(who, claim.debtor, paid)?;
        self.claims[at].status = "open";
        Some(())
    }

    pub(crate) fn repay(&mut self, who: &'static str, at: usize, paid: i64) -> Option<()> {
        let claim = self.claims.get(at)?.clone();
        (["open", "defaulted"].contains(&claim.status) && (1..=claim.owed).contains(&paid)).then_some(())?;
        self.pay(who, claim.creditor, paid)?;
        self.claims[at].owed -= paid;
        if self.claims[at].owed == 0 {
            self.end(at, "repaid");
        }
        Some(())
    }

    pub(crate) fn hand_on(&mut self, who: &'static str, at: usize, to: &'static str) -> Option<()> {
        let claim = self.claims.get_mut(at)?;
        let is_owed = ["open", "defaulted"].contains(&claim.status);
        (claim.creditor == who && is_owed && to != claim.debtor && to != who).then_some(())?;
        claim.creditor = to;
        Some(())
    }

    pub(crate) fn let_go(&mut self, who: &'static str, at: usize) -> Option<()> {
        let claim = self.claims.get(at)?.clone();
        match claim.status {
            "offered" if claim.debtor == who => self.end(at, "cancelled"),
            "open" | "defaulted" if claim.creditor == who => self.end(at, "forgiven"),
            _ => return None,
        }
        Some(())
    }

    pub(crate) fn call_in(&mut self, who: &'static str, at: usize) -> Option<()> {
        let claim = self.claims.get_mut(at)?;
        (claim.creditor == who && claim.status == "open" && claim.due <= self.now).then_some(())?;
        claim.status = "defaulted";
        if let Some(thing) = claim.collateral.take() {
            claim.status = "seized";
            self.owner.insert(thing, who);
        }
        Some(())
    }

    /// Meets the orders one lot at a time: the best first, then the oldest.
    pub(crate) fn trade(&mut self, who: &'static str, sells: bool, lots: i64, price: i64) -> Option<()> {
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

    pub(crate) fn take_out(&mut self, who: &'static str, id: &str) -> Option<()> {
        let order = self.orders.iter().find(|order| order.id == id && order.who == who)?.clone();
        self.orders.retain(|order| order.id != id);
        match order.sells {
            true => self.fuel("genesis_market", who, order.lots * LOT),
            false => self.pay("genesis_market", who, order.lots * order.price),
        }
    }
}
