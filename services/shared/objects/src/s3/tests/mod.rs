//! The promises of object stores over two servers, and what is a bucket's own.
//!
//! s3s-fs runs within the test, SeaweedFS as a process where the program `weed` is there.

#![allow(clippy::disallowed_methods)] // Servers of tests run on the test's own runtime.

mod alone;
mod cases;
mod embedded;
mod seaweed;

use std::sync::atomic::{AtomicU64, Ordering};

use types::Secret;

use super::client::client;
use super::settings::Place;
use super::*;

/// A server and one bucket of it that belongs to one test.
struct Fixture {
    endpoint: String,
    bucket: String,
    /// Whether the server itself lets one of several conditional writers win.
    atomic: bool,
    /// Counts unfinished uploads; s3s-fs cannot list them.
    folder: Option<std::path::PathBuf>,
    _keep: Box<dyn std::any::Any + Send + Sync>,
}

const ID: &str = "test-id";
const SECRET: &str = "test-secret";

fn settings() -> S3Settings {
    S3Settings::with_keys(ID, Secret::new(SECRET.to_owned()))
}

fn bucket_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Fixture {
    fn url(&self) -> String {
        self.url_of(&self.bucket)
    }

    fn url_of(&self, bucket: &str) -> String {
        format!("s3://{bucket}/mesh?endpoint={}&path_style=true", self.endpoint)
    }

    async fn open(&self) -> S3 {
        S3::open(&self.url(), &settings()).await.expect("opens")
    }

    async fn client(&self) -> Client {
        client(&Place::parse(&self.url()).unwrap(), &settings()).await.expect("a client")
    }

    /// How many uploads were begun, and neither completed nor aborted.
    async fn uploads(&self) -> usize {
        if let Some(folder) = &self.folder {
            let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            return names.filter(|name| name.to_string_lossy().contains("upload")).count();
        }
        let reply = self.client().await.list_multipart_uploads().bucket(&self.bucket).send().await.unwrap();
        reply.uploads().len()
    }
}
