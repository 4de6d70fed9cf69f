//! Turns of agents whose mind is a client or a language model: each is open from its observation until the client has
//! decided, or the model has answered.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use oikos_kernel::{
    id::Handle,
    json::Json,
    mind::{LlmMind, Mind},
    receipt::Receipt,
    record::Cause,
    refusal::{Code, Refusal},
    time::{Time, format_duration_ms},
    world::{Agent, World, wire::Viewer},
};
use serde_json::{Value, json};

use crate::{
    agenda::tie,
    config::ClockKind,
    error::RunError,
    models::{Came as CameAnswer, CameTurn, ModelThought, ModelTurn, Models, Stopped, TurnPlace, unanswered},
    request::{Decide, Reply, Shown},
    sequencer::Sequencer,
    turn::{Asked, Thinking, act, act_late, ask},
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
    mind: OpenMind,
    effect: Effect,
    /// On the virtual clock, when its decision takes effect; on the wall clock, when it passes without one.
    due: Time,
    /// Whether it is waited for no longer.
    has_passed: bool,
}

/// The mind that decides in an open turn, and the decision if it is there.
#[derive(Clone, Debug)]
enum OpenMind {
    /// A client, with the observation that it is told.
    Client { observation: Value, decision: Option<Json> },
    /// A language model, with the turn as it was sent, for as long as no answer has come.
    Model { state: ModelState },
}

/// How far a language model is with a turn.
#[derive(Clone, Debug)]
enum ModelState {
    /// It is asked; the turn can be sent again.
    Asked(Box<ModelTurn>),
    /// The run had to stop before it answered.
    Stopped(Box<ModelTurn>),
    /// It has answered.
    Answered(Box<ModelThought>),
}

/// The turns that are open.
#[derive(Debug, Default)]
pub(crate) struct OpenTurns {
    turns: BTreeMap<Handle, OpenTurn>,
    /// Those whose answer takes effect at once, and has not yet.
    answered: VecDeque<Handle>,
    /// `(due, tie, agent)`, as those of the agenda.
    order: BTreeSet<(Time, u64, Handle)>,
    seed: u64,
}

/// A turn that was open when a world was shut, as it was asked.
#[derive(Debug)]
pub(crate) struct AskedBefore {
    asked: Asked,
    turn: u64,
    now: Time,
    think_ms: i64,
    of: Before,
}

/// All that is needed to open a turn again.
#[derive(Debug)]
enum Before {
    /// The observation of a client.
    Client(Value),
    /// The settings of a language model, and the world that it saw.
    Model(Box<LlmMind>, Arc<World>),
}

impl AskedBefore {
    /// The turn of an agent that is asked on a world; `None` if its own code decides for it.
    pub(crate) fn of(world: &World, agent: Handle, turn: u64, now: Time) -> Option<Self> {
        let (think_ms, of) = match Outside::of(world, agent)? {
            Outside::Client { think_ms } => {
                (think_ms, Before::Client(world.observation(agent, now, world.population())))
            }
            Outside::Model { think_ms, mind } => (think_ms, Before::Model(mind, Arc::new(world.clone()))),
        };
        Some(Self { asked: Asked::of(world, agent, turn, now), turn, now, think_ms, of })
    }

    /// Whether it is a language model's.
    pub(crate) fn is_models(&self) -> bool {
        matches!(self.of, Before::Model(..))
    }
}

/// The turns that were open when a world was shut.
pub(crate) type OpenBefore = HashMap<Handle, AskedBefore>;

/// How far a scheduler came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// To the end.
    Through,
    /// Until somebody asked it to stop.
    Asked,
    /// Until turns of clients were open.
    Open,
    /// Until the money for models was spent.
    Spent,
}

impl Came {
    /// How far a run came whose last action was cut short, which is as if it had not begun: its code called a language
    /// model, and waits for money, or somebody asked to stop.
    pub(crate) fn cut_short(fault: RunError) -> Result<Self, RunError> {
        match fault {
            RunError::Halt(halt) if halt.is_budget() => Ok(Self::Spent),
            RunError::Stopped => Ok(Self::Asked),
            fault => Err(fault),
        }
    }
}

/// A mind that is not the agent's own code.
#[derive(Debug)]
pub(crate) enum Outside {
    /// A client.
    Client {
        /// The time between an observation and its effect.
        think_ms: i64,
    },
    /// A language model.
    Model {
        /// As that of a client.
        think_ms: i64,
        mind: Box<LlmMind>,
    },
}

