//! The one door of the table tests: [`check`] reads a small world and a script from text and compares
//! the outcome of each line with the line's own words.
//!
//! ```text
//! rules: mint ID, missing deny, renewal tick 60s, balances own, run 100, action 200, measured, half-life 1h, model local::toy  # optional, as the next two
//! resources: disk allocatable, actions renewable 60s, budget depletable
//! costs: transfer actions 1
//! invoke: cpu 50                                    # the most that an invocation takes where it says nothing
//! world: alice 100, bob 5 disk 100 actions 3      # principals: scrip, then what they have of resources
//! artifact tool by alice price 3 contract c code [['return', 5]]
//! agent eve scrip 50 code [['return', null]]      # an artifact with a loop
//!
//! alice transfer {"to": "bob", "amount": 5} -> ok {"balance": 95} ; paid alice>bob 5 transfer
//! alice [{"op": "noop"}, {"op": "nop"}] -> invalid_argument @1 unrecorded "did you mean `noop`?"
//! alice transfer {"to": "bob", "amount": 96} -> insufficient_scrip 96/95
//! balances alice 95, bob 10
//! ```
//!
//! After `->` comes `ok` with nothing, an exact result, or `~` and a part of it; or an error's code with
//! `need/have`, `@index`, `unrecorded` for a refusal at admission, and quoted pieces of message or hint.
//! More clauses follow, each behind ` ; `: `charged`, `work`, `paid`, `lines`, `events`, `output`,
//! and `called` (who called which language model), `used` (what was charged for them) and `llm` (its lines). An observer's line begins
//! with `observer`; `advance 60s`, `clock forward 1h` (the machine's was moved), `runtime NAME` (code runs on another), `tick`, `step AGENT -> …`, `due ID -> …` (the scheduler runs
//! what is due of it), `ask AGENT -> …` (whose mind
//! answers by its next `step`), `measure ID METHOD -> …`, `sees AGENT {…}`,
//! `events ID {…}`, `orphan ID by CONTRACT`, `reserve ID RESOURCE AMOUNT`, `unreserved ID RESOURCE AMOUNT`
//! (the amount can't be set aside), `asks AGENT RESOURCE AMOUNT … -> …` (a language model is asked, and so much is set
//! aside), `uses RESOURCE AMOUNT …` and `thinks TEXT` (what the next step's thought uses, and its reasons) and `settle`, which ends the latest reservation, are the other lines.
//!
//! After any fixture its books must add up, its journal must rebuild the same world, and its
//! refusals must read as they should.

#[path = "../support/within.rs"]
mod within;

use self::within::within;
use oikos_kernel::{
    founding::{Founder, Founding},
    op::{Action, Op, OpKind},
    receipt::Receipt,
    record::{Change, Effect, Outcome, Pays, Record},
    refusal::Refusal,
    rules::{
        Authority, CpuMeter, Execution, Missing, OnExhaustion, Privacy, Renewal, ResourceId, ResourceKind,
        ResourceRule, Rules,
    },
    time::{Time, parse_duration_ms},
    transaction::Transaction,
    world::wire::Viewer,
    world::{Reservation, World},
};
use serde_json::{Value, json};

use crate::toy::{TOLD, Toy, defines, drive};

/// Runs a fixture; panics with every line that did not do what it says.
pub(crate) fn check(fixture: &str) -> Toy {
    let mut lines = fixture.lines().map(|line| line.split("  # ").next().unwrap_or("").trim()).peekable();
    let mut founding = Setup::new();
    while let Some(line) = lines.next_if(|line| founding.take(line)) {
        let _ = line;
    }
    let mut toy = founding.found();
    let mut wrong = Vec::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Err(problem) = run_line(&mut toy, line) {
            wrong.push(format!("{line}\n    {problem}"));
        }
    }
    wrong.extend(toy.world.audit().err().map(|error| error.to_string()));
    wrong.extend(rebuilt(&toy).err());
    assert!(wrong.is_empty(), "\n\n{}\n", wrong.join("\n\n"));
    toy
}

fn decides(code: &str) -> bool {
    defines(code).iter().any(|name| name == "check_permission")
}

/// The first lines of a fixture.
struct Setup {
    rules: Rules,
    founders: Vec<Founder>,
}

