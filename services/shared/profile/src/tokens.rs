//! Values that stand for missing ones.

use proto::profiling::v1::{NullToken, NullTokenEvidence, StructuralType};
use sketch::TopValue;

use crate::cell::classify;
use crate::decide::Decision;
use crate::finish::signed;
use crate::summary::{Spectrum, Summary};

/// The most tokens that are told.
const TOKENS: usize = 20;
/// Numbers that programs have used for missing values.
const SENTINELS: [f64; 16] = [
    -1.0,
    -9.0,
    -99.0,
    -999.0,
    -9_999.0,
    -99_999.0,
    -999_999.0,
    99.0,
    999.0,
    9_999.0,
    99_999.0,
    999_999.0,
    -32_768.0,
    32_767.0,
    -2_147_483_648.0,
    2_147_483_647.0,
];
/// A sentinel occurs at least as often, and in at least one of as many cells.
const LEAST_COUNT: u64 = 3;
const ONE_OF: u64 = 1_000;

/// Everything in a column that stands for missing values, or may; `most` are its most frequent values.
pub(crate) fn tokens(
    summary: &Summary<'_>,
    decision: &Decision,
    spectrum: Option<&Spectrum<'_>>,
    most: &[TopValue],
) -> Vec<NullToken> {
    let token = |value: &str, count: u64, evidence: NullTokenEvidence| NullToken {
        value: value.to_owned(),
        count: signed(count),
        evidence: evidence.into(),
    };
    let mut found = Vec::new();
    if decision.tokens_are_missing {
        let listed = summary.figures.tokens.iter();
        found.extend(listed.map(|(value, count)| token(value, *count, NullTokenEvidence::Listed)));
    }
    found.extend(decision.repeated.iter().map(|(value, count)| token(value, *count, NullTokenEvidence::Repeated)));
    if let Some(spectrum) = spectrum.filter(|_| is_number(decision.structural_type)) {
        for top in most.iter().take(TOKENS) {
            let (_, value) = classify(top.text.trim(), false);
            let number = value.number().filter(|number| SENTINELS.contains(number));
            let often = top.count >= LEAST_COUNT && top.count * ONE_OF >= spectrum.spread.moments.count();
            if number.is_some_and(|number| often && stands_apart(number, spectrum)) {
                found.push(token(&top.text, top.count, NullTokenEvidence::Sentinel));
            }
        }
    }
    found.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    found.truncate(TOKENS);
    found
}

fn is_number(kind: StructuralType) -> bool {
    matches!(kind, StructuralType::Integer | StructuralType::Float | StructuralType::Decimal)
}

/// Tells whether a number is the least or the greatest, and further from the rest than the middle half of it is wide.
fn stands_apart(number: f64, spectrum: &Spectrum<'_>) -> bool {
    let rest: Vec<(f64, u64)> = spectrum.weighted.iter().copied().filter(|(value, _)| *value != number).collect();
    let (Some(first), Some(last)) = (rest.first(), rest.last()) else { return false };
    let quartiles = sketch::at_ranks(&rest, &[0.25, 0.75]);
    let width = quartiles[1] - quartiles[0];
    // -1 beside counts from 0 on is no neighbour: the only negative number among many that are none.
    let only_negative = number < 0.0 && first.0 >= 0.0 && rest.len() > 1;
    only_negative || number < first.0 && first.0 - number > width || number > last.0 && number - last.0 > width
}
