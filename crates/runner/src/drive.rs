//! Joins a transaction to a sandbox and to language models: answers what the kernel needs until it needs nothing more.

use std::convert::Infallible;

use oikos_kernel::transaction::{Answer, Finished, Need, Transaction};
use oikos_sandbox::{Losses, Place, Progress, Sandbox, Suspended};

use crate::{
    error::RunError,
    models::{Answers, Given, Had, Nobody},
};

/// Runs the transaction that `begin` makes of something to its end. A transaction whose code is lost on the way has
/// changed nothing: it is begun again, with the answers of language models that it has had. `begin` may refuse it.
///
/// # Errors
/// When there is no process to run code in, or language models can't be asked any more.
#[expect(clippy::expect_used, reason = "who gives all answers lets nothing wait")]
pub(crate) fn drive<'w, T: Clone, E>(
    sandbox: &dyn Sandbox,
    answers: &mut dyn Answers,
    of: T,
    begin: impl Fn(T) -> Result<Transaction<'w>, E>,
) -> Result<Result<Finished, E>, RunError> {
    let driven = drive_with(sandbox, answers, &mut Had::default(), of, begin)?;
    Ok(driven.expect("an action whose answers are waited for comes to its end"))
}

/// As [`drive`], of a transaction that has had answers before; `None` where it waits for another one, and is to be
/// executed anew with it.
///
/// # Errors
/// As [`drive`].
pub(crate) fn drive_with<'w, T: Clone, E>(
    sandbox: &dyn Sandbox,
    answers: &mut dyn Answers,
    had: &mut Had,
    of: T,
    begin: impl Fn(T) -> Result<Transaction<'w>, E>,
) -> Result<Option<Result<Finished, E>>, RunError> {
    let mut given = Given::new(answers, had);
    let driven = driven(sandbox, &mut given, of, begin);
    match &driven {
        Ok(None) => {}
        Ok(Some(_)) => given.end(true),
        Err(_) => given.end(false),
    }
    driven
}

fn driven<'w, T: Clone, E>(
    sandbox: &dyn Sandbox,
    given: &mut Given<'_>,
    of: T,
    begin: impl Fn(T) -> Result<Transaction<'w>, E>,
) -> Result<Option<Result<Finished, E>>, RunError> {
    let mut losses = Losses::default();
    let mut place = sandbox.place();
    while let Some(here) = &place {
        let mut transaction = match begin(of.clone()) {
            Ok(transaction) => transaction,
            Err(refusal) => return Ok(Some(Err(refusal))),
        };
        match run(&mut transaction, &**here, given, Some((&**here, &mut losses)))? {
            Ran::Done(finished) => return Ok(Some(Ok(*finished))),
            Ran::Waits => return Ok(None),
            Ran::Lost => {}
        }
        place = sandbox.place();
    }
    Ok(match begin(of) {
        Ok(mut transaction) => whole(run(&mut transaction, sandbox, given, None)?).map(Ok),
        Err(refusal) => Some(Err(refusal)),
    })
}

/// The end of one execution.
enum Ran {
    /// It came to its end.
    Done(Box<Finished>),
    /// Its code waits for a language model.
    Waits,
    /// Its code was lost.
    Lost,
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
) -> Result<Ran, RunError> {
    let seq = transaction.seq();
    let mut waiting: Vec<Box<dyn Suspended>> = Vec::new();
    let mut answer = Answer::Begin;
    given.begin();
    loop {
        answer = match transaction.step(answer) {
            Need::Done(finished) => return Ok(Ran::Done(finished)),
            Need::Check { source, file } => Answer::Checked(sandbox.check(&source, &file)),
            Need::Worst(call) => Answer::Worst(given.worst(&call)?),
            Need::Ask(call) => match given.answer(call, seq)? {
                Some(told) => Answer::Told(Box::new(told)),
                None => {
                    given.dropped(transaction);
                    return Ok(Ran::Waits);
                }
            },
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
            return Ok(Ran::Lost);
        }
    }
}

/// The answer of code that has gone on; where it called the host, it waits.
fn gone_on(progress: Progress, waiting: &mut Vec<Box<dyn Suspended>>) -> Answer {
    waiting.extend(progress.suspended);
    Answer::Code(progress.answer)
}

#[expect(clippy::panic, reason = "code is lost only where there is a place to lose it")]
fn whole(ran: Ran) -> Option<Finished> {
    match ran {
        Ran::Done(finished) => Some(*finished),
        Ran::Waits => None,
        Ran::Lost => panic!("code that can't be lost comes to its end, or waits"),
    }
}
