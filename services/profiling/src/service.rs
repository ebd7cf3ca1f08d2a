//! What callers ask of profiling: profiles that were made, jobs that run.

mod derive;
mod tables;

use std::sync::Arc;

use objects::{ObjectStore, ObjectStoreExt};
use prost::Message;
use proto::profiling::v1::{ColumnProfile, StoredProfile, TableProfile};
use sql::{Database, pages, work};
use types::{DatasetName, JobName, Permitted, ProfileName, TenantName};

use crate::config::Config;
use crate::job::{Job, QUEUE};
use crate::{Error, store};

pub use derive::RequestKey;

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// For the next page; empty at the end.
    pub next_page_token: String,
}

/// The most bytes of columns in one answer: below what clients take by default, 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

/// The domain logic of profiling.
#[derive(Clone)]
pub struct Profiling {
    /// The state.
    pub db: Database,
    /// Where profiles lie.
    pub objects: Arc<dyn ObjectStore>,
    /// The settings.
    pub config: Arc<Config>,
}

impl Profiling {
    /// Gets the profile of a table, without its columns: the one of this name, or the first one.
    pub async fn get_profile(&self, name: Permitted<ProfileName>, table: &str) -> Result<TableProfile, Error> {
        let stored = tables::of(&name, self.read_profile(&name).await?, table)?;
        stored.table.ok_or_else(|| Error::ProfileDamaged { name: name.into_inner() })
    }

    /// Lists the column profiles of a table, the one of this name or the first one, in order. A page ends early where its message would grow too large.
    pub async fn list_columns(
        &self,
        parent: Permitted<ProfileName>,
        table: &str,
        page_size: i32,
        page_token: &str,
    ) -> Result<Page<ColumnProfile>, Error> {
        let size = pages::size(page_size)?;
        // A profile never changes, so its columns need no pinned list: the token is where to go on.
        let start = if page_token.is_empty() { 0 } else { page_token.parse().map_err(|_| Error::PageToken)? };
        let columns = tables::of(&parent, self.read_profile(&parent).await?, table)?.columns;
        if start > columns.len() {
            return Err(Error::PageToken);
        }
        let total = columns.len();
        let mut bytes = 0;
        let items: Vec<_> = columns
            .into_iter()
            .skip(start)
            .take(size)
            .enumerate()
            .take_while(|(position, column)| {
                bytes += column.encoded_len();
                *position == 0 || bytes <= PAGE_BYTES
            })
            .map(|(_, column)| column)
            .collect();
        let end = start + items.len();
        Ok(Page { items, next_page_token: if end < total { end.to_string() } else { String::new() } })
    }

    async fn read_profile(&self, name: &ProfileName) -> Result<StoredProfile, Error> {
        let wanted = name.clone();
        let key = self
            .db
            .read(move |conn| Box::pin(async move { store::profile_key(conn, &wanted.tenant, &wanted.profile).await }))
            .await?;
        let key = key.ok_or_else(|| Error::NoSuchProfile { name: name.clone() })?;
        let key = key.parse().map_err(|_| Error::ProfileDamaged { name: name.clone() })?;
        let bytes = self.objects.get_bytes(&key, self.config.max_profile_bytes.as_bytes()).await?;
        StoredProfile::decode(bytes).map_err(|_| Error::ProfileDamaged { name: name.clone() })
    }

    /// Gets a job.
    pub async fn get_job(&self, name: Permitted<JobName>) -> Result<Job, Error> {
        self.db.read(move |conn| Box::pin(async move { store::job(conn, &name).await })).await
    }

    /// Lists the jobs of a tenant, or of one of its datasets, newest first.
    pub async fn list_jobs(
        &self,
        parent: Permitted<TenantName>,
        dataset: Option<DatasetName>,
        page_size: i32,
        page_token: &str,
    ) -> Result<Page<Job>, Error> {
        let tenant = parent.tenant.clone();
        let resource = dataset.map(|name| name.to_string());
        let query = format!("jobs {}", resource.as_deref().unwrap_or("-"));
        let filter = work::Filter { tenant: Some(tenant.clone()), resource, phases: Vec::new() };
        let page = pages::page(&self.db, tenant.as_str(), &query, page_token, page_size, move |conn| {
            Box::pin(async move { work::ids(conn, QUEUE, &filter).await })
        })
        .await?;
        let next_page_token = page.next_page_token;
        let items = self.db.read(move |conn| Box::pin(async move { read_jobs(conn, page.ids).await })).await?;
        Ok(Page { items, next_page_token })
    }

    /// Cancels a job; one that has ended stays as it is.
    pub async fn cancel_job(&self, name: Permitted<JobName>) -> Result<Job, Error> {
        let now = self.db.now();
        self.db.write(move |conn| Box::pin(async move { store::cancel(conn, &name, now).await })).await
    }

    /// Queues a failed or cancelled job again.
    pub async fn retry_job(&self, name: Permitted<JobName>) -> Result<Job, Error> {
        let now = self.db.now();
        self.db.write(move |conn| Box::pin(async move { store::retry(conn, &name, now).await })).await
    }

    /// The jobs of a tenant that changed after `after`, in the order of their changes.
    pub async fn changed_jobs(&self, parent: &TenantName, after: i64, limit: u32) -> Result<Vec<Job>, Error> {
        let tenant = parent.tenant.clone();
        let rows = self
            .db
            .read(move |conn| {
                Box::pin(async move { work::changed_after(conn, QUEUE, Some(&tenant), after, limit).await })
            })
            .await?;
        rows.into_iter().map(Job::read).collect()
    }
}

async fn read_jobs(conn: &mut sql::Conn, ids: Vec<String>) -> Result<Vec<Job>, Error> {
    let mut jobs = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(row) = work::get(conn, QUEUE, &id).await? {
            jobs.push(Job::read(row)?);
        }
    }
    Ok(jobs)
}
