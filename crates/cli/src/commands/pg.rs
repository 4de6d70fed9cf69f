//! `oikos pg` and `oikos copy`.

use anyhow::Result;
use oikos_runner::{Address, Database, Initialised, RunError, pg_init, pg_list, report};
use serde_json::{Value, json};

use super::reading;
use crate::{
    print::Printer,
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
                Column::Text("writer"),
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

pub(super) fn copy(from: &Address, to: &Address, printer: Printer) -> Result<ExitStatus> {
    let journal = reading(from)?;
    let head = oikos_runner::copy(&journal, to).map_err(RunError::from)?;
    let hash = report::hex(&head.journal_hash);
    printer.data(
        || json!({ "world": to.to_string(), "from": from.to_string(), "seq": head.seq, "journal_hash": hash }),
        || format!("copied   {from} up to record {}\njournal  {hash}\nworld    {to}", head.seq),
    )?;
    Ok(ExitStatus::Done)
}
