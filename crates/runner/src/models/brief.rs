//! From the state of a world to the request of a turn.

use std::{collections::HashMap, sync::Arc};

use oikos_agents::{DEFAULT_TEMPLATE, Message, ModelName, Request, Role, Schema, Template, View};
use oikos_kernel::{
    id::Handle,
    mind::LlmMind,
    op::{Action, Words, schema_for_models},
    record::{Charge, Outcome},
    refusal::Refusal,
    seed::derive,
    time::Time,
    transaction::{Finished, Transaction},
    world::World,
};
use oikos_sandbox::Sandbox;
use serde_json::{Value, json};

use crate::{drive::drive_on, error::RunError};

/// Characters of the question to a memory: as many as a `text` of a query may have.
const RECALL_CHARS_MAX: usize = 256;

/// A request, and the costs of the looks that it took to write.
pub(crate) struct Prepared {
    pub(crate) request: Request,
    pub(crate) charges: Vec<Charge>,
}

/// A look at the world as it stands.
pub(super) struct Glance<'w> {
    pub(super) world: &'w World,
    pub(super) sandbox: &'w dyn Sandbox,
    pub(super) agent: Handle,
    pub(super) turn: u64,
    pub(super) now: Time,
}

impl Glance<'_> {
    /// The outcome of one look, the `at`-th of its turn, with its costs.
    ///
    /// # Errors
    /// When there is no process to run code in.
    pub(super) fn look(&self, look: &Action, at: u64) -> Result<Finished, RunError> {
        let Self { world, sandbox, agent, turn, now } = *self;
        let name = format!("{}:{at}", world.name(agent));
        let seed = derive(world.rules().seed, "look", &name, turn);
        drive_on(sandbox, || Transaction::peek(world, agent, look.clone(), now, seed))
    }
}

/// Templates that are kept read.
const TEMPLATES_MAX: usize = 256;

/// Writes requests.
#[derive(Debug)]
pub(super) struct Prompter {
    schema: Schema,
    templates: HashMap<String, Arc<Template>>,
}

impl Default for Prompter {
    fn default() -> Self {
        Self { schema: Schema::new(schema_for_models(Words::Without)), templates: HashMap::new() }
    }
}

impl Prompter {
    /// The template of a text, or the default one.
    fn template(&mut self, source: Option<&str>) -> Result<Arc<Template>, Refusal> {
        let source = source.unwrap_or(DEFAULT_TEMPLATE);
        if let Some(template) = self.templates.get(source) {
            return Ok(Arc::clone(template));
        }
        let template = Arc::new(Template::new(source)?);
        if self.templates.len() >= TEMPLATES_MAX {
            self.templates.clear();
        }
        self.templates.insert(source.to_owned(), Arc::clone(&template));
        Ok(template)
    }

