//! Forms by which people act: the table of ops as inputs of a page, and what is typed there as an op. Both follow from
//! the schema of each field.

use maud::{Markup, html};
use oikos_runner::{
    Misread,
    kernel::{
        id::nearest,
        op::{FieldSpec, OpSpec, SPECS},
    },
    strict_json,
};
use serde_json::{Map, Value};

use crate::text::first_letters;

/// The field with the name of the op.
const OP: &str = "op";
/// The field with a whole op, or a list of them, as JSON.
const JSON: &str = "json";
/// The field that each op may carry.
const MAX_SPEND: &str = "max_spend";
/// Texts that may be longer than this have more than a line.
const LINE_MAX: u64 = 256;

/// The way in which a field is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    /// A whole number.
    Whole,
    YesNo,
    OneOf(Vec<String>),
    /// A text on a line.
    Line,
    /// A text of many lines.
    Text,
    /// Words with commas between them, or a list as JSON.
    List,
    /// JSON; some fields take any text too.
    Json {
        or_text: bool,
    },
}

/// The way in which a field of a schema is typed.
fn entry(schema: &Value) -> Entry {
    let any = schema.get("anyOf").and_then(Value::as_array);
    if let Some(any) = any {
        let is_null = |one: &&Value| one.get("type").and_then(Value::as_str) == Some("null");
        let rest: Vec<&Value> = any.iter().filter(|one| !is_null(one)).collect();
        return match rest.as_slice() {
            [one] => entry(one),
            all => Entry::Json { or_text: all.iter().any(|one| is_type(one, "string")) },
        };
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Entry::OneOf(words.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    if is_type(schema, "integer") {
        return Entry::Whole;
    }
    if is_type(schema, "boolean") {
        return Entry::YesNo;
    }
    if is_type(schema, "string") {
        let bound = schema.get("maxLength").and_then(Value::as_u64);
        let is_short = ["pattern", "format", "examples"].iter().any(|word| schema.get(word).is_some());
        return if is_short || bound.is_some_and(|most| most <= LINE_MAX) {
            Entry::Line
        } else {
            Entry::Text
        };
    }
    let items = schema.get("items");
    if is_type(schema, "array") && items.is_some_and(|items| is_type(items, "string")) {
        return Entry::List;
    }
    Entry::Json { or_text: *schema == Value::Bool(true) }
}

fn is_type(schema: &Value, word: &str) -> bool {
    schema.get("type").and_then(Value::as_str) == Some(word)
}

/// One form for each op, and one for JSON. A key tells repeats of a form apart from other actions.
pub(crate) fn forms(root: &str, key: &str) -> Markup {
    let action = format!("{root}/act");
    html! {
        @for spec in SPECS {
            details class="op" {
                summary { b { (spec.kind.as_str()) } " " span class="soft" { (first_line(spec.doc)) } }
                form class="act" method="post" action=(action) {
                    input type="hidden" name="key" value=(key);
                    input type="hidden" name=(OP) value=(spec.kind.as_str());
                    @for field in spec.fields { (input(field)) }
                    label {
                        span { (MAX_SPEND) } small { "The most scrip that prices and contracts may take." }
                        input name=(MAX_SPEND) inputmode="numeric" autocomplete="off";
                    }
                    button { (spec.kind.as_str()) }
                }
            }
        }
        details class="op" {
            summary { b { "as JSON" } " " span class="soft" { "An op, or a list of ops that is one action." } }
            form class="act" method="post" action=(action) {
                input type="hidden" name="key" value=(key);
                label {
                    span { "JSON" } small { "As " code { "{\"op\": \"transfer\", \"to\": \"bob\", \"amount\": 5}" } "." }
                    textarea name=(JSON) rows="4" required spellcheck="false" {}
                }
                button { "act" }
            }
        }
    }
}

fn first_line(doc: &str) -> &str {
    doc.trim().split_once(". ").map_or(doc.trim(), |(first, _)| first).trim_end_matches('.')
}

/// The input of a field. No input fills itself in, so that an empty one is one that is not given.
fn input(field: &FieldSpec) -> Markup {
    let entry = entry(&(field.schema)());
    let must = field.required;
    html! {
        label {
            span { (field.name) @if must { " *" } }
            small { (field.doc.trim()) @if let Some(hint) = hint(&entry) { " " (hint) } }
            @match &entry {
                Entry::Whole => { input name=(field.name) inputmode="numeric" autocomplete="off" required[must]; }
                Entry::Line | Entry::List => { input name=(field.name) autocomplete="off" required[must]; }
                Entry::Text | Entry::Json { .. } => {
                    textarea name=(field.name) rows="2" spellcheck="false" required[must] {}
                }
                Entry::YesNo => { (choice(field.name, &["true", "false"], must)) }
                Entry::OneOf(words) => {
                    @let words: Vec<&str> = words.iter().map(String::as_str).collect();
                    (choice(field.name, &words, must))
                }
            }
        }
    }
}

const fn hint(entry: &Entry) -> Option<&'static str> {
    match entry {
        Entry::List => Some("With commas between them."),
        Entry::Json { or_text: true } => Some("JSON, or a text."),
        Entry::Json { or_text: false } => Some("JSON."),
        Entry::Whole | Entry::YesNo | Entry::OneOf(_) | Entry::Line | Entry::Text => None,
    }
}

fn choice(name: &str, words: &[&str], must: bool) -> Markup {
    html! {
        select name=(name) required[must] {
            option value="" {}
            @for word in words { option value=(word) { (word) } }
        }
    }
}

/// The body of a request to act, as JSON, from the fields of a form; empty ones are not given.
///
/// # Errors
/// The fault in it, in a sentence.
pub fn act_of(fields: &[(String, String)]) -> Result<String, String> {
    let given: Vec<(&str, String)> = fields
        .iter()
        .filter(|(_, value)| !value.trim().is_empty())
        // A browser sends the ends of lines of another machine.
        .map(|(name, value)| (name.as_str(), value.replace("\r\n", "\n")))
        .collect();
    let named = |name: &str| given.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    for (at, (name, _)) in given.iter().enumerate() {
        if given.iter().skip(at + 1).any(|(other, _)| other == name) {
            return Err(format!("`{}` stands there twice", first_letters(name, 64)));
        }
    }
    if let Some(json) = named(JSON) {
        if let Some((other, _)) = given.iter().find(|(name, _)| *name != JSON) {
            return Err(format!(
                "JSON is all of an action: there can be no `{}` beside it",
                first_letters(other, 64)
            ));
        }
        let json = json.trim();
        return Ok(if json.starts_with('[') { format!("{{\"ops\":{json}}}") } else { json.to_owned() });
    }
    let word = named(OP).ok_or("`op` is missing: it names what is to be done")?;
    let spec = spec_of(word)?;
    let mut op = Map::new();
    op.insert(OP.into(), word.into());
    for (name, text) in given.iter().filter(|(name, _)| *name != OP) {
        let entry = match spec.fields.iter().find(|field| field.name == *name) {
            Some(field) => entry(&(field.schema)()),
            None if *name == MAX_SPEND => Entry::Whole,
            None => return Err(strange(name, spec)),
        };
        op.insert((*name).to_owned(), typed(name, &entry, text)?);
    }
    Ok(Value::Object(op).to_string())
}

fn spec_of(word: &str) -> Result<&'static OpSpec, String> {
    let found = SPECS.iter().find(|spec| spec.kind.as_str() == word);
    found.ok_or_else(|| {
        let near = nearest(word, SPECS.iter().map(|spec| spec.kind.as_str()));
        let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        format!("there is no op `{}`{hint}", first_letters(word, 64))
    })
}

