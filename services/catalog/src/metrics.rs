//! What catalog counts. Loops, calls, events and queues are counted by `runtime`, `rpc` and `events`.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

const INDEXED: &str = "catalog_index_operations_total";
const INDEX_SECONDS: &str = "catalog_index_commit_seconds";
const SEARCH_SECONDS: &str = "catalog_search_seconds";
const UPLOADED: &str = "catalog_uploaded_bytes_total";
const DOWNLOADED: &str = "catalog_downloaded_bytes_total";

/// Says what each metric means, and its unit.
pub fn describe() {
    describe_counter!(INDEXED, Unit::Count, "Documents put into the search index, and deleted from it.");
    describe_histogram!(INDEX_SECONDS, Unit::Seconds, "How long the index takes to commit one batch.");
    describe_histogram!(SEARCH_SECONDS, Unit::Seconds, "How long a search takes, reading its results included.");
    describe_counter!(UPLOADED, Unit::Bytes, "Bytes that came in by uploads.");
    describe_counter!(DOWNLOADED, Unit::Bytes, "Bytes that went out by downloads.");
}

pub(crate) fn indexed(put: usize, deleted: usize, took: Duration) {
    counter!(INDEXED, "operation" => "put").increment(put as u64);
    counter!(INDEXED, "operation" => "delete").increment(deleted as u64);
    histogram!(INDEX_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn searched(took: Duration) {
    histogram!(SEARCH_SECONDS).record(took.as_secs_f64());
}

pub(crate) fn uploaded(bytes: u64) {
    counter!(UPLOADED).increment(bytes);
}

pub(crate) fn downloaded(bytes: usize) {
    counter!(DOWNLOADED).increment(bytes as u64);
}
