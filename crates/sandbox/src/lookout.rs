//! Waiting for the other end of a connection without going to sleep. A process that sleeps is woken by the system in
//! as long as little code runs, so whoever asks for little would wait for that and nothing else.

use std::{
    io::Error,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};

/// How long an end looks out for a message before it lets the system wake it: about as long as two wake-ups take,
/// which is many times as long as little code runs.
const LOOK_OUT: Duration = Duration::from_micros(60);

/// How many times in a row an end that looked out in vain goes to sleep at once, at most.
const SLEEPS_MAX: u32 = 255;

/// Looks out for the other end's answer before it sleeps, where a core is free for the other end meanwhile. An end
/// that looked out in vain sleeps twice as often before it looks out again, so that a busy machine loses little.
#[derive(Debug)]
pub(crate) struct Lookout {
    alone: bool,
    /// How often to sleep at once before the next look.
    sleeps: u32,
    /// How often it slept after the last look that was in vain.
    vain: u32,
}

impl Lookout {
    pub(crate) fn new() -> Self {
        let alone = std::thread::available_parallelism().map_or(true, |cores| cores.get() == 1);
        Self { alone, sleeps: 0, vain: 0 }
    }

    /// Takes in what comes while it looks out; nothing, if it is better to sleep.
    pub(crate) fn read(&mut self, stream: &UnixStream, room: &mut [u8]) -> Option<Result<usize, Error>> {
        if self.alone {
            return None;
        }
        if self.sleeps > 0 {
            self.sleeps -= 1;
            return None;
        }
        let begun = Instant::now();
        loop {
            match recv(stream, &mut *room, RecvFlags::DONTWAIT) {
                Err(Errno::WOULDBLOCK) => {}
                read => {
                    self.vain = 0;
                    return Some(read.map(|(read, _)| read).map_err(Error::from));
                }
            }
            if begun.elapsed() > LOOK_OUT {
                self.vain = (self.vain * 2 + 1).min(SLEEPS_MAX);
                self.sleeps = self.vain;
                return None;
            }
            std::hint::spin_loop();
        }
    }
}
