//! The server of the model: a child process that ends with this one, however this one ends.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// The program that serves the model. It ends when its input does.
const PROGRAM: &str = include_str!("serve.py");
/// How long the server may take until it answers.
const READY: Duration = Duration::from_secs(120);
/// How long it may take to say that it is well.
const HEALTH: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// A server that runs; dropped, it ends.
pub(super) struct Server {
    child: Child,
    /// Where it listens, such as `127.0.0.1:40123`.
    address: String,
}

impl Server {
    /// Starts the server from the packages of a folder, and waits until it can be asked.
    pub(super) fn start(packages: &Path, log: &Path) -> Result<Self> {
        let errors = File::create(log).with_context(|| format!("{} can't be written", log.display()))?;
        let mut python = Command::new("python3");
        python.args(["-c", PROGRAM]).env("PYTHONPATH", packages);
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let child = python.spawn().context("`python3` can't be run")?;
        let mut this = Self { child, address: String::new() };
        let begun = Instant::now();
        this.address = this.said(begun).with_context(|| format!("its errors are in {}", log.display()))?;
        while !this.is_well() {
            if let Some(status) = this.child.try_wait()? {
                bail!("the model's server ended with {status}; its errors are in {}", log.display());
            }
            if begun.elapsed() > READY {
                bail!("the model's server is not well after {} s; see {}", READY.as_secs(), log.display());
            }
            thread::sleep(PAUSE);
        }
        Ok(this)
    }

    /// Where providers find it.
    pub(super) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Waits for the line in which the server says where it listens.
    fn said(&mut self, begun: Instant) -> Result<String> {
        let output = self.child.stdout.take().context("the model's server has no output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || read(output, &sender));
        loop {
            match lines.recv_timeout(READY.saturating_sub(begun.elapsed())) {
                Ok(line) => {
                    if let Some(address) = line.trim().strip_prefix("http://") {
                        return Ok(address.to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the model's server does not listen after {} s", READY.as_secs())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the model's server ended with {}", self.child.wait()?)
                }
            }
        }
    }

    /// Whether it says that it is well.
    fn is_well(&self) -> bool {
        let asked = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(&self.address)?;
            stream.set_read_timeout(Some(HEALTH))?;
            write!(stream, "GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
            let mut answer = String::new();
            stream.take(4096).read_to_string(&mut answer)?;
            Ok(answer)
        };
        asked().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its input ends with this process anyway; here nobody has to wait for that.
        let killed = self.child.kill();
        let ended = self.child.wait();
        if let Err(error) = killed.and(ended) {
            eprintln!("the model's server can't be stopped: {error}");
        }
    }
}

/// Hands on what the server prints, so that it is never held up by a full pipe.
fn read(output: ChildStdout, sender: &mpsc::Sender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // Nobody listens any more once the address is known.
        let _ = sender.send(line);
    }
}
