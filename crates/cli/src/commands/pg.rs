//! `oikos pg` and `oikos copy`.

use anyhow::{Result, bail};
use oikos_runner::{
    Address, Database, Holding, Initialised, JournalError, RunError, counted, pg_drop, pg_holding, pg_init,
    pg_list, quoted, report,
};
use serde_json::{Value, json};

use super::{Usage, reading, stop_on_signal};
use crate::{
    print::{self, Printer},
    status::ExitStatus,
    table::{Column, table},
};

pub(super) fn init(database: &Database, printer: Printer) -> Result<ExitStatus> {
    let Initialised { version, applied } = pg_init(database).map_err(RunError::from)?;
    printer.data(
        || json!({ "database": database.to_string(), "version": version, "applied": applied }),
        || match applied {
            0 => format!("{database} has the tables of version {version} already"),
            _ => format!("{database} has the tables of version {version} now"),
        },
    )?;
    Ok(ExitStatus::Done)
}

pub(super) fn list(database: &Database, printer: Printer) -> Result<ExitStatus> {
    let worlds = pg_list(database).map_err(RunError::from)?;
    printer.data(
        || {
            let rows = worlds.iter().map(|world| {
                json!({
                    "world": world.world, "seq": world.head.seq, "journal_hash": report::hex(&world.head.journal_hash),
                    "epoch": world.epoch, "writer": world.writer, "served_at": world.served_at, "bytes": world.bytes,
                })
            });
            rows.collect::<Vec<Value>>().into()
        },
        || {
            let columns = [
                Column::Name("world"),
                Column::Number("records"),
                Column::Number("bytes"),
                Column::Number("epoch"),
                Column::Word("writer"),
            ];
            let rows = worlds.iter().map(|world| {
                let writer = world.served_at.as_ref().or(world.writer.as_ref());
                let writer = writer.cloned().unwrap_or_else(|| "nobody".into());
                let numbers = [world.head.seq, world.bytes, world.epoch].map(|number| number.to_string());
                [vec![world.world.clone()], numbers.to_vec(), vec![writer]].concat()
            });
            if worlds.is_empty() {
                return format!("{database} holds no worlds yet");
            }
            table(&columns, &rows.collect::<Vec<_>>())
        },
    )?;
    Ok(ExitStatus::Done)
}

/// Deletes a world where that is confirmed; else says what would be gone.
pub(super) fn drop_world(world: &Address, is_sure: bool, printer: Printer) -> Result<ExitStatus> {
    let Address::Postgres(at) = world else {
        bail!(Usage(format!(
            "`{world}` is in no database of PostgreSQL: a world in a file is deleted as files are"
        )));
    };
    if !is_sure {
        let held = told(&pg_holding(at).map_err(RunError::from)?);
        bail!(Usage(format!(
            "all of `{world}` would be gone for good: {held}\n  = help: to delete it: oikos pg drop {} --yes",
            quoted(&world.to_string())
        )));
    }
    let had = pg_drop(at).map_err(RunError::from)?;
    let hash = had.journal_hash.map(|hash| report::hex(&hash));
    printer.data(
        || json!({ "dropped": world.to_string(), "seq": had.seq, "bytes": had.bytes, "journal_hash": hash }),
        || format!("dropped  {world}\nit had   {}", told(&had)),
    )?;
    Ok(ExitStatus::Done)
}

fn told(held: &Holding) -> String {
    let hash = held.journal_hash.map_or("one that can't be read".into(), |hash| report::hex(&hash));
    let (seq, bytes) = (counted(held.seq, "record"), counted(held.bytes, "byte"));
    format!("{seq} in {bytes}, its journal hash {hash}")
}

/// Copies a world. Nothing is left of a copy that a signal asked to end.
pub(super) fn copy(from: &Address, to: &Address, printer: Printer) -> Result<ExitStatus> {
    let journal = reading(from)?;
    let stop = stop_on_signal(|| ());
    let copied = oikos_runner::copy(&journal, to, &|| !stop.is_asked());
    if let (Err(JournalError::Stopped), Some(why)) = (&copied, stop.why()) {
        print::note(&format!("stopped: nothing is left of the copy, and `{from}` is as it was"));
        return Ok(ExitStatus::Asked(why));
    }
    let head = copied.map_err(RunError::from)?;
    let hash = report::hex(&head.journal_hash);
    printer.data(
        || json!({ "world": to.to_string(), "from": from.to_string(), "seq": head.seq, "journal_hash": hash }),
        || format!("copied   {from} up to record {}\njournal  {hash}\nworld    {to}", head.seq),
    )?;
    Ok(ExitStatus::Done)
}
