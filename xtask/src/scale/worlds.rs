//! Two hundred worlds in one process, and in two: what an idle one costs, and what is lost when one process is killed
//! while clients act in a tenth of them.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::kills::ask;
use crate::{
    postgres::Cluster,
    served::{Served, used},
};

const WORLDS: usize = 200;
/// Those in which clients act.
const ACTIVE: usize = 20;
/// Those that are loaded at once: each has a connection, and the server has room for two hundred.
const LOADED: usize = 100;
/// The most bytes that a world may cost that is not loaded.
const IDLE_BYTES_MAX: u64 = 100_000;
/// How long clients act undisturbed.
const CALM: Duration = Duration::from_secs(4);
/// How long anything may take before it is said that it never comes.
const PATIENCE: Duration = Duration::from_secs(120);
const NAME: &str = "worlds";
const WORLD: &str = "[world]\nname = \"small\"\n\n[execution]\nticks = 1\n\n[[agents]]\nid = \"alice\"\n\
    scrip = 1000000000\ncode = \"def step(observation): return None\"\n\n[[agents]]\nid = \"bob\"\nscrip = 0\n\
    code = \"def step(observation): return None\"\n";

fn name_of(world: usize) -> String {
    format!("w{world:03}")
}

struct Place {
    binary: PathBuf,
    folder: PathBuf,
    database: String,
    password: (&'static str, &'static str),
}

impl Place {
    fn oikos(&self, words: &[&str]) -> Result<String> {
        let (variable, password) = self.password;
        let mut command = Command::new(&self.binary);
        let told = command.current_dir(&self.folder).env(variable, password).args(words).output()?;
        if !told.status.success() {
            bail!("oikos {}: {}", words.join(" "), String::from_utf8_lossy(&told.stderr));
        }
        Ok(String::from_utf8(told.stdout)?)
    }

    fn url(&self, world: usize) -> String {
        format!("{}?world={}", self.database, name_of(world))
    }

    fn house(&self, options: &[&str]) -> Result<Served> {
        let (variable, password) = self.password;
        let mut serve = Command::new(&self.binary);
        serve.env(variable, password).args(["--json", "serve", &self.database, "--all", "--idle", "1s"]);
        serve.args(["--listen", "127.0.0.1:0"]).args(options);
        Served::begin(serve, &self.binary, Path::new(&self.database), &self.folder)
    }

    /// Founds one world, and copies it.
    fn fill(&self) -> Result<()> {
        fs::write(self.folder.join("w.toml"), WORLD)?;
        self.oikos(&["run", "w.toml", "--db", &self.url(0)])?;
        let next = AtomicUsize::new(1);
        std::thread::scope(|scope| {
            let copying = || -> Result<()> {
                loop {
                    let world = next.fetch_add(1, Ordering::SeqCst);
                    if world >= WORLDS {
                        return Ok(());
                    }
                    self.oikos(&["copy", &self.url(0), &self.url(world)])?;
                }
            };
            let both = [scope.spawn(copying), scope.spawn(copying)];
            both.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| bail!("a copy failed")))
        })
    }

    fn token(&self, world: usize) -> Result<String> {
        let made = self.oikos(&["--json", "token", &self.url(world), "--as", "alice"])?;
        let made: Value = serde_json::from_str(&made)?;
        Ok(made.get("token").and_then(Value::as_str).context("a token")?.to_owned())
    }
}

pub(super) fn prove(binary: &Path, folder: &Path) -> Result<()> {
    let cluster = Cluster::start()?;
    let folder = folder.join(NAME);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    let (database, password) = cluster.make(binary, NAME)?;
    let place = Place { binary: binary.to_owned(), folder, database, password };
    let begun = Instant::now();
    place.fill()?;
    eprintln!("{WORLDS} worlds are there after {:.1?}", begun.elapsed());
    let few = few(&place)?;
    let first = place.house(&[])?;
    idle(&first, few)?;
    let tokens = (0..ACTIVE).map(|world| place.token(world)).collect::<Result<Vec<String>>>()?;
    let shared = Shared::default();
    shared.open(&[&first]);
    let receipts = std::thread::scope(|scope| {
        let (place, shared) = (&place, &shared);
        let acting: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(world, token)| scope.spawn(move || act(shared, world, token)))
            .collect();
        let done = disturb(place, shared, first);
        shared.ended.store(true, Ordering::SeqCst);
        let receipts: Result<Vec<Vec<u64>>> = acting
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| bail!("a client failed")))
            .collect();
        // The house that is left lives as long as they act.
        done.and_then(|house| receipts.map(|receipts| (house, receipts)))
    });
    let (house, receipts) = receipts?;
    drop(house);
    let mut count = 0;
    for (world, told) in receipts.iter().enumerate() {
        let log = place.oikos(&["log", &place.url(world), "--type", "transfer", "--json"])?;
        count += compare(world, told, &log)?;
        place.oikos(&["verify", &place.url(world)])?;
    }
    eprintln!("{count} payments acknowledged in {ACTIVE} worlds are each there once");
    Ok(())
}

