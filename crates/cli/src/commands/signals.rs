//! Signals that ask the process to end.

use oikos_runner::{Signal, Stop, Why};

/// Asks `stop` at the first signal; at the second gives up and ends the process at once.
#[cfg(unix)]
pub(super) fn listen(stop: Stop, give_up: impl Fn() + Send + 'static) -> Result<(), std::io::Error> {
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
    };
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in &mut signals {
            let signal = match signal {
                SIGHUP => Signal::Hangup,
                SIGINT => Signal::Interrupt,
                _ => Signal::Terminate,
            };
            ask(&stop, Why::Signal(signal), &give_up);
        }
    })?;
    Ok(())
}

/// Asks `stop` at the first signal; at the second gives up and ends the process at once.
#[cfg(not(unix))]
pub(super) fn listen(stop: Stop, give_up: impl Fn() + Send + 'static) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || ask(&stop, Why::Signal(Signal::Interrupt), &give_up))
}

fn ask(stop: &Stop, why: Why, give_up: &impl Fn()) {
    if stop.is_asked() {
        give_up();
        std::process::exit(why.exit_code().into());
    }
    stop.ask(why);
}
