//! Any supported file format in, Arrow record batches out, in bounded memory.
//!
//! [`open`] looks at the bytes of a file, never at its name alone, finds out how to read them (the [`Recipe`]), and
//! gives a [`TableReader`]. Text formats give columns of text, where a missing cell is null: what the text means is the
//! profiler's business. Parquet, Arrow, Avro, ORC and Stata give the types that the file declares; sheets, tables of
//! SQLite and shapefiles, where cells have types of their own, give text. A recipe depends on the bytes alone, so the same
//! bytes are read the same way everywhere.
//!
//! Files come from strangers. Every buffer has a limit ([`Limits`]), every refusal is a typed [`Error`], and what is
//! odd but readable becomes a [`Warning`] with its count and first place. Some files are read twice, JSON to learn its
//! keys, text that is not UTF-8 to learn its encoding, so a file on disk is asked for rather than a stream.
//!
//! Compressions (gzip, Zstandard, bzip2, xz) and archives (zip, tar, in each other, too) are unwrapped on the way. [`tables`]
//! lists what a file holds; [`open`] takes the first table and tells of the others.
//!
//! A reader gives its rows batch by batch, or as [`Blocks`]: pieces that are found one after the other and can be parsed
//! on as many threads as there are.
//!
//! Nothing here infers types, and nothing is asynchronous: call it where blocking is allowed.

mod archive;
mod arrow_file;
mod block;
mod bytes;
mod cells;
mod checked;
mod contents;
mod database;
mod dbase;
mod delimited;
mod dialect;
mod element;
mod error;
mod export;
mod file_at;
mod fixed_width;
mod footer;
mod foreign;
mod json;
mod json_cells;
mod json_rows;
mod kind;
mod layer;
mod limits;
mod marks;
mod names;
mod opening;
mod orc_file;
mod parquet_file;
mod reader;
mod recipe;
mod records;
mod render;
mod scan;
mod shape_parts;
mod shapefile;
mod split;
mod spool;
mod stata;
mod stata_column;
mod survey;
mod text;
mod typed;
mod unpivot;
mod unread;
mod warning;
mod workbook;

pub use block::{Block, BlockEnd, Blocks};
pub use contents::{Contents, TableRef, open, open_table, open_with, tables};
pub use error::Error;
pub use export::write_csv;
pub use foreign::foreign_parser;
pub use limits::{CancelFlag, Hint, Limits};
pub use reader::TableReader;
pub use recipe::{Format, Recipe};
pub use render::to_text;
pub use unpivot::{Period, Unpivot, unpivot};
pub use warning::{Warning, add_warnings};

pub use arrow::record_batch::RecordBatch;
