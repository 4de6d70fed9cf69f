//! One run: what is asked of the process that makes it, and the row that comes of it.

use std::{fmt, path::PathBuf};

use oikos_runner::{
    Bill, Bills, Journal, Live, RunError, Stop, Stopped, Summary, Workplace,
    config::{self, Overrides, WorldFile},
    library, measure, report,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The run that is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) cell: u64,
    pub(crate) seed: u64,
    pub(crate) world: PathBuf,
    /// The world file as it is named in what the row says.
    pub(crate) shown: PathBuf,
    pub(crate) set: Vec<(String, String)>,
    /// The hash of all that the world is made from, as the sweep recorded it.
    pub(crate) source: String,
    /// The database, where the world is kept on disk while it runs.
    pub(crate) db: Option<PathBuf>,
    /// The most micro-dollars that models may be paid.
    pub(crate) max_cost: Option<u64>,
    /// How many run code at once.
    pub(crate) workers: usize,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It came to its end.
    Done,
    /// Clients were to decide for their agents.
    Turns,
    /// The money for models did not reach.
    Budget,
    /// It could not be founded, or met with a fault.
    Failed,
    /// Its process ended without an answer.
    Crashed,
}

impl Status {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Turns => "turns",
            Self::Budget => "budget",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
        }
    }
}

/// A number that is exact as text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number(pub(crate) f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Self).ok_or_else(|| de::Error::custom(format!("{text:?} is no number")))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The row of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The number of its cell.
    pub cell: u64,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub status: Status,
    /// Why it did not come to its end.
    pub reason: Option<String>,
    /// Whether it would end like this again: the machine, and money, are not to blame.
    pub is_final: bool,
    /// Actions that succeeded.
    pub actions: Option<u64>,
    /// Actions that were refused or failed.
    pub refusals: Option<u64>,
    /// The cost of the answers of models that the world used, in micro-dollars.
    pub cost: u64,
    /// The sum paid for answers here, in micro-dollars.
    pub paid: u64,
    /// The digest of the state at its end.
    pub state_digest: Option<String>,
    /// The hash of its journal.
    pub journal_hash: Option<String>,
    /// The instant of its beginning, in milliseconds since 1970.
    pub(crate) start_ms: Option<i64>,
    pub(crate) measures: Vec<(String, Option<Number>)>,
    /// Milliseconds since 1970, the measure, its value.
    pub(crate) series: Vec<(i64, String, Option<Number>)>,
    /// The time that it took, where the row has a file of its own: among others it stands in a file beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
}

impl Row {
    /// The row of a run that came to nothing.
    pub(crate) fn without(cell: u64, seed: u64, status: Status, reason: String, is_final: bool) -> Self {
        Self {
            cell,
            seed,
            status,
            reason: Some(reason),
            is_final,
            actions: None,
            refusals: None,
            cost: 0,
            paid: 0,
            state_digest: None,
            journal_hash: None,
            start_ms: None,
            measures: Vec::new(),
            series: Vec::new(),
            seconds: None,
        }
    }
}

/// The hash of all that the world of a cell is made from; seeds apart.
pub(crate) fn source_hash(file: &WorldFile) -> String {
    let source = &file.source;
    let tape: Vec<String> = file.tape.iter().map(|row| format!("{row:?}")).collect();
    let parts = serde_json::json!([source.text, source.files, source.set, tape]).to_string();
    blake3::hash(parts.as_bytes()).to_hex().to_string()
}

impl Order {
    /// Makes the run.
    pub(crate) fn carry_out(&self, workplace: &Workplace) -> Row {
        let access = workplace.access.clone().with_max_cost(self.max_cost);
        let workplace = Workplace { access, workers: Some(self.workers), ..workplace.clone() };
        self.run(&workplace).unwrap_or_else(|error| {
            let is_final = error.is_config();
            Row::without(self.cell, self.seed, Status::Failed, self.reason(&error), is_final)
        })
    }

