//! The artifacts that one depends on, and those that depend on it, as a graph.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use oikos_runner::kernel::id::Handle;

use crate::{
    chart::{Block, layers},
    moment::Moment,
    parts::empty,
    text::count,
};

/// Layers to each side, and artifacts of each layer.
const DEPTH: i32 = 3;
const LAYER: usize = 8;

/// Artifacts by their layer: those to the left are built on, those to the right build.
type Layers = BTreeMap<Handle, i32>;

pub(super) fn builds(m: &Moment<'_>, this: Handle) -> Markup {
    let mut shown: Layers = BTreeMap::from([(this, 0)]);
    let below = side(&mut shown, this, -1, |from| {
        let on = from.iter().filter_map(|one| m.world.get(*one)).flat_map(|one| one.depends_on());
        on.copied().collect()
    });
    let above = side(&mut shown, this, 1, |from| {
        let all = m.world.artifacts().filter(|(_, one)| !one.is_deleted());
        let builds = all.filter(|(_, one)| one.depends_on().iter().any(|on| from.contains(on)));
        builds.map(|(handle, _)| handle).collect()
    });
    if shown.len() == 1 {
        return empty(html! {
            "It stands alone. " code { "depends_on" } " of a " code { "write" } " names what an artifact builds on."
        });
    }
    let lines = lines(m, &shown);
    apart(&mut shown, &lines);
    let least = shown.values().min().copied().unwrap_or(0);
    let places: BTreeMap<Handle, usize> = shown.keys().zip(0..).map(|(one, at)| (*one, at)).collect();
    let blocks: Vec<Block> = shown
        .iter()
        .map(|(one, layer)| Block {
            name: m.world.name(*one).to_owned(),
            href: m.links.to(&m.page_of(*one)),
            layer: usize::try_from(layer - least).unwrap_or(0),
            is_here: *one == this,
        })
        .collect();
    let forward = lines.iter().filter(|(from, to)| shown.get(from) < shown.get(to));
    let drawn: Vec<(usize, usize)> =
        forward.filter_map(|(from, to)| Some((*places.get(from)?, *places.get(to)?))).collect();
    html! {
        figure {
            div class="wide" { (layers(&blocks, &drawn)) }
            figcaption {
                "A line leads from what is built on to what builds on it, " (DEPTH) " layers to each side."
                @if below > 0 { " " (count(below as u64)) " more that it builds on are left out." }
                @if above > 0 { " " (count(above as u64)) " more that build on it are left out." }
            }
        }
    }
}

/// Adds the layers to one side, and counts those for which there is no room.
fn side(
    shown: &mut Layers,
    this: Handle,
    step: i32,
    next: impl Fn(&BTreeSet<Handle>) -> BTreeSet<Handle>,
) -> usize {
    let (mut from, mut left) = (BTreeSet::from([this]), 0);
    for depth in 1..=DEPTH {
        let mut found = next(&from);
        found.retain(|one| !shown.contains_key(one));
        left += found.len().saturating_sub(LAYER);
        from = found.into_iter().take(LAYER).collect();
        shown.extend(from.iter().map(|one| (*one, depth * step)));
    }
    // Those behind the last layer, as far as they are known.
    left + next(&from).iter().filter(|one| !shown.contains_key(one)).count()
}

/// The dependencies among those that are shown: from what is built on to what builds.
fn lines(m: &Moment<'_>, shown: &Layers) -> Vec<(Handle, Handle)> {
    let of = |one: &Handle| m.world.get(*one).map(|artifact| artifact.depends_on()).unwrap_or_default();
    let all = shown.keys().flat_map(|one| of(one).iter().map(|on| (*on, *one)));
    all.filter(|(on, _)| shown.contains_key(on)).collect()
}

/// Moves those apart that stand in one layer though one builds on the other. Where they build on each other in a
/// ring, that ends after as many layers as there are.
fn apart(shown: &mut Layers, lines: &[(Handle, Handle)]) {
    for _ in 0..2 * DEPTH {
        for (from, to) in lines {
            let (Some(left), Some(right)) = (shown.get(from).copied(), shown.get(to).copied()) else {
                continue;
            };
            if left < right || from == to {
                continue;
            }
            // To the left of the middle the one that is built on goes on to the left, else the other to the right.
            let moved = if right <= 0 { (*from, right - 1) } else { (*to, left + 1) };
            if moved.1.abs() <= 2 * DEPTH {
                shown.insert(moved.0, moved.1);
            }
        }
    }
}
