//! What bytes are, by how they begin.

use crate::workbook::{self, Book};
use crate::{archive, arrow_file, database, dbase, orc_file, parquet_file, shapefile, stata, unread};

/// What bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, unless a closer look shows otherwise.
    Text,
    Parquet,
    ArrowFile,
    ArrowStream,
    Avro,
    Orc,
    Stata,
    Sqlite,
    Book(Book),
    Shapes,
    Dbase,
    Zip,
    Tar,
    /// A format of data that is not read.
    Unread(&'static str),
    /// What is no data.
    Other(&'static str),
}

impl Kind {
    /// Recognises it by the first bytes.
    pub(crate) fn of(head: &[u8]) -> Self {
        let read: [(&[u8], Self); 5] = [
            (parquet_file::MAGIC, Self::Parquet),
            (arrow_file::MAGIC, Self::ArrowFile),
            (arrow_file::AVRO_MAGIC, Self::Avro),
            (database::MAGIC, Self::Sqlite),
            (workbook::COMPOUND, Self::Book(Book::Xls)),
        ];
        if let Some((_, kind)) = read.into_iter().find(|(magic, _)| head.starts_with(magic)) {
            return kind;
        }
        if arrow_file::is_stream(head) {
            return Self::ArrowStream;
        }
        if orc_file::is_orc(head) {
            return Self::Orc;
        }
        if stata::is_stata(head) {
            return Self::Stata;
        }
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Self::Zip;
        }
        if archive::is_tar(head) {
            return Self::Tar;
        }
        if shapefile::is_shapes(head) {
            return Self::Shapes;
        }
        if dbase::is_table(head) {
            return Self::Dbase;
        }
        let unread = unread::data(head).map(Self::Unread);
        unread.or_else(|| unread::other(head).map(Self::Other)).unwrap_or(Self::Text)
    }
}

/// How much of a file tells it from text.
const TELLING: usize = 4 << 10;

/// Tells whether bytes are no text, which has next to no control characters.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(TELLING)];
    let odd = bytes.iter().filter(|byte| **byte < b' ' && !b"\t\n\r\x0c".contains(byte)).count();
    odd * 50 > bytes.len()
}
