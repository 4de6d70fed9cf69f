//! Requests that a follower sends for the writer of the world.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use oikos_agents::{Outcome, Provider, reach, settings_of};
use oikos_journal::{Shard, Shards};
use tokio::runtime::Runtime;

use super::{
    Access,
    carried::{read_request, write_outcome},
    elsewhere::Lending,
    key_of,
};
use crate::{config::LlmPlan, error::RunError};

/// How often the table is looked at while answers are awaited.
const LOOK: Duration = Duration::from_millis(10);
/// Requests that one process has under way for others.
const UNDER_WAY_MAX: usize = 256;

/// The providers that can be asked from here, and the requests that are under way.
pub(crate) struct ForOthers {
    reading: String,
    providers: HashMap<String, Arc<dyn Provider>>,
    sender: Sender<(Shard, Outcome)>,
    came: Receiver<(Shard, Outcome)>,
    under_way: usize,
    /// Counts the answers that were handed in.
    answers: Arc<AtomicU64>,
    runtime: Runtime,
}

impl ForOthers {
    /// All that is needed to ask the models of a world; `None` where none can be asked from here.
    ///
    /// # Errors
    /// When a provider can't be had.
    pub(crate) fn open(
        access: &Access,
        plan: &LlmPlan,
        reading: &str,
        answers: Arc<AtomicU64>,
    ) -> Result<Option<Self>, RunError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("oikos-models")
            .enable_all()
            .build()?;
        let inside = runtime.enter();
        let declared = plan.providers.iter().map(|(name, settings)| (name.clone(), settings.clone()));
        let mut providers = HashMap::new();
        for (name, settings) in settings_of(declared).into_iter().filter(|(name, _)| plan.names(name)) {
            let key = key_of(access, &name, &settings)?;
            // Without a key nobody is asked from here.
            if settings.key_env.is_some() && key.is_none() {
                continue;
            }
            let problem = |error| RunError::Models(format!("the provider `{name}` can't be asked: {error}"));
            let (provider, _) = reach(&name, settings, key).map_err(problem)?;
            providers.insert(name, provider);
        }
        drop(inside);
        if providers.is_empty() {
            return Ok(None);
        }
        let (sender, came) = channel();
        Ok(Some(Self { reading: reading.into(), providers, sender, came, under_way: 0, answers, runtime }))
    }

    /// Says which providers can be asked from here.
    ///
    /// # Errors
    /// When the database can't be written.
    pub(crate) fn stand_ready(&mut self, table: &mut Shards) -> Result<(), RunError> {
        for name in self.providers.keys() {
            table.stand_ready(&Lending::of_provider(&self.reading, name), UNDER_WAY_MAX as u64)?;
        }
        Ok(())
    }

    /// Hands in what has come, takes some more, and waits a little where nothing is to be done. `idle` is for how long
    /// where nothing is under way.
    ///
    /// # Errors
    /// When the database can't be used.
    pub(crate) fn step(&mut self, table: &mut Shards, idle: Duration) -> Result<(), RunError> {
        while let Ok((shard, outcome)) = self.came.try_recv() {
            self.under_way -= 1;
            table.answer(&shard, &write_outcome(&outcome))?;
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
        let mut has_taken = false;
        for (name, provider) in &self.providers {
            if self.under_way >= UNDER_WAY_MAX {
                break;
            }
            let Some(shard) = table.take(0, &Lending::of_provider(&self.reading, name))? else { continue };
            has_taken = true;
            let Some(request) = read_request(&shard.body) else {
                return Err(RunError::Unsupported("the table of shards holds what is no request".into()));
            };
            self.under_way += 1;
            let (provider, sender) = (Arc::clone(provider), self.sender.clone());
            self.runtime.spawn(async move {
                let outcome = provider.ask(&request).await;
                // The process may end meanwhile.
                let _ = sender.send((shard, outcome));
            });
        }
        if !has_taken {
            table.wait(if self.under_way > 0 { LOOK } else { idle })?;
        }
        Ok(())
    }
}
