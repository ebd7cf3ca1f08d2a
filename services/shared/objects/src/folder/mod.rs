//! Objects as files in a folder.
//!
//! ```text
//! DIR/objects/content/main/0af3…@   one file per object, its key as path; `@` ends the name of a file, so that
//!                                   `a` and `a/b` can both be there
//! DIR/temp/…/                       bodies on their way in, one folder per open store
//! ```
//!
//! A body is written to a temporary file of the same file system, synced, and only then given its name, by a rename that
//! either replaces or refuses to. Then the folder that holds the name is synced too.

mod staging;
mod walk;

use std::collections::HashSet;
use std::io::{self, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;
use types::{DigestHasher, Timestamp};

use crate::body::chunk;
use crate::{ByteStream, Capabilities, Error, Key, ObjectBody, ObjectMeta, ObjectStore, Put, PutResult};
use staging::Staging;

/// A store that keeps each object as a file beneath one folder.
///
/// Several processes may open the same folder.
#[derive(Debug)]
pub struct Folder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    objects: PathBuf,
    staging: Staging,
    /// Folders whose own names are known to be on disk.
    durable: Mutex<HashSet<PathBuf>>,
}

/// Beyond this many, the memory of durable folders starts anew; forgetting costs a sync, never safety.
const MAX_DURABLE: usize = 10_000;

impl Folder {
    /// Opens the store at `file:DIR`, making the folder where needed, and removes what processes that were killed left
    /// of bodies they had not finished.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let root = folder_of(url).ok_or_else(|| Error::Url { url: url.to_owned() })?;
        let place = root.clone();
        blocking(move || Self::open_now(root)).await.map_err(|error| Error::io(&place, "open", error))
    }

    /// Where the store in the folder `root` keeps its objects, and nothing else. A copy of what lies there is a copy of
    /// the store: each file is one object, whole from the moment it shows.
    pub fn objects_of(root: &Path) -> PathBuf {
        root.join("objects")
    }

    /// What is wrong with a URL.
    pub(crate) fn problem(url: &str) -> Option<Error> {
        folder_of(url).is_none().then(|| Error::Url { url: url.to_owned() })
    }

    fn open_now(root: PathBuf) -> io::Result<Self> {
        let objects = Self::objects_of(&root);
        std::fs::create_dir_all(&objects)?;
        let staging = Staging::open(&root.join("temp"))?;
        sync_folder(&root)?;
        let durable = Mutex::new(HashSet::from([objects.clone()]));
        Ok(Self { inner: Arc::new(Inner { objects, staging, durable, root }) })
    }
}

