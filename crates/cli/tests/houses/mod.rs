//! The tests of processes that serve all worlds of a database: one of them, and two that share.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod doors;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Stdio},
};

use oikos_server::{Answers, ROUTES, Verb};
use serde_json::{Value, json};

pub(crate) use self::doors::{last, tell};
use super::{
    Base, good, report,
    served::{Answer, SHOP, Served, serve_at, transfer},
    small::{example, oikos, signal_to},
    until,
};

/// A world in which nothing happens for some seconds, again and again.
const SLOW: &str = "[world]\nname = 'slow'\nclock = 'wall'\n[execution]\nmode = 'autonomous'\nduration = '1h'\n\
    pace = '5s'\n[[agents]]\nid = 'ann'\ncode = 'def step(observation): return None'\n";

/// Puts a world file's world into a database, under names.
fn found(base: &Base, folder: &Path, world: &str, names: &[&str]) {
    let (first, others) = names.split_first().expect("a name");
    let file = folder.join(format!("{first}.toml"));
    std::fs::write(&file, world).expect("a file");
    good(&oikos(["run", file.to_str().expect("UTF-8"), "--db", &base.world(first)]));
    others.iter().for_each(|name| drop(good(&oikos(["copy", &base.world(first), &base.world(name)]))));
}

fn token(base: &Base, folder: &Path, world: &str, whom: &[&str]) -> String {
    let mut make = super::served::oikos();
    make.current_dir(folder).args(["--json", "token", &base.world(world)]).args(whom);
    report(&make.output().expect("the binary runs"))["token"].as_str().expect("a token").to_owned()
}

/// A world as a house lists it.
pub(crate) fn listed(house: &Served, world: &str) -> Value {
    let all = house.get(&house.observer, "/api/v1/worlds").json();
    let found = all["worlds"].as_array().expect("a list").iter().find(|row| row["world"] == world);
    found.cloned().unwrap_or(Value::Null)
}

pub(crate) fn wait_for(house: &Served, world: &str, place: &str) -> Value {
    until(&format!("{world} {place}"), || {
        Some(listed(house, world)).filter(|row| row["place"].as_str() == Some(place))
    })
}

fn paid(door: &Served, token: &str, world: &str, key: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
    door.request("POST", &format!("/w/{world}/api/v1/act"), &headers, transfer(1).as_bytes())
}

fn epoch(base: &mut Base, world: &str) -> i64 {
    base.count(&format!("SELECT epoch FROM worlds WHERE world = '{world}'"))
}

/// Asks it to end in order.
fn terminate(child: &mut Child) -> Option<i32> {
    signal_to(child, "TERM");
    child.wait().expect("it ends").code()
}

/// The answer to the first message of a client of a world, who was started somewhere else.
fn speaks(world: &str, token: &str) -> String {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut client = super::served::oikos();
    client.current_dir(elsewhere.path()).args(["mcp", world, "--token", token]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary runs");
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" },
        },
    });
    let mut lines = client.stdin.take().expect("its input");
    lines.write_all(format!("{hello}\n").as_bytes()).expect("it reads");
    let mut answer = String::new();
    BufReader::new(client.stdout.take().expect("its output")).read_line(&mut answer).expect("it answers");
    drop(lines);
    client.wait().expect("it ends");
    answer
}

