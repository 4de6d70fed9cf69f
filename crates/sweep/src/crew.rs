//! Makes the runs of a sweep that have no row yet, so many at once.

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, Sender, channel},
    time::Instant,
};

use oikos_runner::{Bills, Journal, RunError, Stop, Why, Workplace};

use crate::{
    child::{Child, Launch, News},
    error::SweepError,
    folder::Folder,
    money::{Money, Share},
    order::{Order, Row, Status, paid},
    plan::Plan,
};

/// How a sweep is made on this machine.
#[derive(Debug)]
pub struct Setup {
    /// How many runs go on at once.
    pub jobs: usize,
    /// How many run code at once in each.
    pub workers: usize,
    /// How the processes that make runs are started.
    pub launch: Launch,
    /// The most micro-dollars that models may be paid in all runs together.
    pub max_cost: Option<u64>,
    /// The workplace of the runs; here the runtime of code is prepared for all of them.
    pub workplace: Workplace,
}

/// How far a sweep is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Runs that have their row.
    pub made: usize,
    /// Those of them that did not come to their end, money apart.
    pub failed: usize,
    /// Those of them for which the money did not reach.
    pub unpaid: usize,
    /// Runs that had their row before this command.
    pub before: usize,
    /// The cost of the answers of models in them, in micro-dollars.
    pub cost: u64,
}

/// How a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every run has its row.
    Done,
    /// Somebody asked it to end.
    Asked(Why),
}

/// Makes the runs of a sweep; `told` hears of each row.
///
/// # Errors
/// When a row can't be stored or a process can't be started. A run that fails is a row.
pub fn carry_out(
    plan: &Plan,
    folder: &mut Folder,
    setup: &Setup,
    stop: &Stop,
    told: &mut dyn FnMut(Progress, &Row),
) -> Result<(Ended, Progress), SweepError> {
    let (mut progress, mut waiting) = (Progress::default(), VecDeque::new());
    for run in plan.runs() {
        if folder.makes(run) && !folder.is_final(run) {
            waiting.push_back(run);
        }
    }
    progress.add(folder, |row| row.is_final)?;
    let money =
        setup.max_cost.map(|most| Ok::<_, SweepError>(Money::new(most, spent(folder)?))).transpose()?;
    if !waiting.is_empty() {
        setup.workplace.prepare()?;
    }
    let (news, heard) = channel();
    let bell = news.clone();
    let _bell = stop.bell(move || drop(bell.send(News::Stop)));
    let seats = (0..setup.jobs).map(|_| Seat::default()).collect();
    let starved = VecDeque::new();
    let mut crew = Crew { plan, folder, setup, seats, waiting, starved, money, progress, told, news };
    let ended = crew.work(&heard, stop)?;
    Ok((ended, crew.progress))
}

/// The sum that models were paid in this folder: in runs with a row, and in those that were cut short.
fn spent(folder: &Folder) -> Result<u64, SweepError> {
    let mut sum = folder.paid(None);
    for (run, db) in folder.unfinished() {
        let bills =
            Journal::open_read_only(&db).map_err(RunError::from).and_then(|journal| Bills::of(&journal));
        // A world that was not even founded has paid nothing.
        let here = bills.map_or(0, |bills| paid(&bills));
        sum = sum.saturating_add(here.saturating_sub(folder.paid(Some(run))));
    }
    Ok(sum)
}

impl Progress {
    /// The progress of a sweep whose runs all have their row.
    ///
    /// # Errors
    /// When a row can't be read.
    pub fn of(folder: &Folder) -> Result<Self, SweepError> {
        let mut this = Self::default();
        this.add(folder, |_| true)?;
        Ok(this)
    }

    fn add(&mut self, folder: &Folder, counts: impl Fn(&Row) -> bool) -> Result<(), SweepError> {
        folder.each(|row| {
            if counts(&row) {
                self.count(&row);
            }
            Ok(())
        })?;
        self.before = self.made;
        Ok(())
    }

