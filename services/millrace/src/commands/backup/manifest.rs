//! What a back-up says of itself.
//!
//! ```text
//! BACKUP/manifest.json   versions, the instant, how many files and bytes, the digest of the list; written last
//! BACKUP/files.jsonl     the list: one file a line, with path, size and SHA-256
//! BACKUP/data/…          the files, with the paths that they have in the data directory
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use types::Digest;

use super::error::Error;
use super::tree::{Entry, Stop, describe, walk};

/// The form of back-ups that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// The file that makes a back-up whole.
pub const MANIFEST: &str = "manifest.json";
/// The list of files.
pub const LIST: &str = "files.jsonl";
/// The folder of files.
pub const DATA: &str = "data";

/// A part of what a mesh keeps that lies outside its data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    /// `events` or `objects`.
    pub what: String,
    /// Where it lies.
    pub url: String,
}

/// What a back-up says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of the back-up.
    pub format: u32,
    /// The version of Millrace that made it.
    pub millrace: String,
    /// The format of the data directory.
    pub data_format: u32,
    /// The instant of which all state is; RFC 3339.
    pub taken: String,
    /// What the back-up does not hold.
    pub elsewhere: Vec<Elsewhere>,
    /// How many files it holds.
    pub files: u64,
    /// How many bytes these have.
    pub size_bytes: u64,
    /// The SHA-256 of the list of files.
    pub list_sha256: Digest,
    /// The SHA-256 of all that stands above, so that a manifest that was changed is known.
    pub seal: Option<Digest>,
}

impl Manifest {
    /// A manifest of this version; nothing is listed yet.
    pub fn new(data_format: u32, taken: String, elsewhere: Vec<Elsewhere>) -> Self {
        let millrace = env!("CARGO_PKG_VERSION").to_owned();
        let (files, size_bytes, list_sha256) = (0, 0, Digest::of(b""));
        Self { format: FORMAT, millrace, data_format, taken, elsewhere, files, size_bytes, list_sha256, seal: None }
    }

    /// The text of the file, sealed.
    pub fn sealed(mut self) -> (Self, String) {
        self.seal = Some(self.digest());
        let text = serde_json::to_string_pretty(&self).expect("a manifest is JSON");
        (self, text + "\n")
    }

    fn digest(&self) -> Digest {
        let unsealed = Self { seal: None, ..self.clone() };
        Digest::of(&serde_json::to_vec(&unsealed).expect("a manifest is JSON"))
    }

