//! What only the column as a whole tells: widths, spreads, how values repeat.

use proto::profiling::v1::{SemanticType, StructuralType};

use super::ColumnView;
use super::cell::Cell;
use super::kinds::Kind;
use super::quantities::is_grouped;
use super::words::{ANSWERS, SCALES, scales_of};

/// Figures of a column.
pub(super) struct Shape {
    pub(super) structural: StructuralType,
    pub(super) present: u64,
    /// Every distinct value was seen.
    pub(super) complete: bool,
    pub(super) mean_words: f64,
    pub(super) mean_chars: f64,
    /// How many of the most frequent values make up nine tenths of the cells seen.
    pub(super) core: usize,
    distinct: f64,
    /// All but a tenth of the values are of one width.
    fixed_width: bool,
    /// The share of values that begin with a zero and go on with digits.
    leading_zeros: f64,
    /// The share of numbers whose digits are in groups.
    grouped: f64,
    /// The mean of digits behind the point, of numbers.
    decimals: f64,
    /// The hundredth and the hundredth from the end of the numbers, by cells, and their mean.
    low: f64,
    high: f64,
    mean: f64,
    /// Whole numbers among the most frequent values, in order.
    wholes: Vec<u64>,
    is_pair: bool,
    is_scale: bool,
}

impl Shape {
    pub(super) fn of(view: &ColumnView<'_>, cells: &[Cell<'_>]) -> Self {
        let count = cells.len() as f64;
        let share =
            |matches: &dyn Fn(&Cell<'_>) -> bool| cells.iter().filter(|cell| matches(cell)).count() as f64 / count;
        let mean = |figure: &dyn Fn(&Cell<'_>) -> usize| cells.iter().map(figure).sum::<usize>() as f64 / count;
        let numbers = Numbers::of(cells);
        let core = core(cells);
        Self {
            structural: view.structural,
            present: view.present,
            complete: cells.len() as f64 >= view.distinct,
            mean_words: mean(&|cell| words(cell.text)),
            mean_chars: mean(&|cell| characters(cell.text)),
            core: core.len(),
            distinct: view.distinct.max(count),
            fixed_width: is_fixed_width(cells),
            leading_zeros: share(&|cell| cell.text.len() > 1 && cell.text.starts_with('0') && cell.whole().is_some()),
            grouped: share(&|cell| is_grouped(cell.text.trim_start_matches(['-', '+']))),
            decimals: numbers.decimals,
            low: numbers.low,
            high: numbers.high,
            mean: view.numeric.map_or(numbers.mean, |numbers| numbers.mean),
            wholes: wholes(&core),
            is_pair: ANSWERS.iter().any(|answers| is_pair(&core, answers)),
            is_scale: is_scale(&core),
        }
    }

    /// What the column as a whole adds to the odds of a meaning, in natural logarithms; nothing when it rules it out.
    pub(super) fn fit(&self, kind: &Kind) -> Option<f64> {
        let all_of = |from: u64, to: u64| (from..=to).all(|value| self.wholes.binary_search(&value).is_ok());
        Some(match kind.semantic_type {
            SemanticType::Latitude | SemanticType::Longitude => self.degrees(kind.semantic_type),
            SemanticType::Month if self.wholes.len() >= 10 => 1.4,
            SemanticType::Hour if self.wholes.len() >= 20 && self.wholes.first() == Some(&0) => 1.4,
            SemanticType::Weekday if kind.is_numeric && (all_of(1, 7) || all_of(0, 6)) => 0.8,
            SemanticType::Age if (15.0..70.0).contains(&self.mean) && self.high > 30.0 && self.wholes.len() >= 20 => {
                0.6
            }
            SemanticType::Year if self.low >= 1900.0 && self.high <= 2035.0 => 0.8,
            SemanticType::Year if self.wholes.len() > 200 => -1.0,
            SemanticType::FipsState | SemanticType::CountryCodeNumeric => self.padded(),
            SemanticType::PostalCode if kind.is_numeric => self.postal(),
            SemanticType::Geohash => {
                if self.fixed_width {
                    1.0
                } else {
                    -1.0
                }
            }
            SemanticType::GroupedNumber if self.grouped < 0.2 => return None,
            SemanticType::BooleanLike => self.two_answers()?,
            SemanticType::Gender if self.core > 6 => -3.0,
            SemanticType::Region | SemanticType::City if self.core < 7 => -1.5,
            SemanticType::Ordinal if !self.is_scale || self.core < 3 => return None,
            SemanticType::Percent | SemanticType::Quarter
                if kind.is_numeric && self.decimals == 0.0 && self.high > 4.0 =>
            {
                -0.5
            }
            _ => 0.0,
        })
    }

    /// Coordinates have digits behind the point and vary; shares and marks lie between -1 and 1.
    fn degrees(&self, axis: SemanticType) -> f64 {
        let precise = if (3.5..9.0).contains(&self.decimals) {
            0.0
        } else if self.decimals >= 1.5 {
            -1.0
        } else {
            -2.0
        };
        let narrow = if self.low >= -1.0 && self.high <= 1.0 { -2.0 } else { 0.0 };
        let wide = match axis {
            SemanticType::Longitude if self.high > 90.0 || self.low < -90.0 => 0.9,
            SemanticType::Longitude => -0.4,
            _ => 0.0,
        };
        precise + narrow + wide
    }

    fn padded(&self) -> f64 {
        if self.fixed_width && self.leading_zeros > 0.0 { 1.0 } else { -0.5 }
    }

    fn postal(&self) -> f64 {
        let width = if self.fixed_width { 0.0 } else { -1.5 };
        let zeros = if self.fixed_width && self.leading_zeros > 0.0 { 0.8 } else { 0.0 };
        width + zeros - if self.wholes.len() < 10 { 0.5 } else { 0.0 }
    }

    /// A boolean says so by its type; else the two most frequent values are opposite answers.
    fn two_answers(&self) -> Option<f64> {
        match (self.structural, self.is_pair) {
            (StructuralType::Boolean, _) => Some(4.0),
            (_, true) => Some(2.0),
            _ => None,
        }
    }

    /// Whether values repeat: eight times each, on the average, those of the core.
    pub(super) fn repeats(&self) -> bool {
        self.core >= 1 && self.present >= 8 * self.core as u64
    }

    /// Distinct values for each cell with a value, 0 to 1.
    pub(super) fn distinct_share(&self) -> f64 {
        (self.distinct / self.present.max(1) as f64).min(1.0)
    }
}

/// The most frequent values that make up nine tenths of the cells.
fn core<'c, 'a>(cells: &'c [Cell<'a>]) -> Vec<&'c Cell<'a>> {
    let mut counts: Vec<u64> = cells.iter().map(|cell| cell.count).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let total: u64 = counts.iter().sum();
    let mut seen = 0;
    let needed = counts.iter().take_while(|count| {
        let go_on = seen * 10 < total * 9;
        seen += **count;
        go_on
    });
    let length = needed.count();
    let mut core: Vec<&Cell<'_>> = cells.iter().collect();
    if length < core.len() {
        // Of values that are as frequent, those that come first in the alphabet.
        core.select_nth_unstable_by(length, |a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(b.text)));
        core.truncate(length);
    }
    core
}

