//! `[[hooks]]`, and the phases of a tick.

use oikos_kernel::{
    founding::Founder,
    id::nearest,
    json, limits,
    op::bounded,
    rules::{Execution, Hook, HookAt, Rules},
};
use serde_json::Value;

use super::{
    reader::{Read, Reader},
    tree::{Document, Node, Table, Tree},
};

/// The moments with their words.
pub(crate) const WORDS: [(&str, HookAt); 3] =
    [("setup", HookAt::Setup), ("tick_start", HookAt::TickStart), ("tick_end", HookAt::TickEnd)];

/// Reads the hooks.
pub(super) fn read(
    document: &Document<'_>,
    root: &Table,
    rules: &Rules,
    founders: &[Founder],
) -> Read<Vec<Hook>> {
    let entries = match root.get("hooks") {
        None => return Ok(Vec::new()),
        Some(Node { value: Tree::List(entries), .. }) => entries,
        Some(node) => return Err(document.error(&node.span, "write `[[hooks]]`, with two brackets")),
    };
    if let Some(node) = entries.get(limits::HOOKS_MAX) {
        let most = limits::HOOKS_MAX;
        return Err(document.error(&node.span, format!("a world file may have {most} hooks")));
    }
    entries.iter().map(|node| one(&Reader::new(document, "hooks", node)?, rules, founders)).collect()
}

fn one(section: &Reader<'_>, rules: &Rules, founders: &[Founder]) -> Read<Hook> {
    let Some(at) = section.word("at", &WORDS)? else { return section.missing("at") };
    if let (Execution::Autonomous { .. }, HookAt::TickStart | HookAt::TickEnd, Some(node)) =
        (rules.execution, at, section.node("at"))
    {
        let message = "where each agent has its own turns, there are no ticks that begin and end";
        let error = section.document.error(&node.span, message);
        return Err(error.help("use `setup`, or `[execution] mode = \"tick\"`"));
    }
    let Some(artifact) = section.id("artifact")? else { return section.missing("artifact") };
    let found = founders.iter().find(|founder| founder.id == artifact);
    let span = section.node("artifact").map_or(section.span.clone(), |node| node.span.clone());
    match found {
        None => {
            let error = section.document.error(&span, format!("there is no artifact `{artifact}`"));
            return Err(match nearest(&artifact, founders.iter().map(|founder| founder.id.as_str())) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            });
        }
        Some(founder) if founder.code.is_none() => {
            let message = format!("`{artifact}` has no code, so it has no method that a hook could invoke");
            return Err(section.document.error(&span, message));
        }
        Some(founder) if founder.owns_itself && !founder.has_standing && !founder.has_loop => {
            let message =
                format!("`{artifact}` has no standing and no owner, so nobody can bear what a hook uses");
            return Err(section.document.error(&span, message));
        }
        Some(_) => {}
    }
    let method = section.text("method")?.unwrap_or("run").to_owned();
    let args = section.json("args")?.unwrap_or_else(|| Value::Array(Vec::new()));
    if let Some(node) = section.node("args") {
        if !args.is_array() {
            return section.wrong(node, "args", "an array such as [10, 10]");
        }
        bounded("args", &args, limits::STORAGE_VALUE_BYTES_MAX)
            .map_err(|refusal| section.document.error(&node.span, refusal.message))?;
    }
    Ok(Hook { at, artifact, method, args: json::Json::from(args) })
}

/// Reads the phases of a tick.
pub(super) fn phases(section: &Reader<'_>, is_autonomous: bool) -> Read<Vec<String>> {
    let key = "phases";
    let Some(node) = section.node(key) else { return Ok(Vec::new()) };
    let expected = "an array of the names of functions, such as [\"plan\", \"trade\"]";
    let Tree::List(items) = &node.value else { return section.wrong(node, key, expected) };
    let mut phases: Vec<String> = Vec::new();
    for item in items {
        let Tree::Str(name) = &item.value else { return section.wrong(item, key, expected) };
        let begins = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic());
        let is_name = begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return section.wrong(item, key, expected);
        }
        if phases.contains(name) {
            return Err(section.document.error(&item.span, format!("`{key}` names `{name}` twice")));
        }
        phases.push(name.clone());
    }
    if phases.len() > limits::PHASES_MAX {
        let most = limits::PHASES_MAX;
        return Err(section.document.error(&node.span, format!("a tick may have {most} phases")));
    }
    if is_autonomous && !phases.is_empty() {
        let message = "where each agent has its own turns, there is no phase that all have together";
        let error = section.document.error(&node.span, message);
        return Err(error.help("leave `phases` out, or use `mode = \"tick\"`"));
    }
    Ok(phases)
}
