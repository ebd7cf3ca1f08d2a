//! The lists of searches, pinned in memory at their first page.
//!
//! A search for common words lists up to ten thousand results, and to write that list to disk takes longer than to find
//! it. So lists stay in memory, up to a set size over all tenants. What goes beyond it is pinned by [`sql::pages`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sql::pages::KEPT;
use types::{Digest, TenantId, Timestamp};

/// What tells the tokens given here from those of [`sql::pages`], which are base64.
const MARK: char = '~';

/// What a list is pinned for: a token serves no other tenant and no other search.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Whose search it is.
    pub tenant: TenantId,
    /// The search, without its page.
    pub search: Digest,
}

/// The lists that are kept now.
#[derive(Debug)]
pub struct Pins {
    started: Timestamp,
    limit_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lists: HashMap<u128, List>,
    /// The last list of each search.
    last: HashMap<Asked, u128>,
    /// In the order in which they were pinned, which is that in which they end.
    order: VecDeque<u128>,
    bytes: usize,
}

#[derive(Debug)]
struct List {
    asked: Asked,
    created: Timestamp,
    /// One line a result.
    lines: Box<str>,
    length: usize,
}

/// Where a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    list: u128,
    created: Timestamp,
    offset: usize,
}

impl Pins {
    /// Keeps up to `limit_bytes` of lists; `now` is when the process started.
    pub fn new(limit_bytes: usize, now: Timestamp) -> Self {
        Self { started: now, limit_bytes, kept: Mutex::default() }
    }

    /// Tells whether [`next`](Self::next) can read `token`.
    pub fn gave(token: &str) -> bool {
        token.starts_with(MARK)
    }

    /// Pins a list of `length` lines and gives the token of what follows the first `offset` of them.
    ///
    /// The list that a search got last is given again while it is the same line by line, and young enough for its token
    /// to last nearly as long as promised. None when the list does not fit beside those that are kept.
    pub fn first(&self, asked: &Asked, lines: &str, length: usize, offset: usize, now: Timestamp) -> Option<String> {
        let mut kept = self.kept();
        kept.forget(now);
        if let Some((list, created)) = kept.same(asked, lines, now) {
            return Some(Token { list, created, offset }.encode());
        }
        if kept.bytes + lines.len() > self.limit_bytes {
            return None;
        }
        let list = uuid::Uuid::new_v4().as_u128();
        kept.bytes += lines.len();
        kept.order.push_back(list);
        kept.last.insert(asked.clone(), list);
        kept.lists.insert(list, List { asked: asked.clone(), created: now, lines: lines.into(), length });
        Some(Token { list, created: now, offset }.encode())
    }

    /// Gives up to `size` lines from where `token` says, and the token of what follows; that is empty at the end.
    ///
    /// Lists end with the process: a token from before it started has expired. Fails with
    /// [`sql::Error::PageTokenInvalid`] or [`sql::Error::PageTokenExpired`].
    pub fn next(
        &self,
        asked: &Asked,
        token: &str,
        size: usize,
        now: Timestamp,
    ) -> Result<(Vec<String>, String), sql::Error> {
        let token = Token::decode(token).ok_or(sql::Error::PageTokenInvalid)?;
        if now.since(token.created) >= KEPT || token.created < self.started {
            return Err(sql::Error::PageTokenExpired);
        }
        let kept = self.kept();
        let list = kept.lists.get(&token.list).filter(|list| list.asked == *asked);
        let list = list.ok_or(sql::Error::PageTokenInvalid)?;
        let lines = list.lines.lines().skip(token.offset).take(size).map(str::to_owned).collect();
        let offset = token.offset.saturating_add(size);
        let next = if offset < list.length { Token { offset, ..token }.encode() } else { String::new() };
        Ok((lines, next))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Drops the lists that have ended.
    fn forget(&mut self, now: Timestamp) {
        while let Some(oldest) = self.order.front().copied() {
            if self.lists.get(&oldest).is_some_and(|list| now.since(list.created) < KEPT) {
                return;
            }
            self.order.pop_front();
            let Some(list) = self.lists.remove(&oldest) else { continue };
            self.bytes -= list.lines.len();
            if self.last.get(&list.asked) == Some(&oldest) {
                self.last.remove(&list.asked);
            }
        }
    }

    fn same(&self, asked: &Asked, lines: &str, now: Timestamp) -> Option<(u128, Timestamp)> {
        let number = *self.last.get(asked)?;
        let list = self.lists.get(&number)?;
        let young = now.since(list.created) < KEPT / 60;
        (young && *list.lines == *lines).then_some((number, list.created))
    }
}

impl Token {
    fn encode(self) -> String {
        format!("{MARK}{:x}-{:x}-{:x}", self.list, self.created.as_micros(), self.offset)
    }

