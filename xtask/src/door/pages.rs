//! How long the pages of a large world take, on a connection of this machine.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::walk::paths;
use crate::served::{fresh, used};

/// Looks at each page; the first ones read what all pages are made of.
const LOOKS: usize = 10;
/// The longest that a page of the present may take.
const PAGE_WITHIN: Duration = Duration::from_millis(100);

pub(super) fn measure(binary: &Path, folder: &Path, agents: usize) -> Result<()> {
    // Of all agents one in ten does something in each tick.
    let world = format!(
        "[world]\nname = \"large\"\n\n[execution]\nticks = 5\n\n[measures]\nevery = \"1m\"\nrich = \"max(scrip)\"\n\n\
         [[artifacts]]\nid = \"bread\"\nowner = \"ann\"\nprice = 1\ncode = \"def run(): return 'a loaf'\"\n\n\
         [[agents]]\nid = \"ann\"\ncode = \"def step(o): return None\"\n\n[[agents]]\nid = \"p\"\ncount = {agents}\nscrip = 100\ncode = '''\ndef step(o):\n    \
         if random() < 0.1:\n        return {{\"op\": \"transfer\", \"to\": \"ann\", \"amount\": 1}}\n'''\n"
    );
    let begun = Instant::now();
    let served = fresh(binary, folder, "pages", &world, &["--paused"])?;
    eprintln!("{agents} agents were founded in {:.1} s", begun.elapsed().as_secs_f64());
    let operator = served.token(&["--operator"])?;
    let begun = Instant::now();
    while served.json(&operator, "POST", "/api/v1/run?wait=60s", "{}")?.get("stopped").is_none() {}
    let seq = served.json(&operator, "GET", "/api/v1/world", "")?;
    eprintln!(
        "its 5 ticks took {:.1} s, and made {} records; {} MiB",
        begun.elapsed().as_secs_f64(),
        seq.get("seq").cloned().unwrap_or_default(),
        used(served.id())?.1 >> 20
    );
    let mut slow = Vec::new();
    for path in paths(&served)? {
        let (mut times, before) = (Vec::new(), used(served.id())?.0);
        for _ in 0..LOOKS {
            let begun = Instant::now();
            let (status, body) = served.ask(served.observer(), "GET", &path, "")?;
            if status != 200 {
                bail!("{path}: {status} {body:.300}");
            }
            times.push((begun.elapsed(), body.len()));
        }
        let first = times.first().map(|(time, _)| *time).unwrap_or_default();
        times.sort_unstable();
        // The system counts in hundredths of a second, of which there are enough over all looks.
        let own = (used(served.id())?.0 - before) / LOOKS as u32;
        let (median, bytes) = times.get(LOOKS / 2).copied().unwrap_or_default();
        eprintln!(
            "{path}: {:.0} ms of the server's CPU, {:.1} ms (median of {LOOKS}), {:.1} ms at first, {bytes} bytes",
            own.as_secs_f64() * 1e3,
            median.as_secs_f64() * 1e3,
            first.as_secs_f64() * 1e3
        );
        // Nobody else asks: where the machine is busy with others, it is the server's own time that counts.
        if median.min(own) >= PAGE_WITHIN {
            slow.push(path);
        }
    }
    if !slow.is_empty() {
        bail!("pages took {} ms or longer: {}", PAGE_WITHIN.as_millis(), slow.join(", "));
    }
    Ok(())
}
