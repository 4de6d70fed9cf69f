//! Minds (`design/MINDS.md §1`): an agent's stands in its content, under `mind`, so that those who may write the agent
//! may change it. Nothing else holds the settings of an agent.

use serde_json::{Map, Value};

use crate::{
    id::nearest, json::found, limits, refusal::Refusal, template, time::parse_duration_ms, words::words,
};

words! {
    /// The kind of mind that decides for an agent.
    MindKind {
        /// The artifact's own `step(observation)`; the kind of an artifact that names none.
        Script = "script",
        /// A prompt and a language model.
        Llm = "llm",
        /// A client.
        External = "external",
    }
}

/// The mind that decides for an agent, as its content says it.
#[derive(Clone, Debug, PartialEq)]
pub enum Mind {
    /// The artifact's own `step(observation)`.
    Script,
    /// A prompt and a language model.
    Llm(Box<LlmMind>),
    /// A client.
    External {
        /// The time between an observation and the act that follows from it, in milliseconds.
        think_time_ms: i64,
    },
}

/// The settings of a mind that is a language model.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmMind {
    /// The model, as `PROVIDER::MODEL`: its own, or the world's.
    pub model: String,
    /// The words that say who it is; empty where there are none.
    pub prompt: String,
    /// The most tokens of an answer.
    pub max_output_tokens: u32,
    /// The temperature; none is the provider's own.
    pub temperature: Option<f64>,
    /// How many entries of its memory are before it.
    pub recall: u32,
    /// The template of its prompts; none is the default.
    pub template: Option<String>,
    /// The time between an observation and the act that follows from it, in milliseconds; none is the world's.
    pub think_time_ms: Option<i64>,
    /// The seed that its requests name; none where they name none.
    pub seed: Option<i64>,
}

/// The keys of a mind that is a language model, beside `kind`.
const LLM_KEYS: &[&str] = &[
    "kind",
    "model",
    "prompt",
    "max_output_tokens",
    "temperature",
    "recall",
    "template",
    "think_time",
    "seed",
];

impl MindKind {
    /// The kind that an agent's content names.
    ///
    /// # Errors
    /// `invalid_argument` when its `mind` is no mind, naming the field.
    pub fn of(content: &Value) -> Result<Self, Refusal> {
        fields_of(content).map(|fields| fields.map_or(Self::Script, |(kind, _)| kind))
    }

    /// The keys that a mind of this kind may have.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Script => &["kind"],
            Self::Llm => LLM_KEYS,
            Self::External => &["kind", "think_time"],
        }
    }
}

/// A kind, and the fields of the mind that is of it.
type Named<'c> = (MindKind, &'c Map<String, Value>);

/// The kind of the mind that a content names, with all its fields; none is a script.
fn fields_of(content: &Value) -> Result<Option<Named<'_>>, Refusal> {
    let Some(mind) = content.as_object().and_then(|content| content.get("mind")) else {
        return Ok(None);
    };
    let Some(fields) = mind.as_object() else {
        let refusal = Refusal::invalid("`content`: `mind` must be an object with a `kind`");
        return Err(refusal.hint("leave `mind` out for an agent that decides by its `step`"));
    };
    let kinds = MindKind::WORDS.join(", ");
    let Some(word) = fields.get("kind").and_then(Value::as_str) else {
        return Err(Refusal::invalid(format!("`content`: `mind.kind` must be one of {kinds}")));
    };
    let kind = MindKind::from_word(word).ok_or_else(|| {
        let shown: String = word.chars().take(64).collect();
        let refusal =
            Refusal::invalid(format!("`content`: `mind.kind` can't be {shown:?}; it is one of {kinds}"));
        match nearest(word, MindKind::WORDS.iter().copied()) {
            Some(near) => refusal.hint(format!("did you mean `{near}`?")),
            None => refusal,
        }
    })?;
    match fields.keys().find(|key| !kind.keys().contains(&key.as_str())) {
        Some(key) => Err(unknown_key(kind, key)),
        None => Ok(Some((kind, fields))),
    }
}

fn unknown_key(kind: MindKind, key: &str) -> Refusal {
    let shown: String = key.chars().take(64).collect();
    let sentence =
        format!("`content`: a mind of the kind `{}` has no `{}`", kind.as_str(), shown.escape_debug());
    let refusal = Refusal::invalid(sentence);
    match nearest(key, kind.keys().iter().copied()) {
        Some(near) => refusal.hint(format!("did you mean `{near}`?")),
        None => refusal.hint(format!("it has {}", kind.keys().join(", "))),
    }
}

