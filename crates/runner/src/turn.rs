//! One turn of an agent: it thinks on a world, and what it thought becomes an action on the world as it
//! is then. One record, always. Both schedulers take turns here.

use oikos_agents::{Decision, Mind, decide};
use oikos_kernel::{
    json::Json,
    limits,
    receipt::Receipt,
    record::{Cause, Charge, Event, Handle, Outcome, Spending, Thought, Woke},
    refusal::{Code, Refusal},
    rules::ResourceId,
    seed::derive,
    time::Time,
    transaction::{Finished, Transaction},
    world::{Agent, World},
};
use oikos_sandbox::Sandbox;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    drive::drive_on,
    error::RunError,
    models::{Had, ModelThought},
    sequencer::{Interpreter, Sequencer},
};

/// A turn whose agent has observed, and has not decided.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    agent: Handle,
    turn: u64,
    version: u32,
    /// The end of a sleep that its observation named.
    woke: Option<Woke>,
}

/// The thought of an agent, until it acts.
pub(crate) struct Thinking {
    asked: Asked,
    /// Costs of the thinking, all borne by the agent.
    pub(crate) charges: Vec<Charge>,
    events: Vec<Event>,
    output: String,
    outcome: Outcome,
    /// The reasons that its mind gave, and the looks that it took.
    think: String,
    looks: Vec<Json>,
    /// Whether its mind failed, or was not reached.
    failed: bool,
    unanswered: bool,
    /// Whether its costs were set aside when it was asked.
    is_held: bool,
    /// The answers that the calls of its action have had.
    pub(crate) had: Had,
}

/// A thought as it goes from one process to another.
#[derive(Serialize, Deserialize)]
pub(crate) struct Carried {
    agent: Handle,
    charges: Vec<Charge>,
    events: Vec<Event>,
    output: String,
    outcome: Outcome,
}

/// Some of a state, by which it is told from that of another world at the same record.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    source: [u8; 32],
    seed: u64,
    now: Time,
    next: Handle,
    supply: i64,
}

impl Mark {
    fn of(world: &World) -> Self {
        let (source, seed, now) = (world.source(), world.rules().seed, world.now());
        Self { source, seed, now, next: world.next_handle(), supply: world.supply() }
    }
}

impl Carried {
    /// The agents whose thoughts on a world are wanted, in bytes.
    #[expect(clippy::expect_used, reason = "numbers can always be written")]
    pub(crate) fn asked(world: &World, agents: &[Handle]) -> Vec<u8> {
        postcard::to_stdvec(&(Mark::of(world), agents)).expect("numbers can be written")
    }

    /// Reads [`Self::asked`]; `None` where that is no such thing, or was asked of another world.
    pub(crate) fn agents(bytes: &[u8], world: &World) -> Option<Vec<Handle>> {
        let ((mark, agents), rest): ((Mark, Vec<Handle>), _) = postcard::take_from_bytes(bytes).ok()?;
        let are_there = agents.iter().all(|agent| world.agent(*agent).is_some());
        (rest.is_empty() && mark == Mark::of(world) && are_there).then_some(agents)
    }

    /// Thoughts in bytes.
    #[expect(clippy::expect_used, reason = "all that is in a thought is in records too")]
    pub(crate) fn written(thoughts: Vec<Thinking>) -> Vec<u8> {
        let carried = |thought: Thinking| {
            let Thinking { asked, charges, events, output, outcome, .. } = thought;
            Self { agent: asked.agent, charges, events, output, outcome }
        };
        let carried: Vec<Self> = thoughts.into_iter().map(carried).collect();
        postcard::to_stdvec(&carried).expect("a thought can be written")
    }

    /// Reads the thoughts of these agents, had on a world in a turn; `None` where they are not all there.
    pub(crate) fn read(
        bytes: &[u8],
        agents: &[Handle],
        world: &World,
        (turn, now): (u64, Time),
    ) -> Option<Vec<Thinking>> {
        let (carried, rest): (Vec<Self>, _) = postcard::take_from_bytes(bytes).ok()?;
        let is_whole = rest.is_empty() && carried.iter().map(|one| one.agent).eq(agents.iter().copied());
        is_whole.then(|| {
            let thought = |Self { agent, charges, events, output, outcome }| {
                let finished = Finished { charges, events, output, ..Finished::nothing_done(outcome) };
                Thinking::of(world, agent, turn, now, finished)
            };
            carried.into_iter().map(thought).collect()
        })
    }
}

/// Lets an agent think on a world that stays as it is.
///
/// # Errors
/// When there is no process to run code in.
pub(crate) fn think(
    world: &World,
    interpreter: &mut Interpreter,
    agent: Handle,
    turn: u64,
    now: Time,
) -> Result<Thinking, RunError> {
    match &mut interpreter.mind {
        Some(mind) => Ok(think_with(world, &mut **mind, agent, turn, now)),
        None => think_in(world, &*interpreter.sandbox, agent, turn, now),
    }
}

