//! A model in the terminal: questions to agents from outside, which change nothing in the world, and a tape that one
//! world brings into another.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod provider;
mod served;
mod small;

use std::{
    fs,
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use oikos_runner::{
    Journal,
    kernel::tape::{Purpose, Taped},
};
use serde_json::{Value, json};

use self::{
    provider::Provider,
    served::serve,
    small::{COMMAND, Small, hashes, talk},
};

const KEY: &str = "sk-planted-0123456789abcdef";

const WORLD: &str = r#"
[world]
name = "small"
[execution]
ticks = 3
[scrip]
start = 10
[llm]
model = "local::m"
[llm.providers.local]
api = "openai"
url = "URL"
key_env = "ASKED_KEY"
[llm.prices."local::m"]
input = "$1"
output = "$1"
[[agents]]
id = "keeper"
mind = "llm"
memory = true
prompt = "You keep a shop by the river."
[[agents]]
id = "clerk"
code_file = "mind.py"
"#;

const MIND: &str = "def step(o):\n    return None\n";

/// A model that decides as a shopkeeper who forgets nothing, and answers questions as it is told to. It keeps what it
/// was asked.
struct Model {
    provider: Provider,
    asked: Arc<Mutex<Vec<Value>>>,
    answer: Arc<Mutex<String>>,
}

impl Model {
    fn start() -> Self {
        let (asked, answer) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<Mutex<String>>::default());
        let (all, says) = (Arc::clone(&asked), Arc::clone(&answer));
        let provider = Provider::saying(move |request| {
            let mut asked = all.lock().expect("no panic");
            let step = asked.iter().filter(|request| !is_question(request)).count();
            asked.push(request.clone());
            if is_question(request) {
                return says.lock().expect("no panic").clone();
            }
            let op = json!({ "op": "remember", "text": format!("the lamp number {step} is broken") });
            json!({ "think": format!("I note lamp {step}."), "ops": [op] }).to_string()
        });
        Self { provider, asked, answer }
    }

    /// The requests so far that were questions from outside.
    fn questions(&self) -> Vec<Value> {
        let asked = self.asked.lock().expect("no panic").clone();
        asked.into_iter().filter(is_question).collect()
    }

    fn says(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().expect("no panic"));
    }

    fn world(&self) -> Small {
        Small::of(&WORLD.replace("URL", &self.provider.url()), MIND)
    }
}

fn is_question(request: &Value) -> bool {
    request["messages"][1]["content"].as_str().is_some_and(|text| text.contains("## The question"))
}

/// A world in which the keeper has taken three steps, and its model.
fn lived() -> (Small, Model) {
    let model = Model::start();
    let small = model.world();
    let output = oikos(&small, &["run", "small.toml", "--db", "a.oikos", "--json"]);
    assert!(output.status.success(), "{}", talk(&output));
    (small, model)
}

fn oikos(small: &Small, arguments: &[&str]) -> Output {
    let mut command = Command::new(COMMAND);
    command.current_dir(&small.folder).args(arguments).env("ASKED_KEY", KEY);
    command.output().expect("the binary runs")
}

fn ask(small: &Small, more: &[&str]) -> (Option<i32>, String, String) {
    let output = oikos(small, &[&["ask", "a.oikos"], more].concat());
    let out = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    for text in [&out, &talk(&output)] {
        assert!(!text.contains(KEY), "{text}");
    }
    (output.status.code(), out, talk(&output))
}

fn told(small: &Small, more: &[&str]) -> Value {
    let (code, out, talk) = ask(small, &[more, &["--json"]].concat());
    assert_eq!(code, Some(0), "{talk}");
    serde_json::from_str(&out).expect("JSON")
}

fn kept(small: &Small) -> Vec<Taped> {
    let text = fs::read_to_string(small.path("a.oikos.ask.jsonl")).unwrap_or_default();
    assert!(!text.contains(KEY), "{text}");
    Taped::from_lines(&text).expect("rows")
}

/// Digest and hash of the world, and how many rows its own tape has.
fn state(small: &Small) -> ((String, String), usize) {
    let verified = oikos(small, &["verify", "a.oikos", "--json"]);
    let exported = oikos(small, &["tape", "export", "a.oikos"]);
    let rows = String::from_utf8_lossy(&exported.stdout).lines().count();
    (hashes(&serde_json::from_slice(&verified.stdout).expect("JSON")), rows)
}

