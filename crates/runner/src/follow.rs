//! A world that another process writes, kept beside it from its journal: a replica to look at, which may take the
//! world over when its writer has gone.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    time::{Duration, Instant},
};

use oikos_journal::{Address, Head, Journal, JournalError};

use crate::{
    config::{self, ClockKind, WorldFile},
    desk::{Counter, Desk, within},
    error::RunError,
    front::Front,
    helm::Helm,
    library,
    live::{Code, Live},
    past::{Past, founded_from, past, recorded, recorded_source},
    reader::Reader,
    stop::Stop,
    taking::Taking,
    trouble::{News, Trouble},
    view::{OnDisk, View},
    workplace::Workplace,
};

/// How often the journal is looked at for more.
const POLL: Duration = Duration::from_millis(20);
/// How often one asks who writes, and where that one serves the world.
const WHO: Duration = Duration::from_millis(100);

/// A replica of a world.
pub struct Follower {
    journal: Journal,
    at: Address,
    past: Past,
    /// Where the journal ended when all of it was taken last.
    stands: Head,
    /// When the last record came.
    came: Instant,
    file: WorldFile,
    code: Code,
    /// Thinks for the world.
    taking: Option<Taking>,
    view: View,
    on_disk: Arc<OnDisk>,
    helm: Helm,
    bells: Receiver<()>,
    /// Finds the address of the writer's door, where the journal does not say it.
    door: fn(&Address) -> Option<String>,
    asked_who: Option<Instant>,
}

/// The outcome of a step.
enum Step {
    /// All that has come is taken. The writer is looked for at some steps only.
    Looked,
    /// It is known who writes, too.
    Asked,
    /// Nobody did, and this process does now.
    Over(Box<Journal>),
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Workplace {
    /// Follows a world, as it goes on elsewhere.
    ///
    /// # Errors
    /// When there is none, its journal is damaged, or code can't be run here.
    pub fn follow(&self, at: &Address, door: fn(&Address) -> Option<String>) -> Result<Follower, RunError> {
        Follower::open(self, at, door)
    }
}

impl Follower {
    fn open(
        workplace: &Workplace,
        at: &Address,
        door: fn(&Address) -> Option<String>,
    ) -> Result<Self, RunError> {
        let journal = Journal::open_read_only(at)?;
        let file = recorded(&journal)?;
        let past = past(&journal)?;
        let code = workplace.interpreter(&file.plan)?;
        let on_disk = Arc::new(OnDisk::default());
        on_disk.reach(past.world.seq());
        let view = View::new(Arc::clone(&on_disk), file.plan.clock);
        let (sender, bells) = sync_channel(1);
        let (helm, thinks) = (Helm::of_follower(), (Arc::clone(&code.0.sandbox), code.0.workers));
        let taking =
            Taking::begin((&file.plan, at), &workplace.access, thinks, sender.clone(), helm.thoughts())?;
        view.set_bell(Arc::new(move || {
            // One that was rung and not heard is enough.
            let _ = sender.try_send(());
        }));
        // From here on readers have a world.
        drop(view.latest());
        let (stands, came) = (journal.head(), Instant::now());
        let mut this = Self {
            journal,
            at: at.clone(),
            past,
            stands,
            came,
            file,
            code,
            taking,
            view,
            on_disk,
            helm,
            bells,
            door,
            asked_who: None,
        };
        this.look()?;
        Ok(this)
    }

    /// The world for a door: nobody takes anything in.
    #[must_use]
    pub fn front(&self) -> Front {
        let sandbox = Arc::clone(&self.code.0.sandbox);
        Front::of(&self.file.plan, closed(), Reader::new(self.view.clone(), sandbox, Some(self.at.clone())))
    }

    /// The helm that says how far behind it is, and who writes. It steers nothing.
    #[must_use]
    pub fn helm(&self) -> Helm {
        self.helm.clone()
    }

    /// The last record that it has.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.past.world.seq()
    }

    /// Refuses to take over a world whose code ran on another runtime.
    ///
    /// # Errors
    /// When it did.
    pub fn check_runtime(&self, workplace: &Workplace) -> Result<(), RunError> {
        let (made_by, here) = (self.past.world.runtime(), self.code.0.sandbox.runtime());
        if made_by == here || workplace.adopt_runtime {
            return Ok(());
        }
        Err(RunError::Runtime { made_by: made_by.into(), here: here.into() })
    }

