//! How a command ends (`docs/exit-codes.md`).

use std::process::ExitCode;

use oikos_runner::{JournalError, RunError, Why};

use crate::{
    commands::{Usage, help_of},
    print::{self, Unprinted},
};

/// How a command ended, which the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// It is done; a run came to a bound that the user set.
    Done,
    /// The answer is no: verification failed, an op was refused.
    No,
    /// The command line, or a world file, can't be meant.
    Usage,
    /// A fault: disk, corruption, a bug.
    Fault,
    /// It was asked to end before it was done; a world goes on from there.
    Asked(Why),
}

/// Whether another process writes to the world.
fn is_busy(error: &anyhow::Error) -> bool {
    let journal = match error.downcast_ref::<RunError>() {
        Some(RunError::Journal(error)) => Some(error),
        Some(_) => None,
        None => error.downcast_ref::<JournalError>(),
    };
    matches!(journal, Some(JournalError::Busy { .. }))
}

impl ExitStatus {
    /// The status of a command that failed.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if error.downcast_ref::<Unprinted>().is_some_and(Unprinted::nobody_reads) {
            return Self::Asked(Why::ClosedPipe);
        }
        if is_busy(error) {
            return Self::Fault;
        }
        let usage = error.downcast_ref::<RunError>().is_some_and(RunError::is_config)
            || error.downcast_ref::<Usage>().is_some()
            // There is help where something else was to be typed, such as a database and not a world file.
            || help_of(error).is_some();
        if usage { Self::Usage } else { Self::Fault }
    }

    /// The status of an answer. If it is no, that is so though nobody could be told.
    pub(crate) fn answer(yes: bool, told: Result<(), Unprinted>) -> anyhow::Result<Self> {
        match told {
            Ok(()) if yes => Ok(Self::Done),
            Ok(()) => Ok(Self::No),
            Err(error) if yes => Err(error.into()),
            Err(error) => {
                if !error.nobody_reads() {
                    print::error(&error.into());
                }
                Ok(Self::No)
            }
        }
    }

    /// The code for the system.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Fault => 3,
            Self::Asked(why) => why.exit_code(),
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        status.code().into()
    }
}
