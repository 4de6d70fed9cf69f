//! Imports of standard modules that the interpreter lacks, or has only in part.
//!
//! Such a module is an object that a prelude in Python makes; `import random` becomes an assignment
//! of that object. Lines keep their numbers, and only the modules that are imported are there.

/// A module with the prelude that makes its object `_oikos_m_NAME`.
struct Module {
    name: &'static str,
    prelude: &'static str,
}

const MODULES: &[Module] = &[
    Module { name: "random", prelude: include_str!("modules/random.py") },
    Module { name: "time", prelude: include_str!("modules/time.py") },
    Module { name: "statistics", prelude: include_str!("modules/statistics.py") },
    Module { name: "string", prelude: include_str!("modules/string.py") },
    Module { name: "copy", prelude: include_str!("modules/copy.py") },
    Module { name: "heapq", prelude: include_str!("modules/heapq.py") },
    Module { name: "hashlib", prelude: include_str!("modules/hashlib.py") },
    Module { name: "uuid", prelude: include_str!("modules/uuid.py") },
    Module { name: "itertools", prelude: include_str!("modules/itertools.py") },
    Module { name: "collections", prelude: include_str!("modules/collections.py") },
    Module { name: "functools", prelude: include_str!("modules/functools.py") },
];

/// A source whose imports were resolved.
pub(crate) struct Resolved {
    /// The preludes, each line ended; empty when nothing needs one.
    pub(crate) prelude: String,
    /// The source, with as many lines as before.
    pub(crate) source: String,
    /// Names that the source binds at its top level by `def`, `class` or assignment.
    pub(crate) bound: Vec<String>,
}

/// Resolves the imports of a source.
pub(crate) fn resolve(source: &str) -> Resolved {
    let mut resolved =
        Resolved { prelude: String::new(), source: String::with_capacity(source.len()), bound: Vec::new() };
    let mut used: Vec<&'static str> = Vec::new();
    let mut scan = Scan::default();
    let mut rest = source;
    while !rest.is_empty() {
        let fresh = scan.is_fresh();
        let mut end = line_end(rest);
        scan.take(rest.get(..end).unwrap_or(""));
        let line = rest.get(..end).unwrap_or("");
        let imports = fresh && is_import(line);
        if imports {
            // An import in brackets goes on until they close.
            while !scan.is_fresh() && end < rest.len() {
                let more = line_end(rest.get(end..).unwrap_or(""));
                scan.take(rest.get(end..end + more).unwrap_or(""));
                end += more;
            }
        }
        let statement = rest.get(..end).unwrap_or("");
        match imports.then(|| rewrite(statement, &mut used)).flatten() {
            Some(text) => {
                resolved.source.push_str(&text);
                let lines = statement.matches('\n').count();
                (0..lines).for_each(|_| resolved.source.push('\n'));
            }
            None => resolved.source.push_str(statement),
        }
        if fresh {
            resolved.bound.extend(binding(line));
        }
        rest = rest.get(end..).unwrap_or("");
    }
    for module in MODULES.iter().filter(|module| used.contains(&module.name)) {
        resolved.prelude.push_str(module.prelude);
    }
    resolved
}

fn line_end(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |at| at + 1)
}

fn is_import(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("import ") || line.starts_with("from ")
}

/// The name that a line at the top level binds.
fn binding(line: &str) -> Option<String> {
    let word = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        text.get(..end).filter(|word| !word.is_empty()).map(str::to_owned)
    };
    if let Some(name) = line.strip_prefix("def ").or_else(|| line.strip_prefix("async def ")) {
        return word(name.trim_start());
    }
    let name = word(line)?;
    let after = line.get(name.len()..)?.trim_start();
    (after.starts_with('=') && !after.starts_with("==")).then_some(name)
}

