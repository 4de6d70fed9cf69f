//! Clients act in a world of PostgreSQL that one process writes while another stands by. In each round the writer, the
//! one that stands by, the server or its connections are killed: what was acknowledged is there, once.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{postgres::Cluster, served::Served};

const CLIENTS: usize = 32;
/// How long the clients act undisturbed in a round.
const CALM: Duration = Duration::from_millis(300);
/// How long a takeover may take after a kill.
const OVER_WITHIN: Duration = Duration::from_secs(1);
/// How long anything may take before it is said that it never comes.
const PATIENCE: Duration = Duration::from_secs(20);
const NAME: &str = "kills";
const WORLD: &str = "[world]\nname = \"kills\"\n\n[execution]\nticks = 1\n\n[[agents]]\nid = \"p\"\n\
    count = 32\nscrip = 1000000000\ncode = \"def step(observation): return None\"\n";

/// All that clients and the one who kills share.
#[derive(Default)]
struct Shared {
    /// Where the processes listen.
    doors: RwLock<Vec<String>>,
    ended: AtomicBool,
    /// The last answer: from which door, and when.
    last: Mutex<Option<(String, Instant)>>,
}

/// The receipts of a client: the records of its payments, the first of one scrip, the next of two, and so on.
type Receipts = Vec<u64>;

pub(super) fn prove(binary: &Path, folder: &Path, rounds: u32) -> Result<()> {
    let cluster = Cluster::start()?;
    let folder = folder.join(NAME);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("w.toml"), WORLD)?;
    let (database, (variable, password)) = cluster.make(binary, NAME)?;
    let url = format!("{database}?world=w");
    let oikos = |words: &[&str]| -> Result<String> {
        let told = Command::new(binary).current_dir(&folder).env(variable, password).args(words).output()?;
        if !told.status.success() {
            bail!("oikos {}: {}", words.join(" "), String::from_utf8_lossy(&told.stderr));
        }
        Ok(String::from_utf8(told.stdout)?)
    };
    let begin = |world: &[&str]| {
        let mut serve = Command::new(binary);
        serve
            .env(variable, password)
            .args(["--json", "serve", "--listen", "127.0.0.1:0", "--paused"])
            .args(world);
        Served::begin(serve, binary, Path::new(&url), &folder)
    };
    let mut writer = begin(&["w.toml", "--db", &url])?;
    let tokens = (1..=CLIENTS)
        .map(|client| {
            let made = oikos(&["--json", "token", &url, "--as", &format!("p_{client:03}")])?;
            let made: Value = serde_json::from_str(&made)?;
            Ok(made.get("token").and_then(Value::as_str).context("a token")?.to_owned())
        })
        .collect::<Result<Vec<String>>>()?;
    let stand_by = || begin(&[&url, "--standby"]);
    let mut standby = stand_by()?;
    let shared = Shared::default();
    let mut takeovers = Vec::new();
    let receipts = std::thread::scope(|scope| {
        let shared = &shared;
        let acting: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(client, token)| scope.spawn(move || act(shared, client, token)))
            .collect();
        let mut kill = |round: u32| -> Result<()> {
            if round.is_multiple_of(20) {
                eprintln!("round {round} of {rounds}");
            }
            shared.open(&[&writer, &standby]);
            // The first that has come back is the writer; one that was overtaken ends.
            if shared.answered(Instant::now()).context("before a kill")? == standby.address {
                std::mem::swap(&mut writer, &mut standby);
                gone(&mut standby)?;
                standby = stand_by()?;
                shared.open(&[&writer, &standby]);
            }
            std::thread::sleep(CALM);
            match round % 4 {
                0 => {
                    writer.kill()?;
                    let killed = Instant::now();
                    takeovers.push(shared.answered_by(&standby.address, killed)?.duration_since(killed));
                    writer = std::mem::replace(&mut standby, stand_by()?);
                }
                1 => {
                    standby.kill()?;
                    standby = stand_by()?;
                }
                2 => cluster.control(&["restart", "-m", "immediate"])?,
                _ => cluster.sql(
                    "postgres",
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'oikos'",
                )?,
            }
            Ok(())
        };
        let killed = (0..rounds).try_for_each(|round| kill(round).with_context(|| format!("round {round}")));
        shared.ended.store(true, Ordering::SeqCst);
        let receipts: Result<Vec<Receipts>> = acting
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| bail!("a client failed")))
            .collect();
        receipts.and_then(|receipts| killed.map(|()| receipts))
    })?;
    drop((writer, standby));
    let log = oikos(&["log", &url, "--type", "transfer", "--json"])?;
    let count = compare(&receipts, &log)?;
    oikos(&["verify", &url])?;
    takeovers.sort_unstable();
    let (median, longest) = (takeovers.get(takeovers.len() / 2), takeovers.last());
    eprintln!(
        "{rounds} rounds: {count} payments acknowledged to {CLIENTS} clients are each there once; {} takeovers, {:?} \
         (median), {:?} (longest)",
        takeovers.len(),
        median.copied().unwrap_or_default(),
        longest.copied().unwrap_or_default()
    );
    if longest.is_some_and(|longest| *longest > OVER_WITHIN) {
        bail!("a takeover took longer than {OVER_WITHIN:?}");
    }
    Ok(())
}

