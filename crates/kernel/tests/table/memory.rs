//! Memories: who may add to them, take from them and recall them, in which order entries come, and who knows what after
//! a memory, a mind, or both were sold.

use oikos_kernel::world::World;
use serde_json::{Value, json};

use crate::{
    door::{check, observe},
    toy::Toy,
};

/// The texts that a principal recalls, best first; a refusal's code where it may not.
fn recalls(toy: &mut Toy, who: &str, fields: Value) -> Vec<String> {
    let mut query = fields;
    query["op"] = "query".into();
    query["what"] = "recall".into();
    let receipt = toy.act(who, &query);
    match receipt.refusal() {
        Some(refusal) => vec![refusal.code.as_str().into()],
        None => texts(&receipt.outcome.result()),
    }
}

fn texts(entries: &Value) -> Vec<String> {
    entries.as_array().unwrap().iter().map(|entry| entry["text"].as_str().unwrap().into()).collect()
}

#[test]
fn entries_are_remembered_recalled_and_forgotten() {
    check(
        r#"
        world: alice, bob
        agent eve remembers eve_memory code [['return', null]]
        artifact eve_memory by eve kind memory contract genesis_contract_private
        eve query {"what": "recall"} -> ok []
        eve remember {"text": "bread costs 3"} -> ok {"artifact": "eve_memory", "entry": 1} ; events remember eve eve_memory
        advance 30m
        eve remember {"text": "bob pays late", "importance": 9, "tags": ["bob", "trade"]} -> ok {"artifact": "eve_memory", "entry": 2}
        eve query {"what": "recall"} -> ok [{"entry": 2, "time": "2026-01-01T00:30:00.000Z", "text": "bob pays late", "importance": 9, "tags": ["bob", "trade"], "score": 380, "why": {"words": 0, "recency": 1000, "importance": 900}}, {"entry": 1, "time": "2026-01-01T00:00:00.000Z", "text": "bread costs 3", "importance": 5, "tags": [], "score": 250, "why": {"words": 0, "recency": 750, "importance": 500}}]
        # A text ranks; the best match comes first, and says why.
        eve query {"what": "recall", "text": "what does BREAD cost?"} -> ok ~[{"entry": 1, "score": 850, "why": {"words": 1000, "recency": 750, "importance": 500}}, {"entry": 2, "why": {"words": 0}}]
        eve query {"what": "recall", "text": "bread", "limit": 1} -> ok ~[{"entry": 1}]
        eve query {"what": "recall", "limit": 0} -> ok []
        eve query {"what": "recall", "tags": ["bob"]} -> ok ~[{"entry": 2}]
        eve query {"what": "recall", "tags": ["trade", "bob"]} -> ok ~[{"entry": 2}]
        eve query {"what": "recall", "tags": ["bob", "carl"]} -> ok []
        eve query {"what": "recall", "since": 1} -> ok ~[{"entry": 2}]
        eve query {"what": "recall", "since": 2} -> ok []
        eve query {"what": "recall", "since": "2026-01-01T00:30:00Z"} -> ok ~[{"entry": 2}]
        eve query {"what": "recall", "since": "2026-01-01T00:30:00.001Z"} -> ok []
        # Another stands in its place, and that one is not recalled unless it is asked for.
        eve remember {"text": "bread costs 4", "supersedes": 1} -> ok {"artifact": "eve_memory", "entry": 3}
        eve query {"what": "recall", "text": "bread"} -> ok ~[{"entry": 3, "supersedes": 1}, {"entry": 2}]
        eve query {"what": "recall", "tags": ["superseded"]} -> ok ~[{"entry": 1, "superseded_by": 3, "tags": []}]
        eve remember {"text": "bread costs 5", "supersedes": 1} -> invalid_argument "entry 3 stands in the place of entry 1 already" "supersede 3"
        eve remember {"text": "bread costs 5", "supersedes": 9} -> not_found "`eve_memory` has no entry 9" "recall"
        eve remember {"text": "x", "tags": ["superseded"]} -> invalid_argument "`tags`: `superseded`" "`supersedes`"
        # The old entry stands again when the new one is forgotten; a number is never given twice.
        eve forget {"entry": 3} -> ok {"artifact": "eve_memory", "forgotten": 1} ; events forget eve eve_memory
        eve query {"what": "recall", "text": "bread"} -> ok ~[{"entry": 1}, {"entry": 2}]
        eve forget {"entry": 3} -> not_found "`eve_memory` has no entry 3"
        eve forget {} -> ok {"artifact": "eve_memory", "forgotten": 2}
        eve forget {} -> ok {"artifact": "eve_memory", "forgotten": 0} ; events
        eve query {"what": "recall"} -> ok []
        eve remember {"text": "anew"} -> ok {"artifact": "eve_memory", "entry": 4}
        # A refused action leaves nothing behind.
        eve [{"op": "remember", "text": "undone"}, {"op": "forget", "entry": 4}, {"op": "forget", "entry": 77}] -> not_found @2
        eve [{"op": "remember", "text": "seen at once"}, {"op": "query", "what": "recall", "text": "once", "limit": 1}] -> ok ~[{"entry": 5}, [{"text": "seen at once"}]]
        eve query {"what": "recall"} -> ok ~[{"entry": 5}, {"entry": 4}]
        "#,
    );
}

