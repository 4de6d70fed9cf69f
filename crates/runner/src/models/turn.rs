//! The turn of an agent whose mind is a language model: what is set aside for it, and what comes of it.

use std::sync::Arc;

use oikos_agents::{
    End, FailureKind, Later, Look, Looker, Purse, Question, Request, Spent, Told, Turn, Turned, Wish,
};
use oikos_kernel::{
    call::LlmUse,
    id::Handle,
    json::Json,
    op::LOOKS_MAX,
    record::{Charge, Hold, Outcome, Spending, Thought},
    refusal::{Code, Lack, Refusal},
    resource::{ResourceId, ResourceKind},
    tape::Purpose,
    time::Time,
    world::World,
};
use oikos_sandbox::Sandbox;
use serde_json::{Value, json};

use super::{
    Came, CameTurn, Models, Stopped,
    brief::{Glance, Prepared},
};
use crate::error::RunError;

/// How many requests one turn may have: the first, one after each look, and a repair.
const REQUESTS_MAX: i64 = LOOKS_MAX as i64 + 2;
/// How many times the worst case of its first request is set aside for a turn, where the agent has so much: later
/// requests hold the conversation before them.
const WORST_CASES: i64 = 2 * REQUESTS_MAX;
/// CPU that is set aside for the looks of a turn, in microseconds, where the agent has so much.
const LOOKS_US: i64 = 250_000;

/// The resources of models, as worlds name them.
const BUDGET: &str = "llm_budget";
const TOKENS: &str = "llm_tokens";
const CALLS: &str = "llm_calls";

/// The outcome of a turn, as its step takes it.
#[derive(Clone, Debug)]
pub(crate) struct ModelThought {
    pub(crate) outcome: Outcome,
    pub(crate) think: String,
    pub(crate) looks: Vec<Json>,
    pub(crate) charges: Vec<Charge>,
    /// Whether the mind failed: what it said can't be used.
    pub(crate) failed: bool,
    /// Whether it was not reached.
    pub(crate) unanswered: bool,
}

impl ModelThought {
    /// A turn that ended before anybody was asked.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self {
            outcome: Outcome::Refused(Box::new(refusal)),
            think: String::new(),
            looks: Vec::new(),
            charges: Vec::new(),
            failed: true,
            unanswered: false,
        }
    }
}

/// A turn that can be taken, and taken again where the run had to stop.
#[derive(Clone)]
pub(crate) struct ModelTurn {
    world: Arc<World>,
    sandbox: Arc<dyn Sandbox>,
    agent: Handle,
    turn: u64,
    now: Time,
    /// The record at whose state it thinks.
    seq: u64,
    request: Request,
    /// The costs of its request, before anybody is asked.
    charges: Vec<Charge>,
    holds: Vec<Hold>,
}

impl std::fmt::Debug for ModelTurn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelTurn")
            .field("agent", &self.agent)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}

impl ModelTurn {
    /// The hash of its first request.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.request.hash()
    }

    /// The most that it may take of its agent.
    pub(crate) fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// The same with amounts that were set aside before.
    pub(crate) fn with_holds(self, holds: &[Hold]) -> Self {
        Self { holds: holds.to_vec(), ..self }
    }
}

/// The place of a turn.
pub(crate) struct TurnPlace {
    /// The world as its agent sees it.
    pub(crate) world: Arc<World>,
    pub(crate) agent: Handle,
    pub(crate) turn: u64,
    pub(crate) now: Time,
}

