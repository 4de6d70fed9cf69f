//! How a connection to PostgreSQL is encrypted, as its own programs are told it: `sslmode` and `sslrootcert`.

use std::path::PathBuf;

/// The roots of this system, as libpq names them.
const OF_SYSTEM: &str = "system";

/// How far a connection is encrypted, and the server's certificate looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing is encrypted.
    Disable,
    /// It is encrypted where the server offers that.
    Prefer,
    /// It is encrypted, by whatever certificate.
    Require,
    /// And an authority that is trusted has signed the certificate.
    VerifyCa,
    /// And the certificate is for the server's name.
    VerifyFull,
}

impl Mode {
    const ALL: [(&str, Self); 5] = [
        ("disable", Self::Disable),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    fn read(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(word, _)| *word == text).map(|(_, mode)| *mode);
        found.ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|(word, _)| *word).collect();
            format!("`sslmode` is one of {}, and not `{}`", words.join(", "), text.escape_debug())
        })
    }
}

/// The authorities that are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Those of this system.
    System,
    /// Those of a file of certificates.
    File(PathBuf),
}

/// How a connection is encrypted, as far as it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encryption {
    mode: Option<Mode>,
    roots: Option<Roots>,
}

impl Encryption {
    /// An address without the two words, and that which they say.
    pub(crate) fn of(url: &str) -> Result<(String, Self), String> {
        let Some((before, query)) = url.split_once('?') else { return Ok((url.into(), Self::default())) };
        let (mut rest, mut this) = (Vec::new(), Self::default());
        for part in query.split('&') {
            let twice = |word: &str| Err(format!("it has `{word}` twice"));
            match part.split_once('=') {
                Some(("sslmode", _)) if this.mode.is_some() => return twice("sslmode"),
                Some(("sslmode", word)) => this.mode = Some(Mode::read(word)?),
                Some(("sslrootcert", _)) if this.roots.is_some() => return twice("sslrootcert"),
                Some(("sslrootcert", file)) => this.roots = Some(roots(&unescaped(file)?)?),
                _ => rest.push(part),
            }
        }
        this.resolved()?;
        let sign = if rest.is_empty() { "" } else { "?" };
        Ok((format!("{before}{sign}{}", rest.join("&")), this))
    }

    /// Takes from elsewhere the parts that are not said yet.
    pub(crate) fn or(&mut self, mode: Option<&str>, file: Option<&str>) -> Result<(), String> {
        if self.mode.is_none() {
            self.mode = mode.map(Mode::read).transpose()?;
        }
        if self.roots.is_none() {
            self.roots = file.map(roots).transpose()?;
        }
        self.resolved().map(drop)
    }

    /// The mode, and the authorities by which a certificate is checked, if it is.
    pub(crate) fn resolved(&self) -> Result<(Mode, Option<Roots>), String> {
        let roots = self.roots.clone();
        match (self.mode, &roots) {
            (None, Some(Roots::System)) => Ok((Mode::VerifyFull, roots)),
            (Some(mode), Some(Roots::System)) if mode != Mode::VerifyFull => Err(
                "`sslrootcert=system` goes with `sslmode=verify-full`, since everybody has a certificate \
                     that it trusts"
                    .into(),
            ),
            (Some(Mode::VerifyCa | Mode::VerifyFull), None) => {
                Ok((self.mode.unwrap_or(Mode::VerifyFull), Some(Roots::System)))
            }
            (mode, _) => Ok((mode.unwrap_or(Mode::Prefer), roots)),
        }
    }
}

fn roots(file: &str) -> Result<Roots, String> {
    match file {
        "" => Err("`sslrootcert` names no file".into()),
        OF_SYSTEM => Ok(Roots::System),
        file => Ok(Roots::File(file.into())),
    }
}

/// A part of an address whose letters may be written as `%2F`.
fn unescaped(text: &str) -> Result<String, String> {
    let wrong = || format!("`{}` can't be read: write a percent sign as %25", text.escape_debug());
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_words_are_read_as_libpq_reads_them() {
        let file = |name: &str| Some(Roots::File(name.into()));
        let cases = [
            ("", (None, None), Ok((Mode::Prefer, None))),
            ("?host=h", (None, None), Ok((Mode::Prefer, None))),
            ("?sslmode=disable", (Some("require"), None), Ok((Mode::Disable, None))),
            ("?port=1&sslmode=require&host=h", (None, None), Ok((Mode::Require, None))),
            (
                "?sslmode=require&sslrootcert=a%2Fb%25.crt",
                (None, None),
                Ok((Mode::Require, file("a/b%.crt"))),
            ),
            ("?sslmode=verify-ca", (None, Some("r.crt")), Ok((Mode::VerifyCa, file("r.crt")))),
            ("?sslmode=verify-full", (None, None), Ok((Mode::VerifyFull, Some(Roots::System)))),
            ("?sslrootcert=system", (None, None), Ok((Mode::VerifyFull, Some(Roots::System)))),
            (
                "?sslrootcert=r.crt",
                (Some("verify-full"), Some("other")),
                Ok((Mode::VerifyFull, file("r.crt"))),
            ),
            ("?sslmode=require", (None, Some("system")), Err("goes with `sslmode=verify-full`")),
            ("?sslmode=allow", (None, None), Err("one of disable, prefer")),
            ("?sslmode=", (None, None), Err("and not ``")),
            ("", (Some("maybe"), None), Err("and not `maybe`")),
            ("?sslrootcert=", (None, None), Err("names no file")),
            ("?sslrootcert=%2", (None, None), Err("%25")),
            ("?sslmode=disable&sslmode=disable", (None, None), Err("twice")),
        ];
        for (query, (mode, root), wanted) in cases {
            let found = Encryption::of(&format!("postgres://h/d{query}")).and_then(|(rest, mut this)| {
                assert!(!rest.contains("ssl"), "{rest}");
                this.or(mode, root)?;
                this.resolved()
            });
            match wanted {
                Ok(wanted) => assert_eq!(found, Ok(wanted), "{query}"),
                Err(part) => {
                    assert!(found.as_ref().is_err_and(|told| told.contains(part)), "{query}: {found:?}")
                }
            }
        }
    }
}
