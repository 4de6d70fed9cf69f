//! Lines by time, or by another number.

use plotters::{
    element::DashedPathElement,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{AXIS_HEIGHT, Area, COLOURS, Chart, ChartError, SCALE, axes, padded, short, svg, words};

/// The most lines of a chart.
pub const LINES_MAX: usize = 7;
/// Pixels of a line of the legend.
const LEGEND_LINE: i32 = 20;
/// The most letters of a line's label.
const LABEL_LETTERS: usize = 60;
/// The most points of a line.
const POINTS_MAX: usize = 500;
/// Pixels of a dash and of the space behind it; no space is a whole line.
const DASHES: [(i32, i32); LINES_MAX] = [(1, 0), (8, 4), (2, 3), (14, 4), (5, 7), (1, 0), (8, 4)];

/// A line.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Its label in the legend; where none has one, there is no legend.
    pub label: String,
    /// Its points: where they stand, how high, and how far a band goes to each side of it.
    pub points: Vec<(f64, f64, f64)>,
}

/// The size of a chart in pixels, without its legend.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Its width.
    pub width: i32,
    /// Its height.
    pub height: i32,
}

impl Line {
    /// A line without a band.
    #[must_use]
    pub fn plain(label: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().map(|(x, y)| (x, y, 0.0)).collect();
        Self { label: label.into(), points }
    }
}

/// Draws lines; `x_name` and `y_name` stand at the axes, an empty one takes no room.
///
/// # Errors
/// When it can't be drawn.
pub fn lines(size: Size, (x_name, y_name): (&str, &str), lines: &[Line]) -> Result<String, ChartError> {
    let lines: Vec<Line> = lines.iter().take(LINES_MAX).map(thinned).collect();
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let (low, high) = padded(points().flat_map(|(_, y, side)| [y - side, y + side]));
    let start = points().map(|(x, ..)| x).fold(f64::INFINITY, f64::min).min(0.0);
    let end = points().map(|(x, ..)| x).fold(0.0, f64::max);
    let end = if end > start { end } else { start + 1.0 };
    let is_named = lines.iter().any(|line| !line.label.is_empty());
    let legend = if is_named { i32::try_from(lines.len()).unwrap_or(1) * LEGEND_LINE } else { 0 };
    svg((size.width, size.height + legend), |area| {
        let (above, below) = area.split_vertically(size.height * SCALE);
        let name_height = if x_name.is_empty() { 0 } else { 12 };
        let name_width = if y_name.is_empty() { 0 } else { 16 };
        let mut chart = ChartBuilder::on(&above)
            .margin_top(10 * SCALE)
            .margin_right(20 * SCALE)
            .margin_left(4 * SCALE)
            .x_label_area_size((AXIS_HEIGHT - 10 + name_height) * SCALE)
            .y_label_area_size((54 + name_width) * SCALE)
            .build_cartesian_2d(start..end, low..high)
            .map_err(ChartError::of)?;
        axes(&mut chart, size, (end - start, high - low), [x_name, y_name], true)?;
        for (line, colour) in lines.iter().zip(COLOURS) {
            if line.points.iter().all(|(.., side)| *side == 0.0) {
                continue;
            }
            let upper = line.points.iter().map(|(x, y, side)| (*x, y + side));
            let lower = line.points.iter().rev().map(|(x, y, side)| (*x, y - side));
            let band = Polygon::new(upper.chain(lower).collect::<Vec<_>>(), colour.mix(0.12).filled());
            chart.draw_series([band]).map_err(ChartError::of)?;
        }
        for ((at, line), colour) in lines.iter().enumerate().zip(COLOURS) {
            let points: Vec<(f64, f64)> = line.points.iter().map(|(x, y, _)| (*x, *y)).collect();
            draw_line(&mut chart, points, colour, at)?;
        }
        if is_named { draw_legend(&below, &lines) } else { Ok(()) }
    })
}

fn draw_line(
    chart: &mut Chart<'_, '_>,
    line: Vec<(f64, f64)>,
    colour: RGBColor,
    at: usize,
) -> Result<(), ChartError> {
    let stroke = colour.stroke_width(2 * SCALE.unsigned_abs());
    let (dash, space) = DASHES.get(at).copied().unwrap_or((1, 0));
    if space == 0 || line.len() < 2 {
        chart.draw_series([PathElement::new(line, stroke)]).map_err(ChartError::of)?;
    } else {
        let dashed = DashedPathElement::new(line, dash * SCALE, space * SCALE, stroke);
        chart.draw_series([dashed]).map_err(ChartError::of)?;
    }
    Ok(())
}

fn draw_legend(area: &Area<'_>, lines: &[Line]) -> Result<(), ChartError> {
    for (((at, line), colour), row) in lines.iter().enumerate().zip(COLOURS).zip(0_i32..) {
        let y = (row * LEGEND_LINE + LEGEND_LINE / 2) * SCALE;
        let ends = [(74 * SCALE, y), (114 * SCALE, y)];
        let stroke = colour.stroke_width(2 * SCALE.unsigned_abs());
        let (dash, space) = DASHES.get(at).copied().unwrap_or((1, 0));
        if space == 0 {
            area.draw(&PathElement::new(ends.to_vec(), stroke)).map_err(ChartError::of)?;
        } else {
            let dashed = DashedPathElement::new(ends, dash * SCALE, space * SCALE, stroke);
            area.draw(&dashed).map_err(ChartError::of)?;
        }
        let left = words(false).pos(Pos::new(HPos::Left, VPos::Center));
        let label = short(&line.label, LABEL_LETTERS);
        area.draw(&Text::new(label, (124 * SCALE, y), left)).map_err(ChartError::of)?;
    }
    Ok(())
}

/// Every so many points, and the last.
fn thinned(line: &Line) -> Line {
    let each = line.points.len().div_ceil(POINTS_MAX).max(1);
    let last = line.points.len().saturating_sub(1);
    let points = line.points.iter().enumerate().filter(|(at, _)| at % each == 0 || *at == last);
    Line { label: line.label.clone(), points: points.map(|(_, point)| *point).collect() }
}
