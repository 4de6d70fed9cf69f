//! Interfaces: the tools that an artifact lists, and whether the arguments of a call fit them.
//!
//! A tool's `inputSchema` speaks a small part of JSON Schema. Every word of it that restrains is checked, so a
//! schema with another word is refused when it is written.

use serde_json::{Map, Value};

use crate::{id::nearest, json::found, limits::PARTS_PER_ROW, refusal::Refusal, words::words};

words! {
    /// The words of a schema: those that restrain, and those that explain.
    Keyword {
        /// The types it may have.
        Type = "type",
        /// The schemas of an object's values, by name.
        Properties = "properties",
        /// The names that must be there.
        Required = "required",
        /// The schema of each item of an array.
        Items = "items",
        /// The values it may have.
        Enum = "enum",
        /// The least number.
        Minimum = "minimum",
        /// The greatest number.
        Maximum = "maximum",
        /// The most characters.
        MaxLength = "maxLength",
        /// A name for people.
        Title = "title",
        /// A sentence for people.
        Description = "description",
    }
}

words! {
    /// The types of JSON values.
    Kind {
        /// Null.
        Null = "null",
        /// True or false.
        Boolean = "boolean",
        /// A whole number.
        Integer = "integer",
        /// Any number.
        Number = "number",
        /// Text.
        String = "string",
        /// A list.
        Array = "array",
        /// Values by name.
        Object = "object",
    }
}

/// The key of a tool that says how much of the caller's `disk` is sent along.
const DEPOSIT: &str = "deposit";

/// Looks at an interface before it is stored.
///
/// # Errors
/// `invalid_argument`, naming the place of what can't be.
pub(crate) fn check(name: &str, interface: &Value) -> Result<(), Refusal> {
    let Value::Array(tools) = interface else {
        return Err(Refusal::invalid(format!(
            "`{name}` must be an array of tools, not {}",
            found(interface)
        )));
    };
    let mut names: Vec<&str> = Vec::with_capacity(tools.len());
    for (at, tool) in tools.iter().enumerate() {
        let place = format!("{name}[{at}]");
        let Some(method) = tool.get("name").and_then(Value::as_str).filter(|method| !method.is_empty())
        else {
            return Err(Refusal::invalid(format!("`{name}`: each tool must be an object with a `name`")));
        };
        names.push(method);
        if tool.get(DEPOSIT).is_some_and(|deposit| deposit.as_i64().is_none_or(|bytes| bytes < 0)) {
            return Err(Refusal::invalid(format!(
                "`{place}.{DEPOSIT}` must be a number of bytes, 0 or more"
            )));
        }
        if let Some(schema) = tool.get("inputSchema") {
            check_input(&format!("{place}.inputSchema"), schema)?;
        }
    }
    names.sort_unstable();
    match names.windows(2).find(|pair| matches!(pair, [one, other] if one == other)) {
        Some(pair) => {
            let twice = pair.first().copied().unwrap_or_default();
            Err(Refusal::invalid(format!("`{name}` lists the method `{}` twice", twice.escape_debug())))
        }
        None => Ok(()),
    }
}

/// The arguments of a call are an object, and each of those that must be given has a place among them.
fn check_input(place: &str, schema: &Value) -> Result<(), Refusal> {
    check_schema(place, schema)?;
    if schema.get("type").is_some_and(|kind| kind != "object") {
        return Err(Refusal::invalid(format!("`{place}.type` must be \"object\": arguments have names")));
    }
    let known = properties(schema);
    for name in required(schema) {
        if !known.is_some_and(|known| known.contains_key(name)) {
            let sentence =
                format!("`{place}.required` names `{}`, which is not in `properties`", name.escape_debug());
            return Err(Refusal::invalid(sentence).hint("arguments are bound in the order of `properties`"));
        }
    }
    Ok(())
}

/// Looks at a schema whose every word that restrains must be one that is checked.
///
/// # Errors
/// `invalid_argument`, naming the place of what can't be.
pub(crate) fn check_schema(place: &str, schema: &Value) -> Result<(), Refusal> {
    let Value::Object(words) = schema else {
        return Err(Refusal::invalid(format!(
            "`{place}` must be a schema, an object, not {}",
            found(schema)
        )));
    };
    for (word, value) in words {
        let Some(keyword) = Keyword::from_word(word) else {
            return Err(unknown(place, word));
        };
        let wrong = |expected: &str| {
            Err(Refusal::invalid(format!("`{place}.{word}` must be {expected}, not {}", found(value))))
        };
        match keyword {
            Keyword::Type => check_type(place, value)?,
            Keyword::Properties => match value {
                Value::Object(each) => {
                    for (name, schema) in each {
                        check_schema(&format!("{place}.properties.{}", name.escape_debug()), schema)?;
                    }
                }
                _ => return wrong("an object of schemas"),
            },
            Keyword::Required => match value {
                Value::Array(names) if names.iter().all(Value::is_string) => {}
                _ => return wrong("an array of names"),
            },
            Keyword::Items => check_schema(&format!("{place}.items"), value)?,
            Keyword::Enum => match value {
                Value::Array(values) if !values.is_empty() => {}
                _ => return wrong("an array of at least one value"),
            },
            Keyword::Minimum | Keyword::Maximum if !value.is_i64() => return wrong("an integer"),
            Keyword::MaxLength if value.as_i64().is_none_or(|length| length < 0) => {
                return wrong("an integer of at least 0");
            }
            Keyword::Title | Keyword::Description if !value.is_string() => return wrong("a string"),
            Keyword::Minimum
            | Keyword::Maximum
            | Keyword::MaxLength
            | Keyword::Title
            | Keyword::Description => {}
        }
    }
    Ok(())
}

