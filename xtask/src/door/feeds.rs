//! Many read the feed of a world that runs as fast as it can, one of them nothing for all that time: the world is held
//! up by none of them, and each reads every line once and in order.

use std::{
    hash::{DefaultHasher, Hasher as _},
    io::{BufRead as _, ErrorKind, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::Builder,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::served::{Served, fresh, used, used_by};

/// A world that goes on for longer than anybody reads, and that keeps one processor busy: two agents think in turn. One
/// that fills all processors would lose as much to anything else that runs beside it.
const WORLD: &str = "[world]\nname = \"door\"\n\n[execution]\nticks = 100000000\n\n[[agents]]\nid = \"p\"\ncount = 2\n\
    scrip = 1000000\ncode = \"def step(observation): return {'op': 'transfer', 'to': 'p_001', 'amount': 1} \
    if observation['self']['id'] != 'p_001' else {'op': 'noop'}\"\n";

/// Feeds that one token may have open.
const FEEDS_OF_A_TOKEN: usize = 32;
/// Of the world's speed, so much may be lost to its readers, in hundredths.
const LOSS_MAX: f64 = 10.0;
/// How long readers may take to read what is there, once the world stands.
const READ_WITHIN: Duration = Duration::from_secs(300);
/// The threads of a server that tell readers.
const DOOR: &str = "door";
/// The place of readers among the threads of this machine, as Linux counts it.
#[cfg(target_os = "linux")]
const LAST: i32 = 19;
/// Stack of a reader's thread.
const STACK_BYTES: usize = 256 << 10;
/// How often a reader tries to connect.
const TRIES_MAX: u32 = 20;
/// How long a reader waits before it looks whether it is done.
const LOOK_AFTER: Duration = Duration::from_millis(500);

pub(super) fn prove(binary: &Path, folder: &Path, readers: usize, seconds: u64) -> Result<()> {
    let served = fresh(binary, folder, "feeds", WORLD, &[])?;
    let operator = served.token(&["--operator"])?;
    let tokens: Vec<String> = (0..readers.div_ceil(FEEDS_OF_A_TOKEN) + 1)
        .map(|_| served.token(&["--observer"]))
        .collect::<Result<_>>()?;
    std::thread::sleep(Duration::from_secs(2));
    let alone = speed(&served, seconds)?;
    // It stands while they come, so that all begin at the same place.
    served.json(&operator, "POST", "/api/v1/pause", "")?;
    let begin = record(&served)?;
    let open = Arc::new(AtomicUsize::new(0));
    let end: Arc<OnceLock<String>> = Arc::default();
    let reader = |at: usize| {
        let token = tokens.get(at / FEEDS_OF_A_TOKEN).cloned().unwrap_or_default();
        let (address, open, end) = (served.address.clone(), Arc::clone(&open), Arc::clone(&end));
        let mut reader = Reader::new(address, token, format!("{begin}"));
        let is_slow = at == 0;
        let read = move || {
            elsewhere();
            let connected = reader.connect();
            open.fetch_add(1, Ordering::SeqCst);
            connected?;
            while is_slow && end.get().is_none() {
                std::thread::sleep(LOOK_AFTER);
            }
            reader.read(&end)?;
            anyhow::Ok(reader)
        };
        Builder::new().stack_size(STACK_BYTES).spawn(read).context("a thread for a reader")
    };
    let running: Vec<_> = (0..readers).map(reader).collect::<Result<_>>()?;
    while open.load(Ordering::SeqCst) < readers {
        std::thread::sleep(LOOK_AFTER);
    }
    served.json(&operator, "POST", "/api/v1/run?wait=0s", "{}")?;
    std::thread::sleep(Duration::from_secs(2));
    let before = (used(served.id())?.0, used_by(served.id(), DOOR)?, lines_told(&served)?);
    let beside = speed(&served, seconds)?;
    let after = (used(served.id())?.0, used_by(served.id(), DOOR)?, lines_told(&served)?);
    served.json(&operator, "POST", "/api/v1/pause", "")?;
    let (mut told, mut hash) = (0_u64, DefaultHasher::new());
    let (mut since, mut last) = (format!("{begin}"), String::new());
    loop {
        let page =
            served.json(served.observer(), "GET", &format!("/api/v1/events?since={since}&limit=1000"), "")?;
        for line in page.get("events").and_then(Value::as_array).into_iter().flatten() {
            let id = line.get("id").and_then(Value::as_str).context("a line has an id")?;
            hash.write(id.as_bytes());
            id.clone_into(&mut last);
            told += 1;
        }
        since = page.get("next").and_then(Value::as_str).context("a page has its end")?.to_owned();
        if page.get("more").is_none_or(|more| more == false) {
            break;
        }
    }
    let stood = Instant::now();
    // It was not set before.
    let _ = end.set(last);
    let (mut cuts, mut wrong) = (0, Vec::new());
    for (at, reader) in running.into_iter().enumerate() {
        match reader.join().unwrap_or_else(|_| bail!("its thread failed")) {
            Ok(reader) if (reader.count, reader.hash.finish()) == (told, hash.finish()) => {
                cuts += reader.cuts
            }
            Ok(reader) => wrong.push(format!("reader {at} read {} lines of {told}, or others", reader.count)),
            Err(error) => wrong.push(format!("reader {at}: {error:#}")),
        }
    }
    let loss = 100.0 - beside * 100.0 / alone;
    eprintln!(
        "{readers} readers, one of them reading nothing meanwhile: {alone:.0} records/s alone, {beside:.0} beside them \
         ({loss:.1} % less); {:.1} s of CPU in {seconds} s, {:.2} µs for each line told; {told} lines, read by all \
         {:.1} s after the world stood, cut off {cuts} times",
        (after.0 - before.0).as_secs_f64(),
        (after.1 - before.1).as_secs_f64() * 1e6 / (after.2 - before.2).max(1) as f64,
        stood.elapsed().as_secs_f64()
    );
    if let Some(first) = wrong.first() {
        bail!("{} of {readers} readers did not read every line once and in order: {first}", wrong.len());
    }
    if loss > LOSS_MAX {
        bail!("the world lost {loss:.1} % of its speed to its readers, and {LOSS_MAX} % is what it may lose");
    }
    Ok(())
}

/// Lets this thread go after all others where there are too few processors: readers stand for machines of their own,
/// whose work is none of the server's.
fn elsewhere() {
    // A system that has no such order goes on without, and the figure says more than it should.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(LAST);
}

/// Lines that all readers were told.
fn lines_told(served: &Served) -> Result<u64> {
    served.metrics("/metrics")?.number("oikos_feed_lines_total").context("the lines are counted")
}

/// The last record that is on disk.
fn record(served: &Served) -> Result<u64> {
    let world = served.json(served.observer(), "GET", "/api/v1/world", "")?;
    world.get("seq").and_then(Value::as_u64).context("a world has a record")
}

/// Records in a second, over so many.
fn speed(served: &Served, seconds: u64) -> Result<f64> {
    let (first, begun) = (record(served)?, Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let last = record(served)?;
    Ok((last - first) as f64 / begun.elapsed().as_secs_f64())
}

/// One reader.
struct Reader {
    address: String,
    token: String,
    since: String,
    stream: Option<TcpStream>,
    /// The bytes that have come, with the sizes of their pieces.
    raw: Vec<u8>,
    /// The same without these.
    text: Vec<u8>,
    last: String,
    count: u64,
    hash: DefaultHasher,
    cuts: u32,
}

impl Reader {
    fn new(address: String, token: String, since: String) -> Self {
        let (raw, text, last) = (Vec::new(), Vec::new(), String::new());
        Self {
            address,
            token,
            since,
            stream: None,
            raw,
            text,
            last,
            count: 0,
            hash: DefaultHasher::new(),
            cuts: 0,
        }
    }

    /// Begins, or goes on after the last line that it has read. Where many come at once a connection may break before
    /// it is answered, and is tried again, as browsers do.
    fn connect(&mut self) -> Result<()> {
        let mut tries = 0;
        while let Err(error) = self.connect_once() {
            tries += 1;
            if tries == TRIES_MAX {
                return Err(error);
            }
            std::thread::sleep(LOOK_AFTER);
        }
        Ok(())
    }

    fn connect_once(&mut self) -> Result<()> {
        let mut stream = TcpStream::connect(&self.address)?;
        let last =
            if self.last.is_empty() { String::new() } else { format!("last-event-id: {}\r\n", self.last) };
        write!(
            stream,
            "GET /api/v1/events?since={} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\naccept: \
             text/event-stream\r\n{last}\r\n",
            self.since, self.address, self.token
        )?;
        stream.set_read_timeout(Some(READ_WITHIN))?;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte)? == 0 {
                bail!("no answer");
            }
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head);
        if !head.starts_with("HTTP/1.1 200") {
            bail!("{}", head.lines().next().unwrap_or_default());
        }
        stream.set_read_timeout(Some(LOOK_AFTER))?;
        (self.raw, self.text) = (Vec::new(), Vec::new());
        self.stream = Some(stream);
        Ok(())
    }

    /// Reads until the last line has come, once it is known.
    fn read(&mut self, end: &OnceLock<String>) -> Result<()> {
        let mut room = vec![0; 64 << 10];
        let mut until = None;
        loop {
            if end.get().is_some_and(|end| *end == self.last) {
                return Ok(());
            }
            if until.is_none() && end.get().is_some() {
                until = Some(Instant::now() + READ_WITHIN);
            }
            if until.is_some_and(|until| Instant::now() > until) {
                bail!("it has read as far as {}, and had {} s", self.last, READ_WITHIN.as_secs());
            }
            let stream = self.stream.as_mut().context("it is connected")?;
            match stream.read(&mut room) {
                Ok(0) => {
                    self.cuts += 1;
                    self.connect()?;
                }
                Ok(count) => {
                    self.raw.extend(room.get(..count).unwrap_or_default());
                    self.take()?;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => {
                    self.cuts += 1;
                    self.connect()?;
                }
            }
        }
    }

    /// Takes the lines that have come whole.
    fn take(&mut self) -> Result<()> {
        let mut used = 0;
        while let Some(rest) = self.raw.get(used..)
            && let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n")
        {
            let size = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
            let size = usize::from_str_radix(&size, 16).with_context(|| format!("{size:?} is no size"))?;
            let Some(piece) = rest.get(end + 2..end + 2 + size).filter(|_| rest.len() >= end + size + 4)
            else {
                break;
            };
            self.text.extend(piece);
            used += end + size + 4;
        }
        self.raw.drain(..used);
        let whole = self.text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // Readers share the processor with the world: all that is no id is passed over as quickly as can be.
        let mut lines = self.text.get(..whole).unwrap_or_default();
        while !lines.is_empty() {
            let Some(mut rest) = lines.strip_prefix(b"id: ") else {
                lines.skip_until(b'\n')?;
                continue;
            };
            self.last.clear();
            rest.read_line(&mut self.last)?;
            self.last.truncate(self.last.trim_end().len());
            self.hash.write(self.last.as_bytes());
            self.count += 1;
            lines = rest;
        }
        self.text.drain(..whole);
        Ok(())
    }
}
