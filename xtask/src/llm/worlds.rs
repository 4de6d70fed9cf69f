//! The example worlds of models, live: run on a copy, with all asked anew, and run again from the tape of that.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// A world whose agents are models.
pub(super) struct World {
    /// Its file in `worlds`, and its folder.
    name: &'static str,
    /// The option that makes it short.
    short: &'static str,
}

/// The tape that a world comes with, in its folder.
const TAPE: &str = "tape.jsonl";

/// Every one.
pub(super) const WORLDS: [World; 2] = [
    World { name: "salon", short: "execution.ticks=4" },
    World { name: "interview", short: "execution.duration=3m" },
];

/// How much of a world is run, and where its tape goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Its beginning.
    Short,
    /// All of it, and its tape becomes the one that the world comes with.
    Recorded,
}

impl World {
    /// Asks the model at a URL, and compares with a run that asks nobody.
    pub(super) fn run(&self, root: &Path, folder: &Path, url: &str, extent: Extent) -> Result<()> {
        let copy = self.copy(root, folder)?;
        let binary = crate::target(root).join("debug/oikos");
        let oikos = Oikos { binary, cache: crate::python_folder(root)?, folder: copy };
        let (file, db, again) = (
            format!("{}.toml", self.name),
            format!("{}.oikos", self.name),
            format!("{}_again.oikos", self.name),
        );
        let url = format!("llm.providers.local.url={url}");
        let mut run = vec!["run", "--json", "--fresh", file.as_str(), "--set", url.as_str()];
        if extent == Extent::Short {
            run.extend(["--set", self.short]);
        }
        let live = oikos.report(&[&run[..], &["--db", &db, "--tape", "record"]].concat())?;
        oikos.told(&["verify", &db])?;
        let tape = oikos.told(&["tape", "export", &db])?;
        let answers = tape.lines().count();
        ensure!(answers > 0, "{} asked nothing", self.name);
        fs::write(oikos.folder.join(self.name).join(TAPE), &tape)?;
        let replayed = oikos.report(&[&run[..], &["--db", &again, "--tape", "replay"]].concat())?;
        ensure!(
            live.get("journal_hash").is_some() && live.get("journal_hash") == replayed.get("journal_hash"),
            "{} ends otherwise from its tape: {live} and {replayed}",
            self.name
        );
        eprintln!("== {} asked {answers} times, and is the same from its tape", self.name);
        if extent == Extent::Recorded {
            fs::write(root.join("worlds").join(self.name).join(TAPE), tape)?;
        }
        Ok(())
    }

    /// Copies the world's file and folder to where a run may write.
    fn copy(&self, root: &Path, folder: &Path) -> Result<PathBuf> {
        let (from, to) = (root.join("worlds"), folder.join("worlds"));
        let inside = to.join(self.name);
        fs::create_dir_all(&inside)?;
        for entry in fs::read_dir(from.join(self.name))? {
            let entry = entry?;
            fs::copy(entry.path(), inside.join(entry.file_name()))?;
        }
        let file = format!("{}.toml", self.name);
        fs::copy(from.join(&file), to.join(&file)).with_context(|| format!("{file} can't be copied"))?;
        // All is asked anew, so nothing of the old tape is to be in the new one.
        fs::write(inside.join(TAPE), "")?;
        Ok(to)
    }
}

/// The binary, in a folder.
struct Oikos {
    binary: PathBuf,
    /// Where it keeps Python.
    cache: String,
    folder: PathBuf,
}

impl Oikos {
    /// The output of a command that has to succeed.
    fn told(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(words).env("OIKOS_CACHE", &self.cache).current_dir(&self.folder);
        command.stderr(Stdio::inherit());
        let output = command.output().context("the binary can't be run: `cargo xtask build` makes it")?;
        if !output.status.success() {
            bail!("oikos {} ended with {}", words.join(" "), output.status);
        }
        String::from_utf8(output.stdout).context("the output is no text")
    }

    /// The report that a run ends with.
    fn report(&self, words: &[&str]) -> Result<Value> {
        serde_json::from_str(&self.told(words)?).context("the report is no JSON")
    }
}
