//! The files of authors: where in a world file, or beside it, the code of an artifact stands.

use oikos_kernel::world::World;
use toml::de::{DeTable, DeValue};

use super::Source;

/// The code that a world file gives, with the name of each piece for its author.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authors(Vec<Author>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Author {
    id: String,
    /// Whether there are many of them, with numbers behind the id.
    is_counted: bool,
    file: String,
    code: String,
}

impl Source {
    /// The files of authors: the `code_file` of an entry, or the key as in `agents.trader.code`.
    #[must_use]
    pub fn authors(&self) -> Authors {
        let Ok(document) = DeTable::parse(&self.text) else { return Authors::default() };
        let mut authors = Vec::new();
        for section in ["agents", "artifacts"] {
            let entries = document.get_ref().get(section).and_then(|node| node.get_ref().as_array());
            for entry in entries.into_iter().flatten().filter_map(|entry| entry.get_ref().as_table()) {
                authors.extend(self.author(section, entry));
            }
        }
        Authors(authors)
    }

    fn author(&self, section: &str, entry: &DeTable<'_>) -> Option<Author> {
        let text = |key: &str| entry.get(key).and_then(|node| node.get_ref().as_str());
        let id = text("id")?;
        let (file, code) = match text("code_file") {
            Some(file) => (file.to_owned(), self.files.get(file)?.as_str()),
            None => (format!("{section}.{id}.code"), text("code")?),
        };
        let is_counted = matches!(entry.get("count").map(|node| node.get_ref()), Some(DeValue::Integer(_)));
        Some(Author { id: id.to_owned(), is_counted, file, code: code.to_owned() })
    }
}

impl Authors {
    /// The name of the code of an artifact: its author's, or else its id.
    #[must_use]
    pub fn name(&self, world: &World, id: &str) -> String {
        let artifact = world.lookup(id).and_then(|handle| world.get(handle));
        let code = artifact.and_then(|artifact| artifact.code());
        code.and_then(|code| self.file(id, code)).unwrap_or(id).to_owned()
    }

    /// A traceback whose places name the authors' files.
    #[must_use]
    pub fn named(&self, world: &World, traceback: &str) -> String {
        let lines = traceback.split_inclusive('\n').map(|line| {
            let place = line.strip_prefix("  File \"").and_then(|place| place.split_once("\", line "));
            match place {
                Some((file, rest)) => format!("  File \"{}\", line {rest}", self.name(world, file)),
                None => line.to_owned(),
            }
        });
        lines.collect()
    }

    /// The name of the code of an artifact, where it is the code that the world file gave it.
    #[must_use]
    pub fn file(&self, id: &str, code: &str) -> Option<&str> {
        let is_number = |rest: &str| rest.bytes().all(|letter| letter.is_ascii_digit());
        let is_of = |author: &&Author| {
            let rest = id.strip_prefix(author.id.as_str());
            let number = rest.and_then(|rest| rest.strip_prefix('_'));
            let is_named = if author.is_counted { number.is_some_and(is_number) } else { rest == Some("") };
            is_named && author.code == code
        };
        self.0.iter().find(is_of).map(|author| author.file.as_str())
    }
}
