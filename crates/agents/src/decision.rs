//! From the text of an answer to a decision: the JSON in it, then `think` and either `ops` or `looks`.
//!
//! Nothing that a model writes is a fault: what can't be read is a refusal with a hint.

use oikos_kernel::{
    op::{Action, LOOKS_MAX, Op, without_nulls},
    refusal::{Code, Refusal},
};
use serde_json::{Map, Value};

use crate::json;

/// Bytes of `think` that are kept.
pub const THINK_BYTES_MAX: usize = 4 * 1024;
/// Bytes of an answer that are looked through.
const TEXT_BYTES_MAX: usize = 512 * 1024;
/// Places at which JSON may begin.
const BEGINNINGS_MAX: usize = 256;

/// A decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The model's reasons, cut to what is kept.
    pub think: Option<String>,
    /// The model's wish.
    pub wish: Wish,
}

/// The wish of a mind.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// To do nothing.
    Nothing,
    /// To act.
    Act(Box<Wanted>),
    /// To look first.
    Look(Vec<Look>),
}

/// An action, as it was written and as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The ops as JSON; the record holds them so.
    pub written: Value,
    /// The same, read.
    pub action: Action,
}

/// A look, as it was written and as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The look as JSON.
    pub written: Value,
    /// The op that answers it, or why it can't be one.
    pub op: Result<Action, Refusal>,
}

/// Reads a decision out of an answer's text. `looks_left` is how many looks the turn still has.
///
/// # Errors
/// The first thing that is wrong, with a hint for the next attempt.
pub fn read_answer(text: &str, looks_left: usize) -> Result<Decided, Refusal> {
    let text = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    let mut map = match first_json(text)? {
        Found::Object(map) => map,
        // A list of ops without the object around it.
        Found::Ops(ops) => Map::from_iter([("ops".to_owned(), Value::Array(ops))]),
    };
    let think = think(map.shift_remove("think"));
    let looks = listed(&mut map, "looks")?;
    let mut ops = listed(&mut map, "ops")?;
    if ops.is_none() && looks.is_none() && (map.contains_key("op") || map.contains_key("action_type")) {
        // One op without the object around it.
        ops = Some(vec![Value::Object(std::mem::take(&mut map))]);
    }
    if let Some(unknown) = map.keys().next() {
        let shown: String = unknown.chars().take(64).collect();
        return Err(Refusal::invalid(format!("an answer has no field `{}`", shown.escape_debug())).hint(FORM));
    }
    let (looks, is_silent) = (looks.unwrap_or_default(), ops.is_none());
    let ops = ops.unwrap_or_default();
    if !looks.is_empty() {
        if !ops.is_empty() {
            return Err(Refusal::invalid("an answer has `looks` or `ops`, not both")
                .hint("look first; the answers come before you act"));
        }
        return look(looks, looks_left).map(|looks| Decided { think, wish: Wish::Look(looks) });
    }
    if ops.is_empty() {
        if is_silent && think.is_none() {
            return Err(Refusal::invalid("an answer needs `ops`").hint(FORM));
        }
        return Ok(Decided { think, wish: Wish::Nothing });
    }
    let written = Value::Array(ops.into_iter().map(without_nulls).collect());
    let action = Action::parse(written.clone())?;
    Ok(Decided { think, wish: Wish::Act(Box::new(Wanted { written, action })) })
}

/// The first JSON object in a text, in fences or in prose.
///
/// # Errors
/// Why there is none.
pub(crate) fn read_object(text: &str) -> Result<Map<String, Value>, String> {
    let text = text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default();
    match first_json(text) {
        Ok(Found::Object(map)) => Ok(map),
        Ok(Found::Ops(_)) => Err("the answer is a list, and no JSON object".into()),
        Err(refusal) => Err(refusal.message),
    }
}

/// The form of an answer, as a hint.
const FORM: &str = "answer with one JSON object: {\"think\": \"…\", \"ops\": [{\"op\": …}]}";

/// The reasons, cut to what is kept. They may be of any kind; nothing depends on them.
fn think(value: Option<Value>) -> Option<String> {
    let text = match value? {
        Value::Null => return None,
        Value::String(text) => text,
        other => other.to_string(),
    };
    if text.trim().is_empty() {
        return None;
    }
    let end = text.floor_char_boundary(THINK_BYTES_MAX);
    Some(text.get(..end).unwrap_or_default().to_owned())
}

