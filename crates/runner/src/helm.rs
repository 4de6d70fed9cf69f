//! The helm of a world that is served: others say there whether it runs, how far and how fast.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use oikos_kernel::{refusal::Refusal, time::Time};

use crate::{
    config::ClockKind,
    desk::{NotTaken, Told},
    error::RunError,
    live::{Goal, Live, Stopped},
    models::run_halted,
    request::{Reply, Span},
    stop::{Stop, Why},
};

/// Steers a world that is served, from any thread. A clone steers the same world.
#[derive(Clone, Default)]
pub struct Helm(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    /// The order that is not taken yet.
    order: Option<Order>,
    speed: Speed,
    /// Ends what the world is doing.
    leg: Stop,
    motion: Motion,
    /// Why it stands, if it had to stop.
    problem: Option<Refusal>,
    closed: bool,
    /// Where the world is followed that another process writes.
    follows: Option<Follows>,
}

/// How a world is followed.
#[derive(Clone, Debug)]
pub struct Follows {
    /// When all of the journal was there last.
    even: Instant,
    /// How many thoughts, and answers of models, this process has had for the writer.
    thoughts: Arc<AtomicU64>,
    /// The address at which its writer serves it; `None` where that is not known, or nobody writes.
    pub writer: Option<String>,
}

impl Follows {
    /// How long ago all of the journal was there.
    #[must_use]
    pub fn behind(&self) -> Duration {
        self.even.elapsed()
    }

    /// How many thoughts, and answers of models, this process has had for the writer.
    #[must_use]
    pub fn thoughts(&self) -> u64 {
        self.thoughts.load(Ordering::Relaxed)
    }
}

/// An order.
enum Order {
    /// To run for a span, or to the end that the world file names.
    Run(Option<Span>, Told<Reply>),
    /// To stand still.
    Pause,
}

/// The motion of a world that is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Motion {
    /// It runs.
    #[default]
    Running,
    /// It stands until it is told to run.
    Paused,
    /// It stands until clients have decided for their agents.
    Waiting,
    /// It has come to the end that the world file names.
    Ended,
    /// It stands because the models can't be asked.
    Halted,
    /// It is followed here, and another process says whether it runs.
    Following,
}

impl Motion {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Paused, Self::Waiting, Self::Ended, Self::Halted, Self::Following];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Waiting => "waiting",
            Self::Ended => "ended",
            Self::Halted => "halted",
            Self::Following => "following",
        }
    }
}

/// How fast the virtual clock may go: seconds of the world's time in a second; without a bound as fast as it can.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed(Option<f64>);

impl Speed {
    /// As fast as it can.
    pub const MAX: Self = Self(None);

    /// The word for no bound.
    const WORD: &str = "max";

    /// A bound.
    #[must_use]
    pub fn of(times: f64) -> Option<Self> {
        (times.is_finite() && times > 0.0).then_some(Self(Some(times)))
    }

    /// The bound.
    #[must_use]
    pub const fn times(self) -> Option<f64> {
        self.0
    }
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == Self::WORD {
            return Ok(Self::MAX);
        }
        let times = text.parse().ok().and_then(Self::of);
        times.ok_or_else(|| "write how many seconds pass in one, such as 60, or max".into())
    }
}

/// A clock that goes no faster than at a speed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    times: f64,
    anchor: (Time, Instant),
}

impl Pace {
    pub(crate) fn from(speed: Speed, now: Time) -> Option<Self> {
        Some(Self { times: speed.times()?, anchor: (now, Instant::now()) })
    }

    /// How long it is until an instant of the world's time.
    pub(crate) fn left(&self, time: Time) -> Duration {
        let (since, begun) = self.anchor;
        let ms = u64::try_from(time.ms().saturating_sub(since.ms())).unwrap_or(0);
        let seconds = ms as f64 / 1_000.0 / self.times;
        let all = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        all.saturating_sub(begun.elapsed())
    }
}

/// How a world moves.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Whether it runs.
    pub motion: Motion,
    /// How fast it may go.
    pub speed: Speed,
    /// Why it stands, if it had to stop.
    pub problem: Option<Refusal>,
    /// How it is followed, if it is.
    pub follows: Option<Follows>,
}

