//! Houses: processes that serve many worlds of a database, and share them. Each has a number, and the advisory lock of
//! it on one connection: a world whose holder has no lock any more is anybody's.

use oikos_kernel::time::Time;
use postgres::{Client, Row};

use super::{
    enter::{enter_to_write, failed},
    store::is_lost,
    writers::new_writer,
};
use crate::{address::Database, error::JournalError};

/// The numbers of all who live: writers and houses.
const HELD: &str = "held AS MATERIALIZED (
        SELECT ((classid::BIGINT << 32) | objid::BIGINT) AS n FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

/// The place of a house among those that share the worlds of a database.
#[derive(Debug)]
pub struct Leases {
    database: Database,
    /// None where the connection is lost.
    client: Option<Held>,
    number: i64,
    url: String,
    share: Option<usize>,
}

/// A connection that holds the lock of a house.
struct Held(Client);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}

/// The worlds of a database and the houses that share them, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// The worlds, by name.
    pub worlds: Vec<Surveyed>,
    /// The most worlds that each living house takes, this one among them; without a bound as many as its share is.
    pub shares: Vec<Option<usize>>,
}

/// A world as it stands in its row.
#[derive(Clone, Debug, PartialEq)]
pub struct Surveyed {
    /// Its name.
    pub world: String,
    /// The last record of its journal.
    pub seq: u64,
    /// Its holder.
    pub holder: Holder,
    /// Whether somebody writes to it.
    pub is_written: bool,
    /// The address at which its writer serves it.
    pub served_at: Option<String>,
    /// How it stands, as its last house left it; none where somebody has written to it since.
    pub stands: Option<Stands>,
}

/// The holder of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// No house that lives.
    Nobody,
    /// This house.
    Us,
    /// Another one, at this address.
    House(String),
}

/// How a world stands, for one who has not loaded it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stands {
    /// The word for its motion.
    pub motion: String,
    /// How fast its virtual clock may go, where there is a bound.
    pub speed: Option<f64>,
    /// When it has something to do again, on the wall clock; none where that is now, or never.
    pub due: Option<Time>,
}

impl Leases {
    /// Comes to a database as a house that others reach at an address.
    ///
    /// # Errors
    /// When it can't be entered to be written to.
    pub fn open(database: &Database, url: String, share: Option<usize>) -> Result<Self, JournalError> {
        let mut client = enter_to_write(database)?;
        let number = new_writer(&mut client).map_err(|error| failed(database, "written", &error))?;
        let mut this = Self { database: database.clone(), client: Some(Held(client)), number, url, share };
        this.with("written", Self::told)?;
        Ok(this)
    }

    /// Says that this house is there, and forgets those that are not any more.
    fn told(client: &mut Client, this: &Known<'_>) -> Result<(), postgres::Error> {
        let share = this.share.map(|share| i64::try_from(share).unwrap_or(i64::MAX));
        client.execute(
            "INSERT INTO houses (number, url, share) VALUES ($1, $2, $3) ON CONFLICT (number) DO NOTHING",
            &[&this.number, &this.url, &share],
        )?;
        client.execute(
            &format!("WITH {HELD} DELETE FROM houses WHERE number NOT IN (SELECT n FROM held)"),
            &[],
        )?;
        Ok(())
    }