    /// The request of a turn; the inner refusal is that of a template which can't be rendered.
    ///
    /// # Errors
    /// When there is no process to run code in.
    pub(super) fn prepare(
        &mut self,
        glance: &Glance<'_>,
        mind: &LlmMind,
    ) -> Result<Result<Prepared, Refusal>, RunError> {
        let (world, agent) = (glance.world, glance.agent);
        let observation = world.observation(agent, glance.now, world.population());
        let brief = world.brief(agent);
        let mut charges = Vec::new();
        let mut recall = |query: Value, at| -> Result<Option<Value>, RunError> {
            if !world.has_memory(agent) {
                return Ok(None);
            }
            #[expect(clippy::expect_used, reason = "the query is made here, within the limits of queries")]
            let look = Action::parse(query).expect("a recall is an op");
            let finished = glance.look(&look, at)?;
            charges.extend(finished.charges);
            Ok(match finished.outcome {
                Outcome::Done(entries) => shown(entries.value()),
                Outcome::Nothing | Outcome::Refused(_) => None,
            })
        };
        let pinned = recall(json!({ "op": "query", "what": "recall", "tags": ["pinned"] }), 0)?;
        let mut memory = match mind.recall {
            0 => None,
            count => recall(recalled(&observation, count), 1)?,
        };
        let few = |memory: &Option<Value>| {
            let count = memory.as_ref().and_then(Value::as_array).map_or(0, Vec::len);
            count < mind.recall as usize
        };
        if few(&memory) {
            // Those that no word leads to, by their importance and how recent they are.
            let others = recall(json!({ "op": "query", "what": "recall", "limit": mind.recall }), 2)?;
            memory = together(memory, others, mind.recall as usize);
        }
        let some = |part: &'_ Value| (!part.is_null()).then_some(part.clone());
        let (owned, market) = (some(&brief.owned), some(&brief.market));
        let view = View {
            observation: Some(&observation),
            prompt: &mind.prompt,
            owned: owned.as_ref(),
            repeats: brief.repeats,
            digest: None,
            pinned: pinned.as_ref(),
            memory: memory.as_ref(),
            market: market.as_ref(),
        };
        let rendered =
            match self.template(mind.template.as_deref()).and_then(|template| template.render(&view)) {
                Ok(rendered) => rendered,
                Err(refusal) => return Ok(Err(refusal)),
            };
        let Some(model) = ModelName::parse(&mind.model) else {
            return Ok(Err(Refusal::invalid(format!("`{}` names no model", mind.model))));
        };
        let request = Request {
            model,
            messages: vec![
                Message::new(Role::System, rendered.system),
                Message::new(Role::User, rendered.user),
            ],
            schema: Some(self.schema.clone()),
            max_output_tokens: mind.max_output_tokens,
            temperature: mind.temperature,
            seed: mind.seed,
        };
        Ok(Ok(Prepared { request, charges }))
    }
}

/// The question to a memory: by the names and words of the events since, the newest first, and of the last action.
fn recalled(observation: &Value, count: u32) -> Value {
    let mut words = Vec::new();
    let events = observation.get("events").and_then(Value::as_array);
    events.into_iter().flatten().rev().for_each(|event| words_of(event, &mut words));
    if let Some(last) = observation.get("last") {
        words.extend(last.pointer("/error/message").and_then(Value::as_str));
        let own = last.get("events").and_then(Value::as_array);
        own.into_iter().flatten().for_each(|event| words_of(event, &mut words));
    }
    let mut text = String::new();
    let mut room = RECALL_CHARS_MAX;
    for (at, word) in words.iter().enumerate() {
        let chars = word.chars().count() + 1;
        // A name that comes again says nothing new, and takes the room of others.
        if chars <= room && words.iter().take(at).all(|before| before != word) {
            text.push_str(word);
            text.push(' ');
            room -= chars;
        }
    }
    match text.trim_end() {
        "" => json!({ "op": "query", "what": "recall", "limit": count }),
        text => json!({ "op": "query", "what": "recall", "text": text, "limit": count }),
    }
}

/// The names and words of an event by which it can be remembered.
fn words_of<'e>(event: &'e Value, words: &mut Vec<&'e str>) {
    let parts = ["actor", "to", "artifact", "resource", "detail"];
    words.extend(parts.iter().filter_map(|key| event.get(key).and_then(Value::as_str)));
}

/// Entries and others that are not among them, so many at most.
fn together(entries: Option<Value>, others: Option<Value>, most: usize) -> Option<Value> {
    let rows = |part: Option<Value>| match part {
        Some(Value::Array(rows)) => rows,
        Some(_) | None => Vec::new(),
    };
    let mut all = rows(entries);
    for other in rows(others) {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all.truncate(most);
    (!all.is_empty()).then(|| all.into())
}

/// Entries as a mind reads them.
pub(super) fn shown(entries: &Value) -> Option<Value> {
    let rows = entries.as_array()?.iter().map(|entry| {
        let of = |key: &str| entry.get(key).cloned().unwrap_or(Value::Null);
        json!({ "entry": of("entry"), "time": of("time"), "text": of("text") })
    });
    let rows: Vec<Value> = rows.collect();
    (!rows.is_empty()).then(|| rows.into())
}
