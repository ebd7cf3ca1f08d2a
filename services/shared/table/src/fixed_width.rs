//! Columns that stand at fixed positions of their lines.

use encoding_rs::Encoding;

use crate::bytes::Input;
use crate::checked::{CheckedText, Known};
use crate::error::Error;
use crate::spool::Spool;
use crate::warning::{Tally, Warning};

/// The fewest lines that show columns, …
const FEWEST: usize = 5;
/// … and the fewest that show a gap of one character to be one.
const FEWEST_FOR_NARROW: usize = 10;
/// How many lines are looked at.
const LINES: usize = 1_000;
/// The longest line that is looked at, in characters.
const LONGEST: usize = 4_096;
/// How much text is read at a time.
const STEP: usize = 256 << 10;

/// Finds where columns start, in characters from 0, in text that no delimiter divides; `whole` tells that there is no more.
///
/// Positions that are blank in every line part columns, when one such gap at least is two wide: padding, not a space
/// between words. Nothing where that is not evident.
pub(crate) fn find(head: &str, whole: bool) -> Option<Vec<usize>> {
    let mut lines: Vec<&str> = head.lines().collect();
    if !whole {
        lines.pop();
    }
    let lines: Vec<&str> = lines.into_iter().filter(|line| !line.trim().is_empty()).take(LINES).collect();
    if lines.len() < FEWEST || head.contains('\t') {
        return None;
    }
    let mut filled: Vec<u32> = Vec::new();
    for line in &lines {
        for (place, character) in line.trim_end().chars().enumerate() {
            if place >= LONGEST {
                return None;
            }
            if place >= filled.len() {
                filled.resize(place + 1, 0);
            }
            filled[place] += u32::from(character != ' ');
        }
    }
    let first: Vec<char> = lines[0].chars().collect();
    let starts = starts(&filled, if lines.len() >= FEWEST_FOR_NARROW { &first } else { &[] });
    let wide_enough = starts.len() > 1 && has_padding(&filled);
    // A column may be next to empty where it has a name, but two at least hold something.
    let range = |index: usize| starts[index]..starts.get(index + 1).copied().unwrap_or(filled.len());
    let used = |index: &usize| filled[range(*index)].iter().any(|count| *count as usize * 10 >= lines.len());
    let named = |index: &usize| range(*index).any(|place| first.get(place).is_some_and(|character| *character != ' '));
    let columns = 0..starts.len();
    let evident =
        columns.clone().filter(used).count() > 1 && columns.clone().all(|index| used(&index) || named(&index));
    (wide_enough && evident).then_some(starts)
}

/// The first position of each run of positions between gaps. A gap of one counts where the first line, mostly a header, has
/// something behind it.
fn starts(filled: &[u32], first: &[char]) -> Vec<usize> {
    let blank = |place: usize| filled.get(place).is_none_or(|count| *count == 0);
    let named =
        |place: usize| (place..).take_while(|at| !blank(*at)).any(|at| first.get(at).is_some_and(|c| *c != ' '));
    let mut starts = Vec::new();
    let mut gap = usize::MAX;
    for (place, count) in filled.iter().enumerate() {
        if *count == 0 {
            gap = gap.saturating_add(1);
            continue;
        }
        if gap >= 2 || gap == 1 && named(place) {
            starts.push(place);
        }
        gap = 0;
    }
    starts
}

fn has_padding(filled: &[u32]) -> bool {
    let first = filled.iter().position(|count| *count > 0).unwrap_or(0);
    filled[first..].windows(2).any(|pair| pair == [0, 0])
}

/// Rows that were cut out of lines.
pub(crate) struct Cut {
    /// The rows, written out.
    pub(crate) rows: Input,
    pub(crate) width: usize,
    pub(crate) encoding: &'static Encoding,
    pub(crate) warnings: Vec<Warning>,
}

