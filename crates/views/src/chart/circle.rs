//! Those who deal with each other, on a circle: the wider a line, the more flows along it.

use std::f64::consts::TAU;

use maud::{Markup, html};

use super::short;

/// Units of the drawing: it is shrunk to the width of a page.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 340.0;
const RADIUS: f64 = 134.0;
/// The widest line.
const WIDEST: f64 = 11.0;
/// Letters of a name beside the circle.
const LETTERS: usize = 16;
/// Terms of a series, which leave less than a billionth within a turn.
const SERIES: i32 = 36;
/// Pixels between a dot and its name.
const GAP: f64 = 9.0;

/// One on the circle.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Where it leads.
    pub href: Option<String>,
    /// The size of all that flows from it and to it.
    pub size: f64,
}

/// A flow from one to another, by their places.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// From.
    pub from: usize,
    /// To.
    pub to: usize,
    /// How much.
    pub size: f64,
    /// In words.
    pub told: String,
}

#[derive(Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
}

impl Point {
    fn toward(self, other: Self, share: f64) -> Self {
        Self { x: self.x + (other.x - self.x) * share, y: self.y + (other.y - self.y) * share }
    }

    fn to(self, other: Self) -> (f64, f64, f64) {
        let (x, y) = (other.x - self.x, other.y - self.y);
        let length = (x * x + y * y).sqrt().max(0.1);
        (x / length, y / length, length)
    }
}

/// Draws flows among nodes on a circle, those that are largest on top.
#[must_use]
pub fn circle(nodes: &[Node], flows: &[Flow]) -> Markup {
    let most = flows.iter().map(|flow| flow.size).fold(0.0, f64::max).max(1e-9);
    let largest = nodes.iter().map(|node| node.size).fold(0.0, f64::max).max(1e-9);
    let mut order: Vec<&Flow> =
        flows.iter().filter(|flow| flow.from < nodes.len() && flow.to < nodes.len()).collect();
    order.sort_by(|one, other| one.size.total_cmp(&other.size));
    html! {
        svg class="graph circle" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img"
            aria-label="those who pay and are paid, on a circle" {
            @for flow in order { (arrow(flow, nodes.len(), most)) }
            @for (at, node) in nodes.iter().enumerate() { (dot(node, at, nodes.len(), largest)) }
        }
    }
}

/// The place of one of so many, and the direction from the middle to it.
#[expect(clippy::cast_precision_loss, reason = "a few places on a circle")]
fn place(at: usize, many: usize) -> (Point, f64, f64) {
    let (x, y) = direction(TAU * (at as f64 / many.max(1) as f64 - 0.25));
    (Point { x: WIDTH / 2.0 + RADIUS * x, y: HEIGHT / 2.0 + RADIUS * y }, x, y)
}

/// The cosine and the sine of an angle, by their series: the same on every machine.
fn direction(angle: f64) -> (f64, f64) {
    let (mut term, mut sum) = ((1.0, 0.0), (1.0, 0.0));
    for power in 1..=SERIES {
        let share = angle / f64::from(power);
        term = (-term.1 * share, term.0 * share);
        sum = (sum.0 + term.0, sum.1 + term.1);
    }
    sum
}

fn arrow(flow: &Flow, many: usize, most: f64) -> Markup {
    let (from, to) = (place(flow.from, many).0, place(flow.to, many).0);
    let middle = Point { x: WIDTH / 2.0, y: HEIGHT / 2.0 };
    let (x, y, length) = from.to(to);
    // Toward the middle, and to its right, so that what flows back has a line of its own.
    let bend = from.toward(to, 0.5).toward(middle, 0.55);
    let aside = (length / 12.0).min(14.0);
    let bend = Point { x: bend.x - y * aside, y: bend.y + x * aside };
    let width = (flow.size / most * WIDEST).max(0.8);
    let head = 5.0 + width * 0.9;
    let (dx, dy, _) = bend.to(to);
    // It ends before the dot.
    let tip = Point { x: to.x - dx * 6.0, y: to.y - dy * 6.0 };
    let end = Point { x: tip.x - dx * head, y: tip.y - dy * head };
    let half = 2.2 + width * 0.75;
    let corner = |side: f64| (end.x - dy * half * side, end.y + dx * half * side);
    let ((ax, ay), (bx, by)) = (corner(1.0), corner(-1.0));
    html! {
        g class="flow" {
            title { (flow.told) }
            path d=(format!("M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}", from.x, from.y, bend.x, bend.y, end.x, end.y))
                stroke-width=(format!("{width:.1}")) {}
            polygon points=(format!("{:.1},{:.1} {ax:.1},{ay:.1} {bx:.1},{by:.1}", tip.x, tip.y)) {}
        }
    }
}

fn dot(node: &Node, at: usize, many: usize, largest: f64) -> Markup {
    let (point, x, y) = place(at, many);
    let radius = 4.0 + 4.0 * (node.size / largest).sqrt();
    let anchor = match x {
        _ if x > 0.2 => "start",
        _ if x < -0.2 => "end",
        _ => "middle",
    };
    let gap = GAP + radius;
    let (left, top) = (point.x + x * gap, point.y + y * (gap + 4.0) + 4.5);
    let drawing = html! {
        circle cx=(format!("{:.1}", point.x)) cy=(format!("{:.1}", point.y)) r=(format!("{radius:.1}")) {}
        text x=(format!("{left:.1}")) y=(format!("{top:.1}")) text-anchor=(anchor) { (short(&node.name, LETTERS)) }
        title { (node.name) }
    };
    html! {
        @match &node.href {
            Some(href) => { a href=(href) { (drawing) } }
            None => { g { (drawing) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_around_the_circle_from_the_top() {
        for (at, many, x, y) in [
            (0, 4, 0.0, -1.0),
            (1, 4, 1.0, 0.0),
            (2, 4, 0.0, 1.0),
            (3, 4, -1.0, 0.0),
            (1, 8, 0.5_f64.sqrt(), -0.5_f64.sqrt()),
        ] {
            let (_, right, down) = place(at, many);
            assert!((right - x).abs() < 1e-8 && (down - y).abs() < 1e-8, "{at} of {many}: {right} {down}");
        }
    }

    #[test]
    fn names_stand_as_text_and_lead_somewhere() {
        let node = |name: &str| Node { name: name.into(), href: Some("/a?b&c".into()), size: 1.0 };
        let flow = Flow { from: 0, to: 1, size: 2.0, told: "<b> to \"c\"".into() };
        // A flow to nobody is none.
        let astray = Flow { to: 7, ..flow.clone() };
        let drawn = circle(&[node("<script>"), node("c")], &[flow, astray]).into_string();
        assert!(drawn.contains("&lt;script&gt;") && !drawn.contains("<script"), "{drawn}");
        assert!(
            drawn.matches("href=\"/a?b&amp;c\"").count() == 2 && drawn.matches("<path").count() == 1,
            "{drawn}"
        );
        assert!(!circle(&[], &[]).into_string().contains("NaN"));
    }
}
