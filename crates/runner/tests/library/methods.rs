//! Every method of the library, with what it leaves.

use crate::check;

#[test]
fn escrow() {
    check(
        r#"
        scrip ann 100, bob 100, carl 10
        thing painting ann
        thing a ann
        thing b ann
        ---
        ann genesis_escrow.list [30] give painting -> ok {"artifact": "painting", "price": 30, "buyer": null}
        owner painting genesis_escrow
        bob genesis_escrow.check ["painting"] -> ok {"seller": "ann", "price": 30, "buyer": null}
        bob genesis_escrow.check ["nothing"] -> ok null
        bob genesis_escrow.list_active -> ok [{"artifact": "painting", "seller": "ann", "price": 30, "buyer": null}]
        bob genesis_escrow.purchase ["painting"] pay 29 -> code_error "painting costs 30, and 29 was sent along"
        bob genesis_escrow.purchase ["painting"] pay 31 -> code_error "costs 30"
        bob genesis_escrow.purchase ["painting"] -> code_error "name it as `pay`"
        carl genesis_escrow.purchase ["painting"] pay 30 -> insufficient_scrip
        ann genesis_escrow.purchase ["painting"] pay 30 -> code_error "is your own listing"
        bob genesis_escrow.purchase ["painting"] pay 30 -> ok ~{"artifacts": ["painting"], "price": 30, "seller": "ann"}
        owner painting bob
        bob genesis_escrow.check ["painting"] -> ok null
        bob genesis_escrow.list_active -> ok []
        balances ann 130, bob 70, carl 10, genesis_escrow 0
        # A bundle is one sale, under the id of any of its parts.
        ann genesis_escrow.list [5, "bob"] give a b -> ok
        carl genesis_escrow.check ["b"] -> ok {"seller": "ann", "price": 5, "buyer": "bob", "artifacts": ["a", "b"]}
        carl genesis_escrow.purchase ["a"] pay 5 -> code_error "a is reserved for bob"
        bob genesis_escrow.cancel ["a"] -> code_error "only ann may cancel"
        ann genesis_escrow.cancel ["b"] -> ok {"artifacts": ["a", "b"]}
        owner a ann
        owner b ann
        ann genesis_escrow.list [5, "bob"] give a b -> ok
        bob genesis_escrow.purchase ["b"] pay 5 -> ok
        owner a bob
        owner b bob
        # Calls that can't be.
        ann genesis_escrow.list [0] give painting -> permission_denied
        bob genesis_escrow.list [0] give painting -> invalid_argument "has a `minimum` of 1, and is 0"
        bob genesis_escrow.list [] give painting -> invalid_argument "`price` is `required`"
        bob genesis_escrow.list [3] -> code_error "nothing is for sale"
        bob genesis_escrow.list [3] pay 3 give painting -> code_error "leave `pay` out"
        bob genesis_escrow.list [3, "bob"] give painting -> code_error "bob can't buy this"
        bob genesis_escrow.list [3, "painting"] give painting -> code_error "painting can't buy this"
        bob genesis_escrow.list [3, "nobody"] give painting -> not_found
        bob genesis_escrow.list [3] give painting -> ok
        ann genesis_escrow.purchase ["painting"] pay 3 give a -> permission_denied
        owner painting genesis_escrow
        balances ann 135, bob 65, carl 10, genesis_escrow 0
        supply +0
        "#,
    );
}

