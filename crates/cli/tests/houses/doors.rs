//! The doors of houses, for people and programs: tokens that last, pages of problems, forks.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Stdio},
};

use super::{
    super::{
        Base, good, refused, report,
        served::{Answer, SHOP, Served, oikos as command, serve_at},
        small::oikos,
        until,
    },
    found, listed, terminate, token, wait_for,
};

/// A token of all worlds of a database.
fn token_of_all(base: &Base, folder: &Path, whom: &[&str]) -> String {
    let mut make = command();
    make.current_dir(folder).args(["--json", "token", &base.url]).args(whom);
    report(&make.output().expect("the binary runs"))["token"].as_str().expect("a token").to_owned()
}

/// As a browser asks.
fn seen(house: &Served, token: &str, path: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    house.request("GET", path, &[("authorization", &bearer), ("accept", "text/html,*/*;q=0.8")], b"")
}

/// As a browser sends a form.
fn sent(house: &Served, token: &str, path: &str, form: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("accept", "text/html")];
    house.request("POST", path, &headers, form.as_bytes())
}

/// A page, of which all that it loads is there.
fn styled(house: &Served, token: &str, page: &Answer) {
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{page:?}");
    let styles: Vec<&str> = page.body.split("<link rel=\"stylesheet\" href=\"").skip(1).collect();
    for style in &styles {
        let path = style.split('"').next().expect("an address");
        assert_eq!(house.get(token, path).status, 200, "{path}: {page:?}");
    }
    assert_eq!(styles.len(), 1, "{page:?}");
}

/// Two houses in a folder, and a world of the first and one of the second.
fn two(base: &Base, folder: &Path, worlds: &[&str]) -> (Served, Served, String, String) {
    let first = Served::of_all(&base.url, folder, &["--idle", "200ms"]);
    worlds.iter().for_each(|world| drop(wait_for(&first, world, "unloaded")));
    let second = Served::of_all(&base.url, folder, &["--idle", "200ms"]);
    let at = |place: &str| {
        until(place, || worlds.iter().find(|world| listed(&first, world)["place"] == place).copied())
    };
    let (there, here) = (at("elsewhere").to_owned(), at("unloaded").to_owned());
    wait_for(&second, &there, "unloaded");
    (first, second, here, there)
}

