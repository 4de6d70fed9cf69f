//! The spelling of an earlier system, read as ours at the edge: one table, and nowhere else.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{OpKind, What};
use crate::refusal::Refusal;

/// Words of ops: `(theirs, ours)`.
const OPS: &[(&str, OpKind)] = &[
    ("read_artifact", OpKind::Read),
    ("write_artifact", OpKind::Write),
    ("edit_artifact", OpKind::Edit),
    ("delete_artifact", OpKind::Delete),
    ("invoke_artifact", OpKind::Invoke),
    ("query_kernel", OpKind::Query),
];

/// Words for what is asked by `query`: `(word, what)`.
const ASKS: &[(&str, What)] = &[("recall", What::Recall)];

/// A field under another name.
struct Renamed {
    theirs: &'static str,
    ours: &'static str,
    /// The ops that have it.
    of: &'static [OpKind],
}

const FIELDS: &[Renamed] = &[
    Renamed {
        theirs: "artifact_id",
        ours: "artifact",
        of: &[
            OpKind::Read,
            OpKind::Write,
            OpKind::Edit,
            OpKind::Delete,
            OpKind::Invoke,
            OpKind::TransferOwnership,
            OpKind::SetContract,
            OpKind::Query,
            OpKind::Remember,
            OpKind::Forget,
        ],
    },
    Renamed { theirs: "artifact_type", ours: "kind", of: &[OpKind::Write] },
    Renamed { theirs: "access_contract_id", ours: "access_contract", of: &[OpKind::Write] },
    Renamed { theirs: "memory_artifact_id", ours: "memory_artifact", of: &[OpKind::Write] },
    Renamed { theirs: "old_string", ours: "old", of: &[OpKind::Edit] },
    Renamed { theirs: "new_string", ours: "new", of: &[OpKind::Edit] },
    Renamed { theirs: "access_contract_id", ours: "contract", of: &[OpKind::SetContract] },
    Renamed { theirs: "contract_id", ours: "contract", of: &[OpKind::SetContract] },
    Renamed { theirs: "recipient_id", ours: "to", of: &[OpKind::Transfer, OpKind::TransferOwnership] },
    Renamed { theirs: "to_id", ours: "to", of: &[OpKind::Transfer, OpKind::TransferOwnership] },
    Renamed { theirs: "new_owner", ours: "to", of: &[OpKind::TransferOwnership] },
    Renamed { theirs: "query_type", ours: "what", of: &[OpKind::Query] },
];

/// Fields that follow from others, or that the kernel does not read: `(name, ops, treatment)`.
const DROPPED: &[(&str, &[OpKind], &str)] = &[
    ("executable", &[OpKind::Write], "whether there is code; it may not say otherwise than `code` does"),
    ("can_execute", &[OpKind::Write], "the same"),
    ("reasoning", &OpKind::ALL, "text for the reader of the journal"),
];

/// The op of a word of either spelling, in whatever case: `read`, `READ_ARTIFACT`, `TransferOwnership`; and what it
/// asks for, where the word says so.
pub(super) fn op(word: &str) -> Option<(OpKind, Option<What>)> {
    let mut snake = String::with_capacity(word.len() + 2);
    let mut lower = false;
    for c in word.chars() {
        if lower && c.is_ascii_uppercase() {
            snake.push('_');
        }
        lower = c.is_ascii_lowercase();
        snake.push(c.to_ascii_lowercase());
    }
    let ours = OpKind::from_word(&snake).or_else(|| OpKind::from_word(&word.to_ascii_lowercase()));
    let theirs = || OPS.iter().find(|(theirs, _)| *theirs == snake).map(|(_, kind)| *kind);
    let asks = || ASKS.iter().find(|(word, _)| *word == snake).map(|(_, what)| (OpKind::Query, Some(*what)));
    ours.or_else(theirs).map(|kind| (kind, None)).or_else(asks)
}

/// Replaces the fields of their spelling by ours.
///
/// # Errors
/// `invalid_argument` where they contradict others.
pub(super) fn translate(kind: OpKind, fields: &mut Map<String, Value>) -> Result<(), Refusal> {
    for Renamed { theirs, ours, .. } in FIELDS.iter().filter(|field| field.of.contains(&kind)) {
        let Some(value) = fields.shift_remove(*theirs) else {
            continue;
        };
        if fields.insert((*ours).into(), value).is_some() {
            return Err(Refusal::invalid(format!("`{theirs}` and `{ours}` are the same field")));
        }
        // Theirs edits content only.
        if kind == OpKind::Edit && *theirs == "old_string" {
            fields.entry("field").or_insert_with(|| "content".into());
        }
    }
    for (name, ..) in DROPPED.iter().filter(|(_, of, _)| of.contains(&kind)) {
        let Some(value) = fields.shift_remove(*name) else {
            continue;
        };
        match *name {
            "reasoning" => match value {
                Value::String(_) | Value::Null => {}
                _ => return Err(Refusal::invalid("`reasoning` must be a string")),
            },
            name => executable(name, &value, fields)?,
        }
    }
    Ok(())
}

fn executable(name: &str, value: &Value, fields: &Map<String, Value>) -> Result<(), Refusal> {
    let given = value.as_bool().ok_or_else(|| Refusal::invalid(format!("`{name}` must be true or false")))?;
    let has_code = fields.get("code").map(|code| !code.is_null());
    match (given, has_code) {
        (true, Some(false)) | (false, Some(true)) => {
            Err(Refusal::invalid(format!("`{name}` and `code` contradict each other"))
                .hint(format!("leave out `{name}`: what has `code` can execute")))
        }
        (true, None) if fields.contains_key("content") => {
            Err(Refusal::invalid(format!("`{name}` is true, but there is no `code`"))
                .hint("put the Python into `code`; `content` is data"))
        }
        (true, Some(true) | None) | (false, Some(false) | None) => Ok(()),
    }
}

/// The table as Markdown, for the documentation.
#[must_use]
pub fn heritage() -> String {
    let ops = |of: &[OpKind]| match of {
        all if all.len() == OpKind::COUNT => "every op".to_owned(),
        some => some.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(" "),
    };
    let mut text = String::from("| op | is |\n|---|---|\n");
    for (theirs, kind) in OPS {
        let _ = writeln!(text, "| `{theirs}` | `{kind}` |");
    }
    for (word, what) in ASKS {
        let _ = writeln!(text, "| `{word}` | `{}` with `what` \"{}\" |", OpKind::Query, what.as_str());
    }
    text.push_str("\n| field | of | is |\n|---|---|---|\n");
    text.push_str("| `action_type` | every op | `op` |\n");
    for Renamed { theirs, ours, of } in FIELDS {
        let _ = writeln!(text, "| `{theirs}` | {} | `{ours}` |", ops(of));
    }
    text.push_str("\n| field | of | |\n|---|---|---|\n");
    for (name, of, becomes) in DROPPED {
        let _ = writeln!(text, "| `{name}` | {} | {becomes} |", ops(of));
    }
    text
}
