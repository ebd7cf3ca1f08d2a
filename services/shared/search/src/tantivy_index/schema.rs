//! The fields of a document in Tantivy.

use std::collections::BTreeSet;

use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, IndexRecordOption, NumericOptions, STRING, Schema, SchemaBuilder, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{PreTokenizedString, Token as TantivyToken};
use types::{BoundingBox, TimeRange};

use crate::analysis::{self, Word};
use crate::{Column, Document, FacetField, MatchField};

/// Grows with each change of what follows; an index of another version is rebuilt.
pub const VERSION: u32 = 1;

/// The fields of words, which queries look in.
pub const WORD_FIELDS: [MatchField; 6] = [
    MatchField::Title,
    MatchField::Column,
    MatchField::Tag,
    MatchField::Path,
    MatchField::Description,
    MatchField::Value,
];

/// Names of the columns that are read by document.
pub const ID: &str = "id";
/// The version that hits carry back.
pub const DOCUMENT_VERSION: &str = "version";
/// The time by which the newest come first.
pub const UPDATED: &str = "updated";

/// The fields, which Tantivy calls by number.
#[derive(Debug, Clone)]
pub struct Fields {
    pub id: Field,
    pub tenant: Field,
    version: Field,
    words: [Field; WORD_FIELDS.len()],
    facets: [Field; 6],
    /// What a column filter looks for, as [`column_key`] writes it.
    pub column_key: Field,
    pub rows: Field,
    pub size_bytes: Field,
    pub updated: Field,
    pub time_start: Field,
    pub time_end: Field,
    pub south: Field,
    pub north: Field,
    /// Western and eastern edges; the second pair belongs to a box that crosses the antimeridian.
    pub longitudes: [(Field, Field); 2],
}

impl Fields {
    /// Declares them; the order is that of their numbers.
    pub fn declare() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let number = || NumericOptions::default().set_fast();
        let fields = Self {
            id: schema.add_text_field(ID, STRING | FAST),
            tenant: schema.add_text_field("tenant", STRING),
            version: schema.add_u64_field(DOCUMENT_VERSION, number()),
            words: WORD_FIELDS.map(|field| schema.add_text_field(word_field(field), words())),
            facets: FACET_FIELDS.map(|field| schema.add_text_field(facet_column(field), STRING | FAST)),
            column_key: schema.add_text_field("column_key", STRING),
            rows: schema.add_i64_field("rows", number()),
            size_bytes: schema.add_i64_field("size_bytes", number()),
            updated: schema.add_i64_field(UPDATED, number()),
            time_start: schema.add_i64_field("time_start", number()),
            time_end: schema.add_i64_field("time_end", number()),
            south: schema.add_f64_field("south", number()),
            north: schema.add_f64_field("north", number()),
            longitudes: [longitudes(&mut schema, "west", "east"), longitudes(&mut schema, "west_2", "east_2")],
        };
        (schema.build(), fields)
    }

    /// The field that holds the words of such a text.
    pub fn words(&self, field: MatchField) -> Field {
        self.words[WORD_FIELDS.iter().position(|each| *each == field).expect("every field of words is listed")]
    }

    /// The field that holds such a value, whole.
    pub fn facet(&self, field: FacetField) -> Field {
        self.facets[FACET_FIELDS.iter().position(|each| *each == field).expect("every facet is listed")]
    }

    /// Writes a document in Tantivy's terms.
    pub fn document(&self, document: &Document) -> TantivyDocument {
        let mut to = TantivyDocument::new();
        to.add_text(self.id, &document.id);
        to.add_text(self.tenant, &document.tenant);
        to.add_u64(self.version, document.version);
        self.add_words(&mut to, document);
        self.add_facets(&mut to, document);
        for key in document.columns.iter().flat_map(column_keys).collect::<BTreeSet<_>>() {
            to.add_text(self.column_key, key);
        }
        to.add_i64(self.rows, document.rows);
        to.add_i64(self.size_bytes, document.size_bytes);
        to.add_i64(self.updated, document.updated.as_micros());
        if let Some(range) = document.time_range {
            let (start, end) = instants(range);
            to.add_i64(self.time_start, start);
            to.add_i64(self.time_end, end);
        }
        if let Some(area) = document.bounding_box.filter(BoundingBox::is_valid) {
            self.add_box(&mut to, area);
        }
        to
    }

    fn add_words(&self, to: &mut TantivyDocument, document: &Document) {
        let mut add = |field, text: &str| to.add_pre_tokenized_text(self.words(field), tokens(text));
        add(MatchField::Title, &document.title);
        add(MatchField::Path, &document.path);
        add(MatchField::Description, &document.description);
        document.tags.iter().for_each(|tag| add(MatchField::Tag, tag));
        document.columns.iter().for_each(|column| add(MatchField::Column, &column.name));
        document.values.iter().for_each(|value| add(MatchField::Value, value));
    }

    /// Adds each value once, so that facets count documents.
    fn add_facets(&self, to: &mut TantivyDocument, document: &Document) {
        for field in FACET_FIELDS {
            let values: BTreeSet<&str> = match field {
                FacetField::Source => [document.source.as_str()].into(),
                FacetField::SourceKind => [document.source_kind.as_str()].into(),
                FacetField::License => [document.license.as_str()].into(),
                FacetField::Tag => document.tags.iter().map(String::as_str).collect(),
                FacetField::Format => [document.format.as_str()].into(),
                FacetField::ColumnType => document.columns.iter().map(|c| c.structural_type.as_str()).collect(),
            };
            for value in values.into_iter().filter(|value| !value.is_empty()) {
                to.add_text(self.facet(field), value);
            }
        }
    }

    fn add_box(&self, to: &mut TantivyDocument, area: BoundingBox) {
        to.add_f64(self.south, area.south);
        to.add_f64(self.north, area.north);
        for ((west, east), (west_field, east_field)) in area.longitudes().into_iter().zip(self.longitudes) {
            to.add_f64(west_field, west);
            to.add_f64(east_field, east);
        }
    }
}

