//! Subscriptions: a client is told that the content of an artifact has changed, and reads it again if it likes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oikos_runner::request::Reply;
use rmcp::ErrorData;
use serde_json::{Value, json};

use super::{
    place::{Answer, Place},
    query, resources,
};

/// How often artifacts that somebody subscribed to are looked at.
const LOOK_AFTER: Duration = Duration::from_millis(500);

/// Resources that one client may subscribe to.
const SUBSCRIPTIONS_MAX: usize = 64;

/// The resources that a client subscribed to, each with the version of its artifact.
#[derive(Clone, Default)]
pub(super) struct Changes(Arc<Mutex<BTreeMap<String, Option<u64>>>>);

impl Changes {
    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Option<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a resource as it is now; says whether it is the first.
    ///
    /// # Errors
    /// When it is none, or there are too many.
    pub(super) async fn add(&self, place: &Place, principal: &str, uri: &str) -> Result<bool, ErrorData> {
        let artifact = resources::artifact_of(uri)?;
        let version = version(place, principal, &artifact).await?;
        let mut all = self.open();
        if all.len() >= SUBSCRIPTIONS_MAX && !all.contains_key(uri) {
            let sentence = format!("a client may subscribe to {SUBSCRIPTIONS_MAX} resources");
            return Err(ErrorData::invalid_params(sentence, None));
        }
        let is_first = all.is_empty();
        all.insert(uri.to_owned(), version);
        Ok(is_first)
    }

    /// Takes a resource away.
    pub(super) fn remove(&self, uri: &str) {
        self.open().remove(uri);
    }

    /// Waits until some have changed, and gives these; none, when nothing is subscribed to any more.
    ///
    /// # Errors
    /// When the world is not there any more.
    pub(super) async fn next(&self, place: &Place, principal: &str) -> Result<Vec<String>, ErrorData> {
        loop {
            tokio::time::sleep(LOOK_AFTER).await;
            let known: Vec<(String, Option<u64>)> =
                self.open().iter().map(|(uri, version)| (uri.clone(), *version)).collect();
            let mut changed = Vec::new();
            for (uri, before) in &known {
                let now = version(place, principal, &resources::artifact_of(uri)?).await?;
                if now != *before {
                    self.open().entry(uri.clone()).and_modify(|version| *version = now);
                    changed.push(uri.clone());
                }
            }
            if known.is_empty() || !changed.is_empty() {
                return Ok(changed);
            }
        }
    }
}

/// Waits until a client has gone.
pub(super) async fn closed(peer: &rmcp::Peer<rmcp::RoleServer>) {
    while !peer.is_transport_closed() {
        tokio::time::sleep(LOOK_AFTER).await;
    }
}

/// The version of an artifact, which anybody may know; none, if there is none.
async fn version(place: &Place, principal: &str, artifact: &str) -> Result<Option<u64>, ErrorData> {
    let fields = json!({ "what": "artifact", "artifact": artifact });
    let Ok(wanted) = query(principal, &fields) else { return Ok(None) };
    Ok(match place.ask(wanted).await? {
        Answer::Reply(reply) => match *reply {
            Reply::Result(shown) => shown.get("version").and_then(Value::as_u64),
            Reply::Receipt(_) | Reply::Now(_) | Reply::Ran { .. } | Reply::Pending | Reply::Refused(_) => {
                None
            }
        },
        Answer::Busy(_) => None,
    })
}
