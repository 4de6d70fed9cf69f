//! Things that build on each other, in layers from left to right.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::short;

/// Pixels of a box, and between boxes.
const BOX: (i32, i32) = (138, 26);
const GAPS: (i32, i32) = (46, 10);
/// Pixels around all.
const EDGE: i32 = 3;
/// Letters of a name in a box.
const LETTERS: usize = 17;

/// A box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its name.
    pub name: String,
    /// Where it leads.
    pub href: Option<String>,
    /// Its layer, counted from 0 at the left.
    pub layer: usize,
    /// Whether it is the one that all is about.
    pub is_here: bool,
}

/// Draws boxes in layers with lines from one to another, by their places. Within a layer those stand first that
/// are joined to the first of the layer before, and then by name.
#[must_use]
pub fn layers(blocks: &[Block], lines: &[(usize, usize)]) -> Markup {
    let places = places(blocks, lines);
    let wide = blocks.iter().map(|block| block.layer + 1).max().unwrap_or(1);
    let high = places.values().map(|place| place.1 + 1).max().unwrap_or(1);
    let [wide, high] = [wide, high].map(|many| i32::try_from(many).unwrap_or(1));
    let width = wide * BOX.0 + (wide - 1) * GAPS.0 + 2 * EDGE;
    let height = high * BOX.1 + (high - 1) * GAPS.1 + 2 * EDGE;
    let deepest = |layer: usize| places.values().filter(|place| place.0 == layer).count();
    // Layers with fewer boxes stand in the middle.
    let corner = |at: usize| {
        let (layer, row) = places.get(&at).copied().unwrap_or_default();
        let few = high - i32::try_from(deepest(layer)).unwrap_or(0);
        let [layer, row] = [layer, row].map(|many| i32::try_from(many).unwrap_or(0));
        let top = EDGE + row * (BOX.1 + GAPS.1) + few * (BOX.1 + GAPS.1) / 2;
        (EDGE + layer * (BOX.0 + GAPS.0), top)
    };
    html! {
        svg class="graph layers" viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) role="img"
            aria-label="artifacts that build on each other, in layers from left to right" {
            @for (from, to) in lines {
                @let ((x, y), (end, level)) = (corner(*from), corner(*to));
                @let (x, y, level) = (x + BOX.0, y + BOX.1 / 2, level + BOX.1 / 2);
                @let bend = (end - x) / 2;
                g class="flow" {
                    path d=(format!("M{x} {y}C{} {y} {} {level} {} {level}", x + bend, end - bend, end - 6))
                        stroke-width="1.4" {}
                    polygon points=(format!("{end},{level} {0},{1} {0},{2}", end - 7, level - 4, level + 4)) {}
                }
            }
            @for (at, block) in blocks.iter().enumerate() { (drawn(block, corner(at))) }
        }
    }
}

fn drawn(block: &Block, (x, y): (i32, i32)) -> Markup {
    let drawing = html! {
        rect class=(if block.is_here { "box here" } else { "box" }) x=(x) y=(y) width=(BOX.0) height=(BOX.1) rx="4" {}
        text x=(x + BOX.0 / 2) y=(y + BOX.1 / 2 + 5) text-anchor="middle" { (short(&block.name, LETTERS)) }
        title { (block.name) }
    };
    html! {
        @match &block.href {
            Some(href) => { a href=(href) { (drawing) } }
            None => { g { (drawing) } }
        }
    }
}

/// The layer and the row of each box.
fn places(blocks: &[Block], lines: &[(usize, usize)]) -> BTreeMap<usize, (usize, usize)> {
    let mut places: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    let last = blocks.iter().map(|block| block.layer).max().unwrap_or(0);
    for layer in 0..=last {
        let rows = |at: usize| {
            let joined = lines.iter().filter_map(|(from, to)| match (*from == at, *to == at) {
                (true, _) => places.get(to),
                (_, true) => places.get(from),
                _ => None,
            });
            joined.map(|place| place.1).min().unwrap_or(usize::MAX)
        };
        let mut here: Vec<(usize, &str, usize)> = blocks
            .iter()
            .enumerate()
            .filter(|(_, block)| block.layer == layer)
            .map(|(at, block)| (rows(at), block.name.as_str(), at))
            .collect();
        here.sort_unstable();
        places.extend(here.into_iter().enumerate().map(|(row, (_, _, at))| (at, (layer, row))));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_stand_beside_those_that_they_are_joined_to() {
        let block = |name: &str, layer| Block { name: name.into(), href: None, layer, is_here: false };
        for (blocks, lines, rows) in [
            (vec![block("b", 0), block("a", 0)], vec![], vec![(0, 1), (0, 0)]),
            // The line to the first row goes before the name.
            (
                vec![block("a", 0), block("b", 0), block("c", 1), block("d", 1)],
                vec![(0, 3), (1, 2)],
                vec![(0, 0), (0, 1), (1, 1), (1, 0)],
            ),
            (vec![], vec![], vec![]),
        ] {
            assert_eq!(places(&blocks, &lines).into_values().collect::<Vec<_>>(), rows);
        }
    }

    #[test]
    fn names_stand_as_text() {
        let name = "</text><script>".to_owned();
        let drawn = layers(&[Block { name, href: Some("/a?b&c".into()), layer: 0, is_here: true }], &[]);
        let drawn = drawn.into_string();
        assert!(drawn.contains("&lt;script&gt;") && !drawn.contains("<script"), "{drawn}");
        assert!(drawn.contains("href=\"/a?b&amp;c\""), "{drawn}");
    }
}
