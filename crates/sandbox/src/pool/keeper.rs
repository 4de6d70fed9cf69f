//! The thread that starts workers. The system ends them when the thread that started them ends, so it is one
//! that lives as long as the pool.

use std::{
    io::Error,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{Sender, SyncSender, channel, sync_channel},
    },
    time::Duration,
};

/// How long a worker may take for an answer before it counts as stuck: code is ended by its budget of work long
/// before this on any machine.
const ANSWER_MAX: Duration = Duration::from_secs(600);

/// A worker that was started, and our end of the connection with it.
#[derive(Debug)]
pub(crate) struct Born {
    pub(crate) child: Child,
    pub(crate) stream: UnixStream,
}

/// Where workers are asked for.
#[derive(Debug)]
pub(crate) struct Keeper {
    asks: Mutex<Sender<SyncSender<Result<Born, Error>>>>,
}

impl Keeper {
    /// A keeper of workers that run `program` with these arguments.
    ///
    /// # Errors
    /// When the system gives it no thread.
    pub(crate) fn new(program: PathBuf, arguments: Vec<String>) -> Result<Self, Error> {
        let (asks, asked) = channel::<SyncSender<Result<Born, Error>>>();
        let keep = move || {
            for reply in asked {
                // If the asker is gone, the worker ends when its connection does.
                drop(reply.send(bear(&program, &arguments)));
            }
        };
        std::thread::Builder::new().name("workers".into()).spawn(keep)?;
        Ok(Self { asks: Mutex::new(asks) })
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// When the system can't.
    pub(crate) fn bear(&self) -> Result<Born, Error> {
        let (reply, answer) = sync_channel(1);
        let asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = asks.send(reply);
        drop(asks);
        let gone = || Error::other("the thread that starts workers has ended");
        sent.map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

/// Starts a worker: an own process group, so that Ctrl-C reaches the parent alone; no environment, no folder, and
/// no open file but the connection.
fn bear(program: &PathBuf, arguments: &[String]) -> Result<Born, Error> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(ANSWER_MAX))?;
    // Files that this process was given open itself.
    #[cfg(target_os = "linux")]
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let mut command = Command::new(program);
    command.args(arguments).arg0("oikos").env_clear().current_dir("/").process_group(0);
    command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(Born { child: command.spawn()?, stream: ours })
}
