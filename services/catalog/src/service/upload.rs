//! Uploads: bytes that a caller sends become an object, a record and an event.

use objects::{Key, ObjectBody, Put};
use types::{Caller, DatasetId, DatasetName, Materialization, Origin, Permitted, TenantName, Timestamp};

use super::spool::{Spool, Spooled};
use super::{Catalog, Dataset, RequestKey, dataset};
use crate::record::{Found, Metadata, Record};
use crate::store::{Store, Tx};
use crate::{Error, events};

/// The kind of "source" that an upload has.
pub const SOURCE_KIND: &str = "upload";

/// What a caller says of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// The id that the dataset gets; none: a random one.
    pub dataset: Option<DatasetId>,
    /// The name of the file; may be empty.
    pub file_name: String,
    /// What is said about the dataset.
    pub metadata: Metadata,
}

impl Catalog {
    /// Refuses an upload whose id is taken before its bytes are sent. Repeated calls are told later that they succeeded.
    pub async fn check_upload(
        &self,
        parent: &Permitted<TenantName>,
        upload: &NewUpload,
        request_id: &str,
    ) -> Result<(), Error> {
        let Some(id) = upload.dataset.clone().filter(|_| request_id.is_empty()) else { return Ok(()) };
        let (store, name) = (self.store.clone(), DatasetName::new(parent.tenant.clone(), id));
        let read = self.database.read(move |tx| {
            Box::pin(async move {
                let found = store.records(tx, &name.tenant, std::slice::from_ref(&name.dataset)).await?;
                if found.is_empty() { Ok(()) } else { Err(Error::DatasetExists { name }) }
            })
        });
        read.await
    }

    /// Begins to take in bytes.
    pub async fn spool(&self) -> Result<Spool, Error> {
        Spool::create(&self.spool).await
    }

    /// Creates a dataset from bytes that came whole.
    ///
    /// The object is stored before the record, so a record never names bytes that are not there. Bytes that the tenant
    /// uploaded before are kept once.
    pub async fn create(
        &self,
        parent: Permitted<TenantName>,
        upload: NewUpload,
        spooled: Spooled,
        request: RequestKey,
    ) -> Result<Dataset, Error> {
        const METHOD: &str = "CreateDataset";
        let caller = parent.caller().clone();
        let tenant = parent.into_inner().tenant;
        let key = Key::upload(&tenant, &spooled.digest);
        let body = ObjectBody::reader(spooled.open().await?, spooled.size_bytes).with_digest(spooled.digest);
        self.objects.put(&key, body, Put::IfAbsent).await?;

        let name = DatasetName::new(tenant, upload.dataset.clone().unwrap_or_else(random_id));
        let found = found(&key, upload.file_name, &spooled);
        let (store, now) = (self.store.clone(), self.database.now());
        let write = self.database.write(move |tx| {
            Box::pin(async move {
                let (owner, digest) = (name.tenant.to_string(), &request.fingerprint);
                if let Some(reply) = sql::requests::seen(tx, &owner, METHOD, &request.id, digest).await? {
                    return dataset(&*store, tx, &name_of(&reply)?).await;
                }
                let mut record = Record::new(name.clone(), found, upload.metadata, now);
                create(&*store, tx, &mut record, &caller, now).await?;
                let reply = name.to_string();
                sql::requests::record(tx, &owner, METHOD, &request.id, digest, reply.as_bytes(), now).await?;
                Ok(Dataset { record, version: None })
            })
        });
        write.await
    }
}

async fn create(
    store: &dyn Store,
    tx: &mut Tx,
    record: &mut Record,
    caller: &Caller,
    now: Timestamp,
) -> Result<(), Error> {
    let name = &record.name;
    if !store.records(tx, &name.tenant, std::slice::from_ref(&name.dataset)).await?.is_empty() {
        return Err(Error::DatasetExists { name: name.clone() });
    }
    let event = events::uploaded(record, caller);
    Ok(store.save(tx, record, &[event], now).await?)
}

fn found(key: &Key, file_name: String, spooled: &Spooled) -> Found {
    let origin = Origin::Object { key: key.to_string(), digest: spooled.digest, size_bytes: spooled.size_bytes };
    // The digest tells these bytes from others as no time or tag could.
    let materialization = Materialization { origin, version_token: spooled.digest.to_hex() };
    Found { source: None, source_kind: SOURCE_KIND.to_owned(), path: file_name, materialization }
}

fn name_of(reply: &[u8]) -> Result<DatasetName, sql::Error> {
    let text = std::str::from_utf8(reply).ok();
    text.and_then(|text| text.parse().ok()).ok_or(sql::Error::Malformed { column: "requests.reply" })
}

/// A random id of an upload. Ids of found datasets begin with another letter, so the two never meet.
fn random_id() -> DatasetId {
    let text = format!("u{}", uuid::Uuid::now_v7().simple());
    text.parse().expect("a letter and hexadecimal digits are an id")
}

/// Tells whether an id has the form of those that are derived from found files, which uploads may not take.
pub fn is_derived_form(id: &DatasetId) -> bool {
    let digits = id.as_str().strip_prefix('d').unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_uploads_and_of_found_files_never_meet() {
        assert!(is_derived_form(&DatasetId::derive("source", "a.csv")));
        assert!(!is_derived_form(&random_id()));
        assert!(!is_derived_form(&"deeds".parse().unwrap()));
    }
}
