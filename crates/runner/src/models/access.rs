//! How models are reached from this machine: no rule of a world.

use std::sync::Arc;

use oikos_agents::{Asked, TapeMode};

type Keys = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The way to models from here. The default one has no keys.
#[derive(Clone, Default)]
pub struct Access {
    /// How the tape is used, whatever the world file says.
    pub(super) tape: Option<TapeMode>,
    /// The most micro-dollars that this run may truly cost.
    pub(super) max_cost: Option<u64>,
    /// Whether nobody is asked whatever happens, and nothing is written to the tape.
    pub(super) is_deaf: bool,
    keys: Option<Arc<Keys>>,
    stand_ins: Vec<(String, Asked)>,
}

/// Keys stand in no message.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("tape", &self.tape)
            .field("max_cost", &self.max_cost)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// The same with a use of the tape, whatever the world file says.
    #[must_use]
    pub fn with_tape(self, tape: Option<TapeMode>) -> Self {
        Self { tape, ..self }
    }

    /// The same with the most micro-dollars that this run may truly cost.
    #[must_use]
    pub fn with_max_cost(self, max_cost: Option<u64>) -> Self {
        Self { max_cost, ..self }
    }

    /// The same with a reader of variables, which hold the keys of providers.
    #[must_use]
    pub fn with_keys(self, keys: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { keys: Some(Arc::new(keys)), ..self }
    }

    /// The same with a provider that answers in the place of the one of that name.
    #[must_use]
    pub fn with_provider(mut self, name: &str, asked: Asked) -> Self {
        self.stand_ins.push((name.to_owned(), asked));
        self
    }

    /// The same where nobody is asked, and the tape is as it is: what it lacks stops a run. Nobody's key is read.
    pub(crate) fn deaf(self) -> Self {
        Self { tape: Some(TapeMode::Auto), is_deaf: true, keys: None, ..self }
    }

    /// Whether this process asks nobody, or pays so much at most.
    pub(super) fn is_bound(&self) -> bool {
        self.is_deaf || self.tape == Some(TapeMode::Replay) || self.max_cost.is_some()
    }

    pub(super) fn key(&self, variable: &str) -> Option<String> {
        self.keys.as_ref().and_then(|keys| keys(variable))
    }

    pub(super) fn stand_ins(&self) -> impl Iterator<Item = (String, Asked)> {
        self.stand_ins.iter().cloned()
    }
}