impl Setup {
    fn new() -> Self {
        let start = Time::parse("2026-01-01T00:00:00Z").unwrap();
        let mut rules = Rules::unlimited("table", 1, start);
        rules.cpu_ns_per_work = 3_000;
        Self { rules, founders: Vec::new() }
    }

    fn take(&mut self, line: &str) -> bool {
        let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
        let items = || rest.split(',').map(|item| item.split_whitespace().collect::<Vec<_>>());
        match head {
            "" | "#" => {}
            "rules:" => items().for_each(|words| match words.as_slice() {
                ["missing", "deny"] => self.rules.missing = Missing::Deny,
                ["renewal", "tick", ms] => {
                    self.rules.renewal = Renewal::Tick { ms: parse_duration_ms(ms).unwrap() };
                }
                ["balances", "own"] => self.rules.privacy = Privacy::Own,
                ["run", units] => self.rules.work_per_run = units.parse().unwrap(),
                ["action", units] => self.rules.work_per_action = units.parse().unwrap(),
                ["measured"] => self.rules.cpu_meter = CpuMeter::Measured,
                ["mint", id] => self.rules.mint_authorities.push((*id).into()),
                ["policy"] => self.rules.authority = Authority::Policy,
                ["half-life", time] => self.rules.memory_half_life_ms = parse_duration_ms(time).unwrap(),
                ["model", model] => self.rules.llm_model = Some((*model).into()),
                ["skip"] => self.rules.on_exhaustion = OnExhaustion::Skip,
                ["autonomous", pace] => {
                    let pace_ms = parse_duration_ms(pace).unwrap();
                    self.rules.execution = Execution::Autonomous { pace_ms };
                }
                _ => panic!("no such rule: {words:?}"),
            }),
            "resources:" => items().for_each(|words| self.resource(&words)),
            "invoke:" => {
                for words in items() {
                    let resource = self.rules.resource(words[0]).unwrap();
                    self.rules.resources_per_invoke.push((resource, words[1].parse().unwrap()));
                }
            }
            "costs:" => {
                for words in items() {
                    let resource = self.rules.resource(words[1]).unwrap();
                    let kind = OpKind::from_word(words[0]).unwrap();
                    self.rules.costs.push((kind, resource, words[2].parse().unwrap()));
                }
            }
            "world:" => {
                for words in items() {
                    let mut founder = Founder::new(words[0]);
                    founder.has_standing = true;
                    founder.kind = "person".into();
                    founder.scrip = words.get(1).map_or(0, |scrip| scrip.parse().unwrap());
                    for pair in words.get(2..).unwrap_or(&[]).chunks(2) {
                        founder.resources.insert(pair[0].into(), pair[1].parse().unwrap());
                    }
                    self.founders.push(founder);
                }
            }
            "artifact" | "agent" => self.founder(head == "agent", rest),
            _ => return false,
        }
        true
    }

    fn resource(&mut self, words: &[&str]) {
        let kind = match words[1..] {
            ["renewable", window] => {
                ResourceKind::Renewable { window_ms: parse_duration_ms(window).unwrap() }
            }
            ["depletable"] => ResourceKind::Depletable,
            ["allocatable"] => ResourceKind::Allocatable,
            _ => panic!("no such resource: {words:?}"),
        };
        match self.rules.resource(words[0]) {
            Some(ResourceId(at)) => self.rules.resources[usize::from(at)].kind = kind,
            None => self.rules.resources.push(ResourceRule { name: words[0].into(), kind }),
        }
    }

    fn founder(&mut self, has_loop: bool, rest: &str) {
        let (head, code) = match rest.split_once(" code ") {
            Some((head, code)) => (head, Some(code.to_owned())),
            None => (rest, None),
        };
        let words: Vec<&str> = head.split_whitespace().collect();
        let decides = code.as_deref().is_some_and(decides);
        let mut founder = Founder { code: code.map(Into::into), decides, has_loop, ..Founder::new(words[0]) };
        for pair in words[1..].chunks(2) {
            match pair[0] {
                "by" => founder.owner = Some(pair[1].into()),
                "kind" => founder.kind = pair[1].into(),
                "scrip" => {
                    founder.has_standing = true;
                    founder.scrip = pair[1].parse().unwrap();
                }
                "price" => founder.price = pair[1].parse().unwrap(),
                "pays" => founder.pays = Some(if pair[1] == "self" { Pays::Itself } else { Pays::Caller }),
                "remembers" => founder.memory_artifact = Some(pair[1].into()),
                "contract" => founder.access_contract = Some(pair[1].into()),
                "content" => {
                    founder.content =
                        serde_json::from_str(pair[1]).unwrap_or_else(|_| Value::from(pair[1])).into();
                }
                resource => {
                    founder.has_standing = true;
                    founder.resources.insert(resource.into(), pair[1].parse().unwrap());
                }
            }
        }
        self.founders.push(founder);
    }

