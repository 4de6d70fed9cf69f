//! The table of tools. The schemas of those that are ops come from the table of ops, in the profile for models.

use std::sync::Arc;

use oikos_runner::kernel::op::{OpKind, Touch, arguments_for_models};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

/// A tool.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) does: Does,
}

/// All that a tool may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// The op of its name.
    Op(OpKind),
    /// The query of a memory.
    Recall,
    /// Shows what a mind would be shown.
    Observe,
    /// Lets time pass.
    Wait,
    /// Reads a page of the handbook, or lists them.
    Handbook,
}

/// The fields of `query` that a recall has.
const OF_RECALL: [&str; 5] = ["artifact", "text", "limit", "since", "tags"];

/// Every tool, in the order in which they are listed.
pub(super) const TOOLS: &[Spec] = &[
    Spec { does: Does::Observe },
    Spec { does: Does::Handbook },
    Spec { does: Does::Op(OpKind::Query) },
    Spec { does: Does::Op(OpKind::Read) },
    Spec { does: Does::Op(OpKind::Invoke) },
    Spec { does: Does::Op(OpKind::Write) },
    Spec { does: Does::Op(OpKind::Edit) },
    Spec { does: Does::Op(OpKind::Delete) },
    Spec { does: Does::Op(OpKind::Run) },
    Spec { does: Does::Op(OpKind::Transfer) },
    Spec { does: Does::Op(OpKind::Mandate) },
    Spec { does: Does::Op(OpKind::Charge) },
    Spec { does: Does::Op(OpKind::TransferOwnership) },
    Spec { does: Does::Op(OpKind::SetContract) },
    Spec { does: Does::Op(OpKind::Store) },
    Spec { does: Does::Op(OpKind::Remember) },
    Spec { does: Does::Op(OpKind::Forget) },
    Spec { does: Does::Recall },
    Spec { does: Does::Op(OpKind::Sleep) },
    Spec { does: Does::Wait },
];

impl Spec {
    pub(super) const fn name(&self) -> &'static str {
        match self.does {
            Does::Op(kind) => kind.as_str(),
            Does::Recall => "recall",
            Does::Observe => "observe",
            Does::Wait => "wait",
            Does::Handbook => "handbook",
        }
    }

    fn doc(&self) -> String {
        let added = match self.does {
            Does::Op(kind) => {
                let doc = kind.spec().map_or("", |spec| spec.doc).trim();
                return match kind {
                    OpKind::Query => format!("{doc} It is free and leaves no record."),
                    OpKind::Sleep => format!(
                        "{doc} It answers when the agent is awake, or with `ended` null while it still sleeps; `wait` \
                         without arguments goes on then."
                    ),
                    _ => doc.to_owned(),
                };
            }
            Does::Recall => {
                "Finds the entries of a memory that fit best: the query `recall`, by default of your own memory. It is \
                 free and leaves no record."
            }
            Does::Observe => {
                "Shows what you have and what happened to you since your last step: what an agent's mind is shown \
                 before it thinks. It is free and leaves no record."
            }
            Does::Wait => {
                "Waits for the first of what is named, as `sleep` does but without sleeping: a time, an event, a level. \
                 An agent that names nothing waits for its next turn. Where the world's time stands while you think, \
                 this lets it pass. It is free and leaves no record. `ended` is null if nothing came so far: call it \
                 again."
            }
            Does::Handbook => {
                "Reads a page of the world's handbook: the op `read` of it, which may cost. Without a page it lists \
                 them, for nothing."
            }
        };
        added.to_owned()
    }

    /// Whether it only looks, and whether it may take away what was there.
    const fn touch(&self) -> Touch {
        match self.does {
            Does::Op(kind) => kind.touch(),
            Does::Recall | Does::Observe | Does::Wait | Does::Handbook => Touch::Nothing,
        }
    }

    fn schema(&self) -> Value {
        match self.does {
            Does::Op(kind) => of_op(kind, |_| true),
            Does::Recall => of_op(OpKind::Query, |field| OF_RECALL.contains(&field)),
            Does::Wait => of_op(OpKind::Sleep, |_| true),
            Does::Observe => json!({ "type": "object", "properties": {}, "additionalProperties": false }),
            Does::Handbook => json!({
                "type": "object",
                "properties": { "page": {
                    "anyOf": [{ "type": "string", "maxLength": 128 }, { "type": "null" }],
                    "description": "The page, such as `start`; left out, the pages are listed.",
                } },
                "required": [],
                "additionalProperties": false,
            }),
        }
    }

    fn tool(&self) -> Tool {
        let object = match self.schema() {
            Value::Object(map) => map,
            _ => JsonObject::new(),
        };
        let touch = self.touch();
        let mut annotations = ToolAnnotations::new().read_only(touch == Touch::Nothing).open_world(false);
        if touch != Touch::Nothing {
            annotations = annotations.destructive(touch == Touch::Changes);
        }
        Tool::new(self.name(), self.doc(), Arc::new(object)).with_annotations(annotations)
    }
}

/// The fields of an op that fit, as a client gives them.
fn of_op(kind: OpKind, fits: impl Fn(&str) -> bool) -> Value {
    let Some(spec) = kind.spec() else { return Value::Null };
    let mut schema = arguments_for_models(spec);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| fits(name));
    }
    if let Some(must) = schema.get_mut("required").and_then(Value::as_array_mut) {
        must.retain(|name| name.as_str().is_some_and(&fits));
    }
    schema
}

/// Every tool, as it is listed.
pub(super) fn all() -> Vec<Tool> {
    TOOLS.iter().map(Spec::tool).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The most tools that a server should list: clients cut longer lists.
    const TOOLS_MAX: usize = 20;
    /// The ops that are no tools: one does nothing, the other is for mint authorities, which are artifacts.
    const NO_TOOLS: [OpKind; 2] = [OpKind::Noop, OpKind::Mint];

    #[test]
    fn every_op_that_an_outsider_needs_is_a_tool() {
        let names: BTreeSet<&str> = TOOLS.iter().map(Spec::name).collect();
        assert_eq!(names.len(), TOOLS.len(), "each stands there once");
        assert!(TOOLS.len() <= TOOLS_MAX, "{} tools", TOOLS.len());
        for kind in OpKind::ALL {
            assert_eq!(names.contains(kind.as_str()), !NO_TOOLS.contains(&kind), "{}", kind.as_str());
        }
    }

    #[test]
    fn a_tool_says_what_it_may_do_and_what_it_takes() {
        for tool in all() {
            let told = tool.annotations.clone().unwrap();
            let is_look = ["observe", "handbook", "query", "read", "recall", "wait"].contains(&&*tool.name);
            assert_eq!(told.read_only_hint, Some(is_look), "{}", tool.name);
            let adds = ["remember", "sleep"].contains(&&*tool.name);
            assert_eq!(told.destructive_hint, (!is_look).then_some(!adds), "{}", tool.name);
            let schema = tool.schema_as_json_value();
            assert_eq!(schema["type"], "object", "{}", tool.name);
            let fields = schema["properties"].as_object().unwrap();
            assert!(!fields.contains_key("op"), "{}", tool.name);
            assert_eq!(fields.contains_key("what"), tool.name == "query", "{}", tool.name);
            for must in schema["required"].as_array().into_iter().flatten() {
                assert!(fields.contains_key(must.as_str().unwrap()), "{}: {must}", tool.name);
            }
            assert!(tool.description.is_some_and(|text| text.len() > 10), "{}", tool.name);
        }
    }
}
