//! A world as pages that people read: the same pages for a browser and for a report in one file.
//!
//! A page follows from a state of the world and from the records that led to it. It shows nothing that its viewer may
//! not see, runs no code, changes nothing, and holds no script: agents' texts stand in it as text.
//!
//! The modules stand in the order in which they are best read.

// Words and drawings.
pub mod text; // numbers, and texts by others
pub mod chart; // charts as SVG
pub mod style; // the one stylesheet
mod differences; // two texts, line by line
mod error; // why a page can't be shown

// The makings of pages.
mod page; // the pages, their addresses and parameters
mod buckets; // a world's time in parts
mod deals; // sales through escrow
mod decisions; // whom contracts let, and whom they refused
mod facts; // what records add up to
mod past; // all that is read of a journal before
mod questions; // what contracts are asked for a page
mod moment; // one state of a world, before one viewer

// The pages.
mod forms; // forms by which people act
mod parts; // parts that many pages have
mod timeline; // records as people read them
mod pages; // each page
mod frame; // the document around a page
mod sheet; // many pages in one file
mod worlds; // the list of many worlds

pub use maud::Markup;

pub use self::{
    error::Unshown,
    facts::{Facts, Trade},
    forms::act_of,
    frame::{answered, closed, problem, reading, render, told},
    moment::{Beside, Hands, Links, Moment, Named, Pulse, Wheel},
    page::{Asked, Page, ROUTES, Route, Wanted},
    past::Past,
    questions::{Question, Verdict, questions},
    sheet::{Sheet, sheet},
    worlds::{ListedWorld, worlds},
};
/// The viewer of a page.
pub use oikos_runner::kernel::world::wire::Viewer;
