//! The pages, their addresses and parameters: one table, from which come the routes, the navigation and the report.

use std::collections::BTreeMap;

use oikos_runner::{
    When,
    kernel::{
        event::EventKind,
        id::{Id, nearest},
        refusal::Code,
        world::wire::LineType,
    },
};

use crate::error::Unshown;

/// The most letters of a parameter.
const PARAMETER_LETTERS_MAX: usize = 200;

/// A page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    /// The world at a glance.
    World,
    /// The events, the latest first.
    Events(Wanted),
    /// One record: a step from the observation to its effects.
    Record(u64),
    /// The agents, from a place on.
    Agents(usize),
    /// One agent.
    Agent(String),
    /// The artifacts, from a place on.
    Artifacts(usize),
    /// One artifact.
    Artifact(String),
    /// One long text of an artifact, from a byte on.
    Part(String, Part, usize),
    /// Prices, sales and who trades with whom.
    Market,
    /// The distribution of one resource, or of scrip.
    Ledger(Option<String>),
    /// Dollars and tokens.
    Cost,
    /// This world beside another: the one whose file has this name, or the list of those that there are.
    Compare(Option<String>),
}

/// A text of an artifact that may be long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Its content.
    Content,
    /// Its code.
    Code,
    /// Its private storage.
    Storage,
}

/// The events that are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The type of a line of the log.
    pub kind: Option<String>,
    /// An artifact that did it, or had it done to it.
    pub of: Option<String>,
    /// The code of a refusal.
    pub code: Option<Code>,
    /// A text that stands in it.
    pub text: Option<String>,
    /// Only before this record.
    pub before: Option<u64>,
}

/// A page and the moment at which it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The page.
    pub page: Page,
    /// The moment; none is the present.
    pub at: Option<When>,
}

/// A route: the form of an address.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The path; a part in braces stands for any.
    pub path: &'static str,
    /// The name in the navigation, where it stands there, and of the chapter of a report.
    pub name: Option<&'static str>,
    /// The parameters, beside `at`.
    pub parameters: &'static [&'static str],
    read: fn(&mut Reader) -> Result<Page, Unshown>,
}

/// Every route, in the order of the navigation.
pub const ROUTES: &[Route] = &[
    Route { path: "/", name: Some("World"), parameters: &[], read: |_| Ok(Page::World) },
    Route {
        path: "/events",
        name: Some("Events"),
        parameters: &["type", "of", "code", "text", "before"],
        read: |from| Ok(Page::Events(from.wanted()?)),
    },
    Route {
        path: "/events/{seq}",
        name: None,
        parameters: &[],
        read: |from| from.number("seq").map(Page::Record),
    },
    Route {
        path: "/agents",
        name: Some("Agents"),
        parameters: &["from"],
        read: |from| from.place().map(Page::Agents),
    },
    Route { path: "/agents/{id}", name: None, parameters: &[], read: |from| from.id().map(Page::Agent) },
    Route {
        path: "/artifacts",
        name: Some("Artifacts"),
        parameters: &["from"],
        read: |from| from.place().map(Page::Artifacts),
    },
    Route {
        path: "/artifacts/{id}",
        name: None,
        parameters: &["part", "from"],
        read: |from| {
            let id = from.id()?;
            match from.take("part") {
                Some(part) => Ok(Page::Part(id, Part::from_word(&part)?, from.place()?)),
                None => Ok(Page::Artifact(id)),
            }
        },
    },
    Route { path: "/market", name: Some("Market"), parameters: &[], read: |_| Ok(Page::Market) },
    Route {
        path: "/ledger",
        name: Some("Ledger"),
        parameters: &["resource"],
        read: |from| Ok(Page::Ledger(from.take("resource"))),
    },
    Route { path: "/cost", name: Some("Cost"), parameters: &[], read: |_| Ok(Page::Cost) },
    Route {
        path: "/compare",
        name: None,
        parameters: &["with"],
        read: |from| Ok(Page::Compare(from.take("with"))),
    },
];

/// The parts of an address that are not read yet.
struct Reader {
    named: BTreeMap<String, String>,
}

impl Route {
    /// The parts of a path that stand in place of those in braces; none where the path is another.
    fn fits(&self, path: &str) -> Option<BTreeMap<String, String>> {
        let (ours, theirs) = (self.path.split('/'), path.split('/'));
        if ours.clone().count() != theirs.clone().count() {
            return None;
        }
        let mut named = BTreeMap::new();
        for (our, their) in ours.zip(theirs) {
            match our.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => drop(named.insert(name.to_owned(), their.to_owned())),
                None if our == their => {}
                None => return None,
            }
        }
        Some(named)
    }
}

