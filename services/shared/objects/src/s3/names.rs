//! The names that keys have in a bucket.
//!
//! Some servers keep a bucket as a tree of folders: there, `a` and `a/b` shut each other out or are listed in the order
//! of the tree instead of that of the bytes. So a name below the prefix is flat: `-`, `.` and `/` become `!`, `-` and
//! `.`, which stand in the same order among themselves and before all letters and digits. Hence names sort as their
//! keys do, and whatever begins a key begins its name: rules of the bucket by prefix (`uploads.main.`) still work.

use crate::Key;

/// Where the objects of one store lie in their bucket.
#[derive(Debug, Clone)]
pub struct Names {
    /// Empty, or ending in a slash.
    folder: String,
}

impl Names {
    /// Names beneath `prefix`, slashes around which do not count.
    pub fn beneath(prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        Self { folder: if prefix.is_empty() { String::new() } else { format!("{prefix}/") } }
    }

    /// What all names begin with.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The name of an object.
    pub fn of(&self, key: &Key) -> String {
        self.beginning(key.as_str())
    }

    /// What the names of all objects begin with whose keys begin with `beginning`.
    pub fn beginning(&self, beginning: &str) -> String {
        let flat = beginning.chars().map(|c| match c {
            '-' => '!',
            '.' => '-',
            '/' => '.',
            other => other,
        });
        self.folder.chars().chain(flat).collect()
    }

    /// The name of an object that is no key's: the one with which the server is tried out.
    pub fn probe(&self) -> String {
        format!("{}probe@", self.folder)
    }

    /// The key of a name; nothing for a stranger.
    pub fn key(&self, name: &str) -> Option<Key> {
        let flat = name.strip_prefix(&self.folder)?;
        let key: Option<String> = flat.chars().map(unflat).collect();
        key?.parse().ok()
    }
}

fn unflat(c: char) -> Option<char> {
    match c {
        '!' => Some('-'),
        '-' => Some('.'),
        '.' => Some('/'),
        '/' => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_keys_and_sort_as_they_do() {
        let mut keys: Vec<Key> = ["a", "a-b", "a.b/c", "a/b", "a/b/c", "a0", "A_", "a_b", "b/c-d/e.pb", "...", "-/_"]
            .map(|text| text.parse().unwrap())
            .into();
        keys.sort();
        for prefix in ["", "mesh", "/mesh/one/"] {
            let names = Names::beneath(prefix);
            let named: Vec<String> = keys.iter().map(|key| names.of(key)).collect();
            assert!(named.is_sorted(), "{named:?}");
            assert!(named.iter().zip(&keys).all(|(name, key)| names.key(name).as_ref() == Some(key)));
        }
    }

    #[test]
    fn a_strangers_name_is_no_key() {
        let names = Names::beneath("mesh");
        let probe = names.probe();
        for stranger in ["mesh/a/b", "other/a", "mesh/", "mesh/.a", "mesh/ä", probe.as_str()] {
            assert_eq!(names.key(stranger), None, "{stranger}");
        }
    }
}
