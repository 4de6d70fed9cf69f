//! The library in real Python: each method with the receipts and books it leaves, and the attacks on it.
//!
//! [`check`] reads a world and a script from text. The world is a world file; agents and artifacts of the first lines
//! are short for it:
//!
//! ```text
//! scrip ann 100, bob 50                      # principals without a loop
//! agent eve 20                               # one with a loop that does nothing
//! tool adder by ann price 3: def run(a, b): return a + b
//! file: [mint]\nevery = "1h"                 # more of the world file
//! ---
//! ann genesis_escrow.list [30] give painting -> ok ~{"price": 30}
//! bob genesis_escrow.purchase ["painting"] pay 30 -> code_error "costs 30"
//! ann {"op": "transfer", "to": "bob", "amount": 5} -> ok
//! balances ann 100, bob 50
//! ```
//!
//! Other lines: `owner ID OWNER`, `quota ID RESOURCE AMOUNT`, `advance 60s`, `run 1` (ticks), `see {query} -> …` (an observer).
//! After each line the books must add up; after the last a second world from the journal must be the same.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod door;
mod records;
#[path = "../../kernel/tests/support/within.rs"]
mod within;
#[path = "library/attacks.rs"]
mod attacks;
#[path = "library/bought.rs"]
mod bought;
#[path = "library/deposits.rs"]
mod deposits;
#[path = "library/due.rs"]
mod due;
#[path = "library/every.rs"]
mod every;
#[path = "library/hostile.rs"]
mod hostile;
#[path = "library/kills.rs"]
mod kills;
#[path = "library/law.rs"]
mod law;
#[path = "library/laws.rs"]
mod laws;
#[path = "library/methods.rs"]
mod methods;
#[path = "library/naive.rs"]
mod naive;
#[path = "library/naive_due.rs"]
mod naive_due;
#[path = "library/random.rs"]
mod random;
#[path = "library/reach.rs"]
mod reach;
#[path = "library/space.rs"]
mod space;
#[path = "library/secrets.rs"]
mod secrets;

use oikos_runner::{Journal, Stop, session, state};
use serde_json::{Value, json};

use self::{
    door::{workplace, world_file},
    within::within,
};

/// A world under way.
struct Play {
    live: oikos_runner::Live,
    supply: i64,
    /// The journal's world must be the same in the end.
    wrong: Vec<String>,
}

/// Runs a fixture; panics with every line that did not do what it says.
fn check(fixture: &str) {
    play(fixture).end();
}

fn play(fixture: &str) -> Play {
    let (setup, script) = fixture.split_once("---").expect("a setup and a script");
    let file = world_file(world_text(setup));
    let live = workplace().found(file, Journal::in_memory).expect("the world is founded");
    let mut play = Play { supply: live.world().supply(), live, wrong: Vec::new() };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        play.line(line);
    }
    play
}

/// The world file of a setup.
fn world_text(setup: &str) -> String {
    let (mut text, mut rest) = (String::from("[world]\nname = \"play\"\n"), String::new());
    for line in setup.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (head, body) = line.split_once(' ').unwrap_or((line, ""));
        match head {
            "scrip" | "agent" => {
                for pair in body.split(',') {
                    let words: Vec<&str> = pair.split_whitespace().collect();
                    let resources = words[2..].chunks(2).map(|pair| format!("{} = {}", pair[0], pair[1]));
                    let resources = resources.collect::<Vec<_>>().join(", ");
                    let kind = match head {
                        "agent" => "agents]]\ncode = \"def step(observation):\\n    return None\\n\"",
                        _ => "artifacts]]\nhas_standing = true",
                    };
                    rest.push_str(&format!(
                        "[[{kind}\nid = {:?}\nscrip = {}\nresources = {{ {resources} }}\n",
                        words[0], words[1]
                    ));
                }
            }
            "tool" => {
                let (head, code) = body.split_once(": ").expect("code");
                let words: Vec<&str> = head.split_whitespace().collect();
                let code = code.replace("\\n", "\n");
                rest.push_str(&format!("[[artifacts]]\nid = {:?}\ncode = {code:?}\n", words[0]));
                for pair in words[1..].chunks(2) {
                    match pair[0] {
                        "by" => rest.push_str(&format!("owner = {:?}\n", pair[1])),
                        "contract" => rest.push_str(&format!("access_contract = {:?}\n", pair[1])),
                        "standing" => rest.push_str("has_standing = true\n"),
                        key => rest.push_str(&format!("{key} = {}\n", pair[1])),
                    }
                }
            }
            "thing" => {
                let words: Vec<&str> = body.split_whitespace().collect();
                rest.push_str(&format!("[[artifacts]]\nid = {:?}\nowner = {:?}\n", words[0], words[1]));
                if let Some(contract) = words.get(2) {
                    rest.push_str(&format!("access_contract = {contract:?}\n"));
                }
            }
            "file:" => text.push_str(&format!("{}\n", body.replace("\\n", "\n"))),
            _ => panic!("no such line of a setup: {line}"),
        }
    }
    text + &rest
}

