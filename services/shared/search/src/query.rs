//! What is asked, and what comes back.

use types::{BoundingBox, TimeRange, Timestamp};

/// Hits beyond this many are counted, but not listed.
pub const MAX_HITS: usize = 10_000;

/// Values of one facet beyond this many are counted together.
pub const MAX_FACET_COUNTS: usize = 50;

/// Asks for datasets of one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The tenant whose datasets are searched.
    pub tenant: String,
    /// Words, all of which must match. An empty text asks for everything, newest first; one that is not empty but holds no
    /// word, such as punctuation alone, matches nothing.
    pub text: String,
    /// What must hold besides.
    pub filter: Filter,
    /// What to count over all that matches.
    pub facets: Vec<FacetField>,
    /// At most this many hits, and never more than [`MAX_HITS`].
    pub limit: usize,
}

impl Query {
    /// Asks for everything of a tenant that has these words.
    pub fn words(tenant: impl Into<String>, text: impl Into<String>) -> Self {
        let (tenant, text) = (tenant.into(), text.into());
        Self { tenant, text, filter: Filter::default(), facets: Vec::new(), limit: MAX_HITS }
    }
}

/// What must hold besides the words. Fields are joined by "and", the entries of one field by "or"; an empty field asks for
/// nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Names of sources.
    pub sources: Vec<String>,
    /// Kinds of sources.
    pub source_kinds: Vec<String>,
    /// Licences, letter by letter.
    pub licenses: Vec<String>,
    /// Tags, letter by letter.
    pub tags: Vec<String>,
    /// Formats.
    pub formats: Vec<String>,
    /// Columns; unlike other fields, all of them must be there.
    pub columns: Vec<ColumnFilter>,
    /// Rows.
    pub rows: Range,
    /// Bytes.
    pub size_bytes: Range,
    /// Recorded then or later.
    pub updated_since: Option<Timestamp>,
    /// Its coverage in time shares an instant with this.
    pub time_range: Option<TimeRange>,
    /// Its coverage in space shares a point with this.
    pub bounding_box: Option<BoundingBox>,
}

/// A column that must be there; what is given must hold for the same column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnFilter {
    /// Its whole name, in any case.
    pub name: Option<String>,
    /// Its structural type.
    pub structural_type: Option<String>,
}

/// A closed range of whole numbers; an end that is `None` is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// The least.
    pub min: Option<i64>,
    /// The greatest.
    pub max: Option<i64>,
}

/// What facets count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FacetField {
    /// The source.
    Source,
    /// The kind of the source.
    SourceKind,
    /// The licence.
    License,
    /// The tags.
    Tag,
    /// The format.
    Format,
    /// The structural types of the columns.
    ColumnType,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hits {
    /// How many datasets match, exactly; may exceed the number of hits.
    pub total: u64,
    /// The best of them, in order.
    pub hits: Vec<Hit>,
    /// The counts that were asked for, in the order asked.
    pub facets: Vec<Facet>,
}

/// A dataset that matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its id.
    pub id: String,
    /// The version that the index holds.
    pub version: u64,
    /// Its BM25 score, comparable within one answer alone; 0 for a query without words.
    pub score: f64,
}

/// The counts of one facet. A dataset counts once for each value that it has, and not at all where it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// What was counted.
    pub field: FacetField,
    /// The values that most datasets have, at most [`MAX_FACET_COUNTS`]; of two with the same count the lesser one first.
    pub counts: Vec<FacetCount>,
    /// How many datasets have a value that is not among them, exactly.
    pub other_count: u64,
}

/// The count of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetCount {
    /// The value.
    pub value: String,
    /// How many datasets have it, exactly.
    pub count: u64,
}
