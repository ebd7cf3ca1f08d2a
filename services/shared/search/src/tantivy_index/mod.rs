//! The index in a directory, by Tantivy.
//!
//! ```text
//! DIR/lock              held while the index is open
//! DIR/CURRENT           names the generation that answers, and whether it ever was complete; replaced atomically
//! DIR/generations/7/    one Tantivy index; while there is a rebuild, a second one
//! ```
//!
//! A rebuild writes the next generation; when it is committed, `CURRENT` is replaced and searches go to the new one. The
//! old one is removed when its last search has ended, or, after a kill, at the next open.

mod gather;
mod generation;
mod plan;
mod pointer;
mod rebuild;
mod schema;

use std::fs::{File, TryLockError};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_trait::async_trait;

use crate::{Error, Hits, Op, Opened, Query, Rebuild, SearchIndex, State};
use generation::Generation;
use pointer::{Pointer, Pointing};
use rebuild::{Building, TantivyRebuild};

/// An index that Tantivy keeps in a directory, which one process has open at a time.
#[derive(Debug)]
pub struct TantivyIndex {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    _held: File,
    current: RwLock<Arc<Generation>>,
    /// Held by whoever writes: operations, added documents and swaps come one after the other.
    writing: Mutex<Writing>,
}

#[derive(Debug)]
struct Writing {
    building: Option<Building>,
    next_generation: u64,
}

/// The directory of an index.
#[derive(Debug)]
struct Place {
    root: PathBuf,
}

impl TantivyIndex {
    /// Opens the index in `directory`, making it where needed.
    ///
    /// Every file is read through and compared with its checksum. What is damaged, missing or of another version is
    /// given up for a new, empty index, and the state says so. Fails with [`Error::InUse`] when it is open already.
    pub async fn open(directory: impl Into<PathBuf>) -> Result<Opened<Self>, Error> {
        let place = Place { root: directory.into() };
        blocking("open", move || Self::open_now(place)).await
    }

    fn open_now(place: Place) -> Result<Opened<Self>, Error> {
        let held = place.hold()?;
        let found = place.find()?;
        let used = place.newest_generation()?;
        let (generation, state) = match found {
            Found::Whole(generation) => (*generation, State::Intact),
            Found::Not(state) => (place.start_anew(used + 1)?, state),
        };
        place.remove_all_but(generation.number())?;
        let next_generation = used.max(generation.number()) + 1;
        let inner = Inner {
            place,
            _held: held,
            current: RwLock::new(Arc::new(generation)),
            writing: Mutex::new(Writing { building: None, next_generation }),
        };
        Ok(Opened { index: Self { inner: Arc::new(inner) }, state })
    }
}

#[async_trait]
impl SearchIndex for TantivyIndex {
    async fn apply(&self, operations: Vec<Op>, change: i64) -> Result<(), Error> {
        let inner = self.inner.clone();
        blocking("apply changes", move || inner.apply(operations, change)).await
    }

    async fn reached(&self) -> Result<i64, Error> {
        Ok(self.inner.current().reached())
    }

    async fn search(&self, query: &Query) -> Result<Hits, Error> {
        let (generation, query) = (self.inner.current(), query.clone());
        blocking("search", move || generation.search(&query)).await
    }

    async fn count(&self) -> Result<u64, Error> {
        Ok(self.inner.current().count())
    }

    async fn begin_rebuild(&self) -> Result<Box<dyn Rebuild>, Error> {
        let inner = self.inner.clone();
        blocking("begin a rebuild", move || Ok(Box::new(TantivyRebuild::begin(inner)?) as Box<dyn Rebuild>)).await
    }
}

impl Inner {
    fn apply(&self, operations: Vec<Op>, change: i64) -> Result<(), Error> {
        let mut writing = self.writing();
        self.current().apply(&operations, change)?;
        if let Some(building) = &mut writing.building {
            building.follow(operations);
        }
        Ok(())
    }

