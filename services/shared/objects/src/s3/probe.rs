//! What a server can do, found out by trying.
//!
//! Servers differ in whether they heed `If-None-Match: *`, at a put and at the end of a multipart upload, and those that
//! do not heed it mostly say nothing. So both are tried on one small object, which stays for the next time.

use std::collections::HashMap;

use aws_sdk_s3::primitives::ByteStream as Body;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::Bucket;
use super::fault::{Refusal, What};
use crate::{Capabilities, Error};

const ANY: &str = "*";

pub(super) async fn capabilities(bucket: &Bucket) -> Result<Capabilities, Error> {
    let failed = |refusal: Refusal| refusal.into_error(&bucket.place, "write the probe object");
    // The first may find no object there, the second must find one.
    let refused = refuses(put(bucket, Some(ANY)).await).map_err(failed)?
        || refuses(put(bucket, Some(ANY)).await).map_err(failed)?;
    if !refused {
        put(bucket, None).await.map_err(failed)?;
    }
    let large = match complete(bucket).await {
        // Whoever lost a race here did so to a condition.
        Err(refusal) if matches!(refusal.what, What::Condition | What::Race) => true,
        Ok(()) => false,
        Err(refusal) if refusal.what == What::Unsupported => false,
        Err(refusal) => return Err(failed(refusal)),
    };
    let found = Capabilities { conditional_put: refused, conditional_large_put: large };
    tracing::debug!(store = bucket.place, conditional_put = refused, conditional_large_put = large, "store opened");
    Ok(found)
}

/// Whether a conditional put was refused because of its condition.
fn refuses(outcome: Result<(), Refusal>) -> Result<bool, Refusal> {
    match outcome {
        Ok(()) => Ok(false),
        Err(refusal) if matches!(refusal.what, What::Condition | What::Race) => Ok(true),
        Err(refusal) if refusal.what == What::Unsupported => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

async fn put(bucket: &Bucket, guard: Option<&str>) -> Result<(), Refusal> {
    let asked = bucket.client.put_object().bucket(&bucket.name).key(bucket.names.probe());
    let asked = asked.set_if_none_match(guard.map(str::to_owned)).set_metadata(Some(HashMap::new()));
    asked.body(Body::from_static(b"probe")).send().await?;
    Ok(())
}

async fn complete(bucket: &Bucket) -> Result<(), Refusal> {
    let (client, name, probe) = (&bucket.client, &bucket.name, bucket.names.probe());
    let begun = client.create_multipart_upload().bucket(name).key(&probe).send().await?;
    let id = begun.upload_id().unwrap_or_default();
    let outcome = finish(bucket, &probe, id).await;
    if outcome.is_err() {
        client.abort_multipart_upload().bucket(name).key(&probe).upload_id(id).send().await?;
    }
    outcome
}

async fn finish(bucket: &Bucket, probe: &str, id: &str) -> Result<(), Refusal> {
    let (client, name) = (&bucket.client, &bucket.name);
    let body = Body::from_static(b"probe");
    let sent = client.upload_part().bucket(name).key(probe).upload_id(id).part_number(1).body(body).send().await?;
    let part = CompletedPart::builder()
        .part_number(1)
        .set_e_tag(sent.e_tag().map(str::to_owned))
        .set_checksum_crc32(sent.checksum_crc32().map(str::to_owned))
        .build();
    let all = CompletedMultipartUpload::builder().parts(part).build();
    let asked = client.complete_multipart_upload().bucket(name).key(probe).upload_id(id).multipart_upload(all);
    asked.if_none_match(ANY).send().await?;
    Ok(())
}
