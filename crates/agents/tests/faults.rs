//! Every fault of a provider ends as a failure of its kind, bounded, and without the key.

mod server;

use std::{sync::Arc, time::Duration};

use oikos_agents::{
    Api, Asked, Asker, Billed, Gate, Http, MemoryTape, Outcome, Place, Prices, Provider as _,
    ProviderSettings, Question, SettingsError, Structured, TapeMode, Usage,
};
use oikos_kernel::{
    tape::{Purpose, Taped},
    time::Time,
};
use serde_json::json;

use self::server::*;

const COUNTED: Billed = Billed::Counted(Usage { tokens_in: 20, tokens_cached: 4, tokens_out: 7 });

/// An outcome in a few words, checked for the key and for the request.
fn told(outcome: &Outcome) -> String {
    let text = format!("{outcome:?}");
    assert!(!text.contains("planted"), "the key is shown: {text}");
    match outcome {
        Ok(answer) => format!("{:?} {:?} {}", answer.stop, answer.billed, answer.text),
        Err(failure) => {
            assert!(failure.sentence.len() < 600, "{} bytes of reasons", failure.sentence.len());
            assert!(!failure.sentence.contains("secret question"), "the request is shown: {text}");
            let fatal = if failure.is_fatal { " fatal" } else { "" };
            let again = if failure.may_be_repeated() { " again" } else { "" };
            let bill = match failure.billed {
                Billed::Nothing => "free",
                Billed::Counted(_) => "counted",
                Billed::Unknown => "worst",
            };
            format!("{} {bill}{fatal}{again}", failure.kind)
        }
    }
}

#[tokio::test]
async fn all_three_languages_are_spoken() {
    for api in Api::ALL {
        let server = Server::start(vec![good(api, "hello")]).await;
        let outcome = server.provider(api).ask(&request()).await;
        assert_eq!(told(&outcome), format!("End {COUNTED:?} hello"), "{}", api.as_str());
        let came = &server.came()[0];
        assert!(came.head.contains(PLANTED), "the provider gets the key");
        assert!(!came.path.contains("planted"), "and in a header only");
        let body = came.body.to_string();
        assert!(
            body.contains("You keep a shop.") && body.contains("A secret question") && body.contains("600"),
            "{body}"
        );
        let path = match api {
            Api::OpenAi => "/v1/chat/completions",
            Api::Anthropic => "/v1/messages",
            Api::Gemini => "/v1/models/some-model:generateContent",
        };
        assert_eq!(came.path, path);
    }
}

#[tokio::test]
async fn a_url_is_read_with_its_slash_or_without() {
    let server = Server::start(vec![good(Api::OpenAi, "hello")]).await;
    for tail in ["/v1", "/v1/", "/v1//", "/v1/chat/completions", "/v1/chat/completions/", ""] {
        let url = format!("http://{}{tail}", server.address);
        let settings = ProviderSettings { url, ..server.settings(Api::OpenAi) };
        Http::new("here", settings, None).unwrap().ask(&request()).await.unwrap();
    }
    let paths: Vec<String> = server.came().into_iter().map(|came| came.path).collect();
    assert!(paths[..5].iter().all(|path| path == "/v1/chat/completions"), "{paths:?}");
    assert_eq!(paths[5], "/chat/completions");
    assert!(
        server.came().iter().all(|came| !came.head.to_lowercase().contains("authorization")),
        "no key, no header"
    );
    for bad in [
        "",
        "ftp://x/v1",
        "http://",
        "not a url",
        "http://user:pw@x/v1",
        "http://x/v1?key=1",
        "http://x/v1#a",
    ] {
        let settings = ProviderSettings { url: bad.into(), ..ProviderSettings::of(Api::OpenAi) };
        assert!(matches!(Http::new("here", settings, None).err(), Some(SettingsError::Url(_))), "{bad}");
    }
}

