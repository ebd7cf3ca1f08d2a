//! Objects by key: whole byte strings, written once or replaced whole, read as streams.
//!
//! [`ObjectStore`] is the one door to them; [`Folder`] keeps them in a directory, [`S3`] in a bucket. Whoever reads an object sees the bytes
//! of one put from the first to the last, whatever happens meanwhile; whoever got an answer from a put finds the object
//! after a power cut. The store knows keys and bytes and nothing of what they mean.
//!
//! Keys in use are made by [`Key::content`], [`Key::profile`] and [`Key::upload`], each beneath the tenant that owns it, and
//! each in one service, which alone knows what still refers to them.
//! Not here: sweeping what nobody refers to (the owner of the reference knows), and paths of local files (a store may be
//! far away).

mod body;
mod error;
mod folder;
mod key;
mod remote;
mod s3;

#[cfg(test)]
mod conformance;

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use types::{Digest, Secret, Timestamp};

pub use body::{ByteStream, ObjectBody};
pub use error::Error;
pub use folder::Folder;
pub use key::{Key, KeyError};
pub use remote::Problem;
pub use s3::{S3, S3Settings};

/// Keeps objects by key.
///
/// - **Atomic.** A put shows whole or not at all: a body that fails, a dropped future or a kill leaves the key as it
///   was. A get that began reads the bytes of one put to the end, even while the key is replaced or deleted.
/// - **Durable.** When `put` returns `Stored`, the object survives a power cut.
/// - **One winner.** Of any number of puts with [`Put::IfAbsent`] of one key, exactly one is told `Stored`.
/// - **Bounded memory.** Bodies stream in both directions; nothing holds an object whole.
/// - Keys are independent of each other: `a` and `a/b` may both be there.
#[async_trait]
pub trait ObjectStore: Send + Sync + Debug + 'static {
    /// Writes an object.
    ///
    /// With [`Put::IfAbsent`] an object that is there already wins, and `body` is then left unread, in part or whole.
    /// The metadata of `Stored` carry the digest of the bytes. Fails with [`Error::Body`] when the body does.
    async fn put(&self, key: &Key, body: ObjectBody, condition: Put) -> Result<PutResult, Error>;

    /// Reads an object, or the bytes of `range` of it, counted from 0; an end beyond the object's is clipped.
    ///
    /// Fails with [`Error::NotFound`], and with [`Error::Range`] when the range is empty or begins at or after the end.
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<(ObjectMeta, ByteStream), Error>;

    /// Reads what is known of an object without its bytes; fails with [`Error::NotFound`].
    async fn head(&self, key: &Key) -> Result<ObjectMeta, Error>;

    /// Deletes an object, durably. A missing one counts as deleted.
    async fn delete(&self, key: &Key) -> Result<(), Error>;

    /// Lists up to `limit` objects whose key begins with `prefix` and is greater than `after`, in the order of the bytes
    /// of their keys. Fewer than `limit` means that there are no more.
    ///
    /// Objects put or deleted while pages are read may be in or out; every other one is in exactly once.
    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, Error>;

    /// Removes what puts of processes that died left unfinished, and tells how many there were.
    ///
    /// Opening a store does so too; a process that runs for long calls it now and then.
    async fn sweep(&self) -> Result<usize, Error> {
        Ok(0)
    }

    /// Gives the maker of URLs by which others read objects straight from the store, where it has one.
    fn presign(&self) -> Option<&dyn Presign> {
        None
    }

    /// Tells in what this store differs from others.
    fn capabilities(&self) -> Capabilities;
}

/// Makes URLs that let their holders read an object without credentials of their own.
#[async_trait]
pub trait Presign: Send + Sync {
    /// A URL by which anybody may GET the object, ranges too, for `valid_for`: at most seven days.
    ///
    /// Whether the object is there is not looked at.
    async fn presign_get(&self, key: &Key, valid_for: Duration) -> Result<Secret<String>, Error>;
}

/// When a put may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// In any case; what is there is replaced.
    Always,
    /// Only when there is no such object.
    IfAbsent,
}

/// What a put did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutResult {
    /// The object was written; its digest is among the metadata.
    Stored(ObjectMeta),
    /// The object was there before, and stays as it is.
    Existed(ObjectMeta),
}

impl PutResult {
    /// The object as it now is.
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Stored(meta) | Self::Existed(meta) => meta,
        }
    }
}

/// What is known of an object besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its key.
    pub key: Key,
    /// Its length, also when only a range of it is read.
    pub size_bytes: u64,
    /// The digest of its bytes, where the store knows it without reading them.
    pub digest: Option<Digest>,
    /// When it was written, by the store's clock. None in the answer to a put where the server does not tell with its
    /// own; whoever needs it asks for the head.
    pub modified: Option<Timestamp>,
}

/// In what stores differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether [`Put::IfAbsent`] has one winner among processes, not only within one.
    pub conditional_put: bool,
    /// The same for bodies too large for one request, which is 8 MiB for a bucket.
    ///
    /// This is what one try told: a server that looks whether the object is there and completes the upload later, as
    /// SeaweedFS 4.48 does, keeps the condition, but may let two processes win that complete in the same moment. Keys
    /// that several processes may write at once therefore name their bytes, by a digest.
    pub conditional_large_put: bool,
}

/// Conveniences over any store, for objects that are known to be small.
#[async_trait]
pub trait ObjectStoreExt: ObjectStore {
    /// Writes an object that lies in memory.
    async fn put_bytes(&self, key: &Key, bytes: Bytes, condition: Put) -> Result<PutResult, Error> {
        self.put(key, ObjectBody::bytes(bytes), condition).await
    }

    /// Reads an object of at most `limit` bytes into memory; fails with [`Error::TooLarge`] when it is larger.
    async fn get_bytes(&self, key: &Key, limit: u64) -> Result<Bytes, Error> {
        let (meta, mut stream) = self.get(key, None).await?;
        if meta.size_bytes > limit {
            return Err(Error::TooLarge { key: key.clone(), size_bytes: meta.size_bytes, limit });
        }
        let mut all = BytesMut::with_capacity(usize::try_from(meta.size_bytes).unwrap_or(0));
        while let Some(piece) = stream.try_next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }
}

impl<S: ObjectStore + ?Sized> ObjectStoreExt for S {}

/// Opens the store that `url` names; the scheme picks the back end.
///
/// `file:DIR` is a folder, `s3://BUCKET/PREFIX?endpoint=…&region=…&path_style=true` a bucket. A bucket needs credentials
/// from `settings`: the URL, which is logged and shown, takes none.
pub async fn open_with(url: &str, settings: &S3Settings) -> Result<Arc<dyn ObjectStore>, Error> {
    if url.starts_with("s3:") {
        return Ok(Arc::new(S3::open(url, settings).await?));
    }
    Ok(Arc::new(Folder::open(url).await?))
}

/// Tells what is wrong with a URL and its settings, as far as that can be told without a server.
pub fn problems(url: &str, settings: &S3Settings) -> Vec<Error> {
    match url.starts_with("s3:") {
        true => S3::problems(url, settings),
        false => Folder::problem(url).into_iter().collect(),
    }
}

/// Opens a store that needs no settings: a folder.
pub async fn open(url: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    open_with(url, &S3Settings::default()).await
}