#[test]
fn a_memory_is_meant_by_name_or_by_the_link_of_the_caller() {
    check(
        r#"
        resources: cpu renewable 60s
        world: alice 10, bob
        artifact notes by alice kind memory
        artifact diary by alice kind memory contract genesis_contract_private
        artifact page by alice content x
        agent eve cpu 99999 remembers diary code [['return', null]]
        # Without a link there is no memory, and nobody's is guessed.
        alice remember {"text": "x"} -> invalid_argument "`alice` has no memory of its own" "`memory_artifact`"
        alice forget {} -> invalid_argument "`alice` has no memory of its own"
        alice query {"what": "recall"} -> invalid_argument "`alice` has no memory of its own"
        alice remember {"text": "x", "artifact": "page"} -> invalid_argument "`page` is no memory: its kind is `data`" "kind `memory`"
        alice forget {"artifact": "page"} -> invalid_argument "`page` is no memory"
        alice query {"what": "recall", "artifact": "page"} -> invalid_argument "`page` is no memory"
        alice remember {"text": "x", "artifact": "nope"} -> not_found
        alice query {"what": "recall", "artifact": "notes", "of": "bob"} -> invalid_argument "takes no `of`"
        alice remember {"text": "mine", "artifact": "notes"} -> ok
        alice [{"op": "write", "artifact": "alice", "memory_artifact": "notes"}, {"op": "remember", "text": "linked"}] -> ok ~[{}, {"artifact": "notes", "entry": 2}]
        # The contract is asked: `write` to add and to take, `read` to recall. A link gives no right.
        bob query {"what": "recall", "artifact": "notes"} -> ok ~[{"text": "linked"}, {"text": "mine"}]
        bob remember {"text": "a lie", "artifact": "notes"} -> permission_denied "`bob` may not write `notes`"
        bob forget {"artifact": "notes"} -> permission_denied "`bob` may not write `notes`"
        bob query {"what": "recall", "artifact": "diary"} -> permission_denied "`bob` may not read `diary`"
        eve remember {"text": "x"} -> permission_denied "`eve` may not write `diary`"
        eve query {"what": "recall"} -> permission_denied "`eve` may not read `diary`"
        observer {"what": "recall", "artifact": "diary"} -> ok []
        observer {"what": "recall", "artifact": "notes"} -> ok ~[{"text": "linked"}, {"text": "mine"}]
        observer {"what": "recall"} -> invalid_argument "an observer has no memory of its own"
        # Content and entries are two things.
        alice read {"artifact": "notes"} -> ok ~{"kind": "memory", "content": null}
        # A memory that is gone is missing, not empty.
        alice delete {"artifact": "notes"} -> ok
        alice remember {"text": "x"} -> not_found "`notes`, the memory of `alice`, was deleted" "link another"
        alice query {"what": "recall"} -> not_found
        "#,
    );
}