fn check_type(place: &str, value: &Value) -> Result<(), Refusal> {
    let words = match value {
        Value::String(_) => std::slice::from_ref(value),
        Value::Array(words) if !words.is_empty() => words,
        _ => {
            let sentence =
                format!("`{place}.type` must be a word or an array of words, not {}", found(value));
            return Err(Refusal::invalid(sentence).hint(format!("the types are {}", Kind::WORDS.join(", "))));
        }
    };
    match words.iter().find(|word| word.as_str().and_then(Kind::from_word).is_none()) {
        Some(word) => Err(Refusal::invalid(format!("`{place}.type`: there is no type {}", found(word)))
            .hint(format!("the types are {}", Kind::WORDS.join(", ")))),
        None => Ok(()),
    }
}

fn unknown(place: &str, word: &str) -> Refusal {
    let shown: String = word.chars().take(64).collect();
    let sentence = format!("`{place}`: the word `{}` is not checked here", shown.escape_debug());
    let refusal = Refusal::invalid(sentence);
    let known = Keyword::WORDS.join(", ");
    match nearest(word, Keyword::WORDS.iter().copied()) {
        Some(near) => refusal.hint(format!("did you mean `{near}`? a schema may use {known}")),
        None => refusal.hint(format!("a schema may use {known}; let the code check the rest")),
    }
}

/// The tool of a method; the work of looking is told to `count` in parts.
///
/// # Errors
/// The refusal of `count`.
pub(crate) fn tool<'i>(
    interface: &'i Value,
    method: &str,
    count: impl Fn(u64) -> Result<(), Refusal>,
) -> Result<Option<&'i Value>, Refusal> {
    let Value::Array(tools) = interface else { return Ok(None) };
    for tool in tools {
        count(PARTS_PER_ROW)?;
        if tool.get("name").and_then(Value::as_str) == Some(method) {
            return Ok(Some(tool));
        }
    }
    Ok(None)
}

/// Bytes of `disk` that a call of a tool sends along where it gives none itself, beside those of the artifacts that it
/// gives; `None` if the tool asks for none.
pub(crate) fn deposit(tool: &Value) -> Option<i64> {
    tool.get(DEPOSIT).and_then(Value::as_i64)
}

/// Whether arguments fit a tool, bound to names in the order of its `properties`; the work of looking is told
/// to `count` in parts, before it is done.
///
/// # Errors
/// `invalid_argument` with the word of the schema that they do not fit, or the refusal of `count`.
pub(crate) fn fits(
    tool: &Value,
    args: &[Value],
    count: impl Fn(u64) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let Some(schema) = tool.get("inputSchema") else { return Ok(()) };
    let fitting = fit_args(schema, args, &count);
    fitting.map_err(|mut refusal| {
        let method = tool.get("name").and_then(Value::as_str).unwrap_or_default();
        if refusal.code == crate::refusal::Code::InvalidArgument {
            refusal.message = format!("`{method}`: {}", refusal.message);
            refusal.hint =
                refusal.hint.or_else(|| Some(format!("it is called as {}", signature(method, schema))));
        }
        refusal
    })
}

pub(crate) type Count<'c> = &'c dyn Fn(u64) -> Result<(), Refusal>;

