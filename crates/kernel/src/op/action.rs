//! Reading actions: from the JSON that clients and minds write, and from calls in code.

use serde_json::{Map, Value};

use super::{ActionId, Amounts, Fields, Natural, Op, OpKind, OpSpec, SPECS, heritage};
use crate::{
    code::HostCall,
    id::nearest,
    json::text_bytes,
    limits,
    refusal::{Code, Refusal},
};

/// An op with the bounds on what it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The op.
    pub op: Op,
    /// The most scrip that prices and contract costs of the whole call tree may take.
    pub max_spend: Option<i64>,
    /// The most of each resource that the whole call tree may take of who bears it.
    pub max_resources: Option<Amounts>,
}

/// The unit that a principal submits: one op, or a list of ops that succeed or fail together.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The ops, in order.
    pub ops: Vec<Planned>,
    /// Whether it was written as a list, so that its result is one too.
    pub is_list: bool,
    /// The client's id of the action.
    pub action_id: Option<String>,
}

/// Fields that every op may carry.
const ENVELOPE: [&str; 3] = ["max_spend", "max_resources", "action_id"];

impl Action {
    /// An action of one op.
    #[must_use]
    pub fn one(op: Op) -> Self {
        Self { ops: vec![Planned::of(op)], is_list: false, action_id: None }
    }

    /// Whether it does nothing.
    #[must_use]
    pub fn is_noop(&self) -> bool {
        self.ops.iter().all(|planned| planned.op.kind() == OpKind::Noop)
    }

    /// Reads an action: an object is one op, an array a list.
    ///
    /// # Errors
    /// `invalid_argument` naming the field, `limit_exceeded`, or `unsupported` for an op that this
    /// version lacks; in a list with the index of the op.
    pub fn parse(value: Value) -> Result<Self, Refusal> {
        let (bytes, most) = (text_bytes(&value), limits::ACTION_BYTES_MAX);
        if bytes > most {
            let sentence = format!("an action may have {most} bytes as JSON");
            return Err(Refusal::beyond_limit(sentence, bytes, most).hint("do it in several actions"));
        }
        match value {
            Value::Object(map) => {
                let (planned, action_id) = parse_op(map)?;
                Ok(Self { ops: vec![planned], is_list: false, action_id })
            }
            Value::Array(items) => Self::parse_list(items),
            _ => Err(Refusal::invalid("an action is an object with an `op`, or an array of them")
                .hint("for example {\"op\": \"noop\"}")),
        }
    }

    fn parse_list(items: Vec<Value>) -> Result<Self, Refusal> {
        let most = limits::OPS_PER_ACTION_MAX;
        if items.len() > most as usize {
            return Err(Refusal::new(Code::LimitExceeded, format!("an action may hold {most} ops"))
                .numbers(i64::try_from(items.len()).unwrap_or(i64::MAX), i64::from(most)));
        }
        let mut ops = Vec::with_capacity(items.len());
        let mut action_id = None;
        for (index, item) in items.into_iter().enumerate() {
            let Value::Object(map) = item else {
                return Err(at(
                    index,
                    Refusal::invalid("each entry of a list must be an object with an `op`"),
                ));
            };
            let (planned, id) = parse_op(map).map_err(|refusal| at(index, refusal))?;
            if id.is_some() && index > 0 {
                let refusal = Refusal::invalid("`action_id` names the whole list: put it on the first op");
                return Err(at(index, refusal));
            }
            action_id = action_id.or(id);
            ops.push(planned);
        }
        Ok(Self { ops, is_list: true, action_id })
    }
}

fn at(index: usize, mut refusal: Refusal) -> Refusal {
    refusal.index = u32::try_from(index).ok();
    refusal
}

fn parse_op(mut map: Map<String, Value>) -> Result<(Planned, Option<String>), Refusal> {
    let kind = op_kind(&mut map)?;
    heritage::translate(kind, &mut map)?;
    finish(kind, map)
}

/// Reads the fields of an op of a known kind.
fn finish(kind: OpKind, map: Map<String, Value>) -> Result<(Planned, Option<String>), Refusal> {
    let Some(spec) = kind.spec() else {
        return Err(unsupported(kind));
    };
    if let Some(unknown) = map.keys().find(|key| !known(spec, key)) {
        return Err(unknown_field(spec, unknown));
    }
    let mut fields = Fields(map);
    let max_spend: Option<Natural> = fields.take("max_spend")?;
    let max_resources: Option<Amounts> = fields.take("max_resources")?;
    let action_id: Option<ActionId> = fields.take("action_id")?;
    let op = Op::take(kind, &mut fields)?;
    let planned = Planned { op, max_spend: max_spend.map(|amount| amount.0), max_resources };
    Ok((planned, action_id.map(|id| id.0.as_ref().to_owned())))
}

