//! Downloads: the bytes of a version, as they came or as CSV.

use std::fmt;
use std::pin::pin;
use std::str::FromStr;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use table::{CancelFlag, Hint};
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;
use types::{DatasetName, DigestHasher, NameError, Permitted, Scoped, TenantId, VersionName};

use super::chunks::Chunks;
use super::spool::{Spool, Spooled};
use super::wanted::Wanted;
use super::{Catalog, record};
use crate::Error;
use crate::record::Version;

/// The longest piece that a download is sent in.
pub const CHUNK: usize = 256 << 10;
/// How many pieces of a CSV wait for a slow reader.
const WAITING_CHUNKS: usize = 4;

/// What is to be downloaded: a dataset's current version, or a named one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The current version of this dataset.
    Dataset(DatasetName),
    /// This version.
    Version(VersionName),
}

/// In which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// As the bytes came.
    Original,
    /// As CSV.
    Csv {
        /// The name of a table of a file with several; empty for the one whose rows the version counts.
        table: String,
    },
}

/// A download that begins.
pub struct Download {
    /// The version whose bytes follow.
    pub version: Version,
    /// A name for the file.
    pub file_name: String,
    /// How many bytes follow; none when they are made on the way.
    pub size_bytes: Option<u64>,
    /// The bytes, in pieces of at most [`CHUNK`].
    pub bytes: BoxStream<'static, Result<Bytes, Error>>,
}

impl FromStr for Target {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.parse() {
            Ok(version) => Ok(Self::Version(version)),
            Err(_) => text.parse().map(Self::Dataset),
        }
    }
}

impl Scoped for Target {
    fn tenant(&self) -> &TenantId {
        match self {
            Self::Dataset(name) => &name.tenant,
            Self::Version(name) => &name.tenant,
        }
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("version", &self.version.name).finish_non_exhaustive()
    }
}

impl Catalog {
    /// Begins a download.
    ///
    /// The bytes are those that were profiled: kept ones are read as they lie, others are fetched again and compared with
    /// the digest before the first piece is sent.
    pub async fn download(&self, target: Permitted<Target>, form: Form) -> Result<Download, Error> {
        let version = self.version_of(target.into_inner()).await?;
        match form {
            Form::Original => self.original(version).await,
            Form::Csv { table } => self.csv(version, table).await,
        }
    }

    async fn version_of(&self, target: Target) -> Result<Version, Error> {
        let store = self.store.clone();
        let read = self.database.read(move |tx| {
            Box::pin(async move {
                let name = match target {
                    Target::Version(name) => name,
                    Target::Dataset(name) => {
                        let record = record(&*store, tx, &name).await?;
                        let state = record.state();
                        let version = record.current.ok_or(Error::NotReady { name: record.name, state })?;
                        VersionName::new(name.tenant, name.dataset, version)
                    }
                };
                let found = store.versions(tx, &name.tenant, &[(name.dataset.clone(), name.version)]).await?.pop();
                found.ok_or(Error::NoSuchVersion { name })
            })
        });
        read.await
    }

    async fn original(&self, version: Version) -> Result<Download, Error> {
        let bytes = match &version.content_key {
            Some(key) => verified(version.clone(), self.kept(key).await?),
            None => whole(self.fetch_again(&version).await?).await?,
        };
        let (file_name, size_bytes) = (version.file_name.clone(), Some(version.size_bytes));
        Ok(Download { version, file_name, size_bytes, bytes: in_chunks(bytes) })
    }

    async fn csv(&self, version: Version, table: String) -> Result<Download, Error> {
        let wanted = Wanted::of(&version, &table)?;
        let spooled = match &version.content_key {
            Some(key) => Spool::create(&self.spool).await?.fill(self.kept(key).await?).await?,
            None => self.fetch_again(&version).await?,
        };
        if spooled.digest != version.digest {
            return Err(Error::ContentDamaged { version: version.name });
        }
        let file_name = csv_name(&version.file_name, &table);
        let bytes = as_csv(version.clone(), wanted, spooled);
        Ok(Download { version, file_name, size_bytes: None, bytes })
    }

    async fn kept(&self, key: &str) -> Result<objects::ByteStream, Error> {
        let key = key.parse().map_err(objects::Error::from)?;
        Ok(self.objects.get(&key, None).await?.1)
    }

    /// Fetches the bytes of a version from where they came, and sees that they are still the same.
    async fn fetch_again(&self, version: &Version) -> Result<Spooled, Error> {
        let changed = || Error::SourceChanged { version: version.name.clone() };
        let opened = match self.fetcher.open(&version.materialization.origin, None).await {
            Err(error) if error.is_gone() => return Err(changed()),
            opened => opened?,
        };
        let fetched = opened.fetched().ok_or_else(changed)?;
        if fetched.size_bytes.is_some_and(|size| size != version.size_bytes) {
            return Err(changed());
        }
        let spooled = Spool::create(&self.spool).await?.fill(fetched.body).await?;
        if spooled.digest == version.digest { Ok(spooled) } else { Err(changed()) }
    }
}

