//! Processes of this program that make runs, one after the other: an order on a line, its row on a line.
//!
//! A child reads until its input closes, which it does when its parent has ended, however that was; then it ends at
//! once.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write},
    path::PathBuf,
    process::{Child as Process, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

use oikos_runner::Workplace;

use crate::order::Order;

/// Bytes of the talk of a child that are kept.
const TALK_BYTES: u64 = 64 << 10;

/// How a child is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// News from the children, by their numbers.
#[derive(Debug)]
pub(crate) enum News {
    /// A line that a child answered.
    Answer(usize, String),
    /// A child that ended.
    Gone(usize),
    /// Somebody asked the sweep to end.
    Stop,
}

/// A child.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    input: ChildStdin,
    talk: Option<JoinHandle<String>>,
}

impl Child {
    pub(crate) fn start(launch: &Launch, number: usize, news: Sender<News>) -> std::io::Result<Self> {
        let mut command = Command::new(&launch.program);
        command.args(&launch.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C in a terminal is for the parent, which ends its children.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn()?;
        let missing = || std::io::Error::other("it has no input or output");
        let input = process.stdin.take().ok_or_else(missing)?;
        let output = process.stdout.take().ok_or_else(missing)?;
        let errors = process.stderr.take().ok_or_else(missing)?;
        std::thread::Builder::new().name("answers".into()).spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            // Where nobody listens any more the sweep has ended.
            let _ = lines.map(|line| news.send(News::Answer(number, line))).find(Result::is_err);
            let _ = news.send(News::Gone(number));
        })?;
        let talk = std::thread::Builder::new().name("talk".into()).spawn(move || {
            let (mut text, mut errors) = (Vec::new(), errors);
            let _ = (&mut errors).take(TALK_BYTES).read_to_end(&mut text);
            // It must never wait for somebody to read on.
            let _ = std::io::copy(&mut errors, &mut std::io::sink());
            String::from_utf8_lossy(&text).into_owned()
        })?;
        Ok(Self { process, input, talk: Some(talk) })
    }

    /// Hands in an order. One that could not be handed in is answered by the end of the child.
    pub(crate) fn order(&mut self, order: &Order) {
        let line = serde_json::to_string(order).unwrap_or_default();
        let _ = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
    }

    /// How it ended, in words: the last that it said, and its status.
    pub(crate) fn last_words(mut self) -> String {
        // It does not answer any more, so that nothing is lost with it.
        let _ = self.process.kill();
        let status = self.process.wait();
        let talk = self.talk.take().and_then(|talk| talk.join().ok()).unwrap_or_default();
        let mut words = match status {
            Ok(status) => format!("its process ended: {status}"),
            Err(error) => format!("its process ended: {error}"),
        };
        let told =
            talk.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with("note: run with"));
        told.iter().for_each(|told| words.push_str(&format!("; it said: {told}")));
        words
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes the runs that are ordered on standard input, until it is closed.
///
/// # Errors
/// When an answer can't be written.
pub fn serve(workplace: &Workplace) -> std::io::Result<()> {
    let (orders, ordered): (Sender<String>, Receiver<String>) = channel();
    std::thread::Builder::new().name("orders".into()).spawn(move || {
        let lines = std::io::stdin().lines().map_while(Result::ok);
        lines.for_each(|line| drop(orders.send(line)));
        // The parent is gone, or wants this process gone: a run that is under way is begun again by the next.
        std::process::exit(0);
    })?;
    for line in ordered {
        let Ok(order) = serde_json::from_str::<Order>(&line) else {
            return Err(std::io::Error::other("a line is no order of a sweep"));
        };
        let row = order.carry_out(workplace);
        let answer = serde_json::to_string(&row).unwrap_or_default();
        let mut output = std::io::stdout().lock();
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}