fn folder_of(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("file:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    (!path.is_empty()).then(|| PathBuf::from(path))
}

#[async_trait]
impl ObjectStore for Folder {
    async fn put(&self, key: &Key, mut body: ObjectBody, condition: Put) -> Result<PutResult, Error> {
        if condition == Put::IfAbsent
            && let Some(meta) = self.existing(key).await?
        {
            return Ok(PutResult::Existed(meta));
        }
        let failed = |error| self.failed("write an object", error);
        let (file, temporary) = self.inner.staging.create().map_err(failed)?.into_parts();
        let mut file = File::from_std(file);
        let mut hasher = DigestHasher::default();
        while let Some(piece) = body.next().await? {
            hasher.update(&piece);
            file.write_all(&piece).await.map_err(failed)?;
        }
        let size_bytes = hasher.length();
        let digest = hasher.finish();
        body.check(key, digest)?;
        // The flush brings out errors of writes that were still on their way; the sync alone would swallow them.
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        let modified = modified(&file.metadata().await.map_err(failed)?);
        let (inner, path) = (self.inner.clone(), self.path(key));
        let named = blocking(move || inner.publish(temporary, &path, condition)).await.map_err(failed)?;
        if !named {
            return self.head(key).await.map(PutResult::Existed);
        }
        let (digest, modified) = (Some(digest), Some(modified));
        Ok(PutResult::Stored(ObjectMeta { key: key.clone(), size_bytes, digest, modified }))
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<(ObjectMeta, ByteStream), Error> {
        let mut file = File::open(self.path(key)).await.map_err(|error| self.missing(key, error))?;
        // The size is that of the open file, so that metadata and bytes belong to one put.
        let about = file.metadata().await.map_err(|error| self.failed("read an object", error))?;
        let meta = meta(key, &about);
        let size_bytes = meta.size_bytes;
        let (start, end) = match range {
            None => (0, size_bytes),
            Some(Range { start, end }) if start < end && start < size_bytes => (start, end.min(size_bytes)),
            Some(Range { start, end }) => return Err(Error::Range { key: key.clone(), start, end, size_bytes }),
        };
        if start > 0 {
            file.seek(SeekFrom::Start(start)).await.map_err(|error| self.failed("read an object", error))?;
        }
        let root = self.inner.root.clone();
        let stream = ReaderStream::with_capacity(file.take(end - start), chunk(end - start))
            .map_err(move |error| Error::io(&root, "read an object", error));
        Ok((meta, stream.boxed()))
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta, Error> {
        let about = tokio::fs::metadata(self.path(key)).await.map_err(|error| self.missing(key, error))?;
        Ok(meta(key, &about))
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        let (path, inner) = (self.path(key), self.inner.clone());
        let removed = blocking(move || inner.remove(&path)).await;
        removed.map_err(|error| self.failed("delete an object", error))
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, Error> {
        let (inner, prefix, after) = (self.inner.clone(), prefix.to_owned(), after.cloned());
        let listed = blocking(move || walk::list(&inner.objects, &prefix, after.as_ref(), limit)).await;
        listed.map_err(|error| self.failed("list objects", error))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { conditional_put: true, conditional_large_put: true }
    }
}

impl Folder {
    fn path(&self, key: &Key) -> PathBuf {
        let mut path = self.inner.objects.join(key.as_str()).into_os_string();
        path.push("@");
        path.into()
    }

    async fn existing(&self, key: &Key) -> Result<Option<ObjectMeta>, Error> {
        match self.head(key).await {
            Ok(meta) => Ok(Some(meta)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn failed(&self, doing: &'static str, error: io::Error) -> Error {
        Error::io(&self.inner.root, doing, error)
    }

    fn missing(&self, key: &Key, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::NotFound => Error::NotFound { key: key.clone() },
            _ => self.failed("read an object", error),
        }
    }
}

impl Inner {
    /// Gives a synced temporary file its name for good; tells whether it got it.
    fn publish(&self, temporary: tempfile::TempPath, path: &Path, condition: Put) -> io::Result<bool> {
        let folder = path.parent().expect("a path beneath the objects has a parent");
        self.make_durable(folder)?;
        match condition {
            Put::Always => temporary.persist(path).map_err(|refused| refused.error)?,
            Put::IfAbsent => match temporary.persist_noclobber(path) {
                Ok(()) => {}
                Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => {
                    // The winner may not have come to its sync yet, and the caller relies on the object from now on.
                    sync_folder(folder)?;
                    return Ok(false);
                }
                Err(refused) => return Err(refused.error),
            },
        }
        sync_folder(folder)?;
        Ok(true)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Ok(()) => sync_folder(path.parent().expect("a path beneath the objects has a parent")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes a folder and those above it, and sees to it that their names are on disk: also of those that another put
    /// made a moment ago.
    fn make_durable(&self, folder: &Path) -> io::Result<()> {
        if self.durable().contains(folder) {
            return Ok(());
        }
        let above = folder.parent().expect("folders of objects lie beneath the root");
        self.make_durable(above)?;
        match std::fs::create_dir(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        sync_folder(above)?;
        let mut durable = self.durable();
        if durable.len() >= MAX_DURABLE {
            durable.retain(|kept| *kept == self.objects);
        }
        durable.insert(folder.to_owned());
        Ok(())
    }

    fn durable(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn meta(key: &Key, about: &std::fs::Metadata) -> ObjectMeta {
    ObjectMeta { key: key.clone(), size_bytes: about.len(), digest: None, modified: Some(modified(about)) }
}

fn modified(about: &std::fs::Metadata) -> Timestamp {
    let since = about.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    Timestamp::from_micros(since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

/// Runs calls that wait for the disk where they hold nobody up. A caller that goes away leaves them to run to their end.
#[expect(clippy::disallowed_methods, reason = "libraries do not see runtime, and this work ends by itself")]
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests;
