//! Clocks of two machines that are an hour apart: one that stands by takes over, and the world's time never goes back.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{served::Served, torture::shim};

const NAME: &str = "clocks";
const WORLD: &str = "[world]\nname = \"clocks\"\nclock = \"wall\"\n[execution]\nmode = \"autonomous\"\n\
    duration = \"10h\"\npace = \"50ms\"\n[[agents]]\nid = \"p\"\ncount = 3\nscrip = 100000\n\
    code = \"def step(observation): return {'op': 'transfer', 'to': 'p_001', 'amount': 1}\"\n";
/// The clock of a process, an hour ahead.
const AHEAD: &str = "#define _GNU_SOURCE\n#include <time.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
    int clock_gettime(clockid_t clock, struct timespec *at) {\n\
    long failed = syscall(SYS_clock_gettime, clock, at);\n\
    if (!failed && clock == CLOCK_REALTIME) at->tv_sec += 3600;\n return (int)failed;\n}\n";
/// Records that each of the two has to write.
const RECORDS: u64 = 60;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn prove(binary: &Path, folder: &Path) -> Result<()> {
    let folder = folder.join(NAME);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("w.toml"), WORLD)?;
    let ahead = shim::compiled(&folder, "ahead", AHEAD)?;
    for is_writer_ahead in [true, false] {
        let db = folder.join(format!("{is_writer_ahead}.oikos"));
        let begin = |is_ahead: bool, world: &[&str]| {
            let mut serve = Command::new(binary);
            if is_ahead {
                serve.env("LD_PRELOAD", &ahead);
            }
            serve.args(["--json", "serve", "--listen", "127.0.0.1:0"]).args(world);
            Served::begin(serve, binary, &db, &folder)
        };
        let at = db.to_str().context("a path in UTF-8")?;
        let mut writer = begin(is_writer_ahead, &["w.toml", "--db", at])?;
        let killed = written(&writer, RECORDS)?;
        let standby = begin(!is_writer_ahead, &[at, "--standby"])?;
        written(&standby, killed)?;
        writer.kill()?;
        let log = writer.oikos(&["log", "--type", "transfer", "--json"])?;
        let end = times(&log)?.len();
        written(&standby, killed + 3 * RECORDS)?;
        drop(standby);
        let times = times(&writer.oikos(&["log", "--type", "transfer", "--json"])?)?;
        if !times.is_sorted() || times.last() <= times.get(end.saturating_sub(1)) {
            bail!("the world's time goes back, or stands still: {times:?}");
        }
        writer.oikos(&["verify"])?;
        let who = if is_writer_ahead { "the first" } else { "the second" };
        eprintln!(
            "{who} an hour ahead: {} payments, {end} of them by the first, in the order of time",
            times.len()
        );
    }
    Ok(())
}

/// Waits until a world has so many records, and says how many it has.
fn written(world: &Served, enough: u64) -> Result<u64> {
    let begun = Instant::now();
    loop {
        let seq = world.metrics("/metrics")?.number("oikos_world_seq");
        if let Some(seq) = seq.filter(|seq| *seq >= enough) {
            return Ok(seq);
        }
        if begun.elapsed() > PATIENCE {
            bail!("a world has {seq:?} records, and not {enough}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The times of lines; their texts are ordered as they are.
fn times(log: &str) -> Result<Vec<String>> {
    let time = |line: &str| {
        let line: Value = serde_json::from_str(line)?;
        Ok(line.get("time").and_then(Value::as_str).context("a line has its time")?.to_owned())
    };
    log.lines().map(time).collect()
}
