//! World files as text, for worlds that live in tests.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use oikos_runner::{
    Workplace,
    config::{self, Overrides, WorldFile},
    library,
};

/// Has the runtime at hand, from the folder that all tests share: it is prepared once.
pub(crate) fn prepare() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let workplace = Workplace { cache: Some(cache), ..Workplace::default() };
    workplace.prepare().expect("the runtime can be had");
}

/// Reads a world file that refers to no other files. Its world finds the runtime prepared.
#[allow(dead_code, reason = "one of the tests reads its world files itself")]
pub(crate) fn world_file(text: impl Into<String>) -> WorldFile {
    prepare();
    let mut no_files = |_: &str| Err("there is none".to_owned());
    config::parse("w.toml", text.into(), &mut no_files, &Overrides::default(), library::founders())
        .unwrap_or_else(|error| panic!("{error:?}"))
}
