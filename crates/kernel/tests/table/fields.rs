//! Every field of every op: the values it takes and those it refuses, as a table.
//!
//! A row is `op.field: value | value … -> ok`, or an error's code. `@text:9` is a string of nine
//! letters, `@list:9` an array of nine ids, `@deep:9` nine nested arrays.

use std::collections::BTreeSet;

use oikos_kernel::{
    mind::{LlmMind, Mind},
    op::{Action, OpKind, SPECS},
};
use serde_json::{Map, Value, json};

use crate::door::{check, reads_well};

/// The least that each op needs.
const LEAST: &str = r#"
    noop {}
    read {"artifact": "a"}
    write {"artifact": "a"}
    edit {"artifact": "a", "field": "code", "old": "x", "new": "y"}
    delete {"artifact": "a"}
    invoke {"artifact": "a"}
    run {"code": "[]"}
    transfer {"to": "a", "amount": 1}
    mandate {"to": "a", "per_call": 1}
    charge {"payer": "a", "amount": 1}
    transfer_ownership {"artifact": "a", "to": "b"}
    set_contract {"artifact": "a", "contract": "b"}
    store {"key": "k", "value": 1}
    remember {"text": "a"}
    forget {}
    sleep {}
    mint {"to": "a", "amount": 1}
    query {"what": "supply"}
"#;

