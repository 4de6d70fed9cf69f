//! A toy driver for the kernel: acts on a world with toy programs in the place of Python.
//!
//! [`Toy::act`] parses an action, runs its transaction with [`program`]s interpreted in memory, and
//! applies the record. It has no journal, no isolation and no clock of its own.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod program;

use oikos_kernel::{
    code::CodeAnswer,
    json::Json,
    op::{Action, Query},
    receipt::Receipt,
    record::{Cause, Charge, Handle, Outcome, Record},
    refusal::{Code, Refusal},
    seed::derive,
    time::Time,
    transaction::{Answer, Finished, Need, Transaction},
    world::World,
};
use serde_json::Value;

use self::program::Machine;

/// The driver: the clock of the world it acts on, and the records it made.
pub(crate) struct Toy {
    /// The time of the next action; the test moves it.
    pub(crate) now: Time,
    /// Every record that was applied, in order, the founding apart.
    pub(crate) records: Vec<Record>,
}

impl Toy {
    /// A driver for a world that was just founded.
    pub(crate) fn new(world: &World) -> Self {
        Self { now: world.now(), records: Vec::new() }
    }

    /// Moves the clock on.
    pub(crate) fn wait_ms(&mut self, ms: i64) {
        self.now = self.now.after_ms(ms).expect("the test's time can be printed");
    }

    /// Acts as a principal and applies the record. An action refused at admission leaves none.
    pub(crate) fn act(&mut self, world: &mut World, as_id: &str, action: Value) -> Receipt {
        match self.submit(world, as_id, action) {
            Ok((record, whole)) => {
                let record = world.enact(record).unwrap_or_else(|error| {
                    panic!("a record of the kernel's own making does not fit: {error}")
                });
                let receipt = Receipt::of(&record).with_whole(whole);
                self.records.push(record);
                receipt
            }
            Err(refusal) => Receipt::refused(self.now, refusal),
        }
    }

    /// Records what no principal submitted, and applies it.
    pub(crate) fn mark(&mut self, world: &mut World, cause: Cause, charges: Vec<Charge>) {
        let (effects, events, outcome) = (Vec::new(), Vec::new(), Outcome::Nothing);
        let record =
            Record { seq: world.seq() + 1, time: self.now, cause, charges, effects, events, outcome };
        let record = world.enact(record).unwrap_or_else(|error| panic!("{error}"));
        self.records.push(record);
    }

    fn submit(&self, world: &World, as_id: &str, action: Value) -> Result<(Record, Option<Json>), Refusal> {
        let actor = principal(world, as_id)?;
        let submitted = action.clone().into();
        let action = Action::parse(action)?;
        let action_id = action.action_id.clone();
        let seq = world.seq() + 1;
        let seed = derive(world.rules().seed, "act", as_id, seq);
        let transaction = Transaction::act(world, actor, action, self.now, seed)?;
        let Finished { charges, effects, events, outcome, whole, output } = finish(transaction);
        let cause = Cause::Act { actor, action: submitted, action_id, output };
        Ok((Record { seq, time: self.now, cause, charges, effects, events, outcome }, whole))
    }

    /// Answers a query as an observer who may see all.
    pub(crate) fn observe(&self, world: &World, query: Query) -> Outcome {
        finish(Transaction::observe(world, query, self.now, world.seq())).outcome
    }
}

fn principal(world: &World, id: &str) -> Result<Handle, Refusal> {
    let found = world.lookup(id).filter(|handle| {
        world.get(*handle).is_some_and(|artifact| artifact.has_standing() && !artifact.is_deleted())
    });
    found.ok_or_else(|| Refusal::new(Code::NotFound, format!("there is no principal `{id}`")))
}

/// Runs a transaction to its end; the runs of code that are suspended make a stack.
pub(crate) fn finish(mut transaction: Transaction<'_>) -> Finished {
    let mut suspended: Vec<Machine> = Vec::new();
    let mut answer = Answer::Begin;
    loop {
        answer = match transaction.step(answer) {
            Need::Start(call) => match Machine::start(&call) {
                Ok(machine) => {
                    suspended.push(machine);
                    go(&mut suspended, None)
                }
                Err(done) => Answer::Code(*done),
            },
            Need::Resume { answer, work_max } => {
                suspended.last_mut().expect("code waits for this").work_max = work_max;
                go(&mut suspended, Some(answer))
            }
            Need::Check { source, .. } => Answer::Checked(Ok(program::defines(&source))),
            Need::Worst(_) => {
                Answer::Worst(Err(Refusal::new(Code::Unsupported, "these worlds have no language model")))
            }
            Need::Ask(call) => panic!("nobody can be asked for `{}`", call.by),
            Need::Done(finished) => {
                assert!(suspended.is_empty(), "the transaction ended before its code");
                return *finished;
            }
        };
    }
}

fn go(suspended: &mut Vec<Machine>, answer: Option<oikos_kernel::code::HostAnswer>) -> Answer {
    let answer = suspended.last_mut().expect("code is under way").go(answer);
    if matches!(answer, CodeAnswer::Done { .. }) {
        suspended.pop();
    }
    Answer::Code(answer)
}
