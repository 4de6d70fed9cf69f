//! The names that code may call, and the functions that need no host.

use monty_types::{
    ExcType, MontyClassInstance, MontyClassType, MontyDate, MontyDateTime, MontyException, MontyObject,
    MontyUuid, NameLookupResult,
};
use oikos_kernel::{
    code::Entry,
    host_fn::{HostFn, LedgerFn},
    seed,
    time::Time,
};

/// Functions that are answered here.
const LOCAL: &[&str] =
    &["now", "random", "log", "_oikos_random", "_oikos_below", "_oikos_seed", "_oikos_time", "_oikos_hash"];

/// The object that contracts are handed as `ledger`: its methods are host calls.
const LEDGER: MontyUuid = MontyUuid::from_u128(1);
const LEDGER_CLASS: MontyUuid = MontyUuid::from_u128(2);

/// The name under which the interpreter keeps a method of the ledger that is taken as a value.
const LEDGER_PREFIX: &str = "_oikos_ledger_";

/// The object `ledger` of a contract's check.
pub(crate) fn ledger() -> MontyObject {
    MontyObject::ClassInstance(Box::new(MontyClassInstance {
        class_type: MontyClassType {
            name: "Ledger".into(),
            id: LEDGER_CLASS,
            host_defined: true,
            is_dataclass: false,
            attrs: Vec::new().into(),
        },
        instance_id: LEDGER,
        attrs: Vec::new().into(),
    }))
}

/// The meaning of a name that the code does not define; `object` when it is an attribute of one.
pub(crate) fn lookup(name: &str, object: Option<MontyUuid>, entry: &Entry) -> NameLookupResult {
    let function = match object {
        Some(LEDGER) => LedgerFn::from_word(name).map(|method| format!("{LEDGER_PREFIX}{}", method.as_str())),
        Some(_) => None,
        None => (!matches!(answerer(name, None, entry), Answerer::Nobody)).then(|| name.to_owned()),
    };
    let value = function.map(|name| MontyObject::Function { name, docstring: None });
    value.map_or(NameLookupResult::Undefined, NameLookupResult::Value)
}

/// The answerer of a call.
pub(crate) enum Answerer {
    /// The kernel.
    Kernel(HostFn),
    /// This module.
    Local,
    /// Nobody: there is no such function.
    Nobody,
}

/// The answerer of the call of a function, or of a method of the `object`.
pub(crate) fn answerer(name: &str, object: Option<MontyUuid>, entry: &Entry) -> Answerer {
    let method = |name: &str| LedgerFn::from_word(name).map(HostFn::Ledger);
    let function = match (object, name.strip_prefix(LEDGER_PREFIX)) {
        (Some(LEDGER), _) => method(name),
        (Some(_), _) => None,
        (None, Some(name)) if *entry == Entry::Check => method(name),
        (None, _) if LOCAL.contains(&name) => return Answerer::Local,
        (None, _) => HostFn::from_word(name),
    };
    function.map_or(Answerer::Nobody, Answerer::Kernel)
}

/// Why a mind can't call a function while it thinks.
pub(crate) fn only_thinks(function: HostFn, entry: &Entry) -> Option<MontyException> {
    if *entry != Entry::Step || function.looks() {
        return None;
    }
    let name = function.as_str();
    Some(raise(
        ExcType::RuntimeError,
        format!(
            "permission_denied: a mind thinks and does not act; return the op instead, as in return {{\"op\": \"{name}\", ...}}"
        ),
    ))
}

pub(crate) fn raise(exc_type: ExcType, message: impl Into<String>) -> MontyException {
    MontyException::new(exc_type, Some(message.into()))
}

/// The action's own clock and randomness.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) now: Time,
    seed: u64,
    draws: u64,
}

impl Local {
    pub(crate) fn new(now: Time, seed: u64) -> Self {
        Self { now, seed, draws: 0 }
    }

    fn draw(&mut self) -> u64 {
        self.draws += 1;
        seed::mix(self.seed, self.draws)
    }

    /// Answers one of the [`LOCAL`] functions; what is logged comes back beside the answer.
    pub(crate) fn call(
        &mut self,
        name: &str,
        args: &[MontyObject],
    ) -> Result<(MontyObject, Option<String>), MontyException> {
        let answer = match (name, args) {
            ("now", []) => MontyObject::String(self.now.to_string()),
            ("random" | "_oikos_random", []) => MontyObject::Float(unit(self.draw())),
            ("_oikos_below", [MontyObject::Int(bound)]) if *bound >= 1 => {
                let bound = usize::try_from(*bound).unwrap_or(usize::MAX);
                MontyObject::Int(i64::try_from(seed::below(self.draw(), bound)).unwrap_or(i64::MAX))
            }
            ("_oikos_seed", args) => {
                let text: Vec<String> = args.iter().map(MontyObject::py_repr).collect();
                self.seed = seed::derive(0, "seed", &text.join(","), 0);
                self.draws = 0;
                MontyObject::None
            }
            ("_oikos_time", []) => MontyObject::Float(seconds(self.now)),
            ("_oikos_hash", [MontyObject::String(name), MontyObject::Bytes(data)]) => {
                MontyObject::String(digest(name, data))
            }
            ("_oikos_hash", _) => {
                return Err(raise(ExcType::TypeError, "hash data must be bytes: use text.encode()"));
            }
            ("log", args) => {
                let words: Vec<String> = args.iter().map(ToString::to_string).collect();
                return Ok((MontyObject::None, Some(words.join(" ") + "\n")));
            }
            (name, _) => return Err(raise(ExcType::TypeError, format!("{name}() got the wrong arguments"))),
        };
        Ok((answer, None))
    }

    pub(crate) fn date_time(&self) -> MontyObject {
        let (year, month, day, ms_of_day) = civil(self.now);
        let part = |size: i64, count: i64| u8::try_from(ms_of_day / size % count).unwrap_or(0);
        MontyObject::DateTime(MontyDateTime {
            year,
            month,
            day,
            hour: part(3_600_000, 24),
            minute: part(60_000, 60),
            second: part(1_000, 60),
            microsecond: u32::try_from(ms_of_day % 1_000 * 1_000).unwrap_or(0),
            offset_seconds: None,
            timezone_name: None,
        })
    }

    pub(crate) fn date(&self) -> MontyObject {
        let (year, month, day, _) = civil(self.now);
        MontyObject::Date(MontyDate { year, month, day })
    }
}

/// A number in [0, 1) from the upper 53 of 64 random bits.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a float exactly")]
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of any printable year fit a float exactly")]
fn seconds(now: Time) -> f64 {
    now.ms() as f64 / 1_000.0
}

/// Year, month, day, and milliseconds of the day, in UTC.
fn civil(now: Time) -> (i32, u8, u8, i64) {
    let stamp = jiff::Timestamp::from_millisecond(now.ms()).unwrap_or_default();
    let date = jiff::tz::Offset::UTC.to_datetime(stamp);
    let (year, month, day) = (i32::from(date.year()), date.month(), date.day());
    (year, month.unsigned_abs(), day.unsigned_abs(), now.ms().rem_euclid(86_400_000))
}

fn digest(name: &str, data: &[u8]) -> String {
    use sha2::Digest as _;
    let bytes: Vec<u8> = match name {
        "md5" => md5::Md5::digest(data).to_vec(),
        _ => sha2::Sha256::digest(data).to_vec(),
    };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
