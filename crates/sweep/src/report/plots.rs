//! Charts as SVG, black on white: the colours are told apart by those who see few, and lines by their dashes too.

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    element::DashedPathElement,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{error::SweepError, figures::Moments, statistics::quantile};

/// Units of a drawing in a pixel of the page: drawings have whole coordinates.
const SCALE: i32 = 4;
/// Pixels of a chart.
const WIDTH: i32 = 760;
const ROW_HEIGHT: i32 = 34;
const AXIS_HEIGHT: i32 = 34;
const SERIES_HEIGHT: i32 = 300;
const LEGEND_LINE: i32 = 20;
/// The library draws text smaller than it is told, by a quarter.
const FONT: i32 = 16;
/// Pixels of a letter, about.
const LETTER: f64 = 6.6;
/// The most dots of a row; above, the box says enough.
const DOTS_MAX: usize = 400;
/// The most cells in one chart.
pub(super) const ROWS_MAX: usize = 40;
pub(super) const LINES_MAX: usize = 7;
/// The most letters of a cell's label.
const LABEL_LETTERS: usize = 40;
/// The most points of a line.
const POINTS_MAX: usize = 500;

/// The colours of Okabe and Ito (2008), without yellow, which nobody sees on white.
const COLOURS: [RGBColor; LINES_MAX] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
/// Pixels of a dash and of the space behind it; no space is a whole line.
const DASHES: [(i32, i32); LINES_MAX] = [(1, 0), (8, 4), (2, 3), (14, 4), (5, 7), (1, 0), (8, 4)];
const GREY: RGBColor = RGBColor(120, 120, 120);
const PALE: RGBColor = RGBColor(225, 225, 225);

/// A cell's label and its values.
pub(super) type Sample = (String, Vec<f64>);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn failed(error: impl std::fmt::Display) -> SweepError {
    SweepError::Chart(error.to_string())
}

fn style<'a>(bold: bool) -> TextStyle<'a> {
    let font = ("sans-serif", FONT * SCALE).into_font();
    if bold { font.style(FontStyle::Bold).color(&BLACK) } else { font.color(&BLACK) }
}

/// Draws into an SVG of so many pixels.
fn svg(height: i32, draw: impl FnOnce(&Area<'_>) -> Result<(), SweepError>) -> Result<String, SweepError> {
    let mut text = String::new();
    let size = [WIDTH, height].map(|pixels| u32::try_from(pixels * SCALE).unwrap_or(1));
    {
        let area = SVGBackend::with_string(&mut text, (size[0], size[1])).into_drawing_area();
        draw(&area)?;
        area.present().map_err(failed)?;
    }
    // Its size on the page, where it is shrunk to the page's width.
    let [width, high] = size;
    let big = format!("width=\"{width}\" height=\"{high}\"");
    let small = format!("width=\"{WIDTH}\" height=\"{height}\" role=\"img\"");
    Ok(text.replacen(&big, &small, 1))
}

/// The distribution of a measure by cell: each run a dot, the middle half of them a box, the median a line.
pub(super) fn distribution(measure: &str, samples: &[Sample]) -> Result<String, SweepError> {
    let samples: Vec<&Sample> = samples.iter().take(ROWS_MAX).collect();
    let (low, high) = padded(samples.iter().flat_map(|(_, values)| values).copied());
    let rows = i32::try_from(samples.len()).unwrap_or(1);
    let letters = samples.iter().map(|(label, _)| short(label).chars().count()).max().unwrap_or(0);
    svg(rows * ROW_HEIGHT + AXIS_HEIGHT + 22, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(6 * SCALE)
            .margin_right(16 * SCALE)
            .margin_left(pixels(letters) * SCALE)
            .x_label_area_size((AXIS_HEIGHT + 12) * SCALE)
            .build_cartesian_2d(low..high, 0.0..f64::from(rows))
            .map_err(failed)?;
        let write = |number: &f64| tick(*number, high - low);
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_labels(8)
            .y_labels(0)
            .set_all_tick_mark_size(4 * SCALE)
            .bold_line_style(PALE.stroke_width(1))
            .light_line_style(TRANSPARENT)
            .axis_style(GREY.stroke_width(SCALE.unsigned_abs()))
            .x_desc(measure)
            .axis_desc_style(style(true))
            .x_label_formatter(&write)
            .label_style(style(false))
            .draw()
            .map_err(failed)?;
        for (row, (label, values)) in (0..rows).zip(samples) {
            // The first cell stands above.
            let middle = f64::from(rows - row) - 0.5;
            let (x, y) = chart.backend_coord(&(low, middle));
            let right = style(false).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(short(label), (x - 8 * SCALE, y), right)).map_err(failed)?;
            draw_row(&mut chart, middle, values)?;
        }
        Ok(())
    })
}