impl Play {
    /// Does one line.
    fn line(&mut self, line: &str) {
        if let Err(problem) = self.try_line(line) {
            self.wrong.push(format!("{line}\n    {problem}"));
        }
        if let Err(error) = self.live.world().audit() {
            self.wrong.push(format!("{line}\n    {error}"));
        }
    }

    /// Fails with all that went wrong; scrip came from the mint only, and the journal makes the same world.
    fn end(mut self) -> Self {
        let again = {
            let journal = self.live.sequencer.journal().expect("no fault");
            state(&journal).expect("the journal is read")
        };
        if again.digest() != self.live.world().digest() {
            self.wrong.push("the journal makes another world".into());
        }
        self.check_library();
        assert!(self.wrong.is_empty(), "\n\n{}\n", self.wrong.join("\n\n"));
        self
    }

    /// The library is as it was founded, and its own.
    fn check_library(&mut self) {
        let world = self.live.world();
        for founder in oikos_runner::library::founders() {
            let now = world.metadata(world.lookup(&founder.id).expect("it was founded"));
            if now["owner"] != *founder.id || now["version"] != 1 {
                self.wrong.push(format!("the library was changed: {now}"));
            }
        }
    }

    fn ask(&mut self, request: &Value) -> Value {
        let answer = session::respond(&mut self.live, request.to_string().as_bytes(), &Stop::default());
        serde_json::from_str(&answer.expect("no fault")).expect("JSON")
    }

    /// An action, and its receipt.
    fn act(&mut self, who: &str, op: &Value) -> Value {
        let mut act = op.clone();
        act["as"] = who.into();
        self.ask(&json!({ "act": act }))["receipt"].clone()
    }

    fn try_line(&mut self, line: &str) -> Result<(), String> {
        let (call, expected) = match line.split_once(" -> ") {
            Some((call, expected)) => (call, Some(expected.trim())),
            None => (line, None),
        };
        let (who, what) = call.split_once(' ').expect("two words");
        let Some(expected) = expected else {
            return self.statement(who, what);
        };
        if who == "see" {
            let query: Value = serde_json::from_str(what).expect("a query");
            let answer = self.ask(&json!({ "query": query }));
            return fits(&answer["error"], &answer["result"], expected);
        }
        let before = self.live.world().supply();
        let receipt = self.act(who, &operation(what));
        if self.live.world().supply() != before {
            return Err("an action of a principal changed the supply".into());
        }
        fits(&receipt["error"], &receipt["result"], expected)
    }

