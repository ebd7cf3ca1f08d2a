//! Folders of files.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use fetch::Fetcher;
use proto::discovery::v1::source::Settings;
use proto::discovery::v1::{FolderSettings, SettingSchema};
use types::{FieldViolation, Origin};

use super::tree::{Entry, Listing, Look, Tree, TreeWalk};
use super::{Discoverer, Walk, WalkOptions, Warning, setting};
use crate::Error;

/// Deeper folders are not followed, so that links that lead round and round come to an end.
const MAX_DEPTH: usize = 64;

/// The kind *folder*.
pub(super) struct Folder;

fn own(settings: &Settings) -> Option<&FolderSettings> {
    match settings {
        Settings::Folder(folder) => Some(folder),
        Settings::HttpIndex(_) => None,
    }
}

#[async_trait]
impl Discoverer for Folder {
    fn kind(&self) -> &'static str {
        "folder"
    }

    fn description(&self) -> &'static str {
        "The files of a folder and of the folders in it."
    }

    fn settings_type(&self) -> &'static str {
        "millrace.discovery.v1.FolderSettings"
    }

    fn schema(&self) -> Vec<SettingSchema> {
        let path = "The absolute path of the folder. It lies beneath a root that the operator configured.";
        vec![setting("path", "string", true, path)]
    }

    fn accepts(&self, settings: &Settings) -> bool {
        own(settings).is_some()
    }

    fn violations(&self, settings: &Settings) -> Vec<FieldViolation> {
        let path = own(settings).map_or("", |folder| folder.path.as_str());
        if Path::new(path).is_absolute() && path.len() <= 4096 && !path.contains('\0') {
            return Vec::new();
        }
        vec![FieldViolation::new("folder.path", "must be an absolute path of at most 4096 bytes")]
    }

    async fn check(&self, settings: &Settings, fetcher: &Fetcher) -> Result<(), Error> {
        let path = own(settings).map(|folder| PathBuf::from(&folder.path)).unwrap_or_default();
        let fetcher = fetcher.clone();
        match runtime::blocking(move || fetcher.check_folder(&path)).await {
            Ok(_) | Err(fetch::Error::FolderNotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn walk(&self, settings: &Settings, fetcher: &Fetcher, options: WalkOptions) -> Result<Box<dyn Walk>, Error> {
        let folder = own(settings).ok_or(Error::UnknownKind)?;
        let tree = FolderTree { path: PathBuf::from(&folder.path), fetcher: fetcher.clone() };
        Ok(Box::new(TreeWalk::new(tree, options)))
    }
}

struct FolderTree {
    path: PathBuf,
    fetcher: Fetcher,
}

#[async_trait]
impl Tree for FolderTree {
    const AT_ONCE: usize = 4;

    async fn list(&self, folder: &str) -> Result<Listing, Error> {
        let (path, fetcher, folder) = (self.path.join(folder), self.fetcher.clone(), folder.to_owned());
        runtime::blocking(move || list(&fetcher, &path, &folder)).await
    }

    async fn look(&self, path: &str, _: &Entry) -> Result<Look, Error> {
        let (path, fetcher) = (self.path.join(path), self.fetcher.clone());
        let found = runtime::blocking(move || fetcher.check_file(&path)).await?;
        Ok(Look { version_token: found.version_token, size_bytes: Some(found.size_bytes) })
    }

    fn origin(&self, path: &str) -> Result<Origin, Error> {
        Ok(Origin::File { path: self.path.join(path) })
    }

    fn max_depth(&self) -> usize {
        MAX_DEPTH
    }

    fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }
}

fn list(fetcher: &Fetcher, path: &Path, folder: &str) -> Result<Listing, Error> {
    let canonical = fetcher.check_folder(path)?;
    let unreadable = |source| fetch::Error::Read { path: path.to_owned(), source };
    let mut listing = Listing::default();
    for entry in canonical.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let Ok(name) = entry.file_name().into_string() else {
            let place = super::tree::join(folder, &entry.file_name().to_string_lossy());
            listing.warnings.push(Warning::new(&place, "NAME_NOT_UTF8", "the name is no UTF-8"));
            continue;
        };
        match is_folder(fetcher, &canonical, &entry.path(), entry.file_type().map_err(unreadable)?) {
            Ok(Some(is_folder)) => listing.entries.push(Entry { name, is_folder, note: String::new() }),
            Ok(None) => {}
            Err(error) => listing.warnings.push(Warning::of(&super::tree::join(folder, &name), &error)),
        }
    }
    Ok(listing)
}

/// Tells folders from files, links followed; `None` for what is nobody's dataset: devices, pipes, the data directory.
fn is_folder(
    fetcher: &Fetcher,
    folder: &Path,
    path: &Path,
    file_type: std::fs::FileType,
) -> Result<Option<bool>, Error> {
    if !file_type.is_symlink() {
        let is_ours = file_type.is_dir() && fetcher.is_forbidden(path);
        return Ok((!is_ours && (file_type.is_dir() || file_type.is_file())).then_some(file_type.is_dir()));
    }
    let target = path.canonicalize().map_err(|error| fetch::Error::reading(path, error))?;
    if !target.is_dir() {
        return fetcher.check_file(path).map(|_| Some(false)).map_err(Error::from);
    }
    if fetcher.check_folder(&target).is_err() {
        return Err(fetch::Error::LinkLeadsOut { path: path.to_owned() }.into());
    }
    if folder.starts_with(&target) {
        return Err(Error::LinkLoop { path: path.display().to_string() });
    }
    Ok(Some(true))
}
