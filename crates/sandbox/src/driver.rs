//! The words between the host and the driver inside the interpreter (`crates/python/guest/driver.py`): marshalled
//! tuples. The driver runs beside code that can change it, so nothing that it says is believed.

use oikos_kernel::{
    code::{CallInfo, CodeFailure, Entry, FailureKind, HostCall},
    host_fn::{HostFn, LedgerFn},
    json::Json,
    limits,
};
use serde_json::{Map, Value};

use crate::{
    program::Program,
    values::{Reader, Unfit, write, write_text, write_tuple},
};

/// The kinds of requests, as the driver numbers them.
#[derive(Clone, Copy)]
enum Kind {
    Compile = 0,
    Method = 1,
    Check = 2,
    Snippet = 3,
}

/// Parts of every request.
const REQUEST_PARTS: usize = 7;

/// The exceptions that an answer raises, as the driver numbers them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raise {
    /// An op was refused.
    Runtime = 0,
    /// An argument is unfit.
    Type = 1,
}

/// Before the name of a method of the ledger.
const LEDGER: &str = "ledger.";

/// Bytes of what the driver says of a failure.
const FAILURE_BYTES_MAX: usize = 1024 * 1024;

fn begin(kind: Kind) -> Vec<u8> {
    let mut request = Vec::with_capacity(512);
    write_tuple(REQUEST_PARTS, &mut request);
    write(&Value::from(kind as u8), &mut request);
    request
}

/// The request to compile a source under a file name.
pub(crate) fn compile(source: &str, file: &str, is_snippet: bool) -> Vec<u8> {
    let mut request = begin(Kind::Compile);
    write_text(source, &mut request);
    write_text(file, &mut request);
    write(&Value::Bool(is_snippet), &mut request);
    write(&Value::Null, &mut request);
    write(&Value::Null, &mut request);
    write(&Value::Null, &mut request);
    request
}

/// The inputs of a run beside its code.
pub(crate) struct Inputs<'a> {
    pub(crate) file: &'a str,
    pub(crate) entry: &'a Entry,
    pub(crate) args: &'a [Value],
    pub(crate) me: &'a str,
    pub(crate) call: &'a CallInfo,
    pub(crate) parameters: Option<&'a Json>,
}

/// The request to run a program.
pub(crate) fn run(program: &Program, inputs: &Inputs<'_>) -> Vec<u8> {
    let mut request = begin(match inputs.entry {
        Entry::Snippet => Kind::Snippet,
        Entry::Check => Kind::Check,
        Entry::Method(_) | Entry::Step => Kind::Method,
    });
    program.code.write(inputs.file, &mut request);
    match inputs.entry.function() {
        Some(name) => write_text(name, &mut request),
        None => write(&Value::Null, &mut request),
    }
    write_tuple(inputs.args.len(), &mut request);
    inputs.args.iter().for_each(|arg| write(arg, &mut request));
    if program.wants_me {
        write_text(inputs.me, &mut request);
    } else {
        write(&Value::Null, &mut request);
    }
    if program.wants_call {
        let CallInfo { caller, origin, paid, given } = inputs.call;
        let call = serde_json::json!({
            "caller": caller.as_deref(), "origin": origin.as_deref(), "paid": paid, "given": given,
        });
        write(&call, &mut request);
    } else {
        write(&Value::Null, &mut request);
    }
    match inputs.parameters {
        Some(parameters) if program.wants_parameters => write(parameters.value(), &mut request),
        None if program.wants_parameters => write(&Value::Object(Map::new()), &mut request),
        Some(_) | None => write(&Value::Null, &mut request),
    }
    request
}

/// The answer that raises.
pub(crate) fn raise(raise: Raise, text: &str) -> Vec<u8> {
    let mut answer = Vec::with_capacity(text.len() + 16);
    write_tuple(2, &mut answer);
    write(&Value::from(raise as u8), &mut answer);
    write_text(text, &mut answer);
    answer
}

/// The answer that is a value.
pub(crate) fn value(value: &Value) -> Vec<u8> {
    let mut answer = Vec::with_capacity(64);
    write(value, &mut answer);
    answer
}

/// A question of code to its host.
#[derive(Debug)]
pub(crate) enum Asked {
    /// The time of the action.
    Now,
    /// The source of the code.
    Source,
    /// A host function.
    Host(HostCall),
    /// A host function with arguments that can't be handed on, and the fuel that it took to see that.
    Unfit(String, u64),
    /// Something that no driver asks.
    Nothing,
}

