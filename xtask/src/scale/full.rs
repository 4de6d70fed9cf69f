//! The disk of the database fills up under a writer: it ends and says what to do, and all that it had acknowledged is
//! there once room was made.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{postgres::Cluster, served::Served};

const NAME: &str = "disk_full";
const SIZE: &str = "size=200m";
const WORLD: &str = "[world]\nname = \"full\"\n[execution]\nticks = 1\n[[agents]]\nid = \"alice\"\nscrip = 1000000\n\
    code = \"def step(observation): return None\"\n[[agents]]\nid = \"bob\"\n\
    code = \"def step(observation): return None\"\n";
const PAY: &str = r#"{"op": "transfer", "to": "bob", "amount": 1}"#;
/// Payments before the disk is filled.
const BEFORE: u32 = 50;
/// How long a writer may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Needs a file system of its own, which root mounts.
pub(super) fn prove(binary: &Path, folder: &Path) -> Result<()> {
    let folder = folder.join(NAME);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    let Some(disk) = Disk::mounted(std::env::temp_dir().join(format!("oikos-disk-{}", std::process::id())))?
    else {
        eprintln!("only root mounts a file system, so a disk that is full is not tried");
        return Ok(());
    };
    let cluster = Cluster::start_in(disk.folder.join("server"))?;
    let (database, (variable, password)) = cluster.make(binary, NAME)?;
    let (url, errors) = (format!("{database}?world=w"), folder.join("errors"));
    fs::write(folder.join("w.toml"), WORLD)?;
    let begin = |world: &[&str]| {
        let mut serve = Command::new(binary);
        serve.env(variable, password).stderr(fs::File::create(&errors)?);
        serve.args(["serve", "--json", "--listen", "127.0.0.1:0", "--paused"]).args(world);
        Served::begin(serve, binary, Path::new(&url), &folder)
    };
    let oikos = |words: &[&str]| -> Result<Value> {
        let told = Command::new(binary).current_dir(&folder).env(variable, password).args(words).output()?;
        if !told.status.success() {
            bail!("oikos {}: {}", words.join(" "), String::from_utf8_lossy(&told.stderr));
        }
        Ok(serde_json::from_slice(&told.stdout)?)
    };
    let mut writer = begin(&["w.toml", "--db", &url])?;
    let token = oikos(&["--json", "token", &url, "--as", "alice"])?;
    let token = token.get("token").and_then(Value::as_str).context("a token")?.to_owned();
    let (mut paid, filler) = (0_u32, disk.folder.join("filler"));
    while matches!(writer.ask(&token, "POST", "/api/v1/act", PAY), Ok((200, _))) {
        paid += 1;
        if paid == BEFORE {
            // It is written for as long as there is room.
            drop(fs::write(&filler, vec![0; 300 << 20]));
        }
    }
    let begun = Instant::now();
    let ended = loop {
        match writer.ended()? {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                bail!("a writer without a disk goes on, and acknowledges nothing")
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let said = fs::read_to_string(&errors)?;
    if ended.code() != Some(3) || !said.contains("make room on its server") {
        bail!("after {paid} payments it ended with {ended}: {said}");
    }
    fs::remove_file(&filler)?;
    let again = begin(&[&url])?;
    if !matches!(again.ask(&token, "POST", "/api/v1/act", PAY)?, (200, _)) {
        bail!("the world does not go on");
    }
    drop(again);
    let held = oikos(&["inspect", &url, "balances", "--json"])?;
    let bob = held.as_array().into_iter().flatten().find(|row| row.get("id") == Some(&"bob".into()));
    let has = bob.and_then(|row| row.get("scrip")).and_then(Value::as_u64).context("bob has something")?;
    // The one that was under way was not acknowledged.
    if has != u64::from(paid) + 1 {
        bail!("{paid} payments and one more were acknowledged, and {has} are there");
    }
    oikos(&["verify", &url, "--json"])?;
    eprintln!(
        "{paid} payments were acknowledged until the disk was full; each is there, and the world goes on"
    );
    Ok(())
}

/// A small file system.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn mounted(folder: PathBuf) -> Result<Option<Self>> {
        fs::create_dir_all(&folder)?;
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(&folder).output()?;
        if !mount.status.success() {
            fs::remove_dir(&folder)?;
            return Ok(None);
        }
        Ok(Some(Self { folder }))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let gone = Command::new("umount").arg(&self.folder).status().is_ok_and(|status| status.success());
        if !gone || fs::remove_dir(&self.folder).is_err() {
            eprintln!("== full: `{}` is left", self.folder.display());
        }
    }
}
