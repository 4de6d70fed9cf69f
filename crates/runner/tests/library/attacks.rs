//! The attacks on the library, each with its outcome written down.

use serde_json::json;

use crate::{check, play};

#[test]
fn front_running() {
    check(
        r#"
        scrip ann 0, bob 100, carl 100
        thing painting ann
        ---
        ann genesis_escrow.list [30] give painting -> ok
        # Another was faster: the later one keeps the money.
        carl genesis_escrow.purchase ["painting"] pay 30 -> ok
        bob genesis_escrow.purchase ["painting"] pay 30 -> code_error "painting is not for sale"
        # The seller was faster with another price: nobody pays more than was sent, and less is not taken.
        carl genesis_escrow.list [30] give painting -> ok
        carl genesis_escrow.cancel ["painting"] -> ok
        carl genesis_escrow.list [60] give painting -> ok
        bob genesis_escrow.purchase ["painting"] pay 30 -> code_error "painting costs 60"
        balances ann 30, bob 100, carl 70
        "#,
    );
}

#[test]
fn double_sale() {
    check(
        r#"
        scrip ann 0, bob 100, carl 100
        thing painting ann
        thing poster ann genesis_contract_public
        ---
        ann genesis_escrow.list [30] give painting -> ok
        ann genesis_escrow.list [40] give painting -> permission_denied
        ann {"op": "transfer_ownership", "artifact": "painting", "to": "carl"} -> permission_denied
        [ann] -> ok
        # Under a contract that lets anybody take it, it is listed once all the same.
        ann genesis_escrow.list [30] give poster -> ok
        carl genesis_escrow.list [20] give poster -> code_error "poster is listed already"
        bob genesis_escrow.purchase ["poster"] pay 30 -> ok
        owner poster bob
        balances ann 30, bob 70, carl 100, genesis_escrow 0
        "#
        .replace("        [ann] -> ok\n", "")
        .as_str(),
    );
}

#[test]
fn double_spend() {
    check(
        r#"
        scrip ann 0, bob 30
        thing x ann
        thing y ann
        ---
        ann genesis_escrow.list [30] give x -> ok
        ann genesis_escrow.list [30] give y -> ok
        bob {"op": "run", "code": "invoke('genesis_escrow', 'x', method='purchase', pay=30)\ninvoke('genesis_escrow', 'y', method='purchase', pay=30)"} -> insufficient_scrip
        balances ann 0, bob 30
        owner x genesis_escrow
        bob genesis_escrow.purchase ["x"] pay 30 -> ok
        bob genesis_escrow.purchase ["y"] pay 30 -> insufficient_scrip
        balances ann 30, bob 0
        "#,
    );
}

#[test]
fn cancelled_then_bought() {
    check(
        r#"
        scrip ann 0, bob 30
        thing x ann
        ---
        ann genesis_escrow.list [30] give x -> ok
        ann genesis_escrow.cancel ["x"] -> ok
        bob genesis_escrow.purchase ["x"] pay 30 -> code_error "x is not for sale"
        ann genesis_escrow.cancel ["x"] -> code_error "x is not for sale"
        balances ann 0, bob 30
        owner x ann
        "#,
    );
}

#[test]
fn a_listing_whose_contract_changes() {
    check(
        r#"
        scrip ann 0, bob 30
        tool hers by ann: def check_permission(caller, action, target, context, ledger): return {"allowed": caller == "ann" or action == "transfer", "reason": "hers"}
        tool shut by ann: def check_permission(caller, action, target, context, ledger): return {"allowed": caller == "ann", "reason": "sold, but not handed over"}
        thing x ann hers
        ---
        ann genesis_escrow.list [30] give x -> ok
        ann {"op": "set_contract", "artifact": "x", "contract": "shut"} -> ok
        bob genesis_escrow.purchase ["x"] pay 30 -> permission_denied
        balances ann 0, bob 30, genesis_escrow 0
        # Nor has the seller it back that way.
        ann genesis_escrow.cancel ["x"] -> code_error "sold, but not handed over"
        ann {"op": "set_contract", "artifact": "x", "contract": "hers"} -> ok
        ann genesis_escrow.cancel ["x"] -> ok
        "#,
    );
}

