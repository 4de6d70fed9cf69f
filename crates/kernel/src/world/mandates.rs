//! The mandates of a world, by their givers and by their holders.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

use crate::{
    id::Handle,
    mandate::{Mandate, MandateKey},
    resource::ResourceId,
};

/// All mandates.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mandates {
    #[serde(deserialize_with = "crate::pages::map_by_entry")]
    all: OrdMap<MandateKey, Arc<Mandate>>,
    /// `(holder, giver, of what)`.
    #[serde(skip)]
    held: OrdSet<(Handle, Handle, Option<ResourceId>)>,
    /// Givers whose mandates the last record began or ended.
    #[serde(skip)]
    stirred: Vec<Handle>,
}

impl Mandates {
    pub(crate) fn get(&self, key: MandateKey) -> Option<&Arc<Mandate>> {
        self.all.get(&key)
    }

    pub(crate) fn set(&mut self, key: MandateKey, mandate: Option<Arc<Mandate>>) {
        let (giver, holder, resource) = key;
        self.stirred.push(giver);
        match mandate {
            Some(mandate) => {
                self.all.insert(key, mandate);
                self.held.insert((holder, giver, resource));
            }
            None => {
                self.all.remove(&key);
                self.held.remove(&(holder, giver, resource));
            }
        }
    }

    pub(crate) fn given_by(&self, giver: Handle) -> impl Iterator<Item = MandateKey> {
        let from = (giver, Handle(0), None);
        self.all.range(from..).map(|(key, _)| *key).take_while(move |key| key.0 == giver)
    }

    pub(crate) fn held_by(&self, holder: Handle) -> impl Iterator<Item = MandateKey> {
        let from = (holder, Handle(0), None);
        let keys = self.held.range(from..).take_while(move |key| key.0 == holder);
        keys.map(|(holder, giver, resource)| (*giver, *holder, *resource))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&MandateKey, &Arc<Mandate>)> {
        self.all.iter()
    }

    pub(crate) fn take_stirred(&mut self) -> Vec<Handle> {
        std::mem::take(&mut self.stirred)
    }

    /// Derives what is not stored.
    pub(crate) fn reindex(&mut self) {
        self.held = self.all.keys().map(|(giver, holder, resource)| (*holder, *giver, *resource)).collect();
    }
}
