//! Rows of the tape: a request to a model, and the answer that came (`MINDS.md §6`).
//!
//! A row holds all that is needed to give the answer again, and to charge it again, without asking.

use serde_json::{Map, Value, json};

use crate::{id::Id, limits::TAPED_COST_MAX, mind::check_model, time::Time, words::words};

words! {
    /// The purpose of a request.
    #[derive(PartialOrd, Ord)]
    Purpose {
        /// An agent's step.
        Step = "step",
        /// The correction of an answer that did not parse.
        Repair = "repair",
        /// A call by code.
        CallLlm = "call_llm",
        /// A question by an observer.
        Ask = "ask",
        /// A vector for a text.
        Embed = "embed",
    }
}

words! {
    /// The kinds of failure of a request.
    FailureKind {
        /// The provider wants to be asked less often.
        RateLimited = "rate_limited",
        /// No answer came in time.
        Timeout = "timeout",
        /// The provider failed.
        Server = "server",
        /// The provider could not be reached, or the answer was cut off.
        Network = "network",
        /// The provider does not accept the key.
        Auth = "auth",
        /// The provider or the model declined to answer.
        Refused = "refused",
        /// The answer ended at the most tokens that it may have.
        Length = "length",
        /// Something came that is no answer.
        Invalid = "invalid",
    }
}

words! {
    /// How a row came to be on the tape of a world, and whether the world has used it.
    Origin {
        /// Asked in this world, and paid.
        Asked = "asked",
        /// From a tape file or a parent, and not used yet.
        Imported = "imported",
        /// From a tape file or a parent, and used here.
        Replayed = "replayed",
    }
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word for an outcome that is no failure.
const OK: &str = "ok";

/// One row of the tape: one asking, with its final outcome and the cost of all its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taped {
    /// BLAKE3 of `request`.
    pub hash: [u8; 32],
    /// How often this agent had asked the very same before.
    pub n: u64,
    /// The record at whose state it was asked; of a row that was replayed, the record at whose state it was used.
    pub seq: u64,
    /// The id of the agent, or of the artifact whose code called.
    pub agent: String,
    /// The purpose of the request.
    pub purpose: Purpose,
    /// The name of the provider that was asked.
    pub provider: String,
    /// The model, without its provider.
    pub model: String,
    /// The canonical request: JSON with sorted keys.
    pub request: String,
    /// The kind of failure; `None` is an answer.
    pub failure: Option<FailureKind>,
    /// The text of the answer, as much of it as came, or a sentence about the failure.
    pub answer: String,
    /// Tokens of the request.
    pub tokens_in: u64,
    /// Those of them that the provider had in its cache.
    pub tokens_cached: u64,
    /// Tokens of the answer.
    pub tokens_out: u64,
    /// Micro-dollars.
    pub cost: u64,
    /// Milliseconds from the first attempt to the outcome.
    pub latency_ms: u64,
    /// The wall time at which it was asked.
    pub asked_at: Time,
    /// The wall time of the outcome.
    pub answered_at: Time,
    /// How it came to be on this tape; a line of a tape file does not say it.
    pub origin: Origin,
}

