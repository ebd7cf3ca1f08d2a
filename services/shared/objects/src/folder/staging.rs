//! Where bodies wait until they are whole.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

/// The temporary folder of one open store, held by a lock for as long as the store is open.
///
/// The lock dies with its process, so whoever opens the store next can tell what nobody will finish from what another
/// process is still writing.
#[derive(Debug)]
pub struct Staging {
    folder: TempDir,
    _held: File,
}

/// The lock beside the folders of all stores; held while they are made and swept.
const DOOR: &str = "lock";
/// The lock within the folder of one store.
const HELD: &str = "held";

impl Staging {
    /// Sweeps `path` of what was left behind, and makes a folder for this store.
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let door = File::create(path.join(DOOR))?;
        door.lock()?;
        sweep(path)?;
        let folder = TempDir::new_in(path)?;
        let held = File::create(folder.path().join(HELD))?;
        held.lock()?;
        Ok(Self { folder, _held: held })
    }

    /// Makes a file that vanishes when it is dropped without having been given a name.
    pub fn create(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(self.folder.path())
    }
}

fn sweep(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        // No lock file: killed between the two steps of `open`, which nobody else can be in while the door is locked.
        let orphaned = match File::open(entry.path().join(HELD)) {
            Ok(held) => held.try_lock().is_ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(error),
        };
        if orphaned {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
