//! Calls of language models by code (`design/MINDS.md §4a`), answered for a transaction.
//!
//! While the virtual clock stands, nothing else happens before an answer is there. A transaction that is begun again
//! is given the answers that it has had: nobody is asked twice.

use std::sync::Arc;

use super::{Came, CameCall, Had, Models, Opening, Pending, Stopped};
use crate::{error::RunError, stop::Stop};
use oikos_agents::{
    FailureKind, Halt, Message, ModelName, Question, Request, Role, Told, read_answer_as, schema_as_asked,
};
use oikos_kernel::{
    call::{LlmCall, LlmFailure, LlmTold, LlmUse},
    id::Handle,
    limits,
    refusal::{Code, Refusal},
    tape::Purpose,
    transaction::Transaction,
    world::World,
};
use tokio::sync::Notify;

/// Answers calls of language models by code.
pub(crate) trait Answers {
    /// The most that a call may take; or the refusal that the code is told.
    ///
    /// # Errors
    /// When the run has to stop.
    fn worst(&mut self, call: &LlmCall) -> Result<Result<LlmUse, Refusal>, RunError>;

    /// The answer to a call that is made at the state of record `seq`, which may take long; `None` where the action is
    /// to be executed anew when it is there.
    ///
    /// # Errors
    /// When the run has to stop.
    fn answer(&mut self, call: &Arc<LlmCall>, seq: u64) -> Result<Option<LlmTold>, RunError>;

    /// The action whose calls were answered has ended; where it `stands`, its record follows, and otherwise it will
    /// be begun again as if nobody had been asked.
    fn end(&mut self, stands: bool);
}

/// The models of a world that has none.
pub(crate) struct Nobody;

impl Answers for Nobody {
    fn worst(&mut self, _: &LlmCall) -> Result<Result<LlmUse, Refusal>, RunError> {
        let refusal = Refusal::new(Code::Unsupported, "this world has no language models");
        Ok(Err(refusal.hint("the section `[llm]` of the world file names them")))
    }

    fn answer(&mut self, call: &Arc<LlmCall>, _: u64) -> Result<Option<LlmTold>, RunError> {
        let sentence = format!("`{}` calls `{}`, and this world has no language models", call.by, call.model);
        Err(RunError::Unsupported(sentence))
    }

    fn end(&mut self, _: bool) {}
}

/// The models of a world, opened when code first calls one.
pub(crate) struct OnDemand<'a> {
    opening: Opening<'a>,
    models: &'a mut Option<Models>,
    /// The questions of the action under way.
    asked: Vec<Question>,
    /// Whether the action is set aside until an answer is there; if not, it is waited for.
    parks: bool,
    /// The most that the last call may take, and the call for whose answer the action is set aside.
    worst: LlmUse,
    pending: Option<Pending>,
}

impl<'a> OnDemand<'a> {
    pub(crate) fn new(opening: Opening<'a>, models: &'a mut Option<Models>) -> Self {
        let (asked, worst) = (Vec::new(), LlmUse::default());
        Self { opening, models, asked, parks: false, worst, pending: None }
    }

    /// The same for the step of an agent which had answers before, and is set aside for others if it `parks`.
    pub(crate) fn for_step(self, asked: Vec<Question>, parks: bool) -> Self {
        Self { asked, parks, ..self }
    }

    /// All that was asked, and the call that is waited for, where the action is set aside.
    pub(crate) fn into_parts(self) -> (Vec<Question>, Option<Pending>) {
        (self.asked, self.pending)
    }
}

/// Waits for the answer to a question, unless somebody asks to stop.
fn wait(models: &Models, question: Question, stop: &Stop) -> Result<Told, RunError> {
    let stopped = Arc::new(Notify::new());
    let rings = Arc::clone(&stopped);
    let _bell = stop.bell(move || rings.notify_one());
    models.runtime().block_on(async {
        tokio::select! {
            biased;
            told = models.asker.ask(question) => told.map_err(RunError::Halt),
            () = stopped.notified() => Err(RunError::Stopped),
        }
    })
}

impl Models {
    /// Asks for an action that is set aside; the answer comes by [`Models::come`].
    pub(crate) fn call(&self, agent: Handle, pending: Pending) {
        let (asker, sender, bell) = (Arc::clone(&self.asker), self.sender.clone(), Arc::clone(&self.bell));
        let Pending { call, question, .. } = pending;
        self.runtime().spawn(async move {
            let asked = question.clone();
            let told = tokio::spawn(async move { asker.ask(asked).await }).await;
            let told = told.map_or_else(
                |_| {
                    let sentence =
                        format!("internal error: the call of `{}` broke off while it was asked", call.by);
                    Err(Stopped::Fault(RunError::Models(sentence)))
                },
                |told| told.map_err(Stopped::Halt),
            );
            // A loop that does not listen any more has ended.
            let _ = sender.send(Came::Call(Box::new(CameCall { agent, call, question, told })));
            bell();
        });
    }

