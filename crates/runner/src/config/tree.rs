//! A TOML document as a tree whose every node knows where it stands, and errors that show the place.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Characters of a line, a name or a text of the file that an error shows.
const SEEN_CHARS_MAX: usize = 160;
/// Characters of an error's sentence, or of its help.
const MESSAGE_CHARS_MAX: usize = 1_000;

/// A node of the document.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Tree,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Str(String),
    Int(i64),
    /// A number that is no 64-bit integer, or a date: kept as its type's name.
    Other(&'static str),
    /// A float as text; only free-form JSON may hold one.
    Float(String),
    Bool(bool),
    List(Vec<Node>),
    Table(Table),
}

/// Keys in the order of the document.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub(super) Vec<(String, Range<usize>, Node)>);

/// Why a world file can't be used, with the place where that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, or the option of the command line.
    pub file: String,
    /// Line and column, counted from 1, with the text of the line and the length of what is wrong.
    pub place: Option<Place>,
    /// The problem, in words.
    pub message: String,
    /// The replacement to write.
    pub help: Option<String>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The line's text, or the part of it around what is wrong.
    pub text: String,
    /// How many characters of that text stand before what is wrong.
    pub indent: usize,
    /// How many characters are wrong.
    pub length: usize,
}

impl std::error::Error for ConfigError {}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.message)?;
        match &self.place {
            None => write!(f, "\n  --> {}", self.file)?,
            Some(Place { line, column, text, indent, length }) => {
                let gutter = line.to_string().len();
                let marks = "^".repeat(*length);
                let indent = " ".repeat(*indent);
                write!(f, "\n{:gutter$}--> {}:{line}:{column}", "", self.file)?;
                write!(f, "\n{:gutter$} |\n{line} | {text}\n{:gutter$} | {indent}{marks}", "", "")?;
            }
        }
        if let Some(help) = &self.help {
            write!(f, "\n  = help: {help}")?;
        }
        Ok(())
    }
}

/// A document, for naming places in it.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    /// Options of the command line; their nodes stand behind the end of the text, one position each.
    pub(super) options: Vec<String>,
}

impl Document<'_> {
    pub(super) fn error(&self, span: &Range<usize>, message: impl Into<String>) -> Box<ConfigError> {
        let (message, help) = (shortened(&message.into()), None);
        if let Some(option) = span.start.checked_sub(self.text.len() + 1) {
            let file = self.options.get(option).map_or("", String::as_str);
            return Box::new(ConfigError { file: cut(file, SEEN_CHARS_MAX), place: None, message, help });
        }
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_text = self.text.get(start..).unwrap_or("").lines().next().unwrap_or("");
        let indent = before.get(start..).unwrap_or("").chars().count();
        let wrong = self
            .text
            .get(span.clone())
            .and_then(|text| text.lines().next())
            .map_or(1, |text| text.chars().count());
        // Of a long line so much is shown as goes beside what is wrong.
        let left_out = if line_text.chars().count() > SEEN_CHARS_MAX {
            indent.saturating_sub(SEEN_CHARS_MAX / 4)
        } else {
            0
        };
        let shown: String = line_text.chars().skip(left_out).collect();
        let text = cut(&shown, SEEN_CHARS_MAX);
        let room = text.chars().count().saturating_sub(indent - left_out);
        let place = Place {
            line: before.matches('\n').count() + 1,
            column: indent + 1,
            text,
            indent: indent - left_out,
            length: wrong.min(room).max(1),
        };
        Box::new(ConfigError { file: cut(self.file, SEEN_CHARS_MAX), place: Some(place), message, help })
    }

    /// Reads the text.
    pub(super) fn parse(&self) -> Result<Table, Box<ConfigError>> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            self.error(&span, error.message().replace('\n', "; "))
        })?;
        Ok(convert_table(table.get_ref()))
    }

    /// The span of an option of the command line.
    pub(super) fn option_span(&mut self, option: String) -> Range<usize> {
        let at = self.text.len() + 1 + self.options.len();
        self.options.push(option);
        at..at
    }
}

impl ConfigError {
    pub(super) fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        self.help = Some(cut(&help.into(), MESSAGE_CHARS_MAX));
        self
    }
}

