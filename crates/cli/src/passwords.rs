//! Passwords of PostgreSQL, from the places in which its own programs look: PGPASSWORD, then the file of passwords.
//! Beside them PGSSLMODE and PGSSLROOTCERT, where an address does not say how it is encrypted. Logins of NATS, from the
//! variables of its own program.

use std::{env, fs, path::PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use oikos_runner::{Address, Database, Login, Variable};
use oikos_server::Nats;

use crate::print;

/// Reads where a world is, with the password for it.
pub(crate) fn world() -> impl TypedValueParser<Value = Address> {
    PathBufValueParser::new().try_map(located)
}

fn located(text: PathBuf) -> Result<Address, String> {
    let mut address = Address::read(text)?;
    address.database_mut().map_or(Ok(()), complete)?;
    Ok(address)
}

/// A world, or a database of PostgreSQL with many.
#[derive(Clone, Debug)]
pub(crate) enum Served {
    World(Address),
    Database(Database),
}

/// Reads where a world is, or many are, with the password for it.
pub(crate) fn served() -> impl TypedValueParser<Value = Served> {
    PathBufValueParser::new().try_map(|text| {
        // All that is no address of a database is one of a world, or wrong as such.
        match text.to_str().map(database) {
            Some(Ok(database)) => Ok(Served::Database(database)),
            Some(Err(_)) | None => located(text).map(Served::World),
        }
    })
}

/// Reads the address of a database, with the password for it.
pub(crate) fn database(text: &str) -> Result<Database, String> {
    let mut database = Database::read(text)?;
    complete(&mut database)?;
    Ok(database)
}

/// Reads the address of a NATS server, with the login for it.
pub(crate) fn nats(text: &str) -> Result<Box<Nats>, String> {
    let mut nats: Nats = text.parse()?;
    let [user, password, credentials, root] =
        ["NATS_USER", "NATS_PASSWORD", "NATS_CREDS", "NATS_CA"].map(said);
    match (user, password, credentials) {
        (Some(_), _, Some(_)) => {
            return Err("NATS_USER and NATS_CREDS are both set: leave one of them out".into());
        }
        (Some(user), password, None) => nats.set_password(user, password.unwrap_or_default()),
        (None, _, Some(file)) => {
            let wrong = |problem: String| format!("the file `{file}` of NATS_CREDS: {problem}");
            let text = fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
            nats.set_credentials(&text).map_err(wrong)?;
        }
        (None, Some(_), None) => return Err("NATS_PASSWORD is set, and NATS_USER is not".into()),
        (None, None, None) => {}
    }
    if let Some(root) = root {
        fs::metadata(&root).map_err(|error| format!("the file `{root}` of NATS_CA: {error}"))?;
        nats.set_root(root.into());
    }
    Ok(Box::new(nats))
}

/// A variable that is there, and not empty.
fn said(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Gives a database all that its address does not say.
fn complete(database: &mut Database) -> Result<(), String> {
    let [mode, roots] = [said("PGSSLMODE"), said("PGSSLROOTCERT")];
    let variable = |name, value| Variable { name, value };
    database.encrypt(
        mode.as_deref().map(|value| variable("PGSSLMODE", value)),
        roots.as_deref().map(|value| variable("PGSSLROOTCERT", value)),
    )?;
    put(database)
}

/// Gives a database its password, where there is one for it.
fn put(database: &mut Database) -> Result<(), String> {
    if let Some(password) = said("PGPASSWORD") {
        database.set_password(password);
        return Ok(());
    }
    let Some(file) = file() else { return Ok(()) };
    let Ok(text) = fs::read_to_string(&file) else { return Ok(()) };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if fs::metadata(&file).is_ok_and(|found| found.permissions().mode() & 0o077 != 0) {
            let shown = file.display();
            print::note(&format!(
                "note: `{shown}` may be read by others, so it is passed over: chmod 600 {shown}"
            ));
            return Ok(());
        }
    }
    if let Some(password) = found(&text, &database.login()?) {
        database.set_password(password);
    }
    Ok(())
}

fn file() -> Option<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("PGPASSFILE").or_else(|| named("HOME").map(|home| home.join(".pgpass")))
}

/// The password of the first line that fits: host, port, database, user, password, `*` for any, a backslash before
/// colons and backslashes.
fn found(text: &str, login: &Login) -> Option<String> {
    let port = login.port.to_string();
    let host = if login.host.starts_with('/') { "localhost" } else { &login.host };
    let wanted = [host, &port, &login.database, &login.user];
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| fields(line).try_into().ok()).find_map(|fields: [String; 5]| {
        let [parts @ .., password] = fields;
        let fits = |(part, wanted): (&String, &&str)| part == "*" || part == *wanted;
        parts.iter().zip(&wanted).all(fits).then_some(password)
    })
}

fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut last) = (Vec::new(), String::new());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ':' => fields.push(std::mem::take(&mut last)),
            '\\' => last.extend(letters.next()),
            letter => last.push(letter),
        }
    }
    fields.push(last);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let login = |host: &str, user: &str| Login {
            host: host.into(),
            port: 5432,
            database: "worlds".into(),
            user: user.into(),
        };
        let text = "# a comment:5432:worlds:alice:no\nshort:line\nhost:5432:worlds:alice:one\n\
                    *:*:worlds:bob:t\\:w\\\\o\nlocalhost:5432:*:eve:three\n*:5433:*:*:four\n";
        let cases = [
            ("host", "alice", Some("one")),
            ("other", "alice", None),
            ("other", "bob", Some("t:w\\o")),
            ("/run/postgresql", "eve", Some("three")),
            ("host", "mallory", None),
        ];
        for (host, user, wanted) in cases {
            assert_eq!(found(text, &login(host, user)).as_deref(), wanted, "{user}@{host}");
        }
    }
}