/// One process has all worlds, each below a path of its own.
pub(crate) fn has_all(base: &mut Base) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    found(base, folder, SHOP, &["one", "two", "three"]);
    let (alice, operator) =
        (token(base, folder, "one", &["--as", "alice"]), token(base, folder, "one", &["--operator"]));
    let mut house = Served::of_all(&base.url, folder, &["--idle", "300ms"]);
    for world in ["one", "two", "three"] {
        assert_eq!(wait_for(&house, world, "unloaded")["state"], "ended");
    }
    // Every page of a world stays below its path.
    let root = "/w/one";
    for route in ROUTES.iter().filter(|route| route.method == Verb::Get) {
        let path = route.path.replace("{seq}", "3").replace("{id}", "alice");
        let answer = house.get(&house.observer, &format!("{root}{path}"));
        let is_page = matches!(route.answers, Answers::Page | Answers::File(_));
        if !is_page {
            continue;
        }
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        // One leads back to the list.
        let body = answer.body.replacen("<a href=\"/\">← Worlds</a>", "", 1);
        for attribute in ["href=\"/", "src=\"/", "action=\"/"] {
            for (at, _) in body.match_indices(attribute) {
                let address = &body[at + attribute.len() - 1..];
                assert!(address.starts_with("/w/one/"), "{path}: {address:.60}");
            }
        }
    }
    let past = house.get(&house.observer, "/w/one/?at=2").body;
    assert!(past.contains("href=\"/w/one/\"") && past.contains("href=\"/w/one/agents?at=2\""), "{past}");
    let reference = house.get(&house.observer, "/w/one/api/v1/openapi.json").json();
    assert_eq!(reference["servers"][0]["url"], "/w/one");
    // A link becomes a cookie of that world alone; that of the house is one of all.
    let link = house.request("GET", &format!("/w/one/agents?token={alice}&from=0"), &[], b"");
    assert_eq!((link.status, link.header("location")), (303, Some("/w/one/agents?from=0")));
    assert!(link.header("set-cookie").expect("a cookie").contains("; Path=/w/one;"), "{link:?}");
    let link = house.request("GET", &format!("/?token={}", house.observer), &[], b"");
    assert!(link.header("set-cookie").expect("a cookie").contains("; Path=/;"), "{link:?}");
    let moved = house.get(&house.observer, "/w/one?at=1");
    assert_eq!((moved.status, moved.header("location")), (308, Some("/w/one/?at=1")));
    // Forms lead on below the path.
    let done = house.post(&alice, "/w/one/act", "op=transfer&to=bob&amount=5");
    assert!(
        done.status == 303 && done.header("location").expect("a way").starts_with("/w/one/events/"),
        "{done:?}"
    );
    let step = house.post(&operator, "/w/one/steer", "do=pause");
    assert_eq!((step.status, step.header("location")), (303, Some("/w/one/")));
    let page = house.get(&alice, "/w/one/agents/alice").body;
    assert!(page.contains("action=\"/w/one/act\""), "{page}");
    // A token of one world opens no other, and strangers learn nothing.
    for (token, path, status) in [
        (&alice, "/w/two/", 401),
        (&alice, "/", 401),
        (&alice, "/api/v1/worlds", 401),
        (&alice, "/w/nowhere/", 401),
        (&house.observer, "/w/nowhere/", 404),
        (&house.observer, "/w/..%2Fone/", 404),
        (&house.observer, "/w//", 404),
        (&house.observer, "/nowhere", 404),
        (&house.observer, "/", 200),
        (&house.observer, "/metrics", 200),
    ] {
        assert_eq!(house.get(token, path).status, status, "{path}");
    }
    assert_eq!(house.request("GET", "/healthz", &[], b"").status, 200);
    assert_eq!(house.request("GET", "/w/one/", &[("host", "evil.example")], b"").status, 403);
    assert_eq!(house.post(&house.observer, "/", "").status, 405);
    assert!(house.get(&house.observer, "/").body.contains("href=\"/w/one/\""));
    // A feed holds its world, and nobody else's.
    let mut feed = house.feed(&house.observer, "/w/one/api/v1/events", None);
    for world in ["two", "three"] {
        wait_for(&house, world, "unloaded");
    }
    assert_eq!(paid(&house, &alice, "one", "fed").status, 200);
    assert_eq!(feed.next().1["type"], "transfer");
    assert_eq!(listed(&house, "one")["place"], "loaded");
    drop(feed);
    // It stands as it stood, when it is loaded again.
    assert_eq!(wait_for(&house, "one", "unloaded")["state"], "paused");
    let world = house.get(&house.observer, "/w/one/api/v1/world").json();
    assert_eq!((&world["state"], &world["name"]), (&json!("paused"), &json!("shop")));
    // Many who ask for it at once have it loaded once.
    wait_for(&house, "two", "unloaded");
    let before = epoch(base, "two");
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| house.get(&house.observer, "/w/two/api/v1/world").status))
            .collect();
        asked.into_iter().for_each(|asked| assert_eq!(asked.join().expect("an answer"), 200));
    });
    assert_eq!(epoch(base, "two"), before + 1);
    // One that others write is theirs, until they end; one that is damaged disturbs nobody.
    let other = serve_at(SHOP, &base.world("late"), &["--paused"]);
    let row = wait_for(&house, "late", "written by another process");
    assert_eq!(row["served_at"], format!("http://{}", other.address));
    let told = house.get(&house.observer, "/w/late/agents?from=0");
    assert_eq!(told.status, 421);
    assert_eq!(told.header("location"), Some(format!("http://{}/agents?from=0", other.address).as_str()));
    let (_, _folder) = other.kill();
    wait_for(&house, "late", "unloaded");
    assert_eq!(house.get(&house.observer, "/w/late/").status, 200);
    wait_for(&house, "three", "unloaded");
    base.client.batch_execute("UPDATE journal SET hash = '\\x00' WHERE world = 'three'").expect("a row");
    let seen = house.get(&house.observer, "/w/three/");
    assert_eq!((seen.status, seen.header("retry-after")), (503, Some("1")), "{}", seen.body);
    assert!(listed(&house, "three")["problem"].as_str().expect("a problem").contains("corrupt"));
    assert_eq!(house.get(&house.observer, "/w/two/").status, 200);
    let shown = good(&oikos(["pg", "list", &base.url]));
    assert!(shown.contains(&format!("http://{}/w/one", house.address)), "{shown}");
    // Others are told of the house, whether the world is loaded or not.
    wait_for(&house, "one", "unloaded");
    assert!(speaks(&base.world("one"), &alice).contains("\"protocolVersion\""));
    let follower = Served::of_world(&base.world("two"), folder, &["--follow"]);
    let bob = token(base, folder, "two", &["--as", "bob"]);
    let told = until("the house", || {
        Some(follower.post(&bob, "/api/v1/act", r#"{"op": "noop"}"#)).filter(|told| told.status != 503)
    });
    let at = format!("http://{}/w/two/api/v1/act", house.address);
    assert_eq!((told.status, told.header("location")), (421, Some(at.as_str())));
    drop(follower);
    // A world that sleeps on the wall clock is unloaded meanwhile, and was never away.
    std::fs::write(folder.join("slow.toml"), SLOW).expect("a file");
    let file = folder.join("slow.toml");
    let slow = serve_at(SLOW, &base.world("slow"), &["--paused"]);
    let (_, _folder) = slow.kill();
    let row = until("a world that sleeps", || {
        Some(listed(&house, "slow")).filter(|row| row["place"] == "unloaded" && row["due"].is_string())
    });
    assert_eq!(row["state"], "running", "{file:?}");
    let slept = row["seq"].as_u64().expect("a record");
    until("the next turn", || {
        Some(listed(&house, "slow")).filter(|row| row["seq"].as_u64() > Some(slept + 1))
    });
    let log = good(&oikos(["log", &base.world("slow"), "--type", "clock", "--json"]));
    // It was shut once before the house had it.
    assert!(log.lines().count() <= 1, "{log}");
    assert_eq!(terminate(&mut house.child), Some(143));
    assert_eq!(base.count("SELECT count(*) FROM worlds WHERE holder IS NOT NULL"), 0);
    assert_eq!(base.count("SELECT count(*) FROM houses"), 0);
    let mut talk = house.talk();
    talk.retain(|letter| letter != '\r');
    assert!(talk.matches("three:").count() == 1 && talk.lines().count() <= 2, "{talk}");
    good(&oikos(["verify", &base.world("one")]));
}

/// Two processes share the worlds; one is killed, and the other one has all.
pub(crate) fn shares(base: &mut Base) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let worlds = ["a", "b", "c", "d", "e"];
    found(base, folder, SHOP, &worlds);
    let tokens = worlds.map(|world| token(base, folder, world, &["--as", "alice"]));
    let options = ["--idle", "200ms"];
    let first = Served::of_all(&base.url, folder, &options);
    worlds.iter().for_each(|world| drop(wait_for(&first, world, "unloaded")));
    let second = Served::of_all(&base.url, folder, &options);
    let held =
        |base: &mut Base| base.count("SELECT count(DISTINCT holder) FROM worlds WHERE holder IS NOT NULL");
    until("a fair share", || {
        let most =
            "SELECT max(n) FROM (SELECT count(*) AS n FROM worlds WHERE holder > 0 GROUP BY holder) AS h";
        (held(base) == 2 && base.count(most) == 3).then_some(())
    });
    // Each is found by either.
    let mut receipts = Vec::new();
    for (world, token) in worlds.iter().zip(&tokens) {
        let (mut here, mut there) = (0, 0);
        for door in [&first, &second] {
            let other = if door.address == first.address { &second } else { &first };
            let answer =
                until("an answer", || Some(paid(door, token, world, "once")).filter(|it| it.status != 503));
            match answer.status {
                200 => {
                    here += 1;
                    receipts.push(answer.json()["seq"].clone());
                }
                421 => {
                    there += 1;
                    let at = format!("http://{}/w/{world}/api/v1/act", other.address);
                    assert_eq!(answer.header("location"), Some(at.as_str()));
                }
                status => panic!("{status}: {}", answer.body),
            }
        }
        assert_eq!((here, there), (1, 1), "{world}");
    }
    // One is killed while all worlds are acted in.
    let (_, _killed) = first.kill();
    for ((world, token), seq) in worlds.iter().zip(&tokens).zip(&receipts) {
        let again = until(world, || Some(paid(&second, token, world, "once")).filter(|it| it.status == 200));
        assert_eq!(&again.json()["seq"], seq, "{world}: it is done once");
        assert_eq!(paid(&second, token, world, "twice").status, 200);
        let bob = second.get(&second.observer, &format!("/w/{world}/api/v1/agents/bob")).json();
        assert_eq!(bob["scrip"], 2, "{world}");
    }
    // A share is a bound.
    let mut third = Served::of_all(&base.url, folder, &["--idle", "200ms", "--share", "1"]);
    until("its share", || (held(base) == 2).then_some(()));
    let sql =
        "SELECT min(n) FROM (SELECT count(*) AS n FROM worlds WHERE holder IS NOT NULL GROUP BY holder) AS h";
    assert_eq!(base.count(sql), 1);
    assert_eq!(terminate(&mut third.child), Some(143));
    until("all again", || (held(base) == 1).then_some(()));
    worlds.iter().for_each(|world| drop(wait_for(&second, world, "unloaded")));
    drop(second);
    base.wait_for_nobody();
    worlds.iter().for_each(|world| drop(good(&oikos(["verify", &base.world(world)]))));
}

