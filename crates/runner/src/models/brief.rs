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

/// Bytes of what happened by which a memory is asked.
const RECALL_BYTES_MAX: usize = 1_024;

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
            let Ok(look) = Action::parse(query) else { return Ok(None) };
            let finished = glance.look(&look, at)?;
            charges.extend(finished.charges);
            Ok(match finished.outcome {
                Outcome::Done(entries) => shown(entries.value()),
                Outcome::Nothing | Outcome::Refused(_) => None,
            })
        };
        let pinned = recall(json!({ "op": "query", "what": "recall", "tags": ["pinned"] }), 0)?;
        let memory = match mind.recall {
            0 => None,
            count => recall(recalled(&observation, count), 1)?,
        };
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

/// The question to a memory: by the words of what came last.
fn recalled(observation: &Value, count: u32) -> Value {
    let mut words = String::new();
    for part in ["last", "events"] {
        if let Some(part) = observation.get(part).filter(|part| !part.is_null()) {
            words.push_str(&part.to_string());
            words.push(' ');
        }
    }
    let words = words.get(..words.floor_char_boundary(RECALL_BYTES_MAX)).unwrap_or_default();
    if words.trim().is_empty() {
        return json!({ "op": "query", "what": "recall", "limit": count });
    }
    json!({ "op": "query", "what": "recall", "text": words, "limit": count })
}

/// Entries as a mind reads them.
fn shown(entries: &Value) -> Option<Value> {
    let rows = entries.as_array()?.iter().map(|entry| {
        let of = |key: &str| entry.get(key).cloned().unwrap_or(Value::Null);
        json!({ "entry": of("entry"), "time": of("time"), "text": of("text") })
    });
    let rows: Vec<Value> = rows.collect();
    (!rows.is_empty()).then(|| rows.into())
}