fn wholes(core: &[&Cell<'_>]) -> Vec<u64> {
    let mut wholes: Vec<u64> = core.iter().filter_map(|cell| cell.whole()).collect();
    wholes.sort_unstable();
    wholes.dedup();
    wholes
}

/// Whether nine tenths of the values are degrees of one scale.
fn is_scale(core: &[&Cell<'_>]) -> bool {
    let mut degrees = [0; SCALES.len()];
    let mut none = 0;
    for cell in core {
        let scales = scales_of(cell);
        none += usize::from(scales == 0);
        // Too many are degrees of no scale at all, whatever follows.
        if none * 10 > core.len() {
            return false;
        }
        degrees.iter_mut().enumerate().for_each(|(place, count)| *count += (scales >> place & 1) as usize);
    }
    degrees.iter().any(|count| count * 10 >= core.len() * 9)
}

fn is_pair(core: &[&Cell<'_>], (yes, no): &(&str, &str)) -> bool {
    let has = |answer: &str| core.iter().any(|cell| cell.folded() == answer);
    core.len() <= 6 && has(yes) && has(no) && core.iter().all(|cell| cell.folded() == *yes || cell.folded() == *no)
}

/// How many words white space divides a text into.
fn words(text: &str) -> usize {
    if !text.is_ascii() {
        return text.split_whitespace().count();
    }
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let mut before = true;
    let starts = text.bytes().filter(|byte| {
        let space = is_space(*byte);
        let starts = before && !space;
        before = space;
        starts
    });
    starts.count()
}

fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

fn is_fixed_width(cells: &[Cell<'_>]) -> bool {
    let mut widths = [0usize; 64];
    cells.iter().for_each(|cell| widths[cell.text.len().min(63)] += 1);
    widths.iter().any(|count| count * 10 >= cells.len() * 9)
}

struct Numbers {
    decimals: f64,
    low: f64,
    high: f64,
    mean: f64,
}

impl Numbers {
    fn of(cells: &[Cell<'_>]) -> Self {
        let mut numbers: Vec<(f64, usize)> =
            cells.iter().filter_map(|cell| cell.number()).map(|number| (number.value, number.decimals)).collect();
        if numbers.is_empty() {
            return Self { decimals: 0.0, low: 0.0, high: 0.0, mean: 0.0 };
        }
        numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
        let edge = numbers.len() / 25;
        let kept = &numbers[edge..numbers.len() - edge];
        let count = kept.len() as f64;
        Self {
            decimals: kept.iter().map(|(_, decimals)| *decimals as f64).sum::<f64>() / count,
            low: kept[0].0,
            high: kept[kept.len() - 1].0,
            mean: kept.iter().map(|(value, _)| value).sum::<f64>() / count,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_are_those_of_the_standard_library(text in "[\\x00-\\x7f]{0,20}|[ -~é\u{85}\u{2003}]{0,20}") {
            prop_assert_eq!(super::words(&text), text.split_whitespace().count());
            prop_assert_eq!(super::characters(&text), text.chars().count());
        }
    }
}
