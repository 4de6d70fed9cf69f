//! Sales through escrow: those that were made, as records tell of them.

use std::collections::VecDeque;

use oikos_runner::kernel::{
    event::EventKind,
    id::Handle,
    op_kind::OpKind,
    record::{Effect, Outcome, Record, Why},
    time::Time,
    world::World,
};

/// The institution through which they go, and its method that sells.
pub(crate) const ESCROW: &str = "genesis_escrow";
const PURCHASE: &str = "purchase";
/// The last deals that are remembered.
const DEALS_MAX: usize = 100;

/// Sales through escrow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deals {
    /// Their number, and the scrip that was paid in all.
    pub(crate) all: (u64, i64),
    /// The last ones, the earliest first.
    pub(crate) last: VecDeque<Deal>,
}

/// A sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deal {
    pub(crate) seq: u64,
    pub(crate) time: Time,
    pub(crate) seller: Handle,
    pub(crate) buyer: Handle,
    pub(crate) price: i64,
    pub(crate) items: Vec<Handle>,
}

impl Deals {
    /// Adds the sales that a record tells of.
    pub(crate) fn add(&mut self, record: &Record, world: &World) {
        if !matches!(record.outcome, Outcome::Done(_)) || record.events.is_empty() {
            return;
        }
        let Some(escrow) = world.lookup(ESCROW) else { return };
        let is_sale = |event: &oikos_runner::kernel::event::Event| {
            event.kind == EventKind::Op(OpKind::Invoke)
                && event.artifact == Some(escrow)
                && event.detail.as_deref() == Some(PURCHASE)
        };
        if !record.events.iter().any(is_sale) {
            return;
        }
        // Escrow pays the seller, and then hands over each artifact.
        let mut open: Option<Deal> = None;
        for effect in &record.effects {
            match effect {
                Effect::Pay { from, to, amount, why: Why::Transfer, .. } if *from == escrow => {
                    self.close(open.take());
                    let (seller, price) = (*to, *amount);
                    let buyer = Handle::NOBODY;
                    open = Some(Deal {
                        seq: record.seq,
                        time: record.time,
                        seller,
                        buyer,
                        price,
                        items: Vec::new(),
                    });
                }
                Effect::Own { artifact, from, to } if *from == escrow => {
                    if let Some(deal) = &mut open {
                        deal.buyer = *to;
                        deal.items.push(*artifact);
                    }
                }
                _ => {}
            }
        }
        self.close(open);
    }

    fn close(&mut self, deal: Option<Deal>) {
        let Some(deal) = deal.filter(|deal| !deal.items.is_empty()) else { return };
        self.all = (self.all.0 + 1, self.all.1.saturating_add(deal.price));
        if self.last.len() == DEALS_MAX {
            self.last.pop_front();
        }
        self.last.push_back(deal);
    }
}
