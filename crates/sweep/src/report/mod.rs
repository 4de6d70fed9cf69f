//! `report.html`: one page that needs no other file, no script and no network, for screens and for paper.

mod plots;

use std::{io::Write as _, path::PathBuf};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use oikos_runner::counted;
use oikos_views::{
    chart::{self, Line as ChartLine, Size},
    style,
    text::digits,
};

use crate::{
    error::SweepError,
    figures::{Line, Measured},
    folder::Folder,
    order::{Row, Status},
    plan::{Plan, ranges},
    rows::write_whole,
    statistics::{Figures, RESAMPLES},
    tables::Written,
    text::shown,
};

/// The most rows of a table of differences, and of failed runs; `summary.csv` and `runs.csv` have all.
const ROWS_MAX: usize = 120;

/// Pixels of a chart by time.
const SERIES_HEIGHT: i32 = 300;

/// Writes the report of a sweep whose tables were written.
///
/// # Errors
/// When a row can't be read, or the file can't be written.
pub fn write(plan: &Plan, folder: &Folder, written: &Written) -> Result<PathBuf, SweepError> {
    let Written { measured, lines, .. } = written;
    let mut failures = Vec::new();
    let mut left_out = 0_u64;
    folder.each(|row| {
        if row.status != Status::Done {
            if failures.len() < ROWS_MAX {
                failures.push(Row { series: Vec::new(), ..row });
            } else {
                left_out += 1;
            }
        }
        Ok(())
    })?;
    let page = page(plan, measured, lines, (&failures, left_out))?;
    let path = folder.path().join("report.html");
    write_whole(&path, |file| {
        let written = file.write_all(page.into_string().as_bytes());
        written.map_err(|error| SweepError::unwritten(&path, &error))
    })?;
    Ok(path)
}

fn page(
    plan: &Plan,
    measured: &Measured,
    lines: &[Line],
    (failures, left_out): (&[Row], u64),
) -> Result<Markup, SweepError> {
    let labels = labels(plan);
    let mut sections = Vec::new();
    for (at, (measure, _)) in measured.names.iter().enumerate() {
        let is_count = at >= plan.measures.len();
        if !measured.cells_with(at).is_empty() || !is_count {
            sections.push(section(measured, lines, &labels, (at, measure, is_count))?);
        }
    }
    let title = format!("Sweep of {}", clean(&plan.name));
    let done: u64 = measured.ended.values().map(|(done, _)| done).sum();
    let failed: u64 = measured.ended.values().map(|(_, failed)| failed).sum();
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(style::STYLE)) }
            }
            body class="paper" {
                h1 { (title) }
                p {
                    (counted(plan.cells.len(), "cell")) ", " (counted(plan.seeds.len(), "seed")) " ("
                    (ranges(&plan.seeds)) "), " (counted(plan.count(), "run")) ": " (done) " done, " (failed)
                    " failed."
                    @if !plan.is_repeatable { " This world goes by the wall clock: its figures differ each time." }
                }
                pre { (clean(&plan.command)) }
                p { "oikos " (env!("CARGO_PKG_VERSION")) ", code on " (oikos_runner::runtime_name()) "." }
                h2 { "Cells" }
                (cells(plan, measured))
                @if !failures.is_empty() {
                    h2 { "Runs that failed" }
                    (failed_runs(failures, left_out))
                }
                @for section in &sections { (section) }
                h2 { "About the figures" }
                (notes(measured))
                h2 { "The world file" }
                pre { (clean(&plan.source.text)) }
                @if !plan.source.files.is_empty() {
                    p {
                        "It names " (counted(plan.source.files.len(), "file")) " more: "
                        (plan.source.files.keys().map(|name| clean(name)).collect::<Vec<_>>().join(", ")) "."
                    }
                }
            }
        }
    })
}

/// A text by others without signs that no page may have.
fn clean(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() || matches!(letter, '\n' | '\t')).collect()
}

/// A name for each cell: its settings, with the last word of each key where no other key has it.
fn labels(plan: &Plan) -> Vec<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let word = |key: &String| {
        let is_one = plan.keys.iter().filter(|other| last(other) == last(key)).count() == 1;
        if is_one { last(key) } else { key.clone() }
    };
    let words: Vec<String> = plan.keys.iter().map(word).collect();
    let label = |cell: &crate::Cell| {
        let parts = cell.set.iter().zip(&words).map(|((_, value), word)| format!("{word}={}", shown(value)));
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() { "as the world file has it".to_owned() } else { clean(&parts.join(", ")) }
    };
    plan.cells.iter().map(label).collect()
}

fn cells(plan: &Plan, measured: &Measured) -> Markup {
    html! {
        div class="wide" {
            table {
                thead { tr {
                    th class="n" { "cell" }
                    @for key in &plan.keys { th { (clean(key)) } }
                    th class="n" { "done" } th class="n" { "failed" }
                } }
                @for (number, cell) in (1_u64..).zip(&plan.cells) {
                    @let (done, failed) = measured.ended.get(&number).copied().unwrap_or_default();
                    tr {
                        td class="n" { (number) }
                        @for (_, value) in &cell.set { td { (clean(&shown(value))) } }
                        td class="n" { (done) } td class="n" { (failed) }
                    }
                }
            }
        }
    }
}