/// The bytes of a process that has but a tenth of the worlds, each of which was loaded once.
fn few(place: &Place) -> Result<u64> {
    let house = place.house(&["--share", &ACTIVE.to_string()])?;
    all(&house, ACTIVE, "unloaded")?;
    let feeds = (0..ACTIVE).map(|world| feed(&house, world)).collect::<Result<Vec<TcpStream>>>()?;
    all(&house, ACTIVE, "loaded")?;
    drop(feeds);
    all(&house, ACTIVE, "unloaded")?;
    Ok(used(house.id())?.1)
}

/// Measures worlds that are loaded, and that were.
fn idle(house: &Served, few: u64) -> Result<()> {
    let begun = Instant::now();
    all(house, WORLDS, "unloaded")?;
    eprintln!("all were loaded once and unloaded after {:.1?}", begun.elapsed());
    let (at_first, threads) = (used(house.id())?.1, threads(house.id())?);
    // Feeds hold them.
    let feeds = (0..LOADED).map(|world| feed(house, world)).collect::<Result<Vec<TcpStream>>>()?;
    all(house, LOADED, "loaded")?;
    let (loaded, most_threads) = (used(house.id())?.1, self::threads(house.id())?);
    drop(feeds);
    all(house, WORLDS, "unloaded")?;
    let after = used(house.id())?.1;
    let threads_after = self::threads(house.id())?;
    let each = |all: u64| all.saturating_sub(few) / (WORLDS - ACTIVE) as u64;
    eprintln!(
        "resident: {few} bytes with {ACTIVE} worlds unloaded; {at_first} with {WORLDS} unloaded, {} for each more; \
         {loaded} with {LOADED} loaded, {} for each; {after} when they are unloaded again, {} for each more",
        each(at_first),
        loaded.saturating_sub(at_first) / LOADED as u64,
        each(after)
    );
    eprintln!(
        "threads: {threads} with all unloaded, {most_threads} with {LOADED} loaded, {threads_after} after"
    );
    for each in [each(at_first), each(after)] {
        if each > IDLE_BYTES_MAX {
            bail!("a world that is not loaded costs {each} bytes, and may cost {IDLE_BYTES_MAX}");
        }
    }
    if threads.max(threads_after) > WORLDS / 2 {
        bail!("worlds that are not loaded have threads");
    }
    Ok(())
}

/// A second process takes its share, and then all when the first is killed.
fn disturb(place: &Place, shared: &Shared, mut first: Served) -> Result<Served> {
    std::thread::sleep(CALM);
    eprintln!("threads: {} while clients act in {ACTIVE} of {WORLDS} worlds", threads(first.id())?);
    let second = place.house(&[])?;
    shared.open(&[&first, &second]);
    let ours = |house: &Served| -> Result<usize> {
        Ok(list(house)?.iter().filter(|row| served_by(row, house)).count())
    };
    let begun = Instant::now();
    wait("a fair share", || Ok(ours(&second)? == WORLDS / 2 && ours(&first)? == WORLDS / 2))?;
    eprintln!("the second process has its half after {:.1?}", begun.elapsed());
    std::thread::sleep(CALM);
    let before = shared.count();
    first.kill()?;
    let killed = Instant::now();
    shared.open(&[&second]);
    wait("all worlds in one process", || Ok(ours(&second)? == WORLDS))?;
    let taken = killed.elapsed();
    wait("every client", || Ok(shared.have_all_answered_since(killed)))?;
    eprintln!(
        "one process is killed: the other one holds all worlds after {taken:.1?}, and has answered every client after \
         {:.1?}",
        killed.elapsed()
    );
    std::thread::sleep(CALM);
    eprintln!("{} payments are acknowledged, {before} of them before the kill", shared.count());
    Ok(second)
}

fn list(house: &Served) -> Result<Vec<Value>> {
    let told = house.json(house.observer(), "GET", "/api/v1/worlds", "")?;
    Ok(told.get("worlds").and_then(Value::as_array).context("a list")?.clone())
}

fn served_by(row: &Value, house: &Served) -> bool {
    let at = row.get("served_at").and_then(Value::as_str);
    at.is_some_and(|at| at.starts_with(&format!("http://{}/", house.address)))
}

