//! Each page: a function from a moment to a part of a document.

mod agent;
pub(crate) mod agents;
mod artifact;
pub(crate) mod artifacts;
mod builds;
mod compare;
mod controls;
mod cost;
pub(crate) mod events;
mod houses;
mod ledger;
mod market;
mod permissions;
mod record;
mod scrubber;
mod versions;
mod world;

use maud::Markup;

use crate::{error::Unshown, moment::Moment, page::Page};

/// A page without the document around it: its title, and all below.
pub(crate) fn body(m: &Moment<'_>, page: &Page) -> Result<(String, Markup), Unshown> {
    match page {
        Page::World => world::page(m),
        Page::Events(wanted) => events::page(m, wanted),
        Page::Record(seq) => record::page(m, *seq),
        Page::Agents(from) => agents::page(m, *from),
        Page::Agent(id) => agent::page(m, id),
        Page::Artifacts(from) => artifacts::page(m, *from),
        Page::Artifact(id) => artifact::page(m, id),
        Page::Part(id, part, from) => artifact::part(m, id, *part, *from),
        Page::Market => market::page(m),
        Page::Ledger(resource) => ledger::page(m, resource.as_deref()),
        Page::Cost => cost::page(m),
        Page::Compare(with) => compare::page(m, with.as_deref()),
    }
}
