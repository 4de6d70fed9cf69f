//! Parts of pages that depend on the world: each case is a world, the address of a page, and words that stand in it
//! or don't.

use oikos_runner::{Journal, state};
use oikos_views::{
    Asked, Hands, Links, Moment, Named, Page, Past, Sheet, Viewer, Wheel, questions, render, sheet,
};

/// A world of two, who do in each tick what its steps say.
fn world(ann: &str, bob: &str, more: &str) -> String {
    let agent = |id: &str, steps: &str| {
        format!(
            "[[agents]]\nid = \"{id}\"\nscrip = 100\ncode = '''\ndef step(o):\n    t = o[\"tick\"]\n{steps}\n'''\n"
        )
    };
    format!(
        "[world]\nname = \"shown\"\n[execution]\nticks = 6\n{more}\n{}{}",
        agent("ann", ann),
        agent("bob", bob)
    )
}

struct Made {
    _folder: tempfile::TempDir,
    journal: Journal,
}

fn made(text: &str) -> Made {
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    super::made(text, &db);
    Made { journal: Journal::open_read_only(&db).expect("a journal"), _folder: folder }
}

impl Made {
    fn page(&self, address: &str, seat: Option<&str>, hands: Hands<'_>) -> String {
        let world = state(&self.journal).expect("a state");
        let past = Past::read(&self.journal, &world, |_| ()).expect("a past");
        let Asked { page, .. } = Page::parse(address, "").expect("a page");
        let moment = Moment {
            world: &world,
            past: &past,
            whole: None,
            journal: &self.journal,
            viewer: seat.map_or(Viewer::Observer, |seat| Viewer::Artifact(world.lookup(seat))),
            links: &Links::Served {
                root: String::new(),
                at: None,
                named: Named::file("w.oikos".into()),
                has_list: false,
            },
            beside: None,
            kin: &[],
            pulse: None,
            verdicts: &[],
            hands,
            scripts: &[],
        };
        render(&moment, &page).expect("it is shown").into_string()
    }

    /// Checks that words stand on a page, or do not stand there if they begin with `!`.
    fn check(&self, address: &str, seat: Option<&str>, words: &[&str]) {
        let page = self.page(address, seat, Hands::None);
        for word in words {
            let (word, is_wanted) = word.strip_prefix('!').map_or((*word, true), |word| (word, false));
            assert_eq!(page.contains(word), is_wanted, "{address} for {seat:?}: {word}\n{page}");
        }
    }
}

#[test]
fn versions_stand_with_the_lines_that_differ() {
    let made = made(&world(
        r#"
    if t == 0:
        return {"op": "write", "artifact": "tool", "code": "def run(x):\n    y = 1\n    return x", "content": "first"}
    if t == 1:
        return {"op": "edit", "artifact": "tool", "field": "code", "old": "y = 1", "new": "y = 2  # <script>"}
    if t == 2:
        return {"op": "write", "artifact": "tool", "content": {"prompt": "one\ntwo"}, "price": 3}
    if t == 3:
        return {"op": "write", "artifact": "tool", "content": {"prompt": "one\nthree"}}
    if t == 4:
        return {"op": "write", "artifact": "tool", "content": "\n".join(str(i) for i in range(2000))}
    return {"op": "transfer_ownership", "artifact": "tool", "to": "bob"} if t == 5 else None"#,
        "    return None",
        "",
    ));
    let observer = [
        "− </span>",
        "!<script",
        "y = 2  # &lt;script&gt;",
        "<span class=\"del\">−     y = 1\n</span>",
        "<span class=\"del\">− two&quot;}\n</span>",
        "<span class=\"ins\">+ three&quot;}\n</span>",
        "became 2,000, too many to be compared",
        "changes from version 4: content",
        "changes from version 2: content, price",
        "goes from",
        "part=code&amp;at=",
        "!earlier",
    ];
    made.check("/artifacts/tool", None, &observer[1..]);
    // Those who may not read it are told that it changed, and no more.
    made.check(
        "/artifacts/tool",
        Some("bob"),
        &["changes from version 1: code", "!y = 1", "!three", "!class=\"diff\""],
    );
    made.check("/artifacts/ann", None, &["It is as it was made."]);
}