/// Tokens of all worlds are good at every house, for as long as their file has them.
pub(crate) fn last(base: &Base) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    found(base, folder, SHOP, &["one", "two"]);
    let (observer, operator) =
        (token_of_all(base, folder, &["--observer"]), token_of_all(base, folder, &["--operator"]));
    let file = folder.join("lasting+all.tokens");
    assert_eq!(std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    refused(
        &oikos(["token", &base.url, "--as", "alice"]),
        2,
        &["--as alice goes with one world", "?world=NAME", "--observer"],
    );
    refused(&oikos(["token", &format!("{}x", base.url), "--observer"]), 3, &["does not exist"]);
    let (mut first, mut second, here, there) = two(base, folder, &["one", "two"]);
    for house in [&first, &second] {
        for token in [&observer, &operator] {
            for path in ["/", "/api/v1/worlds", "/metrics"] {
                assert_eq!(house.get(token, path).status, 200, "{path}");
            }
            let found = [&here, &there].map(|world| house.get(token, &format!("/w/{world}/")).status);
            assert!(found.contains(&200) && found.contains(&421), "{found:?}");
        }
    }
    // The link of a process is its own.
    assert_eq!(second.get(&first.observer, "/metrics").status, 401);
    let pause = format!("/w/{here}/api/v1/pause");
    assert_eq!([&observer, &operator].map(|token| first.post(token, &pause, "").status), [403, 200]);
    // A token that is made, ends or is revoked does so at once.
    let short = token_of_all(base, folder, &["--observer", "--expires", "1ms"]);
    let more = token_of_all(base, folder, &["--observer", "--label", "a bookmark"]);
    assert_eq!([&short, &more].map(|token| first.get(token, "/").status), [401, 200]);
    let on_all = |words: &[&str]| {
        let mut run = command();
        good(&run.current_dir(folder).args(["token", &base.url]).args(words).output().expect("it runs"))
    };
    assert!(on_all(&["--list"]).contains("a bookmark"));
    on_all(&["--revoke", "a bookmark"]);
    for path in ["/".to_owned(), format!("/w/{here}/")] {
        assert_eq!([&more, &observer].map(|token| first.get(token, &path).status), [401, 200], "{path}");
    }
    // Nobody is let in by a file that others may read, and the owner is told once; the link goes all the same.
    let open = |mode: u32| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("a file");
        let paths = ["/".to_owned(), "/metrics".into(), format!("/w/{here}/"), format!("/w/{here}/events")];
        paths.map(|path| [&observer, &first.observer].map(|token| first.get(token, &path).status))
    };
    assert_eq!((open(0o644), open(0o600)), ([[503, 200]; 4], [[200, 200]; 4]));
    // Nobody acts in all worlds: a principal is one of a world.
    let tokens = std::fs::read_to_string(&file).expect("text");
    let line =
        tokens.lines().next().expect("a token").replace("\"observer\"", "\"principal\",\"as\":\"alice\"");
    std::fs::write(&file, format!("{tokens}{line}\n")).expect("a file");
    assert_eq!(first.get(&operator, "/").status, 503);
    std::fs::write(&file, tokens).expect("a file");
    assert_eq!(first.get(&operator, "/").status, 200);
    [&mut first, &mut second]
        .into_iter()
        .for_each(|house| assert_eq!(terminate(&mut house.child), Some(143)));
    let talk = first.talk();
    for (part, times) in [
        ("may be read or written by others", 1),
        ("a principal is one of a world", 1),
        ("is mended: its tokens are good again", 2),
    ] {
        assert_eq!(talk.matches(part).count(), times, "{talk}");
    }
    // A door that others can reach needs a token of them.
    let mut wide = command();
    wide.current_dir(folder).args(["serve", &base.url, "--all", "--listen", "0.0.0.0:0"]);
    let mut wide: Child = wide.stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut said = String::new();
    BufReader::new(wide.stdout.take().expect("its output")).read_line(&mut said).expect("it says where");
    assert!(said.starts_with("open http://0.0.0.0:"), "{said}");
    terminate(&mut wide);
}

