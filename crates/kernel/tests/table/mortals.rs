//! Deletion: a rate lapses, a balance and a quota go to an heir, and nobody keeps a stranger's artifact alive.

use crate::door::check;

#[test]
fn an_agent_may_end_its_life_in_its_own_step() {
    check(
        r#"
        resources: cpu renewable 60s, actions renewable 60s
        costs: delete actions 1
        world: hunter 0 cpu 500000 actions 5
        agent fly cpu 500000 actions 2 code [['work', 50], ['return', [{'op': 'transfer', 'to': 'hunter', 'amount': 400000, 'resource': 'cpu'}, {'op': 'delete', 'artifact': 'fly'}]]]
        agent snip cpu 500000 actions 2 code {'step': [['return', {'op': 'invoke', 'artifact': 'snip', 'method': 'die'}]], 'die': [['call', 'delete', ['snip']], ['work', 10]]}
        agent prey cpu 500000 actions 2 contract genesis_contract_public code [['return', null]]
        observer {"what": "supply", "resource": "cpu"} -> ok 2000000
        # Its thinking and the cost of the op are in its windows, and no obstacle; it pays for what comes after too.
        step fly -> ok ~[{"rate": 100000}, {"artifact": "fly"}] ; charged fly cpu 150, fly actions 1 ; events transfer fly hunter 400000 cpu, delete fly fly
        step snip -> ok ; charged snip cpu 33, snip actions 1 ; events delete snip snip, invoke snip snip die
        step prey -> ok null
        hunter delete {"artifact": "prey"} -> ok ; events delete hunter prey
        observer {"what": "agents"} -> ok []
        observer {"what": "balances"} -> ok {"hunter": 0}
        observer {"what": "supply", "resource": "cpu"} -> ok 900000
        observer {"what": "supply", "resource": "actions"} -> ok 5
        hunter query {"what": "agents", "sample": 5} -> ok []
        loop prey stopped never
        hunter transfer {"to": "prey", "amount": 1, "resource": "cpu"} -> not_found "`prey` was deleted"
        hunter write {"artifact": "prey"} -> already_exists
        "#,
    );
}

#[test]
fn a_balance_and_a_quota_go_to_an_heir_or_stand_in_the_way() {
    check(
        r#"
        resources: fuel depletable, disk allocatable, actions renewable 60s
        costs: noop fuel 2
        world: bob 0 disk 1000, carl 0 disk 1000, full 0 disk 200
        artifact note by full content 0123456789012345678
        agent eve scrip 30 fuel 9 disk 500 actions 3 code [['return', null]]
        eve delete {"artifact": "eve"} -> invalid_argument "it still holds 30 scrip, holds 500 of `disk`, holds 9 of `fuel`" "name an `heir`"
        eve delete {"artifact": "eve", "heir": "eve"} -> invalid_argument "`heir`: `eve` can't be its own heir"
        eve delete {"artifact": "eve", "heir": "nobody"} -> not_found "there is no artifact `nobody`"
        eve delete {"artifact": "eve", "heir": "note"} -> invalid_argument "`heir`: `note` has no standing"
        full delete {"artifact": "note", "heir": "bob"} -> invalid_argument "`heir`: `note` has no standing, so it leaves nothing"
        bob delete {"artifact": "eve", "heir": "bob"} -> permission_denied
        carl delete {"artifact": "carl", "heir": "full"} -> ok ; events delete carl carl full
        eve delete {"artifact": "eve", "heir": "carl"} -> not_found "`carl` was deleted"
        # A deleted agent can do nothing more, and a failed action has changed nothing.
        eve [{"op": "delete", "artifact": "eve", "heir": "bob"}, {"op": "noop"}] -> not_found @1 "`eve` was deleted, so it can do nothing more" "let the `delete` come last"
        balances eve 30, bob 0
        # The uses of the same action come first; of the quotas stays what the tombstones take.
        eve write {"artifact": "eve", "content": "0123456789"} -> ok
        eve [{"op": "noop"}, {"op": "delete", "artifact": "eve", "heir": "full"}] -> ok ; charged eve fuel 2 ; paid eve>full 30 heir ; events delete eve eve full
        balances eve 0, full 30
        observer {"what": "resources", "of": "full"} -> ok ~{"fuel": {"balance": 7}, "disk": {"quota": 1619}, "actions": {"rate": 0}}
        observer {"what": "supply", "resource": "fuel"} -> ok 9
        observer {"what": "supply", "resource": "disk"} -> ok 2700
        observer {"what": "supply", "resource": "actions"} -> ok 0
        observer {"what": "supply"} -> ok 30
        "#,
    );
}