fn failed_runs(failures: &[Row], left_out: u64) -> Markup {
    html! {
        div class="wide" {
            table {
                thead { tr { th class="n" { "cell" } th class="n" { "seed" } th { "status" } th { "reason" } } }
                @for row in failures {
                    tr {
                        td class="n" { (row.cell) } td class="n" { (row.seed) } td { (row.status.word()) }
                        td { (clean(row.reason.as_deref().unwrap_or_default())) }
                    }
                }
            }
        }
        @if left_out > 0 { p { "… and " (left_out) " more in runs.csv." } }
    }
}

/// The charts and tables of one measure.
fn section(
    measured: &Measured,
    lines: &[Line],
    labels: &[String],
    (at, measure, is_count): (usize, &str, bool),
) -> Result<Markup, SweepError> {
    let shown = measured.cells_with(at);
    let label =
        |cell: u64| usize::try_from(cell).ok().and_then(|cell| labels.get(cell.checked_sub(1)?)).cloned();
    let named = |cell: u64| label(cell).unwrap_or_default();
    let values = |cell: u64| measured.of(cell, at).iter().map(|(_, value)| *value).collect();
    let samples: Vec<plots::Sample> = shown.iter().map(|cell| (named(*cell), values(*cell))).collect();
    let name = clean(measure);
    let distribution =
        if is_count || samples.is_empty() { None } else { Some(plots::distribution(&name, &samples)?) };
    let over_time = if is_count { None } else { over_time(measured, measure, &named)? };
    let own = || lines.iter().filter(|line| line.measure == measure && line.is_count == is_count);
    let of_cells: Vec<&Line> = own().filter(|line| line.minus.is_none()).collect();
    let differences: Vec<&Line> = own().filter(|line| line.minus.is_some() && line.figures.n > 0).collect();
    let more = differences.len().saturating_sub(ROWS_MAX);
    Ok(html! {
        h2 { (name) }
        @if let Some(svg) = distribution {
            figure {
                (PreEscaped(svg))
                figcaption {
                    "Each run is a dot, the box the middle half of them, the thick line their median, the thin line \
                     from the least to the greatest."
                    @if samples.len() > plots::ROWS_MAX { " The first " (plots::ROWS_MAX) " cells are shown." }
                }
            }
        }
        @if let Some((svg, of)) = over_time {
            figure {
                (PreEscaped(svg))
                figcaption {
                    "The mean of all runs, and one standard deviation between runs to each side."
                    @if of > chart::LINES_MAX { " The first " (chart::LINES_MAX) " of " (of) " cells are shown." }
                }
            }
        }
        (figures_table(&of_cells, |line| named(line.cell)))
        @if !differences.is_empty() && !is_count {
            h3 { "Differences on the same seeds" }
            (figures_table(differences.get(..differences.len() - more).unwrap_or_default(), |line| {
                format!("cell {} − cell {}", line.cell, line.minus.unwrap_or_default())
            }))
            @if more > 0 { p { "… and " (more) " more in summary.csv." } }
        }
    })
}

fn over_time(
    measured: &Measured,
    measure: &str,
    named: &dyn Fn(u64) -> String,
) -> Result<Option<(String, usize)>, SweepError> {
    let Some(cells) = measured.series.get(measure) else { return Ok(None) };
    let end =
        cells.values().filter_map(|points| points.last_key_value()).map(|(time, _)| *time).max().unwrap_or(0);
    // One moment is no line.
    if cells.values().all(|points| points.len() < 2) {
        return Ok(None);
    }
    let (unit, ms) = chart::unit(end);
    let line = |(cell, points): (&u64, &std::collections::BTreeMap<i64, crate::figures::Moments>)| {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
        let points = points.iter().map(|(time, moments)| (*time as f64 / ms, moments.mean, moments.sd()));
        ChartLine { label: named(*cell), points: points.collect() }
    };
    let lines: Vec<ChartLine> = cells.iter().map(line).collect();
    let size = Size { width: plots::WIDTH, height: SERIES_HEIGHT };
    let names = (&*format!("time since the beginning, in {unit}"), &*clean(measure));
    Ok(Some((chart::lines(size, names, &lines)?, lines.len())))
}

fn figures_table(lines: &[&Line], name: impl Fn(&Line) -> String) -> Markup {
    let number = |number: Option<f64>| number.map_or("–".to_owned(), digits);
    html! {
        div class="wide" {
            table {
                thead { tr {
                    th { "cell" } th class="n" { "n" } th class="n" { "mean" } th class="n" { "95 % interval" }
                    th class="n" { "sd" } th class="n" { "median" }
                } }
                @for line in lines {
                    @let Figures { n, mean, sd, median, interval } = line.figures;
                    tr {
                        td { (name(line)) } td class="n" { (n) } td class="n" { (number(mean)) }
                        td class="n" {
                            @if let Some((low, high)) = interval { (digits(low)) " … " (digits(high)) } @else { "–" }
                        }
                        td class="n" { (number(sd)) } td class="n" { (number(median)) }
                    }
                }
            }
        }
    }
}

fn notes(measured: &Measured) -> Markup {
    html! {
        p {
            "Only runs that came to their end are counted. sd is the standard deviation between runs, by n − 1. The \
             interval is for the mean: the middle 95 % of the means of " (RESAMPLES) " samples drawn from the runs with \
             replacement (percentile bootstrap), with draws that follow from a seed, so that it is the same each time. "
            "Differences are taken run by run between runs of the same seed"
            @if measured.compares_with_first() { ", each cell against the first" }
            "; an interval that leaves out 0 is a difference that these seeds show. The intervals are not widened for \
             the number of comparisons. summary.csv has these figures in full, runs.csv and runs.parquet every run, \
             series.parquet every sample."
        }
    }
}
