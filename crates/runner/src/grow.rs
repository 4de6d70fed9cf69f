//! The growth of resources that grow back, as it is due.

use oikos_kernel::{
    record::{Cause, Outcome},
    transaction::Finished,
};

use crate::{error::RunError, sequencer::Sequencer};

impl Sequencer {
    /// Records the growth of all resources that grow back, up to now.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn grow(&mut self) -> Result<(), RunError> {
        if self.world().rules().regrow.is_empty() {
            return Ok(());
        }
        let effects = self.world().growth(self.now());
        if effects.is_empty() {
            return Ok(());
        }
        let finished = Finished { effects, ..Finished::nothing_done(Outcome::Nothing) };
        self.record(Cause::Regrow, finished).map(|_| ())
    }
}
