//! Rows of the tables, as they are written and read. They are believed as little as those of a strange file.

use oikos_kernel::{
    tape::{Origin, Purpose, Taped},
    time::Time,
};
use postgres::{GenericClient, Row as SqlRow, types::FromSql};

use crate::{
    agent_series,
    batch::{Hash, Row},
    log::{Head, Known},
    series::{self, Sample},
    snapshot::Mark,
    tape,
};

/// A failure of the database, or a value that can't be one of ours.
pub(super) enum Unread {
    Database(postgres::Error),
    Strange(&'static str),
}

impl From<postgres::Error> for Unread {
    fn from(error: postgres::Error) -> Self {
        Self::Database(error)
    }
}

type Result<T> = std::result::Result<T, Unread>;

const TAPE: &str = "hash, n, seq, agent, purpose, provider, model, request, outcome, answer, tokens_in, \
                    tokens_cached, tokens_out, cost, latency_ms, asked_at, answered_at, origin";
/// How many rows of a table are read at once.
const AHEAD: i64 = 256;
/// Bytes of batches after which no more are read at once.
const AHEAD_BYTES: i64 = 1 << 20;

/// Numbers of PostgreSQL end where those of `i64` do.
pub(super) fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// A number that is stored as it is.
fn exact(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Unread::Strange("a number is greater than those of PostgreSQL"))
}

fn get<'a, T: FromSql<'a>>(row: &'a SqlRow, column: usize) -> Result<T> {
    Ok(row.try_get(column)?)
}

fn natural(row: &SqlRow, column: usize) -> Result<u64> {
    u64::try_from(get::<i64>(row, column)?).map_err(|_| Unread::Strange("a number is negative"))
}

fn hash(row: &SqlRow, column: usize) -> Result<Hash> {
    get::<Vec<u8>>(row, column)?.try_into().map_err(|_| Unread::Strange("a hash has another length"))
}

/// A batch, from a column on.
pub(super) fn batch(row: &SqlRow, from: usize) -> Result<Row> {
    Ok(Row {
        seq_first: natural(row, from)?,
        count: natural(row, from + 1)?,
        epoch: natural(row, from + 2)?,
        prev_hash: hash(row, from + 3)?,
        hash: hash(row, from + 4)?,
        body: get(row, from + 5)?,
    })
}

/// The batches after a record, some at once, but never many bytes beyond the first.
pub(super) fn batches_after(db: &mut impl GenericClient, world: &str, seq: u64) -> Result<Vec<Row>> {
    let sql = "SELECT seq_first, count, epoch, prev_hash, hash, body FROM (
                   SELECT *, sum(octet_length(body)) OVER (ORDER BY seq_first) - octet_length(body) AS before FROM (
                       SELECT * FROM journal WHERE world = $1 AND seq_first > $2 ORDER BY seq_first LIMIT $3) next
                   ) ahead
               WHERE before < $4 ORDER BY seq_first";
    let rows = db.query(sql, &[&world, &number(seq), &AHEAD, &AHEAD_BYTES])?;
    rows.iter().map(|row| batch(row, 0)).collect()
}

pub(super) fn mark(row: &SqlRow) -> Result<Mark> {
    let at = Head { seq: natural(row, 0)?, row_hash: hash(row, 1)?, journal_hash: hash(row, 2)? };
    Ok(Mark { at, digest: hash(row, 3)?, hash: hash(row, 4)?, bytes: natural(row, 5)? })
}

pub(super) fn insert_series(db: &mut impl GenericClient, world: &str, samples: &[Sample]) -> Result<()> {
    for Sample { seq, time, after, values, agents } in samples {
        let (seq, time) = (number(*seq), time.to_string());
        let after = after.map(|after| after.to_string()).unwrap_or_default();
        let clear = "DELETE FROM series WHERE world = $1 AND time > $2 AND time <= $3";
        db.execute(clear, &[&world, &after, &time])?;
        let (names, numbers): (Vec<&str>, Vec<Option<f64>>) =
            values.iter().map(|(name, value)| (name.as_str(), *value)).unzip();
        // Places are given in the order of the list.
        let insert = "INSERT INTO series (world, seq, time, name, value)
                      SELECT $1, $2, $3, name, value
                      FROM unnest($4::TEXT[], $5::DOUBLE PRECISION[]) WITH ORDINALITY AS t (name, value, at) ORDER BY at";
        db.execute(insert, &[&world, &seq, &time, &names, &numbers])?;
        if agents.is_empty() {
            continue;
        }
        let clear = "DELETE FROM agent_series WHERE world = $1 AND time > $2 AND time <= $3";
        db.execute(clear, &[&world, &after, &time])?;
        let insert = "INSERT INTO agent_series (world, seq, time, number, columns, body)
                      VALUES ($1, $2, $3, $4, $5, $6)";
        for (at, part) in (0_i64..).zip(agents) {
            let body = agent_series::packed(&part.lines)
                .map_err(|_| Unread::Strange("the numbers of agents can't be packed"))?;
            db.execute(insert, &[&world, &seq, &time, &at, &part.columns, &body])?;
        }
    }
    Ok(())
}

/// The next rows of a series after a place.
pub(super) fn series_after(db: &mut impl GenericClient, world: &str, place: i64) -> Result<Vec<series::Raw>> {
    let sql = "SELECT place, seq, time, name, value FROM series
               WHERE world = $1 AND place > $2 ORDER BY place LIMIT $3";
    let rows = db.query(sql, &[&world, &place, &AHEAD])?;
    rows.iter()
        .map(|row| Ok((get(row, 0)?, natural(row, 1)?, get(row, 2)?, get(row, 3)?, get(row, 4)?)))
        .collect()
}

