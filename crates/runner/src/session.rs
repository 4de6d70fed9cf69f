//! The session protocol (`DESIGN.md §16.2`): one JSON object a line, one line back, in order.

use std::{
    io::{BufRead, BufReader, Read, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use oikos_kernel::{
    id::nearest,
    limits,
    op::{Action, Op},
    receipt::Receipt,
    record::Cause,
    refusal::{Code, Refusal},
    time::parse_duration_ms,
    world::wire::Viewer,
};
use serde_json::{Map, Value, json};

use crate::{
    error::RunError,
    json::{Parsed, flaw, flaw_in, flawed_key, parse},
    live::{Goal, Live, Stopped},
    report::verified,
    stop::{Stop, Why},
};

/// Bytes of requests that share a commit, and of answers that wait for one, give or take one line.
const PIPELINE_BYTES_MAX: usize = 1 << 20;

/// A good size of the buffer that requests are read into: it bounds how many share a commit.
pub const READ_BYTES: usize = 1 << 18;

/// How many groups of requests are read ahead.
const GROUPS_AHEAD_MAX: usize = 2;

/// One line as it was read.
enum Line {
    Text(Vec<u8>),
    TooLong,
}

/// What ends a wait for requests.
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

/// Answers every line of `input` on `output` until it ends. An answer is written only when what it
/// tells is on disk; requests that have arrived meanwhile share a commit.
///
/// It gives why it was asked to end, or nothing if its input ended.
///
/// # Errors
/// Only faults; the world can be opened again.
pub fn serve<R: Read + Send + 'static>(
    live: &mut Live,
    input: BufReader<R>,
    mut output: impl Write,
    stop: &Stop,
) -> Result<Option<Why>, RunError> {
    let (sender, groups) = sync_channel(GROUPS_AHEAD_MAX);
    let waker = sender.clone();
    // If it can't be sent, there is something to wake up for.
    let _bell = stop.bell(move || drop(waker.try_send(Incoming::Stop)));
    // Nobody waits for the reader: when the session is asked to stop, its input may stay open.
    std::thread::spawn(move || read_groups(input, &sender));
    let mut answers = Vec::new();
    while let Some(group) = next(&groups, stop)? {
        for line in group {
            answer(live, line, stop, &mut answers)?;
            if answers.len() > PIPELINE_BYTES_MAX && !hand_out(live, &mut answers, &mut output)? {
                return Ok(Some(Why::ClosedPipe));
            }
        }
        if !hand_out(live, &mut answers, &mut output)? {
            return Ok(Some(Why::ClosedPipe));
        }
    }
    live.sequencer.commit()?;
    Ok(stop.why())
}

/// Writes answers once what they tell is on disk; `false` if nobody reads them any more.
fn hand_out(live: &mut Live, answers: &mut Vec<u8>, output: &mut impl Write) -> Result<bool, RunError> {
    live.sequencer.commit()?;
    match output.write_all(answers).and_then(|()| output.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(false),
        written => written?,
    }
    answers.clear();
    Ok(true)
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
                // What was read before is answered first. Nobody listens any more if this fails, which is fine.
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

fn read_line(input: &mut impl BufRead) -> std::io::Result<Option<Line>> {
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

fn answer(live: &mut Live, line: Line, stop: &Stop, answers: &mut Vec<u8>) -> Result<(), RunError> {
    let value = match line {
        Line::Text(bytes) => respond(live, &bytes, stop)?,
        Line::TooLong => {
            let most = limits::LINE_BYTES_MAX;
            failed(Value::Null, &Refusal::new(Code::LimitExceeded, format!("a line may have {most} bytes")))
        }
    };
    serde_json::to_writer(&mut *answers, &value).map_err(std::io::Error::from)?;
    answers.push(b'\n');
    Ok(())
}

/// Answers one line.
///
/// # Errors
/// Only faults.
pub fn respond(live: &mut Live, line: &[u8], stop: &Stop) -> Result<Value, RunError> {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text.trim(),
        Err(_) => return Ok(failed(Value::Null, &Refusal::invalid("the line is not UTF-8"))),
    };
    if text.is_empty() {
        return Ok(failed(Value::Null, &Refusal::invalid("the line is empty; a request is a JSON object")));
    }
    let (request, flawed) = match parse(text) {
        Ok(Parsed { value: Value::Object(map), flawed }) => (map, flawed),
        Ok(_) => return Ok(failed(Value::Null, &Refusal::invalid("a request is a JSON object"))),
        Err(problem) => {
            return Ok(failed(Value::Null, &Refusal::invalid(format!("the line is not JSON: {problem}"))));
        }
    };
    live.sequencer.tell_time();
    dispatch(live, request, flawed, stop)
}

const REQUESTS: [&str; 6] = ["act", "batch", "query", "advance", "run", "verify"];

fn dispatch(
    live: &mut Live,
    mut request: Map<String, Value>,
    flawed: bool,
    stop: &Stop,
) -> Result<Value, RunError> {
    let mut id = request.shift_remove("id").unwrap_or_default();
    // What can't be read can't be sent back either.
    let flawed_id = flawed.then(|| flaw("id", &id)).flatten();
    if flawed_id.is_some() {
        id = Value::Null;
    }
    let flawed_key = || flawed.then(|| flawed_key(&request)).flatten();
    let stray = flawed_id.or_else(flawed_key).or_else(|| check_keys(&request));
    if let Some(act) = request.shift_remove("act") {
        let receipt = match stray {
            Some(refusal) => refused(live, refusal),
            None => act_on(live, act, flawed)?,
        };
        return Ok(json!({ "id": id, "receipt": receipt }));
    }
    if let Some(refusal) = stray {
        return Ok(failed(id, &refusal));
    }
    let Some((kind, body)) = request.into_iter().next() else {
        let refusal =
            Refusal::invalid("the request is missing").hint(format!("name one of {}", REQUESTS.join(", ")));
        return Ok(failed(id, &refusal));
    };
    let of_ops = ["batch", "query"].contains(&kind.as_str());
    if let Some(refusal) = (flawed && !of_ops).then(|| flaw(&kind, &body)).flatten() {
        return Ok(failed(id, &refusal));
    }
    let result = match kind.as_str() {
        "batch" => return batch(live, id, body, flawed),
        "query" => query(live, body, flawed).map(|result| json!({ "id": id, "result": result })),
        "advance" => advance(live, &body)?.map(|()| json!({ "id": id, "now": live.sequencer.now().to_string() })),
        "run" => run(live, &body, stop)?.map(|stopped| {
            json!({ "id": id, "now": live.sequencer.now().to_string(), "seq": live.world().seq(), "stopped": stopped })
        }),
        _ => verify(live, &body)?.map(|result| json!({ "id": id, "result": result })),
    };
    Ok(result.unwrap_or_else(|refusal| failed(id, &refusal)))
}

fn failed(id: Value, refusal: &Refusal) -> Value {
    json!({ "id": id, "error": refusal.to_json() })
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

/// An action from outside: `as`, and an op or a list `ops`. Its receipt, for the one who acts.
fn act_on(live: &mut Live, act: Value, flawed: bool) -> Result<Value, RunError> {
    let Value::Object(mut act) = act else {
        return Ok(refused(live, Refusal::invalid("`act` must be an object with `as` and `op`")));
    };
    if let Some(refusal) = flawed.then(|| flaw_in(&act)).flatten() {
        return Ok(refused(live, refusal));
    }
    let principal = match act.shift_remove("as") {
        Some(Value::String(principal)) => principal,
        Some(_) => return Ok(refused(live, Refusal::invalid("`as` must be a string"))),
        None => {
            let refusal = Refusal::invalid("`as` is missing").hint("name the principal that acts");
            return Ok(refused(live, refusal));
        }
    };
    let action = match act.shift_remove("ops") {
        None => Value::Object(act),
        Some(ops) if act.is_empty() && ops.is_array() => ops,
        Some(_) => {
            let problem = if act.is_empty() {
                "`ops` must be an array of ops"
            } else {
                "give an `op` with its fields, or `ops`, not both"
            };
            return Ok(refused(live, Refusal::invalid(problem)));
        }
    };
    let receipt = live.sequencer.act(&principal, action)?;
    Ok(receipt.to_json(live.world(), Viewer::Artifact(live.world().lookup(&principal))))
}

/// The receipt of what never became an action.
fn refused(live: &Live, refusal: Refusal) -> Value {
    let receipt = Receipt::refused(live.sequencer.now(), refusal);
    receipt.to_json(live.world(), Viewer::Artifact(None))
}

fn batch(live: &mut Live, id: Value, body: Value, flawed: bool) -> Result<Value, RunError> {
    let Value::Array(acts) = body else {
        return Ok(failed(id, &Refusal::invalid("`batch` must be an array of actions")));
    };
    let mut receipts = Vec::with_capacity(acts.len());
    for act in acts {
        receipts.push(act_on(live, act, flawed)?);
    }
    Ok(json!({ "id": id, "receipts": receipts }))
}

/// A query as an observer.
fn query(live: &mut Live, body: Value, flawed: bool) -> Result<Value, Refusal> {
    let Value::Object(mut query) = body else {
        return Err(Refusal::invalid("`query` must be an object with `what`"));
    };
    if let Some(refusal) = flawed.then(|| flaw_in(&query)).flatten() {
        return Err(refusal);
    }
    for field in ["op", "max_spend", "action_id"] {
        if query.contains_key(field) {
            return Err(Refusal::invalid(format!("`query` has no field `{field}`")));
        }
    }
    query.insert("op".into(), "query".into());
    match Action::parse(Value::Object(query))?.ops.pop().map(|planned| planned.op) {
        Some(Op::Query(query)) => live.sequencer.observe(query),
        _ => Err(Refusal::invalid("`query` must be a query")),
    }
}

fn advance(live: &mut Live, body: &Value) -> Result<Result<(), Refusal>, RunError> {
    let Some(ms) = body.as_str().and_then(parse_duration_ms) else {
        return Ok(Err(Refusal::invalid(
            "`advance` must be a duration such as \"60s\", in whole milliseconds",
        )));
    };
    Ok(live.advance(ms)?.map_err(|problem| Refusal::new(Code::InvalidArgument, problem)))
}

/// Runs the scheduler: so many ticks, or for a duration: as many ticks as begin within it, or every turn
/// that comes before its end.
fn run(live: &mut Live, body: &Value, stop: &Stop) -> Result<Result<&'static str, Refusal>, RunError> {
    let wrong = || Refusal::invalid("`run` must be {\"ticks\": 3} or {\"for\": \"10m\"}");
    let fields = body.as_object().filter(|fields| fields.len() == 1);
    let Some((kind, value)) = fields.and_then(|fields| fields.iter().next()) else { return Ok(Err(wrong())) };
    let word = match kind.as_str() {
        "ticks" => "ticks",
        "for" => "for",
        _ => return Ok(Err(wrong())),
    };
    let ms = value.as_str().filter(|_| word == "for").and_then(parse_duration_ms);
    let goal = match (live.ticks_done(), ms) {
        (Some(done), ms) => {
            let tick_ms = live.file.plan.tick_ms.max(1);
            let begun = ms.map(|ms| (ms / tick_ms + i64::from(ms % tick_ms != 0)).unsigned_abs());
            let ticks = if word == "ticks" { value.as_u64() } else { begun };
            ticks.and_then(|ticks| done.checked_add(ticks)).map(Goal::Ticks)
        }
        (None, Some(ms)) => live.sequencer.now().after_ms(ms).map(Goal::Time),
        (None, None) if word == "ticks" => {
            let refusal = Refusal::invalid("`ticks`: in this world each agent has its own turns");
            return Ok(Err(refusal.hint("run it for a duration, as in {\"for\": \"10m\"}")));
        }
        (None, None) => None,
    };
    let Some(goal) = goal else { return Ok(Err(wrong())) };
    let stopped = live.run_until(goal, stop, |_, _| ())?;
    // Where the clock stands when nothing happened at the end is known to nobody but the journal.
    if matches!(goal, Goal::Time(_)) && live.sequencer.now() > live.world().now() {
        live.sequencer.mark(Cause::Clock)?;
    }
    Ok(Ok(match stopped {
        Stopped::Ticks | Stopped::Duration => word,
        Stopped::Asked(why) => why.word(),
    }))
}

fn verify(live: &mut Live, body: &Value) -> Result<Result<Value, Refusal>, RunError> {
    if *body != Value::Bool(true) {
        return Ok(Err(Refusal::invalid("`verify` must be true")));
    }
    Ok(Ok(match oikos_journal::verify(live.sequencer.journal()?, |_| ()) {
        Ok(found) => verified(&found),
        Err(error) => json!({ "ok": false, "problem": error.to_string() }),
    }))
}
