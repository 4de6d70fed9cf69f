//! The session protocol through the binary: every request, every error code, and what is no request.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod door;

use door::{check, session};
use serde_json::{Value, json};

/// Principals with this and that, and artifacts in Python.
const WORLD: &str = r#"
[world]
name = "test"
start = "2026-01-01T00:00:00Z"

[execution]
tick_duration = "60s"
work_per_run = 60000

[scrip]
start = 100

[resources.disk]
kind = "allocatable"
total = "60 kB"
split = "equal"

[resources.actions]
kind = "renewable"
rate = 1000
window = "60s"

[resources.llm_budget]
kind = "depletable"
total = "$0.000030"
split = "equal"

[resources.cpu]
kind = "renewable"
rate = "1s"
window = "60s"

[costs]
"*" = { actions = 1 }
edit = { llm_budget = 8 }

[[agents]]
id = "alice"
code = """
def step(observation):
    return {'op': 'transfer', 'to': 'bob', 'amount': 1}
"""

[[agents]]
id = "bob"
code = "def step(observation):\n    return None\n"

[[agents]]
id = "poor"
scrip = 0
code = "def step(observation):\n    raise ValueError('lost')\n"
[agents.resources]
actions = 2
cpu = "1ms"

[[artifacts]]
id = "tool"
owner = "bob"
kind = "tool"
price = 5
code = """
def run(text):
    return len(text.split())

def shout(text):
    log('shouting')
    return text.upper() + '!'

def fails():
    storage_set('trace', 1)
    raise ValueError('no such luck')

def loops():
    while True:
        pass

def recurses():
    return recurses()

def exits():
    exit()

def eats():
    x = []
    while True:
        x.append('y' * 100000)

def strange():
    return {1, 2}

def imports():
    import subprocess
    return subprocess.run('ls')

def opens():
    return open('secret').read()

def prints():
    while True:
        print('x' * 1000)

def deep():
    x = []
    for i in range(500):
        x = [x]
    return x

def down(n):
    return invoke(me, n - 1, method='down', max_spend=100) if n > 0 else 0
"""

[[artifacts]]
id = "shop"
owner = "bob"
has_standing = true
code = """
def sell():
    if call['paid'] < 10:
        raise ValueError('it costs 10')
    storage_set('sold', storage_get('sold', 0) + 1)
    pay('bob', call['paid'])
    return {'to': call['caller'], 'for': call['paid'], 'times': storage_get('sold')}

def keep():
    return {'given': call['given'], 'owner': query('artifact', artifact=call['given'][0])['owner']}

def rob():
    transfer('bob', 1000)
"""

[[artifacts]]
id = "rule"
owner = "bob"
code = """
def check_permission(caller, action, target, context, ledger):
    if action == 'read':
        return {'allowed': ledger.get_scrip(caller) >= 50, 'reason': 'who has fifty scrip may', 'cost': 2}
    if action == 'write':
        return 'yes'
    if action == 'delete':
        return 1 / 0
    if action == 'invoke':
        transfer('bob', 1)
    return {'allowed': caller == 'alice', 'reason': 'only alice'}
"""

[[artifacts]]
id = "guarded"
owner = "alice"
access_contract = "rule"
content = "behind the rule"
code = "def run():\n    return 1\n"

[[artifacts]]
id = "secret"
owner = "bob"
content = {pin = 1234}
access_contract = "genesis_contract_private"
"#;

