//! Makes a back-up, also while the mesh runs.
//!
//! The state of all databases is of one instant ([`sql::Freeze`]), so what is put back is what a kill of the process at
//! that instant would have left: outboxes, inboxes, the event log and the positions of its consumers fit together, and a
//! start goes on from there as it does after a kill. Objects are copied after that: each one that the state names was
//! stored before it was named, never changes, and is not deleted while something may name it. Not copied: the search
//! index, which a start builds from the records; bytes on their way in; the administrator's token.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use types::{Clock, Digest};

use super::error::Error;
use super::manifest::{DATA, Elsewhere, LIST, MANIFEST, Manifest};
use super::tree::{Entry, Stop, Tree, make_folder, sync_folder, walk};
use crate::mesh::role::Role;
use crate::mesh::settings::HASH_KEY_FILE;

/// How long it may take until nobody writes to any database.
const PATIENCE: Duration = Duration::from_secs(30);
/// The format of the data directory.
const FORMAT_FILE: &str = "format";
/// The database of events, where they lie in the data directory.
const EVENTS: &str = "events.db";
/// The folder of objects, where they lie in the data directory.
const OBJECTS: &str = "objects";

/// What is backed up.
#[derive(Debug)]
pub struct Source {
    /// The data directory.
    pub data_dir: PathBuf,
    /// What lies outside it.
    pub elsewhere: Vec<Elsewhere>,
}

/// How far a back-up is.
pub type Seen<'a> = &'a mut (dyn FnMut(&str, u64) + Send);

/// Makes the back-up `target`: whole, or nothing that looks like one.
pub async fn take(source: Source, target: &Path, clock: &dyn Clock, seen: Seen<'_>) -> Result<Manifest, Error> {
    let data_dir = source.data_dir.canonicalize().map_err(Error::io("read", &source.data_dir))?;
    let data_format = format_of(&data_dir)?;
    let databases = databases(&data_dir, &source.elsewhere)?;
    let (parent, name) = place(target, &data_dir)?;
    let staging = tempfile::Builder::new()
        .prefix(&format!(".{name}.partial-"))
        .permissions(PermissionsExt::from_mode(0o700))
        .tempdir_in(&parent)
        .map_err(Error::io("make a folder in", &parent))?;
    make_folder(&staging.path().join(DATA))?;

    let paths: Vec<_> = databases.iter().map(|name| data_dir.join(name)).collect();
    let mut freeze = sql::Freeze::begin(&paths, PATIENCE).await?;
    let taken = clock.now();
    let mut pinned = Vec::new();
    for (name, path) in databases.iter().zip(&paths) {
        pinned.push((name, freeze.pin(path, &staging.path().join(DATA).join(name)).await?));
    }
    freeze.end().await?;
    for (name, pinned) in pinned {
        seen(&format!("copying {name}"), 0);
        pinned.copy().await?;
    }

    let manifest = Manifest::new(data_format, taken.to_string(), source.elsewhere);
    let stop = Stop::default();
    let _stopping = stop.on_drop();
    let (target, (sender, mut said)) = (parent.join(name), tokio::sync::mpsc::channel(64));
    let work = runtime::blocking(move || {
        let files = Files { data_dir, tree: Tree::new(staging.path().join(DATA), stop), said: sender };
        let manifest = files.copy(&staging, &databases, manifest)?;
        publish(staging, &target)?;
        Ok(manifest)
    });
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            Some(bytes) = said.recv() => seen("copying files", bytes),
        }
    }
}

/// The parts that are copied file by file.
struct Files {
    data_dir: PathBuf,
    tree: Tree,
    said: tokio::sync::mpsc::Sender<u64>,
}

impl Files {
    fn copy(mut self, staging: &TempDir, databases: &[String], mut manifest: Manifest) -> Result<Manifest, Error> {
        let mut list = List::create(&staging.path().join(LIST))?;
        for name in databases {
            list.add(&self.tree.adopt(name)?)?;
        }
        for name in [FORMAT_FILE, HASH_KEY_FILE] {
            let copied = self.tree.copy(&self.data_dir.join(name), name)?;
            list.add(&copied.ok_or_else(|| incomplete(&self.data_dir, name))?)?;
        }
        let (tree, said) = (&mut self.tree, &self.said);
        let objects = objects::Folder::objects_of(&self.data_dir.join(OBJECTS));
        let stem = objects.strip_prefix(&self.data_dir).expect("objects lie in the data directory").to_string_lossy();
        walk(&objects, &format!("{stem}/"), &mut |file, path| {
            // One that is gone by now was replaced because it was damaged: nothing can name it.
            let Some(entry) = tree.copy(file, path)? else { return Ok(()) };
            let _nobody_looks = said.blocking_send(entry.size_bytes);
            list.add(&entry)
        })?;
        self.tree.sync()?;
        (manifest.files, manifest.size_bytes, manifest.list_sha256) = list.finish()?;
        let (manifest, text) = manifest.sealed();
        let place = staging.path().join(MANIFEST);
        runtime::lock::write_private(&place, text.as_bytes()).map_err(Error::io("write", &place))?;
        Ok(manifest)
    }
}

