//! The distribution of a measure by cell, as SVG.

use oikos_views::chart::{
    AXIS_HEIGHT, COLOURS, Chart, ChartError, GREY, PALE, SCALE, padded, pixels, short, svg, tick, words,
};
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::statistics::quantile;

/// Pixels of a chart.
pub(super) const WIDTH: i32 = 760;
const ROW_HEIGHT: i32 = 34;
/// The most dots of a row; above, the box says enough.
const DOTS_MAX: usize = 400;
/// The most cells in one chart.
pub(super) const ROWS_MAX: usize = 40;
/// The most letters of a cell's label.
const LABEL_LETTERS: usize = 40;

/// A cell's label and its values.
pub(super) type Sample = (String, Vec<f64>);

/// The distribution of a measure by cell: each run a dot, the middle half of them a box, the median a line.
pub(super) fn distribution(measure: &str, samples: &[Sample]) -> Result<String, ChartError> {
    let samples: Vec<&Sample> = samples.iter().take(ROWS_MAX).collect();
    let (low, high) = padded(samples.iter().flat_map(|(_, values)| values).copied());
    let rows = i32::try_from(samples.len()).unwrap_or(1);
    let letters =
        samples.iter().map(|(label, _)| short(label, LABEL_LETTERS).chars().count()).max().unwrap_or(0);
    svg((WIDTH, rows * ROW_HEIGHT + AXIS_HEIGHT + 22), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(6 * SCALE)
            .margin_right(16 * SCALE)
            .margin_left(pixels(letters) * SCALE)
            .x_label_area_size((AXIS_HEIGHT + 12) * SCALE)
            .build_cartesian_2d(low..high, 0.0..f64::from(rows))
            .map_err(ChartError::of)?;
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
            .axis_desc_style(words(true))
            .x_label_formatter(&write)
            .label_style(words(false))
            .draw()
            .map_err(ChartError::of)?;
        for (row, (label, values)) in (0..rows).zip(samples) {
            // The first cell stands above.
            let middle = f64::from(rows - row) - 0.5;
            let (x, y) = chart.backend_coord(&(low, middle));
            let right = words(false).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(short(label, LABEL_LETTERS), (x - 8 * SCALE, y), right))
                .map_err(ChartError::of)?;
            draw_row(&mut chart, middle, values)?;
        }
        Ok(())
    })
}

fn draw_row(chart: &mut Chart<'_, '_>, middle: f64, values: &[f64]) -> Result<(), ChartError> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    if values.len() <= DOTS_MAX {
        let blue = COLOURS.first().unwrap_or(&BLACK).mix(0.45).filled();
        let dots = (0_u64..).zip(values).map(|(at, value)| {
            // Places that are the same each time, and follow no order.
            let off = (crate::design::unit(oikos_runner::kernel::seed::mix(0, at)) - 0.5) * 0.5;
            Circle::new((*value, middle + off), 9, blue)
        });
        chart.draw_series(dots).map_err(ChartError::of)?;
    }
    let at = |share| quantile(&sorted, share).unwrap_or_default();
    let (Some(least), Some(most)) = (sorted.first().copied(), sorted.last().copied()) else { return Ok(()) };
    let (low, median, high) = (at(0.25), at(0.5), at(0.75));
    let thin = BLACK.stroke_width(SCALE.unsigned_abs());
    let lines = [(least, low), (high, most)]
        .map(|(from, to)| PathElement::new(vec![(from, middle), (to, middle)], thin));
    chart.draw_series(lines).map_err(ChartError::of)?;
    let (below, above) = (middle - 0.3, middle + 0.3);
    // A rectangle would have a line of no width of its own.
    let corners = [(low, below), (high, below), (high, above), (low, above), (low, below)];
    chart.draw_series([PathElement::new(corners.to_vec(), thin)]).map_err(ChartError::of)?;
    let thick = BLACK.stroke_width(3 * SCALE.unsigned_abs());
    chart
        .draw_series([PathElement::new(vec![(median, below), (median, above)], thick)])
        .map_err(ChartError::of)?;
    Ok(())
}
