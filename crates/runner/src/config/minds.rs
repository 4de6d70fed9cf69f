//! The minds of `[[agents]]`: keys that are written into an agent's content, where its mind stands.

use oikos_kernel::{json::Json, mind::Mind};
use serde_json::{Map, Value};

use super::{
    Files,
    artifacts::{Parts, read_file, text_or_file},
    reader::{Read, Reader},
    tree::Node,
};

/// The keys of minds that are language models, `mind` apart.
const LLM: [&str; 7] =
    ["model", "prompt", "prompt_file", "temperature", "max_output_tokens", "recall", "template_file"];

/// An agent's content with the mind that the keys of its entry say. An agent that is a script has none.
pub(super) fn content(
    parts: &Parts<'_>,
    section: &Reader<'_>,
    content: Json,
    files: Files<'_>,
) -> Read<Json> {
    let kinds = [("script", "script"), ("llm", "llm"), ("external", "external")];
    let kind = section.word("mind", &kinds)?.unwrap_or("script");
    let Some(node) = section.node("mind").filter(|_| kind != "script") else {
        return match LLM.iter().find_map(|key| Some((key, section.node(key)?))) {
            Some((key, node)) => Err(goes_with_llm(parts, key, node)),
            None => checked(parts, section, content),
        };
    };
    if let (Some((key, stray)), true) =
        (LLM.iter().find_map(|key| Some((key, section.node(key)?))), kind != "llm")
    {
        return Err(goes_with_llm(parts, key, stray));
    }
    let mut map = match content.value() {
        Value::Null => Map::new(),
        Value::Object(map) if !map.contains_key("mind") => map.clone(),
        Value::Object(_) => {
            return Err(parts.document.error(&node.span, "give `mind` or `content.mind`, not both"));
        }
        _ => {
            let error =
                parts.document.error(&node.span, "its `content` must be a table: its mind stands there");
            return Err(error.help("write the text as `prompt`, or as a key of `content`"));
        }
    };
    let mut mind = Map::new();
    mind.insert("kind".into(), kind.into());
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            mind.insert(key.into(), value);
        }
    };
    put("model", section.text("model")?.map(Value::from));
    put("prompt", text_or_file(section, "prompt", "prompt_file", files)?.map(Value::from));
    for key in ["max_output_tokens", "recall"] {
        put(key, section.integer(key, 0)?.map(Value::from));
    }
    put("temperature", section.json("temperature")?);
    put("template", read_file(section, "template_file", files)?.map(Value::from));
    map.insert("mind".into(), mind.into());
    checked(parts, section, Value::Object(map).into())
}

fn goes_with_llm(parts: &Parts<'_>, key: &str, node: &Node) -> Box<super::ConfigError> {
    let message = format!("`{key}` goes with mind = \"llm\"");
    parts.document.error(&node.span, message)
}

/// Refuses a mind that can't be where the entry names it.
fn checked(parts: &Parts<'_>, section: &Reader<'_>, content: Json) -> Read<Json> {
    let Err(refusal) = Mind::of(content.value(), parts.rules.llm_model.as_deref()) else {
        return Ok(content);
    };
    let key = LLM.iter().find(|key| {
        let field = key.strip_suffix("_file").unwrap_or(key);
        refusal.message.contains(&format!("`mind.{field}`")) && section.node(key).is_some()
    });
    let node = key.and_then(|key| section.node(key)).or_else(|| section.node("mind"));
    let node = node.or_else(|| section.node("content"));
    let span = node.map_or_else(|| section.span.clone(), |node| node.span.clone());
    let error = parts.document.error(&span, refusal.message);
    Err(match refusal.hint {
        Some(hint) => error.help(hint),
        None => error,
    })
}
