//! Looks at a world as it stands, which leave no record.

use oikos_kernel::{
    id::Handle,
    op::Query,
    record::Outcome,
    refusal::Refusal,
    seed::derive,
    time::Time,
    transaction::{Finished, Transaction},
};
use serde_json::Value;

use crate::{
    drive::{drive, drive_on},
    error::RunError,
    models::Nobody,
    sequencer::Sequencer,
};

impl Sequencer {
    /// Answers a query as an observer; it leaves no record.
    ///
    /// # Errors
    /// Only faults; what is wrong with the query is a refusal.
    pub fn observe(&mut self, query: Query) -> Result<Result<Value, Refusal>, RunError> {
        let now = self.now();
        let (world, interpreter) = self.parts();
        let seed = derive(world.rules().seed, "observe", "", world.seq());
        let begin = |query| Ok::<_, Refusal>(Transaction::observe(world, query, now, seed));
        Ok(drive(&*interpreter.sandbox, &mut Nobody, query, begin)?.and_then(answer))
    }

    /// Calls a method read-only as of an instant, for a measure; it leaves no record.
    ///
    /// # Errors
    /// Only faults; what is wrong with the method is a refusal.
    pub fn measure(
        &mut self,
        artifact: Handle,
        method: &str,
        now: Time,
    ) -> Result<Result<Value, Refusal>, RunError> {
        let (world, interpreter) = self.parts();
        let seed = derive(world.rules().seed, "measure", method, world.seq());
        let begin = || Transaction::measure(world, artifact, method, now, seed);
        Ok(answer(drive_on(&*interpreter.sandbox, begin)?))
    }
}

fn answer(finished: Finished) -> Result<Value, Refusal> {
    match finished.outcome {
        Outcome::Done(value) => Ok(value.to_value()),
        Outcome::Nothing => Ok(Value::Null),
        Outcome::Refused(refusal) => Err(*refusal),
    }
}
