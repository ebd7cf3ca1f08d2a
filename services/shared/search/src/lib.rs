//! The search index: which datasets match some words and a filter, the best first.
//!
//! [`SearchIndex`] is the one door to it; [`TantivyIndex`] keeps it in a directory. The index holds nothing that the
//! catalog's records do not hold: it may be lost at any time, says so when it is opened, and is rebuilt beside its
//! readers. Text is analysed here, by one chain for every back end, for documents, queries and highlights alike, so that
//! all of them give the same hits.
//!
//! Not here: reading records (a hit is an id, a version and a score), paging (a caller pins the ids), permission (a query
//! names its tenant).

mod analysis;
mod document;
mod error;
mod highlight;
mod query;
mod tantivy_index;

#[cfg(test)]
mod conformance;

use std::fmt::Debug;

use async_trait::async_trait;

pub use document::{Column, Document};
pub use error::Error;
pub use highlight::{MAX_EXTRACT, MAX_MATCHES, Match, MatchField, highlight};
pub use query::{
    ColumnFilter, Facet, FacetCount, FacetField, Filter, Hit, Hits, MAX_FACET_COUNTS, MAX_HITS, Query, Range,
};
pub use tantivy_index::TantivyIndex;

/// Keeps documents, one per dataset, and finds those that match.
///
/// - **Whole.** An `apply` shows all of its operations or none, also after a kill. It was synced to disk when it returned.
/// - **Read your commit.** A search that begins after an `apply` or a rebuild's `finish` returned sees its effect.
/// - **A change number rides with each commit**, and [`reached`](SearchIndex::reached) tells the greatest, also after the
///   index was opened again; it never goes back.
/// - **Matching.** A document matches when it has every word of the query in any of its fields, in any form of the same
///   stem; letter case and accents do not count. It must satisfy the filter besides, and be the tenant's own.
/// - **Order.** By score, best first, then by id. A query without words has no scores: newest first, then by id.
/// - **Exact.** Totals and facet counts are counted, not estimated, over all that match.
#[async_trait]
pub trait SearchIndex: Send + Sync + Debug + 'static {
    /// Applies operations in their order, in one commit that carries `change`, the number of the last change they bring.
    ///
    /// The same operations may be applied again. An empty list moves the number alone.
    async fn apply(&self, operations: Vec<Op>, change: i64) -> Result<(), Error>;

    /// The greatest change number committed so far; 0 in a new index.
    async fn reached(&self) -> Result<i64, Error>;

    /// Finds what matches.
    async fn search(&self, query: &Query) -> Result<Hits, Error>;

    /// How many documents searches can find, over all tenants.
    async fn count(&self) -> Result<u64, Error>;

    /// Begins a new index beside this one, which goes on to answer and to take operations until the new one takes its
    /// place. Fails with [`Error::RebuildRunning`] while there is another.
    async fn begin_rebuild(&self) -> Result<Box<dyn Rebuild>, Error>;
}

/// A new index on its way to take the place of the present one. Dropped, it vanishes without a trace.
///
/// Operations applied meanwhile reach both indexes, and win over documents added here: add what was read from the records
/// after `begin_rebuild` returned, and the new index is never older than the one it replaces.
#[async_trait]
pub trait Rebuild: Send + Sync {
    /// Adds documents; of two with the same id the later one stays.
    async fn add(&mut self, documents: Vec<Document>) -> Result<(), Error>;

    /// Takes the place of the present index, at once for all searches that begin after this returned, and durably.
    ///
    /// `change` is the number up to which the added documents hold every change; `reached` is then at least that.
    async fn finish(self: Box<Self>, change: i64) -> Result<(), Error>;
}

/// A change of the index.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// The document takes the place of the one with its id. A hidden document cannot be found.
    Put(Box<Document>),
    /// The document with this id goes; one that is not there counts as gone.
    Delete(String),
}

impl Op {
    /// Puts a document.
    pub fn put(document: Document) -> Self {
        Self::Put(Box::new(document))
    }

    /// The id of the document that changes.
    pub fn id(&self) -> &str {
        match self {
            Self::Put(document) => &document.id,
            Self::Delete(id) => id,
        }
    }
}

/// An index and the state in which it was found.
#[derive(Debug)]
pub struct Opened<I> {
    /// The index, ready for use; empty unless `state` is [`State::Intact`].
    pub index: I,
    /// How it was found.
    pub state: State,
}

/// How an index was found when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Whole: it holds what was applied.
    Intact,
    /// New, or its first rebuild never finished.
    Fresh,
    /// Written by another version of the analysis or the schema.
    Outdated,
    /// Damaged, for this reason.
    Damaged(String),
}

impl State {
    /// Tells whether documents may be missing, so that the caller must rebuild the index from the records. This stays so
    /// over restarts until a rebuild has finished.
    pub fn needs_rebuild(&self) -> bool {
        match self {
            Self::Intact => false,
            Self::Fresh | Self::Outdated | Self::Damaged(_) => true,
        }
    }
}