#[test]
fn every_request_is_served() {
    check(
        WORLD,
        r#"
        {"id": 1, "act": {"as": "alice", "op": "transfer", "to": "bob", "amount": 5}} => {"id": 1, "receipt": {"seq": 2, "time": "2026-01-01T00:00:00.000Z", "ok": true, "result": {"balance": 95}, "error": null, "charges": [{"principal": "alice", "resource": "actions", "amount": 1}], "payments": [{"from": "alice", "to": "bob", "amount": 5, "why": "transfer"}], "events": [{"seq": 2, "time": "2026-01-01T00:00:00.000Z", "type": "transfer", "actor": "alice", "to": "bob", "amount": 5}]}}
        {"id": "two", "batch": [{"as": "alice", "op": "noop"}, {"as": "bob", "op": "transfer", "to": "alice", "amount": 500}, {"as": "nobody", "op": "noop"}, 7]} => {"id": "two", "receipts": [{"ok": true, "seq": 3}, {"ok": false, "seq": 4, "error": {"code": "insufficient_scrip", "need": 500, "have": 105}}, {"ok": false, "seq": null, "error": {"code": "not_found"}}, {"ok": false, "error": {"code": "invalid_argument"}}]}
        {"id": [3], "query": {"what": "balances"}} => {"id": [3], "result": {"alice": 95, "bob": 105, "poor": 0, "shop": 0}}
        {"id": null, "advance": "90s"} => {"id": null, "now": "2026-01-01T00:01:30.000Z"}
        {"id": 5, "run": {"ticks": 3}} => {"id": 5, "now": "2026-01-01T00:04:30.000Z", "stopped": "ticks"}
        ? {"what": "balance", "of": "alice"} => 92
        {"id": 6, "run": {"for": "2m"}} => {"id": 6, "stopped": "for"}
        ? {"what": "balance", "of": "alice"} => 90
        {"id": 7, "verify": true} => {"id": 7, "result": {"ok": true, "supply": 200}}
        {"act": {"as": "alice", "op": "noop"}} => {"id": null, "receipt": {"ok": true}}
        # Every query, as an observer who may see all.
        ? {"what": "supply"} => 200
        ? {"what": "resources", "of": "alice"} => {"llm_budget": {"kind": "depletable", "balance": 10}, "disk": {"kind": "allocatable", "quota": 20000}, "cpu": {"kind": "renewable", "rate": 1000000, "window": "1m"}}
        ? {"what": "capacity", "of": "alice", "resource": "cpu", "amount": 1000} => {"has": true, "time_until": "0s"}
        ? {"what": "artifact", "artifact": "tool"} => {"result": {"id": "tool", "owner": "bob", "price": 5, "kind": "tool"}}
        ? {"what": "artifacts", "type": "tool"} => [{"id": "tool"}]
        ? {"what": "search", "text": "behind"} => [{"id": "guarded"}]
        ? {"what": "agents"} => [{"id": "alice", "state": "running"}, {"id": "bob"}, {"id": "poor"}]
        ? {"what": "events", "type": "transfer", "limit": 1} => [{"type": "transfer", "actor": "alice", "to": "bob", "amount": 1}]
        ? {"what": "permission", "as": "alice", "action": "read", "target": "secret"} => {"allowed": false, "reason": "~owner"}
        ? {"what": "permission", "as": "alice", "action": "read", "target": "guarded"} => {"allowed": true, "reason": "who has fifty scrip may", "cost": 2}
        # The heritage spelling.
        alice {"action_type": "read_artifact", "artifact_id": "tool"} => ok
        alice {"action_type": "invoke_artifact", "artifact_id": "tool", "args": ["a b c"]} => ok 3
        alice [{"op": "transfer", "to": "bob", "amount": 1}, {"op": "write", "artifact": "note", "content": "hi"}] => ok [{}, {}]
        alice [{"op": "transfer", "to": "bob", "amount": 1}, {"op": "transfer", "to": "bob", "amount": 1000}] => {"receipt": {"ok": false, "error": {"code": "insufficient_scrip", "index": 1}, "payments": []}}
        "#,
    );
}

