//! `[[artifacts]]` and `[[agents]]`: what the world file adds to the library.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use oikos_kernel::{
    contract::Native,
    founding::Founder,
    id::{Id, reserved_prefix},
    limits,
    mind::MindKind,
    op::{FieldType, Policy},
    record::Pays,
    refusal::Refusal,
    rules::{Authority, Rules},
};
use serde_json::{Value, json};

use super::{
    Files, file, minds,
    reader::{Read, Reader, amount},
    split::Shares,
    tree::{Document, Node, Table, Tree},
};

/// The parts of the file that are needed to read artifacts.
pub(super) struct Parts<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) root: &'a Table,
    pub(super) rules: &'a Rules,
    pub(super) scrip_start: i64,
}

/// A founder with the place of each reference it makes.
struct Placed {
    founder: Founder,
    span: Range<usize>,
    references: Vec<(String, Range<usize>)>,
}

/// Reads all artifacts and agents, and deals out the resources.
pub(super) fn read(
    parts: &Parts<'_>,
    files: Files<'_>,
    library: &[Founder],
    shares: &mut Shares,
) -> Read<Vec<Founder>> {
    let mut artifacts: Vec<Placed> = Vec::new();
    for node in list(parts, "artifacts")? {
        artifacts.push(one(parts, "artifacts", node, files, shares, 1)?);
    }
    // All of them are counted before the first is made.
    count_agents(parts)?;
    let mut agents: Vec<Placed> = Vec::new();
    for node in list(parts, "agents")? {
        let section = Reader::new(parts.document, "agents", node)?;
        let count = section.integer("count", 1)?;
        let placed = one(parts, "agents", node, files, shares, count.unwrap_or(1))?;
        let remembers = section.flag("memory")?.unwrap_or(false);
        let first = agents.len();
        expand(parts.document, placed, count, &mut agents)?;
        for agent in agents.iter_mut().skip(first).filter(|_| remembers) {
            artifacts.push(memory_of(parts, &section, agent)?);
        }
    }
    check_ids(parts.document, library, artifacts.iter().chain(&agents))?;
    check_references(parts.document, library, &artifacts, &agents)?;
    let own = |placed: &Placed| (placed.founder.id.clone(), placed.founder.resources.clone());
    let mut dealt: Vec<_> = agents.iter().map(own).collect();
    let mut others: Vec<_> = artifacts.iter().filter(|placed| placed.founder.has_standing).map(own).collect();
    shares.deal(parts.document, &mut dealt, &mut others)?;
    let mut resources: HashMap<String, BTreeMap<String, i64>> = dealt.into_iter().chain(others).collect();
    let founders = artifacts.into_iter().chain(agents).map(|placed| {
        let mut founder = placed.founder;
        if let Some(dealt) = resources.remove(&founder.id) {
            founder.resources = dealt;
        }
        founder
    });
    Ok(founders.collect())
}

/// The memory of an agent that is to have one: an artifact of its own, which only itself may use.
fn memory_of(parts: &Parts<'_>, section: &Reader<'_>, agent: &mut Placed) -> Read<Placed> {
    let span = section.node("memory").map_or_else(|| agent.span.clone(), |node| node.span.clone());
    if agent.founder.memory_artifact.is_some() {
        return Err(parts.document.error(&span, "give `memory` or `memory_artifact`, not both"));
    }
    let id = format!("{}_memory", agent.founder.id);
    if let Err(error) = Id::parse(&id) {
        return Err(parts.document.error(&agent.span, error.0));
    }
    agent.founder.memory_artifact = Some(id.clone());
    let mut memory = Founder::new(&id);
    memory.kind = "memory".into();
    memory.owner = Some(agent.founder.id.clone());
    memory.access_contract = Some(Native::Private.id().into());
    if parts.rules.authority == Authority::Policy {
        memory.policy =
            json!({ "allow_read": [], "allow_write": [], "allow_invoke": [], "read_price": 0 }).into();
    }
    Ok(Placed { founder: memory, span, references: Vec::new() })
}

/// Refuses more agents than a world file may have.
fn count_agents(parts: &Parts<'_>) -> Read<()> {
    let (mut all, most) = (0_i64, limits::AGENTS_MAX);
    for node in list(parts, "agents")? {
        let section = Reader::new(parts.document, "agents", node)?;
        all = all.saturating_add(section.integer("count", 1)?.unwrap_or(1));
        if all > most {
            let node = section.node("count").unwrap_or(node);
            let message = format!("these are {all} agents; a world file may have {most} agents together");
            return Err(parts.document.error(&node.span, message));
        }
    }
    Ok(())
}

fn list<'a>(parts: &Parts<'a>, name: &str) -> Read<&'a [Node]> {
    match parts.root.get(name) {
        None => Ok(&[]),
        Some(Node { value: Tree::List(items), .. }) => Ok(items),
        Some(node) => Err(parts.document.error(&node.span, format!("write `[[{name}]]`, with two brackets"))),
    }
}

