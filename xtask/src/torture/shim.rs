//! Runs the program: by itself, or with the shim between it and the system.

use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How long a command may take before it is said to hang; far longer than any does on a busy machine.
const HANGS_AFTER: Duration = Duration::from_secs(300);

/// The number by which this system calls an input/output error, and a full disk.
pub(crate) const EIO: u32 = 5;
pub(crate) const ENOSPC: u32 = 28;

/// The program and the shim.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    pub(crate) binary: PathBuf,
    pub(crate) shim: PathBuf,
}

/// The harm that the shim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Nothing; calls are only written down.
    None,
    /// Kills the program at a call.
    Kill { at: u64, torn: bool },
    /// Makes a call fail.
    Fail { at: u64, error: u32 },
}

/// How a command ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) talk: String,
}

impl Ended {
    /// The last line that it printed, as JSON.
    pub(crate) fn report(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.out.lines().last()?).ok()
    }

    /// For people: exit code and what it said.
    pub(crate) fn text(&self) -> String {
        let code = self.code.map_or("by a signal".into(), |code| format!("with {code}"));
        let said = if self.talk.trim().is_empty() { &self.out } else { &self.talk };
        let said: String = said.trim().chars().take(300).collect();
        format!("ended {code}: {said}")
    }
}

/// Compiles the shim into `folder`.
pub(crate) fn compile(folder: &Path) -> Result<PathBuf> {
    compiled(folder, "shim", include_str!("shim.c"))
}

/// Compiles a library that stands between a program and the system.
pub(crate) fn compiled(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let (source, shim) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    std::fs::write(&source, text)?;
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-shared", "-fPIC", "-pthread", "-o"]).arg(&shim).arg(&source);
    let status = cc.status().context("`cc` can't be run; this needs a C compiler")?;
    if !status.success() {
        bail!("`cc` can't compile {}", source.display());
    }
    Ok(shim)
}

impl Tools {
    /// Runs a command in `folder`, with lines of input, each after the answer to the one before.
    pub(crate) fn run(&self, folder: &Path, arguments: &[String], input: &[String]) -> Result<Ended> {
        run(self.command(folder, arguments), input)
    }

    /// Runs a command with the shim, and writes what it did to `log` if that is wanted.
    pub(crate) fn harm(
        &self,
        folder: &Path,
        arguments: &[String],
        input: &[String],
        harm: Harm,
        log: Option<&Path>,
    ) -> Result<Ended> {
        let mut command = self.command(folder, arguments);
        command.env("LD_PRELOAD", &self.shim).env("TORTURE_UNDER", folder);
        if let Some(log) = log {
            command.env("TORTURE_LOG", log);
        }
        match harm {
            Harm::None => {}
            Harm::Kill { at, torn } => {
                command.env("TORTURE_KILL", at.to_string()).env("TORTURE_TORN", u8::from(torn).to_string());
            }
            Harm::Fail { at, error } => {
                command.env("TORTURE_FAIL", at.to_string()).env("TORTURE_ERRNO", error.to_string());
            }
        }
        run(command, input)
    }

    fn command(&self, folder: &Path, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(folder).args(arguments);
        command
    }
}

fn run(mut command: Command, input: &[String]) -> Result<Ended> {
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("the program can't be run")?;
    let (Some(out), Some(mut talk)) = (child.stdout.take(), child.stderr.take()) else {
        bail!("the program has no output");
    };
    let (stdin, input) = (child.stdin.take(), input.to_vec());
    let answers = std::thread::spawn(move || converse(stdin, BufReader::new(out), &input));
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        talk.read_to_end(&mut text).map(|_| text)
    });
    let code = wait(&mut child)?;
    let joined = |_| anyhow::anyhow!("the reader of its output failed");
    let (out, talk) = (answers.join().map_err(joined)?, errors.join().map_err(joined)??);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ended { code, out: text(&out), talk: text(&talk) })
}

/// Says each line when the one before was answered; several that stand in one text are said at once.
fn converse(stdin: Option<ChildStdin>, mut out: impl BufRead, input: &[String]) -> Vec<u8> {
    let mut heard = Vec::new();
    if let Some(mut stdin) = stdin {
        for lines in input {
            if stdin.write_all(format!("{lines}\n").as_bytes()).is_err() {
                break;
            }
            for _ in lines.lines() {
                if matches!(out.read_until(b'\n', &mut heard), Ok(0) | Err(_)) {
                    break;
                }
            }
        }
    }
    // A program that is gone says no more.
    let _ = out.read_to_end(&mut heard);
    heard
}

fn wait(child: &mut Child) -> Result<Option<i32>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        if begun.elapsed() > HANGS_AFTER {
            child.kill()?;
            child.wait()?;
            bail!("the program hangs");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
