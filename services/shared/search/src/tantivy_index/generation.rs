//! One Tantivy index with its one writer.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use tantivy::directory::error::{LockError, OpenReadError, OpenWriteError};
use tantivy::indexer::IndexWriterOptions;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyError, Term};

use super::gather::gather;
use super::plan::plan;
use super::schema::Fields;
use crate::{Error, Hits, Op, Query};

/// What the writer may hold in memory before it spills: the least that Tantivy takes.
const WRITER_MEMORY: usize = 15_000_000;

/// One Tantivy index.
pub struct Generation {
    number: u64,
    fields: Fields,
    reader: IndexReader,
    /// None until the first write, and after a failed one: a new writer begins at the last commit.
    writer: Mutex<Option<IndexWriter>>,
    reached: AtomicI64,
    index: Index,
    /// Last, so that the files go when nothing uses them any more.
    files: Files,
}

struct Files {
    path: PathBuf,
    retired: AtomicBool,
}

impl Drop for Files {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Acquire)
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "an old search index stays until the next start");
        }
    }
}

impl Generation {
    /// Makes an empty one in an empty directory.
    pub fn create(path: &Path, number: u64) -> Result<Self, Error> {
        let (schema, fields) = Fields::declare();
        let failed = |error| classify(path, "make a new index", error);
        Self::with(Index::create_in_dir(path, schema).map_err(failed)?, fields, path, number).map_err(failed)
    }

    /// Opens one that is there, and compares all of its files with their checksums.
    pub fn open(path: &Path, number: u64) -> Result<Self, Error> {
        Self::open_checked(path, number).map_err(|error| classify(path, "open", error))
    }

    fn open_checked(path: &Path, number: u64) -> tantivy::Result<Self> {
        let index = Index::open_in_dir(path)?;
        let (schema, fields) = Fields::declare();
        if index.schema() != schema {
            return Err(TantivyError::SchemaError("its fields are others".to_owned()));
        }
        let damaged = index.validate_checksum()?;
        if let Some(file) = damaged.iter().next() {
            return Err(TantivyError::IoError(std::sync::Arc::new(io::Error::other(format!(
                "the checksum of {} is wrong",
                file.display()
            )))));
        }
        Self::with(index, fields, path, number)
    }

    fn with(index: Index, fields: Fields, path: &Path, number: u64) -> tantivy::Result<Self> {
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).doc_store_cache_num_blocks(1);
        let reader = reader.try_into()?;
        let reached = index.load_metas()?.payload.and_then(|payload| payload.parse().ok()).unwrap_or(0);
        let files = Files { path: path.to_owned(), retired: AtomicBool::new(false) };
        let (writer, reached) = (Mutex::new(None), AtomicI64::new(reached));
        Ok(Self { number, fields, reader, writer, reached, index, files })
    }

    /// Its number, which is the name of its directory.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The change number of its last commit.
    pub fn reached(&self) -> i64 {
        self.reached.load(Ordering::Acquire)
    }

    /// How many documents it holds.
    pub fn count(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Answers a query from the last commit.
    pub fn search(&self, query: &Query) -> Result<Hits, Error> {
        let plan = plan(&self.fields, query);
        gather(&self.reader.searcher(), &plan, query).map_err(|error| self.failed("search", error))
    }

    /// Applies operations in one commit.
    pub fn apply(&self, operations: &[Op], change: i64) -> Result<(), Error> {
        self.stage(operations)?;
        self.commit(change)
    }

    /// Applies operations that show with the next commit.
    pub fn stage(&self, operations: &[Op]) -> Result<(), Error> {
        self.write("apply changes", |writer| {
            for operation in operations {
                writer.delete_term(Term::from_field_text(self.fields.id, operation.id()));
                match operation {
                    Op::Put(document) if !document.hidden => {
                        writer.add_document(self.fields.document(document))?;
                    }
                    Op::Put(_) | Op::Delete(_) => {}
                }
            }
            Ok(())
        })
    }

    /// Commits what was staged; searches see it when this returns.
    pub fn commit(&self, change: i64) -> Result<(), Error> {
        let change = change.max(self.reached());
        self.write("commit", |writer| {
            let mut commit = writer.prepare_commit()?;
            commit.set_payload(&change.to_string());
            commit.commit().map(drop)
        })?;
        self.reader.reload().map_err(|error| self.failed("read what it committed", error))?;
        self.reached.store(change, Ordering::Release);
        Ok(())
    }

    /// Has the files removed once the last search has ended.
    pub fn retire(&self) {
        self.files.retired.store(true, Ordering::Release);
    }

    /// Takes back [`retire`](Self::retire).
    pub fn keep(&self) {
        self.files.retired.store(false, Ordering::Release);
    }

    /// Works with the writer. After a failure it is given up, and with it everything that was not committed.
    fn write<F>(&self, doing: &'static str, work: F) -> Result<(), Error>
    where
        F: FnOnce(&mut IndexWriter) -> tantivy::Result<()>,
    {
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = match slot.take() {
            Some(writer) => writer,
            None => self.new_writer().map_err(|error| self.failed(doing, error))?,
        };
        work(&mut writer).map_err(|error| self.failed(doing, error))?;
        *slot = Some(writer);
        Ok(())
    }

    fn new_writer(&self) -> tantivy::Result<IndexWriter> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(WRITER_MEMORY)
            .build();
        let writer = self.index.writer_with_options(options)?;
        // A kill, or a failure, between the files of a commit and the commit itself leaves files under the very names
        // that the next commit gives, and Tantivy does not write over them.
        writer.garbage_collect_files().wait()?;
        Ok(writer)
    }

    fn failed(&self, doing: &'static str, error: TantivyError) -> Error {
        classify(&self.files.path, doing, error)
    }
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generation").field("number", &self.number).field("reached", &self.reached()).finish()
    }
}

/// Tells a full or forbidden disk and a foreign writer from everything else.
fn classify(path: &Path, doing: &'static str, error: TantivyError) -> Error {
    let kind = match &error {
        TantivyError::LockFailure(LockError::LockBusy, _) => return Error::InUse { path: path.to_owned() },
        TantivyError::LockFailure(LockError::IoError(error), _) | TantivyError::IoError(error) => error.kind(),
        TantivyError::OpenWriteError(OpenWriteError::IoError { io_error, .. })
        | TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. }) => io_error.kind(),
        _ => io::ErrorKind::Other,
    };
    Error::of_io(path, kind, error.into()).unwrap_or_else(|source| Error::Failed { doing, source })
}
