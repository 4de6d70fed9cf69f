//! Worker processes: the same world with and without them, however often they are ended; none of them is left over,
//! and none of them can do anything but run code.

#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod small;

use std::{
    fs,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use oikos_runner::{
    Journal, Live, RunError, Worker, Workplace,
    config::{Isolation, Overrides, load},
    kernel::{receipt::Receipt, record::Cause, refusal::Code},
    library,
};
use serde_json::{Value, json};

use self::small::*;

/// How long a test waits for what must come; it comes in a small part of that.
const PATIENCE: Duration = Duration::from_secs(120);

const IN_PROCESSES: [&str; 2] = ["--isolation", "process"];

/// Loops of their own, which think a little longer than nothing.
const LOOPS: &str = "[world]\nname = 'small'\nseed = 3\n[execution]\nmode = 'autonomous'\nduration = '20s'\n\
    pace = '300ms'\n[scrip]\nstart = 50\n[[agents]]\nid = 'agent'\ncount = 12\ncode_file = 'mind.py'\n\
    [[artifacts]]\nid = 'counter'\nowner = 'agent_001'\nprice = 1\ncode = '''\ndef run(by):\n\
    \x20   storage_set('n', storage_get('n', 0) + by)\n    return storage_get('n')\n'''\n";

/// Agents that all invoke the first one, by turns.
const DEEP: &str = "[world]\nname = 'small'\nseed = 4\n[execution]\nticks = 4\n\
    [[agents]]\nid = 'agent'\ncount = 12\naccess_contract = 'genesis_contract_freeware'\ncode_file = 'mind.py'\n";

/// Code that calls code that calls code, each going on after it.
const NESTED: &str = "
def step(observation):
    return {'op': 'invoke', 'artifact': 'agent_001', 'method': 'down', 'args': [4], 'max_spend': 0}

def down(depth):
    before = [index * depth for index in range(3000)]
    under = invoke('agent_001', depth - 1, method='down') if depth > 0 else 0
    storage_set('deep', depth)
    return under + sum(before) % 7 + len(query('agents', limit=3))
";

/// The children of a process.
fn children(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("it is mounted").flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        if stat(id).is_some_and(|stat| stat[1] == parent.to_string()) {
            found.push(id);
        }
    }
    found
}

/// State, parent and so on of a process.
fn stat(id: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect())
}

fn kill(signal: &str, target: &str) {
    // It may have ended by itself meanwhile.
    let _ = Command::new("sh")
        .args(["-c", &format!("kill -s {signal} -- {target}")])
        .stderr(Stdio::null())
        .status();
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Workers of a run that has begun.
fn workers(child: &Child) -> Vec<u32> {
    let mut found = Vec::new();
    wait_until("a run in processes has workers", || {
        found = children(child.id());
        !found.is_empty()
    });
    found
}

#[test]
fn a_world_is_the_same_in_any_workplace() {
    for (world, mind) in [(WORLD, MIND), (LOOPS, MIND), (DEEP, NESTED)] {
        let small = Small::of(world, mind);
        let whole = small.run("whole.oikos", &["--isolation", "thread", "--set", "execution.workers=1"]);
        for (isolation, workers) in [("thread", 4), ("process", 1), ("process", 2), ("process", 5)] {
            let (db, workers) =
                (format!("{isolation}_{workers}.oikos"), format!("execution.workers={workers}"));
            let other = small.run(&db, &["--isolation", isolation, "--set", &workers]);
            assert_eq!(whole, other, "{isolation}, {workers}");
            assert!(small.verify(&db).status.success());
        }
    }
}

#[test]
fn code_goes_on_after_the_code_that_it_called() {
    let small = Small::of(DEEP, NESTED);
    small.run("a.oikos", &["--isolation", "process"]);
    let db = small.path("a.oikos");
    let refused = oikos(["log", db.to_str().expect("UTF-8"), "--refused"]);
    assert!(
        refused.status.success() && refused.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&refused.stdout)
    );
}

