//! Encrypted connections to a server that gets one certificate after another. Those of `tests/certificates` are good
//! until 2120, but for the one that is not.

use std::path::Path;

use postgres::Client;

use super::*;

const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates/");

/// Writes a file into the server's folder, which only the server may read.
fn give(client: &mut Client, name: &str, text: &str) {
    let sql = format!(
        "COPY (SELECT regexp_split_to_table($text${text}$text$, E'\n'))
         TO PROGRAM 'cat > oikos.{name} && chmod 600 oikos.{name}'"
    );
    client.batch_execute(&sql).expect("a file of the server");
}

fn certificate(name: &str) -> String {
    std::fs::read_to_string(Path::new(CERTIFICATES).join(name)).expect("a certificate")
}

/// Has the server show a certificate to those who come from now on.
fn shows_certificate(client: &mut Client, name: &str) {
    give(client, name, &certificate(name));
    for change in [
        &format!("ALTER SYSTEM SET ssl_cert_file = 'oikos.{name}'"),
        "ALTER SYSTEM SET ssl_key_file = 'oikos.server.key'",
        "ALTER SYSTEM SET ssl = on",
        "SELECT pg_reload_conf()",
    ] {
        client.batch_execute(change).expect("a setting");
    }
    let begun = Instant::now();
    let file = |client: &mut Client| {
        client.query_one("SHOW ssl_cert_file", &[]).expect("a setting").get::<_, String>(0)
    };
    while file(&mut super::client(&format!("{}postgres", server()))) != format!("oikos.{name}") {
        assert!(begun.elapsed() < Duration::from_secs(60), "the server shows no other certificate");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An address with more behind it, and the authority's certificate or another where `ROOT` and `OWN` stand.
fn with(url: &str, words: &str) -> String {
    let of = |name: &str| format!("{CERTIFICATES}{name}").replace('/', "%2F");
    let words = words.replace("ROOT", &of("authority.crt")).replace("OWN", &of("own.crt"));
    if words.is_empty() { url.to_owned() } else { format!("{url}&{words}") }
}

#[test]
fn a_connection_is_encrypted_as_far_as_sslmode_says() {
    let _alone = SERVER.write().unwrap_or_else(PoisonError::into_inner);
    let mut base = Base::made("encrypted", None);
    good(&oikos(["pg", "init", &base.url]));
    let small = Small::new();
    let url = base.world("w");
    run_at(&small.file(), &url, &[]);
    for mode in ["require", "verify-ca", "verify-full"] {
        let words = ["inspect", &with(&url, &format!("sslmode={mode}"))];
        refused(&oikos(words), 3, &["offers no encryption", "sslmode=prefer"]);
    }
    give(&mut base.client, "server.key", &certificate("server.key"));
    let (unknown, name) = ("signed by nobody who is trusted", "is for db.example, and not for `127.0.0.1`");
    for (shown, cases) in [
        (
            "here.crt",
            &[
                ("sslmode=verify-full&sslrootcert=ROOT", None),
                ("sslmode=verify-ca", Some(unknown)),
                ("sslrootcert=system", Some(unknown)),
                ("sslmode=require", None),
                ("sslmode=require&sslrootcert=OWN", Some(unknown)),
                ("", None),
            ][..],
        ),
        (
            "there.crt",
            &[
                ("sslmode=verify-full&sslrootcert=ROOT", Some(name)),
                ("sslmode=verify-ca&sslrootcert=ROOT", None),
            ],
        ),
        (
            "expired.crt",
            &[("sslmode=verify-ca&sslrootcert=ROOT", Some("has expired")), ("sslmode=require", None)],
        ),
        (
            "own.crt",
            &[
                ("sslmode=verify-full&sslrootcert=OWN", None),
                ("sslmode=verify-full&sslrootcert=ROOT", Some("is that of an authority")),
            ],
        ),
    ] {
        shows_certificate(&mut base.client, shown);
        for (words, problem) in cases {
            let at = with(&url, words);
            match problem {
                Some(problem) => refused(&oikos(["inspect", &at]), 3, &[problem]),
                None => assert_eq!(is_encrypted(&mut base, &at, &[]), Some(true), "{shown}: {words}"),
            }
        }
    }
    assert_eq!(is_encrypted(&mut base, &with(&url, "sslmode=disable"), &[]), Some(false));
    // Variables say what an address does not say.
    let own = format!("{CERTIFICATES}own.crt");
    let more = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", own.as_str())];
    assert_eq!(is_encrypted(&mut base, &url, &more), Some(true));
    let said = |words: &str, variables: &[(&str, &str)]| {
        let mut command = Command::new(COMMAND);
        command.args(["inspect", &with(&url, words)]).envs(variables.iter().copied());
        command.output().expect("the binary runs")
    };
    for (words, variables, code, problem) in [
        ("", &[("PGSSLMODE", "verify-full")][..], 3, "is that of an authority"),
        ("", &[("PGSSLMODE", "maybe")], 2, "the variable PGSSLMODE: `sslmode` is one of disable, prefer"),
        (
            "sslmode=require",
            &[("PGSSLROOTCERT", "system")],
            2,
            "by PGSSLROOTCERT: `sslrootcert=system` goes with",
        ),
        ("sslmode=verify-ca", &[("PGSSLROOTCERT", "no.crt")], 3, "`no.crt` (PGSSLROOTCERT) can't be read"),
        ("sslmode=verify-ca&sslrootcert=nowhere.crt", &[], 3, "`nowhere.crt` (sslrootcert) can't be read"),
        ("sslmode=verify-ca&sslrootcert=.", &[], 3, "can't be read"),
        ("sslmode=verify-ca&sslrootcert=%2Fdev%2Fnull", &[], 3, "BEGIN CERTIFICATE"),
        ("sslmode=most", &[], 2, "and not `most`"),
    ] {
        refused(&said(words, variables), code, &[problem]);
    }
    shows_none(&mut base.client);
}

/// Has the server be as it was.
fn shows_none(client: &mut Client) {
    for setting in ["ssl", "ssl_cert_file", "ssl_key_file"] {
        client.batch_execute(&format!("ALTER SYSTEM RESET {setting}")).expect("a setting");
    }
    client.batch_execute("SELECT pg_reload_conf()").expect("it is as it was");
}

/// Whether the server has the connections of a writer encrypted; `None` where some are and some are not.
fn is_encrypted(base: &mut Base, at: &str, variables: &[(&str, &str)]) -> Option<bool> {
    base.wait_for_nobody();
    let mut writer = Command::new(COMMAND);
    writer.args(["session", at]).envs(variables.iter().copied());
    let mut writer = writer.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut lines = writer.stdin.take().expect("its input");
    std::io::Write::write_all(&mut lines, b"{\"id\": 1, \"hello\": {}}\n").expect("it reads");
    let mut answer = String::new();
    let mut output = std::io::BufReader::new(writer.stdout.take().expect("its output"));
    std::io::BufRead::read_line(&mut output, &mut answer).expect("it answers");
    let sql = "SELECT bool_and(s.ssl), bool_or(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
               WHERE a.application_name = 'oikos' AND a.datname = current_database()";
    let row = base.client.query_one(sql, &[]).expect("an answer");
    let (all, some): (Option<bool>, Option<bool>) = (row.get(0), row.get(1));
    drop(lines);
    let ended = writer.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", talk(&ended));
    all.filter(|_| all == some)
}