/// The policy of an entry: what of it is kept, and the price of an invocation.
fn policy(parts: &Parts<'_>, section: &Reader<'_>, founder: &mut Founder) -> Read<()> {
    let (Some(node), Some(value)) = (section.node("policy"), section.json("policy")?) else { return Ok(()) };
    let wrong = |refusal: Refusal| {
        let error = parts.document.error(&node.span, refusal.message);
        match refusal.hint {
            Some(hint) => error.help(hint),
            None => error,
        }
    };
    let policy = Policy::take("policy", Some(value)).map_err(wrong)?;
    match policy.invoke_price {
        Some(price) if section.node("price").is_some() && price != founder.price => {
            let message = "`price` and `policy.invoke_price` are the same key";
            return Err(parts.document.error(&node.span, message));
        }
        Some(price) => founder.price = price,
        None => {}
    }
    match parts.rules.authority {
        Authority::Policy => founder.policy = policy.kept,
        Authority::Contracts => policy.check_default().map_err(wrong)?,
    }
    Ok(())
}

/// Reads one entry; `count` founders will be made of it.
fn one(
    parts: &Parts<'_>,
    section: &'static str,
    node: &Node,
    files: Files<'_>,
    shares: &mut Shares,
    count: i64,
) -> Read<Placed> {
    let is_agent = section == "agents";
    let section = Reader::new(parts.document, section, node)?;
    let Some(id) = section.id("id")? else { return section.missing("id") };
    let id_span = section.node("id").map_or_else(|| node.span.clone(), |node| node.span.clone());
    if let Some(prefix) = reserved_prefix(&id) {
        let message = format!("ids that begin with `{prefix}` are reserved");
        return Err(parts.document.error(&id_span, message));
    }
    let mut founder = Founder::new(&id);
    founder.kind = section.text("kind")?.unwrap_or(if is_agent { &id } else { "data" }).to_owned();
    founder.code = text_or_file(&section, "code", "code_file", files)?.map(Into::into);
    let content = match section.json("content")? {
        Some(content) => {
            if let Some(node) = section.node("content_file") {
                return Err(parts.document.error(&node.span, "give `content` or `content_file`, not both"));
            }
            content
        }
        None => read_file(&section, "content_file", files)?.map_or(Value::Null, Value::String),
    };
    founder.content = content.into();
    founder.interface = section.json("interface")?.unwrap_or_default().into();
    founder.metadata = section.json("metadata")?.unwrap_or_default().into();
    founder.price = section.integer("price", 0)?.unwrap_or(0);
    policy(parts, &section, &mut founder)?;
    founder.owner = section.id("owner")?.filter(|owner| *owner != id);
    founder.access_contract = section.id("access_contract")?;
    founder.memory_artifact = section.id("memory_artifact")?;
    founder.depends_on = section.ids("depends_on")?;
    if is_agent {
        founder.content = minds::content(parts, &section, founder.content, files)?;
        founder.has_loop = true;
        founder.has_standing = true;
        founder.scrip = section.integer("scrip", 0)?.unwrap_or(parts.scrip_start);
        if founder.code.is_none() && MindKind::of(founder.content.value()) == Ok(MindKind::Script) {
            let error = parts.document.error(&id_span, format!("agent `{id}` has no code"));
            return Err(error.help("give `code_file` with a function step(observation)"));
        }
    } else {
        founder.has_standing = section.flag("has_standing")?.unwrap_or(false);
        founder.pays = section.word("pays", &[("self", Pays::Itself), ("caller", Pays::Caller)])?;
        founder.scrip = section.integer("scrip", 0)?.unwrap_or(0);
        check_standing(&section, &founder, &id_span)?;
    }
    founder.resources = named_resources(parts, &section, shares, count)?;
    let references = references(&section, &founder);
    Ok(Placed { founder, span: id_span, references })
}

fn check_standing(section: &Reader<'_>, founder: &Founder, id_span: &Range<usize>) -> Read<()> {
    if founder.has_standing {
        return Ok(());
    }
    for key in ["scrip", "resources"] {
        if let Some(node) = section.node(key) {
            let message = format!("`{key}`: only an artifact with has_standing = true can hold anything");
            return Err(section.document.error(&node.span, message));
        }
    }
    if let (Some(node), Some(Pays::Itself)) = (section.node("pays"), founder.pays) {
        let message = "`pays`: only an artifact with has_standing = true can pay for itself";
        return Err(section.document.error(&node.span, message));
    }
    if founder.owner.is_none() {
        let error = section.document.error(id_span, format!("artifact `{}` has no owner", founder.id));
        return Err(error.help("name an `owner`, or give it has_standing = true so that it owns itself"));
    }
    Ok(())
}