#[test]
fn overflow_prices() {
    check(
        r#"
        file: [resources.fuel]\nkind = "depletable"\ntotal = 100\nsplit = "none"
        scrip ann 9223372036854775000 fuel 50, bob 30 fuel 50
        thing x ann
        ---
        ann genesis_escrow.list [9223372036854775808] give x -> invalid_argument
        ann genesis_escrow.list [1e30] give x -> invalid_argument
        ann genesis_escrow.list [-1] give x -> invalid_argument
        ann genesis_escrow.list [9223372036854775807] give x -> ok
        bob genesis_escrow.purchase ["x"] pay 9223372036854775807 -> insufficient_scrip
        ann genesis_market.ask ["fuel", "balance", 1000000000000, 1000000000000] give 50_fuel -> code_error "1000000000000 lots are 1000000000000"
        bob genesis_market.bid ["fuel", "balance", 1000000000000, 1000000000000] pay 30 -> code_error "are 1000000000000000000000000"
        ann genesis_debt.issue ["bob", 1, 9223372036854775807, "1h"] -> ok "claim_1"
        bob genesis_debt.accept ["claim_1"] pay 1 -> ok
        ann genesis_debt.repay ["claim_1"] pay 9223372036854775000 -> ok ~{"owed": 807}
        ann genesis_debt.repay ["claim_1"] pay 807 -> insufficient_scrip
        supply +0
        "#,
    );
}

#[test]
fn griefing_by_unwanted_gifts() {
    check(
        r#"
        file: [resources.fuel]\nkind = "depletable"\ntotal = 100\nsplit = "none"
        scrip ann 0 fuel 50, bob 100 fuel 50
        thing x ann
        thing junk bob
        ---
        ann genesis_escrow.list [30] give x -> ok
        # Unwanted things come back; a gift that is pushed onto it is its own, and disturbs no sale.
        bob genesis_escrow.purchase ["x"] pay 30 give junk -> code_error "leave `give` out"
        bob genesis_escrow.purchase ["x"] pay 30 give 5_fuel -> code_error "leave `give` out"
        bob genesis_escrow.cancel ["x"] give junk -> code_error
        bob genesis_escrow.list [3] give junk 5_fuel -> code_error "fuel can't be sold here"
        bob genesis_vote.vote ["vote_1", "a"] give junk -> code_error
        bob genesis_mint.bid ["junk"] pay 5 give junk -> code_error
        owner junk bob
        quota bob fuel 50
        bob {"op": "transfer", "to": "genesis_escrow", "amount": 7} -> ok
        bob {"op": "transfer_ownership", "artifact": "junk", "to": "genesis_escrow"} -> ok
        bob genesis_escrow.check ["junk"] -> ok null
        bob genesis_escrow.purchase ["junk"] pay 1 -> code_error "junk is not for sale"
        bob genesis_escrow.purchase ["x"] pay 30 -> ok
        balances ann 30, bob 63, genesis_escrow 7
        "#,
    );
}

#[test]
fn the_library_filled_by_strangers() {
    // Mallory pushes all that it has onto the escrow and the mint, and its own disk goes with it.
    check(
        r#"
        file: [mint]\nevery = "1t"\n[genesis.resources]\ndisk = "40 kB"\n[resources.disk]\nkind = "allocatable"\ntotal = "400 kB"\nsplit = "none"
        agent eve 0 disk 5000
        scrip ann 0 disk 20000, bob 100 disk 20000, mallory 0 disk 200000
        thing x ann
        tool b by bob: def run(): return 1
        ---
        mallory {"op": "run", "code": "for place in ('genesis_escrow', 'genesis_mint'):\n    size = 20000\n    count = 0\n    while size >= 64:\n        id = f'fill-{place}-{count}'\n        count += 1\n        if not attempt('write', id, 'y' * (size - 60))['ok']:\n            size //= 2\n        elif not attempt('transfer_ownership', id, place)['ok']:\n            delete(id)\n            size //= 2"} -> ok
        ann genesis_escrow.list [30] give x -> ok
        quota ann disk 18955
        bob genesis_mint.bid ["b"] pay 20 -> ok
        mallory genesis_escrow.list [1] give x -> permission_denied
        bob genesis_escrow.purchase ["x"] pay 30 -> ok
        quota ann disk 20000
        run 2
        bob genesis_mint.check ["b"] -> ok ~{"status": "won"}
        balances ann 30, bob 69, eve 1
        "#,
    );
}