impl Page {
    /// Reads an address: its path, and its query without the `?`.
    ///
    /// # Errors
    /// When there is no such page, or a parameter can't be meant.
    pub fn parse(path: &str, query: &str) -> Result<Asked, Unshown> {
        let found = ROUTES.iter().find_map(|route| Some((route, route.fits(path)?)));
        let Some((route, named)) = found else {
            return Err(Unshown::NotFound(format!("there is no page `{}`", short(path))));
        };
        let mut reader = Reader { named };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let is_known = name == "at" || route.parameters.contains(&&*name);
            if !is_known {
                let known = route.parameters.iter().copied().chain(["at"]);
                let hint =
                    nearest(&name, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                return Err(Unshown::Misread(format!(
                    "`{}` has no parameter `{}`{hint}",
                    route.path,
                    short(&name)
                )));
            }
            if value.chars().count() > PARAMETER_LETTERS_MAX {
                let problem = format!("`{name}` has more than {PARAMETER_LETTERS_MAX} letters");
                return Err(Unshown::Misread(problem));
            }
            // A form sends its empty fields too.
            let value = value.trim();
            if !value.is_empty() && reader.named.insert(name.to_string(), value.to_owned()).is_some() {
                return Err(Unshown::Misread(format!("`{name}` stands twice")));
            }
        }
        let at = reader.take("at").map(|at| at.parse::<When>().map_err(|problem| wrong("at", &at, &problem)));
        let at = at.transpose()?;
        Ok(Asked { page: (route.read)(&mut reader)?, at })
    }

    /// The address of the page, at a moment.
    #[must_use]
    pub fn href(&self, at: Option<When>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let path = match self {
            Self::World => "/".into(),
            Self::Events(wanted) => {
                let before = wanted.before.map(|before| before.to_string());
                let code = wanted.code.map(|code| code.to_string());
                for (name, value) in [
                    ("type", &wanted.kind),
                    ("of", &wanted.of),
                    ("code", &code),
                    ("text", &wanted.text),
                    ("before", &before),
                ] {
                    pair(&mut query, name, value.as_deref());
                }
                "/events".into()
            }
            Self::Record(seq) => format!("/events/{seq}"),
            Self::Agents(from) => {
                paged(&mut query, *from);
                "/agents".into()
            }
            Self::Agent(id) => format!("/agents/{id}"),
            Self::Artifacts(from) => {
                paged(&mut query, *from);
                "/artifacts".into()
            }
            Self::Artifact(id) => format!("/artifacts/{id}"),
            Self::Part(id, part, from) => {
                query.append_pair("part", part.as_str());
                paged(&mut query, *from);
                format!("/artifacts/{id}")
            }
            Self::Market => "/market".into(),
            Self::Ledger(resource) => {
                pair(&mut query, "resource", resource.as_deref());
                "/ledger".into()
            }
            Self::Cost => "/cost".into(),
            Self::Compare(with) => {
                pair(&mut query, "with", with.as_deref());
                "/compare".into()
            }
        };
        pair(&mut query, "at", at.map(|at| at.to_string()).as_deref());
        let query = query.finish();
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }

    /// The page of the navigation to which the page belongs.
    #[must_use]
    pub fn chapter(&self) -> Self {
        match self {
            Self::World | Self::Compare(_) => Self::World,
            Self::Events(_) | Self::Record(_) => Self::Events(Wanted::default()),
            Self::Agents(_) | Self::Agent(_) => Self::Agents(0),
            Self::Artifacts(_) | Self::Artifact(_) | Self::Part(..) => Self::Artifacts(0),
            Self::Market => Self::Market,
            Self::Ledger(_) => Self::Ledger(None),
            Self::Cost => Self::Cost,
        }
    }

    /// The pages of the navigation, each with its name.
    pub fn chapters() -> impl Iterator<Item = (&'static str, Self)> {
        ROUTES.iter().filter_map(|route| {
            let page = Self::parse(route.path, "").ok()?.page;
            Some((route.name?, page))
        })
    }
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::Content, Self::Code, Self::Storage];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Code => "code",
            Self::Storage => "storage",
        }
    }

    fn from_word(word: &str) -> Result<Self, Unshown> {
        let words = Self::ALL.map(Self::as_str);
        Self::ALL.into_iter().find(|part| part.as_str() == word).ok_or_else(|| unknown("part", word, &words))
    }
}

impl Wanted {
    /// Whether every event is wanted.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self { before: self.before, ..Self::default() }
    }

    /// Every word that a line's type may be; ticks are what lines stand under.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        let others = LineType::ALL.into_iter().filter(|kind| *kind != LineType::Tick);
        EventKind::words().chain(others.map(LineType::as_str))
    }
}

impl Reader {
    fn take(&mut self, name: &str) -> Option<String> {
        self.named.remove(name)
    }

    fn number(&mut self, name: &str) -> Result<u64, Unshown> {
        let text = self.take(name).unwrap_or_default();
        text.parse().map_err(|_| wrong(name, &text, "it is a whole number"))
    }

    fn place(&mut self) -> Result<usize, Unshown> {
        let text = self.take("from").unwrap_or_else(|| "0".into());
        text.parse().map_err(|_| wrong("from", &text, "it is a whole number"))
    }

