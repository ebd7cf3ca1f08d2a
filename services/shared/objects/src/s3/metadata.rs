//! What the store keeps beside the bytes of an object, and what the server tells of it.

use std::collections::HashMap;

use aws_sdk_s3::primitives::DateTime;
use types::{Digest, Timestamp};
use uuid::Uuid;

/// The media type of every object. It says that the bytes are of no kind that a server should know: one that is told
/// nothing, or `application/octet-stream`, may look inside and compress what it finds, as SeaweedFS does: 40 % of what a put
/// of CSV costs it.
pub(super) const MEDIA_TYPE: &str = "application/vnd.millrace.object";
/// The digest of the bytes.
const SHA256: &str = "millrace-sha256";
/// Which put wrote the object: by this a put whose answer was lost knows its own work again.
const PUT: &str = "millrace-put";

/// The metadata of an object that a put writes.
pub(super) fn of(put: Uuid, digest: Option<Digest>) -> HashMap<String, String> {
    let mut all = HashMap::from([(PUT.to_owned(), put.to_string())]);
    if let Some(digest) = digest {
        all.insert(SHA256.to_owned(), digest.to_hex());
    }
    all
}

pub(super) fn digest(all: Option<&HashMap<String, String>>) -> Option<Digest> {
    all?.get(SHA256)?.parse().ok()
}

pub(super) fn put(all: Option<&HashMap<String, String>>) -> Option<Uuid> {
    all?.get(PUT)?.parse().ok()
}

pub(super) fn length(bytes: Option<i64>) -> u64 {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
}

pub(super) fn time(time: Option<&DateTime>) -> Timestamp {
    let micros = time.map(|time| time.secs().saturating_mul(1_000_000) + i64::from(time.subsec_nanos() / 1_000));
    Timestamp::from_micros(micros.unwrap_or(0))
}
