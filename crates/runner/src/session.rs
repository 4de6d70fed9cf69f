//! The session protocol (`DESIGN.md §16.2`): one JSON object a line, one line back, in order.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use oikos_agents::json::{Parsed, flaw, flawed_key, parse};
use oikos_kernel::{
    id::nearest,
    limits,
    refusal::{Code, Refusal},
};
use serde_json::{Map, Value};

use crate::{
    error::RunError,
    live::Live,
    request::{Act, Malformed, REQUESTS, Reply, Request, Shown},
    stop::{Stop, Why},
};

/// Bytes of requests that share a commit, and of answers that wait for one, give or take one line.
const PIPELINE_BYTES_MAX: usize = 1 << 20;

/// A good size of the buffer that requests are read into: it bounds how many share a commit.
pub const READ_BYTES: usize = 1 << 18;

/// How many groups of requests are read ahead.
const GROUPS_AHEAD_MAX: usize = 2;

/// One line as it was read.
#[derive(Debug)]
pub enum Line {
    /// Its bytes.
    Text(Vec<u8>),
    /// It was longer than a line may be, and let go.
    TooLong,
}

/// The end of a wait for requests.
enum Incoming {
    /// Lines that had arrived together.
    Lines(Vec<Line>),
    /// The input has ended.
    End,
    /// The input can't be read.
    Failed(std::io::Error),
    /// Somebody asked to stop.
    Stop,
}

/// Answers on their way out: they are written when what they tell is on disk.
struct Answers<W> {
    bytes: Vec<u8>,
    output: W,
}

/// Answers every line of `input` on `output` until it ends; says why, if something else ended it. An answer
/// is written only when what it tells is on disk; requests that have arrived meanwhile share a commit.
///
/// # Errors
/// Only faults; the world can be opened again.
pub fn serve<R: Read + Send + 'static>(
    live: &mut Live,
    input: BufReader<R>,
    output: impl Write,
    stop: &Stop,
) -> Result<Option<Why>, RunError> {
    let (sender, groups) = sync_channel(GROUPS_AHEAD_MAX);
    let waker = sender.clone();
    // If it can't be sent, there is something to wake up for.
    let _bell = stop.bell(move || drop(waker.try_send(Incoming::Stop)));
    live.sequencer.set_stop(stop);
    // Nobody waits for the reader: when the session is asked to stop, its input may stay open.
    std::thread::spawn(move || read_groups(input, &sender));
    let mut answers = Answers { bytes: Vec::new(), output };
    let served = serve_groups(live, &groups, stop, &mut answers);
    let why = match served {
        Ok(()) => return live.leave(stop),
        // Finished requests stay done, though nobody is told.
        Err(RunError::Io(error)) if error.kind() == ErrorKind::BrokenPipe => Some(Why::ClosedPipe),
        Err(error) => return Err(error),
    };
    live.sequencer.sample_end(false)?;
    Ok(why)
}

/// Answers one line, when what the answer tells is on disk.
///
/// # Errors
/// Only faults.
pub fn respond(live: &mut Live, line: &[u8], stop: &Stop) -> Result<String, RunError> {
    let mut told = Vec::new();
    let mut answers = Answers { bytes: Vec::new(), output: &mut told };
    answers.answer(live, Line::Text(line.to_vec()), stop)?;
    answers.hand_out(live)?;
    Ok(String::from_utf8_lossy(&told).trim_end().to_owned())
}

fn serve_groups(
    live: &mut Live,
    groups: &Receiver<Incoming>,
    stop: &Stop,
    answers: &mut Answers<impl Write>,
) -> Result<(), RunError> {
    while let Some(group) = next(groups, stop)? {
        for line in group {
            // Those that have not begun are not done.
            if stop.is_asked() {
                break;
            }
            match answers.answer(live, line, stop) {
                // An action that waited for a language model has not been done.
                Err(RunError::Stopped) => break,
                answered => answered?,
            }
        }
        answers.hand_out(live)?;
    }
    Ok(())
}

fn next(groups: &Receiver<Incoming>, stop: &Stop) -> Result<Option<Vec<Line>>, RunError> {
    if stop.is_asked() {
        return Ok(None);
    }
    match groups.recv() {
        Ok(Incoming::Lines(lines)) => Ok(Some(lines)),
        Ok(Incoming::Failed(error)) => Err(error.into()),
        Ok(Incoming::End | Incoming::Stop) | Err(_) => Ok(None),
    }
}