impl Models {
    /// The turn of an agent whose mind is a language model; the inner refusal is that of a prompt that can't be had.
    /// `current` is the world as it is now, of which its costs are set aside.
    ///
    /// # Errors
    /// When nobody knows the price of its model, or there is no process to run code in.
    pub(crate) fn turn(
        &mut self,
        place: TurnPlace,
        mind: &oikos_kernel::mind::LlmMind,
        sandbox: &Arc<dyn Sandbox>,
        current: &World,
    ) -> Result<Result<ModelTurn, Refusal>, RunError> {
        let TurnPlace { world, agent, turn, now } = place;
        let glance = Glance { world: &world, sandbox: &**sandbox, agent, turn, now };
        let Prepared { request, charges } = match self.prompter.prepare(&glance, mind)? {
            Ok(prepared) => prepared,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let seq = world.seq();
        let question =
            self.asker.numbered(Question::new(world.name(agent), seq, Purpose::Step, request.clone()));
        let known = self.asker.known(&question);
        self.asker.forget(&question);
        let worst = match known {
            Ok((_, worst)) => worst,
            Err(halt) if !self.asker.stops(&halt, &question.request().model) => {
                let refusal = Refusal::new(Code::Unsupported, halt.to_string());
                return Ok(Err(refusal.hint("leave `mind.model` out for the world's own model")));
            }
            Err(halt) => return Err(RunError::Halt(halt)),
        };
        let holds = holds(current, agent, now, &worst);
        let sandbox = Arc::clone(sandbox);
        Ok(Ok(ModelTurn { world, sandbox, agent, turn, now, seq, request, charges, holds }))
    }

    /// Takes a turn to its end, and waits for it.
    ///
    /// # Errors
    /// When the models can't be asked, or the world's own machine failed.
    pub(crate) fn take(&self, turn: ModelTurn) -> Result<ModelThought, RunError> {
        self.runtime().block_on(taken(&self.asker, turn)).map_err(|stopped| match stopped {
            Stopped::Halt(halt) => RunError::Halt(halt),
            Stopped::Fault(fault) => fault,
        })
    }

    /// Sends a turn; its end comes by [`Models::come`].
    pub(crate) fn send(&self, turn: ModelTurn) {
        let (asker, sender, bell) = (Arc::clone(&self.asker), self.sender.clone(), Arc::clone(&self.bell));
        self.runtime().spawn(async move {
            let (agent, number, name) = (turn.agent, turn.turn, turn.world.name(turn.agent).to_owned());
            let taken = tokio::spawn(async move { taken(&asker, turn).await }).await;
            // The loop waits for each turn: one that broke off ends it with a sentence, not never.
            let thought = taken.unwrap_or_else(|_| {
                let sentence =
                    format!("internal error: the turn of `{name}` broke off while it was thinking");
                Err(Stopped::Fault(RunError::Models(sentence)))
            });
            // A loop that does not listen any more has ended.
            let _ = sender.send(Came::Turn(CameTurn { agent, turn: number, thought }));
            bell();
        });
    }
}

/// The use of a call in the resources of models, as far as the world names them.
pub(super) fn of_models(world: &World, used: &LlmUse) -> Vec<(ResourceId, i64)> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let amounts = [(BUDGET, number(used.cost)), (TOKENS, number(used.tokens)), (CALLS, number(used.calls))];
    let named =
        amounts.into_iter().filter_map(|(name, amount)| Some((world.rules().resource(name)?, amount)));
    named.filter(|(_, amount)| *amount > 0).collect()
}

/// The most that a turn may take, and what its first request needs at least.
fn holds(world: &World, agent: Handle, now: Time, worst: &Spent) -> Vec<Hold> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let limited = |resource: &ResourceId| match world.rules().kind(*resource) {
        ResourceKind::Renewable { .. } | ResourceKind::Depletable => true,
        ResourceKind::Allocatable | ResourceKind::Metered => false,
    };
    let first = [
        (BUDGET, number(worst.cost), WORST_CASES),
        (TOKENS, number(worst.tokens()), WORST_CASES),
        (CALLS, 1, REQUESTS_MAX),
    ];
    let of_models = first.into_iter().filter_map(|(name, need, times)| {
        Some((world.rules().resource(name)?, need, need.saturating_mul(times)))
    });
    let cpu = (ResourceId::CPU, 1, LOOKS_US);
    let all = of_models.chain([cpu]).filter(|(resource, ..)| limited(resource));
    let held = all.map(|(resource, need, most)| {
        let free = world.capacity(agent, resource, now);
        Hold { resource, amount: most.min(free).max(need) }
    });
    held.collect()
}