fn named_resources(
    parts: &Parts<'_>,
    section: &Reader<'_>,
    shares: &mut Shares,
    count: i64,
) -> Read<BTreeMap<String, i64>> {
    let mut resources = BTreeMap::new();
    for (name, node) in section.amounts("resources")? {
        if parts.rules.resource(name).is_none() || !shares.names().any(|known| known == name) {
            let error = parts.document.error(&node.span, format!("this world does not limit `{name}`"));
            return Err(match oikos_kernel::id::nearest(name, shares.names()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(format!("declare it in [resources.{name}]")),
            });
        }
        let value = amount(parts.document, name, node)?;
        let all = value.checked_mul(count).unwrap_or(i64::MAX);
        if let Err(left) = shares.take(name, all) {
            let total = parts.document.error(&shares.span(name), "").place.map_or(0, |place| place.line);
            let message = format!("{all} of `{name}` are named here, but only {left} of its total are left");
            return Err(parts
                .document
                .error(&node.span, message)
                .help(format!("raise the total in line {total}")));
        }
        resources.insert(name.to_owned(), value);
    }
    Ok(resources)
}

pub(super) fn text_or_file(
    section: &Reader<'_>,
    key: &str,
    file_key: &str,
    files: Files<'_>,
) -> Read<Option<String>> {
    match (section.text(key)?, section.node(file_key)) {
        (Some(_), Some(node)) => {
            Err(section.document.error(&node.span, format!("give `{key}` or `{file_key}`, not both")))
        }
        (Some(text), None) => Ok(Some(text.to_owned())),
        (None, _) => read_file(section, file_key, files),
    }
}

pub(super) fn read_file(section: &Reader<'_>, key: &str, files: Files<'_>) -> Read<Option<String>> {
    let (Some(name), Some(node)) = (section.text(key)?, section.node(key)) else { return Ok(None) };
    file::check_name(name).and_then(|()| files(name)).map(Some).map_err(|problem| {
        let error = section.document.error(&node.span, format!("`{name}` can't be read: {problem}"));
        error.help("paths are relative to the world file, and lead no higher")
    })
}

fn references(section: &Reader<'_>, founder: &Founder) -> Vec<(String, Range<usize>)> {
    let span = |key: &str| section.node(key).map_or(0..0, |node| node.span.clone());
    let single = [
        ("owner", &founder.owner),
        ("access_contract", &founder.access_contract),
        ("memory_artifact", &founder.memory_artifact),
    ];
    let named = single.into_iter().filter_map(|(key, id)| Some((id.clone()?, span(key))));
    named.chain(founder.depends_on.iter().map(|id| (id.clone(), span("depends_on")))).collect()
}

/// Digits of the number of an agent, at least.
const DIGITS_MIN: usize = 3;

/// Makes `count` agents of one entry, numbered with as many digits as the count has, or more.
fn expand(document: &Document<'_>, placed: Placed, count: Option<i64>, agents: &mut Vec<Placed>) -> Read<()> {
    let Some(count) = count else {
        agents.push(placed);
        return Ok(());
    };
    let digits = count.to_string().len().max(DIGITS_MIN);
    for number in 1..=count {
        let id = format!("{}_{number:0digits$}", placed.founder.id);
        if let Err(error) = Id::parse(&id) {
            return Err(document.error(&placed.span, error.0));
        }
        let founder = Founder { id, ..placed.founder.clone() };
        agents.push(Placed { founder, span: placed.span.clone(), references: placed.references.clone() });
    }
    Ok(())
}

fn check_ids<'a>(
    document: &Document<'_>,
    library: &[Founder],
    placed: impl Iterator<Item = &'a Placed>,
) -> Read<()> {
    let mut seen: HashMap<&str, Option<&Range<usize>>> =
        library.iter().map(|founder| (founder.id.as_str(), None)).collect();
    for one in placed {
        let id = one.founder.id.as_str();
        if let Some(before) = seen.insert(id, Some(&one.span)) {
            let error = document.error(&one.span, format!("the id `{id}` stands twice"));
            let line = before.and_then(|span| document.error(span, "").place).map(|place| place.line);
            return Err(match line {
                Some(line) => error.help(format!("it is in line {line} too")),
                None => error,
            });
        }
    }
    Ok(())
}

fn check_references(
    document: &Document<'_>,
    library: &[Founder],
    artifacts: &[Placed],
    agents: &[Placed],
) -> Read<()> {
    let founders = || library.iter().chain(artifacts.iter().chain(agents).map(|placed| &placed.founder));
    let standing: HashMap<&str, bool> =
        founders().map(|founder| (founder.id.as_str(), founder.has_standing)).collect();
    let native = |id: &str| Native::ALL.iter().any(|native| native.id() == id);
    for placed in artifacts.iter().chain(agents) {
        for (id, span) in &placed.references {
            if !standing.contains_key(id.as_str()) && !native(id) {
                let error = document.error(span, format!("there is no artifact `{id}`"));
                return Err(match oikos_kernel::id::nearest(id, standing.keys().copied()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error,
                });
            }
        }
        let owner = placed.founder.owner.as_deref().map(|owner| (owner, standing.get(owner) == Some(&true)));
        if let (Some((owner, false)), Some((_, span))) = (owner, placed.references.first()) {
            return Err(document.error(span, format!("`{owner}` has no standing, so it can't own anything")));
        }
    }
    Ok(())
}
