//! `--set`: other values for keys of a world file, before it is read.

use std::ops::Range;

use oikos_kernel::id::nearest;

use super::{
    reader::Read,
    tree::{ConfigError, Document, Node, Table, Tree},
};

/// The changes that the command line makes to a world file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--set key=value`, keys with dots.
    pub set: Vec<(String, String)>,
}

/// Parts of a key that `--set` names: no key of a world file is deeper but those of free-form JSON.
const KEY_PARTS_MAX: usize = 16;

/// The sections whose entries stand in two brackets and are named by their id.
const LISTS: [(&str, &str); 2] = [("agents", "agent"), ("artifacts", "artifact")];

/// The keys of such an entry that hold free-form JSON.
const FREE_FORM: [&str; 2] = ["content", "metadata"];

/// Sets what the options name.
pub(super) fn apply(document: &mut Document<'_>, root: &mut Table, overrides: &Overrides) -> Read<()> {
    for (key, value) in &overrides.set {
        let span = document.option_span(format!("--set {key}={value}"));
        let path: Vec<&str> = key.split('.').map(str::trim).collect();
        if path.iter().any(|part| part.is_empty()) || path.len() > KEY_PARTS_MAX {
            return Err(document.error(&span, format!("`{key}` is no key; write it as execution.ticks")));
        }
        let option = Named { document, span: &span };
        let node = Node { span: span.clone(), value: parsed(value) };
        match path.as_slice() {
            ["parameters", rest @ ..] if !rest.is_empty() => {
                option.set_declared(root.get_mut("parameters"), "parameters", rest, node)?;
            }
            [section, rest @ ..] if !rest.is_empty() && LISTS.iter().any(|(list, _)| list == section) => {
                option.set_entry(root, section, rest, node)?;
            }
            _ => root.set(&path, node).map_err(|problem| document.error(&span, problem))?,
        }
    }
    Ok(())
}

/// The value of an option; a bare word that is no TOML value is meant as text.
fn parsed(value: &str) -> Tree {
    let line = format!("value = {value}");
    let inner = Document { file: "", text: &line, options: Vec::new() };
    let parsed = inner.parse().ok().filter(|table| table.0.len() == 1);
    let parsed = parsed.and_then(|table| table.get("value").map(|node| node.value.clone()));
    parsed.unwrap_or_else(|| Tree::Str(value.to_owned()))
}

/// One option, for naming it in errors.
struct Named<'a> {
    document: &'a Document<'a>,
    span: &'a Range<usize>,
}

impl Named<'_> {
    fn error(&self, message: impl Into<String>) -> Box<ConfigError> {
        self.document.error(self.span, message)
    }

    /// Sets a key of the entry that has an id, such as `trader.count` in `agents`.
    fn set_entry(&self, root: &mut Table, section: &str, path: &[&str], node: Node) -> Read<()> {
        let noun = LISTS.iter().find(|(list, _)| *list == section).map_or("", |(_, noun)| noun);
        let Some(Node { value: Tree::List(entries), .. }) = root.get_mut(section) else {
            return Err(self.error(format!("the world file has no `[[{section}]]`")));
        };
        let ids: Vec<String> = entries.iter().map(|entry| id_of(entry).to_owned()).collect();
        // An id may have dots, so the longest that fits is meant.
        let found = (1..=path.len()).rev().find_map(|parts| {
            let (id, rest) = path.split_at(parts);
            let id = id.join(".");
            ids.iter().position(|known| *known == id).map(|at| (at, id, rest))
        });
        let Some((at, id, rest)) = found else {
            let id = path.first().copied().unwrap_or_default();
            let error = self.error(format!("there is no {noun} `{id}` in the world file"));
            let whole = ids.iter().find(|known| is_one_of_many(id, known));
            return Err(match (whole, nearest(id, ids.iter().map(String::as_str))) {
                (Some(whole), _) => {
                    error.help(format!("`{section}.{whole}` sets all that its `count` makes"))
                }
                (None, Some(near)) => error.help(format!("did you mean `{near}`?")),
                (None, None) => {
                    error.help(format!("write it as {section}.ID.KEY, with the id of a `[[{section}]]`"))
                }
            });
        };
        let Some(Node { value: Tree::Table(table), .. }) = entries.get_mut(at) else { return Ok(()) };
        match rest {
            [] => Err(self.error(format!("`{section}.{id}` names no key; write it as {section}.{id}.scrip"))),
            [key, inner @ ..] if !inner.is_empty() && FREE_FORM.contains(key) => {
                self.set_declared(table.get_mut(key), &format!("{section}.{id}.{key}"), inner, node)
            }
            _ => table.set(rest, node).map_err(|problem| self.error(problem)),
        }
    }

    /// Sets a value that the world file declares, as one of its kind: no other key is made, lest a slip of the pen go
    /// unseen.
    fn set_declared(&self, found: Option<&mut Node>, above: &str, path: &[&str], node: Node) -> Read<()> {
        let (key, rest) = match path {
            [key, rest @ ..] => (*key, rest),
            [] => return Ok(()),
        };
        let table = match found.map(|found| &mut found.value) {
            Some(Tree::Table(table)) => table,
            Some(other) => return Err(self.error(format!("`{above}` is {}, not a table", other.kind()))),
            None => &mut Table::default(),
        };
        let names: Vec<String> = table.0.iter().map(|(name, ..)| name.clone()).collect();
        let Some(found) = table.get_mut(key) else {
            let error = self.error(format!("the world file declares no `{above}.{key}`"));
            return Err(match nearest(key, names.iter().map(String::as_str)) {
                Some(near) => error.help(format!("did you mean `{above}.{near}`?")),
                None if names.is_empty() => {
                    error.help("declare it in the world file, with the value that it usually has")
                }
                None => error
                    .help(format!("`{above}` has {}; declare others in the world file", names.join(", "))),
            });
        };
        if !rest.is_empty() {
            return self.set_declared(Some(found), &format!("{above}.{key}"), rest, node);
        }
        if !found.value.is_alike(&node.value) {
            let (was, is) = (found.value.kind(), node.value.kind());
            return Err(self.error(format!("`{above}.{key}` is {was} in the world file, not {is}")));
        }
        *found = node;
        Ok(())
    }
}

fn id_of(entry: &Node) -> &str {
    match &entry.value {
        Tree::Table(table) => match table.get("id").map(|node| &node.value) {
            Some(Tree::Str(id)) => id,
            Some(_) | None => "",
        },
        _ => "",
    }
}

/// Whether an id is that of one of the many agents which `count` makes of an entry.
fn is_one_of_many(id: &str, entry: &str) -> bool {
    let number = id.strip_prefix(entry).and_then(|rest| rest.strip_prefix('_'));
    !entry.is_empty() && number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}
