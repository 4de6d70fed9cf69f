//! The mint, tasks and votes as they should be: what ends with time.

use std::collections::BTreeMap;

use crate::naive::{AGENTS, Naive};

pub(crate) const SLOTS: usize = 2;
pub(crate) const RESERVE: i64 = 2;

#[derive(Clone)]
pub(crate) struct Bid {
    pub(crate) tool: &'static str,
    pub(crate) who: &'static str,
    amount: i64,
    number: i64,
}

#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) poster: &'static str,
    /// How much it is to add.
    wants: i64,
    reward: i64,
    until: i64,
    is_open: bool,
}

#[derive(Clone)]
pub(crate) struct Proposal {
    electorate: Option<Vec<&'static str>>,
    quorum: usize,
    until: i64,
    votes: BTreeMap<&'static str, usize>,
}

impl Naive {
    fn refund(&mut self, bid: &Bid, price: i64) {
        self.bids.retain(|other| other.number != bid.number);
        self.pay("genesis_mint", bid.who, bid.amount - price).expect("the mint has what was bid");
    }

    pub(crate) fn bid(&mut self, who: &'static str, tool: &'static str, amount: i64) -> Option<()> {
        (self.owns(who, tool) && tool.starts_with('c') && amount >= RESERVE).then_some(())?;
        self.pay(who, "genesis_mint", amount)?;
        if let Some(before) = self.bids.iter().find(|bid| bid.tool == tool).cloned() {
            (before.who != who).then_some(())?;
            self.refund(&before, 0);
        }
        self.bid_numbers += 1;
        self.bids.push(Bid { tool, who, amount, number: self.bid_numbers });
        self.resolves = self.resolves.or(Some((self.now / 2 + 1) * 2));
        Some(())
    }

    pub(crate) fn unbid(&mut self, who: &'static str, tool: &'static str) -> Option<()> {
        let bid = self.bids.iter().find(|bid| bid.tool == tool && bid.who == who)?.clone();
        self.refund(&bid, 0);
        Some(())
    }

    /// Resolves the auction, if it is due, to its end.
    pub(crate) fn resolve(&mut self) -> Option<()> {
        if self.resolves.is_none_or(|at| at > self.now) {
            return Some(());
        }
        self.resolves = None;
        let mut all = self.bids.clone();
        all.sort_by_key(|bid| (-bid.amount, bid.number));
        let fit: Vec<Bid> = all.iter().filter(|bid| self.owns(bid.who, bid.tool)).cloned().collect();
        let price = fit.get(SLOTS).map_or(RESERVE, |bid| bid.amount);
        for winner in fit.iter().take(SLOTS) {
            let strangers =
                self.customers.iter().filter(|(tool, who)| *tool == winner.tool && *who != winner.who);
            let points = i64::try_from(strangers.count()).expect("few");
            *self.scrip.get_mut(winner.who).expect("somebody") += points;
            self.refund(winner, price);
            self.carried += price;
        }
        for bid in self.bids.clone() {
            self.refund(&bid, 0);
        }
        let share = self.carried / 2;
        for agent in AGENTS {
            self.pay("genesis_mint", agent, share).expect("the mint has it");
            self.carried -= share;
        }
        Some(())
    }

    pub(crate) fn post(&mut self, who: &'static str, wants: i64, reward: i64, until: i64) -> Option<()> {
        self.pay(who, "genesis_tasks", reward)?;
        self.tasks.push(Task { poster: who, wants, reward, until: self.now + until, is_open: true });
        Some(())
    }

    /// Whether the submission is taken; it is paid if it adds what it should.
    pub(crate) fn submit(&mut self, who: &'static str, at: usize, tool: &'static str) -> Option<()> {
        let task = self.tasks.get(at)?.clone();
        let is_fit = self.owns(who, tool) && tool.starts_with('c');
        (task.is_open && task.until > self.now && is_fit).then_some(())?;
        if tool[1..].parse() == Ok(task.wants) {
            self.tasks[at].is_open = false;
            self.pay("genesis_tasks", who, task.reward)?;
        }
        Some(())
    }

    pub(crate) fn withdraw(&mut self, who: &'static str, at: usize) -> Option<()> {
        let task = self.tasks.get(at).filter(|task| task.poster == who && task.is_open)?.clone();
        (task.until <= self.now).then_some(())?;
        self.tasks[at].is_open = false;
        self.pay("genesis_tasks", who, task.reward)
    }

    pub(crate) fn end_tasks(&mut self) -> Option<()> {
        for at in 0..self.tasks.len() {
            let poster = self.tasks[at].poster;
            let _ = self.withdraw(poster, at);
        }
        Some(())
    }

    pub(crate) fn propose(
        &mut self,
        electorate: Option<Vec<&'static str>>,
        quorum: usize,
        until: i64,
    ) -> Option<()> {
        let fits = electorate.as_ref().is_none_or(|all| all[0] != all[1] && quorum <= 2);
        fits.then_some(())?;
        self.votes.push(Proposal { electorate, quorum, until: self.now + until, votes: BTreeMap::new() });
        Some(())
    }

    pub(crate) fn vote(&mut self, who: &'static str, at: usize, option: usize) -> Option<()> {
        let now = self.now;
        let proposal = self.votes.get_mut(at).filter(|proposal| proposal.until > now)?;
        (proposal.electorate.as_ref().is_none_or(|all| all.contains(&who))).then_some(())?;
        (option < 2 && !proposal.votes.contains_key(who)).then_some(())?;
        proposal.votes.insert(who, option);
        Some(())
    }

    /// The words of a tally: the votes for each of two options, and how it stands.
    pub(crate) fn tally(&self, at: usize) -> Option<([usize; 2], &'static str)> {
        let proposal = self.votes.get(at)?;
        let counts = [0, 1].map(|option| proposal.votes.values().filter(|vote| **vote == option).count());
        let is_decided = counts[0] != counts[1] && counts[0] + counts[1] >= proposal.quorum;
        let status = match (proposal.until > self.now, is_decided) {
            (true, _) => "open",
            (false, true) => "passed",
            (false, false) => "failed",
        };
        Some((counts, status))
    }
}