/// The assignments that stand for an import; `None` when the interpreter can do it itself.
fn rewrite(statement: &str, used: &mut Vec<&'static str>) -> Option<String> {
    let indent: String = statement.chars().take_while(|c| c.is_whitespace() && *c != '\n').collect();
    let code = statement.split('#').next().unwrap_or("");
    let code: String = code.replace(['(', ')', '\\', '\n', '\r'], " ");
    let mut out: Vec<String> = Vec::new();
    let mut ours = false;
    if let Some(list) = code.trim().strip_prefix("import ") {
        for item in list.split(',') {
            let (name, alias) = aliased(item)?;
            match module(name) {
                Some(module) => {
                    ours = true;
                    note(used, module.name);
                    out.push(format!("{alias} = _oikos_m_{name}"));
                }
                None => out.push(format!("import {}", item.trim())),
            }
        }
    } else {
        let (name, list) = code.trim().strip_prefix("from ")?.split_once(" import ")?;
        let module = module(name.trim())?;
        ours = true;
        note(used, module.name);
        for item in list.split(',').filter(|item| !item.trim().is_empty()) {
            let (name, alias) = aliased(item)?;
            out.push(format!("{alias} = _oikos_m_{}.{name}", module.name));
        }
    }
    ours.then(|| format!("{indent}{}", out.join("; ")))
}

fn module(name: &str) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.name == name)
}

fn note(used: &mut Vec<&'static str>, name: &'static str) {
    if !used.contains(&name) {
        used.push(name);
    }
}

/// `a as b` is `(a, b)`, `a` is `(a, a)`; anything else is left to the interpreter.
fn aliased(item: &str) -> Option<(&str, &str)> {
    let words: Vec<&str> = item.split_whitespace().collect();
    let is_name = |word: &str| word.chars().all(|c| c.is_alphanumeric() || c == '_');
    match words.as_slice() {
        [name] if is_name(name) => Some((name, name)),
        [name, "as", alias] if is_name(name) && is_name(alias) => Some((name, alias)),
        _ => None,
    }
}

/// Where a scan of Python text stands: in a string, in brackets, or at a fresh statement.
#[derive(Default)]
struct Scan {
    /// The quote that ends the string, and whether it is triple.
    string: Option<(char, bool)>,
    depth: usize,
    continued: bool,
}

impl Scan {
    fn is_fresh(&self) -> bool {
        self.string.is_none() && self.depth == 0 && !self.continued
    }

    fn take(&mut self, line: &str) {
        self.continued = false;
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let mut step = c.len_utf8();
            match (self.string, c) {
                (_, '\\') => {
                    self.continued = self.string.is_none() && matches!(rest.get(1..), Some("\n" | "\r\n"));
                    step += rest.get(step..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
                }
                (Some((quote, true)), c) if c == quote && rest.starts_with(&triple(quote)) => {
                    self.string = None;
                    step = 3;
                }
                // A plain string ends at its line's end at the latest.
                (Some((quote, false)), c) if c == quote || c == '\n' => self.string = None,
                (Some(_), _) => {}
                (None, '#') => return,
                (None, '"' | '\'') => {
                    let is_triple = rest.starts_with(&triple(c));
                    self.string = Some((c, is_triple));
                    step = if is_triple { 3 } else { 1 };
                }
                (None, '(' | '[' | '{') => self.depth += 1,
                (None, ')' | ']' | '}') => self.depth = self.depth.saturating_sub(1),
                (None, _) => {}
            }
            rest = rest.get(step..).unwrap_or("");
        }
    }
}

fn triple(quote: char) -> String {
    [quote; 3].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_become_assignments_and_lines_keep_their_numbers() {
        for (source, becomes) in [
            ("import random\n", "random = _oikos_m_random\n"),
            ("import random as r, json\n", "r = _oikos_m_random; import json\n"),
            ("    from random import choice as c\n", "    c = _oikos_m_random.choice\n"),
            (
                "from random import (\n  choice,\n  shuffle,\n)\nx\n",
                "choice = _oikos_m_random.choice; shuffle = _oikos_m_random.shuffle\n\n\n\nx\n",
            ),
            ("import json\n", "import json\n"),
            ("from json import dumps\n", "from json import dumps\n"),
            ("x = \"\"\"\nimport random\n\"\"\"\n", "x = \"\"\"\nimport random\n\"\"\"\n"),
            ("x = 'import random'", "x = 'import random'"),
            ("import random", "random = _oikos_m_random"),
            ("f(\nimport_random)\n", "f(\nimport_random)\n"),
        ] {
            assert_eq!(resolve(source).source, becomes, "{source}");
        }
    }

    #[test]
    fn top_level_names_are_found() {
        let source = "def run(x):\n    def inner(): pass\nasync def later(): pass\nprice = 5\nx == 3\n'''\ndef no(): pass\n'''\n";
        assert_eq!(resolve(source).bound, ["run", "later", "price"]);
    }
}
