//! Every example world is the same in a file and in PostgreSQL, with no, one and three followers that think for its
//! writer, and when they are killed.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{postgres::Cluster, served::Served};

const NAME: &str = "examples";
/// How many followers think for a world.
const FOLLOWERS: [usize; 3] = [0, 1, 3];
/// How often one of three is killed.
const CALM: Duration = Duration::from_millis(400);
/// Thoughts are given away however quick they are.
const GIVES: [&str; 2] = ["--give-from", "1ms"];

pub(super) fn prove(binary: &Path, folder: &Path, root: &Path) -> Result<()> {
    let cluster = Cluster::start()?;
    let folder = folder.join(NAME);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    let (database, secret) = cluster.make(binary, NAME)?;
    let place = Place { binary, folder: &folder, database, secret };
    let mut different = Vec::new();
    for file in worlds(root)? {
        let name = file.file_stem().and_then(OsStr::to_str).context("a world has a name")?;
        let in_file = hashes(place.run(&file, &format!("{name}.oikos"), &[]).output()?)?;
        for count in FOLLOWERS {
            let told = place.followed(&file, name, count, &in_file)?;
            eprintln!(
                "{name} with {count} followers: {}",
                told.unwrap_or_else(|told| {
                    different.push(format!("{name} with {count}"));
                    told
                })
            );
        }
    }
    if !different.is_empty() {
        bail!("other hashes: {}", different.join(", "));
    }
    Ok(())
}

/// The files of all example worlds; those of sweeps are no worlds.
fn worlds(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for part in ["worlds", "worlds/science"] {
        for entry in fs::read_dir(root.join(part))? {
            let path = entry?.path();
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if name.ends_with(".toml") && !name.ends_with(".sweep.toml") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Where worlds are run.
struct Place<'a> {
    binary: &'a Path,
    folder: &'a Path,
    database: String,
    secret: (&'static str, &'static str),
}

impl Place<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(self.binary);
        command.current_dir(self.folder).env(self.secret.0, self.secret.1);
        command
    }

    fn run(&self, file: &Path, db: &str, options: &[&str]) -> Command {
        let mut command = self.command();
        command.arg("run").arg(file).args(["--json", "--db", db]).args(options);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn follow(&self, db: &str) -> Result<Served> {
        let mut serve = self.command();
        serve.args(["--json", "serve", "--listen", "127.0.0.1:0", "--follow", db]);
        Served::begin(serve, self.binary, Path::new(db), self.folder)
    }

    /// Runs a world beside so many followers; of three, one after another is killed and begun again. Tells what was
    /// seen, as an error where the hashes are others.
    fn followed(
        &self,
        file: &Path,
        name: &str,
        count: usize,
        expected: &[Value; 2],
    ) -> Result<Result<String, String>> {
        let db = format!("{}?world={name}_{count}", self.database);
        let is_autonomous =
            fs::read_to_string(file)?.lines().any(|line| line.replace(' ', "") == "mode=\"autonomous\"");
        let short = if is_autonomous { "execution.duration=1ms" } else { "execution.ticks=0" };
        // Begun, so that it can be followed.
        hashes(self.run(file, &db, &["--set", short]).output()?)?;
        let mut followers = (0..count).map(|_| self.follow(&db)).collect::<Result<Vec<_>>>()?;
        let begun = Instant::now();
        let mut writer = self.run(file, &db, &GIVES).spawn()?;
        let (mut kills, mut thoughts, mut calm) = (0_u32, 0, Instant::now());
        while writer.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(20));
            if count == 3 && calm.elapsed() > CALM + Duration::from_millis(97) * (kills % 7) {
                let mut killed = followers.remove(0);
                thoughts += thoughts_of(&killed)?;
                killed.kill()?;
                followers.push(self.follow(&db)?);
                kills += 1;
                calm = Instant::now();
            }
        }
        for follower in &followers {
            thoughts += thoughts_of(follower)?;
        }
        let found = hashes(writer.wait_with_output()?)?;
        let told = format!("{thoughts} thoughts by them, {kills} killed, {:.1?}", begun.elapsed());
        Ok(if found == *expected {
            Ok(format!("the same; {told}"))
        } else {
            Err(format!("DIFFERENT; {told}"))
        })
    }
}

fn hashes(output: std::process::Output) -> Result<[Value; 2]> {
    if !output.status.success() {
        bail!("a run ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let hash = |name: &str| report.get(name).cloned().with_context(|| format!("a report has its {name}"));
    Ok([hash("state_digest")?, hash("journal_hash")?])
}

/// How many thoughts and answers a follower has had for the writer.
pub(super) fn thoughts_of(follower: &Served) -> Result<u64> {
    let had = follower.metrics("/metrics")?.number("oikos_thoughts_for_writer");
    had.context("a follower tells how many thoughts it had")
}
