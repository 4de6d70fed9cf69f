//! `[measures]`: numbers that are taken of a world, and how often.

use oikos_kernel::{
    event::EventKind,
    founding::Founder,
    id::nearest,
    limits,
    record::Why,
    resource::SCRIP,
    rules::{Execution, Rules},
};

use super::{
    Compare, Flow, Measure, MeasureKind, Measured, Statistic, Until, Whom,
    reader::{Read, Reader},
    tree::{Node, Table, Tree},
};

/// A built-in function, as its arguments make it.
#[derive(Clone, Copy)]
enum Made {
    /// Of what is measured alone.
    Plain(Statistic),
    /// Of a share too, in parts per million.
    Shared(fn(u32) -> Statistic),
}

/// The built-in functions, by name.
const FUNCTIONS: [(&str, Made); 10] = [
    ("gini", Made::Plain(Statistic::Gini)),
    ("share_zero", Made::Plain(Statistic::ShareZero)),
    ("mean", Made::Plain(Statistic::Mean)),
    ("sum", Made::Plain(Statistic::Sum)),
    ("min", Made::Plain(Statistic::Min)),
    ("max", Made::Plain(Statistic::Max)),
    ("median", Made::Plain(Statistic::Quantile { ppm: 500_000 })),
    ("quantile", Made::Shared(|ppm| Statistic::Quantile { ppm })),
    ("count", Made::Plain(Statistic::Count)),
    ("top_share", Made::Shared(|ppm| Statistic::TopShare { ppm })),
];
/// The key of the numbers of each agent, where it holds a table.
const AGENTS: &str = "agents";
/// The columns that a table of agents has by itself.
const TAKEN_COLUMNS: [&str; 3] = ["seq", "time", "agent"];
/// Bytes of a pattern of ids.
const PATTERN_BYTES_MAX: usize = 256;

/// The section, read.
pub(super) struct Taken {
    /// The measures.
    pub(super) measures: Vec<Measure>,
    /// The numbers of each agent, by name.
    pub(super) columns: Vec<(String, Measured)>,
    /// How often they are taken, in milliseconds.
    pub(super) every_ms: Option<i64>,
}

/// Reads the section.
pub(super) fn read(section: &Reader<'_>, rules: &Rules, founders: &[Founder]) -> Read<Taken> {
    let every_ms = section.duration_ms("every", 1)?;
    let (mut measures, mut columns) = (Vec::new(), Vec::new());
    if section.table.0.len() > limits::MEASURES_MAX {
        let most = limits::MEASURES_MAX;
        return Err(section.document.error(&section.span, format!("a world may have {most} measures")));
    }
    for (name, _, node) in section.table.0.iter().filter(|(name, _, _)| name != "every") {
        if let (AGENTS, Tree::Table(table)) = (name.as_str(), &node.value) {
            columns = agent_columns(section, table, rules)?;
            continue;
        }
        let (node, whom) = match &node.value {
            Tree::Table(table) => with_whom(section, name, node, table)?,
            _ => (node, Whom::All),
        };
        let Tree::Str(text) = &node.value else {
            return section.wrong(node, name, "text such as \"gini(scrip)\" or \"market.efficiency\"");
        };
        let what = match call(text) {
            Some(call) => statistic(section, node, call, rules, whom)?,
            None if whom != Whom::All => {
                let message = "`where` goes with a function over agents, such as \"gini(scrip)\"";
                return Err(section.document.error(&node.span, message));
            }
            None => method(section, node, text, founders)?,
        };
        measures.push(Measure { name: name.clone(), what });
    }
    Ok(Taken { measures, columns, every_ms })
}

/// Reads `[measures.agents]`: a number of each agent by name.
fn agent_columns(
    section: &Reader<'_>,
    table: &super::tree::Table,
    rules: &Rules,
) -> Read<Vec<(String, Measured)>> {
    if table.0.len() > limits::AGENT_COLUMNS_MAX {
        let message = format!("an agent may have {} numbers", limits::AGENT_COLUMNS_MAX);
        return Err(section.document.error(&section.span, message));
    }
    let column = |(name, span, node): &(String, std::ops::Range<usize>, Node)| {
        if TAKEN_COLUMNS.contains(&name.as_str()) {
            let message = format!("`{name}` is a column of every table of agents; take another name");
            return Err(section.document.error(span, message));
        }
        let Tree::Str(of) = &node.value else {
            return section.wrong(node, name, "text such as \"scrip\", \"cpu\" or \"content.skill\"");
        };
        Ok((name.clone(), measured(section, node, of.trim(), rules)?))
    };
    table.0.iter().map(column).collect()
}

/// The function and what it is of, as in `gini(scrip)`.
fn call(text: &str) -> Option<(&str, &str)> {
    let (function, of) = text.trim().strip_suffix(')')?.split_once('(')?;
    Some((function.trim(), of.trim()))
}

