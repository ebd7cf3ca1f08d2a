//! The store in the tables of a database.

mod file_tables;
mod rows;

use async_trait::async_trait;
use events::Event;
use prost::Message;
use proto::common::v1 as pb;
use runtime::SystemScope;
use types::{DatasetId, DatasetName, SourceId, TenantId, Timestamp, VersionName};

use super::{ListFilter, Store, Tx};
use crate::record::{Record, Version, Words};

/// The store in the tables of a database.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tables;

#[async_trait]
impl Store for Tables {
    async fn save(
        &self,
        tx: &mut Tx,
        record: &mut Record,
        events: &[Event],
        now: Timestamp,
    ) -> Result<(), events::Error> {
        record.change = sql::next_change(&mut *tx).await?;
        if std::mem::take(&mut record.index.touched) {
            record.index.change = record.change;
            record.index.done = false;
            record.index.cause = events::trace::current();
        }
        write_record(&mut *tx, record).await?;
        events::outbox::append(tx, events, now).await
    }

    async fn put_version(&self, tx: &mut Tx, version: &Version, words: &Words) -> Result<(), sql::Error> {
        write_version(&mut *tx, version).await?;
        sql::query(
            "INSERT INTO version_words (tenant, dataset, version, words) VALUES (?, ?, ?, ?)
             ON CONFLICT (tenant, dataset, version) DO UPDATE SET words = excluded.words",
        )
        .bind(version.name.tenant.as_str())
        .bind(version.name.dataset.as_str())
        .bind(rows::number(version.name.version))
        .bind(rows::words_to_json(words))
        .execute(tx)
        .await?;
        Ok(())
    }

    async fn mark_indexed(&self, tx: &mut Tx, version: &VersionName) -> Result<(), sql::Error> {
        sql::query("UPDATE versions SET indexed = 1 WHERE tenant = ? AND dataset = ? AND version = ?")
            .bind(version.tenant.as_str())
            .bind(version.dataset.as_str())
            .bind(rows::number(version.version))
            .execute(tx)
            .await?;
        Ok(())
    }

    // `CROSS JOIN` keeps SQLite to the order written (https://www.sqlite.org/optoverview.html#crossjoin): each wanted
    // row by its key. Left to choose, it scans the tenant.
    async fn records(&self, tx: &mut Tx, tenant: &TenantId, ids: &[DatasetId]) -> Result<Vec<Record>, sql::Error> {
        let rows = sql::query(
            "SELECT d.* FROM json_each(?) AS wanted
             CROSS JOIN datasets AS d WHERE d.tenant = ? AND d.dataset = wanted.value ->> 0",
        )
        .bind(sql::list(ids.iter().map(|id| (id.as_str(),))))
        .bind(tenant.as_str())
        .fetch_all(tx)
        .await?;
        rows.iter().map(rows::record).collect()
    }

    async fn versions(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        wanted: &[(DatasetId, u64)],
    ) -> Result<Vec<Version>, sql::Error> {
        let rows = sql::query(
            "SELECT v.* FROM json_each(?) AS wanted CROSS JOIN versions AS v WHERE v.tenant = ?
             AND v.dataset = wanted.value ->> 0 AND v.version = CAST(wanted.value ->> 1 AS BIGINT)",
        )
        .bind(pairs(wanted))
        .bind(tenant.as_str())
        .fetch_all(tx)
        .await?;
        rows.iter().map(rows::version).collect()
    }

    async fn words(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        wanted: &[(DatasetId, u64)],
    ) -> Result<Vec<(DatasetId, Words)>, sql::Error> {
        let rows = sql::query(
            "SELECT w.dataset, w.words FROM json_each(?) AS wanted CROSS JOIN version_words AS w WHERE w.tenant = ?
             AND w.dataset = wanted.value ->> 0 AND w.version = CAST(wanted.value ->> 1 AS BIGINT)",
        )
        .bind(pairs(wanted))
        .bind(tenant.as_str())
        .fetch_all(tx)
        .await?;
        rows.iter().map(rows::words).collect()
    }