/// Reads lines, the last one with or without its end, and sends on together those that are there;
/// one that is too long is read and let go.
fn read_groups<R: Read>(mut input: BufReader<R>, groups: &SyncSender<Incoming>) {
    let (mut group, mut bytes) = (Vec::new(), 0);
    loop {
        let line = read_line(&mut input);
        let ended = !matches!(line, Ok(Some(_)));
        match line {
            Ok(Some(line)) => {
                bytes += if let Line::Text(text) = &line { text.len() } else { 0 };
                group.push(line);
            }
            Ok(None) => {}
            Err(error) => {
                // Lines read before are answered first. Nobody listens any more if this fails, which is fine.
                let _ = groups.send(Incoming::Lines(std::mem::take(&mut group)));
                let _ = groups.send(Incoming::Failed(error));
            }
        }
        let waits = !input.buffer().contains(&b'\n');
        if ended || waits || bytes > PIPELINE_BYTES_MAX {
            bytes = 0;
            let sent = group.is_empty() || groups.send(Incoming::Lines(std::mem::take(&mut group))).is_ok();
            if ended || !sent {
                let _ = groups.send(Incoming::End);
                return;
            }
        }
    }
}

/// Reads the next line, the last one with or without its end; `None` behind it.
///
/// # Errors
/// When the input can't be read.
pub fn read_line(input: &mut impl BufRead) -> std::io::Result<Option<Line>> {
    let mut line = Vec::new();
    let (mut too_long, mut empty) = (false, true);
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() && empty {
            return Ok(None);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let piece = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        too_long = too_long || line.len() + piece.len() > limits::LINE_BYTES_MAX;
        if too_long {
            line = Vec::new();
        } else {
            line.extend_from_slice(piece);
        }
        let used = piece.len() + usize::from(end.is_some());
        let ended = end.is_some() || buffer.is_empty();
        empty = false;
        input.consume(used);
        if ended {
            return Ok(Some(if too_long { Line::TooLong } else { Line::Text(line) }));
        }
    }
}

/// A request with the id that goes back with its answer.
struct Asked {
    id: Value,
    request: Result<Request, Malformed>,
}

impl<W: Write> Answers<W> {
    /// Writes answers once what they tell is on disk.
    fn hand_out(&mut self, live: &mut Live) -> Result<(), RunError> {
        live.sequencer.commit()?;
        self.output.write_all(&self.bytes)?;
        self.output.flush()?;
        self.bytes.clear();
        Ok(())
    }

    /// Answers one line. No more of its answer is kept than what a commit's worth of requests is answered:
    /// a long one goes out in pieces.
    fn answer(&mut self, live: &mut Live, line: Line, stop: &Stop) -> Result<(), RunError> {
        let asked = match line {
            Line::Text(bytes) => read(&bytes),
            Line::TooLong => {
                let most = limits::LINE_BYTES_MAX;
                let refusal = Refusal::new(Code::LimitExceeded, format!("a line may have {most} bytes"));
                Asked { id: Value::Null, request: Err(Malformed::Request(refusal)) }
            }
        };
        let Asked { id, request } = asked;
        match request {
            Ok(Request::Batch(acts)) => self.batch(live, &id, acts, stop)?,
            Ok(request) => {
                let reply = live.answer(request, stop)?;
                self.told(&id, reply)?;
            }
            Err(Malformed::Act(refusal)) => {
                let shown = live.sequencer.refused(refusal);
                self.told(&id, Reply::Receipt(Box::new(shown)))?;
            }
            Err(Malformed::Request(refusal)) => self.told(&id, Reply::Refused(refusal))?,
        }
        self.bytes.push(b'\n');
        self.make_room(live)
    }

    /// Writes an answer as it goes over the wire.
    fn told(&mut self, id: &Value, reply: Reply) -> Result<(), RunError> {
        self.bytes.extend_from_slice(b"{\"id\":");
        self.put(id)?;
        if let Reply::Receipt(shown) = reply {
            self.bytes.extend_from_slice(b",\"receipt\":");
            self.bytes.extend_from_slice(shown.text.as_bytes());
            self.bytes.push(b'}');
            return Ok(());
        }
        let rest = reply.to_json();
        let brace = self.bytes.len();
        self.put(&rest)?;
        if let Some(brace) = self.bytes.get_mut(brace) {
            *brace = b',';
        }
        Ok(())
    }

