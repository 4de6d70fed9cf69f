//! The command line.

mod sweep;

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use oikos_runner::{Address, Database, Speed, When};
use oikos_server::Nats;

pub(crate) use self::sweep::{ElsewhereCommand, KeepArg, SweepArgs, WantedArgs};
use crate::{
    counts::{rate, share},
    passwords::{Served, database, nats, served, world},
    print, style,
};

/// Economies of autonomous agents under real scarcity.
#[derive(Debug, Parser)]
#[command(
    name = "oikos",
    version,
    about = "Economies of autonomous agents under real scarcity",
    propagate_version = true,
    styles = style::CLAP,
    max_term_width = print::COLUMNS
)]
pub(crate) struct Args {
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print in colours: where there is a terminal, always, or never.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub(crate) color: ColorArg,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// Whether a program reads one JSON object, which says too that the command failed. Where lines are printed, a
    /// failure is an object on standard error.
    pub(crate) const fn is_one_object(&self) -> bool {
        let is_lines = match &self.command {
            Command::Run { events, .. } => events.is_some(),
            Command::Log { .. }
            | Command::Serve { .. }
            | Command::Session { .. }
            | Command::Mcp { .. }
            | Command::Runs { .. }
            | Command::Worker { .. } => true,
            Command::Tape { what: TapeCommand::Export { file, .. } } => file.is_none(),
            Command::Sweep(_)
            | Command::Tape { what: TapeCommand::Import { .. } }
            | Command::Init { .. }
            | Command::Validate { .. }
            | Command::Inspect { .. }
            | Command::Ask { .. }
            | Command::Bench { .. }
            | Command::Cost { .. }
            | Command::Verify { .. }
            | Command::Replay { .. }
            | Command::Compare { .. }
            | Command::Report { .. }
            | Command::Export { .. }
            | Command::Fork { .. }
            | Command::Copy { .. }
            | Command::Pg { .. }
            | Command::Act { .. }
            | Command::Token { .. }
            | Command::Schema { .. }
            | Command::Completions { .. }
            | Command::Python { .. } => false,
        };
        self.json && !is_lines
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the world of a world file, or go on with it where it was left.
    Run {
        /// The world file, such as worlds/bazaar.toml, or a world database that is to go on.
        #[arg(value_parser = world())]
        file: Address,
        /// The world database [default: ./NAME.oikos].
        #[arg(long, value_parser = world())]
        db: Option<Address>,
        /// Keep the world in memory alone: no file is left.
        #[arg(long, conflicts_with_all = ["db", "fresh", "adopt_runtime"])]
        no_db: bool,
        /// Start over; the old database is moved aside.
        #[arg(long)]
        fresh: bool,
        /// Go on with a world whose code ran on another runtime; the change is recorded.
        #[arg(long)]
        adopt_runtime: bool,
        /// Say what the first round would ask of models, and could cost; nobody is asked, and nothing is written.
        #[arg(long, conflicts_with_all = ["fresh", "adopt_runtime", "events", "no_db"])]
        dry_run: bool,
        /// Print events and the output of code as they happen, all or those of one type, such as print.
        #[arg(long, value_name = "TYPE", num_args = 0..=1, require_equals = true, default_missing_value = "*")]
        events: Option<String>,
        /// End with 1 when code of the world failed, though the run came to its end.
        #[arg(long, conflicts_with = "dry_run")]
        strict: bool,
        #[command(flatten)]
        overrides: OverrideArgs,
        #[command(flatten)]
        workplace: WorkplaceArgs,
    },
    /// Run a world file many times, with other seeds and values, and put the figures of all runs together.
    Sweep(Box<SweepArgs>),
    /// Write a small world file with one agent, to begin with.
    Init {
        /// The world's name; its file will be NAME.toml.
        #[arg(default_value = "world")]
        name: String,
    },
    /// Say whether a world file, or a sweep file, is fine.
    Validate {
        /// The world file, or the sweep file.
        file: PathBuf,
        #[command(flatten)]
        overrides: OverrideArgs,
    },
    /// Show principals, agents, artifacts, balances, one artifact of a world, or how it stands.
    Inspect {
        /// The world database.
        #[arg(value_parser = world())]
        world: Address,
        /// `principals`, `agents`, `artifacts`, `balances`, `summary`, or the id of an artifact.
        #[arg(default_value = "principals")]
        what: String,
        /// Of one artifact, only what it keeps in its storage.
        #[arg(long)]
        storage: bool,
        /// Of one artifact, only its content: the text itself, or JSON.
        #[arg(long)]
        content: bool,
        /// Of one artifact, only its code, as it is.
        #[arg(long)]
        code: bool,
        /// As the world was at a moment, such as 17, 6h or tick:40 [default: the end].
        #[arg(long, value_name = "WHEN")]
        at: Option<When>,
    },
    /// Print what happened in a world.
    Log {
        /// The world database.
        #[arg(value_parser = world())]
        world: Address,
        /// Only after a moment: a record as 17, a time, a time since the beginning as 6h, or tick:40.
        #[arg(long, value_name = "WHEN", default_value = "0", value_parser = moment, allow_negative_numbers = true)]
        since: When,
        /// Only up to a moment, and with it.
        #[arg(long, value_name = "WHEN", value_parser = moment, allow_negative_numbers = true)]
        until: Option<When>,
        /// Only the first so many lines.
        #[arg(long, value_name = "N", conflicts_with = "tail")]
        limit: Option<u64>,
        /// Only the last so many lines.
        #[arg(long, value_name = "N")]
        tail: Option<usize>,
        /// Go on with what comes, until the process that runs the world ends, or Ctrl-C.
        #[arg(long, conflicts_with_all = ["until", "limit"])]
        follow: bool,
        /// Only lines of this type, such as `transfer`; with --refused, only this op.
        #[arg(long = "type")]
        kind: Option<String>,
        /// Only what this artifact did or had done to it.
        #[arg(long)]
        of: Option<String>,
        /// Only actions that were refused or failed.
        #[arg(long)]
        refused: bool,
        /// Only what code printed and logged, as minds thought and as actions ran.
        #[arg(long, conflicts_with_all = ["kind", "refused", "thoughts"])]
        output: bool,
        /// With the reasons that minds gave for their steps, before what came of them.
        #[arg(long)]
        thoughts: bool,
    },
    /// Ask an agent a question: its own model answers, from its prompt and memory, and nothing in the world changes.
    Ask {
        /// The world database.
        #[arg(value_parser = world())]
        world: Address,
        /// The agent.
        agent: String,
        /// The question, such as "why did you sell?".
        question: String,
        /// Ask the agent as it was at a moment, such as 17, 6h or tick:40 [default: the end].
        #[arg(long, value_name = "WHEN")]
        at: Option<When>,
        #[command(flatten)]
        workplace: WorkplaceArgs,
    },
    /// Show what models were asked and what it cost, by agent, model and purpose.
    Cost {
        /// The world database.
        #[arg(value_parser = world())]
        world: Address,
    },
    /// Take the answers of models out of a world, or bring them into one.
    Tape {
        #[command(subcommand)]
        what: TapeCommand,
    },
    /// Re-apply a world's journal from its first record and check everything against it.
    Verify {
        /// The world database.
        #[arg(value_parser = world())]
        world: Address,
    },
    /// Execute a world again, code included, and compare each record with the journal.
    Replay {
        /// The world database.
        #[arg(value_parser = world())]
        world: Address,
        /// Only up to a moment: a record as 17, a time, a time since the beginning as 6h, or tick:40.
        #[arg(long, value_name = "WHEN")]
        until: Option<When>,
        /// Run code in this process, or in worker processes behind a second wall.
        #[arg(long)]
        isolation: Option<IsolationArg>,
    },
    /// Say where two worlds part, and how they differ at their ends.
    Compare {
        /// A world database.
        #[arg(value_parser = world())]
        first: Address,
        /// Another, such as a fork of it.
        #[arg(value_parser = world())]
        second: Address,
    },
    /// Show a world on one page that can be sent to others: it opens without a network, and has no script.
    Report {
        /// The world database; it is only read, and may be running.
        #[arg(value_parser = world())]
        world: Address,
        /// The file that is made.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The world as it was at a moment, such as 17, 6h or tick:40 [default: the end].
        #[arg(long, value_name = "WHEN")]
        at: Option<When>,
        /// Another world, such as a fork, beside it.
        #[arg(long, value_name = "WORLD", conflicts_with = "at", value_parser = world())]
        beside: Option<Address>,
        /// Replace the file if it is there.
        #[arg(long)]
        force: bool,
    },
    /// Write a world's records, accounts and series as tables for other programs.
    Export {
        /// The world database; it is only read, and may be running.
        #[arg(value_parser = world())]
        world: Address,
        /// The folder of the files; it is made if it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The format of the files.
        #[arg(long, value_enum, default_value = "parquet")]
        format: FormatArg,
        /// Only these tables, with commas between them [default: all].
        #[arg(long, value_name = "TABLES", value_delimiter = ',')]
        tables: Vec<String>,
        /// Only after a moment: a record as 17, a time, a time since the beginning as 6h, or tick:40.
        #[arg(long, value_name = "WHEN", default_value = "0", value_parser = moment, allow_negative_numbers = true)]
        since: When,
        /// Only up to a moment, and with it.
        #[arg(long, value_name = "WHEN", value_parser = moment, allow_negative_numbers = true)]
        until: Option<When>,
        /// Show accounts so often too, such as 1h; without it they are shown at the end.
        #[arg(long, value_name = "DURATION", value_parser = duration_ms)]
        every: Option<i64>,
        /// Take series and agent_series from the journal again, instead of as they were taken while the world ran.
        #[arg(long)]
        anew: bool,
        /// With --anew, measures other than the world's, such as measures.every=1h or measures.rich="max(scrip)".
        #[arg(long, value_name = "KEY=VALUE", requires = "anew")]
        set: Vec<String>,
        /// Replace files of these tables that are there; others are never touched.
        #[arg(long)]
        force: bool,
    },
    /// Make a new world that goes on from a moment of another, as it is or under changed rules.
    Fork {
        /// The world database; it stays as it is.
        #[arg(value_parser = world())]
        world: Address,
        /// The moment: a record as 17, a time, a time since the beginning as 6h, or tick:40.
        #[arg(long, value_name = "WHEN")]
        at: When,
        /// The file of the new world.
        #[arg(long, value_name = "FILE", value_parser = world())]
        to: Address,
        /// Let a principal act once in the new world, as `act` has it; may be given again.
        #[arg(long = "act", num_args = 2, value_names = ["AS", "ACTION"])]
        acts: Vec<String>,
        #[command(flatten)]
        overrides: OverrideArgs,
        #[command(flatten)]
        workplace: WorkplaceArgs,
    },
    /// Copy a world whole to another place, into a file or a database of PostgreSQL: its hashes stay the same.
    Copy {
        /// The world database; it is only read, and may be running.
        #[arg(value_parser = world())]
        from: Address,
        /// The file of the copy, or a database of PostgreSQL with the copy's name.
        #[arg(value_parser = world())]
        to: Address,
    },
    /// Look after databases of PostgreSQL that hold worlds.
    Pg {
        #[command(subcommand)]
        what: PgCommand,
    },
    /// Let a principal act once.
    Act {
        /// The world database.
        #[arg(value_parser = world())]
        world: Address,
        /// The principal who acts.
        #[arg(long = "as", value_name = "ID")]
        principal: String,
        /// The op as JSON, such as '{"op": "transfer", "to": "bob", "amount": 5}'.
        action: String,
        /// Try it on the world as it was at a moment, such as 17, 6h or tick:40; nothing is kept.
        #[arg(long, value_name = "WHEN")]
        at: Option<When>,
        #[command(flatten)]
        workplace: WorkplaceArgs,
    },
    /// Serve a world on standard input and output, one JSON object a line.
    Session {
        /// A world database, or a world file for a fresh world.
        #[arg(value_parser = world())]
        world: Address,
        /// With a world file: keep the world in this database instead of in memory.
        #[arg(long, value_parser = world())]
        db: Option<Address>,
        /// With a world database: go on from a moment of it, in memory; nothing is kept.
        #[arg(long, value_name = "WHEN", conflicts_with = "db")]
        at: Option<When>,
        #[command(flatten)]
        overrides: OverrideArgs,
        #[command(flatten)]
        workplace: WorkplaceArgs,
    },
    /// Let an MCP client live in a world as one of its principals, over standard input and output.
    Mcp {
        /// A world database, or a world file, whose world is founded where there is none.
        #[arg(value_parser = world())]
        world: Address,
        /// The principal that the client acts as.
        #[arg(long = "as", value_name = "ID")]
        principal: Option<String>,
        /// Where `oikos serve` has the world open: a token of the principal [default: the variable OIKOS_TOKEN].
        #[arg(long, value_name = "TOKEN")]
        token: Option<String>,
        /// With a world file: the world database [default: ./NAME.oikos].
        #[arg(long, value_parser = world())]
        db: Option<Address>,
        #[command(flatten)]
        overrides: OverrideArgs,
        #[command(flatten)]
        workplace: WorkplaceArgs,
    },
    /// Serve a world over HTTP, to people, programs and other agents; it runs meanwhile.
    Serve {
        /// A world database, or a world file, whose world is made or gone on with; with --all a database of PostgreSQL.
        #[arg(value_parser = served())]
        world: Served,
        /// With a world file: the world database [default: ./NAME.oikos].
        #[arg(long, value_parser = world())]
        db: Option<Address>,
        /// Where to listen.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7777")]
        listen: SocketAddr,
        /// A name by which it is reached beside localhost, such as that of a reverse proxy; may be given again.
        #[arg(long = "host", value_name = "NAME")]
        hosts: Vec<String>,
        /// Let the world stand still until an operator runs it.
        #[arg(long)]
        paused: bool,
        /// How many seconds of a virtual clock pass in one, such as 60, or max.
        #[arg(long, default_value = "max")]
        speed: Speed,
        /// Follow a world that another process serves or runs: show it, and take no actions.
        #[arg(long, conflicts_with_all = ["standby", "paused", "speed", "db", "url", "seed", "set"])]
        follow: bool,
        /// Follow a world, and take it over as soon as nobody writes to it.
        #[arg(long, conflicts_with_all = ["db", "seed", "set"])]
        standby: bool,
        /// Serve all worlds of a database of PostgreSQL, each below /w/NAME, and share them with others who do so.
        #[arg(long, conflicts_with_all = ["follow", "standby", "paused", "speed", "db", "seed", "set"])]
        all: bool,
        /// With --all: hold so many worlds at most [default: as many as each of those who share them].
        #[arg(long, value_name = "N", value_parser = share, requires = "all")]
        share: Option<NonZeroUsize>,
        /// With --all: unload a world that stands still when nobody has asked for it for so long [default: 1m].
        #[arg(long, value_name = "DURATION", value_parser = duration_ms, requires = "all")]
        idle: Option<i64>,
        /// Publish all events to a JetStream stream of a NATS server, as nats://HOST:PORT or tls://HOST:PORT, while
        /// this process writes the world. The login is that of NATS_USER and NATS_PASSWORD, or of the file NATS_CREDS.
        #[arg(long, value_name = "NATS", value_parser = nats, conflicts_with = "follow")]
        publish: Option<Box<Nats>>,
        /// The address by which others reach it, told to those who follow the world [default: http://ADDRESS].
        #[arg(long, value_name = "URL", value_parser = door_url)]
        url: Option<String>,
        /// How many requests each token may make in a second [default: 1000].
        #[arg(long, value_name = "N", value_parser = rate)]
        rate: Option<NonZeroU32>,
        #[command(flatten)]
        overrides: OverrideArgs,
        #[command(flatten)]
        workplace: WorkplaceArgs,
    },
    /// Make, list and revoke the tokens by which others come in where a world is served.
    Token {
        /// The world database; its tokens are kept in WORLD.tokens. A database of PostgreSQL, without a world's name:
        /// tokens for all its worlds, where `serve --all` serves them, are kept in DATABASE+all.tokens.
        #[arg(value_parser = served())]
        world: Served,
        #[command(flatten)]
        whom: TokenArgs,
        /// Let the token be worth nothing after some time, such as 30d.
        #[arg(long, value_name = "DURATION", value_parser = duration_ms, conflicts_with_all = ["list", "revoke"])]
        expires: Option<i64>,
        /// Say whom it is for.
        #[arg(long, conflicts_with_all = ["list", "revoke"])]
        label: Option<String>,
    },
    /// Time steps and sessions on this machine, beside Mesa where it is installed.
    Bench {
        /// How often all of it is timed; the medians are told.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// The Python that may have Mesa.
        #[arg(long, value_name = "PROGRAM", default_value = "python3")]
        python: String,
    },
    /// Print a JSON Schema.
    Schema {
        /// Of what.
        of: SchemaOf,
        /// With `op`: in the form that language models are held to, with the reasons and the looks around it.
        #[arg(long = "for", value_name = "WHOM")]
        whom: Option<SchemaFor>,
    },
    /// Print what a shell needs to complete commands and options, such as: oikos completions bash.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Look after the Python that runs agents' code.
    Python {
        #[command(subcommand)]
        what: PythonCommand,
    },
    /// Make the runs of the sweep that started this process, ordered on standard input.
    #[command(hide = true, name = "make-runs")]
    Runs {
        #[command(flatten)]
        workplace: WorkplaceArgs,
    },
    /// Run code for the process that started this one, on standard input.
    #[command(hide = true)]
    Worker {
        /// Attempt something from inside the wall, and say whether it can be done.
        #[arg(long)]
        probe: Option<String>,
        /// With --probe: put up only this layer of the wall.
        #[arg(long, requires = "probe")]
        layer: Option<String>,
    },
}

/// The bearer of the token that is wanted, or other work on tokens.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct TokenArgs {
    /// A token that acts as this principal, and sees what it may see.
    #[arg(long = "as", value_name = "ID")]
    pub(crate) principal: Option<String>,
    /// A token that sees all, and acts never.
    #[arg(long)]
    pub(crate) observer: bool,
    /// A token that runs the world and sees all, and acts as nobody.
    #[arg(long)]
    pub(crate) operator: bool,
    /// List the tokens; they themselves are known to nobody but those who have them.
    #[arg(long)]
    pub(crate) list: bool,
    /// Make a token worth nothing, by its name or label; that holds at once where the world is being served.
    #[arg(long, value_name = "NAME")]
    pub(crate) revoke: Option<String>,
}

