//! A profile as people read it.

use proto::profiling::v1 as pb;

use crate::output;

/// The table, its columns, and what was odd.
pub fn describe(profile: &pb::StoredProfile) -> String {
    let table = profile.table.clone().unwrap_or_default();
    let recipe = table.recipe.clone().unwrap_or_default();
    let coverage = table.temporal_coverage.iter().map(|one| {
        let range = one.range.unwrap_or_default();
        format!("{}: {} to {}", one.column, output::time(range.start), output::time(range.end))
    });
    let bounds = table.spatial_coverage.as_ref().and_then(|spatial| spatial.r#box);
    let bounds = bounds.map(|b| format!("{},{},{},{} (west, south, east, north)", b.west, b.south, b.east, b.north));
    let mut text = output::fields(&[
        ("profile", table.name.clone()),
        ("rows", table.row_count.to_string()),
        ("columns", table.column_count.to_string()),
        ("size", output::bytes(table.size_bytes)),
        ("format", [recipe.format, recipe.compression, recipe.encoding].join(" ").trim().to_owned()),
        ("time", coverage.collect::<Vec<_>>().join("; ")),
        ("box", bounds.unwrap_or_default()),
    ]);
    text += &format!("\n\n{}", columns(&profile.columns));
    for warning in &table.warnings {
        let place = warning.first_row.map(|row| format!(", first in row {row}")).unwrap_or_default();
        text += &format!("\nwarning  {} ({}, {} times{place})", warning.message, warning.reason, warning.count);
    }
    text
}

fn columns(columns: &[pb::ColumnProfile]) -> String {
    let rows = columns.iter().map(|column| {
        let kind = output::lower(column.structural_type().as_str_name(), "STRUCTURAL_TYPE_");
        let distinct = column.distinct_count.unwrap_or_default();
        let about = if distinct.relative_standard_error > 0.0 { "~" } else { "" };
        vec![
            column.column.clone(),
            kind,
            column.missing_count.to_string(),
            column.misfit_count.to_string(),
            format!("{about}{:.0}", distinct.value),
            range(column),
            frequent(column),
        ]
    });
    output::table(&["column", "type", "missing", "misfit", "distinct", "range", "most frequent"], rows)
}

fn range(column: &pb::ColumnProfile) -> String {
    if let Some(range) = &column.time_range {
        return format!("{} to {}", output::time(range.start), output::time(range.end));
    }
    match (&column.numeric, &column.text_range) {
        (Some(numeric), _) => format!("{} to {}", numeric.min, numeric.max),
        (None, Some(text)) => format!("{} to {}", cut(&text.min), cut(&text.max)),
        (None, None) => String::new(),
    }
}

fn frequent(column: &pb::ColumnProfile) -> String {
    let values = column.top_values.iter().take(3).map(|top| format!("{} ({})", cut(&top.value), top.count));
    values.collect::<Vec<_>>().join(", ")
}

fn cut(text: &str) -> String {
    const LENGTH: usize = 24;
    let plain = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    let mut short: String = plain.take(LENGTH).collect();
    if text.chars().count() > LENGTH {
        short.push('…');
    }
    short
}
