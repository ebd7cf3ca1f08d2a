//! Files that are known and not read, by how they begin.

use crate::archive::Member;
use crate::kind::is_binary;

/// Formats of data that other programs save as Parquet or CSV, by their first bytes.
///
/// Source: the specification of each format; for SAS, which has none, Shotwell, SAS7BDAT Database Binary Format, 2013.
const DATA: [(&[u8], &str); 18] = [
    (b"$FL2", "SPSS"),
    (b"$FL3", "SPSS"),
    (b"ASCII SPSS PORT FILE", "SPSS"),
    (b"\0\0\0\0\0\0\0\0\0\0\0\0\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\0", "SAS"),
    (b"HEADER RECORD*******LIB", "SAS transport"),
    (b"\x89HDF\r\n\x1a\n", "HDF5 or NetCDF 4"),
    (b"CDF\x01", "NetCDF"),
    (b"CDF\x02", "NetCDF"),
    (b"CDF\x05", "NetCDF"),
    (b"RDX2\n", "R"),
    (b"RDX3\n", "R"),
    (b"X\n\0\0\0\x02", "R"),
    (b"X\n\0\0\0\x03", "R"),
    (b"MATLAB 5.0 MAT-file", "MATLAB"),
    (b"\x93NUMPY", "NumPy"),
    (b"\0\x01\0\0Standard Jet DB", "Access"),
    (b"\0\x01\0\0Standard ACE DB", "Access"),
    (b"fgb\x03fgb", "FlatGeobuf"),
];
/// Where DuckDB has its mark.
const DUCKDB: (usize, &[u8]) = (8, b"DUCK");
/// Marks that text may begin with, too.
const WORDS: [(&[u8], &str); 2] = [(b"FEA1", "Feather 1"), (b"PARE", "Parquet with an encrypted footer")];

/// What is no data.
const OTHER: [(&[u8], &str); 12] = [
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"II*\0", "an image"),
    (b"MM\0*", "an image"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x04\x22\x4d\x18", "LZ4 data"),
    (b"\xff\x06\0\0sNaPpY", "Snappy data"),
    (b"\x1f\x9d", "data of `compress`"),
    (b"\x7fELF", "a program"),
];

/// Names a format of data that is not read.
pub(crate) fn data(head: &[u8]) -> Option<&'static str> {
    let (place, mark) = DUCKDB;
    if head.get(place..).is_some_and(|rest| rest.starts_with(mark)) && is_binary(head) {
        return Some("DuckDB");
    }
    named(&DATA, head).or_else(|| named(&WORDS, head).filter(|_| is_binary(head)))
}

/// Says what a file is that holds no data.
pub(crate) fn other(head: &[u8]) -> Option<&'static str> {
    named(&OTHER, head)
}

/// Says what a zip archive is whose members are the parts of a document.
pub(crate) fn document(members: &[Member]) -> Option<&'static str> {
    let has = |name: &str| members.iter().any(|member| member.name == name);
    match () {
        () if has("word/document.xml") => Some("a Word document"),
        () if has("ppt/presentation.xml") => Some("a PowerPoint presentation"),
        () if has("META-INF/container.xml") => Some("an electronic book"),
        () if has("AndroidManifest.xml") => Some("a program"),
        () => None,
    }
}

fn named(known: &[(&[u8], &'static str)], head: &[u8]) -> Option<&'static str> {
    known.iter().find(|(mark, _)| head.starts_with(mark)).map(|(_, name)| *name)
}