/// Where answers of models come from.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum TapeArg {
    /// The tape, and, what it lacks, the models.
    Auto,
    /// The tape alone.
    Replay,
    /// The models alone.
    Record,
}

/// Dollars as micro-dollars.
fn dollars(text: &str) -> Result<u64, String> {
    oikos_runner::dollars(text).ok_or_else(|| "dollars such as '$0.50', to a millionth".into())
}

/// A duration in milliseconds, at least one.
fn duration_ms(text: &str) -> Result<i64, String> {
    let ms = oikos_runner::kernel::time::parse_duration_ms(text).filter(|ms| *ms > 0);
    ms.ok_or_else(|| "a duration of at least 1ms, such as 30s, 1h or 1h 30m".into())
}

/// How tables are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FormatArg {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values.
    Csv,
    /// JSON, an object in each line.
    Jsonl,
}

/// The answers of models.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TapeCommand {
    /// Write every row of the tape, one a line.
    Export {
        /// The world database.
        #[arg(value_parser = world())]
        world: Address,
        /// A new file [default: standard output].
        file: Option<PathBuf>,
    },
    /// Add the rows of a file to the tape; rows of askings that are there already stay.
    Import {
        /// The world database.
        #[arg(value_parser = world())]
        world: Address,
        /// The file, with a row a line.
        file: PathBuf,
    },
}