#[test]
fn code_has_the_same_ops_with_its_own_authority() {
    check(
        r#"
        world: alice 10, bob 10
        artifact log by desk kind memory contract genesis_contract_private
        artifact desk by alice scrip 0 remembers log code {'note': [['call', 'remember', ['$arg0'], {'importance': 7, 'tags': ['note']}], ['return', '$last']], 'tell': [['call', 'query', ['recall'], {'text': '$arg0', 'limit': 1}], ['return', '$last']], 'drop': [['call', 'forget', ['$arg0']], ['return', '$last']]}
        bob invoke {"artifact": "desk", "method": "note", "args": ["bob came"]} -> ok ~{"entry": 1} ; events remember desk log, invoke bob desk note
        bob invoke {"artifact": "desk", "method": "tell", "args": ["who came"]} -> ok ~[{"text": "bob came", "importance": 7, "tags": ["note"]}]
        bob query {"what": "recall", "artifact": "log"} -> permission_denied
        alice query {"what": "recall", "artifact": "log"} -> permission_denied
        bob invoke {"artifact": "desk", "method": "drop", "args": [1]} -> ok ~{"forgotten": 1}
        alice run {"code": "[['call', 'remember', ['x']]]"} -> invalid_argument "`alice` has no memory"
        "#,
    );
}

#[test]
fn a_contract_may_let_others_add_and_not_take() {
    check(
        r#"
        world: alice 10, bob 10
        artifact add_only by alice code {'check_permission': [['if', '$arg3.change', {'remember': 5}, [['return', {'allowed': true}]]], ['if', '$arg1', 'read', [['return', {'allowed': true, 'cost': 2}]]], ['return', {'allowed': false, 'reason': 'short notes only'}]]}
        artifact strict by alice code {'check_permission': [['if', '$arg3.change', {'forget': null}, [['return', {'allowed': false, 'reason': 'nobody forgets all'}]]], ['return', {'allowed': true}]]}
        artifact board by alice kind memory contract add_only
        artifact slate by alice kind memory contract strict
        agent eve scrip 10 remembers board code [['try', 'query', ['recall']], ['return', [{'op': 'store', 'key': 'seen', 'value': '$last'}]]]
        bob remember {"text": "hello", "artifact": "board"} -> ok
        bob remember {"text": "hello there", "artifact": "board"} -> permission_denied "short notes only"
        bob forget {"artifact": "board"} -> permission_denied "short notes only"
        bob remember {"text": "hello", "artifact": "slate"} -> ok
        bob forget {"artifact": "slate"} -> permission_denied "nobody forgets all"
        bob forget {"artifact": "slate", "entry": 1} -> ok
        # Recalling may cost, as reading may; a thought pays for nothing, and is told what to do.
        bob query {"what": "recall", "artifact": "board"} -> limit_exceeded 2/0 "`max_spend`"
        bob query {"what": "recall", "artifact": "board", "max_spend": 2} -> ok ~[{"text": "hello"}] ; paid bob>alice 2 contract_cost
        step eve -> ok
        eve read {"artifact": "eve"} -> ok
        balances alice 12, bob 8, eve 10
        observer {"what": "recall", "artifact": "board"} -> ok ~[{"text": "hello"}]
        balances alice 12, bob 8, eve 10
        "#,
    );
}

#[test]
fn a_thought_recalls_what_is_free() {
    let toy = check(
        r#"
        world: alice 10
        artifact toll by alice code {'check_permission': [['return', {'allowed': true, 'cost': 2}]]}
        artifact counts by alice code {'check_permission': [['return', {'allowed': true, 'state_updates': {'n': 1}}]]}
        artifact paid by alice kind memory contract toll
        artifact counted by alice kind memory contract counts
        artifact own by eve kind memory contract genesis_contract_private
        agent eve scrip 10 remembers own code [['try', 'query', ['recall']], ['set', 'a', '$last'], ['try', 'query', ['recall'], {'artifact': 'paid'}], ['set', 'b', '$last'], ['try', 'query', ['recall'], {'artifact': 'counted'}], ['set', 'c', '$last'], ['try', 'remember', ['in thought']], ['return', {'op': 'store', 'key': 'seen', 'value': ['$a', '$b', '$c', '$last']}]]
        eve remember {"text": "what is mine"} -> ok
        step eve -> ok
        balances alice 10, eve 10
        "#,
    );
    let eve = toy.world.get(toy.handle("eve")).unwrap();
    let (_, seen) = eve.storage().next().unwrap();
    assert_eq!(texts(&seen[0]), ["what is mine"], "{seen}");
    for (at, said) in [
        (1, "to read `paid` costs 2 scrip, and a thought pays for nothing"),
        (2, "the contract of `counted` keeps account"),
        (3, "`remember` changes the world"),
    ] {
        assert!(seen[at].as_str().unwrap().contains(said), "{seen}");
    }
    assert_eq!(toy.world.get(toy.handle("counts")).unwrap().storage().count(), 0);
}