    /// Reads the manifest of a back-up that this version can put back.
    pub fn read(backup: &Path) -> Result<Self, Error> {
        let path = backup.join(MANIFEST);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && backup.is_dir() => {
                return Err(Error::Incomplete(backup.to_owned()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Err(unreadable(backup)),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|_| unreadable(backup))?;
        if value["format"].as_u64().is_some_and(|format| format > u64::from(FORMAT)) {
            let found = value["millrace"].as_str().unwrap_or("of an unknown version").to_owned();
            return Err(Error::Newer { path: backup.to_owned(), found });
        }
        let manifest: Self = serde_json::from_value(value).map_err(|_| unreadable(backup))?;
        if manifest.seal != Some(manifest.digest()) {
            return Err(Error::damaged(backup, format!("{MANIFEST} was changed")));
        }
        let newer = version(&manifest.millrace) > version(env!("CARGO_PKG_VERSION"));
        if newer || manifest.data_format > runtime::lock::FORMAT {
            return Err(Error::Newer { path: backup.to_owned(), found: manifest.millrace });
        }
        Ok(manifest)
    }

    /// Calls `each` with every file of the back-up at `backup`, after the list itself was checked.
    pub fn files(
        &self,
        backup: &Path,
        stop: &Stop,
        each: &mut dyn FnMut(&Entry, PathBuf) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let list = backup.join(LIST);
        let listed = describe(&list, LIST, stop).map_err(|error| gone(backup, LIST, &list, error))?;
        if listed.sha256 != self.list_sha256 {
            return Err(Error::damaged(backup, format!("{LIST} was changed")));
        }
        let lines = BufReader::new(File::open(&list).map_err(Error::io("read", &list))?).lines();
        for line in lines {
            let line = line.map_err(Error::io("read", &list))?;
            let entry: Entry =
                serde_json::from_str(&line).map_err(|_| Error::damaged(backup, "its list is no list"))?;
            if !entry.stays_inside() {
                return Err(Error::damaged(backup, format!("it lists `{}`, which leads out of it", entry.path)));
            }
            let file = backup.join(DATA).join(&entry.path);
            each(&entry, file)?;
        }
        self.nothing_else_lies_in(backup)
    }

    /// A file that the list does not name was put there by somebody else.
    fn nothing_else_lies_in(&self, backup: &Path) -> Result<(), Error> {
        let mut found = 0;
        walk(&backup.join(DATA), "", &mut |_, _| {
            found += 1;
            Ok(())
        })?;
        match found == self.files {
            true => Ok(()),
            false => Err(Error::damaged(backup, format!("it holds {found} files and lists {}", self.files))),
        }
    }
}

/// Compares what was found with what is listed.
pub fn compare(backup: &Path, listed: &Entry, found: &Entry) -> Result<(), Error> {
    match found.size_bytes == listed.size_bytes && found.sha256 == listed.sha256 {
        true => Ok(()),
        false => Err(Error::damaged(backup, format!("`{}` is not what was written", listed.path))),
    }
}

/// Reads every byte of a back-up.
pub fn verify(backup: &Path, stop: &Stop, seen: &mut dyn FnMut(u64)) -> Result<Manifest, Error> {
    let manifest = Manifest::read(backup)?;
    manifest.files(backup, stop, &mut |entry, file| {
        let found = describe(&file, &entry.path, stop).map_err(|error| gone(backup, &entry.path, &file, error))?;
        seen(found.size_bytes);
        compare(backup, entry, &found)
    })?;
    Ok(manifest)
}

fn gone(backup: &Path, name: &str, file: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::damaged(backup, format!("`{name}` is missing")),
        _ => Error::io("read", file)(error),
    }
}

fn unreadable(backup: &Path) -> Error {
    Error::damaged(backup, format!("{MANIFEST} cannot be read"))
}

/// The numbers of a version; what is no number counts as the newest.
fn version(text: &str) -> [u64; 3] {
    let plain = text.split(['-', '+']).next().unwrap_or(text);
    let mut numbers = plain.split('.').map(|number| number.parse().unwrap_or(u64::MAX));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest::new(1, "2026-01-01T00:00:00Z".into(), Vec::new())
    }

    fn read(text: &str) -> Result<Manifest, Error> {
        let dir = testkit::temp_dir();
        std::fs::write(dir.path().join(MANIFEST), text).unwrap();
        Manifest::read(dir.path())
    }

    #[test]
    fn a_manifest_reads_back_and_a_changed_one_is_refused() {
        let (sealed, text) = manifest().sealed();
        assert_eq!(read(&text).unwrap(), sealed);
        let changed = read(&text.replace("2026", "2025"));
        assert!(matches!(changed, Err(Error::Damaged { .. })), "{changed:?}");
        let cut = read(&text[..40]);
        assert!(matches!(cut, Err(Error::Damaged { .. })), "{cut:?}");
    }

    #[test]
    fn what_a_newer_version_wrote_is_refused_as_such() {
        let newer = Manifest { millrace: "99.0.0".into(), ..manifest() };
        let form = Manifest { format: 2, ..manifest() };
        let data = Manifest { data_format: runtime::lock::FORMAT + 1, ..manifest() };
        for manifest in [newer, form, data] {
            let refused = read(&manifest.sealed().1);
            assert!(matches!(refused, Err(Error::Newer { .. })), "{refused:?}");
        }
        assert!(version("0.10.0") > version("0.9.12") && version("1.0.0-rc1") == version("1.0.0"));
    }
}
