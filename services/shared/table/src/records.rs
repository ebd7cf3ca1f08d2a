//! Records of delimited text, and where their fields stand.
//!
//! The rules are those of RFC 4180, read leniently: a quote opens a field only at its beginning, what follows the
//! closing quote belongs to the field as it stands, a line ends with `\n`, `\r` or both, and empty lines are no records.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memrchr2};

use crate::marks::Marks;

const QUOTE: u8 = b'"';
/// Set in a field's end when its text must be freed of quotes.
const QUOTED: u32 = 1 << 31;
/// How far from the end of a block its last record most likely ends.
const TAIL: usize = 64 << 10;

/// The longest text that places fit in.
pub(crate) const MAX_TEXT: usize = (1 << 31) - 1;

/// What divides fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Separators {
    pub(crate) delimiter: u8,
    pub(crate) quoting: bool,
}

impl Separators {
    fn marks(self) -> [u8; 4] {
        [self.delimiter, b'\n', b'\r', if self.quoting { QUOTE } else { b'\n' }]
    }
}

/// Where the text of a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    start: u32,
    end: u32,
}

impl Field {
    /// A field that is not there.
    pub(crate) const MISSING: Self = Self { start: 0, end: 0 };

    fn plain(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    fn quoted(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 | QUOTED }
    }

