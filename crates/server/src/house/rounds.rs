//! The rounds of a house: it looks which worlds there are and who lives, takes and gives back worlds, keeps how they
//! stand, and loads and unloads them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use oikos_runner::{
    Ending, Holder, JournalError, Motion, News, Resident, Residing, RunError, Speed, Stands, Stop, Survey,
    Trouble, Why, kernel::time::Time, machine_now,
};
use tokio::{sync::oneshot, time::sleep};

use super::{
    House,
    share::{aim, asleep_until, has_to_do},
    world::{Failing, Flaw, Here, State, root_of},
};
use crate::{
    door::{Door, DoorSetup},
    publish::Publishing,
    serve::attended,
    tokens::{TokenFile, Tokens},
};

/// How long it is between two rounds.
const ROUND: Duration = Duration::from_millis(500);
/// How long it is after the database was away until worlds are taken: other houses come back to it too.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// Worlds that are loaded at once because they have something to do.
const WOKEN_MAX: usize = 4;
/// How long it is until a world is tried again that could not be loaded, and where its database may be back by then.
const AGAIN: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(2);

/// Goes on with the rounds for as long as the house is open.
pub(super) async fn run(house: Arc<House>) {
    let mut ending = house.ending.subscribe();
    let mut trouble = Trouble::default();
    let mut settled = Instant::now();
    while !*ending.borrow_and_update() {
        // Worlds that are loaded go on while the database is away, as each of them can.
        let news = match house.round(settled <= Instant::now()).await {
            Ok(()) => trouble.over(|| "worlds are shared out again".into()),
            Err(error) => {
                settled = Instant::now() + SETTLED_AFTER;
                trouble.problem(error.to_string())
            }
        };
        if let Some(news) = news {
            (house.setup.tell)(&news.to_string());
        }
        tokio::select! {
            _ = ending.changed() => return,
            () = sleep(ROUND) => {}
        }
    }
}

impl House {
    /// One round; worlds are taken where all is settled.
    async fn round(self: &Arc<Self>, is_settled: bool) -> Result<(), JournalError> {
        let survey = self.leased(|leases| leases.survey()).await?;
        let (ours, wanted) = self.learn(survey);
        if ours < wanted && is_settled {
            let but: Vec<String> = {
                let worlds = self.worlds();
                worlds.iter().filter(|(_, entry)| !entry.is_fit()).map(|(name, _)| name.clone()).collect()
            };
            let taken = self.leased(move |leases| leases.take(wanted - ours, &but)).await?;
            let mut worlds = self.worlds();
            for name in taken {
                worlds.entry(name).or_default().is_ours = true;
            }
        } else if ours > wanted {
            self.give_back(ours - wanted).await?;
        }
        self.keep().await?;
        self.unload_idle().await?;
        self.wake();
        Ok(())
    }

    /// Takes what the database says of all worlds; how many are held here, and how many should be.
    fn learn(&self, survey: Survey) -> (usize, usize) {
        let mut worlds = self.worlds();
        // One that somebody writes to who is no house is nobody's to take.
        let is_shared = |holder: &Holder, is_written: bool| *holder != Holder::Nobody || !is_written;
        let shared = survey.worlds.iter().filter(|row| is_shared(&row.holder, row.is_written)).count();
        worlds.values_mut().for_each(|entry| entry.is_there = false);
        for row in survey.worlds {
            worlds.entry(row.world.clone()).or_default().learn(row);
        }
        worlds.retain(|_, entry| {
            entry.is_ours &= entry.is_there;
            entry.is_there || !matches!(entry.state, State::Shut)
        });
        // A world that is loaded and not ours any more was overtaken, or has another name.
        for entry in worlds.values_mut().filter(|entry| !entry.is_ours) {
            if let State::Here(here) = &entry.state {
                here.stop.ask(Why::Steered);
                entry.state = State::Going(Arc::clone(here));
            }
        }
        let ours = worlds.values().filter(|entry| entry.is_ours).count();
        let share = self.setup.share.map(std::num::NonZeroUsize::get);
        (ours, aim(shared, &survey.shares, share))
    }

    /// Gives back at most so many worlds that are not loaded.
    async fn give_back(&self, most: usize) -> Result<(), JournalError> {
        let given: Vec<String> = {
            let mut worlds = self.worlds();
            let shut = |entry: &super::Entry| entry.is_ours && matches!(entry.state, State::Shut);
            let given = worlds.iter_mut().rev().filter(|(_, entry)| shut(entry)).take(most);
            given
                .map(|(name, entry)| {
                    entry.is_ours = false;
                    name.clone()
                })
                .collect()
        };
        if given.is_empty() {
            return Ok(());
        }
        self.leased(move |leases| leases.give_back(&given)).await
    }

