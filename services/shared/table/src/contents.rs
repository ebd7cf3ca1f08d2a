//! The tables of a file.

use std::collections::HashSet;
use std::path::Path;

use crate::archive::{self, HEAD, Member};
use crate::bytes::Input;
use crate::database;
use crate::error::Error;
use crate::kind::Kind;
use crate::layer::Compression;
use crate::limits::{CancelFlag, Hint, Limits};
use crate::opening;
use crate::reader::TableReader;
use crate::shape_parts::{Beside, Shapefiles};
use crate::unread;
use crate::warning::Warning;
use crate::workbook::{self, Book};

/// How many names a warning tells.
const TOLD: usize = 20;
/// How much of a name.
const TOLD_BYTES: usize = 256;

/// What a file holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Its tables, in the order of the file.
    pub tables: Vec<TableRef>,
    /// Files of an archive that are no tables, by their paths: text in one column beside tables, documents, hidden
    /// files, what is encrypted or damaged.
    pub left_out: Vec<String>,
    /// The format of the first of these that is data in a format that is known and not read.
    unread: Option<&'static str>,
}

/// A table of a file.
#[derive(Debug, Clone)]
pub struct TableRef {
    /// The path in its archive, the paths in nested archives after one another with `!/` between; empty in any other
    /// file. Of several with one path the second is `a (2).csv`, and so on.
    pub member: String,
    /// The sheet of a workbook or the table of a database; empty in any other file.
    pub table: String,
    input: Input,
    kind: Kind,
    hint: Hint,
    beside: Beside,
}

impl TableRef {
    /// Opens the table.
    pub fn open(&self) -> Result<TableReader, Error> {
        opening::table(self)
    }

    /// The path in its archive, then the sheet or table; empty where it is all of a file.
    pub fn name(&self) -> String {
        name(&self.member, &self.table)
    }

    /// The last part of the path in its archive.
    fn file_name(&self) -> &str {
        if self.table.is_empty() { self.member.rsplit('/').next().unwrap_or_default() } else { "" }
    }

    /// What of a shapefile lies in other files.
    pub(crate) fn beside(&self) -> &Beside {
        &self.beside
    }

    pub(crate) fn parts(&self) -> (&Input, Kind, &Hint) {
        (&self.input, self.kind, &self.hint)
    }
}

impl Contents {
    /// The index of the table that `hint` asks for, the first one where it asks for none.
    ///
    /// Fails with [`Error::NoSuchTable`], which names those that there are, and where there is none at all with
    /// [`Error::NotATable`] or [`Error::FormatNotRead`].
    pub fn chosen(&self, hint: &Hint) -> Result<usize, Error> {
        if self.tables.is_empty() {
            return Err(self.unread.map_or(NO_TABLE, |format| Error::FormatNotRead { format }));
        }
        let wanted = hint.table.as_str();
        if wanted.is_empty() {
            return Ok(0);
        }
        if let Some(index) = self.tables.iter().position(|table| table.name() == wanted) {
            return Ok(index);
        }
        let ends_so = |(_, table): &(usize, &TableRef)| table.table == wanted || table.file_name() == wanted;
        let mut found = self.tables.iter().enumerate().filter(ends_so).map(|(index, _)| index);
        match (found.next(), found.next()) {
            (Some(index), None) => Ok(index),
            _ => Err(Error::NoSuchTable { wanted: wanted.to_owned(), found: told(&self.names(None)) }),
        }
    }

    /// Opens the table with this index; warnings name the others, and what was left out.
    pub fn open(&self, index: usize) -> Result<TableReader, Error> {
        let mut reader = self.tables.get(index).ok_or(NO_TABLE)?.open()?;
        let rest = self.names(Some(index));
        reader.warn(named("MORE_TABLES", "The file holds more tables, which were not read", &rest));
        reader.warn(self.left_out());
        Ok(reader)
    }

    /// Opens the table with this index for a caller who reads the others too; a warning names what was left out.
    pub fn open_among(&self, index: usize) -> Result<TableReader, Error> {
        let mut reader = self.tables.get(index).ok_or(NO_TABLE)?.open()?;
        reader.warn(self.left_out());
        Ok(reader)
    }

    fn left_out(&self) -> Option<Warning> {
        named("MEMBERS_LEFT_OUT", "The file holds parts that are empty or no tables", &self.left_out)
    }