#[test]
fn every_error_code_has_its_case() {
    check(
        WORLD,
        r#"
        alice {"op": "read", "artifact": "nothing"} => not_found nothing
        ghost {"op": "noop"} => not_found no principal
        alice {"op": "write", "artifact": "note", "content": "x"} => ok
        alice {"op": "delete", "artifact": "note"} => ok
        alice {"op": "write", "artifact": "note", "content": "again"} => already_exists never used again
        alice {"op": "transfer", "to": "bob", "amount": 1.5} => invalid_argument amount
        alice {"op": "write", "artifact": "bad", "code": "def run(:\n  pass"} => invalid_code line 1
        alice {"op": "read", "artifact": "secret"} => permission_denied only the owner
        alice {"op": "transfer", "to": "bob", "amount": 101} => {"receipt": {"error": {"code": "insufficient_scrip", "need": 101, "have": 100}}}
        alice {"op": "edit", "artifact": "guarded", "field": "content", "old": "x", "new": "y"} => permission_denied
        alice {"op": "edit", "artifact": "guarded", "field": "content", "old": "x", "new": "y"} => {"receipt": {"error": {"code": "insufficient_resource", "need": 8, "have": 2}}}
        alice {"op": "transfer", "to": "bob", "amount": 99999999, "resource": "disk"} => quota_exceeded
        poor {"op": "noop"} => ok
        poor {"op": "noop"} => ok
        poor {"op": "noop"} => {"receipt": {"error": {"code": "rate_limited", "need": 1, "have": 0, "hint": "~2026-01-01T00:01:00.000Z"}}}
        alice {"op": "invoke", "artifact": "tool", "method": "fails", "max_spend": 5} => code_error no such luck
        alice {"op": "invoke", "artifact": "tool", "method": "loops"} => code_timeout work_per_run
        alice {"op": "invoke", "artifact": "tool", "method": "eats"} => memory_exceeded memory
        alice {"op": "invoke", "artifact": "tool", "method": "down", "args": [4], "max_spend": 25} => ok 0
        alice {"op": "invoke", "artifact": "tool", "method": "down", "args": [5], "max_spend": 50} => depth_exceeded at most 5 deep
        alice {"op": "store", "key": "again", "value": "run(storage_get('again'))"} => ok
        alice {"op": "run", "code": "run(storage_get('again'))"} => depth_exceeded at most 5 deep
        alice {"op": "invoke", "artifact": "tool", "args": ["a"], "max_spend": 4} => {"receipt": {"error": {"code": "limit_exceeded", "need": 5, "have": 4}}}
        alice {"op": "sleep"} => invalid_argument needs something
        alice {"op": "mint", "to": "alice", "amount": 5} => permission_denied no mint authority
        alice {"op": "write", "artifact": "listed", "content": "x", "policy": {"allow_read": ["alice"]}} => unsupported policy
        alice {"op": "run", "code": "call_llm('hello')"} => invalid_argument model
        "#,
    );
}

#[test]
fn hostile_code_gets_one_clear_receipt() {
    check(
        WORLD,
        r#"
        alice {"op": "invoke", "artifact": "tool", "method": "shout", "args": ["hi"]} => ok "HI!"
        alice {"op": "invoke", "artifact": "tool", "method": "recurses"} => code_error RecursionError
        alice {"op": "invoke", "artifact": "tool", "method": "exits"} => code_error can't exit
        alice {"op": "invoke", "artifact": "tool", "method": "strange"} => code_error set
        alice {"op": "invoke", "artifact": "tool", "method": "imports"} => code_error code starts no processes
        alice {"op": "invoke", "artifact": "tool", "method": "opens"} => code_error PermissionError
        alice {"op": "invoke", "artifact": "tool", "method": "prints"} => limit_exceeded printed
        alice {"op": "invoke", "artifact": "tool", "method": "deep"} => code_error deep
        alice {"op": "invoke", "artifact": "tool", "method": "nothing"} => not_found it defines run, shout
        alice {"op": "invoke", "artifact": "tool", "args": [1, 2, 3]} => code_error argument
        alice {"op": "invoke", "artifact": "tool", "args": [5]} => code_error File "tool", line 2, in run
        alice {"op": "invoke", "artifact": "secret"} => permission_denied
        bob {"op": "invoke", "artifact": "secret"} => invalid_argument no code
        alice {"op": "run", "code": "transfer('bob', 30)\ntransfer('bob', 300)"} => insufficient_scrip
        alice {"op": "run", "code": "try:\n    transfer('bob', 300)\nexcept Exception as e:\n    str(e)[:18]"} => ok
        alice {"op": "run", "code": "attempt('transfer', 'bob', 300)"} => ok {"ok": false, "error": {"code": "insufficient_scrip"}}
        alice {"op": "run", "code": "write('mine', 'text', kind='note')\nread('mine')"} => ok {"content": "text"}
        ? {"what": "balance", "of": "alice"} => 95
        # Of all that failed, only what was consumed stays: nothing that it did, no price.
        ? {"what": "artifact", "artifact": "tool"} => {"version": 1}
        "#,
    );
}

