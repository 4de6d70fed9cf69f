//! Requests that followers of the world send in the place of its writer, who has limits, budget and tape.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use oikos_agents::{Failure, FailureKind, Later, Outcome, Provider, ProviderSettings, Request};
use oikos_journal::{Address, JournalError, Shard, Shards};
use tokio::sync::oneshot;

use super::carried::{read_outcome, write_request};

/// How often the table is looked at while answers are awaited.
const LOOK: Duration = Duration::from_millis(20);
/// How often one asks who takes requests, and whether those live who have some.
const WHO: Duration = Duration::from_millis(250);
/// How long the table is left alone that could not be used.
const REST: Duration = Duration::from_secs(5);
/// How much longer than the provider may take its answer may be on its way.
const WAY: Duration = Duration::from_secs(10);

/// The way of a world's requests to its followers.
#[derive(Clone)]
pub(crate) struct Lending {
    pub(crate) at: Address,
    pub(crate) reading: String,
}

impl Lending {
    /// The reading of those who can ask a provider by the same settings.
    pub(super) fn of_provider(reading: &str, provider: &str, settings: &ProviderSettings) -> String {
        let settings = blake3::hash(format!("{settings:?}").as_bytes()).to_hex();
        format!("{reading}, asks {provider} {}", settings.split_at(16).0)
    }

    /// The thread that lends requests, until all providers that it serves are gone.
    pub(super) fn begin(self) -> Result<Lender, std::io::Error> {
        let (sender, jobs) = channel();
        let thread = std::thread::Builder::new().name("lending".into());
        let reading = self.reading.clone();
        thread.spawn(move || {
            Desk {
                lending: self,
                table: None,
                rests_until: None,
                out: BTreeMap::new(),
                next: 0,
                known: HashMap::new(),
            }
            .run(&jobs)
        })?;
        Ok(Lender { sender, reading })
    }
}

/// Lends requests.
pub(super) struct Lender {
    sender: Sender<Job>,
    reading: String,
}

impl Lender {
    /// A provider whose requests are sent from here and by followers alike.
    pub(super) fn provider(
        &self,
        (name, settings): (&str, &ProviderSettings),
        here: Arc<dyn Provider>,
    ) -> Arc<dyn Provider> {
        Arc::new(Elsewhere {
            here,
            reading: Lending::of_provider(&self.reading, name, settings),
            timeout: settings.timeout,
            sender: self.sender.clone(),
            asked_here: Arc::default(),
        })
    }
}

/// A provider that is asked from here or by a follower.
struct Elsewhere {
    here: Arc<dyn Provider>,
    reading: String,
    timeout: Duration,
    sender: Sender<Job>,
    /// Requests that are under way from here.
    asked_here: Arc<AtomicUsize>,
}

/// A request that may be lent.
struct Job {
    reading: String,
    body: Vec<u8>,
    timeout: Duration,
    asked_here: Arc<AtomicUsize>,
    /// Told of the outcome; `None` has it asked here.
    told: oneshot::Sender<Option<Outcome>>,
}

impl Job {
    /// Has it asked here.
    fn ask_here(self) {
        self.asked_here.fetch_add(1, Ordering::Relaxed);
        if self.told.send(None).is_err() {
            self.asked_here.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Tells the outcome, where there is one; else it is asked here.
    fn tell(self, outcome: Option<Outcome>) {
        match outcome {
            Some(outcome) => drop(self.told.send(Some(outcome))),
            None => self.ask_here(),
        }
    }
}

impl Provider for Elsewhere {
    fn ask<'a>(&'a self, request: &'a Request) -> Later<'a, Outcome> {
        Box::pin(async move {
            let (told, answer) = oneshot::channel();
            let job = Job {
                reading: self.reading.clone(),
                body: write_request(request),
                timeout: self.timeout,
                asked_here: Arc::clone(&self.asked_here),
                told,
            };
            let lent = self.sender.send(job).is_ok();
            // The lending thread waits for no answer longer than this.
            let most = self.timeout + WAY * 2;
            let told = if lent { tokio::time::timeout(most, answer).await } else { Ok(Ok(None)) };
            let under_way = match told {
                Ok(Ok(Some(outcome))) if !is_of_place(&outcome) => return outcome,
                // It was counted as it was told.
                Ok(Ok(None)) if lent => UnderWay(&self.asked_here),
                Ok(Ok(_) | Err(_)) => UnderWay::begin(&self.asked_here),
                Err(_) => return Err(unanswered()),
            };
            let outcome = self.here.ask(request).await;
            drop(under_way);
            outcome
        })
    }
}

/// Whether an outcome may be the fault of the place from which it was asked, and cost nothing: its network, its key.
pub(super) fn is_of_place(outcome: &Outcome) -> bool {
    let is_place = |kind| matches!(kind, FailureKind::Network | FailureKind::Auth);
    outcome.as_ref().is_err_and(|failure| {
        (failure.is_fatal || is_place(failure.kind)) && failure.billed == oikos_agents::Billed::Nothing
    })
}

/// A follower that lives and does not answer may have been billed.
fn unanswered() -> Failure {
    Failure::new(FailureKind::Timeout, "a follower that sent the request has not answered").maybe_billed()
}

/// A request that is under way from here.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The thread that lends.
struct Desk {
    lending: Lending,
    table: Option<Shards>,
    rests_until: Option<Instant>,
    /// The requests that are lent, by the number of their part.
    out: BTreeMap<u64, Out>,
    next: u64,
    /// How many followers take requests of a reading, and when that was asked.
    known: HashMap<String, (usize, Instant)>,
}

struct Out {
    job: Job,
    since: Instant,
    taker: Option<i64>,
}

impl Desk {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            if self.out.is_empty() {
                let Ok(job) = jobs.recv() else { return };
                self.lend(job);
            }
            while let Ok(job) = jobs.try_recv() {
                self.lend(job);
            }
            if !self.out.is_empty() && self.look().is_err() {
                self.fail();
            }
        }
    }

