//! A fork: a new world that has the past of another up to a record, and goes on from there.
//!
//! It is made whole in a folder beside, and then takes its name. The parent is only read.

use oikos_journal::{Address, Beside, Journal, JournalError, copy_series};
use oikos_kernel::{
    founding::Founder,
    record::{Cause, Effect, Handle, Outcome, Record},
    refusal::{Code, Refusal},
    rules::{ResourceKind, Rules},
    tape::{Purpose, Taped},
    world::{World, wire::Viewer},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    config::{self, Source, WorldFile},
    error::RunError,
    library,
    past::{SOURCE, each_until, encode, source_key, source_of, state_at},
    report::hex,
    workplace::Workplace,
};

/// Where the database of a fork keeps its parent.
const PARENT: &str = "parent";
/// Records that are copied in one commit, about.
const RECORDS: usize = 16_384;
/// Rows of the tape that are copied in one commit.
const ROWS: usize = 256;

/// A fork that is wanted.
#[derive(Clone, Debug)]
pub struct Fork<'a> {
    /// The last record that both worlds have.
    pub seq: u64,
    /// The place of the new world; nothing is there yet.
    pub to: &'a Address,
    /// Other values for keys of the world file, as `--set` has them.
    pub set: &'a [(String, String)],
    /// Another seed.
    pub seed: Option<u64>,
    /// Actions from outside, each with its principal.
    pub acts: &'a [(String, Value)],
}

/// The world that a fork was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The name of its file.
    pub file: String,
    /// The last record that both have.
    pub seq: u64,
    /// The chain over their common records, in hexadecimal.
    pub journal_hash: String,
}

/// A fork that was made.
#[derive(Clone, Debug)]
pub struct Forked {
    /// Its parent.
    pub parent: Parent,
    /// Its last record.
    pub seq: u64,
    /// The chain over all its records.
    pub journal_hash: [u8; 32],
    /// The receipts of its actions from outside, as who acted may see them.
    pub receipts: Vec<Value>,
}

/// The end of an attempt to fork.
#[derive(Clone, Debug)]
pub enum Forking {
    /// The new world is there.
    Made(Forked),
    /// It can't be meant; nothing was made.
    Refused(Refusal),
    /// An action from outside was refused or failed, as its receipt tells; nothing was made.
    Failed(Value),
}

/// The parent of a world; none where it was founded.
///
/// # Errors
/// When the database can't be read.
pub fn parent(journal: &Journal) -> Result<Option<Parent>, RunError> {
    let Some(bytes) = journal.meta(PARENT)? else { return Ok(None) };
    let parent = serde_json::from_slice(&bytes)
        .map_err(|error| JournalError::Corrupt { place: "meta".into(), problem: error.to_string() })?;
    Ok(Some(parent))
}

/// Makes a new world with the past of another.
///
/// # Errors
/// When the parent is damaged, the file can't be made, or an action can't be executed.
pub fn fork(workplace: &Workplace, from: &Journal, fork: &Fork<'_>) -> Result<Forking, RunError> {
    let Some(beside) = Beside::of(fork.to)? else {
        // Clients ask for forks too, and learn neither folders nor the address of a database.
        let refusal = Refusal::new(Code::Conflict, format!("there is a `{}` already", fork.to.name()));
        let hint = if fork.to.as_file().is_some() { "name a new file" } else { "name a new world" };
        return Ok(Forking::Refused(refusal.hint(hint)));
    };
    let mut world = state_at(from, fork.seq)?;
    let before = source_of(from, world.source())?;
    let changed = match changed(&world, &before, fork)? {
        Ok(changed) => changed,
        Err(refusal) => return Ok(Forking::Refused(refusal)),
    };
    let made = beside.address();
    let mut journal = copied(from, &world, &before, Journal::create(&made)?)?;
    let file = from.address().map(Address::name);
    let parent = Parent {
        file: file.unwrap_or_default(),
        seq: fork.seq,
        journal_hash: hex(&journal.head().journal_hash),
    };
    journal.set_meta(PARENT, &serde_json::to_vec(&parent).unwrap_or_default())?;
    go_by(&mut journal, &mut world, &before, changed)?;
    let (mut seq, mut journal_hash) = (journal.head().seq, journal.head().journal_hash);
    drop(journal);
    let mut receipts = Vec::new();
    if !fork.acts.is_empty() {
        let mut live = workplace.open(Journal::open(&made)?)?;
        live.sequencer.tell_time()?;
        for (principal, action) in fork.acts {
            let receipt = live.sequencer.act(principal, action.clone())?;
            let viewer = Viewer::Artifact(live.world().lookup(principal));
            let shown = receipt.to_json(live.world(), viewer);
            if !receipt.outcome.is_ok() {
                return Ok(Forking::Failed(shown));
            }
            receipts.push(shown);
        }
        live.sequencer.commit()?;
        (seq, journal_hash) = (live.sequencer.head().seq, live.sequencer.head().journal_hash);
    }
    beside.take_place()?;
    Ok(Forking::Made(Forked { parent, seq, journal_hash, receipts }))
}

