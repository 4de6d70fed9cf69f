//! Work that the writer of a world gives away, and those who take it: thoughts on the world as it stands at a record,
//! in parts. It is no part of the world: whoever made a part, it is the same, and one that is lost is made again.

use std::{fmt, time::Duration};

use postgres::{Client, fallible_iterator::FallibleIterator as _};

use super::{
    enter::{enter_to_write, failed},
    rows::number,
    writers::{is_held, lives, new_writer},
};
use crate::{
    address::{Address, InPostgres},
    error::JournalError,
};

/// Told where parts of a world are given away, and where one is done.
const OFFERED: &str = "oikos_shards";
const DONE: &str = "oikos_thoughts";
/// How long a row, and any statement, is waited for: nobody waits here for one who stands still.
const WITHIN: &str = "SET lock_timeout = '250ms'; SET statement_timeout = '2s'";

/// The table of work for one world, as one process sees it: the writer, or a follower.
pub struct Shards {
    at: InPostgres,
    client: Client,
    /// Its advisory lock is held for as long as this lives.
    number: i64,
}

/// A part of the work on a world as it stands at a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The record; 0 where the work is the same at each.
    pub seq: u64,
    /// The turn.
    pub turn: u64,
    /// Its number.
    pub part: u64,
    /// The work in bytes.
    pub body: Vec<u8>,
}

/// A part that this process has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The number of the one who gave it away.
    giver: i64,
    /// The part.
    pub shard: Shard,
}

/// Work that waits for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The record at which it is to be done.
    pub seq: u64,
    /// The reading of who gave it away.
    pub reading: String,
}

/// One who takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taker {
    /// Its number.
    pub number: i64,
    /// How many parts it does at once.
    pub threads: u64,
}

/// The fate of parts that were given away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Those that are done, each told once, with the answer in bytes.
    pub done: Vec<(u64, Vec<u8>)>,
    /// Those that somebody has begun, with that one's number.
    pub taken: Vec<(u64, i64)>,
}

impl fmt::Debug for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards").field("at", &self.at).field("number", &self.number).finish_non_exhaustive()
    }
}

impl Shards {
    /// Whether there is such a table where a world is: in databases of PostgreSQL.
    #[must_use]
    pub fn are_at(at: &Address) -> bool {
        matches!(at, Address::Postgres(_))
    }

    /// The table for a world, to give work away or to take it.
    ///
    /// # Errors
    /// When the database can't be entered, or only be read.
    pub fn open(at: &Address) -> Result<Self, JournalError> {
        let Address::Postgres(at) = at else {
            let problem = "work is given away in databases only".into();
            return Err(JournalError::Open { path: at.to_string().into(), problem });
        };
        let mut client = enter_to_write(&at.database)?;
        let write = |error: postgres::Error| failed(at, "written", &error);
        // Work that is lost with the server is done again.
        client.batch_execute(&format!("SET synchronous_commit = off; {WITHIN}")).map_err(write)?;
        let number = new_writer(&mut client).map_err(write)?;
        Ok(Self { at: at.clone(), client, number })
    }

    fn failed(&self, error: &postgres::Error) -> JournalError {
        failed(&self.at, "written", error)
    }

    /// A channel for this world alone.
    fn channel(&self, of: &str) -> String {
        let hash = blake3::hash(self.at.world.as_bytes()).to_hex();
        format!("{of}_{}", hash.split_at(16).0)
    }

    fn listen(&mut self, channel: &str) -> Result<(), JournalError> {
        let channel = self.channel(channel);
        self.client.batch_execute(&format!("LISTEN {channel}")).map_err(|error| self.failed(&error))
    }

