//! The mint when it is due, in both schedulers.

use crate::{check, play};

const MINT: &str = r#"
    file: [mint]\nevery = "2t"\nratio = 5\nreserve = 3
    agent eve 0
    agent fay 0
    scrip ann 100, bob 100, carl 100, dora 100
    tool a by ann price 2: def run(): return 1
    tool b by bob price 2: def run(): return 1
    tool c by carl: def run(): return 1
    thing memo ann
"#;

#[test]
fn the_mint_resolves_by_itself() {
    check(&format!(
        r#"
        {MINT}
        ---
        ann genesis_mint.status -> ok {{"next_resolution": "2026-01-01T00:02:00.000Z", "slots": 1, "reserve": 3, "bids": 0}}
        ann genesis_mint.bid ["a"] pay 2 -> code_error "the reserve is 3, and 2 was sent along"
        ann genesis_mint.bid ["b"] pay 20 -> code_error "b is not yours"
        ann genesis_mint.bid ["memo"] pay 20 -> code_error "memo has no code"
        ann genesis_mint.bid ["nothing"] pay 20 -> not_found
        dora a.run -> ok 1
        carl a.run -> ok 1
        dora a.run -> ok 1
        ann genesis_mint.bid ["a"] pay 20 -> ok {{"artifact": "a", "resolves": "2026-01-01T00:02:00.000Z"}}
        ann genesis_mint.bid ["a"] pay 20 -> code_error "`cancel` it first"
        bob genesis_mint.bid ["b"] pay 12 -> ok
        carl genesis_mint.bid ["c"] pay 5 -> ok
        bob genesis_mint.cancel ["a"] -> code_error "only its bidder"
        carl genesis_mint.cancel ["c"] -> ok
        carl genesis_mint.cancel ["c"] -> code_error "there is no bid for c"
        carl genesis_mint.bid ["c"] pay 11 -> ok
        ann genesis_mint.check ["a"] -> ok {{"status": "open"}}
        ann genesis_mint.check ["zero"] -> ok {{"status": "none"}}
        ann genesis_mint.status -> ok ~{{"bids": 3}}
        run 2
        ann genesis_mint.check ["a"] -> ok {{"status": "open"}}
        supply +0
        run 1
        # Two strangers paid for `a`: 2 points, no new scrip at 5 points each. It pays the second bid.
        ann genesis_mint.check ["a"] -> ok {{"status": "won", "score": 2, "price": 12, "minted": 0}}
        ann genesis_mint.check ["b"] -> ok {{"status": "lost"}}
        ann genesis_mint.check ["c"] -> ok {{"status": "lost"}}
        balances ann 94, bob 100, carl 98, dora 96, eve 6, fay 6, genesis_mint 0
        ann genesis_mint.status -> ok ~{{"bids": 0, "next_resolution": "2026-01-01T00:04:00.000Z"}}
        supply +0
        "#
    ));
}

#[test]
fn points_become_scrip_and_the_reserve_is_the_price_of_one_bid() {
    check(
        r#"
        file: [mint]\nevery = "1t"\nratio = 5\nreserve = 3\nscorer = "judge"\nslots = 2
        agent eve 0
        agent fay 0
        scrip ann 100, bob 100
        tool judge by bob: def score(artifact): return 57 if artifact == "a" else 100
        tool a by ann: def run(): return 1
        tool b by bob: def run(): return 1
        ---
        ann genesis_mint.bid ["a"] pay 50 -> ok
        bob genesis_mint.bid ["b"] pay 3 -> ok
        run 2
        ann genesis_mint.check ["a"] -> ok {"status": "won", "score": 57, "price": 3, "minted": 11}
        bob genesis_mint.check ["b"] -> ok {"status": "won", "score": 100, "price": 3, "minted": 20}
        balances ann 108, bob 117, eve 3, fay 3, genesis_mint 0
        supply +31
        # A remainder that two can't share is carried to the next.
        ann genesis_mint.bid ["a"] pay 50 -> ok
        run 2
        balances ann 116, eve 4, fay 4, genesis_mint 1
        ann genesis_mint.bid ["a"] pay 50 -> ok
        run 2
        balances ann 124, eve 6, fay 6, genesis_mint 0
        "#,
    );
}

#[test]
fn the_first_of_equal_bids_wins_and_a_changed_hand_voids_a_bid() {
    check(
        r#"
        file: [mint]\nevery = "1t"
        agent eve 0
        scrip ann 100, bob 100, carl 100
        tool a by ann: def run(): return 1
        tool b by bob: def run(): return 1
        tool c by carl: def run(): return 1
        ---
        bob genesis_mint.bid ["b"] pay 7 -> ok
        ann genesis_mint.bid ["a"] pay 7 -> ok
        carl genesis_mint.bid ["c"] pay 90 -> ok
        carl {"op": "transfer_ownership", "artifact": "c", "to": "ann"} -> ok
        run 2
        ann genesis_mint.check ["c"] -> ok {"status": "void"}
        ann genesis_mint.check ["b"] -> ok ~{"status": "won", "price": 7}
        ann genesis_mint.check ["a"] -> ok {"status": "lost"}
        balances ann 100, bob 93, carl 100, eve 7
        "#,
    );
}

