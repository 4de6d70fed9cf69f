//! Sight: the one place that decides which events, and how much of them, a viewer is shown.
//!
//! An event shows as much as any bystander could see. Things sent along concern the parties; what somebody has
//! concerns them too where the rules say that balances are private (`design/INSTITUTIONS.md §5`).

use std::borrow::Cow;

use super::World;
use crate::{
    event::{Event, EventRow, EventSpec, Filter, Part, Shown},
    id::Handle,
    receipt::Payment,
    record::Why,
    rules::Privacy,
};

/// The viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// An observer, who may see all.
    Observer,
    /// An artifact, if it is known which.
    Artifact(Option<Handle>),
}

impl Viewer {
    fn is_one_of(self, handles: &[Option<Handle>]) -> bool {
        match self {
            Self::Observer => true,
            Self::Artifact(me) => me.is_some() && handles.contains(&me),
        }
    }
}

impl World {
    /// Whether balances are private and the viewer no observer.
    fn keeps_from(&self, viewer: Viewer) -> bool {
        viewer != Viewer::Observer && self.rules().privacy == Privacy::Own
    }

    /// Whether a viewer may know how much a principal has, uses and may use.
    #[must_use]
    pub fn may_know(&self, viewer: Viewer, who: Handle) -> bool {
        !self.keeps_from(viewer) || viewer.is_one_of(&[Some(who)])
    }

    /// An event as a viewer is shown it, if at all; `owner` is that of its artifact when it was told.
    #[must_use]
    pub fn seen<'e>(
        &self,
        event: &'e Event,
        owner: Option<Handle>,
        viewer: Viewer,
    ) -> Option<Cow<'e, Event>> {
        let Some(spec) = EventSpec::of(event.kind).filter(|_| viewer != Viewer::Observer) else {
            return Some(Cow::Borrowed(event));
        };
        let parties = [Some(event.actor), event.to, event.artifact, owner];
        let sees = |shown: Shown| match shown {
            Shown::All => true,
            Shown::AsBalances => !self.keeps_from(viewer) || viewer.is_one_of(&parties),
            Shown::Parties => viewer.is_one_of(&parties),
            Shown::Inside => viewer.is_one_of(&[event.artifact, owner]),
        };
        if !sees(spec.shown) || (event.sent && !sees(Shown::Parties)) {
            return None;
        }
        let hidden = |part: Part| spec.field(part).is_some_and(|field| !sees(field.shown));
        let mut shown = Cow::Borrowed(event);
        if event.amount.is_some() && hidden(Part::Amount) {
            shown.to_mut().amount = None;
        }
        if event.resource.is_some() && hidden(Part::Resource) {
            shown.to_mut().resource = None;
        }
        if event.detail.is_some() && hidden(Part::Detail) {
            shown.to_mut().detail = None;
        }
        Some(shown)
    }

    /// A kept event as a viewer is shown it, if at all.
    #[must_use]
    pub fn row_seen<'e>(&self, row: &'e EventRow, viewer: Viewer) -> Option<Cow<'e, Event>> {
        self.seen(&row.event, row.owner, viewer)
    }

    /// Whether a viewer is shown an event in which all is so that a filter names: nobody learns by waiting what
    /// nobody would be told.
    #[must_use]
    pub fn row_fits(&self, filter: &Filter, row: &EventRow, viewer: Viewer) -> bool {
        // Most events are not meant, and nothing is shown that is not there: that is seen first.
        self.fits(filter, &row.event)
            && self.row_seen(row, viewer).is_some_and(|event| self.fits(filter, &event))
    }

    /// Whether a viewer is shown a payment.
    pub(super) fn payment_seen(&self, payment: &Payment, viewer: Viewer) -> bool {
        self.may_know_payment((payment.from, payment.to), payment.why, viewer)
    }

    /// Whether a viewer may know what one principal paid to another for a reason.
    #[must_use]
    pub fn may_know_payment(&self, (from, to): (Handle, Handle), why: Why, viewer: Viewer) -> bool {
        let owner = self.get(to).map(|to| to.owner);
        let is_party = viewer.is_one_of(&[Some(from), Some(to), owner]);
        match why {
            Why::Pay => is_party,
            Why::Transfer | Why::Price | Why::ContractCost | Why::Heir | Why::Charge => {
                is_party || !self.keeps_from(viewer)
            }
        }
    }
}