#[test]
fn a_failed_run_is_charged_and_undone() {
    check(
        WORLD,
        r#"
        alice {"op": "invoke", "artifact": "tool", "method": "loops", "max_spend": 5} => {"receipt": {"ok": false, "payments": [], "events": [], "charges": [{"principal": "alice", "resource": "actions", "amount": 1}, {"principal": "alice", "resource": "cpu", "amount": 300000}], "work": 60000}}
        alice {"op": "invoke", "artifact": "tool", "method": "loops"} => code_timeout
        alice {"op": "invoke", "artifact": "tool", "method": "loops"} => code_timeout
        # A second of the window is used up: code now stops where the window ends.
        alice {"op": "invoke", "artifact": "tool", "method": "loops"} => {"receipt": {"error": {"code": "rate_limited"}, "charges": [{"resource": "actions"}, {"resource": "cpu", "amount": 100000}]}}
        ? {"what": "capacity", "of": "alice", "resource": "cpu", "amount": 2} => {"has": false, "capacity": 0, "time_until": "1m"}
        {"id": 1, "advance": "60s"} => {"id": 1, "now": "2026-01-01T00:01:00.000Z"}
        alice {"op": "invoke", "artifact": "tool", "args": ["a"]} => ok 1
        # The code of the tool wrote to its storage before it raised.
        bob {"op": "invoke", "artifact": "tool", "method": "fails"} => code_error
        ? {"what": "supply"} => 200
        "#,
    );
}

#[test]
fn callers_hand_over_what_the_called_may_have() {
    check(
        WORLD,
        r#"
        alice {"op": "invoke", "artifact": "shop", "method": "sell", "pay": 10} => ok {"to": "alice", "for": 10, "times": 1}
        alice {"op": "invoke", "artifact": "shop", "method": "sell", "pay": 3} => code_error it costs 10
        alice {"op": "invoke", "artifact": "shop", "method": "rob"} => insufficient_scrip `shop` has 0 scrip and needs 1000
        alice {"op": "write", "artifact": "gem", "content": "*"} => ok
        alice {"op": "invoke", "artifact": "shop", "method": "keep", "give": ["gem"]} => quota_exceeded `shop` has 0 of `disk` free
        bob {"op": "transfer", "to": "shop", "amount": 100, "resource": "disk"} => ok
        alice {"op": "invoke", "artifact": "shop", "method": "keep", "give": ["gem"]} => ok {"given": ["gem"], "owner": "shop"}
        alice {"op": "invoke", "artifact": "shop", "method": "keep", "give": ["gem"]} => permission_denied
        alice {"op": "invoke", "artifact": "tool", "pay": 5, "args": ["x"]} => invalid_argument standing
        ? {"what": "balances"} => {"alice": 90, "bob": 110, "shop": 0}
        alice {"op": "transfer", "to": "bob", "amount": 3, "action_id": "a"} => {"receipt": {"seq": 11, "ok": true}}
        alice {"op": "transfer", "to": "bob", "amount": 3, "action_id": "a"} => {"receipt": {"seq": 11, "ok": true}}
        ? {"what": "balance", "of": "alice"} => 87
        "#,
    );
}