    fn statement(&mut self, head: &str, rest: &str) -> Result<(), String> {
        let world = self.live.world();
        let handle = |id: &str| world.lookup(id).unwrap_or_else(|| panic!("there is no `{id}`"));
        let same = |found: String| {
            if found == rest.trim() { Ok(()) } else { Err(format!("got {found}")) }
        };
        match head {
            "balances" => {
                let ids = rest.split(',').filter_map(|pair| pair.split_whitespace().next());
                let all: Vec<String> = ids.map(|id| format!("{id} {}", world.scrip(handle(id)))).collect();
                same(all.join(", "))
            }
            "owner" => {
                let id = rest.split_whitespace().next().expect("an id");
                let owner = world.get(handle(id)).map(|artifact| world.name(artifact.owner()));
                same(format!("{id} {}", owner.unwrap_or("nobody")))
            }
            "quota" => {
                let words: Vec<&str> = rest.split_whitespace().collect();
                let resource = world.rules().resource(words[1]).expect("a resource");
                same(format!("{} {} {}", words[0], words[1], world.limit(handle(words[0]), resource)))
            }
            "supply" => {
                let minted = world.supply() - self.supply;
                same(format!("+{minted}"))
            }
            "advance" => {
                let answer = self.ask(&json!({ "advance": rest.trim() }));
                if answer["error"].is_null() { Ok(()) } else { Err(answer.to_string()) }
            }
            "run" => {
                let ticks: u64 = rest.trim().parse().expect("a number of ticks");
                let answer = self.ask(&json!({ "run": { "ticks": ticks } }));
                if answer["error"].is_null() { Ok(()) } else { Err(answer.to_string()) }
            }
            "for" => {
                let answer = self.ask(&json!({ "run": { "for": rest.trim() } }));
                if answer["error"].is_null() { Ok(()) } else { Err(answer.to_string()) }
            }
            _ => panic!("no such line: {head} {rest}"),
        }
    }
}

/// `ARTIFACT.METHOD [args] pay 5 give a b 3_disk spend 9`, or JSON.
fn operation(text: &str) -> Value {
    if text.starts_with(['{', '[']) {
        return serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let (place, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (artifact, method) = place.split_once('.').expect("a method");
    let mut op = json!({ "op": "invoke", "artifact": artifact, "method": method });
    let (args, rest) = match rest.rfind(']') {
        Some(end) if rest.starts_with('[') => rest.split_at(end + 1),
        _ => ("[]", rest),
    };
    op["args"] = serde_json::from_str(args).unwrap_or_else(|error| panic!("{args}: {error}"));
    let mut key = "";
    for word in rest.split_whitespace() {
        match (word, key) {
            ("pay" | "give" | "spend", _) => key = word,
            (amount, "pay") => op["pay"] = amount.parse::<i64>().expect("an amount").into(),
            (amount, "spend") => op["max_spend"] = amount.parse::<i64>().expect("an amount").into(),
            (thing, "give") => {
                let gift =
                    match thing.split_once('_').and_then(|(n, name)| Some((n.parse::<i64>().ok()?, name))) {
                        Some((amount, resource)) => json!({ "resource": resource, "amount": amount }),
                        None => thing.into(),
                    };
                match op["give"].as_array_mut() {
                    Some(gifts) => gifts.push(gift),
                    None => op["give"] = json!([gift]),
                }
            }
            (word, _) => panic!("`{word}` means nothing in: {text}"),
        }
    }
    op
}

/// `ok`, `ok RESULT`, `ok ~PART`, or a code with pieces of the message.
fn fits(error: &Value, result: &Value, expected: &str) -> Result<(), String> {
    let (word, rest) = expected.split_once(' ').unwrap_or((expected, ""));
    if word == "ok" {
        if !error.is_null() {
            return Err(format!("it was refused: {error}"));
        }
        let Some(part) = rest.strip_prefix('~') else {
            let wanted = if rest.is_empty() { result.clone() } else { parsed(rest) };
            return if *result == wanted { Ok(()) } else { Err(format!("got {result}")) };
        };
        return within(result, &parsed(part));
    }
    if error["code"] != word {
        return Err(format!("got {error} {result}"));
    }
    let said = format!("{} {}", error["message"], error["hint"]).replace("\\\"", "'");
    let pieces = rest.split('"').skip(1).step_by(2);
    match pieces.into_iter().find(|piece| !said.contains(*piece)) {
        Some(piece) => Err(format!("not \"{piece}\": {said}")),
        None => Ok(()),
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
