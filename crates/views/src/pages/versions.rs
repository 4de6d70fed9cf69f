//! The versions of an artifact: its changes, each with the differences of its code and content.

use maud::{Markup, html};
use oikos_runner::kernel::{
    id::Handle,
    record::{Change, Creation, Effect, Record, Shared},
};

use crate::{
    differences::{differences, lines_of},
    error::Unshown,
    moment::Moment,
    page::Part,
    parts::empty,
    text::{block, count, instant},
    timeline,
};

/// Changes whose differences are shown; of those before a line each.
const SHOWN: usize = 10;

/// The texts of one version; what is not known is none.
#[derive(Clone, Default)]
struct Texts {
    code: Option<String>,
    content: Option<String>,
}

/// A version: the record and the effect that made it, and the texts before and after, where they changed.
struct Version<'r> {
    record: &'r Record,
    effect: &'r Effect,
    changed: Vec<(Part, Option<String>, String)>,
}

/// Its changes, the latest first.
pub(super) fn versions(m: &Moment<'_>, who: Handle) -> Result<Markup, Unshown> {
    let facts = &m.past.facts;
    let (made, seqs) = (facts.made(who), facts.changes_of(who));
    let seqs: Vec<u64> = made.into_iter().chain(seqs).collect();
    let mut records = timeline::these(m, &seqs)?;
    records.sort_by_key(|record| record.seq);
    records.dedup_by_key(|record| record.seq);
    let is_own = m.is_own(who);
    let mut texts = match made.filter(|_| is_own) {
        Some(_) => at_first(m, who, &records)?,
        None => Texts::default(),
    };
    let mut expected = 1;
    let mut all: Vec<Version<'_>> = Vec::new();
    for record in &records {
        for effect in &record.effects {
            let changed = match effect {
                Effect::Change { artifact, version, change } if *artifact == who => {
                    if *version != expected {
                        // Earlier changes are not among those that are remembered.
                        texts = Texts::default();
                    }
                    expected = version + 1;
                    if is_own { texts.change(change) } else { Vec::new() }
                }
                Effect::Own { artifact, .. } if *artifact == who => Vec::new(),
                _ => continue,
            };
            all.push(Version { record, effect, changed });
        }
    }
    let version = m.world.get(who).map_or(1, |artifact| artifact.version());
    let told = all.iter().filter(|one| matches!(one.effect, Effect::Change { .. })).count() as u64;
    let before = u64::from(version).saturating_sub(1).saturating_sub(told);
    Ok(html! {
        h2 { "Versions" }
        @if all.is_empty() {
            (empty("It is as it was made. Changes of its code, content, price or owner stand here, with what differs."))
        }
        @for (at, one) in all.iter().rev().enumerate() {
            div class="version" {
                p {
                    (m.record(one.record.seq)) " · " (instant(one.record.time)) " · "
                    @if let Some(text) = timeline::effect(m, one.effect) { (text) }
                }
                @if at < SHOWN {
                    @for (part, before, after) in &one.changed {
                        h3 { (part.as_str()) }
                        @match before {
                            Some(before) => { (differences(before, after)) }
                            None => { (block(after, || m.whole_at(who, *part, one.record.seq))) }
                        }
                        @if before.is_some() {
                            p class="cut" { (m.whole_at(who, *part, one.record.seq)) " as it was then." }
                        }
                    }
                }
            }
        }
        @if before > 0 { p class="cut" { "and " (count(before)) " earlier" } }
    })
}

impl Texts {
    /// Takes in a change; the texts that it changed, as they were and as they are.
    fn change(&mut self, change: &Change) -> Vec<(Part, Option<String>, String)> {
        let mut changed = Vec::new();
        if let Some(code) = &change.code {
            let code = code.clone().unwrap_or_default();
            changed.push((Part::Code, self.code.replace(code.clone()), code));
        }
        if let Some(content) = &change.content {
            let content = lines_of(content.value());
            changed.push((Part::Content, self.content.replace(content.clone()), content));
        }
        changed
    }
}

/// The texts with which an artifact was made.
fn at_first(m: &Moment<'_>, who: Handle, records: &[Record]) -> Result<Texts, Unshown> {
    let Some(new) = creation(m, who, records) else { return Ok(Texts::default()) };
    // Artifacts that are alike in a founding share their texts with one of them, which has its own.
    let of = |shared: Handle| -> Result<Vec<Record>, Unshown> {
        timeline::these(m, &m.past.facts.made(shared).into_iter().collect::<Vec<_>>())
    };
    let content = match &new.content {
        Shared::Own(content) => Some(lines_of(content.value())),
        Shared::As(other) => creation(m, *other, &of(*other)?).and_then(|other| match &other.content {
            Shared::Own(content) => Some(lines_of(content.value())),
            Shared::As(_) => None,
        }),
    };
    let code = match &new.code {
        None => Some(String::new()),
        Some(Shared::Own(code)) => Some(code.to_string()),
        Some(Shared::As(other)) => creation(m, *other, &of(*other)?).and_then(|other| match &other.code {
            Some(Shared::Own(code)) => Some(code.to_string()),
            Some(Shared::As(_)) | None => None,
        }),
    };
    Ok(Texts { code, content })
}

fn creation<'r>(m: &Moment<'_>, who: Handle, records: &'r [Record]) -> Option<&'r Creation> {
    let id = m.world.name(who);
    records.iter().flat_map(|record| &record.effects).find_map(|effect| match effect {
        Effect::Create(new) if new.id == id => Some(&**new),
        _ => None,
    })
}
