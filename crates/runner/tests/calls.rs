//! Calls of language models by code, in real Python, with a scripted provider: what is asked, told, charged and taped.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod door;

use std::{path::Path, sync::Arc, time::Duration};

use oikos_agents::{Failure, FailureKind, Outcome, Request, fake::answer};
use oikos_runner::{
    Access, Journal, Live, ModelProvider, ProviderPlace, Stop, Stopped, TapeMode, Workplace,
    fake::{Fake, Scripted},
    kernel::{
        receipt::Receipt,
        tape::{Purpose, Taped},
        world::wire::Viewer,
    },
    state,
};
use serde_json::{Value, json};

use self::door::{tape, workplace, world_file};

/// A provider.
struct Setup {
    fake: Arc<Fake>,
}

impl Setup {
    /// The provider gives the `n`-th request, counted from 0, what the script says.
    fn new(script: impl Fn(u64, &Request) -> Outcome + Send + Sync + 'static) -> Self {
        let latency = Duration::from_millis(1);
        let fake = Fake::new(move |n, request| Scripted { latency, outcome: script(n, request) });
        Self { fake: Arc::new(fake) }
    }

    fn workplace(&self, mode: TapeMode) -> Workplace {
        let provider =
            ModelProvider { provider: Arc::clone(&self.fake) as _, place: ProviderPlace::Elsewhere };
        let access = Access::default().with_tape(Some(mode)).with_provider("fake", provider);
        Workplace { access, ..workplace() }
    }

    /// A world whose code calls it.
    fn live(&self, text: &str) -> Live {
        self.workplace(TapeMode::Auto).found(world_file(text), Journal::in_memory).expect("it is founded")
    }

    /// The same world with the answers of another, and nobody to ask.
    fn replayed(&self, text: &str, rows: Vec<Taped>) -> Live {
        let mut file = world_file(text);
        file.tape = rows;
        self.workplace(TapeMode::Replay).found(file, Journal::in_memory).expect("it is founded")
    }

    /// A world in a file, founded or gone on with.
    fn on_disk(&self, text: &str, db: &Path) -> Live {
        self.workplace(TapeMode::Auto).open_or_found(world_file(text), db).expect("it opens")
    }
}

fn hash(live: &mut Live) -> [u8; 32] {
    live.sequencer.commit().expect("it is on disk");
    live.sequencer.head().journal_hash
}

/// A world with a principal and some code.
fn world(resources: &str, artifacts: &[(&str, &str)]) -> String {
    let mut text = format!(
        "[world]\nname = 'calls'\n[llm]\nmodel = 'fake::m'\n[llm.prices.'fake::m']\ninput = '$1'\ncached_input = '$0'\noutput = '$2'\n{resources}\n[[artifacts]]\nid = 'ann'\n\
         has_standing = true\nscrip = 10\n"
    );
    if resources == LIMITED {
        text.push_str("resources = { llm_budget = '$0.10', llm_calls = 100 }\n");
    }
    for (id, code) in artifacts {
        text.push_str(&format!("[[artifacts]]\nid = '{id}'\nowner = 'ann'\ncode = '''\n{code}'''\n"));
    }
    text
}

const LIMITED: &str = "[resources.llm_budget]\nkind = 'depletable'\ntotal = '$1.00'\nsplit = 'none'\n\
                       [resources.llm_calls]\nkind = 'renewable'\nwindow = '1h'\nrate = 100\n";

fn act(live: &mut Live, op: Value) -> Receipt {
    let receipt = live.sequencer.act("ann", op).expect("no fault");
    live.sequencer.world().audit().expect("the books add up");
    receipt
}

/// The result of an action, or the code and message of its refusal.
fn told(live: &Live, receipt: &Receipt) -> Value {
    let json = receipt.to_json(live.world(), Viewer::Observer);
    match receipt.refusal() {
        Some(refusal) => format!("{}: {}", refusal.code, refusal.message).into(),
        None => json["result"].clone(),
    }
}

fn run(live: &mut Live, code: &str) -> Value {
    let receipt = act(live, json!({ "op": "run", "code": code }));
    told(live, &receipt)
}

/// The journal of a world makes the same world again.
fn rebuilds(live: &mut Live) {
    let digest = live.world().digest();
    let journal = live.sequencer.journal().expect("no fault");
    assert_eq!(state(&journal).expect("it can be read").digest(), digest);
}

