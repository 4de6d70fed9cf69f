//! From an observation to the two texts of a request: a template, its budgets, and nothing else.
//!
//! A template is written by agents, so it can't do much: no files, no functions, no growing of text. It says which
//! parts stand where; each part is cut to its budget, and says how much of it was.

use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior,
    value::{Serde, Value as Shown, ValueKind},
};
use oikos_kernel::{
    op::{LOOKS_MAX, QUERIES, SPECS},
    refusal::{Code, Refusal},
    template,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The template of an agent that names none.
pub const DEFAULT_TEMPLATE: &str = include_str!("../../../genesis/prompts/agent.md");

/// Steps of a rendering.
const FUEL: u64 = 100_000;
/// Bytes of each text that a template renders.
const TEXT_BYTES_MAX: usize = 128 * 1024;
/// Bytes that a token of a budget stands for, about.
const BYTES_PER_TOKEN: usize = 4;
/// Bytes of the signs around a row.
const ROW_SIGNS: usize = 3;
/// The most tokens of one part.
const PART_TOKENS_MAX: usize = 16 * 1024;

/// All that an agent is shown. The parts that a world does not have are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View<'a> {
    /// The observation, as `step(observation)` gets it.
    pub observation: Option<&'a Value>,
    /// Its prompt: `mind.prompt`.
    pub prompt: &'a str,
    /// Its property: ids, kinds, prices, what they earned since.
    pub owned: Option<&'a Value>,
    /// The how-many-th time the refusal of its last action came, if it is the same as before.
    pub repeats: Option<u64>,
    /// The events since, in short.
    pub digest: Option<&'a Value>,
    /// The pinned entries of its memory, in order.
    pub pinned: Option<&'a Value>,
    /// The entries of its memory that fit best, the best first.
    pub memory: Option<&'a Value>,
    /// Things to be had: the most used artifacts with their prices, and the institutions.
    pub market: Option<&'a Value>,
}

/// The two texts of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The part that does not change from step to step.
    pub system: String,
    /// The rest.
    pub user: String,
}

/// A template that can be rendered.
#[derive(Debug)]
pub struct Template(Environment<'static>);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When it is too long, is none, or uses what would let a text grow without bound.
    pub fn new(source: &str) -> Result<Self, Refusal> {
        template::check(source)?;
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(50);
        environment.add_filter("text", text);
        environment.add_filter("json", json_of);
        environment.add_filter("rows", rows);
        let added = environment.add_template_owned(NAME, source.to_owned());
        added.map_err(|error| told(&error)).map(|()| Self(environment))
    }

    /// Renders both texts of a request.
    ///
    /// # Errors
    /// When the template names what there is not, or takes too many steps or bytes.
    pub fn render(&self, view: &View<'_>) -> Result<Rendered, Refusal> {
        let mut context = context(view);
        let mut part = |name: &str| {
            context.insert("part".into(), name.into());
            let template = self.0.get_template(NAME).map_err(|error| told(&error))?;
            let mut bounded = Bounded { bytes: Vec::new(), is_full: false };
            let done = template.render_captured_to(Shown::from(Serde(&context)), &mut bounded).map(drop);
            if bounded.is_full {
                let sentence = format!("the template renders more than {TEXT_BYTES_MAX} bytes");
                return Err(
                    Refusal::new(Code::LimitExceeded, sentence).hint("give its parts smaller budgets")
                );
            }
            done.map_err(|error| told(&error))?;
            Ok(String::from_utf8_lossy(&bounded.bytes).trim().to_owned())
        };
        Ok(Rendered { system: part("system")?, user: part("user")? })
    }
}

const NAME: &str = "template";

