//! `oikos run --dry-run`: what the first round would ask of models, and could cost.

use anyhow::Result;
use oikos_runner::{Address, Preview, Workplace, number, preview, show_dollars};
use serde_json::{Value, json};

use super::{run::db_of, world_file_at};
use crate::{
    args::OverrideArgs,
    print::{Printer, wrapped},
    status::ExitStatus,
    table::{Column, table},
};

/// Rows of the table.
const ROWS: usize = 20;

pub(super) fn run(
    path: &Address,
    db: Option<Address>,
    overrides: &OverrideArgs,
    workplace: &Workplace,
    printer: Printer,
) -> Result<ExitStatus> {
    let file = world_file_at(path, overrides)?;
    let db = db.unwrap_or_else(|| db_of(&file));
    let previews = preview(workplace, file, Some(&db))?;
    printer.data(|| json_of(&previews), || text(&previews))?;
    Ok(ExitStatus::Done)
}

/// The micro-dollars that would truly be paid at most.
fn most(previews: &[Preview]) -> u64 {
    let asked = previews.iter().filter(|preview| !preview.is_taped);
    asked.filter_map(|preview| preview.cost_max).fold(0, u64::saturating_add)
}

fn json_of(previews: &[Preview]) -> Value {
    let rows: Vec<Value> = previews
        .iter()
        .map(|preview| {
            json!({
                "agent": preview.agent, "model": preview.model, "bytes": preview.bytes,
                "tokens_max": preview.tokens_max, "micro_dollars_max": preview.cost_max,
                "taped": preview.is_taped, "problem": preview.problem,
            })
        })
        .collect();
    json!({ "requests": rows, "micro_dollars_max": most(previews) })
}

fn text(previews: &[Preview]) -> String {
    if previews.is_empty() {
        return "no model would be asked: the world file has no agent with `mind = \"llm\"`".into();
    }
    let rows = previews.iter().take(ROWS).map(|preview| {
        vec![
            preview.agent.clone(),
            preview.model.clone(),
            number(preview.bytes),
            number(preview.tokens_max),
            if preview.is_taped { "on the tape".into() } else { preview.cost_words() },
        ]
    });
    let columns = [
        Column::Name("Agent"),
        Column::Name("model"),
        Column::Number("bytes"),
        Column::Number("tokens at most"),
        Column::Number("dollars at most"),
    ];
    let mut text = table(&columns, &rows.collect::<Vec<_>>());
    if previews.len() > ROWS {
        text.push_str(&format!("\n… and {} more; --json has all", previews.len() - ROWS));
    }
    for preview in previews.iter().filter(|preview| preview.problem.is_some()).take(ROWS) {
        let problem = format!("`{}`: {}", preview.agent, preview.problem.as_deref().unwrap_or_default());
        text.push_str(&format!("\n{}", wrapped(&problem, 0)));
    }
    let asked = previews.iter().filter(|preview| !preview.is_taped).count();
    text.push_str(&format!(
        "\n\nThe first round would ask {} and cost {} at most; nobody was asked.",
        if asked == 1 { "1 request".into() } else { format!("{asked} requests") },
        show_dollars(most(previews)),
    ));
    text
}