/// The changes of a fork: its world file, and its rules where they are others.
struct Changed {
    source: Source,
    rules: Rules,
    rates: Vec<Effect>,
}

/// The world file of a fork, if a running world can go on by it; otherwise the refusal that names the key.
fn changed(world: &World, before: &Source, fork: &Fork<'_>) -> Result<Result<Changed, Refusal>, RunError> {
    let read = |source: &Source| -> Result<WorldFile, RunError> {
        let mut file = config::reload(source, library::founders())?;
        // On the wall clock a world begins when it is founded.
        file.founding.rules.start = world.rules().start;
        Ok(file)
    };
    let mut source = before.clone();
    let first = read(&source)?;
    let mut last = first.clone();
    let seed = fork.seed.map(|seed| ("--seed".to_owned(), None, Some(seed)));
    let set = fork.set.iter().map(|pair| (format!("--set {}={}", pair.0, pair.1), Some(pair.clone()), None));
    for (option, pair, seed) in seed.into_iter().chain(set) {
        source.set.extend(pair);
        source.seed = seed.or(source.seed);
        let next = read(&source)?;
        if let Some(refusal) = fixed(&option, &last, &next) {
            return Ok(Err(refusal));
        }
        last = next;
    }
    let rules = last.founding.rules;
    let rates = rates(world, &rules, &first.founding.founders, &last.founding.founders);
    Ok(Ok(Changed { rules, source, rates }))
}

/// Why a running world can't go on by a world file that an option has changed.
fn fixed(option: &str, last: &WorldFile, next: &WorldFile) -> Option<Refusal> {
    let refused = |problem: &str, hint: &str| {
        let sentence = format!("`{option}` can't change a world that has begun: {problem}");
        Some(Refusal::new(Code::InvalidArgument, sentence).hint(hint))
    };
    if let Err((_, problem)) = last.founding.rules.may_become(&next.founding.rules) {
        return refused(problem, "run the world file anew with it");
    }
    if !same_but_rates(last, next) {
        let problem = "it says what the world was founded with, and that has been given";
        return refused(problem, "`--act` changes what is there; or run the world file anew with it");
    }
    if last.plan.llm.tape_file != next.plan.llm.tape_file {
        return refused("its tape has begun", "`oikos tape import` brings answers into it");
    }
    None
}

/// Whether two world files found the same, but for the rates of renewable resources.
fn same_but_rates(last: &WorldFile, next: &WorldFile) -> bool {
    let rules = &next.founding.rules;
    let is_rate = |name: &String| {
        let kind = rules.resource(name).map(|resource| rules.kind(resource));
        matches!(kind, Some(ResourceKind::Renewable { .. }))
    };
    let without = |founder: &Founder| {
        let mut founder = founder.clone();
        founder.resources.retain(|name, _| !is_rate(name));
        founder
    };
    let (last, next) = (&last.founding.founders, &next.founding.founders);
    last.len() == next.len()
        && last.iter().zip(next).all(|(last, next)| last == next || without(last) == without(next))
}

/// The rates that principals have from a fork on: as much more or less as its world file gives them, and never less
/// than nothing, or than is set aside for their thoughts under way. A rate that was handed on is another's.
pub(crate) fn rates(world: &World, rules: &Rules, last: &[Founder], next: &[Founder]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (last, next) in last.iter().zip(next).filter(|(last, next)| last.resources != next.resources) {
        let alive = |handle: &Handle| world.get(*handle).is_some_and(|artifact| !artifact.is_deleted());
        let Some(of) = world.lookup(&next.id).filter(alive) else { continue };
        for (resource, rule) in rules.by_id() {
            let given = |founder: &Founder| founder.resources.get(&rule.name).copied().unwrap_or(0);
            let more = given(next).saturating_sub(given(last));
            if more == 0 || !matches!(rule.kind, ResourceKind::Renewable { .. }) {
                continue;
            }
            let before = world.limit(of, resource);
            let limit = before.saturating_add(more).max(world.set_aside_of(of, resource)).max(0);
            effects.extend((limit != before).then_some(Effect::Rate { of, resource, limit }));
        }
    }
    effects
}

