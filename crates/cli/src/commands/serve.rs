//! `oikos serve`.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    num::NonZeroU32,
};

use anyhow::{Context as _, Result, bail};
use oikos_runner::{
    Address, Front, Helm, Journal, Live, News, RunError, Speed, Stop, Workplace, config::ClockKind,
};
use oikos_server::{DoorSetup, Limits, Nats, Role, Secret, Server, TokenFile, Tokens, listener};
use serde_json::json;

use super::{
    Usage,
    run::{begun, db_of, is_database, is_named_as_file},
    sign::{self, Sign},
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
    pub(super) way: Way,
    pub(super) publish: Option<Box<Nats>>,
    pub(super) url: Option<String>,
    pub(super) rate: Option<NonZeroU32>,
    pub(super) workplace: Workplace,
}

/// The part that this process has in the world.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is the writer.
    Writes,
    /// It shows what another process writes.
    Follows,
    /// As [`Self::Follows`], until nobody writes any more.
    StandsBy,
}

/// A door that can be opened for one world after another, always at the same address.
struct House {
    listener: TcpListener,
    setup: DoorSetup,
    /// The token of the link that is printed.
    link: Secret,
    db: Address,
    url: Option<String>,
    /// Where the writer publishes events.
    publish: Option<Box<Nats>>,
    printer: Printer,
}

pub(super) fn serve(
    path: &Address,
    wanted: Wanted,
    overrides: &OverrideArgs,
    printer: Printer,
) -> Result<ExitStatus> {
    let Wanted { db, listen, hosts, paused, speed, way, publish, url, rate, workplace } = wanted;
    let (world, db) = if is_database(path) {
        if db.is_some() || overrides.seed.is_some() || !overrides.set.is_empty() {
            bail!(Usage("--db, --seed and --set go with a world file, not with a world database".into()));
        }
        (None, path.clone())
    } else if is_named_as_file(path) {
        if way != Way::Writes {
            bail!(Usage(format!(
                "--follow and --standby go with a world database, and `{path}` is a world file"
            )));
        }
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
    let tokens = Tokens::alone(print::note).and(file);
    // The link goes all the same where they can't be read.
    tokens.look();
    if way == Way::StandsBy || matches!(db, Address::Postgres(_)) && way == Way::Writes {
        tell_unspecified(listen, url.as_deref());
    }
    let listener = listener(listen).with_context(|| format!("{listen} can't be listened at"))?;
    let stop = stop_on_signal(|| ());
    let limits = match rate {
        Some(requests_per_s) => Limits { requests_per_s, ..Limits::default() },
        None => Limits::default(),
    };
    let link = tokens.fresh(Role::Observer, "the link of `oikos serve`")?;
    let setup =
        DoorSetup { root: String::new(), tokens, limits, hosts, workplace: workplace.clone(), house: None };
    let house = House { listener, setup, link, db, url, publish, printer };
    if way == Way::Writes {
        let mut live = begun(&workplace, world, path, (Some(&house.db), false))?;
        let helm = steered(live.file.plan.clock, speed, paused)?;
        return house.serve(&mut live, helm, None, &stop);
    }
    let mut follower = workplace.follow(&house.db, door_of)?;
    let front = follower.front();
    let helm = steered(front.clock, speed, paused)?;
    if way == Way::StandsBy {
        follower.check_runtime(&workplace)?;
    }
    let before = house.open(front, follower.helm())?;
    let told = house.tell(&before);
    let tell = |news: &News| print::note(&news.to_string());
    let followed = told.and_then(|()| Ok(follower.follow(&stop, way == Way::StandsBy, tell)?));
    let Ok(Some(journal)) = followed else {
        before.close();
        followed?;
        house.tell_end(follower.seq());
        return Ok(ended(&stop));
    };
    let mut live = follower.take_over(&workplace, journal)?;
    house.serve(&mut live, helm, Some(before), &stop)
}

impl House {
    fn open(&self, front: Front, helm: Helm) -> Result<Server> {
        Ok(Server::open(self.listener.try_clone()?, front, helm, self.setup.clone())?)
    }

    /// Serves a world that is written here, in the place of one that was followed until now.
    fn serve(
        self,
        live: &mut Live,
        helm: Helm,
        mut before: Option<Server>,
        stop: &Stop,
    ) -> Result<ExitStatus> {
        tell_notes(live);
        // Nobody who comes is shown any more where the follower stood.
        before.iter_mut().for_each(Server::leave);
        let mut server = self.open(live.front(), helm.clone())?;
        if let Some(nats) = self.publish.clone() {
            server.publish(*nats, print::note);
        }
        let url = self.url.clone().unwrap_or_else(|| sign::url(server.address()));
        live.sequencer.journal()?.serve_at(&url).map_err(RunError::from)?;
        let sign = Sign::put_up(&self.db.beside(), server.address());
        let told = match before {
            None => self.tell(&server),
            Some(before) => {
                // Its clients come back to the same address.
                std::thread::spawn(|| before.close());
                let seq = live.world().seq();
                // Its clients have the link already, and wait: the world goes on though nobody may read this any more.
                if self.printer.is_for_programs() {
                    let _ = self.printer.value(&json!({ "took_over": seq }));
                }
                print::note(&format!("{} is written here now, from record {} on", self.db.name(), seq + 1));
                Ok(())
            }
        };
        // Where nobody can be told of the link, the door is of use to nobody.
        let served = match told {
            Ok(()) => {
                let run = || live.serve(&helm, stop);
                Ok(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)))
            }
            Err(error) => Err(error),
        };
        server.close();
        drop(sign);
        served?.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        self.tell_end(live.world().seq());
        Ok(ended(stop))
    }

    /// Tells where the door is.
    fn tell(&self, server: &Server) -> Result<()> {
        let address = format!("http://{}", server.address());
        let link = format!("{address}/?token={}", self.link.text());
        let told = self.printer.data(
            || json!({ "url": address, "link": link, "world": self.db.to_string(), "name": server.name() }),
            || format!("{} {link}", styled(style::GOOD, "open")),
        );
        Ok(told?)
    }

    fn tell_end(&self, seq: u64) {
        if !self.printer.is_for_programs() {
            print::note(&format!("stopped at record {seq}"));
        }
    }
}

pub(super) fn ended(stop: &Stop) -> ExitStatus {
    stop.why().map_or(ExitStatus::Done, ExitStatus::Asked)
}

/// The helm of a world that begins to run at a speed.
fn steered(clock: ClockKind, speed: Speed, paused: bool) -> Result<Helm> {
    if clock == ClockKind::Wall && speed != Speed::MAX {
        bail!(Usage("--speed goes with a virtual clock, and this world goes by the one on the wall".into()));
    }
    Ok(Helm::new(speed, paused))
}

/// Where this machine finds the door of a world, by the sign at it.
fn door_of(db: &Address) -> Option<String> {
    db.as_file().and_then(sign::read).map(sign::url)
}

/// Tells one who listens at all addresses that others are told of none by which they reach it.
pub(super) fn tell_unspecified(listen: SocketAddr, url: Option<&str>) {
    if listen.ip().is_unspecified() && url.is_none() {
        print::note(&format!(
            "others are told that it is at http://{listen}, which is no address of theirs: --url says by which they \
             reach it"
        ));
    }
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
