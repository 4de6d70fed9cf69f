//! The door: all that the handlers of one served world share. Looks are made on threads beside, a bounded number
//! at once; what is done is handed in at the world's desk, and nobody waits for it on a thread.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::http::{StatusCode, Uri};
use oikos_runner::{
    Front, Helm, Reader, Workplace,
    kernel::refusal::{Code, Refusal},
    request::{Reply, Request},
};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::{
    feeds::Feeds,
    limits::{ASKS_MAX, LONG_LOOKS_MAX, LOOKS_MAX, LOOKS_WAITING_MAX, Limits, Meters},
    mcp::http::Speaker,
    metrics::Metrics,
    pages::Pages,
    problem::Problem,
    publish::Published,
    tokens::Tokens,
};

/// How a door is opened.
#[derive(Clone, Debug)]
pub struct DoorSetup {
    /// The beginning of every address: the path of the world, where it is one of many at this listener; else nothing.
    pub root: String,
    /// The tokens of those who may come in.
    pub tokens: Tokens,
    /// The limits for each token.
    pub limits: Limits,
    /// The names by which it is reached beside `localhost` and addresses.
    pub hosts: Vec<String>,
    /// Where a fork runs the code of its actions.
    pub workplace: Workplace,
    /// The tokens that are good at the list of all worlds, where this is one of many at its listener.
    pub house: Option<Tokens>,
}

/// All that the handlers share.
pub(crate) struct Door {
    pub(crate) front: Front,
    pub(crate) helm: Helm,
    /// The beginning of every address.
    pub(crate) root: String,
    pub(crate) tokens: Tokens,
    pub(crate) hosts: Vec<String>,
    pub(crate) workplace: Workplace,
    /// The tokens that are good at the list of all worlds, where there is one.
    pub(crate) house: Option<Tokens>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) metrics: Metrics,
    pub(crate) feeds: Feeds,
    pub(crate) published: Published,
    pub(crate) pages: Arc<Pages>,
    pub(crate) mcp: Speaker,
    /// The last record that is on disk.
    pub(crate) on_disk: watch::Receiver<u64>,
    /// Set when the door closes: whoever waits is let go.
    pub(crate) closing: watch::Sender<bool>,
    looks: Semaphore,
    long_looks: Semaphore,
    asks: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Door {
    pub(crate) fn new(front: Front, helm: Helm, setup: DoorSetup) -> Arc<Self> {
        let view = front.reader.view();
        let (told, on_disk) = watch::channel(view.on_disk());
        view.watch(move |seq| {
            told.send_replace(seq);
        });
        let (closing, _) = watch::channel(false);
        let mcp = Speaker::new(front.desk.clone(), &front.name);
        Arc::new(Self {
            front,
            helm,
            feeds: Feeds::default(),
            published: Published::default(),
            pages: Arc::default(),
            mcp,
            root: setup.root,
            tokens: setup.tokens,
            hosts: setup.hosts,
            workplace: setup.workplace,
            house: setup.house,
            meters: Arc::new(Meters::new(setup.limits)),
            metrics: Metrics::default(),
            on_disk,
            closing,
            looks: Semaphore::new(LOOKS_MAX),
            long_looks: Semaphore::new(LONG_LOOKS_MAX),
            asks: Arc::new(Semaphore::new(ASKS_MAX)),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Refuses what only the writer of the world does, where another process is that.
    pub(crate) fn check_writes(&self, asked: &Uri) -> Result<(), Problem> {
        match self.helm.standing().follows {
            None => Ok(()),
            Some(follows) => Err(Problem::followed(follows.writer.as_deref(), asked)),
        }
    }

    /// Hands a request in at the desk, and waits for its answer, which comes when what it tells is on disk.
    pub(crate) async fn ask(&self, request: Request, asked: &Uri) -> Result<Reply, Problem> {
        self.check_writes(asked)?;
        let (sender, answer) = oneshot::channel();
        // The asker may have gone away.
        self.front.desk.hand_in(request, Box::new(move |told| drop(sender.send(told))));
        match answer.await {
            Ok(told) => Ok(told?),
            Err(_) => Err(Problem::not_served()),
        }
    }

    /// Reads something of the world on another thread.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let _waits = Waits::begin(&self.waiting)?;
        let permit = self.looks.acquire().await;
        self.read(read, permit.is_ok()).await
    }

    /// Reads something that takes long: of the past, or of all of the journal. Few do so at once.
    pub(crate) async fn look_long<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let _waits = Waits::begin(&self.waiting)?;
        let permit = self.long_looks.acquire().await;
        self.read(read, permit.is_ok()).await
    }

    /// Asks a model for somebody, on another thread; `None` while another is asked. It goes on to its end, which is
    /// paid for, though nobody may wait for it any more.
    pub(crate) async fn ask_model<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Reader) -> Result<T, Problem> + Send + 'static,
    ) -> Result<Option<T>, Problem> {
        let Ok(place) = Arc::clone(&self.asks).try_acquire_owned() else { return Ok(None) };
        let asked = move |reader: &Reader| {
            let answer = ask(reader);
            drop(place);
            answer
        };
        self.read(asked, true).await.map(Some)
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, Problem> + Send + 'static,
        is_open: bool,
    ) -> Result<T, Problem> {
        if !is_open {
            return Err(Problem::not_served());
        }
        let reader = self.front.reader.clone();
        let looked = tokio::task::spawn_blocking(move || read(&reader)).await;
        looked.unwrap_or_else(|_| {
            let refusal = Refusal::new(Code::Unsupported, "this look failed by a mistake of ours");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, refusal))
        })
    }
}

/// One who waits for a look, until it is dropped.
struct Waits<'d>(&'d AtomicUsize);

impl<'d> Waits<'d> {
    fn begin(waiting: &'d AtomicUsize) -> Result<Self, Problem> {
        let this = Self(waiting);
        if waiting.fetch_add(1, Ordering::SeqCst) < LOOKS_WAITING_MAX {
            return Ok(this);
        }
        let sentence = format!("{LOOKS_WAITING_MAX} looks wait for this world already");
        Err(Problem::busy(Refusal::new(Code::RateLimited, sentence)))
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
