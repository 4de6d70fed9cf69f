//! Records as people read them: one line for each step, with all that it did.

use std::borrow::Cow;

use maud::{Markup, html};
use oikos_runner::kernel::{
    event::{Event, EventKind},
    id::Handle,
    op::Action,
    op_kind::OpKind,
    record::{Cause, Change, Effect, Outcome, Record},
    refusal::Refusal,
    resource::{ResourceId, SCRIP},
    time::Time,
    world::{World, wire::LineType},
};
use serde_json::Value;

use crate::{
    error::Unshown,
    moment::Moment,
    page::{Page, Wanted},
    text::{amount, count, counted, instant, line, marked, marked_line, number, refused_line, short_value},
};

/// Events of one record that stand on its line.
const DEEDS_MAX: usize = 8;
/// Records that are read at a time, backwards.
const CHUNK: u64 = 512;
/// Records that are looked through for one page.
const LOOKED_MAX: u64 = 10_000;

/// A record, as far as a viewer is shown it.
pub(crate) struct Shown<'r> {
    pub(crate) record: &'r Record,
    /// The one who acted, or whose turn it was.
    pub(crate) actor: Option<Handle>,
    /// The action, where the viewer may know it.
    pub(crate) action: Option<Cow<'r, Value>>,
    pub(crate) think: &'r str,
    /// The output of code: of the mind, and of the action.
    pub(crate) printed: [&'r str; 2],
    pub(crate) events: Vec<Cow<'r, Event>>,
    pub(crate) refusal: Option<&'r Refusal>,
    /// Whether it was the mind that failed.
    is_thought: bool,
}

impl<'r> Shown<'r> {
    /// A record as a viewer is shown it; none if there is nothing for it to see.
    pub(crate) fn of(m: &Moment<'_>, record: &'r Record) -> Option<Self> {
        let seen = |event: &'r Event| {
            let owner = event.artifact.and_then(|artifact| m.world.get(artifact)).map(|row| row.owner());
            m.world.seen(event, owner, m.viewer)
        };
        let events: Vec<Cow<'r, Event>> = record.events.iter().filter_map(seen).collect();
        let mut shown = Self {
            record,
            actor: None,
            action: None,
            think: "",
            printed: ["", ""],
            events,
            refusal: None,
            is_thought: false,
        };
        match &record.cause {
            Cause::Step { agent, thought, output, .. } => {
                shown.is_thought = thought.failed || thought.unanswered;
                shown.act(m, *agent, Some(Cow::Borrowed(thought.action.value())), output);
                if m.is_own(*agent) {
                    shown.think = &thought.think;
                    shown.printed = [&thought.output, output];
                }
            }
            Cause::Act { actor, action, output, .. } => {
                shown.act(m, *actor, Some(Cow::Borrowed(action.value())), output);
            }
            Cause::Due { artifact, output } => {
                let call = World::due_call(m.world.name(*artifact));
                shown.act(m, *artifact, Some(Cow::Owned(call)), output);
            }
            Cause::Hook { index, artifact, output, .. } => {
                let call = m.world.rules().hooks.get(*index as usize).map(World::hook_call);
                shown.act(m, *artifact, call.map(Cow::Owned), output);
            }
            Cause::Ask { agent, .. } | Cause::Short { agent, .. } => shown.actor = Some(*agent),
            Cause::Genesis { .. }
            | Cause::Founding
            | Cause::Tick { .. }
            | Cause::Clock { .. }
            | Cause::Runtime { .. }
            | Cause::Regrow
            | Cause::Rules { .. } => {}
        }
        let says = !shown.events.is_empty()
            || shown.refusal.is_some()
            || !shown.think.is_empty()
            || shown.printed.iter().any(|text| !text.is_empty())
            || matches!(
                record.cause,
                Cause::Genesis { .. } | Cause::Clock { .. } | Cause::Rules { .. } | Cause::Regrow
            );
        says.then_some(shown)
    }

    /// Takes in the actor, and as much of the action as the viewer may know.
    fn act(&mut self, m: &Moment<'_>, actor: Handle, action: Option<Cow<'r, Value>>, output: &'r str) {
        self.actor = Some(actor);
        if !m.is_own(actor) {
            return;
        }
        (self.action, self.printed) = (action, ["", output]);
        if let Outcome::Refused(refusal) = &self.record.outcome {
            self.refusal = Some(refusal);
        }
    }

    /// Whether it failed: it is loud.
    pub(crate) fn is_failed(&self) -> bool {
        self.refusal.is_some()
    }

    /// Whether it is wanted.
    pub(crate) fn fits(&self, m: &Moment<'_>, wanted: &Wanted) -> bool {
        let of_kind = wanted.kind.as_deref().is_none_or(|kind| self.is_of_kind(kind));
        let of_code = wanted.code.is_none_or(|code| self.refusal.is_some_and(|refusal| refusal.code == code));
        let about = wanted.of.as_deref().is_none_or(|of| self.is_about(m, of));
        of_kind && of_code && about && wanted.text.as_deref().is_none_or(|text| self.says(text))
    }

    fn is_of_kind(&self, kind: &str) -> bool {
        if let Some(kind) = EventKind::from_word(kind)
            && self.events.iter().any(|event| event.kind == kind)
        {
            return true;
        }
        match LineType::from_word(kind) {
            Some(LineType::Refused) => self.refusal.is_some() && !self.is_thought,
            Some(LineType::Thought) => self.refusal.is_some() && self.is_thought,
            Some(LineType::Think) => !self.think.is_empty(),
            Some(LineType::Print) => self.printed.iter().any(|text| !text.is_empty()),
            Some(LineType::Regrow) => matches!(self.record.cause, Cause::Regrow),
            // Ticks are what records stand under.
            Some(LineType::Tick) | None => false,
        }
    }

    fn is_about(&self, m: &Moment<'_>, id: &str) -> bool {
        let Some(of) = m.world.lookup(id) else { return false };
        let told =
            |event: &Cow<'_, Event>| event.actor == of || event.artifact == Some(of) || event.to == Some(of);
        (self.actor == Some(of) && (self.action.is_some() || self.refusal.is_some()))
            || self.events.iter().any(told)
            || self.ops().iter().any(|op| op.names(id))
    }

    fn says(&self, text: &str) -> bool {
        let has = |part: &str| part.contains(text);
        has(self.think)
            || self.printed.iter().any(|part| has(part))
            || self.refusal.is_some_and(|refusal| has(&refusal.message) || has(&refusal.code.to_string()))
            || self.events.iter().any(|event| event.detail.as_deref().is_some_and(has))
            || self.action.as_ref().is_some_and(|action| has(&action.to_string()))
    }

    /// The ops of its action, as they were written.
    pub(crate) fn ops(&self) -> Vec<Written<'_>> {
        match self.action.as_deref() {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) => list.iter().map(Written).collect(),
            Some(one) => vec![Written(one)],
        }
    }
}

