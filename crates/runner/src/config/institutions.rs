//! `[mint]` and `[market]`: what the world file says of the library's institutions. It becomes their content, which
//! their code reads like anybody.

use std::collections::BTreeMap;

use oikos_kernel::{
    founding::Founder,
    limits::LIBRARY_ALLOTMENT,
    rules::{ResourceKind, Rules},
    time::{DURATION_UNITS, parse_duration_ms},
};
use serde_json::{Map, Value, json};

use super::{
    no_resource,
    reader::{Read, Reader, amount},
    tree::{Node, Tree},
};

const MINT: &str = "genesis_mint";
const SCORER: &str = "genesis_scorer";
const MARKET: &str = "genesis_market";

/// How many bids may win: all of them are scored in one record.
const SLOTS_MAX: i64 = 100;

/// The artifacts that may mint: the library's own where nothing is said.
pub(super) fn authorities(section: &Reader<'_>, library: &[Founder]) -> Read<Vec<String>> {
    match section.node("authorities") {
        Some(_) => section.ids("authorities"),
        None => Ok(library.iter().filter(|founder| founder.id == MINT).map(|_| MINT.to_owned()).collect()),
    }
}

/// Hands `[mint]` to those it is about; the scorer's id is to be looked at when all artifacts are known.
pub(super) fn mint(section: &Reader<'_>, tick_ms: i64, library: &mut [Founder]) -> Read<String> {
    let every_ms = every_ms(section, tick_ms)?.unwrap_or(3_600_000);
    let slots = section.integer("slots", 1)?.unwrap_or(1);
    if let (true, Some(node)) = (slots > SLOTS_MAX, section.node("slots")) {
        return section.wrong(node, "slots", &format!("an integer from 1 to {SLOTS_MAX}"));
    }
    let reserve = section.integer("reserve", 1)?.unwrap_or(1);
    let ratio = section.integer("ratio", 1)?.unwrap_or(10);
    let min_price = section.integer("min_price", 1)?.unwrap_or(1);
    let scorer = section.id("scorer")?.unwrap_or_else(|| SCORER.to_owned());
    let words = [("equal", "equal"), ("active", "active"), ("burn", "burn")];
    let sharing = section.word("sharing", &words)?.unwrap_or("equal");
    let content = json!({
        "every_ms": every_ms, "slots": slots, "reserve": reserve, "ratio": ratio, "scorer": scorer,
        "sharing": sharing,
    });
    tell(library, MINT, content);
    tell(library, SCORER, json!({ "min_price": min_price }));
    Ok(scorer)
}

/// A duration, or a number of ticks such as `20t`.
fn every_ms(section: &Reader<'_>, tick_ms: i64) -> Read<Option<i64>> {
    let Some(node) = section.node("every") else { return Ok(None) };
    let ms = match &node.value {
        Tree::Str(text) => match text.trim().strip_suffix('t').map(str::parse::<i64>) {
            Some(Ok(ticks)) => ticks.checked_mul(tick_ms),
            Some(Err(_)) | None => parse_duration_ms(text),
        },
        Tree::Int(number) => {
            let error = section.document.error(&node.span, format!("`every` must say of what, not {number}"));
            return Err(error.help(format!("write \"{number}t\" for ticks, or a duration such as \"1h\"")));
        }
        _ => None,
    };
    match ms.filter(|ms| *ms >= 1) {
        Some(ms) => Ok(Some(ms)),
        None => {
            let wrong = section.wrong(node, "every", "a duration such as \"1h\", or ticks such as \"20t\"");
            wrong.map_err(|error| error.help(format!("the units of durations are {DURATION_UNITS}")))
        }
    }
}

/// Refuses a scorer that is not there or has no code.
pub(super) fn check_scorer(section: &Reader<'_>, scorer: &str, founders: &[Founder]) -> Read<()> {
    let Some(node) = section.node("scorer") else { return Ok(()) };
    let problem = match founders.iter().find(|founder| founder.id == scorer) {
        None => format!("there is no artifact `{scorer}`"),
        Some(founder) if founder.code.is_none() => format!("`{scorer}` has no code that could score"),
        Some(_) => return Ok(()),
    };
    Err(section.document.error(&node.span, problem))
}

/// Hands `[market]` to the market.
pub(super) fn market(section: &Reader<'_>, rules: &Rules, library: &mut [Founder]) -> Read<()> {
    let mut lots = Map::from_iter([("cpu".to_owned(), json!(1_000)), ("disk".to_owned(), json!(1_000))]);
    for (name, node) in section.amounts("lots")? {
        if rules.resource(name).is_none() {
            return Err(no_resource(section.document, &node.span, name, rules));
        }
        let value = lot(section, name, node)?;
        lots.insert(name.to_owned(), value.into());
    }
    tell(library, MARKET, json!({ "lots": lots }));
    Ok(())
}

fn lot(section: &Reader<'_>, name: &str, node: &Node) -> Read<i64> {
    match amount(section.document, name, node)? {
        0 => section.wrong(node, name, "an amount of at least 1"),
        value => Ok(value),
    }
}

fn tell(library: &mut [Founder], id: &str, content: Value) {
    if let Some(founder) = library.iter_mut().find(|founder| founder.id == id) {
        founder.content = content.into();
    }
}

/// All that an artifact needs that acts by itself, where the world file allots it nothing: what its code uses, and
/// what its ops cost.
pub(super) fn ample(rules: &Rules) -> BTreeMap<String, i64> {
    let costs = |id| rules.costs.iter().any(|(_, resource, _)| *resource == id);
    let needed = rules.by_id().filter(|(id, rule)| match rule.kind {
        ResourceKind::Renewable { .. } => true,
        ResourceKind::Depletable => costs(*id),
        ResourceKind::Allocatable => rule.name == "memory",
        ResourceKind::Metered => false,
    });
    needed.map(|(_, rule)| (rule.name.clone(), LIBRARY_ALLOTMENT)).collect()
}