    fn found(self) -> Toy {
        let now = self.rules.start;
        let founding =
            Founding { rules: self.rules, source: [0; 32], runtime: "toy".into(), founders: self.founders };
        let (world, journal) = founding.found().unwrap_or_else(|error| panic!("{error}"));
        Toy { world, now, journal, reserved: Vec::new(), thinks: String::new(), used: Vec::new() }
    }
}

fn run_line(toy: &mut Toy, line: &str) -> Result<(), String> {
    let (call, expected) = match line.split_once(" -> ") {
        Some((call, expected)) => (call, Some(expected)),
        None => (line, None),
    };
    TOLD.with_borrow_mut(Vec::clear);
    let (who, what) = call.split_once(' ').unwrap_or((call, ""));
    let Some(expected) = expected else {
        return run_statement(toy, who, what);
    };
    let receipt = match who {
        "observer" => observe(toy, what),
        "step" => toy.step(what),
        "ask" => toy.ask(what),
        "asks" => toy.asks(what),
        "due" => toy.due(what),
        "measure" => {
            let (id, method) = what.split_once(' ').unwrap();
            let (artifact, seed) = (toy.handle(id), toy.world.seq());
            unrecorded(toy, drive(Transaction::measure(&toy.world, artifact, method, toy.now, seed)).outcome)
        }
        actor => toy.act(actor, &action(what)),
    };
    if let Some(refusal) = receipt.refusal() {
        reads_well(refusal)?;
    }
    // Supply and resources add up after each line.
    toy.world.audit().map_err(|error| error.to_string())?;
    let mut clauses = expected.split(" ; ");
    status(&receipt, clauses.next().unwrap_or(""))?;
    clauses.try_for_each(|clause| compare_clause(toy, &receipt, clause.trim()))
}

/// `transfer {"to": …}` or the JSON itself.
fn action(text: &str) -> Value {
    let json = |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    if text.starts_with(['{', '[', '"']) || text.parse::<f64>().is_ok() || text == "null" {
        return json(text);
    }
    let (op, fields) = text.split_once(' ').unwrap_or((text, "{}"));
    let mut map: Value = json(fields);
    map["op"] = op.into();
    map
}

pub(crate) fn observe(toy: &Toy, what: &str) -> Receipt {
    let mut query: Value = serde_json::from_str(what).unwrap();
    query["op"] = "query".into();
    let outcome = match Action::parse(query) {
        Ok(mut action) => match action.ops.remove(0).op {
            Op::Query(query) => {
                drive(Transaction::observe(&toy.world, query, toy.now, toy.world.seq())).outcome
            }
            other => panic!("{other:?} is no query"),
        },
        Err(refusal) => Outcome::Refused(Box::new(refusal)),
    };
    unrecorded(toy, outcome)
}

fn unrecorded(toy: &Toy, outcome: Outcome) -> Receipt {
    Receipt { outcome, ..Receipt::refused(toy.now, Refusal::invalid("replaced")) }
}

