//! Questions to an agent from outside: its own model answers, as the agent that it is at a record, and nothing of the
//! world changes. The answers are on a tape of their own, in a file beside the world.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use oikos_agents::{
    Asker, DEFAULT_TEMPLATE, Halt, Later, MemoryTape, Message, ModelName, Question, Request, RequestHash,
    Role, Tape, TapeFault, Template, Told, View,
};
use oikos_journal::{Journal, TapeFile};
use oikos_kernel::{
    id::Handle,
    mind::{LlmMind, Mind},
    op::Action,
    record::Outcome,
    refusal::{Code, Refusal},
    tape::{FailureKind, Purpose, Taped},
    world::World,
};
use serde_json::{Value, json};

use super::{
    brief::{Glance, shown},
    prices, providers,
};
use crate::{
    clock::machine_now,
    error::RunError,
    past::{recorded, state_at},
    when::When,
    workplace::Workplace,
};

/// The template of the second part of a question's request; the first is the agent's own.
const INTERVIEW: &str = include_str!("../../../../genesis/prompts/interview.md");
/// Bytes of a question.
pub const QUESTION_BYTES_MAX: usize = 8 * 1024;
/// Bytes of the reasons, and of the action, of one of the turns that an agent is shown.
const PART_BYTES_MAX: usize = 800;

/// A question from outside.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The agent.
    pub agent: &'a str,
    /// The question, in words.
    pub question: &'a str,
    /// The moment at which the world is looked at; its end where none is named.
    pub at: Option<When>,
    /// The file with the answers so far; it is made when the first comes.
    pub tape: &'a Path,
}

/// The answer to a question from outside.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Its row, which is in the file.
    pub row: Taped,
    /// Whether it was in the file before: nobody was paid.
    pub is_replayed: bool,
}

/// The file beside a world with the answers to questions from outside.
#[must_use]
pub fn ask_tape(world: &Path) -> PathBuf {
    let mut name = world.as_os_str().to_owned();
    name.push(".ask.jsonl");
    name.into()
}

