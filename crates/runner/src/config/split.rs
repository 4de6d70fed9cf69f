//! The shares of each resource among those who start with it.

use std::{collections::BTreeMap, ops::Range};

use super::{
    reader::{Read, Reader, amount},
    tree::Tree,
};

/// The shares of each resource.
#[derive(Debug, Default)]
pub(super) struct Shares {
    by_resource: BTreeMap<String, Share>,
}

#[derive(Debug)]
struct Share {
    rule: Rule,
    /// The rest of the total; a rate has none.
    left: Option<i64>,
    span: Range<usize>,
}

#[derive(Debug)]
enum Rule {
    /// Every agent that names nothing else has this rate.
    Each(i64),
    /// The rest is shared equally among the agents that name nothing else.
    Equal,
    /// Nobody has any but who names it.
    Nobody,
    /// Amounts by id.
    Table(BTreeMap<String, (i64, Range<usize>)>),
}

impl Shares {
    pub(super) fn add(&mut self, name: &str, renewable: bool, section: &Reader<'_>) -> Read<()> {
        let key = if renewable { "rate" } else { "total" };
        let Some(node) = section.node(key) else { return section.missing(key) };
        let all = amount(section.document, name, node)?;
        let rule = match section.node("split") {
            _ if renewable => Rule::Each(all),
            None => Rule::Equal,
            Some(split) => match &split.value {
                Tree::Str(text) if text == "equal" => Rule::Equal,
                Tree::Str(text) if text == "none" => Rule::Nobody,
                Tree::Table(table) => {
                    let mut shares = BTreeMap::new();
                    for (id, span, node) in &table.0 {
                        shares.insert(id.clone(), (amount(section.document, name, node)?, span.clone()));
                    }
                    Rule::Table(shares)
                }
                _ => return section.wrong(split, "split", "\"equal\", \"none\" or a table id = amount"),
            },
        };
        let share = Share { rule, left: (!renewable).then_some(all), span: node.span.clone() };
        self.by_resource.insert(name.to_owned(), share);
        Ok(())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.by_resource.keys().map(String::as_str)
    }

    /// Takes an amount that somebody named out of the total.
    ///
    /// # Errors
    /// The rest, when that is less.
    pub(super) fn take(&mut self, name: &str, wanted: i64) -> Result<(), i64> {
        match self.by_resource.get_mut(name).and_then(|share| share.left.as_mut()) {
            Some(left) if *left < wanted => Err(*left),
            Some(left) => {
                *left -= wanted;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Gives every agent its share of the resources that it does not name itself. `agents` are ids with the
    /// amounts that each names; the remainder of an equal share goes to the first, one unit each.
    pub(super) fn deal(
        &mut self,
        reader: &super::tree::Document<'_>,
        agents: &mut [(String, BTreeMap<String, i64>)],
        others: &mut [(String, BTreeMap<String, i64>)],
    ) -> Read<()> {
        for (name, share) in &mut self.by_resource {
            match &share.rule {
                Rule::Nobody => {}
                Rule::Each(rate) => {
                    for (_, resources) in agents.iter_mut() {
                        resources.entry(name.clone()).or_insert(*rate);
                    }
                }
                Rule::Equal => {
                    let left = share.left.unwrap_or(0);
                    let mut open: Vec<&mut BTreeMap<String, i64>> =
                        agents.iter_mut().map(|(_, own)| own).filter(|own| !own.contains_key(name)).collect();
                    let count = i64::try_from(open.len()).unwrap_or(i64::MAX).max(1);
                    let (each, more) = (left / count, left % count);
                    for (at, own) in (0_i64..).zip(&mut open) {
                        own.insert(name.clone(), each + i64::from(at < more));
                    }
                }
                Rule::Table(table) => {
                    let mut left = share.left.unwrap_or(0);
                    for (id, (amount, span)) in table {
                        let own = agents.iter_mut().chain(others.iter_mut()).find(|(other, _)| other == id);
                        let Some((_, own)) = own else {
                            return Err(reader.error(span, format!("there is no principal `{id}`")));
                        };
                        if own.contains_key(name) {
                            return Err(reader.error(span, format!("`{id}` names its own share of `{name}`")));
                        }
                        if *amount > left {
                            let message = format!("the shares of `{name}` add up to more than its total");
                            return Err(reader.error(span, message));
                        }
                        left -= amount;
                        own.insert(name.clone(), *amount);
                    }
                }
            }
        }
        Ok(())
    }

    /// Where a resource's total stands in the file.
    pub(super) fn span(&self, name: &str) -> Range<usize> {
        self.by_resource.get(name).map_or(0..0, |share| share.span.clone())
    }
}
