//! Reading one section: typed values, unknown keys refused with the nearest name.

use std::{collections::HashSet, ops::Range};

use oikos_kernel::{
    id::{Id, nearest},
    time::{DURATION_UNITS, Time, parse_duration_ms, parse_duration_us},
};
use serde_json::Value;

use super::{
    keys::{GONE, Section, section},
    tree::{ConfigError, Document, Node, Table, Tree},
};

pub(super) type Read<T> = Result<T, Box<ConfigError>>;

/// One section of a document.
pub(super) struct Reader<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) table: &'a Table,
    /// Where the section stands, for keys that are missing.
    pub(super) span: Range<usize>,
    name: &'static str,
}

impl<'a> Reader<'a> {
    /// Begins a section, refusing keys that it does not have.
    pub(super) fn new(document: &'a Document<'a>, name: &'static str, node: &'a Node) -> Read<Self> {
        let Tree::Table(table) = &node.value else {
            let kind = node.value.kind();
            return Err(document.error(&node.span, format!("`{name}` must be a table, not {kind}")));
        };
        let this = Self { document, table, span: node.span.clone(), name };
        this.check(section(name))?;
        Ok(this)
    }

    fn check(&self, section: &Section) -> Read<()> {
        let names = section.keys.iter().map(|key| key.name);
        for (key, span, _) in &self.table.0 {
            if section.open || names.clone().any(|name| name == key) {
                continue;
            }
            if let Some((_, _, instead)) =
                GONE.iter().find(|(section, name, _)| *section == self.name && *name == key.as_str())
            {
                let message = format!("the key `{key}` is no more in `{}`", self.name);
                return Err(self.document.error(span, message).help(*instead));
            }
            let error = self.document.error(span, format!("unknown key `{key}` in `{}`", self.name));
            return Err(match nearest(key, names.clone()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(format!("the keys are {}", names.collect::<Vec<_>>().join(", "))),
            });
        }
        Ok(())
    }

    pub(super) fn node(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(
            section(self.name).open || section(self.name).keys.iter().any(|known| known.name == key),
            "`{key}` is not in the table of keys"
        );
        self.table.get(key)
    }

    pub(super) fn wrong<T>(&self, node: &Node, key: &str, expected: &str) -> Read<T> {
        let found = match &node.value {
            Tree::Str(text) => format!("{text:?}"),
            Tree::Int(number) => number.to_string(),
            Tree::Float(number) => format!("the float {number}"),
            other => other.kind().to_owned(),
        };
        Err(self.document.error(&node.span, format!("`{key}` must be {expected}, not {found}")))
    }

    /// As [`Self::wrong`], with the units that there are.
    fn wrong_duration<T>(&self, node: &Node, key: &str, expected: &str) -> Read<T> {
        self.wrong(node, key, expected).map_err(|error| error.help(format!("its units are {DURATION_UNITS}")))
    }

    pub(super) fn missing<T>(&self, key: &str) -> Read<T> {
        Err(self.document.error(&self.span, format!("`{key}` is missing in `{}`", self.name)))
    }

