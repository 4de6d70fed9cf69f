//! The naive model's meter: units of work of code and of the host, and the agreements that bound them.

use oikos_kernel::limits;
use serde_json::Value;

use super::{
    naive::{Agreed, Fail, Model, short},
    naive_ops::{Actor, Fields, text},
};

/// The bounds of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    Run,
    Action,
    Agreed(usize),
    Cpu,
}

impl Model {
    /// The price of work: rounded up to whole microseconds.
    pub(crate) fn cpu_us(&self, work: u64) -> i64 {
        i64::try_from((work * self.rules.cpu_ns_per_work).div_ceil(1_000)).unwrap()
    }

    fn done(&self, payer: &str) -> (u64, u64) {
        self.work.get(payer).copied().unwrap_or_default()
    }

    fn price(&self, payer: &str, units: u64) -> i64 {
        let (done, _) = self.done(payer);
        self.cpu_us(done + units) - self.cpu_us(done)
    }

    /// How many units more a payer can bear, and what says so.
    fn room(&self, payer: &str) -> (u64, Bound) {
        let mut room = (self.work_left, Bound::Action);
        let fits = |us: i64| {
            if us == i64::MAX {
                return u64::MAX;
            }
            // Units cost whole microseconds in these worlds.
            u64::try_from(us.max(0)).unwrap() * 1_000 / self.rules.cpu_ns_per_work
        };
        if let Some((us, at)) = self.agreed_left(payer, 0)
            && fits(us) < room.0
        {
            room = (fits(us), Bound::Agreed(at));
        }
        let us = self.chargeable(payer, 0);
        if fits(us) < room.0 { (fits(us), Bound::Cpu) } else { room }
    }

    /// The budget of a run, counted from its start.
    pub(crate) fn budget(&self, payer: &str, so_far: u64) -> (u64, Bound) {
        let (room, bound) = self.room(payer);
        let per_run = self.rules.work_per_run - so_far;
        if room < per_run { (so_far + room, bound) } else { (so_far + per_run, Bound::Run) }
    }

    pub(crate) fn out_of_work(&self, payer: &str, bound: Bound, units: u64) -> Fail {
        match bound {
            Bound::Cpu => self.shortage(payer, 0, self.price(payer, units)),
            Bound::Agreed(at) => self.beyond_agreed(at, 0, self.price(payer, units)),
            Bound::Run | Bound::Action => Fail { code: "code_timeout", numbers: None, is_payers: true },
        }
    }

    /// Work of the host, counted before it is done.
    pub(crate) fn look(&mut self, payer: &str, parts: u64) -> Result<(), Fail> {
        let (_, rest) = self.done(payer);
        let units = (rest + self.pending + parts) / limits::PARTS_PER_WORK;
        let (room, bound) = self.room(payer);
        if units > room {
            return Err(self.out_of_work(payer, bound, units));
        }
        self.pending += parts;
        Ok(())
    }

    pub(crate) fn settle_work(&mut self, payer: &str) {
        let (_, rest) = self.done(payer);
        let all = rest + std::mem::take(&mut self.pending);
        self.use_work(payer, all / limits::PARTS_PER_WORK);
        self.work.entry(payer.into()).or_default().1 = all % limits::PARTS_PER_WORK;
    }

    pub(crate) fn use_work(&mut self, payer: &str, units: u64) {
        let due = self.price(payer, units);
        self.work_left -= units;
        self.work.entry(payer.into()).or_default().0 += units;
        if due > 0 {
            self.consume(payer, 0, due);
        }
    }

    /// Charges, and counts against what was agreed.
    pub(crate) fn consume(&mut self, payer: &str, resource: usize, amount: i64) {
        self.charge(payer, resource, amount);
        let all = self.agreed.iter_mut().flatten();
        for agreed in all.filter(|agreed| agreed.payer == payer && agreed.resource == resource) {
            agreed.used = agreed.used.saturating_add(amount);
        }
    }

    /// The most that an op may take of its payer's resources, as it says.
    pub(crate) fn agree(&self, payer: &str, fields: &Fields) -> Result<Vec<Agreed>, Fail> {
        let said = fields.get("max_resources").and_then(Value::as_object);
        let each = said.into_iter().flatten().map(|(name, most)| {
            let resource = self.resource(name)?;
            let before = self.on_disk(payer, resource);
            Ok(Agreed { payer: payer.into(), resource, most: most.as_i64().unwrap(), used: 0, before })
        });
        each.collect()
    }

