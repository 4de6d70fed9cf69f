//! `oikos cost`.

use std::{cmp::Reverse, collections::BTreeMap};

use anyhow::Result;
use oikos_runner::{
    Address, Bill, Bills, Forecast, Sums, counted, kernel::time::format_duration_ms, number, show_dollars,
};

use crate::{
    print::{Printer, wrapped},
    status::ExitStatus,
    table::{Column, table},
};

/// Rows of each table; the dearest come first.
const ROWS: usize = 20;

/// How a row was paid, for people.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum As {
    Paid,
    Replayed,
    Internal,
}

pub(super) fn cost(path: &Address, printer: Printer) -> Result<ExitStatus> {
    let journal = super::reading(path)?;
    let bills = Bills::of(&journal)?;
    let forecast = bills.forecast(&journal)?;
    printer.data(|| bills.to_json(forecast.as_ref()), || text(&bills, forecast.as_ref()))?;
    Ok(ExitStatus::Done)
}

fn text(bills: &Bills, forecast: Option<&Forecast>) -> String {
    let unused = (bills.unused > 0).then(|| {
        let rows = counted(bills.unused, "row");
        format!("{rows} of the tape came from elsewhere and wait to be used")
    });
    if bills.bills.is_empty() {
        let empty = "no model was asked in this world; agents with `mind = \"llm\"`\n\
                     in the world file ask one at each step, and code asks by `call_llm`";
        return unused.map_or_else(|| empty.to_owned(), |unused| format!("{empty}\n{unused}"));
    }
    let mut parts = vec![
        group(bills, "Agent", |bill| bill.agent.clone()),
        group(bills, "Model", |bill| bill.model.clone()),
        group(bills, "Purpose", |bill| bill.purpose.as_str().to_owned()),
        group(bills, "All", |_| String::new()),
    ];
    let more: Vec<String> = forecast.map(told).into_iter().chain(unused).collect();
    if !more.is_empty() {
        parts.push(wrapped(&more.join("\n"), 0));
    }
    parts.join("\n\n")
}

impl As {
    const fn of(bill: &Bill) -> Self {
        match (bill.kind.is_internal, bill.kind.is_replayed) {
            (true, _) => Self::Internal,
            (false, true) => Self::Replayed,
            (false, false) => Self::Paid,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Replayed => "replayed",
            Self::Internal => "internal",
        }
    }
}

/// The bills by a name, the dearest first.
fn group(bills: &Bills, heading: &str, name: impl Fn(&Bill) -> String) -> String {
    let mut groups = BTreeMap::<String, BTreeMap<As, Sums>>::new();
    for bill in &bills.bills {
        groups.entry(name(bill)).or_default().entry(As::of(bill)).or_default().add(bill.sums);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, kinds)| {
        let mut all = Sums::default();
        kinds.values().for_each(|sums| all.add(*sums));
        Reverse((all.cost, all.tokens(), all.calls))
    });
    let left_out = groups.len().saturating_sub(ROWS);
    let mut rows = Vec::new();
    for (name, kinds) in groups.into_iter().take(ROWS) {
        let names = std::iter::once(name).chain(std::iter::repeat(String::new()));
        rows.extend(names.zip(kinds).map(|(name, (kind, sums))| cells(name, kind, sums)));
    }
    let numbers = ["calls", "failed", "in", "cached", "out", "dollars"].map(Column::Number);
    let columns: Vec<_> = [Column::Name(heading), Column::Word("as")].into_iter().chain(numbers).collect();
    let mut text = table(&columns, &rows);
    if left_out > 0 {
        text.push_str(&format!("\n… and {left_out} more; --json has all"));
    }
    text
}

fn cells(name: String, kind: As, sums: Sums) -> Vec<String> {
    let counts = [sums.calls, sums.failures, sums.tokens_in, sums.tokens_cached, sums.tokens_out].map(short);
    let mut cells = vec![name, kind.as_str().to_owned()];
    cells.extend(counts);
    cells.push(dollars(sums.cost));
    cells
}

/// A number in at most six columns: `123`, `12.3k`, `4.56M`.
fn short(value: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    let Some((unit, word)) = UNITS.into_iter().find(|(unit, _)| value >= *unit && value >= 10_000) else {
        return number(value);
    };
    let (whole, tenth) = (value / unit, value % unit * 10 / unit);
    if whole < 1_000 { format!("{whole}.{tenth}{word}") } else { format!("{whole}{word}") }
}

/// Dollars, exact below a cent, and to a hundredth of a cent, or to a cent, above; from a million on short.
fn dollars(micro: u64) -> String {
    const MILLION: u64 = 1_000_000;
    if micro >= MILLION * MILLION {
        return format!("${}", short(micro.div_ceil(MILLION)));
    }
    let round = match micro {
        0..10_000 => 1,
        10_000..100_000_000 => 100,
        100_000_000.. => 10_000,
    };
    show_dollars(micro.div_ceil(round).saturating_mul(round))
}

/// The forecast in a sentence.
fn told(forecast: &Forecast) -> String {
    let span = |value: u64| {
        if forecast.is_ticks {
            format!("tick {value}")
        } else {
            format_duration_ms(value.try_into().unwrap_or(i64::MAX))
        }
    };
    let (low, high) = (dollars(forecast.low), dollars(forecast.high));
    let range = if low == high { format!("about {low}") } else { format!("{low} to {high}") };
    let basis = if forecast.is_ticks { counted(forecast.done, "tick") } else { span(forecast.done) };
    format!("forecast {range} by {}, from {basis} so far", span(forecast.goal))
}