    /// Lends a request, if a follower has less to do than this process.
    fn lend(&mut self, job: Job) {
        match self.try_lend(&job) {
            Ok(Some(part)) => {
                self.out.insert(part, Out { job, since: Instant::now(), taker: None });
            }
            Ok(None) => job.ask_here(),
            Err(_) => {
                job.ask_here();
                self.fail();
            }
        }
    }

    fn try_lend(&mut self, job: &Job) -> Result<Option<u64>, JournalError> {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return Ok(None);
        }
        let takers = self.takers(&job.reading)?;
        let out = self.out.values().filter(|out| out.job.reading == job.reading).count();
        // Each follower has as many as this process, and one more.
        let here = job.asked_here.load(Ordering::Relaxed);
        if out >= takers * (here + 1) {
            return Ok(None);
        }
        self.next += 1;
        let part = self.next;
        let shard = Shard { seq: 0, turn: 0, part, body: job.body.clone() };
        self.table()?.offer(&job.reading, &[shard])?;
        Ok(Some(part))
    }

    fn table(&mut self) -> Result<&mut Shards, JournalError> {
        let table = match self.table.take() {
            Some(table) => table,
            None => {
                let mut table = Shards::open(&self.lending.at)?;
                table.begin()?;
                table
            }
        };
        Ok(self.table.insert(table))
    }

    fn takers(&mut self, reading: &str) -> Result<usize, JournalError> {
        if let Some((known, asked)) = self.known.get(reading)
            && asked.elapsed() < WHO
        {
            return Ok(*known);
        }
        let takers = self.table()?.takers(reading)?.len();
        self.known.insert(reading.to_owned(), (takers, Instant::now()));
        Ok(takers)
    }

    fn look(&mut self) -> Result<(), JournalError> {
        let table = self.table()?;
        table.wait(LOOK)?;
        let progress = table.progress(0, 0)?;
        for (part, body) in progress.done {
            if let Some(out) = self.out.remove(&part) {
                // Bytes that are no outcome are as none.
                out.job.tell(read_outcome(&body));
            }
        }
        for (part, taker) in progress.taken {
            if let Some(out) = self.out.get_mut(&part).filter(|out| out.taker.is_none()) {
                (out.taker, out.since) = (Some(taker), Instant::now());
            }
        }
        self.let_go()
    }

    /// Lets go of requests that nobody waits for any more, nobody takes, or whose taker is gone: those are asked here.
    fn let_go(&mut self) -> Result<(), JournalError> {
        let mut dead = Vec::new();
        let takers: std::collections::BTreeSet<i64> = self.out.values().filter_map(|out| out.taker).collect();
        let asks = self.known.values().any(|(_, asked)| asked.elapsed() >= WHO);
        if asks {
            for taker in takers {
                if !self.table()?.lives(taker)? {
                    dead.push(taker);
                }
            }
            let readings: Vec<String> = self.known.keys().cloned().collect();
            for reading in readings {
                self.takers(&reading)?;
            }
        }
        let mut back = Vec::new();
        for (part, out) in &self.out {
            let is_late = match out.taker {
                None => out.since.elapsed() > WHO * 4,
                Some(taker) => dead.contains(&taker) || out.since.elapsed() > out.job.timeout + WAY,
            };
            if is_late || out.job.told.is_closed() {
                back.push(*part);
            }
        }
        if back.is_empty() {
            return Ok(());
        }
        let is_open = |part: &u64| self.out.get(part).is_some_and(|out| out.taker.is_none());
        let (open, taken): (Vec<u64>, Vec<u64>) = back.into_iter().partition(is_open);
        // One that somebody has taken at this very moment is waited for.
        let mut gone = self.table()?.take_back_open(0, 0, &open)?;
        self.table()?.take_back(0, 0, &taken)?;
        gone.extend(taken);
        for part in gone {
            let Some(Out { job, taker, .. }) = self.out.remove(&part) else { continue };
            job.tell(taker.filter(|taker| !dead.contains(taker)).map(|_| Err(unanswered())));
        }
        Ok(())
    }

    /// The table can't be used: all is asked here for a while.
    fn fail(&mut self) {
        self.table = None;
        self.known.clear();
        self.rests_until = Some(Instant::now() + REST);
        for (_, out) in std::mem::take(&mut self.out) {
            out.job.ask_here();
        }
    }
}
