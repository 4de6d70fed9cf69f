//! Seeds and values as they are typed.

use toml::Value;

/// The most runs of a sweep.
pub(crate) const RUNS_MAX: usize = 1_000_000;

/// Reads seeds: `7`, `1,5,9`, `1..100` with both ends, or several of these.
pub(crate) fn seeds(text: &str) -> Result<Vec<u64>, String> {
    let wrong = || format!("seeds {text:?}: write them as 1..100 (both ends are in), 1,5,9 or 7");
    let mut seeds = Vec::new();
    for part in text.split(',') {
        let (first, last) = match part.split_once("..") {
            Some((first, last)) => (seed(first).ok_or_else(wrong)?, seed(last).ok_or_else(wrong)?),
            None => {
                let one = seed(part).ok_or_else(wrong)?;
                (one, one)
            }
        };
        if last < first {
            return Err(format!("seeds {first}..{last}: the first is greater than the last"));
        }
        if usize::try_from(last - first).map_or(true, |more| more >= RUNS_MAX - seeds.len().min(RUNS_MAX)) {
            return Err(format!("seeds {first}..{last}: a sweep has {RUNS_MAX} runs at most"));
        }
        seeds.extend(first..=last);
    }
    each_once(&seeds).map_err(|seed| format!("the seed {seed} stands twice"))?;
    Ok(seeds)
}

fn seed(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Tables hold whole numbers of 64 bits with a sign.
    is_number.then(|| text.parse().ok()).flatten().filter(|seed| i64::try_from(*seed).is_ok())
}

/// Refuses what stands twice.
pub(crate) fn each_once<T: Ord + Clone>(all: &[T]) -> Result<(), T> {
    let mut sorted: Vec<&T> = all.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair.first() == pair.last()).and_then(|pair| pair.first()) {
        Some(twice) => Err((*twice).clone()),
        None => Ok(()),
    }
}

/// The values of `--set KEY=V,W`: TOML values or bare words. A comma within brackets or quotation marks separates
/// nothing.
pub(crate) fn values(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut quote, mut is_escaped) = (0_usize, None, false);
    for letter in text.chars() {
        let part_is_blank = parts.last().is_none_or(|part| part.trim().is_empty());
        match (quote, letter) {
            (Some(open), _) => {
                if letter == open && !is_escaped {
                    quote = None;
                }
                is_escaped = open == '"' && letter == '\\' && !is_escaped;
            }
            // Within a bare word it is a letter like others.
            (None, '"' | '\'') if depth > 0 || part_is_blank => quote = Some(letter),
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            (None, _) => {}
        }
        parts.last_mut().into_iter().for_each(|part| part.push(letter));
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

/// A value of a file as `--set` has it; text as a bare word, where that is read as text again.
pub(crate) fn written(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let is_bare = !text.is_empty() && text.trim() == text && parsed(text).is_none();
            if is_bare && values(text).len() == 1 { text.clone() } else { value.to_string() }
        }
        _ => value.to_string(),
    }
}

/// The value that a text says; none of a bare word.
pub(crate) fn parsed(text: &str) -> Option<Value> {
    let mut table: toml::Table = format!("value = {text}").parse().ok()?;
    let value = table.remove("value")?;
    table.is_empty().then_some(value)
}

/// The text of a value in a table: a word without its quotation marks.
pub(crate) fn shown(text: &str) -> String {
    match parsed(text) {
        Some(Value::String(word)) => word,
        Some(_) | None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{seeds, values, written};

    #[test]
    fn seeds_are_read() {
        for (text, expected) in [
            ("7", Ok(vec![7])),
            ("1..3", Ok(vec![1, 2, 3])),
            ("3..3", Ok(vec![3])),
            ("1,5,9", Ok(vec![1, 5, 9])),
            ("9, 1 .. 2 ,0", Ok(vec![9, 1, 2, 0])),
            ("9223372036854775807", Ok(vec![9_223_372_036_854_775_807])),
            ("9223372036854775808", Err("write them as")),
            ("", Err("write them as")),
            ("1,", Err("write them as")),
            ("1..", Err("write them as")),
            ("1..=3", Err("write them as")),
            ("-1", Err("write them as")),
            ("1.5", Err("write them as")),
            ("one", Err("write them as")),
            ("3..1", Err("greater than the last")),
            ("1,2,1", Err("the seed 1 stands twice")),
            ("1..5,3", Err("the seed 3 stands twice")),
            ("0..9223372036854775807", Err("1000000 runs at most")),
            ("0..1000000", Err("1000000 runs at most")),
        ] {
            match (seeds(text), expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{text}"),
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{text}: {problem}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn values_are_apart_at_commas_of_their_own() {
        for (text, expected) in [
            ("1,2,5", vec!["1", "2", "5"]),
            ("tick, autonomous", vec!["tick", "autonomous"]),
            ("[1,2]", vec!["[1,2]"]),
            ("[1,2],[3]", vec!["[1,2]", "[3]"]),
            ("{ a = 1, b = 2 },7", vec!["{ a = 1, b = 2 }", "7"]),
            ("\"a,b\",c", vec!["\"a,b\"", "c"]),
            ("'a,\"',c", vec!["'a,\"'", "c"]),
            (r#""a\",b",c"#, vec![r#""a\",b""#, "c"]),
            ("[\"],\"],c", vec!["[\"],\"]", "c"]),
            ("quantile(scrip, 0.9),gini(scrip)", vec!["quantile(scrip, 0.9)", "gini(scrip)"]),
            ("it's,ok", vec!["it's", "ok"]),
            ("1,,2", vec!["1", "", "2"]),
            ("", vec![""]),
            (")x,y", vec![")x", "y"]),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn values_of_files_are_those_of_the_command_line() {
        let text = r#"all = [1, 2.5, true, "tick", "7", "a,b", "", " x", [1, 2], "true", "1h"]"#;
        let table: toml::Table = text.parse().unwrap();
        let read: Vec<String> = table.get("all").unwrap().as_array().unwrap().iter().map(written).collect();
        assert_eq!(
            read,
            ["1", "2.5", "true", "tick", "\"7\"", "\"a,b\"", "\"\"", "\" x\"", "[1, 2]", "\"true\"", "1h"]
        );
    }
}
