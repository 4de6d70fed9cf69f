//! The cost of models in a world: its tape by agent, model and purpose, and a forecast to the end of its run.

use std::collections::{BTreeMap, BTreeSet};

use oikos_agents::show_dollars;
use oikos_journal::Journal;
use oikos_kernel::{
    record::Cause,
    tape::{Origin, Purpose, Taped},
};

use serde_json::{Value, json};

use crate::{
    config::{Lasts, Plan},
    error::RunError,
    past::recorded,
};

/// Sums of rows of a tape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Askings.
    pub calls: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Tokens of the requests.
    pub tokens_in: u64,
    /// Those of them that a provider had in its cache.
    pub tokens_cached: u64,
    /// Tokens of the answers.
    pub tokens_out: u64,
    /// Micro-dollars.
    pub cost: u64,
}

/// How the rows of a bill were paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Whether they were on the tape before: nobody was paid for them here.
    pub is_replayed: bool,
    /// Whether the provider bills nothing: their dollars were charged in the world alone.
    pub is_internal: bool,
}

/// The askings of one agent at one model for one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The agent, or the artifact whose code called.
    pub agent: String,
    /// The model, as `PROVIDER::MODEL`.
    pub model: String,
    /// The purpose.
    pub purpose: Purpose,
    /// How it was paid.
    pub kind: Kind,
    /// The sums.
    pub sums: Sums,
}

/// The bills of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bills {
    /// By agent, model, purpose and kind, in this order.
    pub bills: Vec<Bill>,
    /// Rows of the tape that came from elsewhere and are not used yet.
    pub unused: u64,
    /// How long the whole run lasts.
    lasts: Lasts,
    /// The models whose provider bills nothing, as `PROVIDER::MODEL`.
    internal: BTreeSet<String>,
    /// Of what a provider bills, by the record at whose state it was asked: micro-dollars.
    spent: BTreeMap<u64, u64>,
}

/// The dollars of a whole run, by the cost so far: that of its last half, and that of all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Micro-dollars if it goes on as the cheaper of the two.
    pub low: u64,
    /// Micro-dollars if it goes on as the dearer of the two.
    pub high: u64,
    /// Ticks that have begun, or milliseconds of the run that have passed: the basis.
    pub done: u64,
    /// Ticks or milliseconds of the whole run.
    pub goal: u64,
    /// Whether the two are ticks.
    pub is_ticks: bool,
}

impl Sums {
    fn count(&mut self, row: &Taped) {
        self.add(Self {
            calls: 1,
            failures: row.failure.is_some().into(),
            tokens_in: row.tokens_in,
            tokens_cached: row.tokens_cached,
            tokens_out: row.tokens_out,
            cost: row.cost,
        });
    }

    /// Adds other sums.
    pub fn add(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.failures = self.failures.saturating_add(more.failures);
        self.tokens_in = self.tokens_in.saturating_add(more.tokens_in);
        self.tokens_cached = self.tokens_cached.saturating_add(more.tokens_cached);
        self.tokens_out = self.tokens_out.saturating_add(more.tokens_out);
        self.cost = self.cost.saturating_add(more.cost);
    }

    /// Tokens of requests and answers together.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.tokens_in.saturating_add(self.tokens_out)
    }
}

impl Bills {
    /// The bills of a world, by its tape and the prices of its world file.
    ///
    /// # Errors
    /// When the tape or the world file can't be read, or is damaged.
    pub fn of(journal: &Journal) -> Result<Self, RunError> {
        Self::until(journal, u64::MAX)
    }