impl std::fmt::Debug for Helm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Helm").field(&self.standing()).finish()
    }
}

impl Helm {
    /// The helm of a world that begins to run at a speed, or stands.
    #[must_use]
    pub fn new(speed: Speed, is_paused: bool) -> Self {
        let order = is_paused.then_some(Order::Pause);
        let motion = if is_paused { Motion::Paused } else { Motion::Running };
        Self(Arc::new(Mutex::new(Slot { order, speed, motion, ..Slot::default() })))
    }

    /// The helm of a world that is followed: it steers nothing.
    pub(crate) fn of_follower() -> Self {
        let follows = Some(Follows { even: Instant::now(), thoughts: Arc::default(), writer: None });
        Self(Arc::new(Mutex::new(Slot {
            motion: Motion::Following,
            closed: true,
            follows,
            ..Slot::default()
        })))
    }

    /// The count of the thoughts that this process has had for the writer.
    pub(crate) fn thoughts(&self) -> Arc<AtomicU64> {
        self.slot().follows.as_ref().map(|follows| Arc::clone(&follows.thoughts)).unwrap_or_default()
    }

    /// Says that all of the journal was there at an instant.
    pub(crate) fn tell_even(&self, even: Instant) {
        if let Some(follows) = &mut self.slot().follows {
            follows.even = even;
        }
    }

    /// Says where the writer serves the world.
    pub(crate) fn tell_writer(&self, writer: Option<String>) {
        if let Some(follows) = &mut self.slot().follows {
            follows.writer = writer;
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the world run for a span from where it stands, or to the end that the world file names. `told` is called
    /// when that run has ended, for whatever reason.
    pub fn run(&self, span: Option<Span>, told: Told<Reply>) {
        self.give(Order::Run(span, told));
    }

    /// Has the world stand still.
    pub fn pause(&self) {
        self.give(Order::Pause);
    }

    fn give(&self, order: Order) {
        let before = {
            let mut slot = self.slot();
            if slot.closed {
                Some(order)
            } else {
                slot.motion = match order {
                    Order::Run(..) => Motion::Running,
                    Order::Pause => Motion::Paused,
                };
                slot.problem = None;
                let before = slot.order.replace(order);
                slot.leg.ask(Why::Steered);
                before
            }
        };
        // It was never taken.
        if let Some(Order::Run(_, told)) = before {
            told(Err(NotTaken::Closed));
        }
    }

    /// Has the virtual clock go no faster.
    pub fn set_speed(&self, speed: Speed) {
        let mut slot = self.slot();
        slot.speed = speed;
        slot.leg.ask(Why::Steered);
    }

    /// How the world moves.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let slot = self.slot();
        let (problem, follows) = (slot.problem.clone(), slot.follows.clone());
        Standing { motion: slot.motion, speed: slot.speed, problem, follows }
    }

    /// The next order, the speed, and the end of what is begun with them.
    fn next(&self) -> (Option<Order>, Speed, Stop) {
        let mut slot = self.slot();
        slot.leg = Stop::default();
        (slot.order.take(), slot.speed, slot.leg.clone())
    }

    /// Says how the world moves, unless an order says otherwise by now.
    fn tell(&self, motion: Motion, problem: Option<Refusal>) {
        let mut slot = self.slot();
        if slot.order.is_none() {
            slot.motion = motion;
            slot.problem = problem;
        }
    }

    /// Takes no order any more.
    fn close(&self) {
        let order = {
            let mut slot = self.slot();
            slot.closed = true;
            slot.order.take()
        };
        if let Some(Order::Run(_, told)) = order {
            told(Err(NotTaken::Closed));
        }
    }
}

/// A run that is under way.
struct Run {
    goal: Goal,
    span: Option<Span>,
    /// Told of its end.
    told: Option<Told<Reply>>,
}

impl Run {
    fn end(self, reply: Reply) {
        if let Some(told) = self.told {
            told(Ok(reply));
        }
    }
}

impl Live {
    /// Runs, or stands with its desk open, as the helm says, until somebody asks to stop. It begins to run to the end
    /// that the world file names.
    ///
    /// # Errors
    /// Only faults.
    pub fn serve(&mut self, helm: &Helm, stop: &Stop) -> Result<(), RunError> {
        // From here on readers have a world.
        let view = self.sequencer.view();
        drop(view.latest());
        self.sequencer.commit()?;
        // On the wall clock others go on while a client thinks.
        self.sequencer.tell_clients(self.sequencer.clock() == ClockKind::Virtual);
        self.keeps_open = true;
        let served = self.steered(helm, stop);
        self.close_desk();
        self.sequencer.tell_clients(false);
        helm.close();
        served?;
        self.sequencer.sample_end(false)
    }