#[test]
fn a_workplace_is_no_rule_of_a_world() {
    let small = Small::new();
    let whole = small.run("whole.oikos", &[]);
    let ticks = |ticks: u32| format!("execution.ticks={ticks}");
    small.run("a.oikos", &["--set", &ticks(10)]);
    small.run("a.oikos", &["--set", &ticks(20), "--set", "execution.isolation=process"]);
    // The world file itself may say so too.
    small.write(
        "small.toml",
        &WORLD.replace("ticks         = 40", "ticks = 30\nisolation = 'process'\nworkers = 3"),
    );
    small.run("a.oikos", &[]);
    small.write("small.toml", WORLD);
    assert_eq!(whole, small.run("a.oikos", &["--isolation", "thread"]));
    let act = |isolation: &str| {
        let db = small.path("a.oikos");
        let op = r#"{"op": "run", "code": "len(query('agents'))"}"#;
        let output =
            oikos(["act", db.to_str().expect("UTF-8"), "--as", "agent_002", op, "--isolation", isolation]);
        assert!(output.status.success(), "{}", talk(&output));
        let receipt: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        receipt["result"].as_u64().expect("a count")
    };
    assert_eq!((act("thread"), act("process")), (12, 12));
    assert!(small.verify("a.oikos").status.success());
}

