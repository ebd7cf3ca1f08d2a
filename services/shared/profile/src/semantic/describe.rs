//! From the profile of a column to the view that recognition reads, and back.

use proto::profiling::v1::{ColumnProfile, SemanticFinding, SemanticType, StructuralType};

use super::{ColumnView, Finding, Numbers, recognise};

/// The first finding counts as recognised from here on.
const RECOGNISED: f64 = 0.5;

/// Tells what the values of a column may mean, from its profile and a sample of its distinct values with their counts.
pub(crate) fn findings(column: &ColumnProfile, sample: &[(&str, u64)]) -> Vec<Finding> {
    let top: Vec<(&str, u64)> =
        column.top_values.iter().map(|top| (top.value.as_str(), u64::try_from(top.count).unwrap_or(0))).collect();
    recognise(&ColumnView {
        name: &column.column,
        structural: StructuralType::try_from(column.structural_type).unwrap_or(StructuralType::Text),
        present: u64::try_from(column.present_count).unwrap_or(0),
        distinct: column.distinct_count.as_ref().map_or(0.0, |distinct| distinct.value),
        sample,
        top: &top,
        numeric: column.numeric.as_ref().map(|n| Numbers { min: n.min, max: n.max, mean: n.mean }),
    })
}

/// The meaning that counts as recognised.
pub(crate) fn meaning(findings: &[Finding]) -> Option<SemanticType> {
    let first = findings.first().filter(|finding| finding.confidence >= RECOGNISED);
    first.map(|first| first.semantic_type)
}

/// Puts into a profile what its values may mean. What a pair of columns told already stays as it is.
pub(crate) fn describe(column: &mut ColumnProfile, findings: Vec<Finding>) {
    if let Some(meaning) = meaning(&findings)
        && column.semantic_types.is_empty()
    {
        column.semantic_types.push(meaning.into());
    }
    column.semantic_findings = findings.into_iter().map(SemanticFinding::from).collect();
}

impl From<Finding> for SemanticFinding {
    fn from(finding: Finding) -> Self {
        Self {
            semantic_type: finding.semantic_type.into(),
            confidence: finding.confidence,
            matched_share: finding.matched.value,
            matched_share_low: finding.matched.low,
            matched_share_high: finding.matched.high,
            tested_count: i64::try_from(finding.tested).unwrap_or(i64::MAX),
            evidence: finding.evidence,
            personal_data: finding.personal.into(),
            language: finding.language.unwrap_or_default().to_owned(),
        }
    }
}
