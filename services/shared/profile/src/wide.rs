//! Wide tables, whose columns are points in time.

use proto::profiling::v1::{TableProfile, Unpivot, UnpivotPeriod};
use table::Period;

use crate::finish::signed;

/// Offers to make a wide table long.
pub(crate) fn unpivot(table: &TableProfile) -> Option<Unpivot> {
    let names = &table.column_names;
    let table::Unpivot { first, count, period } = table::unpivot(names)?;
    let (period, name) = match period {
        Period::Year => (UnpivotPeriod::Year, "year"),
        Period::Quarter => (UnpivotPeriod::Quarter, "quarter"),
        Period::Month => (UnpivotPeriod::Month, "month"),
        Period::Day => (UnpivotPeriod::Day, "date"),
    };
    Some(Unpivot {
        first_column: i32::try_from(first).unwrap_or(i32::MAX),
        column_count: i32::try_from(count).unwrap_or(i32::MAX),
        period: period.into(),
        name_column: free(name, names),
        value_column: free("value", names),
        row_count: table.row_count.saturating_mul(signed(count as u64)),
    })
}

/// The name, or one like it that no column has.
fn free(wanted: &str, names: &[String]) -> String {
    let mut name = wanted.to_owned();
    while names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
        name.push('_');
    }
    name
}