fn strange(name: &str, spec: &OpSpec) -> String {
    let near = nearest(name, spec.fields.iter().map(|field| field.name));
    let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    format!("`{}` has no field `{}`{hint}", spec.kind.as_str(), first_letters(name, 64))
}

/// A field as it was typed.
fn typed(name: &str, entry: &Entry, text: &str) -> Result<Value, String> {
    match entry {
        Entry::Whole => text
            .trim()
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| format!("`{name}` must be a whole number")),
        Entry::YesNo => match text.trim() {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err(format!("`{name}` must be true or false")),
        },
        Entry::OneOf(_) | Entry::Line => Ok(text.trim().into()),
        Entry::Text => Ok(text.into()),
        Entry::List if text.trim_start().starts_with('[') => json(name, text),
        Entry::List => {
            Ok(text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect::<Vec<_>>().into())
        }
        Entry::Json { or_text: true } if !seems_json(text) => Ok(text.into()),
        Entry::Json { .. } => json(name, text),
    }
}

/// Whether a text is JSON, or is meant to be.
fn seems_json(text: &str) -> bool {
    let text = text.trim();
    let is_within = |open: char, close: char| text.starts_with(open) && text.ends_with(close);
    is_within('{', '}') || is_within('[', ']') || is_within('"', '"') || strict_json(text).is_ok()
}

