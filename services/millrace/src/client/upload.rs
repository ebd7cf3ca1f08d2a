//! A file as a stream of chunks that ends with its length and digest.

use std::path::{Path, PathBuf};

use futures::Stream;
use proto::common::v1::Digest;
use tokio::io::AsyncReadExt;
use types::DigestHasher;

use crate::failure::Failure;

/// Bytes in a message; the contract allows 1 MiB.
const CHUNK: usize = 256 << 10;

/// A file that is about to be sent.
pub struct Upload {
    path: PathBuf,
    file: tokio::fs::File,
    /// Its length when it was opened, in bytes.
    pub size_bytes: u64,
}

/// A piece of an upload.
pub enum Piece {
    /// The next bytes.
    Chunk(Vec<u8>),
    /// All was sent: how many bytes, and their digest.
    Finish(i64, Digest),
}

impl Upload {
    /// Opens a regular file.
    pub async fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        let metadata = file.metadata().await.map_err(failed)?;
        if !metadata.is_file() {
            return Err(Failure::usage(format!("{} is no file", path.display())));
        }
        Ok(Self { path: path.to_owned(), file, size_bytes: metadata.len() })
    }

    /// The name of the file, without its folder.
    pub fn file_name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The messages of the upload: `start`, the pieces, and an end that says they were all. When the file cannot be
    /// read to its end, the stream stops without one, and the mesh refuses the upload.
    pub fn messages<M: Send + 'static>(
        self,
        start: M,
        wrap: impl Fn(Piece) -> M + Send + 'static,
        sent: impl Fn(u64) + Send + 'static,
    ) -> impl Stream<Item = M> + Send + 'static {
        async_stream::stream! {
            yield start;
            let mut file = self.file;
            let mut hasher = DigestHasher::default();
            let mut buffer = vec![0; CHUNK];
            loop {
                match file.read(&mut buffer).await {
                    Ok(0) => break,
                    Ok(read) => {
                        hasher.update(&buffer[..read]);
                        yield wrap(Piece::Chunk(buffer[..read].to_vec()));
                        sent(hasher.length());
                    }
                    Err(error) => {
                        crate::output::note(&format!("cannot read {}: {error}", self.path.display()));
                        return;
                    }
                }
            }
            let length = i64::try_from(hasher.length()).unwrap_or(i64::MAX);
            yield wrap(Piece::Finish(length, hasher.finish().into()));
        }
    }
}
