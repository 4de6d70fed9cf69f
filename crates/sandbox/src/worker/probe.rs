//! Attempts at what a worker must not be able to do, made from inside its wall: each first without the wall, so that
//! an attempt that can't succeed anyway proves nothing.

use std::{fs, net::UdpSocket, os::unix::net::UnixStream, process::Command};

use super::layers::{Layer, shut_in};

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// To do nothing: it succeeds.
    Nothing,
    /// To read a file.
    Read,
    /// To make a file.
    Write,
    /// To look at the processes of the system.
    Proc,
    /// To open a socket.
    Socket,
    /// To start a process.
    Process,
    /// To signal the parent.
    Signal,
}

impl Attempt {
    /// Every attempt.
    pub const ALL: [Self; 7] =
        [Self::Nothing, Self::Read, Self::Write, Self::Proc, Self::Socket, Self::Process, Self::Signal];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Read => "read",
            Self::Write => "write",
            Self::Proc => "proc",
            Self::Socket => "socket",
            Self::Process => "process",
            Self::Signal => "signal",
        }
    }

    fn make(self) -> Result<(), String> {
        let told = |error: std::io::Error| error.to_string();
        match self {
            Self::Nothing => Ok(()),
            Self::Read => fs::File::open("/etc/hostname").map(drop).map_err(told),
            Self::Write => fs::File::options().write(true).open("/dev/null").map(drop).map_err(told),
            Self::Proc => fs::read_dir("/proc").map(drop).map_err(told),
            Self::Socket => UdpSocket::bind("127.0.0.1:0").map(drop).map_err(told),
            Self::Process => Command::new("/bin/true").status().map(drop).map_err(told),
            Self::Signal => {
                let parent = rustix::process::getppid().ok_or("there is no parent")?;
                rustix::process::test_kill_process(parent).map_err(|error| error.to_string())
            }
        }
    }
}

/// Makes an attempt without the wall, puts the wall up, or only one layer of it, and makes the attempt again. Where
/// the wall ends the process, this does not return.
///
/// # Errors
/// The system's words, by which the attempt failed; or why it shows nothing.
pub fn probe(attempt: Attempt, layer: Option<&str>) -> Result<(), String> {
    let layers = Layer::ALL.iter().copied().filter(|each| layer.is_none_or(|layer| layer == each.name()));
    let layers: Vec<Layer> = layers.collect();
    if layers.is_empty() {
        return Err(format!("there is no layer `{}`", layer.unwrap_or_default()));
    }
    attempt.make().map_err(|problem| format!("not even without the wall: {problem}"))?;
    let (connection, _other) = UnixStream::pair().map_err(|error| error.to_string())?;
    if let Some(missing) = shut_in(&connection, &layers).first() {
        return Err(format!("the layer {} is missing: {}", missing.layer, missing.why));
    }
    attempt.make()
}
