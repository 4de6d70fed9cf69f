//! A sweep as it is to be made: its cells and its seeds.

use std::path::{Path, PathBuf};

use oikos_runner::{
    RunError,
    config::{self, ClockKind, MeasureKind, Measured, Overrides, Source, Statistic, WorldFile},
    library, quoted,
};

use serde::{Deserialize, Serialize};

use crate::{
    design::{self, Axis, Design},
    error::SweepError,
    file::{self, Described},
    order::{one_line, source_hash},
    text::{self, RUNS_MAX},
};

/// The seed of Latin hypercubes, where none is named.
const DESIGN_SEED: u64 = 1;

/// The sweep that the command line asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A world file, or a sweep file.
    pub file: PathBuf,
    /// `--seeds`.
    pub seeds: Option<String>,
    /// `--set KEY=VALUE,VALUE`, each.
    pub set: Vec<String>,
    /// `--design`.
    pub design: Option<String>,
    /// `--samples`.
    pub samples: Option<u64>,
    /// `--design-seed`.
    pub design_seed: Option<u64>,
    /// Whether the databases of the worlds are kept.
    pub keeps_worlds: bool,
}

/// A sweep.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The name of its world.
    pub name: String,
    /// The world file, as it was named.
    pub world: PathBuf,
    /// The world file, as it is found from here.
    #[serde(skip)]
    pub(crate) place: PathBuf,
    /// The keys that are set, in order.
    pub keys: Vec<String>,
    /// The cells, from number 1 on.
    pub cells: Vec<Cell>,
    /// The seeds of each cell.
    pub seeds: Vec<u64>,
    /// The command, without what changes no figure.
    pub command: String,
    /// Whether the databases of the worlds are kept.
    pub keeps_worlds: bool,
    /// Whether the same run gives the same figures again.
    pub is_repeatable: bool,
    /// The text of the world file with the files that it names.
    pub(crate) source: Source,
    /// The measures, and which of them are whole numbers.
    pub(crate) measures: Vec<(String, bool)>,
}

/// A cell: the same rules for all seeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// Each key with its value.
    pub set: Vec<(String, String)>,
    /// Why its world file can't be meant, in a line.
    pub problem: Option<String>,
    pub(crate) source: String,
    /// Whether models may be asked.
    pub(crate) has_models: bool,
}

impl Plan {
    /// Reads what is wanted, and the world file for each cell.
    ///
    /// # Errors
    /// When something can't be meant, or no cell has a world that can.
    pub fn read(wanted: &Wanted) -> Result<Self, SweepError> {
        let usage = SweepError::Usage;
        let described = file::read(&wanted.file).map_err(usage)?;
        let described =
            described.unwrap_or_else(|| Described { world: wanted.file.clone(), ..Described::default() });
        let mut axes = described.axes;
        override_axes(&mut axes, &wanted.set).map_err(usage)?;
        let design = wanted.design.as_deref().map(design_of).transpose().map_err(usage)?;
        let design = design.or(described.design).unwrap_or_default();
        let samples = wanted.samples.or(described.samples);
        let design_seed = wanted.design_seed.or(described.design_seed);
        let sets =
            design::cells(&axes, design, samples, design_seed.unwrap_or(DESIGN_SEED)).map_err(usage)?;
        let typed = wanted.seeds.as_deref().map(text::seeds).transpose().map_err(usage)?;
        let seeds = typed.or(described.seeds);
        let world = described.world;
        let (cells, files) = read_cells(&world, sets)?;
        let first =
            files.iter().flatten().next().ok_or_else(|| SweepError::Usage("there is no cell".into()))?;
        let seeds = seeds.unwrap_or_else(|| vec![first.founding.rules.seed]);
        if seeds.len().checked_mul(cells.len()).is_none_or(|runs| runs > RUNS_MAX) {
            return Err(usage(format!("a sweep has {RUNS_MAX} runs at most")));
        }
        let design_words = DesignWords { design, samples, design_seed };
        Ok(Self {
            name: first.plan.name.clone(),
            keys: axes.iter().map(|(key, _)| key.clone()).collect(),
            command: command(&world, &seeds, &axes, design_words, wanted.keeps_worlds),
            is_repeatable: files.iter().flatten().all(|file| file.plan.clock == ClockKind::Virtual),
            keeps_worlds: wanted.keeps_worlds,
            source: all_files(&files),
            measures: measures(&files),
            place: world.clone(),
            world,
            cells,
            seeds,
        })
    }

    /// Every run in the order in which they are made: all cells of a seed, then those of the next.
    pub fn runs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let cells = self.cells.len() as u64;
        self.seeds.iter().flat_map(move |seed| (1..=cells).map(|cell| (cell, *seed)))
    }

    /// How many runs there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.cells.len() * self.seeds.len()
    }

    /// A cell by its number.
    #[must_use]
    pub fn cell(&self, number: u64) -> Option<&Cell> {
        usize::try_from(number).ok()?.checked_sub(1).and_then(|at| self.cells.get(at))
    }
}