#[test]
fn pinned_entries_come_in_order() {
    let mut toy = check(
        r#"
        world: alice
        agent eve remembers m code [['return', null]]
        artifact m by eve kind memory
        eve remember {"text": "my id is eve", "tags": ["pinned"], "importance": 1} -> ok
        advance 5h
        eve remember {"text": "gossip", "importance": 10} -> ok
        eve remember {"text": "my shop is shop_eve", "tags": ["pinned"], "importance": 9} -> ok
        eve query {"what": "recall", "tags": ["pinned"]} -> ok ~[{"entry": 1}, {"entry": 3}]
        eve query {"what": "recall", "tags": ["pinned"], "limit": 1} -> ok ~[{"entry": 1}]
        eve query {"what": "recall", "tags": ["pinned"], "text": "shop"} -> ok ~[{"entry": 3}, {"entry": 1}]
        eve remember {"text": "my shop is market_eve", "tags": ["pinned"], "supersedes": 3} -> ok
        eve query {"what": "recall", "tags": ["pinned"]} -> ok ~[{"entry": 1}, {"entry": 4}]
        "#,
    );
    // More than a recall gives otherwise: none of them is left out.
    for at in 0..30 {
        toy.act("eve", &json!({ "op": "remember", "text": format!("pin {at}"), "tags": ["pinned"] }));
    }
    assert_eq!(recalls(&mut toy, "eve", json!({ "tags": ["pinned"] })).len(), 32);
    assert_eq!(recalls(&mut toy, "eve", json!({})).len(), 10);
    assert_eq!(recalls(&mut toy, "eve", json!({ "limit": 50 })).len(), 33);
    assert_eq!(recalls(&mut toy, "eve", json!({ "limit": 10_001 })), ["limit_exceeded"]);
}

#[test]
fn rare_words_short_entries_and_later_ones_come_first() {
    let mut toy = check(
        "rules: half-life 1h\nworld: alice\nagent eve remembers m code [['return', null]]\nartifact m by eve kind memory",
    );
    for text in [
        "the market is open and the baker sells bread at the market",
        "the baker sells bread",
        "the smith sells nails",
        "the baker is called Zoë",
        "the smith is open",
    ] {
        toy.act("eve", &json!({ "op": "remember", "text": text }));
    }
    for (text, best) in [
        ("zoë", "the baker is called Zoë"),
        ("the nails", "the smith sells nails"),
        ("bread", "the baker sells bread"),
        // Twice in a longer text weighs more than once nowhere.
        ("market", "the market is open and the baker sells bread at the market"),
        // Both are alike but for their time.
        ("sells", "the smith sells nails"),
        ("nothing of it", "the smith is open"),
    ] {
        let found = recalls(&mut toy, "eve", json!({ "text": text, "limit": 3 }));
        assert_eq!(found[0], best, "{text}: {found:?}");
    }
    // Importance and recency weigh against each other; words against both.
    toy.act("eve", &json!({ "op": "remember", "text": "a rule", "importance": 10 }));
    toy.now = toy.now.after_ms(3 * 3_600_000).unwrap();
    toy.act("eve", &json!({ "op": "remember", "text": "a whim", "importance": 0 }));
    toy.act("eve", &json!({ "op": "remember", "text": "a plan", "importance": 3 }));
    assert_eq!(recalls(&mut toy, "eve", json!({ "limit": 3 })), ["a plan", "a rule", "a whim"]);
    assert_eq!(recalls(&mut toy, "eve", json!({ "limit": 1, "text": "whim" })), ["a whim"]);
}

