//! The messages between a process and its workers, and their frames: a length of four bytes, then postcard.
//!
//! The parent believes no worker: a frame is bounded before it is taken in, and the answer in it is held
//! against the limits that the sandbox itself keeps.

use std::{
    io::{Error, ErrorKind, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::Arc,
};

use oikos_kernel::{
    code::{CodeAnswer, CodeCall, CodeFailure, HostAnswer, Meter},
    json::text_bytes,
    limits,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::lookout::Lookout;

/// The version of these messages; one that differs is refused.
pub(crate) const PROTOCOL: u32 = 3;

/// Bytes of one message: the largest results and arguments of code many times over.
pub(crate) const FRAME_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes that are asked of the system at once.
const READ_BYTES: usize = 16 * 1024;

/// Bytes of a buffer that is kept between messages.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of the length before a message.
const HEAD: usize = 4;

/// The first message to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// [`PROTOCOL`] of the parent.
    pub(crate) protocol: u32,
    /// The build of the parent.
    pub(crate) build: String,
    /// The runtime that the parent's world is run by.
    pub(crate) runtime: String,
    /// The folder from which the runtime is loaded.
    pub(crate) folder: Option<PathBuf>,
}

/// A layer of the second wall that a worker does not have, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Missing {
    /// Its name.
    pub layer: String,
    /// Why it is not there.
    pub why: String,
}

/// A worker's answer to its setup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Hello {
    /// It is ready, behind a wall that lacks these layers.
    Ready { missing: Vec<Missing> },
    /// It can't serve this parent.
    Refused { sentence: String },
}

/// The source of a call: each is sent once, and named after that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Source {
    /// The text that was sent as the one of this number.
    Known(u32),
    /// A text; it takes the next number.
    New(Arc<str>),
    /// A text that takes number 0; all others are forgotten.
    Afresh(Arc<str>),
}

/// A question to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Whether a source is code.
    Check { source: Arc<str>, file: String },
    /// Start a call, whose own source is empty, as the one of this number.
    Start { number: u32, source: Source, call: Box<CodeCall> },
    /// Go on with the call of this number.
    Resume { number: u32, answer: HostAnswer, work_max: u64 },
}

/// A worker's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Tell {
    /// To [`Ask::Check`].
    Checked(Result<Vec<String>, CodeFailure>),
    /// To [`Ask::Start`] and [`Ask::Resume`].
    Answer(CodeAnswer),
}

/// One end of the connection of a parent and a worker.
#[derive(Debug)]
pub(crate) struct Link {
    stream: UnixStream,
    lookout: Lookout,
    out: Vec<u8>,
    come: Vec<u8>,
}

impl Link {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, lookout: Lookout::new(), out: Vec::new(), come: Vec::new() }
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When it is too large, or the other end is gone.
    pub(crate) fn send<T: Serialize>(&mut self, message: &T) -> Result<(), Error> {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        out.extend_from_slice(&[0; HEAD]);
        out =
            postcard::to_extend(message, out).map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
        let length = out.len() - HEAD;
        let head = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX);
        let Some(head) = head else {
            let sentence = format!("a message of {length} bytes; the most is {FRAME_BYTES_MAX}");
            return Err(Error::new(ErrorKind::InvalidInput, sentence));
        };
        if let Some(place) = out.first_chunk_mut() {
            *place = head.to_le_bytes();
        }
        self.stream.write_all(&out)?;
        if out.capacity() <= KEPT_BYTES_MAX {
            self.out = out;
        }
        Ok(())
    }

    /// Waits for a message; nothing, if the other end was closed before it began.
    ///
    /// # Errors
    /// When it is none: too large, cut short, or of another form.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let mut come = std::mem::take(&mut self.come);
        let garbage = |sentence: &str| Error::new(ErrorKind::InvalidData, sentence.to_owned());
        let (mut had, mut whole) = (0, HEAD);
        while had < whole {
            // Room for a large message is made as it comes, not as it is announced.
            let room = had + (whole - had).clamp(READ_BYTES, KEPT_BYTES_MAX);
            if come.len() < room {
                come.resize(room, 0);
            }
            let free = come.get_mut(had..).unwrap_or_default();
            let looked = if had == 0 { self.lookout.read(&self.stream, free) } else { None };
            let read = match looked.unwrap_or_else(|| self.stream.read(free)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                return if had == 0 { Ok(None) } else { Err(garbage("a message that was cut short")) };
            }
            let head_had = had >= HEAD;
            had += read;
            if !head_had
                && had >= HEAD
                && let Some(head) = come.first_chunk()
            {
                let length = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
                if length > FRAME_BYTES_MAX {
                    return Err(garbage("a message that is too large"));
                }
                whole = HEAD + length;
            }
        }
        if had > whole {
            return Err(garbage("a message that nobody asked for"));
        }
        let body = come.get(HEAD..whole).unwrap_or_default();
        let message = match postcard::take_from_bytes(body) {
            Ok((message, [])) => message,
            Ok(_) | Err(_) => return Err(garbage("a message of another form")),
        };
        if come.capacity() <= KEPT_BYTES_MAX {
            self.come = come;
        }
        Ok(Some(message))
    }
}

/// Whether an answer is one that a sandbox gives to a run that had used `before` and may print `output_max`
/// bytes: the kernel relies on the form of its values.
pub(crate) fn is_sound(answer: &CodeAnswer, before: Meter, output_max: usize) -> bool {
    let meter = match answer {
        CodeAnswer::Call { meter, .. } | CodeAnswer::Done { meter, .. } => meter,
    };
    let grows = meter.work >= before.work && meter.memory_bytes >= before.memory_bytes;
    grows
        && match answer {
            CodeAnswer::Call { call, .. } => call.args.iter().chain(call.kwargs.values()).all(is_value),
            CodeAnswer::Done { result, output, .. } => {
                output.len() <= output_max && result.as_ref().map_or(true, is_value)
            }
        }
}

fn is_value(value: &Value) -> bool {
    fits(value, 0) && text_bytes(value) <= limits::RESULT_BYTES_MAX
}

fn fits(value: &Value, depth: usize) -> bool {
    if depth > limits::JSON_DEPTH_MAX {
        return false;
    }
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number.is_i64() || number.is_f64(),
        Value::Array(items) => items.iter().all(|item| fits(item, depth + 1)),
        Value::Object(map) => map.values().all(|item| fits(item, depth + 1)),
    }
}
