//! Every table of a file.

use std::path::Path;

use prost::Message;
use proto::common::v1::WorkError;
use proto::profiling::v1::{FileTable, ProfileWarning, StoredProfile};
use table::{Contents, Hint};
use types::{Digest, Fault};

use crate::engine::{self, Step};
use crate::error::Error;
use crate::file_tables;
use crate::isolation;
use crate::options::Options;
use crate::state::State;

/// The longest message of an error that a profile tells of a table.
const MESSAGE: usize = 500;
/// How many names a warning tells, …
const TOLD: usize = 20;
/// … and how much of each.
const NAME: usize = 256;

/// How much of a file is profiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// How many of its tables; at least one is.
    pub tables: usize,
    /// Once the profiles of its first tables are so long together, encoded, no more tables are begun.
    pub profile_bytes: usize,
}

/// Which of the tables of a file a caller means by `wanted`: the one of that name, or the only one whose name ends so at
/// its last part.
pub fn chosen(tables: &[FileTable], wanted: &str) -> Option<usize> {
    if let Some(index) = tables.iter().position(|table| table.name == wanted) {
        return Some(index);
    }
    let last = |table: &FileTable| match table.table.as_str() {
        "" => table.member.rsplit('/').next() == Some(wanted),
        table => table == wanted,
    };
    let mut found = tables.iter().enumerate().filter(|(_, table)| last(table)).map(|(index, _)| index);
    found.next().filter(|_| found.next().is_none())
}

/// What [`crate::profile_every`] gives, in this process.
pub(crate) fn profile_every(
    path: &Path,
    hint: &Hint,
    options: &Options,
    most: Most,
    wants_state: bool,
) -> Result<(StoredProfile, Option<State>), Error> {
    let several = match every(path, hint, options, wants_state)? {
        Every::One(one) => return Ok(*one),
        Every::Several(several) => several,
    };
    let mut gathered = Gathered::new(several.listed(), most);
    while let Some(step) = gathered.next() {
        gathered.take(several.profile(step))?;
    }
    gathered.finish()
}

/// What a file holds, and the profile where that is one table.
pub(crate) enum Every<'a> {
    One(Box<(StoredProfile, Option<State>)>),
    Several(Several<'a>),
}

/// Looks into a file, and profiles its table where it holds no more than one.
pub(crate) fn every<'a>(
    path: &'a Path,
    hint: &Hint,
    options: &'a Options,
    wants_state: bool,
) -> Result<Every<'a>, Error> {
    let contents = table::tables(path, hint, &options.limits, &options.cancel)?;
    if contents.tables.len() > 1 {
        let digest = options.digest.map_or_else(|| engine::digest_of(path, options), Ok)?;
        return Ok(Every::Several(Several { contents, path, digest, options }));
    }
    if !wants_state {
        return Ok(Every::One(Box::new((engine::profile_of(&contents, path, hint, options)?, None))));
    }
    let (profile, state) = engine::profile_of_with_state(&contents, path, hint, options)?;
    Ok(Every::One(Box::new((profile, Some(state)))))
}

/// A file of several tables.
pub(crate) struct Several<'a> {
    contents: Contents,
    path: &'a Path,
    digest: Digest,
    options: &'a Options,
}

impl Several<'_> {
    /// How many there are, and those that are named.
    pub(crate) fn listed(&self) -> (usize, Vec<FileTable>) {
        file_tables::listed(&self.contents)
    }

    /// The profile of one of them.
    pub(crate) fn profile(&self, step: Step) -> Result<StoredProfile, Error> {
        engine::one_of(&self.contents, step, self.path, self.digest, self.options)
    }
}

/// The rows of a profile.
pub(crate) fn rows(profile: &StoredProfile) -> u64 {
    profile.table.as_ref().map_or(0, |table| u64::try_from(table.row_count).unwrap_or(0))
}

/// What came of the tables of a file so far, taken in their order.
#[derive(Debug)]
pub(crate) struct Gathered {
    most: Most,
    /// How many tables the file has.
    count: usize,
    tables: Vec<FileTable>,
    profiles: Vec<StoredProfile>,
    tried: usize,
    rows: u64,
    profile_bytes: usize,
    first_error: Option<Error>,
}

impl Gathered {
    /// Nothing yet of a file with so many tables, of which these are named.
    pub(crate) fn new((count, tables): (usize, Vec<FileTable>), most: Most) -> Self {
        let (profiles, rows) = (Vec::new(), 0);
        Self { most, count, tables, profiles, tried: 0, rows, profile_bytes: 0, first_error: None }
    }

