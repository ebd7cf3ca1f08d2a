//! One pass over all rows, on as many threads as are given.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use arrow::datatypes::Schema;
use proto::common::v1::Recipe;
use proto::profiling::v1::StoredProfile;
use table::{Block, Blocks, Contents, Hint, TableReader};
use types::{Digest, DigestHasher};

use crate::builder::Builder;
use crate::error::Error;
use crate::file_tables::FileTables;
use crate::finish::{self, Origin, joined};
use crate::layout::Layout;
use crate::options::{Options, Progress};
use crate::partial::{Partial, add_warnings};
use crate::state::State;
use crate::tree::Tree;

/// Text beyond this is in several blocks: that is not worth a look.
const SINGLE_BYTES: u64 = 16 << 20;

/// Profiles the file at `path`: every row, in one pass.
///
/// Blocks; call it where that is allowed. The profile has no name and no creation time: those belong to who stores it.
/// The same bytes give the same profile, bit for bit, on one thread or many. Fails with [`Error::Table`] when the file
/// is no table, damaged or beyond a limit, or when the run was cancelled. Of a file with several tables the one that `hint`
/// asks for is profiled, else the first one; the profile names the others.
pub fn profile(path: &Path, hint: &Hint, options: &Options) -> Result<StoredProfile, Error> {
    profile_of(&contents(path, hint, options)?, path, hint, options)
}

/// As [`profile`], of a file that was looked into.
pub(crate) fn profile_of(
    contents: &Contents,
    path: &Path,
    hint: &Hint,
    options: &Options,
) -> Result<StoredProfile, Error> {
    let read = read(contents, path, hint, options, None)?;
    let mut stored = finish::profile(&read.layout, &read.partial, &[read.origin], &read.recipe, options)?;
    read.tables.tell(&mut stored);
    Ok(stored)
}

/// Profiles the file at `path` as [`profile`] does, and keeps what it takes to add rows later.
pub fn profile_with_state(path: &Path, hint: &Hint, options: &Options) -> Result<(StoredProfile, State), Error> {
    profile_of_with_state(&contents(path, hint, options)?, path, hint, options)
}

/// As [`profile_with_state`], of a file that was looked into.
pub(crate) fn profile_of_with_state(
    contents: &Contents,
    path: &Path,
    hint: &Hint,
    options: &Options,
) -> Result<(StoredProfile, State), Error> {
    let read = read(contents, path, hint, options, None)?;
    let mut stored = finish::profile(&read.layout, &read.partial, &[read.origin], &read.recipe, options)?;
    read.tables.tell(&mut stored);
    let state = State::new(read.layout, read.partial, read.recipe, read.origin);
    Ok((stored, state))
}

/// Profiles rows that follow those of an earlier profile: reads the file at `path` alone, whose columns must have the
/// names, order and types of the earlier ones.
///
/// A file of delimited text that begins with a row of values, as what is cut from the end of a longer file does, takes
/// the names from the earlier rows. That the rows belong together is the caller's word; the profile lists its parts.
/// Fails with [`Error::OtherColumns`] or [`Error::OtherFormat`] before any row is read, otherwise as [`profile`] does.
pub fn append(state: State, path: &Path, hint: &Hint, options: &Options) -> Result<(StoredProfile, State), Error> {
    let read = read(&contents(path, hint, options)?, path, hint, options, Some(&state))?;
    let state = state.with(read.partial, read.origin, options.threads.get())?;
    let stored = state.profile(options)?;
    Ok((stored, state))
}

/// Profiles one of the tables of a file, all of which are profiled one after the other.
pub(crate) fn one_of(
    contents: &Contents,
    step: Step,
    path: &Path,
    digest: Digest,
    options: &Options,
) -> Result<StoredProfile, Error> {
    let reader = contents.open_among(step.index)?;
    let table = rows_of(reader, path, Some(digest), options, None, step)?;
    finish::profile(&table.layout, &table.partial, &[table.origin], &table.recipe, options)
}

/// Which of the tables of a file is read, for those who watch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Its place among them.
    pub(crate) index: usize,
    /// How many are read; at least 1.
    pub(crate) count: usize,
    /// The rows of those before.
    pub(crate) rows: u64,
}

