//! `docs/laws.md`: each law with the lines below it.

use serde_json::json;

use super::check;

const PAGE: &str = include_str!("../../../../docs/laws.md");

/// The text between a fence and the next.
fn fenced<'a>(section: &'a str, kind: &str) -> &'a str {
    let begun = section.split_once(&format!("```{kind}\n")).expect("a fence").1;
    begun.split_once("```").expect("the end of a fence").0
}

#[test]
fn each_law_of_the_page_does_what_its_lines_say() {
    let mut laws = 0;
    for section in PAGE.split("\n## ").skip(1) {
        let (code, script) = (fenced(section, "python"), fenced(section, "text"));
        let (first, rest) = script.split_once('\n').expect("lines");
        let (who, name) = first.split_once(" writes ").expect("who writes what");
        let write = json!({ "op": "write", "artifact": name, "code": code, "has_standing": true });
        check(&format!("scrip ann 100, bob 100, carl 100\n---\n{who} {write} -> ok\n{rest}"));
        laws += 1;
    }
    assert_eq!(laws, 5);
}
