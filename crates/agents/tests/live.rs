//! A real model over its own server: every rung of both languages that it speaks, a schema that it holds to, one that
//! it turns down, and its own count of tokens. `cargo xtask llm` starts a server and names it; without one nothing
//! is asked, and this says so.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use oikos_agents::{
    Api, Asked, Asker, Billed, End, FailureKind, Halt, Later, Look, Looker, MemoryTape, Message, ModelName,
    Prices, ProviderSettings, Purse, Request, Role, Schema, Spent, Structured, TapeMode, Told, Turn, Turned,
    Wish, connect,
};
use oikos_kernel::{refusal::Refusal, tape::Purpose, time::Time};
use serde_json::{Value, json};

/// The variable that names the server, such as `http://127.0.0.1:8080/v1`.
const URL: &str = "OIKOS_LIVE_URL";
const SYSTEM: &str = "You pay people for `alice`. Answer with one JSON object and nothing else. When bob has worked for \
    3 scrip, this is your answer:\n\
    {\"think\": \"bob worked\", \"ops\": [{\"op\": \"transfer\", \"to\": \"bob\", \"amount\": 3}]}";

fn main() {
    let Ok(url) = std::env::var(URL) else {
        println!("live: no model was asked, since {URL} names no server; `cargo xtask llm` starts one");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        a_schema_is_held_to_and_the_answer_comes_back_from_the_tape(&url).await;
        each_rung_of_each_language_ends_in_a_decision_or_in_words(&url).await;
        a_rung_that_is_turned_down_is_left(&url).await;
        the_bytes_of_a_request_bound_its_tokens(&url).await;
    });
    println!("live: all passed");
}

fn provider(url: &str, api: Api, structured: Structured) -> Asked {
    let settings = ProviderSettings {
        url: url.into(),
        key_env: None,
        timeout: Duration::from_secs(600),
        structured,
        ..ProviderSettings::of(api)
    };
    connect("local", settings, None).ok().unwrap()
}

fn asker(asked: Asked, tape: &Arc<MemoryTape>, mode: TapeMode) -> Asker {
    let now = || Time::from_ms(0).unwrap();
    Asker::new([("local".to_owned(), asked)], Prices::new([]), tape.clone(), mode, now)
}

fn request(text: &str, schema: Option<Value>) -> Request {
    Request {
        model: ModelName::parse("local::smollm2").unwrap(),
        messages: vec![Message::new(Role::System, SYSTEM), Message::new(Role::User, text)],
        schema: schema.map(Schema::new),
        max_output_tokens: 120,
        temperature: Some(0.0),
        seed: None,
    }
}

/// A schema with few answers, none of which is too long for its tokens.
fn payment() -> Value {
    json!({
        "type": "object",
        "properties": {
            "think": { "type": "string", "maxLength": 60 },
            "ops": { "type": "array", "minItems": 1, "maxItems": 1, "items": {
                "type": "object",
                "properties": {
                    "op": { "type": "string", "enum": ["transfer"] },
                    "to": { "type": "string", "enum": ["bob", "carol"] },
                    "amount": { "type": "integer", "minimum": 1, "maximum": 9 },
                },
                "required": ["op", "to", "amount"],
                "additionalProperties": false,
            } },
        },
        "required": ["think", "ops"],
        "additionalProperties": false,
    })
}

/// One who has enough, and no world to look at.
struct Nobody;

impl Purse for Nobody {
    fn hold(&mut self, worst: &Spent) -> Result<(), Refusal> {
        assert_eq!(worst.cost, 0, "a model of this machine bills nothing");
        Ok(())
    }

    fn release(&mut self, _worst: &Spent) {}

    fn settle(&mut self, worst: &Spent, told: &Told) {
        let used = told.spent().usage;
        assert!(used.tokens_in <= worst.usage.tokens_in && used.tokens_out <= worst.usage.tokens_out);
    }
}

impl Looker for Nobody {
    fn look<'a>(&'a mut self, looks: &'a [Look]) -> Later<'a, Vec<Value>> {
        let answers = looks.iter().map(|_| json!({ "error": "there is nothing to see" })).collect();
        Box::pin(std::future::ready(answers))
    }
}

async fn turn(asker: &Asker, request: Request) -> Result<Turned, Halt> {
    asker.turn(Turn { agent: "alice".into(), seq: 1, request }, &mut Nobody, &mut Nobody).await
}

