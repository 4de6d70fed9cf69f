//! The cells of a sweep: which values go together.

use oikos_runner::kernel::seed;

use crate::text::{self, RUNS_MAX};

/// How cells are made of the values of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Design {
    /// Each value with each.
    #[default]
    Grid,
    /// The first values of all keys, then the second ones.
    List,
    /// A Latin hypercube: of each range as many parts as there are samples, each of them once.
    Latin,
}

impl Design {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Grid, Self::List, Self::Latin];

    /// Its word.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::List => "list",
            Self::Latin => "latin",
        }
    }
}

/// A key with its values, or with a range as the only one.
pub(crate) type Axis = (String, Vec<String>);

/// The most cells of a sweep: the world file is read for each.
const CELLS_MAX: usize = 10_000;

/// The settings of each cell.
pub(crate) fn cells(
    axes: &[Axis],
    design: Design,
    samples: Option<u64>,
    design_seed: u64,
) -> Result<Vec<Vec<(String, String)>>, String> {
    if samples.is_some() && design != Design::Latin {
        return Err("`samples` goes with the design `latin`".into());
    }
    for (key, values) in axes {
        check_key(key, values)?;
    }
    match design {
        Design::Grid => grid(axes),
        Design::List => list(axes),
        Design::Latin => latin(axes, samples, design_seed),
    }
}

fn check_key(key: &str, values: &[String]) -> Result<(), String> {
    if key.split('.').map(str::trim).eq(["world", "seed"]) {
        return Err("`world.seed`: the seeds of a sweep are those of `--seeds`".into());
    }
    if values.is_empty() {
        return Err(format!("`{key}` has no value"));
    }
    if values.len() > 1 && values.iter().any(String::is_empty) {
        return Err(format!("`{key}`: a value is empty; write \"\" for an empty text"));
    }
    Ok(())
}

fn grid(axes: &[Axis]) -> Result<Vec<Vec<(String, String)>>, String> {
    let count = axes.iter().try_fold(1_usize, |count, (_, values)| count.checked_mul(values.len()));
    if count.is_none_or(|count| count > CELLS_MAX) {
        return Err(format!("a sweep has {CELLS_MAX} cells at most"));
    }
    let mut cells = vec![Vec::new()];
    for (key, values) in axes {
        text::each_once(values).map_err(|value| format!("`{key}`: the value {value} stands twice"))?;
        let with = |cell: &Vec<(String, String)>, value: &String| {
            cell.iter().cloned().chain([(key.clone(), value.clone())]).collect()
        };
        cells = cells.iter().flat_map(|cell| values.iter().map(move |value| with(cell, value))).collect();
    }
    Ok(cells)
}

fn list(axes: &[Axis]) -> Result<Vec<Vec<(String, String)>>, String> {
    let count = axes.iter().map(|(_, values)| values.len()).max().unwrap_or(1);
    if count > CELLS_MAX {
        return Err(format!("a sweep has {CELLS_MAX} cells at most"));
    }
    // A single value is that of all rows.
    if let Some((key, values)) = axes.iter().find(|(_, values)| values.len() != count && values.len() != 1) {
        let (few, many) = (values.len(), count);
        return Err(format!(
            "`{key}` has {few} values, and another key {many}: a list needs as many of each"
        ));
    }
    let value = |values: &[String], row: usize| values.get(row).or(values.first()).cloned();
    let cell =
        |row| axes.iter().filter_map(|(key, values)| Some((key.clone(), value(values, row)?))).collect();
    let cells: Vec<Vec<(String, String)>> = (0..count).map(cell).collect();
    text::each_once(&cells).map_err(|cell| {
        let words: Vec<String> = cell.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("the row {} stands twice", words.join(" "))
    })?;
    Ok(cells)
}

fn latin(
    axes: &[Axis],
    samples: Option<u64>,
    design_seed: u64,
) -> Result<Vec<Vec<(String, String)>>, String> {
    let Some(samples) = samples else { return Err("the design `latin` needs `samples`".into()) };
    let samples = usize::try_from(samples).unwrap_or(usize::MAX);
    if samples == 0 || samples > CELLS_MAX.min(RUNS_MAX) {
        return Err(format!("`samples` is a number from 1 to {CELLS_MAX}"));
    }
    if axes.is_empty() {
        return Err("the design `latin` needs a range, such as scrip.start=1..100".into());
    }
    let mut cells = vec![Vec::new(); samples];
    for (key, values) in axes {
        let part = Part::of(key, values)?;
        let mut places: Vec<usize> = (0..samples).collect();
        seed::shuffle(&mut places, seed::derive(design_seed, "latin order", key, 0));
        let within = seed::derive(design_seed, "latin place", key, 0);
        for (at, (cell, place)) in (0_u64..).zip(cells.iter_mut().zip(places)) {
            let value = part.value(place, samples, unit(seed::mix(within, at)));
            cell.push((key.clone(), value));
        }
    }
    Ok(cells)
}

/// A number from 0 up to 1, which is not in, with 53 random bits.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
pub(crate) fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

/// The source of a key's values.
#[derive(Debug)]
enum Part {
    /// Whole numbers, both ends are in.
    Whole(i64, i64),
    /// Numbers between.
    Broken(f64, f64),
    /// As many of each as can be.
    Words(Vec<String>),
}

