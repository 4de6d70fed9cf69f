//! Turns of agents whose mind is a client: each is open from its observation until the client has decided.

use std::collections::{BTreeMap, BTreeSet};

use oikos_kernel::{
    id::Handle,
    json::Json,
    mind::Mind,
    receipt::Receipt,
    refusal::{Code, Refusal},
    time::{Time, format_duration_ms},
    world::{World, wire::Viewer},
};
use serde_json::{Value, json};

use crate::{
    agenda::tie,
    config::ClockKind,
    error::RunError,
    request::{Decide, Reply, Shown},
    sequencer::Sequencer,
    turn::{Asked, Thinking, act, ask},
};

/// When a decision takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// When it is there.
    AtOnce,
    /// At the end of the turn's time to think.
    Later,
    /// With the others of its tick.
    InTick,
}

/// A turn that is open.
#[derive(Clone, Debug)]
pub(crate) struct OpenTurn {
    asked: Asked,
    observation: Value,
    effect: Effect,
    /// On the virtual clock, when its decision takes effect; on the wall clock, when it passes without one.
    due: Time,
    decision: Option<Json>,
    /// Whether it is waited for no longer.
    has_passed: bool,
}

/// The turns that are open.
#[derive(Debug, Default)]
pub(crate) struct OpenTurns {
    turns: BTreeMap<Handle, OpenTurn>,
    /// `(due, tie, agent)`, as those of the agenda.
    order: BTreeSet<(Time, u64, Handle)>,
    seed: u64,
}

/// A turn that was open when a world was shut, as it was asked.
#[derive(Debug)]
pub(crate) struct AskedBefore {
    asked: Asked,
    observation: Value,
    now: Time,
    think_ms: i64,
}

impl AskedBefore {
    /// The turn of an agent that is asked on a world; `None` if no client decides for it.
    pub(crate) fn of(world: &World, agent: Handle, turn: u64, now: Time) -> Option<Self> {
        let think_ms = think_ms(world, agent)?;
        let observation = world.observation(agent, now, world.population());
        Some(Self { asked: Asked::of(world, agent, turn, now), observation, now, think_ms })
    }
}

/// How far a scheduler came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// To the end.
    Through,
    /// Until somebody asked it to stop.
    Asked,
    /// Until turns of clients were open.
    Open,
}

/// The time to think of an agent whose mind is a client; `None` for any other.
pub(crate) fn think_ms(world: &World, agent: Handle) -> Option<i64> {
    match Mind::of(world.get(agent)?.content(), None) {
        Ok(Mind::External { think_time_ms }) => Some(think_time_ms),
        Ok(Mind::Script | Mind::Llm(_)) | Err(_) => None,
    }
}

impl OpenTurn {
    /// The turn of an agent that observes a world.
    pub(crate) fn new(world: &World, asked: Asked, now: Time, effect: Effect, due: Time) -> Self {
        let observation = world.observation(asked.agent(), now, world.population());
        Self::observed(asked, observation, effect, due)
    }

    fn observed(asked: Asked, observation: Value, effect: Effect, due: Time) -> Self {
        Self { asked, observation, effect, due, decision: None, has_passed: false }
    }

    pub(crate) fn agent(&self) -> Handle {
        self.asked.agent()
    }

    pub(crate) fn due(&self) -> Time {
        self.due
    }

    pub(crate) fn is_decided(&self) -> bool {
        self.decision.is_some()
    }

    fn is_waiting(&self) -> bool {
        !self.is_decided() && !self.has_passed
    }

    /// The decision; or, without one, that the turn passed.
    pub(crate) fn thought(&self, timeout_ms: i64) -> Thinking {
        match &self.decision {
            Some(decision) => self.asked.clone().answered(decision.clone()),
            None => self.asked.clone().passes(passed(timeout_ms)),
        }
    }
}

/// Why a turn passed.
fn passed(timeout_ms: i64) -> Refusal {
    let sentence =
        format!("its client decided nothing within {}, so the turn passed", format_duration_ms(timeout_ms));
    Refusal::new(Code::CodeTimeout, sentence).hint("`[execution] external_timeout` is how long a turn waits")
}

impl OpenTurns {
    /// No turns; `seed` is the world's, which orders those of one instant.
    pub(crate) fn of_world(world: &World) -> Self {
        Self { seed: world.rules().seed, ..Self::default() }
    }

