//! Which folders may be sources.

use std::io::ErrorKind::NotFound;
use std::path::{Component, Path, PathBuf};

use crate::{Error, Policy};

pub(crate) fn check(policy: &Policy, path: &Path) -> Result<PathBuf, Error> {
    if !path.is_absolute() {
        return Err(Error::PathNotAbsolute { path: path.to_owned() });
    }
    let resolved = resolve(path).map_err(|error| Error::reading(path, error))?;
    // Rules first, so that the answer does not tell what exists outside the roots.
    if is_forbidden(policy, resolved.place()) {
        return Err(Error::FolderIsDataDirectory { path: path.to_owned() });
    }
    if !is_beneath_a_root(policy, resolved.place()) {
        return Err(Error::FolderOutsideRoots { path: path.to_owned() });
    }
    match resolved {
        Resolved::Exists(canonical) if canonical.is_dir() => Ok(canonical),
        Resolved::Exists(_) | Resolved::WouldBe(_) => Err(Error::FolderNotFound { path: path.to_owned() }),
    }
}

/// Tells whether a canonical path lies in the data directory.
pub(crate) fn is_forbidden(policy: &Policy, canonical: &Path) -> bool {
    policy.forbidden.iter().any(|forbidden| canonical.starts_with(canonical_or_same(forbidden)))
}

pub(crate) fn is_beneath_a_root(policy: &Policy, canonical: &Path) -> bool {
    policy.folder_roots.iter().any(|root| canonical.starts_with(canonical_or_same(root)))
}

// Roots are resolved at each use: they may be mounted, or replaced, after the start.
fn canonical_or_same(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

enum Resolved {
    Exists(PathBuf),
    /// Where the path would be: what exists of it, resolved, and the rest as written.
    WouldBe(PathBuf),
}

impl Resolved {
    fn place(&self) -> &Path {
        match self {
            Self::Exists(path) | Self::WouldBe(path) => path,
        }
    }
}

fn resolve(path: &Path) -> Result<Resolved, std::io::Error> {
    match path.canonicalize() {
        Ok(canonical) => return Ok(Resolved::Exists(canonical)),
        Err(error) if error.kind() == NotFound || error.kind() == std::io::ErrorKind::NotADirectory => {}
        // What may not be looked into is judged by its name alone.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
        Err(error) => return Err(error),
    }
    let plain = without_dots(path);
    let mut existing = plain.as_path();
    while let Some(parent) = existing.parent() {
        existing = parent;
        if let Ok(canonical) = existing.canonicalize() {
            let rest = plain.strip_prefix(existing).expect("an ancestor is a prefix");
            return Ok(Resolved::WouldBe(canonical.join(rest)));
        }
    }
    Ok(Resolved::WouldBe(plain))
}

fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use types::Fault;

    use super::*;

    fn world() -> (tempfile::TempDir, Policy) {
        let world = tempfile::tempdir().unwrap();
        for folder in ["root/in", "root/data", "outside"] {
            std::fs::create_dir_all(world.path().join(folder)).unwrap();
        }
        let policy = Policy {
            folder_roots: vec![world.path().join("root")],
            forbidden: vec![world.path().join("root/data")],
            ..Policy::default()
        };
        (world, policy)
    }

    #[test]
    fn a_folder_beneath_a_root_is_taken() {
        let (world, policy) = world();
        assert!(check(&policy, &world.path().join("root")).is_ok());
        assert!(check(&policy, &world.path().join("root/./in/../in")).unwrap().ends_with("root/in"));
    }

    #[test]
    fn a_folder_outside_the_roots_is_refused_whether_it_exists_or_not() {
        let (world, policy) = world();
        for path in ["outside", "nowhere", "root/../outside", "root/gone/../../outside", "rootless"] {
            let error = check(&policy, &world.path().join(path)).unwrap_err();
            assert_eq!(error.reason(), "FOLDER_OUTSIDE_ROOTS", "{path}");
            assert!(error.metadata().contains(&("setting", "folder_roots".to_owned())));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_does_not_carry_a_folder_into_the_roots() {
        let (world, policy) = world();
        std::os::unix::fs::symlink(world.path().join("outside"), world.path().join("root/link")).unwrap();
        assert_eq!(check(&policy, &world.path().join("root/link")).unwrap_err().reason(), "FOLDER_OUTSIDE_ROOTS");
        std::os::unix::fs::symlink(world.path().join("root/self"), world.path().join("root/self")).unwrap();
        assert_eq!(check(&policy, &world.path().join("root/self")).unwrap_err().reason(), "LINK_LOOP");
    }

    #[test]
    fn the_data_directory_never_qualifies() {
        let (world, policy) = world();
        for path in ["root/data", "root/data/spool"] {
            let error = check(&policy, &world.path().join(path)).unwrap_err();
            assert_eq!(error.reason(), "FOLDER_IS_DATA_DIRECTORY", "{path}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_told_apart() {
        let (world, policy) = world();
        assert_eq!(check(&policy, &world.path().join("root/later")).unwrap_err().reason(), "FOLDER_NOT_FOUND");
        assert_eq!(check(&policy, Path::new("later")).unwrap_err().reason(), "PATH_NOT_ABSOLUTE");
    }
}