/// Takes a turn to its end.
async fn taken(asker: &oikos_agents::Asker, turn: ModelTurn) -> Result<ModelThought, Stopped> {
    let ModelTurn { world, sandbox, agent, turn: number, now, seq, request, charges, holds } = turn;
    let held = |name: &str| {
        let resource = world.rules().resource(name)?;
        Some(Account { resource, left: of(&holds, resource), used: 0 })
    };
    let accounts = [BUDGET, TOKENS, CALLS].map(held);
    let mut purse = TurnPurse { agent, name: world.name(agent).to_owned(), accounts };
    let mut sight = Sight {
        world: Arc::clone(&world),
        sandbox,
        agent,
        turn: number,
        now,
        looked: 3,
        cpu_left: of(&holds, ResourceId::CPU),
        charges: Vec::new(),
        fault: None,
    };
    sight.bear(charges);
    let begins = Turn { agent: world.name(agent).to_owned(), seq, request };
    let turned = asker.turn(begins, &mut purse, &mut sight).await.map_err(Stopped::Halt)?;
    if let Some(fault) = sight.fault {
        return Err(Stopped::Fault(fault));
    }
    let mut charges = sight.charges;
    charges.extend(purse.charges());
    Ok(thought(turned, charges))
}

fn of(holds: &[Hold], resource: ResourceId) -> Option<i64> {
    holds.iter().find(|hold| hold.resource == resource).map(|hold| hold.amount)
}

fn thought(turned: Turned, charges: Vec<Charge>) -> ModelThought {
    let Turned { end, think, looks, .. } = turned;
    let refused = |refusal: Refusal| Outcome::Refused(Box::new(refusal));
    let (outcome, failed, unanswered) = match end {
        End::Decided(Wish::Act(wanted)) => (Outcome::Done(wanted.written.into()), false, false),
        End::Decided(Wish::Nothing | Wish::Look(_)) => (Outcome::Done(Json::default()), false, false),
        End::Malformed(refusal) => (refused(refusal), true, false),
        End::Frozen(refusal) => (refused(refusal), false, false),
        End::Failed { kind, sentence } => {
            // A key that is not accepted is a failure of one mind only where it alone names the model.
            let is_own = matches!(kind, FailureKind::Length | FailureKind::Refused | FailureKind::Auth);
            (refused(failure(kind, &sentence)), is_own, !is_own)
        }
    };
    let think = Thought::kept(&think.unwrap_or_default());
    let looks = looks.into_iter().map(|(look, _)| look.into()).collect();
    ModelThought { outcome, think, looks, charges, failed, unanswered }
}

/// The refusal of a step whose model gave no answer.
pub(super) fn failure(kind: FailureKind, sentence: &str) -> Refusal {
    let code = match kind {
        FailureKind::RateLimited => Code::RateLimited,
        FailureKind::Timeout => Code::CodeTimeout,
        FailureKind::Server
        | FailureKind::Network
        | FailureKind::Auth
        | FailureKind::Refused
        | FailureKind::Length
        | FailureKind::Invalid => Code::CodeError,
    };
    Refusal::new(code, format!("llm {kind}: {sentence}"))
}

/// A resource of which an amount is set aside for a turn.
struct Account {
    resource: ResourceId,
    /// The rest; none where nothing limits it.
    left: Option<i64>,
    used: i64,
}

/// The amounts that are set aside for the requests of a turn.
struct TurnPurse {
    agent: Handle,
    name: String,
    /// Dollars, tokens and calls, as far as the world names them.
    accounts: [Option<Account>; 3],
}

impl TurnPurse {
    fn amounts(spent: &Spent) -> [i64; 3] {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        [number(spent.cost), number(spent.tokens()), 1]
    }

    fn each(&mut self, amounts: [i64; 3], change: impl Fn(&mut Account, i64)) {
        for (account, amount) in self.accounts.iter_mut().zip(amounts) {
            account.iter_mut().for_each(|account| change(account, amount));
        }
    }

    fn charges(&self) -> Vec<Charge> {
        let used = self.accounts.iter().flatten().filter(|account| account.used > 0);
        used.map(|account| Charge {
            principal: self.agent,
            resource: account.resource,
            amount: account.used,
            work: 0,
            of: Spending::Thought,
        })
        .collect()
    }
}