#[test]
fn votes() {
    check(
        r#"
        scrip ann 1, bob 1, carl 1, dora 1
        ---
        ann genesis_vote.propose ["raise?", ["yes", "no"], "90s", ["ann", "bob", "carl"], 2] -> ok "vote_1"
        ann genesis_vote.vote ["vote_1", "yes"] -> ok {"id": "vote_1", "option": "yes"}
        ann genesis_vote.vote ["vote_1", "no"] -> code_error "ann has voted on vote_1, and a vote is final"
        dora genesis_vote.vote ["vote_1", "no"] -> code_error "dora is not of the electorate"
        bob genesis_vote.vote ["vote_1", "perhaps"] -> code_error "`option` is one of yes, no"
        bob genesis_vote.vote ["vote_9", "yes"] -> code_error "there is no proposal vote_9"
        dora genesis_vote.tally ["vote_1"] -> ok ~{"counts": {"yes": 1, "no": 0}, "status": "open", "winner": null, "quorum": 2}
        bob genesis_vote.vote ["vote_1", "yes"] -> ok
        advance 90s
        carl genesis_vote.vote ["vote_1", "no"] -> code_error "has ended at 2026-01-01T00:01:30.000Z"
        dora genesis_vote.tally ["vote_1"] -> ok ~{"counts": {"yes": 2, "no": 0}, "status": "passed", "winner": "yes"}
        run 1
        dora genesis_vote.tally ["vote_1"] -> ok ~{"counts": {"yes": 2, "no": 0}, "status": "passed", "winner": "yes"}
        # A quorum that is missed, a draw, and nobody at all.
        ann genesis_vote.propose ["x", ["a", "b"], 60, ["ann", "bob", "carl"], 2] -> ok "vote_2"
        ann genesis_vote.propose ["y", ["a", "b"], "1m", null, 0] -> ok "vote_3"
        ann genesis_vote.propose ["z", ["a", "b"], "1m"] -> ok "vote_4"
        ann genesis_vote.vote ["vote_2", "a"] -> ok
        dora genesis_vote.vote ["vote_3", "a"] -> ok
        carl genesis_vote.vote ["vote_3", "b"] -> ok
        run 3
        ann genesis_vote.tally ["vote_2"] -> ok ~{"status": "failed", "winner": null}
        ann genesis_vote.tally ["vote_3"] -> ok ~{"status": "failed", "counts": {"a": 1, "b": 1}}
        ann genesis_vote.tally ["vote_4"] -> ok ~{"status": "failed"}
        # Proposals that can't be.
        ann genesis_vote.propose ["x", ["a"], "1m"] -> code_error "name two or more"
        ann genesis_vote.propose ["x", ["a", "a"], "1m"] -> code_error "name two or more"
        ann genesis_vote.propose ["x", ["a", "b"], "soon"] -> code_error "soon is neither a time nor a duration"
        ann genesis_vote.propose ["x", ["a", "b"], "2025-01-01T00:00:00Z"] -> code_error "has passed"
        ann genesis_vote.propose ["x", ["a", "b"], 0] -> code_error "has passed"
        ann genesis_vote.propose ["x", ["a", "b"], "1m", ["nobody"]] -> not_found
        ann genesis_vote.propose ["x", ["a", "b"], "1m", ["ann", "ann"]] -> code_error "each once"
        ann genesis_vote.propose ["x", ["a", "b"], "1m", ["ann"], 2] -> code_error "2 votes can't come from 1 voters"
        ann genesis_vote.propose [5, ["a", "b"], "1m"] -> invalid_argument "`text` must be of `type` string"
        ann genesis_vote.propose ["x", ["a", "b"], "1m", null, 0] pay 1 -> code_error "leave `pay` out"
        "#,
    );
}

