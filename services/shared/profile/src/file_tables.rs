//! The tables of the file that a profile is of one of.

use std::path::Path;

use proto::profiling::v1::{FileTable, StoredProfile};
use table::{Contents, Hint, TableRef};

use crate::error::Error;
use crate::options::Options;

/// The most tables of a file that a profile names, …
const TABLES: usize = 1_000;
/// … and the most bytes of their names.
const NAMES: usize = 64 << 10;

/// The tables of a file of which one was profiled.
#[derive(Debug)]
pub(crate) struct FileTables {
    count: usize,
    listed: Vec<FileTable>,
}

impl FileTables {
    /// Those of `contents`, the one with this index being profiled.
    pub(crate) fn new(contents: &Contents, profiled: usize) -> Self {
        let (count, mut listed) = listed(contents);
        if let Some(table) = listed.get_mut(profiled) {
            table.profiled = true;
        }
        Self { count, listed }
    }

    /// Tells of them in a profile.
    pub(crate) fn tell(mut self, stored: &mut StoredProfile) {
        let Some(table) = &mut stored.table else { return };
        for one in self.listed.iter_mut().filter(|one| one.profiled) {
            (one.has_profile, one.row_count, one.column_count) = (true, table.row_count, table.column_count);
        }
        table.file_table_count = i32::try_from(self.count).unwrap_or(i32::MAX);
        table.file_tables = self.listed;
    }
}

/// How many tables a file has, and those of them that a profile names; none of a file of one table.
pub(crate) fn listed(contents: &Contents) -> (usize, Vec<FileTable>) {
    let count = contents.tables.len();
    let mut listed: Vec<FileTable> = Vec::new();
    let mut bytes = 0;
    for table in contents.tables.iter().take(if count > 1 { TABLES } else { 0 }) {
        bytes += table.member.len() + table.table.len();
        if bytes > NAMES && !listed.is_empty() {
            break;
        }
        listed.push(file_table(table));
    }
    (count, listed)
}

/// Lists the tables of the file at `path`, in its order, and the names of its parts that are empty or no tables.
///
/// Fails with [`Error::Table`] when the file is damaged or beyond a limit; a file that is no table lists as one, and
/// profiling it tells.
pub fn file_tables(path: &Path, hint: &Hint, options: &Options) -> Result<(Vec<FileTable>, Vec<String>), Error> {
    let contents = table::tables(path, hint, &options.limits, &options.cancel)?;
    Ok((contents.tables.iter().map(file_table).collect(), contents.left_out))
}

fn file_table(table: &TableRef) -> FileTable {
    let (member, table_name) = (table.member.clone(), table.table.clone());
    FileTable { name: table.name(), member, table: table_name, ..FileTable::default() }
}
