//! Jobs that make profiles of earlier ones.

use prost::Message;
use sql::work::{self, NewWork};
use sql::{Conn, keeping, requests};
use types::{Digest, JobId, JobName, Priority, TenantId, Timestamp};

use crate::Error;
use crate::job::{Asked, Job, QUEUE};

/// A profile to be made of earlier ones.
#[derive(Debug, Clone)]
pub struct Derived {
    /// The id of the job.
    pub job: JobId,
    /// Whose profiles they are.
    pub tenant: TenantId,
    /// What is asked for.
    pub asked: Asked,
    /// The name of the file of added rows, a hint at its format; empty when there is none.
    pub file_name: String,
    /// How often it is tried.
    pub max_attempts: u32,
    /// The trace context of the call that asks.
    pub traceparent: String,
    /// The key of the object that holds the added rows, which the job holds under its id.
    pub held: Option<String>,
    /// The call that asks, its request id and the digest of the whole request.
    pub request: (&'static str, String, Digest),
}

/// Queues the job, or gives the one that the same request queued before.
pub async fn enqueue_derived(conn: &mut Conn, derived: Derived, now: Timestamp) -> Result<Job, Error> {
    let Derived { job, tenant, asked, file_name, max_attempts, traceparent, held, request } = derived;
    let (method, id, fingerprint) = request;
    if let Some(reply) = requests::seen(conn, tenant.as_str(), method, &id, &fingerprint).await? {
        let id = String::from_utf8_lossy(&reply).into_owned();
        let name = JobName::new(tenant, id.parse().map_err(|_| Error::JobDamaged { id })?);
        return super::job(conn, &name).await;
    }
    if let Some(key) = held
        && !keeping::end_hold(conn, &key, job.as_str(), now).await?
    {
        return Err(Error::HoldEnded);
    }
    let new = NewWork {
        id: job.to_string(),
        tenant: tenant.clone(),
        resource: asked.resource(),
        // Somebody waits for it, as for an upload.
        priority: Priority::Sent.number(),
        input: asked.input(file_name, traceparent).encode_to_vec(),
        detail: Vec::new(),
        max_attempts,
        not_before: None,
    };
    work::insert(conn, QUEUE, new, now).await?;
    requests::record(conn, tenant.as_str(), method, &id, &fingerprint, job.as_str().as_bytes(), now).await?;
    super::job(conn, &JobName::new(tenant, job)).await
}