#[test]
fn who_owns_others_must_part_with_them_first() {
    check(
        r#"
        world: bob
        agent eve scrip 5 code [['return', null]]
        artifact note by eve
        eve delete {"artifact": "eve", "heir": "bob"} -> invalid_argument "it still owns 1 other artifact" "delete `note`, or hand over"
        eve [{"op": "transfer_ownership", "artifact": "note", "to": "bob"}, {"op": "delete", "artifact": "eve", "heir": "bob"}] -> ok
        balances bob 5
        "#,
    );
}

#[test]
fn an_agent_is_deleted_whatever_its_loop_does() {
    check(
        r#"
        rules: autonomous 1s
        resources: cpu renewable 60s, fuel depletable
        costs: noop fuel 1
        world: bob 0 cpu 1000 fuel 5
        agent sleeper cpu 9 contract genesis_contract_public code [['return', {'op': 'sleep', 'event': 'transfer'}]]
        agent frozen cpu 9 contract genesis_contract_public code [['return', {'op': 'noop'}]]
        agent thinker cpu 9 contract genesis_contract_public code [['return', null]]
        step sleeper -> ok
        step frozen -> insufficient_resource
        loop frozen blocked never 1 of fuel
        reserve thinker cpu 5
        bob delete {"artifact": "sleeper"} -> ok
        bob delete {"artifact": "frozen"} -> ok
        bob delete {"artifact": "thinker"} -> ok
        settle
        bob transfer {"to": "bob", "amount": 1, "resource": "cpu"} -> ok
        loop sleeper stopped never
        loop frozen stopped never
        loop thinker stopped never
        observer {"what": "supply", "resource": "cpu"} -> ok 1000
        "#,
    );
}

#[test]
fn nobody_pins_a_strangers_artifact() {
    check(
        r#"
        world: alice, bob
        artifact c by alice code {'check_permission': [['return', {'allowed': true, 'reason': 'fine'}]]}
        artifact d by alice code {'check_permission': [['return', {'allowed': true, 'reason': 'fine'}]]}
        artifact mine by alice contract c
        artifact his by bob contract c
        bob write {"artifact": "builds", "depends_on": ["c"], "memory_artifact": "c"} -> ok
        # One's own artifacts are under it; a stranger's are no obstacle.
        alice delete {"artifact": "c"} -> invalid_argument "it still is the access contract of 1 other artifact" "put `mine` under another contract"
        alice set_contract {"artifact": "mine", "contract": "genesis_contract_freeware"} -> ok
        alice delete {"artifact": "c"} -> ok
        # An artifact under another's contract falls under the rule for missing ones.
        alice read {"artifact": "his"} -> ok ; events missing_contract alice his its access contract does not exist
        alice write {"artifact": "his", "content": "x"} -> permission_denied
        # The receiver of a contract is not bound by the artifacts that its giver put under it.
        alice set_contract {"artifact": "mine", "contract": "d"} -> ok
        alice transfer_ownership {"artifact": "d", "to": "bob"} -> ok
        bob delete {"artifact": "d"} -> ok
        "#,
    );
}

#[test]
fn nobody_dies_of_whom_something_is_set_aside() {
    let mut toy = check(
        r#"
        resources: fuel depletable
        world: bob 0
        agent eve fuel 9 code [['return', null]]
        "#,
    );
    let (eve, fuel) = (toy.handle("eve"), toy.world.rules().resource("fuel").unwrap());
    let reserved = toy.world.reserve(eve, fuel, 5, toy.now).unwrap();
    let die = serde_json::json!({ "op": "delete", "artifact": "eve", "heir": "bob" });
    // A journal that is read again has nothing set aside, and would find it there.
    assert!(toy.act("eve", &die).refusal().unwrap().message.contains("still holds something"));
    toy.world.settle(reserved);
    assert!(toy.act("eve", &die).outcome.is_ok());
    let mut again = oikos_kernel::world::World::empty();
    toy.journal.iter().for_each(|record| again.apply(record).unwrap());
    assert_eq!(again.digest(), toy.world.digest());
    assert_eq!(again.limit(again.lookup("bob").unwrap(), fuel), 9);
}