const WHY: &str = "Why did you note that lamp number 1 is broken?";

#[test]
fn an_agent_answers_from_its_prompt_its_turns_and_its_memory() {
    let (small, model) = lived();
    let before = state(&small);
    assert_eq!(before.1, 3, "one row for each step");
    model.says("Somebody must mend it.");
    let (code, out, said) = ask(&small, &["keeper", WHY]);
    assert_eq!((code, out.as_str()), (Some(0), "Somebody must mend it.\n"), "{said}");
    assert!(said.contains(" tokens in and 6 out") && said.contains("a.oikos.ask.jsonl"), "{said}");

    let questions = model.questions();
    assert_eq!(questions.len(), 1);
    let text = |at: usize| questions[0]["messages"][at]["content"].as_str().expect("a text").to_owned();
    let step = model.asked.lock().expect("no panic")[0].clone();
    assert_eq!(text(0), step["messages"][0]["content"].as_str().expect("a text"), "as in its steps");
    assert!(text(0).contains("You keep a shop by the river."));
    assert!(text(1).contains("I note lamp 2."), "its reasons: {}", text(1));
    assert!(text(1).contains("the lamp number 1 is broken") && text(1).ends_with(WHY), "{}", text(1));
    assert_eq!(questions[0].get("response_format"), None, "it answers in words");

    let rows = kept(&small);
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].purpose, rows[0].agent.as_str(), rows[0].cost),
        (Purpose::Ask, "keeper", rows[0].tokens_in + 6)
    );
    assert_eq!(state(&small), before, "nothing changed in the world");
    let cost = oikos(&small, &["cost", "a.oikos", "--json"]);
    let cost: Value = serde_json::from_slice(&cost.stdout).expect("JSON");
    assert_eq!(cost["paid"]["calls"], 3, "a question is no cost of the world");
}

#[test]
fn a_question_is_paid_once() {
    let (small, model) = lived();
    model.says("Somebody must mend it.");
    let first = told(&small, &["keeper", WHY]);
    model.says("Who knows?");
    let again = told(&small, &["keeper", WHY]);
    assert_eq!((&first["replayed"], &again["replayed"]), (&false.into(), &true.into()));
    assert_eq!((&first["answer"], &again["answer"]), (&"Somebody must mend it.".into(), &first["answer"]));
    assert_eq!((model.questions().len(), kept(&small).len()), (1, 1));
    // Neither the text nor the time is another; a question that is, is asked.
    assert_eq!(told(&small, &["keeper", "And why not?"])["answer"], "Who knows?");
    assert_eq!((model.questions().len(), kept(&small).len()), (2, 2));
    // Without the file it is asked again, and with it nobody need be there.
    let (code, _, said) = ask(&small, &["keeper", "Never asked?", "--tape", "replay"]);
    assert!(code == Some(3) && said.contains("`replay` asks nobody"), "{code:?} {said}");
    assert_eq!(told(&small, &["keeper", WHY, "--tape", "replay"])["replayed"], true);
    assert_eq!((model.questions().len(), kept(&small).len()), (2, 2));
}

#[test]
fn an_agent_is_asked_as_it_was() {
    let (small, model) = lived();
    model.says("I do not know.");
    let log = oikos(&small, &["log", "a.oikos", "--type", "think", "--json"]);
    let steps: Vec<u64> = String::from_utf8_lossy(&log.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_u64().expect("a number"))
        .collect();
    assert_eq!(steps.len(), 3);
    let at = |seq: u64| told(&small, &["keeper", WHY, "--at", &seq.to_string()]);
    let (early, late) = (at(steps[0]), at(steps[1]));
    assert_eq!((&early["seq"], &late["seq"]), (&steps[0].into(), &steps[1].into()));
    let questions = model.questions();
    let knows = |at: usize, what: &str| {
        questions[at]["messages"][1]["content"].as_str().expect("a text").contains(what)
    };
    assert!(knows(0, "lamp number 0") && !knows(0, "lamp number 1 is broken\""), "{}", questions[0]);
    assert!(knows(0, "I note lamp 0.") && !knows(0, "I note lamp 1."));
    assert!(knows(1, "I note lamp 1.") && !knows(1, "I note lamp 2."));
    let before_any = told(&small, &["keeper", WHY, "--at", "1"]);
    assert_eq!(before_any["seq"], 1);
    assert!(!model.questions()[2].to_string().contains("I note lamp"));
}