/// People are told on pages of all that can't be shown or done, and of the way on.
pub(crate) fn tell(base: &mut Base) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    found(base, folder, SHOP, &["one", "two", "old"]);
    base.client.batch_execute("UPDATE worlds SET format = 99 WHERE world = 'old'").expect("a row");
    let operator = token_of_all(base, folder, &["--operator"]);
    let (first, second, here, there) = two(base, folder, &["one", "two"]);
    // A world that is elsewhere: a page, and a form.
    let at = format!("http://{}/w/{there}", second.address);
    let page = seen(&first, &first.observer, &format!("/w/{there}/agents?from=0"));
    assert_eq!((page.status, page.header("location")), (421, Some(format!("{at}/agents?from=0").as_str())));
    assert!(page.body.contains("of the link that this process printed is not known there"), "{}", page.body);
    assert!(page.body.contains(&format!("href=\"{at}/agents?from=0\"")), "{}", page.body);
    styled(&first, &first.observer, &page);
    let form = sent(&first, &operator, &format!("/w/{there}/steer"), "do=pause");
    assert!(form.status == 421 && form.body.contains("nothing was done here"), "{form:?}");
    assert!(form.body.contains(&format!("href=\"{at}/\"")) && !form.body.contains("printed"), "{form:?}");
    styled(&first, &operator, &form);
    let link = first.request("GET", &format!("/w/{there}/?token={}", first.observer), &[], b"");
    assert_eq!((link.status, link.header("location")), (303, Some(format!("/w/{there}/").as_str())));
    // Programs have their documents.
    let told = first.get(&first.observer, &format!("/w/{there}/"));
    assert_eq!(told.header("content-type"), Some("application/problem+json"));
    // Strangers are told the same of worlds that are there and that are not.
    let stranger = |path: &str| first.request("GET", path, &[("accept", "text/html")], b"");
    let closed = ["one", "two", "nowhere"].map(|world| {
        let page = stranger(&format!("/w/{world}/"));
        assert!(page.status == 401 && page.body.contains("<form method=\"get\""), "{page:?}");
        page.body.replace(&format!("\"/w/{world}/"), "\"/w/W/")
    });
    assert!(closed.iter().all(|page| *page == closed[0] && page.contains("serve --all")), "{closed:?}");
    assert!(stranger("/").body.contains("<form method=\"get\" action=\"/\""));
    // Nothing there, no such method, and a world that can't be opened.
    for (path, status, way) in [
        ("/w/nowhere/", 404, "href=\"/\""),
        ("/nowhere", 404, "href=\"/\""),
        ("/w/old/agents", 503, "href=\"/w/old/agents\""),
    ] {
        let page = until(path, || Some(seen(&first, &operator, path)).filter(|page| page.status != 421));
        assert!(page.status == status && page.body.contains(way), "{path}: {page:?}");
        styled(&first, &operator, &page);
    }
    let form = sent(&first, &operator, "/", "a=b");
    assert!(form.status == 405 && form.body.contains("href=\"/\""), "{form:?}");
    styled(&first, &operator, &form);
    // Nobody outside learns where the database is.
    let problem = until("a problem", || {
        [&first, &second].iter().find_map(|house| listed(house, "old")["problem"].as_str().map(str::to_owned))
    });
    assert!(problem.contains("format 99") && !problem.contains("postgres:"), "{problem}");
    // A page says which of the worlds it is of, and leads back to the list those who may see it.
    let alice = token(base, folder, &here, &["--as", "alice"]);
    let pages = [&first.observer, &operator, &alice].map(|token| {
        let page = seen(&first, token, &format!("/w/{here}/")).body;
        assert!(page.contains(&format!("<span class=\"name\"><bdi>{here}</bdi>")), "{page}");
        assert!(page.contains("shop</bdi>"), "{page}");
        page.contains("<a href=\"/\">")
    });
    assert_eq!(pages, [true, true, false]);
    // One that follows a world sends people to the house, to a page and not to a form.
    let follower = Served::of_world(&base.world(&here), folder, &["--follow"]);
    let own = token(base, folder, &here, &["--operator"]);
    let form = until("the house", || {
        Some(sent(&follower, &own, "/steer", "do=pause")).filter(|form| form.status != 503)
    });
    let way = format!("href=\"http://{}/w/{here}/\"", first.address);
    assert!(form.status == 421 && form.body.contains(&way), "{form:?}");
    styled(&follower, &own, &form);
    drop(follower);
    forks(base, &first, &here, &operator);
}

/// Pages about forks name worlds of a database as commands do, and never the database.
fn forks(base: &Base, house: &Served, world: &str, operator: &str) {
    let fork =
        |to: &str| sent(house, operator, &format!("/w/{world}/steer"), &format!("do=fork&at=1&to={to}"));
    let made = fork("other");
    assert!(made.status == 201 && made.body.contains("href=\"/w/other/\""), "{made:?}");
    let compared = seen(house, operator, &format!("/w/{world}/compare"));
    let taken = fork("other");
    assert!(
        taken.status == 409 && taken.body.contains("<code>other</code> already; name a new world"),
        "{taken:?}"
    );
    let body = r#"{"at": "1", "to": "other"}"#;
    let api = house.post(operator, &format!("/w/{world}/api/v1/fork"), body);
    assert_eq!((api.status, api.json()["hint"].as_str()), (409, Some("name a new world")));
    let hint = seen(house, operator, &format!("/w/{world}/?at=1"));
    for page in [&made, &compared, &taken, &api, &hint] {
        let is_plain = !page.body.contains(&base.url) && !page.body.contains(".oikos");
        assert!(is_plain, "{page:?}");
    }
    let named = format!("oikos compare 'postgres://…?world={world}' 'postgres://…?world=other'");
    assert!(made.body.contains(&named) && compared.body.contains(&named), "{made:?} {compared:?}");
    // Of a world that is served alone too.
    let alone = serve_at(SHOP, &base.world("alone"), &["--paused"]);
    let operator = alone.token(&["--operator"]);
    let made = sent(&alone, &operator, "/steer", "do=fork&at=1&to=fork");
    let is_named = made.body.contains("oikos run 'postgres://…?world=fork'");
    assert!(made.status == 201 && is_named && !made.body.contains(&base.url), "{made:?}");
    styled(&alone, &operator, &made);
}
