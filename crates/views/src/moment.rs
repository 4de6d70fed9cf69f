//! One state of a world, before one viewer: all that a page is made from.

use std::{collections::BTreeSet, time::Duration};

use maud::{Markup, html};
use oikos_runner::{
    Comparison, Journal, Kin, RunError, When,
    kernel::{
        id::Handle,
        record::Why,
        world::{World, wire::Viewer},
    },
};

use crate::{
    page::{Page, Part},
    past::{Past, Series},
    questions::Verdict,
};

/// One state of a world, before one viewer.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The state.
    pub world: &'a World,
    /// Its past, up to the same record.
    pub past: &'a Past,
    /// The past up to the present, where this is an earlier moment.
    pub whole: Option<&'a Past>,
    /// The journal, from which single records are read again.
    pub journal: &'a Journal,
    /// The viewer.
    pub viewer: Viewer,
    /// Where links lead.
    pub links: &'a Links,
    /// Another world beside this one.
    pub beside: Option<&'a Beside>,
    /// The worlds that could stand beside this one, where it is served.
    pub kin: &'a [Kin],
    /// The run, where this is the present of a world that is served.
    pub pulse: Option<Pulse>,
    /// The answers of contracts that were asked for this page.
    pub verdicts: &'a [Verdict],
    /// The controls that the viewer is given.
    pub hands: Hands<'a>,
    /// The addresses of scripts that the page loads; a report has none.
    pub scripts: &'a [&'a str],
}

/// Another world, beside the one that is shown.
#[derive(Clone, Debug)]
pub struct Beside {
    name: String,
    /// Its measures by time.
    pub(crate) series: Series,
    /// The differences of the two.
    pub(crate) comparison: Comparison,
}

impl Beside {
    /// A world by its name, whose journal is read as far as it was compared.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub fn of(name: String, journal: &Journal, comparison: Comparison) -> Result<Self, RunError> {
        let mut series = Series::default();
        series.go_on(journal, comparison.seqs.1)?;
        Ok(Self { name, series, comparison })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A run that is going on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pulse {
    /// Whether it is paused.
    pub is_paused: bool,
    /// How far it is behind, where it is followed while another process runs it.
    pub behind: Option<Duration>,
    /// Steps in the last second of the machine, where that is known.
    pub steps_per_second: Option<f64>,
}

/// The controls that a viewer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hands<'a> {
    /// None: it looks.
    None,
    /// Those of an operator: the course of the present, and forks of any moment.
    Operator(Option<Wheel<'a>>),
    /// Those of a seat.
    Seat {
        /// The key of the next action, by which a form that is sent twice is one action.
        key: &'a str,
    },
}

/// The course of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wheel<'a> {
    /// Whether it runs, or waits for somebody and would run on.
    pub is_running: bool,
    /// The speed of its clock; none where that can't be set.
    pub speed: Option<&'a str>,
}

/// Where links lead.
#[derive(Clone, Debug)]
pub enum Links {
    /// To pages of a server.
    Served {
        /// The beginning of every address: the path of the world, where it is one of many at its door; else nothing.
        root: String,
        /// The same moment; none is the present.
        at: Option<When>,
        /// The names of the world.
        named: Named,
        /// Whether the viewer may see the list of all worlds, which is above.
        has_list: bool,
    },
    /// To places of one file, as far as it has them.
    Sheet {
        /// The pages that it has.
        pages: BTreeSet<Page>,
        /// The records among its events.
        records: BTreeSet<u64>,
        /// The file of the world, as commands name it.
        world: String,
    },
}

/// The names of a world that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name in its database; none where it is in a file.
    pub in_database: Option<String>,
    /// The world, as commands name it. The folder of a file is nobody's affair, nor is the address of a server.
    pub world: String,
    /// A new world beside it, likewise.
    pub other: String,
}

impl Named {
    /// A world in a file, by the name that commands in its folder take.
    #[must_use]
    pub fn file(world: String) -> Self {
        Self { in_database: None, world, other: "other.oikos".into() }
    }

    /// A world in a database.
    #[must_use]
    pub fn database(name: String) -> Self {
        let (world, other) = (Self::beside(&name), Self::beside("other"));
        Self { in_database: Some(name), world, other }
    }

    /// A world of a database, as commands name it.
    #[must_use]
    pub fn beside(name: &str) -> String {
        format!("'postgres://…?world={name}'")
    }
}

impl Links {
    /// The address of a page; none where there is no such page.
    #[must_use]
    pub fn to(&self, page: &Page) -> Option<String> {
        match self {
            Self::Served { at, root, .. } => Some(format!("{root}{}", page.href(*at))),
            Self::Sheet { pages, records, .. } => match page {
                Page::Record(seq) => records.contains(seq).then(|| format!("#r{seq}")),
                // There is one list of artifacts, and one of agents.
                Page::Agents(_) => Some("#agents".into()),
                Page::Artifacts(_) => Some("#artifacts".into()),
                _ => pages.contains(page).then(|| format!("#{}", anchor(page))),
            },
        }
    }
}

