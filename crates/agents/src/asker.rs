//! The one front to models: the tape first, then the budget, then the provider, then the tape again.
//!
//! All that it gives is on disk. It holds no world: the state at which something was asked is a number, and the time of
//! the wall is handed in.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use oikos_kernel::{
    tape::{FailureKind, Origin, Purpose, Taped},
    time::Time,
};
use tokio::time::Instant;

use crate::{
    budget::{Budget, Exhausted, Held},
    outcome::{Answer, Billed, Failure, Stop, Usage},
    prices::{Place, Price, Prices, Spent, Unpriced},
    provider::Provider,
    request::{ModelName, Request, RequestHash},
    tape::{Tape, TapeFault, TapeMode, difference},
};

/// A provider as the asker knows it.
#[derive(Clone)]
pub struct Asked {
    /// The gate before it.
    pub provider: Arc<dyn Provider>,
    /// Where it is, as far as prices hang on it.
    pub place: Place,
}

/// A question: a request with all that its row on the tape says.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    agent: String,
    seq: u64,
    purpose: Purpose,
    request: Request,
    n: u64,
    canonical: String,
    hash: RequestHash,
}

impl Question {
    /// A question by an agent, or by the artifact whose code calls, at the state of record `seq`.
    #[must_use]
    pub fn new(agent: &str, seq: u64, purpose: Purpose, request: Request) -> Self {
        let canonical = request.canonical();
        let hash = crate::request::hash(&canonical);
        Self { agent: agent.into(), seq, purpose, request, n: 0, canonical, hash }
    }

    /// Its request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The hash of its request.
    #[must_use]
    pub fn hash(&self) -> &RequestHash {
        &self.hash
    }

    /// The same as the `n`-th asking of its request by its agent, counted from 0; see [`Asker::numbered`].
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        Self { n, ..self }
    }
}

/// The outcome of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its row, which is on the tape.
    pub row: Taped,
    /// Whether it was on the tape before, so that nobody was paid.
    pub is_replayed: bool,
}

impl Told {
    /// Its tokens and micro-dollars.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Self::spent_on(&self.row)
    }

    fn spent_on(row: &Taped) -> Spent {
        let Taped { tokens_in, tokens_cached, tokens_out, cost, .. } = *row;
        Spent { usage: Usage { tokens_in, tokens_cached, tokens_out }, cost }
    }
}

