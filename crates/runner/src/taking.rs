//! The part of a follower in the thinking of a world that another process writes: it takes parts of a tick's thoughts
//! where it stands at the tick's beginning, and hands them in.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    time::{Duration, Instant},
};

use oikos_journal::{Address, Shard, Shards};
use oikos_kernel::world::World;
use oikos_sandbox::Sandbox;

use crate::{
    config::{Lasts, Plan},
    desk::within,
    error::RunError,
    models::{Access, ForOthers},
    spread::reading,
    trouble::{News, Trouble},
    turn::{Carried, think_in},
};

/// How often the table is looked at while nobody tells of work.
const LOOK: Duration = Duration::from_millis(500);
/// How long a tick's beginning is waited for of which there is work.
const COMES: Duration = Duration::from_millis(250);
/// How long a look of the follower is waited for at once.
const LOOKS: Duration = Duration::from_millis(1);
/// How long the table is left alone that could not be used.
const REST: Duration = Duration::from_secs(10);

/// The thread on which a follower thinks, until this is dropped.
pub(crate) struct Taking {
    shared: Arc<Common>,
    /// Rings the thread, which may wait for the world to come to a tick.
    came: SyncSender<()>,
    news: Receiver<News>,
}

/// All that the thread shares with the one that follows.
struct Common {
    /// How often the follower has looked at the journal, and found that it goes on from where it stands.
    looks: AtomicU64,
    /// The world as it stood when its last tick began.
    began: Mutex<Option<Arc<World>>>,
    ends: AtomicBool,
    thoughts: Arc<AtomicU64>,
}

/// All that a thread thinks with.
struct Thinker {
    at: Address,
    reading: String,
    sandbox: Arc<dyn Sandbox>,
    threads: usize,
    shared: Arc<Common>,
    /// Has the follower look whether more has come.
    bell: SyncSender<()>,
    news: Sender<News>,
}

impl Taking {
    /// Threads that think for a world whose thoughts may be had elsewhere, and ask its models. `bell` has the follower
    /// look at the journal; `thoughts` counts those that were handed in.
    pub(crate) fn begin(
        (plan, at): (&Plan, &Address),
        access: &Access,
        (sandbox, threads): (Arc<dyn Sandbox>, usize),
        bell: SyncSender<()>,
        thoughts: Arc<AtomicU64>,
    ) -> Result<Option<Self>, RunError> {
        if !plan.followers_think || !Shards::are_at(at) {
            return Ok(None);
        }
        let reading = reading(sandbox.runtime());
        let (models, unable) = ForOthers::open(access, &plan.llm, &reading, Arc::clone(&thoughts))?;
        let shared = Arc::new(Common {
            looks: AtomicU64::new(0),
            began: Mutex::default(),
            ends: AtomicBool::new(false),
            thoughts,
        });
        let (came, rung) = sync_channel(1);
        let (sender, news) = channel();
        let thinker = Thinker {
            at: at.clone(),
            reading,
            sandbox,
            threads,
            shared: Arc::clone(&shared),
            bell,
            news: sender.clone(),
        };
        for problem in unable {
            let _ = sender.send(News::Problem(problem));
        }
        let this = Self { shared: Arc::clone(&shared), came, news };
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        if matches!(plan.lasts, Lasts::Ticks(_)) {
            thread("thinking").spawn(move || thinker.run(&rung))?;
        }
        if let Some(models) = models {
            let at = at.clone();
            thread("asking").spawn(move || ask_models(models, &at, &shared, &sender))?;
        }
        Ok(Some(this))
    }

    /// Says that the journal was looked at, and goes on from where the follower stands.
    pub(crate) fn looked(&self) {
        self.shared.looks.fetch_add(1, Ordering::Release);
    }

    /// Shows it the world as it stood when its last tick began.
    pub(crate) fn show(&self, began: Option<&World>) {
        let mut shown = self.shared.began();
        if shown.as_ref().map(|world| world.seq()) != began.map(World::seq) {
            *shown = began.cloned().map(Arc::new);
            drop(shown);
            let _ = self.came.try_send(());
        }
    }

    /// Something that keeps it from thinking, or does so no more, which has not been told.
    pub(crate) fn news(&self) -> Option<News> {
        self.news.try_recv().ok()
    }
}

impl Drop for Taking {
    /// The threads end by themselves, soon: nobody waits for them who takes the world over.
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        let _ = self.came.try_send(());
    }
}

impl Common {
    fn began(&self) -> MutexGuard<'_, Option<Arc<World>>> {
        self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_ended(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }
}

impl Thinker {
    fn run(self, came: &Receiver<()>) {
        let words = ["thinks for no agent of the world", "thinks for agents of the world"];
        again_and_again(&self.shared, &self.news, words, |does| self.take(came, does));
    }