    pub(super) fn text(&self, key: &str) -> Read<Option<&'a str>> {
        match self.node(key) {
            None => Ok(None),
            Some(Node { value: Tree::Str(text), .. }) => Ok(Some(text)),
            Some(node) => self.wrong(node, key, "a string"),
        }
    }

    pub(super) fn flag(&self, key: &str) -> Read<Option<bool>> {
        match self.node(key) {
            None => Ok(None),
            Some(Node { value: Tree::Bool(value), .. }) => Ok(Some(*value)),
            Some(node) => self.wrong(node, key, "true or false"),
        }
    }

    pub(super) fn integer(&self, key: &str, least: i64) -> Read<Option<i64>> {
        match self.node(key) {
            None => Ok(None),
            Some(Node { value: Tree::Int(number), .. }) if *number >= least => Ok(Some(*number)),
            Some(node) => self.wrong(node, key, &format!("an integer of at least {least}")),
        }
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Read<Option<T>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*value));
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let Some(node) = self.node(key) else { return Ok(None) };
        let message = format!("`{key}` can't be {text:?}; it is one of {}", names.join(", "));
        let error = self.document.error(&node.span, message);
        Err(match nearest(text, names) {
            Some(near) => error.help(format!("did you mean \"{near}\"?")),
            None => error,
        })
    }

    pub(super) fn duration_ms(&self, key: &str, least: i64) -> Read<Option<i64>> {
        let Some(node) = self.node(key) else { return Ok(None) };
        match &node.value {
            Tree::Str(text) => match parse_duration_ms(text) {
                Some(ms) if ms >= least => Ok(Some(ms)),
                _ => {
                    let expected = format!("a duration of at least {least}ms, such as \"60s\" or \"1d 12h\"");
                    self.wrong_duration(node, key, &expected)
                }
            },
            _ => self.wrong_duration(node, key, "a duration such as \"60s\" or \"1d 12h\""),
        }
    }

    pub(super) fn duration_us(&self, key: &str) -> Read<Option<i64>> {
        let Some(node) = self.node(key) else { return Ok(None) };
        match &node.value {
            Tree::Str(text) => match parse_duration_us(text) {
                Some(us) => Ok(Some(us)),
                None => self.wrong_duration(node, key, "a duration such as \"1ms\""),
            },
            _ => self.wrong_duration(node, key, "a duration such as \"1ms\""),
        }
    }

    pub(super) fn time(&self, key: &str) -> Read<Option<Time>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        match (Time::parse(text), self.node(key)) {
            (None, Some(node)) => self.wrong(node, key, "an RFC 3339 time such as \"2026-01-01T00:00:00Z\""),
            (time, _) => Ok(time),
        }
    }

    pub(super) fn id(&self, key: &str) -> Read<Option<String>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        match (Id::parse(text), self.node(key)) {
            (Err(error), Some(node)) => Err(self.document.error(&node.span, format!("`{key}`: {error}"))),
            _ => Ok(Some(text.to_owned())),
        }
    }

    pub(super) fn ids(&self, key: &str) -> Read<Vec<String>> {
        let Some(node) = self.node(key) else { return Ok(Vec::new()) };
        let Tree::List(items) = &node.value else { return self.wrong(node, key, "an array of ids") };
        let (mut ids, mut seen) = (Vec::new(), HashSet::new());
        for item in items {
            let Tree::Str(text) = &item.value else { return self.wrong(item, key, "an array of ids") };
            if let Err(error) = Id::parse(text) {
                return Err(self.document.error(&item.span, format!("`{key}`: {error}")));
            }
            if !seen.insert(text) {
                return Err(self.document.error(&item.span, format!("`{key}` names `{text}` twice")));
            }
            ids.push(text.clone());
        }
        Ok(ids)
    }

    /// Free-form JSON.
    pub(super) fn json(&self, key: &str) -> Read<Option<Value>> {
        let Some(node) = self.node(key) else { return Ok(None) };
        match node.value.to_json() {
            Ok(value) => Ok(Some(value)),
            Err(problem) => Err(self.document.error(&node.span, format!("`{key}`: {problem}"))),
        }
    }

    /// A table of amounts by name.
    pub(super) fn amounts(&self, key: &str) -> Read<Vec<(&'a str, &'a Node)>> {
        let Some(node) = self.node(key) else { return Ok(Vec::new()) };
        match &node.value {
            Tree::Table(table) => Ok(table.0.iter().map(|(name, _, node)| (name.as_str(), node)).collect()),
            _ => self.wrong(node, key, "a table of amounts"),
        }
    }
}

/// Reads an amount of a resource in base units: a plain integer, or text with a unit.
pub(super) fn amount(document: &Document<'_>, resource: &str, node: &Node) -> Read<i64> {
    let expected = match resource {
        "cpu" => "a duration such as \"500ms\", or microseconds",
        "llm_budget" => "dollars such as \"$1.00\", or micro-dollars",
        "disk" | "memory" => "bytes such as \"10 MB\", or an integer",
        _ => "an integer of at least 0, or text with a unit",
    };
    let read = match &node.value {
        Tree::Int(number) if *number >= 0 => Some(*number),
        Tree::Str(text) => match resource {
            "cpu" => parse_duration_us(text),
            "llm_budget" => dollars(text),
            "disk" | "memory" => bytes(text),
            _ => dollars(text).or_else(|| bytes(text)).or_else(|| parse_duration_us(text)),
        },
        _ => None,
    };
    read.ok_or_else(|| {
        let found = match &node.value {
            Tree::Str(text) => format!("{text:?}"),
            Tree::Int(number) => number.to_string(),
            other => other.kind().to_owned(),
        };
        document.error(&node.span, format!("`{resource}` must be {expected}, not {found}"))
    })
}

/// `$1.25` in micro-dollars.
fn dollars(text: &str) -> Option<i64> {
    decimal(text.trim().strip_prefix('$')?, 1_000_000)
}

/// `10 MB` in bytes.
fn bytes(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 9] = [
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("bytes", 1),
        ("B", 1),
    ];
    let text = text.trim();
    let (unit, size) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    decimal(text.strip_suffix(unit)?.trim_end(), *size)
}

/// A decimal number times `size`, exactly or not at all.
fn decimal(text: &str, size: i64) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || !digits(whole)
        || !digits(part)
        || part.len() > 12
        || (part.is_empty() && text.contains('.'))
    {
        return None;
    }
    let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let number = whole.parse::<i128>().ok()?.checked_mul(scale)?;
    let number = number.checked_add(if part.is_empty() { 0 } else { part.parse().ok()? })?;
    let scaled = number.checked_mul(i128::from(size))?;
    (scaled % scale == 0).then(|| i64::try_from(scaled / scale).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, value) in [
            ("$1.00", Some(1_000_000)),
            ("$0.000001", Some(1)),
            ("$0.0000001", None),
            ("$1e3", None),
            ("$-1", None),
            ("$", None),
            ("$9223372036854.775807", Some(i64::MAX)),
            ("$9223372036854.775808", None),
        ] {
            assert_eq!(dollars(text), value, "{text}");
        }
        for (text, value) in [
            ("10 MB", Some(10_000_000)),
            ("10MB", Some(10_000_000)),
            ("1.5 kB", Some(1_500)),
            ("64 KiB", Some(65_536)),
            ("7 B", Some(7)),
            ("0.5 B", None),
            ("ten MB", None),
            ("10", None),
        ] {
            assert_eq!(bytes(text), value, "{text}");
        }
    }
}
