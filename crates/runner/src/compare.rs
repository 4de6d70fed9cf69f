//! Two worlds side by side: the first record in which they part, and how they differ at their ends.

use std::collections::{BTreeMap, BTreeSet};

use oikos_journal::Journal;
use oikos_kernel::{
    record::{Cause, Outcome, Record},
    refusal::Code,
    world::World,
};

use crate::{
    clock::Clock,
    config,
    error::RunError,
    library, measure,
    past::{source_of, state_at},
    replay::Difference,
    sequencer::{Clients, Sequencer},
    workplace::Workplace,
};

/// Records of each world that are compared at a time.
const RECORDS: u64 = 4_096;

/// A journal up to a record.
type Until<'a> = (&'a Journal, u64);

/// The differences of two worlds.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// How many records they have in common from the first on.
    pub common: u64,
    /// The last record of each.
    pub seqs: (u64, u64),
    /// The first record that both have and that differs.
    pub parted: Option<Box<Difference>>,
    /// Where a fork parts by its other rules: the first record after them that differs, and its number in the second
    /// world.
    pub diverged: Option<(Box<Difference>, u64)>,
    /// The measures of either, by name.
    pub measures: Vec<(String, Option<f64>, Option<f64>)>,
    /// The scrip of principals that differs; nothing where there is no such principal.
    pub balances: Vec<(String, Option<i64>, Option<i64>)>,
    /// Artifacts that only one has.
    pub only: (Vec<String>, Vec<String>),
    /// Artifacts of both, each with the parts that differ.
    pub artifacts: Vec<(String, Vec<&'static str>)>,
    /// The refusals that differ in their number.
    pub refusals: Vec<Refused>,
}

/// How often a principal was refused with a code, in each world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The principal.
    pub principal: String,
    /// The code.
    pub code: Code,
    /// How often.
    pub counts: (u64, u64),
}

/// Compares two worlds as their journals end.
///
/// # Errors
/// When one of them is damaged, or a measure can't be taken because there is no process to run its code in.
pub fn compare(workplace: &Workplace, first: &Journal, second: &Journal) -> Result<Comparison, RunError> {
    let end = |journal: &Journal| journal.head().seq;
    compare_at(workplace, (first, end(first)), (second, end(second)), |_, _| ())
}

/// Compares two worlds as each was after a record; `visit` is told how many records are read, and of how many.
///
/// # Errors
/// As [`compare`].
pub fn compare_at(
    workplace: &Workplace,
    first: Until<'_>,
    second: Until<'_>,
    mut visit: impl FnMut(u64, u64),
) -> Result<Comparison, RunError> {
    let shorter = first.1.min(second.1);
    let all = shorter + first.1 + second.1;
    let (common, parted) = part((first, 1), (second, 1), |read| visit(read, all))?;
    let diverged = match &parted {
        Some((left, right)) => diverged(first, second, left, right)?,
        None => None,
    };
    let parted = match parted {
        None => None,
        Some((left, right)) => Some(difference(first.0, left, right)?),
    };
    let (ours, theirs) = (state_at(first.0, first.1)?, state_at(second.0, second.1)?);
    let measures = both(measured(workplace, first.0, &ours)?, measured(workplace, second.0, &theirs)?);
    let mut balances = both(scrip(&ours), scrip(&theirs));
    balances.retain(|(_, ours, theirs)| ours != theirs);
    let refused_here = refused(first.0, &ours, |read| visit(shorter + read, all))?;
    let refused_there = refused(second.0, &theirs, |read| visit(shorter + first.1 + read, all))?;
    let refusals = both(refused_here, refused_there).into_iter();
    let refusals = refusals.map(|((principal, code), ours, theirs)| {
        let counts = (ours.unwrap_or_default(), theirs.unwrap_or_default());
        Refused { principal, code, counts }
    });
    let (only, artifacts) = artifacts(&ours, &theirs);
    Ok(Comparison {
        common,
        seqs: (ours.seq(), theirs.seq()),
        parted,
        diverged,
        measures,
        balances,
        only,
        artifacts,
        refusals: refusals.filter(|refused| refused.counts.0 != refused.counts.1).collect(),
    })
}

/// The world before the founding is an empty one.
fn state_at_or_empty(journal: &Journal, seq: u64) -> Result<World, RunError> {
    if seq == 0 { Ok(World::empty()) } else { state_at(journal, seq) }
}

/// The difference of two records of one number.
fn difference(first: &Journal, left: Record, right: Record) -> Result<Box<Difference>, RunError> {
    let before = state_at_or_empty(first, left.seq - 1)?;
    Ok(Difference::of(&before, left, Some(right), None))
}

/// The first record that differs after one of other rules, which only one of two worlds has or which both have.
fn diverged(
    first: Until<'_>,
    second: Until<'_>,
    left: &Record,
    right: &Record,
) -> Result<Option<(Box<Difference>, u64)>, RunError> {
    let after = |record: &Record| record.seq + u64::from(matches!(record.cause, Cause::Rules { .. }));
    let (ours, theirs) = (after(left), after(right));
    if (ours, theirs) == (left.seq, right.seq) {
        return Ok(None);
    }
    let Some((left, mut right)) = part((first, ours), (second, theirs), |_| ())?.1 else { return Ok(None) };
    let seq = right.seq;
    // Shifted by a record, all numbers differ: that is no news.
    right.seq = left.seq;
    Ok(Some((difference(first.0, left, right)?, seq)))
}