    fn steered(&mut self, helm: &Helm, stop: &Stop) -> Result<(), RunError> {
        let mut run = Some(Run { goal: self.goal()?, span: None, told: None });
        loop {
            let (order, speed, leg) = helm.next();
            let cut = leg.clone();
            let _bell = stop.bell(move || cut.ask(Why::Steered));
            if let Some(order) = order {
                if let Some(run) = run.take() {
                    self.end(run, Stopped::Asked(Why::Steered));
                }
                run = match order {
                    Order::Pause => None,
                    Order::Run(span, told) => self.begin_run(span, told, helm)?,
                };
            }
            if let Some(why) = stop.why() {
                if let Some(run) = run.take() {
                    self.end(run, Stopped::Asked(why));
                }
                return Ok(());
            }
            self.sequencer.set_pace(speed);
            match run.take() {
                None => self.attend(&leg)?,
                Some(begun) => run = self.go_on_with(begun, helm, &leg)?,
            }
        }
    }

    /// Begins a run, if it can be run.
    fn begin_run(
        &mut self,
        span: Option<Span>,
        told: Told<Reply>,
        helm: &Helm,
    ) -> Result<Option<Run>, RunError> {
        self.sequencer.bring_up()?;
        let goal = match span {
            Some(span) => self.goal_of(span),
            None => Ok(self.goal()?),
        };
        Ok(match goal {
            Ok(goal) => Some(Run { goal, span, told: Some(told) }),
            Err(refusal) => {
                helm.tell(Motion::Paused, None);
                told(Ok(Reply::Refused(refusal)));
                None
            }
        })
    }

    /// Runs until the run has ended, which is told, or something else is to be done; then it is given back.
    fn go_on_with(&mut self, run: Run, helm: &Helm, leg: &Stop) -> Result<Option<Run>, RunError> {
        let ran = match run.span {
            None => self.run_to_end(run.goal, leg, |_, _| ()),
            Some(_) => self.run_until(run.goal, leg, |_, _| ()),
        };
        let stopped = match ran.map_or_else(run_halted, |stopped| Ok(Ok(stopped)))? {
            Ok(stopped) => stopped,
            Err(refusal) => {
                helm.tell(Motion::Halted, Some(refusal.clone()));
                run.end(Reply::Refused(refusal));
                return Ok(None);
            }
        };
        let motion = match stopped {
            Stopped::Asked(_) => return Ok(Some(run)),
            Stopped::Turns => {
                helm.tell(Motion::Waiting, None);
                self.attend_clients(leg)?;
                helm.tell(Motion::Running, None);
                return Ok(Some(run));
            }
            Stopped::Budget => Motion::Halted,
            Stopped::Until => Motion::Ended,
            Stopped::Ticks | Stopped::Duration if run.span.is_none() => Motion::Ended,
            Stopped::Ticks | Stopped::Duration => {
                if matches!(run.goal, Goal::Time(_)) && self.sequencer.now() > self.world().now() {
                    self.sequencer.mark_clock()?;
                }
                Motion::Paused
            }
        };
        helm.tell(motion, None);
        self.end(run, stopped);
        Ok(None)
    }

    /// Tells who asked for a run that it has ended.
    fn end(&self, run: Run, stopped: Stopped) {
        let (now, seq, span) = (self.sequencer.now(), self.world().seq(), run.span);
        run.end(Reply::Ran { now, seq, span, stopped, turns: Vec::new() });
    }
}