#[test]
fn of_many_versions_the_last_stand_there() {
    let made = made(&world(
        r#"
    if t == 0:
        return {"op": "write", "artifact": "log", "content": "v"}
    return [{"op": "write", "artifact": "log", "content": f"v{t}.{i}"} for i in range(9)]"#,
        "    return None",
        "",
    ));
    // Changes of one record are told together; the texts go on from one to the next.
    made.check(
        "/artifacts/log",
        None,
        &["<span class=\"del\">− v5.7\n</span>", "<span class=\"ins\">+ v5.8\n</span>", "!− v1.0"],
    );
}

#[test]
fn contracts_are_told_by_their_code_and_their_decisions() {
    let made = made(&world(
        r#"
    if t == 0:
        return [{"op": "write", "artifact": "law", "code": "def check_permission(caller, action, target, context, ledger):\n    return {'allowed': caller == 'ann' or action == 'invoke', 'reason': 'LAW <b> of ' + caller}"},
                {"op": "write", "artifact": "well", "code": "def run():\n    return 1", "access_contract": "law"}]
    return [{"op": "read", "artifact": "well"}, {"op": "write", "artifact": "well", "content": t}]"#,
        r#"
    return [{"op": "invoke", "artifact": "well"}] if t % 2 else [{"op": "read", "artifact": "well"}]"#,
        "",
    ));
    made.check(
        "/artifacts/well",
        None,
        &[
            "Its code decides each time anew",
            "def check_permission",
            "LAW &lt;b&gt; of bob",
            "!LAW <b>",
            "Decided so far",
        ],
    );
    // A seat is shown the decisions about itself alone, and no code of others.
    made.check("/artifacts/well", Some("bob"), &["LAW &lt;b&gt; of bob", "!def check_permission"]);
    made.check("/artifacts/well", Some("ann"), &["!LAW", "!def check_permission"]);
    made.check("/artifacts/law", None, &["anyone may read and invoke", "!Decided so far"]);
    // The questions of a page are those about the owner, itself if it acts, and others who are there.
    let world = state(&made.journal).expect("a state");
    let past = Past::read(&made.journal, &world, |_| ()).expect("a past");
    let asked = |id: &str, viewer| {
        let asks = questions(&world, &past, viewer, &Page::Artifact(id.into()));
        asks.iter().map(|one| (world.name(one.caller).to_owned(), one.action.word())).collect::<Vec<_>>()
    };
    let callers = |id: &str| {
        let mut callers: Vec<String> =
            asked(id, Viewer::Observer).into_iter().map(|(caller, _)| caller).collect();
        callers.dedup();
        callers
    };
    assert_eq!(callers("well"), ["ann", "bob"]);
    assert_eq!(asked("well", Viewer::Observer).len(), 10);
    assert!(callers("law").is_empty() && callers("nothing").is_empty());
}

