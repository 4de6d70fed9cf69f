//! Worlds in PostgreSQL, through the binary. `cargo xtask postgres` starts a server of its own for them, and says by
//! variables where it is; each test makes a database of its own.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod base;
mod dropped;
mod encrypted;
mod following;
mod houses;
mod served;
mod small;

use std::{
    process::{Child, Command, Stdio},
    sync::PoisonError,
    time::{Duration, Instant},
};

use serde_json::Value;

use self::{
    base::*,
    following::{shows, takes_over},
    served::{SHOP, serve_at},
    small::*,
};

fn start(small: &Small, db: &str, more: &[&str]) -> Child {
    let mut command = Command::new(COMMAND);
    command.args(["run", &small.file(), "--json", "--db", db]).args(more);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

#[test]
fn a_world_is_the_same_in_a_file_and_in_postgresql() {
    // `cargo xtask scale examples` runs every example world to its end.
    let mut base = Base::new("same");
    let folder = tempfile::tempdir().expect("a folder");
    let worlds = [
        ("bazaar", &["--set", "execution.ticks=15"][..]),
        ("night_and_day", &[]),
        ("exchange", &["--set", "execution.ticks=6"]),
        ("salon", &[]),
        ("jobs", &["--set", "execution.ticks=10"]),
    ];
    for (world, more) in worlds {
        let in_file = folder.path().join(format!("{world}.oikos"));
        let file = in_file.to_str().expect("UTF-8");
        let url = base.world(world);
        let one = run_at(&example(world), file, more);
        let two = run_at(&example(world), &url, more);
        assert_eq!(hashes(&one), hashes(&two), "{world}");
        // It goes on: nothing more is to be done.
        assert_eq!(hashes(&one), hashes(&run_at(&example(world), &url, more)), "{world}");
        for look in [
            &["verify"][..],
            &["inspect", "--json"],
            &["log", "--json"],
            &["cost", "--json"],
            &["replay", "--json"],
        ] {
            let of = |at: &str| {
                let words = [&look[..1], &[at], &look[1..]].concat();
                good(&oikos(words))
            };
            let (of_file, of_postgres) = (of(file), of(&url));
            // Batches and snapshots differ by how long they took.
            if look[0] == "verify" {
                let end = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
                assert_eq!(end(&of_file), end(&of_postgres), "{world}");
            } else {
                assert_eq!(of_file, of_postgres, "{world}: {look:?}");
            }
        }
        for (at, name) in [(file, "a"), (url.as_str(), "b")] {
            let out = folder.path().join(format!("{world}-{name}"));
            good(&oikos(["export", at, "--format", "csv", "--out", out.to_str().expect("UTF-8")]));
        }
        for table in std::fs::read_dir(folder.path().join(format!("{world}-a"))).expect("tables") {
            let name = table.expect("a table").file_name();
            let of = |which: &str| std::fs::read(folder.path().join(format!("{world}-{which}")).join(&name));
            assert_eq!(of("a").expect("a table"), of("b").expect("a table"), "{world}: {name:?}");
        }
    }
    assert_eq!(base.count("SELECT count(*) FROM worlds"), 5);
}

#[test]
fn a_copy_has_the_rows_of_the_world_that_it_was_made_of() {
    let mut base = Base::new("copies");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (file, back, url) = (path("a.oikos"), path("b.oikos"), base.world("a"));
    let ran = run_at(&example("salon"), &file, &[]);
    for (from, to) in [(&file, &url), (&url, &back), (&back, &base.world("b"))] {
        let made = report(&oikos(["copy", from, to, "--json"]));
        assert_eq!(made["journal_hash"], ran["journal_hash"]);
        assert_eq!(hashes(&report(&oikos(["verify", to, "--json"]))), hashes(&ran));
        refused(&oikos(["copy", from, to]), 3, &["there already"]);
    }
    let rows = |at: &str, table: &str| {
        let db = rusqlite::Connection::open(at).expect("a file");
        let sql = format!("SELECT count(*) FROM {table}");
        db.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a table")
    };
    for table in ["journal", "snapshots", "pieces", "tape", "series", "agent_series"] {
        let both = base.count(&format!("SELECT count(*) FROM {table}"));
        assert_eq!((rows(&file, table), 2 * rows(&file, table)), (rows(&back, table), both), "{table}");
    }
    // A copy goes on as the world does.
    let (file, url) = (path("c.oikos"), base.world("c"));
    run_at(&example("bazaar"), &file, &["--set", "execution.ticks=10"]);
    good(&oikos(["copy", &file, &url]));
    let more = ["--set", "execution.ticks=20"];
    assert_eq!(
        hashes(&run_at(&example("bazaar"), &url, &more)),
        hashes(&run_at(&example("bazaar"), &file, &more))
    );
    assert_eq!(base.count("SELECT count(*) FROM worlds WHERE world LIKE '%+%'"), 0);
}

#[test]
fn a_fork_stands_beside_its_parent_and_fresh_moves_the_old_world_aside() {
    let mut base = Base::new("forks");
    let small = Small::new();
    let (url, fork) = (base.world("small"), base.world("other"));
    let ran = run_at(&small.file(), &url, &[]);
    let made = report(&oikos(["fork", &url, "--at", "tick:5", "--to", &fork, "--json"]));
    assert_eq!(made["world"], fork.as_str());
    assert_eq!(hashes(&report(&oikos(["run", &fork, "--json"]))), hashes(&ran), "an unchanged fork");
    refused(&oikos(["fork", &url, "--at", "tick:5", "--to", &fork]), 2, &["already"]);
    let compared = report(&oikos(["compare", &url, &fork, "--json"]));
    assert_eq!((&compared["parted"], &compared["diverged"]), (&Value::Null, &Value::Null), "{compared}");
    run_at(&small.file(), &url, &["--fresh", "--seed", "9"]);
    assert_eq!(hashes(&report(&oikos(["verify", &base.world("small.1"), "--json"]))), hashes(&ran));
    let listed = report(&oikos(["pg", "list", &base.url, "--json"]));
    let names: Vec<&str> =
        listed.as_array().expect("a list").iter().filter_map(|row| row["world"].as_str()).collect();
    assert_eq!(names, ["other", "small", "small.1"]);
    assert_eq!(base.count("SELECT count(*) FROM worlds WHERE writer IS NOT NULL"), 0);
}

#[test]
fn what_is_wrong_with_a_database_is_said() {
    let mut base = Base::bare("wrong");
    let small = Small::new();
    let url = base.world("w");
    let run = |db: &str| oikos(["run", &small.file(), "--db", db]);
    refused(&run(&url), 3, &["no tables for worlds yet", "oikos pg init"]);
    good(&oikos(["pg", "init", &base.url]));
    assert!(good(&oikos(["pg", "init", &base.url])).contains("already"));
    refused(&oikos(["inspect", &url]), 2, &["there is no world database"]);
    for (address, part) in [
        (base.url.clone(), "world=NAME"),
        (format!("{}?world=a/b", base.url), "can't be the name of a world"),
        (format!("{}?world=", base.url), "can't be the name of a world"),
        (format!("{}?world=a&world=b", base.url), "it has `world` twice"),
        (format!("{}?wrld=x", base.url), "an unknown word `wrld`; did you mean `world`?"),
        (format!("{}?world=x&sslmod=disable", base.url), "did you mean `sslmode`?"),
        (base.world("w").replace("oikos@", "oikos:secret@"), "holds no password"),
        (base.world("w").replace("oikos@", ""), "must name a user"),
        ("postgres://?world=w".into(), "names no server"),
        (format!("{}?world=w&port=many", base.url), "no address of PostgreSQL"),
    ] {
        refused(&run(&address), 2, &[part]);
    }
    let mut wrong = Command::new(COMMAND);
    wrong.args(["inspect", &url]).env("PGPASSWORD", "another");
    let wrong = wrong.output().expect("the binary runs");
    refused(&wrong, 3, &["password authentication failed", "~/.pgpass"]);
    assert!(!talk(&wrong).contains("another"), "a password is shown to nobody");
    refused(&run(&url.replace("wrong", "nowhere")), 3, &["does not exist"]);
    refused(&run("postgres://oikos@127.0.0.1:1/x?world=w"), 3, &["no server listens there"]);
    for (change, part) in [
        ("ALTER DATABASE wrong SET synchronous_commit = off", "`synchronous_commit` is off"),
        ("ALTER DATABASE wrong SET default_transaction_read_only = on", "read-only"),
    ] {
        base.client.batch_execute(change).expect("a setting");
        refused(&run(&url), 3, &[part]);
        base.client.batch_execute("ALTER DATABASE wrong RESET ALL").expect("a setting");
        base.client.batch_execute("SET default_transaction_read_only = off").expect("a setting");
    }
    base.client
        .batch_execute(
            "CREATE ROLE poor LOGIN PASSWORD 'p'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO poor",
        )
        .expect("a role");
    run_at(&small.file(), &url, &[]);
    let as_poor = |words: &[&str]| {
        let mut command = Command::new(COMMAND);
        command.args(words).env("PGPASSWORD", "p").output().expect("the binary runs")
    };
    let poor = url.replace("oikos@", "poor@");
    good(&as_poor(&["verify", &poor]));
    let more = ["run", &small.file(), "--db", &poor, "--set", "execution.ticks=45"];
    refused(&as_poor(&more), 3, &["permission denied", "GRANT"]);
    let grants = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO poor;
                  GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO poor";
    base.client.batch_execute(grants).expect("they are granted");
    good(&as_poor(&more));
    good(&as_poor(&["verify", &poor]));
    // Tables of the version before are brought up by their owner.
    let version = "SELECT max(version)::BIGINT FROM refinery_schema_history";
    let last = base.count(version);
    let before = format!(
        "DROP TABLE houses; ALTER TABLE worlds DROP COLUMN holder, DROP COLUMN stands, DROP COLUMN stands_epoch, \
         DROP COLUMN speed, DROP COLUMN due; DELETE FROM refinery_schema_history WHERE version = {last}"
    );
    base.client.batch_execute(&before).expect("a version");
    let found = base.count(version);
    refused(&run(&url), 3, &[&format!("version {found}, and this is {last}"), "oikos pg init"]);
    assert!(good(&oikos(["pg", "init", &base.url])).contains(&format!("version {last}")));
    good(&oikos(["verify", &url]));
    base.client
        .batch_execute(&format!("UPDATE refinery_schema_history SET version = 99 WHERE version = {last}"))
        .expect("a version");
    refused(&run(&url), 3, &["version 99", "later version of oikos"]);
    refused(&oikos(["pg", "init", &base.url]), 3, &["version 99"]);
}

#[test]
fn damage_in_the_tables_is_found() {
    let mut base = Base::new("damage");
    let small = Small::new();
    let url = base.world("w");
    run_at(&small.file(), &url, &[]);
    for (change, part) in [
        (
            "UPDATE journal SET body = set_byte(body, 40, get_byte(body, 40) # 1) WHERE seq_first = 1",
            "corrupt",
        ),
        (
            "UPDATE journal SET prev_hash = '\\x00' WHERE seq_first = (SELECT max(seq_first) FROM journal)",
            "length",
        ),
        ("UPDATE journal SET count = -1 WHERE seq_first = 1", "negative"),
        ("UPDATE worlds SET head = '\\x00'", "malformed"),
        ("UPDATE worlds SET format = 99", "format 99"),
        ("DELETE FROM journal WHERE seq_first = 1", "missing"),
    ] {
        base.client.batch_execute("CREATE SCHEMA IF NOT EXISTS kept").expect("a schema");
        let tables = ["worlds", "journal", "snapshots", "pieces"];
        for table in tables {
            base.client
                .batch_execute(&format!("CREATE TABLE kept.{table} AS TABLE {table}"))
                .expect("a copy");
        }
        base.client.batch_execute(change).expect("a change");
        let found = oikos(["verify", &url]);
        let told = format!("{}{}", talk(&found), String::from_utf8_lossy(&found.stdout));
        // A world of another format may be whole.
        let code = if part == "format 99" { 3 } else { 1 };
        assert!(found.status.code() == Some(code) && told.contains(part), "{change}: {told}");
        base.client.batch_execute("SET session_replication_role = replica").expect("a setting");
        for table in tables {
            let back = format!(
                "DELETE FROM {table}; INSERT INTO {table} TABLE kept.{table}; DROP TABLE kept.{table}"
            );
            base.client.batch_execute(&back).expect("it is as it was");
        }
        base.client.batch_execute("SET session_replication_role = DEFAULT").expect("a setting");
    }
    good(&oikos(["verify", &url]));
}

#[test]
fn one_writes_and_a_killed_one_is_followed_at_once() {
    let mut base = Base::new("kills");
    let small = Small::new();
    let whole = small.run("whole.oikos", &[]);
    let url = base.world("w");
    let last = i64::try_from(whole["seq"].as_u64().expect("a number")).expect("a number");
    for enough in [1, last / 4, last / 2, last - 2] {
        let mut writer = start(&small, &url, &[]);
        base.wait(&mut writer, "w", enough);
        if writer.try_wait().expect("a child").is_none() {
            signal_to(&writer, "STOP");
            refused(&oikos(["run", &small.file(), "--db", &url]), 3, &["another process is writing"]);
            signal_to(&writer, "CONT");
        }
        writer.kill().expect("it is killed");
        writer.wait().expect("it ends");
        base.wait_for_nobody();
    }
    // One that stands still in the midst of a commit is not waited for.
    base.client.batch_execute("BEGIN; SELECT 1 FROM worlds WHERE world = 'w' FOR SHARE").expect("a row");
    refused(&oikos(["run", &small.file(), "--db", &url]), 3, &["another process is writing"]);
    base.client.batch_execute("ROLLBACK").expect("it ends");
    assert_eq!(hashes(&run_at(&small.file(), &url, &[])), hashes(&whole));
    good(&oikos(["verify", &url]));
}

#[test]
fn a_writer_whose_epoch_has_passed_appends_nothing() {
    let mut base = Base::new("fenced");
    let small = Small::new();
    let whole = small.run("whole.oikos", &[]);
    let url = base.world("w");
    let mut first = start(&small, &url, &[]);
    base.wait(&mut first, "w", 1);
    signal_to(&first, "STOP");
    // As a server does that hears nothing of a machine any more.
    base.client
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'oikos' AND datname = current_database()",
        )
        .expect("it is cut off");
    base.wait_for_nobody();
    assert_eq!(hashes(&run_at(&small.file(), &url, &[])), hashes(&whole), "the second writer goes on");
    let after = base.count("SELECT max(head_seq) FROM worlds");
    signal_to(&first, "CONT");
    let ended = first.wait_with_output().expect("it ends");
    // One that had its last batch in its pipe before it was stopped may have been done.
    if !ended.status.success() {
        refused(&ended, 3, &["taken over by another writer", "nothing after record"]);
    }
    assert_eq!(base.count("SELECT max(head_seq) FROM worlds"), after);
    good(&oikos(["verify", &url]));
}

