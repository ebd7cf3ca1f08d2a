//! Mergeable summaries of values with known error.
//!
//! Each summary takes values, in bounded memory, merges with another of its kind, and can be written to bytes and read
//! back. It is exact as long as it fits its memory, says so by an error of 0, and tells its error from then on. Nothing
//! here draws from a random source: the same values in the same order give the same summary, on every machine and in
//! every process, because profiles are stored under the digest of their input. Values are known by their 64-bit
//! [`hash`], which is the same everywhere, so summaries of different files compare and merge.
//!
//! | summary | tells | error | merge |
//! |---|---|---|---|
//! | [`Distinct`] | how many distinct values there are | relative standard error | as if seen at once |
//! | [`DistinctSample`] | a uniform sample of them with exact counts; [`overlap`] of two columns | interval of 95 % | as if seen at once |
//! | [`KeyedNumbers`] | the mean number of each of a sample of keys; [`correlation`] of columns of two tables | interval of 95 % | to about 1e-15 |
//! | [`KeyedLanes`] | the same of several columns of numbers beside one key column | interval of 95 % | to about 1e-15 |
//! | [`Frequent`] | the most frequent values | count error | within the error |
//! | [`Quantiles`] | values by rank | rank error | within the error |
//! | [`Moments`] | count, min, max, mean, standard deviation | that of double arithmetic | to about 1e-15 |
//! | [`Sums`] | the sum of decimals | none | as if seen at once |
//! | [`PlaceSample`] | a uniform sample of rows | none | as if seen at once |

mod codec;
mod distinct;
mod frequent;
mod hash;
mod keyed;
mod lanes;
mod moments;
mod overlap;
mod places;
mod quantiles;
mod rng;
mod sample;
mod sums;
mod tally;

pub use codec::{Corrupt, MOST_KEPT, Reader, Writer};
pub use distinct::{Distinct, Estimate};
pub use frequent::{Counted, Frequent, TopValue};
pub use hash::{hash, mix};
pub use keyed::{Correlation, KeyedNumbers, correlation};
pub use lanes::{KeyedLanes, LANES, Sums as LaneSums};
pub use moments::Moments;
pub use overlap::{Interval, Overlap, overlap, share};
pub use places::PlaceSample;
pub use quantiles::{Quantiles, at_ranks};
pub use sample::{DistinctSample, Sampled};
pub use sums::{Decimal, MAX_PLACES, Sums};
