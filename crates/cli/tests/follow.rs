//! Worlds that are followed by other processes, and taken over when their writer has gone.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod following;
mod served;

use self::{
    following::{shows, takes_over},
    served::{SHOP, oikos, serve, transfer},
};

#[test]
fn a_follower_shows_what_the_writer_does() {
    shows(serve(SHOP, &["--paused"]));
}

#[test]
fn a_standby_takes_over_and_nothing_is_lost_or_done_twice() {
    let (writer, folder) = takes_over(serve(SHOP, &["--paused"]), 3);
    let db = writer.db.clone();
    // It is the writer now, as any other: it can be run to its end.
    let operator = writer.beside_token(folder.path(), &["--operator"]);
    assert_eq!(writer.post(&operator, "/api/v1/run", "{}").status, 200);
    drop(writer);
    let verified = oikos().arg("verify").arg(&db).output().expect("the binary runs");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn a_world_that_has_been_replaced_is_not_followed() {
    let writer = serve(SHOP, &["--paused"]);
    let alice = writer.token(&["--as", "alice"]);
    assert_eq!(writer.post(&alice, "/api/v1/act", &transfer(1)).status, 200);
    let mut standby = writer.beside(&["--standby"]);
    let db = writer.db.clone();
    let file = db.with_file_name("w.toml");
    let (_, _folder) = {
        // It must not take over before the other world is there.
        let id = standby.child.id().to_string();
        let signal = |name: &str| {
            let sent = std::process::Command::new("kill").args([&format!("-{name}"), &id]).status();
            assert!(sent.expect("kill runs").success());
        };
        signal("STOP");
        let killed = writer.kill();
        let fresh =
            oikos().arg("run").arg(&file).arg("--db").arg(&db).arg("--fresh").output().expect("it runs");
        assert!(fresh.status.success(), "{}", String::from_utf8_lossy(&fresh.stderr));
        signal("CONT");
        killed
    };
    let ended = standby.child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(3));
    let talk = standby.talk();
    assert!(talk.contains("another world has its name now"), "{talk}");
}

#[test]
fn what_can_not_be_followed_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("w.toml");
    std::fs::write(&file, SHOP).expect("a file");
    let db = folder.path().join("w.oikos");
    let refused = |args: &[&str], code: i32, words: &str| {
        let mut serve = oikos();
        let told =
            serve.current_dir(folder.path()).arg("serve").args(args).output().expect("the binary runs");
        let talk = String::from_utf8_lossy(&told.stderr).into_owned();
        assert_eq!(told.status.code(), Some(code), "{args:?}: {talk}");
        assert!(talk.contains(words), "{args:?}: {talk}");
    };
    refused(&["w.toml", "--follow"], 2, "go with a world database");
    refused(&["w.toml", "--standby"], 2, "go with a world database");
    refused(&["w.oikos", "--follow"], 3, "there is no world database");
    refused(&["w.oikos", "--follow", "--standby"], 2, "cannot be used with");
    refused(&["w.oikos", "--follow", "--paused"], 2, "cannot be used with");
    refused(&["w.oikos", "--standby", "--seed", "1"], 2, "cannot be used with");
    refused(&["w.toml", "--url", "shop.example"], 2, "https://world.example");
    refused(&["w.toml", "--url", "http://a b"], 2, "https://world.example");
    assert!(!db.exists());
}
