//! Bars side by side: how many there are of each size.

use plotters::prelude::*;

use super::{AXIS_HEIGHT, COLOURS, ChartError, GREY, PALE, SCALE, Size, svg, tick, words};

/// A bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Its height.
    pub height: f64,
}

/// Draws bars, in the order in which they stand.
///
/// # Errors
/// When it can't be drawn.
pub fn bars(size: Size, (x_name, y_name): (&str, &str), bars: &[Bar]) -> Result<String, ChartError> {
    let (low, high) = (
        bars.iter().map(|bar| bar.from).fold(f64::INFINITY, f64::min),
        bars.iter().map(|bar| bar.to).fold(f64::NEG_INFINITY, f64::max),
    );
    let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
    let top = bars.iter().map(|bar| bar.height).fold(0.0, f64::max);
    let top = if top > 0.0 { top * 1.05 } else { 1.0 };
    svg((size.width, size.height), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_top(10 * SCALE)
            .margin_right(20 * SCALE)
            .margin_left(4 * SCALE)
            .x_label_area_size((AXIS_HEIGHT + 12) * SCALE)
            .y_label_area_size(70 * SCALE)
            .build_cartesian_2d(low..high, 0.0..top)
            .map_err(ChartError::of)?;
        let (x_words, y_words) =
            (|number: &f64| tick(*number, high - low), |number: &f64| tick(*number, top));
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(usize::try_from(size.width / 90).unwrap_or(8))
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
            .map_err(ChartError::of)?;
        let colour = COLOURS.first().copied().unwrap_or(BLACK);
        let shown = bars.iter().filter(|bar| bar.height > 0.0).map(|bar| {
            let room = (bar.to - bar.from) * 0.08;
            let corners = [(bar.from + room, 0.0), (bar.to - room, bar.height)];
            Rectangle::new(corners, colour.filled())
        });
        chart.draw_series(shown).map_err(ChartError::of)?;
        Ok(())
    })
}
