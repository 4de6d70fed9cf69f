//! As `shards.rs`, of so many that it takes long: `cargo xtask scale thoughts` runs these.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it has seen"
)]

mod base;
mod given;
mod provider;
mod served;
mod small;

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use self::{base::*, given::*, served::Served, small::*};

#[test]
fn a_thousand_models_are_asked_by_followers_and_the_tape_is_whole() {
    asked_elsewhere("thousand", 1_000, 60);
}

/// Every example world with no, one and three followers, one of which is killed and begun again all the time.
#[test]
fn every_example_world_is_the_same_with_any_number_of_followers() {
    let mut base = Base::new("every");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../worlds");
    let mut files: Vec<_> = ["", "science"]
        .iter()
        .flat_map(|part| std::fs::read_dir(folder.join(part)).expect("a folder").flatten())
        .map(|entry| entry.path())
        // Those of sweeps are no worlds.
        .filter(|path| {
            path.to_str().is_some_and(|path| path.ends_with(".toml") && !path.ends_with(".sweep.toml"))
        })
        .collect();
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let (name, file) = (
            file.file_stem().expect("a name").to_str().expect("UTF-8").to_owned(),
            file.to_str().expect("UTF-8"),
        );
        let text = std::fs::read_to_string(file).expect("a file");
        if text.contains("local::smollm2") {
            // Its model is not there: models have a test of their own.
            continue;
        }
        let is_autonomous = text.lines().any(|line| line.replace(' ', "") == "mode=\"autonomous\"");
        let short = if is_autonomous { "execution.duration=1ms" } else { "execution.ticks=0" };
        let in_file = {
            let at = tempfile::tempdir().expect("a folder");
            hashes(&run(file, &at.path().join("w.oikos"), &[]))
        };
        for count in [0, 1, 3] {
            let db = begun(&base, &format!("{name}_{count}"), file, short);
            let mut followers: Vec<Served> = (0..count).map(|_| follow(&db)).collect();
            let mut command = Command::new(COMMAND);
            command.args(["run", file, "--json", "--db", &db]).args(GIVES);
            let mut writer =
                command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary runs");
            let (mut kills, mut had) = (0_u32, 0);
            while writer.try_wait().expect("a child").is_none() {
                std::thread::sleep(Duration::from_millis(200 + 97 * u64::from(kills % 7)));
                if count == 3 {
                    had += thoughts(&followers[0]);
                    drop(followers.remove(0).kill());
                    followers.push(follow(&db));
                    kills += 1;
                }
            }
            had += followers.iter().map(thoughts).sum::<u64>();
            let report = report(&writer.wait_with_output().expect("it ends"));
            assert_eq!(hashes(&report), in_file, "{name} with {count}");
            println!(
                "{name} with {count} followers, {kills} of them killed: the same; they had {had} thoughts"
            );
            drop(followers);
        }
    }
    base.wait_for_nobody();
}