/// A field that is a list; one entry may stand without the list around it.
fn listed(map: &mut Map<String, Value>, name: &str) -> Result<Option<Vec<Value>>, Refusal> {
    match map.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(one @ Value::Object(_)) => Ok(Some(vec![one])),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            Err(Refusal::invalid(format!("`{name}` must be a list of objects")).hint(FORM))
        }
    }
}

fn look(looks: Vec<Value>, left: usize) -> Result<Vec<Look>, Refusal> {
    if looks.len() > left {
        let sentence = match left {
            0 => "this turn has no looks left".to_owned(),
            left => format!("this turn has {left} of its {LOOKS_MAX} looks left"),
        };
        let numbers = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        return Err(Refusal::new(Code::LimitExceeded, sentence)
            .numbers(numbers(looks.len()), numbers(left))
            .hint("act now, with `ops`, or do nothing with an empty list"));
    }
    Ok(looks.into_iter().map(|written| Look { op: looked(written.clone()), written }).collect())
}

/// The op that a look stands for. One that could cost more than its own CPU is an action.
fn looked(written: Value) -> Result<Action, Refusal> {
    let mut written = without_nulls(written);
    if let Some(map) = written.as_object_mut()
        && map.get("op").is_some_and(|op| op == "recall")
    {
        map.insert("op".into(), "query".into());
        map.insert("what".into(), "recall".into());
    }
    if !written.is_object() {
        return Err(Refusal::invalid("a look is an object with an `op`")
            .hint("for example {\"op\": \"read\", \"artifact\": \"handbook_start\"}"));
    }
    let action = Action::parse(written)?;
    let as_action = |sentence: &str| Err(Refusal::invalid(sentence).hint("do it as an action, in `ops`"));
    match action.ops.first().map(|planned| &planned.op) {
        Some(Op::Query(_) | Op::Read(_)) => Ok(action),
        Some(Op::Invoke(invoke)) if invoke.sent().is_some() || invoke.trial.is_some() => {
            as_action("a look sends nothing along and tries nothing")
        }
        Some(Op::Invoke(_)) => Ok(action),
        Some(other) => {
            as_action(&format!("`{}` is no look: those are query, read, invoke and recall", other.kind()))
        }
        None => as_action("a look is one op"),
    }
}

/// The JSON that an answer begins with.
enum Found {
    Object(Map<String, Value>),
    Ops(Vec<Value>),
}

/// The first JSON object in a text, in fences or in prose, or a list of ops that comes before it.
fn first_json(text: &str) -> Result<Found, Refusal> {
    // Models that think aloud first may write JSON while they do.
    let text = text.rsplit_once("</think>").map_or(text, |(_, after)| after);
    let mut end = 0;
    for (at, _) in text.match_indices(['{', '[']).take(BEGINNINGS_MAX) {
        let Some(rest) = text.get(at..).filter(|_| at >= end) else { continue };
        match json::first(rest) {
            Ok((Value::Object(map), _)) => return Ok(Found::Object(map)),
            Ok((Value::Array(items), _)) if !items.is_empty() && items.iter().all(is_op) => {
                return Ok(Found::Ops(items));
            }
            // Brackets of prose; an object within them is no answer.
            Ok((_, length)) => end = at + length,
            // A part of a broken answer would be another answer.
            Err(problem) if is_begun(rest) => {
                let sentence = format!("the answer's JSON can't be read: {problem}");
                return Err(Refusal::invalid(sentence).hint(FORM));
            }
            Err(_) => {}
        }
    }
    Err(Refusal::invalid("the answer holds no JSON object").hint(FORM))
}

/// Whether a text begins as an answer does: an object with a key, or a list with an object.
fn is_begun(text: &str) -> bool {
    let mut signs = text.chars().filter(|c| !c.is_whitespace());
    matches!((signs.next(), signs.next()), (Some('{'), Some('"') | None) | (Some('['), Some('{')))
}

