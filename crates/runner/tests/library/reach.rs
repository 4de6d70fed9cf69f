//! No op that a session is sent reaches an artifact without its contract: every kind of op, in every kind of request that
//! bears one.
//!
//! The rows are a `match` over the kinds, so a new kind of op without a row does not compile. Code that is nested, that
//! decides and that thinks comes by the same path as in the kernel's table of this name.

use oikos_runner::kernel::op::OpKind;
use serde_json::{Value, json};

use crate::{Play, play};

/// The permission of `x` that an op asks for, and the op, which names `x` wherever it can.
fn row(kind: OpKind) -> (Option<&'static str>, Value) {
    match kind {
        OpKind::Noop => (None, json!({})),
        OpKind::Read => (Some("read"), json!({ "artifact": "x", "code": true, "max_spend": 9 })),
        OpKind::Write => (Some("write"), json!({ "artifact": "x", "content": "new", "price": 0 })),
        OpKind::Edit => {
            (Some("write"), json!({ "artifact": "x", "field": "content", "old": "hidden", "new": "seen" }))
        }
        OpKind::Delete => (Some("delete"), json!({ "artifact": "x", "heir": "ann" })),
        OpKind::Invoke => {
            (Some("invoke"), json!({ "artifact": "x", "args": [1], "max_spend": 9, "trial": 100 }))
        }
        OpKind::Run => (Some("write"), json!({ "code": "write('x', 'new')" })),
        OpKind::Transfer => (None, json!({ "to": "x", "amount": 1 })),
        OpKind::TransferOwnership => (Some("transfer"), json!({ "artifact": "x", "to": "ann" })),
        OpKind::SetContract => {
            (Some("write"), json!({ "artifact": "x", "contract": "genesis_contract_public" }))
        }
        OpKind::Store => (None, json!({ "key": "x", "value": "x" })),
        OpKind::Query => (None, json!({ "what": "artifact", "artifact": "x" })),
        OpKind::Sleep => (None, json!({ "for": "1s" })),
        OpKind::Mint => (None, json!({ "to": "x", "amount": 1 })),
        OpKind::Remember => (Some("write"), json!({ "text": "a lie", "artifact": "x" })),
        OpKind::Forget => (Some("write"), json!({ "artifact": "x" })),
        OpKind::Charge => (None, json!({ "payer": "x", "amount": 1 })),
        OpKind::Mandate => (None, json!({ "to": "x", "per_call": 1, "per_window": 1, "window": "1h" })),
    }
}

/// A request that bears an op.
#[derive(Clone, Copy, Debug)]
enum Request {
    Act,
    Ops,
    Batch,
}

impl Request {
    fn receipt(self, play: &mut Play, who: &str, op: &Value) -> Value {
        let mut named = op.clone();
        named["as"] = who.into();
        match self {
            Self::Act => play.ask(&json!({ "act": named }))["receipt"].clone(),
            Self::Ops => {
                let ops = json!([{ "op": "noop" }, op]);
                play.ask(&json!({ "act": { "as": who, "ops": ops } }))["receipt"].clone()
            }
            Self::Batch => play.ask(&json!({ "batch": [named] }))["receipts"][0].clone(),
        }
    }
}

#[test]
fn no_op_of_a_session_reaches_an_artifact_without_its_contract() {
    let mut asked = 0;
    // A stranger, the owner, the artifact itself, the owner of the contract, and one of the library.
    for who in ["ann", "olga", "x", "carl", "genesis_escrow"] {
        let mut play = play(
            r#"
            scrip ann 50, olga 50, carl 50
            tool never by carl: def check_permission(caller, action, target, context, ledger): return {'allowed': False, 'reason': action}
            tool x by olga contract never standing true: def run(a): return 'ran'
            ---
            "#,
        );
        let x = play.live.world().lookup("x").expect("it is there");
        let before = play.live.world().metadata(x);
        for kind in OpKind::ALL {
            for request in [Request::Act, Request::Ops, Request::Batch] {
                let (permission, mut op) = row(kind);
                op["op"] = kind.as_str().into();
                let receipt = request.receipt(&mut play, who, &op);
                let told = format!("{who} {kind} by {request:?}: {receipt}");
                assert!(receipt.is_object(), "{told}");
                let mut after = play.live.world().metadata(x);
                // Its own storage is its own affair.
                after["size"] = before["size"].clone();
                assert_eq!(after, before, "{told}");
                assert!(!receipt.to_string().contains("\"ran\""), "{told}");
                play.live.world().audit().expect("the books add up");
                let Some(permission) = permission else { continue };
                assert_eq!(receipt["error"]["code"], "permission_denied", "{told}");
                let message = receipt["error"]["message"].as_str().expect("a sentence");
                assert!(message.ends_with(permission), "{told}");
                asked += 1;
            }
        }
        play.end();
    }
    assert_eq!(asked, 5 * 3 * 10);
}