    /// Gives an action that was set aside the answer that came; or takes back that it was asked for, so that it asks
    /// again.
    pub(crate) fn give(&self, came: CameCall, had: &mut Had, world: &World) -> Result<(), Stopped> {
        let CameCall { call, question, told, .. } = came;
        match told {
            Ok(answer) => {
                let mut told = told_to(&call, answer);
                // It is owed from now on, and costs nothing where it is used.
                let used = std::mem::take(&mut told.used);
                had.owe_answer(world, &used);
                had.kept.push(Kept { call, told, is_used: false });
                Ok(())
            }
            Err(stopped) => {
                self.asker.forget(&question);
                had.asked.retain(|asked| *asked != question);
                Err(stopped)
            }
        }
    }
}

impl Answers for OnDemand<'_> {
    fn worst(&mut self, call: &LlmCall) -> Result<Result<LlmUse, Refusal>, RunError> {
        if !self.opening.names_any() {
            return Nobody.worst(call);
        }
        let models = self.opening.models(self.models)?;
        let request = request(call);
        let halt = match models.asker.worst(&request) {
            Ok(spent) => {
                self.worst = LlmUse { calls: 1, tokens: spent.tokens(), cost: spent.cost };
                return Ok(Ok(self.worst));
            }
            Err(halt) => halt,
        };
        let sentence = match &halt {
            _ if models.asker.stops(&halt, &request.model) => return Err(RunError::Halt(halt)),
            Halt::Unpriced(_) => format!("there is no price for `{}`, so nobody is asked", call.model),
            Halt::Unknown { name, .. } => format!("there is no provider `{name}`"),
            Halt::Miss { .. } | Halt::Provider(_) | Halt::Budget(_) | Halt::Tape(_) => halt.to_string(),
        };
        let hint = "leave `model` out for the world's own; the world file names providers and prices";
        Ok(Err(Refusal::new(Code::Unsupported, sentence).hint(hint)))
    }

    fn answer(&mut self, call: &Arc<LlmCall>, seq: u64) -> Result<Option<LlmTold>, RunError> {
        let models = self.opening.models(self.models)?;
        let question = Question::new(&call.by, seq, Purpose::CallLlm, request(call));
        let question = models.asker.numbered(question);
        self.asked.push(question.clone());
        if self.parks {
            self.pending = Some(Pending { call: Arc::clone(call), question, worst: self.worst });
            return Ok(None);
        }
        wait(models, question, self.opening.stop).map(|told| Some(told_to(call, told)))
    }

    fn end(&mut self, stands: bool) {
        let asked = std::mem::take(&mut self.asked);
        if let Some(models) = self.models.as_ref().filter(|_| !stands) {
            asked.iter().for_each(|question| models.asker.forget(question));
        }
    }
}

/// The request of a call. A schema that strict decoders would turn down stands in words.
#[expect(clippy::expect_used, reason = "the kernel reads the names of models as the request does")]
fn request(call: &LlmCall) -> Request {
    let (words, schema) = match call.schema.as_ref().map(|schema| schema_as_asked(schema.value())) {
        Some(Ok(schema)) => (None, Some(schema)),
        Some(Err(words)) => (Some(words), None),
        None => (None, None),
    };
    let words = words.map(|words| Message::new(Role::System, words));
    let prompt = Message::new(Role::User, call.prompt.as_str());
    Request {
        model: ModelName::parse(&call.model).expect("the model of a call has a provider and a name"),
        messages: words.into_iter().chain([prompt]).collect(),
        schema,
        max_output_tokens: call.max_output_tokens,
        temperature: None,
        seed: None,
    }
}

/// The answer as the code is told it.
fn told_to(call: &LlmCall, told: Told) -> LlmTold {
    let spent = told.spent();
    let used = LlmUse { calls: 1, tokens: spent.tokens(), cost: spent.cost };
    let failed = |kind, sentence| Err(LlmFailure { kind, sentence });
    let outcome = match (told.row.failure, &call.schema) {
        (None, None) => Ok(told.row.answer.into()),
        (None, Some(schema)) => {
            let read = read_answer_as(schema.value(), &told.row.answer);
            read.or_else(|sentence| failed(FailureKind::Invalid, sentence))
        }
        (Some(kind @ FailureKind::Length), _) => {
            let most = call.max_output_tokens;
            failed(
                kind,
                format!(
                    "the answer was cut at {most} tokens; a larger `max_output_tokens` has room for more"
                ),
            )
        }
        (Some(kind), _) => failed(kind, told.row.answer),
    };
    LlmTold { outcome, used }
}

