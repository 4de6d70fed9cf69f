//! Things that the library holds for others come back to them: whoever calls, whoever is gone, however full it is.

use serde_json::{Value, json};

use crate::{Play, check, play};

#[test]
fn a_call_without_means_takes_nothing_of_others() {
    // A transfer costs an action, and mallory has none: what she starts is undone, and nobody's money stays behind.
    let world = r#"
        file: [mint]\nevery = "1m"\n[costs]\ntransfer = { actions = 1 }\n[resources.actions]\nkind = "renewable"\nrate = 200\n[resources.fuel]\nkind = "depletable"\ntotal = 100\nsplit = "none"
        agent eve 0
        scrip ann 100 actions 50 fuel 20, bob 100 actions 50, mallory 100 actions 0 fuel 20
        tool a by ann: def run(): return 1
        tool b by bob: def run(): return 1
        ---
        ann genesis_market.bid ["fuel", "balance", 2, 5] pay 10 -> ok ~{"left": 2}
        mallory genesis_market.ask ["fuel", "balance", 2, 1] give 2_fuel -> rate_limited
        ann genesis_market.book ["fuel", "balance"] -> ok ~{"bids": [{"lots": 2}]}
        quota mallory fuel 20
        ann genesis_mint.bid ["a"] pay 50 -> ok
        bob genesis_mint.bid ["b"] pay 40 -> ok
        ann genesis_tasks.post ["x", [{"args": [], "result": 1}], [], 5, "1s"] pay 5 -> ok "task_1"
        bob {"op": "transfer_ownership", "artifact": "b", "to": "mallory"} -> ok
        mallory genesis_mint.bid ["b"] pay 60 -> rate_limited
        mallory {"op": "transfer_ownership", "artifact": "b", "to": "bob"} -> ok
        advance 2m
        mallory genesis_mint.due -> rate_limited
        mallory genesis_tasks.due -> rate_limited
        balances ann 35, bob 60, mallory 100, genesis_mint 90, genesis_tasks 5, genesis_market 10
        run 1
        balances ann 50, bob 100, mallory 100, eve 40, genesis_mint 0, genesis_tasks 0, genesis_market 10
        ann genesis_mint.check ["a"] -> ok ~{"status": "won", "price": 40}
    "#;
    check(world);
}

#[test]
fn a_stranger_who_calls_the_mint_cannot_make_it_fail() {
    // The scoring takes work in advance that mallory has not; the scheduler does it with the mint's own.
    check(
        r#"
        file: [mint]\nevery = "1m"\n[resources.cpu]\nkind = "renewable"\nrate = "1s"
        agent eve 0 cpu 900
        scrip ann 100 cpu 900000, mallory 100 cpu 40000
        tool a by ann: def run(): return 1
        ---
        ann genesis_mint.bid ["a"] pay 50 -> ok
        advance 2m
        mallory genesis_mint.due -> code_error "it is done again when the scheduler calls"
        ann genesis_mint.check ["a"] -> ok {"status": "open"}
        run 1
        ann genesis_mint.check ["a"] -> ok ~{"status": "won"}
        "#,
    );
}

#[test]
fn a_creditor_who_is_gone_keeps_nothing() {
    check(
        r#"
        scrip ann 100, mallory 100, bob 100
        thing house ann
        ---
        ann genesis_debt.issue ["mallory", 5, 6, "1h"] give house -> ok "claim_1"
        mallory genesis_debt.accept ["claim_1"] pay 5 -> ok
        mallory genesis_ledger.spawn_principal ["ghost"] -> ok
        mallory genesis_debt.transfer ["claim_1", "ghost"] -> ok
        ann genesis_debt.cancel ["claim_1"] -> code_error "only ghost may forgive"
        mallory {"op": "delete", "artifact": "ghost"} -> ok
        ann genesis_debt.repay ["claim_1"] pay 6 -> not_found
        bob genesis_debt.cancel ["claim_1"] -> code_error "only ann may forgive"
        ann genesis_debt.cancel ["claim_1"] -> ok ~{"status": "forgiven"}
        owner house ann
        balances ann 105, mallory 95, genesis_debt 0
        "#,
    );
}

