//! The file: opening, appending, reading, snapshots.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use oikos_kernel::{record::Record, world::World};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::{
    batch::{Hash, Row, compress, decompress},
    error::JournalError,
};

/// `OIKO`: what SQLite calls the application id of a world database.
const APPLICATION_ID: i64 = 0x4f49_4b4f;
/// The version of tables and records.
const FORMAT: i64 = oikos_kernel::record::FORMAT as i64;
/// Snapshots that are kept; only the last one is needed, the others are for those who look back.
const SNAPSHOTS_MAX: i64 = 4;
/// How long a reader waits for SQLite's own locks.
const BUSY_MS: u64 = 5_000;

const SCHEMA: &str = "
    CREATE TABLE journal (
        seq_first INTEGER PRIMARY KEY, count INTEGER NOT NULL, epoch INTEGER NOT NULL,
        prev_hash BLOB NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL);
    CREATE TABLE snapshots (
        seq INTEGER PRIMARY KEY, journal_hash BLOB NOT NULL, digest BLOB NOT NULL,
        hash BLOB NOT NULL, body BLOB NOT NULL);
    CREATE TABLE tape (key BLOB PRIMARY KEY, answer BLOB NOT NULL);
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
";

/// Where a journal ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last record's number; 0 when there is none.
    pub seq: u64,
    /// The last row's hash.
    pub row_hash: Hash,
    /// The chain over all records, whatever their batches were.
    pub journal_hash: Hash,
}

impl Head {
    fn to_bytes(self) -> Vec<u8> {
        [&self.seq.to_le_bytes()[..], &self.row_hash, &self.journal_hash].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seq, rest) = bytes.split_first_chunk::<8>()?;
        let (row_hash, rest) = rest.split_first_chunk::<32>()?;
        let journal_hash = rest.try_into().ok()?;
        Some(Self { seq: u64::from_le_bytes(*seq), row_hash: *row_hash, journal_hash })
    }
}

/// A snapshot as it is stored.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) seq: u64,
    pub(crate) journal_hash: Hash,
    pub(crate) digest: Hash,
    hash: Hash,
    body: Vec<u8>,
}

/// A snapshot that can be stored: the state of a world where a batch ends, packed.
#[derive(Debug)]
pub struct Image(Snapshot);

impl Image {
    /// Packs the state of a world, which takes as long as the world is large. `journal_hash` is the chain
    /// over all records up to where it stands.
    ///
    /// # Errors
    /// When it can't be packed.
    pub fn of(world: &World, journal_hash: Hash) -> Result<Self, JournalError> {
        let mut snapshot = Snapshot {
            seq: world.seq(),
            journal_hash,
            digest: world.digest(),
            hash: [0; 32],
            body: compress(&world.to_image())?,
        };
        snapshot.hash = snapshot.expected_hash();
        Ok(Self(snapshot))
    }
}

impl Snapshot {
    fn expected_hash(&self) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seq.to_le_bytes());
        hasher.update(&self.journal_hash);
        hasher.update(&self.digest);
        hasher.update(&self.body);
        *hasher.finalize().as_bytes()
    }

    /// The world of the snapshot.
    pub(crate) fn world(&self) -> Result<World, JournalError> {
        let corrupt =
            |problem: String| JournalError::corrupt(format!("the snapshot at record {}", self.seq), problem);
        if self.hash != self.expected_hash() {
            return Err(corrupt("its hash does not fit its bytes".into()));
        }
        let image =
            decompress(&self.body).map_err(|error| corrupt(format!("it can't be unpacked: {error}")))?;
        let world = World::from_image(&image).map_err(|error| corrupt(error.to_string()))?;
        if world.seq() != self.seq {
            return Err(corrupt(format!("it is of record {}", world.seq())));
        }
        Ok(world)
    }
}

/// The journal of one world. Whoever writes holds the lock file beside it until it is dropped.
#[derive(Debug)]
pub struct Journal {
    db: Connection,
    file: Option<PathBuf>,
    head: Head,
    epoch: u64,
    poisoned: bool,
    /// Held for the journal's life; the system lets go of it when the process dies.
    _lock: Option<File>,
}

