//! Joins a transaction to a sandbox: answers what the kernel needs until it needs nothing more.

use oikos_kernel::{
    code::CodeAnswer,
    transaction::{Answer, Finished, Need, Transaction},
};
use oikos_sandbox::{Progress, Sandbox, Suspended};

/// Runs a transaction to its end. Code that waits for other code is kept on a stack, not on a thread.
pub(crate) fn drive(transaction: &mut Transaction<'_>, sandbox: &dyn Sandbox) -> Finished {
    let mut waiting: Vec<Box<dyn Suspended>> = Vec::new();
    let mut answer = Answer::Begin;
    loop {
        answer = match transaction.step(answer) {
            Need::Done(finished) => return *finished,
            Need::Check { source, file } => Answer::Checked(sandbox.check(&source, &file)),
            Need::Start(call) => Answer::Code(keep(sandbox.start(*call), &mut waiting)),
            Need::Resume { answer, polls_max } => match waiting.pop() {
                Some(code) => Answer::Code(keep(code.resume(answer, polls_max), &mut waiting)),
                None => Answer::Begin,
            },
        };
    }
}

fn keep(progress: Progress, waiting: &mut Vec<Box<dyn Suspended>>) -> CodeAnswer {
    waiting.extend(progress.suspended);
    progress.answer
}
