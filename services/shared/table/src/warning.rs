//! What was odd about a file, and could be read all the same.

/// Something odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The reason in upper snake case.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
    /// How often it was met.
    pub count: u64,
    /// The first row that it was met in, from 0; nothing when it concerns the whole.
    pub first_row: Option<u64>,
    /// The first byte of that place in the decompressed bytes; nothing when it is not known.
    pub first_byte: Option<u64>,
}

impl Warning {
    /// Warns of what concerns the whole file.
    pub(crate) fn whole(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), count: 1, first_row: None, first_byte: None }
    }
}

/// Adds what was odd in the rows that follow the first `rows_before` ones, where rows count from 0 again. Warnings of
/// the same reason become one, with the sum of their counts and the first place.
pub fn add_warnings(earlier: &mut Vec<Warning>, later: Vec<Warning>, rows_before: u64) {
    for mut warning in later {
        warning.first_row = warning.first_row.map(|row| row + rows_before);
        match earlier.iter_mut().find(|known| known.reason == warning.reason) {
            Some(known) => known.count += warning.count,
            None => earlier.push(warning),
        }
    }
}

/// Counts one oddity and remembers its first place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    count: u64,
    first_row: Option<u64>,
    first_byte: Option<u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, row: u64, byte: Option<u64>) {
        if self.count == 0 {
            self.first_row = Some(row);
            self.first_byte = byte;
        }
        self.count += 1;
    }

    /// The warning, unless nothing was met.
    pub(crate) fn warning(&self, reason: &'static str, message: &str) -> Option<Warning> {
        let Self { count, first_row, first_byte } = *self;
        (count > 0).then(|| Warning { reason, message: message.to_owned(), count, first_row, first_byte })
    }
}