    fn key(&self, turn: &OpenTurn) -> (Time, u64, Handle) {
        (turn.due, tie(self.seed, turn.due, turn.agent()), turn.agent())
    }

    pub(crate) fn open(&mut self, turn: OpenTurn) {
        self.close(turn.agent());
        self.order.insert(self.key(&turn));
        self.turns.insert(turn.agent(), turn);
    }

    pub(crate) fn of(&self, agent: Handle) -> Option<&OpenTurn> {
        self.turns.get(&agent)
    }

    fn turn_mut(&mut self, agent: Handle) -> Option<&mut OpenTurn> {
        self.turns.get_mut(&agent)
    }

    pub(crate) fn close(&mut self, agent: Handle) -> Option<OpenTurn> {
        let turn = self.turns.remove(&agent)?;
        self.order.remove(&self.key(&turn));
        Some(turn)
    }

    /// The turns that wait for their clients, the first that is due first.
    fn waiting(&self) -> impl Iterator<Item = &OpenTurn> {
        let turns = self.order.iter().filter_map(|(_, _, agent)| self.turns.get(agent));
        turns.filter(|turn| turn.is_waiting())
    }

    /// When the last of the turns that wait for their clients is due.
    pub(crate) fn waits_until(&self) -> Option<Time> {
        self.waiting().map(|turn| turn.due).max()
    }

    /// Waits for no decision any more: those that are not there yet have passed.
    pub(crate) fn pass_all(&mut self) {
        self.turns.values_mut().for_each(|turn| turn.has_passed = true);
    }

    /// Whether the world as it stood when one was opened is needed to open it again.
    pub(crate) fn look_back(&self, clock: ClockKind) -> bool {
        clock == ClockKind::Virtual && self.turns.values().any(|turn| turn.effect != Effect::InTick)
    }

    /// The turn that is due first; of equal times the one that the seed puts first. Those of agents who are no more
    /// are let go.
    pub(crate) fn first(&mut self, world: &World) -> Option<&OpenTurn> {
        loop {
            let (_, _, agent) = *self.order.first()?;
            if is_alive(world, agent) {
                return self.turns.get(&agent);
            }
            self.close(agent)?;
        }
    }

    /// Lets go of the turns of those who are no more.
    pub(crate) fn forget_deleted(&mut self, world: &World) {
        let gone: Vec<Handle> = self.turns.keys().copied().filter(|agent| !is_alive(world, *agent)).collect();
        gone.into_iter().for_each(|agent| drop(self.close(agent)));
    }

    /// The turns that wait for their clients, as they are told of.
    pub(crate) fn told(&self, world: &World) -> Vec<Value> {
        let told = self
            .waiting()
            .map(|turn| json!({ "as": world.name(turn.agent()), "observation": turn.observation }));
        told.collect()
    }
}

fn is_alive(world: &World, agent: Handle) -> bool {
    world.get(agent).is_some_and(|artifact| !artifact.is_deleted())
}

