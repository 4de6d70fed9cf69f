//! The commands that are tortured, and the worlds that they work on.

/// The database that every command is about.
pub(crate) const DB: &str = "x.oikos";

/// A command under torture.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Commands that come before, in peace.
    pub(crate) before: &'static [Step],
    /// The command.
    pub(crate) step: Step,
    /// The command that goes on afterwards.
    pub(crate) again: Step,
    /// Whether the end is the same after any harm on the way.
    pub(crate) ends_alike: bool,
    /// Whether an old world is moved aside, which must not be lost.
    pub(crate) keeps_old: bool,
    /// How many of its points the short form tries, at most, of each kind; of some none at all, for their length.
    pub(crate) sample: usize,
}

/// A command line, and what is said to it.
#[derive(Debug)]
pub(crate) struct Step {
    arguments: &'static str,
    input: fn() -> Vec<String>,
}

impl Step {
    const fn of(arguments: &'static str) -> Self {
        Self { arguments, input: Vec::new }
    }

    /// The arguments, which hold no spaces but in an action.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let (words, action) = match self.arguments.split_once(" {") {
            Some((words, action)) => (words, Some(format!("{{{action}"))),
            None => (self.arguments, None),
        };
        words.split_whitespace().map(str::to_owned).chain(action).collect()
    }

    pub(crate) fn input(&self) -> Vec<String> {
        (self.input)()
    }
}

/// The files that lie in the folder: two worlds of the same agents.
pub(crate) const FILES: [(&str, &str); 3] = [("tick.toml", TICK), ("loops.toml", LOOPS), ("mind.py", MIND)];

const TICK: &str = r#"[world]
name = "tick"
seed = 3

[execution]
ticks = 8

[scrip]
start = 100000

[measures]
gini = "gini(scrip)"

[[agents]]
id = "a"
count = 3
code_file = "mind.py"
"#;

const LOOPS: &str = r#"[world]
name = "loops"
seed = 4

[execution]
mode     = "autonomous"
duration = "8s"

[scrip]
start = 100000

[[agents]]
id = "a"
count = 3
code_file = "mind.py"
"#;

const MIND: &str = r#"def step(observation):
    turn = observation["step"] % 4
    if turn == 0:
        return {"op": "store", "key": "seen", "value": observation["now"]}
    if turn == 1:
        return [{"op": "noop"}, {"op": "transfer", "to": "a_003", "amount": 100000000}]
    return {"op": "transfer", "to": "a_002", "amount": 1}
"#;

/// The least amount of a transfer that comes from outside; those of the agents are smaller.
pub(crate) const OUTSIDE: i64 = 100;

/// The amount of the transfer by which a session or an `act` goes on.
pub(crate) const LAST_WORD: i64 = 777;

fn transfer(amount: i64) -> String {
    format!(r#"{{"id":{amount},"act":{{"as":"a_001","op":"transfer","to":"a_002","amount":{amount}}}}}"#)
}

/// One by one, then some that share a commit, a run in between, and one that is refused.
fn talk() -> Vec<String> {
    let mut lines: Vec<String> = (101..105).map(transfer).collect();
    lines.push((105..109).map(transfer).collect::<Vec<_>>().join("\n"));
    lines.push(r#"{"id":1,"run":{"ticks":2}}"#.into());
    lines.push(r#"{"id":2,"act":{"as":"a_001","op":"transfer","to":"a_002","amount":99999999}}"#.into());
    lines.extend((109..112).map(transfer));
    lines.push(format!(
        r#"{{"id":3,"batch":[{}]}}"#,
        (112..115)
            .map(|amount| format!(r#"{{"as":"a_001","op":"transfer","to":"a_002","amount":{amount}}}"#))
            .collect::<Vec<_>>()
            .join(",")
    ));
    lines
}

fn last_word() -> Vec<String> {
    vec![transfer(LAST_WORD)]
}

const SESSION: Step = Step { arguments: "session tick.toml --db x.oikos", input: talk };
const SESSION_AGAIN: Step = Step { arguments: "session tick.toml --db x.oikos", input: last_word };
const RUN: Step = Step::of("run tick.toml --db x.oikos --json");

const fn scenario(name: &'static str, before: &'static [Step], step: Step, again: Step) -> Scenario {
    Scenario { name, before, step, again, ends_alike: true, keeps_old: false, sample: 12 }
}

/// All of them.
pub(crate) const SCENARIOS: [Scenario; 10] = [
    // The gate kills a founding and a run at every call.
    Scenario { sample: 100, ..scenario("tick", &[], RUN, RUN) },
    scenario(
        "autonomous",
        &[],
        Step::of("run loops.toml --db x.oikos --json"),
        Step::of("run loops.toml --db x.oikos --json"),
    ),
    scenario("going-on", &[Step::of("run tick.toml --db x.oikos --json --set execution.ticks=4")], RUN, RUN),
    scenario("events", &[], Step::of("run tick.toml --db x.oikos --json --events"), RUN),
    Scenario { ends_alike: false, ..scenario("session", &[], SESSION, SESSION_AGAIN) },
    Scenario { ends_alike: false, ..scenario("session-on", &[RUN], SESSION, SESSION_AGAIN) },
    Scenario {
        ends_alike: false,
        ..scenario(
            "act",
            &[RUN],
            Step::of(r#"act x.oikos --json --as a_001 {"op":"transfer","to":"a_002","amount":101}"#),
            Step::of(r#"act x.oikos --json --as a_001 {"op":"transfer","to":"a_002","amount":777}"#),
        )
    },
    Scenario {
        keeps_old: true,
        ..scenario(
            "fresh",
            &[RUN],
            Step::of("run tick.toml --db x.oikos --json --seed 9 --fresh"),
            Step::of("run tick.toml --db x.oikos --json --seed 9 --fresh"),
        )
    },
    Scenario {
        sample: 0,
        ..scenario(
            "snapshot",
            &[Step::of("run tick.toml --db x.oikos --json --set execution.ticks=12480")],
            Step::of("run tick.toml --db x.oikos --json --set execution.ticks=14000"),
            Step::of("run tick.toml --db x.oikos --json --set execution.ticks=14000"),
        )
    },
    Scenario {
        sample: 0,
        ..scenario(
            "long",
            &[],
            Step::of("run loops.toml --db x.oikos --json --set execution.duration=1h"),
            Step::of("run loops.toml --db x.oikos --json --set execution.duration=1h"),
        )
    },
];