#[test]
fn code_is_told_what_the_model_says() {
    let setup = Setup::new(|n, request| {
        Ok(answer(match request.messages.last().map(|message| message.text.as_str()) {
            Some("yes or no?") => "Sure: {\"answer\": \"yes\"}".to_owned(),
            Some("a point") => "```json\n{\"x\": 1, \"why\": null}\n```".to_owned(),
            Some("no point") => "{\"x\": \"one\"}".to_owned(),
            Some("silence") => "I would rather not".to_owned(),
            Some("odd") => "\u{1f99c} \u{0} \\ \u{2028}".to_owned(),
            _ => format!("answer {n}"),
        }))
    });
    let mut live = setup.live(&world("", &[]));
    let point = "schema={'type': 'object', 'properties': {'x': {'type': 'integer'}, 'why': {'type': 'string'}}, 'required': ['x']}";
    for (code, result) in [
        ("call_llm('hello')".to_owned(), json!("answer 0")),
        (
            "[call_llm('again', max_output_tokens=7) for i in range(2)]".to_owned(),
            json!(["answer 1", "answer 2"]),
        ),
        ("call_llm(prompt='odd')".to_owned(), json!("\u{1f99c} \u{0} \\ \u{2028}")),
        ("call_llm('yes or no?', schema={'type': 'string', 'enum': ['yes', 'no']})".to_owned(), json!("yes")),
        (format!("call_llm('a point', {point})"), json!({ "x": 1 })),
        (
            format!("call_llm('no point', {point})"),
            json!("code_error: llm invalid: `answer.x` must be of `type` integer, not the string \"one\""),
        ),
        (
            format!("call_llm('silence', {point})"),
            json!("code_error: llm invalid: the answer holds no JSON object"),
        ),
        ("attempt('call_llm', 'hi')['ok']".to_owned(), json!(true)),
    ] {
        assert_eq!(run(&mut live, &code), result, "{code}");
    }
    rebuilds(&mut live);
}

#[test]
fn strange_arguments_raise_and_nobody_is_asked() {
    let setup = Setup::new(|_, _| Ok(answer("never")));
    let mut live = setup.live(&world(LIMITED, &[]));
    for (call, says) in [
        ("call_llm()", "`prompt` is missing"),
        ("call_llm('\\ud800')", "TypeError"),
        ("call_llm(b'bytes')", "TypeError"),
        ("call_llm(None)", "`prompt` must be a string"),
        ("call_llm(['a'])", "`prompt` must be a string"),
        ("call_llm('  ')", "`prompt` is empty"),
        ("call_llm('x' * 300_000)", "limit_exceeded: `prompt` has more than 262144 bytes"),
        ("call_llm('x' * 2_000_000)", "limit_exceeded"),
        ("call_llm('hi', model='m')", "`model` names no provider"),
        ("call_llm('hi', 'nobody::m')", "unsupported: there is no provider `nobody`"),
        ("call_llm('hi', 'fake::other')", "unsupported: there is no price for `fake::other`"),
        ("call_llm('hi', max_output_tokens=-1)", "`max_output_tokens`"),
        ("call_llm('hi', max_output_tokens=0)", "must be at least 1"),
        ("call_llm('hi', max_output_tokens=1.0)", "`max_output_tokens`"),
        ("call_llm('hi', max_output_tokens=True)", "`max_output_tokens`"),
        ("call_llm('hi', max_output_tokens=10**30)", "TypeError"),
        ("call_llm('hi', max_output_tokens=2**62)", "may be 100000 at most"),
        ("call_llm('hi', schema='x')", "`schema` must be a schema"),
        ("call_llm('hi', schema={'type': 'thing'})", "there is no type"),
        ("call_llm('hi', schema={'$ref': '#'})", "the word `$ref` is not checked here"),
        ("call_llm('hi', temperature=2)", "has no argument `temperature`"),
        ("call_llm('hi', 'fake::m', None, 5, 6)", "`call_llm`"),
    ] {
        let code = format!(
            "try:\n    {call}\n    said = 'nothing'\nexcept Exception as e:\n    said = f'{{type(e).__name__}}: {{e}}'\nsaid"
        );
        let said = run(&mut live, &code);
        assert!(said.as_str().is_some_and(|said| said.contains(says)), "{call}: {said}");
    }
    assert_eq!(setup.fake.asked(), 0);
    assert!(tape(&mut live).is_empty());
}