impl Taped {
    /// The word of the outcome: `ok`, or the kind of failure.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        self.failure.map_or(OK, FailureKind::as_str)
    }

    /// The failure that an outcome's word names; `None` when it is no outcome.
    #[must_use]
    pub fn outcome_from_word(word: &str) -> Option<Option<FailureKind>> {
        if word == OK { Some(None) } else { FailureKind::from_word(word).map(Some) }
    }

    /// Marks it as used at the state of record `seq`; says whether that changes it.
    pub fn take(&mut self, seq: u64) -> bool {
        let before = (self.origin, self.seq);
        if self.origin == Origin::Imported {
            self.origin = Origin::Replayed;
        }
        self.seq = seq;
        before != (self.origin, self.seq)
    }

    /// The row as one line of a tape file, without the line's end.
    #[must_use]
    pub fn to_line(&self) -> String {
        json!({
            "hash": blake3::Hash::from(self.hash).to_hex().as_str(),
            "n": self.n,
            "seq": self.seq,
            "agent": self.agent,
            "purpose": self.purpose.as_str(),
            "provider": self.provider,
            "model": self.model,
            "request": self.request,
            "outcome": self.outcome(),
            "answer": self.answer,
            "tokens_in": self.tokens_in,
            "tokens_cached": self.tokens_cached,
            "tokens_out": self.tokens_out,
            "cost": self.cost,
            "latency_ms": self.latency_ms,
            "asked_at": self.asked_at.to_string(),
            "answered_at": self.answered_at.to_string(),
        })
        .to_string()
    }

    /// Reads a line of a tape file: a row that is not used yet.
    ///
    /// # Errors
    /// A sentence about the first thing that is wrong, naming the field.
    pub fn from_line(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("it is no JSON: {error}"))?;
        let Value::Object(mut fields) = value else {
            return Err("it is no JSON object".into());
        };
        let row = Self {
            hash: hash(&text(&mut fields, "hash")?)?,
            n: number(&mut fields, "n")?,
            seq: number(&mut fields, "seq")?,
            agent: text(&mut fields, "agent")?,
            purpose: word(&mut fields, "purpose", Purpose::from_word)?,
            provider: text(&mut fields, "provider")?,
            model: text(&mut fields, "model")?,
            request: text(&mut fields, "request")?,
            failure: word(&mut fields, "outcome", Self::outcome_from_word)?,
            answer: text(&mut fields, "answer")?,
            tokens_in: number(&mut fields, "tokens_in")?,
            tokens_cached: number(&mut fields, "tokens_cached")?,
            tokens_out: number(&mut fields, "tokens_out")?,
            cost: number(&mut fields, "cost")?,
            latency_ms: number(&mut fields, "latency_ms")?,
            asked_at: word(&mut fields, "asked_at", Time::parse)?,
            answered_at: word(&mut fields, "answered_at", Time::parse)?,
            origin: Origin::Imported,
        };
        if let Some(unknown) = fields.keys().next() {
            let shown: String = unknown.chars().take(64).collect();
            return Err(format!("a row has no field `{}`", shown.escape_debug()));
        }
        row.check().and_then(|()| row.check_line()).map(|()| row)
    }

    /// Looks whether a row of a file is one that a world could have written.
    fn check_line(&self) -> Result<(), String> {
        Id::parse(&self.agent).map_err(|error| format!("`agent` is no id: {error}"))?;
        if check_model(&format!("{}::{}", self.provider, self.model)).is_err() {
            return Err("`provider` and `model` name no model".into());
        }
        for (name, number) in
            [("cost", self.cost), ("tokens_in", self.tokens_in), ("tokens_out", self.tokens_out)]
        {
            if number > TAPED_COST_MAX {
                return Err(format!("`{name}` is at most {TAPED_COST_MAX}"));
            }
        }
        Ok(())
    }

    /// Reads a tape file; empty lines are passed over.
    ///
    /// # Errors
    /// The number of the first line that is wrong, counted from 1, and a sentence about it.
    pub fn from_lines(text: &str) -> Result<Vec<Self>, (usize, String)> {
        let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
        lines.map(|(line, number)| Self::from_line(line).map_err(|problem| (number, problem))).collect()
    }

    /// Looks whether a row that comes from outside fits together.
    ///
    /// # Errors
    /// When its hash is not that of its request, or it has more cached tokens than tokens.
    pub fn check(&self) -> Result<(), String> {
        if *blake3::hash(self.request.as_bytes()).as_bytes() != self.hash {
            return Err("`hash` is not the BLAKE3 of `request`".into());
        }
        if self.tokens_cached > self.tokens_in {
            return Err("`tokens_cached` is more than `tokens_in`".into());
        }
        Ok(())
    }
}