    fn run(&self, workplace: &Workplace) -> Result<Row, RunError> {
        let overrides = Overrides { seed: Some(self.seed), set: self.set.clone() };
        let file = config::load(&self.world, &overrides, library::founders());
        // The sweep has read it for this cell before.
        let Some(file) = file.ok().filter(|file| source_hash(file) == self.source) else {
            let sentence = "the world file, or a file that it names, has changed since the sweep began";
            return Ok(Row::without(self.cell, self.seed, Status::Failed, sentence.into(), false));
        };
        let mut live = match &self.db {
            Some(db) => workplace.open_or_found(file, db)?,
            None => workplace.found(file, Journal::in_memory)?,
        };
        let goal = live.goal()?;
        let ran = live.run_to_end(goal, &Stop::default(), |_, _| ());
        match ran {
            Ok(stopped) => self.row(&mut live, stopped),
            // The sum paid is told though it came to nothing.
            Err(error) => {
                let paid = self.paid_until(&mut live).unwrap_or(0);
                let is_final = error.is_config();
                let reason = self.reason(&error);
                Ok(Row { paid, ..Row::without(self.cell, self.seed, Status::Failed, reason, is_final) })
            }
        }
    }

    /// An error in a line that is the same wherever the run was made.
    fn reason(&self, error: &RunError) -> String {
        let [here, shown] = [&self.world, &self.shown].map(|path| path.display().to_string());
        one_line(&error.to_string().replace(&here, &shown))
    }

    fn paid_until(&self, live: &mut Live) -> Result<u64, RunError> {
        Ok(paid(&Bills::of(&*live.sequencer.journal()?)?))
    }

    fn row(&self, live: &mut Live, stopped: Stopped) -> Result<Row, RunError> {
        let (status, reason, is_final) = match stopped {
            Stopped::Ticks | Stopped::Duration | Stopped::Until => (Status::Done, None, true),
            Stopped::Turns => {
                (Status::Turns, Some("clients are to decide for their agents".to_owned()), true)
            }
            Stopped::Budget => {
                let reason = "the money for models does not reach for the next answer";
                (Status::Budget, Some(reason.to_owned()), self.max_cost.is_none())
            }
            Stopped::Asked(why) => {
                (Status::Failed, Some(format!("it was asked to end: {}", why.word())), false)
            }
        };
        let measures = live.file.measures.clone();
        let value = |number: f64| number.is_finite().then_some(Number(number));
        let taken = measure::take_all(&mut live.sequencer, &measures)?;
        let measures = taken.into_iter().map(|(name, number)| (name, number.ok().and_then(value))).collect();
        let world = live.world().clone();
        let mut series = Vec::new();
        let journal = live.sequencer.journal()?;
        journal.series(|row| {
            series.push((row.time.ms(), row.name, row.value.and_then(value)));
            Ok::<(), RunError>(())
        })?;
        let (summary, bills) = (Summary::read(&journal, &world)?, Bills::of(&journal)?);
        drop(journal);
        Ok(Row {
            cell: self.cell,
            seed: self.seed,
            status,
            reason,
            is_final,
            actions: Some(summary.actions),
            refusals: Some(summary.failures),
            cost: bills.sum(|bill| !bill.kind.is_internal).cost,
            paid: paid(&bills),
            state_digest: Some(report::hex(&world.digest())),
            journal_hash: Some(report::hex(&live.sequencer.head().journal_hash)),
            start_ms: Some(world.rules().start.ms()),
            measures,
            series,
            seconds: None,
        })
    }
}

/// Micro-dollars that were truly paid in a world.
pub(crate) fn paid(bills: &Bills) -> u64 {
    bills.sum(|Bill { kind, .. }| !kind.is_internal && !kind.is_replayed).cost
}

/// A report in one line: its sentence and its place.
pub(crate) fn one_line(report: &str) -> String {
    let mut lines = report.lines().map(str::trim);
    let first = lines.next().unwrap_or_default().to_owned();
    let place = lines.clone().find_map(|line| line.strip_prefix("--> "));
    let help = lines.find_map(|line| line.strip_prefix("= help: "));
    let place = place.map_or(String::new(), |place| format!(" ({place})"));
    let help = help.map_or(String::new(), |help| format!("; {help}"));
    format!("{first}{place}{help}")
}