fn unsupported(kind: OpKind) -> Refusal {
    Refusal::new(Code::Unsupported, format!("this version of the kernel does not have the op `{kind}`"))
}

impl std::fmt::Display for OpKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

fn op_kind(map: &mut Map<String, Value>) -> Result<OpKind, Refusal> {
    let (name, value) = match (map.shift_remove("op"), map.shift_remove("action_type")) {
        (Some(value), None) => ("op", value),
        (None, Some(value)) => ("action_type", value),
        (Some(_), Some(_)) => return Err(Refusal::invalid("give `op` or `action_type`, not both")),
        (None, None) => {
            return Err(Refusal::invalid("`op` is missing").hint("for example {\"op\": \"noop\"}"));
        }
    };
    let Value::String(word) = value else {
        return Err(Refusal::invalid(format!("`{name}` must be a string")));
    };
    if let Some((kind, what)) = heritage::op(&word) {
        if let Some(what) = what
            && map.insert("what".into(), what.as_str().into()).is_some()
        {
            return Err(Refusal::invalid(format!("`{name}` says what is asked for: leave out `what`")));
        }
        return Ok(kind);
    }
    let words = SPECS.iter().map(|spec| spec.kind.as_str());
    let shown: String = word.chars().take(64).collect();
    let refusal = Refusal::invalid(format!("there is no op `{}`", shown.escape_debug()));
    Err(match nearest(&word, words.clone()) {
        Some(near) => refusal.hint(format!("did you mean `{near}`?")),
        None => refusal.hint(format!("the ops are {}", words.collect::<Vec<_>>().join(", "))),
    })
}

fn known(spec: &OpSpec, key: &str) -> bool {
    ENVELOPE.contains(&key) || spec.fields.iter().any(|field| field.name == key)
}

fn unknown_field(spec: &OpSpec, key: &str) -> Refusal {
    let shown: String = key.chars().take(64).collect();
    let refusal = Refusal::invalid(format!("`{}` has no field `{}`", spec.kind, shown.escape_debug()));
    if key == "owner" && spec.kind == OpKind::Write {
        return refusal.hint("the owner changes only by `transfer_ownership`");
    }
    let names = spec.fields.iter().map(|field| field.name);
    match nearest(key, names.clone().chain(ENVELOPE)) {
        Some(near) => refusal.hint(format!("did you mean `{near}`?")),
        None if spec.fields.is_empty() => refusal.hint("it has none"),
        None => refusal.hint(format!("its fields are {}", names.collect::<Vec<_>>().join(", "))),
    }
}

impl Planned {
    /// An op without bounds of its own.
    #[must_use]
    pub fn of(op: Op) -> Self {
        Self { op, max_spend: None, max_resources: None }
    }

    /// Reads an op that code called as a function: `name(positional…, keyword=…)`.
    ///
    /// # Errors
    /// As [`Action::parse`].
    pub fn from_call(kind: OpKind, call: HostCall) -> Result<Self, Refusal> {
        let Some(spec) = kind.spec() else {
            return Err(unsupported(kind));
        };
        if call.kwargs.contains_key("action_id") {
            return Err(Refusal::invalid("`action_id` names a submitted action; code can't give one"));
        }
        let names: Vec<&str> = spec.fields.iter().take(spec.positional).map(|field| field.name).collect();
        let mut call = call;
        if kind == OpKind::Invoke && call.args.len() > names.len() {
            // The arguments of the method follow by position.
            let rest = call.args.split_off(names.len());
            if call.kwargs.insert("args".into(), rest.into()).is_some() {
                return Err(Refusal::invalid("`invoke` got `args` twice"));
            }
        }
        let map = named(spec.kind.as_str(), &names, call)?;
        finish(kind, map).map(|(planned, _)| planned)
    }
}

/// The arguments of a call by their names; those given by position are named in the order of `names`.
///
/// # Errors
/// `invalid_argument` if there are more than names, or one is given twice.
pub(crate) fn named(function: &str, names: &[&str], call: HostCall) -> Result<Map<String, Value>, Refusal> {
    let (mut map, most) = (call.kwargs, names.len());
    if call.args.len() > most {
        let plural = if most == 1 { "" } else { "s" };
        return Err(Refusal::invalid(format!(
            "`{function}` takes at most {most} positional argument{plural}"
        ))
        .hint("name the others, as in `price=5`"));
    }
    for (name, value) in names.iter().zip(call.args) {
        if map.insert((*name).into(), value).is_some() {
            return Err(Refusal::invalid(format!("`{function}` got `{name}` twice")));
        }
    }
    Ok(map)
}
