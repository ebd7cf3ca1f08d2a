//! How the fields of a text file are told apart.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::limits::Hint;
use crate::records::{Records, Separators};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
const RECORDS: usize = 300;
const FIELDS: usize = 200_000;
/// The most lines that may stand above a table.
const PREAMBLE: usize = 20;

/// How fields and the header are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quoting: bool,
    pub(crate) header: bool,
    /// How many fields most rows have; at least as many as the header names.
    pub(crate) width: usize,
    /// How many records of text stand above the table.
    pub(crate) preamble: usize,
}

impl Dialect {
    /// Rows below their names, as they are written out.
    pub(crate) fn of_rows(width: usize) -> Self {
        Self { delimiter: b',', quoting: true, header: true, width, preamble: 0 }
    }

    /// What divides fields.
    pub(crate) fn separators(&self) -> Separators {
        Separators { delimiter: self.delimiter, quoting: self.quoting }
    }
}

/// Guesses the dialect from the beginning of the text; `whole` tells that there is no more than that.
pub(crate) fn sniff(head: &str, whole: bool, hint: &Hint) -> Option<Dialect> {
    let mut trials: Vec<Trial<'_>> =
        DELIMITERS.iter().map(|delimiter| Trial::new(head, whole, *delimiter, true)).collect();
    if head.contains('"') {
        // Stray quotes swallow what follows: without them the fields must line up clearly better.
        let unquoted = DELIMITERS.iter().map(|delimiter| Trial::new(head, whole, *delimiter, false));
        let best = trials.iter().map(|trial| trial.score).fold(0.0, f64::max);
        trials.extend(unquoted.filter(|trial| trial.score > best + 0.2));
    }
    let best = trials.iter().map(|trial| trial.score).fold(0.0, f64::max);
    if best > 0.0 {
        let close = trials.iter().filter(|trial| trial.score >= best - 0.05);
        return close.max_by(|a, b| a.rank(hint).total_cmp(&b.rank(hint))).map(Trial::dialect);
    }
    let unused = DELIMITERS.iter().find(|delimiter| !head.as_bytes().contains(delimiter));
    let single = Trial::new(head, whole, *unused.unwrap_or(&b'\t'), true);
    (!single.records.is_empty()).then(|| single.dialect())
}

/// Tells apart what stands above the rows of a sheet, its header and its rows.
pub(crate) fn sniff_rows(head: &str, whole: bool, width: usize) -> Option<Dialect> {
    let trial = Trial::new(head, whole, b',', true);
    let found = trial.dialect();
    (!trial.records.is_empty()).then(|| Dialect { width: found.width.max(width), ..found })
}

struct Trial<'a> {
    delimiter: u8,
    quoting: bool,
    records: Vec<Vec<Cow<'a, str>>>,
    width: usize,
    preamble: usize,
    /// How well the rows line up; 0 when the delimiter does not divide them.
    score: f64,
}

impl<'a> Trial<'a> {
    fn new(head: &'a str, whole: bool, delimiter: u8, quoting: bool) -> Self {
        let records = parse(head, whole, Separators { delimiter, quoting });
        let mut trial = Self { delimiter, quoting, records, width: 1, preamble: 0, score: 0.0 };
        trial.line_up();
        trial.skip_preamble();
        trial
    }

    fn line_up(&mut self) {
        let Some(first) = self.records.first().map(Vec::len) else { return };
        let mut widths: HashMap<usize, usize> = HashMap::new();
        self.records.iter().for_each(|record| *widths.entry(record.len()).or_default() += 1);
        let most = widths.values().copied().max().unwrap_or(0);
        let usual = |width: &usize| widths[width] == most;
        let usual_width = if usual(&first) { first } else { widths.keys().copied().filter(usual).max().unwrap_or(1) };
        self.width = usual_width.max(first);
        let total = self.records.len() as f64;
        let divided = self.records.iter().filter(|record| record.len() > 1).count() as f64 / total;
        let consistency = most as f64 / total;
        let header_fits = first == usual_width;
        if self.width > 1 && (header_fits && divided >= 0.5 || usual_width > 1 && consistency >= 0.6) {
            self.score = consistency + if header_fits { 0.5 } else { 0.0 };
        }
    }

    /// A title and its like: lines with one field above rows of three and more, or with a comment sign.
    fn skip_preamble(&mut self) {
        let title = |record: &&Vec<Cow<'_, str>>| {
            record.len() == 1 && (self.width > 2 || record[0].starts_with('#')) && !record[0].is_empty()
        };
        let count = self.records.iter().take(PREAMBLE + 1).take_while(title).count();
        let table_follows = self.records.get(count).is_some_and(|record| record.len() == self.width);
        if self.score > 0.0 && count <= PREAMBLE && table_follows {
            self.preamble = count;
        }
    }

    /// Breaks ties: more cells that read as numbers, then the hint, then more columns.
    fn rank(&self, hint: &Hint) -> f64 {
        let cells = self.records.iter().flatten().filter(|cell| !cell.is_empty());
        let (mut total, mut numeric) = (0u32, 0u32);
        for cell in cells {
            total += 1;
            numeric += u32::from(looks_numeric(cell));
        }
        let share = f64::from(numeric) / f64::from(total.max(1));
        let hinted = self.delimiter == b'\t' && hint.has_extension("tsv");
        share + if hinted { 0.1 } else { 0.0 } + (self.width as f64).min(1_000.0) * 1e-5
    }

    fn dialect(&self) -> Dialect {
        let Self { delimiter, quoting, width, preamble, .. } = *self;
        Dialect { delimiter, quoting, header: has_header(&self.records[preamble..]), width, preamble }
    }
}

