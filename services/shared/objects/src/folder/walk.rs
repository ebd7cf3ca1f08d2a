//! Listing a folder of objects in the order of their keys.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::key::is_segment;
use crate::{Key, ObjectMeta};

/// How many names of one folder are held at a time.
const WINDOW: usize = 1_000;

/// Lists up to `limit` objects beneath `objects` that begin with `prefix` and follow `after`.
pub fn list(objects: &Path, prefix: &str, after: Option<&Key>, limit: usize) -> io::Result<Vec<ObjectMeta>> {
    let mut walk = Walk { prefix, after: after.map_or("", Key::as_str), limit, found: Vec::new() };
    walk.folder(objects, "")?;
    Ok(walk.found)
}

struct Walk<'a> {
    prefix: &'a str,
    after: &'a str,
    limit: usize,
    found: Vec<ObjectMeta>,
}

impl Walk<'_> {
    /// Walks one folder. `stem` is what the keys in it begin with: empty, or ending in a slash.
    ///
    /// Entries are ordered by key, a folder's being its name with a slash: no entry but an object is the beginning of
    /// another, so that order is also the order of the keys beneath.
    fn folder(&mut self, path: &Path, stem: &str) -> io::Result<()> {
        let mut last = String::new();
        while self.found.len() < self.limit {
            let window = self.next_window(path, stem, &last)?;
            let complete = window.len() < WINDOW;
            for (text, entry) in window {
                if self.found.len() == self.limit {
                    return Ok(());
                }
                if text.ends_with('/') {
                    self.folder(&entry, &text)?;
                } else {
                    self.object(&entry, &text)?;
                }
                last = text;
            }
            if complete {
                break;
            }
        }
        Ok(())
    }

    /// The first entries of a folder, in order, that follow `last` and may lead to what is wanted.
    fn next_window(&self, path: &Path, stem: &str, last: &str) -> io::Result<BTreeMap<String, PathBuf>> {
        let mut window = BTreeMap::new();
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            // Gone meanwhile, or a stranger that is no folder.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(window);
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let Some(text) = entry.file_name().to_str().and_then(|name| text_of(stem, name)) else { continue };
            if text.as_str() > last && self.may_lead_to_wanted(&text) {
                window.insert(text, entry.path());
                if window.len() > WINDOW {
                    window.pop_last();
                }
            }
        }
        Ok(window)
    }

    fn may_lead_to_wanted(&self, text: &str) -> bool {
        if text.ends_with('/') {
            let fits = text.starts_with(self.prefix) || self.prefix.starts_with(text);
            return fits && (text > self.after || self.after.starts_with(text));
        }
        text.starts_with(self.prefix) && text > self.after
    }

    fn object(&mut self, path: &Path, text: &str) -> io::Result<()> {
        let Ok(key) = text.parse::<Key>() else { return Ok(()) };
        match std::fs::metadata(path) {
            Ok(about) => self.found.push(super::meta(&key, &about)),
            // Deleted since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The key of the object that a file is, or the beginning of those that a folder holds; nothing for a stranger.
fn text_of(stem: &str, name: &str) -> Option<String> {
    match name.strip_suffix('@') {
        Some(segment) => is_segment(segment).then(|| format!("{stem}{segment}")),
        None => is_segment(name).then(|| format!("{stem}{name}/")),
    }
}
