//! The document around a page.

use maud::{DOCTYPE, Markup, html};

use crate::{
    error::Unshown,
    moment::{Links, Moment},
    page::Page,
    pages,
    text::{count, instant, line},
};

/// The address of the stylesheet.
const STYLE: &str = "/style.css";

/// A page as a whole document, for a server.
///
/// # Errors
/// When there is no such page in this world, its viewer may not see it, or the world can't be read.
pub fn render(m: &Moment<'_>, page: &Page) -> Result<Markup, Unshown> {
    let (title, body) = pages::body(m, page)?;
    let name = &m.world.rules().name;
    let at = match m.links {
        Links::Served(at) => *at,
        Links::Sheet { .. } => None,
    };
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            (head(&title, name, m.scripts))
            body {
                header class="top" { div {
                    span class="name" { (line(name)) }
                    nav { (navigation(m, page)) }
                    span class="when" { "record " (count(m.seq())) " · " (instant(m.world.now())) }
                } }
                main id="page" data-seq=(m.seq()) {
                    @if let Some(at) = at {
                        p class="past" {
                            "This is the past: the world after record " (count(m.seq())) ", asked for as " code {
                                (at) } ". "
                            a href=(page.href(None)) { "Go to the present" }
                        }
                    }
                    h1 { (line(&title)) }
                    (body)
                }
            }
        }
    })
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

fn head(title: &str, name: &str, scripts: &[&str]) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            title { (line_text(title)) " – " (line_text(name)) }
            link rel="stylesheet" href=(STYLE);
            @for script in scripts { script type="module" src=(script) {} }
        }
    }
}

/// A title as bare text.
fn line_text(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    crate::text::first_letters(text, 120).chars().map(plain).collect()
}

/// A page that says why another can't be shown, for a server; it needs no world.
#[must_use]
pub fn problem(title: &str, sentence: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, "Oikos", &[]))
            body {
                main id="page" {
                    h1 { (line(title)) }
                    p { (line(sentence)) }
                    p { a href="/" { "To the world" } }
                }
            }
        }
    }
}
