//! `oikos ask`.

use std::path::Path;

use anyhow::{Result, bail};
use oikos_runner::kernel::refusal::Code;
use oikos_runner::{Address, Answered, Ask, When, Workplace, ask_tape, show_dollars};
use serde_json::json;

use super::Usage;
use crate::{
    print::{self, Printer, wrapped},
    status::ExitStatus,
};

/// The question.
pub(super) struct Wanted {
    pub(super) agent: String,
    pub(super) question: String,
    pub(super) at: Option<When>,
}

pub(super) fn ask(
    world: &Address,
    wanted: &Wanted,
    workplace: &Workplace,
    printer: Printer,
) -> Result<ExitStatus> {
    let journal = super::reading(world)?;
    let tape = ask_tape(&world.beside());
    let ask = Ask { agent: &wanted.agent, question: &wanted.question, at: wanted.at, tape: &tape };
    let answered = match oikos_runner::ask(workplace, &journal, &ask)? {
        Ok(answered) => answered,
        Err(refusal) if refusal.code == Code::BudgetExhausted => {
            if printer.is_for_programs() {
                printer.value(&json!({ "ok": false, "error": refusal.to_json() }))?;
            }
            print::note(&format!("error: {}", refusal.exception_text()));
            return Ok(ExitStatus::No);
        }
        Err(refusal) => bail!(Usage(refusal.exception_text())),
    };
    let Answered { row, is_replayed } = &answered;
    printer.data(
        || {
            json!({
                "agent": row.agent, "question": wanted.question, "answer": row.answer, "outcome": row.outcome(),
                "seq": row.seq, "model": format!("{}::{}", row.provider, row.model), "replayed": is_replayed,
                "tokens_in": row.tokens_in, "tokens_cached": row.tokens_cached, "tokens_out": row.tokens_out,
                "dollars": show_dollars(row.cost), "tape": tape,
            })
        },
        || wrapped(&row.answer, 0),
    )?;
    if !printer.is_for_programs() {
        print::note(&told(&answered, &tape));
    }
    Ok(ExitStatus::Done)
}

/// Where the answer comes from, and its cost.
fn told(answered: &Answered, tape: &Path) -> String {
    let Answered { row, is_replayed } = answered;
    let cut = if row.failure.is_some() { "; it is cut at `max_output_tokens`" } else { "" };
    let from = if *is_replayed {
        format!("from {}, nothing is paid", tape.display())
    } else {
        let (tokens_in, tokens_out) = (row.tokens_in, row.tokens_out);
        format!(
            "{} for {tokens_in} tokens in and {tokens_out} out, kept in {}",
            show_dollars(row.cost),
            tape.display()
        )
    };
    format!(
        "{}::{} answered for `{}` after record {}: {from}{cut}",
        row.provider, row.model, row.agent, row.seq
    )
}
