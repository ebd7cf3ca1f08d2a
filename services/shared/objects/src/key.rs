//! Keys of objects.

use std::fmt;
use std::str::FromStr;

use types::{Digest, ProfileId, TenantId};

/// The key of an object: segments of `A-Z a-z 0-9 . _ -` joined by `/`, at most 512 bytes, no segment longer than 200,
/// none of them `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// A text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is no object key: it takes segments of A-Z, a-z, 0-9, `.`, `_` and `-` joined by `/`, at most 512 bytes"
)]
pub struct KeyError {
    given: String,
}

const MAX_KEY: usize = 512;
const MAX_SEGMENT: usize = 200;

impl Key {
    /// The key of bytes that profiling fetched for a tenant and keeps: `content/{tenant}/{sha256}`.
    pub fn content(tenant: &TenantId, digest: &Digest) -> Self {
        Self(format!("content/{tenant}/{digest}"))
    }

    /// The key of a profile: `profiles/{tenant}/{profile}.pb`.
    pub fn profile(tenant: &TenantId, profile: &ProfileId) -> Self {
        Self(format!("profiles/{tenant}/{profile}.pb"))
    }

    /// The key of what it takes to append rows to a profile: `states/{tenant}/{profile}.state`.
    pub fn state(tenant: &TenantId, profile: &ProfileId) -> Self {
        Self(format!("states/{tenant}/{profile}.state"))
    }

    /// The key of bytes that a tenant uploaded to catalog: `uploads/{tenant}/{sha256}`.
    pub fn upload(tenant: &TenantId, digest: &Digest) -> Self {
        Self(format!("uploads/{tenant}/{digest}"))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

pub(crate) fn is_segment(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    matches!(text.len(), 1..=MAX_SEGMENT) && text != "." && text != ".." && text.bytes().all(allowed)
}

impl FromStr for Key {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() <= MAX_KEY && text.split('/').all(is_segment) {
            return Ok(Self(text.to_owned()));
        }
        Err(KeyError { given: text.chars().take(80).collect() })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_segments_joined_by_slashes() {
        let long = "a".repeat(200);
        for good in ["a", "content/main/0af3", "a.b_c-D/..x", "...", long.as_str()] {
            assert_eq!(good.parse::<Key>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn what_could_leave_the_store_is_no_key() {
        let long = "a".repeat(201);
        let longer = ["a"; 300].join("/");
        for bad in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a b", "a@b", "ä", "a\\b", "a\0", &long, &longer]
        {
            assert!(bad.parse::<Key>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_made_from_ids_are_keys() {
        let tenant: TenantId = "main".parse().unwrap();
        let profile = ProfileId::derive(&Digest::of(b"a"), &Digest::of(b"b"), "1");
        for key in [
            Key::content(&tenant, &Digest::of(b"a")),
            Key::profile(&tenant, &profile),
            Key::state(&tenant, &profile),
            Key::upload(&tenant, &Digest::of(b"a")),
        ] {
            assert_eq!(key.as_str().parse::<Key>().unwrap(), key);
        }
    }
}