impl Journal {
    /// A journal in memory, gone with the process.
    ///
    /// # Errors
    /// When SQLite can't be started.
    pub fn in_memory() -> Result<Self, JournalError> {
        let db = Connection::open_in_memory()?;
        prepare(&db)?;
        Ok(Self::new(db, None, None))
    }

    /// Begins a journal in a new file, or afresh in one whose founding was never committed.
    ///
    /// # Errors
    /// When the file can't be made, is something else, holds a world already, or is being written to.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let lock = lock(path)?;
        match inspect(path)? {
            Found::World => {
                let problem = "it holds a world already".into();
                return Err(JournalError::Open { path: path.into(), problem });
            }
            Found::Nothing => {}
            Found::Unfounded => {
                for suffix in ["", "-wal", "-shm"] {
                    let file = with_suffix(path, suffix);
                    if file.exists() {
                        std::fs::remove_file(&file).map_err(|error| open_error(&file, &error))?;
                    }
                }
            }
        }
        let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        prepare(&db)?;
        Ok(Self::new(db, Some(path.into()), Some(lock)))
    }

    /// Moves whatever is at `path`, with SQLite's files beside it, to the first free name `PATH.1`,
    /// `PATH.2` and so on; `None` when nothing is there.
    ///
    /// # Errors
    /// When it is being written to, or can't be moved.
    pub fn set_aside(path: &Path) -> Result<Option<PathBuf>, JournalError> {
        if !path.exists() {
            return Ok(None);
        }
        let _lock = lock(path)?;
        let taken = |number: &u32| with_suffix(path, &format!(".{number}")).exists();
        let free = (1..u32::MAX).find(|number| !taken(number)).unwrap_or(u32::MAX);
        // SQLite's files keep their suffix behind the new name, so that the old world still opens.
        for suffix in ["-wal", "-shm", ""] {
            let from = with_suffix(path, suffix);
            if from.exists() {
                let to = with_suffix(path, &format!(".{free}{suffix}"));
                std::fs::rename(&from, to).map_err(|error| open_error(&from, &error))?;
            }
        }
        Ok(Some(with_suffix(path, &format!(".{free}"))))
    }

    /// Whether a file holds a world; a missing file, an empty one and one without a committed
    /// founding hold none.
    ///
    /// # Errors
    /// When the file is something else, or of another version.
    pub fn holds_world(path: &Path) -> Result<bool, JournalError> {
        Ok(matches!(inspect(path)?, Found::World))
    }

    /// Opens a world to write to it.
    ///
    /// # Errors
    /// When it holds no world, is something else, is damaged, or is being written to.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        if matches!(inspect(path)?, Found::Nothing) {
            return Err(JournalError::Missing { path: path.into() });
        }
        let lock = lock(path)?;
        let mut this = Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE, Some(lock))?;
        this.db.pragma_update(None, "synchronous", "FULL")?;
        this.epoch += 1;
        Ok(this)
    }

    /// Opens a world to read it; a writer may go on writing.
    ///
    /// # Errors
    /// As [`Self::open`], but for being written to.
    pub fn open_read_only(path: &Path) -> Result<Self, JournalError> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_ONLY, None)
    }

    fn open_with(path: &Path, flags: OpenFlags, lock: Option<File>) -> Result<Self, JournalError> {
        match inspect(path)? {
            Found::World => {}
            Found::Nothing => return Err(JournalError::Missing { path: path.into() }),
            Found::Unfounded => return Err(JournalError::Empty { path: path.into() }),
        }
        let db = connect(path, flags)?;
        let mut this = Self::new(db, Some(path.into()), lock);
        // A writer may commit between two looks: both are of one state.
        this.db.execute_batch("BEGIN")?;
        let head = this.meta("head")?.and_then(|bytes| Head::from_bytes(&bytes));
        this.head = head.ok_or_else(|| JournalError::corrupt("meta", "the head is missing or malformed"))?;
        this.epoch = this.check_chain()?;
        this.db.execute_batch("COMMIT")?;
        Ok(this)
    }

    /// Checks the hash of every row, that each follows the one before, and the head; what the rows say
    /// is for `verify`. The last epoch.
    fn check_chain(&self) -> Result<u64, JournalError> {
        let (mut end, mut epoch) = (Head::default(), 0);
        self.rows(0, |row| {
            row.check_hash()?;
            (end.seq, end.row_hash, epoch) = (row.seq_first + row.count - 1, row.hash, row.epoch);
            Ok::<(), JournalError>(())
        })?;
        if (end.seq, end.row_hash) != (self.head.seq, self.head.row_hash) {
            let problem = format!("it names record {}, but the journal ends with {}", self.head.seq, end.seq);
            return Err(JournalError::corrupt("the head", problem));
        }
        Ok(epoch)
    }

    fn new(db: Connection, file: Option<PathBuf>, lock: Option<File>) -> Self {
        Self { db, file, head: Head::default(), epoch: 1, poisoned: false, _lock: lock }
    }

    /// The file; a journal in memory has none.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Where the journal ends.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Appends records as one batch: when this returns, they are on disk. `meta` is set in the same commit.
    ///
    /// # Errors
    /// When they don't follow the head, or the write fails; nothing more is accepted then.
    pub fn append(&mut self, records: &[Record], meta: &[(&str, &[u8])]) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let Some(first) = records.first() else { return Ok(()) };
        if first.seq != self.head.seq + 1 {
            let problem = format!("record {} can't follow {}", first.seq, self.head.seq);
            return Err(JournalError::corrupt("the head", problem));
        }
        let result = self.write(records, meta);
        self.poisoned = result.is_err();
        result
    }

    fn write(&mut self, records: &[Record], meta: &[(&str, &[u8])]) -> Result<(), JournalError> {
        let mut head = self.head;
        let row = Row::pack(records, self.epoch, head.row_hash, &mut head.journal_hash)?;
        head.seq += row.count;
        head.row_hash = row.hash;
        let commit = self.db.transaction()?;
        {
            let mut insert = commit.prepare_cached(
                "INSERT INTO journal (seq_first, count, epoch, prev_hash, hash, body) VALUES (?, ?, ?, ?, ?, ?)",
            )?;
            insert.execute(params![
                row.seq_first,
                row.count,
                row.epoch,
                row.prev_hash,
                row.hash,
                row.body
            ])?;
            let mut set = commit.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)")?;
            set.execute(params!["head", head.to_bytes()])?;
            for (key, value) in meta {
                set.execute(params![key, value])?;
            }
        }
        commit.commit()?;
        self.head = head;
        Ok(())
    }

    /// A value that the writer keeps beside the records.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        let sql = "SELECT value FROM meta WHERE key = ?";
        self.db.query_row(sql, [key], |row| row.get(0)).optional().map_err(|error| misread("meta", error))
    }

    /// Sets such a value.
    ///
    /// # Errors
    /// When the write fails.
    pub fn set_meta(&mut self, key: &str, value: &[u8]) -> Result<(), JournalError> {
        self.db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", params![key, value])?;
        Ok(())
    }

    /// Stores the state of the world at the head.
    ///
    /// # Errors
    /// When the world is not the one at the head, or the write fails.
    pub fn put_snapshot(&mut self, world: &World) -> Result<(), JournalError> {
        if world.seq() != self.head.seq {
            let problem = format!("it is of record {}, and the head is {}", world.seq(), self.head.seq);
            return Err(JournalError::corrupt("a new snapshot", problem));
        }
        self.put_image(Image::of(world, self.head.journal_hash)?)
    }

    /// Stores a snapshot of a world as it stood where a batch ended.
    ///
    /// # Errors
    /// When it is of a record yet to come, or the write fails.
    pub fn put_image(&mut self, image: Image) -> Result<(), JournalError> {
        let Image(snapshot) = image;
        if snapshot.seq > self.head.seq {
            let problem = format!("it is of record {}, and the head is {}", snapshot.seq, self.head.seq);
            return Err(JournalError::corrupt("a new snapshot", problem));
        }
        let commit = self.db.transaction()?;
        commit.execute(
            "INSERT OR REPLACE INTO snapshots (seq, journal_hash, digest, hash, body) VALUES (?, ?, ?, ?, ?)",
            params![snapshot.seq, snapshot.journal_hash, snapshot.digest, snapshot.hash, snapshot.body],
        )?;
        commit.execute(
            "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?)",
            [SNAPSHOTS_MAX],
        )?;
        commit.commit()?;
        Ok(())
    }

    /// The record of the last snapshot; 0 when there is none.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn snapshot_seq(&self) -> Result<u64, JournalError> {
        Ok(self.snapshot_seqs()?.last().copied().unwrap_or(0))
    }

    pub(crate) fn snapshot_seqs(&self) -> Result<Vec<u64>, JournalError> {
        let mut select = self.db.prepare("SELECT seq FROM snapshots ORDER BY seq")?;
        let seqs = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(seqs)
    }

    pub(crate) fn snapshot(&self, seq: u64) -> Result<Option<Snapshot>, JournalError> {
        let sql = "SELECT seq, journal_hash, digest, hash, body FROM snapshots WHERE seq = ?";
        let read = |row: &rusqlite::Row<'_>| {
            let (seq, journal_hash, digest) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Snapshot { seq, journal_hash, digest, hash: row.get(3)?, body: row.get(4)? })
        };
        self.db.query_row(sql, [seq], read).optional().map_err(|error| misread("snapshots", error))
    }

    /// The world of the last snapshot; an empty one when there is none.
    ///
    /// # Errors
    /// When the snapshot is damaged: it is never passed over in silence.
    pub fn last_snapshot(&self) -> Result<World, JournalError> {
        let Some(seq) = self.snapshot_seqs()?.last().copied() else { return Ok(World::empty()) };
        self.snapshot(seq)?.map_or_else(|| Ok(World::empty()), |snapshot| snapshot.world())
    }

    /// Reads the rows from the one that holds record `from`, checking that each follows the one before.
    pub(crate) fn rows<E: From<JournalError>>(
        &self,
        from: u64,
        mut visit: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let fail = |error: rusqlite::Error| E::from(misread("journal", error));
        let mut select = self
            .db
            .prepare(
                "SELECT seq_first, count, epoch, prev_hash, hash, body FROM journal
                 WHERE seq_first + count > ? ORDER BY seq_first",
            )
            .map_err(fail)?;
        let mut rows = select.query([from]).map_err(fail)?;
        let mut before: Option<(u64, Hash)> = (from == 0).then_some((1, Hash::default()));
        while let Some(row) = rows.next().map_err(fail)? {
            let row = read_row(row).map_err(fail)?;
            if let Some((next, hash)) = before {
                let place = format!("the batch that begins with record {}", row.seq_first);
                if row.seq_first != next {
                    let problem = format!("the batch with record {next} is missing before it");
                    return Err(JournalError::corrupt(place, problem).into());
                }
                if row.prev_hash != hash {
                    return Err(JournalError::corrupt(place, "it does not follow the batch before it").into());
                }
            }
            before = Some((row.seq_first.saturating_add(row.count), row.hash));
            visit(row)?;
        }
        Ok(())
    }

    /// Gives every record from number `from` on, in order, each batch checked against its hash.
    ///
    /// # Errors
    /// When a batch is damaged or missing, or the visitor fails.
    pub fn records<E: From<JournalError>>(
        &self,
        from: u64,
        mut visit: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut last = from.saturating_sub(1);
        self.rows(from, |row| {
            let mut chain = [0; 32];
            for record in row.unpack(&mut chain)? {
                if record.seq >= from {
                    last = record.seq;
                    visit(record)?;
                }
            }
            Ok::<(), E>(())
        })?;
        if last < self.head.seq {
            let problem = format!("the head is record {}, but the journal ends with {last}", self.head.seq);
            return Err(JournalError::corrupt("the head", problem).into());
        }
        Ok(())
    }

    /// Gives every record from number `from` on, as [`Self::records`], for as long as it is wanted.
    ///
    /// # Errors
    /// When a batch is damaged or missing.
    pub fn records_while(
        &self,
        from: u64,
        mut wanted: impl FnMut(Record) -> bool,
    ) -> Result<(), JournalError> {
        let read = self.records(from, |record| if wanted(record) { Ok(()) } else { Err(Halt::Enough) });
        match read {
            Ok(()) | Err(Halt::Enough) => Ok(()),
            Err(Halt::Failed(error)) => Err(error),
        }
    }
}

