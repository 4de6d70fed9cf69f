//! Calls of language models by code, in real Python, with a scripted provider: what is asked, told, charged and taped.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod door;

use std::{sync::Arc, time::Duration};

use oikos_agents::{
    Asked, Asker, Failure, FailureKind, Gate, Halt, Limits, MemoryTape, ModelName, Outcome, Place, Price,
    Prices, Rates, Request, TapeMode,
    fake::{Fake, Scripted, answer},
};
use oikos_kernel::{receipt::Receipt, tape::Purpose, time::Time, world::wire::Viewer};
use oikos_runner::{FromAsker, Journal, Live, RunError, Stop, state};
use serde_json::{Value, json};

use self::door::{workplace, world_file};

/// Micro-dollars for a million tokens: one for each token of the request, two for each of the answer.
const DEAR: Price = Price { input: 1_000_000, cached_input: 0, output: 2_000_000, internal: false };

/// A provider with its tape.
struct Setup {
    fake: Arc<Fake>,
    tape: Arc<MemoryTape>,
    runtime: tokio::runtime::Handle,
    budget: Option<u64>,
}

impl Setup {
    /// The provider gives the `n`-th request, counted from 0, what the script says.
    fn new(script: impl Fn(u64, &Request) -> Outcome + Send + Sync + 'static) -> Self {
        let latency = Duration::from_millis(1);
        let fake = Fake::new(move |n, request| Scripted { latency, outcome: script(n, request) });
        Self { fake: Arc::new(fake), tape: Arc::default(), runtime: driven(), budget: None }
    }

    fn asker(&self, mode: TapeMode) -> Arc<Asker> {
        let limits = Limits { in_flight: 4, rates: Rates::default() };
        let gate = Arc::new(Gate::new("fake", self.fake.clone(), limits));
        let providers = [("fake".to_owned(), Asked { provider: gate, place: Place::Elsewhere })];
        let model = ModelName::parse("fake::m").expect("a name");
        let asker =
            Asker::new(providers, Prices::new([(model, DEAR)]), self.tape.clone(), mode, Time::default);
        Arc::new(asker.with_budget(self.budget, 0))
    }

    /// A world whose code calls it.
    fn live(&self, text: &str, mode: TapeMode) -> Live {
        let mut live = workplace().found(world_file(text), Journal::in_memory).expect("it is founded");
        self.attach(&mut live, self.asker(mode));
        live
    }

    fn attach(&self, live: &mut Live, asker: Arc<Asker>) {
        live.sequencer.set_answers(Box::new(FromAsker::new(asker, self.runtime.clone())));
    }
}

/// A runtime that a thread of its own drives.
fn driven() -> tokio::runtime::Handle {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
}

