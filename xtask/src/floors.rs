//! The floors of a crate: its modules stand in reading order, and each imports only those before it.
//!
//! The order is that of the `mod` lines, in `lib.rs` and in each `mod.rs`. In a `mod.rs` a comment line that
//! begins with [`MARK`] divides them: those before it are the module's parts, those after it build on it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

/// Crates whose floors are kept.
const CRATES: &[&str] = &["kernel"];

/// The comment after which modules build on the file that declares them.
const MARK: &str = "// Built on";

/// A module as a path of names below its crate, `world::apply`; the crate itself is the empty path.
type Name = String;

/// The files of a crate in reading order.
#[derive(Debug, Default)]
struct House {
    /// The place of each module in the order.
    floors: BTreeMap<Name, usize>,
    files: Vec<(Name, PathBuf)>,
}

pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for name in CRATES {
        let house = House::read(&root.join("crates").join(name).join("src"))?;
        for (module, file) in &house.files {
            let text = fs::read_to_string(file)?;
            let shown = file.strip_prefix(root).unwrap_or(file).display().to_string();
            let found = house.climbs(module, &text);
            problems.extend(found.into_iter().map(|problem| format!("{shown}: {problem}")));
        }
    }
    Ok(problems)
}

impl House {
    fn read(src: &Path) -> Result<Self> {
        let mut house = Self::default();
        house.enter(src, "", &src.join("lib.rs"))?;
        Ok(house)
    }

    /// Adds a file: its parts, then itself, then the files that build on it.
    fn enter(&mut self, folder: &Path, name: &str, file: &Path) -> Result<()> {
        let text = fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
        let (below, above) = declared(&text);
        // The crate's own file declares and holds nothing.
        for child in &below {
            self.child(folder, name, child)?;
        }
        self.floors.insert(name.into(), self.files.len());
        self.files.push((name.into(), file.into()));
        for child in &above {
            self.child(folder, name, child)?;
        }
        Ok(())
    }

    fn child(&mut self, folder: &Path, parent: &str, child: &str) -> Result<()> {
        let name = join(parent, child);
        let file = folder.join(format!("{child}.rs"));
        if file.exists() {
            return self.enter(&folder.join(child), &name, &file);
        }
        let inner = folder.join(child);
        let file = inner.join("mod.rs");
        if !file.exists() {
            bail!("`{name}` has no file below {}", folder.display());
        }
        self.enter(&inner, &name, &file)
    }

    /// The imports of a file that go to what stands after it.
    fn climbs(&self, module: &str, text: &str) -> Vec<String> {
        let own = self.floors.get(module).copied().unwrap_or(usize::MAX);
        let mut problems = Vec::new();
        for path in paths(text, module) {
            let Some((target, floor)) = self.target(&path) else { continue };
            // A module shows by `pub use` what its own modules hold; it does not rely on them.
            if floor > own && target != module {
                problems.push(format!("it imports `{target}`, which stands after it"));
            }
        }
        problems.sort();
        problems.dedup();
        problems
    }

    /// The module that a path leads to: the longest beginning of it that is one.
    fn target(&self, path: &str) -> Option<(Name, usize)> {
        let parts: Vec<&str> = path.split("::").collect();
        (1..=parts.len()).rev().find_map(|count| {
            let name = parts.get(..count)?.join("::");
            self.floors.get(&name).map(|floor| (name, *floor))
        })
    }
}

/// The modules that a file declares: those it is made of, and those that build on it.
fn declared(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut below, mut above, mut marked) = (Vec::new(), Vec::new(), false);
    for line in text.split("#[cfg(test)]").next().unwrap_or_default().lines() {
        marked = marked || line.starts_with(MARK);
        let rest = ["mod ", "pub mod ", "pub(crate) mod "].iter().find_map(|start| line.strip_prefix(start));
        if let Some(name) = rest.and_then(|rest| rest.split_once(';')).map(|(name, _)| name) {
            if marked { above.push(name.to_owned()) } else { below.push(name.to_owned()) }
        }
    }
    (below, above)
}