    async fn list(&self, tx: &mut Tx, tenant: &TenantId, filter: &ListFilter) -> Result<Vec<DatasetId>, sql::Error> {
        let rows = sql::query(
            "SELECT dataset FROM datasets WHERE tenant = ?1 AND (?2 IS NULL OR source = ?2)
             AND (?3 = 1 OR hidden = 0) AND (?4 = '[]' OR state IN (SELECT value ->> 0 FROM json_each(?4))) ORDER BY dataset",
        )
        .bind(tenant.as_str())
        .bind(filter.source.as_ref().map(|source| source.as_str()))
        .bind(filter.show_hidden)
        .bind(sql::list(filter.states.iter().map(|state| (state.as_str(),))))
        .fetch_all(tx)
        .await?;
        rows.iter().map(|row| rows::id(row, "dataset", "datasets.dataset")).collect()
    }

    async fn list_versions(&self, tx: &mut Tx, dataset: &DatasetName) -> Result<Vec<u64>, sql::Error> {
        let rows = sql::query("SELECT version FROM versions WHERE tenant = ? AND dataset = ? ORDER BY version DESC")
            .bind(dataset.tenant.as_str())
            .bind(dataset.dataset.as_str())
            .fetch_all(tx)
            .await?;
        rows.iter().map(|row| rows::unsigned(row, "version", "versions.version")).collect()
    }

    async fn changed(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        source: Option<&SourceId>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Record>, sql::Error> {
        let rows = sql::query(
            "SELECT * FROM datasets WHERE tenant = ?1 AND change > ?2 AND (?3 IS NULL OR source = ?3)
             ORDER BY change LIMIT ?4",
        )
        .bind(tenant.as_str())
        .bind(after)
        .bind(source.map(SourceId::as_str))
        .bind(limit)
        .fetch_all(tx)
        .await?;
        rows.iter().map(rows::record).collect()
    }

    async fn to_index(&self, tx: &mut Tx, _all: &SystemScope, limit: u32) -> Result<Vec<Record>, sql::Error> {
        let rows = sql::query("SELECT * FROM datasets WHERE index_done = 0 ORDER BY index_change LIMIT ?")
            .bind(limit)
            .fetch_all(tx)
            .await?;
        rows.iter().map(rows::record).collect()
    }

    async fn index_again(&self, tx: &mut Tx, _all: &SystemScope, reached: i64) -> Result<u64, sql::Error> {
        let done = sql::query("UPDATE datasets SET index_done = 0 WHERE index_change > ? AND index_done = 1")
            .bind(reached)
            .execute(tx)
            .await?;
        Ok(done)
    }

    async fn index_changed(
        &self,
        tx: &mut Tx,
        _all: &SystemScope,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Record>, sql::Error> {
        let rows = sql::query("SELECT * FROM datasets WHERE index_change > ? ORDER BY index_change LIMIT ?")
            .bind(after)
            .bind(limit)
            .fetch_all(tx)
            .await?;
        rows.iter().map(rows::record).collect()
    }

    async fn last_index_change(&self, tx: &mut Tx, _all: &SystemScope) -> Result<i64, sql::Error> {
        Ok(sql::query_scalar("SELECT coalesce(max(index_change), 0) FROM datasets").fetch_one(tx).await?)
    }
}

fn pairs(wanted: &[(DatasetId, u64)]) -> String {
    sql::list(wanted.iter().map(|(dataset, version)| (dataset.as_str(), version)))
}

async fn write_record(tx: &mut Tx, record: &Record) -> Result<(), sql::Error> {
    let attempt = record.attempt.as_ref();
    let newest = record.newest.as_ref();
    let error = attempt.and_then(|attempt| attempt.error.clone());
    sql::query(
        "INSERT INTO datasets (tenant, dataset, state, source, source_kind, path, materialization, retracted,
             metadata, edited_fields, hidden, job, attempt_phase, attempt_token, attempts, next_attempt, attempt_error,
             newest_version, newest_token, current_version, index_change, index_done, index_held, index_cause,
             revision, created, updated, change)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, dataset) DO UPDATE SET state = excluded.state, source = excluded.source,
             source_kind = excluded.source_kind, path = excluded.path, materialization = excluded.materialization,
             retracted = excluded.retracted, metadata = excluded.metadata, edited_fields = excluded.edited_fields,
             hidden = excluded.hidden, job = excluded.job, attempt_phase = excluded.attempt_phase,
             attempt_token = excluded.attempt_token, attempts = excluded.attempts,
             next_attempt = excluded.next_attempt, attempt_error = excluded.attempt_error,
             newest_version = excluded.newest_version, newest_token = excluded.newest_token,
             current_version = excluded.current_version, index_change = excluded.index_change,
             index_done = excluded.index_done, index_held = excluded.index_held, index_cause = excluded.index_cause, revision = excluded.revision,
             updated = excluded.updated, change = excluded.change",
    )
    .bind(record.name.tenant.as_str())
    .bind(record.name.dataset.as_str())
    .bind(record.state().as_str())
    .bind(record.found.source.as_ref().map_or("", |source| source.source.as_str()))
    .bind(&record.found.source_kind)
    .bind(&record.found.path)
    .bind(pb::Materialization::from(record.found.materialization.clone()).encode_to_vec())
    .bind(record.retracted)
    .bind(pb::Metadata::from(record.metadata.clone()).encode_to_vec())
    .bind(rows::edited_to_text(&record.edited))
    .bind(record.hidden)
    .bind(attempt.map(|attempt| attempt.job.job.as_str()))
    .bind(attempt.map_or("", |attempt| attempt.phase.as_str()))
    .bind(attempt.map_or("", |attempt| attempt.version_token.as_str()))
    .bind(attempt.map_or(0, |attempt| attempt.attempts))
    .bind(attempt.and_then(|attempt| attempt.next).map(Timestamp::as_micros))
    .bind(error.map(|error| pb::WorkError::from(error).encode_to_vec()))
    .bind(newest.map(|newest| rows::number(newest.version)))
    .bind(newest.map_or("", |newest| newest.version_token.as_str()))
    .bind(record.current.map(rows::number))
    .bind(record.index.change)
    .bind(record.index.done)
    .bind(record.index.held.map(rows::number))
    .bind(&record.index.cause)
    .bind(record.revision.0)
    .bind(record.created.as_micros())
    .bind(record.updated.as_micros())
    .bind(record.change)
    .execute(tx)
    .await?;
    Ok(())
}