impl Outside {
    /// The mind of an agent; `None` if its own code decides for it.
    pub(crate) fn of(world: &World, agent: Handle) -> Option<Self> {
        let rules = world.rules();
        match Mind::of(world.get(agent)?.content(), rules.llm_model.as_deref()) {
            Ok(Mind::External { think_time_ms }) => Some(Self::Client { think_ms: think_time_ms }),
            Ok(Mind::Llm(mind)) => {
                let think_ms = mind.think_time_ms.unwrap_or(rules.think_time_ms);
                Some(Self::Model { think_ms, mind })
            }
            Ok(Mind::Script) | Err(_) => None,
        }
    }
}

impl OpenTurn {
    /// The turn of a client that observes a world.
    pub(crate) fn of_client(world: &World, asked: Asked, now: Time, effect: Effect, due: Time) -> Self {
        let observation = world.observation(asked.agent(), now, world.population());
        Self::observed(asked, observation, effect, due)
    }

    fn observed(asked: Asked, observation: Value, effect: Effect, due: Time) -> Self {
        let mind = OpenMind::Client { observation, decision: None };
        Self { asked, mind, effect, due, has_passed: false }
    }

    /// The turn of a language model that is to be asked.
    pub(crate) fn of_model(asked: Asked, turn: Box<ModelTurn>, effect: Effect, due: Time) -> Self {
        let mind = OpenMind::Model { state: ModelState::Stopped(turn) };
        Self { asked, mind, effect, due, has_passed: false }
    }

    pub(crate) fn agent(&self) -> Handle {
        self.asked.agent()
    }

    pub(crate) fn due(&self) -> Time {
        self.due
    }

    /// The turn of a language model, as it was asked and is not answered.
    pub(crate) fn unanswered(&self) -> Option<(&Asked, &ModelTurn)> {
        match &self.mind {
            OpenMind::Model { state: ModelState::Asked(turn) | ModelState::Stopped(turn) } => {
                Some((&self.asked, turn))
            }
            OpenMind::Model { state: ModelState::Answered(_) } | OpenMind::Client { .. } => None,
        }
    }

    pub(crate) fn is_decided(&self) -> bool {
        match &self.mind {
            OpenMind::Client { decision, .. } => decision.is_some(),
            OpenMind::Model { state } => matches!(state, ModelState::Answered(_)),
        }
    }

    /// Whether a language model decides in it.
    pub(crate) fn is_models(&self) -> bool {
        matches!(self.mind, OpenMind::Model { .. })
    }

    /// Whether a client is waited for: one whose agent's mind was changed meanwhile would decide in vain.
    pub(crate) fn is_waiting(&self, world: &World) -> bool {
        !self.is_models() && !self.is_decided() && !self.has_passed && !self.asked.is_void(world)
    }

    /// The turn as its client is told of it.
    fn told(&self, world: &World) -> Option<Value> {
        match &self.mind {
            OpenMind::Client { observation, .. } => {
                Some(json!({ "as": world.name(self.agent()), "observation": observation }))
            }
            OpenMind::Model { .. } => None,
        }
    }

    /// The decision; or, without one, that the turn passed, after so long if it was waited for.
    pub(crate) fn thought(&self, timeout_ms: Option<i64>) -> Thinking {
        match &self.mind {
            OpenMind::Client { decision: Some(decision), .. } => {
                self.asked.clone().answered(decision.clone())
            }
            OpenMind::Model { state: ModelState::Answered(thought) } => {
                self.asked.clone().told(ModelThought::clone(thought))
            }
            OpenMind::Client { decision: None, .. } | OpenMind::Model { .. } => {
                self.asked.clone().passes(passed(timeout_ms))
            }
        }
    }
}