    /// How many tables were tried.
    pub(crate) fn tried(&self) -> usize {
        self.tried
    }

    /// The rows of all profiles.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// How many tables may be tried.
    fn reach(&self) -> usize {
        self.tables.len().min(self.most.tables.max(1))
    }

    /// The table that comes next; none when no more are to be profiled.
    pub(crate) fn next(&self) -> Option<Step> {
        let wanted = self.tried < self.reach() && (self.tried == 0 || self.profile_bytes < self.most.profile_bytes);
        wanted.then(|| Step { index: self.tried, count: self.reach(), rows: self.rows })
    }

    /// Takes what came of the table that came next. Fails with an error that lies not in the table.
    pub(crate) fn take(&mut self, outcome: Result<StoredProfile, Error>) -> Result<(), Error> {
        let index = self.tried;
        let Some(listed) = self.tables.get_mut(index) else { return outcome.map(drop) };
        match outcome {
            Ok(mut profile) => {
                listed.has_profile = true;
                if let Some(table) = &profile.table {
                    (listed.row_count, listed.column_count) = (table.row_count, table.column_count);
                }
                profile.file_table_index = i32::try_from(index).unwrap_or(i32::MAX);
                self.rows += rows(&profile);
                self.profile_bytes += profile.encoded_len();
                self.profiles.push(profile);
            }
            Err(error) if error.is_of_the_table() => {
                let mut message = isolation::words(&error);
                message.truncate(message.floor_char_boundary(MESSAGE));
                listed.error = Some(WorkError { reason: error.reason().to_owned(), message, retryable: false });
                self.first_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
        self.tried += 1;
        Ok(())
    }

    /// The profile of the first table that has one, with all the others.
    pub(crate) fn finish(self) -> Result<(StoredProfile, Option<State>), Error> {
        let warnings = [self.failed(), self.left()];
        let mut profiles = self.profiles.into_iter();
        let Some(mut first) = profiles.next() else {
            return Err(self.first_error.unwrap_or(Error::Table(table::Error::NotATable { found: "no table" })));
        };
        let mut tables = self.tables;
        if let Some(own) = usize::try_from(first.file_table_index).ok().and_then(|index| tables.get_mut(index)) {
            own.profiled = true;
        }
        first.other_tables = profiles.collect();
        first.tables_per_file = i32::try_from(self.most.tables).unwrap_or(i32::MAX);
        if let Some(table) = &mut first.table {
            table.file_table_count = i32::try_from(self.count).unwrap_or(i32::MAX);
            table.file_tables = tables;
            table.warnings.extend(warnings.into_iter().flatten());
        }
        Ok((first, None))
    }

    /// A warning of the tables that could not be profiled.
    fn failed(&self) -> Option<ProfileWarning> {
        let failed = self.tables.iter().filter_map(|table| Some((table, table.error.as_ref()?)));
        let names: Vec<_> = failed.map(|(table, error)| format!("{} ({})", name(table), error.reason)).collect();
        let message = format!("Tables of the file could not be profiled: {}.", told(&names, names.len()));
        warning("TABLES_FAILED", message, names.len())
    }

    /// A warning of the tables that were not tried.
    fn left(&self) -> Option<ProfileWarning> {
        let left = self.count.saturating_sub(self.tried);
        let names: Vec<_> = self.tables.iter().skip(self.tried).map(name).collect();
        let limit = if self.tried >= self.most.tables.max(1) {
            format!("at most {} of a file are (`profiling.tables_per_file`)", self.most.tables.max(1))
        } else if self.tried >= self.tables.len() {
            "a profile names no more".to_owned()
        } else {
            format!("the profiles of those before are longer than {} bytes", self.most.profile_bytes)
        };
        let names = if names.is_empty() { String::new() } else { format!(": {}", told(&names, left)) };
        let message = format!("{left} of the {} tables of the file were not profiled, as {limit}{names}.", self.count);
        warning("TABLES_NOT_PROFILED", message, left)
    }
}

fn warning(reason: &str, message: String, count: usize) -> Option<ProfileWarning> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    (count > 0).then(|| ProfileWarning { reason: reason.to_owned(), message, count, ..ProfileWarning::default() })
}

fn name(table: &FileTable) -> String {
    format!("`{}`", &table.name[..table.name.floor_char_boundary(NAME)])
}

/// The first of `count` names, and how many more there are.
fn told(names: &[String], count: usize) -> String {
    let shown = names.len().min(TOLD);
    let list = names[..shown].join(", ");
    if count > shown { format!("{list} and {} more", count - shown) } else { list }
}
