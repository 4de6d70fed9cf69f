//! The paths of a house's own, beside those of its worlds: one table, from which come the answers and the reference in
//! `docs/http.md`.

use axum::{body::Body, http::Response};
use oikos_views::{ListedWorld, worlds};
use serde_json::{Value, json};

use super::{
    House,
    world::{Entry, root_of},
};
use crate::{
    call::{HTML, json as answer_json, text},
    looks::healthz,
};

/// A path of a house's own, which is asked by GET.
pub(super) struct Own {
    pub(super) path: &'static str,
    /// Its work, in words.
    doc: &'static str,
    /// Whether anybody may ask; else those whose token is good at all worlds.
    pub(super) is_open: bool,
    pub(super) answer: fn(&House) -> Response<Body>,
}

/// All of them, but for the files that pages load.
pub(super) const OWN: &[Own] = &[
    Own { path: "/healthz", doc: "Says that the process is there.", is_open: true, answer: |_| healthz() },
    Own {
        path: "/",
        doc: "The worlds, as a page: how each moves, where it is, its last record, and why it can't be opened if it \
              can't.",
        is_open: false,
        answer: |house| text(None, HTML, worlds(&house.url, &house.listed()).into_string()),
    },
    Own {
        path: "/api/v1/worlds",
        doc: "The worlds as JSON: `url`, the address of this process, and `worlds`, each with `world`, its name; \
              `state`, how it moves, where that is known; `place`, which is `loaded`, `loading` or `unloaded` in this \
              process, `elsewhere`, `written by another process` or `nowhere`; `seq`, its last record; `served_at`, \
              the address of its door; `due`, when it has something to do again; `problem`, why it can't be opened.",
        is_open: false,
        answer: |house| answer_json(None, &house.told()),
    },
    Own {
        path: "/metrics",
        doc: "The counts of the process, in the text format of Prometheus: `oikos_house_worlds`, by `place`, and \
              `oikos_house_failing`. Those of a world are at `/w/NAME/metrics`, which loads it.",
        is_open: false,
        answer: |house| text(None, "text/plain; version=0.0.4; charset=utf-8", house.metrics()),
    },
];

/// The reference as Markdown, for `docs/http.md`.
#[must_use]
pub fn house_reference() -> String {
    let mut text = String::new();
    for Own { path, doc, is_open, .. } in OWN {
        let whom = if *is_open { "anybody, without a token" } else { "observer or operator of the database" };
        text.push_str(&format!(
            "### `GET {path}`, of a process that serves many worlds\n\n{doc} For: {whom}.\n\n"
        ));
    }
    text
}

impl House {
    fn listed(&self) -> Vec<ListedWorld> {
        let listed = |(name, entry): (&String, &Entry)| ListedWorld {
            name: name.clone(),
            href: match (entry.is_ours, &entry.elsewhere) {
                (true, _) => Some(format!("{}/", root_of(name))),
                (false, Some(url)) => Some(format!("{url}/")),
                (false, None) => None,
            },
            state: entry.motion(),
            place: entry.place(),
            seq: entry.last_seq(),
            problem: entry.failing.as_ref().map(|failing| failing.why.shown.clone()),
        };
        self.worlds().iter().map(listed).collect()
    }

    /// The worlds as JSON.
    fn told(&self) -> Value {
        let told = |(name, entry): (&String, &Entry)| {
            let ours = entry.is_ours.then(|| format!("{}{}", self.url, root_of(name)));
            let due = entry.stands.as_ref().and_then(|stands| stands.due);
            json!({
                "world": name, "state": entry.motion(), "place": entry.place(), "seq": entry.last_seq(),
                "served_at": ours.or_else(|| entry.elsewhere.clone()), "due": due.map(|due| due.to_string()),
                "problem": entry.failing.as_ref().map(|failing| failing.why.shown.clone()),
            })
        };
        let worlds: Vec<Value> = self.worlds().iter().map(told).collect();
        json!({ "url": self.url, "worlds": worlds })
    }

    fn metrics(&self) -> String {
        let mut text = String::from("# HELP oikos_house_worlds Worlds, by where they are.\n");
        text.push_str("# TYPE oikos_house_worlds gauge\n");
        let worlds = self.worlds();
        let mut counts = std::collections::BTreeMap::new();
        for place in worlds.values().map(Entry::place) {
            *counts.entry(place).or_insert(0_usize) += 1;
        }
        for (place, count) in counts {
            text.push_str(&format!("oikos_house_worlds{{place=\"{place}\"}} {count}\n"));
        }
        let failing = worlds.values().filter(|entry| entry.failing.is_some()).count();
        text.push_str("# HELP oikos_house_failing Worlds that can't be opened now.\n");
        text.push_str(&format!("# TYPE oikos_house_failing gauge\noikos_house_failing {failing}\n"));
        text
    }
}
