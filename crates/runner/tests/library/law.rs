//! Contracts in real Python: what they are told and may call, who pays, mandates, quotes, answers used again.

use super::check;

#[test]
fn a_contract_sees_its_surroundings_and_lets_others_pay() {
    check(
        r#"
        scrip ann 100, bob 50, sue 40
        ---
        ann {"op": "write", "artifact": "free", "code": "def run():\n    return 7"} -> ok
        ann {"op": "write", "artifact": "law", "code": "def check_permission(caller, action, target, context, ledger):\n    seen = [action, target, context['owner'], context['args'], context['pay'], context['method'], now() == context['now'], ledger.get_scrip(caller), ledger.principal_exists('nobody'), get_balance('sue'), get_artifact_info(target)['owner'], invoke('free'), storage_get('n', 0)]\n    try:\n        call_llm('well?')\n    except Exception as error:\n        seen.append(str(error).split(':')[0])\n    return {'allowed': False, 'reason': str(seen)}"} -> ok
        ann {"op": "write", "artifact": "tool", "code": "def run(x):\n    return x", "access_contract": "law", "has_standing": true} -> ok
        bob {"op": "invoke", "artifact": "tool", "args": [1], "pay": 2} -> permission_denied "['invoke', 'tool', 'ann', [1], 2, 'run', True, 50, False, 40, 'ann', 7, 0, 'invalid_argument']"
        ann {"op": "write", "artifact": "law", "code": "def check_permission(caller, action, target, context, ledger):\n    if action == 'write':\n        storage_set('x', 1)\n    return {'allowed': True, 'cost': 4, 'cost_model': {'payer': 'sue'}, 'state_updates': {'n': storage_get('n', 0) + 1}}\ndef count():\n    return storage_get('n', 0)"} -> ok
        bob {"op": "invoke", "artifact": "tool", "args": [1]} -> permission_denied "its contract `law` lets `sue` pay 4 scrip, and `sue` has not agreed to that"
        sue {"op": "mandate", "to": "law", "per_call": 4, "per_window": 8, "window": "1h"} -> ok ~{"left": 4}
        see {"what": "quote", "artifact": "tool", "args": [1], "as": "bob"} -> ok ~{"allowed": true, "max_spend": 0}
        bob {"op": "invoke", "artifact": "tool", "args": [1]} -> ok 1
        bob {"op": "write", "artifact": "tool", "content": "x"} -> permission_denied "its contract `law` failed while it decided"
        bob {"op": "invoke", "artifact": "law", "method": "count"} -> ok 1
        balances ann 104, bob 50, sue 36
        "#,
    );
}

#[test]
fn a_club_takes_its_dues_by_mandate() {
    check(
        r#"
        scrip ann 100, bob 50
        ---
        ann {"op": "write", "artifact": "club", "has_standing": true, "code": "def dues(who):\n    return charge(who, 5, reason='dues')['left']\ndef greedy(who):\n    return attempt('charge', who, 50)['error']['code']\ndef lend():\n    return mandate('bob', per_call=3, per_window=3, window='1h')['left']"} -> ok
        bob {"op": "run", "code": "mandate('club', per_call=5, per_window=10, window='1h')"} -> ok
        ann club.dues ["bob"] -> ok 5
        ann club.greedy ["bob"] -> ok "limit_exceeded"
        ann club.dues ["bob"] -> ok 0
        ann club.dues ["bob"] -> limit_exceeded "of which 0 is left"
        ann club.lend [] -> ok 3
        bob {"op": "charge", "payer": "club", "amount": 3} -> ok ~{"amount": 3}
        ann {"op": "transfer_ownership", "artifact": "club", "to": "bob"} -> ok
        advance 1h
        bob club.dues ["bob"] -> permission_denied "`club` has no mandate of `bob`"
        balances ann 100, bob 43
        "#,
    );
}

#[test]
fn an_answer_is_used_again_in_python() {
    check(
        r#"
        scrip ann 100, bob 50
        ---
        ann {"op": "write", "artifact": "law", "code": "def check_permission(caller, action, target, context, ledger):\n    return {'allowed': True, 'reason': context['now'], 'cache': {'ttl': 60, 'key': ['caller', 'action']}}"} -> ok
        ann {"op": "write", "artifact": "doc", "content": "x", "access_contract": "law"} -> ok
        bob {"op": "read", "artifact": "doc"} -> ok
        advance 30s
        see {"what": "permission", "as": "bob", "action": "read", "target": "doc"} -> ok ~{"reason": "2026-01-01T00:00:00.000Z"}
        see {"what": "permission", "as": "ann", "action": "read", "target": "doc"} -> ok ~{"reason": "2026-01-01T00:00:30.000Z"}
        "#,
    );
}
