//! Puts a back-up back into an empty directory.
//!
//! All is copied into a folder of the directory, and compared with its digests on the way; only when every file is there
//! and right do they get their places, `format` last. A directory with files and without `format` is no data directory,
//! so one that was cut short is never taken for a whole one.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::manifest::{Manifest, compare};
use super::tree::{Stop, Tree, make_folder, sync_folder};

/// Where files wait until all of them are there.
const STAGING: &str = ".restoring";
const LOCK: &str = "lock";
const FORMAT_FILE: &str = "format";

/// Puts the back-up into `data_dir`: whole, or nothing of it.
pub fn restore(backup: &Path, data_dir: &Path, stop: &Stop, seen: &mut dyn FnMut(u64)) -> Result<Manifest, Error> {
    let manifest = Manifest::read(backup)?;
    let dir = Empty::claim(data_dir)?;
    let staging = dir.path.join(STAGING);
    make_folder(&staging)?;
    let mut tree = Tree::new(staging.clone(), stop.clone());
    manifest.files(backup, stop, &mut |entry, file| {
        let copied = tree.copy(&file, &entry.path)?;
        let copied = copied.ok_or_else(|| Error::damaged(backup, format!("`{}` is missing", entry.path)))?;
        seen(copied.size_bytes);
        compare(backup, entry, &copied)
    })?;
    tree.sync()?;
    put_in_place(&staging, &dir.path)?;
    dir.keep();
    Ok(manifest)
}

fn put_in_place(staging: &Path, dir: &Path) -> Result<(), Error> {
    let entries = std::fs::read_dir(staging).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    for entry in entries.map_err(Error::io("read", staging))? {
        if entry.file_name() != FORMAT_FILE {
            rename(&entry.path(), &dir.join(entry.file_name()))?;
        }
    }
    sync_folder(dir)?;
    rename(&staging.join(FORMAT_FILE), &dir.join(FORMAT_FILE))?;
    std::fs::remove_dir(staging).map_err(Error::io("remove", staging))?;
    sync_folder(dir)
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(Error::io("name", to))
}

/// An empty directory that is ours alone. Unless it is kept, it is left as it was found.
#[derive(Debug)]
struct Empty {
    path: PathBuf,
    made: bool,
    kept: bool,
    _lock: File,
}

impl Empty {
    fn claim(path: &Path) -> Result<Self, Error> {
        let made = match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => false,
            Err(error) => return Err(Error::io("make", path)(error)),
        };
        refuse_full(path)?;
        let lock = path.join(LOCK);
        let held = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&lock);
        let held = held.map_err(Error::io("make", &lock))?;
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &lock)(error)),
        }
        // Somebody may have had it between the look and the lock.
        refuse_full(path)?;
        private(path)?;
        Ok(Self { path: path.to_owned(), made, kept: false, _lock: held })
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // Best effort: what stays behind is refused as no data directory, and named by the next try.
        let _ = std::fs::remove_dir_all(self.path.join(STAGING));
        let _ = std::fs::remove_file(self.path.join(LOCK));
        if self.made {
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// A directory was made by others for others, maybe; from now on it holds secrets.
fn private(path: &Path) -> Result<(), Error> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(path, mode).map_err(Error::io("close to others", path))
}

fn refuse_full(path: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(path).map_err(Error::io("read", path))? {
        let name = entry.map_err(Error::io("read", path))?.file_name();
        if name != LOCK && name != "lost+found" {
            return Err(Error::NotEmpty { path: path.to_owned(), found: name.to_string_lossy().into_owned() });
        }
    }
    Ok(())
}
