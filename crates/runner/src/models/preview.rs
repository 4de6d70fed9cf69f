//! The first round of a world: what it would ask, and could cost. Nobody is asked.

use oikos_agents::show_dollars;
use oikos_journal::{Address, Journal};
use oikos_kernel::{id::Handle, world::World};

use super::{
    brief::{Glance, Prepared, Prompter},
    is_used, prices, providers,
};
use crate::{
    config::WorldFile,
    error::RunError,
    open::Outside,
    past::{recorded_source, state},
    workplace::Workplace,
};

/// The first request of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The agent.
    pub agent: String,
    /// Its model, as `PROVIDER::MODEL`.
    pub model: String,
    /// Bytes of its prompt.
    pub bytes: usize,
    /// The most tokens that the request and its answer can have.
    pub tokens_max: u64,
    /// The most micro-dollars that it can cost; `None` where nobody knows its price.
    pub cost_max: Option<u64>,
    /// Whether the tape has the answer, so that nobody would be paid.
    pub is_taped: bool,
    /// Why there would be no request, or no answer.
    pub problem: Option<String>,
}

impl Preview {
    /// The most that it can cost, in words.
    #[must_use]
    pub fn cost_words(&self) -> String {
        self.cost_max.map_or_else(|| "unknown".into(), show_dollars)
    }
}

/// The first round of a world file, or, where a database is named that holds a world, of that world as it stands.
///
/// # Errors
/// When the world can't be founded or read, or a provider's settings are wrong.
pub fn preview(
    workplace: &Workplace,
    file: WorldFile,
    db: Option<&Address>,
) -> Result<Vec<Preview>, RunError> {
    let held = db.map(|db| Ok::<_, RunError>(Journal::holds_world(db)?.then_some(db))).transpose()?.flatten();
    let (world, plan, tape) = if let Some(db) = held {
        let journal = Journal::open_read_only(db)?;
        recorded_source(&journal)?;
        (state(&journal)?, file.plan, journal)
    } else {
        let (plan, tape) = (file.plan.clone(), file.tape.clone());
        let live = workplace.found(file, Journal::in_memory)?;
        let mut journal = Journal::in_memory()?;
        journal.import_tape(&tape)?;
        (live.world().clone(), plan, journal)
    };
    // As the models of a world count who has asked what how often.
    let tick_seq = world.tick().map(|tick| tick.seq);
    let asked_at = |agent: &str| {
        let seq = world.agent(world.lookup(agent)?)?.asked_seq()?;
        Some(tick_seq.unwrap_or(seq - 1))
    };
    let used = tape.tape_used(|row| is_used(row, world.seq(), asked_at))?;
    let (interpreter, _) = workplace.interpreter(&plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let providers = providers(&workplace.access, &plan.llm, None)?;
    drop(inside);
    let prices = prices(&plan.llm);
    let mut prompter = Prompter::default();
    let agents: Vec<Handle> = world.agents().map(|row| row.handle).collect();
    let mut previews = Vec::new();
    for agent in agents.into_iter().filter(|agent| is_alive(&world, *agent)) {
        let Some(Outside::Model { mind, .. }) = Outside::of(&world, agent) else { continue };
        let turn = world.agent(agent).map_or(0, |row| row.steps);
        let glance = Glance { world: &world, sandbox: &*interpreter.sandbox, agent, turn, now: world.now() };
        let mut preview = Preview {
            agent: world.name(agent).to_owned(),
            model: mind.model.clone(),
            bytes: 0,
            tokens_max: 0,
            cost_max: None,
            is_taped: false,
            problem: None,
        };
        match prompter.prepare(&glance, &mind)? {
            Err(refusal) => preview.problem = Some(refusal.to_string()),
            Ok(Prepared { request, .. }) => {
                preview.bytes = request.messages.iter().map(|message| message.text.len()).sum();
                preview.tokens_max = request.tokens_in_max() + u64::from(request.max_output_tokens);
                let asked = providers.iter().rev().find(|(name, _)| *name == request.model.provider);
                match asked.map(|(_, asked)| prices.of(&request.model, asked.place)) {
                    None => preview.problem = Some(format!("no provider `{}`", request.model.provider)),
                    Some(Err(unpriced)) => preview.problem = Some(unpriced.to_string()),
                    Some(Ok(price)) => preview.cost_max = Some(price.worst(&request).cost),
                }
                let hash = request.hash();
                let n = used.asked.get(&(preview.agent.clone(), hash)).copied().unwrap_or_default();
                preview.is_taped = tape.taped(&preview.agent, &hash, n)?.is_some();
            }
        }
        previews.push(preview);
    }
    Ok(previews)
}

fn is_alive(world: &World, agent: Handle) -> bool {
    world.get(agent).is_some_and(|artifact| !artifact.is_deleted())
}
