//! The time that a server takes for each page: `cargo bench -p oikos-views -- WORLD.oikos`.

#![expect(clippy::expect_used, reason = "a bench fails by panicking")]

use std::{path::Path, time::Instant};

use oikos_runner::{Journal, state};
use oikos_views::{Asked, Hands, Links, Moment, Named, Page, Past, Viewer, render};

/// The number of times that each page is made; the median is told.
const ROUNDS: usize = 5;

fn main() {
    let Some(db) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) else {
        println!("name a world: cargo bench -p oikos-views -- WORLD.oikos");
        return;
    };
    let begun = Instant::now();
    let journal = Journal::open_read_only(Path::new(&db)).expect("a world");
    let world = state(&journal).expect("a state");
    println!("{:>10.1} ms  state, {} agents, {} records", ms(begun), world.population(), world.seq());
    let begun = Instant::now();
    let past = Past::read(&journal, &world, |_| ()).expect("a past");
    println!("{:>10.1} ms  past", ms(begun));
    let first = world.agents().next().map_or("", |agent| world.name(agent.handle));
    let (agent, artifact) = (format!("/agents/{first}"), format!("/artifacts/{first}"));
    for address in [
        "/",
        "/events",
        "/events?text=zzz",
        "/agents",
        &agent,
        "/artifacts",
        &artifact,
        "/market",
        "/ledger",
        "/cost",
    ] {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let Asked { page, .. } = Page::parse(path, query).expect("a page");
        let moment = Moment {
            world: &world,
            past: &past,
            whole: None,
            journal: &journal,
            viewer: Viewer::Observer,
            links: &Links::Served {
                root: String::new(),
                at: None,
                named: Named::file("w.oikos".into()),
                has_list: false,
            },
            beside: None,
            kin: &[],
            pulse: None,
            verdicts: &[],
            hands: Hands::None,
            scripts: &[],
        };
        let mut times: Vec<(f64, usize)> = (0..ROUNDS)
            .map(|_| {
                let begun = Instant::now();
                let bytes = render(&moment, &page).expect("a page").into_string().len();
                (ms(begun), bytes)
            })
            .collect();
        times.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (median, bytes) = times.get(ROUNDS / 2).copied().unwrap_or_default();
        println!("{median:>10.1} ms  {address}  {bytes} bytes");
    }
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}
