//! Kinds of discoverer: what a source may be, and how its datasets are listed.

mod folder;
mod glob;
mod http_index;
mod package;
mod tree;

use std::sync::Arc;

use async_trait::async_trait;
use fetch::Fetcher;
use proto::common::v1::Metadata;
use proto::discovery::v1::source::Settings;
use proto::discovery::v1::{DiscovererKind, SettingSchema};
use types::{FieldViolation, Origin};

use crate::Error;
use crate::metadata::cut;

/// The most characters of a text in a warning.
const WARNED: usize = 2000;

pub use glob::Glob;

/// Every kind of discoverer. A new one is a file with an implementation of [`Discoverer`], and a line here.
pub fn all() -> Vec<Arc<dyn Discoverer>> {
    vec![Arc::new(folder::Folder), Arc::new(http_index::HttpIndex)]
}

/// A kind of discoverer. It keeps no state: what it needs is in a source's settings.
#[async_trait]
pub trait Discoverer: Send + Sync {
    /// Its name, that of the field in `Source.settings`.
    fn kind(&self) -> &'static str;

    /// What it finds, for people.
    fn description(&self) -> &'static str;

    /// The full name of the message that holds its settings.
    fn settings_type(&self) -> &'static str;

    /// Its settings.
    fn schema(&self) -> Vec<SettingSchema>;

    /// Tells whether these are settings of this kind.
    fn accepts(&self, settings: &Settings) -> bool;

    /// What is wrong with the form of settings of this kind, whatever the policy. Fields are named within the source.
    fn violations(&self, settings: &Settings) -> Vec<FieldViolation>;

    /// Checks settings of good form against the operator's policy. A place that is not there is no breach of it.
    async fn check(&self, settings: &Settings, fetcher: &Fetcher) -> Result<(), Error>;

    /// Begins to list. Nothing is read before the first page is asked for.
    fn walk(&self, settings: &Settings, fetcher: &Fetcher, options: WalkOptions) -> Result<Box<dyn Walk>, Error>;
}

/// What a kind tells of itself.
pub(crate) fn describe(kind: &dyn Discoverer) -> DiscovererKind {
    DiscovererKind {
        kind: kind.kind().to_owned(),
        description: kind.description().to_owned(),
        settings_type: kind.settings_type().to_owned(),
        settings: kind.schema(),
    }
}

/// How to walk.
#[derive(Debug, Clone)]
pub struct WalkOptions {
    /// Paths to leave out.
    pub exclude: Vec<Glob>,
    /// The endings of the names that are datasets.
    pub extensions: Vec<String>,
    /// How many datasets a page holds at most.
    pub page_size: usize,
    /// Goes on behind this checkpoint of an earlier walk. None: from the start.
    pub after: Option<String>,
}

/// A walk through a source, in an order that is the same each time.
#[async_trait]
pub trait Walk: Send + Sync {
    /// Lists the next page; `None` at the end. A failure ends the walk.
    async fn next_page(&mut self) -> Result<Option<Page>, Error>;

    /// Tells whether the dataset at `path` is proved gone: its own place answers that it does not exist, or its folder
    /// can still be listed and is not empty. To be asked after the listing.
    async fn is_gone(&self, path: &str) -> bool;
}

/// One page of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// What was found.
    pub found: Vec<Found>,
    /// Paths of datasets that are there, of whose state nothing could be learned.
    pub unread: Vec<String>,
    /// How many names are no datasets.
    pub skipped: u64,
    /// What failed, with places.
    pub warnings: Vec<Warning>,
    /// Whether a part of the source could not be listed, so that what is missing proves nothing.
    pub incomplete: bool,
    /// Where a later walk goes on.
    pub checkpoint: String,
}

/// A dataset that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its path within the source.
    pub path: String,
    /// Where its bytes are.
    pub origin: Origin,
    /// What tells its states apart; empty when the place tells nothing.
    pub version_token: String,
    /// Its size, where the place tells it.
    pub size_bytes: Option<u64>,
    /// What the place says of it.
    pub metadata: Metadata,
}

/// Something odd that a crawl went on from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Warning {
    /// The path within the source.
    pub path: String,
    /// A reason of `docs/errors.md`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl Warning {
    /// Tells of a fault at `path`.
    pub fn of(path: &str, fault: &dyn types::Fault) -> Self {
        Self::new(path, fault.reason(), fault.to_string())
    }

    /// Tells of something odd at `path`. Both texts are cut: a place may have names as long as it likes.
    pub fn new(path: &str, reason: &str, message: impl Into<String>) -> Self {
        let path = cut(path.to_owned(), WARNED);
        Self { path, reason: reason.to_owned(), message: cut(message.into(), WARNED) }
    }
}

fn setting(field: &str, r#type: &str, required: bool, description: &str) -> SettingSchema {
    SettingSchema { field: field.into(), r#type: r#type.into(), required, description: description.into() }
}
