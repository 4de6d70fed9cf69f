//! Charts as SVG: the colours are told apart by those who see few, and lines by their dashes too. A page's stylesheet
//! gives ink, axes and colours others on a dark screen.

mod bars;
mod circle;
mod layers;
mod lines;

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
};

pub use self::{
    bars::{Bar, bars},
    circle::{Flow, Node, circle},
    layers::{Block, layers},
    lines::{LINES_MAX, Line, Size, lines},
};

/// Units of a drawing in a pixel of the page: drawings have whole coordinates.
pub const SCALE: i32 = 4;
/// Pixels of an axis with its numbers.
pub const AXIS_HEIGHT: i32 = 34;
/// The library draws text smaller than it is told, by a quarter.
const FONT: i32 = 16;
/// Pixels of a letter, about.
const LETTER: f64 = 6.6;

/// The colours of Okabe and Ito (2008), without yellow, which nobody sees on white.
pub const COLOURS: [RGBColor; LINES_MAX] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
/// The colour of axes.
pub const GREY: RGBColor = RGBColor(120, 120, 120);
/// The colour of the lines behind a drawing.
pub const PALE: RGBColor = RGBColor(225, 225, 225);

/// A drawing.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A drawing with axes.
pub type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A chart can't be drawn.
#[derive(Debug, thiserror::Error)]
#[error("a chart can't be drawn: {0}")]
pub struct ChartError(String);

impl ChartError {
    /// The library's own error.
    pub fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// The style of words in a drawing.
#[must_use]
pub fn words<'a>(bold: bool) -> TextStyle<'a> {
    let font = ("sans-serif", FONT * SCALE).into_font();
    if bold { font.style(FontStyle::Bold).color(&BLACK) } else { font.color(&BLACK) }
}

/// Draws into an SVG of so many pixels.
///
/// # Errors
/// When it can't be drawn.
pub fn svg(
    (width, height): (i32, i32),
    draw: impl FnOnce(&Area<'_>) -> Result<(), ChartError>,
) -> Result<String, ChartError> {
    let mut text = String::new();
    let [wide, high] = [width, height].map(|pixels| u32::try_from(pixels * SCALE).unwrap_or(1));
    {
        let area = SVGBackend::with_string(&mut text, (wide, high)).into_drawing_area();
        draw(&area)?;
        area.present().map_err(ChartError::of)?;
    }
    // Its size on the page, where it is shrunk to the page's width.
    let big = format!("width=\"{wide}\" height=\"{high}\"");
    let small = format!("width=\"{width}\" height=\"{height}\" role=\"img\"");
    Ok(text.replacen(&big, &small, 1))
}

/// Draws the axes of a chart with their names, each by the span that it shows, and pale lines behind the drawing:
/// level ones, and upright ones too if they help.
fn axes(
    chart: &mut Chart<'_, '_>,
    size: Size,
    (x_span, y_span): (f64, f64),
    [x_name, y_name]: [&str; 2],
    has_upright: bool,
) -> Result<(), ChartError> {
    let (x_words, y_words) = (|number: &f64| tick(*number, x_span), |number: &f64| tick(*number, y_span));
    let mut mesh = chart.configure_mesh();
    if !has_upright {
        mesh.disable_x_mesh();
    }
    mesh.x_labels(usize::try_from(size.width / 90).unwrap_or(8))
        .y_labels(usize::try_from(size.height / 45).unwrap_or(6))
        .set_all_tick_mark_size(4 * SCALE)
        .bold_line_style(PALE.stroke_width(1))
        .light_line_style(TRANSPARENT)
        .axis_style(GREY.stroke_width(SCALE.unsigned_abs()))
        .x_desc(x_name)
        .y_desc(y_name)
        .axis_desc_style(words(true))
        .x_label_formatter(&x_words)
        .y_label_formatter(&y_words)
        .label_style(words(false))
        .draw()
        .map_err(ChartError::of)
}

/// The least and the most, with some room beside them.
pub fn padded(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let ends = values.fold(None, |ends: Option<(f64, f64)>, value| match ends {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    });
    let (low, high) = ends.unwrap_or((0.0, 1.0));
    let room = if high > low { (high - low) * 0.05 } else { (low.abs() * 0.05).max(0.5) };
    (low - room, high + room)
}

/// A number at an axis of which so much is shown.
#[must_use]
pub fn tick(number: f64, span: f64) -> String {
    if number.abs() >= 1e7 || (span > 0.0 && span < 1e-5) {
        return format!("{number:.3e}");
    }
    let steps = [20.0, 2.0, 0.2, 0.02, 0.002, 0.000_2];
    let digits = match steps.iter().take_while(|step| span < **step).count() {
        1 if number.fract() == 0.0 => 0,
        digits => digits,
    };
    let text = format!("{number:.digits$}");
    // No zero with a sign.
    if text.trim_start_matches('-').chars().all(|letter| matches!(letter, '0' | '.')) {
        "0".into()
    } else {
        text
    }
}

/// A label, cut to so many letters.
#[must_use]
pub fn short(label: &str, most: usize) -> String {
    if label.chars().count() <= most {
        return label.to_owned();
    }
    label.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The pixels of a label, and of the space beside it.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a few hundred pixels")]
pub fn pixels(letters: usize) -> i32 {
    (letters as f64 * LETTER) as i32 + 18
}

/// The unit in which a span of milliseconds is a handy number.
#[must_use]
pub fn unit(span: i64) -> (&'static str, f64) {
    let units = [
        (10_000, "milliseconds", 1.0),
        (600_000, "seconds", 1_000.0),
        (36_000_000, "minutes", 60_000.0),
        (864_000_000, "hours", 3_600_000.0),
    ];
    let fits = units.iter().find(|(most, ..)| span <= *most);
    fits.map_or(("days", 86_400_000.0), |(_, unit, ms)| (unit, *ms))
}