/// Every path below the crate that a file names, in full.
fn paths(text: &str, module: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code: String = text
        .split("#[cfg(test)]")
        .next()
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    for (start, at) in starts(&code) {
        if is_shown(&code, at) {
            continue;
        }
        let base = match start {
            "crate::" => String::new(),
            "self::" => module.to_owned(),
            _ => parent(module),
        };
        let rest = code.get(at + start.len()..).unwrap_or_default();
        spread(rest, &base, &mut found);
    }
    found
}

fn starts(code: &str) -> Vec<(&'static str, usize)> {
    let mut found = Vec::new();
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code.get(..at).and_then(|text| text.chars().next_back());
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                found.push((start, at));
            }
        }
    }
    found
}

/// Whether a path stands in a `pub use` of the file's own modules.
fn is_shown(code: &str, at: usize) -> bool {
    let line = code.get(..at).and_then(|text| text.rsplit('\n').next()).unwrap_or_default();
    let shows = ["pub use ", "pub(crate) use "].iter().any(|start| line.trim_start().starts_with(start));
    shows && code.get(at..).is_some_and(|rest| rest.starts_with("self::"))
}

/// The paths of a use tree, or of an expression's path.
fn spread(rest: &str, base: &str, found: &mut Vec<String>) {
    if let Some(inner) = rest.strip_prefix('{') {
        let (mut depth, mut from) = (0_u32, 0);
        for (at, c) in inner.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    let item = inner.get(from..at).unwrap_or_default().trim();
                    if !item.is_empty() {
                        spread(item, base, found);
                    }
                    from = at + 1;
                    if c == '}' {
                        return;
                    }
                }
                _ => {}
            }
        }
        return;
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let (word, tail) = rest.split_at(end);
    let path = match word {
        "super" => parent(base),
        "self" => base.to_owned(),
        _ => join(base, word),
    };
    match tail.strip_prefix("::") {
        Some(tail) if tail.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '{') => {
            spread(tail, &path, found);
        }
        _ => found.push(path),
    }
}

fn join(base: &str, word: &str) -> String {
    if base.is_empty() { word.to_owned() } else { format!("{base}::{word}") }
}

fn parent(module: &str) -> String {
    module.rsplit_once("::").map_or(String::new(), |(parent, _)| parent.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house() -> House {
        let order = ["words", "stored", "world::agent", "world", "world::apply", "transaction"];
        let floors = order.iter().enumerate().map(|(at, name)| ((*name).to_owned(), at)).collect();
        House { floors, files: Vec::new() }
    }

    #[test]
    fn an_import_that_climbs_is_found() {
        for (module, text, climbs) in [
            ("stored", "use crate::words::Word;", 0),
            ("words", "use crate::stored::Row;", 1),
            ("words", "use crate::{limits, stored::Row, world::{self, World}};", 2),
            ("words", "fn f() -> crate::world::World { }", 1),
            ("words", "// use crate::stored::Row;", 0),
            ("words", "use std::sync::Arc;", 0),
            ("world", "use self::agent::Agent;", 0),
            ("world", "use self::apply::Change;", 1),
            ("world", "pub use self::apply::Change;", 0),
            ("world::agent", "use super::World;", 1),
            ("world::apply", "use super::{World, agent::Agent};", 0),
            ("world::apply", "use crate::transaction::Need;", 1),
            ("stored", "#[cfg(test)]\nmod tests { use crate::transaction::Need; }", 0),
        ] {
            assert_eq!(house().climbs(module, text).len(), climbs, "{module}: {text}");
        }
    }

    #[test]
    fn modules_before_the_mark_are_below() {
        let text = "//! A world.\nmod agent; // its loops\npub mod inbox;\n// Built on it:\nmod apply;\n";
        assert_eq!(declared(text), (vec!["agent".into(), "inbox".into()], vec!["apply".into()]));
    }
}
