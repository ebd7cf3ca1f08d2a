//! Which table of a version's file a caller wants.

use table::{CancelFlag, Contents, Hint, Limits, TableReader, TableRef};
use types::VersionName;

use super::spool::Spooled;
use crate::Error;
use crate::convert::cut;
use crate::record::{Table, Version};

/// A table of a version's file that the profiler has read.
///
/// No other is ever opened here: it may be one that harms whoever reads it, and is left to the profiler's children.
#[derive(Debug)]
pub enum Wanted {
    /// The one of this member of an archive and this name in it, whose rows the version counts.
    Counted(String, String),
    /// The one at this place among those of the file.
    Listed(usize, Table),
}

impl Wanted {
    /// The table that a caller means by `name`: that of a whole name, or the only one whose last part it is; of no name the
    /// one whose rows the version counts.
    pub fn of(version: &Version, name: &str) -> Result<Self, Error> {
        let (recipe, tables) = (&version.recipe, &version.tables.shown);
        let counted = || Self::Counted(recipe.member.clone(), recipe.table.clone());
        if tables.is_empty() {
            let parts = [recipe.member.as_str(), recipe.table.as_str()].into_iter().filter(|part| !part.is_empty());
            let only = parts.collect::<Vec<_>>().join("#");
            return match name.is_empty() || name == only || ends_with(&only, name) {
                true => Ok(counted()),
                false => Err(none(version, name)),
            };
        }
        let found = match name {
            "" => tables.iter().position(|table| table.figures.is_some()),
            _ => Some(named(tables, name).ok_or_else(|| none(version, name))?),
        };
        let Some(place) = found else { return Ok(counted()) };
        let table = &tables[place];
        match table.figures {
            Some(_) => Ok(Self::Listed(place, table.clone())),
            None => Err(not_profiled(&version.name, table)),
        }
    }

    /// Opens it.
    pub fn open(&self, file: &Spooled, hint: &Hint, cancel: &CancelFlag) -> Result<TableReader, table::Error> {
        let limits = Limits::default();
        let (place, name) = match self {
            Self::Counted(member, table) => {
                return table::open_table(file.path(), hint, (member, table), &limits, cancel);
            }
            Self::Listed(place, table) => (*place, &table.name),
        };
        let Contents { tables, .. } = table::tables(file.path(), hint, &limits, cancel)?;
        let is_it = |table: &&TableRef| cut(&table.name(), Version::SHOWN_CHARS) == *name;
        let none = || table::Error::NoSuchTable { wanted: name.clone(), found: "other ones".to_owned() };
        tables.get(place).filter(is_it).ok_or_else(none)?.open()
    }
}

fn named(tables: &[Table], name: &str) -> Option<usize> {
    let whole = tables.iter().position(|table| table.name == name);
    let mut alike = tables.iter().enumerate().filter(|(_, table)| ends_with(&table.name, name)).map(|(place, _)| place);
    whole.or_else(|| alike.next().filter(|_| alike.next().is_none()))
}

/// Tells whether `last` is the last part of a name: a file in an archive, a sheet or a table.
fn ends_with(name: &str, last: &str) -> bool {
    name.strip_suffix(last).is_some_and(|rest| rest.ends_with(['/', '#']))
}

fn none(version: &Version, name: &str) -> Error {
    Error::NoSuchTable { version: version.name.clone(), table: name.to_owned() }
}

fn not_profiled(version: &VersionName, table: &Table) -> Error {
    let limit = || "the limits of a file were reached before, see the warnings of its profile".to_owned();
    let why = table.error.as_ref().map_or_else(limit, |error| format!("{} ({})", error.message, error.reason));
    Error::TableNotProfiled { version: version.clone(), table: table.name.clone(), why }
}
