//! How a connection to PostgreSQL is encrypted, as its own programs are told it: `sslmode` and `sslrootcert`.

use std::path::PathBuf;

use crate::words::{SSL_MODE, SSL_ROOTS};

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

/// A variable of the environment.
#[derive(Clone, Copy, Debug)]
pub struct Variable<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

/// The authorities that are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Those of this system.
    System,
    /// Those of a file of certificates, which a word of an address names, or a variable.
    File { file: PathBuf, named_by: String },
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
            match part.split_once('=') {
                Some((SSL_MODE, word)) => this.mode = Some(Mode::read(word)?),
                Some((SSL_ROOTS, file)) => this.roots = Some(roots(SSL_ROOTS, &unescaped(file)?)?),
                _ => rest.push(part),
            }
        }
        this.resolved()?;
        let sign = if rest.is_empty() { "" } else { "?" };
        Ok((format!("{before}{sign}{}", rest.join("&")), this))
    }

    /// Takes from variables the parts that are not said yet.
    pub(crate) fn or(
        &mut self,
        mode: Option<Variable<'_>>,
        file: Option<Variable<'_>>,
    ) -> Result<(), String> {
        let mode = mode.filter(|_| self.mode.is_none());
        let file = file.filter(|_| self.roots.is_none());
        if let Some(said) = mode {
            let read = Mode::read(said.value);
            self.mode = Some(read.map_err(|problem| format!("the variable {}: {problem}", said.name))?);
        }
        if let Some(said) = file {
            self.roots = Some(roots(said.name, said.value)?);
        }
        let names: Vec<&str> = [mode, file].into_iter().flatten().map(|said| said.name).collect();
        // An address does not contradict itself by then: a variable brought the contradiction.
        let wrong = |problem| format!("by {}: {problem}", names.join(" and "));
        self.resolved().map(drop).map_err(wrong)
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

fn roots(named_by: &str, file: &str) -> Result<Roots, String> {
    match file {
        "" => Err(format!("`{named_by}` names no file")),
        OF_SYSTEM => Ok(Roots::System),
        file => Ok(Roots::File { file: file.into(), named_by: named_by.into() }),
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
        let of =
            |named_by: &str, file: &str| Some(Roots::File { file: file.into(), named_by: named_by.into() });
        let file = |name: &str| of("sslrootcert", name);
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
            ("?sslmode=verify-ca", (None, Some("r.crt")), Ok((Mode::VerifyCa, of("PGSSLROOTCERT", "r.crt")))),
            ("?sslmode=verify-full", (None, None), Ok((Mode::VerifyFull, Some(Roots::System)))),
            ("?sslrootcert=system", (None, None), Ok((Mode::VerifyFull, Some(Roots::System)))),
            (
                "?sslrootcert=r.crt",
                (Some("verify-full"), Some("other")),
                Ok((Mode::VerifyFull, file("r.crt"))),
            ),
            (
                "?sslmode=require",
                (None, Some("system")),
                Err("by PGSSLROOTCERT: `sslrootcert=system` goes with `sslmode=verify-full`"),
            ),
            ("?sslrootcert=system", (Some("require"), Some("other")), Err("by PGSSLMODE: ")),
            ("", (Some("require"), Some("system")), Err("by PGSSLMODE and PGSSLROOTCERT: ")),
            ("?sslmode=allow", (None, None), Err("one of disable, prefer")),
            ("?sslmode=", (None, None), Err("and not ``")),
            ("", (Some("maybe"), None), Err("the variable PGSSLMODE: `sslmode` is one of")),
            ("?sslrootcert=", (None, None), Err("names no file")),
            ("?sslrootcert=%2", (None, None), Err("%25")),
        ];
        for (query, (mode, root), wanted) in cases {
            let found = Encryption::of(&format!("postgres://h/d{query}")).and_then(|(rest, mut this)| {
                assert!(!rest.contains("ssl"), "{rest}");
                let variable = |name, value: Option<_>| value.map(|value| Variable { name, value });
                this.or(variable("PGSSLMODE", mode), variable("PGSSLROOTCERT", root))?;
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
