//! Joins a transaction to a sandbox: answers what the kernel needs until it needs nothing more.

use oikos_kernel::transaction::{Answer, Finished, Need, Transaction};
use oikos_sandbox::{Sandbox, Suspended};

/// Runs a transaction to its end. Code that waits for other code is kept on a stack, not on a thread.
#[expect(clippy::expect_used, reason = "the kernel resumes only code that made a host call")]
pub(crate) fn drive(transaction: &mut Transaction<'_>, sandbox: &dyn Sandbox) -> Finished {
    let mut waiting: Vec<Box<dyn Suspended>> = Vec::new();
    let mut answer = Answer::Begin;
    loop {
        let progress = match transaction.step(answer) {
            Need::Done(finished) => return *finished,
            Need::Check { source, file } => {
                answer = Answer::Checked(sandbox.check(&source, &file));
                continue;
            }
            Need::Start(call) => sandbox.start(*call),
            Need::Resume { answer, work_max } => {
                waiting.pop().expect("code that is resumed waits").resume(answer, work_max)
            }
        };
        waiting.extend(progress.suspended);
        answer = Answer::Code(progress.answer);
    }
}
