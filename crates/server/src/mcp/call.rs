//! One call of a tool: from its arguments to the result that the client is given.

use std::sync::Arc;

use oikos_runner::{
    guest::{Awaited, Watching},
    kernel::{
        op::{Action, Op, OpKind, without_nulls},
        refusal::Refusal,
    },
    request::{Act, Decide, Reply, Request, Shown},
};
use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolResult, ContentBlock, JsonObject},
    service::RequestContext,
};
use serde_json::{Value, json};

use super::{
    gone,
    place::{Answer, ELSE, Place},
    query,
    resources::PAGE,
    tools::{Does, Spec},
};

/// The artifacts that a list of pages is made of.
const PAGES: &str = "handbook";

/// Somebody who calls.
pub(super) struct Caller<'c> {
    pub(super) place: &'c Place,
    pub(super) principal: Arc<str>,
    pub(super) context: &'c RequestContext<RoleServer>,
}

/// A refusal without a record, as a receipt shows it.
pub(super) fn refused(refusal: &Refusal) -> CallToolResult {
    told(json!({ "seq": null, "ok": false, "result": null, "error": refusal.to_json() }))
}

/// A result, as text and as a structure.
fn told(shown: Value) -> CallToolResult {
    let text = shown.to_string();
    with_text(shown, text)
}

/// A result with a text of its own; one that says `"ok": false`, or whose receipt does, is an error.
fn with_text(shown: Value, text: String) -> CallToolResult {
    let is_no = |value: &Value| value.get("ok").is_some_and(|ok| ok == false);
    let is_error = is_no(&shown) || shown.get("receipt").is_some_and(is_no);
    let content = vec![ContentBlock::text(text)];
    let mut result = if is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    result.structured_content = Some(shown);
    result
}

/// A refusal in one line.
pub(super) fn sentence(error: &Value) -> String {
    let text = |key: &str| error.get(key).and_then(Value::as_str);
    let hint = text("hint").map_or(String::new(), |hint| format!(" ({hint})"));
    format!("{}: {}{hint}", text("code").unwrap_or("refused"), text("message").unwrap_or_default())
}