/// The settings of the command line take the place of those of the file.
fn override_axes(axes: &mut Vec<Axis>, set: &[String]) -> Result<(), String> {
    let typed = set.iter().map(|pair| file::axis(pair)).collect::<Result<Vec<Axis>, String>>()?;
    file::check_axes(&typed)?;
    for (key, values) in typed {
        match axes.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = values,
            None => axes.push((key, values)),
        }
    }
    Ok(())
}

fn design_of(word: &str) -> Result<Design, String> {
    let found = Design::ALL.into_iter().find(|design| design.word() == word);
    found.ok_or_else(|| format!("--design {word}: it is one of {}", Design::ALL.map(Design::word).join(", ")))
}

/// Reads the world file for each cell.
fn read_cells(
    world: &Path,
    sets: Vec<Vec<(String, String)>>,
) -> Result<(Vec<Cell>, Vec<Option<WorldFile>>), SweepError> {
    let (mut cells, mut files, mut first) = (Vec::new(), Vec::new(), None);
    for set in sets {
        let overrides = Overrides { seed: None, set: set.clone() };
        match config::load(world, &overrides, library::founders()) {
            Ok(file) => {
                let has_models = !file.plan.llm.models.is_empty() || !file.plan.llm.providers.is_empty();
                cells.push(Cell { set, problem: None, source: source_hash(&file), has_models });
                // Founders may be millions; all else is small.
                files.push(Some(without_founders(file)));
            }
            Err(error) => {
                let problem = Some(one_line(&error.to_string()));
                first.get_or_insert(error);
                cells.push(Cell { set, problem, source: String::new(), has_models: false });
                files.push(None);
            }
        }
    }
    match first {
        // A mistake that is in all of them is one of the command, or of the world file.
        Some(error) if files.iter().all(Option::is_none) => Err(RunError::from(error).into()),
        _ => Ok((cells, files)),
    }
}

fn without_founders(mut file: WorldFile) -> WorldFile {
    (file.founding.founders, file.tape) = (Vec::new(), Vec::new());
    file
}

/// The world file with every file that it names in any cell.
fn all_files(files: &[Option<WorldFile>]) -> Source {
    let mut all = Source::default();
    for file in files.iter().flatten() {
        all.file.clone_from(&file.source.file);
        all.text.clone_from(&file.source.text);
        all.files.extend(file.source.files.iter().map(|(name, text)| (name.clone(), text.clone())));
    }
    all
}

/// The measures of all cells, in order, and whether they are counts or amounts.
fn measures(files: &[Option<WorldFile>]) -> Vec<(String, bool)> {
    let mut all: Vec<(String, bool)> = Vec::new();
    for measure in files.iter().flatten().flat_map(|file| &file.measures) {
        let is_whole = is_whole(&measure.what);
        match all.iter_mut().find(|(name, _)| *name == measure.name) {
            Some((_, known)) => *known &= is_whole,
            None => all.push((measure.name.clone(), is_whole)),
        }
    }
    all
}

fn is_whole(what: &MeasureKind) -> bool {
    let MeasureKind::Statistic { function, of, .. } = what else { return false };
    let is_amount = matches!(of, Measured::Scrip | Measured::Resource(_));
    matches!(function, Statistic::Count)
        || (is_amount && matches!(function, Statistic::Sum | Statistic::Min | Statistic::Max))
}

#[derive(Clone, Copy)]
struct DesignWords {
    design: Design,
    samples: Option<u64>,
    design_seed: Option<u64>,
}

/// The command that makes the sweep, without `--jobs` and `--out`: they change no figure.
fn command(world: &Path, seeds: &[u64], axes: &[Axis], words: DesignWords, keeps_worlds: bool) -> String {
    let mut parts = vec!["oikos sweep".to_owned(), quoted(&world.display().to_string())];
    parts.push(format!("--seeds {}", ranges(seeds)));
    for (key, values) in axes {
        parts.push(format!("--set {}", quoted(&format!("{key}={}", values.join(",")))));
    }
    if words.design != Design::default() {
        parts.push(format!("--design {}", words.design.word()));
    }
    parts.extend(words.samples.map(|samples| format!("--samples {samples}")));
    parts.extend(words.design_seed.map(|seed| format!("--design-seed {seed}")));
    if keeps_worlds {
        parts.push("--keep worlds".into());
    }
    parts.join(" ")
}

/// Seeds in short.
pub(crate) fn ranges(seeds: &[u64]) -> String {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for seed in seeds {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*seed) => *last = *seed,
            _ => parts.push((*seed, *seed)),
        }
    }
    let words = parts.iter().map(
        |(first, last)| {
            if first == last { first.to_string() } else { format!("{first}..{last}") }
        },
    );
    words.collect::<Vec<_>>().join(",")
}
