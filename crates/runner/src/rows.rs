//! Principals, agents and artifacts as rows, as `inspect` and the door list them; a viewer's rows lack what it may not
//! know.

use oikos_kernel::{
    id::Handle,
    mind::{Mind, MindKind},
    time::Time,
    world::{World, wire::Viewer},
};
use serde_json::{Map, Value, json};

/// The mind of an agent; none where its content names none that can be.
#[must_use]
pub fn mind(world: &World, agent: Handle) -> Option<Mind> {
    Mind::of(world.get(agent)?.content(), world.rules().llm_model.as_deref()).ok()
}

/// An artifact as an object: what all may know, what it has if its viewer may know it, and how its loop fares for those
/// whose loop it is. `with_size` adds what concerns all artifacts.
#[must_use]
pub fn row(world: &World, handle: Handle, with_size: bool, viewer: Viewer, now: Time) -> Value {
    let Some(artifact) = world.get(handle) else { return Value::Null };
    let may_know = world.may_know(viewer, handle);
    let owns = match viewer {
        Viewer::Observer => true,
        Viewer::Artifact(me) => me.is_some_and(|me| me == handle || me == artifact.owner()),
    };
    let mut map = Map::new();
    map.insert("id".into(), artifact.id().into());
    map.insert("owner".into(), world.name(artifact.owner()).into());
    map.insert("kind".into(), artifact.kind().into());
    map.insert("has_loop".into(), artifact.has_loop().into());
    map.insert("has_standing".into(), artifact.has_standing().into());
    map.insert("can_execute".into(), artifact.code().is_some().into());
    if artifact.has_standing() && may_know {
        map.insert("scrip".into(), world.scrip(handle).into());
        map.insert("resources".into(), world.resources_json(handle, now).into());
    }
    if with_size {
        let size = if may_know || owns { artifact.size() } else { artifact.size_apart() };
        map.insert("version".into(), artifact.version().into());
        map.insert("size".into(), size.into());
        if let Some((hits, asked)) = world.verdicts(handle).filter(|_| owns) {
            // Of a contract that lets verdicts be used again: how often that was, and how often it was asked.
            map.insert("verdicts".into(), json!({ "used_again": hits, "asked": asked }));
        }
    }
    if let Some(agent) = world.agent(handle) {
        map.insert("state".into(), agent.state().into());
        map.insert("steps".into(), agent.steps.into());
        if owns {
            let last = agent.last();
            let last = last.as_ref().and_then(|receipt| receipt.refusal());
            let knows = |who| world.may_know(viewer, who);
            let last = last.map_or(Value::Null, |refusal| refusal.as_told(knows).to_json());
            map.insert("due".into(), agent.due().map(|due| due.to_string()).into());
            map.insert("waits_for".into(), agent.waits(world.rules()).into());
            map.insert("errors_in_a_row".into(), agent.errors().into());
            map.insert("mind".into(), mind(world, handle).map_or(Value::Null, mind_json));
            map.insert("last_error".into(), last);
        }
    }
    Value::Object(map)
}

/// The kind of a mind, and its model.
fn mind_json(mind: Mind) -> Value {
    match mind {
        Mind::Llm(mind) => json!({ "kind": MindKind::Llm.as_str(), "model": mind.model }),
        Mind::Script | Mind::External { .. } => json!({ "kind": mind.kind().as_str() }),
    }
}