#[test]
fn failures_raise_with_their_kind_and_can_be_caught() {
    for kind in FailureKind::ALL.into_iter().filter(|kind| *kind != FailureKind::Auth) {
        // One that may have been billed is not asked again.
        let setup = Setup::new(move |_, _| Err(Failure::new(kind, "it does not answer").maybe_billed()));
        let mut live = setup.live(&world(LIMITED, &[]));
        let code =
            "try:\n    call_llm('hi')\nexcept Exception as e:\n    said = [type(e).__name__, str(e)]\nsaid";
        let failing = "transfer('genesis_escrow', 1)\ncall_llm('hi')";
        let said = run(&mut live, code);
        let text = said[1].as_str().unwrap_or_default();
        assert_eq!(said[0], "RuntimeError");
        assert!(text.starts_with(&format!("llm {kind}: ")), "{text}");
        let receipt = act(&mut live, json!({ "op": "run", "code": failing }));
        let refused = told(&live, &receipt);
        assert!(
            refused.as_str().is_some_and(|said| said.starts_with(&format!("code_error: llm {kind}: "))),
            "{refused}"
        );
        // The use stays charged, and the transfer is taken back.
        let json = receipt.to_json(live.world(), Viewer::Observer);
        assert!(
            json["lines"].as_array().is_some_and(|lines| lines.iter().any(|line| line["for"] == "llm")),
            "{json}"
        );
        assert_eq!(json["payments"], json!([]));
        let rows = tape(&mut live);
        assert_eq!(rows.len(), 2);
        let asked = setup.fake.asked();
        // It is told again from the tape.
        let mut again = setup.replayed(&world(LIMITED, &[]), rows);
        assert_eq!(run(&mut again, code), said);
        act(&mut again, json!({ "op": "run", "code": failing }));
        assert_eq!(hash(&mut again), hash(&mut live));
        assert_eq!(setup.fake.asked(), asked);
    }
}

/// Agents whose steps invoke a tool that calls, a contract that calls, and an artifact that bears its own.
fn society() -> String {
    let tool = "def run(what):\n    first = call_llm(what)\n    second = call_llm(what)\n    storage_set('last', second)\n    return [first, second]\n";
    let judge = "def check_permission(caller, action, target, context, ledger):\n    word = call_llm('may ' + str(caller) + '?', schema={'type': 'boolean'})\n    return {'allowed': word, 'reason': 'a model', 'cache': {'ttl': '1d', 'key': []}}\n";
    let mut text = world(LIMITED, &[("tool", tool), ("judge", judge)]);
    text.push_str(
        "[[artifacts]]\nid = 'judged'\nowner = 'ann'\naccess_contract = 'judge'\ncontent = 'secret'\n\
         [[agents]]\nid = 'a'\ncount = 3\nresources = { llm_budget = '$0.20', llm_calls = 50 }\ncode = '''\n\
         def step(o):\n    return [{'op': 'invoke', 'artifact': 'tool', 'args': ['what now?']}, {'op': 'read', 'artifact': 'judged'}]\n'''\n\
         [execution]\nmode = 'tick'\nticks = 3\ntick_duration = '1m'\n",
    );
    text
}