    fn names(&self, but: Option<usize>) -> Vec<String> {
        let others = self.tables.iter().enumerate().filter(|(index, _)| Some(*index) != but);
        others.map(|(_, table)| table.name()).collect()
    }
}

/// Opens a file as a table, with the default limits.
///
/// Of a file with several tables the one that `hint` asks for is opened, else the first one; a warning counts and names
/// the rest, see [`tables`]. Fails with a typed [`Error`] when the bytes are no table, damaged, or beyond a limit.
pub fn open(path: &Path, hint: &Hint) -> Result<TableReader, Error> {
    open_with(path, hint, &Limits::default(), &CancelFlag::default())
}

/// Opens a file as a table. Once `cancel` is set, this call and the reader's fail with [`Error::Cancelled`].
pub fn open_with(path: &Path, hint: &Hint, limits: &Limits, cancel: &CancelFlag) -> Result<TableReader, Error> {
    let contents = tables(path, hint, limits, cancel)?;
    contents.open(contents.chosen(hint)?)
}

/// Opens the table of a file that has this [`TableRef::member`] and [`TableRef::table`].
pub fn open_table(
    path: &Path,
    hint: &Hint,
    (member, table): (&str, &str),
    limits: &Limits,
    cancel: &CancelFlag,
) -> Result<TableReader, Error> {
    let contents = tables(path, hint, limits, cancel)?;
    let found = contents.tables.iter().find(|one| one.member == member && one.table == table);
    let none = || Error::NoSuchTable { wanted: name(member, table), found: told(&contents.names(None)) };
    found.ok_or_else(none)?.open()
}

fn name(member: &str, table: &str) -> String {
    let parts = [member, table].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("#")
}

const NO_TABLE: Error = Error::NotATable { found: "a file that holds no table" };

fn named(reason: &'static str, message: &str, names: &[String]) -> Option<Warning> {
    let warning = Warning::whole(reason, format!("{message}: {}.", told(names)));
    (!names.is_empty()).then_some(Warning { count: names.len() as u64, ..warning })
}

/// The first names of a list, none longer than a line, and how many more there are.
fn told(names: &[String]) -> String {
    let more = names.len().saturating_sub(TOLD);
    let cut = |name: &String| format!("`{}`", &name[..name.floor_char_boundary(TOLD_BYTES)]);
    let list = names.iter().take(TOLD).map(cut).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{list} and {more} more") } else { list }
}

/// Finds the tables of a file: the file itself, or those of an archive's members that are tables, archives in archives
/// included. Archives are listed; of their members no more than the beginning is read.
pub fn tables(path: &Path, hint: &Hint, limits: &Limits, cancel: &CancelFlag) -> Result<Contents, Error> {
    let input = Input::new(path, limits, cancel)?;
    let head = head_of(&input)?;
    let (contents, texts, paths) = (Contents::default(), Vec::new(), HashSet::new());
    let mut search = Search { hint, contents, texts, paths, members: 0 };
    search.parts(String::new(), input, Kind::of(&head))?;
    Ok(search.finish())
}

fn head_of(input: &Input) -> Result<Vec<u8>, Error> {
    let mut head = vec![0; HEAD];
    let count = input.bytes()?.read_full(&mut head)?;
    head.truncate(count);
    Ok(head)
}

struct Search<'a> {
    hint: &'a Hint,
    contents: Contents,
    /// Text in one column, a table only where nothing else is.
    texts: Vec<TableRef>,
    /// The paths of members that there were.
    paths: HashSet<String>,
    members: usize,
}