#[test]
fn debts() {
    check(
        r#"
        scrip ann 10, bank 200, bob 150
        thing house ann
        ---
        ann genesis_debt.issue ["bank", 100, 110, "1h"] give house -> ok "claim_1"
        owner house genesis_debt
        bob genesis_debt.accept ["claim_1"] pay 100 -> code_error "only bank may accept"
        bank genesis_debt.accept ["claim_1"] pay 99 -> code_error "claim_1 is for 100, and 99 was sent along"
        bank genesis_debt.accept ["claim_1"] pay 100 -> ok ~{"status": "open", "owed": 110}
        bank genesis_debt.accept ["claim_1"] pay 100 -> code_error "claim_1 is open"
        balances ann 110, bank 100, genesis_debt 0
        bank genesis_debt.default ["claim_1"] -> code_error "claim_1 is due at 2026-01-01T01:00:00.000Z, and not before"
        ann genesis_debt.repay ["claim_1"] pay 40 -> ok ~{"owed": 70}
        ann genesis_debt.repay ["claim_1"] pay 71 -> insufficient_scrip
        bob genesis_debt.repay ["claim_1"] pay 10 -> ok ~{"owed": 60}
        ann genesis_debt.repay ["claim_1"] pay 61 -> code_error "60 are owed on claim_1, and 61 was sent along"
        ann genesis_debt.repay ["claim_1"] -> code_error "60 are owed"
        ann genesis_debt.repay ["claim_1"] pay 60 -> ok ~{"owed": 0, "status": "repaid", "collateral": []}
        owner house ann
        balances ann 10, bank 210, bob 140, genesis_debt 0
        ann genesis_debt.repay ["claim_1"] pay 1 -> code_error "claim_1 is repaid: nothing is owed"
        # One that is not paid: collateral is seized.
        ann genesis_debt.issue ["bank", 20, 25, 60] give house -> ok "claim_2"
        bank genesis_debt.accept ["claim_2"] pay 20 -> ok
        ann genesis_debt.repay ["claim_2"] pay 5 -> ok
        bank genesis_debt.overdue ["claim_2"] -> ok false
        advance 60s
        bank genesis_debt.overdue ["claim_2"] -> ok true
        ann genesis_debt.default ["claim_2"] -> code_error "only bank may call in"
        bank genesis_debt.default ["claim_2"] -> ok ~{"status": "seized"}
        owner house bank
        bank genesis_debt.default ["claim_2"] -> code_error "claim_2 is seized"
        # Without collateral it stays owed, and may be paid late or forgiven.
        ann genesis_debt.issue ["bob", 5, 6, "1s"] -> ok "claim_3"
        bob genesis_debt.accept ["claim_3"] pay 5 -> ok
        advance 1s
        bob genesis_debt.default ["claim_3"] -> ok ~{"status": "defaulted", "owed": 6}
        ann genesis_debt.repay ["claim_3"] pay 2 -> ok ~{"owed": 4}
        ann genesis_debt.cancel ["claim_3"] -> code_error "only bob may forgive"
        bob genesis_debt.cancel ["claim_3"] -> ok ~{"status": "forgiven"}
        # An offer that is taken back, one that comes too late.
        ann genesis_debt.issue ["bob", 5, 6, "1s"] -> ok "claim_4"
        bob genesis_debt.cancel ["claim_4"] -> code_error "only ann may take back"
        ann genesis_debt.cancel ["claim_4"] -> ok ~{"status": "cancelled"}
        ann genesis_debt.issue ["bob", 5, 6, "1s"] -> ok "claim_5"
        advance 1s
        bob genesis_debt.accept ["claim_5"] pay 5 -> code_error "was due at"
        # Calls that can't be.
        ann genesis_debt.issue ["ann", 5, 6, "1h"] -> code_error "ann must be another principal"
        ann genesis_debt.issue ["house", 5, 6, "1h"] -> code_error "house must be another principal"
        ann genesis_debt.issue ["bob", 0, 6, "1h"] -> invalid_argument "`principal` has a `minimum` of 1"
        ann genesis_debt.issue ["bob", 5, 6, "1h"] pay 5 -> code_error "leave `pay` out"
        bob genesis_debt.check ["claim_9"] -> ok null
        bob genesis_debt.transfer ["claim_4", "bank"] -> code_error "claim_4 is cancelled"
        supply +0
        "#,
    );
}