    fn id(&mut self) -> Result<String, Unshown> {
        let id = self.take("id").unwrap_or_default();
        Id::parse(&id).map_err(|error| Unshown::NotFound(error.to_string()))?;
        Ok(id)
    }

    fn wanted(&mut self) -> Result<Wanted, Unshown> {
        let kind = self.take("type");
        if let Some(kind) = &kind {
            let known: Vec<&str> = Wanted::kinds().collect();
            if !known.contains(&kind.as_str()) {
                return Err(unknown("type", kind, &known));
            }
        }
        let code = match self.take("code") {
            None => None,
            Some(word) => {
                let codes = Code::ALL.map(|code| code.to_string());
                let known: Vec<&str> = codes.iter().map(String::as_str).collect();
                let code = Code::ALL.into_iter().find(|code| code.to_string() == word);
                Some(code.ok_or_else(|| unknown("code", &word, &known))?)
            }
        };
        let before = match self.take("before") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| wrong("before", &text, "it is a whole number"))?),
        };
        Ok(Wanted { kind, of: self.take("of"), code, text: self.take("text"), before })
    }
}

fn pair(query: &mut form_urlencoded::Serializer<'_, String>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        query.append_pair(name, value);
    }
}

fn paged(query: &mut form_urlencoded::Serializer<'_, String>, from: usize) {
    if from > 0 {
        query.append_pair("from", &from.to_string());
    }
}

fn wrong(name: &str, value: &str, problem: &str) -> Unshown {
    Unshown::Misread(format!("`{name}` can't be `{}`: {problem}", short(value)))
}

fn unknown(name: &str, word: &str, known: &[&str]) -> Unshown {
    let hint = match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it is one of {}", known.join(", ")),
    };
    wrong(name, word, &hint)
}

fn short(text: &str) -> String {
    crate::text::first_letters(text, 64).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let wanted = Wanted {
            kind: Some("transfer".into()),
            of: Some("bob".into()),
            code: Some(Code::NotFound),
            text: Some("a&b=<c> d".into()),
            before: Some(17),
        };
        for page in [
            Page::World,
            Page::Events(Wanted::default()),
            Page::Events(wanted),
            Page::Record(17),
            Page::Agents(0),
            Page::Agents(100),
            Page::Agent("a.b:c-d_e".into()),
            Page::Artifacts(7),
            Page::Artifact("x".into()),
            Page::Part("x".into(), Part::Code, 65_536),
            Page::Market,
            Page::Ledger(None),
            Page::Ledger(Some("cpu".into())),
            Page::Cost,
            Page::Compare(None),
            Page::Compare(Some("a fork.oikos".into())),
        ] {
            for at in [None, Some(When::Seq(3)), Some(When::Tick(40)), Some(When::After(90_000))] {
                let href = page.href(at);
                let (path, query) = href.split_once('?').unwrap_or((&href, ""));
                assert_eq!(Page::parse(path, query).unwrap(), Asked { page: page.clone(), at }, "{href}");
            }
        }
        // Every route is one of them.
        assert_eq!(Page::chapters().count(), 7);
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (path, query, problem) in [
            ("/nowhere", "", "there is no page `/nowhere`"),
            ("/agents/", "", "an id can't be empty"),
            ("/agents/%3Cscript%3E", "", "an id can't hold '%'; use letters, digits and `_ . : -`"),
            ("/agents/a/b", "", "there is no page `/agents/a/b`"),
            ("/events/x", "", "`seq` can't be `x`: it is a whole number"),
            ("/events", "typ=x", "`/events` has no parameter `typ`; did you mean `type`?"),
            ("/events", "type=transfr", "`type` can't be `transfr`: did you mean `transfer`?"),
            ("/events", "before=-1", "`before` can't be `-1`: it is a whole number"),
            ("/events", "of=a&of=b", "`of` stands twice"),
            ("/events", "code=nothing_found", "`code` can't be `nothing_found`: did you mean `not_found`?"),
            (
                "/agents",
                "from=99999999999999999999999",
                "`from` can't be `99999999999999999999999`: it is a whole number",
            ),
        ] {
            let error = Page::parse(path, query).unwrap_err();
            assert_eq!(error.to_string(), problem, "{path}?{query}");
        }
        let at = Page::parse("/", "at=yesterday").unwrap_err().to_string();
        assert!(at.starts_with("`at` can't be `yesterday`: write a record"), "{at}");
        let long = format!("text={}", "a".repeat(201));
        assert_eq!(
            Page::parse("/events", &long).unwrap_err().to_string(),
            "`text` has more than 200 letters"
        );
        // Empty fields of a form are none.
        let asked = Page::parse("/events", "type=&of=&text=++&at=").unwrap();
        assert_eq!(asked, Asked { page: Page::Events(Wanted::default()), at: None });
    }
}
