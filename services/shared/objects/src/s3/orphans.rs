//! Uploads that nobody will finish.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::types::MultipartUpload;

use super::Bucket;
use super::fault::{Refusal, What};
use super::upload::Running;
use crate::Error;

/// Aborts the uploads beneath the store's prefix that began longer than `older_than` ago, and counts them.
///
/// Servers that cannot list uploads clear them up by their own rules.
pub(super) async fn abort(bucket: &Bucket, older_than: Duration) -> Result<usize, Error> {
    let (mut aborted, mut key, mut upload) = (0, None, None);
    loop {
        let asked = bucket.client.list_multipart_uploads().bucket(&bucket.name).prefix(bucket.names.folder());
        let asked = asked.set_key_marker(key).set_upload_id_marker(upload);
        let reply = match asked.send().await.map_err(Refusal::from) {
            Ok(reply) => reply,
            Err(refusal) if refusal.what == What::Unsupported => return Ok(aborted),
            Err(refusal) => return Err(refusal.into_error(&bucket.place, "list uploads")),
        };
        for orphan in reply.uploads().iter().filter(|upload| is_older(upload, older_than)) {
            let Some(running) = running(bucket, orphan) else { continue };
            let done = running.abort().await;
            done.map_err(|refusal| refusal.into_error(&bucket.place, "abort an upload"))?;
            aborted += 1;
        }
        (key, upload) = (reply.next_key_marker().map(str::to_owned), reply.next_upload_id_marker().map(str::to_owned));
        if reply.is_truncated() != Some(true) || key.is_none() {
            return Ok(aborted);
        }
    }
}

/// The upload of an object of ours; a stranger's is left alone.
fn running(bucket: &Bucket, orphan: &MultipartUpload) -> Option<Running> {
    let (name, id) = (orphan.key()?.to_owned(), orphan.upload_id()?.to_owned());
    let key = bucket.names.key(&name)?;
    Some(Running { bucket: bucket.clone(), key, name, id })
}

/// By the server's clock when it began, and by ours now: the grace is longer than clocks are apart.
fn is_older(upload: &MultipartUpload, than: Duration) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let began = upload.initiated().and_then(|time| time.to_millis().ok()).and_then(|ms| u64::try_from(ms).ok());
    began.is_some_and(|began| now.saturating_sub(Duration::from_millis(began)) >= than)
}