/// How many records two journals have in common, each from a number on, and the first of both that differs, its number
/// apart.
fn part(
    (first, from): (Until<'_>, u64),
    (second, from_there): (Until<'_>, u64),
    mut visit: impl FnMut(u64),
) -> Result<(u64, Option<(Record, Record)>), RunError> {
    let mut common = 0;
    loop {
        let (ours, theirs) = (some(first, from + common)?, some(second, from_there + common)?);
        if ours.is_empty() || theirs.is_empty() {
            return Ok((common, None));
        }
        for (ours, mut theirs) in ours.into_iter().zip(theirs) {
            let seq = std::mem::replace(&mut theirs.seq, ours.seq);
            let is_same = ours == theirs;
            theirs.seq = seq;
            if !is_same {
                return Ok((common, Some((ours, theirs))));
            }
            common += 1;
        }
        visit(common);
    }
}

/// Some records from one on.
fn some((journal, until): Until<'_>, from: u64) -> Result<Vec<Record>, RunError> {
    let mut records = Vec::new();
    if from <= until {
        journal.records_while(from, |record| {
            let wanted = record.seq <= until && record.seq < from + RECORDS;
            if wanted {
                records.push(record);
            }
            wanted
        })?;
    }
    Ok(records)
}

/// Everything that two maps have, by its key.
fn both<K: Ord + Clone, V>(
    mut ours: BTreeMap<K, V>,
    mut theirs: BTreeMap<K, V>,
) -> Vec<(K, Option<V>, Option<V>)> {
    let keys: BTreeSet<K> = ours.keys().chain(theirs.keys()).cloned().collect();
    let of = |key: K| {
        let (ours, theirs) = (ours.remove(&key), theirs.remove(&key));
        (key, ours, theirs)
    };
    keys.into_iter().map(of).collect()
}

/// The measures of a world that have a value.
fn measured(
    workplace: &Workplace,
    journal: &Journal,
    world: &World,
) -> Result<BTreeMap<String, f64>, RunError> {
    let measures = measures(workplace, journal, world)?.into_iter();
    Ok(measures.filter_map(|(name, value)| Some((name, value?))).collect())
}

/// The measures of a world that is read from its journal, in the order of its file; nothing where one has no value.
///
/// # Errors
/// When the world is damaged, or there is no process to run the code of its measures in.
pub fn measures(
    workplace: &Workplace,
    journal: &Journal,
    world: &World,
) -> Result<Vec<(String, Option<f64>)>, RunError> {
    let file = config::reload(&source_of(journal, world.source())?, library::founders())?;
    let (Some(path), false) = (journal.address(), file.measures.is_empty()) else {
        return Ok(Vec::new());
    };
    let (interpreter, _) = workplace.interpreter(&file.plan)?;
    let clients = Clients { timeout_ms: 0, are_declared: false, are_told: false };
    let models = (workplace.access.clone().deaf(), file.plan.llm.clone());
    let (clock, beside) = (Clock::Told(file.plan.clock), Journal::open_read_only(path)?);
    let mut looks = Sequencer::new(world.clone(), beside, interpreter, clock, None, clients, models)?;
    let taken = measure::take_all(&mut looks, &file.measures)?;
    Ok(taken.into_iter().map(|(name, number)| (name, number.ok())).collect())
}

/// The scrip of each principal that is there.
fn scrip(world: &World) -> BTreeMap<String, i64> {
    let alive = world.principals().filter(|(_, artifact)| !artifact.is_deleted());
    alive.map(|(handle, artifact)| (artifact.id().to_owned(), world.scrip(handle))).collect()
}

/// The artifacts that only one world has, and those of both with the parts that differ.
type Artifacts = ((Vec<String>, Vec<String>), Vec<(String, Vec<&'static str>)>);

fn artifacts(ours: &World, theirs: &World) -> Artifacts {
    let alive = |world: &World| -> BTreeSet<String> {
        let all = world.artifacts().filter(|(_, artifact)| !artifact.is_deleted());
        all.map(|(_, artifact)| artifact.id().to_owned()).collect()
    };
    let (left, right) = (alive(ours), alive(theirs));
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect();
    let differing = left.intersection(&right).filter_map(|id| {
        let parts = differs(ours, theirs, id);
        (!parts.is_empty()).then(|| (id.clone(), parts))
    });
    ((only(&left, &right), only(&right, &left)), differing.collect())
}

/// The parts in which an artifact of both worlds differs.
fn differs(ours: &World, theirs: &World, id: &str) -> Vec<&'static str> {
    let of = |world: &World| {
        let handle = world.lookup(id)?;
        let artifact = world.get(handle)?;
        Some([
            ("owner", world.name(artifact.owner()).to_owned()),
            ("content", artifact.content().to_string()),
            ("code", artifact.code().map(|code| code.to_string()).unwrap_or_default()),
            ("metadata", world.metadata(handle).to_string()),
        ])
    };
    let (Some(left), Some(right)) = (of(ours), of(theirs)) else { return Vec::new() };
    let pairs = left.iter().zip(&right).filter(|(left, right)| left != right);
    pairs.map(|((part, _), _)| *part).collect()
}

/// How often each principal was refused, by the code.
fn refused(
    journal: &Journal,
    world: &World,
    mut visit: impl FnMut(u64),
) -> Result<BTreeMap<(String, Code), u64>, RunError> {
    let mut counts = BTreeMap::new();
    journal.records_while(1, |record| {
        if record.seq > world.seq() {
            return false;
        }
        if let Cause::Act { actor: who, .. } | Cause::Step { agent: who, .. } = record.cause
            && let Outcome::Refused(refusal) = &record.outcome
        {
            *counts.entry((world.name(who).to_owned(), refusal.code)).or_default() += 1;
        }
        if record.seq.is_multiple_of(RECORDS) {
            visit(record.seq);
        }
        true
    })?;
    Ok(counts)
}