/// An op as it was written.
#[derive(Clone, Copy)]
pub(crate) struct Written<'v>(&'v Value);

impl<'v> Written<'v> {
    fn text(self, field: &str) -> Option<&'v str> {
        self.0.get(field).and_then(Value::as_str)
    }

    fn names(self, id: &str) -> bool {
        ["artifact", "artifact_id", "to"].iter().any(|field| self.text(field) == Some(id))
    }

    /// The op in words: what, to what.
    fn words(self, m: &Moment<'_>) -> Markup {
        let op = self.text("op").or_else(|| self.text("action_type")).or_else(|| {
            let read = Action::parse(self.0.clone()).ok()?.ops.first().map(|planned| planned.op.kind());
            read.map(OpKind::as_str)
        });
        let target = ["artifact", "artifact_id", "to"].iter().find_map(|field| self.text(field));
        html! {
            @match op { Some(op) => { (line(op)) } None => { (line(&short_value(self.0))) } }
            @if let Some(target) = target {
                " "
                @match m.world.lookup(target) { Some(handle) => { (m.id(handle)) } None => { (line(target)) } }
            }
            @if let Some(method) = self.text("method") { "." (line(method)) }
        }
    }
}

/// The records before one, the latest first, as far as they are wanted: at most so many. The second is the record
/// before which there may be more.
pub(crate) fn before(
    m: &Moment<'_>,
    wanted: &Wanted,
    most: usize,
) -> Result<(Vec<Record>, Option<u64>), Unshown> {
    let mut end = wanted.before.unwrap_or(u64::MAX).min(m.seq().saturating_add(1));
    let begun = end;
    let mut found: Vec<Record> = Vec::new();
    while end > 1 && found.len() < most && begun - end < LOOKED_MAX {
        let first = end.saturating_sub(CHUNK).max(1);
        let mut chunk = Vec::new();
        m.journal.records_while(first, |record| {
            if record.seq >= end {
                return false;
            }
            chunk.push(record);
            true
        })?;
        for record in chunk.into_iter().rev() {
            end = record.seq;
            if Shown::of(m, &record).is_some_and(|shown| shown.fits(m, wanted)) {
                found.push(record);
                if found.len() == most {
                    break;
                }
            }
        }
        end = if found.len() == most { end } else { first };
    }
    Ok((found, (end > 1).then_some(end)))
}

