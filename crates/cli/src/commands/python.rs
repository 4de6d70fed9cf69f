//! Python on this machine: where it is kept, `oikos python prepare`, and how the preparation is shown.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oikos_runner::{Stage, runtime_name};
use serde_json::json;

use super::workplace;
use crate::{
    args::WorkplaceArgs,
    print::{self, Printer},
    status::ExitStatus,
};

/// Stages of a preparation.
const STAGES: u64 = 4;
/// Pictures of the bar in a second, about: its clock goes on while a stage lasts.
const TICK: Duration = Duration::from_millis(200);

/// The bar of a preparation that is under way.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// The folder where Python is kept between runs: `OIKOS_CACHE`, or `oikos` in the user's own.
pub(super) fn folder() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("OIKOS_CACHE")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("oikos")))
        .or_else(|| Some(folder("HOME")?.join(".cache/oikos")))
}

/// Shows how far a preparation has come: a bar on a terminal, else one sentence.
pub(super) fn tell(stage: Stage) {
    let mut bar = BAR.lock().unwrap_or_else(PoisonError::into_inner);
    let (position, word) = match stage {
        Stage::Waiting => (0, "another process does it"),
        Stage::Compiling => (0, "compiling"),
        Stage::Booting => (1, "booting"),
        Stage::Sealing => (2, "compiling what has booted"),
        Stage::Storing => (3, "keeping it"),
        Stage::NotKept => return not_kept(),
        Stage::Ready => {
            if let Some(bar) = bar.take() {
                bar.finish_and_clear();
            }
            return;
        }
    };
    let bar = bar.get_or_insert_with(begin);
    bar.set_position(position);
    bar.set_message(word);
}

fn begin() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(STAGES), ProgressDrawTarget::stderr());
    if bar.is_hidden() {
        print::note("note: Python is prepared for this machine, once; it takes about ten seconds");
    }
    if let Ok(style) = ProgressStyle::with_template("preparing Python, once  {bar:20} {elapsed}  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

fn not_kept() {
    let place = match folder() {
        Some(folder) => format!("`{}` can't be used, or others can write it", folder.display()),
        None => "there is no home folder".into(),
    };
    print::note(&format!(
        "note: Python can't be kept for the next run: {place}; set OIKOS_CACHE to a folder of your own"
    ));
}

/// `oikos python prepare`.
pub(super) fn prepare(printer: Printer) -> Result<ExitStatus> {
    let begun = Instant::now();
    workplace::of(WorkplaceArgs::default()).prepare()?;
    let (took, folder) = (begun.elapsed(), folder());
    printer.data(
        || json!({ "runtime": runtime_name(), "folder": folder, "seconds": took.as_secs_f64() }),
        || {
            let place =
                folder.as_ref().map_or_else(String::new, |folder| format!(", in {}", folder.display()));
            format!("Python is ready ({:.1} s){place}\n{}", took.as_secs_f64(), runtime_name())
        },
    )?;
    Ok(ExitStatus::Done)
}
