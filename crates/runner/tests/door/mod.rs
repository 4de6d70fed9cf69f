//! World files as text, for worlds that live in tests.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use oikos_runner::{
    config::{self, Overrides, WorldFile},
    library,
};

/// Reads a world file that refers to no other files.
pub(crate) fn world_file(text: impl Into<String>) -> WorldFile {
    let mut no_files = |_: &str| Err("there is none".to_owned());
    config::parse("w.toml", text.into(), &mut no_files, &Overrides::default(), library::founders())
        .unwrap_or_else(|error| panic!("{error:?}"))
}