    /// Takes parts for as long as the table can be used; `does` is called where that is known.
    fn take(&self, came: &Receiver<()>, does: &mut dyn FnMut()) -> Result<(), RunError> {
        let mut table = Shards::open(&self.at)?;
        table.stand_ready(&self.reading, self.threads as u64)?;
        let table = Mutex::new(table);
        while !self.shared.has_ended() {
            let offer = lock(&table).offered()?;
            let Some(offer) = offer else {
                lock(&table).wait(LOOK)?;
                continue;
            };
            if offer.reading != self.reading {
                let (theirs, ours) = (offer.reading, &self.reading);
                let problem = format!("its writer is {theirs}, and this is {ours}: use the same of both");
                return Err(RunError::Unsupported(problem));
            }
            match self.world_at(offer.seq, came) {
                Some(world) => {
                    self.think(&world, &table)?;
                    does();
                }
                None => lock(&table).wait(LOOK)?,
            }
        }
        Ok(())
    }

    /// The world as it stands at a record, once the follower has come there.
    fn world_at(&self, seq: u64, came: &Receiver<()>) -> Option<Arc<World>> {
        let stands = || self.shared.began().clone().filter(|world| world.seq() >= seq);
        let _ = self.bell.try_send(());
        let world = stands().or_else(|| {
            // One that was rung before it came has been looked at.
            within(came, COMES)?;
            stands().or_else(|| {
                within(came, COMES)?;
                stands()
            })
        });
        world.filter(|world| world.seq() == seq)
    }

    /// Takes parts of the thoughts on a world until there is none left.
    fn think(&self, world: &World, table: &Mutex<Shards>) -> Result<(), RunError> {
        let some = || -> Result<(), RunError> {
            while !self.shared.has_ended() {
                let taken = lock(table).take(world.seq(), &self.reading)?;
                let Some(part) = taken else { break };
                let looked = self.shared.looks.load(Ordering::Acquire);
                let _ = self.bell.try_send(());
                let Some(thoughts) = self.thoughts(world, &part.shard)? else { break };
                // A look that began after the part was taken found this very world.
                if !self.has_looked(looked + 2) {
                    break;
                }
                let count = thoughts.len() as u64;
                let written = Carried::written(thoughts);
                if lock(table).answer(&part, &written)? {
                    self.shared.thoughts.fetch_add(count, Ordering::Relaxed);
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let beside: Vec<_> = (1..self.threads).map(|_| scope.spawn(some)).collect();
            let own = some();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<(), RunError>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            beside.into_iter().map(join).fold(own, |one, other| one.and(other))
        })
    }

    /// Waits until the follower has looked so often; not where it does not come to it.
    fn has_looked(&self, times: u64) -> bool {
        let since = Instant::now();
        while self.shared.looks.load(Ordering::Acquire) < times {
            if self.shared.has_ended() || since.elapsed() > COMES {
                return false;
            }
            let _ = self.bell.try_send(());
            pause(LOOKS);
        }
        true
    }

    /// The thoughts of the agents of a part; `None` where this process is to end.
    fn thoughts(&self, world: &World, part: &Shard) -> Result<Option<Vec<crate::turn::Thinking>>, RunError> {
        let strange = || RunError::Unsupported("the table of shards holds no work on this world".into());
        let tick = world.tick().filter(|tick| tick.turn == part.turn).ok_or_else(strange)?;
        let agents = Carried::agents(&part.body, world).ok_or_else(strange)?;
        let mut thoughts = Vec::with_capacity(agents.len());
        for agent in agents {
            if self.shared.has_ended() {
                return Ok(None);
            }
            thoughts.push(think_in(world, &*self.sandbox, agent, tick.turn, tick.time)?);
        }
        Ok(Some(thoughts))
    }
}

/// Asks models for the writer, for as long as the process follows.
fn ask_models(mut models: ForOthers, at: &Address, shared: &Common, news: &Sender<News>) {
    let words = ["asks no model for the writer of the world", "asks models for the writer of the world"];
    again_and_again(shared, news, words, |does| {
        let mut table = Shards::open(at)?;
        models.stand_ready(&mut table)?;
        while !shared.has_ended() {
            models.step(&mut table, LOOK)?;
            does();
        }
        Ok(())
    });
}

/// Does work for as long as the process follows. Each problem is told once, with the thing that is lacking for it, and
/// once that this is there again, as soon as the work says that it does something.
fn again_and_again(
    shared: &Common,
    news: &Sender<News>,
    [lacks, does]: [&str; 2],
    mut work: impl FnMut(&mut dyn FnMut()) -> Result<(), RunError>,
) {
    let mut told = Trouble::default();
    // Where nobody listens any more the process does not follow either.
    let tell = |found: Option<News>| found.into_iter().for_each(|found| drop(news.send(found)));
    while !shared.has_ended() {
        let done = work(&mut || tell(told.over(|| format!("this process {does}"))));
        let Err(error) = done else { continue };
        tell(told.problem(format!("this process {lacks}: {error}")));
        rest(shared);
    }
}

/// Waits before the table is used again that could not be.
fn rest(shared: &Common) {
    let since = Instant::now();
    while !shared.has_ended() && since.elapsed() < REST {
        pause(COMES);
    }
}

fn pause(time: Duration) {
    let (_silent, never) = sync_channel::<()>(1);
    let _ = within(&never, time);
}

fn lock(table: &Mutex<Shards>) -> MutexGuard<'_, Shards> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
