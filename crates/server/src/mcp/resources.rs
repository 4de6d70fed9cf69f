//! Artifacts and pages of the handbook by their addresses. Reading one is the op `read`.

use oikos_runner::{kernel::id::Id, request::Shown};
use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::Value;

use super::call::sentence;

const OF_ARTIFACTS: &str = "oikos://artifact/";
const OF_PAGES: &str = "oikos://handbook/";
/// The beginning of the ids of the handbook's pages.
pub(super) const PAGE: &str = "handbook_";

/// The addresses of pages, by their names.
pub(super) fn of_pages(pages: &[String]) -> Vec<Resource> {
    let page = |name: &String| {
        Resource::new(format!("{OF_PAGES}{name}"), format!("handbook: {name}"))
            .with_mime_type("text/markdown")
    };
    pages.iter().map(page).collect()
}

/// The forms of all addresses.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(format!("{OF_ARTIFACTS}{{id}}"), "artifact").with_description(
            "The content of an artifact. Reading it is the op `read`: its contract is asked, and it may cost.",
        ),
        ResourceTemplate::new(format!("{OF_PAGES}{{page}}"), "handbook")
            .with_description("A page of the handbook, such as `start`.")
            .with_mime_type("text/markdown"),
    ]
}

/// The artifact of an address.
///
/// # Errors
/// When it is none.
pub(super) fn artifact_of(uri: &str) -> Result<String, ErrorData> {
    let named = uri.strip_prefix(OF_ARTIFACTS).map(str::to_owned);
    let named = named.or_else(|| uri.strip_prefix(OF_PAGES).map(|page| format!("{PAGE}{page}")));
    named.filter(|id| Id::parse(id).is_ok()).ok_or_else(|| {
        let shown: String = uri.chars().take(128).collect();
        let sentence =
            format!("there is no resource {shown:?}; there are {OF_ARTIFACTS}ID and {OF_PAGES}PAGE");
        ErrorData::resource_not_found(sentence, None)
    })
}

/// The content that a `read` has shown.
///
/// # Errors
/// The refusal of the world: reading a resource has no result that says no.
pub(super) fn shown(uri: &str, read: &Shown) -> Result<ReadResourceResult, ErrorData> {
    let receipt: Value = serde_json::from_str(&read.text).unwrap_or_default();
    let Some(result) = receipt.get("result").filter(|result| !result.is_null()) else {
        let error = receipt.get("error").cloned().unwrap_or_default();
        let is_missing = error.get("code").is_some_and(|code| code == "not_found");
        let sentence = sentence(&error);
        return Err(if is_missing {
            ErrorData::resource_not_found(sentence, Some(receipt))
        } else {
            ErrorData::invalid_params(sentence, Some(receipt))
        });
    };
    let content = result.get("content").unwrap_or(&Value::Null);
    let (text, kind) = match content {
        Value::String(text) if uri.starts_with(OF_PAGES) => (text.clone(), "text/markdown"),
        Value::String(text) => (text.clone(), "text/plain"),
        other => (other.to_string(), "application/json"),
    };
    let contents = ResourceContents::text(text, uri).with_mime_type(kind);
    Ok(ReadResourceResult::new(vec![contents]))
}