/// The answers of one action, however often it is begun: each call has its own by what it asks and by how often it
/// asked that before.
pub(crate) struct Given<'a> {
    answers: &'a mut dyn Answers,
    had: &'a mut Had,
}

/// An answer that an action has had.
#[derive(Debug)]
pub(crate) struct Kept {
    call: Arc<LlmCall>,
    pub(super) told: LlmTold,
    /// Whether this run has had it.
    pub(super) is_used: bool,
}

impl<'a> Given<'a> {
    /// The answers that it has had, and whoever gives others.
    pub(crate) fn new(answers: &'a mut dyn Answers, had: &'a mut Had) -> Self {
        Self { answers, had }
    }

    /// The action is begun, or begun again.
    pub(crate) fn begin(&mut self) {
        self.had.begin();
    }

    /// The most that a call may take: of an answer that is there and charged, nothing.
    ///
    /// # Errors
    /// As [`Answers::worst`].
    pub(crate) fn worst(&mut self, call: &LlmCall) -> Result<Result<LlmUse, Refusal>, RunError> {
        if let Some(kept) = self.had.kept.iter().find(|kept| !kept.is_used && *kept.call == *call)
            && kept.told.used == LlmUse::default()
        {
            return Ok(Ok(LlmUse::default()));
        }
        let (count, most) = (self.had.kept.len(), limits::LLM_CALLS_PER_ACTION_MAX as usize);
        if count >= most {
            let sentence =
                format!("an action may call language models {most} times, however often it is begun");
            let refusal = Refusal::beyond_limit(sentence, count + 1, most);
            return Ok(Err(refusal.hint("ask for what does not change while the answer is awaited")));
        }
        self.answers.worst(call)
    }

    /// The action is dropped until an answer is there.
    pub(crate) fn dropped(&mut self, transaction: &Transaction<'_>) {
        self.had.drop_run(transaction.call_bearing(), transaction.cpu_so_far());
    }

    /// The answer that a call has had, or the one that it is given now; `None` where the action waits for it.
    ///
    /// # Errors
    /// As [`Answers::answer`].
    pub(crate) fn answer(&mut self, call: Arc<LlmCall>, seq: u64) -> Result<Option<LlmTold>, RunError> {
        if let Some(kept) = self.had.kept.iter_mut().find(|kept| !kept.is_used && kept.call == call) {
            kept.is_used = true;
            return Ok(Some(kept.told.clone()));
        }
        let Some(told) = self.answers.answer(&call, seq)? else { return Ok(None) };
        self.had.kept.push(Kept { call, told: told.clone(), is_used: true });
        Ok(Some(told))
    }

    /// The action has ended, for good if it `stands`.
    pub(crate) fn end(self, stands: bool) {
        self.answers.end(stands);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers its answers.
    struct Numbered(u64);

    impl Answers for Numbered {
        fn worst(&mut self, _: &LlmCall) -> Result<Result<LlmUse, Refusal>, RunError> {
            Ok(Ok(LlmUse::default()))
        }

        fn answer(&mut self, _: &Arc<LlmCall>, _: u64) -> Result<Option<LlmTold>, RunError> {
            self.0 += 1;
            Ok(Some(LlmTold { outcome: Ok(self.0.into()), used: LlmUse::default() }))
        }

        fn end(&mut self, _: bool) {}
    }

    #[test]
    fn an_action_that_is_begun_again_has_the_answers_that_it_had() {
        let call = |prompt: &str| {
            Arc::new(LlmCall {
                by: "a".into(),
                model: "local::m".into(),
                prompt: prompt.into(),
                schema: None,
                max_output_tokens: 9,
            })
        };
        let mut answers = Numbered(0);
        let mut had = Had::default();
        let mut given = Given::new(&mut answers, &mut had);
        let mut ask = |prompts: &str| {
            given.begin();
            let each = prompts
                .split(' ')
                .map(|prompt| given.answer(call(prompt), 7).unwrap().unwrap().outcome.unwrap());
            each.map(|answer| answer.to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ask("x x y"), "1 2 3");
        // Lost before its end, and the same again; one more call is a new one.
        assert_eq!(ask("x x y x"), "1 2 3 4");
        // On another state it may ask something else first.
        assert_eq!(ask("z y x x"), "5 3 1 2");
        assert_eq!(answers.0, 5);
    }
}
