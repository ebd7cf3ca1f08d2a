//! What catalog takes from the tables of a profile: each in brief, and their words.

use std::collections::{HashMap, HashSet};

use proto::profiling::v1::{ColumnProfile, FileTable, StoredProfile, StructuralType};
use types::Malformed;

use super::unsigned;
use crate::record::{Table, TableWords, Tables, Version, Words};

/// The tables of a file with so many.
pub fn briefly(count: i32, listed: Vec<FileTable>) -> Result<Tables, Malformed> {
    let count = u32::try_from(count).map_err(|_| Malformed("the table count is negative".into()))?;
    let table = |table: FileTable| {
        let columns =
            u32::try_from(table.column_count).map_err(|_| Malformed("the column count is negative".into()))?;
        let figures = (unsigned(table.row_count, "the number of rows")?, columns);
        Ok(Table {
            name: cut(&table.name, Version::SHOWN_CHARS),
            figures: table.has_profile.then_some(figures),
            error: table.error.map(Into::into),
        })
    };
    let profiled = u32::try_from(listed.iter().filter(|table| table.has_profile).count()).unwrap_or(u32::MAX);
    let shown = listed.into_iter().take(Version::SHOWN_TABLES).map(table).collect::<Result<_, Malformed>>()?;
    Ok(Tables { count, profiled, shown })
}

/// The words of all tables. Each has its share where there are more than search looks at, and what several have counts once,
/// as that of the one whose turn comes first.
pub fn words(profile: &StoredProfile) -> Words {
    let tables: Vec<&[ColumnProfile]> =
        std::iter::once(profile).chain(&profile.other_tables).map(|one| one.columns.as_slice()).collect();
    let (columns, values) = (columns(&tables), values(&tables));
    let mut words = Words::default();
    if tables.len() > 1 {
        let counts = columns.iter().zip(&values).zip(names(profile));
        let of_table = |((columns, values), name): ((&Vec<_>, &Vec<_>), String)| TableWords {
            name,
            columns: columns.len(),
            values: values.len(),
        };
        words.tables = counts.map(of_table).collect();
    }
    words.columns = columns.into_iter().flatten().collect();
    words.values = values.into_iter().flatten().collect();
    words
}

/// The names of the tables that have a profile.
fn names(profile: &StoredProfile) -> Vec<String> {
    let listed = profile.table.as_ref().map(|table| table.file_tables.as_slice()).unwrap_or_default();
    let name = |index: i32| usize::try_from(index).ok().and_then(|index| listed.get(index));
    let indexes = std::iter::once(profile).chain(&profile.other_tables).map(|one| one.file_table_index);
    indexes.map(|index| name(index).map(|table| cut(&table.name, Version::SHOWN_CHARS)).unwrap_or_default()).collect()
}

/// The columns of each table. First the first of each table, then the second and so on, so that no wide table takes the
/// place of the others.
fn columns(tables: &[&[ColumnProfile]]) -> Vec<Vec<(String, StructuralType)>> {
    let mut first_with = HashMap::new();
    let mut taken: Vec<Vec<_>> = vec![Vec::new(); tables.len()];
    let mut count = 0;
    for position in 0..tables.iter().map(|columns| columns.len()).max().unwrap_or(0) {
        for (table, columns) in tables.iter().enumerate() {
            let Some(column) = columns.get(position).filter(|_| count < Words::MAX_COLUMNS) else { continue };
            let column = (cut(&column.column, Words::MAX_CHARS), column.structural_type());
            if *first_with.entry(column.clone()).or_insert(table) == table {
                taken[table].push(column);
                count += 1;
            }
        }
    }
    taken
}