    /// Says that this process takes work from a writer of the same reading, so many parts at once.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn stand_ready(&mut self, reading: &str, threads: u64) -> Result<(), JournalError> {
        self.listen(OFFERED)?;
        let sql = "INSERT INTO followers (number, world, reading, threads) VALUES ($1, $2, $3, $4)";
        let told = self.client.execute(sql, &[&self.number, &self.at.world, &reading, &number(threads)]);
        told.map(drop).map_err(|error| self.failed(&error))
    }

    /// Waits until somebody tells of work, or of an answer, but no longer than so.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn wait(&mut self, within: Duration) -> Result<(), JournalError> {
        let waited = (|| {
            let mut told = self.client.notifications();
            told.timeout_iter(within).next()?;
            // Those that have come meanwhile tell of the same.
            let mut rest = told.iter();
            while rest.next()?.is_some() {}
            Ok(())
        })();
        waited.map_err(|error: postgres::Error| self.failed(&error))
    }

    /// Work that waits for somebody.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn offered(&mut self) -> Result<Option<Offer>, JournalError> {
        let sql = format!(
            "SELECT seq, reading FROM shards
             WHERE world = $1 AND state = 'open' AND seq > 0 AND {}
             ORDER BY giver DESC LIMIT 1",
            lives("giver")
        );
        let found = self.client.query_opt(&sql, &[&self.at.world]).and_then(|row| {
            row.map(|row| {
                Ok(Offer { seq: row.try_get::<_, i64>(0)?.unsigned_abs(), reading: row.try_get(1)? })
            })
            .transpose()
        });
        found.map_err(|error| self.failed(&error))
    }

    /// Takes a part of the work at a record, which nobody else is given then.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn take(&mut self, seq: u64, reading: &str) -> Result<Option<Taken>, JournalError> {
        let sql = format!(
            "UPDATE shards SET state = 'taken', taker = $4
             WHERE world = $1 AND seq = $2 AND (giver, turn, part) = (
                 SELECT giver, turn, part FROM shards
                 WHERE world = $1 AND seq = $2 AND reading = $3 AND state = 'open' AND {}
                 ORDER BY giver DESC, turn, part FOR UPDATE SKIP LOCKED LIMIT 1)
             RETURNING giver, turn, part, body",
            lives("giver")
        );
        let taken = self.client.query_opt(&sql, &[&self.at.world, &number(seq), &reading, &self.number]);
        let taken = taken.and_then(|row| {
            let shard = |row: postgres::Row| {
                let (turn, part) = (row.try_get::<_, i64>(1)?, row.try_get::<_, i64>(2)?);
                let (turn, part) = (turn.unsigned_abs(), part.unsigned_abs());
                Ok(Taken { giver: row.try_get(0)?, shard: Shard { seq, turn, part, body: row.try_get(3)? } })
            };
            row.map(shard).transpose()
        });
        taken.map_err(|error| self.failed(&error))
    }

    /// Hands in the answer to a part that this process took; says whether somebody wants it still.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn answer(&mut self, taken: &Taken, answer: &[u8]) -> Result<bool, JournalError> {
        let sql = format!(
            "WITH told AS (
                 UPDATE shards SET state = 'done', body = $5
                 WHERE world = $1 AND giver = $7 AND seq = $2 AND turn = $3 AND part = $4
                 AND state = 'taken' AND taker = $6
                 RETURNING 1)
             SELECT pg_notify('{}', '') FROM told",
            self.channel(DONE)
        );
        let Taken { giver, shard } = taken;
        let (seq, turn, part) = (number(shard.seq), number(shard.turn), number(shard.part));
        let told =
            self.client.query(&sql, &[&self.at.world, &seq, &turn, &part, &answer, &self.number, giver]);
        told.map(|told| !told.is_empty()).map_err(|error| self.failed(&error))
    }

    /// Those who live and take work from a writer of this reading. This process listens for their answers from then
    /// on.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn takers(&mut self, reading: &str) -> Result<Vec<Taker>, JournalError> {
        let sql = format!(
            "SELECT number, threads FROM followers WHERE world = $1 AND reading = $2 AND {}",
            lives("number")
        );
        let found = self.client.query(&sql, &[&self.at.world, &reading]).and_then(|rows| {
            let taker = |row: &postgres::Row| {
                Ok(Taker { number: row.try_get(0)?, threads: row.try_get::<_, i64>(1)?.unsigned_abs() })
            };
            rows.iter().map(taker).collect()
        });
        found.map_err(|error| self.failed(&error))
    }

    /// Begins to give work away: all that is left of those who are gone goes, of givers and of takers.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn begin(&mut self) -> Result<(), JournalError> {
        self.listen(DONE)?;
        let followers = format!("DELETE FROM followers WHERE world = $1 AND NOT {}", lives("number"));
        let shards = format!("DELETE FROM shards WHERE world = $1 AND NOT {}", lives("giver"));
        let cleared = [followers, shards]
            .iter()
            .try_for_each(|sql| self.client.execute(sql, &[&self.at.world]).map(drop));
        cleared.map_err(|error| self.failed(&error))
    }

    /// Gives parts away, and tells those who take them.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn offer(&mut self, reading: &str, shards: &[Shard]) -> Result<(), JournalError> {
        let numbers =
            |of: fn(&Shard) -> u64| shards.iter().map(|shard| number(of(shard))).collect::<Vec<i64>>();
        let (seqs, turns, parts) =
            (numbers(|shard| shard.seq), numbers(|shard| shard.turn), numbers(|shard| shard.part));
        let bodies: Vec<&[u8]> = shards.iter().map(|shard| &shard.body[..]).collect();
        let sql = format!(
            "WITH given AS (
                 INSERT INTO shards (world, state, reading, giver, seq, turn, part, body)
                 SELECT $1, 'open', $2, $7, t.* FROM unnest($3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::BYTEA[]) t
                 RETURNING 1)
             SELECT pg_notify('{}', '') FROM given LIMIT 1",
            self.channel(OFFERED)
        );
        let given = self
            .client
            .query(&sql, &[&self.at.world, &reading, &seqs, &turns, &parts, &bodies, &self.number]);
        given.map(drop).map_err(|error| self.failed(&error))
    }

    /// Asks what has become of the parts of a turn at a record that this process gave away.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn progress(&mut self, seq: u64, turn: u64) -> Result<Progress, JournalError> {
        let (world, seq, turn) = (self.at.world.clone(), number(seq), number(turn));
        let place: [&(dyn postgres::types::ToSql + Sync); 4] = [&world, &seq, &turn, &self.number];
        let sql = "WITH done AS (
                       DELETE FROM shards
                       WHERE world = $1 AND giver = $4 AND seq = $2 AND turn = $3 AND state = 'done'
                       RETURNING part, body)
                   SELECT part, NULL, body FROM done
                   UNION ALL
                   SELECT part, taker, NULL FROM shards
                   WHERE world = $1 AND giver = $4 AND seq = $2 AND turn = $3 AND state = 'taken'";
        let found = self.client.query(sql, &place).and_then(|rows| {
            let mut progress = Progress::default();
            for row in rows {
                let part = row.try_get::<_, i64>(0)?.unsigned_abs();
                match row.try_get::<_, Option<Vec<u8>>>(2)? {
                    Some(body) => progress.done.push((part, body)),
                    None => progress.taken.push((part, row.try_get(1)?)),
                }
            }
            Ok(progress)
        });
        found.map_err(|error| self.failed(&error))
    }

    /// Takes parts back, whatever has become of them: an answer to one of them comes too late. Says which they were.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn take_back(&mut self, seq: u64, turn: u64, parts: &[u64]) -> Result<Vec<u64>, JournalError> {
        self.taken_back(seq, turn, parts, &["open", "taken", "done"])
    }

    /// As [`Self::take_back`], but for those that somebody has begun.
    ///
    /// # Errors
    /// When the database can't be written.
    pub fn take_back_open(&mut self, seq: u64, turn: u64, parts: &[u64]) -> Result<Vec<u64>, JournalError> {
        self.taken_back(seq, turn, parts, &["open"])
    }

    fn taken_back(
        &mut self,
        seq: u64,
        turn: u64,
        parts: &[u64],
        states: &[&str],
    ) -> Result<Vec<u64>, JournalError> {
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let parts: Vec<i64> = parts.iter().copied().map(number).collect();
        let sql = "DELETE FROM shards WHERE world = $1 AND giver = $6 AND seq = $2 AND turn = $3
                   AND part = ANY($4) AND state = ANY($5) RETURNING part";
        let (seq, turn) = (number(seq), number(turn));
        let gone = self.client.query(sql, &[&self.at.world, &seq, &turn, &parts, &states, &self.number]);
        let gone = gone
            .and_then(|rows| rows.iter().map(|row| Ok(row.try_get::<_, i64>(0)?.unsigned_abs())).collect());
        gone.map_err(|error| self.failed(&error))
    }

    /// Whether one who took something lives.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn lives(&mut self, taker: i64) -> Result<bool, JournalError> {
        is_held(&mut self.client, taker).map_err(|error| self.failed(&error))
    }
}
