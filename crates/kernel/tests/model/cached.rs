//! Verdicts that are used again leave the receipts that asking would have left.
//!
//! The same actions go through two worlds whose contracts are letter for letter the same; in one of them what they
//! say of `cache` is left out. Each contract names in `key` all that it reads.

use oikos_kernel::{
    founding::{Founder, Founding},
    op::OpKind,
    rules::{ResourceId, ResourceKind, ResourceRule, Rules},
    time::Time,
    world::{World, wire::Viewer},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::{config, support::Toy, support::program::WITHOUT_CACHE};

/// Contracts, by name: what they read is what `key` names, their own storage, or the artifact itself.
fn contracts() -> Vec<(&'static str, Value)> {
    let cache = |ttl: &str, key: &[&str]| json!({ "ttl": ttl, "key": key });
    vec![
        (
            "by_caller",
            json!([["decide", { "only": ["alice", "teller"], "cache": cache("90ms", &["caller"]) }]]),
        ),
        (
            "by_action",
            json!([["burn", 7], ["decide", { "deny": ["write"], "cache": cache("1h", &["action"]) }]]),
        ),
        (
            "by_balance",
            json!([["balance_of_caller"], ["decide", { "least": 20, "cache": cache("1h", &["caller", "balance"]) }]]),
        ),
        (
            "by_storage",
            json!({
                "check_permission": [
                    ["call", "storage_get", [], { "key": "k" }], ["burn", 2],
                    ["decide", { "least": 1, "cache": cache("1h", &[]) }],
                ],
                "open": [["call", "storage_set", [], { "key": "k", "value": 1 }]],
                "close": [["call", "storage_set", [], { "key": "k", "value": 0 }]],
            }),
        ),
        ("open", json!([["decide", { "cache": cache("1h", &[]) }]])),
        // Its CPU is its owner's, for what its owner has.
        ("borne", json!([["burn", 5], ["decide", { "cache": cache("1h", &[]) }]])),
    ]
}

fn founding() -> Founding {
    let mut rules = Rules::unlimited("cached", 7, Time::from_ms(1_000_003).unwrap());
    // A price that is no whole number of microseconds shows every difference of rounding.
    rules.cpu_ns_per_work = 1_700;
    let renewable = ResourceKind::Renewable { window_ms: 100 };
    rules.resources[0].kind = renewable;
    rules.resources.push(ResourceRule { name: "actions".into(), kind: renewable });
    rules.costs = vec![(OpKind::Invoke, ResourceId(3), 1)];
    let person = |id: &str, scrip: i64| {
        let mut founder = Founder { has_standing: true, scrip, ..Founder::new(id) };
        founder.resources.extend([("cpu".to_owned(), 200), ("actions".to_owned(), 9)]);
        founder
    };
    let mut founders = vec![person("alice", 30), person("bob", 21), person("olga", 5)];
    for (at, (id, code)) in contracts().into_iter().enumerate() {
        let content = if id == "borne" { json!({ "resources": "owner" }) } else { Value::Null };
        founders.push(Founder {
            owner: Some("olga".into()),
            code: Some(code.to_string().into()),
            decides: true,
            content: content.into(),
            ..Founder::new(id)
        });
        founders.push(Founder {
            owner: Some("olga".into()),
            code: Some(json!([["return", 1]]).to_string().into()),
            access_contract: Some(id.into()),
            content: Value::from("a").into(),
            ..Founder::new(&format!("d{at}"))
        });
    }
    // Code that asks many times, catches what is denied, and asks within what it asks.
    let asks: Vec<Value> = (0..6)
        .map(|at| json!(["attempt", "read", [], { "artifact": format!("d{at}") }]))
        .chain([json!(["attempt", "invoke", [], { "artifact": "d4" }])])
        .collect();
    founders.push(Founder {
        owner: Some("bob".into()),
        code: Some(Value::from(asks).to_string().into()),
        ..Founder::new("teller")
    });
    Founding { rules, source: [0; 32], runtime: "toy".into(), founders }
}

fn action(tape: &[u16]) -> (&'static str, i64, Value) {
    let mut numbers = tape.iter().copied();
    let mut below = |count: usize| usize::from(numbers.next().unwrap_or(0)) % count;
    let who = ["alice", "bob", "olga", "alice"][below(4)];
    let wait = [0, 0, 1, 10, 95, 250][below(6)];
    let doc = format!("d{}", below(6));
    let contract = ["by_caller", "by_action", "by_balance", "by_storage", "open", "borne"][below(6)];
    let op = match below(16) {
        0..=3 => json!({ "op": "read", "artifact": doc }),
        4 => json!({ "op": "invoke", "artifact": doc, "args": [below(2)] }),
        5 | 6 => json!({ "op": "invoke", "artifact": "teller" }),
        7 => json!({ "op": "query", "what": "permission", "action": "read", "target": doc }),
        8 => json!({ "op": "query", "what": "quote", "artifact": doc }),
        9 => json!({ "op": "write", "artifact": doc, "content": (["a", "b"][below(2)]) }),
        10 => {
            json!({ "op": "transfer", "to": (["alice", "bob"][below(2)]), "amount": ([1, 5, 9][below(3)]) })
        }
        11 => json!({ "op": "invoke", "artifact": "by_storage", "method": (["open", "close"][below(2)]) }),
        12 => json!({ "op": "set_contract", "artifact": doc, "contract": contract }),
        13 => json!({ "op": "transfer_ownership", "artifact": doc, "to": (["bob", "olga"][below(2)]) }),
        14 => {
            let change = [["only", "only"], ["alice", "bob"], ["bob", "alice"], ["90ms", "30ms"]][below(4)];
            json!({ "op": "edit", "artifact": contract, "field": "code", "old": change[0], "new": change[1] })
        }
        _ => json!([
            { "op": "read", "artifact": doc }, { "op": "read", "artifact": doc }, { "op": "invoke", "artifact": "teller" },
            { "op": "read", "artifact": doc },
        ]),
    };
    (who, wait, op)
}

/// The receipts of the actions, and how many verdicts were used again.
fn receipts(tapes: &[Vec<u16>], without_cache: bool) -> (Vec<Value>, u64) {
    WITHOUT_CACHE.set(without_cache);
    let (mut world, founded) = founding().found().unwrap();
    let mut toy = Toy::new(&world);
    let mut shown = Vec::new();
    for tape in tapes {
        let (who, wait_ms, action) = action(tape);
        toy.wait_ms(wait_ms);
        let receipt = toy.act(&mut world, who, action);
        shown.push(receipt.to_json(&world, Viewer::Observer));
        world.audit().unwrap();
    }
    let hits =
        contracts().into_iter().filter_map(|(id, _)| world.verdicts(world.lookup(id)?)).map(|(hits, _)| hits);
    let hits = hits.sum();
    // Verdicts are state: the journal and an image bring them back.
    let mut again = World::empty();
    for record in founded.iter().chain(&toy.records) {
        again.apply(record).unwrap();
    }
    assert_eq!(again.digest(), world.digest());
    assert_eq!(World::from_image(&world.to_image()).unwrap().digest(), world.digest());
    WITHOUT_CACHE.set(false);
    (shown, hits)
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn receipts_are_the_same_with_a_cache_and_without(tapes in vec(vec(any::<u16>(), 0..10), 1..40)) {
        let ((with, _), (without, hits)) = (receipts(&tapes, false), receipts(&tapes, true));
        prop_assert_eq!(hits, 0);
        prop_assert_eq!(with, without);
    }
}

#[test]
fn verdicts_are_used_again_in_these_worlds() {
    // Alice reads each document twice, all at one time.
    let tapes: Vec<Vec<u16>> = (0..12).map(|at| vec![0, 0, at % 6, 0, 0]).collect();
    let (_, hits) = receipts(&tapes, false);
    assert!(hits >= 4, "{hits}");
}
