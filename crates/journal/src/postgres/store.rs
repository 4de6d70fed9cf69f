//! The store in PostgreSQL. One statement fences, compares, sets and appends; a writer whose epoch has passed appends
//! nothing and learns it.

use std::{cell::RefCell, collections::VecDeque, fmt, time::Duration};

use backon::{BlockingRetryable as _, ConstantBuilder};
use oikos_kernel::tape::Taped;
use postgres::{Client, GenericClient, Statement, error::SqlState};

use super::{
    enter::{enter, enter_to_write, failed, shown},
    rows::{self, Unread, number},
    writers::{WRITER_NAME, busy, house_of, new_writer, take, writer_of},
};
use crate::{
    address::{Address, InPostgres},
    agent_series::{self, AgentPart},
    batch::{Hash, Row},
    error::JournalError,
    file::Note,
    log::{Head, Known, Log},
    series::{self, Sample, SeriesRow},
    snapshot::{Mark, let_go},
    tables::bounded,
    tape,
};

const FORMAT: i32 = oikos_kernel::record::FORMAT as i32;
const BATCH: &str = "seq_first, count, epoch, prev_hash, hash, body";
/// The head is compared and set, and the rows come after it, or nothing happens.
const APPEND: &str = "WITH h AS (
        UPDATE worlds SET head = $4, head_seq = $5, written = now()
        WHERE world = $1 AND epoch = $2 AND head = $3 RETURNING 1),
    j AS (
        INSERT INTO journal (world, seq_first, count, epoch, prev_hash, hash, body)
        SELECT $1, t.* FROM h,
            unnest($6::BIGINT[], $7::BIGINT[], $8::BIGINT[], $9::BYTEA[], $10::BYTEA[], $11::BYTEA[]) t
        RETURNING 1),
    m AS (
        INSERT INTO meta (world, key, value) SELECT $1, t.* FROM h, unnest($12::TEXT[], $13::BYTEA[]) t
        ON CONFLICT (world, key) DO UPDATE SET value = excluded.value)
    SELECT (SELECT count(*) FROM h), (SELECT count(*) FROM j)";
/// How often one tries to come back to a database that is gone, and how long between.
const TRIES: usize = 60;
const BETWEEN: Duration = Duration::from_millis(500);

/// A world as it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) notes: Vec<Note>,
}

/// One world's rows in the tables of many.
pub(crate) struct Store {
    at: InPostgres,
    client: RefCell<Client>,
    role: Role,
    append: Option<Statement>,
    /// Batches that were read ahead, all after a record.
    rows: RefCell<(u64, VecDeque<Row>)>,
    /// Rows of the series that were read ahead, all after a place.
    series: RefCell<(i64, VecDeque<series::Raw>)>,
    tape: RefCell<TapeAhead>,
}

/// Rows of the tape of one agent or of all that were read ahead, all after a place.
type TapeAhead = (i64, Option<String>, VecDeque<(i64, tape::Raw)>);

/// The head as it stands, its epoch, and the number of the writer.
type Standing = (Vec<u8>, i64, Option<i64>);

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("at", &self.at).field("role", &self.role).finish_non_exhaustive()
    }
}

/// The rights of a store. A writer holds the advisory lock of its number.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Reads,
    /// The world begins with its first rows; one that has its name gets another at that moment.
    Founds {
        number: i64,
        aside: Option<String>,
    },
    Writes {
        number: i64,
        epoch: i64,
    },
}