impl Search<'_> {
    fn table(&mut self, member: String, table: String, input: Input, kind: Kind) {
        let hint = if member.is_empty() { self.hint.clone() } else { Hint::named(member.clone()) };
        let beside = Beside::default();
        self.contents.tables.push(TableRef { member, table, input, kind, hint, beside });
    }

    /// Takes the tables of one file.
    fn parts(&mut self, path: String, input: Input, kind: Kind) -> Result<(), Error> {
        match kind {
            Kind::Zip => {
                let input = input.spooled()?;
                let members = archive::zip_members(&input)?;
                match (Book::of(&members), unread::document(&members)) {
                    (Some(book), _) => self.sheets(path, input, book, &members)?,
                    (None, Some(found)) => return Err(Error::NotATable { found }),
                    (None, None) => self.members(members, &path)?,
                }
            }
            Kind::Tar => self.members(archive::tar_members(&input)?, &path)?,
            Kind::Book(book) => self.sheets(path, input.spooled()?, book, &[])?,
            Kind::Sqlite => {
                let input = input.spooled()?;
                for table in database::names(&input)? {
                    self.table(path.clone(), table, input.clone(), kind);
                }
            }
            kind => self.table(path, String::new(), input, kind),
        }
        Ok(())
    }

    fn sheets(&mut self, path: String, input: Input, book: Book, members: &[Member]) -> Result<(), Error> {
        workbook::check_budget(&input, book, members)?;
        let (sheets, empty) = workbook::sheets(&input, book)?;
        let mut names = HashSet::new();
        // A sheet is opened by its name, so that a second one of the same name cannot be.
        let (sheets, again): (Vec<_>, Vec<_>) = sheets.into_iter().partition(|sheet| names.insert(sheet.clone()));
        for sheet in sheets {
            self.table(path.clone(), sheet, input.clone(), Kind::Book(book));
        }
        self.contents.left_out.extend(again.into_iter().chain(empty).map(|sheet| name(&path, &sheet)));
        Ok(())
    }

    fn members(&mut self, members: Vec<Member>, within: &str) -> Result<(), Error> {
        let mut shapes = Shapefiles::of(&members)?;
        for member in members {
            self.members += 1;
            if shapes.is_beside(&member.name) {
                continue;
            }
            let beside = shapes.take(&member.name);
            let path = if within.is_empty() { member.name.clone() } else { format!("{within}!/{}", member.name) };
            let path = self.unlike(path);
            let hidden = member.name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
            let readable = member.input.filter(|input| !hidden && self.members <= input.limits.max_members);
            let Some(input) = readable.filter(|_| member.size > 0) else {
                self.contents.left_out.push(path);
                continue;
            };
            match self.member(path.clone(), input, member.head) {
                Err(error) if error.is_of_one_member() => self.contents.left_out.push(path),
                outcome => outcome?,
            }
            if let (Some(beside), Some(table)) = (beside, self.contents.tables.last_mut()) {
                table.beside = beside;
            }
        }
        Ok(())
    }

    /// The path of a member, told from those before it: an archive may hold several of one path, and paths whose bytes are
    /// not UTF-8 may look alike.
    fn unlike(&mut self, path: String) -> String {
        let mut own = path.clone();
        for number in 2.. {
            if self.paths.insert(own.clone()) {
                break;
            }
            let (folder, file) =
                path.rsplit_once('/').map_or(("", path.as_str()), |(folder, _)| path.split_at(folder.len() + 1));
            let (stem, endings) = file.split_at(file.find('.').unwrap_or(file.len()));
            own = format!("{folder}{stem} ({number}){endings}");
        }
        own
    }

    fn member(&mut self, path: String, input: Input, head: Option<Vec<u8>>) -> Result<(), Error> {
        let head = head.map_or_else(|| head_of(&input), Ok)?;
        let (input, head) = match Compression::of(&head) {
            None => (input, head),
            Some(_) => {
                let input = input.unwrapped()?;
                let head = head_of(&input)?;
                (input, head)
            }
        };
        match Kind::of(&head) {
            kind @ (Kind::Unread(_) | Kind::Other(_)) => {
                if let Kind::Unread(format) = kind {
                    self.contents.unread.get_or_insert(format);
                }
                self.contents.left_out.push(path);
                Ok(())
            }
            Kind::Text => {
                let hint = Hint::named(path.clone());
                match opening::is_table(&head, &hint) {
                    Some(true) => self.table(path, String::new(), input, Kind::Text),
                    Some(false) => {
                        let (table, kind) = (String::new(), Kind::Text);
                        let beside = Beside::default();
                        self.texts.push(TableRef { member: path, table, input, kind, hint, beside });
                    }
                    None => self.contents.left_out.push(path),
                }
                Ok(())
            }
            kind => self.parts(path, input, kind),
        }
    }

    fn finish(mut self) -> Contents {
        if self.contents.tables.is_empty() {
            self.contents.tables = self.texts;
        } else {
            self.contents.left_out.extend(self.texts.into_iter().map(|table| table.member));
        }
        self.contents
    }
}