fn fit_args(schema: &Value, args: &[Value], count: Count<'_>) -> Result<(), Refusal> {
    let Some(names) = properties(schema) else { return Ok(()) };
    if args.len() > names.len() {
        let (takes, plural) = (names.len(), if names.len() == 1 { "" } else { "s" });
        return Err(Refusal::invalid(format!("it takes {takes} argument{plural}, not {}", args.len())));
    }
    for ((name, schema), value) in names.iter().zip(args) {
        fit(name, schema, value, count)?;
    }
    for name in required(schema) {
        if names.keys().position(|known| known == name).is_none_or(|at| at >= args.len()) {
            return Err(Refusal::invalid(format!("`{name}` is `required`, and it is missing")));
        }
    }
    Ok(())
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// How a method is called: `list(price, buyer?)`.
fn signature(method: &str, schema: &Value) -> String {
    let must: Vec<&str> = required(schema).collect();
    let names = properties(schema).into_iter().flatten().map(|(name, _)| {
        let mark = if must.contains(&name.as_str()) { "" } else { "?" };
        format!("{name}{mark}")
    });
    format!("`{method}({})`", names.collect::<Vec<_>>().join(", "))
}

/// Whether a value fits a schema; `place` says where the value stands. The work of looking is told to `count` in
/// parts, before it is done.
///
/// # Errors
/// `invalid_argument` with the word of the schema that it does not fit, or the refusal of `count`.
pub(crate) fn fit(place: &str, schema: &Value, value: &Value, count: Count<'_>) -> Result<(), Refusal> {
    let Some(words) = schema.as_object() else { return Ok(()) };
    count(PARTS_PER_ROW.saturating_mul(1 + words.len() as u64))?;
    for (word, bound) in words {
        match Keyword::from_word(word) {
            Some(Keyword::Type) => fit_type(place, bound, value)?,
            Some(Keyword::Enum) => fit_enum(place, bound, value, count)?,
            Some(Keyword::Minimum) => fit_bound(place, word, bound, value, |value, bound| value >= bound)?,
            Some(Keyword::Maximum) => fit_bound(place, word, bound, value, |value, bound| value <= bound)?,
            Some(Keyword::MaxLength) => fit_length(place, bound, value, count)?,
            Some(Keyword::Items) => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    fit(&format!("{place}[{at}]"), bound, item, count)?;
                }
            }
            Some(Keyword::Properties) => {
                let pairs = bound.as_object().into_iter().flatten();
                for (name, schema) in pairs {
                    if let Some(inner) = value.as_object().and_then(|map| map.get(name)) {
                        fit(&format!("{place}.{}", name.escape_debug()), schema, inner, count)?;
                    }
                }
            }
            Some(Keyword::Required) => {
                let Value::Object(map) = value else { continue };
                if let Some(name) = required(schema).find(|name| !map.contains_key(*name)) {
                    let sentence =
                        format!("`{place}.{}` is `required`, and it is missing", name.escape_debug());
                    return Err(Refusal::invalid(sentence));
                }
            }
            Some(Keyword::Title | Keyword::Description) | None => {}
        }
    }
    Ok(())
}

fn fit_type(place: &str, bound: &Value, value: &Value) -> Result<(), Refusal> {
    let one = |word: &Value| word.as_str().and_then(Kind::from_word).is_none_or(|kind| kind.is_of(value));
    let (fits, words) = match bound {
        Value::Array(words) => {
            let names: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            (words.iter().any(one), names.join(" or "))
        }
        word => (one(word), word.as_str().unwrap_or_default().to_owned()),
    };
    if fits {
        return Ok(());
    }
    Err(Refusal::invalid(format!("`{place}` must be of `type` {words}, not {}", found(value))))
}

impl Kind {
    fn is_of(self, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Boolean => value.is_boolean(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::String => value.is_string(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

fn fit_enum(place: &str, bound: &Value, value: &Value, count: Count<'_>) -> Result<(), Refusal> {
    let values = bound.as_array().map_or(&[][..], Vec::as_slice);
    count(PARTS_PER_ROW.saturating_mul(values.len() as u64))?;
    if values.contains(value) {
        return Ok(());
    }
    let shown: Vec<String> = values.iter().take(20).map(Value::to_string).collect();
    let sentence = format!("`{place}` must be one of its `enum`: {}, not {}", shown.join(", "), found(value));
    Err(Refusal::invalid(sentence))
}

fn fit_bound(
    place: &str,
    word: &str,
    bound: &Value,
    value: &Value,
    holds: impl Fn(i128, i128) -> bool,
) -> Result<(), Refusal> {
    let Value::Number(number) = value else { return Ok(()) };
    let bound = i128::from(bound.as_i64().unwrap_or_default());
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let fits = match (whole, number.as_f64()) {
        (Some(whole), _) => holds(whole, bound),
        // A fraction is within an integer's bound if the whole numbers on both its sides are, or one is the bound.
        (None, Some(fraction)) => holds_fraction(fraction, bound, &holds),
        (None, None) => true,
    };
    if fits {
        return Ok(());
    }
    Err(Refusal::invalid(format!("`{place}` has a `{word}` of {bound}, and is {number}")))
}

fn holds_fraction(fraction: f64, bound: i128, holds: &impl Fn(i128, i128) -> bool) -> bool {
    let (below, above) = (fraction.floor(), fraction.ceil());
    // A conversion of a float ends at the ends of the integers.
    holds(below as i128, bound) && holds(above as i128, bound)
}

fn fit_length(place: &str, bound: &Value, value: &Value, count: Count<'_>) -> Result<(), Refusal> {
    let Value::String(text) = value else { return Ok(()) };
    count(text.len() as u64)?;
    let (has, most) = (text.chars().count(), bound.as_u64().unwrap_or(u64::MAX));
    if has as u64 <= most {
        return Ok(());
    }
    Err(Refusal::invalid(format!("`{place}` has a `maxLength` of {most}, and has {has} characters")))
}