/// The command line says what goes with what.
pub(crate) fn refuses(base: &Base) {
    let one = base.world("a");
    good(&oikos(["run", &example("coins"), "--db", &one, "--set", "execution.ticks=0"]));
    for (words, parts) in [
        (&["w.oikos", "--all"][..], &["--all goes with a database of PostgreSQL", "oikos copy"][..]),
        (&[one.as_str(), "--all"], &["leave `world=a` out"]),
        (&[base.url.as_str()], &["names no world", "?world=NAME", "--all"]),
        (&[base.url.as_str(), "--all", "--paused"], &["cannot be used with"]),
        (&[base.url.as_str(), "--all", "--standby"], &["cannot be used with"]),
        (&[base.url.as_str(), "--all", "--speed", "60"], &["cannot be used with"]),
        (&[base.url.as_str(), "--all", "--seed", "1"], &["cannot be used with"]),
        (&[base.url.as_str(), "--all", "--share", "0"], &["from 1 on", "leave it out"]),
        (&[one.as_str(), "--share", "2"], &["--all"]),
        (&[base.url.as_str(), "--all", "--idle", "0s"], &["at least 1ms"]),
        (
            &[base.url.as_str(), "--all", "--listen", "0.0.0.0:0"],
            &["none of these worlds has tokens", "oikos token", &base.url, "for one world"],
        ),
    ] {
        super::refused(&oikos(["serve"].iter().chain(words)), 2, parts);
    }
}
