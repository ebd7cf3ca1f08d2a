//! The summary of a column's numbers.

use proto::profiling::v1::{HistogramBin, NumericRange, NumericSummary, Quantile, StructuralType};

use crate::clusters;
use crate::summary::Spectrum;

const RANKS: [f64; 9] = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0];
const BINS: usize = 20;
/// Numbers are clustered by as many points, and by fewer in a wide table.
const POINTS: usize = 256;
const POINTS_OF_WIDE: usize = 48;
const WIDE: usize = 500;

/// Sums up numbers; instants and spans count in seconds.
pub(crate) fn summary(kind: StructuralType, spectrum: &Spectrum<'_>, width: usize) -> Option<NumericSummary> {
    let (moments, sums) = (&spectrum.spread.moments, &spectrum.spread.sums);
    let (min, max) = (moments.min()?, moments.max()?);
    let values = spectrum.values(&RANKS);
    let quantile = |(rank, value): (&f64, &f64)| match *rank {
        0.0 => Quantile { rank: 0.0, value: min, rank_error: 0.0 },
        1.0 => Quantile { rank: 1.0, value: max, rank_error: 0.0 },
        rank => Quantile { rank, value: *value, rank_error: spectrum.rank_error },
    };
    let numbers = matches!(kind, StructuralType::Integer | StructuralType::Float | StructuralType::Decimal);
    let exact = sums.total().filter(|_| numbers);
    let ends = exact.and(spectrum.spread.exact.ends());
    let sum = match (&exact, kind) {
        (Some(exact), _) => Some(exact.to_f64()),
        (None, StructuralType::Duration) => Some(moments.sum()),
        (None, _) => numbers.then(|| moments.sum()),
    };
    let mean = exact.map(|exact| exact.to_f64() / moments.count() as f64).filter(|mean| mean.is_finite());
    let points = if width > WIDE { POINTS_OF_WIDE } else { POINTS };
    let clusters = clusters::find(&spectrum.weighted, points);
    Some(NumericSummary {
        min,
        max,
        mean: mean.or(moments.mean())?,
        standard_deviation: moments.standard_deviation()?,
        quantiles: RANKS.iter().zip(&values).map(quantile).collect(),
        sum: sum.filter(|sum| sum.is_finite()),
        exact_sum: exact.map(|exact| exact.to_string()).unwrap_or_default(),
        decimal_places: exact.map(|exact| exact.places.into()),
        exact_min: ends.map(|(least, _)| least.to_string()).unwrap_or_default(),
        exact_max: ends.map(|(_, greatest)| greatest.to_string()).unwrap_or_default(),
        histogram: histogram(&spectrum.weighted, min, max),
        ranges: clusters.ranges.iter().map(|range| numeric_range(range, min, max)).collect(),
        ranges_explained: clusters.explained,
        rank_error: spectrum.rank_error,
    })
}

/// The points that the sketch kept do not reach the extremes, which are known exactly.
fn numeric_range(range: &clusters::Range, min: f64, max: f64) -> NumericRange {
    NumericRange {
        low: if range.first { min } else { range.low },
        high: if range.last { max } else { range.high },
        count: range.weight,
        mean: range.mean,
        outliers: range.outliers,
    }
}

fn histogram(weighted: &[(f64, u64)], min: f64, max: f64) -> Vec<HistogramBin> {
    let span = max - min;
    if span <= 0.0 || !span.is_finite() {
        return Vec::new();
    }
    let whole = span < BINS as f64 && weighted.iter().all(|(value, _)| value.trunc() == *value);
    let (bins, width) = if whole { (span as usize + 1, 1.0) } else { (BINS, span / BINS as f64) };
    let mut counts = vec![0u64; bins];
    for (value, weight) in weighted {
        counts[(((value - min) / width) as usize).min(bins - 1)] += weight;
    }
    let edge = |bin: usize| if bin == bins && !whole { max } else { min + bin as f64 * width };
    let bin = |(bin, count): (usize, &u64)| HistogramBin { low: edge(bin), high: edge(bin + 1), count: *count as f64 };
    counts.iter().enumerate().map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_a_bin_each_and_others_twenty() {
        let bins = histogram(&[(1.0, 5), (3.0, 2)], 1.0, 3.0);
        let found: Vec<(f64, f64, f64)> = bins.iter().map(|bin| (bin.low, bin.high, bin.count)).collect();
        assert_eq!(found, [(1.0, 2.0, 5.0), (2.0, 3.0, 0.0), (3.0, 4.0, 2.0)]);
        let bins = histogram(&[(0.0, 1), (5.5, 1), (10.0, 1)], 0.0, 10.0);
        assert_eq!((bins.len(), bins[19].high, bins[19].count, bins[11].count), (20, 10.0, 1.0, 1.0));
        assert!(histogram(&[(2.0, 9)], 2.0, 2.0).is_empty());
    }
}