    /// Does something on the connection. One that was lost is made again under the same number; who has that lock still
    /// is the connection before, of which the server does not know yet that it is dead.
    fn with<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&mut Client, &Known<'_>) -> Result<T, postgres::Error>,
    ) -> Result<T, JournalError> {
        let write = |error: postgres::Error| failed(&self.database, doing, &error);
        let known = Known { number: self.number, url: &self.url, share: self.share };
        let client = match &mut self.client {
            Some(Held(client)) => client,
            none => {
                let mut client = enter_to_write(&self.database)?;
                let had = client.query_one("SELECT pg_try_advisory_lock($1)", &[&self.number]);
                if !had.and_then(|row| row.try_get::<_, bool>(0)).map_err(write)? {
                    let problem = "the connection before is not known to be dead yet".into();
                    return Err(JournalError::Failed {
                        file: format!("`{}`", self.database),
                        doing,
                        problem,
                    });
                }
                Self::told(&mut client, &known).map_err(write)?;
                &mut none.insert(Held(client)).0
            }
        };
        let done = work(client, &known);
        if done.as_ref().is_err_and(is_lost) {
            self.client = None;
        }
        done.map_err(|error| failed(&self.database, doing, &error))
    }

    /// Looks at all worlds, but those that are being made.
    ///
    /// # Errors
    /// When the database can't be reached now.
    pub fn survey(&mut self) -> Result<Survey, JournalError> {
        let sql = format!(
            "WITH {HELD}
             SELECT w.world, w.head_seq, h.number, h.url, coalesce(w.writer IN (SELECT n FROM held), false),
                    w.served_at, CASE WHEN w.stands_epoch >= w.epoch THEN w.stands END, w.speed, w.due
             FROM worlds w LEFT JOIN houses h ON h.number = w.holder AND h.number IN (SELECT n FROM held)
             WHERE position('+' in w.world) = 0 ORDER BY w.world"
        );
        let houses = format!(
            "WITH {HELD} SELECT share FROM houses WHERE number IN (SELECT n FROM held) ORDER BY number"
        );
        self.with("read", |client, this| {
            let worlds = client.query(&sql, &[])?;
            let shares = client.query(&houses, &[])?;
            Ok(Survey {
                worlds: worlds.iter().map(|row| surveyed(row, this.number)).collect::<Result<_, _>>()?,
                shares: shares
                    .iter()
                    .map(|row| {
                        let share: Option<i64> = row.try_get(0)?;
                        Ok(share.map(|share| usize::try_from(share).unwrap_or(usize::MAX)))
                    })
                    .collect::<Result<_, postgres::Error>>()?,
            })
        })
    }

    /// Takes at most so many worlds that nobody holds and nobody writes to, but none of `but`; says which.
    ///
    /// # Errors
    /// When the database can't be reached now.
    pub fn take(&mut self, most: usize, but: &[String]) -> Result<Vec<String>, JournalError> {
        let sql = format!(
            "WITH {HELD}, free AS (
                 SELECT world FROM worlds
                 WHERE (holder IS NULL OR holder NOT IN (SELECT n FROM held))
                 AND (writer IS NULL OR writer NOT IN (SELECT n FROM held))
                 AND position('+' in world) = 0 AND world <> ALL($3)
                 ORDER BY world LIMIT $2 FOR UPDATE SKIP LOCKED)
             UPDATE worlds w SET holder = $1 FROM free WHERE w.world = free.world RETURNING w.world"
        );
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.with("written", |client, this| {
            let rows = client.query(&sql, &[&this.number, &most, &but])?;
            rows.iter().map(|row| row.try_get(0)).collect()
        })
    }

    /// Gives worlds back, which others may take.
    ///
    /// # Errors
    /// When the database can't be reached now.
    pub fn give_back(&mut self, worlds: &[String]) -> Result<(), JournalError> {
        let sql = "UPDATE worlds SET holder = NULL WHERE holder = $1 AND world = ANY($2)";
        self.with("written", |client, this| client.execute(sql, &[&this.number, &worlds]).map(drop))
    }

    /// Keeps how a world stands. Says whether this house holds it.
    ///
    /// # Errors
    /// When the database can't be reached now.
    pub fn keep(&mut self, world: &str, stands: &Stands) -> Result<bool, JournalError> {
        self.put("UPDATE worlds SET stands = $3, speed = $4, due = $5, stands_epoch = epoch", world, stands)
    }

    /// Keeps how a world will stand as soon as this house writes to it, which it is about to do. Says whether it holds
    /// the world.
    ///
    /// # Errors
    /// When the database can't be reached now.
    pub fn enter(&mut self, world: &str, stands: &Stands) -> Result<bool, JournalError> {
        self.put(
            "UPDATE worlds SET stands = $3, speed = $4, due = $5, stands_epoch = epoch + 1",
            world,
            stands,
        )
    }

    fn put(&mut self, sql: &str, world: &str, stands: &Stands) -> Result<bool, JournalError> {
        let sql = format!("{sql} WHERE world = $2 AND holder = $1");
        let Stands { motion, speed, due } = stands;
        let due = due.map(Time::ms);
        self.with("written", |client, this| {
            Ok(client.execute(&sql, &[&this.number, &world, motion, speed, &due])? > 0)
        })
    }

    /// Gives all worlds back, and goes.
    ///
    /// # Errors
    /// When the database can't be reached now; the worlds are anybody's all the same.
    pub fn close(mut self) -> Result<(), JournalError> {
        self.with("written", |client, this| {
            client.execute("UPDATE worlds SET holder = NULL WHERE holder = $1", &[&this.number])?;
            client.execute("DELETE FROM houses WHERE number = $1", &[&this.number]).map(drop)
        })
    }
}

/// A house, as it is told to the database.
struct Known<'a> {
    number: i64,
    url: &'a str,
    share: Option<usize>,
}

fn surveyed(row: &Row, us: i64) -> Result<Surveyed, postgres::Error> {
    let (holder, url): (Option<i64>, Option<String>) = (row.try_get(2)?, row.try_get(3)?);
    let motion: Option<String> = row.try_get(6)?;
    let (speed, due): (Option<f64>, Option<i64>) = (row.try_get(7)?, row.try_get(8)?);
    Ok(Surveyed {
        world: row.try_get(0)?,
        seq: row.try_get::<_, i64>(1)?.unsigned_abs(),
        holder: match (holder, url) {
            (Some(holder), _) if holder == us => Holder::Us,
            (Some(_), Some(url)) => Holder::House(url),
            _ => Holder::Nobody,
        },
        is_written: row.try_get(4)?,
        served_at: row.try_get(5)?,
        stands: motion.map(|motion| Stands { motion, speed, due: due.and_then(Time::from_ms) }),
    })
}
