//! The data directory: one process at a time, of a format that this version reads.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use types::{ErrorKind, Fault};

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error("another process uses the data directory {}; stop it, or name another directory", .0.display())]
    InUse(PathBuf),
    /// A newer version wrote it.
    #[error("the data directory {} has format {found}, and this version reads up to {FORMAT}; use a newer millrace", .path.display())]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It holds files that are not ours.
    #[error("{} holds other files and is no data directory; name an empty or a new one", .0.display())]
    Foreign(PathBuf),
    /// It cannot be read or written.
    #[error("cannot use the data directory {}: {cause}", .path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl Fault for DataDirError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::InUse(_) | Self::Newer { .. } | Self::Foreign(_) => ErrorKind::Precondition,
            Self::Unusable { .. } => ErrorKind::Unavailable,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::InUse(_) => "DATA_DIR_IN_USE",
            Self::Newer { .. } => "DATA_DIR_NEWER",
            Self::Foreign(_) => "DATA_DIR_FOREIGN",
            Self::Unusable { .. } => "DATA_DIR_UNUSABLE",
        }
    }
}

/// A data directory that is ours alone until this value is dropped, or the process dies.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes the directory at `path`; one that is not there is made, for its owner alone (0700).
    pub fn acquire(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |cause| DataDirError::Unusable { path: path.to_owned(), cause };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        refuse_foreign(&path)?;
        let lock = private_file(&path.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path)),
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        check_format(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory, absolute and without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file or folder in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a folder in it, for its owner alone, where there is none yet.
    pub fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(path)
    }

    /// Writes a file in it for its owner alone (0600): whole, or not at all.
    pub fn write_private(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        write_private(&path, content)?;
        Ok(path)
    }
}

/// Writes a file for its owner alone (0600): whole, or not at all, and it is on disk when this returns.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| io::Error::other("the path names no file"))?;
    let beside = folder.join(format!(".{}.new", name.to_string_lossy()));
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// A directory of somebody's own files, named by mistake, must not fill up with ours.
fn refuse_foreign(path: &Path) -> Result<(), DataDirError> {
    let unusable = |cause| DataDirError::Unusable { path: path.to_owned(), cause };
    if path.join("format").exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(unusable)? {
        let name = entry.map_err(unusable)?.file_name();
        // Both are ours: a first start that was killed may have left them before it wrote the format.
        if name != "lock" && name != ".format.new" && name != "lost+found" {
            return Err(DataDirError::Foreign(path.to_owned()));
        }
    }
    Ok(())
}

fn check_format(path: &Path) -> Result<(), DataDirError> {
    let unusable = |cause| DataDirError::Unusable { path: path.to_owned(), cause };
    match std::fs::read_to_string(path.join("format")) {
        Ok(text) => {
            let wrong = || io::Error::new(io::ErrorKind::InvalidData, "its file `format` holds no number");
            let found: u32 = text.trim().parse().map_err(|_| unusable(wrong()))?;
            if found > FORMAT { Err(DataDirError::Newer { path: path.to_owned(), found }) } else { Ok(()) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_private(&path.join("format"), format!("{FORMAT}\n").as_bytes()).map_err(unusable)
        }
        Err(error) => Err(unusable(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_data_directory_is_made_for_its_owner_alone() {
        let root = testkit::temp_dir();
        let dir = DataDir::acquire(&root.path().join("deep/data")).unwrap();
        assert_eq!(mode(dir.path()), 0o700);
        let token = dir.write_private("admin.token", b"x").unwrap();
        assert_eq!(mode(&token), 0o600);
        dir.write_private("admin.token", b"y").unwrap();
        assert_eq!(std::fs::read(token).unwrap(), b"y");
        assert_eq!(mode(&dir.folder("objects").unwrap()), 0o700);
    }

    #[test]
    fn a_second_process_is_refused_until_the_first_is_gone() {
        let root = testkit::temp_dir();
        let path = root.path().join("data");
        let first = DataDir::acquire(&path).unwrap();
        let error = DataDir::acquire(&path).unwrap_err();
        assert_eq!(error.reason(), "DATA_DIR_IN_USE");
        drop(first);
        DataDir::acquire(&path).unwrap();
    }

    #[test]
    fn a_directory_of_a_newer_version_is_refused_and_left_as_it_is() {
        let root = testkit::temp_dir();
        std::fs::write(root.path().join("format"), "99\n").unwrap();
        std::fs::write(root.path().join("catalog.db"), "x").unwrap();
        let error = DataDir::acquire(root.path()).unwrap_err();
        assert_eq!(error.reason(), "DATA_DIR_NEWER");
        assert_eq!(std::fs::read_to_string(root.path().join("format")).unwrap(), "99\n");
    }

    #[test]
    fn a_folder_of_other_files_is_no_data_directory() {
        let root = testkit::temp_dir();
        std::fs::write(root.path().join("thesis.tex"), "x").unwrap();
        assert_eq!(DataDir::acquire(root.path()).unwrap_err().reason(), "DATA_DIR_FOREIGN");
        assert!(!root.path().join("lock").exists());
    }

    #[test]
    fn a_path_that_is_a_file_is_unusable() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(DataDir::acquire(file.path()).unwrap_err().reason(), "DATA_DIR_UNUSABLE");
    }
}
