//! The next step after an error, with the options that the user typed.

use std::path::Path;

use oikos_runner::{
    Journal, JournalError, RunError,
    config::{self, Overrides},
    library, quoted,
};

/// Bytes at the beginning of a file that tell whether it is text.
const LOOKED_AT: u64 = 4_096;

/// The command as it was typed.
#[derive(Clone, Debug)]
pub(crate) struct Typed(Vec<String>);

impl Typed {
    pub(crate) fn now() -> Self {
        Self(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect())
    }

    /// With a flag, if it is not there yet.
    #[must_use]
    pub(crate) fn with(mut self, flag: &str) -> Self {
        if !self.has(flag) {
            self.0.push(flag.to_owned());
        }
        self
    }

    /// Without a flag that takes no value.
    #[must_use]
    pub(crate) fn without(mut self, flag: &str) -> Self {
        self.0.retain(|word| word != flag);
        self
    }

    /// With another word in the place of one.
    #[must_use]
    pub(crate) fn instead(mut self, word: &str, other: &str) -> Self {
        for found in self.0.iter_mut().filter(|found| *found == word) {
            other.clone_into(found);
        }
        self
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.iter().any(|found| found == word)
    }
}

/// As a shell reads it.
impl std::fmt::Display for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("oikos")?;
        self.0.iter().try_for_each(|word| write!(f, " {}", quoted(word)))
    }
}

/// The next step, where it is known.
pub(crate) fn help_of(error: &anyhow::Error) -> Option<String> {
    match error.downcast_ref::<RunError>() {
        Some(RunError::Differs { .. }) if Typed::now().has("run") => {
            Some(format!("to start over and keep the old world aside: {}", Typed::now().with("--fresh")))
        }
        Some(RunError::Journal(error)) => help_of_file(error),
        Some(_) => None,
        None => error.downcast_ref::<JournalError>().and_then(help_of_file),
    }
}

fn help_of_file(error: &JournalError) -> Option<String> {
    if let JournalError::NotAWorld { path, .. } = error {
        return is_text(path).then(|| help_of_world_file(path));
    }
    let JournalError::Missing { path } = error else { return None };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".oikos");
    let is_there = Path::new(&beside).is_file();
    is_there.then(|| format!("there is `{}`", Path::new(&beside).display()))
}

/// For a world file in the place of a database: the same command on the world that it made, or one that makes it.
fn help_of_world_file(path: &Path) -> String {
    let typed = Typed::now();
    let given = typed.0.iter().find(|word| std::fs::canonicalize(word).is_ok_and(|found| found == path));
    let given = given.cloned().unwrap_or_else(|| path.display().to_string());
    let world = config::load(path, &Overrides::default(), library::founders());
    let db = world.ok().map(|file| super::run::db_of(&file));
    match db.filter(|db| Journal::holds_world(db).unwrap_or(false)) {
        Some(db) => {
            let db = db.to_string();
            format!("it is a world file, whose world is `{db}`: {}", typed.instead(&given, &db))
        }
        None => format!("if it is a world file, this makes a world of it: oikos run {}", quoted(&given)),
    }
}

fn is_text(path: &Path) -> bool {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut bytes));
    read.is_ok() && !bytes.contains(&0)
}