/// The parts of `{ of = "gini(scrip)", where = "trader_*" }`.
fn with_whom<'a>(
    section: &Reader<'_>,
    name: &str,
    node: &'a Node,
    table: &'a Table,
) -> Read<(&'a Node, Whom)> {
    if let Some((stray, span, _)) = table.0.iter().find(|(key, ..)| !["of", "where"].contains(&key.as_str()))
    {
        let error = section.document.error(span, format!("unknown key `{stray}`"));
        return Err(error.help("a measure has `of` and `where`"));
    }
    let Some(of) = table.get("of") else {
        return section.wrong(node, name, "text, or a table with `of` and `where`");
    };
    let Some(pattern) = table.get("where") else { return Ok((of, Whom::All)) };
    let text = |node: &Node| match &node.value {
        Tree::Str(text) if !text.is_empty() && text.len() <= PATTERN_BYTES_MAX => Some(text.clone()),
        _ => None,
    };
    let whom = match &pattern.value {
        Tree::Table(by) => match by.0.as_slice() {
            [(key, _, node)] if key == "kind" => text(node).map(Whom::Kind),
            [(key, _, node)] if key == "id" => text(node).map(Whom::Id),
            _ => None,
        },
        _ => text(pattern).map(|text| match kind_in(&text) {
            Some(kind) => Whom::Kind(kind.to_owned()),
            None => Whom::Id(text),
        }),
    };
    match whom {
        Some(whom) => Ok((of, whom)),
        None => {
            section.wrong(pattern, "where", "a pattern of ids such as \"trader_*\", or { kind = \"trader\" }")
        }
    }
}

/// The kind in a text such as `kind = "trader"`; no id looks so.
fn kind_in(text: &str) -> Option<&str> {
    let (key, kind) = text.split_once('=')?;
    let kind = kind.trim().trim_matches(['"', '\'']);
    Some(kind).filter(|kind| key.trim() == "kind" && !kind.is_empty())
}

/// The comparisons of a bound; those of two signs stand before those that begin alike.
const COMPARISONS: [(&str, Compare); 6] = [
    (">=", Compare::AtLeast),
    ("<=", Compare::AtMost),
    ("==", Compare::Equal),
    ("!=", Compare::Other),
    (">", Compare::Above),
    ("<", Compare::Below),
];

/// Reads the condition that ends a run.
pub(super) fn until(
    section: &Reader<'_>,
    (measures, every_ms): (&[Measure], Option<i64>),
    rules: &Rules,
    founders: &[Founder],
) -> Read<Option<Until>> {
    let (Some(text), Some(node)) = (section.text("until")?, section.node("until")) else { return Ok(None) };
    if matches!(rules.execution, Execution::Autonomous { .. }) && every_ms.is_none() {
        let message = "where each agent has its own turns, `until` is looked at each `[measures] every`, which is not named";
        let error = section.document.error(&node.span, message);
        return Err(error.help("write `every = \"1m\"` in [measures]"));
    }
    let parts = COMPARISONS.iter().find_map(|(sign, compare)| {
        let (what, bound) = text.split_once(sign)?;
        Some((what.trim(), *compare, bound.trim()))
    });
    let (what, bound) = match parts {
        None => (text.trim(), None),
        Some((what, compare, bound)) => match bound.parse::<f64>() {
            Ok(number) if number.is_finite() => (what, Some((compare, number))),
            Ok(_) | Err(_) => {
                let message = format!("{bound:?} is no number that a measure could be compared with");
                return Err(section.document.error(&node.span, message));
            }
        },
    };
    let what = match (measures.iter().find(|measure| measure.name == what), call(what)) {
        (Some(measure), _) => measure.what.clone(),
        (None, Some(call)) => statistic(section, node, call, rules, Whom::All)?,
        (None, None) if what.contains('.') => method(section, node, what, founders)?,
        (None, None) => {
            let error = section.document.error(&node.span, format!("there is no measure `{what}`"));
            return Err(match nearest(what, measures.iter().map(|measure| measure.name.as_str())) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(
                    "name one of [measures], such as \"gini > 0.5\", or a method, such as \"market.closed\"",
                ),
            });
        }
    };
    if let MeasureKind::Rate { .. } = &what {
        let error = section.document.error(&node.span, "a rate ends no run: it begins anew at each moment");
        return Err(error.help("bound a measure of the agents, or a method of an artifact that counts"));
    }
    if bound.is_none() && matches!(what, MeasureKind::Statistic { .. }) {
        let error = section.document.error(&node.span, "a measure ends a run by a bound");
        return Err(error.help(format!("write it as \"{} > 0.5\"", text.trim())));
    }
    Ok(Some(Until { text: text.to_owned(), what, bound }))
}