/// Gives a finished back-up its name.
fn publish(staging: TempDir, target: &Path) -> Result<(), Error> {
    // A folder that is there and empty would be replaced, anything else is refused.
    if target.symlink_metadata().is_ok() {
        return Err(Error::TargetExists(target.to_owned()));
    }
    std::fs::rename(staging.path(), target).map_err(Error::io("name", target))?;
    let _renamed = staging.keep();
    sync_folder(target.parent().expect("a back-up lies in a folder"))
}

/// The list of files while it is written.
struct List {
    path: PathBuf,
    file: BufWriter<std::fs::File>,
    hasher: types::DigestHasher,
    files: u64,
    size_bytes: u64,
}

impl List {
    fn create(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = BufWriter::new(file.map_err(Error::io("write", path))?);
        Ok(Self { path: path.to_owned(), file, hasher: types::DigestHasher::default(), files: 0, size_bytes: 0 })
    }

    fn add(&mut self, entry: &Entry) -> Result<(), Error> {
        let mut line = serde_json::to_vec(entry).expect("an entry is JSON");
        line.push(b'\n');
        self.hasher.update(&line);
        self.files += 1;
        self.size_bytes += entry.size_bytes;
        self.file.write_all(&line).map_err(Error::io("write", &self.path))
    }

    /// Gives files, bytes, and the digest of the list, which is on disk.
    fn finish(mut self) -> Result<(u64, u64, Digest), Error> {
        let written = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        written.map_err(Error::io("write", &self.path))?;
        Ok((self.files, self.size_bytes, self.hasher.finish()))
    }
}

/// The databases of a data directory: all that lie there, and none may be missing.
fn databases(data_dir: &Path, elsewhere: &[Elsewhere]) -> Result<Vec<String>, Error> {
    let is_here = |what: &str| !elsewhere.iter().any(|part| part.what == what);
    let mut needed: Vec<String> = Role::ALL.iter().map(|role| format!("{role}.db")).collect();
    needed.extend(is_here("events").then(|| EVENTS.to_owned()));
    needed.extend(is_here("objects").then(|| OBJECTS.to_owned()));
    if let Some(missing) = needed.iter().find(|name| !data_dir.join(name).exists()) {
        return Err(incomplete(data_dir, missing));
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(data_dir).map_err(Error::io("read", data_dir))? {
        let name = entry.map_err(Error::io("read", data_dir))?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".db") {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

fn format_of(data_dir: &Path) -> Result<u32, Error> {
    let text = std::fs::read_to_string(data_dir.join(FORMAT_FILE)).map_err(|_| incomplete(data_dir, FORMAT_FILE))?;
    let format: u32 = text.trim().parse().map_err(|_| incomplete(data_dir, FORMAT_FILE))?;
    match format > runtime::lock::FORMAT {
        true => Err(Error::Newer { path: data_dir.to_owned(), found: format!("of data format {format}") }),
        false => Ok(format),
    }
}

fn incomplete(data_dir: &Path, missing: &str) -> Error {
    Error::SourceIncomplete { path: data_dir.to_owned(), missing: missing.to_owned() }
}

/// The folder in which the back-up is to lie, and its name there.
fn place(target: &Path, data_dir: &Path) -> Result<(PathBuf, String), Error> {
    if target.symlink_metadata().is_ok() {
        return Err(Error::TargetExists(target.to_owned()));
    }
    let name = target.file_name().ok_or_else(|| Error::TargetExists(target.to_owned()))?;
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent.canonicalize().map_err(Error::io("find", parent))?;
    match parent.starts_with(data_dir) {
        true => Err(Error::TargetInside(target.to_owned())),
        false => Ok((parent, name.to_string_lossy().into_owned())),
    }
}
