//! One value of the sample, as the tests read it.

use std::cell::OnceCell;

use super::fold::fold;
use super::numbers::{self, Plain};

/// A distinct value with its count; what several tests derive from it is derived once.
pub(super) struct Cell<'a> {
    /// The value without the white space around it.
    pub(super) text: &'a str,
    pub(super) count: u64,
    folded: OnceCell<String>,
    plain: OnceCell<Option<Plain>>,
    token: OnceCell<bool>,
}

impl<'a> Cell<'a> {
    /// Nothing when the value is blank.
    pub(super) fn new(value: &'a str, count: u64) -> Option<Self> {
        let text = value.trim();
        let (folded, plain, token) = Default::default();
        (!text.is_empty()).then(|| Self { text, count: count.max(1), folded, plain, token })
    }

    /// The value for comparison with lists of names: see [`fold`].
    pub(super) fn folded(&self) -> &str {
        self.folded.get_or_init(|| fold(self.text))
    }

    /// The value as a plain decimal number.
    pub(super) fn number(&self) -> Option<Plain> {
        *self.plain.get_or_init(|| numbers::plain(self.text))
    }

    /// The value as a whole number without sign, of up to eighteen digits.
    pub(super) fn whole(&self) -> Option<u64> {
        let digits = self.text.strip_suffix(".0").unwrap_or(self.text);
        let fits = digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| digits.parse().ok()).flatten()
    }

    /// Whether a profiler would rather take the value for a missing one.
    pub(super) fn is_token(&self) -> bool {
        const TOKENS: [&str; 14] = [
            "na",
            "n a",
            "nan",
            "null",
            "none",
            "nil",
            "missing",
            "unknown",
            "undefined",
            "tbd",
            "nd",
            "n d",
            "void",
            "",
        ];
        *self.token.get_or_init(|| TOKENS.contains(&self.folded()))
    }

    /// Whether the value may be the beginning of a longer one: profiles keep the first 256 bytes, or those up to a
    /// character's boundary.
    pub(super) fn is_cut(&self) -> bool {
        self.text.len() >= 250
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