#[test]
fn tasks() {
    check(
        r#"
        scrip ann 100, bob 10, carl 10
        tool adds by bob: def run(a, b): return a + b
        tool fools by carl: def run(a, b): return 5
        tool breaks by carl: def run(a, b): print(a); raise ValueError(str([a, b]))
        ---
        ann genesis_tasks.post ["add", [{"args": [2, 3], "result": 5}], [{"args": [7, 1], "result": 8}], 50, "90s"] pay 50 -> ok "task_1"
        balances ann 50, genesis_tasks 50
        bob genesis_tasks.check ["task_1"] -> ok ~{"status": "open", "hidden": 1, "tests": [{"args": [2, 3], "result": 5}], "hidden_tests": null}
        bob genesis_tasks.list_open -> ok ~[{"task": "task_1", "spec": "add", "reward": 50}]
        carl genesis_tasks.submit ["task_1", "fools"] -> ok {"passed": 1, "tests": 1, "hidden_passed": 0, "hidden": 1, "won": false}
        carl genesis_tasks.submit ["task_1", "breaks"] -> ok ~{"passed": 0, "hidden_passed": 0}
        carl genesis_tasks.submit ["task_1", "adds"] -> code_error "adds is no code of yours"
        ann genesis_tasks.cancel ["task_1"] -> code_error "task_1 is open until"
        bob genesis_tasks.submit ["task_1", "adds"] -> ok ~{"passed": 1, "hidden_passed": 1, "won": true}
        balances ann 50, bob 60, genesis_tasks 0
        carl genesis_tasks.check ["task_1"] -> ok ~{"status": "done", "winner": "bob", "artifact": "adds", "hidden_tests": [{"args": [7, 1], "result": 8}]}
        carl genesis_tasks.submit ["task_1", "fools"] -> code_error "task_1 has ended"
        bob genesis_tasks.list_open -> ok []
        # One that nobody earns comes back by itself.
        ann genesis_tasks.post ["add", [], [{"method": "twice", "args": [7], "result": 14}], 50, "30s"] pay 50 -> ok "task_2"
        bob genesis_tasks.submit ["task_2", "adds"] -> ok ~{"hidden_passed": 0, "won": false}
        run 2
        balances ann 50, genesis_tasks 0
        bob genesis_tasks.check ["task_2"] -> ok ~{"status": "ended", "hidden_tests": [{"method": "twice", "args": [7], "result": 14}]}
        # Or is taken back when its time is up.
        ann genesis_tasks.post ["add", [], [{"args": [], "result": null}], 20, "30s"] pay 20 -> ok "task_3"
        advance 30s
        bob genesis_tasks.submit ["task_3", "adds"] -> code_error "task_3 has ended"
        bob genesis_tasks.cancel ["task_3"] -> code_error "only ann may cancel"
        ann genesis_tasks.cancel ["task_3"] -> ok
        ann genesis_tasks.cancel ["task_3"] -> code_error "task_3 is ended"
        balances ann 50, genesis_tasks 0
        # Calls that can't be.
        ann genesis_tasks.post ["x", [], [], 5, "1h"] pay 5 -> code_error "1 to 20 tests"
        ann genesis_tasks.post ["x", [{"args": [], "result": 1}], [], 5, "1h"] pay 4 -> code_error "the reward is 5, and 4 was sent along"
        ann genesis_tasks.post ["x", [{"args": []}], [], 5, "1h"] pay 5 -> invalid_argument "`tests[0].result` is `required`"
        ann genesis_tasks.post ["x", [{"args": [], "result": 1, "hint": 2}], [], 5, "1h"] pay 5 -> code_error "a test is"
        supply +0
        "#,
    );
}

