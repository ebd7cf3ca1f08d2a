//! The walk through anything that has folders and files, in the order of names, with a checkpoint after each page.
//!
//! The checkpoint is the path of the last entry that was dealt with. A later walk lists the folders above it again and
//! goes on behind it, so what it has to remember does not grow with the source.

use std::iter::Peekable;
use std::vec::IntoIter;

use async_trait::async_trait;
use fetch::{Bound, ByteStream, Fetcher};
use futures::{StreamExt, TryStreamExt, stream};
use proto::common::v1::Metadata;
use types::{ByteSize, Origin};

use super::package::{FILE_NAME, Package};
use super::{Found, Page, Walk, WalkOptions, Warning};
use crate::Error;

/// The most bytes of a `datapackage.json`.
const PACKAGE: Bound = Bound { name: "datapackage_bytes", bytes: ByteSize::mib(8) };
/// The longest name of a file or folder, in bytes.
const LONGEST_NAME: usize = 1024;
/// A page ends after so many folders, whatever was found in them.
const FOLDERS_A_PAGE: usize = 50;

/// A place with folders and files.
#[async_trait]
pub(super) trait Tree: Send + Sync {
    /// How many files are looked at, at once.
    const AT_ONCE: usize;

    /// Lists a folder, by its path within the source; the source itself is the empty path.
    async fn list(&self, folder: &str) -> Result<Listing, Error>;

    /// Looks at one file of a listing.
    async fn look(&self, path: &str, entry: &Entry) -> Result<Look, Error>;

    /// Where the bytes of a file are.
    fn origin(&self, path: &str) -> Result<Origin, Error>;

    /// How many levels of folders are followed.
    fn max_depth(&self) -> usize;

    /// The client for its bytes.
    fn fetcher(&self) -> &Fetcher;
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub entries: Vec<Entry>,
    pub warnings: Vec<Warning>,
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: String,
    pub is_folder: bool,
    /// What the listing says of its state; empty when it says nothing.
    pub note: String,
}

/// What a look at a file told.
#[derive(Debug)]
pub(super) struct Look {
    pub version_token: String,
    pub size_bytes: Option<u64>,
}

pub(super) struct TreeWalk<T> {
    tree: T,
    options: WalkOptions,
    stack: Vec<Frame>,
    started: bool,
    checkpoint: String,
}

struct Frame {
    folder: String,
    entries: Peekable<IntoIter<Entry>>,
    package: Option<Package>,
}

impl<T: Tree> TreeWalk<T> {
    pub(super) fn new(tree: T, options: WalkOptions) -> Self {
        let checkpoint = options.after.clone().unwrap_or_default();
        Self { tree, options, stack: Vec::new(), started: false, checkpoint }
    }

    /// Lists the source, and on the way to the checkpoint the folders above it, leaving out what lies before.
    async fn start(&mut self, page: &mut Page) -> Result<(), Error> {
        self.enter("", page).await?;
        self.started = true;
        let checkpoint = self.checkpoint.clone();
        let segments: Vec<&str> = checkpoint.split('/').filter(|segment| !segment.is_empty()).collect();
        for (index, segment) in segments.iter().enumerate() {
            let frame = self.stack.last_mut().expect("the source's own frame is there");
            while frame.entries.next_if(|entry| entry.name.as_str() < *segment).is_some() {}
            let Some(entry) = frame.entries.next_if(|entry| entry.name == *segment) else { break };
            // A checkpoint that ends with a slash is a folder of which nothing was dealt with yet.
            let is_done = index + 1 == segments.len() && !checkpoint.ends_with('/');
            let folder = join(&frame.folder, &entry.name);
            if is_done || !entry.is_folder || !self.enter_or_warn(&folder, page).await {
                break;
            }
        }
        Ok(())
    }

    async fn enter(&mut self, folder: &str, page: &mut Page) -> Result<(), Error> {
        let listing = self.tree.list(folder).await?;
        page.warnings.extend(listing.warnings);
        let mut entries = named_well(folder, listing.entries, page);
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.dedup_by(|a, b| a.name == b.name);
        let has_package = entries.iter().any(|entry| entry.name == FILE_NAME && !entry.is_folder);
        let package = if has_package { self.package(folder, page).await } else { None };
        entries.retain(|entry| !entry.name.starts_with('.') && (entry.is_folder || entry.name != FILE_NAME));
        self.stack.push(Frame { folder: folder.to_owned(), entries: entries.into_iter().peekable(), package });
        Ok(())
    }

