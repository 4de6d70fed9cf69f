//! What a world was made from, kept in its database so that a later run can tell what differs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
    /// BLAKE3 of all of it but the file's name.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let nameless = Self { file: String::new(), ..self.clone() };
        let text = serde_json::to_vec(&nameless).unwrap_or_default();
        *blake3::hash(&text).as_bytes()
    }

    /// What differs from the recorded source, in words; how long the run lasts does not count.
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
                    if let Some(line) = first_difference(ours, theirs) {
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
        let kept = |set: &[(String, String)]| -> Vec<(String, String)> {
            set.iter()
                .filter(|(key, _)| !matches!(key.as_str(), "execution.ticks" | "execution.duration"))
                .cloned()
                .collect()
        };
        let said = |set: &[(String, String)]| {
            let words: Vec<String> = set.iter().map(|(key, value)| format!("{key}={value}")).collect();
            if words.is_empty() { "none".into() } else { words.join(" ") }
        };
        let (ours, theirs) = (kept(&self.set), kept(&recorded.set));
        if ours != theirs {
            differences.push(format!("--set is {}, the database records {}", said(&ours), said(&theirs)));
        }
        differences
    }
}

/// The text without the lines that say how long the run lasts, each kept as an empty line.
fn lasting(text: &str) -> String {
    let lasts = |line: &str| {
        let key = line.split('=').next().unwrap_or("").trim();
        matches!(key, "ticks" | "duration")
    };
    text.lines().map(|line| if lasts(line) { "\n".to_owned() } else { format!("{line}\n") }).collect()
}

/// The first line, counted from 1, in which two texts differ.
fn first_difference(ours: &str, theirs: &str) -> Option<usize> {
    if ours == theirs {
        return None;
    }
    let same = ours.lines().zip(theirs.lines()).take_while(|(ours, theirs)| ours == theirs).count();
    Some(same + 1)
}