    /// Follows until somebody asks to stop. One that takes over ends when the world's writer has gone: with the
    /// journal, whose writer it is from then on.
    ///
    /// While the database can't be reached, or does not let it take over, it goes on trying, and falls behind: `tell`
    /// is called with each problem once, and once when it is over.
    ///
    /// # Errors
    /// When the journal is damaged, or that of another world by now.
    pub fn follow(
        &mut self,
        stop: &Stop,
        takes_over: bool,
        mut tell: impl FnMut(&News),
    ) -> Result<Option<Journal>, RunError> {
        let mut told = Trouble::default();
        while !stop.is_asked() {
            match self.step(takes_over) {
                Ok(Step::Looked) => {}
                Ok(Step::Asked) => {
                    let goes_on = || format!("`{}` is followed, at record {}", self.at, self.seq());
                    told.over(goes_on).iter().for_each(&mut tell);
                }
                Ok(Step::Over(journal)) => return Ok(Some(*journal)),
                Err(error) if error.is_passing() => {
                    told.problem(error.to_string()).iter().for_each(&mut tell);
                }
                Err(error) => return Err(error),
            }
            while let Some(news) = self.taking.as_ref().and_then(Taking::news) {
                tell(&news);
            }
            // A reader that waits rings.
            let _ = within(&self.bells, POLL);
        }
        Ok(None)
    }

    fn step(&mut self, takes_over: bool) -> Result<Step, RunError> {
        self.look()?;
        if self.asked_who.is_some_and(|asked| asked.elapsed() < WHO) {
            return Ok(Step::Looked);
        }
        self.asked_who = Some(Instant::now());
        if self.journal.has_writer()? {
            let told = self.journal.served_at()?;
            self.helm.tell_writer(told.or_else(|| (self.door)(&self.at)));
            return Ok(Step::Asked);
        }
        // A process that serves many worlds may have it, and loads it when somebody asks: it is nobody else's then.
        let told = self.journal.served_at()?;
        let is_held = told.is_some();
        self.helm.tell_writer(told);
        if !takes_over || is_held {
            return Ok(Step::Asked);
        }
        match Journal::open(&self.at) {
            Ok(journal) => Ok(Step::Over(Box::new(journal))),
            // Another was faster.
            Err(JournalError::Busy { .. }) => Ok(Step::Asked),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what has come.
    fn look(&mut self) -> Result<(), RunError> {
        let asked = Instant::now();
        self.journal.refresh()?;
        self.take()?;
        self.helm.tell_even(asked);
        self.taking.iter().for_each(Taking::looked);
        let passed_ms = match self.file.plan.clock {
            ClockKind::Virtual => 0,
            ClockKind::Wall => i64::try_from(self.came.elapsed().as_millis()).unwrap_or(i64::MAX),
        };
        if let Some(taking) = &self.taking {
            taking.show(self.past.began.as_ref());
        }
        let world = &self.past.world;
        let now = world.now().after_ms(passed_ms).unwrap_or_else(|| world.now());
        self.view.showing(world, now).into_iter().for_each(|release| release());
        Ok(())
    }

    /// Takes the records up to where the journal ends.
    fn take(&mut self) -> Result<(), RunError> {
        let head = self.journal.head();
        if head == self.stands {
            return Ok(());
        }
        if head.seq <= self.stands.seq || self.journal.row_hash(self.stands.seq)? != self.stands.row_hash {
            let problem = format!("record {} is not the one that was followed", self.stands.seq);
            let help = "another world has its name now; follow that one anew".into();
            return Err(JournalError::Moved { problem, seq: self.stands.seq, help }.into());
        }
        let (mut taken, past) = (Ok(()), &mut self.past);
        self.journal.records_while(past.world.seq() + 1, |record| {
            taken = past.take(&record);
            taken.is_ok()
        })?;
        taken?;
        (self.stands, self.came) = (head, Instant::now());
        self.on_disk.reach(head.seq);
        Ok(())
    }

    /// Goes on with the world as its writer, as after a kill.
    ///
    /// # Errors
    /// As [`Live::open`].
    pub fn take_over(mut self, workplace: &Workplace, journal: Journal) -> Result<Live, RunError> {
        self.journal = journal;
        // Nobody gives it work any more.
        self.taking = None;
        self.take()?;
        // It may have been gone on with by a later world file.
        let source = recorded_source(&self.journal)?;
        founded_from(&self.past.world, &source)?;
        let file = config::reload(&source, library::founders())?;
        Live::go_on_from(workplace, self.journal, self.past, (file, None), self.code)
    }
}

/// A desk at which nobody serves.
fn closed() -> Desk {
    let counter = Counter::open();
    counter.close();
    counter.desk()
}