/// The beginning of a text, if it is longer than `most` characters.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A message in which each name and each text that it shows is cut, as is the whole.
fn shortened(message: &str) -> String {
    let pieces = message.split_inclusive(['`', '"']).map(|piece| match piece.chars().next_back() {
        Some(mark @ ('`' | '"')) if piece.chars().count() > SEEN_CHARS_MAX => {
            format!("{}{mark}", cut(piece, SEEN_CHARS_MAX))
        }
        _ => cut(piece, MESSAGE_CHARS_MAX),
    });
    cut(&pieces.collect::<String>(), MESSAGE_CHARS_MAX)
}

fn convert_table(table: &DeTable<'_>) -> Table {
    let mut entries: Vec<(String, Range<usize>, Node)> = table
        .iter()
        .map(|(key, value)| {
            let node = Node { span: value.span(), value: convert(value.get_ref()) };
            (key.get_ref().to_string(), key.span(), node)
        })
        .collect();
    entries.sort_by_key(|(_, span, _)| span.start);
    Table(entries)
}

fn convert(value: &DeValue<'_>) -> Tree {
    match value {
        DeValue::String(text) => Tree::Str(text.to_string()),
        DeValue::Integer(number) => {
            let (text, radix) = (number.as_str(), number.radix());
            i64::from_str_radix(text, radix).map_or(Tree::Other("a number beyond 64 bits"), Tree::Int)
        }
        DeValue::Float(number) => Tree::Float(number.as_str().to_owned()),
        DeValue::Boolean(value) => Tree::Bool(*value),
        DeValue::Datetime(_) => Tree::Other("a date"),
        DeValue::Array(items) => Tree::List(
            items.iter().map(|item| Node { span: item.span(), value: convert(item.get_ref()) }).collect(),
        ),
        DeValue::Table(table) => Tree::Table(convert_table(table)),
    }
}

impl Tree {
    /// The kind of the value, in words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Str(_) => "a string",
            Self::Int(_) => "an integer",
            Self::Other(kind) => kind,
            Self::Float(_) => "a float",
            Self::Bool(_) => "a boolean",
            Self::List(_) => "an array",
            Self::Table(_) => "a table",
        }
    }

    /// Whether a value can stand in the place of another: numbers for numbers, else one of its kind.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let is_number = |tree: &Self| matches!(tree, Self::Int(_) | Self::Float(_));
        (is_number(self) && is_number(other)) || self.kind() == other.kind()
    }

    /// The same as JSON, for content and metadata.
    pub(super) fn to_json(&self) -> Result<serde_json::Value, String> {
        use serde_json::Value;
        Ok(match self {
            Self::Str(text) => Value::String(text.clone()),
            Self::Int(number) => (*number).into(),
            Self::Other(kind) => return Err(format!("JSON can't hold {kind}")),
            Self::Float(text) => {
                let number: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
                let number = serde_json::Number::from_f64(number);
                number.map(Value::Number).ok_or_else(|| format!("JSON can't hold {text}"))?
            }
            Self::Bool(value) => Value::Bool(*value),
            Self::List(items) => {
                items.iter().map(|item| item.value.to_json()).collect::<Result<Value, _>>()?
            }
            Self::Table(table) => {
                let entries = table.0.iter().map(|(key, _, node)| Ok((key.clone(), node.value.to_json()?)));
                Value::Object(entries.collect::<Result<_, String>>()?)
            }
        })
    }
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|(name, _, _)| name == key).map(|(_, _, node)| node)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|(name, _, _)| name == key).map(|(_, _, node)| node)
    }

    /// Sets a value at a path of keys, making tables on the way.
    pub(super) fn set(&mut self, path: &[&str], node: Node) -> Result<(), String> {
        let Some((key, rest)) = path.split_first() else { return Ok(()) };
        let at = match self.0.iter().position(|(name, _, _)| name == key) {
            Some(at) => at,
            None => {
                let value = if rest.is_empty() { node.value.clone() } else { Tree::Table(Self::default()) };
                self.0.push(((*key).to_owned(), node.span.clone(), Node { span: node.span.clone(), value }));
                self.0.len() - 1
            }
        };
        let Some((_, span, found)) = self.0.get_mut(at) else { return Ok(()) };
        if rest.is_empty() {
            *span = node.span.clone();
            *found = node;
            return Ok(());
        }
        match &mut found.value {
            Tree::Table(table) => table.set(rest, node),
            other => Err(format!("`{key}` is {}, not a table", other.kind())),
        }
    }
}