/// A text that ends at its bound.
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > TEXT_BYTES_MAX {
            self.is_full = true;
            return Err(std::io::Error::other("the text is full"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The names of a template. Each name is there always, and is none where there is nothing.
fn context(view: &View<'_>) -> Map<String, Value> {
    let of = |path: &[&str]| {
        let start = view.observation.unwrap_or(&Value::Null);
        let found = path.iter().try_fold(start, |value, key| value.get(key));
        found.cloned().unwrap_or(Value::Null)
    };
    let newest_first = |list: Value| match list {
        Value::Array(rows) => Value::Array(rows.into_iter().rev().collect()),
        other => other,
    };
    let or_none = |part: Option<&Value>| part.cloned().unwrap_or(Value::Null);
    let mut content = of(&["self", "content"]);
    if let Some(map) = content.as_object_mut() {
        // The prompt stands for itself, and the rest of a mind is no affair of the model.
        map.shift_remove("mind");
    }
    Map::from_iter([
        ("id".to_owned(), of(&["self", "id"])),
        ("owner".to_owned(), of(&["self", "owner"])),
        ("prompt".to_owned(), view.prompt.into()),
        ("content".to_owned(), content),
        ("now".to_owned(), of(&["now"])),
        ("tick".to_owned(), of(&["tick"])),
        ("step".to_owned(), of(&["step"])),
        ("woke".to_owned(), of(&["woke"])),
        ("scrip".to_owned(), of(&["self", "scrip"])),
        ("resources".to_owned(), of(&["self", "resources"])),
        ("storage_keys".to_owned(), of(&["self", "storage_keys"])),
        ("population".to_owned(), of(&["population"])),
        ("parameters".to_owned(), of(&["parameters"])),
        ("phase".to_owned(), of(&["phase"])),
        ("last".to_owned(), of(&["last"])),
        ("events".to_owned(), newest_first(of(&["events"]))),
        ("missed".to_owned(), of(&["missed"])),
        ("owned".to_owned(), or_none(view.owned)),
        ("repeats".to_owned(), json!(view.repeats)),
        ("digest".to_owned(), or_none(view.digest)),
        ("pinned".to_owned(), or_none(view.pinned)),
        ("memory".to_owned(), or_none(view.memory)),
        ("market".to_owned(), or_none(view.market)),
        ("ops".to_owned(), ops().into()),
        ("looks".to_owned(), LOOKS_MAX.into()),
    ])
}

/// The ops in short, a line each: the fields that one needs, those that may be left out in brackets, and what
/// it does; then the queries.
fn ops() -> String {
    let mut text = String::new();
    for spec in SPECS {
        let fields = spec
            .fields
            .iter()
            .map(|field| if field.required { field.name.to_owned() } else { format!("[{}]", field.name) });
        let words: Vec<String> = std::iter::once(format!("`{}`", spec.kind)).chain(fields).collect();
        let does = spec.doc.trim().split_inclusive(['.', ';', ':']).next().unwrap_or_default();
        text.push_str(&format!("- {}: {}\n", words.join(" "), does.trim_end_matches([';', ':'])));
    }
    text.push_str("`what` of `query`, with its fields:");
    for spec in QUERIES {
        let fields =
            spec.fields().map(|(name, must)| if must { name.to_owned() } else { format!("[{name}]") });
        let fields: Vec<String> = fields.collect();
        text.push_str(&format!(" {}({})", spec.what.as_str(), fields.join(" ")));
    }
    text
}

fn told(error: &Error) -> Refusal {
    let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Refusal::invalid(format!("the template fails{line}: {}", crate::outcome::cut(&detail, 200)))
}

/// The bytes of a budget in tokens.
fn budget(tokens: usize) -> usize {
    tokens.min(PART_TOKENS_MAX) * BYTES_PER_TOKEN
}

fn wrong(what: &str) -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!("{what}, with a budget in tokens, as in `events | rows(500)`"),
    )
}

/// A text, cut to its budget.
fn text(value: &Shown, tokens: usize) -> Result<String, Error> {
    let text = value.as_str().ok_or_else(|| wrong("`text` takes a text"))?;
    Ok(cut(text, budget(tokens)))
}

/// A value as JSON, cut to its budget.
fn json_of(value: &Shown, tokens: usize) -> Result<String, Error> {
    let most = budget(tokens);
    let (line, bytes) = line(value, most);
    Ok(shortened(line, bytes, most))
}

/// The rows of a list or of an object, one in a line, as many as fit.
fn rows(value: &Shown, tokens: usize) -> Result<String, Error> {
    let most = budget(tokens);
    let is_map = value.kind() == ValueKind::Map;
    if let Some(text) = value.as_str() {
        return Ok(cut(text, most));
    }
    let count = value.len().ok_or_else(|| wrong("`rows` takes a list"))?;
    let mut text = String::new();
    for (at, item) in value.try_iter()?.enumerate() {
        let left = most.saturating_sub(text.len());
        let (name, value) = if is_map {
            (format!("{}: ", item.to_string().escape_debug()), value.get_item(&item)?)
        } else {
            (String::new(), item)
        };
        let (line, bytes) = line(&value, left);
        if at > 0 && name.len() + bytes + ROW_SIGNS > left {
            text.push_str(&format!("… {} of {count} left out\n", count - at));
            break;
        }
        // The first row is the most relevant: a part of it says more than none.
        text.push_str(&format!("- {name}{}\n", shortened(line, bytes, left)));
    }
    Ok(text.trim_end().to_owned())
}

/// A value as one line of JSON, as far as a bound; with the bytes that it has in all, or more than the bound.
fn line(value: &Shown, most: usize) -> (String, usize) {
    struct Bound {
        bytes: Vec<u8>,
        most: usize,
        all: usize,
    }
    impl std::io::Write for Bound {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.all += bytes.len();
            let room = self.most.saturating_sub(self.bytes.len());
            self.bytes.extend(bytes.iter().take(room));
            // Far beyond its bound nobody needs to know how long it is.
            if self.all > 64 * (self.most + 1024) {
                Err(std::io::Error::other("too long"))
            } else {
                Ok(bytes.len())
            }
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut bound = Bound { bytes: Vec::new(), most, all: 0 };
    let written = value.serialize(&mut serde_json::Serializer::new(&mut bound));
    if written.is_err() && bound.all <= bound.most {
        return ("null".into(), 4);
    }
    // The bound may fall within a letter.
    let valid = match std::str::from_utf8(&bound.bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            let whole = bound.bytes.get(..error.valid_up_to()).unwrap_or_default();
            String::from_utf8_lossy(whole).into_owned()
        }
    };
    (valid, bound.all)
}

/// A text that may be too long, with a word about how much is missing.
fn cut(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    shortened(text.get(..end).unwrap_or_default().to_owned(), text.len(), most)
}

fn shortened(text: String, bytes: usize, most: usize) -> String {
    if bytes <= most {
        return text;
    }
    let missing = bytes - text.len().min(bytes);
    format!("{text} … {missing} bytes left out")
}
