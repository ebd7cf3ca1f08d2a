//! Mergeable summaries of values with known error.
//!
//! Each summary takes values one by one, in bounded memory, and merges with another of its kind. It is exact as long as
//! it fits its memory, says so by an error of 0, and tells its error from then on. Nothing here draws from a random
//! source: the same values in the same order give the same summary, on every machine and in every process, because
//! profiles are stored under the digest of their input.
//!
//! | summary | tells | error |
//! |---|---|---|
//! | [`ValueCounts`] | distinct values, most frequent values | relative standard error; count error |
//! | [`Quantiles`] | values by rank | rank error |
//! | [`Moments`] | count, min, max, mean, standard deviation | that of double arithmetic |
//! | [`Reservoir`] | a uniform sample | none |

mod counts;
mod hash;
mod moments;
mod quantiles;
mod reservoir;
mod rng;

pub use counts::{Estimate, TopValue, ValueCounts};
pub use hash::hash;
pub use moments::Moments;
pub use quantiles::Quantiles;
pub use reservoir::Reservoir;