    /// A folder that fails does not end the walk. Unless it is gone, what it holds is unknown.
    async fn enter_or_warn(&mut self, folder: &str, page: &mut Page) -> bool {
        let entered = self.enter(folder, page).await;
        if let Err(error) = &entered {
            page.incomplete |= !error.is_gone() && !error.leads_out();
            page.warnings.push(Warning::of(folder, error));
        }
        entered.is_ok()
    }

    async fn package(&self, folder: &str, page: &mut Page) -> Option<Package> {
        let path = join(folder, FILE_NAME);
        match self.read(&path).await {
            Ok(text) => match Package::parse(&text) {
                Ok(package) => Some(package),
                Err(error) => {
                    let message = format!("the file is no data package: {error}");
                    page.warnings.push(Warning::new(&path, "DATA_PACKAGE_INVALID", message));
                    None
                }
            },
            Err(error) => {
                page.warnings.push(Warning::of(&path, &error));
                None
            }
        }
    }

    async fn read(&self, path: &str) -> Result<String, Error> {
        let opened = self.tree.fetcher().open(&self.tree.origin(path)?, None).await?;
        let Some(fetched) = opened.fetched() else { return Ok(String::new()) };
        let mut body: ByteStream = fetched.body;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.try_next().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > PACKAGE.bytes.as_bytes() {
                let Bound { name, bytes: limit } = PACKAGE;
                return Err(fetch::Error::TooLarge { place: path.to_owned(), name, limit }.into());
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Takes entries up to the size of a page, going into folders as they come.
    async fn gather(&mut self, page: &mut Page) -> Vec<Candidate> {
        let mut files = Vec::new();
        let mut folders = 0;
        while files.len() < self.options.page_size && folders < FOLDERS_A_PAGE {
            let Some(frame) = self.stack.last_mut() else { break };
            let Some(entry) = frame.entries.next() else {
                self.stack.pop();
                continue;
            };
            let path = join(&frame.folder, &entry.name);
            self.checkpoint.clone_from(&path);
            if self.options.exclude.iter().any(|glob| glob.covers(&path)) {
                page.skipped += 1;
            } else if !entry.is_folder {
                if is_dataset(&self.options.extensions, &entry.name) {
                    files.push(Candidate { metadata: self.metadata(&path), path, entry });
                } else {
                    page.skipped += 1;
                }
            } else if self.stack.len() > self.tree.max_depth() {
                page.skipped += 1;
            } else {
                folders += 1;
                self.checkpoint.push('/');
                self.enter_or_warn(&path, page).await;
            }
        }
        files
    }

    /// What the nearest package above a file says of it.
    fn metadata(&self, path: &str) -> Metadata {
        let nearest = self.stack.iter().rev().find_map(|frame| {
            let within =
                if frame.folder.is_empty() { path } else { path.strip_prefix(&frame.folder)?.strip_prefix('/')? };
            Some(frame.package.as_ref()?.metadata(within))
        });
        nearest.unwrap_or_default()
    }

    async fn look_at(&self, files: Vec<Candidate>, page: &mut Page) {
        let looks = stream::iter(files).map(|file| async move {
            let look = self.tree.look(&file.path, &file.entry).await;
            (file, look)
        });
        let mut looks = looks.buffered(T::AT_ONCE);
        while let Some((Candidate { path, metadata, .. }, look)) = looks.next().await {
            match look.and_then(|look| Ok((look, self.tree.origin(&path)?))) {
                Ok((Look { version_token, size_bytes }, origin)) => {
                    page.found.push(Found { path, origin, version_token, size_bytes, metadata });
                }
                Err(error) => {
                    page.warnings.push(Warning::of(&path, &error));
                    // It is there, as far as anybody can tell, so it must not be taken for missing.
                    if !error.is_gone() && !error.leads_out() {
                        page.unread.push(path);
                    }
                }
            }
        }
    }
}

/// A file that will be looked at.
struct Candidate {
    path: String,
    entry: Entry,
    metadata: Metadata,
}

#[async_trait]
impl<T: Tree> Walk for TreeWalk<T> {
    async fn next_page(&mut self) -> Result<Option<Page>, Error> {
        let mut page = Page::default();
        if !self.started {
            self.start(&mut page).await?;
        }
        if self.stack.is_empty() {
            return Ok(None);
        }
        let files = self.gather(&mut page).await;
        self.look_at(files, &mut page).await;
        page.checkpoint.clone_from(&self.checkpoint);
        Ok(Some(page))
    }

    async fn is_gone(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let entry = Entry { name: name.to_owned(), is_folder: false, note: String::new() };
        match self.tree.look(path, &entry).await {
            Ok(_) => return false,
            Err(error) if error.is_answered_gone() => return true,
            Err(_) => {}
        }
        // That a file is not in its folder proves nothing while the folder is away, or empty like an unused mount.
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let Ok(listing) = self.tree.list(folder).await else { return false };
        let is_listed = listing.entries.iter().any(|entry| entry.name == name);
        let has_others = listing.entries.iter().any(|entry| !entry.name.starts_with('.'));
        has_others && !is_listed
    }
}

/// Leaves out what has a name that no file system knows, so that paths keep a bounded length.
fn named_well(folder: &str, mut entries: Vec<Entry>, page: &mut Page) -> Vec<Entry> {
    entries.retain(|entry| {
        let fits = entry.name.len() <= LONGEST_NAME;
        if !fits {
            let message = format!("the name is longer than {LONGEST_NAME} bytes");
            page.warnings.push(Warning::new(&join(folder, &entry.name), "NAME_TOO_LONG", message));
        }
        fits
    });
    entries
}

pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn is_dataset(extensions: &[String], name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let plain = lower.strip_suffix(".gz").unwrap_or(&lower);
    plain.rsplit_once('.').is_some_and(|(stem, ending)| !stem.is_empty() && extensions.iter().any(|e| e == ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_are_told_by_their_ending() {
        let extensions = ["csv".to_owned(), "json".to_owned()];
        for name in ["a.csv", "A.CSV", "a.b.json", "a.csv.gz"] {
            assert!(is_dataset(&extensions, name), "{name}");
        }
        for name in ["a", "a.gz", "csv", "a.csv.zip", "readme.md", ".csv"] {
            assert!(!is_dataset(&extensions, name), "{name}");
        }
    }

    /// Folders and files in memory, by path.
    struct Memory(Vec<&'static str>, Fetcher);

    #[async_trait]
    impl Tree for Memory {
        const AT_ONCE: usize = 2;

        async fn list(&self, folder: &str) -> Result<Listing, Error> {
            let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            let rests = self.0.iter().filter_map(|path| path.strip_prefix(&prefix));
            let entry = |rest: &str| {
                let (name, is_folder) = rest.split_once('/').map_or((rest, false), |(first, _)| (first, true));
                Entry { name: name.to_owned(), is_folder, note: String::new() }
            };
            Ok(Listing { entries: rests.rev().map(entry).collect(), warnings: Vec::new() })
        }

        async fn look(&self, _: &str, _: &Entry) -> Result<Look, Error> {
            Ok(Look { version_token: "v".into(), size_bytes: None })
        }

        fn origin(&self, path: &str) -> Result<Origin, Error> {
            Ok(Origin::File { path: path.into() })
        }

        fn max_depth(&self) -> usize {
            3
        }

        fn fetcher(&self) -> &Fetcher {
            &self.1
        }
    }

    fn walk(page_size: usize, after: Option<String>) -> TreeWalk<Memory> {
        let paths = vec![
            "a-b.csv",
            "a.csv",
            "a/1.csv",
            "a/b/2.csv",
            "a/b/3.csv",
            "a/c.csv",
            "b/skip.md",
            "c/d/e/4.csv",
            "c/d/e/f/too-deep.csv",
            "z.csv",
        ];
        let memory = Memory(paths, Fetcher::new(fetch::Policy::default()).unwrap());
        TreeWalk::new(memory, WalkOptions { exclude: vec![], extensions: vec!["csv".into()], page_size, after })
    }

    /// Walks to the end; with `restart`, each page is listed by a new walk from the checkpoint of the page before.
    async fn all(page_size: usize, restart: bool) -> Vec<String> {
        let mut paths = Vec::new();
        let mut current = walk(page_size, None);
        let mut last = None;
        while let Some(page) = current.next_page().await.unwrap() {
            assert!(page.found.len() <= page_size);
            paths.extend(page.found.into_iter().map(|found| found.path));
            if restart && last.as_ref() == Some(&page.checkpoint) {
                break;
            }
            if restart {
                current = walk(page_size, Some(page.checkpoint.clone()));
            }
            last = Some(page.checkpoint);
        }
        paths
    }

    #[tokio::test]
    async fn a_walk_from_any_checkpoint_lists_the_rest_and_nothing_twice() {
        let whole = ["a/1.csv", "a/b/2.csv", "a/b/3.csv", "a/c.csv", "a-b.csv", "a.csv", "c/d/e/4.csv", "z.csv"];
        for page_size in 1..=9 {
            for restart in [false, true] {
                assert_eq!(all(page_size, restart).await, whole, "pages of {page_size}, restart {restart}");
            }
        }
    }
}