    fn current(&self) -> Arc<Generation> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Found {
    Whole(Box<Generation>),
    Not(State),
}

impl Place {
    /// Makes the directory and locks it for as long as the file is open.
    fn hold(&self) -> Result<File, Error> {
        let failed = |error| self.failed("open", error);
        std::fs::create_dir_all(self.generations()).map_err(failed)?;
        let held = File::create(self.root.join("lock")).map_err(failed)?;
        match held.try_lock() {
            Ok(()) => Ok(held),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { path: self.root.clone() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Looks for the generation that answers.
    fn find(&self) -> Result<Found, Error> {
        let pointer = match pointer::read(&self.root).map_err(|error| self.failed("open", error))? {
            Pointing::Nowhere if self.newest_generation()? == 0 => return Ok(Found::Not(State::Fresh)),
            Pointing::Nowhere => return Ok(damaged("the pointer to its files is missing")),
            Pointing::Garbled(why) => return Ok(damaged(&why)),
            Pointing::At(pointer) => pointer,
        };
        if !pointer.is_of_this_version() {
            return Ok(Found::Not(State::Outdated));
        }
        if !pointer.complete {
            return Ok(Found::Not(State::Fresh));
        }
        let path = self.generation(pointer.generation);
        // Tantivy panics on some kinds of damage.
        let opened = std::panic::catch_unwind(AssertUnwindSafe(|| Generation::open(&path, pointer.generation)));
        match opened {
            Ok(Ok(generation)) => Ok(Found::Whole(Box::new(generation))),
            Ok(Err(Error::Failed { source, .. })) => Ok(damaged(&source.to_string())),
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(damaged("its files cannot be read")),
        }
    }

    /// Makes an empty generation and points at it.
    fn start_anew(&self, number: u64) -> Result<Generation, Error> {
        let generation = self.new_generation(number)?;
        self.point_at(number, false)?;
        Ok(generation)
    }

    fn new_generation(&self, number: u64) -> Result<Generation, Error> {
        let path = self.generation(number);
        std::fs::create_dir(&path).map_err(|error| self.failed("make a new index", error))?;
        Generation::create(&path, number)
    }

    fn point_at(&self, generation: u64, complete: bool) -> Result<(), Error> {
        let failed = |error| self.failed("switch to a new index", error);
        sync_folder(&self.generations()).map_err(failed)?;
        pointer::write(&self.root, &Pointer::new(generation, complete)).map_err(failed)
    }

    /// The greatest number of a generation that is there; 0 when there is none.
    fn newest_generation(&self) -> Result<u64, Error> {
        let mut newest = 0;
        for entry in std::fs::read_dir(self.generations()).map_err(|error| self.failed("open", error))? {
            let entry = entry.map_err(|error| self.failed("open", error))?;
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            newest = newest.max(number.unwrap_or(0));
        }
        Ok(newest)
    }

    fn remove_all_but(&self, number: u64) -> Result<(), Error> {
        let failed = |error| self.failed("remove what a rebuild left", error);
        let kept = self.generation(number);
        for entry in std::fs::read_dir(self.generations()).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path != kept && path.is_dir() {
                std::fs::remove_dir_all(path).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn generations(&self) -> PathBuf {
        self.root.join("generations")
    }

    fn generation(&self, number: u64) -> PathBuf {
        self.generations().join(number.to_string())
    }

    fn failed(&self, doing: &'static str, error: std::io::Error) -> Error {
        let kind = error.kind();
        Error::of_io(&self.root, kind, error.into()).unwrap_or_else(|source| Error::Failed { doing, source })
    }
}

fn damaged(why: &str) -> Found {
    Found::Not(State::Damaged(why.to_owned()))
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// Runs work that computes or waits for the disk where it holds nobody up. A caller that goes away leaves it to run to
/// its end. A panic within, which is how Tantivy meets damaged files, becomes an error.
#[expect(clippy::disallowed_methods, reason = "libraries do not see runtime, and this work ends by itself")]
async fn blocking<T, F>(doing: &'static str, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Failed { doing, source: error.into() }),
    }
}

#[cfg(test)]
#[cfg(test)]
mod tests;