/// A world with a principal and some code.
fn world(resources: &str, artifacts: &[(&str, &str)]) -> String {
    let mut text = format!(
        "[world]\nname = 'calls'\n[llm]\nmodel = 'fake::m'\n{resources}\n[[artifacts]]\nid = 'ann'\n\
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
    let mut live = setup.live(&world("", &[]), TapeMode::Auto);
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
    let mut live = setup.live(&world(LIMITED, &[]), TapeMode::Auto);
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
    assert!(setup.tape.all().is_empty());
}

#[test]
fn failures_raise_with_their_kind_and_can_be_caught() {
    for kind in FailureKind::ALL.into_iter().filter(|kind| *kind != FailureKind::Auth) {
        // One that may have been billed is not asked again.
        let setup = Setup::new(move |_, _| Err(Failure::new(kind, "it does not answer").maybe_billed()));
        let mut live = setup.live(&world(LIMITED, &[]), TapeMode::Auto);
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
        let rows = setup.tape.all();
        assert_eq!(rows.len(), 2);
        let asked = setup.fake.asked();
        // It is told again from the tape.
        let mut again = setup.live(&world(LIMITED, &[]), TapeMode::Replay);
        assert_eq!(run(&mut again, code), said);
        act(&mut again, json!({ "op": "run", "code": failing }));
        live.sequencer.commit().expect("no fault");
        again.sequencer.commit().expect("no fault");
        assert_eq!(again.sequencer.head().journal_hash, live.sequencer.head().journal_hash);
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

#[test]
fn a_run_from_its_tape_is_the_run_that_was_recorded() {
    let setup = Setup::new(|n, request| {
        let asks = request.messages.last().is_some_and(|message| message.text.starts_with("may "));
        Ok(answer(if asks { format!("{{\"answer\": {}}}", n % 2 == 0) } else { format!("answer {n}") }))
    });
    let mut heads = Vec::new();
    let mut asked = None;
    for mode in [TapeMode::Auto, TapeMode::Auto, TapeMode::Replay] {
        let mut live = setup.live(&society(), mode);
        let goal = live.goal().expect("a goal");
        assert!(live.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs").is_done());
        live.sequencer.commit().expect("no fault");
        live.world().audit().expect("the books add up");
        heads.push(live.sequencer.head().journal_hash);
        assert_eq!(*asked.get_or_insert(setup.fake.asked()), setup.fake.asked(), "{mode:?}");
        rebuilds(&mut live);
    }
    assert_eq!(asked, Some(3 * 3 * 3));
    assert!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
    let rows = setup.tape.all();
    assert!(rows.iter().all(|row| row.purpose == Purpose::CallLlm));
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
    let mut live = setup.live(&text, TapeMode::Auto);
    let call = |most: u64| json!({ "op": "invoke", "artifact": "tool", "args": [most], "max_resources": { "llm_budget": 5_000 } });
    let receipt = act(&mut live, call(1_000));
    let refusal = receipt.refusal().expect("it is refused");
    assert_eq!(refusal.code.as_str(), "insufficient_resource");
    assert_eq!(refusal.have, Some(2_000));
    assert!(refusal.need > Some(3_000), "{refusal:?}");
    assert_eq!((setup.fake.asked(), setup.tape.all().len()), (0, 0));
    // A smaller one is asked and takes what it used.
    let receipt = act(&mut live, call(100));
    assert_eq!(told(&live, &receipt), json!("a"));
    let row = &setup.tape.all()[0];
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
    // What an op may take of its bearer bounds it.
    let receipt = act(
        &mut live,
        json!({ "op": "invoke", "artifact": "tool", "args": [100], "max_resources": { "llm_budget": 100 } }),
    );
    assert_eq!(receipt.refusal().expect("it is refused").code.as_str(), "limit_exceeded");
    assert_eq!(setup.fake.asked(), 1);
}

#[test]
fn an_action_that_halts_leaves_nothing_behind_and_is_the_same_later() {
    let mut setup = Setup::new(|n, _| Ok(answer(format!("answer {n}"))));
    let code = "[call_llm('hi', max_output_tokens=100) for i in range(3)]";
    let mut live = setup.live(&world(LIMITED, &[]), TapeMode::Auto);
    // The worst case of one is about 1,250 micro-dollars, of which it uses 16.
    setup.budget = Some(1_260);
    let poor = setup.asker(TapeMode::Auto);
    setup.attach(&mut live, Arc::clone(&poor));
    let seq = live.world().seq();
    for _ in 0..2 {
        let halted = live.sequencer.act("ann", json!({ "op": "run", "code": code }));
        let Err(RunError::Halt(halt)) = halted else { panic!("{halted:?}") };
        assert!(halt.is_budget(), "{halt}");
        assert_eq!(live.world().seq(), seq, "nothing has happened");
    }
    let answered = setup.tape.all().len();
    assert!((1..3).contains(&answered), "{answered}");
    // The answers that came are on the tape, and are those of the same questions.
    setup.budget = None;
    let rich = setup.asker(TapeMode::Auto);
    setup.attach(&mut live, rich);
    assert_eq!(run(&mut live, code), json!(["answer 0", "answer 1", "answer 2"]));
    assert_eq!(setup.tape.all().iter().map(|row| row.n).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(setup.fake.asked(), 3);
    rebuilds(&mut live);
}

#[test]
fn a_tape_that_lacks_an_answer_halts_and_so_does_a_model_that_all_lack() {
    let setup = Setup::new(|_, _| Ok(answer("a")));
    let mut live = setup.live(&world("", &[]), TapeMode::Replay);
    let halted = live.sequencer.act("ann", json!({ "op": "run", "code": "call_llm('hi')" }));
    let Err(RunError::Halt(Halt::Miss { agent, .. })) = &halted else { panic!("{halted:?}") };
    assert_eq!(agent, "ann");

    let text = world("", &[]).replace("fake::m", "nobody::m");
    let mut live = setup.live(&text, TapeMode::Auto);
    let halted = live.sequencer.act("ann", json!({ "op": "run", "code": "call_llm('hi')" }));
    assert!(matches!(halted, Err(RunError::Halt(Halt::Unknown { .. }))), "{halted:?}");

    let setup = Setup::new(|_, _| Err(Failure::new(FailureKind::Auth, "the key is refused")));
    let mut live = setup.live(&world("", &[]), TapeMode::Auto);
    let halted = live
        .sequencer
        .act("ann", json!({ "op": "run", "code": "try:\n    call_llm('hi')\nexcept Exception:\n    pass" }));
    assert!(matches!(halted, Err(RunError::Halt(Halt::Provider(_)))), "{halted:?}");
    assert!(setup.tape.all().is_empty());
}

#[test]
fn a_world_without_models_says_so() {
    let mut live = workplace().found(world_file(world("", &[])), Journal::in_memory).expect("it is founded");
    let receipt = act(&mut live, json!({ "op": "run", "code": "call_llm('hi')" }));
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
    let mut live = setup.live(&text, TapeMode::Auto);
    let goal = live.goal().expect("a goal");
    live.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs");
    let said = live.world().lookup("said").and_then(|said| live.world().get(said)).expect("it was written");
    let said = said.content().as_str().expect("a text").to_owned();
    assert!(said.starts_with("permission_denied: a mind thinks and does not act"), "{said}");
    let tool = live.world().lookup("tool").expect("there is one");
    let refusal = live.sequencer.measure(tool, "run").expect("no fault").expect_err("it is refused");
    assert_eq!(refusal.code.as_str(), "permission_denied");
    assert_eq!(setup.fake.asked(), 0);
}