#[test]
fn those_who_are_gone_hold_nobody_up() {
    check(
        r#"
        file: [mint]\nevery = "1t"\n[resources.fuel]\nkind = "depletable"\ntotal = 100\nsplit = "none"
        agent eve 0
        scrip ann 100 fuel 20, bob 100 fuel 0
        tool a by ann: def run(): return 1
        ---
        bob {"op": "write", "artifact": "kid", "has_standing": true} -> ok
        bob {"op": "transfer", "to": "kid", "amount": 20} -> ok
        kid genesis_market.bid ["fuel", "balance", 1, 9] pay 9 -> ok ~{"left": 1}
        bob genesis_market.bid ["fuel", "balance", 1, 5] pay 5 -> ok ~{"left": 1}
        kid genesis_tasks.post ["x", [{"args": [], "result": 1}], [], 5, "30s"] pay 5 -> ok "task_1"
        kid {"op": "write", "artifact": "k", "code": "def run(): return 1"} -> ok
        kid genesis_mint.bid ["k"] pay 6 -> ok
        kid {"op": "delete", "artifact": "k"} -> ok
        bob {"op": "delete", "artifact": "kid"} -> ok
        ann genesis_mint.bid ["a"] pay 3 -> ok
        # The order of one who is gone is passed over, and the next is met.
        ann genesis_market.ask ["fuel", "balance", 1, 1] give 1_fuel -> ok ~{"filled": 1, "scrip": 5}
        run 2
        ann genesis_mint.check ["a"] -> ok ~{"status": "won", "price": 1}
        ann genesis_tasks.check ["task_1"] -> ok ~{"status": "ended"}
        # Its scrip lies where it was.
        balances ann 104, bob 75, eve 1, genesis_market 9, genesis_tasks 5, genesis_mint 6
        "#,
    );
}

/// The disk that an artifact of the library has free.
fn free(play: &mut Play, id: &str) -> i64 {
    let answer = play.ask(&json!({ "query": { "what": "resources", "of": id } }));
    let disk = &answer["result"]["disk"];
    disk["quota"].as_i64().expect("a quota") - disk["used"].as_i64().expect("its use")
}

#[test]
fn no_entry_takes_more_than_what_was_lent_for_it() {
    let long = |letter: &str| letter.repeat(128);
    let (who, other) = (long("w"), long("o"));
    // Texts that are longer as JSON than as anything else.
    let texts = ["\"".repeat(900), "\u{1}".repeat(900), "\\'\"".repeat(300), "é\u{200b}".repeat(300)];
    for text in texts {
        let mut play = play(&format!(
            "file: [resources.disk]\\nkind = \"allocatable\"\\ntotal = \"4 MB\"\\nsplit = \"none\"\\n[resources.fuel]\\nkind = \"depletable\"\\ntotal = 100\\nsplit = \"none\"\n\
             scrip {who} 1000 fuel 50 disk 900000, {other} 1000 disk 900000\nthing {t} {who}\ntool {a} by {who}: def run(): return 1\n---\n",
            t = long("t"),
            a = long("a"),
        ));
        let disk = json!({ "resource": "disk", "amount": 60_000 });
        let test = json!({ "args": [text], "result": text });
        let calls = [
            ("genesis_escrow", "list", json!([i64::MAX, other]), 0, json!([long("t")])),
            ("genesis_mint", "bid", json!([long("a")]), 1, json!([])),
            (
                "genesis_market",
                "ask",
                json!(["fuel", "balance", 1, 1_000_000_000_000_i64]),
                0,
                json!([{ "resource": "fuel", "amount": 1 }]),
            ),
            ("genesis_market", "bid", json!(["fuel", "balance", 1, 1]), 1, json!([])),
            ("genesis_debt", "issue", json!([other, i64::MAX, i64::MAX, "9999h"]), 0, json!([])),
            (
                "genesis_vote",
                "propose",
                json!([text, ["\"".repeat(99), "b"], "1h", [who, other]]),
                0,
                json!([disk]),
            ),
            ("genesis_vote", "vote", json!(["vote_1", "b"]), 0, json!([])),
            ("genesis_tasks", "post", json!([text, [test.clone()], [test], 1, "1h"]), 1, json!([disk])),
        ];
        for (artifact, method, args, pay, give) in calls {
            let before = free(&mut play, artifact);
            let op = json!({ "op": "invoke", "artifact": artifact, "method": method, "args": args, "pay": pay, "give": give });
            let receipt = play.act(&who, &op);
            assert!(receipt["ok"] == true, "{op}: {receipt}");
            let after = free(&mut play, artifact);
            assert!(after >= before, "{method} of {artifact}: {before} became {after}");
            // So it does where only what is needed is lent.
            play.live.world().audit().expect("the books add up");
        }
        // Less than it takes is refused.
        let op = json!({ "op": "invoke", "artifact": "genesis_tasks", "method": "post", "pay": 1,
            "args": [text, [{ "args": [], "result": text }], [], 1, "1h"], "give": [{ "resource": "disk", "amount": 2_000 }] });
        let refused = play.act(&who, &op);
        assert_eq!(refused["error"]["code"], "code_error", "{refused}");
        play.end();
    }
}

