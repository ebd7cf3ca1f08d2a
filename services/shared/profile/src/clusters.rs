//! The ranges in which numbers cluster.

/// The most clusters.
const MOST: usize = 6;
/// Clusters may leave this share of the squared deviations unexplained.
const UNEXPLAINED: f64 = 0.1;
/// Outliers lie further from the quartiles than as many times their distance.
const FAR: f64 = 3.0;

/// Numbers that belong together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) weight: f64,
    pub(crate) mean: f64,
    pub(crate) outliers: bool,
    /// It holds the least number.
    pub(crate) first: bool,
    /// It holds the greatest number.
    pub(crate) last: bool,
}

/// Ranges by rising value, and how much of the squared deviations they explain, outliers left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Clusters {
    pub(crate) ranges: Vec<Range>,
    pub(crate) explained: f64,
}

/// A run of neighbouring numbers, taken as one.
#[derive(Debug, Clone, Copy)]
struct Point {
    low: f64,
    high: f64,
    weight: f64,
    mean: f64,
}

/// Finds the ranges in which numbers cluster. They come by rising value, each with how many it stands for, and are
/// taken together to at most `points` points.
///
/// The best division into each number of clusters is found by dynamic programming over the points, so nothing depends
/// on a start; the fewest clusters that explain enough are taken.
///
/// Source: Wang and Song, Ckmeans.1d.dp: Optimal k-means Clustering in One Dimension, 2011; far-out values by Tukey,
/// Exploratory Data Analysis, 1977.
pub(crate) fn find(weighted: &[(f64, u64)], points: usize) -> Clusters {
    let quartiles = sketch::at_ranks(weighted, &[0.25, 0.75]);
    let [low, high] = quartiles[..] else { return Clusters::default() };
    let reach = FAR * (high - low);
    // Where more than half of the numbers are one, nothing is an outlier for being another.
    let (from, to) = if reach > 0.0 { (low - reach, high + reach) } else { (f64::NEG_INFINITY, f64::INFINITY) };
    let start = weighted.partition_point(|(value, _)| *value < from);
    let end = weighted.partition_point(|(value, _)| *value <= to);
    let compact = compacted(&weighted[start..end], points);
    let (mut ranges, explained) = divided(&compact);
    ranges.splice(0..0, joined(&weighted[..start]));
    ranges.extend(joined(&weighted[end..]));
    if let Some(first) = ranges.first_mut() {
        first.first = true;
    }
    if let Some(last) = ranges.last_mut() {
        last.last = true;
    }
    Clusters { ranges, explained }
}

/// Outliers of one side.
fn joined(weighted: &[(f64, u64)]) -> Option<Range> {
    let point = point(weighted)?;
    Some(Range { outliers: true, ..range(&[point]) })
}

fn point(weighted: &[(f64, u64)]) -> Option<Point> {
    let (first, last) = (weighted.first()?, weighted.last()?);
    let weight: f64 = weighted.iter().map(|(_, weight)| *weight as f64).sum();
    // Around the first, so that great numbers of one size keep their difference.
    let mean =
        first.0 + weighted.iter().map(|(value, count)| (value - first.0) * (*count as f64 / weight)).sum::<f64>();
    Some(Point { low: first.0, high: last.0, weight, mean })
}

/// Takes neighbours together where there are too many: points of about one weight each.
fn compacted(weighted: &[(f64, u64)], points: usize) -> Vec<Point> {
    if weighted.len() <= points {
        return weighted.chunks(1).filter_map(point).collect();
    }
    let total: u64 = weighted.iter().map(|(_, weight)| weight).sum();
    let each = total.div_ceil(points as u64).max(1);
    let (mut compact, mut start, mut weight) = (Vec::with_capacity(points + 1), 0, 0);
    for (index, (_, count)) in weighted.iter().enumerate() {
        weight += count;
        if weight >= each || index + 1 == weighted.len() {
            compact.extend(point(&weighted[start..=index]));
            (start, weight) = (index + 1, 0);
        }
    }
    compact
}

fn range(points: &[Point]) -> Range {
    let weight: f64 = points.iter().map(|point| point.weight).sum();
    let base = points[0].mean;
    let mean = base + points.iter().map(|point| (point.mean - base) * (point.weight / weight)).sum::<f64>();
    let (low, high) = (points[0].low, points[points.len() - 1].high);
    Range { low, high, weight, mean, outliers: false, first: false, last: false }
}

/// The best division into as few clusters as explain enough.
fn divided(points: &[Point]) -> (Vec<Range>, f64) {
    let n = points.len();
    if n == 0 {
        return (Vec::new(), 0.0);
    }
    let costs = Costs::new(points);
    let all = costs.between(0, n);
    // best[k][j]: the least cost of the first j points in k + 1 clusters, and where the last of them begins.
    let mut best: Vec<Vec<(f64, usize)>> = vec![(0..=n).map(|end| (costs.between(0, end), 0)).collect()];
    while best.len() < MOST.min(n) && best[best.len() - 1][n].0 > UNEXPLAINED * all {
        let before = &best[best.len() - 1];
        let whole = costs.last_cluster(before, n, n * best.len() / (best.len() + 1));
        // Of the last division nothing is asked but that of all points.
        let is_last = best.len() + 1 == MOST.min(n) || whole.0 <= UNEXPLAINED * all;
        let ends = if is_last { 0..0 } else { 0..n };
        // Where the last cluster begins moves little from one end to the next.
        let mut near = 0;
        let mut level = Vec::with_capacity(n + 1);
        for end in ends {
            level.push(costs.last_cluster(before, end, near));
            near = level[end].1;
        }
        level.resize(n, (0.0, 0));
        level.push(whole);
        best.push(level);
    }
    let unexplained = best[best.len() - 1][n].0;
    let mut ranges = Vec::new();
    let mut end = n;
    for level in best.iter().rev() {
        let start = level[end].1;
        ranges.push(range(&points[start..end]));
        end = start;
        if end == 0 {
            break;
        }
    }
    ranges.reverse();
    (ranges, if all > 0.0 { (1.0 - unexplained / all).clamp(0.0, 1.0) } else { 1.0 })
}