/// A copy in memory of a journal as it was after a record, on which something can be tried: it is gone with the
/// process.
///
/// # Errors
/// When the journal is damaged.
pub fn copy_at(from: &Journal, seq: u64) -> Result<Journal, RunError> {
    let world = state_at(from, seq)?;
    copied(from, &world, &source_of(from, world.source())?, Journal::in_memory()?)
}

/// A new journal with the records, the tape and the world file of another, up to where a world stands.
fn copied(from: &Journal, world: &World, before: &Source, mut journal: Journal) -> Result<Journal, RunError> {
    let mut records: Vec<Record> = Vec::new();
    let source = encode(before);
    let (mut founding, mut digests) = (true, Vec::new());
    each_until(from, 0, world.seq(), |record| {
        if let Cause::Genesis { source, .. } | Cause::Rules { source, .. } = record.cause {
            digests.push(source);
        }
        let founds = matches!(record.cause, Cause::Genesis { .. } | Cause::Founding);
        // The founding is there whole, or not at all.
        if records.len() >= RECORDS && !founds {
            let meta: &[(&str, &[u8])] = if founding { &[(SOURCE, &source)] } else { &[] };
            journal.append(&records, meta)?;
            records.clear();
            founding = false;
        }
        records.push(record);
        Ok(())
    })?;
    let meta: &[(&str, &[u8])] = if founding { &[(SOURCE, &source)] } else { &[] };
    journal.append(&records, meta)?;
    // The last one is the world's own; before it, it went by others where it was forked.
    digests.pop();
    for digest in digests {
        journal.set_meta(&source_key(digest), &encode(&source_of(from, digest)?))?;
    }
    copy_tape(from, world, &mut journal)?;
    // It takes the measures of later moments itself.
    copy_series(from, &mut journal, |seq, time| seq <= world.seq() && time < world.now())?;
    Ok(journal)
}

/// Copies the whole tape. The rows that the world has not asked yet are there as if they were brought from elsewhere.
fn copy_tape(from: &Journal, world: &World, to: &mut Journal) -> Result<(), RunError> {
    let (mut past, mut future) = (Vec::new(), Vec::new());
    from.tape(None, |row| {
        if is_past(world, &row) {
            past.push(row)
        } else {
            future.push(row)
        }
        if past.len() >= ROWS {
            to.put_tape(&past)?;
            past.clear();
        }
        if future.len() >= ROWS {
            to.import_tape(&future)?;
            future.clear();
        }
        Ok::<(), RunError>(())
    })?;
    to.put_tape(&past)?;
    to.import_tape(&future)?;
    Ok(())
}

/// Whether an asking is part of what has happened in a world, its turns under way counted.
fn is_past(world: &World, row: &Taped) -> bool {
    let is_of_turn = matches!(row.purpose, Purpose::Step | Purpose::Repair);
    let not_yet = world.tick().filter(|tick| is_of_turn && tick.seq == row.seq).is_some_and(|tick| {
        let agent = world.lookup(&row.agent).and_then(|agent| world.agent(agent));
        agent.is_some_and(|agent| agent.last_turn != Some(tick.turn) && !agent.is_thinking())
    });
    row.seq < world.seq() && !not_yet
}

/// Records other rules, and another world file, where the fork has others.
fn go_by(
    journal: &mut Journal,
    world: &mut World,
    before: &Source,
    changed: Changed,
) -> Result<(), RunError> {
    let Changed { source, rules, rates } = changed;
    if source == *before {
        return Ok(());
    }
    let digest = source.digest();
    if digest == world.source() && rules == *world.rules() {
        // No rule of the world is another: how long it goes on, and who is asked.
        return Ok(journal.set_meta(SOURCE, &encode(&source))?);
    }
    let was = source_key(world.source());
    let record = Record {
        seq: world.seq() + 1,
        time: world.now(),
        cause: Cause::Rules { rules: Box::new(rules), source: digest },
        charges: Vec::new(),
        effects: rates,
        events: Vec::new(),
        outcome: Outcome::Nothing,
    };
    let record = world.enact(record)?;
    let (before, source) = (encode(before), encode(&source));
    Ok(journal.append(&[record], &[(&was, &before), (SOURCE, &source)])?)
}
