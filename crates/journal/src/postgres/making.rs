//! A world that is being made in a database, under a name that is not its own yet.

use std::path::PathBuf;

use super::{
    enter::{enter_to_write, failed},
    store::remove,
    writers::take,
};
use crate::{address::InPostgres, error::JournalError};

/// How such a name ends; no other can, as a world's name has no `+`.
const MAKING: &str = "+making";

/// A world that is being made. All that is left of it goes with this.
#[derive(Debug)]
pub(crate) struct Making {
    pub(crate) at: InPostgres,
}

impl Making {
    /// The place for a world that is to have a name. The rest of one whose making was cut short goes.
    pub(crate) fn of(to: &InPostgres) -> Result<Self, JournalError> {
        let at = InPostgres { database: to.database.clone(), world: format!("{}{MAKING}", to.world) };
        let mut client = enter_to_write(&at.database)?;
        let write = |error: postgres::Error| failed(&at, "written", &error);
        let mut taking = client.transaction().map_err(write)?;
        take(&mut taking, &at)?;
        remove(&mut taking, &at.world).map_err(write)?;
        taking.commit().map_err(write)?;
        Ok(Self { at })
    }

    /// Gives the world its name.
    pub(crate) fn take_place(&self, to: &InPostgres) -> Result<(), JournalError> {
        let mut client = enter_to_write(&to.database)?;
        let sql = "UPDATE worlds SET world = $2 WHERE world = $1 AND NOT EXISTS
                   (SELECT 1 FROM worlds WHERE world = $2)";
        match client
            .execute(sql, &[&self.at.world, &to.world])
            .map_err(|error| failed(to, "written", &error))?
        {
            1 => Ok(()),
            _ => Err(JournalError::Open {
                path: PathBuf::from(to.to_string()),
                problem: "another world has got that name meanwhile".into(),
            }),
        }
    }
}

impl Drop for Making {
    /// Once the world has its name there is nothing left of it.
    fn drop(&mut self) {
        if let Ok(mut client) = enter_to_write(&self.at.database) {
            let _ = remove(&mut client, &self.at.world);
        }
    }
}