    /// Keeps how worlds stand, where that is another than was kept.
    async fn keep(&self) -> Result<(), JournalError> {
        let mut changed: Vec<(String, Stands)> = Vec::new();
        for (name, entry) in self.worlds().iter_mut() {
            let State::Here(here) = &entry.state else { continue };
            let stands = here.stands(None);
            if entry.stands.as_ref() != Some(&stands) {
                changed.push((name.clone(), stands));
            }
        }
        for (name, stands) in changed {
            let (world, kept) = (name.clone(), stands.clone());
            self.leased(move |leases| leases.keep(&world, &kept)).await?;
            if let Some(entry) =
                self.worlds().get_mut(&name).filter(|entry| matches!(entry.state, State::Here(_)))
            {
                entry.stands = Some(stands);
            }
        }
        Ok(())
    }

    /// Unloads those that nobody needs now.
    async fn unload_idle(self: &Arc<Self>) -> Result<(), JournalError> {
        let now = machine_now().ok();
        let mut idle: Vec<(String, Stands, Arc<Here>)> = Vec::new();
        for (name, entry) in self.worlds().iter_mut() {
            let State::Here(here) = &entry.state else { continue };
            if let Some(stands) = here.idle(self.setup.idle, now) {
                let here = Arc::clone(here);
                // From here on those who ask for it wait until it is unloaded, and have it loaded again.
                entry.state = State::Going(Arc::clone(&here));
                entry.stands = Some(stands.clone());
                idle.push((name.clone(), stands, here));
            }
        }
        let mut kept = Ok(());
        for (name, stands, here) in idle {
            if kept.is_ok() {
                kept = self.leased(move |leases| leases.keep(&name, &stands)).await.map(drop);
            }
            here.stop.ask(Why::Steered);
        }
        kept
    }

    /// Begins to load those that have something to do, a few at once.
    fn wake(self: &Arc<Self>) {
        let now = machine_now().ok();
        let mut worlds = self.worlds();
        let coming = worlds.values().filter(|entry| matches!(entry.state, State::Coming)).count();
        let woken = worlds.iter_mut().filter(|(_, entry)| {
            let is_shut = entry.is_ours && matches!(entry.state, State::Shut) && entry.is_fit();
            is_shut && has_to_do(entry.stands.as_ref(), now)
        });
        for (name, entry) in woken.take(WOKEN_MAX.saturating_sub(coming)) {
            entry.state = State::Coming;
            tokio::spawn(Arc::clone(self).load(name.clone()));
        }
    }

    /// Loads a world that is said to be coming, and stays with it until it is unloaded.
    pub(super) async fn load(self: Arc<Self>, name: String) {
        let place = self.loads.acquire().await;
        let stands = self.worlds().get(&name).and_then(|entry| entry.stands.clone());
        let now = machine_now().ok();
        let loaded = self.loaded(&name, stands.as_ref(), now).await;
        drop(place);
        match loaded {
            Ok((here, gone)) => {
                let mut is_over = false;
                if let Some(entry) = self.worlds().get_mut(&name) {
                    entry.state = State::Here(Arc::clone(&here));
                    is_over = entry.failing.take().is_some();
                }
                if is_over {
                    (self.setup.tell)(&format!("{name}: {}", News::Over("it is open again".into())));
                }
                if self.is_ending() {
                    here.stop.ask(Why::Steered);
                }
                self.tell_changed();
                // Another of those that have something to do may be loaded.
                self.wake_next();
                let publishing = self.publish(&name, &here.door);
                let ending = gone.await.unwrap_or(Ending::Panicked);
                if let Some(entry) = self.worlds().get_mut(&name) {
                    entry.state = State::Going(Arc::clone(&here));
                }
                here.door.closing.send_replace(true);
                if let Some(publishing) = publishing {
                    publishing.end().await;
                }
                self.ended(&name, &here, ending);
            }
            Err(why) => self.unloaded(&name, why),
        }
    }

    /// Begins to publish the events of a world, until its door closes.
    fn publish(&self, name: &str, door: &Arc<Door>) -> Option<Publishing> {
        let nats = self.setup.publish.clone()?;
        let (tell, name) = (self.setup.tell, name.to_owned());
        Some(Publishing::begin(door, nats, move |note| tell(&format!("{name}: {note}"))))
    }

    fn wake_next(self: &Arc<Self>) {
        if !self.is_ending() {
            self.wake();
        }
    }

