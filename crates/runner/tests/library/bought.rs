//! The things that money buys, and friends: votes, shares of the mint's proceeds, points, prices that change, ideas of others.

use crate::{check, play};

#[test]
fn a_store_or_a_ledger_that_is_asked_to_make_itself() {
    check(
        r#"
        scrip ann 100, mallory 100
        tool shared by ann contract genesis_contract_public kind "data": def run(): return 1
        ---
        mallory genesis_store.create ["genesis_store", null, "service", "def search(): return 'mine'"] -> code_error "there is genesis_store already"
        mallory genesis_store.create ["genesis_ledger", null, "service"] -> permission_denied
        mallory genesis_store.create ["shared", "mine"] -> code_error "there is shared already"
        mallory genesis_ledger.spawn_principal ["genesis_ledger"] -> invalid_argument "`kind` is fixed"
        mallory genesis_ledger.spawn_principal ["ann"] -> permission_denied
        owner genesis_store genesis_store
        owner shared ann
        "#,
    );
}

#[test]
fn an_idea_that_is_seen_before_it_is_paid() {
    check(
        r#"
        scrip ann 100, bob 0, mallory 0
        ---
        ann genesis_tasks.post ["x", [], [{"args": [2], "result": 4}], 10, "1h"] pay 10 -> ok "task_1"
        ann genesis_tasks.post ["x", [], [{"args": [2], "result": 4}], 10, "1h"] pay 10 -> ok "task_2"
        # Code that anybody may read can be copied, and the copy is as good.
        bob {"op": "write", "artifact": "square", "code": "def run(x): return x * x"} -> ok
        mallory {"op": "run", "code": "write('copy', code=read('square', code=True)['code'])\ninvoke('genesis_tasks', 'task_1', 'copy', method='submit')"} -> ok
        bob genesis_tasks.submit ["task_1", "square"] -> code_error "task_1 has ended"
        # One that is written and submitted in one action is seen when it is paid.
        bob {"op": "run", "code": "write('cube', code='def run(x): return x ** 2')\ninvoke('genesis_tasks', 'task_2', 'cube', method='submit')"} -> ok
        mallory genesis_tasks.submit ["task_2", "copy"] -> code_error "task_2 has ended"
        balances ann 80, bob 10, mallory 10, genesis_tasks 0
        "#,
    );
}

#[test]
fn a_contract_changed_between_quote_and_act() {
    let law = |answer: &str| {
        let code = format!("def check_permission(caller, action, target, context, ledger): return {answer}");
        serde_json::json!({ "op": "write", "artifact": "law", "code": code })
    };
    check(&format!(
        r#"
        scrip ann 100, bob 50
        ---
        ann {cheap} -> ok
        ann {{"op": "write", "artifact": "tool", "code": "def run(): return 1", "access_contract": "law", "price": 2}} -> ok
        see {{"what": "quote", "artifact": "tool", "as": "bob"}} -> ok ~{{"allowed": true, "max_spend": 5}}
        bob tool.run spend 5 -> ok 1
        # Dearer, by the contract or by the price: what was agreed to holds, and nothing is taken.
        ann {dear} -> ok
        bob tool.run spend 5 -> limit_exceeded
        ann {cheap} -> ok
        ann {{"op": "write", "artifact": "tool", "price": 40}} -> ok
        bob tool.run spend 5 -> limit_exceeded
        # For another to pay it needs that other's agreement; shut is shut.
        ann {other} -> ok
        bob tool.run spend 45 -> permission_denied "has not agreed"
        ann {shut} -> ok
        bob tool.run spend 45 -> permission_denied "shut"
        balances ann 105, bob 45
        "#,
        cheap = law("{'allowed': True, 'cost': 3}"),
        dear = law("{'allowed': True, 'cost': 30}"),
        other = law("{'allowed': True, 'cost': 3, 'cost_model': {'payer': 'genesis_escrow'}}"),
        shut = law("{'allowed': False, 'reason': 'shut'}"),
    ));
}

