//! Language models: those who answer for the agents of a world, and the answers that are under way.
//!
//! The loop that owns the world asks, and goes on; an answer comes back through a channel, and rings. On the virtual
//! clock the loop waits for it only when it is the next thing that is due.

mod access;
mod ask;
mod brief;
mod calls;
mod carried;
mod elsewhere;
mod for_others;
mod opening;
mod parked;
mod preview;
mod tape;
mod turn;

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use oikos_agents::{
    Asked, Asker, Failure, FailureKind, Halt, Key, Later, Outcome, Price, Prices, Provider, ProviderSettings,
    Question, Request, SettingsError, Told, connect_through, settings_of,
};
use oikos_kernel::{
    call::LlmCall,
    id::Handle,
    tape::{Purpose, Taped},
    world::World,
};
use tokio::runtime::Runtime;

pub(crate) use self::elsewhere::Lending;
pub(crate) use self::for_others::ForOthers;
pub(crate) use self::turn::{ModelThought, ModelTurn, TurnPlace};
pub use self::{
    access::Access,
    ask::{Answered, Ask, QUESTION_BYTES_MAX, ask, ask_tape},
    preview::{Preview, preview},
};
use self::{brief::Prompter, tape::JournalTape};
pub(crate) use self::{
    calls::{Answers, Given, Nobody, OnDemand},
    opening::{Opening, run_halted, unanswered},
    parked::{Had, Parked, Pending},
};
use crate::{
    clock::machine_now,
    config::LlmPlan,
    error::RunError,
    writer::{Bell, JournalDoor},
};

/// How long a turn that runs code is waited for when the models are closed.
const LET_GO_MAX: Duration = Duration::from_secs(1);
/// Threads on which answers are awaited.
const THREADS: usize = 2;

/// Something that came from a model.
pub(crate) enum Came {
    Turn(CameTurn),
    Call(Box<CameCall>),
}

/// The answer to a call by code whose action waits, or why the run has to stop.
pub(crate) struct CameCall {
    pub(crate) agent: Handle,
    call: Arc<LlmCall>,
    question: Question,
    told: Result<Told, Stopped>,
}

/// A turn that came to its end, or why the run has to stop.
pub(crate) struct CameTurn {
    pub(crate) agent: Handle,
    pub(crate) turn: u64,
    pub(crate) thought: Result<ModelThought, Stopped>,
}

/// Why a turn has no end.
pub(crate) enum Stopped {
    /// The models can't be asked.
    Halt(Halt),
    /// The world's own machine failed.
    Fault(RunError),
}

/// The models of one world.
pub(crate) struct Models {
    asker: Arc<Asker>,
    prompter: Prompter,
    sender: Sender<Came>,
    came: Receiver<Came>,
    bell: Bell,
    /// Last, so that it is dropped after what it runs.
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models").finish_non_exhaustive()
    }
}

impl Drop for Models {
    /// Requests that are under way are let go, and with them the journal, which somebody may open next.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(LET_GO_MAX);
        }
    }
}

impl Models {
    /// The models of a world as it stands. An agent that thinks was asked at the state of record `asked_at`.
    ///
    /// # Errors
    /// When a provider can't be had, or the tape can't be read.
    pub(crate) fn open(
        access: &Access,
        (plan, lending): (&LlmPlan, Option<Lending>),
        world: &World,
        door: JournalDoor,
        asked_at: impl Fn(&str) -> Option<u64>,
        bell: Bell,
    ) -> Result<Self, RunError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("oikos-models")
            .enable_all()
            .build()?;
        let inside = runtime.enter();
        let providers = providers(access, plan, lending)?;
        let is_internal = |row: &str, model: &str| {
            plan.prices.iter().any(|(name, Price { internal, .. })| {
                *internal && name.provider == row && name.model == model
            })
        };
        let used = door.journal().tape_used(|row| is_used(row, world.seq(), &asked_at))?;
        let spent = used.costs.iter().filter(|((provider, model), _)| !is_internal(provider, model));
        let spent = spent.map(|(_, cost)| *cost).fold(0, u64::saturating_add);
        // A row tells the time for people; a clock that can't be right tells none.
        let now = || machine_now().unwrap_or_default();
        let asker = Asker::new(
            providers,
            prices(plan),
            Arc::new(JournalTape::new(door, !access.is_deaf)),
            access.tape.unwrap_or(plan.tape),
            now,
        );
        let asker = asker.with_budget(plan.budget, spent).with_cap(access.max_cost);
        let asker = asker.with_numbers(used.asked).with_named(plan.models.iter().cloned());
        drop(inside);
        let (sender, came) = channel();
        Ok(Self {
            asker: Arc::new(asker),
            prompter: Prompter::default(),
            sender,
            came,
            bell,
            runtime: Some(runtime),
        })
    }

    #[expect(clippy::expect_used, reason = "the runtime is there until the models are dropped")]
    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("models that are open have a runtime")
    }

    /// Something that came, if anything did.
    pub(crate) fn come(&self) -> Option<Came> {
        self.came.try_recv().ok()
    }
}

