//! Messages to domain values, and back.

mod profile;
pub mod request;
mod tables;

use std::ops::Range;

use proto::catalog::v1 as pb;
use proto::common::v1 as common;
use search::{Facet, FacetField, MatchField};
use sql::work::WorkRow;
use types::Malformed;

pub use profile::{Profiled, profiled};
pub use tables::cut;

use crate::record::{Attempt, Column, Metadata, Recipe, Record, State, Table, Version};
use crate::service::Dataset;
use crate::service::search::{Found, Hit, Why};

impl From<Metadata> for common::Metadata {
    fn from(value: Metadata) -> Self {
        let Metadata { title, description, license, tags, origins } = value;
        Self { title, description, license, tags, origins }
    }
}

impl From<common::Metadata> for Metadata {
    fn from(message: common::Metadata) -> Self {
        let common::Metadata { title, description, license, tags, origins } = message;
        Self { title, description, license, tags, origins }
    }
}

impl From<Recipe> for common::Recipe {
    fn from(value: Recipe) -> Self {
        let Recipe {
            compression,
            format,
            encoding,
            delimiter,
            quote,
            header,
            member,
            preamble_lines,
            table,
            column_starts,
        } = value;
        Self { compression, format, encoding, delimiter, quote, header, member, preamble_lines, table, column_starts }
    }
}

impl From<common::Recipe> for Recipe {
    fn from(message: common::Recipe) -> Self {
        let common::Recipe {
            compression,
            format,
            encoding,
            delimiter,
            quote,
            header,
            member,
            preamble_lines,
            table,
            column_starts,
        } = message;
        Self { compression, format, encoding, delimiter, quote, header, member, preamble_lines, table, column_starts }
    }
}

impl From<State> for pb::DatasetState {
    fn from(state: State) -> Self {
        match state {
            State::Announced => Self::Announced,
            State::Queued => Self::Queued,
            State::Fetching => Self::Fetching,
            State::Profiling | State::Indexing => Self::Profiling,
            State::Indexed => Self::Indexed,
            State::Failed => Self::Failed,
            State::Retracted => Self::Retracted,
        }
    }
}

/// The states of the domain that the contract shows as `state`; none for `UNSPECIFIED`.
fn states(state: pb::DatasetState) -> Vec<State> {
    State::ALL.into_iter().filter(|one| pb::DatasetState::from(*one) == state).collect()
}

impl From<Attempt> for pb::LatestAttempt {
    fn from(attempt: Attempt) -> Self {
        Self {
            job: attempt.job.to_string(),
            attempts: i32::try_from(attempt.attempts).unwrap_or(i32::MAX),
            next_attempt_time: attempt.next.map(Into::into),
            error: attempt.error.map(Into::into),
        }
    }
}

impl From<Dataset> for pb::Dataset {
    fn from(Dataset { record, version }: Dataset) -> Self {
        let state = pb::DatasetState::from(record.state());
        let Record { name, found, metadata, edited, hidden, attempt, revision, created, updated, .. } = record;
        Self {
            name: name.to_string(),
            state: state.into(),
            latest_attempt: Some(attempt.map(Into::into).unwrap_or_default()),
            current_version: version.map(Into::into),
            metadata: Some(metadata.into()),
            edited_fields: edited.into_iter().map(|field| field.path().to_owned()).collect(),
            hidden,
            source: found.source.map(|source| source.to_string()).unwrap_or_default(),
            source_kind: found.source_kind,
            path: found.path,
            materialization: Some(found.materialization.into()),
            revision: revision.0,
            create_time: Some(created.into()),
            update_time: Some(updated.into()),
        }
    }
}

impl From<Version> for pb::Version {
    fn from(version: Version) -> Self {
        Self {
            name: version.name.to_string(),
            digest: Some(version.digest.into()),
            size_bytes: signed(version.size_bytes),
            profile: version.profile.to_string(),
            recipe: Some(version.recipe.into()),
            row_count: signed(version.row_count),
            column_count: i32::try_from(version.column_count).unwrap_or(i32::MAX),
            columns: version.columns.into_iter().map(Into::into).collect(),
            time_range: version.time_range.map(Into::into),
            r#box: version.bounding_box.map(Into::into),
            kept: version.content_key.is_some(),
            indexed: version.indexed,
            create_time: Some(version.created.into()),
            tables: version.tables.shown.into_iter().map(Into::into).collect(),
            table_count: i32::try_from(version.tables.count).unwrap_or(i32::MAX),
        }
    }
}

impl From<Table> for pb::VersionTable {
    fn from(Table { name, figures, error }: Table) -> Self {
        let (rows, columns) = figures.unwrap_or_default();
        Self {
            table: name,
            has_profile: figures.is_some(),
            row_count: signed(rows),
            column_count: i32::try_from(columns).unwrap_or(i32::MAX),
            error: error.map(Into::into),
        }
    }
}

impl From<Column> for pb::ColumnSummary {
    fn from(column: Column) -> Self {
        Self {
            column: column.name,
            structural_type: column.structural_type.into(),
            semantic_types: column.semantic_types.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Hit> for pb::SearchResult {
    fn from(hit: Hit) -> Self {
        let matches = hit.matches.into_iter().map(matched).collect();
        Self { dataset: Some(hit.dataset.into()), score: hit.score, matches }
    }
}

impl From<Found> for pb::SearchDatasetsResponse {
    fn from(found: Found) -> Self {
        Self {
            results: found.hits.into_iter().map(Into::into).collect(),
            next_page_token: found.next_page_token,
            total_size: signed(found.total),
            facets: found.facets.into_iter().map(facet).collect(),
            truncated: found.truncated,
        }
    }
}

fn matched(Why { matched: found, table }: Why) -> pb::Match {
    let field = match found.field {
        MatchField::Title => pb::MatchField::Title,
        MatchField::Description => pb::MatchField::Description,
        MatchField::Column => pb::MatchField::Column,
        MatchField::Value => pb::MatchField::Value,
        MatchField::Tag => pb::MatchField::Tag,
        MatchField::Path => pb::MatchField::Path,
    };
    // An extract has at most 200 characters.
    let number = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
    let span = |span: Range<usize>| pb::TextSpan { start: number(span.start), end: number(span.end) };
    pb::Match { field: field.into(), text: found.text, spans: found.spans.into_iter().map(span).collect(), table }
}

fn facet(facet: Facet) -> pb::Facet {
    let field = match facet.field {
        FacetField::Source => pb::FacetField::Source,
        FacetField::SourceKind => pb::FacetField::SourceKind,
        FacetField::License => pb::FacetField::License,
        FacetField::Tag => pb::FacetField::Tag,
        FacetField::Format => pb::FacetField::Format,
        FacetField::ColumnType => pb::FacetField::ColumnType,
    };
    let counts = facet.counts.into_iter();
    pb::Facet {
        field: field.into(),
        counts: counts.map(|one| pb::FacetCount { value: one.value, count: signed(one.count) }).collect(),
        other_count: signed(facet.other_count),
    }
}

/// The message of a rebuild, from its row of work. Its input is the cause, as text.
pub fn rebuild(row: WorkRow) -> pb::IndexRebuild {
    pb::IndexRebuild {
        name: format!("indexRebuilds/{}", row.id),
        cause: String::from_utf8_lossy(&row.input).into_owned(),
        status: Some(row.status.into()),
    }
}

/// Contracts have signed numbers; no length or count of ours comes near the limit.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Reads a number that the contract says is not negative.
pub(crate) fn unsigned(value: i64, what: &str) -> Result<u64, Malformed> {
    u64::try_from(value).map_err(|_| Malformed(format!("{what} is negative")))
}