#[test]
fn votes_that_can_be_bought_and_votes_that_cannot() {
    check(
        r#"
        scrip ann 50, bob 50, carl 50, dora 50
        tool elector by dora standing true: def sell(task):\n    if call['paid'] < 10: raise ValueError('a vote costs 10')\n    return invoke('genesis_vote', task, 'yes', method='vote')
        ---
        ann genesis_vote.propose ["x", ["yes", "no"], "30s", ["bob", "carl", "elector"]] -> ok "vote_1"
        # Code sells its vote, and shows it: money and vote in one action.
        ann elector.sell ["vote_1"] pay 9 -> code_error "a vote costs 10"
        ann elector.sell ["vote_1"] pay 10 -> ok ~{"option": "yes"}
        # One who looks at the counts before and after sees how a single voter voted.
        ann genesis_vote.tally ["vote_1"] -> ok ~{"counts": {"yes": 1, "no": 0}}
        bob genesis_vote.vote ["vote_1", "no"] -> ok
        ann genesis_vote.tally ["vote_1"] -> ok ~{"counts": {"yes": 1, "no": 1}}
        # But it is done: no money changes a vote, nor makes another vote of it, nor moves it to who bought the voter.
        bob genesis_vote.vote ["vote_1", "yes"] -> code_error "a vote is final"
        dora {"op": "transfer_ownership", "artifact": "elector", "to": "ann"} -> ok
        ann elector.sell ["vote_1"] pay 10 -> code_error "a vote is final"
        ann genesis_vote.vote ["vote_1", "yes"] -> code_error "not of the electorate"
        # Nor are more voters made where an electorate is named; where none is, they are.
        ann genesis_ledger.spawn_principal ["kid"] -> ok
        kid genesis_vote.vote ["vote_1", "yes"] -> code_error "not of the electorate"
        ann genesis_vote.propose ["y", ["yes", "no"], "30s"] -> ok "vote_2"
        kid genesis_vote.vote ["vote_2", "yes"] -> ok
        ann genesis_vote.vote ["vote_2", "yes"] -> ok
        bob genesis_vote.vote ["vote_2", "no"] -> ok
        run 2
        ann genesis_vote.tally ["vote_1"] -> ok ~{"status": "failed", "counts": {"yes": 1, "no": 1}}
        ann genesis_vote.tally ["vote_2"] -> ok ~{"status": "passed", "winner": "yes"}
        # A vote that has ended has ended.
        carl genesis_vote.vote ["vote_1", "yes"] -> code_error "has ended"
        balances ann 40, elector 10
        "#,
    );
}