#[test]
fn entries_take_the_disk_of_the_memorys_owner() {
    check(
        r#"
        resources: disk allocatable
        world: alice 0 disk 300, bob 0 disk 200, poor 0 disk 45
        artifact m by alice kind memory contract genesis_contract_public
        alice query {"what": "artifact", "artifact": "m"} -> ok ~{"size": 23}
        bob remember {"text": "0123456789", "artifact": "m", "tags": ["abcd"]} -> ok
        # Sixteen for the entry and for the tag, and their letters; on the owner's disk, whoever adds it.
        alice query {"what": "artifact", "artifact": "m"} -> ok ~{"size": 69}
        alice query {"what": "capacity", "resource": "disk", "amount": 190} -> ok ~{"has": false, "capacity": 188}
        bob query {"what": "capacity", "resource": "disk", "amount": 1} -> ok ~{"capacity": 159}
        bob remember {"text": "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789", "artifact": "m"} -> quota_exceeded 191/188
        # It moves with ownership, if there is room for it.
        alice transfer_ownership {"artifact": "m", "to": "poor"} -> quota_exceeded 69/3
        alice transfer_ownership {"artifact": "m", "to": "bob"} -> ok
        alice query {"what": "capacity", "resource": "disk", "amount": 1} -> ok ~{"capacity": 257}
        bob query {"what": "capacity", "resource": "disk", "amount": 1} -> ok ~{"capacity": 90}
        # Room of forgotten entries is free again.
        bob forget {"artifact": "m"} -> ok
        bob query {"what": "capacity", "resource": "disk", "amount": 1} -> ok ~{"capacity": 136}
        bob remember {"text": "x", "artifact": "m"} -> ok
        bob delete {"artifact": "m"} -> ok
        bob query {"what": "capacity", "resource": "disk", "amount": 1} -> ok ~{"capacity": 136}
        "#,
    );
}

/// Two agents, each with a memory of its own that only its owner may use.
const TRADERS: &str = r#"
    world: buyer 100, seller 100
    artifact sage_memory by sage kind memory contract genesis_contract_private
    artifact fool_memory by fool kind memory contract genesis_contract_private
    agent sage scrip 10 remembers sage_memory code [['return', null]]
    agent fool scrip 10 remembers fool_memory code [['return', null]]
    sage remember {"text": "the well is dry, the spring is at the old mill"} -> ok
    sage remember {"text": "olga pays twice for nails"} -> ok
    fool remember {"text": "the moon is round"} -> ok
    "#;

fn knows(toy: &mut Toy, who: &str) -> Vec<String> {
    let mut all = recalls(toy, who, json!({}));
    all.sort_unstable();
    all
}

const SPRING: &str = "the well is dry, the spring is at the old mill";
const OLGA: &str = "olga pays twice for nails";
const MOON: &str = "the moon is round";

#[test]
fn the_mind_alone_is_sold_without_its_knowledge() {
    let mut toy = check(&format!(
        r#"{TRADERS}
        # The seller keeps the memory, and the mind goes.
        sage [{{"op": "transfer_ownership", "artifact": "sage_memory", "to": "seller"}}, {{"op": "transfer_ownership", "artifact": "sage", "to": "buyer"}}] -> ok
        buyer write {{"artifact": "sage", "content": {{"style": "mine"}}}} -> ok
        sage query {{"what": "recall"}} -> permission_denied "`sage` may not read `sage_memory`"
        sage remember {{"text": "x"}} -> permission_denied
        buyer query {{"what": "recall", "artifact": "sage_memory"}} -> permission_denied
        "#
    ));
    assert_eq!(knows(&mut toy, "sage"), ["permission_denied"]);
    toy.act("seller", &json!({ "op": "write", "artifact": "seller", "memory_artifact": "sage_memory" }));
    assert_eq!(knows(&mut toy, "seller"), [OLGA, SPRING]);
    // With a new memory it begins anew.
    toy.act("buyer", &json!([
        { "op": "write", "artifact": "blank", "kind": "memory", "access_contract": "genesis_contract_private" },
        { "op": "transfer_ownership", "artifact": "blank", "to": "sage" },
        { "op": "write", "artifact": "sage", "memory_artifact": "blank" },
    ]));
    assert_eq!(knows(&mut toy, "sage"), [] as [&str; 0]);
}

