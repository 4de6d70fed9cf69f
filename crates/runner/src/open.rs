//! Turns of agents whose mind is a client: each is open from its observation until the client has decided.

use std::collections::BTreeMap;

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
}

/// The turns that are open.
#[derive(Debug, Default)]
pub(crate) struct OpenTurns {
    turns: BTreeMap<Handle, OpenTurn>,
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
        Self { asked, observation, effect, due, decision: None }
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
    pub(crate) fn open(&mut self, turn: OpenTurn) {
        self.turns.insert(turn.agent(), turn);
    }

    pub(crate) fn of(&self, agent: Handle) -> Option<&OpenTurn> {
        self.turns.get(&agent)
    }

    fn turn_mut(&mut self, agent: Handle) -> Option<&mut OpenTurn> {
        self.turns.get_mut(&agent)
    }

    pub(crate) fn close(&mut self, agent: Handle) -> Option<OpenTurn> {
        self.turns.remove(&agent)
    }

    /// The turns that wait for their clients.
    fn waiting(&self) -> impl Iterator<Item = &OpenTurn> {
        self.turns.values().filter(|turn| !turn.is_decided())
    }

    /// When the last of the turns that wait for their clients is due.
    pub(crate) fn waits_until(&self) -> Option<Time> {
        self.waiting().map(|turn| turn.due).max()
    }

    /// Whether the world as it stood when one was opened is still needed.
    pub(crate) fn look_back(&self) -> bool {
        self.turns.values().any(|turn| turn.effect == Effect::Later)
    }

    /// The turn that is due first; of equal times the one that the seed puts first.
    pub(crate) fn first(&self, seed: u64) -> Option<&OpenTurn> {
        self.turns.values().min_by_key(|turn| (turn.due, tie(seed, turn.due, turn.agent()), turn.agent()))
    }

    /// Lets go of the turns of those who are no more.
    pub(crate) fn forget_deleted(&mut self, world: &World) {
        self.turns.retain(|agent, _| world.get(*agent).is_some_and(|artifact| !artifact.is_deleted()));
    }

    /// The turns that wait for their clients, as they are told of.
    pub(crate) fn told(&self, world: &World) -> Vec<Value> {
        let mut waiting: Vec<&OpenTurn> = self.waiting().collect();
        let seed = world.rules().seed;
        waiting.sort_by_key(|turn| (turn.due, tie(seed, turn.due, turn.agent()), turn.agent()));
        let told = waiting
            .iter()
            .map(|turn| json!({ "as": world.name(turn.agent()), "observation": turn.observation }));
        told.collect()
    }
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
        ask(self, agent, turn)?;
        self.open_turns_mut().open(opened);
        Ok(())
    }

    /// Opens a turn again that was open when the world was shut; `asked_on` is the world on which its agent was
    /// asked, if it is known.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn open_turn_again(
        &mut self,
        agent: Handle,
        turn: u64,
        think_ms: i64,
        asked_on: Option<&(World, Time)>,
    ) -> Result<(), RunError> {
        match asked_on.filter(|_| self.clock() == ClockKind::Virtual) {
            Some((world, now)) => {
                let (effect, due) = self.effect(*now, think_ms)?;
                let asked = Asked::of(world, agent, turn, *now);
                self.open_turns_mut().open(OpenTurn::new(world, asked, *now, effect, due));
                Ok(())
            }
            None => self.open_turn(agent, turn, think_ms),
        }
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
        self.open_turns_mut().forget_deleted(&world);
        self.open_turns().first(world.rules().seed)
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
        if turn.is_decided() {
            let refusal = Refusal::new(Code::Conflict, format!("`{name}` has decided this turn already"));
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
