//! The arguments of `oikos sweep`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::ValueEnum;

use super::{WorkplaceArgs, dollars};

/// A sweep that is made here, or a step of one that is made elsewhere.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub(crate) struct SweepArgs {
    #[command(subcommand)]
    pub(crate) elsewhere: Option<ElsewhereCommand>,
    #[command(flatten)]
    pub(crate) wanted: WantedArgs,
    /// How many runs go on at once [default: the number of cores].
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// List the runs; nothing is run, and nothing is written.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) workplace: WorkplaceArgs,
}

/// A step of a sweep on other machines. A world file with the name of one is given as ./plan.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ElsewhereCommand {
    /// Plan a sweep whose runs are made one by one, on any machine that has the folder.
    Plan {
        #[command(flatten)]
        wanted: WantedArgs,
        /// The most that models may be paid by all runs together, in equal shares, such as '$5'.
        #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
        max_cost: Option<u64>,
    },
    /// Make one run of a plan, or go on with it; where its row is whole nothing is done.
    Run {
        /// The folder of the plan.
        dir: PathBuf,
        /// The number of the run, from 0 on.
        #[arg(long, value_name = "K", allow_hyphen_values = true)]
        index: u64,
        #[command(flatten)]
        workplace: WorkplaceArgs,
    },
    /// Put the rows of all runs of a plan into the tables and the report, or say which are missing.
    Merge {
        /// The folder of the plan.
        dir: PathBuf,
    },
}

/// The sweep that is wanted.
#[derive(Debug, clap::Args)]
pub(crate) struct WantedArgs {
    /// The world file, or a sweep file, which names one.
    #[arg(required = true)]
    pub(crate) file: Option<PathBuf>,
    /// The seeds of each cell, such as 1..100 (both ends are in), 1,5,9 or 7 [default: the world file's].
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) seeds: Option<String>,
    /// The values of a key of the world file, such as scrip.start=1,2,5; may be given again for another key.
    #[arg(long, value_name = "KEY=VALUES")]
    pub(crate) set: Vec<String>,
    /// Which values go together: each with each, the first of all keys and then the second, or samples of ranges such
    /// as scrip.start=1..100 [default: grid].
    #[arg(long, value_parser = ["grid", "list", "latin"])]
    pub(crate) design: Option<String>,
    /// With the design latin: how many cells.
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<u64>,
    /// With the design latin: the seed of the samples [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) design_seed: Option<u64>,
    /// The folder of the results; the same command goes on there [default: NAME-sweep].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Keep the database of each world too.
    #[arg(long, value_name = "WHAT")]
    pub(crate) keep: Option<KeepArg>,
}

/// The data that a sweep keeps beside its figures.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KeepArg {
    /// The database of each world.
    Worlds,
}