#[test]
fn escrow_and_the_auction_are_shown() {
    let made = made(&world(
        r#"
    if t == 0:
        return [{"op": "write", "artifact": "one"}, {"op": "write", "artifact": "two"},
                {"op": "write", "artifact": "tool", "code": "def run():\n    return 1"}]
    if t == 1:
        return [{"op": "invoke", "artifact": "genesis_escrow", "method": "list", "args": [30], "give": ["one"]},
                {"op": "invoke", "artifact": "genesis_escrow", "method": "list", "args": [7, "bob"], "give": ["two"]}]
    if t == 3:
        return {"op": "invoke", "artifact": "genesis_mint", "method": "bid", "args": ["tool"], "pay": 21}"#,
        r#"
    if t == 2:
        return {"op": "invoke", "artifact": "genesis_escrow", "method": "purchase", "args": ["one"], "pay": 30}"#,
        "",
    ));
    let deal = "<td class=\"n\">30</td>";
    made.check(
        "/market",
        None,
        &["1 deal for 30 scrip so far", deal, " alone", "<td class=\"n\">21</td>", "No auction has resolved"],
    );
    // Bids are sealed, and storage is private.
    made.check(
        "/market",
        Some("bob"),
        &["!<td class=\"n\">21</td>", "Bids are sealed", "list_active", "!so far for"],
    );
    let empty = self::made(&world("    return None", "    return None", ""));
    empty.check(
        "/market",
        None,
        &["Nothing is offered", "Nothing was sold", "Nobody bids", "Nobody has paid anybody"],
    );
}

#[test]
fn graphs_have_a_link_for_each_and_say_how_many_are_left_out() {
    let made = made(&world(
        r#"
    if t == 0:
        ids = [f"base_{i:02}" for i in range(12)]
        return [{"op": "write", "artifact": id} for id in ids] + [
            {"op": "write", "artifact": "mid", "depends_on": ids}, {"op": "write", "artifact": "top", "depends_on": ["mid", "base_00"]}]
    return {"op": "transfer", "to": "bob", "amount": 5}"#,
        r#"
    return {"op": "transfer", "to": "ann", "amount": 1}"#,
        "",
    ));
    made.check(
        "/artifacts/mid",
        None,
        &[
            "class=\"box here\"",
            "href=\"/artifacts/base_07\"",
            "href=\"/artifacts/top\"",
            "4 more that it builds on are left out",
            "!>base_11</text>",
        ],
    );
    made.check("/artifacts/top", None, &["href=\"/artifacts/mid\"", "href=\"/artifacts/base_00\""]);
    made.check("/artifacts/ann", None, &["It stands alone.", "!class=\"box"]);
    made.check(
        "/market",
        None,
        &["ann to bob: 25 scrip in 5 payments", "bob to ann: 6 scrip in 6 payments", "!are left out"],
    );
}

#[test]
fn controls_stand_before_those_who_may_use_them() {
    let made = made(&world("    return None", "    return None", ""));
    let wheel = |is_running| Hands::Operator(Some(Wheel { is_running, speed: Some("7") }));
    for (address, seat, hands, has, lacks) in [
        ("/", None, Hands::None, &[][..], &["<form method=\"post\""][..]),
        (
            "/",
            None,
            wheel(true),
            &[">Pause<", "Fork from here", "<option value=\"7\" selected>"],
            &[">Play<"],
        ),
        ("/", None, wheel(false), &[">Play<", ">Step<"], &[">Pause<"]),
        ("/", None, Hands::Operator(None), &["Fork from here"], &[">Play<", ">Pause<", ">Step<"]),
        ("/", Some("ann"), Hands::Seat { key: "k" }, &["acting as"], &["method=\"post\""]),
        ("/agents/ann", Some("ann"), Hands::Seat { key: "k" }, &["action=\"/act\"", "value=\"k\""], &[]),
        ("/agents/bob", Some("ann"), Hands::Seat { key: "k" }, &["acting as"], &["action=\"/act\""]),
    ] {
        let page = made.page(address, seat, hands);
        for word in has {
            assert!(page.contains(word), "{address} {hands:?}: no {word}");
        }
        for word in lacks {
            assert!(!page.contains(word), "{address} {hands:?}: {word}");
        }
    }
    // A report has none.
    let world = state(&made.journal).expect("a state");
    let past = Past::read(&made.journal, &world, |_| ()).expect("a past");
    let report = Sheet { world: &world, past: &past, journal: &made.journal, file: "w.oikos", beside: None };
    let report = sheet(&report).expect("a report").into_string();
    assert!(!report.contains("method=\"post\"") && !report.contains("<script"));
}