fn draw_row(chart: &mut Chart<'_, '_>, middle: f64, values: &[f64]) -> Result<(), SweepError> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    if values.len() <= DOTS_MAX {
        let blue = COLOURS.first().unwrap_or(&BLACK).mix(0.45).filled();
        let dots = (0_u64..).zip(values).map(|(at, value)| {
            // Places that are the same each time, and follow no order.
            let off = (crate::design::unit(oikos_runner::kernel::seed::mix(0, at)) - 0.5) * 0.5;
            Circle::new((*value, middle + off), 9, blue)
        });
        chart.draw_series(dots).map_err(failed)?;
    }
    let at = |share| quantile(&sorted, share).unwrap_or_default();
    let (Some(least), Some(most)) = (sorted.first().copied(), sorted.last().copied()) else { return Ok(()) };
    let (low, median, high) = (at(0.25), at(0.5), at(0.75));
    let thin = BLACK.stroke_width(SCALE.unsigned_abs());
    let lines = [(least, low), (high, most)]
        .map(|(from, to)| PathElement::new(vec![(from, middle), (to, middle)], thin));
    chart.draw_series(lines).map_err(failed)?;
    let (below, above) = (middle - 0.3, middle + 0.3);
    // A rectangle would have a line of no width of its own.
    let corners = [(low, below), (high, below), (high, above), (low, above), (low, below)];
    chart.draw_series([PathElement::new(corners.to_vec(), thin)]).map_err(failed)?;
    let thick = BLACK.stroke_width(3 * SCALE.unsigned_abs());
    chart.draw_series([PathElement::new(vec![(median, below), (median, above)], thick)]).map_err(failed)?;
    Ok(())
}

/// A cell's label, and its points: hours since the beginning, and the moments of all runs.
pub(super) type Line = (String, Vec<(f64, Moments)>);

/// The mean of a measure by time, with a band of one standard deviation between runs to each side.
pub(super) fn series(measure: &str, unit: &str, lines: &[Line]) -> Result<String, SweepError> {
    let lines: Vec<Line> =
        lines.iter().take(LINES_MAX).map(|(label, points)| (label.clone(), thinned(points))).collect();
    let points = || lines.iter().flat_map(|(_, points)| points);
    let sides = |(_, moments): &(f64, Moments)| [moments.mean - moments.sd(), moments.mean + moments.sd()];
    let (low, high) = padded(points().flat_map(sides));
    let end = points().map(|(time, _)| *time).fold(0.0, f64::max);
    let end = if end > 0.0 { end } else { 1.0 };
    let legend = i32::try_from(lines.len()).unwrap_or(1) * LEGEND_LINE;
    svg(SERIES_HEIGHT + legend, |area| {
        let (above, below) = area.split_vertically(SERIES_HEIGHT * SCALE);
        let mut chart = ChartBuilder::on(&above)
            .margin_top(10 * SCALE)
            .margin_right(20 * SCALE)
            .margin_left(4 * SCALE)
            .x_label_area_size((AXIS_HEIGHT + 12) * SCALE)
            .y_label_area_size(70 * SCALE)
            .build_cartesian_2d(0.0..end, low..high)
            .map_err(failed)?;
        let (x_words, y_words) =
            (|number: &f64| tick(*number, end), |number: &f64| tick(*number, high - low));
        chart
            .configure_mesh()
            .x_labels(8)
            .y_labels(6)
            .set_all_tick_mark_size(4 * SCALE)
            .bold_line_style(PALE.stroke_width(1))
            .light_line_style(TRANSPARENT)
            .axis_style(GREY.stroke_width(SCALE.unsigned_abs()))
            .x_desc(format!("time since the beginning, in {unit}"))
            .y_desc(measure)
            .axis_desc_style(style(true))
            .x_label_formatter(&x_words)
            .y_label_formatter(&y_words)
            .label_style(style(false))
            .draw()
            .map_err(failed)?;
        for ((_, points), colour) in lines.iter().zip(COLOURS) {
            let upper = points.iter().map(|(time, moments)| (*time, moments.mean + moments.sd()));
            let lower = points.iter().rev().map(|(time, moments)| (*time, moments.mean - moments.sd()));
            let band = Polygon::new(upper.chain(lower).collect::<Vec<_>>(), colour.mix(0.12).filled());
            chart.draw_series([band]).map_err(failed)?;
        }
        for ((at, (_, points)), colour) in lines.iter().enumerate().zip(COLOURS) {
            let line: Vec<(f64, f64)> = points.iter().map(|(time, moments)| (*time, moments.mean)).collect();
            draw_line(&mut chart, line, colour, at)?;
        }
        draw_legend(&below, &lines)
    })
}

