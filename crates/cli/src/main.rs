//! The `oikos` command: arguments, printing, progress. Nothing else.

mod args;
mod commands;
mod print;
mod counts;
mod passwords;
mod progress;
mod status;
mod style;
mod summary;
mod table;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;
// Stands in for the C library's allocator in all of the process: small values come and go in code.
use mimalloc as _;

use crate::{args::Args, status::ExitStatus};

/// Stack of the thread that does the work: values may nest as deep as a world file has them.
const STACK_BYTES: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    style::choose(&words);
    let args = match Args::try_parse_from(&words) {
        Ok(args) => args,
        Err(error) => return unread(&error, &words).into(),
    };
    let (for_programs, is_one_object) = (args.json, args.is_one_object());
    // A panic of the thread is a fault of this process.
    let work = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || commands::run(args));
    let failed = |error: anyhow::Error| match ExitStatus::of(&error) {
        ended @ (ExitStatus::Usage | ExitStatus::Fault) if is_one_object => {
            print::error(&error);
            print::failure(&error, ended);
            ended
        }
        ended @ (ExitStatus::Usage | ExitStatus::Fault) => {
            if for_programs {
                print::failure_line(&error, ended)
            } else {
                print::error(&error)
            }
            ended
        }
        ended @ (ExitStatus::Done | ExitStatus::No | ExitStatus::Asked(_)) => ended,
    };
    let status = match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(status))) => status,
        Ok(Ok(Err(error))) => failed(error),
        // The panic has been told by the thread.
        Ok(Err(_panic)) => ExitStatus::Fault,
        Err(error) => failed(error.into()),
    };
    status.into()
}

/// Says why the command line can't be read, or prints the help or version that it asks for.
fn unread(error: &clap::Error, words: &[OsString]) -> ExitStatus {
    // Where it can't be printed the exit code says it.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitStatus::Done;
    }
    if words.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json") {
        let text = error.render().to_string();
        let sentence = text.split("\n\nUsage:").next().unwrap_or_default();
        let sentence = sentence.trim().trim_start_matches("error: ").to_owned();
        print::failure(&anyhow::Error::msg(sentence), ExitStatus::Usage);
    }
    ExitStatus::Usage
}