    fn decode(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(MARK)?.split('-');
        let (list, created, offset) = (parts.next()?, parts.next()?, parts.next()?);
        let created = Timestamp::from_micros(i64::from_str_radix(created, 16).ok()?);
        let list = u128::from_str_radix(list, 16).ok()?;
        Some(Self { list, created, offset: usize::from_str_radix(offset, 16).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn asked(search: &str) -> Asked {
        Asked { tenant: "main".parse().unwrap(), search: Digest::of(search.as_bytes()) }
    }

    fn pins() -> Pins {
        Pins::new(20, START)
    }

    #[test]
    fn a_list_is_read_page_by_page() {
        let pins = pins();
        let token = pins.first(&asked("a"), "1\n2\n3\n4\n5", 5, 2, START).unwrap();
        assert!(Pins::gave(&token));
        let (page, token) = pins.next(&asked("a"), &token, 2, START).unwrap();
        assert_eq!(page, ["3", "4"]);
        let (page, token) = pins.next(&asked("a"), &token, 2, START).unwrap();
        assert_eq!((page, token.as_str()), (vec!["5".to_owned()], ""));
    }

    #[test]
    fn a_token_serves_its_own_search_for_ten_minutes_and_one_process() {
        let pins = pins();
        let token = pins.first(&asked("a"), "1\n2", 2, 1, START).unwrap();
        let reason = |pins: &Pins, asked: &Asked, token: &str, now| {
            types::Fault::reason(&pins.next(asked, token, 1, now).unwrap_err())
        };
        assert_eq!(reason(&pins, &asked("b"), &token, START), "PAGE_TOKEN_INVALID");
        assert_eq!(reason(&pins, &asked("a"), "~1-2", START), "PAGE_TOKEN_INVALID");
        assert_eq!(reason(&pins, &asked("a"), &token, START + KEPT), "PAGE_TOKEN_EXPIRED");
        let later = START + KEPT / 2;
        assert_eq!(reason(&Pins::new(20, later), &asked("a"), &token, later), "PAGE_TOKEN_EXPIRED");
    }

    #[test]
    fn a_list_that_is_the_same_is_kept_once_and_for_a_moment_alone() {
        let pins = pins();
        let first = pins.first(&asked("a"), "1\n2", 2, 1, START);
        assert_eq!(pins.first(&asked("a"), "1\n2", 2, 1, START), first);
        assert_ne!(pins.first(&asked("a"), "2\n1", 2, 1, START), first);
        assert_ne!(pins.first(&asked("a"), "1\n2", 2, 1, START + KEPT / 60), first);
    }

    #[test]
    fn what_is_kept_is_bounded_and_ends() {
        let pins = pins();
        assert!(pins.first(&asked("a"), "0123456789", 1, 1, START).is_some());
        assert!(pins.first(&asked("b"), "0123456789", 1, 1, START).is_some());
        assert_eq!(pins.first(&asked("c"), "0", 1, 1, START), None);
        assert!(pins.first(&asked("c"), "0", 1, 1, START + KEPT).is_some());
        let kept = pins.kept();
        assert_eq!((kept.bytes, kept.lists.len(), kept.last.len(), kept.order.len()), (1, 1, 1, 1));
    }
}
