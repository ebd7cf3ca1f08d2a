//! Any supported file format in, Arrow record batches out, in bounded memory.
//!
//! [`open`] looks at the bytes of a file, never at its name alone, finds out how to read them (the [`Recipe`]), and
//! gives a [`TableReader`]. Text formats give columns of text, where a missing cell is null: what the text means is the
//! profiler's business. Parquet gives the types that the file declares. A recipe depends on the bytes alone, so the same
//! bytes are read the same way everywhere.
//!
//! Files come from strangers. Every buffer has a limit ([`Limits`]), every refusal is a typed [`Error`], and what is
//! odd but readable becomes a [`Warning`] with its count and first place. Some files are read twice, JSON to learn its
//! keys, text that is not UTF-8 to learn its encoding, so a file on disk is asked for rather than a stream.
//!
//! A reader gives its rows batch by batch, or as [`Blocks`]: pieces that are found one after the other and can be parsed
//! on as many threads as there are.
//!
//! Nothing here infers types, and nothing is asynchronous: call it where blocking is allowed.

mod block;
mod bytes;
mod cells;
mod checked;
mod delimited;
mod dialect;
mod element;
mod error;
mod export;
mod json;
mod json_rows;
mod limits;
mod marks;
mod names;
mod open;
mod parquet_file;
mod reader;
mod recipe;
mod records;
mod render;
mod scan;
mod split;
mod survey;
mod text;
mod warning;

pub use block::{Block, BlockEnd, Blocks};
pub use error::Error;
pub use export::write_csv;
pub use limits::{CancelFlag, Hint, Limits};
pub use open::{open, open_with};
pub use reader::TableReader;
pub use recipe::{Format, Recipe};
pub use render::to_text;
pub use warning::{Warning, add_warnings};

pub use arrow::record_batch::RecordBatch;
