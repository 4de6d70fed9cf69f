//! A world of a house: how it stands here, and one that is loaded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Body, http::Request, http::Response};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use oikos_runner::{Holder, Motion, RunError, Stands, Stop, Surveyed, kernel::time::Time};

use crate::{door::Door, house::share::LEAD_MS, problem::shown, tokens::Tokens};

/// A world of the database, as this house knows it. One that is not loaded is no more than this.
#[derive(Default)]
pub(super) struct Entry {
    /// Whether it was there when the database was asked last.
    pub(super) is_there: bool,
    /// Whether this house holds it.
    pub(super) is_ours: bool,
    /// Where it is served, if another process does that.
    pub(super) elsewhere: Option<String>,
    /// Whether somebody writes to it who is no house.
    pub(super) is_written: bool,
    pub(super) seq: u64,
    /// How it stands, as it was left.
    pub(super) stands: Option<Stands>,
    pub(super) state: State,
    /// The tokens that are good at it, once somebody has come with one.
    pub(super) tokens: Option<Tokens>,
    pub(super) failing: Option<Box<Failing>>,
}

/// Whether a world is loaded.
#[derive(Clone, Default)]
pub(super) enum State {
    #[default]
    Shut,
    /// It is being loaded.
    Coming,
    Here(Arc<Here>),
    /// It is being unloaded.
    Going(Arc<Here>),
}

/// Why a world can't be loaded.
pub(super) struct Failing {
    pub(super) why: Flaw,
    /// When it is tried again.
    pub(super) again: Instant,
}

/// A fault of a world: for the owner of the house, and for those outside, who learn of no database.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) told: String,
    pub(super) shown: String,
}

/// A world that is loaded.
pub(super) struct Here {
    pub(super) door: Arc<Door>,
    router: Router,
    pub(super) stop: Stop,
    /// Requests and feeds that are open.
    open: AtomicUsize,
    begun: Instant,
    /// When somebody was here last, in milliseconds since then, and one more; 0 where nobody was.
    touched_ms: AtomicU64,
}

/// One who is at a door, until it is dropped.
pub(super) struct Visit(pub(super) Arc<Here>);

impl Entry {
    /// Takes what the database says of it, whose address is `elsewhere` in a house.
    pub(super) fn learn(&mut self, row: Surveyed) {
        self.is_there = true;
        self.is_ours = row.holder == Holder::Us;
        self.seq = row.seq;
        self.is_written = row.holder == Holder::Nobody && row.is_written;
        self.elsewhere = match row.holder {
            Holder::House(url) => Some(format!("{url}{}", root_of(&row.world))),
            Holder::Nobody if row.is_written => row.served_at,
            Holder::Nobody | Holder::Us => None,
        };
        // A world that is loaded knows better, and so does one that was loaded when the database was asked.
        if matches!(self.state, State::Shut) {
            self.stands = row.stands;
        }
    }

    /// Whether it may be tried to load it.
    pub(super) fn is_fit(&self) -> bool {
        self.failing.as_ref().is_none_or(|failing| failing.again <= Instant::now())
    }

    /// How it moves, as far as that is known.
    pub(super) fn motion(&self) -> Option<String> {
        match &self.state {
            State::Here(here) | State::Going(here) => {
                Some(here.door.helm.standing().motion.word().to_owned())
            }
            State::Shut | State::Coming => self.stands.as_ref().map(|stands| stands.motion.clone()),
        }
    }

    /// The last record that is known.
    pub(super) fn last_seq(&self) -> u64 {
        match &self.state {
            State::Here(here) | State::Going(here) => *here.door.on_disk.borrow(),
            State::Shut | State::Coming => self.seq,
        }
    }

    /// The word for its place.
    pub(super) fn place(&self) -> &'static str {
        match (&self.state, self.is_ours, self.is_written, &self.elsewhere) {
            (State::Here(_) | State::Going(_), ..) => "loaded",
            (State::Coming, ..) => "loading",
            (State::Shut, true, ..) => "unloaded",
            (State::Shut, false, true, _) => "written by another process",
            (State::Shut, false, false, Some(_)) => "elsewhere",
            (State::Shut, false, false, None) => "nowhere",
        }
    }
}

impl From<&RunError> for Flaw {
    fn from(error: &RunError) -> Self {
        Self { told: error.to_string(), shown: shown(error) }
    }
}

impl From<&str> for Flaw {
    /// Words that name no place.
    fn from(words: &str) -> Self {
        Self { told: words.into(), shown: words.into() }
    }
}

/// The beginning of all addresses of a world.
pub(super) fn root_of(world: &str) -> String {
    format!("/w/{world}")
}

impl Here {
    pub(super) fn new(door: Arc<Door>, stop: Stop) -> Self {
        let router = crate::serve::router(&door);
        let (open, touched_ms) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self { door, router, stop, open, begun: Instant::now(), touched_ms }
    }

    fn touch(&self) {
        let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.touched_ms.store(ms.saturating_add(1), Ordering::SeqCst);
    }

    /// How it stands.
    pub(super) fn stands(&self, due: Option<Time>) -> Stands {
        let standing = self.door.helm.standing();
        Stands { motion: standing.motion.word().to_owned(), speed: standing.speed.times(), due }
    }

    /// How it stands, if nobody is here, nobody was for a while, it has nothing to do for a while, and its events are
    /// published that are to be.
    pub(super) fn idle(&self, idle: Duration, now: Option<Time>) -> Option<Stands> {
        if self.open.load(Ordering::SeqCst) > 0 {
            return None;
        }
        if self.door.published.seq().is_some_and(|seq| seq < *self.door.on_disk.borrow()) {
            return None;
        }
        let touched = Some(self.touched_ms.load(Ordering::SeqCst)).filter(|ms| *ms > 0);
        let since = touched.map(|ms| self.begun.elapsed().saturating_sub(Duration::from_millis(ms - 1)));
        if since.is_some_and(|since| since < idle) {
            return None;
        }
        match self.door.helm.standing().motion {
            Motion::Paused | Motion::Waiting | Motion::Ended | Motion::Halted => Some(self.stands(None)),
            Motion::Running => {
                let due = self.door.front.desk.dozes_until()?;
                let idle_ms = i64::try_from(idle.as_millis()).unwrap_or(i64::MAX);
                let is_far = due.ms().saturating_sub(now?.ms()) > idle_ms.saturating_add(2 * LEAD_MS);
                is_far.then(|| self.stands(Some(due)))
            }
            Motion::Following => None,
        }
    }

    /// Answers a request whose address is one of the world's own.
    pub(super) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        match TowerToHyperService::new(self.router.clone()).call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

impl Visit {
    pub(super) fn begin(here: &Arc<Here>) -> Self {
        here.open.fetch_add(1, Ordering::SeqCst);
        here.touch();
        Self(Arc::clone(here))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.touch();
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}