/// The bytes of an object, which fail at their end when they are not those of the version.
fn verified(version: Version, mut bytes: objects::ByteStream) -> BoxStream<'static, Result<Bytes, Error>> {
    async_stream::try_stream! {
        let mut hasher = DigestHasher::default();
        while let Some(piece) = bytes.try_next().await? {
            hasher.update(&piece);
            yield piece;
        }
        if hasher.finish() != version.digest {
            Err(Error::ContentDamaged { version: version.name })?;
        }
    }
    .boxed()
}

/// The bytes of a spooled file, which lives as long as they are read.
async fn whole(spooled: Spooled) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
    let file = spooled.open().await?;
    let bytes = ReaderStream::with_capacity(file, CHUNK).map_err(Error::from);
    Ok(bytes
        .map(move |piece| {
            let _ = &spooled;
            piece
        })
        .boxed())
}

/// Writes a table of a spooled file as CSV while it is read. Who stops reading stops the writing.
fn as_csv(version: Version, wanted: Wanted, spooled: Spooled) -> BoxStream<'static, Result<Bytes, Error>> {
    async_stream::try_stream! {
        let (chunks, mut written) = mpsc::channel(WAITING_CHUNKS);
        let hint = Hint::named(version.file_name.clone());
        let mut writing = pin!(runtime::blocking(move || write_csv(&spooled, &hint, &wanted, chunks)));
        let mut result = None;
        loop {
            // The pieces end once the writer is gone, which it is when its result is there.
            tokio::select! {
                biased;
                piece = written.recv() => match piece {
                    Some(piece) => yield piece,
                    None => break,
                },
                done = &mut writing, if result.is_none() => result = Some(done),
            }
        }
        let result = match result {
            Some(result) => result,
            None => writing.await,
        };
        result.map_err(|source| Error::Table { version: version.name, source })?;
    }
    .boxed()
}

fn write_csv(spooled: &Spooled, hint: &Hint, wanted: &Wanted, chunks: mpsc::Sender<Bytes>) -> Result<(), table::Error> {
    let cancel = CancelFlag::default();
    let reader = wanted.open(spooled, hint, &cancel)?;
    let mut out = Chunks::new(CHUNK, |piece| chunks.blocking_send(piece).is_ok());
    table::write_csv(reader, &mut out, &cancel)?;
    out.finish().map_err(table::Error::Write)
}

/// Cuts pieces that are longer than [`CHUNK`].
fn in_chunks(bytes: BoxStream<'static, Result<Bytes, Error>>) -> BoxStream<'static, Result<Bytes, Error>> {
    let cut = |mut piece: Bytes| {
        let mut pieces = Vec::new();
        while !piece.is_empty() {
            pieces.push(Ok(piece.split_to(piece.len().min(CHUNK))));
        }
        futures::stream::iter(pieces)
    };
    bytes.map_ok(cut).try_flatten().boxed()
}

/// What a table of a file is called as CSV: `a.csv`, or `a.Sheet 1.csv`.
fn csv_name(file_name: &str, table: &str) -> String {
    let part = table.rsplit(['/', '#']).next().filter(|part| !part.is_empty());
    let stem = stem(file_name);
    part.map_or_else(|| format!("{stem}.csv"), |part| format!("{stem}.{part}.csv"))
}

/// A file name without its endings: `a` of `a.csv.gz`.
fn stem(file_name: &str) -> &str {
    let name = file_name.strip_suffix(".gz").unwrap_or(file_name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_dataset_or_a_version() {
        let dataset = "tenants/main/datasets/d1".parse().unwrap();
        assert!(matches!(dataset, Target::Dataset(_)));
        assert!(matches!("tenants/main/datasets/d1/versions/2".parse().unwrap(), Target::Version(_)));
        assert!("tenants/main".parse::<Target>().is_err());
    }

    #[test]
    fn a_csv_is_named_after_the_file() {
        assert_eq!(csv_name("a.csv.gz", ""), "a.csv");
        assert_eq!(csv_name("a.b.json", ""), "a.b.csv");
        assert_eq!(csv_name("plain", ""), "plain.csv");
        assert_eq!(csv_name("book.xlsx", "Sheet 1"), "book.Sheet 1.csv");
        assert_eq!(csv_name("all.zip", "folder/book.xlsx#More"), "all.More.csv");
    }
}
