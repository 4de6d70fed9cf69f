//! A tick that is executed again: all think on its beginning, and act in the order that the seed decides.

use std::{collections::BTreeMap, sync::Arc};

use oikos_kernel::{
    id::Handle,
    record::{Cause, Record},
    rules::HookAt,
    time::Time,
    world::{Reservation, Tick, World},
};

use super::{Again, Why, is_thinking, told_by};
use crate::{
    agenda::{Place, place},
    config::HOOK_WORDS,
    desk::Counter,
    error::RunError,
    models::TurnPlace,
    open::{Effect, Outside},
    stop::Stop,
    thinkers::think_all,
    tick::{next_phase, turns},
    turn::{Asked, Thinking, act, pass},
};

/// A thought, with what is set aside for it.
type Thought = (Thinking, Option<Vec<Reservation>>);

/// The tick that is under way.
#[derive(Default)]
pub(super) struct TickAgain {
    began: Option<(Tick, Arc<World>)>,
    /// The thoughts of code that have not acted yet; none before the first acts.
    thoughts: Option<BTreeMap<Handle, Thought>>,
    /// Whether the costs of those thoughts are set aside.
    is_reserved: bool,
    /// The last who acted.
    last: Option<(Place, Handle)>,
}

impl Again {
    /// Begins a tick. All turns of the one before have been taken, and all that was due has been run.
    pub(super) fn begin_tick(&mut self, number: u64, phase: u32) -> Result<Option<Why>, RunError> {
        let world = self.sequencer.share();
        let Some(tick) = &self.tick else { return Ok(Some("this world has no ticks".to_owned())) };
        if let Some((before, began)) = &tick.began {
            let left = turns(began, &world, *before);
            if let Some(agent) = left.able.iter().chain(&left.short).next() {
                let name = world.name(*agent);
                return Ok(Some(format!("`{name}` has a turn left in tick {}", before.number)));
            }
        }
        let next = next_phase(&world);
        if phase == 0 {
            if let Some((_, artifact)) = world.next_due().filter(|(due, _)| *due <= self.sequencer.now()) {
                return Ok(Some(format!("`{}` is due first", world.name(artifact))));
            }
            if let Some((at, tick)) = self.hooks_before(&world, next.0) {
                return Ok(Some(format!("a hook at `{}` of tick {tick} comes first", hook_word(at))));
            }
        }
        if next != (number, phase) {
            return Ok(Some(format!("the next is phase {} of tick {}", next.1, next.0)));
        }
        drop(world);
        self.sequencer.mark(Cause::Tick { number, phase })?;
        let began = self.sequencer.share();
        self.tick = Some(TickAgain { began: began.tick().map(|tick| (tick, began)), ..TickAgain::default() });
        Ok(None)
    }

    /// The moment and the tick of a hook that has to be run before a tick begins.
    fn hooks_before(&self, world: &World, number: u64) -> Option<(HookAt, u64)> {
        let ended = world.tick().map(|tick| (HookAt::TickEnd, tick.number));
        let moments = ended.into_iter().chain([(HookAt::Setup, 0), (HookAt::TickStart, number)]);
        moments.into_iter().find(|(at, tick)| world.next_hook(*at, *tick).is_some())
    }

    /// Runs a hook again, if it is its turn.
    pub(super) fn run_hook(&mut self, index: u32, tick: u64) -> Result<Option<Why>, RunError> {
        let world = self.sequencer.share();
        let Some(hook) = world.rules().hooks.get(index as usize) else {
            return Ok(Some("there is no such hook".to_owned()));
        };
        let is_now = match hook.at {
            HookAt::Setup => world.tick().is_none() && tick == 0,
            HookAt::TickStart => next_phase(&world) == (tick, 0),
            HookAt::TickEnd => world.tick().is_some_and(|last| last.number == tick),
        };
        if !is_now || world.next_hook(hook.at, tick) != Some(index) {
            return Ok(Some("it is not the turn of that hook".to_owned()));
        }
        self.sequencer.run_hook(index, tick).map(|()| None)
    }

    /// Takes the turn of an agent in the tick that is under way.
    pub(super) fn take_turn_in_tick(
        &mut self,
        agent: Handle,
        record: &Record,
    ) -> Result<Option<Why>, RunError> {
        let Some((tick, began)) = self.tick.as_ref().and_then(|tick| tick.began.clone()) else {
            return Ok(Some("no tick has begun".to_owned()));
        };
        if !began.can_step(agent, tick.time) {
            return pass(&mut self.sequencer, agent, tick.turn).map(|()| None);
        }
        let asked = Asked::of(&began, agent, tick.turn, tick.time);
        match Outside::of(&began, agent) {
            None => self.act_in_tick(agent, &began, tick, record),
            Some(Outside::Client { .. }) => {
                let Some(()) = self.in_order(agent, &began, tick)? else {
                    return Ok(Some(OUT_OF_TURN.into()));
                };
                act(&mut self.sequencer, told_by(asked, record)).map(|_| None)
            }
            Some(Outside::Model { mind, .. }) => {
                if is_thinking(self.sequencer.world(), agent) {
                    let Some(()) = self.in_order(agent, &began, tick)? else {
                        return Ok(Some(OUT_OF_TURN.into()));
                    };
                    return self.answer_of_model(agent).map(|()| None);
                }
                self.release();
                let place = TurnPlace { world: began, agent, turn: tick.turn, now: tick.time };
                self.sequencer.open_model_turn(asked, place, &mind, Effect::InTick, Time::LAST)?;
                Ok(None)
            }
        }
    }

