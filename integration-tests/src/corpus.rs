//! What a mesh was given: files that change, come and go, and uploads; with all that they ever held.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;
use tonic::Status;
use types::Digest;

use crate::{Mesh, Session, csv, write};

/// One content of a file: no two are the same.
#[derive(Debug, Clone)]
pub struct Content {
    /// A word that stands in it and in no other.
    pub word: String,
    /// Its digest.
    pub digest: Digest,
    /// How many rows it has.
    pub rows: i64,
}

/// A file of the folder.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// All that it held, oldest first.
    pub contents: Vec<Content>,
    /// Whether it is there now.
    pub present: bool,
}

/// An upload.
#[derive(Debug, Clone)]
pub struct Sent {
    /// What was sent.
    pub content: Content,
    /// Whether it was acknowledged. Without that it may be there or not.
    pub acknowledged: bool,
}

/// The files of the source `all`, and uploads.
pub struct Corpus {
    folder: PathBuf,
    staging: PathBuf,
    rows: usize,
    words: usize,
    /// The files by their paths.
    pub files: BTreeMap<String, Held>,
    /// The uploads by their file names.
    pub uploads: BTreeMap<String, Sent>,
}

impl Corpus {
    /// So many files of about so many rows in the folder of `mesh`.
    pub fn new(mesh: &Mesh, files: usize, rows: usize) -> Self {
        let staging = mesh.outside().join("staging");
        let (folder, words) = (mesh.folder(), 0);
        let mut corpus = Self { folder, staging, rows, words, files: BTreeMap::new(), uploads: BTreeMap::new() };
        (0..files).for_each(|number| corpus.put(&format!("set-{number:03}.csv")));
        corpus
    }

    /// Gives a file a content that it never had, all at once.
    pub fn put(&mut self, path: &str) {
        let (text, content) = self.content();
        let staged = write(&self.staging, path, text);
        std::fs::rename(staged, self.folder.join(path)).expect("both lie on one file system");
        let held = self.files.entry(path.to_owned()).or_default();
        held.contents.push(content);
        held.present = true;
    }

    /// Removes a file.
    pub fn remove(&mut self, path: &str) {
        std::fs::remove_file(self.folder.join(path)).expect("the file is there");
        self.files.get_mut(path).expect("the file is known").present = false;
    }

    /// Changes some files, removes some, brings some back; at least half of them stay.
    pub fn stir(&mut self, random: &mut StdRng) {
        let count = self.files.len();
        let share = random.random_range(1..=count.div_ceil(5));
        let paths: Vec<String> = self.files.keys().cloned().choose_multiple(random, share);
        for path in paths {
            let gone = self.files.values().filter(|held| !held.present).count();
            match self.files[&path].present && gone * 2 < count && random.random_bool(0.3) {
                true => self.remove(&path),
                false => self.put(&path),
            }
        }
    }

    /// Uploads a dataset. Gives whether that was acknowledged.
    pub async fn upload(&mut self, session: &Session) -> bool {
        self.try_upload(session, 0).await.is_ok()
    }

    /// Uploads a dataset of at least so many bytes.
    pub async fn try_upload(&mut self, session: &Session, bytes: usize) -> Result<(), Status> {
        let (mut text, mut content) = self.content();
        while text.len() < bytes {
            text.push_str("0,2020-02-01,,,,\n");
            content.rows += 1;
        }
        content.digest = Digest::of(text.as_bytes());
        let id = format!("upload-{:05}", self.words);
        let name = format!("{id}.csv");
        // It counts as sent before it is sent: a caller that stops waiting does not know either.
        self.uploads.insert(name.clone(), Sent { content, acknowledged: false });
        session.upload(&id, &name, text.into_bytes()).await?;
        self.uploads.get_mut(&name).expect("it was noted").acknowledged = true;
        Ok(())
    }

    /// Takes the answer to the latest upload for unheard: it may be there or not.
    pub fn doubt_latest(&mut self) {
        if let Some(mut latest) = self.uploads.last_entry() {
            latest.get_mut().acknowledged = false;
        }
    }

    /// The file name of the latest upload.
    ///
    /// # Panics
    /// Before there was one.
    pub fn latest_upload(&self) -> &str {
        self.uploads.keys().next_back().expect("there was an upload")
    }

    /// How many uploads were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.uploads.values().filter(|sent| sent.acknowledged).count()
    }

    /// How many contents there ever were.
    pub fn contents(&self) -> usize {
        self.files.values().map(|held| held.contents.len()).sum::<usize>() + self.uploads.len()
    }

    fn content(&mut self) -> (String, Content) {
        self.words += 1;
        let word = format!("topic{}", self.words);
        let rows = self.rows + self.words % 17;
        let text = csv(&word, rows);
        let digest = Digest::of(text.as_bytes());
        (text, Content { word, digest, rows: i64::try_from(rows).expect("files are short") })
    }
}