fn run_statement(toy: &mut Toy, head: &str, rest: &str) -> Result<(), String> {
    match head {
        "balances" => {
            let have: Vec<String> = rest
                .split(',')
                .map(|item| item.split_whitespace().next().unwrap_or(""))
                .map(|id| format!("{id} {}", toy.world.scrip(toy.handle(id))))
                .collect();
            same("balances", &have.join(", "), rest)
        }
        "advance" => {
            toy.now = toy.now.after_ms(parse_duration_ms(rest).unwrap()).unwrap();
            Ok(())
        }
        "tick" => {
            toy.tick();
            Ok(())
        }
        "thinks" => {
            toy.thinks = rest.into();
            Ok(())
        }
        "uses" => {
            toy.used = toy.holds(rest);
            Ok(())
        }
        "clock" => {
            toy.clock_moved(rest);
            Ok(())
        }
        "runtime" => {
            toy.run_on(rest);
            Ok(())
        }
        "short" => {
            toy.short(rest);
            Ok(())
        }
        "next_due" => {
            let next = toy.world.next_due().map_or("nothing".into(), |(time, artifact)| {
                format!("{} {}ms", toy.world.name(artifact), time.ms() - toy.world.rules().start.ms())
            });
            same("next_due", &next, rest)
        }
        "loop" => {
            let (agent, expected) = rest.split_once(' ').unwrap();
            let row = toy.world.agent(toy.handle(agent)).unwrap();
            // In whole milliseconds since the beginning, for short lines.
            let due = row
                .due()
                .map_or("never".into(), |due| format!("{}ms", due.ms() - toy.world.rules().start.ms()));
            let waits = row.waits(toy.world.rules()).map_or(String::new(), |waits| format!(" {waits}"));
            same("loop", &format!("{} {due}{waits}", row.state()), expected)
        }
        "orphan" => {
            let (id, contract) = rest.split_once(" by ").unwrap();
            let (artifact, contract) = (toy.handle(id), toy.handle(contract));
            let version = toy.world.get(artifact).unwrap().version();
            let change = Box::new(Change { access_contract: Some(contract), ..Change::default() });
            toy.force(Effect::Change { artifact, version, change });
            Ok(())
        }
        "reserve" => match reserve(toy, rest) {
            Some(reservation) => {
                toy.reserved.push(reservation);
                Ok(())
            }
            None => Err("it is not free".into()),
        },
        "unreserved" => reserve(toy, rest).map_or(Ok(()), |reservation| Err(format!("{reservation:?}"))),
        "settle" => {
            let reservation = toy.reserved.pop().unwrap();
            toy.world.settle(reservation);
            Ok(())
        }
        "sees" => {
            let (agent, part) = rest.split_once(' ').unwrap();
            let population = toy.world.population();
            let seen = toy.world.observation(toy.handle(agent), toy.now, population);
            within(&seen, &serde_json::from_str(part).unwrap())
        }
        _ => panic!("no such line: {head} {rest}"),
    }
}

/// `ID RESOURCE AMOUNT`.
fn reserve(toy: &mut Toy, what: &str) -> Option<Reservation> {
    let [id, resource, amount] = what.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let (who, resource) = (toy.handle(id), toy.world.rules().resource(resource).unwrap());
    toy.world.reserve(who, resource, amount.parse().unwrap(), toy.now)
}

fn status(receipt: &Receipt, expected: &str) -> Result<(), String> {
    let found = match receipt.refusal() {
        None => format!("ok {}", receipt.outcome.result()),
        Some(refusal) => format!("{}", refusal.to_json()),
    };
    let wrong = |what: &str| Err(format!("{what}; got {found}"));
    let (word, rest) = expected.split_once(' ').unwrap_or((expected, ""));
    let Some(refusal) = receipt.refusal() else {
        if word != "ok" {
            return wrong("it was not refused");
        }
        let result = receipt.outcome.result();
        return match (rest.strip_prefix('~'), rest) {
            (_, "") => Ok(()),
            (Some(part), _) => {
                within(&result, &serde_json::from_str(part).map_err(|error| error.to_string())?)
            }
            (None, exact) => {
                let exact: Value = serde_json::from_str(exact).map_err(|error| error.to_string())?;
                if result == exact { Ok(()) } else { wrong("another result") }
            }
        };
    };
    if word != refusal.code.as_str() {
        return wrong("another code");
    }
    let said = format!("{} {}", refusal.message, refusal.hint.as_deref().unwrap_or(""));
    for (at, piece) in rest.split('"').enumerate() {
        if at % 2 == 1 {
            if !said.contains(piece) {
                return wrong("another message");
            }
            continue;
        }
        for word in piece.split_whitespace() {
            let fits = match (word, word.split_once('/'), word.strip_prefix('@')) {
                ("unrecorded", ..) => receipt.seq.is_none() && receipt.charges.is_empty(),
                (_, Some((need, have)), _) => {
                    refusal.need == need.parse().ok() && refusal.have == have.parse().ok()
                }
                (_, _, Some(index)) => refusal.index == index.parse().ok(),
                _ => return Err(format!("the fixture says `{word}`, which means nothing")),
            };
            if !fits {
                return wrong(&format!("not `{word}`"));
            }
        }
    }
    Ok(())
}

