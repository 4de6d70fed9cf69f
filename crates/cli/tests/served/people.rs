//! Pages for people who are not let in, and two worlds side by side.

use std::path::Path;

use super::{
    SHOP,
    served::{Served, oikos, serve},
    transfer,
};

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");

#[test]
fn a_browser_is_told_on_a_page_and_a_program_by_a_document() {
    let shop = serve(SHOP, &["--paused"]);
    let alice = shop.token(&["--as", "alice"]);
    let form = "<input name=\"token\"";
    // A token or none, a path, and the status, with a part of the page.
    for (token, method, path, status, part) in [
        (None, "GET", "/", 401, form),
        (None, "GET", "/agents/alice?at=1&token=bad", 401, "name=\"at\" value=\"1\""),
        (None, "GET", "/agents/alice?at=1&token=bad", 401, "action=\"/agents/alice\""),
        (None, "GET", "//evil.example/x", 401, "action=\"/evil.example/x\""),
        (None, "GET", "/nothing?a=%22%3E%3Cb%3E", 401, "value=\"&quot;&gt;&lt;b&gt;\""),
        (None, "GET", "/", 401, "<code>oikos token WORLD --observer</code>"),
        (None, "POST", "/steer", 401, "action=\"/\""),
        (Some(&alice), "GET", "/compare", 403, form),
        (Some(&alice), "POST", "/steer", 403, "This was not done"),
        (Some(&alice), "GET", "/nothing", 404, "There is no such page"),
        (Some(&alice), "GET", "/agents?x=1", 400, "no field"),
    ] {
        let bearer = token.map(|token: &String| format!("Bearer {token}"));
        let known = bearer.iter().map(|bearer| ("authorization", bearer.as_str()));
        let headers: Vec<_> = known.chain([BROWSER]).collect();
        let answer = shop.request(method, path, &headers, b"");
        let kind = answer.header("content-type").unwrap_or_default();
        let is_page = kind.starts_with("text/html") && answer.body.contains(part);
        assert!(answer.status == status && is_page, "{path}: {} {kind}: {}", answer.status, answer.body);
        assert!(!answer.body.contains("<b>") && !answer.body.contains("<script"), "{}", answer.body);
        // One who has no token is told nothing of the world, and nothing is loaded that would not come.
        let tells = answer.body.contains("shop") || answer.body.contains("href=");
        assert!(status != 401 || !tells, "{path}: {}", answer.body);
    }
    // Programs are told as before, and a browser that asks for something of theirs is too.
    for (headers, path) in [(&[][..], "/"), (&[("accept", "*/*")], "/nothing"), (&[BROWSER], "/api/v1/world")]
    {
        let answer = shop.request("GET", path, headers, b"");
        let kind = answer.header("content-type").unwrap_or_default();
        assert_eq!((answer.status, kind), (401, "application/problem+json"), "{path}");
    }
    // The form leads in, to the page that was asked for.
    let entered = shop.request("GET", &format!("/agents/alice?at=1&token={alice}"), &[BROWSER], b"");
    assert_eq!((entered.status, entered.header("location")), (303, Some("/agents/alice?at=1")));
}