/// Asks an agent a question. A question that can't be put is a refusal.
///
/// # Errors
/// When the journal can't be read, or the model can't be asked or gives no answer.
pub fn ask(
    workplace: &Workplace,
    journal: &Journal,
    ask: &Ask<'_>,
) -> Result<Result<Answered, Refusal>, RunError> {
    let seq = match ask.at.map_or_else(|| Ok(Ok(journal.head().seq)), |at| at.seq(journal))? {
        Ok(seq) => seq,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let world = state_at(journal, seq)?;
    let (agent, mind) = match asked(&world, ask) {
        Ok(asked) => asked,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let plan = recorded(journal)?.plan;
    let request = {
        let (interpreter, _) = workplace.interpreter(&plan)?;
        let sandbox = &*interpreter.sandbox;
        let glance = Glance { world: &world, sandbox, agent, turn: 0, now: world.now() };
        match request(&glance, &mind, ask.question)? {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
    let tape = Arc::new(AskTape::open(ask.tape)?);
    let question = Question::new(ask.agent, seq, Purpose::Ask, request);
    let n = tape.next(ask.agent, question.hash()).map_err(|fault| RunError::Halt(fault.into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let access = &workplace.access;
    let mode = access.tape.unwrap_or(plan.llm.tape);
    let now = || machine_now().unwrap_or_default();
    let asker = Asker::new(providers(access, &plan.llm, None)?, prices(&plan.llm), tape, mode, now);
    let asker = asker.with_cap(access.max_cost);
    drop(inside);
    match runtime.block_on(asker.ask(question.nth(n))) {
        Ok(Told { row, is_replayed }) => match row.failure {
            None | Some(FailureKind::Length) => Ok(Ok(Answered { row, is_replayed })),
            Some(kind) => Err(RunError::Models(format!("llm {kind}: {}", row.answer))),
        },
        Err(Halt::Budget(exhausted)) => {
            let refusal = Refusal::new(Code::BudgetExhausted, exhausted.to_string());
            Ok(Err(refusal.hint("`--max-cost` is the most that the answer may cost")))
        }
        Err(halt) => Err(RunError::Halt(halt)),
    }
}

/// The agent who is asked, and its mind.
fn asked(world: &World, ask: &Ask<'_>) -> Result<(Handle, LlmMind), Refusal> {
    if ask.question.trim().is_empty() || ask.question.len() > QUESTION_BYTES_MAX {
        let sentence = format!("a question has 1 to {QUESTION_BYTES_MAX} bytes");
        return Err(Refusal::invalid(sentence));
    }
    let shown: String = ask.agent.chars().take(128).collect();
    let found = world.lookup(ask.agent).filter(|agent| {
        world.agent(*agent).is_some() && world.get(*agent).is_some_and(|artifact| !artifact.is_deleted())
    });
    let Some(agent) = found else {
        let refusal =
            Refusal::new(Code::NotFound, format!("there is no agent {shown:?} at record {}", world.seq()));
        return Err(refusal.hint("`oikos inspect WORLD agents` lists them"));
    };
    let content = world.get(agent).map(|artifact| artifact.content());
    match content.map(|content| Mind::of(content, world.rules().llm_model.as_deref())) {
        Some(Ok(Mind::Llm(mind))) => Ok((agent, *mind)),
        Some(Err(refusal)) => Err(refusal),
        Some(Ok(Mind::Script | Mind::External { .. })) | None => {
            let sentence = format!("`{shown}` has no language model that could answer");
            Err(Refusal::invalid(sentence).hint("`oikos inspect WORLD agents` tells the mind of each"))
        }
    }
}

/// The request of a question: the agent's own first message, and one that asks. The inner refusal is that of a template
/// which can't be rendered.
fn request(
    glance: &Glance<'_>,
    mind: &LlmMind,
    question: &str,
) -> Result<Result<Request, Refusal>, RunError> {
    let (world, agent) = (glance.world, glance.agent);
    let observation = world.observation(agent, glance.now, world.population());
    let seen = |query: Value, at: u64| -> Result<Value, RunError> {
        let Ok(look) = Action::parse(query) else { return Ok(Value::Null) };
        Ok(match glance.look(&look, at)?.outcome {
            Outcome::Done(rows) => rows.value().clone(),
            Outcome::Nothing | Outcome::Refused(_) => Value::Null,
        })
    };
    let turns = newest_first(&seen(json!({ "op": "query", "what": "history" }), 0)?);
    let (mut pinned, mut memory) = (None, None);
    if world.has_memory(agent) {
        pinned = shown(&seen(json!({ "op": "query", "what": "recall", "tags": ["pinned"] }), 1)?);
        let recall =
            json!({ "op": "query", "what": "recall", "text": question, "limit": mind.recall.max(1) });
        memory = shown(&seen(recall, 2)?);
    }
    let owned = world.brief(agent).owned;
    let view = View {
        observation: Some(&observation),
        prompt: &mind.prompt,
        owned: Some(&owned).filter(|owned| !owned.is_null()),
        digest: turns.as_ref(),
        pinned: pinned.as_ref(),
        memory: memory.as_ref(),
        ..View::default()
    };
    let rendered = |template: &str| Template::new(template).and_then(|template| template.render(&view));
    let own = rendered(mind.template.as_deref().unwrap_or(DEFAULT_TEMPLATE));
    let texts = own.and_then(|own| Ok((own.system, rendered(INTERVIEW)?.user)));
    let (system, facts) = match texts {
        Ok(texts) => texts,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(model) = ModelName::parse(&mind.model) else {
        return Ok(Err(Refusal::invalid(format!("`{}` names no model", mind.model))));
    };
    Ok(Ok(Request {
        model,
        messages: vec![
            Message::new(Role::System, system),
            Message::new(Role::User, format!("{facts}\n\n## The question\n{}", question.trim())),
        ],
        schema: None,
        max_output_tokens: mind.max_output_tokens,
        temperature: mind.temperature,
        seed: mind.seed,
    }))
}

/// Turns as they are shown, long parts cut; none where there are none.
fn newest_first(turns: &Value) -> Option<Value> {
    let cut = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if text.len() <= PART_BYTES_MAX {
            return value.clone();
        }
        let end = text.floor_char_boundary(PART_BYTES_MAX);
        Value::from(format!("{} …", text.get(..end).unwrap_or_default()))
    };
    let row = |turn: &Value| {
        let mut turn = turn.clone();
        if let Value::Object(fields) = &mut turn {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(|value| *value = cut(value));
        }
        turn
    };
    let rows: Vec<Value> = turns.as_array().into_iter().flatten().rev().map(row).collect();
    (!rows.is_empty()).then(|| rows.into())
}

/// The answers to questions from outside, in a file.
struct AskTape {
    file: TapeFile,
    rows: MemoryTape,
}

impl AskTape {
    fn open(path: &Path) -> Result<Self, RunError> {
        let (file, rows) = TapeFile::open(path)?;
        Ok(Self { file, rows: MemoryTape::new(rows) })
    }

    /// The number of the next asking: an answer that is there is given again, and a failure is not.
    fn next(&self, agent: &str, hash: &RequestHash) -> Result<u64, TapeFault> {
        let mut n = 0;
        while let Some(row) = self.rows.find(agent, hash, n)? {
            match row.failure {
                None | Some(FailureKind::Length) => break,
                Some(_) => n += 1,
            }
        }
        Ok(n)
    }
}

impl Tape for AskTape {
    fn find(&self, agent: &str, hash: &RequestHash, n: u64) -> Result<Option<Taped>, TapeFault> {
        self.rows.find(agent, hash, n)
    }

    fn put(&self, row: Taped) -> Later<'_, Result<(), TapeFault>> {
        match self.file.add(&row) {
            Ok(()) => self.rows.put(row),
            Err(error) => Box::pin(std::future::ready(Err(TapeFault(error.to_string())))),
        }
    }

    fn take<'a>(&'a self, row: &'a Taped, seq: u64) -> Later<'a, Result<(), TapeFault>> {
        self.rows.take(row, seq)
    }

    fn each(&self, agent: &str, visit: &mut dyn FnMut(&Taped)) -> Result<(), TapeFault> {
        self.rows.each(agent, visit)
    }
}