/// Waits until so many worlds are in a place.
fn all(house: &Served, count: usize, place: &str) -> Result<()> {
    wait(place, || {
        let is_there = |row: &&Value| row.get("place").and_then(Value::as_str) == Some(place);
        Ok(list(house)?.iter().filter(is_there).count() == count)
    })
}

fn wait(what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let since = Instant::now();
    while !is_so()? {
        if since.elapsed() > PATIENCE {
            bail!("it never comes: {what}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Opens a feed of a world, which is held by it.
fn feed(house: &Served, world: usize) -> Result<TcpStream> {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(&house.address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /w/{}/api/v1/events HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n\r\n",
        name_of(world),
        house.address,
        house.observer()
    )?;
    let mut first = [0; 12];
    stream.read_exact(&mut first)?;
    if first != *b"HTTP/1.1 200" {
        bail!("a feed was refused: {}", String::from_utf8_lossy(&first));
    }
    Ok(stream)
}

fn threads(id: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{id}/task"))?.count())
}

/// All that clients and the one who kills share.
struct Shared {
    doors: RwLock<Vec<String>>,
    ended: AtomicBool,
    /// When each client was answered last, and how often all were.
    last: RwLock<BTreeMap<usize, Instant>>,
    count: AtomicUsize,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            doors: RwLock::default(),
            ended: AtomicBool::new(false),
            last: RwLock::default(),
            count: AtomicUsize::new(0),
        }
    }
}

impl Shared {
    fn open(&self, doors: &[&Served]) {
        let doors = doors.iter().map(|door| door.address.clone()).collect();
        *self.doors.write().unwrap_or_else(std::sync::PoisonError::into_inner) = doors;
    }

    fn answered(&self, client: usize) {
        self.last.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(client, Instant::now());
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    fn have_all_answered_since(&self, since: Instant) -> bool {
        let last = self.last.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        last.len() == ACTIVE && last.values().all(|at| *at > since)
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Pays one scrip, two, three and so on in a world, each until it is acknowledged, by whichever process.
fn act(shared: &Shared, world: usize, token: &str) -> Result<Vec<u64>> {
    let mut told = Vec::new();
    let mut open: Option<(String, TcpStream)> = None;
    let path = format!("/w/{}/api/v1/act", name_of(world));
    while !shared.ended.load(Ordering::SeqCst) {
        let amount = told.len() + 1;
        let (begun, mut tries, mut last) = (Instant::now(), 0, None);
        let seq = loop {
            if begun.elapsed() > PATIENCE {
                bail!("nobody answers in world {world}; the last answer was {last:?}");
            }
            let (door, mut stream) = match open.take() {
                Some(open) => open,
                None => {
                    let doors =
                        shared.doors.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
                    tries += 1;
                    let door = doors.get(tries % doors.len().max(1)).cloned().unwrap_or_default();
                    let Ok(stream) = TcpStream::connect(&door) else {
                        std::thread::sleep(Duration::from_millis(5));
                        continue;
                    };
                    (door, stream)
                }
            };
            let body = format!("{{\"op\":\"transfer\",\"to\":\"bob\",\"amount\":{amount}}}");
            match ask(&mut stream, &door, (&path, token), &amount.to_string(), &body) {
                Some((200, answer)) => {
                    let answer: Value = serde_json::from_str(&answer)?;
                    if answer.get("ok") != Some(&Value::Bool(true)) {
                        bail!("world {world}: {answer}");
                    }
                    shared.answered(world);
                    open = Some((door, stream));
                    break answer.get("seq").and_then(Value::as_u64).context("a receipt has its record")?;
                }
                // Another process has it, or nobody now.
                answer @ (Some((421 | 503, _)) | None) => {
                    last = answer;
                    std::thread::sleep(Duration::from_millis(10));
                }
                Some((status, answer)) => bail!("world {world}: {status} {answer}"),
            }
        };
        told.push(seq);
        // They are clients, and no test of speed.
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(told)
}

/// Compares what a client was told with the journal: each payment is there once, in the record of its receipt.
fn compare(world: usize, told: &[u64], log: &str) -> Result<usize> {
    let mut kept = Vec::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line)?;
        let number = |key: &str| line.get(key).and_then(Value::as_u64).context("a line has its numbers");
        kept.push((number("amount")?, number("seq")?));
    }
    let wanted: Vec<(u64, u64)> = (1..).zip(told.iter().copied()).collect();
    if kept != wanted {
        let at = kept.iter().zip(&wanted).position(|(kept, wanted)| kept != wanted);
        bail!(
            "world {world}: {} payments are kept and {} were told; they differ at {at:?}",
            kept.len(),
            told.len()
        );
    }
    Ok(told.len())
}