impl Purse for TurnPurse {
    fn hold(&mut self, worst: &Spent) -> Result<(), Refusal> {
        const NAMES: [&str; 3] = [BUDGET, TOKENS, CALLS];
        let needs = Self::amounts(worst);
        for ((account, need), name) in self.accounts.iter().zip(needs).zip(NAMES) {
            let Some(Account { resource, left: Some(left), .. }) = account else { continue };
            if *left < need {
                let sentence =
                    format!("`{}` may use {left} of `{name}` in this turn and needs {need}", self.name);
                let mut refusal = Refusal::new(Code::InsufficientResource, sentence)
                    .numbers(need, *left)
                    .hint(format!("get some `{name}` by `transfer`"));
                refusal.lack = Some(Lack { principal: self.agent, resource: *resource });
                return Err(refusal);
            }
        }
        self.each(needs, |account, need| account.left = account.left.map(|left| left - need));
        Ok(())
    }

    fn release(&mut self, worst: &Spent) {
        self.each(Self::amounts(worst), |account, need| account.left = account.left.map(|left| left + need));
    }

    fn settle(&mut self, worst: &Spent, told: &Told) {
        self.release(worst);
        self.each(Self::amounts(&told.spent()), |account, used| {
            account.left = account.left.map(|left| left - used);
            account.used = account.used.saturating_add(used);
        });
    }
}

/// The looks of a turn, at the state at which it began.
struct Sight {
    world: Arc<World>,
    sandbox: Arc<dyn Sandbox>,
    agent: Handle,
    turn: u64,
    now: Time,
    looked: u64,
    /// The CPU that is left of what was set aside; none where nothing limits it.
    cpu_left: Option<i64>,
    charges: Vec<Charge>,
    fault: Option<RunError>,
}

impl Sight {
    /// Bears the costs of a look, as far as they were set aside; says whether they were.
    fn bear(&mut self, charges: Vec<Charge>) -> bool {
        let mut is_all = true;
        for mut charge in charges {
            if charge.resource == ResourceId::CPU
                && let Some(left) = &mut self.cpu_left
            {
                is_all &= charge.amount <= *left;
                charge.amount = charge.amount.min(*left);
                *left -= charge.amount;
            }
            let known = self
                .charges
                .iter_mut()
                .find(|known| (known.principal, known.resource) == (charge.principal, charge.resource));
            match known {
                Some(known) => {
                    known.amount = known.amount.saturating_add(charge.amount);
                    known.work = known.work.saturating_add(charge.work);
                }
                None if charge.amount > 0 => self.charges.push(charge),
                None => {}
            }
        }
        is_all
    }

    fn answer(&mut self, look: &Look) -> Value {
        let action = match &look.op {
            Ok(action) => action,
            Err(refusal) => return error(refusal),
        };
        let glance = Glance {
            world: &self.world,
            sandbox: &*self.sandbox,
            agent: self.agent,
            turn: self.turn,
            now: self.now,
        };
        let finished = match glance.look(action, self.looked) {
            Ok(finished) => finished,
            Err(fault) => {
                self.fault.get_or_insert(fault);
                return Value::Null;
            }
        };
        self.looked += 1;
        if !self.bear(finished.charges) {
            let refusal =
                Refusal::new(Code::RateLimited, "the look took more `cpu` than was set aside for looks");
            return error(&refusal.hint("look at less, or act"));
        }
        match finished.outcome {
            Outcome::Done(value) => json!({ "result": value.value() }),
            Outcome::Nothing => json!({ "result": null }),
            Outcome::Refused(refusal) => error(&refusal),
        }
    }
}

fn error(refusal: &Refusal) -> Value {
    json!({ "error": refusal.to_json() })
}

impl Looker for Sight {
    fn look<'a>(&'a mut self, looks: &'a [Look]) -> Later<'a, Vec<Value>> {
        // Code is run here, which takes its time: others are answered meanwhile.
        Box::pin(async move {
            tokio::task::block_in_place(|| looks.iter().map(|look| self.answer(look)).collect())
        })
    }
}