#[test]
fn self_bidding_and_bids_on_anothers_artifact() {
    check(
        r#"
        file: [mint]\nevery = "1t"
        agent eve 0
        scrip ann 200, bob 100
        tool a by ann: def run(): return 1
        tool a2 by ann: def run(): return 1
        tool b by bob: def run(): return 1
        ---
        bob genesis_mint.bid ["a"] pay 50 -> code_error "a is not yours"
        # A second bid of one's own raises the price that one pays.
        ann genesis_mint.bid ["a"] pay 60 -> ok
        ann genesis_mint.bid ["a2"] pay 59 -> ok
        bob genesis_mint.bid ["b"] pay 10 -> ok
        run 2
        ann genesis_mint.check ["a"] -> ok ~{"status": "won", "price": 59}
        balances ann 141, bob 100, eve 59
        "#,
    );
}

#[test]
fn wash_customers_of_the_scorer() {
    check(
        r#"
        scrip ann 100, bob 100, carl 100, boss 100
        tool a by ann price 2: def run(): return 1
        tool cheap by ann price 1: def run(): return 1
        ---
        ann genesis_ledger.spawn_principal ["child"] -> ok
        ann {"op": "write", "artifact": "made", "has_standing": true} -> ok
        ann {"op": "transfer", "to": "child", "amount": 10} -> ok
        ann {"op": "transfer", "to": "made", "amount": 10} -> ok
        # Her own child, what she made and gave away, and herself by another's hand.
        ann {"op": "transfer_ownership", "artifact": "made", "to": "boss"} -> ok
        child a.run -> ok 1
        made a.run -> ok 1
        ann a.run -> ok 1
        bob genesis_scorer.score ["a"] -> ok 0
        bob a.run -> ok 1
        bob a.run -> ok 1
        bob genesis_scorer.score ["a"] -> ok 1
        carl a.run -> ok 1
        bob genesis_scorer.score ["a"] -> ok 2
        # A sister of the owner is a friend too.
        ann {"op": "transfer_ownership", "artifact": "a", "to": "child"} -> ok
        made a.run -> ok 1
        bob genesis_scorer.score ["a"] -> ok 2
        bob genesis_scorer.score ["nothing"] -> not_found
        "#,
    );
    check(
        r#"
        file: [mint]\nmin_price = 2
        scrip ann 100, bob 100, carl 100
        tool cheap by ann price 1: def run(): return 1
        ---
        bob cheap.run -> ok
        bob cheap.run -> ok
        carl cheap.run -> ok
        bob genesis_scorer.score ["cheap"] -> ok 0
        "#,
    );
}

#[test]
fn default_on_a_transferred_claim() {
    check(
        r#"
        scrip ann 50, bank 100, bob 50
        thing house ann
        ---
        ann genesis_debt.issue ["bank", 20, 25, "60s"] give house -> ok "claim_1"
        bank genesis_debt.transfer ["claim_1", "bob"] -> code_error "claim_1 is offered"
        bank genesis_debt.accept ["claim_1"] pay 20 -> ok
        bob genesis_debt.transfer ["claim_1", "bob"] -> code_error "only bank may hand on"
        bank genesis_debt.transfer ["claim_1", "ann"] -> code_error "must be a third principal"
        bank genesis_debt.transfer ["claim_1", "bob"] -> ok ~{"creditor": "bob"}
        ann genesis_debt.repay ["claim_1"] pay 5 -> ok
        balances bank 80, bob 55
        advance 60s
        bank genesis_debt.default ["claim_1"] -> code_error "only bob may call in"
        bob genesis_debt.default ["claim_1"] -> ok ~{"status": "seized"}
        owner house bob
        ann genesis_debt.repay ["claim_1"] pay 5 -> code_error "nothing is owed"
        balances ann 65, bank 80, bob 55
        "#,
    );
}

