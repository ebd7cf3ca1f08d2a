//! Files beneath the operator's roots.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::{Bytes, BytesMut};
use futures::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::error::MAX_BYTES;
use crate::folder::{is_beneath_a_root, is_forbidden};
use crate::{ByteStream, Error, Fetched, Opened, Policy};

/// Each read goes to a thread that may block and back, which costs more than the copying of less than this.
const CHUNK_BYTES: u64 = 512 * 1024;

/// A regular file in a permitted place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Its path, links followed.
    pub canonical: PathBuf,
    /// Its length.
    pub size_bytes: u64,
    /// What tells its states apart: length and time of the last change.
    pub version_token: String,
}

pub(crate) fn check(policy: &Policy, path: &Path) -> Result<FoundFile, Error> {
    let canonical = path.canonicalize().map_err(|error| Error::reading(path, error))?;
    check_place(policy, path, &canonical)?;
    let metadata = canonical.metadata().map_err(|error| Error::reading(path, error))?;
    check_regular(path, &metadata)?;
    Ok(FoundFile { size_bytes: metadata.len(), version_token: version_token(&metadata), canonical })
}

pub(crate) async fn open(policy: &Policy, path: &Path, known: Option<&str>) -> Result<Opened, Error> {
    if !path.is_absolute() {
        return Err(Error::PathNotAbsolute { path: path.to_owned() });
    }
    let found = check(policy, path)?;
    if found.size_bytes > policy.max_bytes.as_bytes() {
        return Err(Error::TooLarge { place: path.display().to_string(), name: MAX_BYTES, limit: policy.max_bytes });
    }
    let file = File::open(&found.canonical).await.map_err(|error| Error::reading(path, error))?;
    let metadata = file.metadata().await.map_err(|error| Error::reading(path, error))?;
    check_regular(path, &metadata)?;
    check_same(policy, path, &metadata)?;
    let token = version_token(&metadata);
    if known == Some(token.as_str()) {
        return Ok(Opened::Unchanged);
    }
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Opened::Fetched(Fetched {
        size_bytes: Some(metadata.len()),
        body: body(file, path.to_owned(), metadata.len(), token.clone()),
        version_token: token,
        file_name,
    }))
}

/// Length and time of the last change.
pub(crate) fn version_token(metadata: &Metadata) -> String {
    let nanos =
        metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |t| t.as_nanos());
    format!("{}-{nanos}", metadata.len())
}

fn check_place(policy: &Policy, path: &Path, canonical: &Path) -> Result<(), Error> {
    if is_forbidden(policy, canonical) || !is_beneath_a_root(policy, canonical) {
        return Err(Error::LinkLeadsOut { path: path.to_owned() });
    }
    Ok(())
}

fn check_regular(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    if metadata.is_file() { Ok(()) } else { Err(Error::NotARegularFile { path: path.to_owned() }) }
}

/// The file that was opened is the one that the path leads to, in a permitted place, after it was opened too: so a link
/// that was exchanged between check and opening gains nothing.
fn check_same(policy: &Policy, path: &Path, opened: &Metadata) -> Result<(), Error> {
    let canonical = path.canonicalize().map_err(|error| Error::reading(path, error))?;
    check_place(policy, path, &canonical)?;
    let there = canonical.symlink_metadata().map_err(|error| Error::reading(path, error))?;
    if is_same_file(opened, &there) { Ok(()) } else { Err(Error::ChangedWhileRead { path: path.to_owned() }) }
}

#[cfg(unix)]
fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

struct Reading {
    file: File,
    path: PathBuf,
    left: u64,
    token: String,
}