impl Part {
    fn of(key: &str, values: &[String]) -> Result<Self, String> {
        let [range] = values else { return Ok(Self::Words(values.to_vec())) };
        let Some((low, high)) = range.split_once("..") else { return Ok(Self::Words(values.to_vec())) };
        let wrong = || format!("`{key}`: {range} is no range; write it as 1..100 or 0.1..0.9");
        let number = |text: &str| text::parsed(text.trim()).ok_or_else(wrong);
        let part = match (number(low)?, number(high)?) {
            (toml::Value::Integer(low), toml::Value::Integer(high)) if low <= high => Self::Whole(low, high),
            (low, high) => {
                let float = |value: &toml::Value| {
                    let number = value.as_float().or_else(|| value.to_string().parse().ok());
                    number.filter(|number: &f64| number.is_finite()).ok_or_else(wrong)
                };
                Self::Broken(float(&low)?, float(&high)?)
            }
        };
        match part {
            Self::Broken(low, high) if low >= high => Err(wrong()),
            part => Ok(part),
        }
    }

    /// The value in one of so many parts, at a place from 0 to 1 within it.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "shares of a range, far below 2^53 parts"
    )]
    fn value(&self, part: usize, parts: usize, place: f64) -> String {
        let share = (part as f64 + place) / parts as f64;
        match self {
            Self::Whole(low, high) => {
                let span = i128::from(*high) - i128::from(*low) + 1;
                // In whole numbers: 53 bits of the share are exact.
                let share = (share * (1_u64 << 53) as f64) as u64;
                let more = (i128::from(share) * span) >> 53;
                (i128::from(*low) + more.min(span - 1)).to_string()
            }
            Self::Broken(low, high) => toml::Value::Float(low + share * (high - low)).to_string(),
            Self::Words(words) => {
                let at = (share * words.len() as f64) as usize;
                words.get(at.min(words.len() - 1)).cloned().unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Design, cells};

    fn axes(text: &str) -> Vec<Axis> {
        let axis = |pair: &str| {
            let (key, values) = pair.split_once('=').unwrap();
            (key.to_owned(), crate::text::values(values))
        };
        text.split_whitespace().map(axis).collect()
    }

    fn words(text: &str, design: Design, samples: Option<u64>) -> Result<Vec<String>, String> {
        let made = cells(&axes(text), design, samples, 1)?;
        let word = |cell: &Vec<(String, String)>| {
            cell.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        Ok(made.iter().map(word).collect())
    }

    #[test]
    fn values_go_together() {
        for (text, design, samples, expected) in [
            ("", Design::Grid, None, Ok(vec![""])),
            ("", Design::List, None, Ok(vec![""])),
            ("a=1,2 b=x,y", Design::Grid, None, Ok(vec!["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"])),
            ("a=1,2 b=x,y", Design::List, None, Ok(vec!["a=1 b=x", "a=2 b=y"])),
            ("a=1,2 b=x", Design::List, None, Ok(vec!["a=1 b=x", "a=2 b=x"])),
            ("a=1,2,3 b=x,y", Design::List, None, Err("`b` has 2 values, and another key 3")),
            ("a=1,1 b=x,x", Design::List, None, Err("the row a=1 b=x stands twice")),
            ("a=1,2,1", Design::Grid, None, Err("`a`: the value 1 stands twice")),
            ("a=1,,2", Design::Grid, None, Err("a value is empty")),
            ("world.seed=1,2", Design::Grid, None, Err("`--seeds`")),
            ("a=1,2", Design::Grid, Some(3), Err("goes with the design `latin`")),
            ("a=1..3", Design::Latin, None, Err("needs `samples`")),
            ("a=1..3", Design::Latin, Some(0), Err("a number from 1")),
            ("a=1..3", Design::Latin, Some(10_001), Err("a number from 1")),
            ("", Design::Latin, Some(2), Err("needs a range")),
            ("a=3..1", Design::Latin, Some(2), Err("is no range")),
            ("a=1..x", Design::Latin, Some(2), Err("is no range")),
            ("a=0.5..inf", Design::Latin, Some(2), Err("is no range")),
            ("a=7", Design::Latin, Some(2), Ok(vec!["a=7", "a=7"])),
        ] {
            match (words(text, design, samples), expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{text}"),
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{text}: {problem}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_hypercube_has_each_part_once() {
        let made = cells(&axes("whole=1..10 broken=0.0..1.0 word=a,b"), Design::Latin, Some(10), 1).unwrap();
        let column = |at: usize| made.iter().map(|cell| cell[at].1.clone()).collect::<Vec<String>>();
        let mut whole: Vec<i64> = column(0).iter().map(|text| text.parse().unwrap()).collect();
        whole.sort_unstable();
        assert_eq!(whole, (1..=10).collect::<Vec<_>>());
        let mut broken: Vec<f64> = column(1).iter().map(|text| text.parse().unwrap()).collect();
        broken.sort_unstable_by(f64::total_cmp);
        for (at, number) in (0_u32..).zip(broken) {
            assert!((f64::from(at) / 10.0..f64::from(at + 1) / 10.0).contains(&number), "{at}: {number}");
        }
        let words = column(2);
        assert_eq!(words.iter().filter(|word| *word == "a").count(), 5);
        let again = cells(&axes("whole=1..10 broken=0.0..1.0 word=a,b"), Design::Latin, Some(10), 1).unwrap();
        assert_eq!(made, again);
        let other = cells(&axes("whole=1..10 broken=0.0..1.0 word=a,b"), Design::Latin, Some(10), 2).unwrap();
        assert_ne!(made, other);
    }
}