#[test]
fn a_failure_is_kept_and_asked_again() {
    let (small, model) = lived();
    model.says("");
    let (code, out, said) = ask(&small, &["keeper", WHY]);
    assert!(code == Some(3) && out.is_empty() && said.contains("llm invalid"), "{code:?} {said}");
    let rows = kept(&small);
    assert_eq!((rows.len(), rows[0].outcome()), (1, "invalid"), "it was paid, perhaps");
    model.says("Better now.");
    assert_eq!(told(&small, &["keeper", WHY])["answer"], "Better now.");
    assert_eq!(told(&small, &["keeper", WHY])["replayed"], true);
    assert_eq!((model.questions().len(), kept(&small).len()), (2, 2));
    // A broken file is named, and its rows are not asked for again.
    let path = small.path("a.oikos.ask.jsonl");
    fs::write(&path, fs::read_to_string(&path).expect("a file") + "{\n").expect("a file");
    let (code, _, said) = ask(&small, &["keeper", WHY]);
    assert!(code == Some(3) && said.contains("line 3") && said.contains("ask.jsonl"), "{code:?} {said}");
    assert_eq!(model.questions().len(), 2);
}

#[test]
fn a_question_that_can_not_be_put_says_why() {
    let (small, model) = lived();
    let before = state(&small);
    let long = "x".repeat(9_000);
    for (more, code, says) in [
        (&["nobody", WHY][..], 2, "there is no agent \"nobody\""),
        (&["clerk", WHY], 2, "`clerk` has no language model"),
        (&["keeper_memory", WHY], 2, "there is no agent"),
        (&["keeper", " "], 2, "a question has 1 to"),
        (&["keeper", &long], 2, "a question has 1 to"),
        (&["keeper", WHY, "--at", "0"], 2, "there is no record 0"),
        (&["keeper", WHY, "--at", "99999"], 2, "there is no record 99999"),
        (&["keeper", WHY, "--max-cost", "$0.000001"], 1, "budget_exhausted: the budget has $0.000001 left"),
    ] {
        let (found, out, said) = ask(&small, more);
        assert!(found == Some(code) && said.contains(says) && out.is_empty(), "{found:?}: {said}");
    }
    assert_eq!((model.questions().len(), kept(&small).len()), (0, 0));
    assert_eq!(state(&small), before);
}

#[test]
fn a_world_that_runs_can_be_asked() {
    let (small, model) = lived();
    model.says("I am still here.");
    let writer = Journal::open(small.path("a.oikos")).expect("a world");
    assert_eq!(told(&small, &["keeper", WHY])["answer"], "I am still here.");
    drop(writer);
}

/// The hashes that a world has, and the sums of its cost.
fn ran(small: &Small, more: &[&str]) -> ((String, String), Value) {
    let output = oikos(small, &[&["run", "small.toml", "--db", "a.oikos", "--json"], more].concat());
    assert!(output.status.success(), "{}", talk(&output));
    let cost = oikos(small, &["cost", "a.oikos", "--json"]);
    let report = serde_json::from_slice(&output.stdout).expect("JSON");
    (hashes(&report), serde_json::from_slice(&cost.stdout).expect("JSON"))
}

#[test]
fn a_tape_is_paid_in_one_world_and_replayed_in_another() {
    let (one, model) = lived();
    let (first, paid) = ran(&one, &[]);
    let exported = oikos(&one, &["tape", "export", "a.oikos", "tape.jsonl"]);
    assert!(exported.status.success(), "{}", talk(&exported));
    let other = model.world();
    let mut found = Command::new(COMMAND);
    found
        .args(["session", &other.file(), "--db"])
        .arg(other.path("a.oikos"))
        .stdin(std::process::Stdio::null());
    assert!(found.output().expect("the binary runs").status.success());
    let file = one.path("tape.jsonl");
    let imported = oikos(&other, &["tape", "import", "a.oikos", file.to_str().expect("UTF-8")]);
    assert!(imported.status.success(), "{}", talk(&imported));
    let asked = model.asked.lock().expect("no panic").len();
    let (second, replayed) = ran(&other, &["--tape", "replay"]);
    assert_eq!(model.asked.lock().expect("no panic").len(), asked, "nobody is asked");
    assert_eq!(first, second, "it is the same world");
    let of = |cost: &Value, kind: &str| {
        (
            cost[kind]["calls"].as_u64().expect("a number"),
            cost[kind]["micro_dollars"].as_u64().expect("a number"),
        )
    };
    let (calls, dollars) = of(&paid, "paid");
    assert!(calls == 3 && dollars > 0, "{paid}");
    assert_eq!(of(&paid, "replayed"), (0, 0));
    assert_eq!((of(&replayed, "paid"), of(&replayed, "replayed")), ((0, 0), (calls, dollars)));
    assert_eq!(replayed["unused"], 0);
    // More is asked where the tape ends, and paid; what was replayed stays so.
    let (_, more) = ran(&other, &["--set", "execution.ticks=4"]);
    assert_eq!((of(&more, "paid").0, of(&more, "replayed")), (1, (calls, dollars)));
}

