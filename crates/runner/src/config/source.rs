//! The source of a world, kept in its database so that a later run can tell the differences.

use std::{collections::BTreeMap, ops::Range};

use serde::{Deserialize, Serialize};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::llm::NO_RULES;

/// A world file with all it refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file's name as it was given.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The files it refers to, by the path it gives.
    pub files: BTreeMap<String, String>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--set`, in order.
    pub set: Vec<(String, String)>,
}

impl Source {
    /// BLAKE3 of what shapes the world: all of it but the file's name, how long the run lasts and where code runs,
    /// so that a world that was run in two goes is the same as one that was run in one.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let lines: Vec<String> = lasting(&self.text).into_iter().map(|(_, line)| line).collect();
        let shape = (lines, &self.files, self.seed, lasting_set(&self.set));
        let text = serde_json::to_vec(&shape).unwrap_or_default();
        *blake3::hash(&text).as_bytes()
    }

    /// The differences from the recorded source, in words; what is no rule of the world does not count.
    #[must_use]
    pub fn differences(&self, recorded: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        if let Some(line) = first_difference(&lasting(&self.text), &lasting(&recorded.text)) {
            differences.push(format!("`{}` differs, first at line {line}", self.file));
        }
        let names: std::collections::BTreeSet<&String> =
            self.files.keys().chain(recorded.files.keys()).collect();
        for name in names {
            match (self.files.get(name), recorded.files.get(name)) {
                (Some(ours), Some(theirs)) => {
                    if ours != theirs {
                        // Only the ends of lines differ if no line does.
                        let line = first_difference(&numbered(ours), &numbered(theirs)).unwrap_or(1);
                        differences.push(format!("`{name}` differs, first at line {line}"));
                    }
                }
                (Some(_), None) => differences.push(format!("`{name}` is new")),
                (None, _) => differences.push(format!("`{name}` is no longer there")),
            }
        }
        if self.seed != recorded.seed {
            let said = |seed: Option<u64>| seed.map_or("none".into(), |seed| seed.to_string());
            differences.push(format!(
                "--seed is {}, the database records {}",
                said(self.seed),
                said(recorded.seed)
            ));
        }
        let said = |set: &[&(String, String)]| {
            let words: Vec<String> = set.iter().map(|(key, value)| format!("{key}={value}")).collect();
            if words.is_empty() { "none".into() } else { words.join(" ") }
        };
        let (ours, theirs) = (lasting_set(&self.set), lasting_set(&recorded.set));
        if ours != theirs {
            differences.push(format!("--set is {}, the database records {}", said(&ours), said(&theirs)));
        }
        differences
    }
}

/// The overrides without those that are no rule of the world.
fn lasting_set(set: &[(String, String)]) -> Vec<&(String, String)> {
    let is_rule = |key: &str| {
        let mut parts = key.split('.').map(str::trim);
        !matches!((parts.next(), parts.next()), (Some(section), Some(key)) if is_no_rule(section, key))
    };
    set.iter().filter(|(key, _)| is_rule(key)).collect()
}

/// Whether a key of a section says how long or on what the run goes, or who is asked, and nothing of the world.
fn is_no_rule(section: &str, key: &str) -> bool {
    match section {
        "execution" => matches!(key, "ticks" | "duration" | "until" | "isolation" | "workers" | "followers"),
        "llm" => NO_RULES.contains(&key),
        _ => false,
    }
}

/// The lines of a world file with their numbers, but for empty ones and what is no rule of the world.
fn lasting(text: &str) -> Vec<(usize, String)> {
    let mut blanked = text.to_owned();
    if let Ok(table) = DeTable::parse(text) {
        let mut spans = Vec::new();
        for (section, keys) in table.get_ref() {
            let keys = keys.get_ref().as_table().into_iter().flatten();
            for (key, value) in keys.filter(|(key, _)| is_no_rule(section.get_ref(), key.get_ref())) {
                lines_of(text, key.span(), value, &mut spans);
            }
        }
        for span in spans {
            let spaces = " ".repeat(span.len());
            blanked.replace_range(span, &spaces);
        }
    }
    numbered(&blanked).into_iter().filter(|(_, line)| !line.trim().is_empty()).collect()
}

/// The places of a key and its value. A table that has lines of its own has a head, and places within it.
fn lines_of(text: &str, key: Range<usize>, value: &Spanned<DeValue<'_>>, spans: &mut Vec<Range<usize>>) {
    let is_within = text.get(key.start..value.span().end).is_some_and(|span| !span.is_empty());
    let head = text.get(..key.start).map_or(0, |before| before.rfind('\n').map_or(0, |at| at + 1));
    let has_head = text.get(head..key.start).is_some_and(|line| line.trim_start().starts_with('['));
    match value.get_ref().as_table() {
        Some(table) if has_head => {
            let end = text.get(head..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| head + at);
            spans.push(head..end);
            table.iter().for_each(|(key, value)| lines_of(text, key.span(), value, spans));
        }
        Some(_) | None if is_within => spans.push(key.start..value.span().end),
        Some(_) | None => {}
    }
}

fn numbered(text: &str) -> Vec<(usize, String)> {
    (1..).zip(text.lines().map(str::to_owned)).collect()
}

/// The number of the first line in which two texts differ.
fn first_difference(ours: &[(usize, String)], theirs: &[(usize, String)]) -> Option<usize> {
    let same = ours.iter().zip(theirs).take_while(|((_, ours), (_, theirs))| ours == theirs).count();
    if same == ours.len() && same == theirs.len() {
        return None;
    }
    let last = ours.last().map_or(0, |(number, _)| *number);
    Some(ours.get(same).map_or(last + 1, |(number, _)| *number))
}
