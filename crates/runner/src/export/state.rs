//! The rows of a world as it stands: accounts, artifacts, and the facts of an export.

use oikos_journal::Journal;
use oikos_kernel::{
    record::{FORMAT, Record},
    resource::{ResourceKind, SCRIP},
    time::Time,
    world::World,
};
use oikos_tables::Table;
use serde_json::{Map, Value};

use super::{
    Export, int,
    spec::{AccountRow, ArtifactRow, MetaRow, Row as _, Text, Word},
};
use crate::{
    error::RunError,
    fork::parent,
    past::{apply, recorded, recorded_source, state_at},
    report::hex,
    series::Moments,
};

/// A world that goes through its records, and is shown at moments.
pub(super) struct Accounts {
    world: World,
    moments: Moments,
}

impl Accounts {
    /// Begins after a record.
    pub(super) fn walk(journal: &Journal, since: u64, every_ms: i64, start: Time) -> Result<Self, RunError> {
        let world = state_at(journal, since)?;
        let from = if since == 0 { start } else { world.now() };
        Ok(Self { world, moments: Moments::from(start, every_ms, from) })
    }

    /// Shows the moments before a record, and goes on with it.
    pub(super) fn go(&mut self, record: &Record, table: &mut Table) -> Result<(), RunError> {
        while let Some((at, _)) = self.moments.due(record.time) {
            accounts(&self.world, at, table)?;
        }
        apply(&mut self.world, record)
    }

    /// Shows the end.
    pub(super) fn end(&mut self, table: &mut Table) -> Result<(), RunError> {
        let now = self.world.now();
        while let Some((at, _)) = self.moments.due(now) {
            accounts(&self.world, at, table)?;
        }
        accounts(&self.world, now, table)
    }
}

/// The accounts of all principals at a moment.
pub(super) fn accounts(world: &World, at: Time, table: &mut Table) -> Result<(), RunError> {
    let seq = int(world.seq());
    for (handle, artifact) in world.principals() {
        let principal = Word(artifact.id());
        let is_agent = artifact.has_loop();
        let row = |resource, amount, limit, used| AccountRow {
            seq,
            time: at,
            principal,
            is_agent,
            resource: Word(resource),
            amount,
            limit,
            used,
        };
        row(SCRIP, world.scrip(handle), None, None).push(table)?;
        for (resource, rule) in world.rules().by_id() {
            let limits = rule.kind != ResourceKind::Metered;
            let used = world.used(handle, resource);
            let amount = if limits { world.capacity(handle, resource, at) } else { used };
            let limit = limits.then(|| world.limit(handle, resource));
            row(&rule.name, amount, limit, Some(used)).push(table)?;
        }
    }
    Ok(())
}

/// All artifacts.
pub(super) fn artifacts(world: &World, table: &mut Table) -> Result<(), RunError> {
    for (handle, artifact) in world.artifacts() {
        let storage = artifact.storage().map(|(key, value)| (key.to_owned(), value.clone()));
        let storage = Value::Object(storage.collect::<Map<_, _>>()).to_string();
        let (content, metadata) = (artifact.content().to_string(), world.metadata(handle).to_string());
        let row = ArtifactRow {
            id: Word(artifact.id()),
            kind: Word(artifact.kind()),
            owner: Word(world.name(artifact.owner())),
            creator: Word(world.name(artifact.creator())),
            access_contract: Word(world.name(artifact.access_contract())),
            price: artifact.price(),
            has_standing: artifact.has_standing(),
            has_loop: artifact.has_loop(),
            is_deleted: artifact.is_deleted(),
            version: artifact.version().into(),
            created_at: artifact.created_at(),
            updated_at: artifact.updated_at(),
            size: artifact.size(),
            code: artifact.code().map(|code| Word(code)),
            content: Text(&content),
            metadata: Text(&metadata),
            storage: Text(&storage),
        };
        row.push(table)?;
    }
    Ok(())
}

/// The facts of the world and the export.
pub(super) fn meta(
    journal: &Journal,
    wanted: &Export,
    world: &World,
    table: &mut Table,
) -> Result<(), RunError> {
    let source = recorded_source(journal)?;
    let file = recorded(journal)?;
    let head = journal.head();
    let parent = parent(journal)?.map(|parent| serde_json::json!(parent).to_string());
    // The chain over the records is known at their end.
    let journal_hash = (head.seq == wanted.until).then(|| hex(&head.journal_hash));
    let facts = [
        ("oikos", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("format", Some(FORMAT.to_string())),
        ("runtime", Some(world.runtime().to_owned())),
        ("name", Some(file.plan.name)),
        ("seed", Some(world.rules().seed.to_string())),
        ("start", Some(world.rules().start.to_string())),
        ("since", Some(wanted.since.to_string())),
        ("until", Some(wanted.until.to_string())),
        ("time", Some(world.now().to_string())),
        ("supply", Some(world.supply().to_string())),
        ("state_digest", Some(hex(&world.digest()))),
        ("journal_hash", journal_hash),
        ("parent", parent),
        ("world_file", Some(source.text)),
    ];
    for (key, value) in facts {
        let Some(value) = value else { continue };
        MetaRow { key: Word(key), value: Text(&value) }.push(table)?;
    }
    Ok(())
}