/// The care of databases of PostgreSQL.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum PgCommand {
    /// Make the tables for worlds in a database, or bring them up to this version.
    Init {
        /// The database, such as postgres://oikos@localhost/oikos; its password comes from PGPASSWORD or ~/.pgpass.
        #[arg(value_name = "URL", value_parser = database)]
        database: Database,
    },
    /// List the worlds of a database.
    List {
        /// The database, such as postgres://oikos@localhost/oikos.
        #[arg(value_name = "URL", value_parser = database)]
        database: Database,
    },
    /// Delete a world from a database for good; one that is being written to is left.
    Drop {
        /// The world, such as 'postgres://oikos@localhost/oikos?world=bazaar'.
        #[arg(value_name = "WORLD", value_parser = world())]
        world: Address,
        /// Delete it; without this it is only said what would be gone.
        #[arg(long)]
        yes: bool,
    },
}

/// The care of Python.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum PythonCommand {
    /// Prepare it for this machine, so that no later command has to: about ten seconds, once.
    Prepare,
}

/// Where code runs on this machine; it changes nothing in the world.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct WorkplaceArgs {
    /// Where answers of models come from: the tape and, what it lacks, the models; the tape alone; or the models alone
    /// [default: the world file's].
    #[arg(long, value_name = "MODE")]
    pub(crate) tape: Option<TapeArg>,
    /// The most that models may be paid by this command, such as '$0.50'.
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    pub(crate) max_cost: Option<u64>,
    /// Run code in this process, or in worker processes behind a second wall; the world is the same.
    #[arg(long)]
    pub(crate) isolation: Option<IsolationArg>,
    /// How long the thoughts of a tick take here at least where followers are given some.
    #[arg(long, hide = true, value_name = "DURATION", value_parser = duration_ms)]
    pub(crate) give_from: Option<i64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum IsolationArg {
    Thread,
    Process,
}