/// The squared deviations of runs of points from their means.
struct Costs {
    /// Sums up to each point: of weights, of weighted values, of weighted squares, all around the overall mean.
    sums: Vec<(f64, f64, f64)>,
    /// More than rounding adds to a cost.
    rounding: f64,
}

impl Costs {
    fn new(points: &[Point]) -> Self {
        let middle = range(points).mean;
        let mut sums = vec![(0.0, 0.0, 0.0)];
        let mut so_far = (0.0, 0.0, 0.0);
        for point in points {
            let value = point.mean - middle;
            so_far.0 += point.weight;
            so_far.1 += point.weight * value;
            so_far.2 += point.weight * value * value;
            sums.push(so_far);
        }
        // Each cost is a difference of two sums of squares.
        Self { sums, rounding: 1e-9 * so_far.2 }
    }

    /// The least cost of the points up to `end` with one cluster more than `before` has, and where that begins: the
    /// first of several such places. It most likely begins near `near`.
    fn last_cluster(&self, before: &[(f64, usize)], end: usize, near: usize) -> (f64, usize) {
        let mut best = (before[end].0, 0);
        let beyond = |cost: f64| cost * (1.0 + 1e-9) + self.rounding;
        let bound = if (1..end).contains(&near) { before[near].0 + self.between(near, end) } else { f64::INFINITY };
        // More points before cost more, but for rounding: from here on that alone is too much.
        let too_far = 1 + before[1..end.max(1)].partition_point(|(cost, _)| *cost <= beyond(bound));
        for start in (1..too_far).rev() {
            let cost = self.between(start, end);
            // A cluster that is longer costs more, but for rounding.
            if best.1 > 0 && cost > beyond(best.0) {
                break;
            }
            let cost = before[start].0 + cost;
            if best.1 == 0 || cost <= best.0 {
                best = (cost, start);
            }
        }
        best
    }

    fn between(&self, start: usize, end: usize) -> f64 {
        let (from, to) = (self.sums[start], self.sums[end]);
        let weight = to.0 - from.0;
        if weight <= 0.0 {
            return 0.0;
        }
        let sum = to.1 - from.1;
        (to.2 - from.2 - sum * sum / weight).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lows(values: &[(f64, u64)]) -> Vec<(f64, f64, f64, bool)> {
        find(values, 256).ranges.iter().map(|range| (range.low, range.high, range.weight, range.outliers)).collect()
    }

    #[test]
    fn clusters_and_outliers_are_told_apart() {
        let mut values: Vec<(f64, u64)> = (0..10).map(|n| (f64::from(n), 10)).collect();
        values.extend((100..110).map(|n| (f64::from(n), 10)));
        assert_eq!(lows(&values), [(0.0, 9.0, 100.0, false), (100.0, 109.0, 100.0, false)]);
        values.push((1e6, 1));
        assert_eq!(lows(&values)[2], (1e6, 1e6, 1.0, true));
        assert_eq!(lows(&[(5.0, 3)]), [(5.0, 5.0, 3.0, false)]);
        assert!(lows(&[]).is_empty());
    }

    /// The least cost over every division, tried one by one.
    fn tried(points: &[Point], clusters: usize, costs: &Costs, start: usize) -> f64 {
        if clusters == 1 {
            return costs.between(start, points.len());
        }
        let ends = start + 1..points.len() - clusters + 2;
        ends.map(|end| costs.between(start, end) + tried(points, clusters - 1, costs, end))
            .fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #[test]
        fn no_division_is_better(mut values in prop::collection::vec((-100.0..100.0f64, 1u64..9), 3..9)) {
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
            let points: Vec<Point> = values.chunks(1).filter_map(point).collect();
            let costs = Costs::new(&points);
            let (ranges, explained) = divided(&points);
            let least = tried(&points, ranges.len(), &costs, 0);
            let all = costs.between(0, points.len());
            prop_assert!((1.0 - least / all - explained).abs() < 1e-9);
        }

        #[test]
        fn every_number_is_in_one_range(mut values in prop::collection::vec((-1e6..1e6f64, 1u64..9), 1..600)) {
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
            let found = find(&values, 64);
            let total: u64 = values.iter().map(|(_, weight)| weight).sum();
            let sum: f64 = found.ranges.iter().map(|range| range.weight).sum();
            prop_assert!((sum - total as f64).abs() < 1e-6);
            prop_assert!(found.ranges.windows(2).all(|pair| pair[0].high <= pair[1].low));
            prop_assert!(found.ranges.iter().all(|range| range.low <= range.mean + 1e-6 && range.mean <= range.high + 1e-6));
        }
    }
}