    /// The bills of a world up to the state after a record.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn until(journal: &Journal, seq: u64) -> Result<Self, RunError> {
        let mut bills = Self::none(&recorded(journal)?.plan);
        bills.read(journal, seq)?;
        Ok(bills)
    }

    /// No bills, of a world that runs by a plan.
    #[must_use]
    pub fn none(plan: &Plan) -> Self {
        let prices = plan.llm.prices.iter();
        let internal = prices.filter(|(_, price)| price.internal).map(|(model, _)| model.to_string());
        let (bills, spent) = (Vec::new(), BTreeMap::new());
        Self { bills, unused: 0, lasts: plan.lasts, internal: internal.collect(), spent }
    }

    /// Reads them again up to the state after a record.
    ///
    /// # Errors
    /// When the tape can't be read, or is damaged.
    pub fn read(&mut self, journal: &Journal, seq: u64) -> Result<(), RunError> {
        let mut found = BTreeMap::<_, Sums>::new();
        let (mut unused, mut spent) = (0, BTreeMap::<u64, u64>::new());
        journal.tape(None, |row| {
            // A row of elsewhere has the record of its own world.
            if row.seq > seq && row.origin != Origin::Imported {
                return Ok(());
            }
            let is_replayed = match row.origin {
                Origin::Imported => {
                    unused += 1;
                    return Ok(());
                }
                Origin::Replayed => true,
                Origin::Asked => false,
            };
            let model = format!("{}::{}", row.provider, row.model);
            let kind = Kind { is_replayed, is_internal: self.internal.contains(&model) };
            if !kind.is_internal {
                let sum = spent.entry(row.seq).or_default();
                *sum = sum.saturating_add(row.cost);
            }
            let place = (row.agent.clone(), model, row.purpose, kind);
            found.entry(place).or_default().count(&row);
            Ok::<(), RunError>(())
        })?;
        let bill = |((agent, model, purpose, kind), sums)| Bill { agent, model, purpose, kind, sums };
        (self.bills, self.unused, self.spent) = (found.into_iter().map(bill).collect(), unused, spent);
        Ok(())
    }

    /// The sums of the bills that are `wanted`.
    pub fn sum(&self, wanted: impl Fn(&Bill) -> bool) -> Sums {
        let mut all = Sums::default();
        self.bills.iter().filter(|bill| wanted(bill)).for_each(|bill| all.add(bill.sums));
        all
    }

    /// The dollars that the whole run will have cost, replayed answers counted; none where the run is at its end, or
    /// there is nothing to go by.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn forecast(&self, journal: &Journal) -> Result<Option<Forecast>, RunError> {
        let total = self.spent.values().fold(0, |sum: u64, cost| sum.saturating_add(*cost));
        if total == 0 {
            return Ok(None);
        }
        let (spent, done) = self.spent_at(journal)?;
        let goal = match self.lasts {
            Lasts::Ticks(ticks) => ticks,
            Lasts::Ms(ms) => ms.unsigned_abs(),
        };
        // One tick, or one moment, has no last half.
        if done < 2 || done >= goal {
            return Ok(None);
        }
        let half = done / 2;
        let late = spent.range(half..).fold(0, |sum: u64, (_, cost)| sum.saturating_add(*cost));
        let rates = [(total, done), (late, done - half)];
        let rest = u128::from(goal - done);
        let whole = |more: u128| total.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        let low = rates.map(|(cost, span)| whole(u128::from(cost) * rest / u128::from(span)));
        let high = rates.map(|(cost, span)| whole((u128::from(cost) * rest).div_ceil(u128::from(span))));
        Ok(Some(Forecast {
            low: low[0].min(low[1]),
            high: high[0].max(high[1]),
            done,
            goal,
            is_ticks: matches!(self.lasts, Lasts::Ticks(_)),
        }))
    }

    /// As `oikos cost --json` prints them.
    #[must_use]
    pub fn to_json(&self, forecast: Option<&Forecast>) -> Value {
        let rows: Vec<Value> = self
            .bills
            .iter()
            .map(|bill| {
                let mut row = json!({
                    "agent": bill.agent, "model": bill.model, "purpose": bill.purpose.as_str(),
                    "replayed": bill.kind.is_replayed, "internal": bill.kind.is_internal,
                });
                if let (Value::Object(row), Value::Object(sums)) = (&mut row, sums(bill.sums)) {
                    row.extend(sums);
                }
                row
            })
            .collect();
        let of = |replayed: bool, internal: bool| {
            sums(self.sum(|bill| bill.kind.is_replayed == replayed && bill.kind.is_internal == internal))
        };
        json!({
            "rows": rows,
            "paid": of(false, false),
            "replayed": of(true, false),
            "internal": { "asked": of(false, true), "replayed": of(true, true) },
            "unused": self.unused,
            "forecast": forecast.map(|forecast| json!({
                "low": show_dollars(forecast.low), "high": show_dollars(forecast.high),
                (if forecast.is_ticks { "ticks" } else { "ms" }): { "done": forecast.done, "goal": forecast.goal },
            })),
        })
    }

    /// Those of one agent, or of the code of one artifact.
    #[must_use]
    pub fn of_one(mut self, id: &str) -> Self {
        self.bills.retain(|bill| bill.agent == id);
        self.unused = 0;
        self
    }

    /// Micro-dollars by the tick, or the millisecond of the run, in which they were spent; and how many ticks have
    /// begun, or milliseconds passed.
    fn spent_at(&self, journal: &Journal) -> Result<(BTreeMap<u64, u64>, u64), RunError> {
        let mut spent = BTreeMap::<u64, u64>::new();
        let mut rows = self.spent.iter().peekable();
        let (mut start, mut away_ms, mut ticks, mut ran_ms) = (None, 0, 0_u64, 0_u64);
        journal.records(1, |record| {
            if let Cause::Clock { away_ms: more } = record.cause {
                away_ms += more;
            }
            if let Cause::Tick { number, .. } = record.cause {
                ticks = number + 1;
            }
            let start = *start.get_or_insert(record.time.ms());
            ran_ms = (record.time.ms() - start - away_ms).max(0).unsigned_abs();
            let at = match self.lasts {
                Lasts::Ticks(_) => ticks.saturating_sub(1),
                Lasts::Ms(_) => ran_ms,
            };
            while let Some((_, cost)) = rows.next_if(|(seq, _)| **seq <= record.seq) {
                let sum = spent.entry(at).or_default();
                *sum = sum.saturating_add(*cost);
            }
            Ok::<(), RunError>(())
        })?;
        let done = match self.lasts {
            Lasts::Ticks(_) => ticks,
            Lasts::Ms(_) => ran_ms,
        };
        Ok((spent, done))
    }
}

fn sums(sums: Sums) -> Value {
    json!({
        "calls": sums.calls, "failures": sums.failures, "tokens_in": sums.tokens_in,
        "tokens_cached": sums.tokens_cached, "tokens_out": sums.tokens_out, "dollars": show_dollars(sums.cost),
        "micro_dollars": sums.cost,
    })
}