fn take(fields: &mut Map<String, Value>, name: &str) -> Result<Value, String> {
    fields.remove(name).ok_or_else(|| format!("`{name}` is missing"))
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Result<String, String> {
    match take(fields, name)? {
        Value::String(text) => Ok(text),
        _ => Err(format!("`{name}` must be a string")),
    }
}

/// A whole number that a database can hold too.
fn number(fields: &mut Map<String, Value>, name: &str) -> Result<u64, String> {
    let value = take(fields, name)?;
    let number = value.as_u64().filter(|number| i64::try_from(*number).is_ok());
    number.ok_or_else(|| format!("`{name}` must be a whole number from 0 to {}", i64::MAX))
}

fn word<T>(
    fields: &mut Map<String, Value>,
    name: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let text = text(fields, name)?;
    let shown = || text.chars().take(64).collect::<String>();
    read(&text).ok_or_else(|| format!("`{name}` can't be {:?}", shown()))
}

fn hash(text: &str) -> Result<[u8; 32], String> {
    let hash = blake3::Hash::from_hex(text).map_err(|_| "`hash` must be 64 hexadecimal digits".to_owned())?;
    Ok(*hash.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Taped {
        let request = r#"{"max_output_tokens":600,"messages":[],"model":"m"}"#.to_owned();
        Taped {
            hash: *blake3::hash(request.as_bytes()).as_bytes(),
            n: 1,
            seq: 17,
            agent: "alice".into(),
            purpose: Purpose::Repair,
            provider: "local".into(),
            model: "m".into(),
            request,
            failure: Some(FailureKind::Length),
            answer: "\u{1f99c} {\n".into(),
            tokens_in: 10,
            tokens_cached: 4,
            tokens_out: 3,
            cost: 12,
            latency_ms: 900,
            asked_at: Time::default(),
            answered_at: Time::from_ms(900).unwrap(),
            origin: Origin::Imported,
        }
    }

    #[test]
    fn a_row_is_one_line_and_back() {
        for failure in std::iter::once(None).chain(FailureKind::ALL.map(Some)) {
            let row = Taped { failure, ..row() };
            let line = row.to_line();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(Taped::from_line(&line), Ok(row.clone()));
            assert_eq!(Taped::from_lines(&format!("{line}\n\n{line}\n")), Ok(vec![row.clone(), row]));
            assert_eq!(Taped::from_lines(&format!("{line}\n\n{{")).unwrap_err().0, 3);
        }
    }

    #[test]
    fn a_line_does_not_say_its_origin() {
        for origin in Origin::ALL {
            let line = Taped { origin, ..row() }.to_line();
            assert_eq!(line, row().to_line());
            assert_eq!(Taped::from_line(&line), Ok(row()), "it is not used yet");
        }
    }

    #[test]
    fn a_strange_line_is_refused_by_its_field() {
        let line = row().to_line();
        for (old, new, says) in [
            ("\"n\":1", "\"n\":-1", "`n` must be a whole number"),
            ("\"n\":1", "\"n\":9223372036854775808", "`n` must be a whole number"),
            ("\"n\":1", "\"m\":1", "`n` is missing"),
            ("\"n\":1", "\"n\":1,\"extra\":2", "no field `extra`"),
            ("\"n\":1", "\"n\":1,\"origin\":\"asked\"", "no field `origin`"),
            ("\"purpose\":\"repair\"", "\"purpose\":\"joke\"", "`purpose` can't be \"joke\""),
            ("\"outcome\":\"length\"", "\"outcome\":\"fine\"", "`outcome` can't be"),
            ("\"tokens_cached\":4", "\"tokens_cached\":11", "more than `tokens_in`"),
            ("\\\"m\\\"", "\\\"n\\\"", "not the BLAKE3"),
            ("\"cost\":12", "\"cost\":1000000000001", "`cost` is at most 1000000000000"),
            ("\"tokens_in\":10", "\"tokens_in\":9223372036854775807", "`tokens_in` is at most"),
            ("\"tokens_out\":3", "\"tokens_out\":1000000000001", "`tokens_out` is at most"),
            ("\"agent\":\"alice\"", "\"agent\":\"al\\u001b[1mice\"", "`agent` is no id"),
            ("\"agent\":\"alice\"", "\"agent\":\"\"", "`agent` is no id"),
            ("\"provider\":\"local\"", "\"provider\":\"lo\\ncal\"", "name no model"),
            ("\"asked_at\":\"1970", "\"asked_at\":\"x1970", "`asked_at` can't be"),
            ("{", "[{", "no JSON"),
        ] {
            assert!(line.contains(old), "{old}");
            let problem = Taped::from_line(&line.replacen(old, new, 1)).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
    }
}
