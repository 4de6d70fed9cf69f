//! Numbers, counts and words as people read and type them.

/// A number with its thousands apart; one beyond 64 bits is shown as the greatest of them.
#[must_use]
pub fn number(value: impl TryInto<i64>) -> String {
    let value = value.try_into().unwrap_or(i64::MAX);
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 { format!("-{text}") } else { text }
}

/// `1 tick`, `2,000 ticks`.
#[must_use]
pub fn counted(count: impl TryInto<i64>, word: &str) -> String {
    let count = count.try_into().unwrap_or(i64::MAX);
    format!("{} {word}{}", number(count), if count == 1 { "" } else { "s" })
}

/// A word as a shell reads it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./:=,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (value, shown) in [
            (0_i64, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (-32_776, "-32,776"),
            (1_234_567, "1,234,567"),
            (i64::MIN, "-9,223,372,036,854,775,808"),
        ] {
            assert_eq!(number(value), shown);
        }
    }

    #[test]
    fn one_is_not_many() {
        let counts = [counted(0_u64, "run"), counted(1_usize, "run"), counted(1_200_i64, "run")];
        assert_eq!(counts, ["0 runs", "1 run", "1,200 runs"]);
        assert_eq!(counted(u64::MAX, "run"), "9,223,372,036,854,775,807 runs");
    }

    #[test]
    fn a_shell_reads_a_word_as_it_was() {
        for (word, shown) in [
            ("worlds/coins.toml", "worlds/coins.toml"),
            ("execution.ticks=50", "execution.ticks=50"),
            ("", "''"),
            ("my world", "'my world'"),
            ("$HOME", "'$HOME'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
