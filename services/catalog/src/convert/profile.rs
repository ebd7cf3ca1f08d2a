//! What catalog takes from a profile: a version and the words that search looks at.

use proto::profiling::v1::{ColumnProfile, SemanticType, StoredProfile, TemporalCoverage};
use types::{BoundingBox, Malformed, TimeRange};

use super::{tables, unsigned};
use crate::record::{Column, Recipe, Tables, Version, Words};

/// What a profile says of a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Profiled {
    /// How the bytes were read.
    pub recipe: Recipe,
    /// Rows of the first table, exactly.
    pub row_count: u64,
    /// Columns of the first table, exactly.
    pub column_count: u32,
    /// The first columns of the first table.
    pub columns: Vec<Column>,
    /// The tables of the file.
    pub tables: Tables,
    /// The span of time that the rows of all tables cover.
    pub time_range: Option<TimeRange>,
    /// The box that the rows of all tables cover.
    pub bounding_box: Option<BoundingBox>,
    /// The words that search looks at.
    pub words: Words,
}

/// Takes from a stored profile what catalog keeps.
pub fn profiled(profile: StoredProfile) -> Result<Profiled, Malformed> {
    let words = tables::words(&profile);
    let StoredProfile { table, columns, other_tables, .. } = profile;
    let table = table.ok_or_else(|| Malformed("the profile has no table".into()))?;
    let (mut times, mut boxes) = (table.temporal_coverage, Vec::new());
    boxes.extend(table.spatial_coverage.and_then(|coverage| coverage.r#box));
    for other in other_tables.into_iter().filter_map(|other| other.table) {
        times.extend(other.temporal_coverage);
        boxes.extend(other.spatial_coverage.and_then(|coverage| coverage.r#box));
    }
    let boxes = boxes.into_iter().map(BoundingBox::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(Profiled {
        tables: tables::briefly(table.file_table_count, table.file_tables)?,
        recipe: table.recipe.ok_or_else(|| Malformed("the profile has no recipe".into()))?.into(),
        row_count: unsigned(table.row_count, "the number of rows")?,
        column_count: u32::try_from(table.column_count)
            .map_err(|_| Malformed("the column count is negative".into()))?,
        time_range: joined(times)?,
        bounding_box: BoundingBox::around(&boxes),
        words,
        columns: columns.into_iter().take(Version::SHOWN_COLUMNS).map(column).collect(),
    })
}

fn column(profile: ColumnProfile) -> Column {
    let structural_type = profile.structural_type();
    let semantic_types = profile.semantic_types().filter(|meaning| *meaning != SemanticType::Unspecified).collect();
    Column { name: tables::cut(&profile.column, Version::SHOWN_CHARS), structural_type, semantic_types }
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

#[cfg(test)]
mod tests {
    use proto::common::v1 as common;
    use proto::profiling::v1::TableProfile;

    use super::*;

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
