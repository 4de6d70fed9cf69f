//! The journal of one world over any store: appended records follow the last, and rows are checked when read.

use oikos_kernel::{
    record::Record,
    tape::{Origin, Taped},
    world::World,
};

use crate::{
    address::Address,
    agent_series::AgentPart,
    batch::{self, Hash, Row},
    copy,
    error::JournalError,
    file::{self, Note},
    log::{Head, Known, Log},
    postgres,
    series::{Sample, SeriesRow},
    snapshot::{Image, Mark},
    tables::Tables,
    tape::TapeUsed,
};

/// The last snapshots, which are kept; only one is needed, the others are for those who look back. Those before them
/// are kept the farther apart the older they are.
const SNAPSHOTS_LAST: usize = 4;

/// More snapshots than a journal has.
const ALL: usize = u32::MAX as usize;

/// The journal of one world. It ends at its head: more that another process has written meanwhile is not seen
/// until [`Journal::refresh`].
#[derive(Debug)]
pub struct Journal {
    log: Box<dyn Log>,
    at: Option<Address>,
    head: Head,
    /// How often a writer has opened the world, this one counted.
    epoch: u64,
    poisoned: bool,
    notes: Vec<Note>,
}

impl Journal {
    /// A journal in memory, gone with the process.
    ///
    /// # Errors
    /// When SQLite can't be started.
    pub fn in_memory() -> Result<Self, JournalError> {
        Ok(Self::new(Box::new(Tables::in_memory()?), None, Vec::new()))
    }

    /// Begins a journal where there is none, or afresh in a file whose founding was never committed. Nothing is
    /// there before the first batch, the founding, is on disk whole.
    ///
    /// # Errors
    /// When it can't be made, is something else, holds a world already, or is being written to.
    pub fn create(at: impl Into<Address>) -> Result<Self, JournalError> {
        Self::begin(at.into(), false)
    }

    /// As [`Self::create`], but a world, or anything else, that is there is moved aside to the first free name
    /// `NAME.1`, `NAME.2` and so on, in the moment in which the new world takes its place.
    ///
    /// # Errors
    /// When it can't be made, or is being written to.
    pub fn create_afresh(at: impl Into<Address>) -> Result<Self, JournalError> {
        Self::begin(at.into(), true)
    }

    fn begin(at: Address, over: bool) -> Result<Self, JournalError> {
        match at {
            Address::File(path) => file::create(&path, over).map(Self::in_file),
            Address::Postgres(at) => {
                postgres::create(&at, over).map(|opened| Self::in_postgres(Address::Postgres(at), opened))
            }
        }
    }

    /// Whether there is a world; a missing file, an empty one and one without a committed founding hold none.
    ///
    /// # Errors
    /// When there is something else, or one of another version.
    pub fn holds_world(at: impl Into<Address>) -> Result<bool, JournalError> {
        match at.into() {
            Address::File(path) => file::holds_world(&path),
            Address::Postgres(at) => postgres::holds_world(&at),
        }
    }

    /// Opens a world to write to it. The rows behind its last snapshot are not read: that is for
    /// [`crate::verify`].
    ///
    /// # Errors
    /// When it holds no world, is something else, is damaged at its end, or is being written to.
    pub fn open(at: impl Into<Address>) -> Result<Self, JournalError> {
        let mut this = match at.into() {
            Address::File(path) => Self::in_file(file::open(&path)?),
            Address::Postgres(at) => Self::in_postgres(Address::Postgres(at.clone()), postgres::open(&at)?),
        };
        let epoch = this.find_head()?;
        let past = || JournalError::corrupt("the last batch", "its epoch has none after it");
        this.epoch = epoch.checked_add(1).filter(|epoch| i64::try_from(*epoch).is_ok()).ok_or_else(past)?;
        Ok(this)
    }

    /// Opens a world to read it; a writer may go on writing. Nothing is written, beside a file neither.
    ///
    /// # Errors
    /// As [`Self::open`], but for being written to.
    pub fn open_read_only(at: impl Into<Address>) -> Result<Self, JournalError> {
        let mut this = match at.into() {
            Address::File(path) => Self::in_file(file::open_read_only(&path)?),
            Address::Postgres(at) => {
                Self::in_postgres(Address::Postgres(at.clone()), postgres::open_read_only(&at)?)
            }
        };
        this.find_head()?;
        Ok(this)
    }