    fn count(&mut self, row: &Row) {
        self.made += 1;
        self.unpaid += usize::from(row.status == Status::Budget);
        self.failed += usize::from(!matches!(row.status, Status::Done | Status::Budget));
        self.cost = self.cost.saturating_add(row.cost);
    }
}

/// A child and its run.
#[derive(Debug, Default)]
struct Seat {
    child: Option<Child>,
    run: Option<UnderWay>,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    run: (u64, u64),
    begun: Instant,
    share: Option<Share>,
    /// The sum paid in its world before.
    paid_before: u64,
}

/// A run that can begin, its share of the money, and what was paid in its world before.
type Begun = ((u64, u64), Option<Share>, u64);

struct Crew<'a> {
    plan: &'a Plan,
    folder: &'a mut Folder,
    setup: &'a Setup,
    seats: Vec<Seat>,
    waiting: VecDeque<(u64, u64)>,
    /// Runs for which their share of the money did not reach: each goes on alone, with all that is left.
    starved: VecDeque<((u64, u64), u64)>,
    money: Option<Money>,
    progress: Progress,
    told: &'a mut dyn FnMut(Progress, &Row),
    news: Sender<News>,
}

impl Crew<'_> {
    fn work(&mut self, heard: &Receiver<News>, stop: &Stop) -> Result<Ended, SweepError> {
        loop {
            if let Some(why) = stop.why() {
                return Ok(Ended::Asked(why));
            }
            self.hand_out()?;
            if self.seats.iter().all(|seat| seat.run.is_none()) {
                return Ok(Ended::Done);
            }
            // This crew has a sender itself, so that the channel is open.
            let Ok(news) = heard.recv() else { return Ok(Ended::Done) };
            match news {
                News::Stop => {}
                News::Answer(seat, line) => self.answered(seat, &line)?,
                News::Gone(seat) => self.gone(seat)?,
            }
        }
    }

    /// Gives every idle child a run, while there are any that can begin.
    fn hand_out(&mut self) -> Result<(), SweepError> {
        while let Some(at) = self.seats.iter().position(|seat| seat.run.is_none()) {
            let Some((run, share, paid_before)) = self.next()? else { return Ok(()) };
            let under_way = UnderWay { run, begun: Instant::now(), share, paid_before };
            let order = self.order(run, share)?;
            let Some(seat) = self.seats.get_mut(at) else { return Ok(()) };
            let child = match &mut seat.child {
                Some(child) => child,
                empty => {
                    let child = Child::start(&self.setup.launch, at, self.news.clone());
                    empty.insert(child.map_err(SweepError::Child)?)
                }
            };
            child.order(&order);
            seat.run = Some(under_way);
        }
        Ok(())
    }

    /// The next run that can begin now, with its share of the money and what was paid in it before.
    fn next(&mut self) -> Result<Option<Begun>, SweepError> {
        while let Some(run) = self.waiting.front().copied() {
            let Some(cell) = self.plan.cell(run.0) else { return Ok(None) };
            if let Some(problem) = &cell.problem {
                let row = Row::without(run.0, run.1, Status::Failed, problem.clone(), true);
                self.waiting.pop_front();
                self.keep(&row, 0.0)?;
                continue;
            }
            let idle = self.seats.iter().filter(|seat| seat.run.is_none()).count().min(self.waiting.len());
            let share = match &mut self.money {
                Some(money) if cell.has_models => match money.take(idle) {
                    Some(share) => Some(share),
                    None if money.is_held() => return Ok(None),
                    None => {
                        self.waiting.pop_front();
                        self.keep(&out_of_money(run, self.folder.paid(Some(run))), 0.0)?;
                        continue;
                    }
                },
                Some(_) | None => None,
            };
            self.waiting.pop_front();
            return Ok(Some((run, share, self.folder.paid(Some(run)))));
        }
        let Some(money) = self.money.as_mut().filter(|money| !money.is_held()) else { return Ok(None) };
        if let Some((run, paid_before)) = self.starved.front().copied()
            && let Some(share) = money.take(1)
        {
            self.starved.pop_front();
            return Ok(Some((run, Some(share), paid_before)));
        }
        while let Some((run, paid_before)) = self.starved.pop_front() {
            self.keep(&out_of_money(run, paid_before), 0.0)?;
        }
        Ok(None)
    }

    fn order(&self, run: (u64, u64), share: Option<Share>) -> Result<Order, SweepError> {
        let cell = self.plan.cell(run.0);
        let has_models = cell.is_some_and(|cell| cell.has_models);
        // Answers that were paid are never lost: such a world stands on disk until its row does.
        let is_on_disk = self.plan.keeps_worlds || has_models;
        let db = is_on_disk.then(|| self.folder.database(run, self.plan.keeps_worlds)).transpose()?;
        Ok(Order {
            cell: run.0,
            seed: run.1,
            world: self.plan.place.clone(),
            shown: self.plan.world.clone(),
            set: cell.map(|cell| cell.set.clone()).unwrap_or_default(),
            source: cell.map(|cell| cell.source.clone()).unwrap_or_default(),
            db,
            max_cost: share.map(|share| share.most),
            workers: self.setup.workers,
        })
    }

    fn answered(&mut self, seat: usize, line: &str) -> Result<(), SweepError> {
        let Some(under_way) = self.seats.get_mut(seat).and_then(|seat| seat.run.take()) else {
            return Ok(());
        };
        let row = serde_json::from_str(line).ok().filter(|row: &Row| (row.cell, row.seed) == under_way.run);
        match row {
            Some(row) => self.ended(under_way, &row),
            // A process that says something else is not believed any more.
            None => {
                if let Some(seat) = self.seats.get_mut(seat) {
                    seat.run = Some(under_way);
                    seat.child = None;
                }
                Ok(())
            }
        }
    }

    fn gone(&mut self, seat: usize) -> Result<(), SweepError> {
        let Some(seat) = self.seats.get_mut(seat) else { return Ok(()) };
        let words = seat.child.take().map(Child::last_words);
        let Some(under_way) = seat.run.take() else { return Ok(()) };
        let reason = words.unwrap_or_else(|| "its process answered with what is no row".into());
        let (cell, seed) = under_way.run;
        let row = Row::without(cell, seed, Status::Crashed, reason, false);
        // It stands in its world's tape; where that can't be read it may have been all that it had.
        let paid = match (under_way.share, self.paid_in_world(under_way.run)) {
            (None, _) => under_way.paid_before,
            (Some(_), Some(paid)) => paid,
            (Some(share), None) => under_way.paid_before.saturating_add(share.most),
        };
        self.ended(under_way, &Row { paid, ..row })
    }

    fn paid_in_world(&self, run: (u64, u64)) -> Option<u64> {
        let db = self.folder.database(run, self.plan.keeps_worlds).ok()?;
        let journal = Journal::open_read_only(&db).ok()?;
        Bills::of(&journal).ok().map(|bills| paid(&bills))
    }

    fn ended(&mut self, under_way: UnderWay, row: &Row) -> Result<(), SweepError> {
        if let (Some(money), Some(share)) = (&mut self.money, under_way.share) {
            money.give_back(share, row.paid.saturating_sub(under_way.paid_before));
            if row.status == Status::Budget && !share.is_all {
                self.starved.push_back((under_way.run, row.paid));
                return Ok(());
            }
        }
        self.keep(row, under_way.begun.elapsed().as_secs_f64())
    }

    fn keep(&mut self, row: &Row, seconds: f64) -> Result<(), SweepError> {
        self.folder.store(row, seconds)?;
        if row.is_final {
            self.folder.forget((row.cell, row.seed));
        }
        self.progress.count(row);
        (self.told)(self.progress, row);
        Ok(())
    }
}

fn out_of_money((cell, seed): (u64, u64), paid: u64) -> Row {
    let reason = "the money of the sweep is spent: --max-cost".to_owned();
    Row { paid, ..Row::without(cell, seed, Status::Budget, reason, false) }
}