impl Mind {
    /// The mind that an agent's content names; `model` is the world's, for those that name none.
    ///
    /// # Errors
    /// `invalid_argument` or `limit_exceeded` when its `mind` can't be, naming the field.
    pub fn of(content: &Value, model: Option<&str>) -> Result<Self, Refusal> {
        let Some((kind, fields)) = fields_of(content)? else { return Ok(Self::Script) };
        Ok(match kind {
            MindKind::Script => Self::Script,
            MindKind::External => {
                Self::External { think_time_ms: duration(fields, "think_time", 0)?.unwrap_or(0) }
            }
            MindKind::Llm => Self::Llm(Box::new(LlmMind::of(fields, model)?)),
        })
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> MindKind {
        match self {
            Self::Script => MindKind::Script,
            Self::Llm(_) => MindKind::Llm,
            Self::External { .. } => MindKind::External,
        }
    }
}

impl LlmMind {
    fn of(fields: &Map<String, Value>, model: Option<&str>) -> Result<Self, Refusal> {
        let model = match text(fields, "model")?.or(model) {
            Some(model) => model.to_owned(),
            None => {
                let refusal =
                    Refusal::invalid("`content`: `mind.model` is missing, and the world names none");
                return Err(refusal.hint("name one as `PROVIDER::MODEL`"));
            }
        };
        check_model(&model).map_err(|problem| {
            Refusal::invalid(format!("`content`: `mind.model` {problem}")).hint("write `PROVIDER::MODEL`")
        })?;
        let template = text(fields, "template")?;
        if let Some(template) = template {
            check_template(template)?;
        }
        let natural = |key: &str, least: i64, most: i64| natural(fields, key, least, most);
        let tokens = natural("max_output_tokens", 1, limits::OUTPUT_TOKENS_MAX)?;
        let recall = natural("recall", 0, limits::RECALL_MAX)?;
        Ok(Self {
            model,
            prompt: text(fields, "prompt")?.unwrap_or_default().to_owned(),
            max_output_tokens: small(tokens.unwrap_or(limits::OUTPUT_TOKENS)),
            temperature: temperature(fields)?,
            recall: small(recall.unwrap_or(limits::RECALL)),
            template: template.map(str::to_owned),
            think_time_ms: duration(fields, "think_time", 1)?,
            seed: natural("seed", 0, i64::MAX)?,
        })
    }
}

/// Why a word is no name of a model.
///
/// # Errors
/// The problem, in words that follow the name of a field.
pub fn check_model(model: &str) -> Result<(), &'static str> {
    let Some((provider, name)) = model.split_once("::") else {
        return Err("names no provider");
    };
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if provider.is_empty() || !provider.chars().all(known) {
        return Err("has a provider of other letters than `a`-`z`, digits, `_` and `-`");
    }
    if name.is_empty() || name.chars().any(char::is_control) || model.len() > limits::MODEL_BYTES_MAX {
        return Err("names no model, or one with too many letters");
    }
    Ok(())
}

/// Whether a template can be read, and names what a rendering has.
fn check_template(template: &str) -> Result<(), Refusal> {
    let named = |refusal: Refusal| {
        let message = format!("`content`: `mind.template` can't be: {}", refusal.message);
        Refusal { message, ..refusal }
    };
    template::check(template).map_err(named)?;
    let environment = minijinja::Environment::empty();
    match environment.template_from_str(template) {
        Ok(read) => template::check_names(template, &read).map_err(named),
        Err(error) => {
            let problem: String = error.detail().unwrap_or("it can't be read").chars().take(200).collect();
            let line = error.line().map_or(String::new(), |line| format!(", in line {line}"));
            let sentence = format!("`content`: `mind.template` is no template: {problem}{line}");
            Err(Refusal::invalid(sentence)
                .hint("leave it out for the default, or correct it: it is MiniJinja"))
        }
    }
}

/// A field that was given, and is not null.
fn given<'f>(fields: &'f Map<String, Value>, key: &str) -> Option<&'f Value> {
    fields.get(key).filter(|value| !value.is_null())
}

fn wrong(key: &str, expected: &str, value: &Value) -> Refusal {
    Refusal::invalid(format!("`content`: `mind.{key}` must be {expected}, not {}", found(value)))
}

fn text<'f>(fields: &'f Map<String, Value>, key: &str) -> Result<Option<&'f str>, Refusal> {
    let value = given(fields, key);
    value.map(|value| value.as_str().ok_or_else(|| wrong(key, "a string", value))).transpose()
}

fn natural(fields: &Map<String, Value>, key: &str, least: i64, most: i64) -> Result<Option<i64>, Refusal> {
    let expected = || format!("an integer from {least} to {most}");
    let fits = |value: &Value| value.as_i64().filter(|number| (least..=most).contains(number));
    given(fields, key).map(|value| fits(value).ok_or_else(|| wrong(key, &expected(), value))).transpose()
}

fn temperature(fields: &Map<String, Value>) -> Result<Option<f64>, Refusal> {
    let fits =
        |value: &Value| value.as_f64().filter(|number| (0.0..=limits::TEMPERATURE_MAX).contains(number));
    let expected = format!("a number from 0 to {}", limits::TEMPERATURE_MAX);
    let given = given(fields, "temperature");
    given.map(|value| fits(value).ok_or_else(|| wrong("temperature", &expected, value))).transpose()
}

fn duration(fields: &Map<String, Value>, key: &str, least_ms: i64) -> Result<Option<i64>, Refusal> {
    let Some(value) = given(fields, key) else { return Ok(None) };
    let fits = |ms: &i64| (least_ms..=limits::THINK_MS_MAX).contains(ms);
    let ms = value.as_str().and_then(parse_duration_ms).filter(fits);
    let expected = format!("a duration from {least_ms}ms to 366 days, such as \"2s\"");
    ms.map(Some).ok_or_else(|| wrong(key, &expected, value))
}

/// A number that a limit has bounded.
fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