/// Why a turn passed.
fn passed(timeout_ms: Option<i64>) -> Refusal {
    let Some(timeout_ms) = timeout_ms else {
        let refusal = Refusal::new(Code::Unsupported, "no client decides here, so the turn passed");
        return refusal.hint("`oikos serve` and `oikos session` let clients decide");
    };
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
    fn waiting(&self, world: &World) -> impl Iterator<Item = &OpenTurn> {
        let turns = self.order.iter().filter_map(|(_, _, agent)| self.turns.get(agent));
        turns.filter(|turn| turn.is_waiting(world))
    }

    /// When the last of the turns that wait for their clients is due.
    pub(crate) fn waits_until(&self, world: &World) -> Option<Time> {
        self.waiting(world).map(|turn| turn.due).max()
    }

    /// Whether a language model is waited for.
    pub(crate) fn awaits_models(&self) -> bool {
        self.turns.values().any(|turn| turn.is_models() && !turn.is_decided())
    }

    /// Whether a language model is asked.
    pub(crate) fn are_models_asked(&self) -> bool {
        let is_asked =
            |turn: &OpenTurn| matches!(&turn.mind, OpenMind::Model { state: ModelState::Asked(_) });
        self.turns.values().any(is_asked)
    }

    /// The turns that language models have to be asked, or asked again.
    fn unsent(&mut self) -> Vec<ModelTurn> {
        let mut unsent = Vec::new();
        for turn in self.turns.values_mut() {
            if let OpenMind::Model { state } = &mut turn.mind
                && let ModelState::Stopped(sent) = state
            {
                unsent.push(ModelTurn::clone(sent));
                *state = ModelState::Asked(sent.clone());
            }
        }
        unsent
    }

    /// Waits for no decision of a client any more: those that are not there yet have passed.
    pub(crate) fn pass_all(&mut self) {
        self.turns.values_mut().filter(|turn| !turn.is_models()).for_each(|turn| turn.has_passed = true);
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
        self.waiting(world).filter_map(|turn| turn.told(world)).collect()
    }
}

fn is_alive(world: &World, agent: Handle) -> bool {
    world.get(agent).is_some_and(|artifact| !artifact.is_deleted())
}

