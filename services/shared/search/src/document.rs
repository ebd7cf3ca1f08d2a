//! What the index is told of a dataset.

use types::{BoundingBox, TimeRange, Timestamp};

/// A dataset as the index sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its id, unique over all tenants: the name of the dataset.
    pub id: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// The version that it describes; hits carry it back.
    pub version: u64,
    /// Its title; may be empty.
    pub title: String,
    /// Its description; may be empty.
    pub description: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its path within its source, or the name of its file.
    pub path: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Frequent values of its columns.
    pub values: Vec<String>,
    /// The name of its source; empty for an upload.
    pub source: String,
    /// The kind of its source.
    pub source_kind: String,
    /// Its licence; empty when none is known.
    pub license: String,
    /// The format of its bytes.
    pub format: String,
    /// Its rows.
    pub rows: i64,
    /// Its length in bytes.
    pub size_bytes: i64,
    /// When its version was recorded.
    pub updated: Timestamp,
    /// The span of time that it covers.
    pub time_range: Option<TimeRange>,
    /// The box that it covers.
    pub bounding_box: Option<BoundingBox>,
    /// Whether it must not be found.
    pub hidden: bool,
}

/// A column of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its structural type, in any spelling that filters use too.
    pub structural_type: String,
}