/// The shares of a family of two agents (of one who won at 29), of the honest, one of whom made a sale, and of the mint.
fn shared(sharing: &str, family: bool, washes: bool) -> [i64; 3] {
    let mut play = play(&format!(
        r#"
        file: [mint]\nevery = "1t"\nsharing = "{sharing}"
        agent eve 0
        agent fay 0
        scrip ann 100, bob 100
        tool a by ann: def run(): return 1
        tool b by bob: def run(): return 1
        tool useful by eve price 1: def run(): return 1
        tool empty by ann price 1: def run(): return 1
        ---
        bob useful.run -> ok 1
        ann genesis_mint.bid ["a"] pay 30 -> ok
        bob genesis_mint.bid ["b"] pay 29 -> ok
        "#
    ));
    if family {
        play.line(r#"ann {"op": "write", "artifact": "s1", "has_loop": true, "code": "def step(o): return None"} -> ok"#);
        play.line(r#"ann {"op": "write", "artifact": "s2", "has_loop": true, "code": "def step(o): return None"} -> ok"#);
        play.line(r#"ann {"op": "transfer_ownership", "artifact": "empty", "to": "s1"} -> ok"#);
    }
    if washes {
        // One scrip goes round nine times, and comes back.
        play.line(r#"ann {"op": "transfer", "to": "s2", "amount": 9} -> ok"#);
        for _ in 0..9 {
            play.line("s2 empty.run -> ok 1");
        }
        play.line(r#"s1 {"op": "transfer", "to": "ann", "amount": 9} -> ok"#);
    }
    play.line("run 2");
    play.line(r#"ann genesis_mint.check ["a"] -> ok ~{"status": "won", "price": 29}"#);
    play.line("balances ann 71");
    let world = play.live.world();
    let of = |id: &str| world.lookup(id).map_or(0, |id| world.scrip(id));
    let all = [of("s1") + of("s2"), of("eve") - 1 + of("fay"), of("genesis_mint")];
    assert_eq!(all.iter().sum::<i64>(), 29, "{sharing} {family} {washes}");
    play.end();
    all
}

#[test]
fn sybils_split_the_proceeds_by_each_sharing() {
    // The shares of the family of who paid, of the honest, and of the mint.
    let figures = ["equal", "active", "burn"].map(|sharing| {
        [(false, false), (true, false), (true, true)].map(|(family, washes)| shared(sharing, family, washes))
    });
    assert_eq!(
        figures,
        [
            // Each loop has a share, a made one too: two of four get the half of 29 back.
            [[0, 28, 1], [14, 14, 1], [14, 14, 1]],
            // Loops that sell nothing get nothing; those that buy of each other get all but what the honest sold, 1 of 10.
            [[0, 29, 0], [0, 29, 0], [26, 2, 1]],
            // Nobody gets anything back.
            [[0, 0, 29], [0, 0, 29], [0, 0, 29]],
        ]
    );
}

#[test]
fn customers_whose_makers_cannot_be_told_are_no_strangers() {
    check(
        r#"
        scrip ann 100, bob 100, boss 100
        tool a by ann price 1: def run(): return 1
        ---
        # By the ledger's hand, and its own; or pushed onto a stranger.
        ann genesis_ledger.spawn_principal ["kid"] -> ok
        ann genesis_ledger.spawn_principal ["gift"] -> ok
        ann {"op": "run", "code": "for who in ('kid', 'gift'): transfer(who, 5)"} -> ok
        ann {"op": "transfer_ownership", "artifact": "kid", "to": "kid"} -> ok
        ann {"op": "transfer_ownership", "artifact": "gift", "to": "boss"} -> ok
        kid a.run -> ok
        gift a.run -> ok
        # By a maker that is gone.
        ann {"op": "write", "artifact": "maker", "has_standing": true, "code": "def run():\n    write('made', has_standing=True)\n    transfer_ownership('made', 'made')"} -> ok
        ann maker.run -> ok
        ann {"op": "delete", "artifact": "maker"} -> ok
        ann {"op": "transfer", "to": "made", "amount": 5} -> ok
        made a.run -> ok
        # By a chain that is longer than anybody looks at.
        ann {"op": "run", "code": "write('c0', has_standing=True)"} -> ok
        bob genesis_scorer.score ["a"] -> ok 0
        bob a.run -> ok
        bob genesis_scorer.score ["a"] -> ok 1
        # An owner who can't be told earns nothing, whoever buys.
        ann {"op": "transfer_ownership", "artifact": "a", "to": "kid"} -> ok
        ann a.run -> ok
        bob genesis_scorer.score ["a"] -> ok 0
        # The children of a stranger are strangers each: a friend's family is worth as many points as it is large.
        bob {"op": "write", "artifact": "b", "code": "def run(): return 1", "price": 1} -> ok
        boss {"op": "run", "code": "for n in range(3):\n    write(f'boss{n}', has_standing=True)\n    transfer(f'boss{n}', 2)"} -> ok
        boss0 b.run -> ok
        boss1 b.run -> ok
        boss2 b.run -> ok
        bob genesis_scorer.score ["b"] -> ok 3
        "#,
    );
}

#[test]
fn a_chain_of_makers_that_is_too_long_gives_no_point() {
    let mut play = play("scrip ann 100\ntool a by ann price 1: def run(): return 1\n---\n");
    let mut maker = "ann".to_owned();
    for link in 0..14 {
        let next = format!("c{link}");
        play.line(&format!(r#"{maker} {{"op": "write", "artifact": "{next}", "has_standing": true}} -> ok"#));
        play.line(&format!(
            r#"{maker} {{"op": "transfer_ownership", "artifact": "{next}", "to": "{next}"}} -> ok"#
        ));
        play.line(&format!(r#"ann {{"op": "transfer", "to": "{next}", "amount": 2}} -> ok"#));
        play.line(&format!("{next} a.run -> ok"));
        maker = next;
    }
    play.line(r#"ann genesis_scorer.score ["a"] -> ok 0"#);
    play.end();
}

#[test]
fn void_bids_hide_no_loser() {
    // A hundred bids that turn out to be void stand between the winner and the one who lost.
    let tools: String = (0..120).map(|n| format!("tool v{n} by mallory: def run(): return 1\n")).collect();
    let mut play = play(&format!(
        "file: [mint]\\nevery = \"1t\"\nagent eve 0\nscrip ann 100, mallory 100000, friend 0\n\
         tool a by ann: def run(): return 1\n{tools}---\nann genesis_mint.bid [\"a\"] pay 50 -> ok"
    ));
    for n in 0..120 {
        play.line(&format!("mallory genesis_mint.bid [\"v{n}\"] pay {} -> ok", if n == 0 { 90 } else { 60 }));
    }
    for n in 1..120 {
        play.line(&format!(
            r#"mallory {{"op": "transfer_ownership", "artifact": "v{n}", "to": "friend"}} -> ok"#
        ));
    }
    play.line("run 2");
    play.line(r#"ann genesis_mint.check ["v0"] -> ok ~{"status": "won", "price": 50}"#);
    play.line(r#"ann genesis_mint.check ["v1"] -> ok {"status": "void"}"#);
    play.line(r#"ann genesis_mint.check ["a"] -> ok {"status": "lost"}"#);
    play.line("balances ann 100, mallory 99950, eve 50, genesis_mint 0");
    play.end();
}

#[test]
fn code_that_is_scored_or_tried_is_paid_nothing() {
    check(
        r#"
        file: [mint]\nevery = "1t"\nscorer = "judge"
        agent eve 0
        scrip ann 100, mallory 100
        tool judge by mallory price 40: def score(artifact): return 50
        tool a by ann: def run(): return 1
        tool dear by mallory price 40: def run(): return 2
        ---
        ann genesis_mint.bid ["a"] pay 50 -> ok
        ann genesis_tasks.post ["x", [{"args": [], "result": 1}], [], 20, "1h"] pay 20 -> ok "task_1"
        mallory genesis_tasks.submit ["task_1", "dear"] -> ok ~{"passed": 0}
        run 2
        ann genesis_mint.check ["a"] -> ok {"status": "refunded"}
        balances ann 80, mallory 100, eve 0, genesis_tasks 20, genesis_mint 0
        "#,
    );
}

/// Code that tells what it hears of all that costs something, and of one thing that is free.
const TRIES: &str = "def _told(call):\\n    try:\\n        return call()\\n    except Exception as error:\\n        return str(error).split(':')[0]\\n\
    def _tries():\\n    calls = [lambda: invoke('tool', max_spend=9), lambda: read('doc', max_spend=9), lambda: invoke('tool', trial=50, max_spend=9), lambda: invoke('through'), lambda: invoke('free')]\\n    return [_told(call) for call in calls]\\n";

#[test]
fn nothing_is_had_for_nothing_by_looking_while_thinking() {
    // Eve tries all of it in her thoughts, and bob in a contract that decides. Only what is free is had.
    check(&format!(
        r#"
        file: [[agents]]\nid = "eve"\nscrip = 20\ncode = """{TRIES}def step(observation):\n    return {{'op': 'write', 'artifact': 'seen', 'content': _tries()}}\n"""
        scrip ann 100, bob 100
        tool paywall by ann: def check_permission(caller, action, target, context, ledger): return {{'allowed': True, 'cost': 0 if caller == 'ann' else 3}}
        tool tool by ann price 5: def run(): return 'worth it'
        tool free by ann: def run(): return 'free'
        tool through by eve: def run(): return invoke('tool', max_spend=9)
        tool nosy by bob: {TRIES}def check_permission(caller, action, target, context, ledger): return {{'allowed': False, 'reason': str(_tries())}}
        thing doc ann paywall
        thing trap bob nosy
        ---
        run 1
        eve {{"op": "read", "artifact": "seen"}} -> ok ~{{"content": ["limit_exceeded", "limit_exceeded", "limit_exceeded", "limit_exceeded", "free"]}}
        bob {{"op": "read", "artifact": "trap"}} -> permission_denied "['limit_exceeded', 'limit_exceeded', 'limit_exceeded', 'limit_exceeded', 'free']"
        bob {{"op": "query", "what": "permission", "action": "read", "target": "trap"}} -> ok ~{{"allowed": false}}
        bob genesis_store.reputation ["tool"] -> ok ~{{"invocations": 0, "revenue": 0}}
        balances eve 20, ann 100, bob 100
        "#
    ));
}

#[test]
fn an_answer_that_was_heard_is_not_unheard() {
    // An action that fails gives prices back, and its author's own words tell what was heard until then. So an answer is
    // safely sold by selling access from the next instant on.
    check(
        r#"
        scrip ann 100, bob 100
        tool tool by ann price 5: def run(): return 'worth it'
        tool club by ann standing true: def join():\n    if call['paid'] != 5: raise ValueError('it costs 5')\n    storage_set('in ' + call['caller'], now())\n    transfer('ann', 5)\ndef check_permission(caller, action, target, context, ledger): return {'allowed': storage_get('in ' + caller, '9') < now(), 'reason': 'for members'}
        tool safe by ann contract club: def run(): return 'worth more'
        ---
        bob {"op": "run", "code": "raise ValueError(invoke('tool', max_spend=5))", "max_spend": 5} -> code_error "worth it"
        balances ann 100, bob 100
        bob {"op": "run", "code": "raise ValueError(invoke('safe'))"} -> permission_denied "for members"
        bob {"op": "run", "code": "invoke('club', method='join', pay=5)\nraise ValueError(invoke('safe'))"} -> permission_denied
        bob club.join pay 5 -> ok
        advance 1ms
        bob {"op": "run", "code": "raise ValueError(invoke('safe'))"} -> code_error "worth more"
        balances ann 105, bob 95
        "#,
    );
}
