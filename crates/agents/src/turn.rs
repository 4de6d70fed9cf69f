//! One turn of an `llm` mind: its request, up to four looks, one repair, and a decision.

use oikos_kernel::{
    op::LOOKS_MAX,
    refusal::{Code, Refusal},
    tape::{FailureKind, Purpose},
};
use serde_json::{Value, json};

use crate::{
    asker::{Asker, Halt, Question, Told},
    decision::{self, Decided, Look, Wish},
    outcome::cut,
    prices::Spent,
    provider::Later,
    request::{Message, Request, Role},
};

/// Bytes of the answer to one look that a model is shown.
const LOOK_BYTES_MAX: usize = 4 * 1024;
/// Bytes of an answer that could not be read, as it stands in the conversation of its repair.
const ECHO_BYTES_MAX: usize = 8 * 1024;

/// Answers looks from the state at which the turn began.
pub trait Looker: Send {
    /// The answer to each look, in order: a result, or a refusal as an `error`.
    fn look<'a>(&'a mut self, looks: &'a [Look]) -> Later<'a, Vec<Value>>;
}

/// The account in the world that pays for a turn.
pub trait Purse: Send {
    /// Reserves the worst case of a request.
    ///
    /// # Errors
    /// When there is not enough: the agent is frozen.
    fn hold(&mut self, worst: &Spent) -> Result<(), Refusal>;

    /// Gives back what was reserved for a request of which nothing came.
    fn release(&mut self, worst: &Spent);

    /// Settles what was reserved by what was used.
    fn settle(&mut self, worst: &Spent, told: &Told);
}

/// A turn that begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// The agent.
    pub agent: String,
    /// The record at whose state it thinks.
    pub seq: u64,
    /// The request with the system's message and the first of the world.
    pub request: Request,
}

/// The end of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Turned {
    /// Its outcome.
    pub end: End,
    /// The reasons that came with the last answer that could be read.
    pub think: Option<String>,
    /// Every question of the turn, in order.
    pub told: Vec<Told>,
    /// Every look, with its answer.
    pub looks: Vec<(Value, Value)>,
}

/// The outcome of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// A wish, which is no look.
    Decided(Wish),
    /// Twice an answer that can't be read: the step's refusal.
    Malformed(Refusal),
    /// The provider failed.
    Failed {
        /// The kind.
        kind: FailureKind,
        /// A sentence.
        sentence: String,
    },
    /// The agent can't pay for the next request.
    Frozen(Refusal),
}

impl Asker {
    /// Asks until there is a decision.
    ///
    /// # Errors
    /// When the run has to stop; the turn can be taken again from its beginning, on the answers that are on the
    /// tape by then.
    pub async fn turn(
        &self,
        turn: Turn,
        purse: &mut dyn Purse,
        looker: &mut dyn Looker,
    ) -> Result<Turned, Halt> {
        let mut asked = Vec::new();
        let turned = self.take_turn(turn, purse, looker, &mut asked).await;
        if turned.is_err() {
            asked.iter().for_each(|question| self.forget(question));
        }
        turned
    }

    /// Takes a turn; its questions are added to `asked`.
    async fn take_turn(
        &self,
        turn: Turn,
        purse: &mut dyn Purse,
        looker: &mut dyn Looker,
        asked: &mut Vec<Question>,
    ) -> Result<Turned, Halt> {
        let Turn { agent, seq, mut request } = turn;
        let (mut purpose, mut is_repaired, mut looks_left) = (Purpose::Step, false, LOOKS_MAX);
        let mut turned =
            Turned { end: End::Decided(Wish::Nothing), think: None, told: Vec::new(), looks: Vec::new() };
        loop {
            let question = self.numbered(Question::new(&agent, seq, purpose, request.clone()));
            asked.push(question.clone());
            let told = match self.pay_and_ask(question, purse).await? {
                Ok(told) => told,
                Err(refusal) => return Ok(Turned { end: End::Frozen(refusal), ..turned }),
            };
            let (failure, text) = (told.row.failure, told.row.answer.clone());
            turned.told.push(told);
            // The end that a provider tells may be wrong either way: the text decides.
            let read = match failure {
                None | Some(FailureKind::Length) => decision::read_answer(&text, looks_left),
                Some(kind) => return Ok(Turned { end: End::Failed { kind, sentence: text }, ..turned }),
            };
            match read {
                Ok(Decided { think, wish: Wish::Look(looks) }) => {
                    looks_left -= looks.len();
                    turned.think = think;
                    let answers = looker.look(&looks).await;
                    let shown = shown(&looks, &answers, looks_left);
                    turned.looks.extend(looks.into_iter().map(|look| look.written).zip(answers));
                    say(&mut request, text, shown);
                    purpose = Purpose::Step;
                }
                Ok(Decided { think, wish }) => {
                    return Ok(Turned { end: End::Decided(wish), think, ..turned });
                }
                Err(_) if is_repaired && failure.is_some() => {
                    let sentence = format!("the answer was cut at its {} tokens", request.max_output_tokens);
                    let end = End::Failed { kind: FailureKind::Length, sentence };
                    return Ok(Turned { end, ..turned });
                }
                Err(refusal) if is_repaired => return Ok(Turned { end: End::Malformed(refusal), ..turned }),
                Err(refusal) => {
                    let shown = repair(&refusal, failure.is_some(), request.max_output_tokens);
                    say(&mut request, cut(&text, ECHO_BYTES_MAX), shown);
                    (purpose, is_repaired) = (Purpose::Repair, true);
                }
            }
        }
    }

    /// One question of a turn; the inner refusal is that of who pays, or of a model that can't be asked and that the
    /// world file does not name.
    async fn pay_and_ask(
        &self,
        question: Question,
        purse: &mut dyn Purse,
    ) -> Result<Result<Told, Refusal>, Halt> {
        let (found, worst) = match self.known(&question) {
            Err(halt) if !self.stops(&halt, &question.request().model) => {
                self.forget(&question);
                return Ok(Err(Refusal::new(Code::Unsupported, halt.to_string())));
            }
            known => known?,
        };
        if let Err(refusal) = purse.hold(&worst) {
            self.forget(&question);
            return Ok(Err(refusal));
        }
        let told = self.ask_or_take(question, found, &worst).await.inspect_err(|_| purse.release(&worst))?;
        purse.settle(&worst, &told);
        Ok(Ok(told))
    }
}

/// Adds the model's own answer and the world's reply to a conversation.
fn say(request: &mut Request, answer: String, reply: String) {
    request.messages.push(Message::new(Role::Assistant, answer));
    request.messages.push(Message::new(Role::User, reply));
}

fn shown(looks: &[Look], answers: &[Value], left: usize) -> String {
    let mut text = String::from("Your looks:\n");
    for (look, answer) in looks.iter().zip(answers) {
        let line = json!({ "look": look.written, "answer": answer }).to_string();
        let end = line.floor_char_boundary(LOOK_BYTES_MAX);
        text.push_str(line.get(..end).unwrap_or_default());
        if end < line.len() {
            text.push_str(&format!(" … {} bytes are cut", line.len() - end));
        }
        text.push('\n');
    }
    let next = if left == 0 {
        "Now act, with `ops`.".into()
    } else {
        format!("You may look {left} more times, or act.")
    };
    text.push_str(&next);
    text
}

fn repair(refusal: &Refusal, is_cut: bool, most: u32) -> String {
    let hint = if is_cut { format!(" It was cut at {most} tokens: be shorter.") } else { String::new() };
    format!(
        "Your answer can't be used: {}.{hint} Answer again, with one whole JSON object.",
        refusal.exception_text()
    )
}