/// As [`think`], with a mind in the place of the agent's code.
pub(crate) fn think_with(
    world: &World,
    mind: &mut dyn Mind,
    agent: Handle,
    turn: u64,
    now: Time,
) -> Thinking {
    let outcome = Outcome::Done(mind.step(world, agent, now, seed_of(world, agent, turn)).into());
    let charges = vec![Charge {
        principal: agent,
        resource: ResourceId::CPU,
        amount: 1,
        work: 0,
        of: Spending::Thought,
    }];
    Thinking::of(world, agent, turn, now, Finished { charges, ..Finished::nothing_done(outcome) })
}

/// As [`think`], by the agent's code.
///
/// # Errors
/// As [`think`].
pub(crate) fn think_in(
    world: &World,
    sandbox: &dyn Sandbox,
    agent: Handle,
    turn: u64,
    now: Time,
) -> Result<Thinking, RunError> {
    let finished = drive_on(sandbox, || thought(world, agent, turn, now))?;
    Ok(Thinking::of(world, agent, turn, now, finished))
}

fn thought(world: &World, agent: Handle, turn: u64, now: Time) -> Transaction<'_> {
    let observation = world.observation(agent, now, world.population());
    Transaction::think(world, agent, observation, now, seed_of(world, agent, turn))
}

fn seed_of(world: &World, agent: Handle, turn: u64) -> u64 {
    derive(world.rules().seed, "think", world.name(agent), turn)
}

impl Asked {
    /// The turn of an agent that observes a world.
    pub(crate) fn of(world: &World, agent: Handle, turn: u64, now: Time) -> Self {
        let version = world.get(agent).map_or(0, |artifact| artifact.version());
        Self { agent, turn, version, woke: world.woke_before(agent, now) }
    }

    pub(crate) fn agent(&self) -> Handle {
        self.agent
    }

    pub(crate) fn turn(&self) -> u64 {
        self.turn
    }

    /// Whether the mind was changed since, so that no action of this turn stands.
    pub(crate) fn is_void(&self, world: &World) -> bool {
        world.get(self.agent).is_some_and(|artifact| artifact.version() != self.version)
    }

    /// The decision of somebody outside, whose thinking costs the agent nothing.
    pub(crate) fn answered(self, decision: Json) -> Thinking {
        self.thought(Outcome::Done(decision), false)
    }

    /// The turn passes, for this reason, and no mind has failed.
    pub(crate) fn passes(self, refusal: Refusal) -> Thinking {
        self.thought(Outcome::Refused(Box::new(refusal)), false)
    }

    /// The thought of a language model, whose costs were set aside.
    pub(crate) fn told(self, thought: ModelThought) -> Thinking {
        let ModelThought { outcome, think, looks, charges, failed, unanswered } = thought;
        Thinking { charges, think, looks, unanswered, is_held: true, ..self.thought(outcome, failed) }
    }

    fn thought(self, outcome: Outcome, failed: bool) -> Thinking {
        Thinking {
            asked: self,
            charges: Vec::new(),
            events: Vec::new(),
            output: String::new(),
            outcome,
            think: String::new(),
            looks: Vec::new(),
            failed,
            unanswered: false,
            is_held: false,
            had: Had::default(),
        }
    }
}

impl Thinking {
    fn of(world: &World, agent: Handle, turn: u64, now: Time, finished: Finished) -> Self {
        let Finished { charges, events, output, outcome, .. } = finished;
        let failed = matches!(outcome, Outcome::Refused(_));
        let thought = Asked::of(world, agent, turn, now).thought(outcome, failed);
        Self { charges, events, output, ..thought }
    }

    /// The costs that have to be there when it acts: those that were not set aside before.
    pub(crate) fn unpaid(&self) -> &[Charge] {
        if self.is_held { &[] } else { &self.charges }
    }

    pub(crate) fn agent(&self) -> Handle {
        self.asked.agent
    }
}

