//! Bars side by side: how many there are of each size.

use plotters::prelude::*;

use super::{AXIS_HEIGHT, COLOURS, ChartError, SCALE, Size, axes, svg};

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
        axes(&mut chart, size, (high - low, top), [x_name, y_name], false)?;
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