#[test]
fn deposits_come_back_from_a_library_that_has_no_room_for_memories() {
    let world = |disk: i64| {
        format!(
            r#"
            file: [genesis.resources]\ndisk = {disk}\n[resources.disk]\nkind = "allocatable"\ntotal = "9 MB"\nsplit = "none"
            agent eve 0 disk 5000
            scrip ann 1000 disk 200000, bob 0 disk 200000
            ---
            "#
        )
    };
    let services = oikos_runner::library::founders().into_iter().filter(|founder| founder.code.is_some());
    let services: Vec<String> = services.map(|founder| founder.id).collect();
    let mut ample = play(&world(90_000));
    let most_free = services.iter().map(|id| free(&mut ample, id)).min().expect("services");
    // The largest of them has 400 bytes to spare.
    let mut play = play(&world(90_000 - most_free + 400));
    let options: Vec<String> = (0..150).map(|n| format!("{n:0>100}")).collect();
    let propose = json!({ "op": "invoke", "artifact": "genesis_vote", "method": "propose", "args": ["x", options, "30s"],
        "give": [{ "resource": "disk", "amount": 60_000 }] });
    let post = json!({ "op": "invoke", "artifact": "genesis_tasks", "method": "post", "pay": 5,
        "args": ["x", [{ "args": ["y".repeat(20_000)], "result": 1 }], [], 5, "30s"],
        "give": [{ "resource": "disk", "amount": 60_000 }] });
    for op in [propose, post] {
        let receipt = play.act("ann", &op);
        assert!(receipt["ok"] == true, "{receipt}");
    }
    play.line("quota ann disk 80000");
    play.line(&format!("bob genesis_vote.vote [\"vote_1\", \"{}\"] -> ok", "0".repeat(100)));
    play.line("run 2");
    // All is back, and what can't be remembered is not.
    play.line("quota ann disk 200000");
    play.line("quota bob disk 200000");
    play.line("balances ann 1000");
    play.line(r#"ann genesis_tasks.check ["task_1"] -> ok null"#);
    play.line(r#"ann genesis_vote.tally ["vote_1"] -> code_error "there is no proposal vote_1""#);
    play.end();
}

#[test]
fn things_that_are_pushed_onto_the_library_bring_the_disk_on_which_they_lie() {
    check(
        r#"
        file: [resources.disk]\nkind = "allocatable"\ntotal = "1 MB"\nsplit = "none"
        scrip ann 100 disk 20000, bob 100 disk 2000
        ---
        ann {"op": "write", "artifact": "junk", "content": "123456"} -> ok ~{"size": 30}
        ann {"op": "transfer_ownership", "artifact": "junk", "to": "bob"} -> ok
        quota ann disk 20000
        bob {"op": "transfer_ownership", "artifact": "junk", "to": "genesis_escrow"} -> ok
        quota bob disk 1970
        ann {"op": "write", "artifact": "more", "content": "123456", "access_contract": "genesis_contract_public"} -> ok
        # The pusher bears it, also with another's.
        bob {"op": "transfer_ownership", "artifact": "more", "to": "handbook_start"} -> invalid_argument
        bob {"op": "transfer_ownership", "artifact": "more", "to": "genesis_mint"} -> ok
        quota ann disk 20000
        quota bob disk 1940
        ann genesis_ledger.transfer_ownership ["genesis_escrow"] give more -> code_error "with a call of its own only"
        ann {"op": "write", "artifact": "third", "content": "123456"} -> ok
        ann genesis_ledger.transfer_ownership ["genesis_escrow"] give third -> code_error "with a call of its own only"
        owner third ann
        "#,
    );
}

#[test]
fn what_a_value_is_told_of_is_what_was_kept() {
    // A text comes back from the library as it was sent, whatever is in it.
    let mut play = play("scrip ann 100\n---\n");
    let text: Value = "\"quotes\" and \u{1} and é".into();
    let post = json!({ "op": "invoke", "artifact": "genesis_tasks", "method": "post", "pay": 1,
        "args": [text, [{ "args": [text], "result": text }], [], 1, "1h"] });
    assert!(play.act("ann", &post)["ok"] == true);
    let check = json!({ "op": "invoke", "artifact": "genesis_tasks", "method": "check", "args": ["task_1"] });
    let shown = play.act("ann", &check)["result"].clone();
    assert_eq!((&shown["spec"], &shown["tests"][0]["args"][0]), (&text, &text));
    play.end();
}