const FACET_FIELDS: [FacetField; 6] = [
    FacetField::Source,
    FacetField::SourceKind,
    FacetField::License,
    FacetField::Tag,
    FacetField::Format,
    FacetField::ColumnType,
];

/// The name of the column that holds such values.
pub fn facet_column(field: FacetField) -> &'static str {
    match field {
        FacetField::Source => "source",
        FacetField::SourceKind => "source_kind",
        FacetField::License => "license",
        FacetField::Tag => "tag",
        FacetField::Format => "format",
        FacetField::ColumnType => "column_type",
    }
}

/// What a column filter asks for, as one term: a column with this name, of this type, or with both; or any column.
pub fn column_key(name: Option<&str>, structural_type: Option<&str>) -> String {
    match (name, structural_type) {
        (None, None) => "any".to_owned(),
        (Some(name), None) => format!("name\u{1f}{}", bounded(name)),
        (None, Some(kind)) => format!("type\u{1f}{kind}"),
        (Some(name), Some(kind)) => format!("both\u{1f}{}\u{1f}{kind}", bounded(name)),
    }
}

/// A range of time with its open ends as far away as can be.
pub fn instants(range: TimeRange) -> (i64, i64) {
    let start = range.start.map_or(i64::MIN, types::Timestamp::as_micros);
    let end = range.end.map_or(i64::MAX, types::Timestamp::as_micros);
    (start, end)
}

fn column_keys(column: &Column) -> [String; 4] {
    let (name, kind) = (column.name.as_str(), column.structural_type.as_str());
    [
        column_key(None, None),
        column_key(Some(name), None),
        column_key(None, Some(kind)),
        column_key(Some(name), Some(kind)),
    ]
}

/// The name of a column in lower case; of an endless one its digest, since Tantivy drops terms above 64 KiB.
fn bounded(name: &str) -> String {
    let lower = name.to_lowercase();
    if lower.len() <= 1_000 { lower } else { types::Digest::of(lower.as_bytes()).to_hex() }
}

fn word_field(field: MatchField) -> &'static str {
    match field {
        MatchField::Title => "title_words",
        MatchField::Column => "column_words",
        MatchField::Tag => "tag_words",
        MatchField::Path => "path_words",
        MatchField::Description => "description_words",
        MatchField::Value => "value_words",
    }
}

/// Words come analysed, so that Tantivy's own analysis, which must be named all the same, is never asked.
fn words() -> TextOptions {
    let indexing = TextFieldIndexing::default().set_tokenizer("raw").set_index_option(IndexRecordOption::WithFreqs);
    TextOptions::default().set_indexing_options(indexing)
}

fn longitudes(schema: &mut SchemaBuilder, west: &str, east: &str) -> (Field, Field) {
    let number = || NumericOptions::default().set_fast();
    (schema.add_f64_field(west, number()), schema.add_f64_field(east, number()))
}

fn tokens(text: &str) -> PreTokenizedString {
    let tokens = analysis::words(text).flat_map(Word::tokens).enumerate();
    let tokens = tokens.map(|(position, token)| TantivyToken {
        offset_from: token.span.start,
        offset_to: token.span.end,
        position,
        text: token.term,
        position_length: 1,
    });
    // The text itself is not stored, so it need not be copied.
    PreTokenizedString { text: String::new(), tokens: tokens.collect() }
}
