//! An error that a child process told its parent.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use types::{ErrorKind, Fault, LimitHit};

use super::frame::{Failed, Pair};
use crate::Error;

/// In the order of their numbers between processes, which are of the same program.
const KINDS: [ErrorKind; 13] = [
    ErrorKind::Invalid,
    ErrorKind::Unauthenticated,
    ErrorKind::Forbidden,
    ErrorKind::NotFound,
    ErrorKind::AlreadyExists,
    ErrorKind::Conflict,
    ErrorKind::Precondition,
    ErrorKind::Exhausted,
    ErrorKind::Unavailable,
    ErrorKind::Timeout,
    ErrorKind::Internal,
    ErrorKind::Unsupported,
    ErrorKind::Cancelled,
];
/// More reasons and names than there are.
const WORDS: usize = 512;

/// An error of a child process: the same answers that it would have given there.
#[derive(Debug)]
pub struct Told {
    kind: ErrorKind,
    reason: &'static str,
    message: String,
    metadata: Vec<(&'static str, String)>,
    limit: Option<LimitHit>,
}

impl Told {
    /// Reads a message; nothing when no error of ours is like that.
    pub(crate) fn from_message(failed: Failed) -> Option<Self> {
        let kind = *KINDS.get(usize::try_from(failed.kind).ok()?)?;
        let reason = word(&failed.reason)?;
        let metadata = failed.metadata.into_iter().map(|Pair { name, value }| Some((word(&name)?, value)));
        let metadata = metadata.collect::<Option<_>>()?;
        let limit = failed.limit.map(|Pair { name, value }| LimitHit { name, value });
        Some(Self { kind, reason, message: failed.message, metadata, limit })
    }
}

/// An error as a message, with its causes: the parent has no log of the child.
pub(crate) fn message(error: &Error) -> Failed {
    let pair = |name: &str, value: String| Pair { name: name.to_owned(), value };
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    Failed {
        kind: KINDS.iter().position(|kind| *kind == error.kind()).unwrap_or_default() as u64,
        reason: error.reason().to_owned(),
        message,
        metadata: error.metadata().into_iter().map(|(name, value)| pair(name, value)).collect(),
        limit: error.limit().map(|limit| pair(&limit.name, limit.value)),
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Told {}

impl Fault for Told {
    fn kind(&self) -> ErrorKind {
        self.kind
    }

    fn reason(&self) -> &'static str {
        self.reason
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        self.metadata.clone()
    }

    fn limit(&self) -> Option<LimitHit> {
        self.limit.clone()
    }
}

/// A reason or a name for the life of the process. There are few, so each is kept once; what looks like none is refused.
fn word(text: &str) -> Option<&'static str> {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(word) = known.get(text) {
        return Some(word);
    }
    let is_word =
        (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_word || known.len() >= WORDS {
        return None;
    }
    let word: &'static str = Box::leak(text.to_owned().into_boxed_str());
    known.insert(word);
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_answers_the_same_on_both_sides() {
        for error in [
            table::Error::RecordTooLong { limit: 5, offset: 7 },
            table::Error::Io(std::io::Error::other("no such disk")),
            table::Error::Cancelled,
        ] {
            let error = Error::from(error);
            let told = Told::from_message(message(&error)).unwrap();
            assert_eq!(
                (told.kind(), told.reason(), told.metadata(), told.limit()),
                (error.kind(), error.reason(), error.metadata(), error.limit())
            );
            assert!(told.to_string().starts_with(&error.to_string()));
        }
        let unreadable = Error::from(table::Error::Io(std::io::Error::other("no such disk")));
        assert!(message(&unreadable).message.ends_with(": no such disk"));
    }

    #[test]
    fn what_is_no_error_of_ours_is_refused() {
        let failed = |kind, reason: &str| Failed { kind, reason: reason.to_owned(), ..Failed::default() };
        assert!(Told::from_message(failed(0, "EMPTY_FILE")).is_some());
        for refused in [failed(99, "EMPTY_FILE"), failed(0, ""), failed(0, "no word"), failed(0, &"X".repeat(65))] {
            assert!(Told::from_message(refused).is_none());
        }
    }
}