/// Waits until a writer that was overtaken has ended; it says so by its code.
fn gone(writer: &mut Served) -> Result<()> {
    let since = Instant::now();
    loop {
        if let Some(status) = writer.ended()? {
            if status.code() == Some(3) {
                return Ok(());
            }
            bail!("a writer that was overtaken ended with {status}");
        }
        if since.elapsed() > PATIENCE {
            bail!("a writer that was overtaken goes on");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Compares what clients were told with the journal: each payment of each is there once, in the record of its receipt.
fn compare(receipts: &[Receipts], log: &str) -> Result<usize> {
    let mut kept: BTreeMap<(String, u64), Vec<u64>> = BTreeMap::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line)?;
        let number = |key: &str| line.get(key).and_then(Value::as_u64).context("a line has its numbers");
        let actor = line.get("actor").and_then(Value::as_str).context("a line has its actor")?;
        kept.entry((actor.to_owned(), number("amount")?)).or_default().push(number("seq")?);
    }
    let mut count = 0;
    for (client, told) in receipts.iter().enumerate() {
        for (amount, seq) in (1_u64..).zip(told) {
            count += 1;
            let found = kept.remove(&(format!("p_{:03}", client + 1), amount));
            if found.as_deref() != Some(&[*seq]) {
                bail!("client {client} was told of payment {amount} in record {seq}; it is in {found:?}");
            }
        }
    }
    match kept.first_key_value() {
        None => Ok(count),
        Some((key, seqs)) => bail!("{key:?} in {seqs:?} was acknowledged to nobody"),
    }
}

impl Shared {
    /// Says where the processes listen.
    fn open(&self, doors: &[&Served]) {
        let doors = doors.iter().map(|door| door.address.clone()).collect();
        *self.doors.write().unwrap_or_else(PoisonError::into_inner) = doors;
    }

    /// The door that has answered after an instant, once one has.
    fn answered(&self, since: Instant) -> Result<String> {
        self.wait(|_, at| at > since).map(|(door, _)| door)
    }

    /// When a door has answered after an instant, once it has.
    fn answered_by(&self, door: &str, since: Instant) -> Result<Instant> {
        self.wait(|by, at| by == door && at > since).map(|(_, at)| at)
    }

    fn wait(&self, is_it: impl Fn(&str, Instant) -> bool) -> Result<(String, Instant)> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some((door, at)) = last.filter(|(door, at)| is_it(door, *at)) {
                return Ok((door, at));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        bail!("no client is answered")
    }
}

/// Pays one scrip, two, three and so on, each until it is acknowledged, wherever that is. The last is acknowledged too.
fn act(shared: &Shared, client: usize, token: &str) -> Result<Receipts> {
    let mut told = Receipts::new();
    let mut open: Option<(String, TcpStream)> = None;
    let to = (client + 1) % CLIENTS + 1;
    while !shared.ended.load(Ordering::SeqCst) {
        let amount = told.len() + 1;
        let begun = Instant::now();
        let (mut tries, mut last) = (0, None);
        let seq = loop {
            if begun.elapsed() > PATIENCE {
                bail!("client {client} is not answered; the last answer was {last:?}");
            }
            let (door, mut stream) = match open.take() {
                Some(open) => open,
                None => {
                    let doors = shared.doors.read().unwrap_or_else(PoisonError::into_inner).clone();
                    tries += 1;
                    let door = doors.get((tries + client) % doors.len().max(1)).cloned().unwrap_or_default();
                    let Ok(stream) = TcpStream::connect(&door) else {
                        std::thread::sleep(Duration::from_millis(5));
                        continue;
                    };
                    (door, stream)
                }
            };
            let body = format!("{{\"op\":\"transfer\",\"to\":\"p_{to:03}\",\"amount\":{amount}}}");
            match ask(&mut stream, &door, ("/api/v1/act", token), &format!("{client}:{amount}"), &body) {
                Some((200, answer)) => {
                    let answer: Value = serde_json::from_str(&answer)?;
                    if answer.get("ok") != Some(&Value::Bool(true)) {
                        bail!("client {client}: {answer}");
                    }
                    *shared.last.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some((door.clone(), Instant::now()));
                    open = Some((door, stream));
                    break answer.get("seq").and_then(Value::as_u64).context("a receipt has its record")?;
                }
                // It is followed there, or not served now.
                answer @ (Some((421 | 503, _)) | None) => {
                    last = answer;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Some((status, answer)) => bail!("client {client}: {status} {answer}"),
            }
        };
        told.push(seq);
    }
    Ok(told)
}

/// One action on a connection, and its answer; none when the connection breaks.
pub(super) fn ask(
    stream: &mut TcpStream,
    door: &str,
    (path, token): (&str, &str),
    key: &str,
    body: &str,
) -> Option<(u16, String)> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_nodelay(true).ok()?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {door}\r\nauthorization: Bearer {token}\r\nidempotency-key: {key}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let (mut all, mut room) = (Vec::new(), [0; 16 << 10]);
    loop {
        let count = stream.read(&mut room).ok().filter(|count| *count > 0)?;
        all.extend_from_slice(room.get(..count)?);
        let text = String::from_utf8_lossy(&all);
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_ascii_lowercase();
        let length =
            lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())?;
        if rest.len() >= length {
            let status = head.split(' ').nth(1)?.parse().ok()?;
            return Some((status, rest.to_owned()));
        }
    }
}