    async fn loaded(
        self: &Arc<Self>,
        name: &str,
        stands: Option<&Stands>,
        now: Option<Time>,
    ) -> Result<(Arc<Here>, oneshot::Receiver<Ending>), Unloaded> {
        if self.is_ending() {
            return Err(Unloaded::Ending);
        }
        let is_paused = stands.is_some_and(|stands| stands.motion == Motion::Paused.word());
        let speed = stands.and_then(|stands| stands.speed);
        let motion = if is_paused { Motion::Paused } else { Motion::Running };
        let will = Stands { motion: motion.word().to_owned(), speed, due: None };
        let (world, kept) = (name.to_owned(), will.clone());
        let is_ours = self.leased(move |leases| leases.enter(&world, &kept)).await;
        if !is_ours.map_err(|error| Unloaded::of(&error.into()))? {
            return Err(Unloaded::NotOurs);
        }
        let at = self
            .setup
            .database
            .world(name)
            .map_err(|problem| Unloaded::Failed(problem.as_str().into(), AGAIN))?;
        let (sent, come) = oneshot::channel::<Result<Resident, RunError>>();
        let (end, gone) = oneshot::channel();
        let stop = Stop::default();
        let residing = Residing {
            at: at.clone(),
            url: format!("{}{}", self.url, root_of(name)),
            speed: speed.and_then(Speed::of).unwrap_or_default(),
            is_paused,
            asleep_until: asleep_until(stands, now),
        };
        // The house waits for both.
        let begun = self.setup.workplace.reside(
            residing,
            stop.clone(),
            move |come| drop(sent.send(come)),
            move |ending| drop(end.send(ending)),
        );
        begun.map_err(|error| Unloaded::Failed((&RunError::from(error)).into(), SOON))?;
        let Resident { front, helm, notes } = match come.await {
            Ok(Ok(resident)) => resident,
            Ok(Err(RunError::Journal(JournalError::Busy { .. }))) => return Err(Unloaded::NotOurs),
            Ok(Err(error)) => return Err(Unloaded::of(&error)),
            Err(_) => return Err(Unloaded::Failed("its thread ended".into(), AGAIN)),
        };
        notes.iter().for_each(|note| (self.setup.tell)(&format!("{name}: {note}")));
        let setup = DoorSetup {
            root: root_of(name),
            tokens: self.tokens_of(name),
            limits: self.setup.limits,
            hosts: self.setup.hosts.clone(),
            workplace: self.setup.workplace.clone(),
            house: Some(self.setup.tokens.clone()),
        };
        let door = Door::new(front, helm, setup);
        attended(&door);
        if let Some(entry) = self.worlds().get_mut(name) {
            entry.stands = Some(will);
        }
        Ok((Arc::new(Here::new(door, stop)), gone))
    }

    /// The tokens that are good at a world: those of the house, and those of its own file.
    pub(super) fn tokens_of(&self, name: &str) -> Tokens {
        let known = || self.setup.tokens.and(TokenFile::of(name.as_ref()));
        match self.worlds().get_mut(name) {
            Some(entry) => entry.tokens.get_or_insert_with(known).clone(),
            // Strangers learn nothing of worlds that there are not.
            None => self.setup.tokens.clone(),
        }
    }

    /// A world is unloaded that was loaded.
    fn ended(&self, name: &str, here: &Here, ending: Ending) {
        let seq = *here.door.on_disk.borrow();
        let problem = match ending {
            Ending::Asked => None,
            Ending::Overtaken => {
                // It goes on elsewhere.
                if let Some(entry) = self.worlds().get_mut(name) {
                    entry.is_ours = false;
                }
                None
            }
            Ending::Failed(error) => Some(((&error).into(), again_after(&error))),
            Ending::Panicked => Some(("it failed by a mistake of ours".into(), AGAIN)),
        };
        if let Some(entry) = self.worlds().get_mut(name) {
            entry.state = State::Shut;
            entry.seq = seq;
        }
        match problem {
            Some((problem, after)) => self.fail(name, problem, after),
            None => self.tell_changed(),
        }
    }

    /// A world that was to be loaded is not.
    fn unloaded(self: &Arc<Self>, name: &str, why: Unloaded) {
        if let Some(entry) = self.worlds().get_mut(name) {
            entry.state = State::Shut;
        }
        match why {
            Unloaded::Ending => self.tell_changed(),
            Unloaded::NotOurs => {
                if let Some(entry) = self.worlds().get_mut(name) {
                    entry.is_ours = false;
                }
                self.tell_changed();
                // Somebody writes to it who is no house: it is taken again when that one has ended.
                let (this, given) = (Arc::clone(self), vec![name.to_owned()]);
                tokio::spawn(async move { this.leased(move |leases| leases.give_back(&given)).await });
            }
            Unloaded::Failed(problem, after) => self.fail(name, problem, after),
        }
    }

    /// A world can't go on: that is told once, and it is tried again later. Others go on.
    fn fail(&self, name: &str, why: Flaw, after: Duration) {
        let mut is_new = true;
        if let Some(entry) = self.worlds().get_mut(name) {
            is_new = entry.failing.as_ref().is_none_or(|failing| failing.why != why);
            entry.failing = Some(Box::new(Failing { why: why.clone(), again: Instant::now() + after }));
        }
        if is_new {
            (self.setup.tell)(&format!(
                "{name}: {}; it is tried again now and then, and others go on",
                why.told
            ));
        }
        self.tell_changed();
    }
}

/// Why a world was not loaded.
enum Unloaded {
    /// The house ends.
    Ending,
    /// Another house has it by now, or somebody else writes to it.
    NotOurs,
    /// For a reason, and when it is tried again.
    Failed(Flaw, Duration),
}

impl Unloaded {
    fn of(error: &RunError) -> Self {
        Self::Failed(error.into(), again_after(error))
    }
}

/// When a world is tried again that failed.
fn again_after(error: &RunError) -> Duration {
    if error.is_passing() { SOON } else { AGAIN }
}