    /// Whether somebody writes to a world at this moment.
    #[must_use]
    pub fn is_written(at: impl Into<Address>) -> bool {
        match at.into() {
            Address::File(path) => file::is_written(&path),
            Address::Postgres(at) => postgres::is_written(&at),
        }
    }

    /// As [`Self::is_written`], of the world that this is the journal of.
    ///
    /// # Errors
    /// When its database can't be read.
    pub fn has_writer(&self) -> Result<bool, JournalError> {
        match self.log.has_writer()? {
            Some(has) => Ok(has),
            None => Ok(self.at.as_ref().is_some_and(|at| Self::is_written(at.clone()))),
        }
    }

    /// The address at which its writer serves the world, or the house does that holds it, where the database says so;
    /// files have signs beside them.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn served_at(&self) -> Result<Option<String>, JournalError> {
        self.log.served_at()
    }

    /// Lets others know where this writer serves the world, where the database keeps that.
    ///
    /// # Errors
    /// When the write fails; nothing more is accepted then.
    pub fn serve_at(&mut self, url: &str) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let told = self.log.serve_at(self.head, url);
        self.poisoned = told.is_err();
        told
    }

    fn in_file(opened: file::Opened) -> Self {
        Self::new(Box::new(opened.tables), Some(Address::File(opened.path)), opened.notes)
    }

    fn in_postgres(at: Address, opened: postgres::Opened) -> Self {
        Self::new(Box::new(opened.store), Some(at), opened.notes)
    }

    fn new(log: Box<dyn Log>, at: Option<Address>, notes: Vec<Note>) -> Self {
        Self { log, at, head: Head::default(), epoch: 1, poisoned: false, notes }
    }

    /// Reads the head and checks that the last row is its own; gives that row's epoch.
    fn find_head(&mut self) -> Result<u64, JournalError> {
        let Some((head, last)) = self.log.end()? else { return Err(self.headless()?) };
        let seq = last.check()?;
        if (seq, last.hash) != (head.seq, head.row_hash) {
            let problem = format!("it names record {}, but the journal ends with {seq}", head.seq);
            return Err(JournalError::corrupt("the head", problem));
        }
        self.head = head;
        Ok(last.epoch)
    }

    /// Why it has no end.
    fn headless(&self) -> Result<JournalError, JournalError> {
        match &self.at {
            Some(at) if self.head.seq > 0 && self.log.is_gone()? => {
                Ok(JournalError::dropped(at, self.head.seq))
            }
            _ => Ok(JournalError::corrupt("meta", "the head is missing")),
        }
    }

    /// Moves the end of what is read to where the journal ends now.
    ///
    /// # Errors
    /// When the file can't be read, or is damaged at its end.
    pub fn refresh(&mut self) -> Result<(), JournalError> {
        if self.log.is_at(self.head)? {
            return Ok(());
        }
        self.find_head().map(drop)
    }

    /// Where it is; a journal in memory is nowhere else.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.at.as_ref()
    }

    /// Things about the file that its owner should know.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Where the journal ends.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// The hash of the batch that holds a record, and of all batches before it: another history has another one.
    ///
    /// # Errors
    /// When there is no such batch, or it is damaged.
    pub fn row_hash(&self, seq: u64) -> Result<Hash, JournalError> {
        let (row, _) = self.begin_at(seq)?;
        row.check()?;
        Ok(row.hash)
    }

    /// Appends records in one commit, in as many batches as they need: when this returns, they are on disk.
    /// `meta` is set in the same commit.
    ///
    /// # Errors
    /// When they don't follow the head, are too large, or the write fails; nothing more is accepted then.
    pub fn append(&mut self, records: &[Record], meta: &[(&str, &[u8])]) -> Result<(), JournalError> {
        self.append_with(records, meta, &[])
    }

    /// As [`Self::append`], with samples of the series that were taken between the records, in the same commit.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_with(
        &mut self,
        records: &[Record],
        meta: &[(&str, &[u8])],
        samples: &[Sample],
    ) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let Some(first) = records.first() else { return Ok(()) };
        if first.seq != self.head.seq + 1 {
            let problem = format!("record {} can't follow {}", first.seq, self.head.seq);
            return Err(JournalError::corrupt("the head", problem));
        }
        let written = batch::pack(records, self.epoch, self.head)
            .and_then(|(rows, head)| self.log.append(&rows, (self.head, head), meta, samples).map(|()| head));
        self.poisoned = written.is_err();
        self.head = written?;
        Ok(())
    }

    /// A value that the writer keeps beside the records.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.log.meta(key)
    }

    pub(crate) fn metas(&self) -> Result<Vec<(String, Vec<u8>)>, JournalError> {
        self.log.metas()
    }

    pub(crate) fn piece(&self, seq: u64, number: u64) -> Result<Option<Vec<u8>>, JournalError> {
        self.log.piece(seq, number)
    }

    /// Takes all that another journal has; this one has nothing yet.
    pub(crate) fn take_all(&mut self, from: &Self, goes_on: &dyn Fn() -> bool) -> Result<(), JournalError> {
        self.head = copy::rows(from, &mut *self.log, goes_on)?;
        copy::beside_rows(from, &mut *self.log, self.head, goes_on)?;
        let end = self.head.seq;
        copy::copy_series(from, self, |seq, _| seq <= end)
    }

    /// Sets such a value.
    ///
    /// # Errors
    /// When the write fails; nothing more is accepted then.
    pub fn set_meta(&mut self, key: &str, value: &[u8]) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let set = self.log.set_meta(self.head, key, value);
        self.poisoned = set.is_err();
        set
    }

    /// Stores the state of the world at the head.
    ///
    /// # Errors
    /// When the world is not the one at the head, or the write fails; nothing more is accepted then.
    pub fn put_snapshot(&mut self, world: &World) -> Result<(), JournalError> {
        if world.seq() != self.head.seq {
            let problem = format!("it is of record {}, and the head is {}", world.seq(), self.head.seq);
            return Err(JournalError::corrupt("a new snapshot", problem));
        }
        self.put_image(Image::of(world, self.head.journal_hash)?)
    }

    /// Stores a packed state. The journal may have gone on since, if a batch ends where the state is of.
    ///
    /// # Errors
    /// When no batch ends there, or the write fails; nothing more is accepted then.
    pub fn put_image(&mut self, image: Image) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let row = self.log.row_from(image.seq)?;
        let row = row.filter(|row| row.check().is_ok_and(|last| last == image.seq));
        let Some(row) = row.filter(|_| image.seq <= self.head.seq) else {
            let problem = format!("it is of record {}, and no batch ends there", image.seq);
            return Err(JournalError::corrupt("a new snapshot", problem));
        };
        let put = self.log.put_snapshot(&image.mark(row.hash), &image.pieces, SNAPSHOTS_LAST);
        self.poisoned = put.is_err();
        put
    }

    /// Adds samples of the series in one commit: when this returns, they are on disk.
    ///
    /// # Errors
    /// When the write fails; nothing more is accepted then.
    pub fn put_series(&mut self, samples: &[Sample]) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        if samples.is_empty() {
            return Ok(());
        }
        let put = self.log.put_series(self.head, samples);
        self.poisoned = put.is_err();
        put
    }

    /// Gives the values of the series in the order in which they were taken.
    ///
    /// # Errors
    /// When the file can't be read, a value is damaged, or `visit` fails.
    pub fn series<E: From<JournalError>>(
        &self,
        mut visit: impl FnMut(SeriesRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut place = i64::MIN;
        while let Some((at, row)) = self.log.series_after(place)? {
            place = at;
            visit(row)?;
        }
        Ok(())
    }

    /// Gives the values of the series after a place, each with its own place, for as long as `visit` wants more.
    ///
    /// # Errors
    /// When the file can't be read, or a value is damaged.
    pub fn series_while(
        &self,
        after: i64,
        mut visit: impl FnMut(i64, SeriesRow) -> bool,
    ) -> Result<(), JournalError> {
        let mut place = after;
        while let Some((at, row)) = self.log.series_after(place)? {
            place = at;
            if !visit(at, row) {
                break;
            }
        }
        Ok(())
    }

    /// The place of the last value of the series; 0 where there is none.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn series_end(&self) -> Result<i64, JournalError> {
        self.log.series_end()
    }

    /// Gives the series of agents, part by part, in the order in which it was taken.
    ///
    /// # Errors
    /// When the file can't be read, a part is damaged, or `visit` fails.
    pub fn agent_series<E: From<JournalError>>(
        &self,
        mut visit: impl FnMut(AgentPart) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut place = i64::MIN;
        while let Some((at, part)) = self.log.agents_after(place)? {
            place = at;
            visit(part)?;
        }
        Ok(())
    }

    /// Adds rows to the tape in one commit: when this returns, they are on disk. A row of an asking that is there
    /// already takes its place.
    ///
    /// # Errors
    /// When the write fails; nothing more is accepted then.
    pub fn put_tape(&mut self, rows: &[Taped]) -> Result<(), JournalError> {
        self.add_to_tape(rows, Known::Replaced).map(drop)
    }

    /// Adds rows that come from elsewhere, as rows that are not used yet; those of askings that are there already stay
    /// as they are. Gives how many were added.
    ///
    /// # Errors
    /// When a row's hash is not that of its request, or the write fails; nothing more is accepted after the latter.
    pub fn import_tape(&mut self, rows: &[Taped]) -> Result<usize, JournalError> {
        let strange = rows.iter().find_map(|row| row.check().err());
        if let Some(problem) = strange {
            return Err(JournalError::corrupt("a row for the tape", problem));
        }
        let rows: Vec<Taped> =
            rows.iter().map(|row| Taped { origin: Origin::Imported, ..row.clone() }).collect();
        self.add_to_tape(&rows, Known::Kept)
    }

    /// Marks the rows of askings as used, each at the state of its `seq`, in one commit: those that were imported
    /// count as replayed from then on, any others keep their origin. When this returns, it is on disk.
    ///
    /// # Errors
    /// When the tape lacks one of them, which marks none, or the write fails; nothing more is accepted after the
    /// latter.
    pub fn use_tape(&mut self, rows: &[Taped]) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let lacks = rows.iter().find_map(|row| match self.taped(&row.agent, &row.hash, row.n) {
            Ok(Some(_)) => None,
            Ok(None) => {
                let (agent, n) = (row.agent.escape_debug(), row.n);
                let problem = format!("it has no row of asking {n} by `{agent}` to be used");
                Some(JournalError::corrupt("the tape", problem))
            }
            Err(error) => Some(error),
        });
        if let Some(lacks) = lacks {
            return Err(lacks);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let used = self.log.use_tape(self.head, rows);
        self.poisoned = used.is_err();
        used
    }

    /// Counts what of the tape belongs to the world: the cost of all rows that are not merely imported, which is spent
    /// whatever came of them, and the askings of those among them that are `used`.
    ///
    /// # Errors
    /// When the file can't be read, or a row is damaged.
    pub fn tape_used(&self, mut used: impl FnMut(&Taped) -> bool) -> Result<TapeUsed, JournalError> {
        let mut all = TapeUsed::default();
        self.tape(None, |row| {
            if row.origin != Origin::Imported {
                let is_used = used(&row);
                all.count(row, is_used);
            }
            Ok(())
        })
        .map(|()| all)
    }

    fn add_to_tape(&mut self, rows: &[Taped], known: Known) -> Result<usize, JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let put = self.log.put_tape(self.head, rows, known);
        self.poisoned = put.is_err();
        put
    }

    /// The row of the tape of one asking: the `n`-th, counted from 0, of this request by this agent.
    ///
    /// # Errors
    /// When the file can't be read, or the row is damaged.
    pub fn taped(&self, agent: &str, hash: &Hash, n: u64) -> Result<Option<Taped>, JournalError> {
        self.log.taped(agent, hash, n)
    }

    /// Gives the rows of the tape, of one agent or of all, in the order in which they were written, those too that
    /// come meanwhile.
    ///
    /// # Errors
    /// When the file can't be read, a row is damaged, or `visit` fails.
    pub fn tape<E: From<JournalError>>(
        &self,
        agent: Option<&str>,
        mut visit: impl FnMut(Taped) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut place = i64::MIN;
        while let Some((at, row)) = self.log.tape_after(place, agent)? {
            place = at;
            visit(row)?;
        }
        Ok(())
    }

    /// The record of the last snapshot; 0 when there is none.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn snapshot_seq(&self) -> Result<u64, JournalError> {
        Ok(self.last_mark()?.map_or(0, |mark| mark.at.seq))
    }

    fn last_mark(&self) -> Result<Option<Mark>, JournalError> {
        // One beyond the head would be damage in a file that nobody writes to; a reader passes it over.
        Ok(self.log.snapshots(self.head.seq, 1)?.pop())
    }

    pub(crate) fn marks(&self) -> Result<Vec<Mark>, JournalError> {
        self.log.snapshots(self.head.seq, ALL)
    }

    /// The world of a snapshot; `None` when it was let go meanwhile.
    pub(crate) fn world(&self, mark: &Mark) -> Result<Option<World>, JournalError> {
        match mark.world(&*self.log) {
            Ok(world) => Ok(Some(world)),
            Err(_) if !self.marks()?.contains(mark) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The world of the last snapshot, and where the journal ended then; an empty one when there is none.
    ///
    /// # Errors
    /// When the snapshot is damaged, or not of this journal: it is never passed over in silence.
    pub fn last_snapshot(&self) -> Result<(World, Head), JournalError> {
        self.snapshot_at(self.head.seq)
    }

    /// The world of the last snapshot that is not behind a record, and where the journal ended then; an empty one when
    /// there is none.
    ///
    /// # Errors
    /// As [`Self::last_snapshot`].
    pub fn snapshot_at(&self, seq: u64) -> Result<(World, Head), JournalError> {
        loop {
            let mark = self.log.snapshots(seq.min(self.head.seq), 1)?.pop();
            let Some(mark) = mark else { return Ok((World::empty(), Head::default())) };
            let row = self.log.row_from(mark.at.seq)?;
            let row = row.map(|row| row.check().map(|last| (last, row.hash))).transpose()?;
            if row != Some((mark.at.seq, mark.at.row_hash)) {
                return Err(JournalError::corrupt(mark.place(), "it stands on no batch of this journal"));
            }
            if mark.at.seq == self.head.seq && mark.at != self.head {
                return Err(JournalError::corrupt(mark.place(), "it is not of the journal's end"));
            }
            if let Some(world) = self.world(&mark)? {
                return Ok((world, mark.at));
            }
        }
    }

    /// Gives the rows from the one that holds record `from` up to the head, each checked against the one
    /// before.
    pub(crate) fn rows<E: From<JournalError>>(
        &self,
        from: u64,
        mut visit: impl FnMut(&Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let from = from.max(1);
        if from > self.head.seq {
            return Ok(());
        }
        let (first, mut before) = self.begin_at(from)?;
        let mut row = Some(first);
        while let Some(this) = row {
            let last = this.check()?;
            let place = || this.place();
            if this.seq_first != before.0 + 1 {
                let problem = format!("the batch with record {} is missing before it", before.0 + 1);
                return Err(JournalError::corrupt(place(), problem).into());
            }
            if this.prev_hash != before.1 {
                return Err(JournalError::corrupt(place(), "it does not follow the batch before it").into());
            }
            visit(&this)?;
            before = (last, this.hash);
            row = if last < self.head.seq { self.log.row_after(this.seq_first)? } else { None };
        }
        if before != (self.head.seq, self.head.row_hash) {
            let problem =
                format!("it names record {}, but the journal ends with {}", self.head.seq, before.0);
            return Err(JournalError::corrupt("the head", problem).into());
        }
        Ok(())
    }

    /// The row that holds a record, and the last number and hash before it.
    fn begin_at(&self, from: u64) -> Result<(Row, (u64, [u8; 32])), JournalError> {
        let missing = |seq: u64| {
            JournalError::corrupt("the journal", format!("the batch with record {seq} is missing"))
        };
        let first = match self.log.row_from(from)? {
            Some(row) => row,
            None => {
                let next = self.log.row_after(from)?.ok_or_else(|| missing(from))?;
                return Ok((next, (0, [0; 32])));
            }
        };
        if first.seq_first == 1 {
            return Ok((first, (0, [0; 32])));
        }
        let last = first.seq_first.checked_sub(1).ok_or_else(|| missing(from))?;
        match self.log.row_from(last)? {
            // The row before is checked for its own sake: the first that is given hangs on it.
            Some(before) => Ok((first, (before.check()?, before.hash))),
            None => Err(missing(1)),
        }
    }

    /// Gives every record from number `from` up to the head, in order, each batch checked against its hash.
    ///
    /// # Errors
    /// When a batch is damaged or missing, or the visitor fails.
    pub fn records<E: From<JournalError>>(
        &self,
        from: u64,
        mut visit: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        self.rows(from, |row| {
            row.records(&mut [0; 32], |record| if record.seq < from { Ok(()) } else { visit(record) })
        })
    }

    /// Gives every record that comes after `at`, where a batch ends, up to the head; both hashes must be
    /// the head's when all are given.
    ///
    /// # Errors
    /// When a batch is damaged or missing, or the visitor fails.
    pub fn records_after<E: From<JournalError>>(
        &self,
        at: Head,
        mut visit: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut chain = at.journal_hash;
        self.rows(at.seq.saturating_add(1), |row| row.records(&mut chain, &mut visit))?;
        if chain != self.head.journal_hash {
            return Err(JournalError::corrupt("the head", "its hashes are not those of the journal").into());
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
