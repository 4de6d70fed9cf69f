//! Looks at a world as it stands, which leave no record.

use oikos_kernel::{
    id::Handle,
    op::Query,
    record::Outcome,
    refusal::Refusal,
    seed::derive,
    time::Time,
    transaction::{Finished, Transaction},
    world::wire::Viewer,
};
use oikos_sandbox::Sandbox;
use serde_json::Value;

use crate::{
    drive::{drive, drive_on},
    error::RunError,
    models::Nobody,
    sequencer::Sequencer,
    view::Look,
};

/// Answers a query as a viewer would be answered.
///
/// # Errors
/// Only faults; what is wrong with the query is a refusal.
pub(crate) fn look(
    sandbox: &dyn Sandbox,
    Look { world, now }: &Look,
    viewer: Viewer,
    query: Query,
) -> Result<Result<Value, Refusal>, RunError> {
    let seed = derive(world.rules().seed, "observe", "", world.seq());
    let begin = |query| {
        Ok::<_, Refusal>(match viewer {
            Viewer::Observer => Transaction::observe(world, query, *now, seed),
            Viewer::Artifact(me) => {
                Transaction::look_as(world, me.unwrap_or(Handle::NOBODY), query, *now, seed)
            }
        })
    };
    Ok(drive(sandbox, &mut Nobody, query, begin)?.and_then(answer))
}

impl Sequencer {
    /// Answers a query as an observer; it leaves no record.
    ///
    /// # Errors
    /// Only faults; what is wrong with the query is a refusal.
    pub fn observe(&mut self, query: Query) -> Result<Result<Value, Refusal>, RunError> {
        let at = Look { world: self.share(), now: self.now() };
        look(&*self.interpreter().sandbox, &at, Viewer::Observer, query)
    }

    /// Answers a query as a principal would be answered; it leaves no record.
    ///
    /// # Errors
    /// As [`Self::observe`].
    pub(crate) fn look_as(
        &mut self,
        principal: &str,
        query: Query,
    ) -> Result<Result<Value, Refusal>, RunError> {
        self.tell_time()?;
        let me = match self.principal(principal) {
            Ok(me) => me,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let at = Look { world: self.share(), now: self.now() };
        look(&*self.interpreter().sandbox, &at, Viewer::Artifact(Some(me)), query)
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
