//! Owns a live world: the world file, the sequencer, the scheduler, the clock.
//!
//! It joins the kernel, which calls nothing, to what it needs: an interpreter, a journal, the time.
//! It prints nothing and reads no command line.

mod agenda;
mod anew;
mod autonomous;
mod beside;
mod bills;
mod bus;
mod check;
mod clock;
mod compare;
pub mod config;
mod desk;
mod drive;
mod end;
mod error;
pub mod export;
mod feed;
mod follow;
mod fork;
mod front;
mod grow;
pub mod guest;
mod helm;
mod kin;
mod lateness;
pub mod library;
mod live;
mod past;
mod look;
mod models;
pub mod measure;
mod open;
mod rates;
mod reader;
mod replay;
mod resident;
pub mod report;
pub mod request;
pub mod schema;
mod rows;
mod sequencer;
mod shown;
mod hooks;
mod series;
pub mod session;
mod stop;
mod summary;
mod spread;
mod trouble;
mod taking;
mod thinkers;
mod tick;
mod turn;
mod view;
mod when;
mod workplace;
mod writer;

pub use oikos_journal::{
    Address, Database, Head, Holder, Holding, InPostgres, Initialised, Journal, JournalError, Leases, Listed,
    Login, SeriesRow, Stands, Survey, Surveyed, Variable, Verified, check_database as pg_check, copy,
    drop_world as pg_drop, holding as pg_holding, init as pg_init, list as pg_list, verify,
};
/// The kernel, whose read-only views the command line prints.
pub use oikos_kernel as kernel;
/// Attempts at what a worker process must not be able to do.
#[cfg(unix)]
pub use oikos_sandbox::worker::probe;
/// How far the runtime of code is, while it is prepared.
pub use oikos_sandbox::{Stage, runtime_name};

#[cfg(unix)]
pub use self::workplace::serve_code;
pub use self::{
    bills::{Bill, Bills, Forecast, Kind, Sums},
    bus::{MAILBOX_MAX, Notice, Subscription, Wanted},
    check::{Finding, check},
    clock::machine_now,
    compare::{Comparison, Refused, compare, compare_at, measures},
    desk::{Desk, NotTaken, SERVED_MAX, Told, WAITING_MAX},
    error::RunError,
    feed::{Cursor, Feed, FeedLine, Filtered, lines_of},
    follow::Follower,
    fork::{Fork, Forked, Forking, Parent, copy_at, fork, parent},
    front::Front,
    helm::{Follows, Helm, Motion, Speed, Standing},
    kin::{Kin, Kinship, aligned, kin},
    lateness::Lateness,
    live::{Goal, Live, Stopped},
    models::{Access, Answered, Ask, Preview, QUESTION_BYTES_MAX, ask, ask_tape, preview},
    past::{founded_from, go_on, recorded_source, state, state_at},
    reader::{Come, Reader, Tail},
    replay::{Difference, Replayed, replay},
    resident::{Ending, Resident, Residing},
    rows::{mind, row},
    sequencer::Sequencer,
    shown::{counted, number, quoted},
    stop::{Bell, Signal, Stop, Why},
    summary::{Calls, Failure, Failures, Summary},
    trouble::{News, Trouble},
    view::{Look, View},
    when::When,
    workplace::{Shared, Worker, Workplace},
    writer::JournalGuard,
};
/// A mind in Rust, for those who decide without code, and dollars as text.
pub use oikos_agents::{
    Asked as ModelProvider, Halt, Key, Mind, Place as ProviderPlace, Provider, TapeMode, dollars, fake,
    json::{self, Misread, strict as strict_json},
    show_dollars,
};