#[test]
fn a_vote_that_was_bought() {
    check(
        r#"
        scrip ann 50, bob 50, carl 50, dora 50
        ---
        ann genesis_vote.propose ["x", ["yes", "no"], "30s", ["bob", "carl", "dora"]] -> ok "vote_1"
        # Ann pays two for `yes`; both take the money, one votes otherwise, and nobody can show which.
        ann {"op": "transfer", "to": "bob", "amount": 10} -> ok
        ann {"op": "transfer", "to": "carl", "amount": 10} -> ok
        bob genesis_vote.vote ["vote_1", "yes"] -> ok
        carl genesis_vote.vote ["vote_1", "no"] -> ok
        dora genesis_vote.vote ["vote_1", "no"] -> ok
        ann genesis_vote.vote ["vote_1", "yes"] -> code_error "ann is not of the electorate"
        ann genesis_vote.ballots ["vote_1"] -> not_found
        run 2
        ann genesis_vote.tally ["vote_1"] -> ok ~{"counts": {"yes": 1, "no": 2}, "winner": "no"}
        "#,
    );
}

#[test]
fn order_books_crossed_by_rounding() {
    check(
        r#"
        file: [resources.fuel]\nkind = "depletable"\ntotal = 300\nsplit = "none"\n[market]\nlots = { fuel = 7 }
        scrip ann 100 fuel 100, bob 100 fuel 100
        ---
        ann genesis_market.ask ["fuel", "balance", 3, 3] give 20_fuel -> code_error "3 lots are 21"
        ann genesis_market.ask ["fuel", "balance", 3, 3] give 22_fuel -> code_error "3 lots are 21"
        ann genesis_market.ask ["fuel", "balance", 3, 3] give 21_fuel -> ok ~{"left": 3}
        bob genesis_market.bid ["fuel", "balance", 2, 3] pay 7 -> code_error "2 lots at 3 are 6"
        # No order crosses one that stays: a book never has a bid at an ask's price.
        bob genesis_market.bid ["fuel", "balance", 5, 4] pay 20 -> ok ~{"filled": 3, "scrip": 9, "left": 2}
        ann genesis_market.book ["fuel", "balance"] -> ok ~{"asks": [], "bids": [{"price": 4, "lots": 2}]}
        ann genesis_market.bid ["fuel", "balance", 1, 4] pay 4 -> ok ~{"left": 1}
        # Price first, then time: bob was earlier.
        ann genesis_market.book ["fuel", "balance"] -> ok ~{"bids": [{"order": "order_2"}, {"order": "order_3"}]}
        # Nobody trades with themselves.
        bob genesis_market.ask ["fuel", "balance", 1, 4] give 7_fuel -> code_error "your own order_2"
        quota ann fuel 79
        quota bob fuel 121
        balances ann 105, bob 83, genesis_market 12
        "#,
    );
}

#[test]
fn a_sweep_meets_a_bounded_number_of_orders() {
    let mut play = play(
        r#"
        file: [resources.fuel]\nkind = "depletable"\ntotal = 300\nsplit = "none"
        scrip ann 100 fuel 100, bob 1000 fuel 0
        ---
        "#,
    );
    for _ in 0..55 {
        play.line(r#"ann genesis_market.ask ["fuel", "balance", 1, 2] give 1_fuel -> ok"#);
    }
    play.line(r#"bob genesis_market.bid ["fuel", "balance", 55, 3] pay 165 -> ok ~{"filled": 50, "scrip": 100, "left": 0}"#);
    play.line("balances ann 200, bob 900, genesis_market 0");
    play.line(r#"bob genesis_market.bid ["fuel", "balance", 6, 3] pay 18 -> ok ~{"filled": 5, "left": 1}"#);
    play.end();
}

#[test]
fn a_match_takes_the_same_work_in_a_large_book() {
    let mut work = Vec::new();
    for orders in [2, 400] {
        let mut play = play(
            r#"
            file: [resources.fuel]\nkind = "depletable"\ntotal = 3000\nsplit = "none"
            scrip ann 100 fuel 1000, bob 1000 fuel 0
            ---
            "#,
        );
        for price in 0..orders {
            let price = 2 + price;
            play.line(&format!(
                r#"ann genesis_market.ask ["fuel", "balance", 1, {price}] give 1_fuel -> ok"#
            ));
        }
        let bid = json!({ "op": "invoke", "artifact": "genesis_market", "method": "bid",
                          "args": ["fuel", "balance", 1, 5], "pay": 5 });
        let receipt = play.act("bob", &bid);
        assert!(receipt["ok"] == true, "{receipt}");
        work.push(receipt["work"].as_u64().unwrap_or(0));
        play.end();
    }
    assert!(work[1] <= work[0] + 1, "{work:?}");
}