#[test]
fn workers_that_are_ended_cost_nothing() {
    for (world, mind, longer) in [
        (WORLD, MIND, "execution.ticks=60"),
        (LOOPS, MIND, "execution.duration=40s"),
        (DEEP, NESTED, "execution.ticks=20"),
    ] {
        let small = Small::of(world, mind);
        let more = ["--isolation", "process", "--set", longer, "--set", "execution.workers=3"];
        let began = Instant::now();
        let whole = small.run("whole.oikos", &more);
        // A busy machine needs longer until a worker is ready.
        let pause = (began.elapsed() / 40).max(Duration::from_millis(50));
        let mut child = small.start("killed.oikos", &more);
        let (mut killed, mut open, mut round) = (0, Vec::new(), 0_usize);
        while child.try_wait().expect("a child").is_none() {
            let found = children(child.id());
            if let Some(victim) = found.get(round % found.len().max(1)) {
                kill("KILL", &victim.to_string());
                killed += 1;
            }
            round += 1;
            // Those that were ended are waited for, and their connections closed.
            assert!(found.len() <= 4, "{found:?}");
            open.extend(fs::read_dir(format!("/proc/{}/fd", child.id())).map(Iterator::count));
            std::thread::sleep(pause);
        }
        let output = child.wait_with_output().expect("a child");
        // Only the world's own bad days are told.
        let said = talk(&output);
        let is_of_world =
            |line: &str| ["warning: code failed", "  = help:"].iter().any(|it| line.starts_with(it));
        assert!(output.status.success() && said.lines().all(is_of_world), "{said}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(whole, report, "after {killed} workers were ended");
        assert!(killed > 5, "the run is too short to show anything: {killed}");
        let most = open.iter().max().expect("it was looked at");
        assert!(*most < 60, "{most} files are open after {killed} workers");
        assert!(small.verify("killed.oikos").status.success());
    }
}

#[test]
fn no_worker_outlives_its_parent() {
    let small = Small::new();
    let more = ["--isolation", "process", "--set", "execution.ticks=100000", "--set", "execution.workers=3"];
    let mut child = small.start("a.oikos", &more);
    small.wait(&mut child, "a.oikos", 200);
    let found = workers(&child);
    child.kill().expect("it is ours");
    child.wait().expect("a child");
    let is_over = |id: &u32| stat(*id).is_none_or(|stat| stat[0] == "Z" || stat[0] == "X");
    wait_until("workers end with their parent", || found.iter().all(is_over));
}

#[test]
fn a_terminal_that_interrupts_all_interrupts_the_parent() {
    let small = Small::new();
    let more = ["--set", "execution.ticks=300"];
    let whole = small.run("whole.oikos", &more);
    let mut command = Command::new(COMMAND);
    command
        .args(["run", &small.file(), "--json", "--db"])
        .arg(small.path("a.oikos"))
        .args(more)
        .args(IN_PROCESSES);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().expect("the binary runs");
    small.wait(&mut child, "a.oikos", 200);
    let found = workers(&child);
    let group = |id: u32| stat(id).map(|stat| stat[2].clone());
    assert!(found.iter().all(|worker| group(*worker) != group(child.id())), "workers are of other groups");
    kill("INT", &format!("-{}", child.id()));
    let output = child.wait_with_output().expect("a child");
    let report: Value = serde_json::from_slice(&output.stdout).expect("it still reports");
    assert_eq!((output.status.code(), &report["finished"]), (Some(130), &Value::Bool(false)));
    assert_eq!(whole, small.run("a.oikos", &more));
}

#[test]
fn from_inside_a_worker_nothing_can_be_reached() {
    let probe = |attempt: &str, layer: Option<&str>| {
        let mut command = Command::new(COMMAND);
        command.args(["worker", "--probe", attempt]);
        command.args(layer.iter().flat_map(|layer| ["--layer", layer]));
        let output = command.stdin(Stdio::null()).output().expect("the binary runs");
        (output.status, talk(&output))
    };
    // The whole wall, and that it is the wall which stops them.
    for attempt in ["nothing", "read", "write", "proc", "socket", "process", "signal"] {
        let (status, talk) = probe(attempt, None);
        let allowed = attempt == "nothing";
        assert_eq!(status.success(), allowed, "{attempt}: {talk}");
        assert!(
            status.signal() == Some(31) || talk.contains(attempt) && !talk.contains("not even"),
            "{attempt}: {talk}"
        );
        let (status, talk) = probe(attempt, Some("dumpable"));
        assert!(status.success(), "{attempt} without the wall: {talk}");
    }
    // Each layer that stops something does so alone, where the system has it.
    for (layer, attempt, words) in [
        ("landlock", "read", "Permission denied"),
        ("landlock", "write", "Permission denied"),
        ("landlock", "proc", "Permission denied"),
        ("landlock", "process", "Permission denied"),
        ("landlock", "signal", "not permitted"),
        ("limits", "read", "Too many open files"),
        ("limits", "write", "Too many open files"),
        ("limits", "proc", "Too many open files"),
        ("limits", "socket", "Too many open files"),
    ] {
        let (status, talk) = probe(attempt, Some(layer));
        assert_eq!(status.code(), Some(1), "{layer}, {attempt}: {talk}");
        assert!(talk.contains(words) || talk.contains("is missing"), "{layer}, {attempt}: {talk}");
    }
    for layer in ["seccomp"] {
        for attempt in ["read", "write", "proc", "socket", "process", "signal"] {
            let (status, talk) = probe(attempt, Some(layer));
            assert!(status.signal() == Some(31) || talk.contains("is missing"), "{attempt}: {talk}");
        }
    }
}

#[test]
fn a_worker_has_nothing_of_its_parents() {
    let small = Small::new();
    // A file that the parent was given open, and words in its environment.
    let script = format!(
        "exec 9</etc/passwd; SECRET=word exec {COMMAND} run {} --db {} --isolation process --set execution.ticks=100000",
        small.file(),
        small.path("a.oikos").display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("a shell");
    small.wait(&mut child, "a.oikos", 200);
    for worker in workers(&child) {
        let about = |what: &str| format!("/proc/{worker}/{what}");
        assert_eq!(fs::read(about("environ")).expect("it is ours"), b"", "it has no environment");
        assert_eq!(fs::read_link(about("cwd")).expect("it is ours"), Path::new("/"));
        let open = fs::read_dir(about("fd")).expect("it is ours").flatten();
        let open: Vec<PathBuf> = open.filter_map(|file| fs::read_link(file.path()).ok()).collect();
        let strange = |file: &&PathBuf| {
            let name = file.to_string_lossy();
            ["socket:", "/dev/null", "/memfd:", ".compiled"].iter().all(|known| !name.contains(known))
        };
        let strange: Vec<&PathBuf> = open.iter().filter(strange).collect();
        assert!(strange.is_empty(), "{strange:?} of {open:?}");
        let status = fs::read_to_string(about("status")).expect("it is ours");
        let says = |key: &str| {
            let line =
                status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{status}"));
            line.trim().to_owned()
        };
        assert_eq!((says("NoNewPrivs:"), says("Seccomp:")), ("1".into(), "2".into()));
    }
    child.kill().expect("it is ours");
    child.wait().expect("a child");
}

/// A world on disk with a small tool, and a workplace whose workers are something else.
fn strange(program: &str, script: &str, build: &str) -> (Small, Workplace) {
    let small = Small::new();
    small.run("a.oikos", &["--set", "execution.ticks=1"]);
    let worker =
        Worker { program: program.into(), arguments: vec!["-c".into(), script.into()], build: build.into() };
    let workplace = Workplace {
        isolation: Some(Isolation::Process),
        workers: Some(1),
        worker: Some(worker),
        cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("python")),
        ..Workplace::default()
    };
    (small, workplace)
}

fn opened(small: &Small, workplace: &Workplace) -> Result<Live, RunError> {
    workplace.open(Journal::open(small.path("a.oikos")).expect("a world"))
}

#[test]
fn a_worker_that_can_not_serve_is_told_of_before_anything_happens() {
    for (program, script, words) in [
        ("/no/such/program", "", "can't be started from `/no/such/program`: No such file"),
        ("/dev/null", "", "can't be started from `/dev/null`: Permission denied"),
        ("/bin/sh", "exit 3", "but it ended before it was ready (exit status: 3)"),
        ("/bin/sh", "kill -SEGV $$", "but it ended before it was ready (signal: 11"),
        ("/bin/sh", "kill -KILL $$", "but somebody ends every one before it is ready"),
        ("/bin/sh", "printf 'hello, world' >&0; exec sleep 5", "but it sent a message"),
        (
            "/bin/sh",
            "printf '\\377\\377\\377\\377' >&0; exec sleep 5",
            "but it sent a message that is too large",
        ),
    ] {
        let (small, workplace) = strange(program, script, "oikos");
        let records = small.records("a.oikos");
        let error = opened(&small, &workplace).expect_err("it can't be opened");
        let told = error.to_string();
        assert!(told.contains(words), "{told}");
        assert!(told.contains("nothing has happened") && told.contains("isolation = \"thread\""), "{told}");
        assert_eq!(small.records("a.oikos"), records);
        // Nor is a world founded.
        let file =
            load(Path::new(&small.file()), &Overrides::default(), library::founders()).expect("a world file");
        let founded = workplace.found(file, || panic!("the journal is begun last"));
        assert!(founded.is_err());
    }
}

#[test]
fn a_worker_of_another_build_is_refused() {
    let (small, mut workplace) = strange(COMMAND, "", "oikos 0.0.1");
    let worker = workplace.worker.as_mut().expect("there is one");
    worker.arguments = vec!["worker".into()];
    let told = opened(&small, &workplace).expect_err("it refuses").to_string();
    let ours = concat!(
        "it is of the build `oikos ",
        env!("CARGO_PKG_VERSION"),
        "`, and its parent of `oikos 0.0.1`"
    );
    assert!(told.contains("refused to serve") && told.contains(ours), "{told}");
}

/// Reads what its parent says first, and says that it is ready, as a worker does that lacks nothing.
const READY: &str = "dd bs=65536 count=1 <&0 >/dev/null 2>&1; printf '\\002\\000\\000\\000\\000\\000' >&0; ";

/// Reads a question.
const READ: &str = "dd bs=65536 count=1 <&0 >/dev/null 2>&1; ";

#[test]
fn code_that_its_worker_does_not_survive_has_one_receipt() {
    for (answer, says) in [
        ("exit 0", "an end"),
        ("kill -SEGV $$", "a crash"),
        ("kill -KILL $$", "an end from outside, time and again"),
        ("printf 'garbage, and more of it' >&0; exec sleep 5", "garbage"),
        ("printf '\\377\\377\\377\\377' >&0; exec sleep 5", "a message too large"),
        ("printf '\\377' >&0", "a message cut short"),
        // An answer to a check, where code was to be run.
        ("printf '\\003\\000\\000\\000\\000\\000\\000' >&0; exec sleep 5", "another answer"),
    ] {
        let (small, workplace) = strange("/bin/sh", &format!("{READY}{READ}{answer}"), "oikos");
        let mut live = opened(&small, &workplace).expect("it looks like a worker");
        let before = live.world().seq();
        let agent = live.world().lookup("agent_002").expect("it is there");
        let receipt: Receipt =
            live.sequencer.act("agent_002", json!({ "op": "run", "code": "1 + 1" })).expect("no fault");
        let refusal = receipt.refusal().unwrap_or_else(|| panic!("{says}: {receipt:?}"));
        assert_eq!(refusal.code, Code::WorkerDied, "{says}: {refusal}");
        assert!(refusal.message.contains("did not survive"), "{says}: {refusal}");
        assert_eq!(live.world().seq(), before + 1, "{says}: one record");
        let mut charged = Vec::new();
        let journal = live.sequencer.journal().expect("no fault");
        let read = journal.records::<oikos_runner::JournalError>(before + 1, |record| {
            assert!(matches!(record.cause, Cause::Act { .. }), "{record:?}");
            let cpu = record.charges.iter().filter(|charge| charge.resource.0 == 0);
            charged.extend(cpu.map(|charge| (charge.principal, charge.amount)));
            Ok(())
        });
        read.expect("the journal is read");
        drop(journal);
        let rules = live.world().rules();
        assert!(charged.iter().all(|(payer, _)| *payer == agent), "{says}: {charged:?}");
        let whole: i64 = charged.iter().map(|(_, amount)| amount).sum();
        assert_eq!(whole, rules.cpu_us(3), "{says}: the compiling, and the least that code costs");
        // Ops that need no code go on.
        assert!(live.sequencer.act("agent_002", json!({ "op": "noop" })).expect("no fault").outcome.is_ok());
        live.world().audit().expect("the books add up");
    }
}

#[test]
fn an_answer_that_no_sandbox_gives_is_not_believed() {
    // `Done` with a value, a meter of 1, 0, 0 and no output, as text of the value.
    let done = |value: &str, output: &str| {
        let mut body = vec![1_u8, 1];
        let text = format!("{{\"Ok\":{value}}}");
        leb(&mut body, text.len());
        body.extend(text.as_bytes());
        body.extend([1, 0, 0]);
        leb(&mut body, output.len());
        body.extend(output.as_bytes());
        let mut frame = u32::try_from(body.len()).expect("it is short").to_le_bytes().to_vec();
        frame.extend(body);
        frame
    };
    let deep = format!("{}0{}", "[".repeat(120), "]".repeat(120));
    for (value, output, is_believed) in [
        ("2", "", true),
        ("-2.5", "said", true),
        ("18446744073709551615", "", false),
        (deep.as_str(), "", false),
        ("2", "a".repeat(70_000).as_str(), false),
    ] {
        let (small, mut workplace) = strange("/bin/sh", "", "oikos");
        let frame = small.path("frame");
        fs::write(&frame, done(value, output)).expect("a file");
        let script = format!("{READY}{READ}cat {} >&0; exec sleep 5", frame.display());
        workplace.worker.as_mut().expect("there is one").arguments = vec!["-c".into(), script];
        let mut live = opened(&small, &workplace).expect("it looks like a worker");
        let receipt =
            live.sequencer.act("agent_002", json!({ "op": "run", "code": "1 + 1" })).expect("no fault");
        let refused = receipt.refusal().map(|refusal| refusal.code);
        let expected = if is_believed { None } else { Some(Code::WorkerDied) };
        assert_eq!(refused, expected, "{value:.40}, {} bytes of output", output.len());
    }
}

/// A number as it is written in a message.
fn leb(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("seven bits"));
}

#[test]
fn nobody_starts_a_worker_by_hand() {
    let output = oikos(["worker"]);
    assert_eq!(output.status.code(), Some(2), "{}", talk(&output));
    assert!(talk(&output).contains("started by a world whose code runs in processes"), "{}", talk(&output));
}
