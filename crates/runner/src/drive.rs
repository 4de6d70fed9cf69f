//! Joins a transaction to a sandbox: answers what the kernel needs until it needs nothing more.

use std::convert::Infallible;

use oikos_kernel::transaction::{Answer, Finished, Need, Transaction};
use oikos_sandbox::{Losses, Place, Sandbox, Suspended};

use crate::error::RunError;

/// Runs the transaction that `begin` makes of something to its end. A transaction whose code is lost on the way has
/// changed nothing: it is begun again. `begin` may refuse it.
///
/// # Errors
/// When there is no process to run code in.
pub(crate) fn drive<'w, T: Clone, E>(
    sandbox: &dyn Sandbox,
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
        if let Some(finished) = run(&mut transaction, &**here, Some((&**here, &mut losses)))? {
            return Ok(Ok(finished));
        }
        place = sandbox.place();
    }
    Ok(match begin(of) {
        Ok(mut transaction) => Ok(whole(run(&mut transaction, sandbox, None)?)),
        Err(refusal) => Err(refusal),
    })
}

/// As [`drive`], of a transaction that nothing refuses.
///
/// # Errors
/// As [`drive`].
pub(crate) fn drive_on<'w>(
    sandbox: &dyn Sandbox,
    begin: impl Fn() -> Transaction<'w>,
) -> Result<Finished, RunError> {
    let Ok(finished) = drive(sandbox, (), |()| Ok::<_, Infallible>(begin()))?;
    Ok(finished)
}

/// Runs a transaction to its end, or until its code is lost. Code that waits for other code is kept on a stack, not
/// on a thread.
///
/// # Errors
/// When there is no process to run code in.
#[expect(clippy::expect_used, reason = "the kernel resumes only code that made a host call")]
fn run(
    transaction: &mut Transaction<'_>,
    sandbox: &dyn Sandbox,
    mut place: Option<(&dyn Place, &mut Losses)>,
) -> Result<Option<Finished>, RunError> {
    let mut waiting: Vec<Box<dyn Suspended>> = Vec::new();
    let mut answer = Answer::Begin;
    loop {
        let progress = match transaction.step(answer) {
            Need::Done(finished) => return Ok(Some(*finished)),
            Need::Check { source, file } => Err(sandbox.check(&source, &file)),
            Need::Start(call) => Ok(sandbox.start(*call)),
            Need::Resume { answer, work_max } => {
                Ok(waiting.pop().expect("code that is resumed waits").resume(answer, work_max))
            }
        };
        answer = match progress {
            Ok(progress) => {
                waiting.extend(progress.suspended);
                Answer::Code(progress.answer)
            }
            Err(checked) => Answer::Checked(checked),
        };
        if let Some((place, losses)) = &mut place
            && let Some(loss) = place.loss()
            && losses.again(loss)?
        {
            return Ok(None);
        }
    }
}

#[expect(clippy::expect_used, reason = "code is lost only where there is a place to lose it")]
fn whole(finished: Option<Finished>) -> Finished {
    finished.expect("code that can't be lost comes to its end")
}
