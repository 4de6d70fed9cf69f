//! The record that is made again beside the one that is expected.

use oikos_kernel::{
    record::{Cause, Charge, Record, Spending},
    resource::ResourceId,
};

/// The place of the records that are made again.
#[derive(Debug, Default)]
pub(crate) struct Following {
    /// The record that was recorded, where it holds what was measured.
    pub(super) expected: Option<Box<Record>>,
    /// The record that was made.
    pub(crate) made: Option<Record>,
}

impl Following {
    /// Takes what was measured on the wall clock from the record that is expected.
    pub(crate) fn tell_measured(&self, made: &mut Record) {
        let Some(expected) = &self.expected else { return };
        tell(&mut made.charges, &expected.charges);
        if let (Cause::Step { thought: made, .. }, Cause::Step { thought, .. }) =
            (&mut made.cause, &expected.cause)
        {
            tell(&mut made.charges, &thought.charges);
        }
        // An action that waited for a model while others acted was begun anew, and bears what it took before.
        if expected.charges.iter().any(|charge| matches!(charge.of, Spending::Llm(_))) {
            made.charges.clone_from(&expected.charges);
        }
    }
}

/// Takes the amounts of CPU from charges that are for the same.
pub(super) fn tell(made: &mut [Charge], recorded: &[Charge]) {
    for (made, recorded) in made.iter_mut().zip(recorded) {
        let is_same =
            (made.principal, made.resource, made.of) == (recorded.principal, recorded.resource, recorded.of);
        if is_same && made.resource == ResourceId::CPU {
            made.amount = recorded.amount;
        }
    }
}