#[test]
fn an_operator_asks_on_a_page() {
    let model = Model::start();
    let world = WORLD.replace("code_file = \"mind.py\"", "code = 'def step(o): return None'");
    let keyless = world.replace("URL", &model.provider.url()).replace("key_env = \"ASKED_KEY\"\n", "");
    let served = serve(&keyless, &["--paused"]);
    let (operator, keeper) = (served.token(&["--operator"]), served.token(&["--as", "keeper"]));
    assert_eq!(served.post(&operator, "/api/v1/run?wait=60s", "{\"ticks\": 2}").status, 200);
    let before = served.get(&operator, "/api/v1/world").json()["seq"].to_string();
    // The form stands before operators alone, of now and of the past, and where there is a model.
    for (token, path, part, is_there) in [
        (&operator, "/agents/keeper", "action=\"/ask\"", true),
        (&operator, "/agents/keeper?at=tick:0", "action=\"/ask\"", true),
        (&operator, "/agents/clerk", "action=\"/ask\"", false),
        (&operator, "/agents/clerk", "has no language model", true),
        (&keeper, "/agents/keeper", "Ask it", false),
        (&served.observer, "/agents/keeper", "Ask it", false),
    ] {
        let page = served.get(token, path).body;
        assert_eq!(page.contains(part), is_there, "{path}: {page}");
    }
    // The answer is text, is paid once, and changes nothing.
    model.says("Somebody <b>must</b> mend it.");
    let body = format!("agent=keeper&at={before}&question=Why+%3Cnot%3E%3F");
    for paid in ["tokens in and", "nothing is paid"] {
        let answer = served.post(&operator, "/ask", &body);
        assert!(answer.status == 200 && answer.body.contains(paid), "{} {}", answer.status, answer.body);
        assert!(answer.body.contains("Somebody &lt;b&gt;must&lt;/b&gt; mend it."), "{}", answer.body);
        assert!(answer.body.contains("Why &lt;not&gt;?") && !answer.body.contains("<b>"), "{}", answer.body);
    }
    assert_eq!(model.questions().len(), 1);
    assert_eq!(served.get(&operator, "/api/v1/world").json()["seq"].to_string(), before);
    let long = format!("agent=keeper&at=1&question={}", "a".repeat(9_000));
    for (token, body, status, part) in [
        (&operator, "", 400, "The form is empty"),
        (&operator, "agent=keeper&at=1", 400, "<code>question</code> is missing"),
        (&operator, "agent=keeper&at=yesterday&question=a", 400, "<code>at</code>: "),
        (&operator, "agent=keeper&at=999999&question=a", 404, "there is no record 999999"),
        (&operator, "agent=nobody&at=1&question=a&x=1", 400, "no field"),
        (&operator, "agent=%3Cb%3E&at=3&question=a", 404, "&lt;b&gt;"),
        (&operator, "agent=clerk&at=3&question=a", 400, "has no language model"),
        (&operator, &long, 400, "8192 bytes"),
        (&keeper, body.as_str(), 403, "operator"),
        (&served.observer, body.as_str(), 403, "operator"),
    ] {
        let answer = served.post(token, "/ask", body);
        let is_told = answer.status == status && answer.body.to_lowercase().contains(&part.to_lowercase());
        assert!(is_told, "{body:.60}: {} {}", answer.status, answer.body);
    }
    assert_eq!(model.questions().len(), 1);
    // Where there is no key, it is said which.
    let served = serve(&world.replace("URL", &model.provider.url()), &["--paused"]);
    let answer = served.post(&served.token(&["--operator"]), "/ask", "agent=keeper&at=1&question=Why%3F");
    assert!(answer.status == 503 && answer.body.contains("ASKED_KEY"), "{} {}", answer.status, answer.body);
}
