//! Bytes on their way from a source to the profiler, in temporary files of one folder.

use std::path::{Path, PathBuf};

use futures::{Stream, StreamExt};
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;
use types::{ByteSize, Digest, DigestHasher};

use crate::Error;

const PREFIX: &str = "profiling-";

/// The folder of temporary files. Files vanish when they are dropped; what a killed process left is swept at start.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

/// Bytes that lie in a temporary file.
#[derive(Debug)]
pub struct Spooled {
    /// The file; it is deleted when this is dropped.
    pub path: TempPath,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its length in bytes.
    pub size_bytes: u64,
}

impl Spool {
    /// Takes `folder`, made where it is missing, and deletes what an earlier process left there.
    pub fn open(folder: &Path) -> Result<Self, std::io::Error> {
        std::fs::create_dir_all(folder)?;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Writes a stream of bytes to a file, at most `limit` of them, and digests them. `taken` is told of each piece.
    pub async fn take<S, B, E>(
        &self,
        bytes: S,
        limit: (&'static str, ByteSize),
        taken: impl Fn(u64),
    ) -> Result<Spooled, Error>
    where
        S: Stream<Item = Result<B, E>>,
        B: AsRef<[u8]>,
        Error: From<E>,
    {
        let (file, path) = tempfile::Builder::new().prefix(PREFIX).tempfile_in(&self.folder)?.into_parts();
        let mut file = tokio::io::BufWriter::with_capacity(256 << 10, tokio::fs::File::from_std(file));
        let mut hasher = DigestHasher::default();
        let mut bytes = std::pin::pin!(bytes);
        while let Some(piece) = bytes.next().await {
            let piece = piece?;
            hasher.update(piece.as_ref());
            if hasher.length() > limit.1.as_bytes() {
                return Err(Error::TooLarge { setting: limit.0, limit: limit.1 });
            }
            file.write_all(piece.as_ref()).await?;
            taken(piece.as_ref().len() as u64);
        }
        file.flush().await?;
        Ok(Spooled { path, size_bytes: hasher.length(), digest: hasher.finish() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(all: &[&'static str]) -> impl Stream<Item = Result<&'static str, Error>> {
        futures::stream::iter(all.iter().map(|piece| Ok(*piece)).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn what_is_taken_lies_in_a_file_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        let spooled = spool.take(pieces(&["ab", "c"]), ("limit", ByteSize::bytes(3)), |_| ()).await.unwrap();
        assert_eq!(std::fs::read(&spooled.path).unwrap(), b"abc");
        assert_eq!((spooled.size_bytes, spooled.digest), (3, Digest::of(b"abc")));
        drop(spooled);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn more_than_the_limit_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        let refused = spool.take(pieces(&["ab", "c"]), ("keep", ByteSize::bytes(2)), |_| ()).await.unwrap_err();
        assert!(matches!(refused, Error::TooLarge { setting: "keep", .. }), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("profiling-x"), "x").unwrap();
        std::fs::write(folder.path().join("catalog-x"), "x").unwrap();
        Spool::open(folder.path()).unwrap();
        assert!(!folder.path().join("profiling-x").exists());
        assert!(folder.path().join("catalog-x").exists());
    }
}
