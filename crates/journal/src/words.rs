//! The words of an address behind its `?`: those that mean something here, each at most once.

use oikos_kernel::id::nearest;

/// The world's name.
pub(crate) const WORLD: &str = "world";
/// How far a connection is encrypted.
pub(crate) const SSL_MODE: &str = "sslmode";
/// The authorities by which a certificate is checked.
pub(crate) const SSL_ROOTS: &str = "sslrootcert";
/// Words for the place, the login, and the session.
const OTHERS: [&str; 11] = [
    "user",
    "password",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "options",
    "channel_binding",
    "sslnegotiation",
    "target_session_attrs",
    "load_balance_hosts",
];
/// Words that would change how soon a dead connection is noticed, or the name by which it is found: those are set here.
const SET_HERE: [&str; 7] = [
    "application_name",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
];

/// Refuses the words of an address that mean nothing, or stand there twice.
pub(crate) fn check(url: &str) -> Result<(), String> {
    let Some((_, query)) = url.split_once('?') else { return Ok(()) };
    let known = || [WORLD, SSL_MODE, SSL_ROOTS].into_iter().chain(OTHERS);
    let mut seen = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (word, value) = part.split_once('=').map_or((part, None), |(word, value)| (word, Some(value)));
        if SET_HERE.contains(&word) {
            return Err(format!("it has `{word}`, which oikos sets by itself: leave it out"));
        }
        if !known().any(|one| one == word) {
            let next = nearest(word, known()).map_or_else(
                || format!("it may have {}", known().collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(format!("it has an unknown word `{}`; {next}", word.escape_debug()));
        }
        if value.is_none() {
            return Err(format!("it has `{word}` without a value; write `{word}=VALUE`"));
        }
        if seen.contains(&word) {
            return Err(format!("it has `{word}` twice; leave one of them out"));
        }
        seen.push(word);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn each_word_of_an_address_is_known_and_stands_there_once() {
        for fine in [
            "",
            "?",
            "?world=a",
            "?host=/run/postgresql&port=5433&world=a&",
            "?sslmode=require&sslrootcert=r.crt&options=-c%20x%3D1",
        ] {
            assert_eq!(check(&format!("postgres://u@h/d{fine}")), Ok(()), "{fine}");
        }
        for (query, part) in [
            ("?wrld=x", "an unknown word `wrld`; did you mean `world`?"),
            ("?World=x", "did you mean `world`?"),
            ("?world=a&world=a", "`world` twice"),
            ("?world=a&sslmod=disable", "did you mean `sslmode`?"),
            ("?sslmode=disable&port=1&sslmode=disable", "`sslmode` twice"),
            ("?port=1&port=1", "`port` twice"),
            ("?sslrootcrt=x", "did you mean `sslrootcert`?"),
            ("?requirepeer=x", "it may have world, sslmode, sslrootcert, user"),
            ("?world", "`world` without a value"),
            ("?=x", "an unknown word ``"),
            ("?world=a?sslmode=disable&%77orld=b", "an unknown word `%77orld`"),
            ("?keepalives=0", "oikos sets by itself"),
        ] {
            let found = check(&format!("postgres://u@h/d{query}"));
            assert!(found.as_ref().is_err_and(|told| told.contains(part)), "{query}: {found:?}");
        }
    }
}