#[tokio::test]
async fn a_status_is_a_kind() {
    let quota = json!({ "error": { "code": "insufficient_quota", "message": "no money" } }).to_string();
    let html = format!("<html><body><h1>502</h1>{}</body></html>", "x".repeat(100_000));
    let echo =
        json!({ "error": { "message": format!("Incorrect API key provided: {PLANTED}. A secret qu") } })
            .to_string();
    for (status, body, expected) in [
        (400, "{\"error\":{\"message\":\"too many messages\"}}", "invalid free"),
        (401, echo.as_str(), "auth free fatal"),
        (402, "", "auth free fatal"),
        (403, echo.as_str(), "auth free fatal"),
        (403, "{\"error\":{\"message\":\"your input was flagged\"}}", "refused free"),
        (404, "{\"error\":\"model not found\"}", "invalid free fatal"),
        (408, "", "timeout free again"),
        (409, "", "server free again"),
        (413, echo.as_str(), "invalid free"),
        (422, "\u{7}\u{1b}[31m", "invalid free"),
        (425, "", "rate_limited free again"),
        (429, "{}", "rate_limited free again"),
        (429, quota.as_str(), "auth free fatal"),
        (500, html.as_str(), "server free again"),
        (502, "{", "server free again"),
        (503, echo.as_str(), "server free again"),
        (
            529,
            "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
            "rate_limited free again",
        ),
        (301, "", "invalid free fatal"),
        (418, "", "invalid free"),
    ] {
        for api in Api::ALL {
            let location = "location: http://127.0.0.1:9/elsewhere\r\n";
            let server = Server::start(vec![reply(status, location, body)]).await;
            let outcome = server.provider(api).ask(&request()).await;
            assert_eq!(told(&outcome), expected, "{status} {} {outcome:?}", api.as_str());
            assert_eq!(server.came().len(), 1, "one attempt is one request, and no redirect is followed");
        }
    }
}

#[tokio::test]
async fn a_provider_says_how_long_it_wants_to_be_left_alone() {
    for (headers, wanted) in [
        ("", None),
        ("retry-after: 7\r\n", Some(7_000)),
        ("retry-after-ms: 1500\r\n", Some(1_500)),
        ("retry-after: 9\r\nretry-after-ms: 250\r\n", Some(250)),
        ("retry-after: 0.5\r\n", Some(500)),
        ("retry-after: -3\r\n", None),
        ("retry-after: soon\r\n", None),
        ("retry-after: Fri, 27 Nov 2026 08:00:00 GMT\r\n", None),
        ("retry-after: 1e400\r\n", None),
    ] {
        for status in [429, 529, 503] {
            let server = Server::start(vec![reply(status, headers, "")]).await;
            let failure = server.provider(Api::OpenAi).ask(&request()).await.unwrap_err();
            assert_eq!(failure.retry_after, wanted.map(Duration::from_millis), "{headers}");
        }
    }
}

