//! How fast a served world acknowledges: clients that keep their connections act for a while, each action on disk
//! before it is answered. Then how much a server uses while nobody asks.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::environments::folder_with;

/// A world in which nobody acts but those who come.
const WORLD: &str = "[world]\nname = \"door\"\n\n[execution]\nticks = 1\n\n[[agents]]\nid = \"p\"\ncount = 64\n\
    scrip = 1000000\ncode = \"def step(observation): return None\"\n";

/// How long a server is looked at while nobody asks.
const IDLE: Duration = Duration::from_secs(10);

/// The clients of the Model Context Protocol that live in a world.
const MCP_CLIENTS: [&str; 2] = ["mcp==2.3.0", "fastmcp==4.2.3"];

/// Lets others' MCP clients into worlds of the binary, and measures it; it must have been built for release:
/// `cargo xtask door [CLIENTS] [SECONDS]`.
pub(crate) fn run(root: &Path, target: &Path, words: &[String]) -> Result<()> {
    let number = |at: usize, otherwise: u64| match words.get(at) {
        Some(word) => word.parse::<u64>().with_context(|| format!("{word} is no number")),
        None => Ok(otherwise),
    };
    let (clients, seconds) = (number(0, 64)?.clamp(1, 64), number(1, 10)?.max(1));
    let binary = target.join("release/oikos");
    if !binary.is_file() {
        bail!("there is no {}: cargo build --release makes it in {}", binary.display(), root.display());
    }
    visits(root, target, &binary)?;
    let folder = target.join("door");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    let (file, db) = (folder.join("door.toml"), folder.join("door.oikos"));
    fs::write(&file, WORLD)?;
    let served = Served::start(&binary, &file, &db)?;
    let tokens: Vec<String> =
        (1..=clients).map(|client| token(&binary, &db, client)).collect::<Result<_>>()?;
    let before = used(served.child.id())?;
    std::thread::sleep(IDLE);
    let idle = used(served.child.id())?;
    eprintln!(
        "idle: {} ms of CPU in {} s, {} MiB",
        (idle.0 - before.0).as_millis(),
        IDLE.as_secs(),
        idle.1 >> 20
    );
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let told = std::thread::scope(|scope| {
        let address = served.address.as_str();
        let act = |token: &str| client(address, token, until);
        let running: Vec<_> = tokens.iter().map(|token| scope.spawn(move || act(token))).collect();
        running
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| bail!("a client failed")))
            .collect::<Result<Vec<_>>>()
    })?;
    let spent = begun.elapsed();
    let after = used(served.child.id())?;
    let mut waits: Vec<Duration> = told.into_iter().flatten().collect();
    waits.sort_unstable();
    let at = |permille: usize| waits.get(waits.len() * permille / 1_000).copied().unwrap_or_default();
    let rate = waits.len() as f64 / spent.as_secs_f64();
    eprintln!(
        "{clients} clients: {rate:.0} receipts/s, on disk; {:.2} ms (median), {:.2} ms (99 %); {:.1} µs of the server's CPU each",
        at(500).as_secs_f64() * 1e3,
        at(990).as_secs_f64() * 1e3,
        (after.0 - idle.0).as_secs_f64() * 1e6 / waits.len().max(1) as f64
    );
    Ok(())
}

fn visits(root: &Path, target: &Path, binary: &Path) -> Result<()> {
    let python = folder_with(&target.join("tmp/mcp"), &MCP_CLIENTS)?;
    let mut command = Command::new(python);
    command.current_dir(root.join("python")).args(["-m", "unittest", "tests.test_mcp"]);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("OIKOS_BINARY", binary);
    if !command.status().context("Python can't be run")?.success() {
        bail!("clients of the Model Context Protocol don't get on with it");
    }
    Ok(())
}

struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(binary: &Path, file: &Path, db: &Path) -> Result<Self> {
        let mut child = Command::new(binary)
            .args(["--json", "serve", "--paused", "--listen", "127.0.0.1:0", "--rate", "1000000"])
            .arg(file)
            .arg("--db")
            .arg(db)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().context("it has an output")?;
        BufReader::new(output).read_line(&mut line)?;
        let told: Value = serde_json::from_str(&line).with_context(|| format!("it said {line:?}"))?;
        let url = told.get("url").and_then(Value::as_str).context("it says where it listens")?;
        Ok(Self { address: url.trim_start_matches("http://").to_owned(), child })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn token(binary: &PathBuf, db: &Path, client: u64) -> Result<String> {
    let agent = format!("p_{client:03}");
    let made = Command::new(binary).args(["--json", "token", "--as", &agent]).arg(db).output()?;
    let told: Value = serde_json::from_slice(&made.stdout)
        .with_context(|| String::from_utf8_lossy(&made.stderr).into_owned())?;
    Ok(told.get("token").and_then(Value::as_str).context("a token")?.to_owned())
}

/// Acts on one connection until an instant, and gives how long each answer took.
fn client(address: &str, token: &str, until: Instant) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let body = "{\"op\":\"noop\"}";
    let mut request = String::new();
    write!(
        request,
        "POST /api/v1/act HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let (mut waits, mut room) = (Vec::new(), vec![0; 64 << 10]);
    while Instant::now() < until {
        let begun = Instant::now();
        stream.write_all(request.as_bytes())?;
        let mut have = 0;
        loop {
            let count = stream.read(room.get_mut(have..).unwrap_or_default())?;
            if count == 0 {
                bail!("the server closed the connection");
            }
            have += count;
            if is_whole(room.get(..have).unwrap_or_default())? {
                break;
            }
        }
        waits.push(begun.elapsed());
    }
    Ok(waits)
}

/// Whether an answer has come whole; one that is no receipt is an error.
fn is_whole(bytes: &[u8]) -> Result<bool> {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(false) };
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{text}");
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let length = length.context("an answer has a length")?;
    if body.len() < length {
        return Ok(false);
    }
    if !body.contains("\"ok\":true") {
        bail!("{body}");
    }
    Ok(true)
}

/// The CPU that a process has used, and the bytes that it has in memory.
fn used(id: u32) -> Result<(Duration, u64)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // The system counts in hundredths of a second, and in pages of 4 KiB.
    Ok((Duration::from_millis((ticks(11) + ticks(12)) * 10), ticks(21) * 4_096))
}