impl Sequencer {
    /// Opens the turn of an agent whose mind is outside, with a record that it was asked; a decision takes
    /// effect after its time to think on the virtual clock, and when it is there on the wall clock.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn open_turn(&mut self, agent: Handle, turn: u64, mind: Outside) -> Result<(), RunError> {
        let now = self.now();
        let asked = Asked::of(self.world(), agent, turn, now);
        match mind {
            Outside::Client { think_ms } => {
                let (effect, due) = self.effect(now, think_ms)?;
                let opened = OpenTurn::of_client(self.world(), asked, now, effect, due);
                self.open_turns_mut().open(opened);
                ask(self, agent, turn)
            }
            Outside::Model { think_ms, mind } => {
                let (effect, due) = self.effect_of_model(now, think_ms)?;
                let world = self.share();
                let place = TurnPlace { world, agent, turn, now };
                self.open_model_turn(asked, place, &mind, effect, due)?;
                self.send_turns()
            }
        }
    }

    /// Opens the turn of a language model that thinks on a world, with a record that it was asked;
    /// [`Self::send_turns`] asks it. It is not opened where the agent lacks what its thought may take, or has no
    /// prompt.
    ///
    /// # Errors
    /// Only faults, and when the models can't be asked.
    pub(crate) fn open_model_turn(
        &mut self,
        asked: Asked,
        place: TurnPlace,
        mind: &LlmMind,
        effect: Effect,
        due: Time,
    ) -> Result<(), RunError> {
        let (agent, turn, now) = (place.agent, place.turn, place.now);
        let is_asked = self.world().agent(agent).is_some_and(Agent::is_thinking);
        let prepared = match self.model_turn(place, mind)? {
            Ok(prepared) => prepared,
            Err(refusal) => {
                return act(self, asked.told(ModelThought::refused(refusal))).map(drop);
            }
        };
        if is_asked {
            // The record that says so is there, and so is all that was set aside.
            let holds = self.world().agent(agent).map_or(&[][..], Agent::holds).to_vec();
            let prepared = Box::new(prepared.with_holds(&holds));
            self.open_turns_mut().open(OpenTurn::of_model(asked, prepared, effect, due));
            return Ok(());
        }
        let cause = self.world().ask(agent, turn, now, prepared.hash(), prepared.holds());
        if !matches!(cause, Cause::Short { .. }) {
            self.open_turns_mut().open(OpenTurn::of_model(asked, Box::new(prepared), effect, due));
        }
        self.mark(cause)
    }

    /// Opens a turn again that was open when the world was shut, with the observation that its mind had.
    ///
    /// # Errors
    /// When there is no time for it, or as [`Self::open_model_turn`].
    pub(crate) fn open_turn_again(&mut self, before: AskedBefore) -> Result<(), RunError> {
        let AskedBefore { asked, turn, now, think_ms, of } = before;
        match of {
            Before::Client(observation) => {
                let (effect, due) = self.effect(now, think_ms)?;
                self.open_turns_mut().open(OpenTurn::observed(asked, observation, effect, due));
                Ok(())
            }
            Before::Model(mind, world) => {
                let (effect, due) = self.effect_of_model(now, think_ms)?;
                let place = TurnPlace { world, agent: asked.agent(), turn, now };
                self.open_model_turn(asked, place, &mind, effect, due)?;
                self.send_turns()
            }
        }
    }

    /// Asks the language models whose turns are open and that are not asked.
    ///
    /// # Errors
    /// When they can't be asked.
    pub(crate) fn send_turns(&mut self) -> Result<(), RunError> {
        let unsent = self.open_turns_mut().unsent();
        if unsent.is_empty() {
            return Ok(());
        }
        let models = self.models()?;
        unsent.into_iter().for_each(|turn| models.send(turn));
        Ok(())
    }

    /// Takes in the answers that came, those that take effect at once with what they do; says whether the money for
    /// models is spent.
    ///
    /// # Errors
    /// Only faults, and when the models can't be asked any more.
    pub(crate) fn hear_models(&mut self) -> Result<bool, RunError> {
        let is_spent = self.take_answers()?;
        while let Some(agent) = self.open_turns().answered.front().copied() {
            if self.open_turns().of(agent).is_some_and(OpenTurn::is_decided) {
                self.bring_up()?;
                // If its action has to wait for money, it is the next again.
                self.close_turn(agent)?;
            }
            self.open_turns_mut().answered.pop_front();
        }
        // Without money they would only ask in vain.
        while let Some(thinking) = (!is_spent).then(|| self.parked_mut().next()).flatten() {
            self.bring_up()?;
            act_late(self, thinking)?;
        }
        Ok(is_spent)
    }

    /// Takes in the answers that came; says whether the money for models is spent.
    ///
    /// # Errors
    /// Only faults, and when the models can't be asked any more.
    pub(crate) fn take_answers(&mut self) -> Result<bool, RunError> {
        let mut is_spent = false;
        while let Some(came) = self.models_if_open().and_then(Models::come) {
            let CameTurn { agent, turn, thought } = match came {
                CameAnswer::Turn(came) => came,
                CameAnswer::Call(came) => {
                    let world = self.share();
                    let (models, parked) = self.models_and_parked();
                    let given = models.zip(parked.readied(came.agent));
                    match given.map_or(Ok(()), |(models, had)| models.give(*came, had, &world)) {
                        Ok(()) => {}
                        Err(Stopped::Halt(halt)) if halt.is_budget() => is_spent = true,
                        Err(Stopped::Halt(halt)) => return Err(RunError::Halt(halt)),
                        Err(Stopped::Fault(fault)) => return Err(fault),
                    }
                    continue;
                }
            };
            let Some(open) = self.open_turns_mut().turn_mut(agent).filter(|open| open.asked.turn() == turn)
            else {
                continue;
            };
            let OpenMind::Model { state } = &mut open.mind else { continue };
            match thought {
                Ok(thought) => {
                    *state = ModelState::Answered(Box::new(thought));
                    if open.effect == Effect::AtOnce {
                        self.open_turns_mut().answered.push_back(agent);
                    }
                }
                Err(stopped) => {
                    if let ModelState::Asked(sent) = state {
                        *state = ModelState::Stopped(sent.clone());
                    }
                    match stopped {
                        Stopped::Halt(halt) if halt.is_budget() => is_spent = true,
                        Stopped::Halt(halt) => return Err(RunError::Halt(halt)),
                        Stopped::Fault(fault) => return Err(fault),
                    }
                }
            }
        }
        Ok(is_spent)
    }

    /// When a turn that is opened now passes without a decision; on the virtual clock it waits for one.
    ///
    /// # Errors
    /// When there is no such time.
    pub(crate) fn passes_at(&self) -> Result<Time, RunError> {
        let wait_ms = match self.clock() {
            ClockKind::Virtual => 0,
            ClockKind::Wall => self.clients_timeout_ms().unwrap_or_default(),
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

    /// As that of a client, but that a model answers when it does.
    fn effect_of_model(&self, now: Time, think_ms: i64) -> Result<(Effect, Time), RunError> {
        match self.clock() {
            ClockKind::Virtual => {
                Ok((Effect::Later, now.after_ms(think_ms.max(1)).ok_or(RunError::EndOfTime)?))
            }
            ClockKind::Wall => Ok((Effect::AtOnce, Time::LAST)),
        }
    }

    /// Closes a turn: its decision takes effect, or it passes.
    ///
    /// # Errors
    /// Only faults.
    pub(crate) fn close_turn(&mut self, agent: Handle) -> Result<Option<Receipt>, RunError> {
        let timeout_ms = self.clients_timeout_ms();
        let Some(thinking) = self.open_turns().of(agent).map(|turn| turn.thought(timeout_ms)) else {
            return Ok(None);
        };
        // If the action has to wait for money, the decision stays.
        let receipt = act(self, thinking)?;
        self.open_turns_mut().close(agent);
        Ok(receipt)
    }

    /// The open turn that is due first.
    pub(crate) fn next_open(&mut self) -> Option<&OpenTurn> {
        let world = self.share();
        self.open_turns_mut().first(&world)
    }

    /// Whether the world stops, on the virtual clock, until the client of an agent has decided.
    pub(crate) fn awaits_client(&self, agent: Handle) -> bool {
        let is_waiting = self.open_turns().of(agent).is_some_and(|turn| turn.is_waiting(self.world()));
        is_waiting && self.clock() == ClockKind::Virtual && self.stops_for_clients()
    }

    /// The agents whose clients are waited for.
    pub(crate) fn clients_waited_for(&self) -> Vec<Handle> {
        self.open_turns().waiting(self.world()).map(OpenTurn::agent).collect()
    }

    /// Whether turns wait for their clients, and none of them has waited too long.
    pub(crate) fn are_clients_awaited(&self) -> bool {
        let mut waiting = self.open_turns().waiting(self.world()).peekable();
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
        let world = self.share();
        let Some(turn) = self.open_turns_mut().turn_mut(agent) else {
            let refusal = Refusal::new(Code::Conflict, format!("no turn of `{name}` is open"));
            return refused(self, refusal.hint("`run` tells which turns are open; decide each once"));
        };
        if turn.is_models() {
            let refusal = Refusal::new(Code::Conflict, format!("a language model decides for `{name}`"));
            return refused(self, refusal.hint("change its `mind` to decide for it"));
        }
        if !turn.is_waiting(&world) {
            let refusal =
                Refusal::new(Code::Conflict, format!("this turn of `{name}` is decided, or has passed"));
            return refused(self, refusal.hint("`run` goes on with it"));
        }
        if let OpenMind::Client { decision, .. } = &mut turn.mind {
            *decision = Some(ops);
        }
        if turn.effect != Effect::AtOnce {
            return Ok(Reply::Pending);
        }
        drop(world);
        let closed = match self.close_turn(agent).map_or_else(unanswered, |closed| Ok(Ok(closed)))? {
            Ok(closed) => closed,
            Err(refusal) => {
                // The turn is as open as it was.
                if let Some(OpenTurn { mind: OpenMind::Client { decision, .. }, .. }) =
                    self.open_turns_mut().turn_mut(agent)
                {
                    *decision = None;
                }
                return refused(self, refusal);
            }
        };
        match closed {
            Some(receipt) => {
                let text = receipt.shown(self.world(), Viewer::Artifact(Some(agent))).text();
                Ok(Reply::Receipt(Box::new(Shown { receipt, text })))
            }
            None if self.parked().holds(agent) => Ok(Reply::Pending),
            None => refused(self, Refusal::new(Code::NotFound, format!("`as`: `{name}` was deleted"))),
        }
    }

    /// The turn of an agent that waits for its client, with its observation; null where none does.
    ///
    /// # Errors
    /// When there is no such agent.
    pub(crate) fn turn_of(&self, name: &str) -> Result<Value, Refusal> {
        let agent = agent_of(self.world(), name)?;
        let waiting = self.open_turns().of(agent).filter(|turn| turn.is_waiting(self.world()));
        Ok(waiting.and_then(|turn| turn.told(self.world())).unwrap_or_default())
    }
}

/// The observation of an agent, as its mind would have it at an instant.
///
/// # Errors
/// When there is no such agent.
pub(crate) fn observed(world: &World, name: &str, now: Time) -> Result<Value, Refusal> {
    agent_of(world, name).map(|agent| world.observation(agent, now, world.population()))
}

fn agent_of(world: &World, name: &str) -> Result<Handle, Refusal> {
    let agent = world.lookup(name).filter(|agent| world.agent(*agent).is_some() && is_alive(world, *agent));
    agent.ok_or_else(|| {
        let shown: String = name.chars().take(128).collect();
        let refusal = Refusal::new(Code::NotFound, format!("there is no agent {shown:?}"));
        refusal.hint("`query` with `what` \"agents\" lists them")
    })
}