/// The most frequent values of the text columns of each table, in turns: one of each table, then a second one of each and so
/// on, so that no wide table takes the place of the others.
fn values(tables: &[&[ColumnProfile]]) -> Vec<Vec<String>> {
    let mut waiting: Vec<_> = tables.iter().map(|columns| by_rank(columns)).collect();
    let mut seen = HashSet::new();
    let mut taken = vec![Vec::new(); tables.len()];
    let mut any = true;
    while any {
        any = false;
        for (values, taken) in waiting.iter_mut().zip(&mut taken) {
            if seen.len() == Words::MAX_VALUES {
                break;
            }
            if let Some(text) = values.find(|text| !text.is_empty() && seen.insert(text.clone())) {
                taken.push(text);
                any = true;
            }
        }
    }
    taken
}

/// The values of a table's text columns: first the most frequent of each column, then the second and so on.
fn by_rank(columns: &[ColumnProfile]) -> impl Iterator<Item = String> {
    let texts: Vec<_> = columns.iter().filter(|column| column.structural_type() == StructuralType::Text).collect();
    let ranks = texts.iter().map(|column| column.top_values.len()).max().unwrap_or(0);
    (0..ranks).flat_map(move |rank| {
        let values = texts.iter().filter_map(|column| column.top_values.get(rank));
        values.map(|value| cut(value.value.trim(), Words::MAX_CHARS)).collect::<Vec<_>>()
    })
}

/// The first characters of a text.
pub fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests {
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

    fn of(columns: Vec<ColumnProfile>) -> StoredProfile {
        StoredProfile { columns, ..StoredProfile::default() }
    }

    #[test]
    fn each_column_gets_its_share_of_the_values() {
        let columns = vec![text_column("a", &["a1", "a2", "a3"]), text_column("b", &["b1", "a1", " "])];
        assert_eq!(words(&of(columns)).values, ["a1", "b1", "a2", "a3"]);
    }

    #[test]
    fn numbers_are_no_words() {
        let mut column = text_column("n", &["1", "2"]);
        column.structural_type = StructuralType::Integer.into();
        assert!(words(&of(vec![column])).values.is_empty());
    }

    #[test]
    fn each_word_is_of_the_table_whose_turn_comes_first() {
        let mut profile = of(vec![text_column("a", &["x"]), text_column("b", &["y"])]);
        let named = |name: &str| FileTable { name: name.to_owned(), ..FileTable::default() };
        let file_tables = vec![named("one"), named("broken"), named("two")];
        profile.table = Some(TableProfile { file_tables, ..TableProfile::default() });
        let mut other = of(vec![text_column("b", &["y"]), text_column("c", &["z"])]);
        other.file_table_index = 2;
        profile.other_tables = vec![other];
        let words = words(&profile);
        let columns: Vec<_> = words.columns.iter().map(|(name, _)| name.as_str()).collect();
        // Of equal columns the one that stands further left in its table comes first, of equal values the more frequent one.
        assert_eq!((columns, words.values.clone()), (vec!["a", "b", "c"], ["x", "y", "z"].map(String::from).to_vec()));
        let tables: Vec<_> = (0..4).map(|index| words.table_of(index, |table| table.columns)).collect();
        assert_eq!(tables, ["one", "two", "two", ""]);
        let tables: Vec<_> = (0..3).map(|index| words.table_of(index, |table| table.values)).collect();
        assert_eq!(tables, ["one", "two", "two"]);
    }

    #[test]
    fn a_wide_table_leaves_room_for_the_others() {
        let wide = (0..2 * Words::MAX_COLUMNS).map(|number| text_column(&format!("w{number}"), &[]));
        let mut profile = of(wide.collect());
        profile.other_tables = vec![of(vec![text_column("narrow", &[])])];
        let words = words(&profile);
        assert_eq!((words.columns.len(), words.tables[1].columns), (Words::MAX_COLUMNS, 1));
        assert!(words.columns.iter().any(|(name, _)| name == "narrow"));

        let wide = (0..2 * Words::MAX_VALUES).map(|number| text_column("wide", &[&format!("w{number}")]));
        let mut profile = of(wide.collect());
        profile.other_tables = vec![of(vec![text_column("narrow", &["Bern", "Thun"])])];
        let words = super::words(&profile);
        assert_eq!((words.values.len(), words.tables[1].values), (Words::MAX_VALUES, 2));
    }
}