impl Caller<'_> {
    /// Calls a tool.
    ///
    /// # Errors
    /// When the world is not there any more.
    pub(super) async fn call(&self, tool: &Spec, arguments: JsonObject) -> Result<CallToolResult, ErrorData> {
        let called = match tool.does {
            Does::Op(OpKind::Sleep) => self.sleep(arguments).await?,
            Does::Op(OpKind::Query) => self.query(arguments).await?,
            Does::Op(kind) => self.op(kind, arguments).await?,
            Does::Recall => self.recall(arguments).await?,
            Does::Observe => self.observe(&arguments).await?,
            Does::Wait => self.wait(arguments).await?,
            Does::Handbook => self.handbook(arguments).await?,
        };
        Ok(called.unwrap_or_else(|refusal| refused(&refusal)))
    }

    /// Acts, and gives the receipt.
    async fn act(&self, op: Value) -> Result<Result<Box<Shown>, Refusal>, ErrorData> {
        self.receipt_of(Request::Act(Act::new(self.principal.to_string(), op))).await
    }

    async fn receipt_of(&self, request: Request) -> Result<Result<Box<Shown>, Refusal>, ErrorData> {
        match self.place.ask(request).await? {
            Answer::Reply(reply) => match *reply {
                Reply::Receipt(shown) => Ok(Ok(shown)),
                Reply::Refused(refusal) => Ok(Err(refusal)),
                Reply::Pending | Reply::Result(_) | Reply::Now(_) | Reply::Ran { .. } => Err(gone(ELSE)),
            },
            Answer::Busy(refusal) => Ok(Err(*refusal)),
        }
    }

    /// Asks for something to look at.
    async fn look(&self, request: Request) -> Result<Result<Value, Refusal>, ErrorData> {
        match self.place.ask(request).await? {
            Answer::Reply(reply) => match *reply {
                Reply::Result(value) => Ok(Ok(value)),
                Reply::Refused(refusal) => Ok(Err(refusal)),
                Reply::Receipt(_) | Reply::Pending | Reply::Now(_) | Reply::Ran { .. } => Err(gone(ELSE)),
            },
            Answer::Busy(refusal) => Ok(Err(*refusal)),
        }
    }

    async fn op(
        &self,
        kind: OpKind,
        arguments: JsonObject,
    ) -> Result<Result<CallToolResult, Refusal>, ErrorData> {
        let op = match op_of(kind, arguments) {
            Ok(op) => op,
            Err(refusal) => return Ok(Err(refusal)),
        };
        Ok(self.act(op).await?.map(|shown| told(value_of(&shown))))
    }

    async fn recall(&self, arguments: JsonObject) -> Result<Result<CallToolResult, Refusal>, ErrorData> {
        let mut arguments = arguments;
        if let Some(refusal) = stray(&arguments, "what") {
            return Ok(Err(refusal));
        }
        arguments.insert("what".into(), "recall".into());
        self.query(arguments).await
    }

    /// Looks: as a mind does, without a record and for nothing.
    async fn query(&self, arguments: JsonObject) -> Result<Result<CallToolResult, Refusal>, ErrorData> {
        let fields = op_of(OpKind::Query, arguments).map(|mut op| {
            if let Value::Object(op) = &mut op {
                op.shift_remove("op");
            }
            op
        });
        match fields.and_then(|fields| query(&self.principal, &fields)) {
            Ok(wanted) => Ok(self.look(wanted).await?.map(|result| told(json!({ "result": result })))),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// The receipt of a `read`.
    pub(super) async fn read(&self, artifact: &str) -> Result<Box<Shown>, ErrorData> {
        let read = self.act(json!({ "op": "read", "artifact": artifact })).await?;
        read.map_err(|refusal| ErrorData::invalid_request(refusal.message, None))
    }

    async fn handbook(&self, arguments: JsonObject) -> Result<Result<CallToolResult, Refusal>, ErrorData> {
        if let Some(key) = arguments.keys().find(|key| *key != "page") {
            return Ok(Err(unknown("handbook", key, "it has `page`")));
        }
        let page = match arguments.get("page") {
            None | Some(Value::Null) => {
                let pages = self.pages().await?;
                return Ok(Ok(told(json!({ "pages": pages }))));
            }
            Some(Value::String(page)) => page.strip_prefix(PAGE).unwrap_or(page),
            Some(_) => return Ok(Err(Refusal::invalid("`page` must be a string"))),
        };
        let read = self.act(json!({ "op": "read", "artifact": format!("{PAGE}{page}") })).await?;
        Ok(read.map(|shown| {
            let receipt = value_of(&shown);
            let text = receipt.pointer("/result/content").and_then(Value::as_str).map(str::to_owned);
            let text = text.unwrap_or_else(|| receipt.to_string());
            with_text(receipt, text)
        }))
    }

    /// The names of the handbook's pages.
    ///
    /// # Errors
    /// When the world is not there any more.
    pub(super) async fn pages(&self) -> Result<Vec<String>, ErrorData> {
        let wanted = query(&self.principal, &json!({ "what": "artifacts", "type": PAGES, "limit": 100 }));
        let found = match wanted {
            Ok(wanted) => self.look(wanted).await?.unwrap_or_default(),
            Err(_) => Value::Null,
        };
        let rows = found.as_array().into_iter().flatten();
        let names = rows.filter_map(|row| row.get("id")?.as_str()?.strip_prefix(PAGE).map(str::to_owned));
        Ok(names.collect())
    }

    async fn observe(&self, arguments: &JsonObject) -> Result<Result<CallToolResult, Refusal>, ErrorData> {
        if let Some(key) = arguments.keys().next() {
            return Ok(Err(unknown("observe", key, "it has no fields")));
        }
        let seen = self.look(Request::Observe(self.principal.to_string())).await?;
        if let Ok(seen) = seen {
            return Ok(Ok(told(seen)));
        }
        // A principal without a loop has no mind to be shown anything: this is what it has.
        let mut shown = JsonObject::from_iter([("id".to_owned(), (&*self.principal).into())]);
        for (what, key) in [("balance", "scrip"), ("resources", "resources")] {
            let wanted = match query(&self.principal, &json!({ "what": what, "of": &*self.principal })) {
                Ok(wanted) => wanted,
                Err(refusal) => return Ok(Err(refusal)),
            };
            match self.look(wanted).await? {
                Ok(value) => drop(shown.insert(key.into(), value)),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok(told(json!({ "self": shown }))))
    }

    async fn wait(&self, arguments: JsonObject) -> Result<Result<CallToolResult, Refusal>, ErrorData> {
        let until = match awaited(arguments) {
            Ok(until) => until,
            Err(refusal) => return Ok(Err(refusal)),
        };
        Ok(self.waited(until).await?.map(told))
    }

    async fn waited(&self, until: Awaited) -> Result<Result<Value, Refusal>, ErrorData> {
        self.waited_with(Arc::new(Watching::new(&self.principal, until))).await
    }

    async fn waited_with(&self, watching: Arc<Watching>) -> Result<Result<Value, Refusal>, ErrorData> {
        self.place.wait(watching, self.context.ct.cancelled()).await
    }

    /// Puts the agent to sleep, and answers when it is awake.
    async fn sleep(&self, arguments: JsonObject) -> Result<Result<CallToolResult, Refusal>, ErrorData> {
        let op = match op_of(OpKind::Sleep, arguments) {
            Ok(op) => op,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let turn = Arc::new(Watching::new(&self.principal, Awaited::Turn));
        let receipt = match self.fall_asleep(op, Arc::clone(&turn)).await? {
            Ok(receipt) => receipt,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if receipt.get("ok").is_some_and(|ok| ok == false) {
            return Ok(Ok(told(receipt)));
        }
        // A step that is not done yet has put nobody to sleep.
        let waited = if receipt.is_null() {
            self.waited_with(turn).await?
        } else {
            self.waited(Awaited::Waking).await?
        };
        Ok(waited.map(|mut waited| {
            if let Value::Object(map) = &mut waited {
                map.shift_insert(0, "receipt".into(), receipt);
            }
            told(waited)
        }))
    }

    /// Where its turn is open, the sleep is its step; else it is an action from outside.
    async fn fall_asleep(&self, op: Value, turn: Arc<Watching>) -> Result<Result<Value, Refusal>, ErrorData> {
        let decide = Decide::new(self.principal.to_string(), json!([op.clone()]));
        let act = Act::new(self.principal.to_string(), op);
        match self.place.ask(Request::DecideOrAct(decide, act, turn)).await? {
            Answer::Busy(refusal) => Ok(Err(*refusal)),
            Answer::Reply(reply) => match *reply {
                Reply::Receipt(shown) => Ok(Ok(value_of(&shown))),
                // The receipt is there when the tick has ended.
                Reply::Pending => Ok(Ok(Value::Null)),
                Reply::Refused(refusal) => Ok(Err(refusal)),
                Reply::Result(_) | Reply::Now(_) | Reply::Ran { .. } => Err(gone(ELSE)),
            },
        }
    }
}

/// A receipt as a value.
fn value_of(shown: &Shown) -> Value {
    serde_json::from_str(&shown.text).unwrap_or_default()
}

/// The op of a tool with its arguments.
fn op_of(kind: OpKind, mut arguments: JsonObject) -> Result<Value, Refusal> {
    if let Some(refusal) = stray(&arguments, "op") {
        return Err(refusal);
    }
    arguments.shift_insert(0, "op".into(), kind.as_str().into());
    Ok(without_nulls(Value::Object(arguments)))
}

/// The refusal of a field that the tool's name has said.
fn stray(arguments: &JsonObject, field: &str) -> Option<Refusal> {
    arguments.contains_key(field).then(|| {
        Refusal::invalid(format!("`{field}` is said by the tool's name")).hint(format!("leave `{field}` out"))
    })
}

fn unknown(tool: &str, key: &str, hint: &str) -> Refusal {
    let shown: String = key.chars().take(64).collect();
    Refusal::invalid(format!("`{tool}` has no field {shown:?}")).hint(hint)
}

/// The conditions that arguments name, as those of `sleep`; none is the next turn.
fn awaited(arguments: JsonObject) -> Result<Awaited, Refusal> {
    let op = op_of(OpKind::Sleep, arguments)?;
    let mut action = Action::parse(op)?;
    match action.ops.pop().map(|planned| planned.op) {
        Some(Op::Sleep(sleep)) if sleep.given().is_empty() => Ok(Awaited::Turn),
        Some(Op::Sleep(sleep)) => Ok(Awaited::Any(Box::new(sleep))),
        _ => Err(Refusal::invalid("a wait has the fields of `sleep`")),
    }
}
