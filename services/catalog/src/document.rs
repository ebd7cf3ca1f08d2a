//! What search sees of a dataset: the document in the index, and the texts in which a hit is shown.

use proto::profiling::v1::StructuralType;
use search::{Column, Document, MatchField};

use crate::convert::signed;
use crate::record::{Record, Version, Words};

/// The document that the index holds of a version.
pub fn document(record: &Record, version: &Version, words: Words) -> Document {
    let column = |(name, kind)| Column { name, structural_type: type_word(kind) };
    Document {
        id: record.name.to_string(),
        tenant: record.name.tenant.to_string(),
        version: version.name.version,
        title: record.metadata.title.clone(),
        description: record.metadata.description.clone(),
        tags: record.metadata.tags.clone(),
        path: record.found.path.clone(),
        columns: words.columns.into_iter().map(column).collect(),
        values: words.values,
        source: record.found.source.as_ref().map(ToString::to_string).unwrap_or_default(),
        source_kind: record.found.source_kind.clone(),
        license: record.metadata.license.clone(),
        format: version.recipe.format.clone(),
        rows: signed(version.row_count),
        size_bytes: signed(version.size_bytes),
        updated: version.created,
        time_range: version.time_range,
        bounding_box: version.bounding_box,
        hidden: record.hidden,
    }
}

/// How many texts of a dataset are neither tags, columns nor values.
const RECORD_TEXTS: usize = 3;

/// The texts of a dataset in which words of a query may be found.
pub fn texts<'a>(record: &'a Record, words: &'a Words) -> Vec<(MatchField, &'a str)> {
    let mut texts = vec![
        (MatchField::Title, record.metadata.title.as_str()),
        (MatchField::Description, record.metadata.description.as_str()),
        (MatchField::Path, record.found.path.as_str()),
    ];
    debug_assert_eq!(texts.len(), RECORD_TEXTS);
    texts.extend(record.metadata.tags.iter().map(|tag| (MatchField::Tag, tag.as_str())));
    texts.extend(words.columns.iter().map(|(name, _)| (MatchField::Column, name.as_str())));
    texts.extend(words.values.iter().map(|value| (MatchField::Value, value.as_str())));
    texts
}

/// The table of whose column or value the text with this index is, one of [`texts`]; empty where it is of none, or of a file
/// of one table.
pub fn table_of<'a>(record: &Record, words: &'a Words, index: usize) -> &'a str {
    let of_record = RECORD_TEXTS + record.metadata.tags.len();
    let Some(index) = index.checked_sub(of_record) else { return "" };
    match index.checked_sub(words.columns.len()) {
        None => words.table_of(index, |table| table.columns),
        Some(index) => words.table_of(index, |table| table.values),
    }
}

/// How filters and facets of the index spell a structural type: `integer`.
pub fn type_word(structural_type: StructuralType) -> String {
    let name = structural_type.as_str_name();
    name.strip_prefix("STRUCTURAL_TYPE_").unwrap_or(name).to_ascii_lowercase()
}
