//! A profile as people read it.

use proto::profiling::v1 as pb;

use crate::output;

const HEAD: [&str; 9] =
    ["column", "type", "meaning", "missing", "misfit", "distinct", "histogram", "range", "most frequent"];

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
        ("table", which(&table)),
        ("time", coverage.collect::<Vec<_>>().join("; ")),
        ("box", bounds.unwrap_or_default()),
        ("places", places(&table)),
        ("keys", keys(&table)),
        ("repeated rows", repeated(&table)),
        ("wide", wide(&table)),
    ]);
    text += &format!("\n\n{}", columns(&profile.columns));
    if !table.name.is_empty() && !table.file_tables.is_empty() {
        text += &format!("\n\n{}", file_tables(&table.file_tables));
    }
    for warning in &table.warnings {
        let place = warning.first_row.map(|row| format!(", first in row {row}")).unwrap_or_default();
        text += &format!("\nwarning  {} ({}, {} times{place})", warning.message, warning.reason, warning.count);
    }
    text
}

/// The tables of a file, and what else it holds.
pub fn tables(tables: &[pb::FileTable], left_out: &[String]) -> String {
    let rows = tables.iter().map(|table| vec![table.name.clone(), table.member.clone(), table.table.clone()]);
    let mut text = output::table(&["table", "file in the archive", "sheet or table"], rows);
    for part in left_out {
        text += &format!("\nleft out  {part}");
    }
    text
}

/// The tables of a file whose profiles are stored, each with its size or why it has no profile.
fn file_tables(tables: &[pb::FileTable]) -> String {
    let rows = tables.iter().map(|table| {
        let figures = |figure: String| if table.has_profile { figure } else { String::new() };
        let why = table.error.as_ref().map(|error| format!("{} ({})", error.message, error.reason));
        let (rows, columns) = (figures(table.row_count.to_string()), figures(table.column_count.to_string()));
        let not_tried = || if table.has_profile { String::new() } else { "not profiled".to_owned() };
        vec![table.name.clone(), rows, columns, why.unwrap_or_else(not_tried)]
    });
    output::table(&["table", "rows", "columns", "problem"], rows)
}

/// Which table of its file this is.
fn which(table: &pb::TableProfile) -> String {
    let place = table.file_tables.iter().position(|one| one.profiled);
    match (place, &table.recipe) {
        (Some(place), _) => {
            let name = &table.file_tables[place].name;
            let others = if table.name.is_empty() { "--tables lists them, --table" } else { "listed below, --table" };
            format!("{name} ({} of {}; {others} takes another)", place + 1, table.file_table_count)
        }
        (None, Some(recipe)) => {
            let parts = [recipe.member.as_str(), recipe.table.as_str()].into_iter().filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join("#")
        }
        (None, None) => String::new(),
    }
}

/// What a wide table could become.
fn wide(table: &pb::TableProfile) -> String {
    let Some(offer) = &table.unpivot else { return String::new() };
    let name = |place: i32| usize::try_from(place).ok().and_then(|place| table.column_names.get(place));
    let (first, last) = (name(offer.first_column), name(offer.first_column + offer.column_count - 1));
    format!(
        "columns `{}` to `{}` are points in time: made long, {} rows with `{}` and `{}`",
        first.map_or("", String::as_str),
        last.map_or("", String::as_str),
        offer.row_count,
        offer.name_column,
        offer.value_column
    )
}

/// Where most points lie, of the pair or column with the most of them.
fn places(table: &pb::TableProfile) -> String {
    const SHOWN: usize = 3;
    let Some(space) = table.space_coverage.iter().max_by_key(|space| space.value_count) else { return String::new() };
    let region = |region: &pb::SpaceRegion| {
        let name = [region.region.as_str(), region.country_code.as_str()].into_iter().filter(|part| !part.is_empty());
        format!("{} ({})", name.collect::<Vec<_>>().join(", "), region.point_count)
    };
    let mut shown: Vec<String> = space.regions.iter().take(SHOWN).map(region).collect();
    let others = usize::try_from(space.region_count).unwrap_or(0).saturating_sub(shown.len());
    if others > 0 {
        shown.push(format!("{others} more"));
    }
    shown.join("; ")
}

fn keys(table: &pb::TableProfile) -> String {
    let key = |key: &pb::CandidateKey| {
        let about = if key.exact { "" } else { "~" };
        format!("{about}{}", key.columns.join(" + "))
    };
    table.candidate_keys.iter().map(key).collect::<Vec<_>>().join(", ")
}

fn repeated(table: &pb::TableProfile) -> String {
    let count = table.duplicate_rows.as_ref().and_then(|rows| rows.exact).unwrap_or_default();
    let about = if count.low < count.high { "~" } else { "" };
    if count.value > 0.0 { format!("{about}{:.0}", count.value) } else { String::new() }
}

fn columns(columns: &[pb::ColumnProfile]) -> String {
    let rows = columns.iter().map(|column| {
        let kind = output::lower(column.structural_type().as_str_name(), "STRUCTURAL_TYPE_");
        let distinct = column.distinct_count.unwrap_or_default();
        let about = if distinct.relative_standard_error > 0.0 { "~" } else { "" };
        vec![
            column.column.clone(),
            kind,
            meaning(column),
            column.missing_count.to_string(),
            column.misfit_count.to_string(),
            format!("{about}{:.0}", distinct.value),
            histogram(column),
            range(column),
            frequent(column),
        ]
    });
    output::table(&HEAD, rows)
}

/// What the values most likely mean.
fn meaning(column: &pb::ColumnProfile) -> String {
    let meanings = column.semantic_types().map(|meaning| output::lower(meaning.as_str_name(), "SEMANTIC_TYPE_"));
    meanings.collect::<Vec<_>>().join(", ")
}

/// One bar for each bin of numbers, the highest bin being full; a bin without numbers is a blank.
fn histogram(column: &pb::ColumnProfile) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bins = column.numeric.as_ref().map_or(&[][..], |numeric| &numeric.histogram);
    let highest = bins.iter().map(|bin| bin.count).fold(0.0, f64::max);
    let bar = |bin: &pb::HistogramBin| {
        let share = if highest > 0.0 { bin.count / highest } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of eight, rounded up")]
        let height = (share * 8.0).ceil() as usize;
        height.checked_sub(1).map_or(' ', |level| BARS[level.min(7)])
    };
    bins.iter().map(bar).collect()
}

fn range(column: &pb::ColumnProfile) -> String {
    if let Some(range) = &column.time_range {
        return format!("{} to {}", output::time(range.start), output::time(range.end));
    }
    match (&column.numeric, &column.text_range) {
        (Some(numeric), _) if !numeric.exact_min.is_empty() => {
            format!("{} to {}", numeric.exact_min, numeric.exact_max)
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with_counts(counts: &[f64]) -> pb::ColumnProfile {
        let bin = |count: &f64| pb::HistogramBin { count: *count, ..Default::default() };
        let histogram = counts.iter().map(bin).collect();
        pb::ColumnProfile {
            numeric: Some(pb::NumericSummary { histogram, ..Default::default() }),
            ..Default::default()
        }
    }

    #[test]
    fn the_highest_bin_is_full_and_whatever_there_is_shows() {
        assert_eq!(histogram(&with_counts(&[1.0, 0.0, 500.0, 1000.0])), "▁ ▄█");
        assert_eq!(histogram(&with_counts(&[])), "");
    }
}