/// Single records, the latest first.
pub(crate) fn these(m: &Moment<'_>, seqs: &[u64]) -> Result<Vec<Record>, Unshown> {
    let mut wanted: Vec<u64> = seqs.iter().copied().filter(|seq| *seq <= m.seq()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut found: Vec<Record> = Vec::new();
    let mut left = wanted.as_slice();
    while let Some(first) = left.first().copied() {
        // Those that are near are read in one go.
        m.journal.records_while(first, |record| {
            let Some(next) = left.first().copied() else { return false };
            if next > record.seq + CHUNK {
                return false;
            }
            if record.seq == next {
                found.push(record);
                left = left.get(1..).unwrap_or_default();
            }
            true
        })?;
        if left.first() == Some(&first) {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

/// Records as a list, under the times at which they happened.
pub(crate) fn list(m: &Moment<'_>, records: &[Record]) -> Markup {
    grouped(m, records, false)
}

/// Records as the list to which links to records lead.
pub(crate) fn places(m: &Moment<'_>, records: &[Record]) -> Markup {
    grouped(m, records, true)
}

fn grouped(m: &Moment<'_>, records: &[Record], are_places: bool) -> Markup {
    let shown: Vec<Shown<'_>> = records.iter().filter_map(|record| Shown::of(m, record)).collect();
    let groups = shown.chunk_by(|one, other| one.record.time == other.record.time);
    html! {
        @for group in groups {
            @if let Some(first) = group.first() { h3 class="time" { (when(m, first.record.time)) } }
            ol class="steps" { @for one in group { (item(m, one, are_places)) } }
        }
    }
}

/// An instant, and the tick to which it belongs.
pub(crate) fn when(m: &Moment<'_>, time: Time) -> Markup {
    let after = time.ms().saturating_sub(m.world.rules().start.ms());
    html! { (instant(time)) span class="soft" { " · " (crate::text::span(after)) " in" } }
}

/// One record on a line.
fn item(m: &Moment<'_>, shown: &Shown<'_>, is_place: bool) -> Markup {
    let seq = shown.record.seq;
    html! {
        li id=[is_place.then(|| format!("r{seq}"))] class=[shown.is_failed().then_some("failed")] {
            span class="seq" { @if is_place && m.is_sheet() { (seq) } @else { (m.record(seq)) } }
            (words(m, shown))
        }
    }
}

/// A record in words.
pub(crate) fn words(m: &Moment<'_>, shown: &Shown<'_>) -> Markup {
    let record = shown.record;
    match &record.cause {
        Cause::Genesis { artifacts, .. } => {
            let agents = m.world.agents().count() as u64;
            return html! {
                "The world is founded, with " (counted(u64::from(*artifacts), "artifact"))
                ". It has " (counted(agents, "agent")) " by now."
            };
        }
        Cause::Founding => return html! { "The founding goes on." },
        Cause::Clock { away_ms } => {
            return html! { "Nothing ran for " (crate::text::span(*away_ms)) "." };
        }
        Cause::Rules { .. } => return html! { "The world goes on by other rules: it was forked here." },
        Cause::Runtime { name } => return html! { "Code runs on " (line(name)) " from here on." },
        Cause::Regrow => return grown(m, record),
        Cause::Tick { .. }
        | Cause::Act { .. }
        | Cause::Step { .. }
        | Cause::Ask { .. }
        | Cause::Short { .. }
        | Cause::Due { .. }
        | Cause::Hook { .. } => {}
    }
    let more = shown.events.len().saturating_sub(DEEDS_MAX);
    html! {
        @if let Some(actor) = shown.actor { (m.id(actor)) " " }
        @if let Some(refusal) = shown.refusal { (refused(m, shown, refusal)) }
        @for event in shown.events.iter().take(DEEDS_MAX) { (deed(m, shown.actor, event)) }
        @if more > 0 { span class="deed other" { "and " (count(more as u64)) " more" } }
        @if shown.actor.is_some() && shown.events.is_empty() && shown.refusal.is_none() {
            span class="deed soft" { "does nothing that others see" }
        }
        @if let Some(refusal) = shown.refusal {
            span class="why" { span class="tag bad" { (refusal.code) } " " (refused_line(refusal.code, &refusal.message)) }
        }
        @if !shown.think.is_empty() { span class="think" { (line(shown.think)) } }
        @for text in shown.printed.iter().filter(|text| !text.is_empty()) {
            span class="printed" { "prints: " (line(text)) }
        }
    }
}

/// The op that was refused.
fn refused(m: &Moment<'_>, shown: &Shown<'_>, refusal: &Refusal) -> Markup {
    let ops = shown.ops();
    let at = refusal.index.and_then(|index| usize::try_from(index).ok()).unwrap_or(0);
    let more = ops.len().saturating_sub(1);
    html! {
        span class="deed" {
            @if shown.is_thought {
                "thought, and it failed"
            } @else if let Some(op) = ops.get(at).or(ops.first()) {
                (op.words(m)) @if more > 0 { " (and " (more) " more in one)" } " was refused"
            } @else {
                "was refused"
            }
        }
    }
}

/// The line that says what happened: of a traceback the last.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

fn grown(m: &Moment<'_>, record: &Record) -> Markup {
    let grown: Vec<Markup> = record
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Grow { to, resource, amount: more } if m.knows(*to) => {
                let name = m.world.rules().resource_name(*resource);
                Some(html! { span class="deed" { (m.id(*to)) " grew by " (amount(name, *more)) " of " (name) } })
            }
            _ => None,
        })
        .take(DEEDS_MAX)
        .collect();
    html! { @for one in &grown { (one) } }
}

/// An event in words; one who acts within the action of another is named.
fn deed(m: &Moment<'_>, actor: Option<Handle>, event: &Event) -> Markup {
    let is_other = actor != Some(event.actor) && event.actor != Handle::NOBODY;
    let loud = matches!(
        event.kind,
        EventKind::MissingContract
            | EventKind::ContractError
            | EventKind::MindError
            | EventKind::Exhausted
            | EventKind::Freeze
            | EventKind::Pause
            | EventKind::Health
    );
    let artifact = event.artifact.filter(|artifact| Some(*artifact) != actor || !loud);
    let resource = event.resource.map(|resource| m.world.rules().resource_name(resource));
    let is_call = event.kind == EventKind::Op(OpKind::Invoke);
    html! {
        span class=(if is_other { "deed other" } else { "deed" }) {
            @if is_other { (m.id(event.actor)) " " }
            @if loud { span class="tag bad" { (event.kind.as_str()) } } @else { (event.kind.as_str()) }
            @if let Some(artifact) = artifact { " " (m.id(artifact)) }
            @if let (true, Some(method)) = (is_call, event.detail.as_deref()) { "." (line(method)) }
            @match (event.amount, resource) {
                (Some(many), Some(name)) => { " " (amount(name, many)) " of " (name) }
                (Some(many), None) => { " " (number(many)) " " (SCRIP) }
                (None, Some(name)) => { " " (name) }
                (None, None) => {}
            }
            @if let Some(to) = event.to { " to " (m.id(to)) }
            @if let (false, Some(detail)) = (is_call, event.detail.as_deref()) {
                " " span class="soft" {
                    @if event.kind == EventKind::Health { (marked_line(detail)) } @else { (line(last_line(detail))) }
                }
            }
        }
    }
}

/// An effect in words.
pub(crate) fn effect(m: &Moment<'_>, effect: &Effect) -> Option<Markup> {
    let rules = m.world.rules();
    let name = |resource: &ResourceId| rules.resource_name(*resource);
    let scrip = |many: i64| format!("{} {SCRIP}", number(many));
    Some(match effect {
        Effect::Pay { from, to, amount, why, of } if m.knows_payment(*from, *to, *why) => html! {
            (m.id(*from)) " pays " (scrip(*amount)) " to " (m.id(*to)) " (" (why.as_str().replace('_', " "))
            @if let Some(of) = of { " of " (m.id(*of)) } ")"
        },
        Effect::Endow { to, amount } if m.knows(*to) => {
            html! { (m.id(*to)) " begins with " (scrip(*amount)) }
        }
        Effect::Mint { by, to, amount } => {
            html! { (m.id(*by)) " makes " (scrip(*amount)) " for " (m.id(*to)) }
        }
        Effect::Allot { to, resource, amount: many } if m.knows(*to) => {
            html! { (m.id(*to)) " begins with " (amount(name(resource), *many)) " of " (name(resource)) }
        }
        Effect::Move { from, to, resource, amount: many } if m.knows(*from) || m.knows(*to) => html! {
            (m.id(*from)) " hands " (amount(name(resource), *many)) " of " (name(resource)) " to " (m.id(*to))
        },
        Effect::Lapse { from, resource, amount: many } => {
            html! { (amount(name(resource), *many)) " of " (name(resource)) " of " (m.id(*from)) " lapse" }
        }
        Effect::Rate { of, resource, limit } => {
            html! { "the rate of " (name(resource)) " of " (m.id(*of)) " becomes " (amount(name(resource), *limit)) }
        }
        Effect::Create(new) => {
            let made = m.world.lookup(&new.id);
            html! {
                "a new " (line(&new.kind)) " "
                @match made { Some(made) => { (m.id(made)) } None => { (line(&new.id)) } }
            }
        }
        Effect::Change { artifact, version, change } => {
            let fields = changed(change);
            html! { (m.id(*artifact)) " changes from version " (version) ": " (fields.join(", ")) }
        }
        Effect::Own { artifact, from, to } => {
            html! { (m.id(*artifact)) " goes from " (m.id(*from)) " to " (m.id(*to)) }
        }
        Effect::Delete { artifact, .. } => html! { (m.id(*artifact)) " is deleted" },
        Effect::Store { artifact, key, value } if m.is_own(*artifact) => html! {
            (m.id(*artifact)) " stores " code { (line(key)) } " = "
            @match value { Some(value) => { (line(&short_value(value.value()))) } None => { "nothing" } }
        },
        Effect::Sleep { agent, .. } => html! { (m.id(*agent)) " goes to sleep" },
        Effect::Remember { memory, memo } if m.is_own(*memory) || m.sees_all() => {
            html! { (m.id(*memory)) " remembers: " (line(&memo.text)) }
        }
        Effect::Forget { memory, entry } => html! {
            (m.id(*memory)) " forgets " @match entry { Some(entry) => { "entry " (entry) } None => { "all" } }
        },
        Effect::Mandate { from, to, terms, .. } => html! {
            (m.id(*from)) @if terms.is_some() { " gives a mandate to " } @else { " takes back its mandate from " }
            (m.id(*to))
        },
        Effect::Grow { to, resource, amount: more } if m.knows(*to) => {
            html! { (m.id(*to)) " grows by " (amount(name(resource), *more)) " of " (name(resource)) }
        }
        Effect::Fail { artifact, times } => {
            html! { (m.id(*artifact)) " failed " (counted(u64::from(*times), "time")) }
        }
        Effect::Pay { .. }
        | Effect::Endow { .. }
        | Effect::Allot { .. }
        | Effect::Move { .. }
        | Effect::Store { .. }
        | Effect::Remember { .. }
        | Effect::Grow { .. }
        | Effect::Use(_)
        | Effect::Draw { .. }
        | Effect::Verdicts { .. } => return None,
    })
}

/// The fields that a change sets.
pub(crate) fn changed(change: &Change) -> Vec<&'static str> {
    let fields = [
        ("content", change.content.is_some()),
        ("code", change.code.is_some()),
        ("interface", change.interface.is_some()),
        ("contract", change.access_contract.is_some()),
        ("price", change.price.is_some()),
        ("who pays", change.pays.is_some()),
        ("memory", change.memory_artifact.is_some()),
        ("dependencies", change.depends_on.is_some()),
        ("metadata", change.metadata.is_some()),
        ("policy", change.policy.is_some()),
    ];
    fields.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
}

/// A refusal in full.
pub(crate) fn refusal(m: &Moment<'_>, refusal: &Refusal) -> Markup {
    html! {
        p class="bad" {
            (m.link(&Page::Events(Wanted { code: Some(refusal.code), ..Wanted::default() }),
                refusal.code.to_string())) ": "
            (crate::text::refused(refusal.code,
                crate::text::first_bytes(&refusal.message, crate::text::BLOCK_BYTES)))
        }
        @if let Some(hint) = &refusal.hint { p class="soft" { (marked(hint)) } }
        @if let Some(traceback) = refusal.traceback() {
            (crate::text::block(&m.past.authors.named(m.world, traceback), || html! {}))
        }
    }
}