#[test]
fn market() {
    check(
        r#"
        file: [resources.fuel]\nkind = "depletable"\ntotal = 300\nsplit = "none"\n[market]\nlots = { fuel = 10 }
        scrip ann 100 fuel 100, bob 100 fuel 50, carl 100 fuel 50
        ---
        ann genesis_market.ask ["fuel", "balance", 3, 5] give 30_fuel -> ok {"order": "order_1", "filled": 0, "scrip": 0, "left": 3}
        quota ann fuel 70
        bob genesis_market.ask ["fuel", "balance", 2, 4] give 20_fuel -> ok ~{"order": "order_2", "left": 2}
        carl genesis_market.book ["fuel", "balance"] -> ok {"lot": 10, "asks": [{"price": 4, "lots": 2, "order": "order_2"}, {"price": 5, "lots": 3, "order": "order_1"}], "bids": []}
        # The best price first; a part of an order; what was saved comes back.
        carl genesis_market.bid ["fuel", "balance", 3, 6] pay 18 -> ok {"order": null, "filled": 3, "scrip": 13, "left": 0}
        quota carl fuel 80
        balances ann 105, bob 108, carl 87, genesis_market 0
        # The rest stays in the book.
        carl genesis_market.bid ["fuel", "balance", 4, 5] pay 20 -> ok {"order": "order_4", "filled": 2, "scrip": 10, "left": 2}
        quota carl fuel 100
        balances ann 115, carl 67, genesis_market 10
        ann genesis_market.book ["fuel", "balance"] -> ok ~{"asks": [], "bids": [{"price": 5, "lots": 2}]}
        ann genesis_market.cancel ["order_4"] -> code_error "only carl may cancel"
        # A seller meets it at its price.
        bob genesis_market.ask ["fuel", "balance", 1, 2] give 10_fuel -> ok {"order": null, "filled": 1, "scrip": 5, "left": 0}
        balances bob 113, carl 67, genesis_market 5
        carl genesis_market.cancel ["order_4"] -> ok {"order": "order_4", "lots": 1}
        carl genesis_market.cancel ["order_4"] -> code_error "there is no order order_4"
        balances carl 72, genesis_market 0
        ann genesis_market.ask ["fuel", "balance", 2, 5] give 20_fuel -> ok ~{"order": "order_6"}
        ann genesis_market.cancel ["order_6"] -> ok {"order": "order_6", "lots": 2}
        quota ann fuel 70
        # Calls that can't be.
        ann genesis_market.ask ["fuel", "balance", 2, 5] give 19_fuel -> code_error "2 lots are 20"
        ann genesis_market.ask ["fuel", "rate", 2, 5] give 20_fuel -> code_error "fuel has no rate; it has a balance"
        ann genesis_market.ask ["gold", "rate", 2, 5] -> code_error "this world has no resource gold"
        ann genesis_market.ask ["cpu", "rate", 2, 5] -> code_error "cpu is unlimited"
        ann genesis_market.bid ["fuel", "balance", 2, 5] pay 9 -> code_error "2 lots at 5 are 10, and 9 was sent along"
        ann genesis_market.bid ["fuel", "balances", 2, 5] pay 10 -> invalid_argument "one of its `enum`"
        ann genesis_market.bid ["fuel", "balance", 0, 5] -> invalid_argument "`minimum`"
        supply +0
        "#,
    );
}

#[test]
fn a_market_in_rates_and_quotas() {
    check(
        r#"
        file: [resources.calls]\nkind = "renewable"\nrate = 0\n[resources.disk]\nkind = "allocatable"\ntotal = "100 kB"\nsplit = "none"
        scrip ann 100 calls 10 disk 20000, bob 100 calls 0 disk 20000
        ---
        ann genesis_market.ask ["calls", "rate", 4, 2] give 4_calls -> ok ~{"left": 4}
        bob genesis_market.bid ["calls", "rate", 4, 2] pay 8 -> ok ~{"filled": 4}
        quota bob calls 4
        quota ann calls 6
        ann genesis_market.ask ["disk", "quota", 5, 3] give 5000_disk -> ok ~{"left": 5}
        quota ann disk 15000
        bob genesis_market.bid ["disk", "quota", 2, 3] pay 6 -> ok ~{"filled": 2}
        quota bob disk 22000
        ann genesis_market.cancel ["order_3"] -> ok ~{"lots": 3}
        quota ann disk 18000
        # An order in the book lies on its owner's disk.
        bob genesis_market.bid ["calls", "rate", 1, 2] pay 2 -> ok ~{"left": 1}
        quota bob disk 21400
        bob genesis_market.cancel ["order_5"] -> ok
        quota bob disk 22000
        balances ann 114, bob 86, genesis_market 0
        "#,
    );
}

