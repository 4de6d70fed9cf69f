//! Joins a transaction to a sandbox and to language models: answers what the kernel needs until it needs nothing more.

use std::convert::Infallible;

use oikos_kernel::transaction::{Answer, Finished, Need, Transaction};
use oikos_sandbox::{Losses, Place, Progress, Sandbox, Suspended};

use crate::{
    error::RunError,
    models::{Answers, Given, Nobody},
};

/// Runs the transaction that `begin` makes of something to its end. A transaction whose code is lost on the way has
/// changed nothing: it is begun again, with the answers of language models that it has had. `begin` may refuse it.
///
/// # Errors
/// When there is no process to run code in, or language models can't be asked any more.
pub(crate) fn drive<'w, T: Clone, E>(
    sandbox: &dyn Sandbox,
    answers: &mut dyn Answers,
    of: T,
    begin: impl Fn(T) -> Result<Transaction<'w>, E>,
) -> Result<Result<Finished, E>, RunError> {
    let mut given = Given::new(answers);
    let driven = drive_with(sandbox, &mut given, of, begin);
    given.end(driven.is_ok());
    driven
}

fn drive_with<'w, T: Clone, E>(
    sandbox: &dyn Sandbox,
    given: &mut Given<'_>,
    of: T,
    begin: impl Fn(T) -> Result<Transaction<'w>, E>,
) -> Result<Result<Finished, E>, RunError> {
    let mut losses = Losses::default();
    let mut place = sandbox.place();
    while let Some(here) = &place {
        let mut transaction = match begin(of.clone()) {
            Ok(transaction) => transaction,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(finished) = run(&mut transaction, &**here, given, Some((&**here, &mut losses)))? {
            return Ok(Ok(finished));
        }
        place = sandbox.place();
    }
    Ok(match begin(of) {
        Ok(mut transaction) => Ok(whole(run(&mut transaction, sandbox, given, None)?)),
        Err(refusal) => Err(refusal),
    })
}

/// As [`drive`], of a transaction that nothing refuses, and that looks only: it calls no language models.
///
/// # Errors
/// As [`drive`].
pub(crate) fn drive_on<'w>(
    sandbox: &dyn Sandbox,
    begin: impl Fn() -> Transaction<'w>,
) -> Result<Finished, RunError> {
    let Ok(finished) = drive(sandbox, &mut Nobody, (), |()| Ok::<_, Infallible>(begin()))?;
    Ok(finished)
}

/// Runs a transaction to its end, or until its code is lost. Code that waits for other code is kept on a stack, not
/// on a thread.
///
/// # Errors
/// As [`drive`].
#[expect(clippy::expect_used, reason = "the kernel resumes only code that made a host call")]
fn run(
    transaction: &mut Transaction<'_>,
    sandbox: &dyn Sandbox,
    given: &mut Given<'_>,
    mut place: Option<(&dyn Place, &mut Losses)>,
) -> Result<Option<Finished>, RunError> {
    let seq = transaction.seq();
    let mut waiting: Vec<Box<dyn Suspended>> = Vec::new();
    let mut answer = Answer::Begin;
    given.begin();
    loop {
        answer = match transaction.step(answer) {
            Need::Done(finished) => return Ok(Some(*finished)),
            Need::Check { source, file } => Answer::Checked(sandbox.check(&source, &file)),
            Need::Worst(call) => Answer::Worst(given.worst(&call)?),
            Need::Ask(call) => Answer::Told(Box::new(given.answer(call, seq)?)),
            Need::Start(call) => gone_on(sandbox.start(*call), &mut waiting),
            Need::Resume { answer, work_max } => {
                let code = waiting.pop().expect("code that is resumed waits");
                gone_on(code.resume(answer, work_max), &mut waiting)
            }
        };
        if let Some((place, losses)) = &mut place
            && let Some(loss) = place.loss()
            && losses.again(loss)?
        {
            return Ok(None);
        }
    }
}

/// The answer of code that has gone on; where it called the host, it waits.
fn gone_on(progress: Progress, waiting: &mut Vec<Box<dyn Suspended>>) -> Answer {
    waiting.extend(progress.suspended);
    Answer::Code(progress.answer)
}

#[expect(clippy::expect_used, reason = "code is lost only where there is a place to lose it")]
fn whole(finished: Option<Finished>) -> Finished {
    finished.expect("code that can't be lost comes to its end")
}