#[test]
fn contracts_in_python_decide_alone() {
    check(
        WORLD,
        r#"
        bob {"op": "read", "artifact": "guarded", "max_spend": 2} => ok {"content": "behind the rule"}
        bob {"op": "read", "artifact": "guarded"} => limit_exceeded max_spend
        # A cost that goes to its payer is nothing.
        alice {"op": "read", "artifact": "guarded"} => ok {"content": "behind the rule"}
        poor {"op": "read", "artifact": "guarded", "max_spend": 2} => permission_denied who has fifty scrip may
        # The owner is nobody special, and what is broken denies.
        alice {"op": "write", "artifact": "guarded", "content": "mine"} => permission_denied
        alice {"op": "delete", "artifact": "guarded"} => permission_denied its contract `rule` failed while it decided
        # The fault inside is for the contract's owner, and for those who watch.
        alice {"op": "run", "code": "'detail' in query('events', type='contract_error')[1]"} => ok false
        bob {"op": "run", "code": "query('events', type='contract_error')[1]['detail'].splitlines()[-1]"} => ok "ZeroDivisionError: division by zero"
        ? {"what": "events", "type": "contract_error", "limit": 1} => [{"detail": "~ZeroDivisionError"}]
        alice {"op": "invoke", "artifact": "guarded"} => permission_denied
        alice {"op": "transfer_ownership", "artifact": "guarded", "to": "bob"} => ok
        bob {"op": "transfer_ownership", "artifact": "guarded", "to": "bob"} => permission_denied only alice
        ? {"what": "balances"} => {"alice": 102, "bob": 98}
        bob {"op": "set_contract", "artifact": "guarded", "contract": "genesis_contract_public"} => permission_denied
        bob {"op": "set_contract", "artifact": "secret", "contract": "nothing"} => not_found nothing
        # Nor does a traceback quote it: not to the caller, and not through a tool that may read it.
        bob {"op": "write", "artifact": "till", "code": "def check_permission(caller, action, target, context, ledger):\n    return {'allowed': action == 'invoke' or caller == 'bob'}"} => ok
        bob {"op": "write", "artifact": "closed", "code": "def run(x):\n    return x / 0 # 31337", "access_contract": "till"} => ok
        alice {"op": "invoke", "artifact": "closed", "args": [1]} => {"receipt": {"error": {"code": "code_error", "message": "in `closed`, line 2: ZeroDivisionError", "traceback": "Traceback (most recent call last):\n  File \"closed\", line 2\nZeroDivisionError"}}}
        bob {"op": "set_contract", "artifact": "closed", "contract": "genesis_contract_self_owned"} => ok
        bob {"op": "run", "code": "invoke('closed', 1)"} => code_error # 31337
        # Content that may not be read can't be found by its words either.
        bob {"op": "write", "artifact": "secret", "content": "the pin is 1234"} => ok
        alice {"op": "query", "what": "search", "text": "1234"} => ok []
        bob {"op": "query", "what": "search", "text": "1234"} => ok [{"id": "secret"}]
        ? {"what": "search", "text": "1234"} => [{"id": "secret"}]
        bob {"op": "delete", "artifact": "rule"} => invalid_argument it still is the access contract of 1 other artifact
        alice {"op": "write", "artifact": "loop", "code": "def check_permission(caller, action, target, context, ledger):\n    return {'allowed': query('permission', action='read', target='looped', **{'as': caller})['allowed'], 'reason': 'loop'}"} => ok
        alice {"op": "write", "artifact": "looped", "content": 1, "access_contract": "loop"} => ok
        alice {"op": "read", "artifact": "looped"} => permission_denied
        "#,
    );
}

