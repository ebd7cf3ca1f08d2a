//! The profiler as a library: a file in, a profile out; no network, no clock, no randomness.
//!
//! [`profile`] reads all rows once, in bounded memory. Each cell is classified by itself (an integer, a date, …) and
//! feeds the summary of its class; what type a column has is decided after the last row, and the summaries that fit
//! it are merged. So the decision sees every cell, nothing is read twice for it, and the same bytes give the same
//! profile, however they were cut into batches.
//!
//! | question | answer |
//! |---|---|
//! | type of a column | the narrowest that at least 95 % of the present cells fit; the rest are misfits |
//! | `NA`, `null`, `-` and their like | missing, once the rest of the column is of a type other than text |
//! | 3/4/2005 | decided over the whole column; month first where nothing tells, with a warning |
//! | 00501 | text where all cells are equally long: a code, with a warning |
//! | figures | exact, or with the error that they carry |
//!
//! Dates and timestamps count as seconds since 1970-01-01T00:00:00Z in numeric summaries, times as seconds since
//! midnight.

mod beyond;
mod budget;
mod builder;
mod calendar;
mod cell;
mod cells;
mod clusters;
mod column;
mod correlate;
mod datetime;
mod decide;
mod describe;
mod engine;
mod error;
mod every;
mod exact;
mod figures;
mod file_tables;
mod finish;
mod form;
mod geometry;
mod isolation;
mod keys;
mod layout;
mod longitude;
mod native;
mod normal;
mod number;
mod numbers;
mod options;
mod order;
mod partial;
pub mod place;
mod rows;
pub mod semantic;
mod span;
mod spatial;
mod split;
mod spread;
mod state;
mod summary;
mod threads;
mod time;
mod tokens;
mod tree;
mod wide;

pub use error::Error;
pub use every::{Most, chosen};
pub use isolation::{
    Isolation, Told, append, file_tables, profile, profile_every, profile_with_state, run_as_child, this_program,
};
pub use options::{LEAST_MEMORY, Options, Progress};
pub use sketch::{Correlation, Interval, KeyedNumbers, correlation};
pub use state::State;
pub use table::{CancelFlag, Hint, Limits};

/// The version of the engine. Profiles of different versions are not compared; raise it with every change of results.
pub const ENGINE_VERSION: &str = "5";
