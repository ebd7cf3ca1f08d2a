//! From text to terms: the one chain for documents, queries and highlights.
//!
//! Text is cut into words by Unicode's rules (UAX #29). A word gives one term for the whole of it, and, where it holds
//! several, one for each part: parts end at anything but letters and digits, at the hump of camel case, and where letters
//! meet digits, so that `taxi_zone`, `TaxiZone` and `taxi-zones.csv` have `taxi` and `zone` in common. Each term is in
//! lower case, without accents, and reduced to its stem (Porter's second English stemmer).

use std::ops::Range;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Grows with each change of the chain; an index of another version is rebuilt.
pub const VERSION: u32 = 1;

/// Longer words count by their beginning alone.
const MAX_TERM_CHARS: usize = 64;

/// A word of a text, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What is indexed and compared.
    pub term: String,
    /// Where it stands, in bytes.
    pub span: Range<usize>,
}

/// A word with its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The whole of it.
    pub whole: Token,
    /// Its parts; empty when it is one part.
    pub parts: Vec<Token>,
}

impl Word {
    /// The whole, then the parts.
    pub fn tokens(self) -> impl Iterator<Item = Token> {
        std::iter::once(self.whole).chain(self.parts)
    }
}

/// The words of a text, in order.
pub fn words(text: &str) -> impl Iterator<Item = Word> {
    text.unicode_word_indices().filter_map(|(start, word)| {
        let mut parts: Vec<Token> = part_spans(word).into_iter().map(|span| token(text, shift(span, start))).collect();
        let whole = match parts.as_slice() {
            [] => return None,
            [only] => {
                let only = only.clone();
                parts.clear();
                only
            }
            _ => token(text, start..start + word.len()),
        };
        Some(Word { whole, parts })
    })
}

fn shift(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}

fn token(text: &str, span: Range<usize>) -> Token {
    Token { term: term(&text[span.clone()]), span }
}

/// Where the parts of a word stand.
fn part_spans(word: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut begin: Option<usize> = None;
    let mut before: Option<char> = None;
    let mut chars = word.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        if !belongs(c) {
            spans.extend(begin.take().map(|begin| begin..at));
            before = None;
            continue;
        }
        match begin {
            None => begin = Some(at),
            Some(begun) if before.is_some_and(|before| parts_meet(before, c, next)) => {
                spans.push(begun..at);
                begin = Some(at);
            }
            Some(_) => {}
        }
        before = Some(c);
    }
    spans.extend(begin.map(|begin| begin..word.len()));
    spans
}

fn belongs(c: char) -> bool {
    c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c)
}

/// Tells whether a new part begins at `c`: letters meet digits, `aB`, or the last capital of `ABc`.
fn parts_meet(before: char, c: char, next: Option<char>) -> bool {
    if before.is_numeric() != c.is_numeric() {
        return !unicode_normalization::char::is_combining_mark(c);
    }
    let hump = before.is_lowercase() && c.is_uppercase();
    let acronym_ends = before.is_uppercase() && c.is_uppercase() && next.is_some_and(char::is_lowercase);
    hump || acronym_ends
}

fn term(word: &str) -> String {
    static STEMMER: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));
    let folded = fold(word);
    STEMMER.stem(&folded).into_owned()
}

/// Lower case, without accents, in compatibility form, of bounded length.
fn fold(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    let plain = word.chars().flat_map(char::to_lowercase).nfkd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).nfc();
    for c in plain.take(MAX_TERM_CHARS) {
        match c {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'đ' | 'ð' => folded.push('d'),
            'ł' => folded.push('l'),
            'ı' => folded.push('i'),
            'þ' => folded.push_str("th"),
            '’' => folded.push('\''),
            c => folded.push(c),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(text: &str) -> Vec<String> {
        words(text).flat_map(Word::tokens).map(|token| token.term).collect()
    }

    #[test]
    fn names_of_columns_and_files_fall_into_parts() {
        for (text, parts) in [
            ("trip_distance", vec!["trip", "distanc"]),
            ("passengerCount", vec!["passeng", "count"]),
            ("HTTPServer", vec!["http", "server"]),
            ("COVID19", vec!["covid", "19"]),
            ("PULocationID", vec!["pu", "locat", "id"]),
            ("2019q4", vec!["2019", "q", "4"]),
        ] {
            let all: Vec<Word> = words(text).collect();
            assert_eq!(all.len(), 1, "{text}");
            assert_eq!(all[0].parts.iter().map(|part| part.term.as_str()).collect::<Vec<_>>(), parts, "{text}");
        }
        assert!(terms("data/taxi-zones.csv").contains(&"taxi".to_owned()));
        assert!(terms("data/taxi-zones.csv").contains(&"zone".to_owned()));
    }

    #[test]
    fn case_accents_and_inflection_do_not_count() {
        for (a, b) in [
            ("Café", "cafe"),
            ("CRÈME", "creme"),
            ("Straße", "strasse"),
            ("cities", "city"),
            ("running", "runs"),
            ("Łódź", "lodz"),
            ("e\u{301}te\u{301}", "été"),
            ("ﬁle", "file"),
            ("Ｆｕｌｌ", "full"),
            ("Paris's", "paris"),
        ] {
            assert_eq!(terms(a)[0], terms(b)[0], "{a} {b}");
        }
    }

    #[test]
    fn other_scripts_have_words_too() {
        assert_eq!(terms("東京"), ["東", "京"]);
        assert_eq!(terms("Москва"), ["москва"]);
        assert!(!terms("हिन्दी").is_empty());
    }

    #[test]
    fn a_text_without_words_has_no_terms() {
        for text in ["", "  ", "!!! --- ___", "…"] {
            assert!(terms(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn an_endless_word_gives_a_short_term() {
        assert!(terms(&"a".repeat(100_000))[0].len() <= 4 * MAX_TERM_CHARS);
    }

    proptest! {
        #[test]
        fn spans_lie_in_the_text_at_boundaries_of_characters(text in "\\PC{0,40}") {
            for word in words(&text) {
                for token in word.tokens() {
                    prop_assert!(text.get(token.span.clone()).is_some_and(|slice| !slice.is_empty()));
                }
            }
        }

        #[test]
        fn analysing_never_fails(text in any::<String>()) {
            words(&text).for_each(drop);
        }
    }
}
