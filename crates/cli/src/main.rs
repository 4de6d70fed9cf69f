//! The `oikos` command: arguments, printing, progress. Nothing else.

mod args;
mod commands;
mod print;
mod summary;

use std::process::ExitCode;

use clap::Parser as _;
// Stands in for the C library's allocator in all of the process: small values come and go in code.
use mimalloc as _;
use oikos_runner::{CountingAllocator, RunError, STACK_BYTES};

use crate::{args::Args, commands::Ended};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The answer is no: verification failed, an op was refused.
const NO: u8 = 1;
/// Usage or configuration.
const USAGE: u8 = 2;
/// A fault: disk, corruption, a bug.
const FAULT: u8 = 3;

fn main() -> ExitCode {
    let args = Args::parse();
    // Code is parsed on this thread, and expressions may nest deep.
    let work = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || commands::run(args));
    let result = work.map_err(anyhow::Error::from).map(std::thread::JoinHandle::join);
    match result {
        Ok(Ok(Ok(Ended::Yes))) => ExitCode::SUCCESS,
        Ok(Ok(Ok(Ended::No))) => NO.into(),
        Ok(Ok(Ok(Ended::Asked(why)))) => why.exit_code().into(),
        Ok(Ok(Err(error))) | Err(error) => {
            let usage = error.downcast_ref::<RunError>().is_some_and(RunError::is_config)
                || error.downcast_ref::<commands::Usage>().is_some();
            print::error(&error);
            if usage { USAGE.into() } else { FAULT.into() }
        }
        Ok(Err(_panic)) => FAULT.into(),
    }
}
