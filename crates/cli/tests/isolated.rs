//! The suites of the runner, and that of kills and damage, once more, with their code in worker processes: the doors of
//! those suites see that they stand here.

#![cfg(unix)]
#![expect(clippy::duplicate_mod, reason = "each suite brings the door that it has where it stands")]

#[path = "durability.rs"]
mod durability;
#[path = "../../runner/tests/loss.rs"]
mod loss;
#[path = "../../runner/tests/modes.rs"]
mod modes;
#[path = "../../runner/tests/race.rs"]
mod race;
#[path = "../../runner/tests/threads.rs"]
mod threads;
#[path = "../../runner/tests/values.rs"]
mod values;
