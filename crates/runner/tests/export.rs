//! The page of exports is made from the types of their rows.

use oikos_runner::export::reference;

#[test]
fn the_page_has_every_table_and_column() {
    let (document, reference) = (include_str!("../../../docs/export.md"), reference());
    assert!(document.ends_with(&reference), "docs/export.md should end with:\n{reference}");
}