/// Why nothing was written.
enum Wrong {
    Database(postgres::Error),
    Strange(&'static str),
    /// Somebody else writes to the world now.
    Overtaken,
}

impl From<postgres::Error> for Wrong {
    fn from(error: postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Unread> for Wrong {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Database(error) => Self::Database(error),
            Unread::Strange(problem) => Self::Strange(problem),
        }
    }
}

pub(crate) fn holds_world(at: &InPostgres) -> Result<bool, JournalError> {
    let mut client = enter(&at.database)?;
    let sql = "SELECT EXISTS (SELECT 1 FROM worlds WHERE world = $1)";
    let found = client.query_one(sql, &[&at.world]).and_then(|row| row.try_get(0));
    found.map_err(|error| failed(at, "read", &error))
}

/// Whether somebody writes to a world. Where it can't be told nobody does.
pub(crate) fn is_written(at: &InPostgres) -> bool {
    enter(&at.database).is_ok_and(|mut client| writer_of(&mut client, &at.world).is_ok_and(|lives| lives))
}

pub(crate) fn open_read_only(at: &InPostgres) -> Result<Opened, JournalError> {
    let mut client = enter(&at.database)?;
    known(&mut client, at)?;
    Ok(Opened { store: Store::new(at, client, Role::Reads), notes: Vec::new() })
}

/// Looks whether a world is there, and in a form that is read here.
fn known(client: &mut Client, at: &InPostgres) -> Result<(), JournalError> {
    let path = || shown(&Address::Postgres(at.clone()));
    let row = client.query_opt("SELECT format FROM worlds WHERE world = $1", &[&at.world]);
    let row = row.map_err(|error| failed(at, "read", &error))?;
    let Some(row) = row else { return Err(JournalError::Missing { path: path() }) };
    match row.try_get::<_, i32>(0).map_err(|error| failed(at, "read", &error))? {
        FORMAT => Ok(()),
        found => Err(JournalError::Version { path: path(), found: found.into(), known: FORMAT.into() }),
    }
}

/// Begins a world, `over` one that has its name.
pub(crate) fn create(at: &InPostgres, over: bool) -> Result<Opened, JournalError> {
    let mut client = enter_to_write(&at.database)?;
    let read = |error: postgres::Error| failed(at, "read", &error);
    let path = || shown(&Address::Postgres(at.clone()));
    let sql = "SELECT EXISTS (SELECT 1 FROM worlds WHERE world = $1)";
    let mut is_there =
        |name: &str| client.query_one(sql, &[&name]).and_then(|row| row.try_get::<_, bool>(0)).map_err(read);
    let aside = match is_there(&at.world)? {
        false => None,
        true if !over => {
            return Err(JournalError::Open { path: path(), problem: "it holds a world already".into() });
        }
        true => {
            let mut free = 1_u32;
            while is_there(&format!("{}.{free}", at.world))? {
                free += 1;
            }
            Some(format!("{}.{free}", at.world))
        }
    };
    if aside.is_some() && writer_of(&mut client, &at.world).map_err(read)? {
        return Err(busy(&mut client, at));
    }
    let number = new_writer(&mut client).map_err(read)?;
    let old = aside.clone().map(|world| InPostgres { database: at.database.clone(), world });
    let notes = old.map(|old| Note::Aside(shown(&Address::Postgres(old)))).into_iter().collect();
    Ok(Opened { store: Store::new(at, client, Role::Founds { number, aside }), notes })
}

/// Opens a world to write to it: the epoch of all who wrote before has passed.
pub(crate) fn open(at: &InPostgres) -> Result<Opened, JournalError> {
    let mut client = enter_to_write(&at.database)?;
    known(&mut client, at)?;
    let write = |error: postgres::Error| failed(at, "written", &error);
    let number = new_writer(&mut client).map_err(write)?;
    let mut taking = client.transaction().map_err(write)?;
    if !take(&mut taking, at)? {
        return Err(JournalError::Missing { path: shown(&Address::Postgres(at.clone())) });
    }
    let sql = format!(
        "UPDATE worlds SET epoch = epoch + 1, writer = $2, writer_name = {WRITER_NAME}, served_at = NULL
         WHERE world = $1 RETURNING epoch"
    );
    let row = taking.query_one(&sql, &[&at.world, &number]).map_err(write)?;
    let epoch = row.try_get(0).map_err(write)?;
    taking.commit().map_err(write)?;
    Ok(Opened { store: Store::new(at, client, Role::Writes { number, epoch }), notes: Vec::new() })
}

/// Whether a connection is gone, or its server about to be: it is not known what became of the last statement.
pub(super) fn is_lost(error: &postgres::Error) -> bool {
    let Some(code) = error.code() else {
        let is_io = std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>());
        return error.is_closed() || is_io;
    };
    [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code)
        || code.code().starts_with("08")
}

/// Removes a world with all that is its own.
pub(super) fn remove(db: &mut impl GenericClient, world: &str) -> Result<(), postgres::Error> {
    // All other rows hang on that of the world; followers have their own.
    db.execute("DELETE FROM followers WHERE world = $1", &[&world])?;
    db.execute("DELETE FROM worlds WHERE world = $1", &[&world]).map(drop)
}

