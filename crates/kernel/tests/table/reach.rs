//! No op reaches an artifact without its contract: every kind of op, on every path by which one comes.
//!
//! The rows are a `match` over the kinds, so a new kind of op without a row does not compile.

use oikos_kernel::{op::OpKind, receipt::Receipt, world::wire::Viewer};
use serde_json::{Value, json};

use crate::{
    door::{check, observe},
    toy::Toy,
};

/// The permission of `x` that an op asks for, and the op, which names `x` wherever it can.
fn row(kind: OpKind) -> (Option<&'static str>, Value) {
    match kind {
        OpKind::Noop => (None, json!({})),
        OpKind::Read => (Some("read"), json!({ "artifact": "x", "code": true, "max_spend": 9 })),
        OpKind::Write => (Some("write"), json!({ "artifact": "x", "content": "new", "price": 0 })),
        OpKind::Edit => {
            (Some("write"), json!({ "artifact": "x", "field": "content", "old": "hidden", "new": "seen" }))
        }
        OpKind::Delete => (Some("delete"), json!({ "artifact": "x", "heir": "alice" })),
        OpKind::Invoke => {
            (Some("invoke"), json!({ "artifact": "x", "max_spend": 9, "max_resources": { "cpu": 99 } }))
        }
        OpKind::Run => (None, json!({ "code": "[['return', 'x']]" })),
        OpKind::Transfer => (None, json!({ "to": "x", "amount": 1 })),
        OpKind::TransferOwnership => (Some("transfer"), json!({ "artifact": "x", "to": "alice" })),
        OpKind::SetContract => {
            (Some("write"), json!({ "artifact": "x", "contract": "genesis_contract_public" }))
        }
        OpKind::Store => (None, json!({ "key": "x", "value": "x" })),
        OpKind::Query => (None, json!({ "what": "quote", "artifact": "x" })),
        OpKind::Sleep => (None, json!({ "for": "1s", "event": "invoke", "filter": { "artifact": "x" } })),
        OpKind::Mint => (None, json!({ "to": "x", "amount": 1 })),
        OpKind::Remember => (Some("write"), json!({ "text": "a lie", "artifact": "x" })),
        OpKind::Forget => (Some("write"), json!({ "artifact": "x" })),
        OpKind::Charge => (None, json!({ "payer": "x", "amount": 1 })),
        OpKind::Mandate => (None, json!({ "to": "x", "per_call": 1, "per_window": 1, "window": "1h" })),
    }
}

/// A path by which an op comes.
#[derive(Clone, Copy, Debug)]
enum Path {
    /// An action of a principal, as a client, a session or a mind submits it.
    Action,
    /// One op of a list.
    List,
    /// A snippet.
    Snippet,
    /// The code of an artifact that is invoked.
    Nested,
    /// The code of an artifact that such code invokes.
    Twice,
    /// Given along with an invocation, which asks for the transfer of what is given.
    Given,
    /// The code of a contract that decides.
    Contract,
    /// A mind that thinks.
    Thinking,
    /// An observer.
    Observer,
}

impl Path {
    const ALL: [Self; 9] = [
        Self::Action,
        Self::List,
        Self::Snippet,
        Self::Nested,
        Self::Twice,
        Self::Given,
        Self::Contract,
        Self::Thinking,
        Self::Observer,
    ];

