//! Lines of text below a table.

use crate::records::{Records, Separators};

/// The most lines that may stand below a table.
const MOST: usize = 20;

/// Finds the lines of text that stand below the rows of a table with more than two columns: where each begins. There is
/// at least one row of several fields above them.
pub(crate) fn lines(text: &[u8], start: usize, separators: Separators) -> Vec<usize> {
    let mut records = Records::new(text, start, separators);
    let (mut lines, mut rows) = (Vec::new(), 0u64);
    loop {
        let (mut count, mut first) = (0, None);
        let span = records.next(|field| {
            count += 1;
            first.get_or_insert(field);
        });
        let Some(span) = span else { break };
        let only = first.filter(|_| count == 1).map(|field| field.text(text));
        match only {
            Some(line) if line.trim().is_empty() => {}
            Some(line) if is_remark(&line) => lines.push(span.start),
            _ => {
                lines.clear();
                rows += 1;
            }
        }
    }
    if rows > 0 && lines.len() <= MOST { lines } else { Vec::new() }
}

/// Tells whether a line is a remark: several words, or the sign that remarks begin with.
fn is_remark(line: &str) -> bool {
    let line = line.trim();
    let words = line.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count();
    words >= 2 || words >= 1 && line.starts_with(['#', '*'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMA: Separators = Separators { delimiter: b',', quoting: true };

    #[test]
    fn remarks_below_rows_are_found() {
        let text = b"1,2,3\n4,5,6\n\nSource: the office\n* provisional\n";
        assert_eq!(lines(text, 0, COMMA), [13, 32]);
    }

    #[test]
    fn short_rows_are_no_remarks() {
        assert!(lines(b"1,2,3\n5\n", 0, COMMA).is_empty());
        assert!(lines(b"1,2,3\nabc\n", 0, COMMA).is_empty());
        assert!(lines(b"all in one\ncolumn of text\n", 0, COMMA).is_empty());
    }
}
