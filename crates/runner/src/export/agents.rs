//! The numbers of each agent, as a world's database has them.

use oikos_journal::{AgentPart, AgentRows, Journal, JournalError};
use oikos_tables::{Column, Kind, Table, Value};
use serde_json::Value as Json;

use super::{
    Export, int,
    spec::{AgentSeriesRow, Row as _, Word},
};
use crate::{config::Measured, error::RunError, past::recorded};

/// The columns that the world file adds.
pub(super) fn columns(journal: &Journal) -> Result<Vec<Column>, RunError> {
    let column = |(name, of): (String, Measured)| {
        let kind = match of {
            Measured::Scrip | Measured::Resource(_) => Kind::Int,
            Measured::Content(_) => Kind::Float,
        };
        Column::nullable(name, kind)
    };
    Ok(recorded(journal)?.columns.into_iter().map(column).collect())
}

/// Writes the rows. A number of another name than the columns', which the world file had before a fork, is left out.
pub(super) fn rows(
    journal: &Journal,
    wanted: &Export,
    columns: &[Column],
    table: &mut Table,
) -> Result<(), RunError> {
    journal.agent_series(|AgentPart { seq, time, rows: AgentRows { columns: names, lines } }| {
        if seq <= wanted.since || seq > wanted.until {
            return Ok(());
        }
        let damaged =
            |problem: String| JournalError::Corrupt { place: "the series of agents".into(), problem };
        let names: Vec<String> = serde_json::from_str(&names).map_err(|error| damaged(error.to_string()))?;
        let places: Vec<Option<usize>> =
            columns.iter().map(|column| names.iter().position(|name| *name == column.name)).collect();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let (agent, numbers): (String, Vec<Json>) = line_of(line).map_err(damaged)?;
            let begun = AgentSeriesRow { seq: int(seq), time, agent: Word(&agent) };
            let mut values = begun.values();
            for (column, place) in columns.iter().zip(&places) {
                let number = place.and_then(|place| numbers.get(place));
                values.push(number.map_or(Value::Null, |number| value(column.kind, number)));
            }
            table.push(&values)?;
        }
        Ok::<(), RunError>(())
    })
}

/// The agent of a line, and its numbers.
fn line_of(line: &[u8]) -> Result<(String, Vec<Json>), String> {
    let mut parts: Vec<Json> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let numbers = parts.split_off(parts.len().min(1));
    match parts.pop() {
        Some(Json::String(agent)) => Ok((agent, numbers)),
        Some(_) | None => Err("a line names no agent".into()),
    }
}

fn value(kind: Kind, number: &Json) -> Value<'static> {
    if kind == Kind::Int { number.as_i64().into() } else { number.as_f64().into() }
}