/// Reads exactly the length that was announced, then sees whether the file is still the same.
fn body(file: File, path: PathBuf, length: u64, token: String) -> ByteStream {
    let start = Reading { file, path, left: length, token };
    Box::pin(stream::try_unfold(start, |mut reading| async move {
        let chunk = reading.next().await?;
        Ok(chunk.map(|chunk| (chunk, reading)))
    }))
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.left == 0 {
            return self.check_unchanged().await.map(|()| None);
        }
        let mut buffer = BytesMut::with_capacity(self.left.min(CHUNK_BYTES) as usize);
        let count = (&mut self.file)
            .take(self.left)
            .read_buf(&mut buffer)
            .await
            .map_err(|source| Error::Read { path: self.path.clone(), source })?;
        if count == 0 {
            return Err(Error::ChangedWhileRead { path: self.path.clone() });
        }
        self.left -= count as u64;
        Ok(Some(buffer.freeze()))
    }

    async fn check_unchanged(&self) -> Result<(), Error> {
        let now = self.file.metadata().await.map_err(|source| Error::Read { path: self.path.clone(), source })?;
        if version_token(&now) == self.token {
            return Ok(());
        }
        Err(Error::ChangedWhileRead { path: self.path.clone() })
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use types::{ByteSize, Fault};

    use super::*;

    fn world() -> (tempfile::TempDir, Policy) {
        let world = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(world.path().join("root/data")).unwrap();
        std::fs::write(world.path().join("root/a.csv"), "x\n1\n").unwrap();
        std::fs::write(world.path().join("root/data/secret"), "s").unwrap();
        std::fs::write(world.path().join("outside.csv"), "secret").unwrap();
        let policy = Policy {
            folder_roots: vec![world.path().join("root")],
            forbidden: vec![world.path().join("root/data")],
            ..Policy::default()
        };
        (world, policy)
    }

    async fn reason(policy: &Policy, path: PathBuf) -> &'static str {
        open(policy, &path, None).await.unwrap_err().reason()
    }

    #[tokio::test]
    async fn a_file_is_read_whole_with_its_version_token() {
        let (world, policy) = world();
        let path = world.path().join("root/a.csv");
        let fetched = open(&policy, &path, None).await.unwrap().fetched().unwrap();
        assert_eq!((fetched.size_bytes, fetched.file_name.as_str()), (Some(4), "a.csv"));
        assert_eq!(fetched.version_token, check(&policy, &path).unwrap().version_token);
        let token = fetched.version_token.clone();
        let bytes: Vec<Bytes> = fetched.body.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"x\n1\n");
        assert!(matches!(open(&policy, &path, Some(&token)).await.unwrap(), Opened::Unchanged));
    }

    #[tokio::test]
    async fn a_file_outside_the_roots_is_not_read() {
        let (world, policy) = world();
        assert_eq!(reason(&policy, world.path().join("outside.csv")).await, "LINK_LEADS_OUT");
        assert_eq!(reason(&policy, world.path().join("root/../outside.csv")).await, "LINK_LEADS_OUT");
        assert_eq!(reason(&policy, world.path().join("root/data/secret")).await, "LINK_LEADS_OUT");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_that_leads_out_is_not_followed_and_one_that_stays_is() {
        let (world, policy) = world();
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(world.path().join(to), world.path().join("root").join(name)).unwrap();
            world.path().join("root").join(name)
        };
        assert_eq!(reason(&policy, link("outside.csv", "out.csv")).await, "LINK_LEADS_OUT");
        assert_eq!(reason(&policy, link("root/data/secret", "data.csv")).await, "LINK_LEADS_OUT");
        assert_eq!(reason(&policy, link("root/self.csv", "self.csv")).await, "LINK_LOOP");
        assert!(open(&policy, &link("root/a.csv", "in.csv"), None).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_no_regular_file_or_too_large_is_refused() {
        let (world, policy) = world();
        assert_eq!(reason(&policy, world.path().join("root")).await, "NOT_A_REGULAR_FILE");
        assert_eq!(reason(&policy, world.path().join("root/none.csv")).await, "FILE_NOT_FOUND");
        let small = Policy { max_bytes: ByteSize::bytes(3), ..policy };
        assert_eq!(reason(&small, world.path().join("root/a.csv")).await, "TOO_LARGE");
    }

    #[tokio::test]
    async fn a_file_that_grows_while_it_is_read_fails_as_changed() {
        let (world, policy) = world();
        let path = world.path().join("root/a.csv");
        let fetched = open(&policy, &path, None).await.unwrap().fetched().unwrap();
        std::fs::write(&path, "x\n1\n2\n").unwrap();
        let error = fetched.body.try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.reason(), "CHANGED_WHILE_READ");
    }
}