/// Why a run has to stop. Nothing of the question is on the tape, so that it can be asked again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The tape lacks an answer, and nobody may be asked.
    #[error("the tape has no answer for `{agent}`, and `replay` asks nobody: {difference}")]
    Miss {
        /// The asker.
        agent: String,
        /// The difference from the nearest request that is on the tape.
        difference: String,
    },
    /// No provider has the name.
    #[error("there is no provider `{name}` for the model `{model}`; declare it as [llm.providers.{name}]")]
    Unknown {
        /// The provider.
        name: String,
        /// The model that names it.
        model: ModelName,
    },
    /// A provider without a key where one is needed, or whatever else would fail for everybody.
    #[error("{0}")]
    Provider(String),
    /// Nobody knows the price.
    #[error(transparent)]
    Unpriced(#[from] Unpriced),
    /// The money for it is spent.
    #[error(transparent)]
    Budget(#[from] Exhausted),
    /// The tape can't be read or written.
    #[error(transparent)]
    Tape(#[from] TapeFault),
}

impl Halt {
    /// Whether it is about one model alone.
    const fn is_of_model(&self) -> bool {
        match self {
            Self::Unknown { .. } | Self::Provider(_) | Self::Unpriced(_) => true,
            Self::Miss { .. } | Self::Budget(_) | Self::Tape(_) => false,
        }
    }

    /// Whether it is the orderly end of a budget rather than a fault.
    #[must_use]
    pub const fn is_budget(&self) -> bool {
        match self {
            Self::Budget(_) => true,
            Self::Miss { .. }
            | Self::Unknown { .. }
            | Self::Provider(_)
            | Self::Unpriced(_)
            | Self::Tape(_) => false,
        }
    }
}

type Clock = dyn Fn() -> Time + Send + Sync;

/// All that asks models for one world.
pub struct Asker {
    providers: HashMap<String, Asked>,
    prices: Prices,
    tape: Arc<dyn Tape>,
    mode: TapeMode,
    /// The most that the world may cost, replayed or not.
    budget: Budget,
    /// The most that this run may cost in truth.
    cap: Budget,
    now: Box<Clock>,
    numbers: Mutex<HashMap<(String, RequestHash), u64>>,
    /// The models that the world file names; none are told of where each counts as one.
    named: Option<HashSet<ModelName>>,
}

impl Asker {
    /// An asker with these providers by their names. `now` reads the clock of the wall.
    pub fn new(
        providers: impl IntoIterator<Item = (String, Asked)>,
        prices: Prices,
        tape: Arc<dyn Tape>,
        mode: TapeMode,
        now: impl Fn() -> Time + Send + Sync + 'static,
    ) -> Self {
        Self {
            providers: providers.into_iter().collect(),
            prices,
            tape,
            mode,
            budget: Budget::default(),
            cap: Budget::default(),
            now: Box::new(now),
            numbers: Mutex::default(),
            named: None,
        }
    }

    /// The same with a budget of the world, of which so much is spent already.
    #[must_use]
    pub fn with_budget(self, limit: Option<u64>, spent: u64) -> Self {
        Self { budget: Budget::new(limit, spent), ..self }
    }

    /// The same with a cap on what this run may truly cost.
    #[must_use]
    pub fn with_cap(self, limit: Option<u64>) -> Self {
        Self { cap: Budget::new(limit, 0), ..self }
    }

    /// The same in a world that goes on: how often each agent has asked each request so far.
    #[must_use]
    pub fn with_numbers(self, asked: impl IntoIterator<Item = ((String, RequestHash), u64)>) -> Self {
        Self { numbers: Mutex::new(asked.into_iter().collect()), ..self }
    }

    /// The same in a world whose file names these models: any other that can't be asked fails those who name it, and
    /// stops nobody else.
    #[must_use]
    pub fn with_named(self, models: impl IntoIterator<Item = ModelName>) -> Self {
        Self { named: Some(models.into_iter().collect()), ..self }
    }

    /// Whether a halt for a request of a model stops the run. If not, it is the failure of whoever named the model.
    #[must_use]
    pub fn stops(&self, halt: &Halt, model: &ModelName) -> bool {
        !halt.is_of_model() || self.named.as_ref().is_none_or(|named| named.contains(model))
    }

    /// Micro-dollars of the world so far, and those that this run truly paid.
    #[must_use]
    pub fn spent(&self) -> (u64, u64) {
        (self.budget.spent(), self.cap.spent())
    }

    /// The question with the number of its asking. It counts: call it once for each question.
    #[must_use]
    pub fn numbered(&self, question: Question) -> Question {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let next = numbers.entry((question.agent.clone(), question.hash)).or_default();
        let n = *next;
        *next += 1;
        question.nth(n)
    }

    /// Takes back that a question was numbered, if no other has been since: nothing came of it, and it will be asked
    /// again.
    pub fn forget(&self, question: &Question) {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let next = numbers.get_mut(&(question.agent.clone(), question.hash));
        if let Some(next) = next.filter(|next| **next == question.n + 1) {
            *next = question.n;
        }
    }

    /// The most that a request can cost: to be reserved by whoever pays for it in the world. A replayed one
    /// is charged as recorded, which may be another price.
    ///
    /// # Errors
    /// When its provider or price is unknown.
    pub fn worst(&self, request: &Request) -> Result<Spent, Halt> {
        self.asked(request).map(|(_, price)| price.worst(request))
    }

    fn asked(&self, request: &Request) -> Result<(&Asked, Price), Halt> {
        let model = &request.model;
        let unknown = || Halt::Unknown { name: model.provider.clone(), model: model.clone() };
        let asked = self.providers.get(&model.provider).ok_or_else(unknown)?;
        Ok((asked, self.prices.of(model, asked.place)?))
    }

    /// The row of a question that was asked before. Where all is to be asked anew, only one that this world has asked
    /// at this very state: the action or the turn was cut short, and goes on with what it has paid for.
    fn found(&self, question: &Question) -> Result<Option<Taped>, Halt> {
        let found = self.tape.find(&question.agent, &question.hash, question.n)?;
        let is_own = |row: &Taped| row.origin == Origin::Asked && row.seq == question.seq;
        Ok(found.filter(|row| self.mode != TapeMode::Record || is_own(row)))
    }

    /// The row of a question, if it was asked before, and the most that it can cost: to be reserved by whoever pays for
    /// it in the world. The same is reserved whether the answer is on the tape or not, so that a replay goes as what
    /// it replays; a recorded cost is charged as it was, whatever models cost today.
    ///
    /// # Errors
    /// When the tape can't be read, or lacks the row and nobody may be asked, or nobody knows the price.
    pub fn known(&self, question: &Question) -> Result<(Option<Taped>, Spent), Halt> {
        let found = self.found(question)?;
        let recorded = found.as_ref().map(Told::spent_on);
        let most = match (self.worst(&question.request), recorded) {
            (Ok(_), None) if self.mode == TapeMode::Replay => {
                let Question { agent, request, n, .. } = question;
                let difference = difference(&*self.tape, agent, request, *n)?;
                return Err(Halt::Miss { agent: agent.clone(), difference });
            }
            (Ok(worst), None) => worst,
            (Ok(worst), Some(recorded)) => worst.or_more(&recorded),
            (Err(_), Some(recorded)) => recorded,
            (Err(unknown), None) => return Err(unknown),
        };
        Ok((found, most))
    }

    /// Asks, unless the tape has the answer. A failure of the provider is an outcome like others, with its row.
    ///
    /// # Errors
    /// When the run has to stop.
    pub async fn ask(&self, question: Question) -> Result<Told, Halt> {
        let (found, most) = self.known(&question)?;
        self.ask_or_take(question, found, &most).await
    }

    /// Takes the row that was found on the tape, or asks.
    ///
    /// # Errors
    /// When the run has to stop.
    pub async fn ask_or_take(
        &self,
        question: Question,
        found: Option<Taped>,
        most: &Spent,
    ) -> Result<Told, Halt> {
        if let Some(mut row) = found {
            let is_internal = self.asked(&question.request).is_ok_and(|(_, price)| price.internal);
            // The budget knows of a row since it was asked here, or was first used here.
            let is_counted = row.origin != Origin::Imported;
            let dollars = |cost: u64| if is_internal || is_counted { 0 } else { cost };
            let held = self.budget.hold(dollars(most.cost)).await?;
            if row.take(question.seq) {
                self.tape.take(&row, question.seq).await?;
            }
            held.settle(dollars(row.cost));
            return Ok(Told { row, is_replayed: true });
        }
        let (asked, price) = self.asked(&question.request)?;
        let worst = price.worst(&question.request);
        let dollars = if price.internal { 0 } else { worst.cost };
        let held = (self.budget.hold(dollars).await?, self.cap.hold(dollars).await?);
        let (asked_at, begin) = ((self.now)(), Instant::now());
        let outcome = asked.provider.ask(&question.request).await;
        let latency_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (failure, answer, billed) = match outcome {
            Ok(Answer { text, stop: Stop::End, billed }) => (None, text, billed),
            Ok(Answer { text, stop: Stop::Length, billed }) => (Some(FailureKind::Length), text, billed),
            Err(Failure { kind, sentence, billed, is_fatal, .. }) => {
                let halt = Halt::Provider(sentence.clone());
                if is_fatal && self.stops(&halt, &question.request.model) {
                    // All would meet it: the question stays open.
                    return Err(halt);
                }
                (Some(kind), sentence, billed)
            }
        };
        let spent = price.settled(&question.request, within(billed, &worst));
        let times = (asked_at, (self.now)(), latency_ms);
        let row = row(question, failure, answer, &spent, times);
        self.tape.put(row.clone()).await?;
        settle(held, if price.internal { 0 } else { spent.cost });
        Ok(Told { row, is_replayed: false })
    }
}

/// A bill within what was reserved: a provider that counts more is charged no further.
fn within(billed: Billed, worst: &Spent) -> Billed {
    let Billed::Counted(usage) = billed else { return billed };
    let tokens_in = usage.tokens_in.min(worst.usage.tokens_in);
    Billed::Counted(Usage {
        tokens_in,
        tokens_cached: usage.tokens_cached.min(tokens_in),
        tokens_out: usage.tokens_out.min(worst.usage.tokens_out),
    })
}

fn settle((budget, cap): (Held<'_>, Held<'_>), cost: u64) {
    budget.settle(cost);
    cap.settle(cost);
}

fn row(
    question: Question,
    failure: Option<FailureKind>,
    answer: String,
    spent: &Spent,
    (asked_at, answered_at, latency_ms): (Time, Time, u64),
) -> Taped {
    Taped {
        hash: question.hash,
        n: question.n,
        seq: question.seq,
        agent: question.agent,
        purpose: question.purpose,
        provider: question.request.model.provider,
        model: question.request.model.model,
        request: question.canonical,
        failure,
        answer,
        tokens_in: spent.usage.tokens_in,
        tokens_cached: spent.usage.tokens_cached,
        tokens_out: spent.usage.tokens_out,
        cost: spent.cost,
        latency_ms,
        asked_at,
        answered_at,
        origin: Origin::Asked,
    }
}
