//! Calls of language models by code: their place, their means, their answers.
//!
//! A call is borne by whoever bears the code's CPU. The most that it may take must be there before anybody is asked;
//! the use of it stays charged though the action fails.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Need, Next, Transaction,
    host::Args,
    meter,
    stack::{Actor, Mode, Task},
};
use crate::{
    call::{LlmCall, LlmFailure, LlmTold, LlmUse},
    code::HostCall,
    host_fn::Function,
    interface,
    json::{self, Json, Unfit, text_bytes},
    limits,
    mind::check_model,
    op::{Natural, Text},
    record::{Charge, Handle, Spending},
    refusal::{Code, Refusal},
    rules::ResourceId,
    tape::FailureKind,
};

impl Transaction<'_> {
    /// Begins a call of a language model.
    pub(super) fn call_llm(&mut self, actor: Actor, call: HostCall) -> Next {
        match self.begin_call(actor, call) {
            Ok(call) => {
                let call = Arc::new(call);
                self.call = Some(Arc::clone(&call));
                Next::Need(Need::Worst(call))
            }
            Err(refusal) => self.answer(Err(refusal)),
        }
    }

    fn begin_call(&mut self, actor: Actor, call: HostCall) -> Result<LlmCall, Refusal> {
        self.call_bearer(actor)?;
        let (function, most) = (Function::CallLlm, limits::LLM_CALLS_PER_ACTION_MAX);
        self.llm_calls = self.llm_calls.saturating_add(1);
        if self.llm_calls > most {
            let sentence = format!("an action may call language models {most} times");
            let refusal = Refusal::new(Code::LimitExceeded, sentence);
            return Err(refusal
                .numbers(i64::from(self.llm_calls), i64::from(most))
                .hint("do the rest in another action"));
        }
        let mut args = Args::of(function.as_str(), function.spec(), call)?;
        let prompt = args.take::<Text>("prompt")?.0;
        self.look(actor, meter::bytes(prompt.len()))?;
        check_prompt(&prompt)?;
        let named = args.take::<Option<Text>>("model")?.map(|text| text.0);
        let model = self.model(named)?;
        let tokens = args.take::<Option<Natural>>("max_output_tokens")?;
        let max_output_tokens = output_tokens(tokens.map_or(limits::OUTPUT_TOKENS, |tokens| tokens.0))?;
        let schema = args.value("schema").map(|schema| self.schema(actor, schema)).transpose()?;
        let by = self.shared_name(actor.me).unwrap_or_default();
        Ok(LlmCall { by, model, prompt, schema, max_output_tokens })
    }

    /// The bearer of a call: that of the code's CPU, where something is done and not only looked at.
    fn call_bearer(&self, actor: Actor) -> Result<Handle, Refusal> {
        let hint = "call it in a method that is invoked, or in what `step` returns";
        let refused = |sentence: &str| Err(Refusal::new(Code::PermissionDenied, sentence).hint(hint));
        match actor.bearer.resources {
            _ if self.trial.is_some() => refused("code that is tried can't call a language model"),
            Some(bearer) if self.actor.mode == Mode::Act => Ok(bearer),
            Some(_) | None => refused("`call_llm` is a part of an action, and this code only looks"),
        }
    }

    /// The model that a call means.
    fn model(&self, named: Option<String>) -> Result<String, Refusal> {
        let Some(model) = named.or_else(|| self.draft.world().rules().llm_model.clone()) else {
            let refusal = Refusal::invalid("`model` is missing, and this world names none");
            return Err(refusal.hint("name one as `PROVIDER::MODEL`"));
        };
        match check_model(&model) {
            Ok(()) => Ok(model),
            Err(problem) => {
                Err(Refusal::invalid(format!("`model` {problem}")).hint("write `PROVIDER::MODEL`"))
            }
        }
    }

    fn schema(&self, actor: Actor, schema: Value) -> Result<Json, Refusal> {
        let (size, most) = (text_bytes(&schema), limits::SCHEMA_BYTES_MAX);
        self.look(actor, meter::bytes(size))?;
        if size > most {
            return Err(Refusal::beyond_limit(format!("`schema` has more than {most} bytes"), size, most));
        }
        interface::check_schema("schema", &schema)?;
        Ok(schema.into())
    }

    /// Goes on when the most that a call may take is known.
    #[expect(clippy::expect_used, reason = "a call is weighed while it is under way")]
    pub(super) fn call_weighed(&mut self, worst: Result<LlmUse, Refusal>) -> Next {
        let call = self.call.clone().expect("the call that is weighed is under way");
        let Some(actor) = self.top_code().map(|task| task.actor) else {
            return Next::Root;
        };
        match worst.and_then(|worst| self.check_means(actor, &worst)) {
            Ok(()) => Next::Need(Need::Ask(call)),
            Err(refusal) => {
                self.call = None;
                self.answer(Err(refusal))
            }
        }
    }

    /// The resources of a use that the world names.
    fn means(&self, used: &LlmUse) -> Vec<(ResourceId, i64)> {
        let amount = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let all = [
            (ResourceId::LLM_CALLS, amount(used.calls)),
            (ResourceId::LLM_TOKENS, amount(used.tokens)),
            (ResourceId::LLM_BUDGET, amount(used.cost)),
        ];
        let rules = self.draft.world().rules();
        all.into_iter().filter_map(|(name, amount)| Some((rules.resource(name)?, amount))).collect()
    }

    /// Refuses a call whose worst case its bearer could not be charged, or has not agreed to.
    fn check_means(&self, actor: Actor, worst: &LlmUse) -> Result<(), Refusal> {
        let (bearer, means) = (self.call_bearer(actor)?, self.means(worst));
        self.draft.has_room_for_charges(means.len()).map_err(|guard| self.refusal(guard))?;
        for (resource, amount) in means {
            if self.draft.chargeable(bearer, resource) < amount {
                return Err(self.shortage(bearer, resource, amount));
            }
            self.check_agreed(bearer, resource, amount)?;
        }
        Ok(())
    }

    /// Goes on when a call is answered.
    #[expect(clippy::expect_used, reason = "a call is answered while it is under way")]
    pub(super) fn call_told(&mut self, told: LlmTold) -> Next {
        let call = self.call.take().expect("the call that is answered is under way");
        let Some(actor) = self.top_code().map(|task| task.actor) else {
            return Next::Root;
        };
        self.charge_call(actor, &told.used);
        match told.outcome {
            Ok(value) => match self.check_answer(actor, &call, &value) {
                Ok(Ok(())) => self.answer(Ok(value)),
                Ok(Err(failure)) => self.call_failed(&failure),
                Err(refusal) => self.answer(Err(refusal)),
            },
            Err(failure) => self.call_failed(&failure),
        }
    }

    /// Charges the use of a call. An answer that was recorded at another price than the one that was weighed takes no
    /// more than there is.
    fn charge_call(&mut self, actor: Actor, used: &LlmUse) {
        let Some(bearer) = actor.bearer.resources else { return };
        let of = Spending::Llm(actor.me.filter(|me| self.draft.exists_before(*me)));
        for (resource, amount) in self.means(used) {
            let agreed = self.agreed_left(bearer, resource).map_or(i64::MAX, |(left, _)| left);
            let amount = amount.min(self.draft.chargeable(bearer, resource)).min(agreed);
            if amount > 0 {
                self.consume(Charge { principal: bearer, resource, amount, work: 0, of });
            }
        }
    }

    /// The bearer of the call that is under way, and as what it is charged.
    #[must_use]
    pub fn call_bearing(&self) -> Option<(Handle, Spending)> {
        let Some(Task::Code(task)) = self.stack.last() else { return None };
        let bearer = task.actor.bearer.resources?;
        Some((bearer, Spending::Llm(task.actor.me.filter(|me| self.draft.exists_before(*me)))))
    }

    /// The CPU that is charged so far, the thought before the action apart.
    #[must_use]
    pub fn cpu_so_far(&self) -> Vec<Charge> {
        let cpu = |charge: &&Charge| {
            charge.resource == ResourceId::CPU && charge.amount > 0 && charge.of != Spending::Thought
        };
        self.draft.charges().iter().filter(cpu).copied().collect()
    }

    /// Whether an answer is what the call asked for; the outer error is that of work that nobody can bear.
    fn check_answer(
        &self,
        actor: Actor,
        call: &LlmCall,
        value: &Value,
    ) -> Result<Result<(), LlmFailure>, Refusal> {
        let invalid = |sentence: String| Ok(Err(LlmFailure { kind: FailureKind::Invalid, sentence }));
        let (size, most) = (text_bytes(value), limits::RESULT_BYTES_MAX);
        if size > most {
            return invalid(format!("the answer has {size} bytes, and the most is {most}"));
        }
        let Some(schema) = &call.schema else { return Ok(Ok(())) };
        match json::check(value) {
            Ok(()) => {}
            Err(Unfit::Deep) => {
                return invalid(format!("the answer nests deeper than {} levels", limits::JSON_DEPTH_MAX));
            }
            Err(Unfit::Integer { number, .. }) => {
                return invalid(format!("the answer holds {number}, which 64 bits don't"));
            }
        }
        match interface::fit("answer", schema.value(), value, &|parts| self.look(actor, parts)) {
            Ok(()) => Ok(Ok(())),
            Err(refusal) if refusal.code == Code::InvalidArgument => invalid(refusal.message),
            Err(refusal) => Err(refusal),
        }
    }

    /// Raises the failure of a call. Its text begins with `llm` and the kind, so that code can tell it apart.
    fn call_failed(&mut self, failure: &LlmFailure) -> Next {
        let refusal = Refusal::new(Code::CodeError, failure.to_string());
        self.answer_in(Err(refusal), |refusal| refusal.message.clone())
    }
}

fn check_prompt(prompt: &str) -> Result<(), Refusal> {
    let (size, most) = (prompt.len(), limits::PROMPT_BYTES_MAX);
    if size > most {
        return Err(Refusal::beyond_limit(format!("`prompt` has more than {most} bytes"), size, most)
            .hint("give the model the part that matters"));
    }
    if prompt.trim().is_empty() {
        return Err(Refusal::invalid("`prompt` is empty").hint("say what the model is to answer"));
    }
    Ok(())
}

fn output_tokens(tokens: i64) -> Result<u32, Refusal> {
    let most = limits::OUTPUT_TOKENS_MAX;
    if tokens < 1 {
        return Err(Refusal::invalid("`max_output_tokens` must be at least 1"));
    }
    let sentence = || format!("`max_output_tokens` may be {most} at most");
    let fits = u32::try_from(tokens).ok().filter(|_| tokens <= most);
    fits.ok_or_else(|| Refusal::new(Code::LimitExceeded, sentence()).numbers(tokens, most))
}