#[test]
fn the_memory_alone_is_knowledge_for_the_buyers_agent() {
    let mut toy = check(&format!(
        r#"{TRADERS}
        sage transfer_ownership {{"artifact": "sage_memory", "to": "fool"}} -> ok
        fool write {{"artifact": "fool", "memory_artifact": "sage_memory"}} -> ok
        sage query {{"what": "recall"}} -> permission_denied
        "#
    ));
    assert_eq!(knows(&mut toy, "fool"), [OLGA, SPRING]);
    assert_eq!(knows(&mut toy, "sage"), ["permission_denied"]);
    assert_eq!(recalls(&mut toy, "fool", json!({ "artifact": "fool_memory" })), [MOON]);
    // It goes on from there, and the seller's mind knows nothing of it.
    toy.act("fool", &json!({ "op": "remember", "text": "the spring is sweet" }));
    assert_eq!(recalls(&mut toy, "fool", json!({ "text": "sweet", "limit": 1 })), ["the spring is sweet"]);
}

#[test]
fn both_together_know_what_they_knew() {
    let mut toy = check(&format!(
        r#"{TRADERS}
        sage transfer_ownership {{"artifact": "sage", "to": "buyer"}} -> ok
        "#
    ));
    // The memory is the mind's own, and so comes with it; its new owner may rewrite the mind and not read the memory.
    assert_eq!(knows(&mut toy, "sage"), [OLGA, SPRING]);
    assert_eq!(recalls(&mut toy, "buyer", json!({ "artifact": "sage_memory" })), ["permission_denied"]);
    assert_eq!(recalls(&mut toy, "seller", json!({ "artifact": "sage_memory" })), ["permission_denied"]);
    // Nor does anybody else lose or win by it.
    assert_eq!(knows(&mut toy, "fool"), [MOON]);
}

#[test]
fn a_fork_and_an_earlier_world_remember_what_was_known_then() {
    let mut toy = check(&format!("{TRADERS}\n"));
    let (records, before) = (toy.journal.len(), toy.world.clone());
    let mut fork = Toy {
        world: before.clone(),
        now: toy.now,
        journal: toy.journal.clone(),
        reserved: Vec::new(),
        thinks: String::new(),
        used: Vec::new(),
    };
    for action in [
        json!({ "op": "remember", "text": "the spring is dry too", "supersedes": 1 }),
        json!({ "op": "forget", "entry": 2 }),
    ] {
        assert!(toy.act("sage", &action).refusal().is_none());
    }
    assert!(fork.act("sage", &json!({ "op": "remember", "text": "the mill burned" })).refusal().is_none());
    assert_eq!(knows(&mut toy, "sage"), ["the spring is dry too"]);
    assert_eq!(knows(&mut fork, "sage"), [OLGA, "the mill burned", SPRING]);
    // Rewound by its journal, by its image, or by holding on to the world as it was: each is the same.
    let mut rewound = World::empty();
    toy.journal.iter().take(records).for_each(|record| rewound.apply(record).unwrap());
    assert_eq!(rewound.digest(), before.digest());
    let image = World::from_image(&before.to_image()).unwrap();
    assert_eq!(image.digest(), before.digest());
    for world in [rewound, image, before] {
        let (now, journal, reserved) = (toy.now, Vec::new(), Vec::new());
        let then = Toy { world, now, journal, reserved, thinks: String::new(), used: Vec::new() };
        let seen = observe(&then, r#"{"what": "recall", "artifact": "sage_memory"}"#).outcome.result();
        assert_eq!(texts(&seen), [OLGA, SPRING]);
    }
    toy.world.audit().unwrap();
    fork.world.audit().unwrap();
}