    /// The receipt of an op that comes by it, and the words in which its refusal is told; `None` where no op of
    /// that kind can come so.
    fn take(self, toy: &mut Toy, who: &str, kind: OpKind, fields: &Value) -> Option<Receipt> {
        let mut op = fields.clone();
        op["op"] = kind.as_str().into();
        let call = |how: &str| {
            let fields = fields.to_string().replace("'", "").replace('"', "'");
            format!("[['{how}', '{kind}', [], {fields}]")
        };
        let raises = format!("{}, ['return', '$last']]", call("call"));
        let invoke = |id: &str| json!({ "op": "invoke", "artifact": id, "max_spend": 99 });
        if kind == OpKind::Run && !matches!(self, Self::Action | Self::List) {
            return None;
        }
        match self {
            Self::Action => Some(toy.act(who, &op)),
            Self::List => Some(toy.act(who, &json!([{ "op": "noop" }, op]))),
            Self::Snippet => Some(toy.act(who, &json!({ "op": "run", "code": raises, "max_spend": 99 }))),
            Self::Nested => {
                toy.act(who, &json!({ "op": "write", "artifact": "proxy", "code": raises }));
                Some(toy.act(who, &invoke("proxy")))
            }
            Self::Twice => {
                toy.act(who, &json!({ "op": "write", "artifact": "proxy", "code": raises }));
                let outer = "[['call', 'invoke', ['proxy'], {'max_spend': 99}], ['return', '$last']]";
                toy.act(who, &json!({ "op": "write", "artifact": "outer", "code": outer }));
                Some(toy.act(who, &invoke("outer")))
            }
            Self::Given => {
                let gives = json!({ "op": "invoke", "artifact": "box", "give": ["x"] });
                (kind == OpKind::TransferOwnership).then(|| toy.act(who, &gives))
            }
            Self::Contract => {
                let code = format!("{}, ['return', {{'allowed': false, 'reason': '$last'}}]]", call("try"));
                toy.act(who, &json!({ "op": "write", "artifact": "decides", "code": code }));
                toy.act(who, &json!({ "op": "write", "artifact": "y", "access_contract": "decides" }));
                Some(toy.act(who, &json!({ "op": "read", "artifact": "y" })))
            }
            Self::Thinking => {
                let code = format!(
                    "{}, ['return', {{'op': 'store', 'key': 'seen', 'value': '$last'}}]]",
                    call("try")
                );
                toy.act(who, &json!({ "op": "write", "artifact": "mind", "has_loop": true, "code": code }));
                Some(toy.step("mind"))
            }
            Self::Observer => (kind == OpKind::Query).then(|| {
                let mut query = fields.clone();
                query["as"] = who.into();
                observe(toy, &query.to_string())
            }),
        }
    }
}

#[test]
fn no_op_reaches_an_artifact_without_its_contract() {
    let mut asked = 0;
    for kind in OpKind::ALL {
        let (permission, fields) = row(kind);
        for path in Path::ALL {
            // A stranger, the owner, the artifact itself, the owner of the contract, and one of the library.
            for who in ["alice", "olga", "x", "carl", "genesis_clerk"] {
                let mut toy = check(
                    r#"
                    world: alice 50, olga 50, carl 50
                    artifact genesis_clerk scrip 50
                    artifact box by olga scrip 0 code [['return', 1]]
                    artifact never by carl code [['return', {'allowed': false, 'reason': '$arg1'}]]
                    artifact x by olga scrip 50 contract never content hidden code [['return', 'ran']]
                    "#,
                );
                let before = toy.world.metadata(toy.handle("x"));
                let Some(receipt) = path.take(&mut toy, who, kind, &fields) else { continue };
                let told = format!("{who} {kind} by {path:?}: {receipt:?}");
                let x = toy.world.get(toy.handle("x")).unwrap();
                assert_eq!(x.content(), "hidden", "{told}");
                assert!(!x.is_deleted(), "{told}");
                let mut after = toy.world.metadata(toy.handle("x"));
                // Its own storage is its own affair.
                after["size"] = before["size"].clone();
                assert_eq!(after, before, "{told}");
                let shown = receipt.to_json(&toy.world, Viewer::Observer).to_string();
                assert!(!shown.contains("hidden") && !shown.contains("\"ran\""), "{told}");
                toy.world.audit().unwrap();
                let Some(permission) = permission else { continue };
                let asker_is_told = match path {
                    Path::Action | Path::List | Path::Given | Path::Snippet => true,
                    // The code of another is told in the same words, for it can be read.
                    Path::Nested | Path::Twice => true,
                    // They go on, and tell what they were told.
                    Path::Contract | Path::Thinking | Path::Observer => false,
                };
                if asker_is_told {
                    let refusal = receipt.refusal().unwrap_or_else(|| panic!("{told}"));
                    assert_eq!(refusal.code.as_str(), "permission_denied", "{told}");
                    // The reason is the contract's own: it was asked for just this.
                    assert!(refusal.message.ends_with(&format!("`x`: {permission}")), "{told}");
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 80, "{asked}");
}
