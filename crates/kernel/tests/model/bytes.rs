//! Values that the kernel lets in must come back from the bytes of records and images as they were.

use std::collections::BTreeMap;

use oikos_kernel::{
    founding::{Founder, Founding},
    limits::JSON_DEPTH_MAX,
    record::Record,
    refusal::Code,
    rules::Rules,
    time::Time,
    world::World,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{config, support::Toy};

/// Depths around the limit as often as all others.
fn depth() -> impl Strategy<Value = usize> {
    prop_oneof![0..JSON_DEPTH_MAX + 30, JSON_DEPTH_MAX - 2..JSON_DEPTH_MAX + 3]
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn what_is_let_in_can_be_read_back(depth in depth(), in_object: bool, float in any::<f64>(), key: String) {
        let float = serde_json::Number::from_f64(float).map_or(Value::Null, Value::Number);
        let nested = (0..depth).fold(float, |inner, _| {
            if in_object { Value::Object([(key.clone(), inner)].into_iter().collect()) } else { json!([inner]) }
        });
        check(depth, nested);
    }
}

fn check(depth: usize, nested: Value) {
    let rules = Rules::unlimited("bytes", 1, Time::from_ms(0).unwrap());
    let alice = Founder { has_standing: true, resources: BTreeMap::new(), ..Founder::new("alice") };
    let (mut world, founded) =
        Founding { rules, source: [0; 32], runtime: "toy".into(), founders: vec![alice] }.found().unwrap();
    let mut toy = Toy::new(&world);
    // Reading through code and in a list wraps the value as deep as the kernel ever does.
    let read = json!([["attempt", "read", [], { "artifact": "note" }]]).to_string();
    let actions = [
        json!([{ "op": "write", "artifact": "note", "content": nested }]),
        json!([{ "op": "store", "key": "k", "value": nested }]),
        json!([{ "op": "run", "code": read }]),
    ];
    for action in actions {
        let refusal = toy.act(&mut world, "alice", action).refusal().cloned();
        match refusal {
            None => {}
            Some(refusal) if refusal.code == Code::NotFound => {}
            Some(refusal) => {
                assert!(depth > JSON_DEPTH_MAX, "{refusal}");
                assert_eq!(refusal.code, Code::LimitExceeded);
            }
        }
    }
    let mut replayed = World::empty();
    for record in founded.iter().chain(&toy.records) {
        replayed.apply(&Record::decode(&record.encode().unwrap()).unwrap()).unwrap();
    }
    assert_eq!(replayed.digest(), world.digest());
    assert_eq!(World::from_image(&world.to_image()).unwrap().digest(), world.digest());
}