/// Runs a command of the binary in a folder.
fn done(folder: &Path, words: &[&str]) {
    let output = oikos().current_dir(folder).args(words).output().expect("the binary runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The page of two worlds, as observers are shown it.
fn compared(shop: &Served, query: &str) -> (u16, String) {
    let answer = shop.get(&shop.observer, &format!("/compare{query}"));
    (answer.status, answer.body)
}

#[test]
fn two_worlds_stand_side_by_side() {
    let shop = serve(SHOP, &["--paused"]);
    let (alice, operator) = (shop.token(&["--as", "alice"]), shop.token(&["--operator"]));
    let folder = shop.db.parent().expect("a folder").to_owned();
    // There is none yet, and it is said how to make one. An operator has a button too.
    let (status, page) = compared(&shop, "");
    assert!(status == 200 && page.contains("<code>oikos fork w.oikos --at"), "{page}");
    assert!(!page.contains("Fork from here"), "{page}");
    assert!(shop.get(&operator, "/compare").body.contains("Fork from here"));
    assert!(shop.get(&shop.observer, "/?at=1").body.contains("<code>oikos fork w.oikos --at 1 --to"));
    for (token, path) in [(&shop.observer, "/"), (&operator, "/?at=1"), (&alice, "/?at=1")] {
        assert!(!shop.get(token, path).body.contains("oikos fork"), "{path}");
    }
    // The fork goes its way, and the world another one.
    let seq = shop.get(&operator, "/api/v1/world").json()["seq"].to_string();
    let made = shop.post(&operator, "/steer", &format!("do=fork&at={seq}&to=other"));
    assert!(made.body.contains("href=\"/compare?with=other.oikos\""), "{}", made.body);
    done(&folder, &["run", "other.oikos"]);
    assert_eq!(shop.post(&alice, "/api/v1/act", &transfer(77)).status, 200);
    assert_eq!(shop.post(&operator, "/api/v1/run?wait=60s", "{\"ticks\": 2}").status, 200);
    let (_, list) = compared(&shop, "");
    assert!(list.contains("href=\"/compare?with=other.oikos\"") && list.contains("a fork"), "{list}");
    let (status, page) = compared(&shop, "?with=other.oikos");
    assert!(status == 200 && page.contains("Where they part") && page.contains("transfer"), "{page}");
    assert!(page.contains("<td class=\"n\">923</td><td class=\"n\">1,000</td>"), "{page}");
    // It is of one moment of both: the fork is at its end, and stands here as it was when it was as old as the world.
    let words: Vec<&str> = page.split("after record ").collect();
    let number = |text: &str| {
        text.split(|letter: char| !letter.is_ascii_digit()).find(|part| !part.is_empty()).map(str::to_owned)
    };
    assert!(words[1].contains("of this one and"), "{page}");
    let theirs = words[1].split(" of this one and ").nth(1).and_then(number).expect("a number");
    let end =
        list.split("other.oikos").last().and_then(|row| row.split("class=\"n\">").nth(2)).and_then(number);
    assert!(theirs.parse::<u64>().ok() < end.expect("its end").parse().ok(), "{page} {list}");
    // Before they parted they are the same.
    let (status, page) = compared(&shop, &format!("?with=other.oikos&at={seq}"));
    assert!(status == 200 && page.contains("They are the same"), "{page}");
    // A name is one of the list: it is no path, no link, and no world of another descent, even if it is named as such.
    std::fs::create_dir(folder.join("sub")).expect("a folder");
    let strange = SHOP.replace("scrip = 1000", "scrip = 5");
    std::fs::write(folder.join("sub/w.toml"), strange).expect("a file");
    done(&folder.join("sub"), &["run", "w.toml", "--db", "w.oikos"]);
    done(&folder, &["fork", "sub/w.oikos", "--at", "tick:0", "--to", "forged.oikos"]);
    std::fs::copy(folder.join("sub/w.oikos"), folder.join("strange.oikos")).expect("a copy");
    std::fs::write(folder.join("broken.oikos"), "no world").expect("a file");
    let mut wrong = vec![
        "w.oikos",
        "strange.oikos",
        "broken.oikos",
        "sub/w.oikos",
        "..%2Fother.oikos",
        "nowhere",
        "forged.oikos",
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.join("other.oikos"), folder.join("link.oikos")).expect("a link");
        wrong.push("link.oikos");
    }
    for name in wrong {
        let (status, page) = compared(&shop, &format!("?with={name}"));
        assert!(status == 404 && !page.contains("Where they part"), "{name}: {status} {page}");
    }
    // The parent is beside its fork.
    let fork = Served::again(shop, "other.oikos", &["--paused"]);
    let (_, list) = compared(&fork, "");
    assert!(list.contains("its parent") && !list.contains("strange.oikos"), "{list}");
    let (status, page) = compared(&fork, "?with=w.oikos");
    assert!(status == 200 && page.contains("<td class=\"n\">1,000</td><td class=\"n\">923</td>"), "{page}");
}
