//! `oikos serve`.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
};

use anyhow::{Context as _, Result, bail};
use oikos_runner::{Address, Helm, Journal, Speed, Workplace, config::ClockKind};
use oikos_server::{DoorSetup, Limits, Role, Server, TokenFile, Tokens, listener};
use serde_json::json;

use super::{
    Usage,
    run::{begun, db_of, is_database, is_named_as_file},
    sign::Sign,
    stop_on_signal, tell_notes,
    token::good,
    world_file_at,
};
use crate::{
    args::OverrideArgs,
    print::{self, Printer},
    status::ExitStatus,
    style::{self, styled},
};

/// How a world is to be served.
pub(super) struct Wanted {
    pub(super) db: Option<Address>,
    pub(super) listen: SocketAddr,
    pub(super) hosts: Vec<String>,
    pub(super) paused: bool,
    pub(super) speed: Speed,
    pub(super) rate: Option<NonZeroU32>,
    pub(super) workplace: Workplace,
}

pub(super) fn serve(
    path: &Address,
    wanted: Wanted,
    overrides: &OverrideArgs,
    printer: Printer,
) -> Result<ExitStatus> {
    let Wanted { db, listen, hosts, paused, speed, rate, workplace } = wanted;
    let (world, db) = if is_database(path) {
        if db.is_some() || overrides.seed.is_some() || !overrides.set.is_empty() {
            bail!(Usage("--db, --seed and --set go with a world file, not with a world database".into()));
        }
        (None, path.clone())
    } else if is_named_as_file(path) {
        let file = world_file_at(path, overrides)?;
        let db = db.unwrap_or_else(|| db_of(&file));
        (Some(file), db)
    } else {
        // It says why this is none.
        drop(Journal::open_read_only(path)?);
        bail!(Usage(format!("`{}` holds no world", path)));
    };
    let file = TokenFile::of(&db.beside());
    check_listen(listen.ip(), &file, &db)?;
    let listener = listener(listen).with_context(|| format!("{listen} can't be listened at"))?;
    let stop = stop_on_signal(|| ());
    let mut live = begun(&workplace, world, path, (Some(&db), false))?;
    tell_notes(&live);
    if live.file.plan.clock == ClockKind::Wall && speed != Speed::MAX {
        bail!(Usage("--speed goes with a virtual clock, and this world goes by the one on the wall".into()));
    }
    let helm = Helm::new(speed, paused);
    let tokens = Tokens::of(file);
    let limits = match rate {
        Some(requests_per_s) => Limits { requests_per_s, ..Limits::default() },
        None => Limits::default(),
    };
    let link = tokens.fresh(Role::Observer, "the link of `oikos serve`")?;
    let setup = DoorSetup { tokens, limits, hosts, workplace };
    let server = Server::open(listener, &mut live, helm.clone(), setup)?;
    let address = format!("http://{}", server.address());
    let sign = Sign::put_up(&db.beside(), server.address());
    let link = format!("{address}/?token={}", link.text());
    let told = printer.data(
        || json!({ "url": address, "link": link, "world": db.to_string(), "name": live.file.plan.name }),
        || format!("{} {link}", styled(style::GOOD, "open")),
    );
    // Where nobody can be told of the link, the door is of use to nobody.
    let served = match told {
        Ok(()) => {
            let run = || live.serve(&helm, &stop);
            Ok(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)))
        }
        Err(error) => Err(error),
    };
    server.close();
    drop(sign);
    served?.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    if !printer.is_for_programs() {
        print::note(&format!("stopped at record {}", live.world().seq()));
    }
    Ok(stop.why().map_or(ExitStatus::Done, ExitStatus::Asked))
}

/// Refuses to be open to other machines while nobody has a token: its owner may not have meant it.
fn check_listen(ip: IpAddr, file: &TokenFile, db: &Address) -> Result<()> {
    if ip.is_loopback() || !good(file)?.is_empty() {
        return Ok(());
    }
    bail!(Usage(format!(
        "{ip} can be reached from other machines, and this world has no tokens\n  = help: make some first: \
         oikos token {} --observer",
        oikos_runner::quoted(&db.to_string())
    )));
}