async fn write_version(tx: &mut Tx, version: &Version) -> Result<(), sql::Error> {
    sql::query(
        "INSERT INTO versions (tenant, dataset, version, digest, size_bytes, profile, recipe, row_count, column_count,
             time_range, box, content_key, materialization, file_name, indexed, created, columns, tables)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, dataset, version) DO UPDATE SET profile = excluded.profile,
             row_count = excluded.row_count, column_count = excluded.column_count, time_range = excluded.time_range,
             box = excluded.box, content_key = excluded.content_key, materialization = excluded.materialization,
             columns = excluded.columns, tables = excluded.tables",
    )
    .bind(version.name.tenant.as_str())
    .bind(version.name.dataset.as_str())
    .bind(rows::number(version.name.version))
    .bind(version.digest.to_hex())
    .bind(rows::number(version.size_bytes))
    .bind(version.profile.profile.as_str())
    .bind(pb::Recipe::from(version.recipe.clone()).encode_to_vec())
    .bind(rows::number(version.row_count))
    .bind(version.column_count)
    .bind(version.time_range.map(|range| pb::TimeRange::from(range).encode_to_vec()))
    .bind(version.bounding_box.map(|bounds| pb::BoundingBox::from(bounds).encode_to_vec()))
    .bind(&version.content_key)
    .bind(pb::Materialization::from(version.materialization.clone()).encode_to_vec())
    .bind(&version.file_name)
    .bind(version.indexed)
    .bind(version.created.as_micros())
    .bind(rows::columns_to_json(&version.columns))
    .bind(file_tables::to_json(&version.tables))
    .execute(tx)
    .await?;
    Ok(())
}