    fn put(&mut self, value: &Value) -> Result<(), RunError> {
        Ok(serde_json::to_writer(&mut self.bytes, value).map_err(std::io::Error::from)?)
    }

    fn make_room(&mut self, live: &mut Live) -> Result<(), RunError> {
        if self.bytes.len() > PIPELINE_BYTES_MAX { self.hand_out(live) } else { Ok(()) }
    }

    fn batch(
        &mut self,
        live: &mut Live,
        id: &Value,
        acts: Vec<Result<Act, Refusal>>,
        stop: &Stop,
    ) -> Result<(), RunError> {
        self.bytes.extend_from_slice(b"{\"id\":");
        self.put(id)?;
        self.bytes.extend_from_slice(b",\"receipts\":[");
        for (at, act) in acts.into_iter().enumerate() {
            // After a stop was asked for no more are done: as many receipts as there are were.
            if stop.is_asked() {
                break;
            }
            let Shown { text, .. } = match act {
                Ok(act) => match live.sequencer.perform_shown(act) {
                    Err(RunError::Stopped) => break,
                    shown => shown?,
                },
                Err(refusal) => live.sequencer.refused(refusal),
            };
            if at > 0 {
                self.bytes.push(b',');
            }
            self.bytes.extend_from_slice(text.as_bytes());
            self.make_room(live)?;
        }
        self.bytes.extend_from_slice(b"]}");
        Ok(())
    }
}

/// Reads one line.
fn read(line: &[u8]) -> Asked {
    let nothing = |sentence: &str| Asked {
        id: Value::Null,
        request: Err(Malformed::Request(Refusal::invalid(sentence))),
    };
    let text = match std::str::from_utf8(line) {
        Ok(text) => text.trim(),
        Err(_) => return nothing("the line is not UTF-8"),
    };
    if text.is_empty() {
        return nothing("the line is empty; a request is a JSON object");
    }
    match parse(text) {
        Ok(Parsed { value: Value::Object(map), flawed }) => read_object(map, flawed),
        Ok(_) => nothing("a request is a JSON object"),
        Err(problem) => nothing(&format!("the line is not JSON: {problem}")),
    }
}

fn read_object(mut map: Map<String, Value>, flawed: bool) -> Asked {
    let mut id = map.shift_remove("id").unwrap_or_default();
    // An id that can't be read can't be sent back either.
    let flawed_id = flawed.then(|| flaw("id", &id)).flatten();
    if flawed_id.is_some() {
        id = Value::Null;
    }
    let flawed_key = || flawed.then(|| flawed_key(&map)).flatten();
    let stray = flawed_id.or_else(flawed_key).or_else(|| check_keys(&map));
    let request = match stray {
        Some(refusal) if map.contains_key("act") || map.contains_key("decide") => {
            Err(Malformed::Act(refusal))
        }
        Some(refusal) => Err(Malformed::Request(refusal)),
        None => match map.into_iter().next() {
            Some((word, body)) => Request::parse(&word, body, flawed),
            None => {
                let hint = format!("name one of {}", REQUESTS.join(", "));
                Err(Malformed::Request(Refusal::invalid("the request is missing").hint(hint)))
            }
        },
    };
    Asked { id, request }
}

fn check_keys(request: &Map<String, Value>) -> Option<Refusal> {
    if let Some(key) = request.keys().find(|key| !REQUESTS.contains(&key.as_str())) {
        let shown: String = key.chars().take(64).collect();
        let refusal = Refusal::invalid(format!("there is no request {shown:?}"));
        return Some(match nearest(key, REQUESTS) {
            Some(near) => refusal.hint(format!("did you mean `{near}`?")),
            None => refusal.hint(format!("the requests are {}", REQUESTS.join(", "))),
        });
    }
    let names: Vec<&str> = request.keys().map(String::as_str).collect();
    (names.len() > 1).then(|| Refusal::invalid(format!("one request at a time, not {}", names.join(" and "))))
}