/// Writes out the cells of all lines. Text that stands in a gap belongs to the column before it, and is told.
pub(crate) fn cut(input: &Input, known: Known, starts: &[usize]) -> Result<Cut, Error> {
    let limit = input.limits.max_record_bytes;
    let mut text = CheckedText::open(input, known)?;
    let mut lines = Lines { out: Spool::new(input)?, starts, row: 0, crossing: Tally::default() };
    let (mut buffer, mut offset) = (Vec::new(), 0u64);
    loop {
        let wanted = buffer.len() + STEP;
        let more = text.fill(&mut buffer, wanted)?;
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', &buffer[start..]) {
            lines.take(&buffer[start..start + length], offset + start as u64, limit)?;
            start += length + 1;
        }
        if !more {
            lines.take(&buffer[start..], offset + start as u64, limit)?;
            break;
        }
        buffer.drain(..start);
        offset += start as u64;
        if buffer.len() > limit {
            return Err(Error::RecordTooLong { limit, offset });
        }
    }
    let mut warnings = text.warnings();
    let message = "Lines with text where the others have a gap between columns: it was added to the column before.";
    warnings.extend(lines.crossing.warning("TEXT_BETWEEN_COLUMNS", message));
    let (rows, width) = lines.out.finish(input)?;
    Ok(Cut { rows, width, encoding: text.encoding(), warnings })
}

struct Lines<'a> {
    out: Spool,
    starts: &'a [usize],
    row: u64,
    crossing: Tally,
}

impl Lines<'_> {
    fn take(&mut self, line: &[u8], offset: u64, limit: usize) -> Result<(), Error> {
        if line.len() > limit {
            return Err(Error::RecordTooLong { limit, offset });
        }
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(());
        }
        let places = self.places(line);
        let cells: Vec<Option<&str>> = places
            .windows(2)
            .map(|ends| line[ends[0]..ends[1]].trim())
            .map(|cell| (!cell.is_empty()).then_some(cell))
            .collect();
        let crosses = places[1..places.len() - 1]
            .iter()
            .any(|place| *place > 0 && *place < line.len() && !line[..*place].ends_with(char::is_whitespace));
        if crosses {
            self.crossing.add(self.row, None);
        }
        self.row += 1;
        self.out.row(cells.into_iter())
    }

    /// Where the columns of a line begin, in bytes, and where the last one ends; what stands before the first belongs to it.
    fn places(&self, line: &str) -> Vec<usize> {
        let mut places = Vec::with_capacity(self.starts.len() + 1);
        let mut bytes = line.char_indices().map(|(byte, _)| byte).enumerate();
        places.push(0);
        for start in &self.starts[1..] {
            let found = if line.is_ascii() {
                (*start).min(line.len())
            } else {
                bytes.find(|(place, _)| place == start).map_or(line.len(), |(_, byte)| byte)
            };
            places.push(found);
        }
        places.push(line.len());
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_start_where_padding_ends() {
        let text = "name    size  day\nOslo      12  a b\nRome       7  c\nBern     103  d e\nNice    1000  f\n";
        assert_eq!(find(text, true), Some(vec![0, 8, 14]));
        let packed = "id name    size\n".to_owned() + &"12 no 1     123\n".repeat(12);
        assert_eq!(find(&packed, true), Some(vec![0, 3, 11]));
        let sparse = "id  name  remark\n".to_owned() + &"12  ab\n".repeat(30) + "13  cd    late\n";
        assert_eq!(find(&sparse, true), Some(vec![0, 4, 10]));
    }

    #[test]
    fn text_that_no_padding_parts_is_one_column() {
        let words = "Town 1\nTown 2\nTown 3\nTown 4\nTown 5\n".repeat(3);
        let times = "2020-01-01 12:00:00\n2020-01-02 13:00:00\n".repeat(10);
        let prose =
            "It was a dark night,\nand the rain  fell\nin torrents, except\nat occasional intervals,\nwhen it was\n";
        for text in [words.as_str(), &times, prose, "a  b\nc  d\n"] {
            assert_eq!(find(text, true), None, "{text}");
        }
    }
}
