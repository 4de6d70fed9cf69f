//! The warnings that end a run: code that failed, and a world in which nobody does anything.

use oikos_runner::{
    Address, Live, Summary, counted,
    kernel::{rules::Execution, time::format_duration_ms},
    number, quoted,
};
use serde_json::{Map, Value, json};

/// Ticks, or paces, in which nobody did anything when that is told.
const IDLE_TURNS: u32 = 50;

/// Something about a run that its author would want to know.
#[derive(Clone, Debug)]
pub(super) struct Warning {
    /// Whether `--strict` ends the run with 1 for it.
    pub(super) is_failure: bool,
    /// For people.
    pub(super) text: String,
    /// The command that shows more, for people.
    pub(super) help: String,
    /// For programs: `code`, `message`, and what there is to know by itself.
    pub(super) whole: Value,
}

/// The warnings of a world whose journal was read.
pub(super) fn of(live: &Live, totals: &Summary, db: Option<&Address>) -> Vec<Warning> {
    failing(live, totals, db).into_iter().chain(idle(live, totals, db)).collect()
}

fn failing(live: &Live, totals: &Summary, db: Option<&Address>) -> Option<Warning> {
    let (world, failing) = (live.world(), &totals.failing);
    let first = failing.first.as_ref()?;
    let agents = failing.whose.iter().filter(|whose| world.agent(**whose).is_some()).count();
    let paused = failing.paused.iter().filter(|whose| failing.whose.contains(whose)).count();
    let (file, line) = first.place(world, &live.file.source.authors());
    let place = line.map_or(file.clone(), |line| format!("{file}, line {line}"));
    let error = match first.message.split_once(": ") {
        Some((head, rest)) if head.starts_with("in `") => rest,
        _ => first.message.as_str(),
    };
    let times = number(failing.count);
    let of_agents = match (agents, paused) {
        (0, _) => String::new(),
        (1, 0) => ", of 1 agent".to_owned(),
        (1, _) => ", of 1 agent, which was paused for it".to_owned(),
        (agents, 0) => format!(", of {} agents", number(agents)),
        (agents, paused) => {
            format!(", of {} agents, of which {} were paused for it", number(agents), number(paused))
        }
    };
    let often = if failing.count == 1 { "once".to_owned() } else { format!("{times} times") };
    let sentence = format!("code failed {often}{of_agents}; first {place}: {error}");
    let see = See { db, more: " --refused --json" };
    let mut whole = told("failing_code", &sentence);
    whole.insert("file".into(), file.into());
    whole.insert("line".into(), line.into());
    whole.insert("error".into(), error.into());
    whole.insert(
        "traceback".into(),
        first
            .traceback
            .as_deref()
            .map_or(Value::Null, |text| live.file.source.authors().named(world, text).into()),
    );
    let fields = [
        ("seq", first.seq),
        ("failures", failing.count),
        ("agents", agents as u64),
        ("paused", paused as u64),
    ];
    whole.extend(fields.map(|(name, value)| (name.to_owned(), value.into())));
    whole.insert("first".into(), world.name(first.whose).into());
    whole.insert("see".into(), see.of_any().into());
    let help = see.shows("each, with its traceback");
    Some(Warning { is_failure: true, text: sentence, help, whole: whole.into() })
}

fn idle(live: &Live, totals: &Summary, db: Option<&Address>) -> Option<Warning> {
    let world = live.world();
    let is_there = |agent: &oikos_runner::kernel::world::Agent| {
        world.get(agent.handle).is_some_and(|artifact| !artifact.is_deleted())
    };
    if !world.agents().any(is_there) {
        return None;
    }
    let span = match world.rules().execution {
        Execution::Tick { .. } => {
            let ticks = totals.idle_ticks;
            (ticks >= u64::from(IDLE_TURNS)).then(|| counted(ticks, "tick"))?
        }
        Execution::Autonomous { pace_ms } => {
            let ms = live.sequencer.now().ms().saturating_sub(totals.idle_since_ms);
            let least = pace_ms.max(1).saturating_mul(IDLE_TURNS.into());
            (ms >= least).then(|| format_duration_ms(ms))?
        }
    };
    let sentence = format!("nobody did anything in the last {span}: no action but noops and failures");
    let see = See { db, more: " --refused" };
    let mut whole = told("nobody_acts", &sentence);
    whole.insert("see".into(), see.of_any().into());
    let help = see.shows("what was tried");
    Some(Warning { is_failure: false, text: sentence, help, whole: whole.into() })
}

/// The command that shows more of a world.
struct See<'a> {
    db: Option<&'a Address>,
    more: &'static str,
}

impl See<'_> {
    /// As it is told to programs: the report of a world is the same wherever its database stands.
    fn of_any(&self) -> String {
        format!("oikos log WORLD{}", self.more)
    }

    /// As it is told to people; a world in memory has none that shows it.
    fn shows(&self, what: &str) -> String {
        match self.db {
            None => format!("without --no-db, `oikos log` shows {what}"),
            Some(db) => {
                format!("`oikos log {}{}` shows {what}", quoted(&db.to_string()), self.more)
            }
        }
    }
}

fn told(code: &str, sentence: &str) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("code".into(), json!(code));
    map.insert("message".into(), json!(sentence));
    map
}
