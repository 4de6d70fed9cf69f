//! Sweep files: `[sweep]` in a file beside the world file.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::{Table, Value};

use crate::{
    design::{Axis, Design},
    text,
};

/// The most bytes of a sweep file.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A sweep file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    sweep: Section,
}

/// Its section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    /// The world file, relative to this one.
    world: PathBuf,
    seeds: Option<Value>,
    set: Option<Value>,
    design: Option<Design>,
    samples: Option<u64>,
    design_seed: Option<u64>,
}

/// The sweep that a file describes.
#[derive(Debug, Default)]
pub(crate) struct Described {
    pub(crate) world: PathBuf,
    pub(crate) seeds: Option<Vec<u64>>,
    pub(crate) axes: Vec<Axis>,
    pub(crate) design: Option<Design>,
    pub(crate) samples: Option<u64>,
    pub(crate) design_seed: Option<u64>,
}

/// Whether a file is a sweep file rather than a world file. One that can't be read is none.
#[must_use]
pub fn is_sweep(path: &Path) -> bool {
    table(path).is_some_and(|(_, table)| table.contains_key("sweep"))
}

/// Reads a sweep file; nothing of a world file.
pub(crate) fn read(path: &Path) -> Result<Option<Described>, String> {
    let Some((text, _)) = table(path).filter(|(_, table)| table.contains_key("sweep")) else {
        return Ok(None);
    };
    let named = |problem: String| format!("`{}`: {problem}", path.display());
    let Whole { sweep } =
        toml::from_str(&text).map_err(|error| named(error.to_string().trim_end().to_owned()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let seeds = sweep.seeds.as_ref().map(seeds).transpose().map_err(named)?;
    let axes = sweep.set.as_ref().map(axes).transpose().map_err(named)?.unwrap_or_default();
    let Section { world, design, samples, design_seed, .. } = sweep;
    Ok(Some(Described { world: folder.join(world), seeds, axes, design, samples, design_seed }))
}

/// The text of a file of a bearable size, if it is TOML. The loader of world files says why others are none.
fn table(path: &Path) -> Option<(String, Table)> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    let read = File::open(path).ok()?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).ok()?;
    let table = text.parse().ok().filter(|_| (read as u64) <= FILE_BYTES_MAX)?;
    Some((text, table))
}

/// `"1..100"`, `7`, or `[1, 5, "10..20"]`.
fn seeds(value: &Value) -> Result<Vec<u64>, String> {
    let word = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(seed) => Ok(seed.to_string()),
        _ => Err(format!("seeds {value}: write them as \"1..100\" (both ends are in), [1, 5, 9] or 7")),
    };
    let words = match value {
        Value::Array(all) => all.iter().map(word).collect::<Result<Vec<String>, String>>()?,
        one => vec![word(one)?],
    };
    text::seeds(&words.join(","))
}

/// A table of keys with their values, or the words of the command line.
fn axes(value: &Value) -> Result<Vec<Axis>, String> {
    let mut axes = Vec::new();
    match value {
        Value::Table(table) => flatten("", table, &mut axes),
        Value::Array(words) => {
            for word in words {
                let pair =
                    word.as_str().ok_or_else(|| format!("set {word}: write it as \"scrip.start=1,2,5\""))?;
                axes.push(axis(pair)?);
            }
        }
        _ => return Err("`set` is a table of keys, each with a list of values".into()),
    }
    check_axes(&axes)?;
    Ok(axes)
}

/// Keys with dots may stand as tables in tables: values that are tables stand in lists.
fn flatten(before: &str, table: &Table, axes: &mut Vec<Axis>) {
    for (key, value) in table {
        let key = format!("{before}{key}");
        match value {
            Value::Table(inner) => flatten(&format!("{key}."), inner, axes),
            Value::Array(values) => axes.push((key, values.iter().map(text::written).collect())),
            one => axes.push((key, vec![text::written(one)])),
        }
    }
}

/// The key and values of `--set`.
pub(crate) fn axis(pair: &str) -> Result<Axis, String> {
    let (key, values) = pair
        .split_once('=')
        .ok_or_else(|| format!("--set {pair}: write it as KEY=VALUE,VALUE, such as scrip.start=1,2,5"))?;
    Ok((key.trim().to_owned(), text::values(values)))
}

/// Refuses a key that stands twice.
pub(crate) fn check_axes(axes: &[Axis]) -> Result<(), String> {
    let keys: Vec<&String> = axes.iter().map(|(key, _)| key).collect();
    text::each_once(&keys).map_err(|key| format!("`{key}` is set twice; write its values as {key}=1,2"))
}