/// The next part of the series of agents after a place.
pub(super) fn agents_after(
    db: &mut impl GenericClient,
    world: &str,
    place: i64,
) -> Result<Option<agent_series::Raw>> {
    let sql = "SELECT place, seq, time, columns, body FROM agent_series
               WHERE world = $1 AND place > $2 ORDER BY place LIMIT 1";
    let row = db.query_opt(sql, &[&world, &place])?;
    row.map(|row| Ok((get(&row, 0)?, natural(&row, 1)?, get(&row, 2)?, get(&row, 3)?, get(&row, 4)?)))
        .transpose()
}

pub(super) fn insert_tape(
    db: &mut impl GenericClient,
    world: &str,
    rows: &[Taped],
    known: Known,
) -> Result<usize> {
    // A row that takes the place of another is read where a new one would be.
    let conflict = match known {
        Known::Kept => "NOTHING".to_owned(),
        Known::Replaced => {
            let set: Vec<String> = TAPE.split(", ").map(|name| format!("{name} = excluded.{name}")).collect();
            format!("UPDATE SET place = excluded.place, {}", set.join(", "))
        }
    };
    let sql = format!(
        "INSERT INTO tape (world, {TAPE}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
         $16, $17, $18, $19) ON CONFLICT (world, hash, n, agent) DO {conflict}"
    );
    let insert = db.prepare(&sql)?;
    let mut added = 0_u64;
    for row in rows {
        added += db.execute(
            &insert,
            &[
                &world,
                &row.hash.as_slice(),
                &exact(row.n)?,
                &exact(row.seq)?,
                &row.agent,
                &row.purpose.as_str(),
                &row.provider,
                &row.model,
                &row.request.as_bytes(),
                &row.outcome(),
                &row.answer.as_bytes(),
                &exact(row.tokens_in)?,
                &exact(row.tokens_cached)?,
                &exact(row.tokens_out)?,
                &exact(row.cost)?,
                &exact(row.latency_ms)?,
                &row.asked_at.to_string(),
                &row.answered_at.to_string(),
                &row.origin.as_str(),
            ],
        )?;
    }
    Ok(usize::try_from(added).unwrap_or(usize::MAX))
}

/// Marks rows as used, each at its `seq`: imported ones count as replayed.
pub(super) fn use_tape(db: &mut impl GenericClient, world: &str, rows: &[Taped]) -> Result<()> {
    let sql = "UPDATE tape SET seq = $1, origin = CASE WHEN origin = $2 THEN $3 ELSE origin END
               WHERE world = $4 AND hash = $5 AND n = $6 AND agent = $7";
    let mark = db.prepare(sql)?;
    let (from, to) = (Origin::Imported.as_str(), Origin::Replayed.as_str());
    for row in rows {
        let (seq, n) = (number(row.seq), number(row.n));
        db.execute(&mark, &[&seq, &from, &to, &world, &row.hash.as_slice(), &n, &row.agent])?;
    }
    Ok(())
}

pub(super) fn taped(
    db: &mut impl GenericClient,
    world: &str,
    (agent, hash, n): (&str, &Hash, u64),
) -> Result<Option<tape::Raw>> {
    let sql = format!("SELECT {TAPE} FROM tape WHERE world = $1 AND hash = $2 AND n = $3 AND agent = $4");
    let row = db.query_opt(&sql, &[&world, &hash.as_slice(), &number(n), &agent])?;
    row.map(|row| raw(&row, 0)).transpose()
}

/// The next rows of the tape after a place, of one agent or of all.
pub(super) fn tape_after(
    db: &mut impl GenericClient,
    world: &str,
    place: i64,
    agent: Option<&str>,
) -> Result<Vec<(i64, tape::Raw)>> {
    // Answers may be large.
    const FEW: i64 = 16;
    let sql = format!(
        "SELECT place, {TAPE} FROM tape WHERE world = $1 AND place > $2 AND ($3::TEXT IS NULL OR agent = $3)
         ORDER BY place LIMIT $4"
    );
    let rows = db.query(&sql, &[&world, &place, &agent, &FEW])?;
    rows.iter().map(|row| Ok((get(row, 0)?, raw(row, 1)?))).collect()
}

/// Reads the columns from one on; the words are read by [`tape::checked`].
fn raw(row: &SqlRow, from: usize) -> Result<tape::Raw> {
    let at = |column: usize| from + column;
    let text = |column: usize| {
        String::from_utf8(get(row, at(column))?).map_err(|_| Unread::Strange("a text is not UTF-8"))
    };
    Ok(tape::Raw {
        purpose: get(row, at(4))?,
        outcome: get(row, at(8))?,
        asked_at: get(row, at(15))?,
        answered_at: get(row, at(16))?,
        origin: get(row, at(17))?,
        row: Taped {
            hash: hash(row, at(0))?,
            n: natural(row, at(1))?,
            seq: natural(row, at(2))?,
            agent: get(row, at(3))?,
            purpose: Purpose::Step,
            provider: get(row, at(5))?,
            model: get(row, at(6))?,
            request: text(7)?,
            failure: None,
            answer: text(9)?,
            tokens_in: natural(row, at(10))?,
            tokens_cached: natural(row, at(11))?,
            tokens_out: natural(row, at(12))?,
            cost: natural(row, at(13))?,
            latency_ms: natural(row, at(14))?,
            asked_at: Time::default(),
            answered_at: Time::default(),
            origin: Origin::Imported,
        },
    })
}
