//! Which sweep a folder holds.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    error::SweepError,
    plan::{Cell, Plan},
    rows::json_line,
};

/// The form of the files of a sweep.
pub(crate) const FORM: u32 = 1;

/// The line that says which sweep a folder holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    form: u32,
    version: String,
    runtime: String,
    command: String,
    keeps_worlds: bool,
    seeds: Vec<u64>,
    cells: Vec<HeadCell>,
    text: String,
    files: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct HeadCell {
    set: Vec<(String, String)>,
    source: String,
}

impl Head {
    /// The line of a sweep that is made by this program.
    pub(crate) fn of(plan: &Plan) -> Self {
        let cell = |cell: &Cell| HeadCell { set: cell.set.clone(), source: cell.source.clone() };
        Self {
            form: FORM,
            version: env!("CARGO_PKG_VERSION").into(),
            runtime: oikos_runner::runtime_name(),
            command: plan.command.clone(),
            keeps_worlds: plan.keeps_worlds,
            seeds: plan.seeds.clone(),
            cells: plan.cells.iter().map(cell).collect(),
            text: plan.source.text.clone(),
            files: plan.source.files.clone(),
        }
    }

    /// BLAKE3 of it; the path of the world file does not count.
    pub(crate) fn hash(&self) -> String {
        let same = Self { command: String::new(), ..self.clone() };
        blake3::hash(json_line(&same).as_bytes()).to_hex().to_string()
    }

    /// Refuses another sweep than the one that is there in a folder.
    pub(crate) fn check(&self, there: &Self, path: &Path) -> Result<(), SweepError> {
        let Some(difference) = self.difference(there) else { return Ok(()) };
        Err(SweepError::Usage(format!(
            "`{}` holds another sweep: {difference}\n  there  {}\n  here   {}\n  = help: name another folder with --out, \
             or remove that one",
            path.display(),
            there.command,
            self.command
        )))
    }

    /// In which the sweep of this head differs from another, in words; the path of the world file does not count.
    fn difference(&self, other: &Self) -> Option<String> {
        let set = |head: &Self| head.cells.iter().map(|cell| cell.set.clone()).collect::<Vec<_>>();
        let named = |head: &Self| maker(&head.version, &head.runtime);
        let is_same = Self { command: other.command.clone(), ..self.clone() } == *other;
        if is_same {
            return None;
        }
        Some(if named(self) != named(other) {
            format!("that one was begun by {}, and this is {}", named(other), named(self))
        } else if self.seeds != other.seeds {
            "the seeds differ".into()
        } else if set(self) != set(other) {
            "the cells differ".into()
        } else if self.keeps_worlds != other.keeps_worlds {
            "only one of them keeps its worlds".into()
        } else if self.text != other.text {
            "the world file differs".into()
        } else {
            let differing = |(name, text): &(&String, &String)| other.files.get(*name) != Some(*text);
            match self.files.iter().find(differing) {
                Some((name, _)) => format!("the file `{name}` that the world file names differs"),
                None => "a file that the world file names differs".into(),
            }
        })
    }
}

/// A program that makes runs, in words.
pub(crate) fn maker(version: &str, runtime: &str) -> String {
    format!("oikos {version} on {runtime}")
}