/// Whether the row of an asking was used by a world that stands at record `seq`. The questions of a turn that is open
/// will be asked again.
fn is_used(row: &Taped, seq: u64, asked_at: impl Fn(&str) -> Option<u64>) -> bool {
    let open = match row.purpose {
        Purpose::Step | Purpose::Repair => asked_at(&row.agent),
        Purpose::CallLlm | Purpose::Ask | Purpose::Embed => None,
    };
    row.seq < open.unwrap_or(seq)
}

fn prices(plan: &LlmPlan) -> Prices {
    Prices::new(plan.prices.iter().cloned())
}

fn providers(
    access: &Access,
    plan: &LlmPlan,
    lending: Option<Lending>,
) -> Result<Vec<(String, Asked)>, RunError> {
    let lender = lending.filter(|_| !access.is_deaf).map(Lending::begin).transpose()?;
    let declared = plan.providers.iter().map(|(name, settings)| (name.clone(), settings.clone()));
    let mut providers = Vec::new();
    // One that is there by itself costs the owner of the key: agents reach it where the world file names it.
    for (name, settings) in settings_of(declared).into_iter().filter(|(name, _)| plan.names(name)) {
        let key = key_of(access, &name, &settings)?;
        let declared = settings.clone();
        let way = |here| match &lender {
            Some(lender) => lender.provider((&name, &declared), here),
            None => here,
        };
        let asked = connect_through(&name, settings, key, way).map_err(|error: SettingsError| {
            RunError::Models(format!("the provider `{name}` can't be asked: {error}"))
        })?;
        providers.push((name, asked));
    }
    providers.extend(access.stand_ins());
    if access.is_deaf {
        let deaf: Arc<dyn Provider> = Arc::new(Deaf);
        providers.iter_mut().for_each(|(_, asked)| asked.provider = Arc::clone(&deaf));
    }
    Ok(providers)
}

/// The provider of those who may ask nobody.
struct Deaf;

impl Provider for Deaf {
    fn ask<'a>(&'a self, _: &'a Request) -> Later<'a, Outcome> {
        let sentence = "the tape has no answer to it, and nobody is asked";
        Box::pin(std::future::ready(Err(Failure::new(FailureKind::Auth, sentence))))
    }
}

/// The key of a provider. The text of a variable that holds none is in no message.
fn key_of(access: &Access, name: &str, settings: &ProviderSettings) -> Result<Option<Key>, RunError> {
    let Some(variable) = &settings.key_env else { return Ok(None) };
    let Some(text) = access.key(variable) else { return Ok(None) };
    Key::new(&text).map(Some).map_err(|problem| {
        RunError::Models(format!("the key of the provider `{name}`, in the variable `{variable}`: {problem}"))
    })
}

#[cfg(test)]
mod tests {
    use oikos_kernel::{tape::Origin, time::Time};

    use super::*;

    #[test]
    fn the_questions_of_an_open_turn_are_not_used_yet() {
        let row = |purpose, seq| Taped {
            hash: [0; 32],
            n: 0,
            seq,
            agent: "a".into(),
            purpose,
            provider: "local".into(),
            model: "m".into(),
            request: String::new(),
            failure: None,
            answer: String::new(),
            tokens_in: 0,
            tokens_cached: 0,
            tokens_out: 0,
            cost: 0,
            latency_ms: 0,
            asked_at: Time::default(),
            answered_at: Time::default(),
            origin: Origin::Asked,
        };
        for (row, open, used) in [
            (row(Purpose::Step, 9), None, true),
            (row(Purpose::Step, 10), None, false),
            (row(Purpose::Repair, 5), Some(5), false),
            (row(Purpose::Step, 4), Some(5), true),
            (row(Purpose::CallLlm, 7), Some(5), true),
        ] {
            assert_eq!(is_used(&row, 10, |_| open), used, "{row:?}");
        }
    }
}
