//! The end of a world of a database: all rows of it go at once.

use super::{
    enter::{BYTES, enter_to_write, failed, shown},
    store::remove,
    writers::take,
};
use crate::{
    address::{Address, InPostgres},
    batch::Hash,
    error::JournalError,
    log::Head,
};

/// All that a world has, or had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Its last record.
    pub seq: u64,
    /// Bytes of its rows and snapshots.
    pub bytes: u64,
    /// The chain over all its records; none where the row that holds it is damaged.
    pub journal_hash: Option<Hash>,
}

/// All that a world has that nobody writes to, and that may be dropped.
///
/// # Errors
/// When there is none, somebody writes to it, or the database can't be written to.
pub fn holding(at: &InPostgres) -> Result<Holding, JournalError> {
    held(at, false)
}

/// Deletes a world that nobody writes to, with all that is its own; it says what that was.
///
/// # Errors
/// As [`holding`]; the world is whole then.
pub fn drop_world(at: &InPostgres) -> Result<Holding, JournalError> {
    held(at, true)
}

fn held(at: &InPostgres, is_dropped: bool) -> Result<Holding, JournalError> {
    let mut client = enter_to_write(&at.database)?;
    let write = |error: postgres::Error| failed(at, "written", &error);
    let mut taking = client.transaction().map_err(write)?;
    if !take(&mut taking, at)? {
        return Err(JournalError::Missing { path: shown(&Address::Postgres(at.clone())) });
    }
    let sql = format!("SELECT w.head, w.head_seq, {BYTES} FROM worlds w WHERE w.world = $1");
    let row = taking.query_one(&sql, &[&at.world]).map_err(write)?;
    let head: Vec<u8> = row.try_get(0).map_err(write)?;
    let holding = Holding {
        seq: row.try_get::<_, i64>(1).map_err(write)?.unsigned_abs(),
        bytes: row.try_get::<_, i64>(2).map_err(write)?.unsigned_abs(),
        journal_hash: Head::from_bytes(&head).map(|head| head.journal_hash),
    };
    if is_dropped {
        remove(&mut taking, &at.world).map_err(write)?;
        taking.commit().map_err(write)?;
    }
    Ok(holding)
}
