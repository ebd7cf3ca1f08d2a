//! Which files others' code parses.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::kind::Kind;
use crate::layer::Compression;

/// How much of a file tells what it is.
const HEAD: u64 = 64 << 10;

/// Names the format of a file that is not parsed by this crate's own code but by a library, which a hostile file may crash;
/// nothing for text, and for what is refused at a glance.
///
/// No such library runs for this: it looks at the first bytes, decompressed where they are gzip.
pub fn foreign_parser(path: &Path) -> Option<&'static str> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    if Compression::of(&head) == Some(Compression::Gzip) {
        let mut inner = Vec::new();
        // The head ends in the middle of its member; what came before counts.
        let _cut = GzDecoder::new(head.as_slice()).take(HEAD).read_to_end(&mut inner);
        head = inner;
    }
    if let Some(compression) = Compression::of(&head) {
        return Some(compression.name());
    }
    match Kind::of(&head) {
        Kind::Parquet => Some("parquet"),
        Kind::ArrowFile | Kind::ArrowStream => Some("arrow"),
        Kind::Avro => Some("avro"),
        Kind::Orc => Some("orc"),
        Kind::Stata => Some("stata"),
        Kind::Sqlite => Some("sqlite"),
        Kind::Book(book) => Some(book.name()),
        Kind::Zip => Some("zip"),
        Kind::Tar => Some("tar"),
        // Our own code reads these, or nothing does.
        Kind::Text | Kind::Shapes | Kind::Dbase | Kind::Unread(_) | Kind::Other(_) => None,
    }
}