const TABLE: &str = r#"
    # Ids: everywhere the same grammar.
    read.artifact: "a" | "A-b_c.d:9" | @text:128 -> ok
    read.artifact: null | 5 | true | ["a"] | {} | "" | " " | "_a" | "a b" | "ä" | "a/b" | @text:129 -> invalid_argument
    write.artifact: "" | null | 5 | "a b" -> invalid_argument
    edit.artifact: "" | null | 5 -> invalid_argument
    delete.artifact: "" | null | 5 -> invalid_argument
    delete.heir: null | "a" -> ok
    delete.heir: "" | 5 | ["a"] -> invalid_argument
    invoke.artifact: "" | null | 5 -> invalid_argument
    transfer.to: "" | null | 5 | "a b" -> invalid_argument
    mandate.to: "" | null | 5 | "a b" -> invalid_argument
    mandate.per_call: 0 | 1 | 9223372036854775807 -> ok
    mandate.per_call: null | -1 | 1.0 | "5" | true | 9223372036854775808 -> invalid_argument
    mandate.per_window: null | 1 | 9223372036854775807 -> ok
    mandate.per_window: 0 | -1 | 1.5 | "5" -> invalid_argument
    mandate.window: null | "60s" | "1h 30m" | 60 -> ok
    mandate.window: "" | "soon" | -1 | 1.5 | true -> invalid_argument
    mandate.resource: null | "scrip" | "fuel" -> ok
    mandate.resource: "" | 5 -> invalid_argument
    mandate.until: null | "2027-01-01T00:00:00Z" -> ok
    mandate.until: "" | "tomorrow" | 5 -> invalid_argument
    charge.payer: "" | null | 5 | "a b" -> invalid_argument
    charge.amount: 1 | 9223372036854775807 -> ok
    charge.amount: null | 0 | -1 | 1.0 | "5" | true | 9223372036854775808 -> invalid_argument
    charge.resource: null | "scrip" | "fuel" -> ok
    charge.resource: "" | 5 -> invalid_argument
    charge.reason: null | "" | "dues" | @text:256 -> ok
    charge.reason: 5 | true | [] -> invalid_argument
    charge.reason: @text:257 -> limit_exceeded
    transfer_ownership.artifact: "" | null | 5 -> invalid_argument
    transfer_ownership.to: "" | null | 5 -> invalid_argument
    set_contract.artifact: "" | null | 5 -> invalid_argument
    set_contract.contract: "" | null | 5 -> invalid_argument
    write.access_contract: null | "c" -> ok
    write.access_contract: "" | 5 | [] -> invalid_argument
    write.memory_artifact: null | "m" -> ok
    write.memory_artifact: "" | 5 | false -> invalid_argument
    query.of: null | "a" -> ok
    query.of: "" | 5 -> invalid_argument
    query.artifact: null | "a" -> ok
    query.artifact: "" | 5 -> invalid_argument
    query.target: null | "a" -> ok
    query.target: "" | 5 -> invalid_argument
    query.method: null | "run" | @text:64 -> ok
    query.method: "" | 5 | ["run"] -> invalid_argument
    query.args: null | [] | [1, "x"] -> ok
    query.args: 5 | {} | "x" -> invalid_argument
    query.pay: null | 0 | 5 -> ok
    query.pay: -1 | 1.5 | "5" -> invalid_argument
    query.as: null | "a" -> ok
    query.as: "" | 5 -> invalid_argument
    write.policy: null | {} | {"allow_read": ["*", "a"], "allow_write": null, "allow_invoke": [], "read_price": 0, "invoke_price": 3} -> ok
    write.policy: 5 | [] | "x" | {"alow_read": []} | {"allow_read": "*"} | {"allow_read": [5]} | {"allow_read": ["a b"]} | {"read_price": -1} | {"invoke_price": 1.5} -> invalid_argument
    write.depends_on: null | [] | ["a", "b"] | @list:64 -> ok
    write.depends_on: "a" | {} | 5 | ["a", "a"] | [5] | [""] | [null] -> invalid_argument
    write.depends_on: @list:65 -> limit_exceeded
    invoke.give: null | [] | ["a"] | @list:64 -> ok
    invoke.give: [{"resource": "disk", "amount": 1}] | ["disk", {"resource": "disk", "amount": 9223372036854775807}] -> ok
    invoke.give: "a" | 5 | ["a", "b", "a"] | [5] | ["a b"] | [null] | [[]] | {"resource": "disk", "amount": 1} -> invalid_argument
    invoke.give: [{}] | [{"resource": "disk"}] | [{"amount": 1}] | [{"resource": "disk", "amount": 0}] | [{"resource": "disk", "amount": 1.5}] -> invalid_argument
    invoke.give: [{"resource": "disk", "amount": 1, "part": "quota"}] | [{"resource": 5, "amount": 1}] | [{"resource": "", "amount": 1}] -> invalid_argument
    invoke.give: [{"resource": "disk", "amount": 1}, {"resource": "disk", "amount": 2}] | [{"resource": "disk", "amount": 9223372036854775808}] -> invalid_argument
    invoke.give: @list:65 -> limit_exceeded
    invoke.trial: null | 1 | 9223372036854775807 -> ok
    invoke.trial: 0 | -1 | 1.5 | "5" | true -> invalid_argument
    invoke.expect: null | 0 | "x" | {"a": [1]} -> ok
    invoke.expect: @text:65537 | @deep:101 -> limit_exceeded
    mint.to: "a" -> ok
    mint.to: null | "" | "a b" | 5 -> invalid_argument
    mint.amount: 1 | 9223372036854775807 -> ok
    mint.amount: null | 0 | -1 | 1.5 | "5" | 9223372036854775808 -> invalid_argument

    # Amounts: integers of at least 1 within i64; prices may be 0.
    transfer.amount: 1 | 9223372036854775807 -> ok
    transfer.amount: null | 0 | -1 | 1.0 | 1.5 | 1e3 | "5" | true | [] | {} | 9223372036854775808 | -9223372036854775809 -> invalid_argument
    query.amount: null | 1 -> ok
    query.amount: 0 | -1 | 1.5 | "5" | true | 9223372036854775808 -> invalid_argument
    invoke.pay: null | 0 | 1 | 9223372036854775807 -> ok
    invoke.pay: -1 | 0.0 | "0" | false | 9223372036854775808 -> invalid_argument
    write.price: null | 0 | 1 | 9223372036854775807 -> ok
    write.price: -1 | 2.5 | "3" | true | 9223372036854775808 -> invalid_argument
    query.since: null | 0 | 7 -> ok
    query.since: -1 | 0.5 | "7" -> invalid_argument
    query.since: "2026-01-01T00:00:00Z" -> ok
    query.since: "yesterday" | [] | true -> invalid_argument
    query.tags: null | [] | ["pinned", "bob"] | ["superseded"] -> ok
    query.tags: "pinned" | [5] | [""] | ["a", "a"] -> invalid_argument
    query.tags: @list:17 -> limit_exceeded
    remember.text: "a" | @text:4096 -> ok
    remember.text: null | "" | 5 | ["a"] | {} -> invalid_argument
    remember.text: @text:4097 -> limit_exceeded
    remember.artifact: null | "a" -> ok
    remember.artifact: "" | "a b" | 5 -> invalid_argument
    remember.importance: null | 0 | 10 -> ok
    remember.importance: -1 | 11 | 5.0 | "5" | true | 266 -> invalid_argument
    remember.tags: null | [] | ["pinned", "bob"] -> ok
    remember.tags: "pinned" | [5] | [""] | ["a", "a"] -> invalid_argument
    remember.tags: @list:17 -> limit_exceeded
    remember.supersedes: null | 1 | 9223372036854775807 -> ok
    remember.supersedes: 0 | -1 | 1.5 | "1" -> invalid_argument
    forget.entry: null | 1 -> ok
    forget.entry: 0 | -1 | "all" | [] -> invalid_argument
    forget.artifact: null | "a" -> ok
    forget.artifact: "" | "a b" | 5 -> invalid_argument
    query.limit: null | 0 | 100 -> ok
    query.limit: -1 | 0.5 | "7" -> invalid_argument
    query.sample: null | 0 | 3 -> ok
    query.sample: -1 | 0.5 | "7" -> invalid_argument

    # Words, texts and flags.
    read.code: null | true | false -> ok
    read.code: 1 | "true" | [] -> invalid_argument
    write.has_standing: null | true | false -> ok
    write.has_standing: 1 | "yes" -> invalid_argument
    write.has_loop: null | true | false -> ok
    write.has_loop: 0 | "no" -> invalid_argument
    write.kind: null | "tool" | @text:64 -> ok
    write.kind: "" | 5 | [] -> invalid_argument
    write.kind: @text:65 -> limit_exceeded
    write.pays: null | "self" | "caller" -> ok
    write.pays: "" | "owner" | 5 -> invalid_argument
    edit.field: "content" | "code" -> ok
    edit.field: null | "" | "interface" | "contents" | 5 -> invalid_argument
    edit.old: "x" | "" | @text:1048576 -> ok
    edit.old: null | 5 | [] -> invalid_argument
    edit.old: @text:1048577 -> limit_exceeded
    edit.new: "x" | "" | @text:1048576 -> ok
    edit.new: null | 5 | {} -> invalid_argument
    edit.new: @text:1048577 -> limit_exceeded
    invoke.method: null | "run" | @text:64 -> ok
    invoke.method: "" | 5 -> invalid_argument
    invoke.method: @text:65 -> limit_exceeded
    transfer.resource: null | "cpu" -> ok
    transfer.resource: "" | 5 -> invalid_argument
    transfer.resource: @text:65 -> limit_exceeded
    transfer.part: null | "balance" | "rate" | "quota" -> ok
    transfer.part: "" | "rates" | 5 -> invalid_argument
    query.resource: null | "cpu" -> ok
    query.resource: "" | 5 -> invalid_argument
    query.resource: @text:65 -> limit_exceeded
    query.type: null | "write" -> ok
    query.kind: null | "write" -> ok
    query.type: "" | 5 -> invalid_argument
    query.kind: "" | 5 -> invalid_argument
    query.type: @text:65 -> limit_exceeded
    query.kind: @text:65 -> limit_exceeded
    query.text: null | "some words" | @text:256 -> ok
    query.text: "" | 5 -> invalid_argument
    query.text: @text:257 -> limit_exceeded
    query.action: null | "read" | "write" | "invoke" | "execute" | "delete" | "transfer" -> ok
    query.action: "" | "run" | 5 -> invalid_argument
    query.what: "balances" | "balance" | "resources" | "capacity" | "artifact" | "artifacts" | "search" | "agents" | "events" | "supply" | "permission" | "price" | "reputation" | "customers" -> ok
    query.what: null | "" | "balanc" | 5 -> invalid_argument
    store.key: "k" | "any text: even this" | @text:256 -> ok
    store.key: null | "" | 5 -> invalid_argument
    store.key: @text:257 -> limit_exceeded

    # JSON and code, bounded in bytes and depth.
    write.content: null | "text" | 5 | 1.5 | true | [] | {"a": [{}]} | @text:1048576 | @deep:100 -> ok
    write.content: @text:1048577 | @deep:101 -> limit_exceeded
    write.code: null | "[]" | "" | @text:65536 -> ok
    write.code: 5 | [] | true -> invalid_argument
    write.code: @text:65537 -> limit_exceeded
    write.interface: null | [] | [{"name": "run", "description": "d"}] -> ok
    write.interface: "x" | 5 | {} | [5] | [{}] | [{"name": ""}] | [{"name": 5}] -> invalid_argument
    write.interface: @list:9000 | @deep:101 -> limit_exceeded
    write.metadata: null | {} | {"a": 1} -> ok
    write.metadata: "x" | 5 | [] -> invalid_argument
    write.metadata: @deep:101 | @text:65537 -> limit_exceeded
    invoke.args: null | [] | [1, "a", null, {"b": []}] -> ok
    invoke.args: "x" | 5 | {} -> invalid_argument
    invoke.args: @list:9000 | @deep:101 -> limit_exceeded
    run.code: "[]" | @text:65536 -> ok
    run.code: null | 5 | [] -> invalid_argument
    run.code: @text:65537 -> limit_exceeded
    store.value: null | 0 | "x" | {"a": 1} | @text:65536 -> ok
    store.value: @text:65537 | @deep:101 -> limit_exceeded

    # The conditions of a sleep.
    sleep.for: null | "60s" | "0s" | "1h 30m" | "1500ms" | 0 | 60 -> ok
    sleep.for: "" | "soon" | "-1s" | -1 | 0.5 | true | [] | "1us" | 9223372036854775807 -> invalid_argument
    sleep.until: null | "2026-01-01T00:01:00Z" | "2026-01-01T00:01:00.5+02:00" -> ok
    sleep.until: "" | "tomorrow" | 5 | {} | "2026-13-01T00:00:00Z" -> invalid_argument
    sleep.event: null | "transfer" | "wake" | "freeze" | "*" -> ok
    sleep.event: "" | "transfers" | 5 | [] -> invalid_argument
    sleep.filter: null | {} | {"to": "bob", "amount": 5, "actor": "a", "artifact": "b", "resource": "scrip", "detail": "run"} -> ok
    sleep.filter: "x" | 5 | [] | {"from": "bob"} | {"to": 5} | {"to": ""} | {"amount": "5"} | {"amount": 1.5} | {"amount": -1} -> invalid_argument
    sleep.resource: null | "cpu" | "scrip" -> ok
    sleep.resource: "" | 5 -> invalid_argument
    sleep.resource: @text:65 -> limit_exceeded
    sleep.level: null | 0 | 5 | {"at_least": 5} | {"at_most": 0} -> ok
    sleep.level: -1 | 1.5 | "5" | {} | [] | {"below": 5} | {"at_least": 1, "at_most": 2} | {"at_most": -1} | {"at_most": 9223372036854775808} -> invalid_argument
    sleep.any: null | [] | [{"for": "1s"}, {"event": "*"}] -> ok
    sleep.any: "x" | 5 | {} | [5] | [{}] | [{"any": []}] | [{"fro": "1s"}] | [{"for": -1}] -> invalid_argument
    sleep.any: @list:17 -> limit_exceeded

    # The fields of every op.
    noop.max_spend: null | 0 | 5 -> ok
    noop.max_spend: -1 | 0.5 | "5" | true -> invalid_argument
    noop.action_id: null | "a" | @text:128 -> ok
    noop.action_id: "" | 5 -> invalid_argument
    noop.action_id: @text:129 -> limit_exceeded