fn is_op(value: &Value) -> bool {
    value.get("op").or_else(|| value.get("action_type")).is_some_and(Value::is_string)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A decision in a few words.
    fn told(text: &str) -> String {
        match read_answer(text, LOOKS_MAX) {
            Err(refusal) => format!("{}: {}", refusal.code, refusal.message),
            Ok(Decided { think, wish }) => {
                let wish = match wish {
                    Wish::Nothing => "nothing".to_owned(),
                    Wish::Act(wanted) => wanted.written.to_string(),
                    Wish::Look(looks) => {
                        let told = looks.iter().map(|look| match &look.op {
                            Ok(action) => format!("{:?}", action.ops[0].op.kind()),
                            Err(refusal) => refusal.message.clone(),
                        });
                        told.collect::<Vec<_>>().join(", ")
                    }
                };
                format!("{} / {wish}", think.unwrap_or_default())
            }
        }
    }

    #[test]
    fn an_answer_is_found_wherever_it_stands() {
        let pay = r#"[{"op":"transfer","to":"bob","amount":5}]"#;
        for text in [
            r#"{"think":"t","ops":[{"op":"transfer","to":"bob","amount":5}]}"#,
            r#"{"think":"t","looks":null,"ops":[{"op":"transfer","to":"bob","amount":5,"resource":null,"max_spend":null}]}"#,
            r#"{"think":"t","looks":[],"ops":{"op":"transfer","to":"bob","amount":5}}"#,
            r#"{"think":"t","op":"transfer","to":"bob","amount":5}"#,
            "Sure! Here it is [1]:\n```json\n{\"think\":\"t\",\"ops\":[{\"op\":\"transfer\",\"to\":\"bob\",\"amount\":5}]}\n```\nHope {that} helps.",
            "<think>maybe {\"ops\":[]} or {</think>{\"think\":\"t\",\"ops\":[{\"op\":\"transfer\",\"to\":\"bob\",\"amount\":5}]}",
            "I set {x} to {y: 1}. {\"think\":\"t\",\"ops\":[{\"op\":\"transfer\",\"to\":\"bob\",\"amount\":5}]} {\"ops\":[]}",
        ] {
            assert_eq!(told(text), format!("t / {pay}"), "{text}");
        }
        assert_eq!(told(&format!("```\n{pay}\n```")), format!(" / {pay}"));
        assert_eq!(told(r#"{"ops":[{"action_type":"noop"}]}"#), r#" / [{"action_type":"noop"}]"#);
    }

    #[test]
    fn nothing_is_a_decision_and_silence_is_not() {
        for text in [r#"{"ops":[]}"#, r#"{"looks":[],"ops":[]}"#] {
            assert_eq!(told(text), " / nothing", "{text}");
        }
        assert_eq!(told(r#"{"think":"later","ops":null}"#), "later / nothing");
        for (text, says) in [
            ("", "holds no JSON object"),
            ("I will wait.", "holds no JSON object"),
            ("{}", "needs `ops`"),
            ("[]", "holds no JSON object"),
            ("5", "holds no JSON object"),
            (r#"{"think":"a","ops":[{"op":"noop"}"#, "can't be read"),
            (r#"{"think":"a","ops":[{"op":"noop"},]}"#, "can't be read"),
            (r#"{"think":"a" "ops":[{"op":"noop"}]}"#, "can't be read"),
            (r#"[{"op":"noop"},{"op":"noop""#, "can't be read"),
            ("{", "can't be read"),
            (r#"{"ops":[{"op":"noop","op":"run"}]}"#, "twice"),
            (r#"{"ops":[{"op":"\ud800"}]}"#, "can't be read"),
            (r#"{"ops":5}"#, "`ops` must be a list"),
            (r#"{"ops":["noop"]}"#, "must be an object"),
            (r#"{"ops":[],"answer":1}"#, "no field `answer`"),
            (r#"{"ops":[{"op":"nop"}]}"#, "there is no op `nop`"),
            (r#"{"ops":[{"op":"transfer","to":"bob","amount":99999999999999999999}]}"#, "is beyond 64 bits"),
            (r#"{"ops":[{"op":"transfer","to":"bob","amount":1e999}]}"#, "can't be read"),
        ] {
            let told = told(text);
            assert!(told.starts_with("invalid_argument") && told.contains(says), "{text}: {told}");
            assert!(
                read_answer(text, 4).unwrap_err().hint.is_some()
                    || text.contains("amount")
                    || text.contains("noop")
            );
        }
    }

    #[test]
    fn looks_are_bounded_and_cost_nothing() {
        let looks = json!({ "looks": [
            { "op": "query", "what": "balances", "of": null },
            { "op": "read", "artifact": "a" },
            { "op": "invoke", "artifact": "a", "pay": null },
            { "op": "recall", "text": "bob" },
        ], "ops": null });
        assert!(
            told(&looks.to_string()).starts_with(" / Query, Read, Invoke, "),
            "{}",
            told(&looks.to_string())
        );
        let refused = json!({ "looks": [
            { "op": "transfer", "to": "bob", "amount": 1 },
            { "op": "invoke", "artifact": "a", "pay": 1 },
            { "op": "invoke", "artifact": "a", "trial": 5 },
            "balances",
        ] });
        assert_eq!(
            told(&refused.to_string()),
            " / `transfer` is no look: those are query, read, invoke and recall, a look sends nothing along and tries \
             nothing, a look sends nothing along and tries nothing, a look is an object with an `op`"
        );
        let one = json!({ "looks": [{ "op": "read", "artifact": "a" }] }).to_string();
        assert!(read_answer(&one, 1).is_ok());
        let refusal = read_answer(&one, 0).unwrap_err();
        assert_eq!((refusal.code, refusal.need, refusal.have), (Code::LimitExceeded, Some(1), Some(0)));
        let both = json!({ "looks": [{ "op": "read", "artifact": "a" }], "ops": [{ "op": "noop" }] });
        assert!(told(&both.to_string()).contains("not both"));
    }

    #[test]
    fn reasons_are_kept_up_to_their_length() {
        let long = "ä".repeat(THINK_BYTES_MAX);
        let decided = read_answer(&json!({ "think": long, "ops": [] }).to_string(), 4).unwrap();
        assert_eq!(decided.think.unwrap().len(), THINK_BYTES_MAX);
        assert_eq!(told(r#"{"think":["a",1],"ops":[]}"#), r#"["a",1] / nothing"#);
    }

    #[test]
    fn hostile_text_ends_soon_and_as_a_refusal() {
        let deep = |open: &str, count: usize| format!("{{\"ops\":{}", open.repeat(count));
        for text in [
            deep("[", 200_000),
            deep("{\"a\":", 100_000),
            "{".repeat(400_000),
            "{\"".repeat(200_000),
            "{\"a\":\"".repeat(100_000),
            format!("{{\"ops\":[{}]}}", "[".repeat(90)),
            "{\"think\":\"".to_owned() + &"\\u0000".repeat(50_000),
        ] {
            assert!(read_answer(&text, 4).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = read_answer(&text, 4);
        }

        #[test]
        fn no_text_of_json_signs_panics(text in r#"[{}\[\]",:0-9eE.+\-\\uldfanr opthinkslsw]{0,200}"#) {
            let _ = read_answer(&text, 4);
            let _ = read_answer(&format!("{{\"ops\":[{{\"op\":{text}"), 4);
        }

        #[test]
        fn no_shape_of_an_op_panics(op in arb_json()) {
            for text in [json!({ "ops": op }), json!({ "looks": [op] }), json!({ "think": op, "ops": [op] })] {
                let _ = read_answer(&text.to_string(), 4);
            }
        }

        #[test]
        fn words_around_an_answer_change_nothing(before in "[a-zA-Z .,\n`]{0,50}", after in ".{0,50}") {
            let answer = r#"{"think":"t","ops":[{"op":"noop"}]}"#;
            prop_assert_eq!(told(&format!("{before}{answer}{after}")), r#"t / [{"op":"noop"}]"#);
        }
    }

    fn arb_json() -> impl Strategy<Value = Value> {
        let words = prop_oneof![
            Just("op"),
            Just("invoke"),
            Just("query"),
            Just("what"),
            Just("args"),
            Just("artifact"),
            Just("transfer"),
            Just("amount"),
            Just("recall"),
            Just("write"),
            Just("policy"),
            Just("sleep"),
            Just("any"),
            Just("level"),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            words.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((words.clone(), inner), 0..6).prop_map(|fields| fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()),
            ]
        })
    }
}
