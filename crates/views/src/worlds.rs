//! The list of the worlds of a house: a page that needs no world.

use maud::{DOCTYPE, Markup, html};

use crate::{
    frame::head,
    text::{BLOCK_BYTES, count, first_bytes, line, marked},
};

/// A world as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedWorld {
    /// Its name.
    pub name: String,
    /// The address of its first page, if it is served.
    pub href: Option<String>,
    /// The word for how it moves, where that is known.
    pub state: Option<String>,
    /// The words for where it is.
    pub place: &'static str,
    /// The last record.
    pub seq: u64,
    /// Why it can't be opened, if it can't.
    pub problem: Option<String>,
}

/// The page with the worlds of the house at an address.
#[must_use]
pub fn worlds(house: &str, listed: &[ListedWorld]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head("", "Worlds", "Oikos", &[]))
            body {
                main id="page" {
                    h1 { "Worlds" }
                    p class="soft" { (count(listed.len() as u64)) " in the database that " (line(house)) " serves" }
                    table {
                        thead { tr { th { "world" } th { "state" } th { "where" } th class="n" { "records" } } }
                        tbody {
                            @for world in listed {
                                tr {
                                    td { @match &world.href {
                                        Some(href) => { a href=(href) { (line(&world.name)) } }
                                        None => { (line(&world.name)) }
                                    } }
                                    td { (line(world.state.as_deref().unwrap_or("not known yet"))) }
                                    td {
                                        (world.place)
                                        @if let Some(problem) = &world.problem {
                                            " " span class="bad" { (marked(first_bytes(problem, BLOCK_BYTES))) }
                                        }
                                    }
                                    td class="n" { (count(world.seq)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