/// The settings of a world file that can be overridden.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OverrideArgs {
    /// Another seed than the world file's.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Another value for a key of the world file, such as execution.ticks=50.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// The writer of the values that a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaFor {
    /// A language model, by a decoder that is held to the schema.
    Llm,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SchemaOf {
    /// An op, as agents and clients write it.
    Op,
    /// The answers to queries, by what is asked for.
    Query,
    /// An event, as receipts, queries, `log` and `run --events` show it.
    Event,
    /// A line of `log --json`: an event, a tick, or what was refused or failed.
    Log,
    /// A world file.
    World,
    /// A receipt, as `act` and sessions answer, and as agents find their last one.
    Receipt,
    /// A line into a session.
    Request,
    /// A line out of a session.
    Answer,
    /// An observation, as minds are given it.
    Observation,
}

/// Whether to print in colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorArg {
    Auto,
    Always,
    Never,
}

impl ColorArg {
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::from_str(word, false).ok()
    }
}

/// A moment between records: every whole number is one, before the first, or after the last, too.
fn moment(text: &str) -> Result<When, String> {
    sequence(text).map(When::Seq).or_else(|_| text.parse())
}

fn sequence(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("it must be a whole number, such as 17".into());
    }
    Ok(if text.starts_with('-') { 0 } else { digits.parse().unwrap_or(u64::MAX) })
}

/// The URL of a door: a scheme, and a host that may have a port.
fn door_url(text: &str) -> Result<String, String> {
    let url = text.strip_suffix('/').unwrap_or(text);
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let is_plain = |host: &str| {
        !host.is_empty() && host.chars().all(|char| char.is_ascii_alphanumeric() || ".-:[]".contains(char))
    };
    match host {
        Some(host) if is_plain(host) => Ok(url.to_owned()),
        _ => Err("write where others reach it, as https://world.example or http://10.0.0.5:7777".into()),
    }
}
