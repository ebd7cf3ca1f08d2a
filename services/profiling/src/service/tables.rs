//! The tables of a file that a profile covers.

use proto::profiling::v1::{FileTable, StoredProfile, TableProfile};
use types::ProfileName;

use crate::Error;

/// How many names an error tells.
const TOLD: usize = 20;
/// How much of a name.
const TOLD_BYTES: usize = 256;

/// The profile of the table that `wanted` names; of the first one that has a profile where it names none.
pub fn of(name: &ProfileName, stored: StoredProfile, wanted: &str) -> Result<StoredProfile, Error> {
    if wanted.is_empty() {
        return Ok(stored);
    }
    let damaged = || Error::ProfileDamaged { name: name.clone() };
    let table = stored.table.as_ref().ok_or_else(damaged)?;
    let none = || Error::NoSuchTable { name: name.clone(), wanted: cut(wanted).to_owned(), found: told(table) };
    if table.file_tables.is_empty() {
        let only = only(table);
        return match profile::chosen(std::slice::from_ref(&only), wanted) {
            Some(_) => Ok(stored),
            None => Err(none()),
        };
    }
    let index = profile::chosen(&table.file_tables, wanted).ok_or_else(none)?;
    let listed = &table.file_tables[index];
    if !listed.has_profile {
        let limit = || "the limits of a file were reached before, see the warnings of the profile".to_owned();
        let why = listed.error.as_ref().map_or_else(limit, |error| format!("{} ({})", error.message, error.reason));
        return Err(Error::TableNotProfiled { name: name.clone(), table: cut(&listed.name).to_owned(), why });
    }
    among(stored, index).ok_or_else(damaged)
}

/// The profile of the table with this index, told as if it stood alone.
fn among(stored: StoredProfile, index: usize) -> Option<StoredProfile> {
    let is_it = |one: &StoredProfile| usize::try_from(one.file_table_index) == Ok(index);
    if is_it(&stored) {
        return Some(stored);
    }
    let first = stored.table?;
    let mut found = stored.other_tables.into_iter().find(is_it)?;
    let table = found.table.as_mut()?;
    let listed = first.file_tables.into_iter().enumerate();
    table.file_tables = listed.map(|(at, one)| FileTable { profiled: at == index, ..one }).collect();
    table.file_table_count = first.file_table_count;
    table.name = first.name;
    table.create_time = first.create_time;
    Some(found)
}

/// The only table of a file, as a list of tables names it.
fn only(table: &TableProfile) -> FileTable {
    let recipe = table.recipe.clone().unwrap_or_default();
    let parts = [recipe.member.as_str(), recipe.table.as_str()].into_iter().filter(|part| !part.is_empty());
    let name = parts.collect::<Vec<_>>().join("#");
    FileTable { name, member: recipe.member, table: recipe.table, ..FileTable::default() }
}

/// The names of the tables of a file, the first ones.
pub fn told(table: &TableProfile) -> String {
    let only = [only(table)];
    let tables = if table.file_tables.is_empty() { &only[..] } else { &table.file_tables };
    let names = tables.iter().take(TOLD).map(|table| format!("`{}`", cut(&table.name)));
    let names = names.collect::<Vec<_>>().join(", ");
    let count = usize::try_from(table.file_table_count).unwrap_or(0);
    if count > TOLD { format!("{names} and {} more", count - TOLD) } else { names }
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(TOLD_BYTES)]
}
