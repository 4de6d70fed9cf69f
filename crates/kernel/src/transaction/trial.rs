//! Trials: code that is tried, and leaves nothing behind but its answer.
//!
//! A trial is charged all the work that it was given before it begins, whatever it uses of it. Within it nothing is
//! paid, told, counted or printed, and afterwards all is as if it had not been: so the one who bears it learns of
//! the arguments no more than the answer tells.

use serde_json::Value;

use super::{
    Transaction,
    stack::{Actor, Trial},
};
use crate::{
    op::{Invoke, Keep},
    record::Spending,
    refusal::{Code, Refusal},
    state::State,
};

impl Transaction<'_> {
    /// Begins a trial for the op on top, if it is one: charges its work, and goes on with that alone.
    pub(super) fn begin_trial(&mut self, actor: Actor, op: &Invoke) -> Result<(), Refusal> {
        let Some(units) = op.trial else { return Ok(()) };
        let units = units.0.unsigned_abs();
        if self.trial.is_some() {
            return Err(Refusal::invalid("`trial`: code that is tried can't try other code"));
        }
        self.settle(actor);
        let tried = self.draft.find(op.artifact.as_str()).filter(|handle| self.draft.exists_before(*handle));
        self.take_work(actor.bearer.resources, units, Spending::Code(tried))?;
        self.trial = Some(Trial {
            at: self.stack.len() - 1,
            savepoint: self.draft.savepoint(),
            prices_from: self.prices.len(),
            left: self.metering.left,
            unpaid: self.metering.unpaid.replace(0),
            ops_left: self.ops_left,
            draws: self.draws,
            runs: self.runs,
            output: (self.output.len(), self.is_output_cut),
        });
        self.metering.left = units;
        self.metering.forget_room();
        Ok(())
    }

    /// Ends a trial with its op, and puts all back. Where the op says which result it expects, its own is only
    /// whether that came.
    pub(super) fn end_trial(
        &mut self,
        result: Result<Value, Refusal>,
        op: &Invoke,
    ) -> Result<Value, Refusal> {
        let Some(trial) = self.trial.take_if(|trial| trial.at == self.stack.len()) else { return result };
        self.draft.rollback(trial.savepoint);
        self.refund(trial.prices_from);
        self.metering.left = trial.left;
        self.metering.unpaid.set(trial.unpaid);
        self.metering.looked.set(0);
        self.metering.forget_room();
        (self.ops_left, self.draws, self.runs) = (trial.ops_left, trial.draws, trial.runs);
        self.output.truncate(trial.output.0);
        self.is_output_cut = trial.output.1;
        let came = |expected: &Value| result.as_ref().is_ok_and(|value| value == expected);
        match &op.expect {
            Keep::Keep => result,
            Keep::Set(None) => Ok(came(&Value::Null).into()),
            Keep::Set(Some(expected)) => Ok(came(expected.0.value()).into()),
        }
    }

    /// Refuses a payment within a trial: nobody would bear it.
    pub(super) fn check_free(&self, amount: i64) -> Result<(), Refusal> {
        if amount == 0 || self.trial.is_none() {
            return Ok(());
        }
        Err(Refusal::new(Code::PermissionDenied, "code that is tried can't pay for anything")
            .hint("let it use only what is free"))
    }
}

impl Invoke {
    /// Refuses fields that don't go together.
    pub(super) fn check_trial(&self) -> Result<(), Refusal> {
        if self.trial.is_none() {
            return match self.expect {
                Keep::Keep => Ok(()),
                Keep::Set(_) => Err(Refusal::invalid("`expect` goes with `trial`")),
            };
        }
        match self.sent() {
            Some(field) => Err(Refusal::invalid(format!("`{field}`: a trial takes nothing along"))),
            None => Ok(()),
        }
    }
}