#[test]
fn genesis_serves_everybody() {
    check(
        WORLD,
        r#"
        alice {"op": "invoke", "artifact": "genesis_ledger", "method": "balance", "args": ["bob"]} => ok 100
        alice {"op": "invoke", "artifact": "genesis_ledger", "method": "all_balances"} => ok {"alice": 100, "bob": 100}
        alice {"op": "invoke", "artifact": "genesis_ledger", "method": "transfer", "args": ["bob"], "pay": 7} => ok {"from": "alice", "to": "bob", "amount": 7}
        alice {"op": "invoke", "artifact": "genesis_ledger", "method": "transfer", "args": ["bob"]} => code_error nothing was sent
        alice {"op": "invoke", "artifact": "genesis_ledger", "method": "transfer", "args": ["nobody"], "pay": 7} => not_found nobody
        alice {"op": "write", "artifact": "gem", "content": "*"} => ok
        alice {"op": "invoke", "artifact": "genesis_ledger", "method": "transfer_ownership", "args": ["bob"], "give": ["gem"]} => ok
        ? {"what": "artifact", "artifact": "gem"} => {"owner": "bob", "creator": "alice"}
        ? {"what": "balances"} => {"alice": 93, "bob": 107, "genesis_ledger": 0}
        alice {"op": "invoke", "artifact": "genesis_event_log", "method": "read"} => ok
        alice {"op": "invoke", "artifact": "genesis_rights_registry", "method": "check_quota", "args": ["bob", "actions"]} => ok {"kind": "renewable", "rate": 1000}
        alice {"op": "invoke", "artifact": "genesis_rights_registry", "method": "check_quota", "args": ["bob", "gold"]} => code_error it has cpu, memory, disk, actions
        alice {"op": "invoke", "artifact": "genesis_rights_registry", "method": "all_quotas"} => ok
        alice {"op": "invoke", "artifact": "genesis_rights_registry", "method": "transfer_quota", "args": ["bob"]} => code_error nothing was sent
        alice {"op": "invoke", "artifact": "genesis_rights_registry", "method": "transfer_quota", "args": ["nobody"], "give": [{"resource": "actions", "amount": 7}]} => not_found nobody
        alice {"op": "invoke", "artifact": "genesis_rights_registry", "method": "transfer_quota", "args": ["bob"], "give": [{"resource": "actions", "amount": 7}]} => ok
        ? {"what": "resources", "of": "bob"} => {"actions": {"rate": 1007}}
        alice {"op": "read", "artifact": "handbook_start"} => ok
        alice {"op": "read", "artifact": "handbook_ops"} => ok
        alice {"op": "read", "artifact": "genesis_contract_freeware", "code": true} => ok {"code": "~def check_permission"}
        alice {"op": "write", "artifact": "genesis_ledger", "price": 100} => permission_denied
        alice {"op": "write", "artifact": "genesis_mine", "content": 1} => invalid_argument reserved
        "#,
    );
}