/// Runs a world to its end, and gives its hash.
fn play(live: &mut Live) -> [u8; 32] {
    let goal = live.goal().expect("a goal");
    assert!(live.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs").is_done());
    live.world().audit().expect("the books add up");
    rebuilds(live);
    hash(live)
}

#[test]
fn a_run_from_its_tape_is_the_run_that_was_recorded() {
    let setup = Setup::new(|n, request| {
        let asks = request.messages.last().is_some_and(|message| message.text.starts_with("may "));
        Ok(answer(if asks { format!("{{\"answer\": {}}}", n % 2 == 0) } else { format!("answer {n}") }))
    });
    let mut live = setup.live(&society());
    let end = play(&mut live);
    let asked = setup.fake.asked();
    assert_eq!(asked, 3 * 3 * 3);
    let rows = tape(&mut live);
    assert!(rows.iter().all(|row| row.purpose == Purpose::CallLlm));
    let mut again = setup.replayed(&society(), rows.clone());
    assert_eq!(play(&mut again), end);
    assert_eq!(setup.fake.asked(), asked, "nobody was asked");
    // The same question is counted for the artifact whose code asks it, whoever invokes it.
    let of = |id: &str| rows.iter().filter(|row| row.agent == id).map(|row| row.n).collect::<Vec<_>>();
    assert_eq!(of("tool"), (0..18).collect::<Vec<_>>());
    assert_eq!(of("judge"), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    assert!(rows.windows(2).all(|pair| pair[0].seq <= pair[1].seq));
}

#[test]
fn a_call_that_cannot_be_borne_asks_nobody() {
    let setup = Setup::new(|_, _| Ok(answer("a")));
    let tool = "def run(most):\n    return call_llm('hi', max_output_tokens=most)\n";
    let poor = "[resources.llm_budget]\nkind = 'depletable'\ntotal = '$1.00'\nsplit = 'none'\n";
    let mut text = world(poor, &[("tool", tool)]).replacen(
        "scrip = 10",
        "scrip = 10\nresources = { llm_budget = 2000 }",
        1,
    );
    text.push('\n');
    let mut live = setup.live(&text);
    let call = |most: u64| json!({ "op": "invoke", "artifact": "tool", "args": [most], "max_resources": { "llm_budget": 5_000 } });
    let receipt = act(&mut live, call(1_000));
    let refusal = receipt.refusal().expect("it is refused");
    assert_eq!(refusal.code.as_str(), "insufficient_resource");
    assert_eq!(refusal.have, Some(2_000));
    assert!(refusal.need > Some(3_000), "{refusal:?}");
    assert_eq!((setup.fake.asked(), tape(&mut live).len()), (0, 0));
    // A smaller one is asked and takes what it used.
    let receipt = act(&mut live, call(100));
    assert_eq!(told(&live, &receipt), json!("a"));
    let row = &tape(&mut live)[0];
    assert_eq!((row.tokens_in, row.tokens_out, row.cost), (10, 1, 12));
    let json = receipt.to_json(live.world(), Viewer::Observer);
    let lines: Vec<&Value> =
        json["lines"].as_array().expect("lines").iter().filter(|line| line["for"] == "llm").collect();
    assert_eq!(
        lines,
        [
            &json!({ "payer": "ann", "resource": "llm_budget", "amount": 12, "for": "llm", "artifact": "tool" })
        ]
    );
    // The bound of an op is one of its calls too.
    let receipt = act(
        &mut live,
        json!({ "op": "invoke", "artifact": "tool", "args": [100], "max_resources": { "llm_budget": 100 } }),
    );
    assert_eq!(receipt.refusal().expect("it is refused").code.as_str(), "limit_exceeded");
    assert_eq!(setup.fake.asked(), 1);
}

#[test]
fn an_action_that_halts_leaves_nothing_behind_and_is_the_same_later() {
    let setup = Setup::new(|n, _| Ok(answer(format!("answer {n}"))));
    let folder = tempfile::tempdir().expect("a folder");
    let db = folder.path().join("w.oikos");
    let text = world("", &[]);
    // The worst case of one is 1,242 micro-dollars, and it uses 16.
    let poor = text.replace("model = 'fake::m'\n", "model = 'fake::m'\nbudget = '$0.001260'\n");
    let code = "[call_llm('hi', max_output_tokens=100) for i in range(3)]";
    let mut live = setup.on_disk(&poor, &db);
    let seq = live.world().seq();
    for _ in 0..2 {
        let receipt = act(&mut live, json!({ "op": "run", "code": code }));
        let refusal = receipt.refusal().expect("it is refused");
        assert_eq!((refusal.code.as_str(), receipt.seq), ("budget_exhausted", None), "{refusal:?}");
        assert_eq!(live.world().seq(), seq, "nothing has happened");
        assert_eq!(setup.fake.asked(), 2, "those that came are on the tape");
    }
    drop(live);
    // With more of it the world goes on: the answers that came are those of the same questions.
    let mut live = setup.on_disk(&text, &db);
    assert_eq!(run(&mut live, code), json!(["answer 0", "answer 1", "answer 2"]));
    assert_eq!(tape(&mut live).iter().map(|row| row.n).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(run(&mut live, code), json!(["answer 3", "answer 4", "answer 5"]));
    assert_eq!(tape(&mut live).iter().map(|row| row.n).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    rebuilds(&mut live);
    drop(live);
    let mut live = setup.on_disk(&text, &db);
    assert_eq!(run(&mut live, "call_llm('hi', max_output_tokens=100)"), json!("answer 6"));
    assert_eq!(setup.fake.asked(), 7);
}

#[test]
fn a_run_whose_calls_the_budget_does_not_reach_for_stops_and_goes_on_with_more() {
    let agents = "[[agents]]\nid = 'a'\ncount = 4\ncode = \"def step(o): return {'op': 'run', 'code': 'storage_set(\\\"said\\\", call_llm(\\\"hi\\\", max_output_tokens=100))'}\"\n";
    for mode in ["mode = 'tick'\nticks = 3", "mode = 'autonomous'\nduration = '3m'\npace = '1m'"] {
        let text = format!("{}{agents}[execution]\n{mode}\n", world("", &[]));
        let setup = Setup::new(|n, _| Ok(answer(format!("answer {n}"))));
        let mut whole = setup.live(&text);
        let end = play(&mut whole);
        let asked = setup.fake.asked();
        assert!(asked >= 12, "{asked}");

        let setup = Setup::new(|n, _| Ok(answer(format!("answer {n}"))));
        let folder = tempfile::tempdir().expect("a folder");
        let db = folder.path().join("w.oikos");
        for budget in ["0.001290", "0.001340", "0.001355"] {
            let poor = text.replacen(
                "model = 'fake::m'\n",
                &format!("model = 'fake::m'\nbudget = '${budget}'\n"),
                1,
            );
            let mut live = setup.on_disk(&poor, &db);
            let goal = live.goal().expect("a goal");
            // It stops again at once, and nobody is asked twice.
            for _ in 0..2 {
                let stopped = live.run_until(goal, &Stop::default(), |_, _| ()).expect("it stops");
                assert_eq!(stopped, Stopped::Budget, "{mode} {budget}");
            }
            live.world().audit().expect("the books add up");
            live.sequencer.commit().expect("no fault");
        }
        let before = setup.fake.asked();
        assert!(before > 2 && before < asked, "{before} of {asked}");
        let mut live = setup.on_disk(&text, &db);
        assert_eq!(play(&mut live), end, "{mode}");
        assert_eq!(setup.fake.asked(), asked, "{mode}");
    }
}

#[test]
fn an_action_from_outside_is_refused_where_nobody_can_be_asked() {
    let refused = |live: &mut Live, code: &str| {
        let seq = live.world().seq();
        let receipt = act(live, json!({ "op": "run", "code": code }));
        let refusal = receipt.refusal().expect("it is refused").clone();
        assert_eq!((refusal.code.as_str(), receipt.seq), ("unsupported", None), "{refusal:?}");
        assert_eq!((live.world().seq(), tape(live).len()), (seq, 0), "nothing has happened");
        refusal.message
    };
    let setup = Setup::new(|_, _| Ok(answer("a")));
    let mut live = setup.replayed(&world("", &[]), Vec::new());
    let miss = refused(&mut live, "call_llm('hi')");
    assert!(miss.starts_with("the tape has no answer for `ann`"), "{miss}");

    let text = world("", &[]).replace("model = 'fake::m'", "model = 'nobody::m'");
    let unknown = refused(&mut setup.live(&text), "call_llm('hi')");
    assert!(unknown.starts_with("there is no provider `nobody`"), "{unknown}");

    let setup = Setup::new(|_, _| Err(Failure::new(FailureKind::Auth, "the key is refused")));
    // No code goes on as if the world's own model had failed it alone.
    let caught = "try:\n    call_llm('hi')\nexcept Exception:\n    pass";
    assert_eq!(refused(&mut setup.live(&world("", &[])), caught), "the key is refused");
}

#[test]
fn a_world_that_names_no_models_asks_nobody() {
    // A key in the environment is no consent.
    let setup = Setup::new(|_, _| Ok(answer("never")));
    let text = "[world]\nname = 'w'\n[[artifacts]]\nid = 'ann'\nhas_standing = true\n";
    let mut live = setup.live(text);
    let receipt = act(&mut live, json!({ "op": "run", "code": "call_llm('hi', 'openai::gpt-4o-mini')" }));
    let refusal = receipt.refusal().expect("it is refused");
    assert_eq!(refusal.code.as_str(), "unsupported");
    assert!(refusal.hint.as_deref().is_some_and(|hint| hint.contains("[llm]")), "{refusal:?}");
}

#[test]
fn minds_that_think_and_measures_call_nobody() {
    let setup = Setup::new(|_, _| Ok(answer("a")));
    let mut text = world("", &[("tool", "def run():\n    return call_llm('hi')\n")]);
    text.push_str(
        "[[agents]]\nid = 'thinker'\ncode = '''\ndef step(o):\n    try:\n        call_llm('hi')\n    except Exception as e:\n        return {'op': 'write', 'artifact': 'said', 'content': str(e)}\n'''\n\
         [execution]\nmode = 'tick'\nticks = 1\n",
    );
    let mut live = setup.live(&text);
    let goal = live.goal().expect("a goal");
    live.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs");
    let said = live.world().lookup("said").and_then(|said| live.world().get(said)).expect("it was written");
    let said = said.content().as_str().expect("a text").to_owned();
    assert!(said.starts_with("permission_denied: a mind thinks and does not act"), "{said}");
    let tool = live.world().lookup("tool").expect("there is one");
    let now = live.sequencer.now();
    let refusal = live.sequencer.measure(tool, "run", now).expect("no fault").expect_err("it is refused");
    assert_eq!(refusal.code.as_str(), "permission_denied");
    assert_eq!(setup.fake.asked(), 0);
}
