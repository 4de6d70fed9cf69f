//! The counts of the door, in the text format of Prometheus.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::http::StatusCode;
use oikos_runner::kernel::world::World;

use crate::{door::Door, routes::ROUTES};

/// The classes of status codes that are counted apart.
const CLASSES: [(&str, std::ops::Range<u16>); 4] =
    [("2xx", 200..300), ("3xx", 300..400), ("4xx", 400..500), ("5xx", 500..600)];

/// The counts of answers, by route and by class of their status.
pub(crate) struct Metrics {
    answers: Vec<[AtomicU64; CLASSES.len()]>,
    /// Answers to requests for which there is no route, or that came no further than the door.
    strangers: AtomicU64,
    lines: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            answers: ROUTES.iter().map(|_| <[AtomicU64; CLASSES.len()]>::default()).collect(),
            strangers: AtomicU64::new(0),
            lines: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// Counts an answer of a route.
    pub(crate) fn count(&self, route: Option<usize>, status: StatusCode) {
        let class = CLASSES.iter().position(|(_, codes)| codes.contains(&status.as_u16()));
        let slot = route.and_then(|route| self.answers.get(route)?.get(class?));
        slot.unwrap_or(&self.strangers).fetch_add(1, Ordering::Relaxed);
    }

    /// Counts lines that were told by feeds.
    pub(crate) fn count_lines(&self, lines: usize) {
        self.lines.fetch_add(lines as u64, Ordering::Relaxed);
    }
}

/// The text, of the door and of the world as it stands.
pub(crate) fn text(door: &Door, world: &World) -> String {
    let mut text = String::new();
    let mut head = |name: &str, kind: &str, help: &str| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        std::mem::take(&mut text)
    };
    let mut all =
        head("oikos_http_answers_total", "counter", "Answers, by route and by class of their status.");
    for (route, counts) in ROUTES.iter().zip(&door.metrics.answers) {
        for ((class, _), count) in CLASSES.iter().zip(counts) {
            let (method, path, count) = (route.method.word(), route.path, count.load(Ordering::Relaxed));
            let _ = writeln!(
                all,
                "oikos_http_answers_total{{method=\"{method}\",path=\"{path}\",status=\"{class}\"}} {count}"
            );
        }
    }
    let strangers = door.metrics.strangers.load(Ordering::Relaxed);
    let lines = door.metrics.lines.load(Ordering::Relaxed);
    let standing = door.helm.standing();
    let running = u64::from(standing.motion == oikos_runner::Motion::Running);
    let principals = world.principals().filter(|(_, artifact)| !artifact.is_deleted()).count();
    let published = door.published.seq();
    let behind = world.seq().saturating_sub(published.unwrap_or(world.seq()));
    let rows = [
        (
            "oikos_http_strangers_total",
            "counter",
            "Answers to requests that named no route.",
            strangers.to_string(),
        ),
        ("oikos_feed_lines_total", "counter", "Lines told by live feeds.", lines.to_string()),
        (
            "oikos_feeds_open",
            "gauge",
            "Live feeds and long polls that are open.",
            door.meters.streams().to_string(),
        ),
        ("oikos_world_seq", "counter", "The last record of the world.", world.seq().to_string()),
        ("oikos_world_running", "gauge", "Whether the world runs.", running.to_string()),
        (
            "oikos_world_behind_seconds",
            "gauge",
            "How long ago all of the journal was there, where the world is followed.",
            standing.follows.as_ref().map_or(0.0, |follows| follows.behind().as_secs_f64()).to_string(),
        ),
        (
            "oikos_thoughts_for_writer",
            "counter",
            "Thoughts and answers of models that this process has had for the writer of the world that it follows.",
            standing.follows.map_or(0, |follows| follows.thoughts()).to_string(),
        ),
        ("oikos_world_agents", "gauge", "Agents.", world.population().to_string()),
        ("oikos_world_principals", "gauge", "Principals that are there.", principals.to_string()),
        ("oikos_world_scrip", "gauge", "Scrip in the world.", world.supply().to_string()),
    ];
    let of_stream = [
        (
            "oikos_published_seq",
            "counter",
            "The last record all of whose events are in the stream of --publish.",
            published.unwrap_or_default().to_string(),
        ),
        (
            "oikos_published_behind",
            "gauge",
            "Records whose events are not in the stream of --publish yet.",
            behind.to_string(),
        ),
    ];
    let of_stream = of_stream.into_iter().filter(|_| published.is_some());
    for (name, kind, help, value) in rows.into_iter().chain(of_stream) {
        all.push_str(&head(name, kind, help));
        let _ = writeln!(all, "{name} {value}");
    }
    all
}