impl Step {
    /// The only one.
    const ONLY: Self = Self { index: 0, count: 1, rows: 0 };

    /// How much of the file counts as read, once so much of it was read for this table.
    fn of_file(self, read_bytes: u64, size_bytes: u64) -> u64 {
        (size_bytes.saturating_mul(self.index as u64).saturating_add(read_bytes) / self.count as u64).min(size_bytes)
    }
}

/// What is remembered of all rows of a table, and which others its file has.
struct Whole {
    layout: Layout,
    partial: Partial,
    recipe: Recipe,
    origin: Origin,
    tables: FileTables,
}

/// What is remembered of all rows of a table.
struct Rows {
    layout: Layout,
    partial: Partial,
    recipe: Recipe,
    origin: Origin,
}

fn contents(path: &Path, hint: &Hint, options: &Options) -> Result<Contents, Error> {
    Ok(table::tables(path, hint, &options.limits, &options.cancel)?)
}

fn read(
    contents: &Contents,
    path: &Path,
    hint: &Hint,
    options: &Options,
    before: Option<&State>,
) -> Result<Whole, Error> {
    let chosen = contents.chosen(hint)?;
    let rows = rows_of(contents.open(chosen)?, path, options.digest, options, before, Step::ONLY)?;
    let Rows { layout, partial, recipe, origin } = rows;
    Ok(Whole { layout, partial, recipe, origin, tables: FileTables::new(contents, chosen) })
}

fn rows_of(
    reader: TableReader,
    path: &Path,
    digest: Option<Digest>,
    options: &Options,
    before: Option<&State>,
    step: Step,
) -> Result<Rows, Error> {
    let size_bytes = std::fs::metadata(path).map_err(Error::Digest)?.len();
    // Where semicolons divide fields, commas divide fractions.
    let decimal_comma = reader.recipe().delimiter == Some(';');
    let schema = match before.and_then(State::header) {
        Some(names) if reader.recipe().delimiter.is_some() && !reader.recipe().header => named(&reader.schema(), names),
        _ => reader.schema().as_ref().clone(),
    };
    let layout = Layout::new(&schema, decimal_comma, options.memory_bytes, options.sample_rows, size_bytes);
    before.map_or(Ok(()), |state| state.expects(&layout, reader.recipe().format.name()))?;
    let blocks = reader.into_blocks();
    let may_be_single = blocks.is_typed() || size_bytes <= SINGLE_BYTES;
    let run = Run { before: before.map(State::partial), ..Run::new(blocks, &layout, options, size_bytes, step) };
    let computed = thread::scope(|scope| {
        let computed = digest.map_or_else(|| Some(scope.spawn(|| digest_of(path, options))), |_| None);
        let threads = options.threads.get();
        let shared = threads > 1 && may_be_single && run.is_single();
        let others = if shared { 1..1 } else { 1..threads };
        let others: Vec<_> = others.map(|_| scope.spawn(|| run.work(1))).collect();
        run.work(if shared { threads } else { 1 });
        others.into_iter().for_each(joined);
        computed.map(joined).transpose()
    });
    let (partial, recipe) = run.finish()?;
    let digest = computed?.or(digest).expect("it was given or computed");
    let origin = Origin { digest, size_bytes, rows: partial.row_count };
    Ok(Rows { layout, partial, recipe, origin })
}

/// The columns under these names, where there are as many.
fn named(schema: &Schema, names: &[String]) -> Schema {
    if schema.fields().len() != names.len() {
        return schema.clone();
    }
    let fields = schema.fields().iter().zip(names).map(|(field, name)| field.as_ref().clone().with_name(name));
    Schema::new(fields.collect::<Vec<_>>())
}

/// The digest of the bytes of a file.
pub(crate) fn digest_of(path: &Path, options: &Options) -> Result<Digest, Error> {
    let mut file = File::open(path).map_err(Error::Digest)?;
    let mut hasher = DigestHasher::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        if options.cancel.is_cancelled() {
            return Err(table::Error::Cancelled.into());
        }
        match file.read(&mut buffer).map_err(Error::Digest)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Threads that share the blocks of a file.
struct Run<'a> {
    layout: &'a Layout,
    /// What the rows follow.
    before: Option<&'a Partial>,
    options: &'a Options,
    size_bytes: u64,
    blocks: Mutex<Supply>,
    tree: Tree<Partial>,
    seen: Mutex<Progress>,
    step: Step,
}