/// Ends the reading of a journal before its end.
enum Halt {
    Enough,
    Failed(JournalError),
}

impl From<JournalError> for Halt {
    fn from(error: JournalError) -> Self {
        Self::Failed(error)
    }
}

/// What a file is.
enum Found {
    Nothing,
    Unfounded,
    World,
}

fn inspect(path: &Path) -> Result<Found, JournalError> {
    let not_a_world = |problem: &str| JournalError::NotAWorld { path: path.into(), problem: problem.into() };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(open_error(path, &error)),
        Ok(meta) if meta.is_dir() => return Err(not_a_world("it is a directory")),
        Ok(meta) if meta.len() == 0 && !with_suffix(path, "-wal").exists() => return Ok(Found::Unfounded),
        Ok(_) => {}
    }
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(|error| misread_file(path, error))?;
    let count: i64 = db
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .map_err(|error| misread_file(path, error))?;
    if [0, APPLICATION_ID].contains(&application) && count == 0 {
        return Ok(Found::Unfounded);
    }
    if application != APPLICATION_ID {
        return Err(not_a_world("it is a database of another application"));
    }
    let found = pragma("user_version").map_err(|error| misread_file(path, error))?;
    if found != FORMAT {
        return Err(JournalError::Version { path: path.into(), found, known: FORMAT });
    }
    let batches =
        db.query_row("SELECT count(*) FROM (SELECT 1 FROM journal LIMIT 1)", [], |row| row.get::<_, i64>(0));
    let head = db.query_row("SELECT count(*) FROM meta WHERE key = 'head'", [], |row| row.get::<_, i64>(0));
    match (
        batches.map_err(|error| misread_file(path, error))?,
        head.map_err(|error| misread_file(path, error))?,
    ) {
        (0, 0) => Ok(Found::Unfounded),
        (0, _) => Err(JournalError::corrupt("the journal", "the head names records, but there are none")),
        _ => Ok(Found::World),
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, JournalError> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| JournalError::Open { path: path.into(), problem: error.to_string() })?;
    db.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    Ok(db)
}

