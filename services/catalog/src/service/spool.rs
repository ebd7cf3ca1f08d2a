//! Bytes on the local disk, between where they come from and where they go. Memory stays bounded whatever their length.

use std::path::Path;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use types::{Digest, DigestHasher};

use crate::Error;

/// Makes catalog's own part of the spool folder, and removes what a killed process left there.
pub async fn prepare(folder: &Path) -> Result<(), Error> {
    let folder = folder.to_owned();
    let cleared = runtime::blocking(move || {
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            std::fs::remove_file(entry?.path())?;
        }
        Ok::<_, std::io::Error>(())
    });
    Ok(cleared.await?)
}

/// A file that is being written, and vanishes unless it is finished.
pub struct Spool {
    file: File,
    path: TempPath,
    hasher: DigestHasher,
}

/// A file that was written whole. It vanishes with this value.
#[derive(Debug)]
pub struct Spooled {
    path: TempPath,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Their length.
    pub size_bytes: u64,
}

impl Spool {
    /// Begins a file in `folder`.
    pub async fn create(folder: &Path) -> Result<Self, Error> {
        let folder = folder.to_owned();
        let (file, path) = runtime::blocking(move || tempfile::NamedTempFile::new_in(folder)).await?.into_parts();
        Ok(Self { file: File::from_std(file), path, hasher: DigestHasher::default() })
    }

    /// Appends bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).await?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Appends all bytes of a stream, and finishes.
    pub async fn fill<E>(mut self, mut bytes: impl Stream<Item = Result<Bytes, E>> + Unpin) -> Result<Spooled, Error>
    where
        Error: From<E>,
    {
        while let Some(piece) = bytes.next().await {
            self.write(&piece?).await?;
        }
        self.finish().await
    }

    /// Ends the file.
    pub async fn finish(mut self) -> Result<Spooled, Error> {
        self.file.flush().await?;
        let size_bytes = self.hasher.length();
        Ok(Spooled { path: self.path, digest: self.hasher.finish(), size_bytes })
    }
}

impl Spooled {
    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file from its beginning.
    pub async fn open(&self) -> Result<File, Error> {
        Ok(File::open(&self.path).await?)
    }
}
