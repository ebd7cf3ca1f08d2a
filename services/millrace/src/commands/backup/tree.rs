//! Files that are copied beneath one folder, for their owner alone.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use types::{Digest, DigestHasher};

use super::error::Error;

/// How many bytes are read at a time.
const CHUNK: usize = 256 << 10;

/// One file of a back-up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where it lies in the data directory; `/` between folders.
    pub path: String,
    /// Its length.
    pub size_bytes: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
}

impl Entry {
    /// Whether the path leads nowhere but into the folder that it is taken from.
    pub fn stays_inside(&self) -> bool {
        let path = Path::new(&self.path);
        !self.path.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)))
    }
}

/// Ends the copying on another thread when the value that it was made for is dropped.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A value that says stop when it is dropped.
    pub fn on_drop(&self) -> impl Drop + use<> {
        struct OnDrop(Stop);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.0.store(true, Ordering::Relaxed);
            }
        }
        OnDrop(self.clone())
    }

    fn check(&self) -> io::Result<()> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    }
}

/// A folder that is filled with files. All of it is on disk once [`Tree::sync`] returns.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    folders: BTreeSet<PathBuf>,
    stop: Stop,
}

impl Tree {
    /// Fills the folder `root`, which is there.
    pub fn new(root: PathBuf, stop: Stop) -> Self {
        Self { folders: BTreeSet::from([root.clone()]), root, stop }
    }

    /// Copies a file to `path` beneath the root, and syncs it. A file that is not there gives nothing.
    pub fn copy(&mut self, from: &Path, path: &str) -> Result<Option<Entry>, Error> {
        let mut source = match File::open(from) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", from)(error)),
        };
        let to = self.root.join(path);
        self.folder(to.parent().expect("a file beneath the root has a folder"))?;
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to).and_then(|mut file| {
            let digested = digested(&mut source, &mut file, &self.stop)?;
            file.sync_all()?;
            Ok(digested)
        });
        let (size_bytes, sha256) = written.map_err(Error::io("write", &to))?;
        Ok(Some(Entry { path: path.to_owned(), size_bytes, sha256 }))
    }

    /// Syncs a file that others wrote to `path` beneath the root, and describes it.
    pub fn adopt(&mut self, path: &str) -> Result<Entry, Error> {
        let place = self.root.join(path);
        let seal = || {
            let mut file = File::open(&place)?;
            file.sync_all()?;
            digested(&mut file, &mut io::sink(), &self.stop)
        };
        let (size_bytes, sha256) = seal().map_err(Error::io("read", &place))?;
        Ok(Entry { path: path.to_owned(), size_bytes, sha256 })
    }

    /// Sees to it that the names of all files are on disk.
    pub fn sync(self) -> Result<(), Error> {
        // The deepest first, so that no name is there before what it names.
        self.folders.iter().rev().try_for_each(|folder| sync_folder(folder))
    }

    fn folder(&mut self, folder: &Path) -> Result<(), Error> {
        if self.folders.contains(folder) {
            return Ok(());
        }
        self.folder(folder.parent().expect("folders lie beneath the root"))?;
        make_folder(folder)?;
        self.folders.insert(folder.to_owned());
        Ok(())
    }
}

/// Reads a file to its end, and describes it.
pub fn describe(file: &Path, path: &str, stop: &Stop) -> io::Result<Entry> {
    let (size_bytes, sha256) = digested(&mut File::open(file)?, &mut io::sink(), stop)?;
    Ok(Entry { path: path.to_owned(), size_bytes, sha256 })
}

/// Calls `each` with every file beneath `folder` and its path from there. A folder that is not there holds none.
pub fn walk(folder: &Path, stem: &str, each: &mut dyn FnMut(&Path, &str) -> Result<(), Error>) -> Result<(), Error> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io("read", folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(Error::io("read", folder))?;
        let (name, path) = (entry.file_name(), entry.path());
        let Some(name) = name.to_str() else { continue };
        let kind = entry.file_type().map_err(Error::io("read", &path))?;
        if kind.is_dir() {
            walk(&path, &format!("{stem}{name}/"), each)?;
        } else {
            each(&path, &format!("{stem}{name}"))?;
        }
    }
    Ok(())
}

/// Makes a folder for its owner alone; one that is there serves.
pub fn make_folder(folder: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made.map_err(Error::io("make", folder)),
    }
}

/// Sees to it that the names in a folder are on disk.
pub fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", folder))
}

fn digested(from: &mut File, to: &mut dyn Write, stop: &Stop) -> io::Result<(u64, Digest)> {
    let (mut hasher, mut chunk) = (DigestHasher::default(), vec![0; CHUNK]);
    loop {
        stop.check()?;
        let read = match from.read(&mut chunk) {
            Ok(0) => return Ok((hasher.length(), hasher.finish())),
            Ok(read) => read,
            // A signal, and not the word of `stop`.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..read]);
        to.write_all(&chunk[..read])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_is_seen() {
        let entry = |path: &str| Entry { path: path.to_owned(), size_bytes: 0, sha256: Digest::of(b"") };
        assert!(entry("objects/objects/a@").stays_inside() && entry("..a").stays_inside());
        for path in ["", "/etc/passwd", "../x", "a/../../x"] {
            assert!(!entry(path).stays_inside(), "{path}");
        }
    }

    #[test]
    fn nothing_is_copied_for_one_who_is_gone() {
        let dir = testkit::temp_dir();
        std::fs::write(dir.path().join("from"), "x").unwrap();
        let stop = Stop::default();
        drop(stop.on_drop());
        let mut tree = Tree::new(dir.path().to_owned(), stop);
        assert!(matches!(tree.copy(&dir.path().join("from"), "to"), Err(Error::Interrupted)));
    }
}