#[tokio::test]
async fn a_broken_answer_is_a_kind_and_may_have_been_billed() {
    let whole = said(Api::OpenAi, "hello").to_string();
    let framed = |body: &[u8], length: usize| {
        Reply::Bytes(
            [format!("HTTP/1.1 200 X\r\ncontent-length: {length}\r\n\r\n").as_bytes(), body].concat(),
        )
    };
    let cases: Vec<(&str, Reply, &str)> = vec![
        ("cut before the body's end", framed(&whole.as_bytes()[..30], whole.len()), "network worst"),
        (
            "cut within a chunk",
            Reply::Bytes(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{\"choices\"".to_vec()),
            "network worst",
        ),
        ("no response at all", Reply::Bytes(Vec::new()), "network free again"),
        ("no HTTP", Reply::Bytes(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()), "network free again"),
        ("cut JSON", reply(200, "", &whole[..whole.len() - 9]), "invalid worst"),
        ("nothing", reply(200, "", ""), "invalid worst"),
        (
            "a page",
            reply(200, "content-type: text/html\r\n", "<html>welcome to the hotel</html>"),
            "invalid worst",
        ),
        ("other JSON", reply(200, "", "{\"hello\":1}"), "invalid worst"),
        ("a list", reply(200, "", "[]"), "invalid worst"),
        (
            "no UTF-8",
            reply(200, "", b"{\"choices\":[{\"message\":{\"content\":\"\xff\xfe\"}}]}"),
            "invalid worst",
        ),
        (
            "half a surrogate pair",
            reply(200, "", "{\"choices\":[{\"message\":{\"content\":\"\\ud800\"}}]}"),
            "invalid worst",
        ),
        ("deep nesting", reply(200, "", "[".repeat(500_000)), "invalid worst"),
        (
            "a stream",
            reply(200, "content-type: text/event-stream\r\n", "data: {\"choices\":[]}\n\ndata: [DONE]\n\n"),
            "invalid worst",
        ),
        ("enormous", reply(200, "", "x".repeat(5_000_000)), "invalid worst"),
        ("endless", Reply::Endless(b"HTTP/1.1 200 X\r\n\r\n{".to_vec()), "invalid worst"),
        ("an endless error", Reply::Endless(b"HTTP/1.1 500 X\r\n\r\n<html>".to_vec()), "server free again"),
    ];
    for (name, answer, expected) in cases {
        let server = Server::start(vec![answer]).await;
        let outcome = server.provider(Api::OpenAi).ask(&request()).await;
        assert_eq!(told(&outcome), expected, "{name}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_answer_that_says_nothing_is_none() {
    let openai = |message: serde_json::Value, reason: &str| {
        let usage = json!({ "prompt_tokens": 20, "completion_tokens": 7, "prompt_tokens_details": { "cached_tokens": 4 } });
        reply(
            200,
            "",
            json!({ "choices": [{ "message": message, "finish_reason": reason }], "usage": usage })
                .to_string(),
        )
    };
    let cut = format!("Length {COUNTED:?} {{\"ops\":[");
    let whole = format!("Length {COUNTED:?} {{\"ops\":[]}}");
    let called = format!("End {COUNTED:?} {{\"ops\":[]}}");
    let cases = [
        (openai(json!({ "content": "" }), "stop"), "invalid counted"),
        (openai(json!({ "content": "  \n" }), "stop"), "invalid counted"),
        (openai(json!({ "content": null }), "stop"), "invalid counted"),
        (openai(json!({}), "stop"), "invalid counted"),
        (openai(json!({ "content": "" }), "length"), "length counted"),
        (openai(json!({ "content": null, "refusal": "I can't" }), "stop"), "refused counted"),
        (openai(json!({ "content": "some" }), "content_filter"), "refused counted"),
        (openai(json!({ "content": "{\"ops\":[" }), "length"), cut.as_str()),
        // A wrong reason: the text is whole.
        (openai(json!({ "content": "{\"ops\":[]}" }), "length"), whole.as_str()),
        (
            openai(json!({ "content": [{ "type": "text", "text": "{\"ops\":[]}" }] }), "surprise"),
            called.as_str(),
        ),
        (
            openai(
                json!({ "content": null, "tool_calls": [{ "function": { "name": "answer", "arguments": "{\"ops\":[]}" } }] }),
                "tool_calls",
            ),
            called.as_str(),
        ),
    ];
    for (answer, expected) in cases {
        let server = Server::start(vec![answer]).await;
        assert_eq!(told(&server.provider(Api::OpenAi).ask(&request()).await), expected);
    }
    for (body, expected) in [
        (
            json!({ "content": [], "stop_reason": "refusal", "usage": { "input_tokens": 20, "output_tokens": 7 } }),
            "refused counted",
        ),
        (
            json!({ "content": [], "stop_reason": "max_tokens", "usage": { "input_tokens": 20, "output_tokens": 7 } }),
            "length counted",
        ),
        (
            json!({ "content": [{ "type": "tool_use", "input": { "ops": [] } }], "usage": { "input_tokens": 16, "cache_creation_input_tokens": 4, "output_tokens": 7 } }),
            "End Counted(Usage { tokens_in: 20, tokens_cached: 0, tokens_out: 7 }) {\"ops\":[]}",
        ),
    ] {
        let server = Server::start(vec![reply(200, "", body.to_string())]).await;
        assert_eq!(told(&server.provider(Api::Anthropic).ask(&request()).await), expected);
    }
    for (body, expected) in [
        (
            json!({ "promptFeedback": { "blockReason": "SAFETY" }, "usageMetadata": { "promptTokenCount": 5 } }),
            "refused counted",
        ),
        (
            json!({ "candidates": [{ "finishReason": "RECITATION" }], "usageMetadata": { "promptTokenCount": 5 } }),
            "refused counted",
        ),
        (
            json!({ "candidates": [{ "finishReason": "MAX_TOKENS", "content": { "parts": [{ "thought": true, "text": "hm" }] } }] }),
            "length worst",
        ),
    ] {
        let server = Server::start(vec![reply(200, "", body.to_string())]).await;
        assert_eq!(told(&server.provider(Api::Gemini).ask(&request()).await), expected);
    }
}

#[tokio::test]
async fn a_strange_bill_is_the_worst_case_and_never_more() {
    let request = request();
    let (most_in, most_out) = (request.tokens_in_max(), 600);
    let counted = |tokens_in, tokens_cached, tokens_out| {
        Billed::Counted(Usage { tokens_in, tokens_cached, tokens_out })
    };
    for (usage, expected) in [
        (json!(null), Billed::Unknown),
        (json!({}), Billed::Unknown),
        (json!({ "prompt_tokens": 0, "completion_tokens": 0 }), Billed::Unknown),
        (json!({ "prompt_tokens": 20, "completion_tokens": 0 }), Billed::Unknown),
        (json!({ "prompt_tokens": "20", "completion_tokens": 7 }), Billed::Unknown),
        (json!({ "prompt_tokens": -5, "completion_tokens": 7 }), Billed::Unknown),
        (json!({ "prompt_tokens": 1.5, "completion_tokens": 7 }), Billed::Unknown),
        (json!({ "prompt_tokens": -20.0, "completion_tokens": 7 }), Billed::Unknown),
        (json!({ "prompt_tokens": 1e300, "completion_tokens": 7 }), Billed::Unknown),
        (json!({ "prompt_tokens": 0.0, "completion_tokens": 7.0 }), Billed::Unknown),
        (json!({ "prompt_tokens": 20, "completion_tokens": 7 }), counted(20, 0, 7)),
        (json!({ "prompt_tokens": 20.0, "completion_tokens": 7.0 }), counted(20, 0, 7)),
        (
            json!({ "prompt_tokens": 2e1, "completion_tokens": 7, "prompt_tokens_details": { "cached_tokens": 4.0 } }),
            counted(20, 4, 7),
        ),
        (
            json!({ "prompt_tokens": 20, "completion_tokens": 7, "prompt_tokens_details": { "cached_tokens": 90 } }),
            counted(20, 20, 7),
        ),
        (
            json!({ "prompt_tokens": 5_000_000_000_u64, "completion_tokens": u64::MAX }),
            counted(most_in, 0, most_out),
        ),
    ] {
        let mut body = said(Api::OpenAi, "hello");
        body["usage"] = usage.clone();
        let server = Server::start(vec![reply(200, "", body.to_string())]).await;
        let answer = server.provider(Api::OpenAi).ask(&request).await.unwrap();
        assert_eq!(answer.billed, expected, "{usage}");
    }
}

#[tokio::test]
async fn those_who_do_not_answer_end_by_the_clock() {
    let short = |server: &Server| ProviderSettings {
        timeout: Duration::from_millis(150),
        ..server.settings(Api::OpenAi)
    };
    for hung in [
        Reply::Hang(Vec::new()),
        Reply::Hang(b"HTTP/1.1 200 X\r\ncontent-length: 500\r\n\r\n{\"choices\":".to_vec()),
        Reply::Hang(b"HTTP/1.1 500 X\r\ncontent-length: 500\r\n\r\n<html>".to_vec()),
    ] {
        let server = Server::start(vec![hung]).await;
        let outcome = Http::new("here", short(&server), None).unwrap().ask(&request()).await;
        assert_eq!(told(&outcome), "timeout worst");
    }
    // A slow one is waited for.
    let slow = Reply::After(Duration::from_millis(50), Box::new(good(Api::OpenAi, "late")));
    let server = Server::start(vec![slow]).await;
    assert_eq!(server.provider(Api::OpenAi).ask(&request()).await.unwrap().text, "late");
    // Nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let settings = ProviderSettings { url, ..ProviderSettings::of(Api::OpenAi) };
    let outcome = Http::new("here", settings, None).unwrap().ask(&request()).await;
    assert_eq!(told(&outcome), "network free again");
}

#[tokio::test]
async fn the_ladder_goes_down_one_rung_at_a_time_and_stays() {
    for (api, rungs) in [
        (Api::OpenAi, vec!["json_schema", "json_object", "tools", "the schema in the prompt"]),
        (Api::Gemini, vec!["responseJsonSchema", "responseMimeType", "tools", "the schema in the prompt"]),
        (Api::Anthropic, vec!["output_config", "tools", "the schema in the prompt"]),
    ] {
        let refusal = reply(
            400,
            "",
            "{\"error\":{\"message\":\"this model does not support response_format or tools\"}}",
        );
        let mut replies = vec![refusal; rungs.len() - 1];
        replies.push(good(api, "{\"ops\":[]}"));
        let server = Server::start(replies).await;
        let provider = server.on(api, Structured::Schema);
        provider.ask(&with_schema()).await.unwrap();
        provider.ask(&with_schema()).await.unwrap();
        let came = server.came();
        let seen: Vec<&str> = came.iter().map(|came| rung(&came.body)).collect();
        let expected: Vec<&str> = rungs.iter().chain(rungs.last()).copied().collect();
        assert_eq!(seen, expected, "{}", api.as_str());
    }
    // A rung that the settings name is where it begins; a request without a schema is on none.
    let server = Server::start(vec![good(Api::OpenAi, "{}")]).await;
    for structured in Structured::ALL {
        server.on(Api::OpenAi, structured).ask(&with_schema()).await.unwrap();
        server.on(Api::OpenAi, structured).ask(&request()).await.unwrap();
    }
    let seen: Vec<&str> = server.came().iter().map(|came| rung(&came.body)).collect();
    assert_eq!(
        seen,
        [
            "json_schema",
            "plain",
            "json_object",
            "plain",
            "tools",
            "plain",
            "the schema in the prompt",
            "plain"
        ]
    );
}

#[tokio::test]
async fn a_request_that_no_rung_answers_moves_nobody_else() {
    let long = "This model's maximum context length is 8192 tokens. You requested 9120 tokens (9000 in the \
                messages, 120 in the functions). Please reduce the length of the messages or of the functions.";
    let refusal = || reply(400, "", json!({ "error": { "message": long } }).to_string());
    for (api, first, rungs) in [
        (Api::OpenAi, "json_schema", 4),
        (Api::Gemini, "responseJsonSchema", 4),
        (Api::Anthropic, "output_config", 3),
    ] {
        for last in [refusal(), reply(500, "", ""), reply(404, "", ""), reply(200, "", "{")] {
            let mut replies = vec![refusal(); rungs - 1];
            replies.extend([last, good(api, "{\"ops\":[]}")]);
            let server = Server::start(replies).await;
            let provider = server.on(api, Structured::Schema);
            provider.ask(&with_schema()).await.unwrap_err();
            provider.ask(&with_schema()).await.unwrap();
            let seen: Vec<&str> = server.came().iter().map(|came| rung(&came.body)).collect();
            assert_eq!(seen.len(), rungs + 1, "each rung is tried for it: {seen:?}");
            assert_eq!(seen[rungs], first, "the next one begins where the first did: {seen:?}");
        }
    }
}

#[tokio::test]
async fn the_last_rung_and_other_refusals_end_it() {
    let refusal = reply(400, "", "{\"error\":\"unknown tool\"}");
    let server = Server::start(vec![refusal]).await;
    assert_eq!(told(&server.on(Api::OpenAi, Structured::Text).ask(&with_schema()).await), "invalid free");
    let server = Server::start(vec![reply(400, "", "{\"error\":\"the prompt is too long\"}")]).await;
    assert_eq!(told(&server.on(Api::OpenAi, Structured::Schema).ask(&with_schema()).await), "invalid free");
    assert_eq!(server.came().len(), 1);
}

#[tokio::test]
async fn schemas_for_anthropic_have_no_bounds() {
    let server = Server::start(vec![good(Api::Anthropic, "{}")]).await;
    server.on(Api::Anthropic, Structured::Schema).ask(&with_schema()).await.unwrap();
    let body = &server.came()[0].body;
    let schema = &body["output_config"]["format"]["schema"];
    assert_eq!(schema["properties"]["ops"], json!({ "type": "array", "items": { "type": "string" } }));
}

/// The rung on which a request was asked.
fn rung(body: &serde_json::Value) -> &'static str {
    let text = body.to_string();
    let in_prompt = text.contains("It must have this JSON Schema");
    let signs =
        ["json_schema", "json_object", "tools", "responseJsonSchema", "responseMimeType", "output_config"];
    match signs.into_iter().find(|sign| text.contains(&format!("\"{sign}\""))) {
        Some(sign @ ("json_object" | "responseMimeType")) => {
            if text.contains("responseJsonSchema") {
                return "responseJsonSchema";
            }
            assert!(in_prompt, "JSON alone needs the schema in the prompt");
            sign
        }
        Some("json_schema") if text.contains("output_config") => "output_config",
        Some(sign) => sign,
        None if in_prompt => "the schema in the prompt",
        None => "plain",
    }
}

#[tokio::test]
async fn a_key_that_is_repeated_by_the_answer_is_taken_out() {
    let echo = format!("{{\"ops\":[],\"think\":\"my key is {PLANTED}\"}}");
    for api in Api::ALL {
        let server = Server::start(vec![good(api, &echo)]).await;
        let answer = server.provider(api).ask(&request()).await.unwrap();
        assert_eq!(answer.text, "{\"ops\":[],\"think\":\"my key is [key]\"}");
    }
}

#[tokio::test]
async fn a_provider_that_shouts_the_key_leaves_it_on_no_tape_and_in_no_error() {
    let shout = format!("{PLANTED} {{\"error\":{{\"message\":\"{PLANTED}\"}}}}");
    let error = json!({ "error": { "message": format!("you sent {PLANTED}"), "type": PLANTED } }).to_string();
    let echo = format!("{{\"think\":\"{PLANTED}\",\"ops\":[]}}");
    let header = format!("x-echo: {PLANTED}\r\n");
    let cases = [
        reply(200, &header, shout.as_str()),
        reply(400, &header, error.as_str()),
        reply(401, &header, error.as_str()),
        reply(402, &header, error.as_str()),
        reply(404, &header, error.as_str()),
        reply(418, &header, shout.as_str()),
        good(Api::OpenAi, &echo),
        good(Api::OpenAi, PLANTED),
        Reply::Bytes(
            format!("HTTP/1.1 200 {PLANTED}\r\n{PLANTED}: x\r\ncontent-length: 900\r\n\r\n{PLANTED}")
                .into_bytes(),
        ),
    ];
    for case in cases {
        let server = Server::start(vec![case]).await;
        let limits = server.settings(Api::OpenAi).limits();
        let gate = Arc::new(Gate::new("here", Arc::new(server.provider(Api::OpenAi)), limits));
        let tape = Arc::new(MemoryTape::default());
        let asked = Asked { provider: gate, place: Place::Local };
        let asker = Asker::new(
            [("here".to_owned(), asked)],
            Prices::default(),
            tape.clone(),
            TapeMode::Auto,
            Time::default,
        );
        let question = Question::new("a", 1, Purpose::Step, request());
        let shown = match asker.ask(question).await {
            Ok(told) => format!("{told:?}"),
            Err(halt) => format!("{halt} {halt:?}"),
        };
        let taped: String = tape.all().iter().map(Taped::to_line).collect();
        assert!(!shown.contains("planted") && !taped.contains("planted"), "{shown} {taped}");
    }
}

#[tokio::test]
async fn a_busy_provider_is_asked_again_and_the_tape_has_one_row() {
    let busy = reply(429, "retry-after-ms: 1\r\n", "");
    let replies = vec![busy, reply(529, "retry-after: 0.001\r\n", ""), good(Api::Anthropic, "{\"ops\":[]}")];
    let server = Server::start(replies).await;
    let gate = Gate::new(
        "here",
        Arc::new(server.provider(Api::Anthropic)),
        server.settings(Api::Anthropic).limits(),
    );
    let answer = gate.ask(&request()).await.unwrap();
    assert_eq!((answer.text.as_str(), server.came().len()), ("{\"ops\":[]}", 3));
}