    /// Where its bytes begin and end, quotes included where it has any to be freed of.
    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..(self.end & !QUOTED) as usize
    }

    /// Its length; an upper bound where it has quotes to be freed of.
    pub(crate) fn len(self) -> usize {
        ((self.end & !QUOTED) - self.start) as usize
    }

    /// Tells whether there is nothing in it; what has quotes to be freed of is never empty.
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Tells whether its text must be freed of quotes.
    pub(crate) fn is_quoted(self) -> bool {
        self.end & QUOTED != 0
    }

    /// Its text.
    pub(crate) fn text(self, source: &[u8]) -> String {
        self.text_in(source).into_owned()
    }

    /// Its text, which is not copied unless it has quotes to be freed of.
    pub(crate) fn text_in(self, source: &[u8]) -> Cow<'_, str> {
        let raw = &source[self.range()];
        if !self.is_quoted() {
            return String::from_utf8_lossy(raw);
        }
        let mut text = Vec::with_capacity(raw.len());
        unquote(raw, &mut text);
        Cow::Owned(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Appends the text of a field that begins with a quote.
pub(crate) fn unquote(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = &raw[1..];
    while let Some(quote) = memchr(QUOTE, rest) {
        out.extend_from_slice(&rest[..quote]);
        rest = &rest[quote + 1..];
        let Some(after) = rest.strip_prefix(b"\"") else { break };
        out.push(QUOTE);
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    /// Where it ends, what ends its line left out.
    pub(crate) end: usize,
    /// The text ended inside quotes.
    pub(crate) open: bool,
}

/// Finds records one by one.
pub(crate) struct Records<'a> {
    text: &'a [u8],
    delimiter: u8,
    marks: Marks<'a, 4>,
    at: usize,
}

/// What stands after a field that began with a quote.
struct Quoted {
    field: Field,
    /// The delimiter or the end of the line; nothing at the end of the text.
    stop: Option<usize>,
    open: bool,
}

impl<'a> Records<'a> {
    /// Begins at `start`, where a record begins. The text is no longer than `MAX_TEXT`.
    pub(crate) fn new(text: &'a [u8], start: usize, separators: Separators) -> Self {
        debug_assert!(text.len() <= MAX_TEXT);
        Self { text, delimiter: separators.delimiter, marks: Marks::new(text, start, separators.marks()), at: start }
    }

    /// Where the next record begins, or an empty line above it.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Hands on the fields of the next record; nothing after the last one.
    #[inline]
    pub(crate) fn next(&mut self, mut take: impl FnMut(Field)) -> Option<Span> {
        let mut record = self.at;
        let mut field = record;
        while let Some(mark) = self.marks.next() {
            match self.text[mark] {
                byte if byte == self.delimiter => {
                    take(Field::plain(field, mark));
                    field = mark + 1;
                }
                b'\n' | b'\r' if mark == record => {
                    record += 1;
                    field = record;
                }
                b'\n' | b'\r' => {
                    take(Field::plain(field, mark));
                    return Some(self.ended(record, mark));
                }
                _ if mark == field => {
                    let Quoted { field: quoted, stop, open } = self.quoted(mark);
                    take(quoted);
                    match stop {
                        Some(stop) if self.text[stop] == self.delimiter => field = stop + 1,
                        Some(stop) => return Some(self.ended(record, stop)),
                        None => {
                            self.at = self.text.len();
                            return Some(Span { start: record, end: self.at, open });
                        }
                    }
                }
                _ => {}
            }
        }
        self.at = self.text.len();
        if record == self.at {
            return None;
        }
        take(Field::plain(field, self.at));
        Some(Span { start: record, end: self.at, open: false })
    }

    fn ended(&mut self, start: usize, end: usize) -> Span {
        self.at = end + 1;
        Span { start, end, open: false }
    }

    /// Takes the field whose quote stands at `start`.
    fn quoted(&mut self, start: usize) -> Quoted {
        let text = self.text;
        let mut escaped = false;
        let close = loop {
            let Some(mark) = self.marks.find(|mark| text[*mark] == QUOTE) else {
                let field =
                    if escaped { Field::quoted(start, text.len()) } else { Field::plain(start + 1, text.len()) };
                return Quoted { field, stop: None, open: true };
            };
            if text.get(mark + 1) != Some(&QUOTE) {
                break mark;
            }
            self.marks.next();
            escaped = true;
        };
        let stop = self.marks.find(|mark| text[*mark] != QUOTE);
        let end = stop.unwrap_or(text.len());
        let bare = !escaped && end == close + 1;
        let field = if bare { Field::plain(start + 1, close) } else { Field::quoted(start, end) };
        Quoted { field, stop, open: false }
    }
}

/// Finds where the first record ends, what ends its line included; the text begins with a record.
pub(crate) fn first_end(text: &[u8], separators: Separators) -> Option<usize> {
    ends(text, separators, 0, |line| memchr2(b'\n', b'\r', line), true)
}

/// Finds where the last record ends, what ends its line included; the text begins with a record.
pub(crate) fn last_end(text: &[u8], separators: Separators) -> Option<usize> {
    let last = |line: &[u8]| memrchr2(b'\n', b'\r', line);
    let near = ends(text, separators, text.len().saturating_sub(TAIL), last, false);
    near.or_else(|| ends(text, separators, 0, last, false))
}

/// Looks at what stands outside quotes, from the first stretch on that goes beyond `from`.
fn ends(
    text: &[u8],
    separators: Separators,
    from: usize,
    find: impl Fn(&[u8]) -> Option<usize>,
    first: bool,
) -> Option<usize> {
    let mut found = None;
    let mut stretch = 0;
    let mut look = |start: usize, end: usize| {
        if end >= from {
            found = find(&text[start..end]).map(|at| start + at + 1).or(found);
        }
        first && found.is_some()
    };
    let mut quotes = Marks::new(text, 0, [if separators.quoting { QUOTE } else { b'\n' }]);
    while separators.quoting
        && let Some(quote) = quotes.next()
    {
        let opens = quote == 0 || [separators.delimiter, b'\n', b'\r'].contains(&text[quote - 1]);
        if !opens {
            continue;
        }
        if look(stretch, quote) {
            return found;
        }
        loop {
            let Some(close) = quotes.next() else { return found };
            if text.get(close + 1) != Some(&QUOTE) {
                stretch = close + 1;
                break;
            }
            quotes.next();
        }
    }
    look(stretch, text.len());
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMMA: Separators = Separators { delimiter: b',', quoting: true };

    fn records(text: &str, separators: Separators) -> Vec<Vec<String>> {
        let mut records = Records::new(text.as_bytes(), 0, separators);
        let mut all = Vec::new();
        loop {
            let mut fields = Vec::new();
            if records.next(|field| fields.push(field.text(text.as_bytes()))).is_none() {
                return all;
            }
            all.push(fields);
        }
    }

    #[test]
    fn quotes_count_at_the_beginning_of_a_field_alone() {
        let text = "a,5\" pipe,\"b \"\"c\"\"\"\r\n\r\n\"x\ny\"z,,\"\"\n\"open\nend";
        assert_eq!(records(text, COMMA), [vec!["a", "5\" pipe", "b \"c\""], vec!["x\nyz", "", ""], vec!["open\nend"]]);
        let plain = Separators { quoting: false, ..COMMA };
        assert_eq!(records("\"a,b\n", plain), [["\"a", "b"]]);
    }

    #[test]
    fn a_delimiter_at_the_end_begins_another_field() {
        assert_eq!(records("a,", COMMA), [["a", ""]]);
        assert_eq!(records(",\r", COMMA), [["", ""]]);
        assert!(records("\n\r\n", COMMA).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn records_are_those_of_the_csv_crate(text in "[ab,\"\n\r]{0,120}") {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let theirs: Vec<Vec<String>> =
                reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
            prop_assert_eq!(records(&text, COMMA), theirs);
        }

        #[test]
        fn a_text_cut_at_the_end_of_a_record_has_the_same_records(text in "[ab,\"\n\r]{0,120}") {
            let whole = records(&text, COMMA);
            for cut in [first_end(text.as_bytes(), COMMA), last_end(text.as_bytes(), COMMA)].into_iter().flatten() {
                let (head, tail) = text.split_at(cut);
                prop_assert_eq!([records(head, COMMA), records(tail, COMMA)].concat(), whole.clone());
            }
        }
    }
}