#[test]
fn a_world_is_served_and_what_was_acknowledged_outlives_a_kill() {
    let mut base = Base::new("served");
    let url = base.world("w");
    let world = "[world]\nname = \"w\"\n[execution]\nticks = 1000\n[[agents]]\nid = \"alice\"\nscrip = 50\n\
                 code = \"def step(observation): return {'op': 'noop'}\"\n[[agents]]\nid = \"bob\"\n\
                 code = \"def step(observation): return {'op': 'noop'}\"\n";
    let served = serve_at(world, &url, &["--paused"]);
    let alice = served.token(&["--as", "alice"]);
    let operator = served.token(&["--operator"]);
    let mut feed = served.feed(&served.observer, "/api/v1/events?since=0&type=transfer", None);
    let pay = |at: u64| {
        let answer = served.post(&alice, "/api/v1/act", r#"{"op": "transfer", "to": "bob", "amount": 1}"#);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.json()["ok"], true, "{at}: {}", answer.body);
        answer.json()["seq"].as_i64().expect("a record")
    };
    let last = (1..=5).fold(0, |_, at| pay(at));
    for _ in 1..=5 {
        assert_eq!(feed.next().1["type"], "transfer");
    }
    let named =
        ["another process is writing", "127.0.0.1, backend ", &format!("at http://{}", served.address)];
    refused(&oikos(["act", &url, "--as", "bob", r#"{"op": "noop"}"#]), 3, &named);
    // A client of another folder finds the door by the database.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut client = Command::new(COMMAND);
    client.current_dir(elsewhere.path()).args(["mcp", &url, "--token", &alice]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary runs");
    let hello = serde_json::json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" },
        },
    });
    let mut lines = client.stdin.take().expect("its input");
    std::io::Write::write_all(&mut lines, format!("{hello}\n").as_bytes()).expect("it reads");
    let mut answer = String::new();
    let mut output = std::io::BufReader::new(client.stdout.take().expect("its output"));
    std::io::BufRead::read_line(&mut output, &mut answer).expect("it answers");
    assert!(answer.contains("\"protocolVersion\""), "{answer}");
    drop(lines);
    client.wait().expect("it ends");
    for page in ["/", "/agents/alice", "/ledger", "/market", "/?at=1", "/events"] {
        assert_eq!(served.get(&served.observer, page).status, 200, "{page}");
    }
    let forked = served.post(&operator, "/api/v1/fork", r#"{"at": "1", "to": "other"}"#);
    assert_eq!((forked.status, &forked.json()["world"]), (201, &"other".into()), "{}", forked.body);
    drop(served.kill());
    base.wait_for_nobody();
    assert!(base.count("SELECT head_seq FROM worlds WHERE world = 'w'") >= last);
    let held = report(&oikos(["inspect", &url, "balances", "--json"]));
    let of = |id: &str| {
        held.as_array().expect("rows").iter().find(|row| row["id"] == id).expect("a row")["scrip"].as_i64()
    };
    assert_eq!((of("alice"), of("bob")), (Some(45), Some(5)));
    for name in ["w", "other"] {
        good(&oikos(["verify", &base.world(name)]));
    }
}

#[test]
fn a_server_that_is_killed_and_comes_back_loses_nothing() {
    let _alone = SERVER.write().unwrap_or_else(PoisonError::into_inner);
    let mut base = Base::made("restarted", None);
    good(&oikos(["pg", "init", &base.url]));
    let small = Small::new();
    let whole = small.run("whole.oikos", &[]);
    let url = base.world("w");
    let last = i64::try_from(whole["seq"].as_u64().expect("a number")).expect("a number");
    let mut writer = start(&small, &url, &[]);
    base.wait(&mut writer, "w", last / 3);
    let control = std::env::var("OIKOS_POSTGRES_CONTROL").expect(WHY);
    let restart = format!("{control} restart -m immediate >/dev/null");
    assert!(Command::new("sh").args(["-c", &restart]).status().expect("a shell").success());
    let ended = writer.wait_with_output().expect("it ends");
    assert_eq!(hashes(&report(&ended)), hashes(&whole));
    good(&oikos(["verify", &url]));
}

#[test]
fn a_follower_shows_what_the_writer_does() {
    let base = Base::new("followed");
    let url = base.world("w");
    shows(serve_at(SHOP, &url, &["--paused"]));
}

#[test]
fn a_standby_takes_over_and_nothing_is_lost_or_done_twice() {
    let mut base = Base::new("standby");
    let url = base.world("w");
    let (writer, _folder) =
        takes_over(serve_at(SHOP, &url, &["--paused", "--url", "http://first.example"]), 3);
    let listed = good(&oikos(["pg", "list", &base.url]));
    assert!(listed.contains(&writer.address) && !listed.contains("first.example"), "{listed}");
    // An address, which people copy, stays whole, however wide the table is.
    let long = format!("http://{}.example:7777", "a-machine.of-a-department.".repeat(2));
    base.client
        .execute("UPDATE worlds SET served_at = $1, world = repeat('w', 70)", &[&long])
        .expect("a world");
    let listed = good(&oikos(["pg", "list", &base.url]));
    assert!(listed.contains(&long), "{listed}");
    base.client.execute("UPDATE worlds SET world = 'w'", &[]).expect("a world");
    drop(writer);
    base.wait_for_nobody();
    assert!(!good(&oikos(["pg", "list", &base.url])).contains("http"), "nobody serves it");
    good(&oikos(["verify", &url]));
}

#[test]
fn a_copy_of_the_server_can_be_read_and_a_dump_of_it_restored() {
    let base = Base::new("copied");
    let small = Small::new();
    let url = base.world("w");
    let whole = run_at(&small.file(), &url, &[]);
    let copying = std::env::var("OIKOS_POSTGRES_COPYING").expect(WHY);
    let copied = Command::new("sh").args(["-c", &copying]).stdout(Stdio::null()).status().expect("a shell");
    assert!(copied.success());
    let copy = format!("{}copied?world=w", std::env::var("OIKOS_POSTGRES_COPY").expect(WHY));
    good(&oikos(["verify", &copy]));
    assert_eq!(good(&oikos(["log", &copy, "--json"])), good(&oikos(["log", &url, "--json"])));
    refused(
        &oikos(["run", &small.file(), "--db", &copy, "--set", "execution.ticks=99"]),
        3,
        &["it is a standby, which can only be read"],
    );
    // It is dumped and restored by the server's own programs.
    let programs = std::path::PathBuf::from(std::env::var("OIKOS_POSTGRES_PROGRAMS").expect(WHY));
    let folder = tempfile::tempdir().expect("a folder");
    let dump = folder.path().join("worlds.dump");
    let program = |name: &str, database: &str| {
        let mut command = Command::new(programs.join(name));
        command.args(["-d", &format!("{}{database}", server())]);
        command
    };
    assert!(program("pg_dump", "copied").args(["-Fc", "-f"]).arg(&dump).status().expect("it runs").success());
    let restored = Base::bare("restored");
    let restore = program("pg_restore", "restored").arg(&dump).status();
    assert!(restore.expect("it runs").success());
    let back = restored.world("w");
    good(&oikos(["verify", &back]));
    let more = run_at(&small.file(), &back, &["--set", "execution.ticks=45"]);
    assert!(more["seq"].as_u64() > whole["seq"].as_u64());
}

#[test]
fn one_that_stands_by_and_may_not_take_over_says_so() {
    let mut base = Base::new("unable");
    let url = base.world("w");
    let writer = serve_at(SHOP, &url, &["--paused"]);
    let grant =
        "CREATE ROLE unable LOGIN PASSWORD 'p'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO unable";
    base.client.batch_execute(grant).expect("a role");
    let folder = tempfile::tempdir().expect("a folder");
    let said = folder.path().join("said");
    let mut standby = Command::new(COMMAND);
    standby.current_dir(folder.path()).env("PGPASSWORD", "p").stdout(Stdio::null());
    standby.stderr(std::fs::File::create(&said).expect("a file"));
    standby.args(["serve", &url.replace("oikos@", "unable@"), "--standby", "--listen", "127.0.0.1:0"]);
    let mut standby = standby.spawn().expect("the binary runs");
    let begun = Instant::now();
    let tells = |part: &str, times: usize| loop {
        let told = std::fs::read_to_string(&said).expect("text");
        if told.matches(part).count() >= times {
            break told;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{part:?} is not in {told}");
        std::thread::sleep(Duration::from_millis(20));
    };
    tells("thinks for no agent", 1);
    // A problem is told once, and its end too.
    base.client.batch_execute("REVOKE SELECT ON worlds FROM unable").expect("it is revoked");
    tells("can't be read: permission denied", 1);
    base.client.batch_execute("GRANT SELECT ON worlds TO unable").expect("it is granted");
    tells("that is over: ", 1);
    let (_, _folder) = writer.kill();
    let told = tells("can't be written: permission denied", 2);
    assert!(told.contains("GRANT") && told.contains("tried again"), "{told}");
    assert!(standby.try_wait().expect("a child").is_none(), "it goes on following");
    let grants = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO unable;
                  GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO unable";
    base.client.batch_execute(grants).expect("they are granted");
    tells("w is written here now, from record ", 1);
    signal_to(&standby, "INT");
    standby.wait().expect("it ends");
    // Once of each: it can't read, it can't take over, and it thinks for nobody.
    let told = std::fs::read_to_string(&said).expect("text");
    let (thinks, takes): (Vec<&str>, Vec<&str>) = told
        .lines()
        .filter(|line| line.contains("permission denied"))
        .partition(|line| line.contains("thinks for no agent"));
    assert_eq!((thinks.len(), takes.len()), (1, 2), "{told}");
    assert_eq!(told.matches("that is over: ").count(), 1, "{told}");
}

#[test]
fn a_world_that_is_dropped_goes_whole_and_alone() {
    dropped::goes_whole(&mut Base::new("dropped"));
}

#[test]
fn a_world_that_is_written_is_not_dropped_and_its_followers_learn_when_it_is() {
    dropped::is_left_to_its_writer(&mut Base::new("kept"));
}

#[test]
fn a_process_of_many_worlds_forgets_one_that_is_dropped() {
    dropped::is_forgotten_by_houses(&mut Base::new("forgotten"));
}

#[test]
fn a_copy_that_is_ended_leaves_nothing() {
    dropped::leaves_no_half_of_a_copy(&mut Base::new("halves"));
}

#[test]
fn one_process_serves_all_worlds() {
    houses::has_all(&mut Base::new("housed"));
}

#[test]
fn processes_share_worlds_and_take_those_of_one_that_is_killed() {
    houses::shares(&mut Base::new("shared"));
}

#[test]
fn tokens_of_all_worlds_are_good_at_every_process_until_they_are_revoked() {
    houses::last(&Base::new("lasting"));
}

#[test]
fn people_are_told_on_pages_of_what_is_elsewhere_or_is_not() {
    houses::tell(&mut Base::new("telling"));
}

#[test]
fn what_goes_with_all_worlds_is_said() {
    houses::refuses(&Base::new("strange"));
}
