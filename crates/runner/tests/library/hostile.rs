//! Hostile code that is run in the middle of the library's methods, and calls back.

use serde_json::Value;

use crate::{
    every::{WORLD, rows},
    play,
};

/// A value as Python writes it.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key:?}: {}", python(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Code that calls back each method that acts: as a contract that decides, as a scorer, as a submission; and as code
/// that a buyer lets act for it.
fn code() -> (String, usize) {
    let rows = rows();
    let acting: Vec<String> = rows.iter().filter(|row| !row.looks()).map(|row| python(&row.op)).collect();
    let body = format!(
        "CALLS = [{}]
def _done(call):
    call = dict(call)
    call.pop('op')
    args = call.pop('args')
    return attempt('invoke', call.pop('artifact'), *args, **call)['ok']
def _any(calls=CALLS):
    done = [call['artifact'] + '.' + call['method'] for call in calls if _done(call)]
    if done:
        raise ValueError(str(done))
    return False
def check_permission(caller, action, target, context, ledger):
    return {{'allowed': not _any(), 'reason': 'nothing was done'}}
def score(artifact):
    return 100 if _any() else 7
def run(first):
    return _any(CALLS[first:first + 1])
def count():
    return len(CALLS)
",
        acting.join(",\n    ")
    );
    (body, acting.len())
}

#[test]
fn re_entrancy_in_every_method() {
    let (body, count) = code();
    let (setup, script) = WORLD.split_once("---").expect("a script");
    let setup = setup.replace("every = \"1m\"", "every = \"1m\"\\nscorer = \"evil\"");
    let tool = format!("tool evil by bob: {}", body.replace('\\', "\\\\").replace('\n', "\\n"));
    let things: Vec<String> = (0..9).map(|n| format!("thing x{n} bob evil")).collect();
    let mut play = play(&format!("{setup}\n{tool}\n{}\n---\n{script}", things.join("\n")));
    let before = play.live.world().supply();
    // As the contract of things that the library is given, and hands on.
    for line in [
        r#"bob genesis_escrow.list [5] give x0 -> ok"#,
        r#"ann genesis_escrow.purchase ["x0"] pay 5 -> ok"#,
        r#"owner x0 ann"#,
        r#"bob genesis_escrow.list [5] give x1 x2 -> ok"#,
        r#"bob genesis_escrow.cancel ["x2"] -> ok"#,
        r#"bob genesis_debt.issue ["ann", 5, 5, "1h"] give x1 -> ok "claim_4""#,
        r#"ann genesis_debt.accept ["claim_4"] pay 5 -> ok"#,
        r#"bob genesis_debt.repay ["claim_4"] pay 5 -> ok"#,
        r#"owner x1 bob"#,
        r#"bob genesis_debt.issue ["ann", 5, 5, "1s"] give x2 -> ok "claim_5""#,
        r#"ann genesis_debt.accept ["claim_5"] pay 5 -> ok"#,
        r#"bob genesis_debt.issue ["ann", 5, 5, "1s"] give x3 -> ok "claim_6""#,
        r#"bob genesis_debt.cancel ["claim_6"] -> ok"#,
        r#"advance 1s"#,
        r#"ann genesis_debt.default ["claim_5"] -> ok"#,
        r#"owner x2 ann"#,
        r#"bob genesis_ledger.transfer_ownership ["carl"] give x4 -> ok"#,
        r#"bob genesis_store.delete give x5 -> ok"#,
        // Other methods don't ask it.
        r#"bob genesis_store.get_metadata ["x6"] -> ok"#,
        r#"bob genesis_store.create ["x6"] -> code_error "there is x6 already""#,
    ] {
        play.line(line);
    }
    // As a submission, each call in a test of its own.
    for (number, first) in (0..count).step_by(20).enumerate() {
        let tests: Vec<String> = (first..count.min(first + 20))
            .map(|at| format!("{{\"args\": [{at}], \"result\": false}}"))
            .collect();
        let task = number + 3;
        play.line(&format!(
            "ann genesis_tasks.post [\"quiet\", [{}], [], 5, \"1h\"] pay 5 -> ok \"task_{task}\"",
            tests.join(", ")
        ));
        play.line(&format!("bob genesis_tasks.submit [\"task_{task}\", \"evil\"] -> ok ~{{\"won\": true}}"));
    }
    // As the scorer.
    play.line(r#"ann {"op": "invoke", "artifact": "evil", "method": "score", "args": ["hers"], "trial": 10000, "max_resources": {"cpu": 1000000000}} -> ok 7"#);
    play.line("run 1");
    play.line(r#"ann genesis_mint.check ["hers"] -> ok ~{"status": "won", "score": 7, "price": 10}"#);
    assert_eq!(play.live.world().supply(), before);
    play.end();
}

#[test]
fn code_that_buys_sells_and_buys_again_in_one_action_has_no_more_than_before() {
    // Code may do in the midst of an action of its own nothing else than after it.
    let mut play = play(
        r#"
        scrip ann 100, bob 100
        tool shop by bob standing true: def run():\n    invoke('genesis_escrow', 'x', method='purchase', pay=30)\n    invoke('genesis_escrow', 30, method='list', give=['x'])\n    return attempt('invoke', 'genesis_escrow', 'x', method='purchase', pay=30)['ok']
        thing x ann
        ---
        ann genesis_escrow.list [30] give x -> ok
        bob {"op": "transfer", "to": "shop", "amount": 60} -> ok
        bob shop.run -> ok false
        balances ann 130, bob 40, shop 30, genesis_escrow 0
        owner x genesis_escrow
        bob genesis_escrow.purchase ["x"] pay 30 -> ok
        balances ann 130, bob 10, shop 60
        "#,
    );
    play.line("owner x bob");
    play.end();
}
