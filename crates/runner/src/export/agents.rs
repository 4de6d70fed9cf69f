//! The numbers of each agent, as a world's database has them.

use oikos_journal::{AgentPart, AgentRows, JournalError};
use oikos_tables::{Column, Kind, Table, Value};
use serde_json::Value as Json;

use super::{
    int,
    spec::{AgentSeriesRow, Row as _, Word},
};
use crate::{
    config::{Measured, WorldFile},
    error::RunError,
};

/// The columns that a world file adds.
pub(super) fn columns(file: &WorldFile) -> Vec<Column> {
    let column = |(name, of): &(String, Measured)| {
        let kind = match of {
            Measured::Scrip | Measured::Resource(_) => Kind::Int,
            Measured::Content(_) => Kind::Float,
        };
        Column::nullable(name.clone(), kind)
    };
    file.columns.iter().map(column).collect()
}

/// Writes the rows of a part. A number of another name than the columns', which the world file had before a fork, is
/// left out.
pub(super) fn part(
    AgentPart { seq, time, rows: AgentRows { columns: names, lines } }: &AgentPart,
    columns: &[Column],
    table: &mut Table,
) -> Result<(), RunError> {
    let damaged = |problem: String| JournalError::Corrupt { place: "the series of agents".into(), problem };
    let names: Vec<String> = serde_json::from_str(names).map_err(|error| damaged(error.to_string()))?;
    let places: Vec<Option<usize>> =
        columns.iter().map(|column| names.iter().position(|name| *name == column.name)).collect();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let (agent, numbers): (String, Vec<Json>) = line_of(line).map_err(damaged)?;
        let begun = AgentSeriesRow { seq: int(*seq), time: *time, agent: Word(&agent) };
        let mut values = begun.values();
        for (column, place) in columns.iter().zip(&places) {
            let number = place.and_then(|place| numbers.get(place));
            values.push(number.map_or(Value::Null, |number| value(column.kind, number)));
        }
        table.push(&values)?;
    }
    Ok(())
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