    /// Has an agent's code act on what it thought; or its turn passes, where its costs are not there.
    fn act_in_tick(
        &mut self,
        agent: Handle,
        began: &Arc<World>,
        tick: Tick,
        record: &Record,
    ) -> Result<Option<Why>, RunError> {
        let in_order = self.in_order(agent, began, tick)?;
        let thoughts = self.tick.as_mut().and_then(|tick| tick.thoughts.as_mut());
        let Some((thinking, reserved)) = thoughts.and_then(|thoughts| thoughts.remove(&agent)) else {
            return Ok(Some(OUT_OF_TURN.into()));
        };
        let is_funded = reserved.map(|reserved| self.sequencer.world_mut().settle_all(reserved)).is_some();
        if in_order.is_none() {
            return Ok(Some(OUT_OF_TURN.into()));
        }
        let is_short = matches!(record.cause, Cause::Short { .. });
        // Measured CPU is the journal's, and so is whether it was there.
        if (is_funded && !self.is_measured) || (self.is_measured && !is_short) {
            let thinking = self.measured(thinking, record);
            act(&mut self.sequencer, thinking).map(|_| None)
        } else {
            pass(&mut self.sequencer, agent, tick.turn).map(|()| None)
        }
    }

    /// All have thought, and the costs of those who are left are set aside. `None` if another acts before the agent.
    fn in_order(&mut self, agent: Handle, began: &Arc<World>, tick: Tick) -> Result<Option<()>, RunError> {
        self.think(began, tick)?;
        self.reserve();
        let key = (place(began, tick.time, tick.phase, agent), agent);
        let Some(again) = &mut self.tick else { return Ok(None) };
        let comes_late = again.last.is_none_or(|last| last < key);
        again.last = Some(key);
        Ok(comes_late.then_some(()))
    }

    fn think(&mut self, began: &Arc<World>, tick: Tick) -> Result<(), RunError> {
        if self.tick.as_ref().is_some_and(|tick| tick.thoughts.is_some()) {
            return Ok(());
        }
        let left = turns(began, self.sequencer.world(), tick).able;
        let scripts: Vec<Handle> =
            left.into_iter().filter(|agent| Outside::of(began, *agent).is_none()).collect();
        let (counter, stop) = (Counter::open(), Stop::default());
        let thoughts = think_all(began, &scripts, tick, &mut self.sequencer, &counter, &stop)?;
        let thoughts = thoughts.into_iter().flatten().map(|thought| (thought.agent(), (thought, None)));
        if let Some(tick) = &mut self.tick {
            tick.thoughts = Some(thoughts.collect());
        }
        Ok(())
    }

    /// Sets the costs of all thoughts aside that have not acted.
    fn reserve(&mut self) {
        let (Some(tick), world) = (&mut self.tick, self.sequencer.world_mut()) else { return };
        let Some((begun, _)) = tick.began.as_ref().filter(|_| !tick.is_reserved && !self.is_measured) else {
            return;
        };
        for (thought, reserved) in tick.thoughts.iter_mut().flat_map(BTreeMap::values_mut) {
            *reserved = world.reserve_all(thought.unpaid(), begun.time);
        }
        tick.is_reserved = true;
    }

    /// Frees what is set aside: the tick was cut short.
    fn release(&mut self) {
        let (Some(tick), world) = (&mut self.tick, self.sequencer.world_mut()) else { return };
        for (_, reserved) in tick.thoughts.iter_mut().flat_map(BTreeMap::values_mut) {
            reserved.take().into_iter().for_each(|reserved| world.settle_all(reserved));
        }
        tick.is_reserved = false;
    }

    /// Sets the costs of the thoughts of a tick that is under way aside, or frees them; says whether there are any.
    pub(super) fn turn_reservations_over(&mut self) -> Result<bool, RunError> {
        let Some((tick, began)) = self.tick.as_ref().and_then(|tick| tick.began.clone()) else {
            return Ok(false);
        };
        if turns(&began, self.sequencer.world(), tick).able.is_empty() {
            return Ok(false);
        }
        self.think(&began, tick)?;
        if self.tick.as_ref().is_some_and(|tick| tick.is_reserved) {
            self.release();
        } else {
            self.reserve();
        }
        Ok(true)
    }
}

/// The word for a moment, as the world file has it.
fn hook_word(at: HookAt) -> &'static str {
    HOOK_WORDS.iter().find(|(_, known)| *known == at).map_or("", |(word, _)| word)
}

/// Why a turn can't be taken.
const OUT_OF_TURN: &str = "it is not its turn";