fn compare_clause(toy: &Toy, receipt: &Receipt, clause: &str) -> Result<(), String> {
    let (head, expected) = clause.split_once(' ').unwrap_or((clause, ""));
    let receipt = receipt.to_json(&toy.world, Viewer::Observer);
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows = |name: &str, row: &dyn Fn(&Value) -> String| {
        let rows: Vec<String> = receipt[name].as_array().unwrap().iter().map(row).collect();
        rows.join(", ")
    };
    let found = match head {
        "charged" => rows("charges", &|row| {
            format!("{} {} {}", word(&row["principal"]), word(&row["resource"]), row["amount"])
        }),
        "paid" => rows("payments", &|row| {
            format!("{}>{} {} {}", word(&row["from"]), word(&row["to"]), row["amount"], word(&row["why"]))
        }),
        "events" => rows("events", &|row| {
            let fields = ["type", "actor", "artifact", "to", "amount", "resource", "detail"];
            let said = fields.into_iter().filter(|field| row.get(field).is_some());
            said.map(|field| word(&row[field])).collect::<Vec<_>>().join(" ")
        }),
        "output" => word(&receipt["output"]),
        "lines" => match receipt.get("lines") {
            None => String::new(),
            Some(_) => rows("lines", &|row| {
                let fields = ["payer", "amount", "resource", "for", "artifact", "op", "to"];
                let said = fields.into_iter().filter(|field| row.get(field).is_some());
                said.map(|field| word(&row[field])).collect::<Vec<_>>().join(" ")
            }),
        },
        "used" => {
            let rows = receipt["charges"].as_array().into_iter().flatten();
            let of = rows.filter(|row| word(&row["resource"]).starts_with("llm"));
            let said = of.map(|row| {
                format!("{} {} {}", word(&row["principal"]), word(&row["resource"]), row["amount"])
            });
            said.collect::<Vec<_>>().join(", ")
        }
        "llm" => {
            let rows = receipt["lines"].as_array().into_iter().flatten().filter(|row| row["for"] == "llm");
            let said = rows.map(|row| {
                format!(
                    "{} {} {} {}",
                    word(&row["payer"]),
                    row["amount"],
                    word(&row["resource"]),
                    word(&row["artifact"])
                )
            });
            said.collect::<Vec<_>>().join(", ")
        }
        "called" => TOLD.with_borrow(|told| {
            let calls = told.iter().map(|call| format!("{} {}", call.by, call.model));
            calls.collect::<Vec<_>>().join(", ")
        }),
        "work" => receipt.get("work").map_or("0".into(), word),
        _ => return Err(format!("the fixture says `{clause}`, which means nothing")),
    };
    same(head, &found, expected)
}

fn same(what: &str, found: &str, expected: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: got {found}")) }
}

/// The duties of every refusal to its reader (`refusal.rs`).
pub(crate) fn reads_well(refusal: &Refusal) -> Result<(), String> {
    for text in std::iter::once(&refusal.message).chain(&refusal.hint) {
        let first = text.chars().next().unwrap_or(' ');
        // A message of the interpreter is shown as it is.
        let ours = !text.contains("Error: ");
        if ours && (first.is_uppercase() || text.ends_with(['.', ' ', '!']) || text.trim().is_empty()) {
            return Err(format!("this does not read well: {text}"));
        }
    }
    Ok(())
}

/// The journal must give the same world, after it and the world went through bytes too.
fn rebuilt(toy: &Toy) -> Result<(), String> {
    let mut again = World::empty();
    for record in &toy.journal {
        let read = Record::decode(&record.encode().unwrap()).unwrap();
        if read != *record {
            return Err(format!("record {} is not the same after reading", record.seq));
        }
        again.apply(&read).map_err(|error| error.to_string())?;
    }
    let image = World::from_image(&toy.world.to_image()).map_err(|error| error.to_string())?;
    let digests = [toy.world.digest(), again.digest(), image.digest()];
    if digests.iter().all(|digest| *digest == digests[0]) {
        Ok(())
    } else {
        Err(format!("the journal gives another world: {}", json!(digests)))
    }
}