fn draw_line(
    chart: &mut Chart<'_, '_>,
    line: Vec<(f64, f64)>,
    colour: RGBColor,
    at: usize,
) -> Result<(), SweepError> {
    let stroke = colour.stroke_width(2 * SCALE.unsigned_abs());
    let (dash, space) = DASHES.get(at).copied().unwrap_or((1, 0));
    if space == 0 || line.len() < 2 {
        chart.draw_series([PathElement::new(line, stroke)]).map_err(failed)?;
    } else {
        let dashed = DashedPathElement::new(line, dash * SCALE, space * SCALE, stroke);
        chart.draw_series([dashed]).map_err(failed)?;
    }
    Ok(())
}

fn draw_legend(area: &Area<'_>, lines: &[Line]) -> Result<(), SweepError> {
    for (((at, (label, _)), colour), row) in lines.iter().enumerate().zip(COLOURS).zip(0_i32..) {
        let y = (row * LEGEND_LINE + LEGEND_LINE / 2) * SCALE;
        let ends = [(74 * SCALE, y), (114 * SCALE, y)];
        let stroke = colour.stroke_width(2 * SCALE.unsigned_abs());
        let (dash, space) = DASHES.get(at).copied().unwrap_or((1, 0));
        if space == 0 {
            area.draw(&PathElement::new(ends.to_vec(), stroke)).map_err(failed)?;
        } else {
            let dashed = DashedPathElement::new(ends, dash * SCALE, space * SCALE, stroke);
            area.draw(&dashed).map_err(failed)?;
        }
        let left = style(false).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(label.clone(), (124 * SCALE, y), left)).map_err(failed)?;
    }
    Ok(())
}

/// Every so many points, and the last.
fn thinned(points: &[(f64, Moments)]) -> Vec<(f64, Moments)> {
    let each = points.len().div_ceil(POINTS_MAX).max(1);
    let last = points.len().saturating_sub(1);
    points
        .iter()
        .enumerate()
        .filter(|(at, _)| at % each == 0 || *at == last)
        .map(|(_, point)| *point)
        .collect()
}

/// The least and the most, with some room beside them.
fn padded(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let ends = values.fold(None, |ends: Option<(f64, f64)>, value| match ends {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    });
    let (low, high) = ends.unwrap_or((0.0, 1.0));
    let room = if high > low { (high - low) * 0.05 } else { (low.abs() * 0.05).max(0.5) };
    (low - room, high + room)
}

/// A number at an axis of which so much is shown.
fn tick(number: f64, span: f64) -> String {
    if number.abs() >= 1e7 || (span > 0.0 && span < 1e-5) {
        return format!("{number:.3e}");
    }
    let steps = [20.0, 2.0, 0.2, 0.02, 0.002, 0.000_2];
    let digits = steps.iter().take_while(|step| span < **step).count();
    let text = format!("{number:.digits$}");
    // No zero with a sign.
    if text.trim_start_matches('-').chars().all(|letter| matches!(letter, '0' | '.')) {
        "0".into()
    } else {
        text
    }
}

fn short(label: &str) -> String {
    if label.chars().count() <= LABEL_LETTERS {
        return label.to_owned();
    }
    label.chars().take(LABEL_LETTERS - 1).chain(['…']).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a few hundred pixels")]
fn pixels(letters: usize) -> i32 {
    (letters as f64 * LETTER) as i32 + 18
}