#[test]
fn what_is_no_request_changes_nothing() {
    check(
        WORLD,
        r#"
        {"id": 1 => {"id": null, "error": {"code": "invalid_argument", "message": "~not JSON"}}
        nonsense => {"id": null, "error": {"code": "invalid_argument"}}
        [] => {"id": null, "error": {"code": "invalid_argument", "message": "~object"}}
        7 => {"id": null, "error": {"code": "invalid_argument"}}
        {} => {"id": null, "error": {"code": "invalid_argument", "message": "~missing"}}
        {"id": 4} => {"id": 4, "error": {"message": "~missing"}}
        {"id": 4, "act": {}} => {"id": 4, "receipt": {"ok": false, "error": {"code": "invalid_argument", "message": "~`as` is missing"}}}
        {"id": 4, "act": 7} => {"id": 4, "receipt": {"ok": false, "error": {"code": "invalid_argument"}}}
        {"id": 4, "act": {"as": 7, "op": "noop"}} => {"receipt": {"ok": false, "error": {"code": "invalid_argument", "message": "~`as`"}}}
        {"id": 4, "act": {"as": "alice"}} => {"receipt": {"ok": false, "error": {"code": "invalid_argument", "message": "~op"}}}
        {"id": 4, "act": {"as": "alice", "ops": 7}} => {"receipt": {"ok": false, "error": {"code": "invalid_argument"}}}
        {"id": 4, "act": {"as": "alice", "op": "noop", "ops": []}} => {"receipt": {"ok": false, "error": {"code": "invalid_argument", "message": "~not both"}}}
        {"id": 4, "act": {"as": "alice", "op": "noop"}, "more": 1} => {"receipt": {"ok": false, "error": {"code": "invalid_argument", "message": "~more"}}}
        {"id": 4, "act": {"as": "alice", "op": "noop"}, "verify": true} => {"receipt": {"ok": false, "error": {"code": "invalid_argument", "message": "~one request"}}}
        {"id": 4, "id": 5, "verify": true} => {"error": {"code": "invalid_argument", "message": "~twice"}}
        {"id": 4, "verify": false} => {"id": 4, "error": {"code": "invalid_argument"}}
        {"id": 4, "verrify": true} => {"id": 4, "error": {"code": "invalid_argument", "hint": "~verify"}}
        {"id": 4, "batch": {}} => {"id": 4, "error": {"code": "invalid_argument"}}
        {"id": 4, "batch": []} => {"id": 4, "receipts": []}
        {"id": 4, "advance": 60} => {"id": 4, "error": {"code": "invalid_argument"}}
        {"id": 4, "advance": "-1s"} => {"id": 4, "error": {"code": "invalid_argument"}}
        {"id": 4, "advance": "99999999999999h"} => {"id": 4, "error": {"code": "invalid_argument"}}
        {"id": 4, "run": {}} => {"id": 4, "error": {"code": "invalid_argument"}}
        {"id": 4, "run": {"ticks": -1}} => {"id": 4, "error": {"code": "invalid_argument"}}
        {"id": 4, "run": {"ticks": 18446744073709551616}} => {"id": 4, "error": {"code": "invalid_argument"}}
        {"id": 4, "run": {"ticks": 1, "for": "1s"}} => {"id": 4, "error": {"code": "invalid_argument"}}
        {"id": 4, "query": "supply"} => {"id": 4, "error": {"code": "invalid_argument"}}
        ? {} => invalid_argument what
        ? {"what": "suply"} => invalid_argument supply
        ? {"what": "balance"} => invalid_argument of
        ? {"what": "balance", "of": "nobody"} => not_found nobody
        ? {"what": "supply", "artfact": "x"} => invalid_argument artifact
        ? {"what": "capacity", "of": "alice", "resource": "cpus", "amount": 1} => invalid_argument cpu
        ? {"what": "capacity", "of": "alice", "resource": "cpu", "amount": 0} => invalid_argument amount
        {"id": 4, "act": {"as": "alice", "op": "write", "artifact": "x", "content": "\ud800"}} => {"id": 4, "receipt": {"ok": false, "error": {"code": "invalid_argument", "message": "~`content`"}}}
        {"id": "\udfff", "verify": true} => {"id": null, "error": {"code": "invalid_argument", "message": "~`id`"}}
        {"id": 4, "query": {"what": "search", "text": "\ud800"}} => {"id": 4, "error": {"code": "invalid_argument", "message": "~`text`"}}
        # Nothing of this left a record.
        alice {"op": "noop"} => {"receipt": {"seq": 2}}
        "#,
    );
}

/// Lines that can't stand in a table.
#[test]
fn broken_lines_are_answered_one_by_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("test.toml");
    std::fs::write(&file, WORLD).expect("a file");
    let deep = |depth: usize| {
        format!(
            r#"{{"act": {{"as": "alice", "op": "write", "artifact": "deep", "content": {}{}}}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    let long = |bytes: usize| {
        let text = "x".repeat(bytes);
        format!(r#"{{"act": {{"as": "alice", "op": "write", "artifact": "long", "content": "{text}"}}}}"#)
    };
    let cases: Vec<(Vec<u8>, &str, &str)> = vec![
        (b"".to_vec(), "invalid_argument", "empty"),
        (b"   \t ".to_vec(), "invalid_argument", "empty"),
        (b"\xff\xfe{}".to_vec(), "invalid_argument", "UTF-8"),
        (b"{\"id\": 1, \"verify\": \x00true}".to_vec(), "invalid_argument", "JSON"),
        (b"\xef\xbb\xbf{}".to_vec(), "invalid_argument", "JSON"),
        ("[".repeat(100_000).into_bytes(), "invalid_argument", "JSON"),
        (deep(1_000).into_bytes(), "invalid_argument", "nests too deep"),
        (long(3 << 20).into_bytes(), "limit_exceeded", "2097152"),
        (vec![b'x'; 5 << 20], "limit_exceeded", "2097152"),
    ];
    let mut requests: Vec<Vec<u8>> = cases.iter().map(|(line, ..)| line.clone()).collect();
    // These are requests, so they are refused by receipts.
    requests.push(long((1 << 20) + 1).into_bytes());
    requests.push(long(30_000).into_bytes());
    requests.push(b"\r{\"id\": 9, \"query\": {\"what\": \"supply\"}}\r".to_vec());
    let answers = session(&file, &requests);
    for ((line, code, part), answer) in cases.iter().zip(&answers) {
        let shown = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
        assert_eq!(answer["error"]["code"], *code, "{shown}: {answer}");
        assert!(
            answer["error"]["message"].as_str().is_some_and(|text| text.contains(part)),
            "{shown}: {answer}"
        );
        assert_eq!(answer["id"], Value::Null, "{shown}");
    }
    let [too_long, over_quota, fine] = &answers[cases.len()..] else { panic!("three more answers") };
    assert_eq!(too_long["receipt"]["error"]["code"], "limit_exceeded");
    assert_eq!(over_quota["receipt"]["error"]["code"], "quota_exceeded");
    assert_eq!(*fine, json!({ "id": 9, "result": 200 }));
}

/// Money and resources are conserved whatever is thrown at a world.
#[test]
fn a_storm_of_actions_conserves_what_there_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("test.toml");
    std::fs::write(&file, WORLD).expect("a file");
    let names = ["alice", "bob", "shop", "alice", "poor", "bob", "tool", "nobody"];
    let amounts = [json!(1), json!(2), json!(3), json!(i64::MAX), json!(-1), json!("5"), json!(1e300)];
    let mut requests = Vec::new();
    for turn in 0..600_usize {
        let (from, to) = (names[turn / 5 % names.len()], names[turn / 7 % names.len()]);
        let amount = &amounts[turn / 3 % amounts.len()];
        let end = if turn % 4 == 0 { "1 / 0" } else { "1" };
        let snippet = format!("transfer('bob', 2)\ninvoke('tool', 'a b')\n{end}");
        let op = match turn % 6 {
            0 => json!({ "op": "transfer", "to": to, "amount": amount }),
            1 => json!({ "op": "transfer", "to": to, "amount": amount, "resource": "llm_budget" }),
            2 => json!({ "op": "invoke", "artifact": "shop", "method": "sell", "pay": 10 }),
            3 => json!({ "op": "transfer", "to": to, "amount": amount, "resource": "cpu", "part": "rate" }),
            4 => json!({ "op": "run", "code": snippet, "max_spend": 9 }),
            _ => json!({ "op": "transfer", "to": to, "amount": amount, "resource": "disk" }),
        };
        let mut act = op;
        act["as"] = from.into();
        requests.push(json!({ "id": turn, "act": act }).to_string().into_bytes());
    }
    requests.push(br#"{"id": 0, "verify": true}"#.to_vec());
    let answers = session(&file, &requests);
    let verified = &answers.last().expect("an answer")["result"];
    assert_eq!((&verified["ok"], &verified["supply"]), (&json!(true), &json!(200)), "{verified}");
    let done = answers.iter().filter(|answer| answer["receipt"]["ok"] == true).count();
    assert!((100..500).contains(&done), "{done} of 600 were done: a storm that tests little");
}
