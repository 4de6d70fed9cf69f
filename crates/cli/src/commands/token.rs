//! `oikos token`.

use anyhow::{Result, bail};
use oikos_runner::{
    Address, Database, Reader, RunError,
    kernel::{id::nearest, time::Time},
    machine_now, pg_check, quoted,
};
use oikos_server::{LABEL_CHARS_MAX, Role, Token, TokenFile};
use serde_json::{Value, json};

use super::{Usage, reading};
use crate::{
    passwords::Served,
    print::{self, Printer, clean},
    status::ExitStatus,
    table::{Column, table},
};

/// The work on the tokens that is wanted.
pub(super) enum Wanted {
    Add { role: Role, label: Option<String>, expires_ms: Option<i64> },
    List,
    Revoke(String),
}

pub(super) fn token(at: &Served, wanted: Wanted, printer: Printer) -> Result<ExitStatus> {
    let principal = match &wanted {
        Wanted::Add { role, .. } => role.principal(),
        Wanted::List | Wanted::Revoke(_) => None,
    };
    // Tokens stand beside worlds, and beside nothing else.
    let file = match at {
        Served::World(world) => of_world(world, principal)?,
        Served::Database(database) => of_all(database, principal)?,
    };
    match wanted {
        Wanted::Add { role, label, expires_ms } => add(&file, role, label, expires_ms, printer),
        Wanted::List => list(&file, printer),
        Wanted::Revoke(name) => revoke(&file, &name, printer),
    }
}

/// The file of tokens that are good at all worlds of a database, where one process serves them.
fn of_all(database: &Database, principal: Option<&str>) -> Result<TokenFile> {
    if let Some(id) = principal {
        let shown: String = id.chars().take(128).collect();
        bail!(Usage(format!(
            "--as {shown} goes with one world, and `{database}` names none: oikos token {} --as {shown}\n  = help: \
             --observer and --operator go with all worlds of a database",
            quoted(&database.with_world("NAME"))
        )));
    }
    pg_check(database).map_err(RunError::from)?;
    Ok(TokenFile::of_all(database).map_err(Usage)?)
}

/// The file of a world's tokens; a principal that gets one has to be there.
fn of_world(world: &Address, principal: Option<&str>) -> Result<TokenFile> {
    let journal = reading(world)?;
    if let Some(id) = principal {
        let state = oikos_runner::state(&journal)?;
        if Reader::principal(&state, id).is_none() {
            bail!(Usage(unknown(&state, id)));
        }
    }
    Ok(TokenFile::of(&world.beside()))
}

fn unknown(world: &oikos_runner::kernel::world::World, id: &str) -> String {
    let shown: String = id.chars().take(128).collect();
    let ids =
        world.principals().filter(|(_, artifact)| !artifact.is_deleted()).map(|(_, artifact)| artifact.id());
    let near = nearest(id, ids).map_or_else(
        || "`oikos inspect WORLD principals` lists them".into(),
        |near| format!("did you mean `{near}`?"),
    );
    format!("--as {shown}: there is no such principal; {near}")
}

fn add(
    file: &TokenFile,
    role: Role,
    label: Option<String>,
    expires_ms: Option<i64>,
    printer: Printer,
) -> Result<ExitStatus> {
    if label.as_ref().is_some_and(|label| label.chars().count() > LABEL_CHARS_MAX || label.trim().is_empty())
    {
        bail!(Usage(format!("--label has 1 to {LABEL_CHARS_MAX} letters")));
    }
    let expires = match expires_ms {
        None => None,
        Some(ms) => Some(machine_now()?.after_ms(ms).ok_or_else(|| {
            Usage("--expires: that is beyond the last instant there is; leave it out".into())
        })?),
    };
    let (secret, token) = file.add(role, label, expires)?;
    printer.data(
        || {
            let mut shown = shown(&token, None);
            if let Value::Object(map) = &mut shown {
                map.insert("token".into(), secret.text().into());
            }
            shown
        },
        || secret.text().to_owned(),
    )?;
    if !printer.is_for_programs() {
        print::note(&format!("{}; it is shown this once, and named {}", told(&token), token.id()));
    }
    Ok(ExitStatus::Done)
}

/// The tokens that are good now.
pub(super) fn good(file: &TokenFile) -> Result<Vec<Token>> {
    let now = machine_now()?;
    let mut tokens = file.tokens()?;
    tokens.retain(|token| !token.is_expired(now));
    Ok(tokens)
}

fn list(file: &TokenFile, printer: Printer) -> Result<ExitStatus> {
    let (tokens, now) = (file.tokens()?, machine_now()?);
    printer.data(
        || tokens.iter().map(|token| shown(token, Some(now))).collect(),
        || {
            let time = |time: Option<Time>| time.map_or(String::new(), |time| time.to_string());
            let rows = tokens.iter().map(|token| {
                let whom = token.role.principal().unwrap_or_default().to_owned();
                let state = if token.is_expired(now) { "expired" } else { "good" };
                let label = clean(token.label.as_deref().unwrap_or_default());
                let (created, expires) = (time(Some(token.created)), time(token.expires));
                vec![token.id(), token.role.word().into(), whom, state.into(), created, expires, label]
            });
            let names = ["token", "role", "as"].map(Column::Name);
            let words = ["state", "made", "expires"].map(Column::Word);
            let columns: Vec<_> = names.into_iter().chain(words).chain([Column::Text("label")]).collect();
            if tokens.is_empty() {
                return "there are no tokens; `oikos token WORLD --observer` makes one".into();
            }
            table(&columns, &rows.collect::<Vec<_>>())
        },
    )?;
    Ok(ExitStatus::Done)
}

fn revoke(file: &TokenFile, name: &str, printer: Printer) -> Result<ExitStatus> {
    let tokens = file.tokens()?;
    let is_meant = |token: &&Token| token.id() == name || token.label.as_deref() == Some(name);
    let meant: Vec<&Token> = tokens.iter().filter(is_meant).collect();
    if meant.is_empty() {
        let shown: String = name.chars().take(128).collect();
        bail!(Usage(format!(
            "--revoke {shown}: no token has that name or label; `oikos token WORLD --list` lists them"
        )));
    }
    meant.iter().try_for_each(|token| file.revoke(token))?;
    printer.data(
        || json!({ "revoked": meant.iter().map(|token| shown(token, None)).collect::<Vec<_>>() }),
        || {
            meant
                .iter()
                .map(|token| format!("revoked {}, {}", token.id(), told(token)))
                .collect::<Vec<_>>()
                .join("\n")
        },
    )?;
    Ok(ExitStatus::Done)
}

fn told(token: &Token) -> String {
    let role = match &token.role {
        Role::Observer => "an observer's token".to_owned(),
        Role::Operator => "an operator's token".to_owned(),
        Role::Principal(id) => format!("the token of `{id}`"),
    };
    let label = token.label.as_ref().map_or(String::new(), |label| format!(" ({})", clean(label)));
    let until = token.expires.map_or(String::new(), |expires| format!(", good until {expires}"));
    format!("{role}{label}{until}")
}

fn shown(token: &Token, now: Option<Time>) -> Value {
    let mut shown = json!({
        "role": token.role.word(), "as": token.role.principal(), "id": token.id(), "label": token.label,
        "created": token.created.to_string(), "expires": token.expires.map(|expires| expires.to_string()),
    });
    if let (Some(now), Value::Object(map)) = (now, &mut shown) {
        map.insert("expired".into(), token.is_expired(now).into());
    }
    shown
}
