//! The differences of two texts, line by line, bounded in work and in size.

use maud::{Markup, html};
use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use crate::text::{count, counted, first_letters, plain, value};

/// Lines that differ, of both texts, that are compared; the work grows with their square.
const COMPARED_MAX: usize = 1_000;
/// Lines that are shown.
const SHOWN_MAX: usize = 80;
/// Letters of a line that are shown.
const LETTERS_MAX: usize = 400;
/// Lines around a difference that stand beside it.
const AROUND: usize = 2;

/// The lines of a value: a text as it is, JSON laid out, with the lines of the texts in it apart.
pub(crate) fn lines_of(json: &Value) -> String {
    let text = value(json);
    if json.is_string() {
        return text;
    }
    let (mut lines, mut escaped) = (String::with_capacity(text.len()), false);
    for letter in text.chars() {
        lines.push(letter);
        if escaped && letter == 'n' {
            lines.push('\n');
        }
        escaped = letter == '\\' && !escaped;
    }
    lines
}

/// The differences of two texts.
pub(crate) fn differences(before: &str, after: &str) -> Markup {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let head = old.iter().zip(&new).take_while(same).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(same).count();
    let differ = (old.len() - head - tail, new.len() - head - tail);
    if differ == (0, 0) {
        return html! { p class="soft" { "Its lines are the same." } };
    }
    if differ.0 + differ.1 > COMPARED_MAX {
        return html! {
            p class="soft" {
                "From line " (count(head as u64 + 1)) " on " (counted(differ.0 as u64, "line")) " became "
                (count(differ.1 as u64)) ", too many to be compared."
            }
        };
    }
    let ops = capture_diff_slices(Algorithm::Myers, &old, &new);
    let (mut gone, mut come) = (0, 0);
    for op in &ops {
        if !matches!(op, DiffOp::Equal { .. }) {
            gone += op.old_range().len();
            come += op.new_range().len();
        }
    }
    let groups = group_diff_ops(ops, AROUND);
    let mut left = SHOWN_MAX;
    html! {
        p class="cut" { "+" (count(come as u64)) " −" (count(gone as u64)) " lines" }
        pre class="diff" dir="ltr" {
            @for group in &groups {
                @if let (Some(first), true) = (group.first(), left > 0) {
                    span class="at" { "line " (count(first.new_range().start as u64 + 1)) "\n" }
                }
                @for op in group {
                    @let is_same = matches!(op, DiffOp::Equal { .. });
                    @if !is_same { (lines("del", "− ", &old, op.old_range(), &mut left)) }
                    (lines(if is_same { "" } else { "ins" }, if is_same { "  " } else { "+ " }, &new, op.new_range(),
                        &mut left))
                }
            }
        }
        @if left == 0 { p class="cut" { "No more than " (SHOWN_MAX) " lines stand here." } }
    }
}

/// Some lines with a sign before each, as many as are left to show.
fn lines(class: &str, sign: &str, all: &[&str], range: std::ops::Range<usize>, left: &mut usize) -> Markup {
    let shown: Vec<&str> = all.get(range).unwrap_or_default().iter().copied().take(*left).collect();
    *left -= shown.len();
    html! {
        @for line in shown {
            @let cut = first_letters(line, LETTERS_MAX);
            span class=[(!class.is_empty()).then_some(class)] {
                (sign) (plain(cut)) @if cut.len() < line.len() { "…" } "\n"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The differences as text: the signs and the lines.
    fn shown(before: &str, after: &str) -> String {
        let html = differences(before, after).into_string();
        let text: String =
            html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
        text.replace("\n", "|")
    }

    #[test]
    fn lines_that_differ_stand_with_those_around_them() {
        for (before, after, told) in [
            ("a\nb\nc", "a\nB\nc", "+1 −1 linesline 1|  a|− b|+ B|  c|"),
            ("", "a", "+1 −0 linesline 1|+ a|"),
            ("a", "", "+0 −1 linesline 1|− a|"),
            ("a\nb", "a\nb", "Its lines are the same."),
            ("1\n2\n3\n4\n5", "1\n2\n3\n4\n5\n6", "+1 −0 linesline 4|  4|  5|+ 6|"),
            ("<b>", "</pre><script>", "+1 −1 linesline 1|− &lt;b&gt;|+ &lt;/pre&gt;&lt;script&gt;|"),
            ("x", "\u{202e}y", "+1 −1 linesline 1|− x|+ U+202Ey|"),
        ] {
            assert_eq!(shown(before, after), told);
        }
    }

    #[test]
    fn long_texts_are_bounded() {
        let many = |from: u32, to: u32| (from..to).map(|at| format!("{at}\n")).collect::<String>();
        assert_eq!(
            shown(&many(0, 300_000), &many(300_000, 900_000)),
            "From line 1 on 300,000 lines became 600,000, too many to be compared."
        );
        // A small change of a long text is found.
        let long = many(0, 300_000);
        let told = shown(&long, &long.replace("\n77777\n", "\nx\n"));
        assert!(told.contains("− 77777|+ x|"), "{told}");
        assert!(told.starts_with("+1 −1 linesline 77,776|"), "{told}");
        let told = shown("", &many(0, 500));
        assert!(told.contains("No more than 80 lines") && !told.contains("+ 80|"), "{told}");
        let wide = "x".repeat(1 << 20);
        assert!(differences("", &wide).into_string().len() < 2_000);
    }

    #[test]
    fn the_lines_of_a_text_in_json_stand_apart() {
        for (json, lines) in [
            (serde_json::json!("a\nb"), "a\nb"),
            (serde_json::json!({ "prompt": "a\nb", "n": 1 }), "{\"prompt\": \"a\\n\nb\", \"n\": 1}"),
            // A backslash before an n is no end of a line.
            (serde_json::json!(["a\\n"]), r#"["a\\n"]"#),
        ] {
            assert_eq!(lines_of(&json), lines);
        }
    }
}