"#;

fn rows(table: &str) -> impl Iterator<Item = &str> {
    table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn least(op: &str) -> Map<String, Value> {
    let row = rows(LEAST).find_map(|row| row.strip_prefix(op)?.strip_prefix(' ')).unwrap();
    let mut map: Map<String, Value> = serde_json::from_str(row).unwrap();
    map.insert("op".into(), op.into());
    map
}

fn value(text: &str) -> Value {
    let Some((word, count)) = text.strip_prefix('@').and_then(|text| text.split_once(':')) else {
        return serde_json::from_str(text).unwrap();
    };
    let count: usize = count.parse().unwrap();
    match word {
        "text" => "a".repeat(count).into(),
        "list" => (0..count).map(|at| Value::from(format!("id-{at}-{at}"))).collect(),
        "deep" => (0..count).fold(Value::Null, |inner, _| json!([inner])),
        _ => panic!("no such value: {text}"),
    }
}

#[test]
fn each_field_takes_and_refuses_what_the_table_says() {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for row in rows(TABLE) {
        let (place, rest) = row.split_once(": ").unwrap();
        let (values, expected) = rest.rsplit_once(" -> ").unwrap();
        let (op, field) = place.split_once('.').unwrap();
        seen.insert((op.to_owned(), field.to_owned()));
        for text in values.split(" | ") {
            let mut map = least(op);
            map.insert(field.into(), value(text));
            let found = match Action::parse(Value::Object(map)) {
                Ok(_) => "ok".to_owned(),
                Err(refusal) => {
                    wrong.extend(reads_well(&refusal).err());
                    if !refusal.message.contains(&format!("`{field}")) {
                        wrong.push(format!("{place} = {text}: which field? {}", refusal.message));
                    }
                    if expected == "limit_exceeded" && refusal.need <= refusal.have {
                        wrong.push(format!("{place} = {text}: no numbers: {refusal}"));
                    }
                    refusal.code.to_string()
                }
            };
            if found != expected {
                wrong.push(format!("{place} = {text}: expected {expected}, got {found}"));
            }
        }
    }
    for spec in SPECS {
        for field in spec.fields {
            let place = (spec.kind.to_string(), field.name.to_owned());
            if !seen.contains(&place) {
                wrong.push(format!("{}.{} is not in the table", place.0, place.1));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_required_field_that_is_missing_is_named() {
    for spec in SPECS {
        let op = spec.kind.as_str();
        assert!(Action::parse(Value::Object(least(op))).is_ok(), "{op}");
        for field in spec.fields.iter().filter(|field| field.required) {
            let mut map = least(op);
            map.remove(field.name);
            let refusal = Action::parse(Value::Object(map)).unwrap_err();
            assert_eq!(refusal.message, format!("`{}` is missing", field.name), "{op}");
        }
    }
}

#[test]
fn unknown_ops_and_fields_are_refused_with_the_nearest_name() {
    check(
        r#"
        world: alice
        alice {"op": "trasnfer"} -> invalid_argument unrecorded "there is no op `trasnfer`" "did you mean `transfer`?"
        alice {"op": "zzzzzzzzzz"} -> invalid_argument "the ops are noop, read, write"
        alice {"op": ""} -> invalid_argument
        alice {"op": 5} -> invalid_argument "`op` must be a string"
        alice {"op": null} -> invalid_argument "`op` must be a string"
        alice {} -> invalid_argument "`op` is missing" "noop"
        alice noop {"artifact": "a"} -> invalid_argument "`noop` has no field `artifact`" "it has none"
        alice write {"artifact": "x", "depends_on": ["a", 5]} -> invalid_argument "`depends_on[1]` must be a string, not the number 5"
        alice transfer {"to": "alice", "ammount": 5} -> invalid_argument "`transfer` has no field `ammount`" "did you mean `amount`?"
        alice transfer {"to": "alice", "amount": 5, "memo": ""} -> invalid_argument "its fields are to, amount, resource, part"
        alice invoke {"artifact": "alice", "max_spnd": 5} -> invalid_argument "did you mean `max_spend`?"
        alice noop {"action_d": "x"} -> invalid_argument "did you mean `action_id`?"
        alice read {"id": "x"} -> invalid_argument "`read` has no field `id`"
        alice write {"artifact": "x", "owner": "alice"} -> invalid_argument "`transfer_ownership`"
        alice write {"artifact": "x", "creator": "alice"} -> invalid_argument "`write` has no field `creator`"
        alice edit {"artifact": "x", "field": "cod", "old": "a", "new": "b"} -> invalid_argument "did you mean `code`?"
        alice query {"what": "balanec"} -> invalid_argument "did you mean `balance`?"
        alice query {"what": "supply", "As": "x"} -> invalid_argument "did you mean `as`?"
        "#,
    );
}

#[test]
fn the_heritage_spelling_is_the_same_op() {
    check(
        r#"
        world: alice 9, bob
        artifact c by alice code [['return', {'allowed': true}]]
        alice {"action_type": "noop"} -> ok null
        alice {"action_type": "NOOP", "reasoning": "nothing to do"} -> ok null
        alice {"op": "Noop"} -> ok null
        alice {"action_type": "write_artifact", "artifact_id": "t", "artifact_type": "tool", "content": "one", "executable": true, "price": 0, "code": "[['return', '$arg0']]", "policy": {"read_price": 0, "invoke_price": 0, "allow_read": ["*"], "allow_write": [], "allow_invoke": ["*"]}} -> ok ~{"artifact": "t", "created": true}
        alice {"action_type": "read_artifact", "artifact_id": "t"} -> ok ~{"kind": "tool", "content": "one"}
        alice {"action_type": "edit_artifact", "artifact_id": "t", "old_string": "one", "new_string": "two"} -> ok
        alice {"action_type": "edit_artifact", "artifact_id": "t", "field": "content", "old_string": "two", "new_string": "six"} -> ok
        alice {"action_type": "INVOKE_ARTIFACT", "artifact_id": "t", "method": "run", "args": [3]} -> ok 3
        alice {"op": "ReadArtifact", "artifact_id": "t"} -> ok ~{"content": "six"}
        alice {"action_type": "Transfer", "recipient_id": "bob", "amount": 2} -> ok {"balance": 7}
        alice {"op": "TRANSFER", "to": "bob", "amount": 2} -> ok {"balance": 5}
        alice {"op": "TransferOwnership", "artifact_id": "t", "new_owner": "bob"} -> ok ~{"owner": "bob"}
        bob {"op": "set_contract", "artifact_id": "t", "contract_id": "c"} -> ok
        alice {"action_type": "query_kernel", "query_type": "balance"} -> ok 5
        alice {"action_type": "delete_artifact", "artifact_id": "t"} -> ok
        alice {"op": "write", "artifact": "m", "artifact_type": "memory"} -> ok
        alice {"action_type": "remember", "artifact_id": "m", "text": "x"} -> ok ~{"entry": 1}
        alice {"op": "recall", "artifact": "m"} -> ok ~[{"text": "x"}]
        alice {"op": "recall", "artifact": "m", "what": "recall"} -> invalid_argument "leave out `what`"
        alice {"action_type": "forget", "artifact_id": "m", "entry": 1} -> ok
        alice {"op": "noop", "action_type": "noop"} -> invalid_argument "give `op` or `action_type`, not both"
        alice {"op": "read", "artifact": "a", "artifact_id": "a"} -> invalid_argument "`artifact_id` and `artifact` are the same field"
        alice {"op": "transfer", "to": "bob", "recipient_id": "bob", "amount": 1} -> invalid_argument "`recipient_id` and `to` are the same field"
        alice {"action_type": 5} -> invalid_argument "`action_type` must be a string"
        alice {"action_type": "invoke_artefact", "artifact_id": "t"} -> invalid_argument "there is no op `invoke_artefact`"
        alice {"action_type": "read_artifact", "artifact_id": "c", "old_string": "x"} -> invalid_argument "`read` has no field `old_string`"
        alice {"op": "noop", "reasoning": 5} -> invalid_argument "`reasoning` must be a string"
        "#,
    );
}

#[test]
fn executable_says_whether_there_is_code() {
    check(
        r#"
        world: alice
        alice write {"artifact": "a", "executable": false, "content": "x"} -> ok
        alice write {"artifact": "b", "executable": false, "code": null} -> ok
        alice write {"artifact": "b", "executable": true, "code": "[]"} -> ok
        alice write {"artifact": "b", "can_execute": true, "price": 1} -> ok
        alice write {"artifact": "c", "executable": false, "code": "[]"} -> invalid_argument "`executable` and `code` contradict each other" "leave out `executable`"
        alice write {"artifact": "c", "can_execute": true, "code": null} -> invalid_argument "`can_execute` and `code` contradict each other"
        alice write {"artifact": "c", "executable": true, "content": "def run(): return 1"} -> invalid_argument "`executable` is true, but there is no `code`" "put the Python into `code`"
        alice write {"artifact": "c", "executable": "yes"} -> invalid_argument "`executable` must be true or false"
        alice edit {"artifact": "c", "executable": true} -> invalid_argument "`edit` has no field `executable`"
        "#,
    );
}

#[test]
fn a_policy_is_the_default_contract_or_unsupported() {
    check(
        r#"
        world: alice 9, bob 9
        alice write {"artifact": "a", "code": "[['return', 1]]", "policy": {"invoke_price": 3}} -> ok
        alice query {"what": "artifact", "artifact": "a"} -> ok ~{"price": 3, "access_contract": "genesis_contract_freeware"}
        bob invoke {"artifact": "a"} -> ok 1 ; paid bob>alice 3 price
        alice write {"artifact": "a", "policy": null, "price": 4} -> ok
        alice write {"artifact": "a", "policy": {"invoke_price": 4}, "price": 4} -> ok
        alice write {"artifact": "a", "policy": {}} -> ok
        alice write {"artifact": "a", "policy": {"allow_read": ["*", "bob"], "allow_write": null}} -> ok
        alice write {"artifact": "a", "policy": {"invoke_price": 4}, "price": 5} -> invalid_argument "`price` and `policy.invoke_price` are the same field"
        alice write {"artifact": "a", "policy": {"read_price": 2}} -> unsupported "in this world contracts decide who may do what, not a `policy`" "if action == "
        alice write {"artifact": "a", "policy": {"allow_invoke": ["bob"]}} -> unsupported "def check_permission(caller, action, target, context, ledger):" "allowed = {" "name it as `access_contract`"
        alice write {"artifact": "a", "policy": {"allow_write": ["*"]}} -> unsupported "def check_permission"
        alice write {"artifact": "a", "policy": {"allow_read": []}} -> unsupported "def check_permission"
        alice write {"artifact": "a", "policy": []} -> invalid_argument "`policy` must be an object"
        alice write {"artifact": "new", "policy": {"read_price": 2}} -> unsupported "in this world contracts decide"
        alice query {"what": "artifact", "artifact": "new"} -> not_found
        alice write {"artifact": "a", "policy": {"alow_read": []}} -> invalid_argument "`policy` has no field `alow_read`" "did you mean `allow_read`?"
        alice write {"artifact": "a", "policy": {"allow_read": "*"}} -> invalid_argument "`policy.allow_read` must be an array of ids"
        alice write {"artifact": "a", "policy": {"read_price": -1}} -> invalid_argument "`policy.read_price` must be an integer from 0"
        alice edit {"artifact": "a", "policy": {}} -> invalid_argument "`edit` has no field `policy`"
        "#,
    );
}

#[test]
fn the_documentation_of_the_heritage_spelling_is_the_table() {
    let page = include_str!("../../../../docs/heritage.md");
    assert!(
        page.contains(&oikos_kernel::op::heritage()),
        "put this into it:\n{}",
        oikos_kernel::op::heritage()
    );
}

#[test]
fn ops_of_later_versions_are_unsupported() {
    let unsupported = OpKind::ALL.into_iter().filter(|kind| kind.spec().is_none());
    let kinds: Vec<&str> = unsupported.map(OpKind::as_str).collect();
    assert!(kinds.is_empty(), "{kinds:?}");
}

#[test]
fn an_agents_content_names_its_kind_of_mind() {
    check(
        r#"
        world: alice 10
        alice write {"artifact": "a", "has_loop": true, "content": {"mood": 0}} -> ok
        alice write {"artifact": "b", "has_loop": true, "content": {"mind": {"kind": "script"}}} -> ok
        alice write {"artifact": "l", "has_loop": true, "content": {"mind": {"kind": "llm", "model": "local::x"}}} -> ok
        alice write {"artifact": "c", "has_loop": true, "content": {"mind": {"kind": "llm"}}} -> invalid_argument "`mind.model` is missing"
        alice write {"artifact": "b", "content": {"mind": {"kind": "llm", "model": "local::x", "promt": "a"}}} -> invalid_argument "has no `promt`" "did you mean `prompt`?"
        alice write {"artifact": "c", "has_loop": true, "content": {"mind": {"kind": "scrpt"}}} -> invalid_argument "`mind.kind` can't be"
        alice write {"artifact": "c", "has_loop": true, "content": {"mind": {}}} -> invalid_argument "`mind.kind` must be"
        alice write {"artifact": "c", "has_loop": true, "content": {"mind": "script"}} -> invalid_argument "`mind` must be an object"
        alice write {"artifact": "b", "content": {"mind": {"kind": "external"}}} -> ok
        # Another artifact's content is its own affair.
        alice write {"artifact": "d", "content": {"mind": "nobody's"}} -> ok
        "#,
    );
}

#[test]
fn each_setting_of_a_mind_is_read_or_refused_by_its_name() {
    let of = |mind: &str| Mind::of(&serde_json::from_str(&format!(r#"{{"mind": {mind}}}"#)).unwrap(), None);
    let plain = LlmMind {
        model: "local::x".into(),
        prompt: String::new(),
        max_output_tokens: 600,
        temperature: None,
        recall: 8,
        template: None,
        think_time_ms: None,
        seed: None,
    };
    let llm = |mind: LlmMind| Ok(Mind::Llm(Box::new(mind)));
    assert_eq!(of(r#"{"kind": "llm", "model": "local::x"}"#), llm(plain.clone()));
    let nulls = r#"{"kind": "llm", "model": "local::x", "prompt": null, "max_output_tokens": null, "temperature": null, "recall": null, "template": null, "think_time": null, "seed": null}"#;
    assert_eq!(of(nulls), llm(plain.clone()));
    let full = r#"{"kind": "llm", "model": "local::x", "prompt": "You keep a shop", "max_output_tokens": 90, "temperature": 0.5, "recall": 0, "template": "{% if id %}{{ id }}{% endif %}", "think_time": "3s", "seed": 7}"#;
    let mind = LlmMind {
        prompt: "You keep a shop".into(),
        max_output_tokens: 90,
        temperature: Some(0.5),
        recall: 0,
        template: Some("{% if id %}{{ id }}{% endif %}".into()),
        think_time_ms: Some(3_000),
        seed: Some(7),
        ..plain.clone()
    };
    assert_eq!(of(full), llm(mind));
    assert_eq!(of(r#"{"kind": "script"}"#), Ok(Mind::Script));
    assert_eq!(of(r#"{"kind": "external"}"#), Ok(Mind::External { think_time_ms: 0 }));
    assert_eq!(
        of(r#"{"kind": "external", "think_time": "1m"}"#),
        Ok(Mind::External { think_time_ms: 60_000 })
    );
    assert_eq!(Mind::of(&json!({ "mind": { "kind": "llm" } }), Some("local::x")), llm(plain));
    assert_eq!(Mind::of(&json!("text"), None), Ok(Mind::Script));
    for (mind, says) in [
        (r#"{"kind": "script", "model": "local::x"}"#, "a mind of the kind `script` has no `model`"),
        (r#"{"kind": "external", "prompt": "x"}"#, "a mind of the kind `external` has no `prompt`"),
        (
            r#"{"kind": "external", "think_time": "soon"}"#,
            "`mind.think_time` must be a duration from 0ms to 366 days",
        ),
        (r#"{"kind": "llm"}"#, "`mind.model` is missing, and the world names none"),
        (r#"{"kind": "llm", "model": "x"}"#, "`mind.model` names no provider"),
        (r#"{"kind": "llm", "model": "::x"}"#, "`mind.model` has a provider of other letters"),
        (r#"{"kind": "llm", "model": "local::"}"#, "`mind.model` names no model"),
        (r#"{"kind": "llm", "model": 5}"#, "`mind.model` must be a string"),
        (r#"{"kind": "llm", "model": "a::b", "prompt": ["x"]}"#, "`mind.prompt` must be a string"),
        (
            r#"{"kind": "llm", "model": "a::b", "max_output_tokens": 0}"#,
            "`mind.max_output_tokens` must be an integer from 1",
        ),
        (r#"{"kind": "llm", "model": "a::b", "max_output_tokens": 600.5}"#, "`mind.max_output_tokens`"),
        (
            r#"{"kind": "llm", "model": "a::b", "temperature": 2.5}"#,
            "`mind.temperature` must be a number from 0 to 2",
        ),
        (r#"{"kind": "llm", "model": "a::b", "temperature": "hot"}"#, "`mind.temperature`"),
        (
            r#"{"kind": "llm", "model": "a::b", "recall": -1}"#,
            "`mind.recall` must be an integer from 0 to 100",
        ),
        (r#"{"kind": "llm", "model": "a::b", "recall": 101}"#, "`mind.recall`"),
        (
            r#"{"kind": "llm", "model": "a::b", "think_time": "0s"}"#,
            "`mind.think_time` must be a duration from 1ms to 366 days",
        ),
        (r#"{"kind": "llm", "model": "a::b", "think_time": 2}"#, "`mind.think_time`"),
        (r#"{"kind": "llm", "model": "a::b", "seed": -1}"#, "`mind.seed`"),
        (r#"{"kind": "llm", "model": "a::b", "template": "a\n{% if %}"}"#, "`mind.template` is no template"),
        (r#"{"kind": "llm", "model": "a::b", "template": "{{ me"}"#, "`mind.template` is no template"),
        (
            r#"{"kind": "llm", "model": "a::b", "template": "{{ nope }}"}"#,
            "`mind.template` can't be: a template has no name `nope`",
        ),
        (
            r#"{"kind": "llm", "model": "a::b", "template": "{% if part == 'x' %}{{ me.id }}{% endif %}"}"#,
            "`mind.template` can't be: a template has no name `me`",
        ),
        (
            r#"{"kind": "llm", "model": "a::b", "template": "{{ range(5) }}"}"#,
            "`mind.template` can't be: a template has no name `range`",
        ),
        (
            r#"{"kind": "llm", "model": "a::b", "template": "{{ loop }}"}"#,
            "`mind.template` can't be: a template has no name `loop`",
        ),
        (
            r#"{"kind": "llm", "model": "a::b", "template": "{{ id|upper }}"}"#,
            "`mind.template` can't be: a template has no filter `upper`",
        ),
        (
            r#"{"kind": "llm", "model": "a::b", "template": "{% for e in events | rev %}{% endfor %}"}"#,
            "`mind.template` can't be: a template has no filter `rev`",
        ),
        (
            r#"{"kind": "llm", "model": "a::b", "template": "{{ id is defined }}"}"#,
            "`mind.template` can't be: a template has no tests after `is`",
        ),
        (
            r#"{"kind": "llm", "model": "a::b", "template": "{{ 2 * 2 }}"}"#,
            "`mind.template` can't be: a template can't use `*`",
        ),
        (r#"{"kind": "llm", "model": "a::b", "template": 5}"#, "`mind.template` must be a string"),
    ] {
        let refusal = of(mind).unwrap_err();
        assert_eq!(refusal.code.as_str(), "invalid_argument", "{mind}");
        assert!(refusal.message.contains(says), "{mind}: {}", refusal.message);
        assert!(refusal.message.starts_with("`content`: "), "{mind}: {}", refusal.message);
        reads_well(&refusal).unwrap();
    }
    let templated = |template: &str| {
        Mind::of(&json!({ "mind": { "kind": "llm", "model": "a::b", "template": template } }), None)
    };
    let long = templated(&"x".repeat(20_000)).unwrap_err();
    assert_eq!(long.code.as_str(), "limit_exceeded");
    assert!(long.message.contains("`mind.template`"), "{}", long.message);
    assert_eq!(templated("{{ promt }}").unwrap_err().hint.as_deref(), Some("did you mean `prompt`?"));
    let hint = templated("{{ qqqqqqqq }}").unwrap_err().hint.unwrap();
    assert!(hint.contains("part, id, owner") && hint.contains("market"), "{hint}");
    for fine in [
        include_str!("../../../../genesis/prompts/agent.md"),
        "{% for e in events if e.is == id %}{% if loop.first %}{{ e | json(9) }}{% endif %}{% endfor %}",
        "{% if 'is bad | upper' in prompt %}{{ \"it \\\" is | x\" }}{% endif %}{# a | b is c #} a | b is c",
        "{{ last.is.bad }}",
    ] {
        assert!(templated(fine).is_ok(), "{fine}: {:?}", templated(fine));
    }
}
