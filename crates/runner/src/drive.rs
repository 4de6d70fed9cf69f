//! Joins a transaction to a sandbox: answers what the kernel needs until it needs nothing more.

use std::sync::Arc;

use oikos_kernel::{
    code::{CodeAnswer, FailureKind},
    limits,
    transaction::{Answer, Finished, Need, Transaction},
};
use oikos_sandbox::{Sandbox, Suspended};

use crate::error::RunError;

/// Code that waits for other code, and what is needed to tell of it.
struct Waiting {
    code: Box<dyn Suspended>,
    of: Of,
}

/// The artifact whose code runs, and whether a wall limit may decide its outcome.
#[derive(Clone)]
struct Of {
    me: Arc<str>,
    measured: bool,
}

/// Runs a transaction to its end. Code that waits for other code is kept on a stack, not on a thread.
///
/// # Errors
/// When code ran for longer than this machine may take, where that must not decide what happens.
pub(crate) fn drive(transaction: &mut Transaction<'_>, sandbox: &dyn Sandbox) -> Result<Finished, RunError> {
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut answer = Answer::Begin;
    loop {
        let (progress, of) = match transaction.step(answer) {
            Need::Done(finished) => return Ok(*finished),
            Need::Check { source, file } => {
                answer = Answer::Checked(sandbox.check(&source, &file));
                continue;
            }
            Need::Start(call) => {
                let of = Of { me: Arc::clone(&call.me), measured: call.limits.measure_cpu };
                (sandbox.start(*call), of)
            }
            Need::Resume { answer, polls_max } => {
                let Waiting { code, of } = resumed(waiting.pop());
                (code.resume(answer, polls_max), of)
            }
        };
        if !of.measured && has_stalled(&progress.answer) {
            return Err(RunError::Stalled {
                of: of.me.to_string(),
                seconds: limits::CODE_STALL_MS_MAX / 1_000,
            });
        }
        waiting.extend(progress.suspended.map(|code| Waiting { code, of }));
        answer = Answer::Code(progress.answer);
    }
}

fn has_stalled(answer: &CodeAnswer) -> bool {
    matches!(answer, CodeAnswer::Done { result: Err(failure), .. } if failure.kind == FailureKind::Wall)
}

#[expect(clippy::expect_used, reason = "the kernel resumes only code that made a host call")]
fn resumed(waiting: Option<Waiting>) -> Waiting {
    waiting.expect("code that is resumed waits")
}
