//! The methods that a world file names beside its agents.

use super::{MeasureKind, WorldFile};

/// A method that a world file names beside its agents.
#[derive(Clone, Debug)]
pub struct NamedMethod<'a> {
    /// The part of the file that names it.
    pub whose: String,
    /// The artifact.
    pub artifact: &'a str,
    /// Its method.
    pub method: &'a str,
    /// How many arguments it is given.
    pub args: usize,
}

impl WorldFile {
    /// The methods of measures, of the condition that ends a run, and of hooks.
    #[must_use]
    pub fn named_methods(&self) -> Vec<NamedMethod<'_>> {
        let measures =
            self.measures.iter().map(|measure| (format!("the measure `{}`", measure.name), &measure.what));
        let until = self.plan.until.iter().map(|until| ("`[execution] until`".to_owned(), &until.what));
        let asked = measures.chain(until).filter_map(|(whose, what)| match what {
            MeasureKind::Method { artifact, method } => {
                Some(NamedMethod { whose, artifact, method, args: 0 })
            }
            MeasureKind::Statistic { .. } | MeasureKind::Rate { .. } => None,
        });
        let hooks = self.founding.rules.hooks.iter().map(|hook| NamedMethod {
            whose: "`[[hooks]]`".into(),
            artifact: &hook.artifact,
            method: &hook.method,
            args: hook.args.value().as_array().map_or(0, Vec::len),
        });
        asked.chain(hooks).collect()
    }
}
