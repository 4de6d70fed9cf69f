//! How fast a served world acknowledges: clients that keep their connections act for a while, each action on disk
//! before it is answered. Before that, how much a server uses while nobody asks.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::served::{fresh, used};

/// How long a server is looked at while nobody asks.
const IDLE: Duration = Duration::from_secs(10);

/// The agents of that world.
pub(super) const AGENTS: usize = 64;

/// A world in which nobody acts but those who come.
pub(super) const WORLD: &str = "[world]\nname = \"door\"\n\n[execution]\nticks = 1\n\n[[agents]]\nid = \"p\"\n\
    count = 64\nscrip = 1000000\ncode = \"def step(observation): return None\"\n";

/// An action that leaves nothing but its record.
const NOOP: &str = "{\"op\":\"noop\"}";

pub(super) fn measure(binary: &Path, folder: &Path, clients: usize, seconds: u64) -> Result<()> {
    let served = fresh(binary, folder, "speed", WORLD, &["--paused"])?;
    let tokens = served.seats(clients)?;
    let before = used(served.id())?;
    std::thread::sleep(IDLE);
    let idle = used(served.id())?;
    eprintln!(
        "idle: {} ms of CPU in {} s, {} MiB",
        (idle.0 - before.0).as_millis(),
        IDLE.as_secs(),
        idle.1 >> 20
    );
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let told = act(&served.address, &tokens, until, &|_, _| NOOP.to_owned())?;
    let spent = begun.elapsed();
    let after = used(served.id())?;
    if let Some(cut) = told.iter().find_map(|told| told.cut.as_deref()) {
        bail!("a connection was cut off: {cut}");
    }
    let mut waits: Vec<Duration> = told.into_iter().flat_map(|told| told.waits).collect();
    waits.sort_unstable();
    let at = |permille: usize| waits.get(waits.len() * permille / 1_000).copied().unwrap_or_default();
    eprintln!(
        "{clients} clients: {:.0} receipts/s, on disk; {:.2} ms (median), {:.2} ms (99 %); {:.1} µs of the server's CPU each",
        waits.len() as f64 / spent.as_secs_f64(),
        at(500).as_secs_f64() * 1e3,
        at(990).as_secs_f64() * 1e3,
        (after.0 - idle.0).as_secs_f64() * 1e6 / waits.len().max(1) as f64
    );
    Ok(())
}

/// The doings of one client.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How long each answer took.
    pub(super) waits: Vec<Duration>,
    /// The records that were acknowledged.
    pub(super) seqs: Vec<u64>,
    /// Why its connection ended before its time, if it did.
    pub(super) cut: Option<String>,
}

/// Acts with each token until an instant; an action is made of the client's number and a count.
pub(super) fn act(
    address: &str,
    tokens: &[String],
    until: Instant,
    action: &(dyn Fn(usize, usize) -> String + Sync),
) -> Result<Vec<Told>> {
    std::thread::scope(|scope| {
        let running: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(client, token)| scope.spawn(move || one(address, token, until, &|at| action(client, at))))
            .collect();
        running.into_iter().map(|client| client.join().unwrap_or_else(|_| bail!("a client failed"))).collect()
    })
}

/// Acts on one connection. A connection that breaks is told; an answer that is no receipt is an error.
fn one(address: &str, token: &str, until: Instant, action: &dyn Fn(usize) -> String) -> Result<Told> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (mut told, mut room) = (Told::default(), vec![0; 64 << 10]);
    while Instant::now() < until {
        let body = action(told.seqs.len());
        let request = format!(
            "POST /api/v1/act HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let begun = Instant::now();
        if let Err(error) = stream.write_all(request.as_bytes()) {
            told.cut = Some(error.to_string());
            return Ok(told);
        }
        let mut have = 0;
        let seq = loop {
            match stream.read(room.get_mut(have..).unwrap_or_default()) {
                Ok(count) if count > 0 => have += count,
                Ok(_) => told.cut = Some("the server closed it".into()),
                Err(error) => told.cut = Some(error.to_string()),
            }
            if told.cut.is_some() {
                return Ok(told);
            }
            if let Some(seq) = receipt(room.get(..have).unwrap_or_default())? {
                break seq;
            }
        };
        told.waits.push(begun.elapsed());
        told.seqs.push(seq);
    }
    Ok(told)
}

/// The record of a receipt, when it has come whole.
fn receipt(bytes: &[u8]) -> Result<Option<u64>> {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{text}");
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let length = length.context("an answer has a length")?;
    if body.len() < length {
        return Ok(None);
    }
    if !body.contains("\"ok\":true") {
        bail!("{body}");
    }
    let seq = body.split_once("\"seq\":").and_then(|(_, rest)| rest.split([',', '}']).next());
    seq.and_then(|seq| seq.parse().ok())
        .map(Some)
        .with_context(|| format!("a receipt has its record: {body}"))
}