/// Where blocks come from, until one fails.
struct Supply {
    blocks: Blocks,
    /// Blocks that were taken already, to see whether there are several.
    ready: VecDeque<Block>,
    /// The failure of the first block that failed, by its number, so that it does not depend on who was faster.
    failed: Option<(u64, Error)>,
    given: u64,
}

impl<'a> Run<'a> {
    fn new(blocks: Blocks, layout: &'a Layout, options: &'a Options, size_bytes: u64, step: Step) -> Self {
        let seen = Progress { read_bytes: 0, size_bytes, rows: step.rows };
        let blocks = Mutex::new(Supply { blocks, ready: VecDeque::new(), failed: None, given: 0 });
        let (tree, seen) = (Tree::default(), Mutex::new(seen));
        Self { layout, before: None, options, size_bytes, blocks, tree, seen, step }
    }

    /// Reads blocks until none is left, each on as many threads.
    fn work(&self, threads: usize) {
        while let Some(block) = self.next() {
            let (number, read_bytes) = (block.number(), block.read_bytes());
            match self.read(block, number, threads) {
                Ok(partial) => {
                    self.tell(read_bytes, partial.row_count);
                    self.tree.complete(number, partial, |ours, theirs| ours.merge(theirs));
                }
                Err(error) => self.fail(number, error),
            }
        }
    }

    fn next(&self) -> Option<Block> {
        let mut supply = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.options.cancel.is_cancelled() {
            supply.fail(u64::MAX, table::Error::Cancelled.into());
            return None;
        }
        // A failure behind these blocks does not keep them from failing first.
        supply.ready.pop_front().or_else(|| supply.next())
    }

    /// Tells whether all rows are in one block, which several threads may share then, column by column.
    fn is_single(&self) -> bool {
        let mut supply = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        while supply.ready.len() < 2
            && let Some(block) = supply.next()
        {
            supply.ready.push_back(block);
        }
        supply.ready.len() == 1
    }

    fn read(&self, block: Block, number: u64, threads: usize) -> Result<Partial, Error> {
        let mut builder = Builder::new(self.layout, number).on(threads).beside(self.before);
        let end = block.read(&mut |batch| {
            if self.options.cancel.is_cancelled() {
                return Err(table::Error::Cancelled.into());
            }
            builder.add(batch)
        })?;
        let partial = builder.finish(end.warnings.into_iter().map(finish::warning).collect());
        debug_assert_eq!(end.rows, partial.row_count);
        Ok(partial)
    }

    fn fail(&self, number: u64, error: Error) {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).fail(number, error);
    }

    fn tell(&self, read_bytes: u64, rows: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.read_bytes = seen.read_bytes.max(self.step.of_file(read_bytes, self.size_bytes));
        seen.rows += rows;
        if let Some(progress) = &self.options.progress {
            progress(*seen);
        }
    }

    fn finish(self) -> Result<(Partial, Recipe), Error> {
        let supply = self.blocks.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, error)) = supply.failed {
            return Err(error);
        }
        let partial = self.tree.finish(|ours, theirs| ours.merge(theirs));
        let mut partial = partial.unwrap_or_else(|| Partial::new(self.layout));
        let mut warnings: Vec<_> = supply.blocks.warnings().into_iter().map(finish::warning).collect();
        add_warnings(&mut warnings, std::mem::take(&mut partial.warnings), 0);
        partial.warnings = warnings;
        Ok((partial, finish::recipe_message(supply.blocks.recipe())))
    }
}

impl Supply {
    /// The next block of the file; nothing after the last one, or after a failure.
    fn next(&mut self) -> Option<Block> {
        if self.failed.is_some() {
            return None;
        }
        match self.blocks.next() {
            Ok(block) => {
                self.given += u64::from(block.is_some());
                block
            }
            Err(error) => {
                self.fail(self.given, error.into());
                None
            }
        }
    }

    fn fail(&mut self, number: u64, error: Error) {
        if self.failed.as_ref().is_none_or(|(first, _)| number < *first) {
            self.failed = Some((number, error));
        }
    }
}
