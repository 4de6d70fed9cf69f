//! The `oikos` command: arguments, printing, progress. Nothing else.

mod args;
mod commands;
mod print;
mod progress;
mod status;
mod summary;
mod table;

use std::process::ExitCode;

use clap::Parser as _;
// Stands in for the C library's allocator in all of the process: small values come and go in code.
use mimalloc as _;

use crate::{args::Args, status::ExitStatus};

/// Stack of the thread that does the work: values may nest as deep as a world file has them.
const STACK_BYTES: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let args = Args::parse();
    let is_one_object = args.is_one_object();
    // A panic of the thread is a fault of this process.
    let work = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || commands::run(args));
    let status = match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(status))) => status,
        Ok(Ok(Err(error))) => {
            let status = ExitStatus::of(&error);
            if is_one_object && matches!(status, ExitStatus::Usage | ExitStatus::Fault) {
                print::failure(&error);
            }
            status
        }
        // The panic has been told by the thread.
        Ok(Err(_panic)) => ExitStatus::Fault,
        Err(error) => ExitStatus::of(&error.into()),
    };
    status.into()
}