/// Reads what code asks for, as far as the fuel that it has left reaches.
pub(crate) fn asked(bytes: &[u8], fuel_left: u64) -> Asked {
    let mut reader = Reader::within(bytes, limits::RESULT_BYTES_MAX, fuel_left);
    match reader.tuple() {
        Ok(1) => match reader.text().as_deref() {
            Ok("now") => Asked::Now,
            Ok("source") => Asked::Source,
            Ok(_) | Err(_) => Asked::Nothing,
        },
        Ok(3) => {
            let Some(function) = reader.text().ok().as_deref().and_then(function) else {
                return Asked::Nothing;
            };
            let call = host_call(&mut reader, function);
            let unfit = |unfit| Asked::Unfit(format!("{}(): {unfit}", function.as_str()), reader.fuel());
            call.map_or_else(unfit, Asked::Host)
        }
        Ok(_) | Err(_) => Asked::Nothing,
    }
}

fn function(word: &str) -> Option<HostFn> {
    match word.strip_prefix(LEDGER) {
        Some(method) => LedgerFn::from_word(method).map(HostFn::Ledger),
        None => HostFn::from_word(word),
    }
}

fn host_call(reader: &mut Reader<'_>, function: HostFn) -> Result<HostCall, Unfit> {
    let count = reader.tuple()?;
    let mut args = Vec::new();
    for _ in 0..count {
        args.push(reader.value()?);
    }
    let kwargs = reader.named()?;
    let all: Vec<&Value> = args.iter().chain(kwargs.values()).collect();
    reader.end(&all)?;
    Ok(HostCall { function, args, kwargs })
}

/// Code as it was compiled.
pub(crate) struct Compiled {
    pub(crate) code: Vec<u8>,
    /// The names of the functions that it defines.
    pub(crate) defines: Vec<String>,
}

/// Reads the answer to a request to compile.
pub(crate) fn compiled(bytes: &[u8]) -> Result<Compiled, CodeFailure> {
    let mut reader = Reader::new(bytes, limits::RESULT_BYTES_MAX);
    match reader.tuple() {
        Ok(2) => {
            let code = reader.raw().map_err(|_| unreadable())?.to_vec();
            let names = reader.value().map_err(|_| unreadable())?;
            let names = names.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
            let defines = names.collect();
            Ok(Compiled { code, defines })
        }
        Ok(5) => Err(failure(&mut reader).unwrap_or_else(|_| unreadable())),
        Ok(_) | Err(_) => Err(unreadable()),
    }
}

/// The result of a run that has so much fuel left, and the fuel that it took to see that it has none.
pub(crate) fn result(bytes: &[u8], fuel_left: u64) -> (Result<Value, CodeFailure>, u64) {
    let mut reader = Reader::within(bytes, limits::RESULT_BYTES_MAX, fuel_left);
    let mut result = read_result(&mut reader, bytes.len());
    if reader.is_out_of_fuel() {
        result = Err(out_of_work());
    }
    let fuel = if result.is_err() { reader.fuel() } else { 0 };
    (result, fuel)
}

/// The failure of code that has used its budget up.
pub(crate) fn out_of_work() -> CodeFailure {
    CodeFailure::plain(FailureKind::Work, "the code ran out of its budget of work")
}

fn read_result(reader: &mut Reader<'_>, length: usize) -> Result<Value, CodeFailure> {
    match reader.tuple() {
        Ok(1) => reader.value().and_then(|value| {
            reader.end(&[&value])?;
            Ok(value)
        }),
        Ok(5) if length <= FAILURE_BYTES_MAX => {
            return Err(failure(reader).unwrap_or_else(|_| unreadable()));
        }
        Ok(_) | Err(_) => Err(Unfit::Forged),
    }
    .map_err(|unfit| match unfit {
        Unfit::Forged => unreadable(),
        unfit @ (Unfit::Value { .. } | Unfit::Deep | Unfit::Long(_)) => no_json(&unfit.to_string()),
    })
}

fn failure(reader: &mut Reader<'_>) -> Result<CodeFailure, Unfit> {
    let kind = match reader.small()? {
        0 => FailureKind::Invalid,
        1 => FailureKind::NoEntry,
        2 => FailureKind::Raised,
        3 => FailureKind::Memory,
        4 => FailureKind::Recursion,
        5 => FailureKind::NotJson,
        _ => return Err(Unfit::Forged),
    };
    let (message, exception) = (reader.text()?, reader.text_or_none()?);
    let (own_words, traceback) = (reader.small()? == 1, reader.text()?);
    if kind == FailureKind::NotJson {
        return Ok(no_json(&message));
    }
    Ok(CodeFailure { kind, message, exception, own_words, defines: Vec::new(), traceback })
}

fn no_json(problem: &str) -> CodeFailure {
    CodeFailure::plain(FailureKind::NotJson, format!("TypeError: the result can't be returned: {problem}"))
}

fn unreadable() -> CodeFailure {
    CodeFailure::plain(FailureKind::Raised, "SystemError: the code took its driver apart, and left no answer")
}