#[test]
fn if_scoring_fails_all_is_refunded() {
    for code in [
        "def score(artifact): raise ValueError('no')",
        "def score(artifact): return 101",
        "def score(artifact): return -1",
        "def score(artifact): return True",
        "def score(artifact): return 5.0",
        "def score(artifact): storage_set('k', 1); return 5",
        "def other(artifact): return 5",
        "def score(artifact):\\n    while True:\\n        pass",
    ] {
        check(&format!(
            r#"
            file: [mint]\nevery = "1t"\nscorer = "judge"\nslots = 2
            agent eve 0
            scrip ann 100, bob 100
            tool judge by bob: {code}
            tool a by ann: def run(): return 1
            tool b by bob: def run(): return 1
            ---
            ann genesis_mint.bid ["a"] pay 50 -> ok
            bob genesis_mint.bid ["b"] pay 30 -> ok
            run 2
            ann genesis_mint.check ["a"] -> ok {{"status": "refunded"}}
            ann genesis_mint.check ["b"] -> ok {{"status": "refunded"}}
            balances ann 100, bob 100, eve 0, genesis_mint 0
            supply +0
            "#
        ));
    }
}

#[test]
fn the_mint_of_a_world_that_lets_it_make_nothing_refunds() {
    check(
        r#"
        file: [mint]\nauthorities = []\nevery = "1t"\nscorer = "judge"
        agent eve 0
        scrip ann 100
        tool judge by ann: def score(artifact): return 100
        tool a by ann: def run(): return 1
        ---
        ann genesis_mint.bid ["a"] pay 50 -> ok
        run 2
        ann genesis_mint.check ["a"] -> ok {"status": "refunded"}
        balances ann 100, eve 0, genesis_mint 0
        supply +0
        "#,
    );
}

#[test]
fn a_session_that_moves_the_clock_runs_nothing() {
    check(
        r#"
        file: [mint]\nevery = "1m"
        agent eve 0
        scrip ann 100
        tool a by ann: def run(): return 1
        ---
        ann genesis_mint.bid ["a"] pay 50 -> ok
        advance 10m
        ann genesis_mint.check ["a"] -> ok {"status": "open"}
        # Anyone may call it when it is due, at their own cost.
        ann genesis_mint.due -> ok null
        ann genesis_mint.check ["a"] -> ok ~{"status": "won", "price": 1}
        "#,
    );
    check(
        r#"
        file: [mint]\nevery = "1m"
        scrip ann 100
        tool a by ann: def run(): return 1
        ---
        ann genesis_mint.bid ["a"] pay 50 -> ok
        ann genesis_mint.due -> ok null
        ann genesis_mint.check ["a"] -> ok {"status": "open"}
        "#,
    );
}

#[test]
fn in_the_autonomous_scheduler_it_is_due_to_the_millisecond() {
    let play = play(
        r#"
        file: [execution]\nmode = "autonomous"\nduration = "1h"\npace = "7s"\n[mint]\nevery = "10s"
        agent eve 0
        scrip ann 100
        tool a by ann: def run(): return 1
        ---
        ann genesis_mint.bid ["a"] pay 50 -> ok
        for 10s
        ann genesis_mint.check ["a"] -> ok {"status": "open"}
        for 1ms
        ann genesis_mint.check ["a"] -> ok ~{"status": "won"}
        balances ann 99, eve 1
        "#,
    );
    play.end();
}

#[test]
fn the_library_bears_what_is_due_and_its_allotment_bounds_it() {
    // Where nothing is said it has all it needs, though agents have hardly anything.
    check(
        r#"
        file: [mint]\nevery = "1t"\n[costs]\n"*" = { calls = 1 }\n[resources.cpu]\nkind = "renewable"\nrate = "900ms"\n[resources.calls]\nkind = "renewable"\nrate = 20
        agent eve 0
        scrip ann 100 cpu 900000 calls 50
        tool a by ann: def run(): return 1
        ---
        ann genesis_mint.bid ["a"] pay 50 -> ok
        run 2
        ann genesis_mint.check ["a"] -> ok ~{"status": "won"}
        balances ann 99, eve 1
        "#,
    );
    check(
        r#"
        file: [mint]\nevery = "1t"\n[execution]\nresources_per_invoke = { cpu = "20ms" }\n[resources.cpu]\nkind = "renewable"\nrate = "900ms"
        agent eve 0
        scrip ann 100 cpu 900000
        tool a by ann: def run(): return 1
        ---
        ann genesis_mint.bid ["a"] pay 50 -> ok
        run 2
        ann genesis_mint.check ["a"] -> ok ~{"status": "won"}
        "#,
    );
    check(
        r#"
        file: [mint]\nevery = "1t"\n[genesis.resources]\ncpu = "20us"\n[resources.cpu]\nkind = "renewable"\nrate = "900ms"
        agent eve 0
        scrip ann 100 cpu 900000
        tool a by ann: def run(): return 1
        ---
        ann genesis_mint.bid ["a"] pay 50 -> ok
        run 3
        ann genesis_mint.check ["a"] -> ok {"status": "open"}
        balances ann 50, genesis_mint 50
        ann genesis_mint.cancel ["a"] -> ok
        balances ann 100
        "#,
    );
}
