//! From a query to one of Tantivy's.

use std::collections::HashSet;
use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, Query as Clause, RangeQuery, TermQuery};
use tantivy::query::{EmptyQuery, Occur, TermSetQuery};
use tantivy::schema::{Field, IndexRecordOption};
use types::BoundingBox;

use super::schema::{self, Fields, WORD_FIELDS};
use crate::analysis::{self, Word};
use crate::{FacetField, Filter, Query, Range};

/// A query in Tantivy's terms.
pub struct Plan {
    /// What must match.
    pub clause: Box<dyn Clause>,
    /// Whether there are words, and hence scores.
    pub scored: bool,
}

/// Plans a query. Only words count towards the score.
pub fn plan(fields: &Fields, query: &Query) -> Plan {
    let words = word_clauses(fields, &query.text);
    let scored = !words.is_empty();
    if !scored && !query.text.trim().is_empty() {
        return Plan { clause: Box::new(EmptyQuery), scored };
    }
    let tenant = exactly(fields.tenant, &query.tenant);
    let conditions = std::iter::once(tenant).chain(conditions(fields, &query.filter));
    let unscored = conditions.map(|clause| Box::new(ConstScoreQuery::new(clause, 0.0)) as Box<dyn Clause>);
    Plan { clause: all(words.into_iter().chain(unscored).collect()), scored }
}

/// One clause for each different word of a text.
fn word_clauses(fields: &Fields, text: &str) -> Vec<Box<dyn Clause>> {
    let mut seen = HashSet::new();
    let different = analysis::words(text).filter(|word| seen.insert(word.whole.term.clone()));
    different.map(|word| word_clause(fields, &word)).collect()
}

/// A word matches as a whole, or by all of its parts.
fn word_clause(fields: &Fields, word: &Word) -> Box<dyn Clause> {
    let whole = in_any_field(fields, &word.whole.term);
    if word.parts.is_empty() {
        return whole;
    }
    let parts = word.parts.iter().map(|part| in_any_field(fields, &part.term)).collect();
    any(vec![whole, all(parts)])
}

fn in_any_field(fields: &Fields, term: &str) -> Box<dyn Clause> {
    let clauses = WORD_FIELDS.map(|field| {
        let term = Term::from_field_text(fields.words(field), term);
        let clause = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
        Box::new(BoostQuery::new(clause, field.boost())) as Box<dyn Clause>
    });
    any(clauses.into())
}

fn conditions(fields: &Fields, filter: &Filter) -> Vec<Box<dyn Clause>> {
    let mut clauses = Vec::new();
    let facets = [
        (FacetField::Source, &filter.sources),
        (FacetField::SourceKind, &filter.source_kinds),
        (FacetField::License, &filter.licenses),
        (FacetField::Tag, &filter.tags),
        (FacetField::Format, &filter.formats),
    ];
    for (field, values) in facets.into_iter().filter(|(_, values)| !values.is_empty()) {
        let terms = values.iter().map(|value| Term::from_field_text(fields.facet(field), value));
        clauses.push(Box::new(TermSetQuery::new(terms)) as Box<dyn Clause>);
    }
    for column in &filter.columns {
        let key = schema::column_key(column.name.as_deref(), column.structural_type.as_deref());
        clauses.push(exactly(fields.column_key, &key));
    }
    clauses.extend(within(fields.rows, filter.rows));
    clauses.extend(within(fields.size_bytes, filter.size_bytes));
    let since = filter.updated_since.map(types::Timestamp::as_micros);
    clauses.extend(within(fields.updated, Range { min: since, max: None }));
    if let Some(range) = filter.time_range {
        let (start, end) = schema::instants(range);
        clauses.extend(within(fields.time_start, Range { min: None, max: Some(end) }));
        clauses.extend(within(fields.time_end, Range { min: Some(start), max: None }));
    }
    clauses.extend(filter.bounding_box.map(|area| meets(fields, area)));
    clauses
}

/// Two boxes meet when their latitudes do and any of their longitudes do.
fn meets(fields: &Fields, area: BoundingBox) -> Box<dyn Clause> {
    let mut longitudes = area.longitudes();
    // 180° east and west are one meridian.
    if longitudes.iter().any(|(_, east)| *east >= 180.0) {
        longitudes.push((-180.0, -180.0));
    }
    if longitudes.iter().any(|(west, _)| *west <= -180.0) {
        longitudes.push((180.0, 180.0));
    }
    let pairs = longitudes.into_iter().flat_map(|asked| fields.longitudes.map(|held| (asked, held)));
    let overlaps = pairs.map(|((west, east), (west_field, east_field))| {
        all(vec![at_most(west_field, east), at_least(east_field, west)])
    });
    all(vec![at_most(fields.south, area.north), at_least(fields.north, area.south), any(overlaps.collect())])
}

fn within(field: Field, range: Range) -> Option<Box<dyn Clause>> {
    let bound = |value: Option<i64>| match value {
        Some(value) => Bound::Included(Term::from_field_i64(field, value)),
        None => Bound::Unbounded,
    };
    let some = range.min.is_some() || range.max.is_some();
    some.then(|| Box::new(RangeQuery::new(bound(range.min), bound(range.max))) as Box<dyn Clause>)
}

fn at_most(field: Field, value: f64) -> Box<dyn Clause> {
    Box::new(RangeQuery::new(Bound::Unbounded, Bound::Included(Term::from_field_f64(field, value))))
}

fn at_least(field: Field, value: f64) -> Box<dyn Clause> {
    Box::new(RangeQuery::new(Bound::Included(Term::from_field_f64(field, value)), Bound::Unbounded))
}

fn exactly(field: Field, text: &str) -> Box<dyn Clause> {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic))
}

fn any(clauses: Vec<Box<dyn Clause>>) -> Box<dyn Clause> {
    Box::new(BooleanQuery::new(clauses.into_iter().map(|clause| (Occur::Should, clause)).collect()))
}

fn all(clauses: Vec<Box<dyn Clause>>) -> Box<dyn Clause> {
    if clauses.is_empty() {
        return Box::new(AllQuery);
    }
    Box::new(BooleanQuery::new(clauses.into_iter().map(|clause| (Occur::Must, clause)).collect()))
}
