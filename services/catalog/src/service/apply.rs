//! What the events of discovery and profiling do to records. Each is a step of the consumer's transaction.

use objects::{Key, ObjectStoreExt};
use prost::Message;
use proto::profiling::v1::StoredProfile;
use types::{DatasetName, Malformed, Timestamp, VersionName};

use super::Catalog;
use crate::Error;
use crate::convert::{self, Profiled};
use crate::events::{Announcement, Success};
use crate::record::{Attempt, Record, Version};
use crate::store::Tx;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// It had its effect.
    Done,
    /// The record that it is about has not been announced yet: the streams of discovery and profiling have no order
    /// between them.
    NotAnnounced,
}

impl Catalog {
    /// Takes an announcement: a new record, or news of one that is known.
    pub async fn announce(&self, tx: &mut Tx, announcement: Announcement) -> Result<(), Error> {
        let Announcement { dataset, found, metadata } = announcement;
        let now = self.database.now();
        let mut record = match self.find(tx, &dataset).await? {
            None => Record::new(dataset, found, metadata, now),
            Some(mut record) => {
                record.announce(found, metadata, now);
                record
            }
        };
        Ok(self.store.save(tx, &mut record, &[], now).await?)
    }

    /// Takes a retraction. One of a dataset that was never announced has nothing to retract.
    pub async fn retract(&self, tx: &mut Tx, dataset: &DatasetName) -> Result<(), Error> {
        let now = self.database.now();
        let Some(mut record) = self.find(tx, dataset).await? else { return Ok(()) };
        record.retract(now);
        Ok(self.store.save(tx, &mut record, &[], now).await?)
    }

    /// Takes the progress or the failure of a job.
    pub async fn advance(&self, tx: &mut Tx, dataset: &DatasetName, attempt: Attempt) -> Result<Applied, Error> {
        let Some(mut record) = self.find(tx, dataset).await? else { return Ok(Applied::NotAnnounced) };
        record.advance(attempt);
        self.store.save(tx, &mut record, &[], self.database.now()).await?;
        Ok(Applied::Done)
    }

    /// Reads what a success says of the rows, before the transaction that takes it.
    pub async fn read_profile(&self, success: &Success) -> Result<Profiled, Error> {
        let key: Key = success.profile_key.parse().map_err(objects::Error::from)?;
        let bytes = self.objects.get_bytes(&key, self.config.max_profile_bytes.as_bytes()).await?;
        let malformed = |problem| Error::ProfileMalformed { profile: success.profile.clone(), problem };
        let profile = StoredProfile::decode(bytes).map_err(|error| malformed(Malformed(error.to_string())))?;
        convert::profiled(profile).map_err(malformed)
    }

    /// Takes the success of a job: a new version, unless the bytes are those of the newest one.
    pub async fn succeed(&self, tx: &mut Tx, success: Success, profiled: Profiled) -> Result<Applied, Error> {
        let now = self.database.now();
        let Some(mut record) = self.find(tx, &success.dataset).await? else { return Ok(Applied::NotAnnounced) };
        let newest = self.newest_version(tx, &record).await?;
        let same_bytes = newest.filter(|newest| newest.has_bytes(&success.digest, &profiled.recipe));
        // The same bytes profiled anew, by a newer engine or with more tables, are the same version with better figures.
        let is_told = |newest: &Version| newest.profile == success.profile && newest.tables == profiled.tables;
        let changed = !same_bytes.as_ref().is_some_and(is_told);
        let number = match &same_bytes {
            Some(same) => same.name.version,
            None => record.newest.as_ref().map_or(1, |newest| newest.version + 1),
        };
        let attempt = success.attempt.clone();
        record.succeed(attempt, number, changed, now);
        self.store.save(tx, &mut record, &[], now).await?;
        if changed {
            let words = profiled.words.clone();
            let version = version(&record, number, success, profiled, same_bytes, now);
            self.store.put_version(tx, &version, &words).await?;
        }
        Ok(Applied::Done)
    }

    async fn find(&self, tx: &mut Tx, name: &DatasetName) -> Result<Option<Record>, sql::Error> {
        Ok(self.store.records(tx, &name.tenant, std::slice::from_ref(&name.dataset)).await?.pop())
    }

    async fn newest_version(&self, tx: &mut Tx, record: &Record) -> Result<Option<Version>, sql::Error> {
        let Some(newest) = &record.newest else { return Ok(None) };
        let wanted = [(record.name.dataset.clone(), newest.version)];
        Ok(self.store.versions(tx, &record.name.tenant, &wanted).await?.pop())
    }
}

fn version(
    record: &Record,
    number: u64,
    success: Success,
    profiled: Profiled,
    same_bytes: Option<Version>,
    now: Timestamp,
) -> Version {
    let DatasetName { tenant, dataset } = record.name.clone();
    let file_name = match file_name(&record.found.path) {
        "" => format!("{dataset}.{}", profiled.recipe.format),
        name => name.to_owned(),
    };
    Version {
        name: VersionName::new(tenant, dataset, number),
        digest: success.digest,
        size_bytes: success.size_bytes,
        profile: success.profile,
        recipe: profiled.recipe,
        row_count: profiled.row_count,
        column_count: profiled.column_count,
        columns: profiled.columns,
        tables: profiled.tables,
        time_range: profiled.time_range,
        bounding_box: profiled.bounding_box,
        content_key: success.content_key,
        materialization: success.materialization,
        file_name,
        indexed: same_bytes.as_ref().is_some_and(|same| same.indexed),
        created: same_bytes.map_or(now, |same| same.created),
    }
}

/// The last segment of a path; empty for an upload without a name.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}