fn prepare(db: &Connection) -> Result<(), JournalError> {
    let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};");
    // At once, so that a kill leaves all of it or nothing.
    db.execute_batch(&format!("BEGIN; {marks} {SCHEMA} COMMIT;"))?;
    Ok(())
}

fn read_row(row: &rusqlite::Row<'_>) -> Result<Row, rusqlite::Error> {
    let (seq_first, count, epoch) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Row { seq_first, count, epoch, prev_hash: row.get(3)?, hash: row.get(4)?, body: row.get(5)? })
}

/// A value of a wrong type or length is damage; the rest is the database's own failure.
fn misread(table: &str, error: rusqlite::Error) -> JournalError {
    match error {
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => JournalError::corrupt(table, error.to_string()),
        other => other.into(),
    }
}

fn misread_file(path: &Path, error: rusqlite::Error) -> JournalError {
    let code = error.sqlite_error_code();
    match code {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            JournalError::NotAWorld { path: path.into(), problem: "it is no SQLite file".into() }
        }
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
            JournalError::corrupt(format!("`{}`", path.display()), error.to_string())
        }
        _ => JournalError::Open { path: path.into(), problem: error.to_string() },
    }
}

fn open_error(path: &Path, error: &std::io::Error) -> JournalError {
    JournalError::Open { path: path.into(), problem: error.to_string() }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Takes the lock file beside the world. It is a file of its own because SQLite's locks on the world
/// would be lost when another handle of the same file is closed.
fn lock(path: &Path) -> Result<File, JournalError> {
    let beside = with_suffix(path, ".lock");
    let options = File::options().create(true).truncate(false).write(true).open(&beside);
    let file = options.map_err(|error| open_error(&beside, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(JournalError::Busy { path: path.into() }),
        Err(std::fs::TryLockError::Error(error)) => Err(open_error(&beside, &error)),
    }
}
