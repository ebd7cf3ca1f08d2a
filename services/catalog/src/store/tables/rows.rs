//! Rows to domain values. A value that does not read back names its column.

use prost::Message;
use proto::common::v1 as pb;
use proto::profiling::v1::{SemanticType, StructuralType};
use serde::{Deserialize, Serialize};
use types::{
    DatasetId, DatasetName, JobId, JobName, Malformed, ProfileId, ProfileName, Revision, SourceId, SourceName,
    TenantId, Timestamp, VersionName,
};

use super::file_tables;
use crate::record::{
    Attempt, AttemptPhase, Column, EditedField, Found, IndexMark, Newest, Record, TableWords, Version, Words,
};

pub(super) fn record(row: &sql::Row) -> Result<Record, sql::Error> {
    let tenant: TenantId = id(row, "tenant", "datasets.tenant")?;
    let token: String = row.get("newest_token")?;
    let newest = optional(row, "newest_version", "datasets.newest_version")?;
    Ok(Record {
        name: DatasetName::new(tenant.clone(), id(row, "dataset", "datasets.dataset")?),
        found: found(row, &tenant)?,
        retracted: row.get("retracted")?,
        metadata: message::<pb::Metadata>(row, "metadata", "datasets.metadata")?.into(),
        edited: edited_from_text(row.get("edited_fields")?)?,
        hidden: row.get("hidden")?,
        attempt: attempt(row, tenant)?,
        newest: newest.map(|version| Newest { version, version_token: token }),
        current: optional(row, "current_version", "datasets.current_version")?,
        index: IndexMark {
            change: row.get("index_change")?,
            done: row.get("index_done")?,
            held: optional(row, "index_held", "datasets.index_held")?,
            cause: row.get("index_cause")?,
            touched: false,
        },
        revision: Revision(row.get("revision")?),
        created: Timestamp::from_micros(row.get("created")?),
        updated: Timestamp::from_micros(row.get("updated")?),
        change: row.get("change")?,
    })
}

fn found(row: &sql::Row, tenant: &TenantId) -> Result<Found, sql::Error> {
    let source: String = row.get("source")?;
    let source = match source.as_str() {
        "" => None,
        id => Some(SourceName::new(tenant.clone(), parsed::<SourceId>(id, "datasets.source")?)),
    };
    Ok(Found {
        source,
        source_kind: row.get("source_kind")?,
        path: row.get("path")?,
        materialization: message::<pb::Materialization>(row, "materialization", "datasets.materialization")?
            .try_into()
            .map_err(malformed("datasets.materialization"))?,
    })
}

fn attempt(row: &sql::Row, tenant: TenantId) -> Result<Option<Attempt>, sql::Error> {
    let Some(job) = row.get::<Option<String>>("job")? else { return Ok(None) };
    let phase: String = row.get("attempt_phase")?;
    let error: Option<Vec<u8>> = row.get("attempt_error")?;
    let error = error.map(|bytes| pb::WorkError::decode(bytes.as_slice())).transpose();
    Ok(Some(Attempt {
        job: JobName::new(tenant, parsed::<JobId>(&job, "datasets.job")?),
        phase: AttemptPhase::parse(&phase).ok_or(sql::Error::Malformed { column: "datasets.attempt_phase" })?,
        attempts: row.get("attempts")?,
        next: row.get::<Option<i64>>("next_attempt")?.map(Timestamp::from_micros),
        error: error.map_err(|_| sql::Error::Malformed { column: "datasets.attempt_error" })?.map(Into::into),
        version_token: row.get("attempt_token")?,
    }))
}

pub(super) fn version(row: &sql::Row) -> Result<Version, sql::Error> {
    let tenant: TenantId = id(row, "tenant", "versions.tenant")?;
    let dataset: DatasetId = id(row, "dataset", "versions.dataset")?;
    let profile: ProfileId = id(row, "profile", "versions.profile")?;
    let number = unsigned(row, "version", "versions.version")?;
    Ok(Version {
        name: VersionName::new(tenant.clone(), dataset, number),
        digest: id(row, "digest", "versions.digest")?,
        size_bytes: unsigned(row, "size_bytes", "versions.size_bytes")?,
        profile: ProfileName::new(tenant, profile),
        recipe: message::<pb::Recipe>(row, "recipe", "versions.recipe")?.into(),
        row_count: unsigned(row, "row_count", "versions.row_count")?,
        column_count: row.get("column_count")?,
        columns: columns_from_json(row.get("columns")?)?,
        tables: file_tables::from_json(row.get("tables")?)?,
        time_range: optional_message::<pb::TimeRange, _>(row, "time_range", "versions.time_range")?,
        bounding_box: optional_message::<pb::BoundingBox, _>(row, "box", "versions.box")?,
        content_key: row.get("content_key")?,
        materialization: message::<pb::Materialization>(row, "materialization", "versions.materialization")?
            .try_into()
            .map_err(malformed("versions.materialization"))?,
        file_name: row.get("file_name")?,
        indexed: row.get("indexed")?,
        created: Timestamp::from_micros(row.get("created")?),
    })
}

