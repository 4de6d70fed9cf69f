//! Requests that a follower sends for the writer of the world.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use oikos_agents::{Outcome, Provider, reach, settings_of};
use oikos_journal::{Shards, Taken};
use tokio::runtime::Runtime;

use super::{
    Access,
    carried::{read_request, write_outcome},
    elsewhere::{Lending, is_of_place},
    key_of,
};
use crate::{config::LlmPlan, error::RunError};

/// How often the table is looked at while answers are awaited.
const LOOK: Duration = Duration::from_millis(10);
/// How long a provider is not asked from here that could not be reached.
const REST: Duration = Duration::from_secs(30);
/// Requests that one process has under way for others.
const UNDER_WAY_MAX: usize = 256;

/// The providers that can be asked from here, and the requests that are under way.
pub(crate) struct ForOthers {
    /// By their readings, and until when one is not asked from here, which could not be reached.
    providers: BTreeMap<String, (Arc<dyn Provider>, Option<Instant>)>,
    sender: Sender<(Taken, String, Outcome)>,
    came: Receiver<(Taken, String, Outcome)>,
    under_way: usize,
    /// Counts the answers that were handed in.
    answers: Arc<AtomicU64>,
    /// It is there until this is dropped.
    runtime: Option<Runtime>,
}

impl Drop for ForOthers {
    /// Requests that are under way are let go.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl ForOthers {
    /// All that is needed to ask the models of a world, where any can be asked from here, and why others can't be.
    ///
    /// # Errors
    /// When a provider can't be had.
    pub(crate) fn open(
        access: &Access,
        plan: &LlmPlan,
        reading: &str,
        answers: Arc<AtomicU64>,
    ) -> Result<(Option<Self>, Vec<String>), RunError> {
        // One that may pay nothing, or only so much, pays nothing for others.
        if access.is_bound() {
            return Ok((None, Vec::new()));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("oikos-models")
            .enable_all()
            .build()?;
        let inside = runtime.enter();
        let declared = plan.providers.iter().map(|(name, settings)| (name.clone(), settings.clone()));
        let (mut providers, mut unable) = (BTreeMap::new(), Vec::new());
        for (name, settings) in settings_of(declared).into_iter().filter(|(name, _)| plan.names(name)) {
            let key = match key_of(access, &name, &settings) {
                Ok(key) => key,
                Err(problem) => {
                    unable.push(problem.to_string());
                    continue;
                }
            };
            // Without a key nobody is asked from here.
            if settings.key_env.is_some() && key.is_none() {
                continue;
            }
            let reading = Lending::of_provider(reading, &name, &settings);
            match reach(&name, settings, key) {
                Ok((provider, _)) => drop(providers.insert(reading, (provider, None))),
                Err(error) => unable.push(format!("the provider `{name}` can't be asked: {error}")),
            }
        }
        drop(inside);
        if providers.is_empty() {
            return Ok((None, unable));
        }
        let (sender, came) = channel();
        let runtime = Some(runtime);
        Ok((Some(Self { providers, sender, came, under_way: 0, answers, runtime }), unable))
    }

    /// Says which providers can be asked from here.
    ///
    /// # Errors
    /// When the database can't be written.
    pub(crate) fn stand_ready(&mut self, table: &mut Shards) -> Result<(), RunError> {
        for reading in self.providers.keys() {
            table.stand_ready(reading, UNDER_WAY_MAX as u64)?;
        }
        Ok(())
    }

    /// Hands in what has come, takes some more, and waits a little where nothing is to be done. `idle` is for how long
    /// where nothing is under way.
    ///
    /// # Errors
    /// When the database can't be used.
    pub(crate) fn step(&mut self, table: &mut Shards, idle: Duration) -> Result<(), RunError> {
        while let Ok((taken, reading, outcome)) = self.came.try_recv() {
            self.under_way -= 1;
            if is_of_place(&outcome)
                && let Some((_, rests_until)) = self.providers.get_mut(&reading)
            {
                *rests_until = Some(Instant::now() + REST);
            }
            if table.answer(&taken, &write_outcome(&outcome))? {
                self.answers.fetch_add(1, Ordering::Relaxed);
            }
        }
        let mut has_taken = false;
        for (reading, (provider, rests_until)) in &self.providers {
            if self.under_way >= UNDER_WAY_MAX || rests_until.is_some_and(|until| Instant::now() < until) {
                continue;
            }
            let Some(taken) = table.take(0, reading)? else { continue };
            has_taken = true;
            let (Some(request), Some(runtime)) = (read_request(&taken.shard.body), &self.runtime) else {
                // Bytes that are no request are given back as they are, and their giver asks by itself.
                table.answer(&taken, &[])?;
                continue;
            };
            self.under_way += 1;
            let (provider, sender, reading) = (Arc::clone(provider), self.sender.clone(), reading.clone());
            runtime.spawn(async move {
                let outcome = provider.ask(&request).await;
                // The process may end meanwhile.
                let _ = sender.send((taken, reading, outcome));
            });
        }
        if !has_taken {
            table.wait(if self.under_way > 0 { LOOK } else { idle })?;
        }
        Ok(())
    }
}
