//! A house: one listener for many worlds of a database, which it shares with other houses. A world is loaded when
//! somebody asks for it or it has something to do, and unloaded when neither is so; one that is not loaded has no
//! thread and no connection.
//!
//! In reading order: sums; a world; the rounds in which worlds are taken, loaded and unloaded; paths of its own;
//! requests.

mod share;
mod world;
mod rounds;
mod own;
mod ways;

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener as StdListener},
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oikos_runner::{Database, JournalError, Leases, Why, Workplace};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{Semaphore, watch},
    time::timeout,
};

pub use self::own::house_reference;
use self::world::{Entry, State};
use crate::{
    limits::{Limits, Meters},
    nats::Nats,
    serve::{CLOSES_WITHIN, LOOK_THREADS, accept, runtime},
    tokens::Tokens,
};

/// Worlds that are loaded at once because somebody asks for them.
const LOADS_MAX: usize = 8;

/// How a house is opened.
#[derive(Clone)]
pub struct HouseSetup {
    /// The database with the worlds.
    pub database: Database,
    /// The tokens that are good at every world, beside those of its own file.
    pub tokens: Tokens,
    /// The limits for each token at each world.
    pub limits: Limits,
    /// The names by which it is reached beside `localhost` and addresses.
    pub hosts: Vec<String>,
    /// Where worlds run their code: all in one.
    pub workplace: Workplace,
    /// The address by which others reach it; that of the listener where none is named.
    pub url: Option<String>,
    /// The most worlds that it holds.
    pub share: Option<NonZeroUsize>,
    /// How long nobody asked for a world that is unloaded.
    pub idle: Duration,
    /// Where the events of worlds are published that are loaded.
    pub publish: Option<Nats>,
    /// Told of problems, and of what owners should know.
    pub tell: fn(&str),
}

impl std::fmt::Debug for HouseSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HouseSetup").field("database", &self.database).finish_non_exhaustive()
    }
}

/// A house that is open.
pub struct HouseServer {
    runtime: Runtime,
    house: Arc<House>,
    address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

impl std::fmt::Debug for HouseServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HouseServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// All that the tasks of a house share.
struct House {
    setup: HouseSetup,
    url: String,
    worlds: Mutex<BTreeMap<String, Entry>>,
    /// Counted up whenever a world is loaded or unloaded.
    changed: watch::Sender<u64>,
    leases: Arc<Mutex<Option<Leases>>>,
    loads: Semaphore,
    meters: Meters,
    /// Set when no world is loaded any more.
    ending: watch::Sender<bool>,
    /// Set when no connection is taken any more.
    closing: watch::Sender<bool>,
}

impl HouseServer {
    /// Opens a house: it takes worlds from now on.
    ///
    /// # Errors
    /// When there are no threads, the listener can't be used, or the database can't be entered.
    pub fn open(listener: StdListener, setup: HouseSetup) -> Result<Self, HouseError> {
        let runtime = runtime(2 * LOOK_THREADS)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let url = setup.url.clone().unwrap_or_else(|| format!("http://{address}"));
        let share = setup.share.map(NonZeroUsize::get);
        let leases = Leases::open(&setup.database, url.clone(), share)?;
        let house = Arc::new(House {
            url,
            worlds: Mutex::default(),
            changed: watch::Sender::new(0),
            leases: Arc::new(Mutex::new(Some(leases))),
            loads: Semaphore::new(LOADS_MAX),
            meters: Meters::new(setup.limits),
            ending: watch::Sender::new(false),
            closing: watch::Sender::new(false),
            setup,
        });
        let accepting = {
            let _inside = runtime.enter();
            let listener = TcpListener::from_std(listener)?;
            runtime.spawn(rounds::run(Arc::clone(&house)));
            let (takes, _) = tokio::sync::oneshot::channel();
            runtime.spawn(accept((listener, takes), ways::router(&house), house.closing.subscribe()))
        };
        Ok(Self { runtime, house, address, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has all worlds end in order and gives them back, lets those requests end that are under way, and closes.
    pub fn close(self) {
        let Self { runtime, house, accepting, .. } = self;
        runtime.block_on(async {
            house.ending.send_replace(true);
            house.end_all().await;
            house.closing.send_replace(true);
            // Answers that are under way still are cut off.
            drop(timeout(CLOSES_WITHIN, accepting).await);
            let leases = Arc::clone(&house.leases);
            let left = move || {
                let leases = leases.lock().unwrap_or_else(PoisonError::into_inner).take();
                // Its lock goes with it all the same.
                leases.map(Leases::close).map_or(Ok(()), |left| left)
            };
            if let Ok(Err(error)) = tokio::task::spawn_blocking(left).await {
                (house.setup.tell)(&error.to_string());
            }
        });
        runtime.shutdown_timeout(CLOSES_WITHIN);
    }
}

impl House {
    fn worlds(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.worlds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets those look again who wait for a world.
    fn tell_changed(&self) {
        self.changed.send_modify(|number| *number = number.wrapping_add(1));
    }

    fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }

    /// Asks the database, on a thread where that may take long.
    async fn leased<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Leases) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let leases = Arc::clone(&self.leases);
        let asked = move || {
            let mut leases = leases.lock().unwrap_or_else(PoisonError::into_inner);
            leases.as_mut().map_or(Err(JournalError::Poisoned), ask)
        };
        tokio::task::spawn_blocking(asked).await.unwrap_or(Err(JournalError::Poisoned))
    }

    /// Asks every world that is loaded to end, and waits until all have.
    async fn end_all(&self) {
        let mut changed = self.changed.subscribe();
        loop {
            let mut is_any = false;
            for entry in self.worlds().values() {
                match &entry.state {
                    State::Shut => {}
                    State::Coming => is_any = true,
                    State::Here(here) | State::Going(here) => {
                        here.stop.ask(Why::Steered);
                        is_any = true;
                    }
                }
            }
            if !is_any || changed.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Why a house can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    /// There are no threads, or the listener can't be used.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The database can't be entered to be written to.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
