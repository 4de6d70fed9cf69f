//! The one stylesheet of pages and reports: light and dark, narrow and wide, on a screen and on paper.

/// The stylesheet.
pub const STYLE: &str = include_str!("style.css");
