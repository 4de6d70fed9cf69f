//! The suites of the runner once more, with their code in worker processes: the door of those suites finds the binary
//! beside which this is built.

#![cfg(unix)]
#![expect(clippy::duplicate_mod, reason = "each suite brings the door that it has where it stands")]

#[path = "../../runner/tests/modes.rs"]
mod modes;
#[path = "../../runner/tests/race.rs"]
mod race;
#[path = "../../runner/tests/threads.rs"]
mod threads;
#[path = "../../runner/tests/values.rs"]
mod values;
