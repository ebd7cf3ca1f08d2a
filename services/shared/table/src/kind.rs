//! What bytes are, by how they begin.

use crate::workbook::{self, Book};
use crate::{archive, arrow_file, database, dbase, orc_file, parquet_file, shapefile};

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
    Sqlite,
    Book(Book),
    Shapes,
    Dbase,
    Zip,
    Tar,
    /// What is not read.
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
        let known: [(&[u8], &'static str); 6] = [
            (b"%PDF", "a PDF document"),
            (b"\x89PNG", "an image"),
            (b"\xff\xd8\xff", "an image"),
            (b"GIF8", "an image"),
            (b"Rar!", "a RAR archive"),
            (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        ];
        known.iter().find(|(magic, _)| head.starts_with(magic)).map_or(Self::Text, |(_, found)| Self::Other(found))
    }
}