fn statistic(
    section: &Reader<'_>,
    node: &Node,
    (name, args): (&str, &str),
    rules: &Rules,
    whom: Whom,
) -> Read<MeasureKind> {
    if let Some(flow) = flow(section, node, (name, args))? {
        return Ok(MeasureKind::Rate { flow, whom });
    }
    let names = FUNCTIONS.map(|(name, _)| name);
    let Some((_, made)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
        let error = section.document.error(&node.span, format!("there is no measure `{name}`"));
        return Err(match nearest(name, names) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("the built-in ones are {}", names.join(", "))),
        });
    };
    let (of, share) = match args.split_once(',') {
        Some((of, share)) => (of.trim(), Some(share.trim())),
        None => (args, None),
    };
    let function = match (made, share) {
        (Made::Plain(function), None) => *function,
        (Made::Shared(function), Some(share)) => function(share_ppm(section, node, share)?),
        (Made::Plain(_), Some(_)) => {
            return Err(section.document.error(&node.span, format!("`{name}` takes one, such as (scrip)")));
        }
        (Made::Shared(_), None) => {
            let message = format!("`{name}` takes two, such as (scrip, 0.9)");
            return Err(section.document.error(&node.span, message));
        }
    };
    let of = match of {
        "" if function == Statistic::Count => Measured::Scrip,
        of => measured(section, node, of, rules)?,
    };
    Ok(MeasureKind::Statistic { function, of, whom })
}

/// The flow of `count(event.transfer)`, `count(payment)` or `sum(payment.price)`; none where neither events nor
/// payments are named.
fn flow(section: &Reader<'_>, node: &Node, (name, of): (&str, &str)) -> Read<Option<Flow>> {
    let wrong = |word: &str, words: &mut dyn Iterator<Item = &'static str>| {
        let words: Vec<&str> = words.collect();
        let error = section.document.error(&node.span, format!("there is no {of:?}"));
        Err(match nearest(word, words.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("there are {}", words.join(", "))),
        })
    };
    let (what, word) = of.split_once('.').map_or((of, None), |(what, word)| (what, Some(word)));
    Ok(Some(match (name, what) {
        ("count", "event") => match word.map(|word| (word, EventKind::from_word(word))) {
            None => Flow::Events(None),
            Some((_, Some(kind))) => Flow::Events(Some(kind)),
            Some((word, None)) => return wrong(word, &mut EventKind::words()),
        },
        ("count" | "sum", "payment") => {
            let why = match word.map(|word| (word, Why::from_word(word))) {
                None => None,
                Some((_, Some(why))) => Some(why),
                Some((word, None)) => return wrong(word, &mut Why::ALL.iter().map(|why| why.as_str())),
            };
            if name == "count" { Flow::Payments(why) } else { Flow::Paid(why) }
        }
        (_, "event" | "payment") => {
            let message = format!("`{name}` is no function over {what}s");
            let error = section.document.error(&node.span, message);
            return Err(error.help("write count(event.transfer), count(payment.price) or sum(payment.price)"));
        }
        _ => return Ok(None),
    }))
}

/// The number of an agent that a text names.
fn measured(section: &Reader<'_>, node: &Node, of: &str, rules: &Rules) -> Read<Measured> {
    if of == SCRIP {
        return Ok(Measured::Scrip);
    }
    match (rules.resource(of), of.strip_prefix("content.")) {
        (Some(resource), _) => Ok(Measured::Resource(resource)),
        (None, Some(path)) if path.split('.').all(|key| !key.is_empty()) => {
            Ok(Measured::Content(path.split('.').map(str::to_owned).collect()))
        }
        (None, _) => {
            let message = format!("this world has no resource `{of}`");
            let error = section.document.error(&node.span, message);
            Err(error.help("measure scrip, a resource, or a number such as content.skill"))
        }
    }
}

/// A share from 0 to 1, in parts per million.
fn share_ppm(section: &Reader<'_>, node: &Node, text: &str) -> Read<u32> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let ppm = format!("{part:0<6}");
    let read = (digits(whole) && digits(part) && part.len() <= 6).then(|| {
        let whole = whole.parse::<u32>().ok()?.checked_mul(1_000_000)?;
        whole.checked_add(ppm.parse().ok()?).filter(|ppm| *ppm <= 1_000_000)
    });
    read.flatten().ok_or_else(|| {
        let message =
            format!("{text:?} is no share: a number from 0 to 1 with at most six digits after the point");
        section.document.error(&node.span, message)
    })
}

fn method(section: &Reader<'_>, node: &Node, text: &str, founders: &[Founder]) -> Read<MeasureKind> {
    let Some((artifact, method)) = text.rsplit_once('.') else {
        let error = section.document.error(&node.span, format!("{text:?} is no measure"));
        return Err(error.help("write \"gini(scrip)\" or \"artifact.method\""));
    };
    if !founders.iter().any(|founder| founder.id == artifact) {
        let error = section.document.error(&node.span, format!("there is no artifact `{artifact}`"));
        return Err(match nearest(artifact, founders.iter().map(|founder| founder.id.as_str())) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        });
    }
    Ok(MeasureKind::Method { artifact: artifact.into(), method: method.into() })
}