    fn on_disk(&self, who: &str, resource: usize) -> i64 {
        let has = self.state.arts.get(who).is_some_and(|art| art.standing);
        if resource == self.disk() && has { self.bytes_of(&self.state, who) } else { 0 }
    }

    fn taken(&self, agreed: &Agreed) -> i64 {
        agreed.used + self.on_disk(&agreed.payer, agreed.resource) - agreed.before
    }

    fn agreed_left(&self, payer: &str, resource: usize) -> Option<(i64, usize)> {
        let all = self.agreed.iter().enumerate().flat_map(|(at, all)| all.iter().map(move |one| (one, at)));
        let of = all.filter(|(one, _)| one.payer == payer && one.resource == resource);
        of.map(|(one, at)| (one.most - self.taken(one), at)).min_by_key(|(left, _)| *left)
    }

    pub(crate) fn check_agreed(&self, payer: &str, resource: usize, amount: i64) -> Result<(), Fail> {
        match self.agreed_left(payer, resource) {
            Some((left, at)) if left < amount => Err(self.beyond_agreed(at, resource, amount)),
            _ => Ok(()),
        }
    }

    fn beyond_agreed(&self, at: usize, resource: usize, amount: i64) -> Fail {
        let agreed = self.agreed[at].iter().find(|agreed| agreed.resource == resource).unwrap();
        let total = self.taken(agreed).saturating_add(amount);
        Fail { code: "limit_exceeded", numbers: Some((total, agreed.most)), is_payers: true }
    }

    /// Refuses a change by which an op under way takes more of its payer's disk than was agreed.
    pub(crate) fn check_disk(&self) -> Result<(), Fail> {
        let disk = self.disk();
        let all = self.agreed.iter().flatten().filter(|agreed| agreed.resource == disk);
        match all.into_iter().find(|agreed| self.taken(agreed) > agreed.most) {
            Some(agreed) => {
                let Err(mut fail) = short::<()>("limit_exceeded", self.taken(agreed), agreed.most) else {
                    unreachable!()
                };
                fail.is_payers = true;
                Err(fail)
            }
            None => Ok(()),
        }
    }

    /// Parts of an op: by the bytes and rows that it reads and writes.
    pub(crate) fn parts_of(&self, name: &str, fields: &Fields) -> u64 {
        let size = |value: Option<&Value>| match value {
            None | Some(Value::Null) => 0,
            Some(Value::String(text)) => text.len() as u64,
            Some(other) => other.to_string().len() as u64,
        };
        let given = |field: &str| size(fields.get(field));
        let art = fields.get("artifact").and_then(Value::as_str).and_then(|id| self.state.arts.get(id));
        let (content, code) = art.map_or((0, 0), |art| {
            (size(Some(&art.content)), art.code.as_ref().map_or(0, |code| code.len() as u64))
        });
        let (read, write) = (limits::PARTS_PER_BYTE, limits::PARTS_PER_BYTE_WRITTEN);
        match name {
            "read" if fields.get("code") == Some(&Value::Bool(true)) => read * (content + code),
            "read" => read * content,
            "write" => write * (given("content") + given("code")),
            "edit" => {
                let before = if given("field") == 4 { code } else { content };
                read * before + write * (before + given("new"))
            }
            "remember" => {
                let tags = fields.get("tags").and_then(Value::as_array).into_iter().flatten();
                limits::PARTS_PER_BYTE_OF_WORDS * given("text")
                    + write * tags.map(|tag| size(Some(tag))).sum::<u64>()
            }
            "store" => write * (given("key") + given("value")),
            "invoke" => {
                let gifts = fields.get("give").and_then(Value::as_array).map_or(0, Vec::len);
                limits::PARTS_PER_ROW * gifts as u64
            }
            "delete" => limits::PARTS_PER_ROW * self.rules.resources.len() as u64,
            _ => 0,
        }
    }

    /// New code is compiled before it is stored; an edit that can't be made has none.
    pub(crate) fn compile(&mut self, actor: &Actor, name: &str, fields: &Fields) -> Result<(), Fail> {
        let id = text(fields, "artifact");
        let bytes = match name {
            "write" => text(fields, "code").len(),
            "edit" if text(fields, "field") == "code" => {
                let (old, new) = (text(fields, "old"), text(fields, "new"));
                let before = self.get(id).code.clone().unwrap_or_default();
                let fits = !old.is_empty() && before.matches(old).count() == 1;
                if fits { before.len() + new.len() - old.len() } else { 0 }
            }
            _ => 0,
        };
        self.look(&actor.payer, bytes as u64 * limits::PARTS_PER_SOURCE_BYTE)
    }
}