pub(super) fn words(row: &sql::Row) -> Result<(DatasetId, Words), sql::Error> {
    let column = "version_words.words";
    let stored: StoredWords = from_json(row.get("words")?, column)?;
    let columns = stored.columns.into_iter().map(|(name, number)| Ok((name, structural_type(number, column)?)));
    let table = |(name, columns, values)| TableWords { name, columns, values };
    let tables = stored.tables.into_iter().map(table).collect();
    let words = Words { columns: columns.collect::<Result<_, sql::Error>>()?, values: stored.values, tables };
    Ok((id(row, "dataset", "version_words.dataset")?, words))
}

/// Reads a text that is an id, or anything else with a checked text form.
pub(super) fn id<T: std::str::FromStr>(row: &sql::Row, name: &str, column: &'static str) -> Result<T, sql::Error> {
    parsed(row.get(name)?, column)
}

pub(super) fn unsigned(row: &sql::Row, name: &str, column: &'static str) -> Result<u64, sql::Error> {
    u64::try_from(row.get::<i64>(name)?).map_err(|_| sql::Error::Malformed { column })
}

fn optional(row: &sql::Row, name: &str, column: &'static str) -> Result<Option<u64>, sql::Error> {
    let value = row.get::<Option<i64>>(name)?.map(u64::try_from).transpose();
    value.map_err(|_| sql::Error::Malformed { column })
}

fn parsed<T: std::str::FromStr>(text: &str, column: &'static str) -> Result<T, sql::Error> {
    text.parse().map_err(|_| sql::Error::Malformed { column })
}

fn message<M: Message + Default>(row: &sql::Row, name: &str, column: &'static str) -> Result<M, sql::Error> {
    M::decode(row.get::<&[u8]>(name)?).map_err(|_| sql::Error::Malformed { column })
}

fn optional_message<M, T>(row: &sql::Row, name: &str, column: &'static str) -> Result<Option<T>, sql::Error>
where
    M: Message + Default,
    T: TryFrom<M, Error = Malformed>,
{
    let Some(bytes) = row.get::<Option<&[u8]>>(name)? else { return Ok(None) };
    let message = M::decode(bytes).map_err(|_| sql::Error::Malformed { column })?;
    message.try_into().map(Some).map_err(malformed(column))
}

fn malformed(column: &'static str) -> impl Fn(Malformed) -> sql::Error {
    move |_| sql::Error::Malformed { column }
}

/// SQL has signed numbers only; no count of ours comes near the limit.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn edited_to_text(edited: &[EditedField]) -> String {
    edited.iter().map(|field| field.path()).collect::<Vec<_>>().join(",")
}

fn edited_from_text(text: &str) -> Result<Vec<EditedField>, sql::Error> {
    let paths = text.split(',').filter(|path| !path.is_empty());
    let field = |path: &str| EditedField::ALL.into_iter().find(|field| field.path() == path);
    paths.map(|path| field(path).ok_or(sql::Error::Malformed { column: "datasets.edited_fields" })).collect()
}

#[derive(Serialize, Deserialize)]
struct StoredColumn {
    column: String,
    structural_type: i32,
    semantic_types: Vec<i32>,
}

#[derive(Serialize, Deserialize)]
struct StoredWords {
    columns: Vec<(String, i32)>,
    values: Vec<String>,
    /// How many of the columns and of the values each table has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tables: Vec<(String, usize, usize)>,
}

pub(super) fn columns_to_json(columns: &[Column]) -> String {
    let stored: Vec<_> = columns
        .iter()
        .map(|column| StoredColumn {
            column: column.name.clone(),
            structural_type: column.structural_type.into(),
            semantic_types: column.semantic_types.iter().map(|meaning| i32::from(*meaning)).collect(),
        })
        .collect();
    to_json(&stored)
}

fn columns_from_json(text: &str) -> Result<Vec<Column>, sql::Error> {
    let column = "versions.columns";
    let stored: Vec<StoredColumn> = from_json(text, column)?;
    let semantic = |number| SemanticType::try_from(number).map_err(|_| sql::Error::Malformed { column });
    let read = |stored: StoredColumn| {
        Ok(Column {
            name: stored.column,
            structural_type: structural_type(stored.structural_type, column)?,
            semantic_types: stored.semantic_types.into_iter().map(semantic).collect::<Result<_, _>>()?,
        })
    };
    stored.into_iter().map(read).collect()
}

pub(super) fn words_to_json(words: &Words) -> String {
    to_json(&StoredWords {
        columns: words.columns.iter().map(|(name, kind)| (name.clone(), i32::from(*kind))).collect(),
        values: words.values.clone(),
        tables: words.tables.iter().map(|table| (table.name.clone(), table.columns, table.values)).collect(),
    })
}

fn structural_type(number: i32, column: &'static str) -> Result<StructuralType, sql::Error> {
    StructuralType::try_from(number).map_err(|_| sql::Error::Malformed { column })
}

pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and numbers are JSON")
}

pub(super) fn from_json<'a, T: Deserialize<'a>>(text: &'a str, column: &'static str) -> Result<T, sql::Error> {
    serde_json::from_str(text).map_err(|_| sql::Error::Malformed { column })
}