/// Splits the beginning of a text; a last record that may go on is left out, unless it is the only one.
fn parse(head: &str, whole: bool, separators: Separators) -> Vec<Vec<Cow<'_, str>>> {
    let text = head.as_bytes();
    let mut records = Records::new(text, 0, separators);
    let (mut all, mut fields) = (Vec::new(), 0);
    while all.len() < RECORDS && fields < FIELDS {
        let mut cells = Vec::new();
        let Some(span) = records.next(|field| cells.push(field.text_in(text))) else { break };
        if span.end == text.len() && !whole && !all.is_empty() {
            break;
        }
        fields += cells.len();
        all.push(cells);
    }
    all
}

/// Tells whether the first record names the columns: it differs from what stands below.
fn has_header(records: &[Vec<Cow<'_, str>>]) -> bool {
    let Some((first, rows)) = records.split_first() else { return false };
    let mut votes = 0;
    for (index, name) in first.iter().enumerate() {
        let below: Vec<&str> = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.trim()).collect();
        let present = below.iter().filter(|cell| !cell.is_empty()).count();
        let numeric = below.iter().filter(|cell| looks_numeric(cell)).count();
        let name = name.trim();
        if present > 0 && numeric * 5 >= present * 4 && !name.is_empty() && !looks_numeric(name) {
            votes += 1;
        } else if present > 1 && numeric * 5 < present * 4 && !name.is_empty() && below.contains(&name) {
            votes -= 1;
        }
    }
    if votes != 0 {
        return votes > 0;
    }
    let names: Vec<&str> = first.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    let numbers = names.iter().filter(|name| looks_numeric(name)).count();
    let years = names.iter().filter(|name| is_year(name)).count();
    !names.is_empty() && (numbers == 0 || (years == numbers && years < names.len()))
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.parse::<u16>().is_ok_and(|year| (1500..2200).contains(&year))
}

/// Tells whether a cell reads as a number, a date or a time, and so as no name.
fn looks_numeric(text: &str) -> bool {
    let text = text.trim();
    let mut bytes = text.bytes();
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.'));
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let odd = |byte: u8| {
        !byte.is_ascii_digit()
            && !matches!(byte, b'-' | b'+' | b'.' | b',' | b':' | b'/' | b'e' | b'E' | b'T' | b'Z' | b' ')
    };
    starts && digits * 2 >= text.len() && !text.bytes().any(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(text: &str) -> Dialect {
        sniff(text, true, &Hint::default()).unwrap()
    }

    #[test]
    fn each_delimiter_is_recognised() {
        for delimiter in DELIMITERS {
            let text =
                "name,size,day\nab,1,2000-01-02\ncd,2,2000-01-03\n".replace(',', &char::from(delimiter).to_string());
            assert_eq!(dialect(&text), Dialect { delimiter, quoting: true, header: true, width: 3, preamble: 0 });
        }
    }

    #[test]
    fn decimal_commas_do_not_divide_fields() {
        assert_eq!(dialect("a;b;c\n1,5;2,5;3,5\n1,5;2,5;3,5\n").delimiter, b';');
        assert_eq!(dialect("1,5;2,5;3,5\n1,7;2,5;3,5\n").delimiter, b';');
    }

    #[test]
    fn delimiters_inside_quotes_do_not_count() {
        assert_eq!(dialect("a|b\n\"x,y,z\"|1\n\"u,v,w\"|2\n").delimiter, b'|');
    }

    #[test]
    fn a_file_of_numbers_has_no_header() {
        assert!(!dialect("1,2\n3,4\n").header);
        assert!(!dialect("x,1\ny,2\nx,3\n").header);
    }

    #[test]
    fn years_may_be_names() {
        assert!(dialect("country,2001,2002\nA,1,2\nB,3,4\n").header);
    }

    #[test]
    fn text_below_text_has_a_header() {
        assert!(dialect("name,town\nAnn,Rome\nBob,Oslo\n").header);
    }

    #[test]
    fn one_column_needs_no_delimiter() {
        let found = dialect("name\nAnn\nBob\n");
        assert_eq!((found.width, found.header), (1, true));
    }

    #[test]
    fn a_title_is_not_the_header() {
        let found = dialect("Towns of the north\n# of 1999\nname,size,x\nab,1,2\ncd,2,3\nef,3,4\n");
        assert_eq!((found.preamble, found.header, found.width), (2, true, 3));
    }

    #[test]
    fn ragged_rows_still_line_up() {
        let found = dialect("a,b,c\n1,2\n3,4,5,6\n7,8,9\n");
        assert_eq!((found.delimiter, found.width), (b',', 3));
    }
}