impl Sequencer {
    /// Opens the turn of an agent whose mind is a client, with a record that it was asked; a decision takes
    /// effect after `think_ms` on the virtual clock, and when it is there on the wall clock.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn open_turn(&mut self, agent: Handle, turn: u64, think_ms: i64) -> Result<(), RunError> {
        let now = self.now();
        let (effect, due) = self.effect(now, think_ms)?;
        let asked = Asked::of(self.world(), agent, turn, now);
        let opened = OpenTurn::new(self.world(), asked, now, effect, due);
        // Before the record, so that no snapshot is stored that comes after the observation.
        self.open_turns_mut().open(opened);
        ask(self, agent, turn)
    }

    /// Opens a turn again that was open when the world was shut, with the observation that its client had.
    ///
    /// # Errors
    /// When there is no time for it.
    pub(crate) fn open_turn_again(&mut self, before: AskedBefore) -> Result<(), RunError> {
        let AskedBefore { asked, observation, now, think_ms } = before;
        let (effect, due) = self.effect(now, think_ms)?;
        self.open_turns_mut().open(OpenTurn::observed(asked, observation, effect, due));
        Ok(())
    }

    /// When a turn that is opened now passes without a decision; on the virtual clock it waits for one.
    ///
    /// # Errors
    /// When there is no such time.
    pub(crate) fn passes_at(&self) -> Result<Time, RunError> {
        let wait_ms = match self.clock() {
            ClockKind::Virtual => 0,
            ClockKind::Wall => self.external_timeout_ms(),
        };
        self.clock_now().and_then(|now| now.after_ms(wait_ms)).ok_or(RunError::EndOfTime)
    }

    fn effect(&self, now: Time, think_ms: i64) -> Result<(Effect, Time), RunError> {
        match self.clock() {
            ClockKind::Virtual => {
                let effect = if think_ms > 0 { Effect::Later } else { Effect::AtOnce };
                Ok((effect, now.after_ms(think_ms).ok_or(RunError::EndOfTime)?))
            }
            ClockKind::Wall => Ok((Effect::AtOnce, self.passes_at()?)),
        }
    }

    /// Closes a turn: its decision takes effect, or it passes.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn close_turn(&mut self, agent: Handle) -> Result<Option<Receipt>, RunError> {
        let timeout_ms = self.external_timeout_ms();
        match self.open_turns_mut().close(agent) {
            Some(turn) => act(self, turn.thought(timeout_ms)),
            None => Ok(None),
        }
    }

    /// The open turn that is due first.
    pub(crate) fn next_open(&mut self) -> Option<&OpenTurn> {
        let world = self.share();
        self.open_turns_mut().first(&world)
    }

    /// Whether turns wait for their clients, and none of them has waited too long.
    pub(crate) fn are_clients_awaited(&self) -> bool {
        let mut waiting = self.open_turns().waiting().peekable();
        waiting.peek().is_some() && waiting.all(|turn| !self.until(turn.due).is_zero())
    }

    /// Takes the decision of a client. One that is no action is refused and leaves the turn open.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn decide(&mut self, decide: Decide) -> Result<Reply, RunError> {
        self.check()?;
        self.bring_up()?;
        let Decide { agent: name, ops } = decide;
        let refused = |this: &Self, refusal| Ok(Reply::Receipt(Box::new(this.refused(refusal))));
        let Some(agent) = self.world().lookup(&name) else {
            let shown: String = name.chars().take(128).collect();
            return refused(self, Refusal::new(Code::NotFound, format!("`as`: there is no agent {shown:?}")));
        };
        let ops = match ops {
            Ok(ops) => ops,
            Err(refusal) => return refused(self, refusal),
        };
        let Some(turn) = self.open_turns_mut().turn_mut(agent) else {
            let refusal = Refusal::new(Code::Conflict, format!("no turn of `{name}` is open"));
            return refused(self, refusal.hint("`run` tells which turns are open; decide each once"));
        };
        if !turn.is_waiting() {
            let refusal =
                Refusal::new(Code::Conflict, format!("this turn of `{name}` is decided, or has passed"));
            return refused(self, refusal.hint("`run` goes on with it"));
        }
        turn.decision = Some(ops);
        if turn.effect != Effect::AtOnce {
            return Ok(Reply::Pending);
        }
        match self.close_turn(agent)? {
            Some(receipt) => {
                let json = receipt.to_json(self.world(), Viewer::Artifact(Some(agent)));
                Ok(Reply::Receipt(Box::new(Shown { receipt, json })))
            }
            None => refused(self, Refusal::new(Code::NotFound, format!("`as`: `{name}` was deleted"))),
        }
    }

    /// The observation of an agent, as its mind would have it now.
    ///
    /// # Errors
    /// Only faults; what is no agent is a refusal.
    pub(crate) fn observed(&mut self, name: &str) -> Result<Result<Value, Refusal>, RunError> {
        self.tell_time()?;
        let world = self.world();
        let agent = world.lookup(name).filter(|agent| {
            world.agent(*agent).is_some() && world.get(*agent).is_some_and(|artifact| !artifact.is_deleted())
        });
        Ok(match agent {
            Some(agent) => Ok(world.observation(agent, self.now(), world.population())),
            None => {
                let shown: String = name.chars().take(128).collect();
                let refusal = Refusal::new(Code::NotFound, format!("there is no agent {shown:?}"));
                Err(refusal.hint("`query` with `what` \"agents\" lists them"))
            }
        })
    }
}