/// Carries out what an agent thought; nothing, if it was deleted meanwhile, or if its code waits for a language model
/// while others act.
///
/// # Errors
/// Only faults.
pub(crate) fn act(sequencer: &mut Sequencer, mut thinking: Thinking) -> Result<Option<Receipt>, RunError> {
    let Asked { agent, turn, version, .. } = thinking.asked;
    let Some(artifact) = sequencer.world().get(agent).filter(|artifact| !artifact.is_deleted()) else {
        return Ok(None);
    };
    let returned = match &thinking.outcome {
        Outcome::Done(value) => value.clone(),
        Outcome::Nothing | Outcome::Refused(_) => Json::default(),
    };
    thinking.had.begin();
    let now = sequencer.now();
    let thinker = (agent, thinking.is_held);
    let owed = thinking.had.owed(sequencer.world(), thinker, &thinking.charges, now);
    let costs: Vec<Charge> = thinking.charges.iter().copied().chain(owed).collect();
    let (mut finished, failed) = match &thinking.outcome {
        _ if artifact.version() != version => {
            let refusal =
                Refusal::new(Code::Conflict, "the mind was changed while it thought, so its action is void");
            (Finished::nothing_done(Outcome::Refused(Box::new(refusal))), false)
        }
        Outcome::Refused(refusal) => {
            (Finished::nothing_done(Outcome::Refused(refusal.clone())), thinking.failed)
        }
        Outcome::Nothing | Outcome::Done(_) => {
            match execute(sequencer, &mut thinking, returned.value(), turn, &costs)? {
                Some(executed) => executed,
                None => return park(sequencer, thinking).map(|()| None),
            }
        }
    };
    let Thinking { asked, charges, events, output, think, looks, unanswered, .. } = thinking;
    if finished.charges.is_empty() {
        finished.charges = costs;
    }
    if !events.is_empty() {
        finished.events.splice(0..0, events);
    }
    // A value too long to be an action was refused as one, and is not worth its room either.
    let action = returned.within(limits::ACTION_BYTES_MAX);
    let woke = asked.woke;
    let thought = Thought { action, charges, output, think, looks, failed, unanswered, woke };
    let output = std::mem::take(&mut finished.output);
    sequencer.record(Cause::Step { agent, turn, thought, output }, finished).map(Some)
}

/// Sets an action aside whose code waits for a language model. Its agent thinks on until it has acted.
fn park(sequencer: &mut Sequencer, thinking: Thinking) -> Result<(), RunError> {
    let Asked { agent, turn, .. } = thinking.asked;
    let now = sequencer.now();
    let thought = thinking.unpaid().to_vec();
    let mut thinking = thinking;
    thinking.had.reserve(sequencer.world_mut(), &thought, now);
    if let Some(pending) = thinking.had.pending.take() {
        sequencer.models()?.call(agent, pending);
    }
    let is_asked = sequencer.world().agent(agent).is_some_and(Agent::is_thinking);
    sequencer.parked_mut().park(thinking);
    if is_asked { Ok(()) } else { ask(sequencer, agent, turn) }
}

/// As [`act`], where others acted while the agent thought: if they used what its thinking takes, it passes.
///
/// # Errors
/// Only faults.
pub(crate) fn act_late(sequencer: &mut Sequencer, mut thinking: Thinking) -> Result<(), RunError> {
    let now = sequencer.now();
    let world = sequencer.world_mut();
    world.settle_all(thinking.had.take_reserved());
    match world.reserve_all(thinking.unpaid(), now) {
        Some(reserved) => {
            world.settle_all(reserved);
            act(sequencer, thinking).map(|_| ())
        }
        None => pass(sequencer, thinking.asked.agent, thinking.asked.turn),
    }
}

/// Carries out what a mind returned, thinking charged with it; says whether that was no action. `None` is an action
/// whose code waits for a language model.
///
/// # Errors
/// Only faults.
fn execute(
    sequencer: &mut Sequencer,
    thinking: &mut Thinking,
    returned: &Value,
    turn: u64,
    costs: &[Charge],
) -> Result<Option<(Finished, bool)>, RunError> {
    let action = match decide(returned) {
        Decision::Nothing => return Ok(Some((Finished::nothing_done(Outcome::Nothing), false))),
        Decision::Malformed(refusal) => {
            return Ok(Some((Finished::nothing_done(Outcome::Refused(Box::new(refusal))), true)));
        }
        Decision::Act(action) => action,
    };
    let (agent, now) = (thinking.agent(), sequencer.now());
    let world = sequencer.world();
    let seed = derive(world.rules().seed, "step", world.name(agent), turn);
    let finished = sequencer.execute_step(&mut thinking.had, action, |world, action| {
        Transaction::act_after(world, agent, action, now, seed, costs)
    })?;
    let refused = |refusal| Finished::nothing_done(Outcome::Refused(Box::new(refusal)));
    Ok(finished.map(|finished| (finished.unwrap_or_else(refused), false)))
}

/// Records that an agent thinks, on the world as it is, and that others act meanwhile.
///
/// # Errors
/// Only faults.
pub(crate) fn ask(sequencer: &mut Sequencer, agent: Handle, turn: u64) -> Result<(), RunError> {
    let woke = sequencer.world().woke_before(agent, sequencer.now());
    sequencer.mark(Cause::Ask { agent, turn, woke, request: None, holds: Vec::new() })
}

/// Records that an agent's turn came and it had not the CPU to think.
///
/// # Errors
/// Only faults.
pub(crate) fn pass(sequencer: &mut Sequencer, agent: Handle, turn: u64) -> Result<(), RunError> {
    sequencer.mark(Cause::Short { agent, turn, lack: None })
}