/// Comes back to a database whose connection was lost, as the writer that it was, or learns that another one is.
fn come_back(at: &InPostgres, role: &Role) -> Result<Client, JournalError> {
    let back = || -> Result<Client, JournalError> {
        let (Role::Writes { number, .. } | Role::Founds { number, .. }) = role else {
            return enter(&at.database);
        };
        let mut client = enter_to_write(&at.database)?;
        let had =
            client.query_one("SELECT pg_try_advisory_lock($1)", &[number]).and_then(|row| row.try_get(0));
        // The server may not know yet that the connection before is dead.
        if had.map_err(|error| failed(at, "opened", &error))? {
            Ok(client)
        } else {
            Err(JournalError::Busy { path: shown(&Address::Postgres(at.clone())), writer: None })
        }
    };
    back.retry(ConstantBuilder::default().with_delay(BETWEEN).with_max_times(TRIES)).call()
}

impl Store {
    fn new(at: &InPostgres, client: Client, role: Role) -> Self {
        let (rows, series, tape) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { at: at.clone(), client: RefCell::new(client), role, append: None, rows, series, tape }
    }

    /// Reads, and says which table it was if that fails. A lost connection is made again.
    ///
    /// It is done on a thread of its own: the client blocks in a runtime of its own, which can't be begun within
    /// another, as where turns of models look into the tape.
    fn read<T: Send>(
        &self,
        table: &'static str,
        read: impl Fn(&mut Client, &str) -> Result<T, Unread> + Sync,
    ) -> Result<T, JournalError> {
        let (client, at, role) = (&mut *self.client.borrow_mut(), &self.at, &self.role);
        let whole = || {
            let mut done = read(client, &at.world);
            if matches!(&done, Err(Unread::Database(error)) if is_lost(error)) {
                *client = come_back(at, role)?;
                done = read(client, &at.world);
            }
            done.map_err(|unread| match unread {
                Unread::Database(error) => failed(at, "read", &error),
                Unread::Strange(problem) => JournalError::corrupt(table, problem),
            })
        };
        let done = std::thread::scope(|scope| scope.spawn(whole).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Writes as the writer of the world. When a connection is lost on the way, `settle` says by the head that stands
    /// whether it is done; else it is done again.
    fn write<T>(
        &mut self,
        seq: u64,
        mut write: impl FnMut(&mut Self) -> Result<T, Wrong>,
        settle: impl Fn(&Self) -> Result<Option<T>, JournalError>,
    ) -> Result<T, JournalError> {
        let mut tries = 0;
        loop {
            match write(self) {
                Ok(done) => return Ok(done),
                Err(Wrong::Database(error)) if is_lost(&error) && tries < TRIES => {
                    tries += 1;
                    self.append = None;
                    *self.client.get_mut() = come_back(&self.at, &self.role)?;
                    if let Some(done) = settle(self)? {
                        return Ok(done);
                    }
                }
                Err(Wrong::Database(error)) => return Err(failed(&self.at, "written", &error)),
                Err(Wrong::Strange(problem)) => return Err(JournalError::corrupt("the tables", problem)),
                Err(Wrong::Overtaken) => {
                    return Err(JournalError::Moved {
                        problem: format!("`{}` was taken over by another writer", self.at),
                        seq,
                        help: "that one goes on with it".into(),
                    });
                }
            }
        }
    }

    /// Writes in one transaction what may be written twice, if the epoch has not passed.
    fn write_fenced<T>(
        &mut self,
        seq: u64,
        mut write: impl FnMut(&mut postgres::Transaction<'_>, &str) -> Result<T, Wrong>,
    ) -> Result<T, JournalError> {
        let once = |this: &mut Self| {
            let Role::Writes { epoch, .. } = this.role else { return Err(Wrong::Overtaken) };
            let client = this.client.get_mut();
            let mut commit = client.transaction()?;
            let sql = "SELECT 1 FROM worlds WHERE world = $1 AND epoch = $2 FOR SHARE";
            if commit.query_opt(sql, &[&this.at.world, &epoch])?.is_none() {
                return Err(Wrong::Overtaken);
            }
            let done = write(&mut commit, &this.at.world)?;
            commit.commit()?;
            Ok(done)
        };
        self.write(seq, once, |_| Ok(None))
    }

    /// The head as it stands, and the epoch.
    fn head(&self) -> Result<Option<Standing>, JournalError> {
        self.read("worlds", |client, world| {
            let sql = "SELECT head, epoch, writer FROM worlds WHERE world = $1";
            let row = client.query_opt(sql, &[&world])?;
            Ok(row
                .map(|row| Ok::<_, postgres::Error>((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
                .transpose()?)
        })
    }

    fn append_once(
        &mut self,
        rows: &[Row],
        (before, after): (Head, Head),
        meta: &[(&str, &[u8])],
        samples: &[Sample],
    ) -> Result<(), Wrong> {
        let world = &self.at.world;
        match &self.role {
            Role::Reads => Err(Wrong::Overtaken),
            Role::Founds { number, aside } => {
                let mut commit = self.client.get_mut().transaction()?;
                if let Some(aside) = aside {
                    if writer_of(&mut commit, world)? {
                        return Err(Wrong::Overtaken);
                    }
                    commit.execute(
                        "UPDATE worlds SET world = $2, writer = NULL, served_at = NULL, holder = NULL, stands = NULL
                         WHERE world = $1",
                        &[world, aside],
                    )?;
                }
                let sql = format!(
                    "INSERT INTO worlds (world, format, head, head_seq, epoch, writer, writer_name)
                     VALUES ($1, $2, $3, $4, 1, $5, {WRITER_NAME}) ON CONFLICT DO NOTHING"
                );
                let (head, seq) = (before.to_bytes(), number_of(before));
                if commit.execute(&sql, &[world, &FORMAT, &head, &seq, number])? != 1 {
                    return Err(Wrong::Overtaken);
                }
                let append = commit.prepare(APPEND)?;
                insert(&mut commit, &append, (world, 1), rows, (before, after), meta)?;
                rows::insert_series(&mut commit, world, samples)?;
                Ok(commit.commit()?)
            }
            Role::Writes { epoch, .. } => {
                let client = self.client.get_mut();
                let append = match &self.append {
                    Some(append) => append.clone(),
                    None => self.append.insert(client.prepare(APPEND)?).clone(),
                };
                if samples.is_empty() {
                    return insert(client, &append, (world, *epoch), rows, (before, after), meta);
                }
                let mut commit = client.transaction()?;
                insert(&mut commit, &append, (world, *epoch), rows, (before, after), meta)?;
                rows::insert_series(&mut commit, world, samples)?;
                Ok(commit.commit()?)
            }
        }
    }

    fn epoch(&self) -> i64 {
        match self.role {
            Role::Writes { epoch, .. } => epoch,
            Role::Reads | Role::Founds { .. } => 1,
        }
    }
}

fn number_of(head: Head) -> i64 {
    number(head.seq)
}

/// Moves the head and adds rows by one statement.
fn insert(
    db: &mut impl GenericClient,
    append: &Statement,
    (world, epoch): (&str, i64),
    rows: &[Row],
    (before, after): (Head, Head),
    meta: &[(&str, &[u8])],
) -> Result<(), Wrong> {
    let numbers = |of: fn(&Row) -> u64| rows.iter().map(|row| number(of(row))).collect::<Vec<i64>>();
    let (firsts, counts, epochs) =
        (numbers(|row| row.seq_first), numbers(|row| row.count), numbers(|row| row.epoch));
    let prev: Vec<&[u8]> = rows.iter().map(|row| &row.prev_hash[..]).collect();
    let hashes: Vec<&[u8]> = rows.iter().map(|row| &row.hash[..]).collect();
    let bodies: Vec<&[u8]> = rows.iter().map(|row| &row.body[..]).collect();
    let (keys, values): (Vec<&str>, Vec<&[u8]>) = meta.iter().copied().unzip();
    let row = db.query_one(
        append,
        &[
            &world,
            &epoch,
            &before.to_bytes(),
            &after.to_bytes(),
            &number_of(after),
            &firsts,
            &counts,
            &epochs,
            &prev,
            &hashes,
            &bodies,
            &keys,
            &values,
        ],
    )?;
    let (moved, added): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    match (moved, usize::try_from(added)) {
        (1, Ok(added)) if added == rows.len() => Ok(()),
        (0, _) => Err(Wrong::Overtaken),
        _ => Err(Wrong::Strange("a batch was not added whole")),
    }
}

impl Log for Store {
    fn is_at(&self, head: Head) -> Result<bool, JournalError> {
        self.read("worlds", |client, world| {
            let sql = "SELECT head = $2 FROM worlds WHERE world = $1";
            Ok(client.query_opt(sql, &[&world, &head.to_bytes()])?.map(|row| row.try_get(0)).transpose()?
                == Some(true))
        })
    }

    fn end(&self) -> Result<Option<(Head, Row)>, JournalError> {
        // Another world may have its name by now.
        *self.rows.borrow_mut() = Default::default();
        let sql = format!(
            "SELECT w.head, (SELECT max(seq) FROM snapshots s WHERE s.world = w.world), j.seq_first, j.count, j.epoch,
                    j.prev_hash, j.hash, j.body
             FROM worlds w, LATERAL
                  (SELECT {BATCH} FROM journal WHERE world = w.world ORDER BY seq_first DESC LIMIT 1) j
             WHERE w.world = $1"
        );
        let found = self.read("worlds", |client, world| {
            let Some(row) = client.query_opt(&sql, &[&world])? else { return Ok(None) };
            let head = Head::from_bytes(row.try_get(0)?).ok_or(Unread::Strange("the head is malformed"))?;
            Ok(Some((head, row.try_get::<_, Option<i64>>(1)?, rows::batch(&row, 2)?)))
        })?;
        let Some((head, newest, last)) = found else { return Ok(None) };
        if let Some(newest) = newest.filter(|newest| *newest > number(head.seq)) {
            let problem = format!("the journal ends with record {}", head.seq);
            return Err(JournalError::corrupt(format!("the snapshot at record {newest}"), problem));
        }
        Ok(Some((head, last)))
    }

    fn has_writer(&self) -> Result<Option<bool>, JournalError> {
        self.read("worlds", |client, world| Ok(Some(writer_of(client, world)?)))
    }

    fn served_at(&self) -> Result<Option<String>, JournalError> {
        self.read("worlds", |client, world| {
            if !writer_of(client, world)? {
                return Ok(house_of(client, world)?);
            }
            let row = client.query_opt("SELECT served_at FROM worlds WHERE world = $1", &[&world])?;
            Ok(row.map(|row| row.try_get(0)).transpose()?.flatten())
        })
    }

    fn serve_at(&mut self, head: Head, url: &str) -> Result<(), JournalError> {
        self.write_fenced(head.seq, |db, world| {
            db.execute("UPDATE worlds SET served_at = $2 WHERE world = $1", &[&world, &url])?;
            Ok(())
        })
    }

    fn is_gone(&self) -> Result<bool, JournalError> {
        self.read("worlds", |client, world| {
            Ok(client.query_opt("SELECT 1 FROM worlds WHERE world = $1", &[&world])?.is_none())
        })
    }

    fn row_from(&self, seq: u64) -> Result<Option<Row>, JournalError> {
        let sql = format!(
            "SELECT {BATCH} FROM journal WHERE world = $1 AND seq_first <= $2 ORDER BY seq_first DESC LIMIT 1"
        );
        self.read("journal", |client, world| {
            client.query_opt(&sql, &[&world, &number(seq)])?.map(|row| rows::batch(&row, 0)).transpose()
        })
    }

    fn row_after(&self, seq: u64) -> Result<Option<Row>, JournalError> {
        let (after, ahead) = &mut *self.rows.borrow_mut();
        // Those that were read ahead follow each other without a gap.
        while ahead.front().is_some_and(|row| row.seq_first <= seq) {
            ahead.pop_front();
        }
        if *after > seq || ahead.is_empty() {
            *ahead = self.read("journal", |client, world| rows::batches_after(client, world, seq))?.into();
        }
        let next = ahead.pop_front();
        *after = next.as_ref().map_or(seq, |row| row.seq_first);
        Ok(next)
    }

    fn append(
        &mut self,
        rows: &[Row],
        heads: (Head, Head),
        meta: &[(&str, &[u8])],
        samples: &[Sample],
    ) -> Result<(), JournalError> {
        meta.iter().try_for_each(|(key, value)| bounded(key, value))?;
        let (before, after) = heads;
        // Whether a commit is done whose answer was lost is told by the head, under the same epoch.
        let settle = |this: &Self| {
            let (Role::Writes { number, .. } | Role::Founds { number, .. }) = &this.role else {
                return Ok(None);
            };
            let stands = this.head()?;
            Ok(stands
                .is_some_and(|(head, epoch, writer)| {
                    (head, epoch, writer) == (after.to_bytes(), this.epoch(), Some(*number))
                })
                .then_some(()))
        };
        self.write(before.seq, |this| this.append_once(rows, heads, meta, samples), settle)?;
        if let Role::Founds { number, .. } = self.role {
            self.role = Role::Writes { number, epoch: 1 };
        }
        Ok(())
    }

    fn put_series(&mut self, head: Head, samples: &[Sample]) -> Result<(), JournalError> {
        self.write_fenced(head.seq, |db, world| Ok(rows::insert_series(db, world, samples)?))
    }

    fn series_after(&self, place: i64) -> Result<Option<(i64, SeriesRow)>, JournalError> {
        let (after, ahead) = &mut *self.series.borrow_mut();
        if *after != place || ahead.is_empty() {
            *ahead = self.read("series", |db, world| rows::series_after(db, world, place))?.into();
        }
        let Some(raw) = ahead.pop_front() else { return Ok(None) };
        *after = raw.0;
        Ok(Some((raw.0, series::checked(raw)?)))
    }

    fn series_end(&self) -> Result<i64, JournalError> {
        self.read("series", |client, world| {
            let sql = "SELECT coalesce(max(place), 0) FROM series WHERE world = $1";
            Ok(client.query_one(sql, &[&world])?.try_get(0)?)
        })
    }

    fn agents_after(&self, place: i64) -> Result<Option<(i64, AgentPart)>, JournalError> {
        let found = self.read("agent_series", |db, world| rows::agents_after(db, world, place))?;
        found.map(|raw| Ok((raw.0, agent_series::checked(raw)?))).transpose()
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.read("meta", |client, world| {
            let sql = "SELECT value FROM meta WHERE world = $1 AND key = $2";
            Ok(client.query_opt(sql, &[&world, &key])?.map(|row| row.try_get(0)).transpose()?)
        })
    }

    fn metas(&self) -> Result<Vec<(String, Vec<u8>)>, JournalError> {
        self.read("meta", |client, world| {
            let rows =
                client.query("SELECT key, value FROM meta WHERE world = $1 ORDER BY key", &[&world])?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        })
    }

    fn set_meta(&mut self, head: Head, key: &str, value: &[u8]) -> Result<(), JournalError> {
        bounded(key, value)?;
        self.write_fenced(head.seq, |db, world| {
            let sql = "INSERT INTO meta (world, key, value) VALUES ($1, $2, $3)
                       ON CONFLICT (world, key) DO UPDATE SET value = excluded.value";
            db.execute(sql, &[&world, &key, &value])?;
            Ok(())
        })
    }

    fn snapshots(&self, seq: u64, count: usize) -> Result<Vec<Mark>, JournalError> {
        let sql = "SELECT seq, row_hash, journal_hash, digest, hash, bytes,
                          (octet_length(body) + (SELECT coalesce(sum(octet_length(p.body)), 0) FROM pieces p
                           WHERE p.world = s.world AND p.seq = s.seq))::BIGINT
                   FROM snapshots s WHERE world = $1 AND seq <= $2 ORDER BY seq DESC LIMIT $3";
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let mut marks = self.read("snapshots", |client, world| {
            let rows = client.query(sql, &[&world, &number(seq), &count])?;
            rows.iter()
                .map(|row| Ok((rows::mark(row)?, row.try_get::<_, i64>(6)?.unsigned_abs())))
                .collect::<Result<Vec<(Mark, u64)>, Unread>>()
        })?;
        marks.reverse();
        // How far a snapshot may unpack hangs on its size, which must not be believed.
        if let Some((mark, room)) = marks.iter().find(|(mark, room)| mark.bytes > *room) {
            let problem = format!("it says that it has {} bytes, and its pieces have {room}", mark.bytes);
            return Err(JournalError::corrupt(mark.place(), problem));
        }
        Ok(marks.into_iter().map(|(mark, _)| mark).collect())
    }

    fn piece(&self, seq: u64, at: u64) -> Result<Option<Vec<u8>>, JournalError> {
        self.read("pieces", |client, world| {
            let row = if at == 0 {
                let sql = "SELECT body FROM snapshots WHERE world = $1 AND seq = $2";
                client.query_opt(sql, &[&world, &number(seq)])?
            } else {
                let sql = "SELECT body FROM pieces WHERE world = $1 AND seq = $2 AND number = $3";
                client.query_opt(sql, &[&world, &number(seq), &number(at)])?
            };
            Ok(row.map(|row| row.try_get(0)).transpose()?)
        })
    }

    fn put_snapshot(&mut self, mark: &Mark, pieces: &[Vec<u8>], keep: usize) -> Result<(), JournalError> {
        let at = mark.at;
        self.write_fenced(at.seq, |db, world| {
            db.execute("DELETE FROM snapshots WHERE world = $1 AND seq = $2", &[&world, &number(at.seq)])?;
            let first = pieces.first().map_or(&[][..], Vec::as_slice);
            db.execute(
                "INSERT INTO snapshots (world, seq, row_hash, journal_hash, digest, hash, bytes, body)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                &[
                    &world,
                    &number(at.seq),
                    &at.row_hash.as_slice(),
                    &at.journal_hash.as_slice(),
                    &mark.digest.as_slice(),
                    &mark.hash.as_slice(),
                    &number(mark.bytes),
                    &first,
                ],
            )?;
            let insert =
                db.prepare("INSERT INTO pieces (world, seq, number, body) VALUES ($1, $2, $3, $4)")?;
            for (place, piece) in (0_i64..).zip(pieces).skip(1) {
                db.execute(&insert, &[&world, &number(at.seq), &place, piece])?;
            }
            let sql = "SELECT seq FROM snapshots WHERE world = $1 ORDER BY seq DESC";
            let seqs = db.query(sql, &[&world])?;
            let seqs = seqs
                .iter()
                .map(|row| Ok(row.try_get::<_, i64>(0)?.unsigned_abs()))
                .collect::<Result<Vec<u64>, postgres::Error>>()?;
            let gone: Vec<i64> = let_go(&seqs, keep).into_iter().map(number).collect();
            db.execute("DELETE FROM snapshots WHERE world = $1 AND seq = ANY($2)", &[&world, &gone])?;
            Ok(())
        })
    }

    fn put_tape(&mut self, head: Head, rows: &[Taped], known: Known) -> Result<usize, JournalError> {
        rows.iter().try_for_each(tape::bounded)?;
        self.write_fenced(head.seq, |db, world| Ok(rows::insert_tape(db, world, rows, known)?))
    }

    fn use_tape(&mut self, head: Head, rows: &[Taped]) -> Result<(), JournalError> {
        self.write_fenced(head.seq, |db, world| Ok(rows::use_tape(db, world, rows)?))
    }

    fn taped(&self, agent: &str, hash: &Hash, n: u64) -> Result<Option<Taped>, JournalError> {
        let found = self.read("tape", |db, world| rows::taped(db, world, (agent, hash, n)))?;
        found.map(tape::checked).transpose()
    }

    fn tape_after(&self, place: i64, agent: Option<&str>) -> Result<Option<(i64, Taped)>, JournalError> {
        let (after, of, ahead) = &mut *self.tape.borrow_mut();
        if *after != place || of.as_deref() != agent || ahead.is_empty() {
            *ahead = self.read("tape", |db, world| rows::tape_after(db, world, place, agent))?.into();
            *of = agent.map(str::to_owned);
        }
        let Some((at, raw)) = ahead.pop_front() else { return Ok(None) };
        *after = at;
        tape::checked(raw).map(|row| Some((at, row)))
    }
}

impl Drop for Store {
    /// Tells the next writer that this one has ended; its lock would tell too.
    fn drop(&mut self) {
        if let Role::Writes { epoch, .. } = self.role {
            let sql = "UPDATE worlds SET writer = NULL, writer_name = NULL, served_at = NULL WHERE world = $1 AND epoch = $2";
            let _ = self.client.get_mut().execute(sql, &[&self.at.world, &epoch]);
        }
    }
}
