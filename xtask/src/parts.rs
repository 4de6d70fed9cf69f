//! Commands that are done part by part: `door` and `scale`.

use anyhow::{Result, bail};

/// A part: its name, and the function that fails where the promise is broken.
pub(crate) type Part<P> = (&'static str, fn(&P) -> Result<()>);

/// The parts that are named, or all where none is; words with a `=` are settings.
pub(crate) fn chosen<'a, P>(parts: &'a [Part<P>], words: &[String]) -> Result<Vec<&'a Part<P>>> {
    let named: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.contains('=')).collect();
    if let Some(strange) = named.iter().find(|name| !parts.iter().any(|(part, _)| part == *name)) {
        let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
        bail!("there is no part {strange}; there are {}", names.join(", "));
    }
    Ok(parts.iter().filter(|(name, _)| named.is_empty() || named.contains(name)).collect())
}

/// Does one part after the other, also after one that fails, and says which are broken.
pub(crate) fn run<P>(command: &str, parts: &[&Part<P>], proof: &P) -> Result<()> {
    let mut broken = Vec::new();
    for (name, part) in parts {
        eprintln!("== {command}: {name}");
        if let Err(error) = part(proof) {
            eprintln!("== {command}: {name} failed: {error:#}");
            broken.push(*name);
        }
    }
    if !broken.is_empty() {
        bail!("broken: {}", broken.join(", "));
    }
    Ok(())
}
