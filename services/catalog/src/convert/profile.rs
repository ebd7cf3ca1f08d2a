//! What catalog takes from a profile: a version and the words that search looks at.

use std::collections::HashSet;

use proto::profiling::v1::{ColumnProfile, SemanticType, StoredProfile, StructuralType, TemporalCoverage};
use types::{BoundingBox, Malformed, TimeRange};

use super::unsigned;
use crate::record::{Column, Recipe, Version, Words};

/// What a profile says of a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Profiled {
    /// How the bytes were read.
    pub recipe: Recipe,
    /// Rows, exactly.
    pub row_count: u64,
    /// Columns, exactly.
    pub column_count: u32,
    /// The first columns.
    pub columns: Vec<Column>,
    /// The span of time that the rows cover.
    pub time_range: Option<TimeRange>,
    /// The box that the rows cover.
    pub bounding_box: Option<BoundingBox>,
    /// The words that search looks at.
    pub words: Words,
}

/// Takes from a stored profile what catalog keeps.
pub fn profiled(profile: StoredProfile) -> Result<Profiled, Malformed> {
    let StoredProfile { table, columns, .. } = profile;
    let table = table.ok_or_else(|| Malformed("the profile has no table".into()))?;
    let bounding_box = table.spatial_coverage.and_then(|coverage| coverage.r#box).map(BoundingBox::try_from);
    Ok(Profiled {
        recipe: table.recipe.ok_or_else(|| Malformed("the profile has no recipe".into()))?.into(),
        row_count: unsigned(table.row_count, "the number of rows")?,
        column_count: u32::try_from(table.column_count)
            .map_err(|_| Malformed("the column count is negative".into()))?,
        time_range: joined(table.temporal_coverage)?,
        bounding_box: bounding_box.transpose()?,
        words: words(&columns),
        columns: columns.into_iter().take(Version::SHOWN_COLUMNS).map(column).collect(),
    })
}

fn column(profile: ColumnProfile) -> Column {
    let structural_type = profile.structural_type();
    let semantic_types = profile.semantic_types().filter(|meaning| *meaning != SemanticType::Unspecified).collect();
    Column { name: cut(&profile.column, Version::SHOWN_CHARS), structural_type, semantic_types }
}

/// The least span that holds those of all temporal columns.
fn joined(coverage: Vec<TemporalCoverage>) -> Result<Option<TimeRange>, Malformed> {
    let mut joined: Option<TimeRange> = None;
    for range in coverage.into_iter().filter_map(|column| column.range) {
        let range = TimeRange::try_from(range)?;
        joined = Some(match joined {
            None => range,
            // An open start is the earliest there is, and `None` is the least; an open end is the latest.
            Some(so_far) => TimeRange {
                start: so_far.start.min(range.start),
                end: so_far.end.zip(range.end).map(|(a, b)| a.max(b)),
            },
        });
    }
    Ok(joined)
}

fn words(columns: &[ColumnProfile]) -> Words {
    let named = columns.iter().take(Words::MAX_COLUMNS);
    Words {
        columns: named.map(|column| (cut(&column.column, Words::MAX_CHARS), column.structural_type())).collect(),
        values: values(columns),
    }
}

/// The most frequent values of the text columns. First the most frequent of each column, then the second and so on, so
/// that no column of a wide table takes the place of the others.
fn values(columns: &[ColumnProfile]) -> Vec<String> {
    let texts: Vec<_> = columns.iter().filter(|column| column.structural_type() == StructuralType::Text).collect();
    let ranks = texts.iter().map(|column| column.top_values.len()).max().unwrap_or(0);
    let mut seen = HashSet::new();
    let mut values = Vec::new();
    for value in (0..ranks).flat_map(|rank| texts.iter().filter_map(move |column| column.top_values.get(rank))) {
        if values.len() == Words::MAX_VALUES {
            break;
        }
        let text = cut(value.value.trim(), Words::MAX_CHARS);
        if !text.is_empty() && seen.insert(text.clone()) {
            values.push(text);
        }
    }
    values
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests {
    use proto::common::v1 as common;
    use proto::profiling::v1::{TableProfile, ValueCount};

    use super::*;

    fn text_column(name: &str, values: &[&str]) -> ColumnProfile {
        let count = |value: &&str| ValueCount { value: (*value).to_owned(), count: 1, count_error: 0 };
        ColumnProfile {
            column: name.to_owned(),
            structural_type: StructuralType::Text.into(),
            top_values: values.iter().map(count).collect(),
            ..ColumnProfile::default()
        }
    }

    #[test]
    fn each_column_gets_its_share_of_the_values() {
        let columns = [text_column("a", &["a1", "a2", "a3"]), text_column("b", &["b1", "a1", " "])];
        assert_eq!(values(&columns), ["a1", "b1", "a2", "a3"]);
    }

    #[test]
    fn numbers_are_no_words() {
        let mut column = text_column("n", &["1", "2"]);
        column.structural_type = StructuralType::Integer.into();
        assert!(values(&[column]).is_empty());
    }

    #[test]
    fn the_spans_of_several_columns_are_joined() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let coverage = |start, end| TemporalCoverage {
            range: Some(common::TimeRange { start: at(start), end: at(end) }),
            ..TemporalCoverage::default()
        };
        let range = joined(vec![coverage(5, 10), coverage(1, 7)]).unwrap().unwrap();
        assert_eq!(range, TimeRange::try_from(common::TimeRange { start: at(1), end: at(10) }).unwrap());
        assert_eq!(joined(Vec::new()).unwrap(), None);
    }

    #[test]
    fn a_profile_without_a_recipe_is_malformed() {
        let profile = StoredProfile { table: Some(TableProfile::default()), ..StoredProfile::default() };
        assert!(profiled(profile).is_err());
    }
}
