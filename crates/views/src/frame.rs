//! The document around a page.

use maud::{DOCTYPE, Markup, html};
use oikos_runner::kernel::world::wire::Viewer;

use crate::{
    error::Unshown,
    moment::{Hands, Links, Moment},
    page::Page,
    pages,
    text::{BLOCK_BYTES, count, first_bytes, instant, line, marked, plain},
};

/// The address of the stylesheet.
const STYLE: &str = "/style.css";
/// The address of the mark that a browser shows beside the title.
const ICON: &str = "/icon.svg";

/// A page as a whole document, for a server.
///
/// # Errors
/// When there is no such page in this world, its viewer may not see it, or the world can't be read.
pub fn render(m: &Moment<'_>, page: &Page) -> Result<Markup, Unshown> {
    let (title, body) = pages::body(m, page)?;
    let name = &m.world.rules().name;
    let at = match m.links {
        Links::Served { at, .. } => *at,
        Links::Sheet { .. } => None,
    };
    let in_database = in_house(m).unwrap_or(name);
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            (head(m.links.root(), &title, in_database, m.scripts))
            body {
                header class="top" { div {
                    @if let Links::Served { has_list: true, .. } = m.links { a href="/" { "← Worlds" } }
                    span class="name" {
                        (line(in_database))
                        @if in_database != name { " " span class="soft" { (line(name)) } }
                    }
                    nav { (navigation(m, page)) }
                    (seat(m))
                    span class="when" { "record " (count(m.seq())) " · " (instant(m.world.now())) }
                } }
                main id="page" data-seq=(m.seq()) {
                    @if let Some(at) = at {
                        p class="past" {
                            "This is the past: the world after record " (count(m.seq())) ", asked for as " code {
                                (at) } ". "
                            a href=(m.links.then(page, None)) { "Go to the present" }
                        }
                    }
                    h1 { (line(&title)) }
                    (body)
                }
            }
        }
    })
}

/// The world's name in its database, where it is one of many at its door: others may have the same name of their own.
fn in_house<'m>(m: &Moment<'m>) -> Option<&'m String> {
    match m.links {
        Links::Served { root, named, .. } if !root.is_empty() => named.in_database.as_ref(),
        Links::Served { .. } | Links::Sheet { .. } => None,
    }
}

/// The way to the page of the principal whose seat it is.
fn seat(m: &Moment<'_>) -> Markup {
    match (m.hands, m.viewer) {
        (Hands::Seat { .. }, Viewer::Artifact(Some(me))) => {
            html! { span class="seat" { "acting as " (m.id(me)) } }
        }
        _ => html! {},
    }
}

/// The chapters, the page's own marked.
fn navigation(m: &Moment<'_>, page: &Page) -> Markup {
    let here = page.chapter();
    html! {
        @for (name, chapter) in Page::chapters() {
            @if let Some(href) = m.links.to(&chapter) {
                a href=(href) class=[(chapter == here).then_some("here")] { (name) }
            }
        }
    }
}

pub(crate) fn head(root: &str, title: &str, name: &str, scripts: &[&str]) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            title { (line_text(title)) " – " (line_text(name)) }
            link rel="stylesheet" href=(format_args!("{root}{STYLE}"));
            link rel="icon" href=(format_args!("{root}{ICON}"));
            @for script in scripts { script type="module" src=(format_args!("{root}{script}")) {} }
        }
    }
}

/// A title as bare text.
fn line_text(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    crate::text::first_letters(text, 120).chars().map(plain).collect()
}

/// A page that says why another can't be shown, for a server whose addresses begin with `root`; it needs no world.
#[must_use]
pub fn problem(root: &str, title: &str, sentence: &str) -> Markup {
    told(root, title, sentence, (&format!("{root}/"), "To the world"))
}

/// A page that says how far the first reading of a world's past is, for a server, which sends it with the word to ask
/// again; its addresses begin with `root`.
#[must_use]
pub fn reading(root: &str, name: &str, read: u64, of: u64) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(root, "Reading", name, &[]))
            body {
                main id="page" {
                    h1 { (line(name)) }
                    p { "The past of this world is being read for its pages, once." }
                    p {
                        progress class="reading" max=(of.max(1)) value=(read) aria-label="records that are read" {}
                    }
                    p class="soft" {
                        @if of == 0 { "It is about to begin. " } @else {
                            "Record " (count(read)) " of " (count(of)) ". "
                        }
                        "The page comes by itself, and from then on at once."
                    }
                }
            }
        }
    }
}

/// A page for one who is not let in, at the door of a world or of many, with a form that takes a token: it goes to
/// `path` with the other fields of the address. It loads nothing, for nothing else is given to a stranger.
#[must_use]
pub fn closed(
    title: &str,
    sentence: &str,
    is_of_many: bool,
    path: &str,
    fields: &[(String, String)],
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (line_text(title)) " – Oikos" }
            }
            body { main id="page" {
                h1 { (line(title)) }
                p { (marked(first_bytes(sentence, BLOCK_BYTES))) }
                @if is_of_many {
                    p {
                        "The owner of these worlds makes tokens: " code { "oikos token DATABASE --observer" }
                        " prints one for somebody who looks at all of them, "
                        code { "oikos token 'DATABASE?world=NAME' --as ID" }
                        " one for somebody who acts in one of them, and " code { "oikos serve --all" }
                        " prints a link as it begins. A token of one world is good at that world, below "
                        code { "/w/NAME/" } ", and not at the list of all."
                    }
                } @else {
                    p {
                        "The owner of this world makes a link: " code { "oikos token WORLD --observer" }
                        " prints a token for one who looks, " code { "--as ID" } " for one who acts, and "
                        code { "oikos serve" } " prints a link as it begins."
                    }
                }
                form method="get" action=(path) {
                    @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                    label { "Token " input name="token" required autocomplete="off" spellcheck="false" size="50"; }
                    " " button { "Enter" }
                }
            } }
        }
    }
}

/// A page with the answer of an agent to a question from outside, which is a text by another, and a sentence about it.
#[must_use]
pub fn answered(root: &str, agent: &str, (question, answer): (&str, &str), note: &str, back: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(root, "An answer", "Oikos", &[]))
            body {
                main id="page" {
                    h1 { (line(agent)) " answers" }
                    p class="soft" { (plain(question)) }
                    pre dir="ltr" { (plain(answer)) }
                    p class="soft" { (marked(note)) }
                    p { a href=(format_args!("{root}{back}")) { "Back to " (line(agent)) } }
                }
            }
        }
    }
}

/// A page that says what came of something, with the address and the words of a way on; those of files that it loads
/// begin with `root`.
#[must_use]
pub fn told(root: &str, title: &str, sentence: &str, (href, words): (&str, &str)) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(root, title, "Oikos", &[]))
            body {
                main id="page" {
                    h1 { (line(title)) }
                    p { (marked(first_bytes(sentence, BLOCK_BYTES))) }
                    p { a href=(href) { (words) } }
                }
            }
        }
    }
}