fn json(name: &str, text: &str) -> Result<Value, String> {
    strict_json(text).map_err(|misread| match misread {
        Misread::Syntax(problem) => format!("`{name}` is not JSON: {problem}"),
        Misread::Unfit(refusal) => format!("`{name}`: {}", refusal.message),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_form_are_an_op() {
        for (typed, op) in [
            ("op=noop", Ok(r#"{"op":"noop"}"#)),
            ("op=transfer&to=bob&amount=5&resource=", Ok(r#"{"op":"transfer","to":"bob","amount":5}"#)),
            (
                "op=transfer&to=+bob+&amount=+5+&max_spend=0",
                Ok(r#"{"op":"transfer","to":"bob","amount":5,"max_spend":0}"#),
            ),
            ("op=read&artifact=a&code=true", Ok(r#"{"op":"read","artifact":"a","code":true}"#)),
            (
                "op=write&artifact=a&code=x%0D%0A++y&depends_on=b,+c,",
                Ok(r#"{"op":"write","artifact":"a","code":"x\n  y","depends_on":["b","c"]}"#),
            ),
            (
                "op=write&artifact=a&content={\"k\":1}",
                Ok(r#"{"op":"write","artifact":"a","content":{"k":1}}"#),
            ),
            ("op=write&artifact=a&content=7", Ok(r#"{"op":"write","artifact":"a","content":7}"#)),
            ("op=write&artifact=a&content=null", Ok(r#"{"op":"write","artifact":"a","content":null}"#)),
            (
                "op=write&artifact=a&content=[draft]+it",
                Ok(r#"{"op":"write","artifact":"a","content":"[draft] it"}"#),
            ),
            ("op=write&artifact=a&content={k:1}", Err("`content` is not JSON")),
            (
                "op=invoke&artifact=a&args=[1,\"x\"]&give=[\"b\"]",
                Ok(r#"{"op":"invoke","artifact":"a","args":[1,"x"],"give":["b"]}"#),
            ),
            ("op=invoke&artifact=a&args=x", Err("`args` is not JSON")),
            ("op=store&key=k&value=\"\\ud800\"", Err("`value`")),
            ("op=store&key=k&value={\"a\":1,\"a\":2}", Err("`value`")),
            ("op=transfer&to=bob&amount=1.5", Err("`amount` must be a whole number")),
            ("op=transfer&to=bob&amount=99999999999999999999", Err("`amount` must be a whole number")),
            ("op=transfer&too=bob", Err("`transfer` has no field `too`; did you mean `to`?")),
            ("op=transfer&to=a&to=b", Err("`to` stands there twice")),
            ("op=trnsfer", Err("there is no op `trnsfer`; did you mean `transfer`?")),
            ("", Err("`op` is missing")),
            ("{}", Err("`op` is missing")),
            ("json={\"op\":\"noop\"}", Ok(r#"{"op":"noop"}"#)),
            ("json=+[{\"op\":\"noop\"}]", Ok(r#"{"ops":[{"op":"noop"}]}"#)),
            ("json={}&op=noop", Err("JSON is all of an action")),
        ] {
            let fields: Vec<(String, String)> =
                form_urlencoded::parse(typed.as_bytes()).into_owned().collect();
            match (act_of(&fields), op) {
                (Ok(made), Ok(op)) => assert_eq!(made, op, "{typed}"),
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{typed}: {problem}"),
                (made, op) => panic!("{typed}: {made:?}, and not {op:?}"),
            }
        }
    }

    #[test]
    fn each_field_of_each_op_has_an_input() {
        let forms = forms("", "a\"b").into_string();
        assert!(forms.contains("value=\"a&quot;b\""));
        for spec in SPECS {
            let form = forms
                .split("<form")
                .find(|form| form.contains(&format!("name=\"op\" value=\"{}\"", spec.kind.as_str())));
            let form = form.unwrap_or_else(|| panic!("{} has no form", spec.kind));
            for field in spec.fields {
                let name = format!(" name=\"{}\"", field.name);
                assert!(form.contains(&name), "{}.{}", spec.kind, field.name);
            }
        }
    }
}