#[test]
fn the_store_and_the_ledgers() {
    check(
        r#"
        scrip ann 100, bob 100
        tool summer by ann price 3 kind "tool": def run(a, b): return a + b
        thing memo ann
        ---
        bob summer.run [1, 2] -> ok 3
        bob genesis_store.search ["summer"] -> ok ~[{"id": "summer"}]
        bob genesis_store.search ["", "tool"] -> ok ~[{"id": "summer"}]
        bob genesis_store.search ["", null, "ann", 1] -> ok ~[{"id": "ann"}]
        bob genesis_store.search ["", null, "ann", 9, "ann"] -> ok ~[{"id": "summer"}, {"id": "memo"}]
        bob genesis_store.get_metadata ["summer"] -> ok ~{"price": 3, "owner": "ann"}
        bob genesis_store.get_interface ["genesis_scorer"] -> ok ~[{"name": "score"}]
        bob genesis_store.prices ["tool"] -> ok [{"artifact": "summer", "price": 3, "owner": "ann"}]
        advance 60s
        bob genesis_store.reputation ["summer"] -> ok ~{"invocations": 1, "failures": 0, "customers": 1, "revenue": 3, "age": 60}
        bob genesis_store.reputation ["ann"] -> ok ~{"principal": {"earned": 3, "spent": 0, "sales": 1}}
        bob genesis_store.create ["new", {"a": 1}] -> ok {"artifact": "new", "owner": "bob"}
        owner new bob
        bob genesis_store.delete give new -> ok {"deleted": ["new"]}
        see {"what": "artifact", "artifact": "new"} -> not_found
        ann genesis_store.delete -> code_error "nothing is to be deleted"
        ann genesis_ledger.spawn_principal ["child"] -> ok "child"
        owner child ann
        ann genesis_ledger.spawn_principal ["child"] -> permission_denied
        ann genesis_ledger.transfer ["child"] pay 5 -> ok
        ann genesis_ledger.transfer_ownership ["bob"] give memo -> ok
        owner memo bob
        bob genesis_ledger.balance ["child"] -> ok 5
        bob genesis_event_log.read [0, "transfer_ownership", 5] -> ok
        bob genesis_event_log.read [0, "transfer_ownership", 500] -> invalid_argument "`maximum`"
        bob genesis_rights_registry.check_quota ["bob", "cpu"] -> ok ~{"kind": "metered"}
        supply +0
        "#,
    );
}

#[test]
fn entries_lie_on_the_disk_of_who_makes_them() {
    check(
        r#"
        file: [resources.disk]\nkind = "allocatable"\ntotal = "100 kB"\nsplit = "none"
        scrip ann 100 disk 20000, bob 100 disk 20000, poor 100 disk 900
        thing painting ann
        tool adds by bob: def run(a, b): return a + b
        ---
        ann genesis_escrow.list [5] give painting -> ok
        quota ann disk 18948
        bob genesis_escrow.purchase ["painting"] pay 5 -> ok
        quota ann disk 20000
        bob genesis_escrow.list [5] give painting 700_disk -> ok
        quota bob disk 19300
        bob genesis_escrow.cancel ["painting"] -> ok
        quota bob disk 20000
        bob genesis_escrow.list [5] give painting 20_disk -> code_error "this takes"
        # Things that pass through the ledger lie on their giver's disk too, for that moment.
        bob genesis_ledger.transfer_ownership ["ann"] give painting -> ok
        quota bob disk 20000
        ann genesis_store.delete give painting -> ok
        quota ann disk 19744
        poor {"op": "transfer", "to": "ann", "amount": 256, "resource": "disk"} -> ok
        bob genesis_mint.bid ["adds"] pay 5 -> ok
        quota bob disk 19200
        bob genesis_mint.cancel ["adds"] -> ok
        quota bob disk 20000
        ann genesis_debt.issue ["bob", 5, 6, "1h"] -> ok "claim_1"
        quota ann disk 18800
        ann genesis_debt.cancel ["claim_1"] -> ok
        quota ann disk 20000
        ann genesis_tasks.post ["x", [{"args": [1, 2], "result": 3}], [], 5, "1h"] pay 5 -> ok "task_1"
        quota ann disk 11808
        bob genesis_tasks.submit ["task_1", "adds"] -> ok ~{"won": true}
        quota ann disk 20000
        ann genesis_vote.propose ["x", ["a", "b"], "30s"] -> ok "vote_1"
        bob genesis_vote.vote ["vote_1", "a"] -> ok
        quota ann disk 15904
        quota bob disk 19744
        run 2
        quota ann disk 20000
        quota bob disk 20000
        # One who has no room makes no entry, and reads all the same.
        poor genesis_vote.propose ["x", ["a", "b"], "30s"] -> quota_exceeded
        poor genesis_vote.tally ["vote_1"] -> ok
        "#,
    );
}