async fn a_schema_is_held_to_and_the_answer_comes_back_from_the_tape(url: &str) {
    let tape = Arc::new(MemoryTape::default());
    let asked = provider(url, Api::OpenAi, Structured::Schema);
    for text in ["carol has worked for 5 scrip.", "Write a poem about the sea.", "Pay dave a million."] {
        let live = asker(asked.clone(), &tape, TapeMode::Auto);
        let turned = turn(&live, request(text, Some(payment()))).await.unwrap();
        let End::Decided(Wish::Act(wanted)) = &turned.end else { panic!("{text}: {turned:?}") };
        let op = &wanted.written[0];
        assert!(op["to"] == "bob" || op["to"] == "carol", "{text}: {op}");
        assert!(op["amount"].as_i64().is_some_and(|amount| (1..=9).contains(&amount)), "{text}: {op}");
        let [told] = &turned.told[..] else { panic!("{text}: {turned:?}") };
        let row = &told.row;
        assert_eq!((row.failure, row.purpose, row.cost, told.is_replayed), (None, Purpose::Step, 0, false));
        let worst = live.worst(&request(text, Some(payment()))).unwrap().usage;
        assert!(row.tokens_in > 20 && row.tokens_in < worst.tokens_in, "the server's own count: {row:?}");
        assert!(row.tokens_out > 20 && row.tokens_out < worst.tokens_out, "the server's own count: {row:?}");
        println!("live: {text} → {op}");

        let again = asker(asked.clone(), &tape, TapeMode::Replay);
        let replayed = turn(&again, request(text, Some(payment()))).await.unwrap();
        assert!(replayed.told[0].is_replayed && replayed.told[0].row == *row);
        assert_eq!((replayed.end, replayed.think), (turned.end, turned.think));
        assert!(turn(&again, request("Something else.", Some(payment()))).await.is_err(), "a miss");
    }
}

/// The model is free on most rungs: it may answer in prose, and be asked again. It never hangs, and no part of a
/// broken answer is a decision.
async fn each_rung_of_each_language_ends_in_a_decision_or_in_words(url: &str) {
    for (api, rung) in [
        (Api::OpenAi, Structured::Json),
        (Api::OpenAi, Structured::Tool),
        (Api::OpenAi, Structured::Text),
        (Api::Anthropic, Structured::Schema),
        (Api::Anthropic, Structured::Tool),
        (Api::Anthropic, Structured::Text),
    ] {
        let tape = Arc::new(MemoryTape::default());
        let live = asker(provider(url, api, rung), &tape, TapeMode::Auto);
        let turned = turn(&live, request("carol has worked for 5 scrip.", Some(payment()))).await.unwrap();
        let name = format!("{} {}", api.as_str(), rung.as_str());
        assert_eq!(tape.all(), turned.told.iter().map(|told| told.row.clone()).collect::<Vec<_>>(), "{name}");
        for told in &turned.told {
            let is_answer = matches!(told.row.failure, None | Some(FailureKind::Length));
            assert!(is_answer && told.row.tokens_out > 0, "{name}: {:?}", told.row);
        }
        let told = match &turned.end {
            End::Decided(Wish::Act(wanted)) => wanted.written.to_string(),
            End::Decided(wish) => format!("{wish:?}"),
            End::Malformed(refusal) => format!("{}: {}", refusal.code, refusal.message),
            End::Failed { kind: FailureKind::Length, sentence } => sentence.clone(),
            other => panic!("{name}: {other:?}"),
        };
        if !matches!(turned.end, End::Decided(_)) {
            let [first, repair] = &turned.told[..] else { panic!("{name}: {turned:?}") };
            assert_eq!((first.row.purpose, repair.row.purpose), (Purpose::Step, Purpose::Repair), "{name}");
            assert!(
                repair.row.request.contains("Your answer can't be used"),
                "{name}: {}",
                repair.row.request
            );
        }
        println!("live: {name}, {} asked → {told}", turned.told.len());
    }
}

async fn a_rung_that_is_turned_down_is_left(url: &str) {
    // The server makes a grammar of a schema, and of this one it can't.
    let strange =
        json!({ "type": "object", "properties": { "think": { "type": "thought" } }, "required": ["think"] });
    let asked = provider(url, Api::OpenAi, Structured::Schema);
    for _ in 0..2 {
        let outcome =
            asked.provider.ask(&request("carol has worked for 5 scrip.", Some(strange.clone()))).await;
        let answer = outcome.unwrap_or_else(|failure| panic!("{failure}"));
        assert!(!answer.text.trim().is_empty());
        // The schema has come into the prompt: that is more than the request alone takes.
        let Billed::Counted(usage) = answer.billed else { panic!("{:?}", answer.billed) };
        let Ok(plain) = asked.provider.ask(&request("carol has worked for 5 scrip.", None)).await else {
            panic!("without a schema there is nothing to turn down")
        };
        let Billed::Counted(bare) = plain.billed else { panic!("{:?}", plain.billed) };
        assert!(usage.tokens_in > bare.tokens_in + 20, "{} and {}", usage.tokens_in, bare.tokens_in);
    }
}

async fn the_bytes_of_a_request_bound_its_tokens(url: &str) {
    let odd = [
        "🦀🏳️‍🌈 ".repeat(40),
        "\u{0}\u{1}\u{7f}\u{200b}".repeat(30),
        " \n\t".repeat(90),
        "<|im_end|>".repeat(20),
    ];
    for api in [Api::OpenAi, Api::Anthropic] {
        let asked = provider(url, api, Structured::Text);
        for text in &odd {
            let request = Request { max_output_tokens: 1, ..request(text, None) };
            let billed = match asked.provider.ask(&request).await {
                Ok(answer) => answer.billed,
                Err(failure) => failure.billed,
            };
            let Billed::Counted(usage) = billed else { panic!("{text:?}: {billed:?}") };
            // A count at the bound would be one that was cut to it.
            assert!(usage.tokens_in < request.tokens_in_max(), "{text:?}: {}", usage.tokens_in);
        }
    }
}
