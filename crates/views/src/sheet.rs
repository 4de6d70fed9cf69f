//! A report: many pages in one file that needs no other, no script and no network.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use oikos_runner::{
    Journal,
    kernel::{
        id::{Handle, reserved_prefix},
        world::{World, wire::Viewer},
    },
    report::hex,
};

use crate::{
    error::Unshown,
    moment::{Beside, Hands, Links, Moment, anchor},
    page::{Page, Wanted},
    pages::{agents, artifacts, body, events},
    past::Past,
    style::STYLE,
    text::{count, counted, instant, line},
    timeline,
};

/// Agents and artifacts with a place of their own.
const AGENTS_MAX: usize = 40;
const ARTIFACTS_MAX: usize = 40;

/// All that a report is made from.
#[derive(Clone, Copy, Debug)]
pub struct Sheet<'a> {
    /// The state.
    pub world: &'a World,
    /// Its past.
    pub past: &'a Past,
    /// The journal.
    pub journal: &'a Journal,
    /// The file of the world, as commands name it.
    pub file: &'a str,
    /// Another world beside it.
    pub beside: Option<&'a Beside>,
}

/// Makes a report as one document.
///
/// # Errors
/// When the world can't be read.
pub fn sheet(sheet: &Sheet<'_>) -> Result<Markup, Unshown> {
    let Sheet { world, past, journal, file, beside } = *sheet;
    let bare = Links::Sheet { pages: BTreeSet::new(), records: BTreeSet::new(), world: file.to_owned() };
    let moment = Moment {
        world,
        past,
        whole: None,
        journal,
        viewer: Viewer::Observer,
        links: &bare,
        pulse: None,
        beside,
        kin: &[],
        verdicts: &[],
        hands: Hands::None,
        scripts: &[],
    };
    let agents = agents::order(&moment);
    let artifacts = artifacts::order(&moment);
    // Of the library only what was used.
    let is_shown = |one: &&Handle| reserved_prefix(world.name(**one)).is_none() || world.use_of(**one).0 > 0;
    let name = |handle: &Handle| world.name(*handle).to_owned();
    let agent_pages: Vec<Page> = agents.iter().take(AGENTS_MAX).map(|one| Page::Agent(name(one))).collect();
    let artifact_pages: Vec<Page> =
        artifacts.iter().filter(is_shown).take(ARTIFACTS_MAX).map(|one| Page::Artifact(name(one))).collect();
    let mut chapters: Vec<(&str, Page)> = Page::chapters().collect();
    if beside.is_some() {
        chapters.push(("Compare", Page::Compare(None)));
    }
    let (latest, _) = timeline::before(&moment, &Wanted::default(), events::MOST)?;
    let resources: Vec<Page> =
        world.rules().by_id().map(|(_, rule)| Page::Ledger(Some(rule.name.clone()))).collect();
    let pages = chapters.iter().map(|(_, page)| page.clone());
    let pages = pages.chain(agent_pages.iter().cloned()).chain(artifact_pages.iter().cloned());
    let links = Links::Sheet {
        pages: pages.chain(resources.iter().cloned()).collect(),
        records: latest.iter().map(|record| record.seq).collect(),
        world: file.to_owned(),
    };
    let moment = Moment { links: &links, ..moment };
    let mut parts = Vec::new();
    for (name, page) in &chapters {
        let below: &[Page] = match page {
            Page::Agents(_) => &agent_pages,
            Page::Artifacts(_) => &artifact_pages,
            Page::Ledger(_) => &resources,
            _ => &[],
        };
        parts.push(chapter(&moment, name, page, below)?);
    }
    let shown = (agent_pages.len(), artifact_pages.len());
    Ok(document(&moment, &chapters, &parts, &about(&moment, shown, (agents.len(), artifacts.len()))))
}

/// A chapter, and the pages that belong to it.
fn chapter(m: &Moment<'_>, name: &str, page: &Page, below: &[Page]) -> Result<Markup, Unshown> {
    let (_, whole) = body(m, page)?;
    let mut sections = Vec::new();
    for page in below {
        let (title, part) = body(m, page)?;
        sections.push(html! { section id=(anchor(page)) { h2 class="title" { (line(&title)) } (part) } });
    }
    Ok(html! {
        section class="chapter" id=(anchor(page)) {
            h1 { (name) }
            (whole)
            @for section in &sections { (section) }
        }
    })
}

fn document(m: &Moment<'_>, chapters: &[(&str, Page)], parts: &[Markup], about: &Markup) -> Markup {
    let name = &m.world.rules().name;
    let title: String = name.chars().filter(|letter| !letter.is_control()).take(120).collect();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Report of " (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header class="top" { div {
                    span class="name" { (line(name)) }
                    nav { @for (name, page) in chapters { a href=(format!("#{}", anchor(page))) { (name) } } }
                    span class="when" { "record " (count(m.seq())) " · " (instant(m.world.now())) }
                } }
                main {
                    (about)
                    @for part in parts { (part) }
                }
            }
        }
    }
}

/// The facts about the report itself.
fn about(m: &Moment<'_>, shown: (usize, usize), (agents, artifacts): (usize, usize)) -> Markup {
    let head = m.journal.head();
    let is_end = head.seq == m.seq();
    html! {
        h1 { "Report of " (line(&m.world.rules().name)) }
        p {
            "The world after record " (count(m.seq())) " of " (count(head.seq)) ", " (instant(m.world.now()))
                ", with "
            (counted(agents as u64, "agent")) " and " (counted(artifacts as u64, "other artifact")) ". "
            "This file holds what agents wrote: it stands in it as text, and nothing in it runs. It shows all that an \
             observer may see, balances and thoughts among it, so mind to whom you give it."
        }
        dl class="facts" {
            dt { "World" } dd { code { (line(match m.links { Links::Sheet { world, .. }
            => world, Links::Served { .. } => "" })) } ", seed " (m.world.rules().seed) }
            dt { "Made by" } dd { "oikos " (env!("CARGO_PKG_VERSION")) ", code on " (line(m.world.runtime())) }
            dt { "State" } dd { code { (hex(&m.world.digest())) } }
            @if is_end { dt { "Journal" } dd { code { (hex(&head.journal_hash)) } } }
            @if let Some(parent) = &m.past.parent {
                dt { "Forked from" } dd { code { (line(&parent.file)) } " after record " (count(parent.seq)) }
            }
            dt { "Has pages of" } dd {
                (count(shown.0 as u64)) " of " (counted(agents as u64,
                    "agent")) ", those that need a look first, and "
                (count(shown.1 as u64)) " of " (counted(artifacts as u64,
                    "artifact")) ", those that are used most; of the library only what was used"
            }
        }
    }
}