impl Links {
    /// The beginning of every address of a server.
    pub(crate) fn root(&self) -> &str {
        match self {
            Self::Served { root, .. } => root,
            Self::Sheet { .. } => "",
        }
    }

    /// The address of a page at a moment of its own, at a server.
    pub(crate) fn then(&self, page: &Page, at: Option<When>) -> String {
        format!("{}{}", self.root(), page.href(at))
    }
}

/// The name of a page's place in a file.
pub(crate) fn anchor(page: &Page) -> String {
    match page {
        Page::World => "world".into(),
        Page::Events(_) => "events".into(),
        Page::Record(seq) => format!("r{seq}"),
        Page::Agents(_) => "agents".into(),
        Page::Agent(id) => format!("agent-{id}"),
        Page::Artifacts(_) => "artifacts".into(),
        Page::Artifact(id) => format!("artifact-{id}"),
        Page::Part(id, part, _) => format!("artifact-{id}-{}", part.as_str()),
        Page::Market => "market".into(),
        Page::Ledger(None) => "ledger".into(),
        Page::Ledger(Some(resource)) => format!("ledger-{resource}"),
        Page::Cost => "cost".into(),
        Page::Compare(_) => "compare".into(),
    }
}

impl<'a> Moment<'a> {
    /// Whether the viewer may see all.
    pub(crate) fn sees_all(&self) -> bool {
        self.viewer == Viewer::Observer
    }

    /// Whether the viewer may see what only an artifact itself knows: its thoughts, its texts, its costs.
    pub(crate) fn is_own(&self, who: Handle) -> bool {
        self.sees_all() || self.viewer == Viewer::Artifact(Some(who))
    }

    /// Whether the viewer may know how much a principal has.
    pub(crate) fn knows(&self, who: Handle) -> bool {
        self.world.may_know(self.viewer, who)
    }

    /// Whether the viewer may know how much everybody has, uses and pays.
    pub(crate) fn knows_all(&self) -> bool {
        // Nobody's own balance is nobody's.
        self.knows(Handle::NOBODY)
    }

    pub(crate) fn knows_payment(&self, from: Handle, to: Handle, why: Why) -> bool {
        self.sees_all() || self.world.may_know_payment((from, to), why, self.viewer)
    }

    /// Whether this is a report.
    pub(crate) fn is_sheet(&self) -> bool {
        matches!(self.links, Links::Sheet { .. })
    }

    /// A link to a page, where there is one; else the text alone.
    pub(crate) fn link(&self, page: &Page, text: impl maud::Render) -> Markup {
        match self.links.to(page) {
            Some(href) => html! { a href=(href) { (text) } },
            None => html! { (text) },
        }
    }

    /// The page of an artifact: agents have one of their own.
    pub(crate) fn page_of(&self, handle: Handle) -> Page {
        let id = self.world.name(handle).to_owned();
        if self.world.agent(handle).is_some() { Page::Agent(id) } else { Page::Artifact(id) }
    }

    /// The id of an artifact, as a link to its page.
    pub(crate) fn id(&self, handle: Handle) -> Markup {
        if handle == Handle::NOBODY {
            return html! { "nobody" };
        }
        let id = self.world.name(handle);
        html! { span class="id" { (self.link(&self.page_of(handle), id)) } }
    }

    /// A record's number, as a link to it.
    pub(crate) fn record(&self, seq: u64) -> Markup {
        self.link(&Page::Record(seq), seq)
    }

    /// The record whose state this is.
    pub(crate) fn seq(&self) -> u64 {
        self.world.seq()
    }

    /// The way to all of a long text: a page, or a command.
    pub(crate) fn whole(&self, id: &str, part: Part) -> Markup {
        match self.links {
            Links::Served { .. } => self.link(&Page::Part(id.to_owned(), part, 0), "All of it"),
            Links::Sheet { world, .. } => inspected(world, id, part, self.seq()),
        }
    }

    /// The way to all of a text as it was after a record.
    pub(crate) fn whole_at(&self, who: Handle, part: Part, seq: u64) -> Markup {
        let id = self.world.name(who);
        match self.links {
            Links::Served { .. } => {
                let href = self.links.then(&Page::Part(id.to_owned(), part, 0), Some(When::Seq(seq)));
                html! { a href=(href) { "All of it" } }
            }
            Links::Sheet { world, .. } => inspected(world, id, part, seq),
        }
    }
}

/// The command that prints all of a text.
fn inspected(world: &str, id: &str, part: Part, seq: u64) -> Markup {
    html! { "All of it: " code { "oikos inspect " (world) " " (id) " --" (part.as_str()) " --at " (seq) } }
}
