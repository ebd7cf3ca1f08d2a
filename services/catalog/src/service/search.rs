//! Search: what matches, page by page, each result read from the version that the index names.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use ::search::{Facet, FacetField, Filter, Match, highlight};
use types::{DatasetId, Digest, Permitted, TenantId, TenantName};

use super::pins::{Asked, Pins};
use super::{Catalog, Dataset, fitting};
use crate::Error;
use crate::document::{table_of, texts};
use crate::record::Words;
use crate::store::{Store, Tx};

/// A search.
#[derive(Debug, Clone)]
pub struct Search {
    /// Words, all of which must match; without any, everything matches.
    pub text: String,
    /// What must hold besides.
    pub filter: Filter,
    /// Only versions recorded at most this long ago.
    pub max_age: Option<Duration>,
    /// What to count over all that match.
    pub facets: Vec<FacetField>,
    /// At most this many results on a page.
    pub page_size: usize,
    /// From the page before; empty for the first one.
    pub page_token: String,
    /// Tells this search from others: a page token serves only the search that it was given for.
    pub fingerprint: String,
}

/// A page of what was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The results, best first.
    pub hits: Vec<Hit>,
    /// Gets the next page; empty at the end.
    pub next_page_token: String,
    /// How many datasets match, exactly.
    pub total: u64,
    /// The counts that were asked for.
    pub facets: Vec<Facet>,
    /// Whether more match than paging reaches.
    pub truncated: bool,
}

/// One result.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The dataset, as of the version that the index holds.
    pub dataset: Dataset,
    /// How well it matches; 0 without words.
    pub score: f64,
    /// Why it matches, best first.
    pub matches: Vec<Why>,
}

/// Why a dataset matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// What matches.
    pub matched: Match,
    /// The table whose column or value that is, of a file with several; empty otherwise.
    pub table: String,
}

/// A result as the index names it. As a line of a pinned list: `dataset@version@score`.
#[derive(Debug, Clone, PartialEq)]
struct Pin {
    dataset: DatasetId,
    version: u64,
    score: f64,
}

/// A page of pins, and what was counted when they were pinned.
struct Pinned {
    pins: Vec<Pin>,
    next_page_token: String,
    total: u64,
    facets: Vec<Facet>,
}

impl Catalog {
    /// Searches the datasets of a tenant.
    ///
    /// The first page pins the whole list, so later pages neither repeat nor skip a dataset, whatever changes meanwhile.
    /// What was retracted or hidden meanwhile drops out of its page. Lists kept in memory end with the process, which
    /// their page tokens say as those do that are too old.
    pub async fn search(&self, parent: Permitted<TenantName>, mut search: Search) -> Result<Found, Error> {
        let tenant = parent.into_inner().tenant;
        loop {
            let Pinned { pins, next_page_token, total, facets } = match search.page_token.as_str() {
                "" => self.first_page(&tenant, &search).await?,
                token => self.next_page(&tenant, &search, token).await?,
            };
            let hits = self.read_hits(&tenant, pins, &search.text).await?;
            let fitting = fitting(&hits, |hit| hit.as_ref().map_or(0, Hit::weight));
            if fitting == hits.len() {
                let truncated = total > u64::from(self.config.search_reach);
                let hits = hits.into_iter().flatten().collect();
                return Ok(Found { hits, next_page_token, total, facets, truncated });
            }
            search.page_size = fitting;
        }
    }

    async fn read_hits(&self, tenant: &TenantId, pins: Vec<Pin>, text: &str) -> Result<Vec<Option<Hit>>, Error> {
        let (store, tenant, text) = (self.store.clone(), tenant.clone(), text.to_owned());
        let read =
            self.database.read(move |tx| Box::pin(async move { read_hits(&*store, tx, &tenant, pins, &text).await }));
        read.await
    }

    async fn first_page(&self, tenant: &TenantId, search: &Search) -> Result<Pinned, Error> {
        let found = self.index.search(&self.query(tenant, search, self.config.search_reach as usize)).await?;
        let next_page_token = match found.hits.len() > search.page_size {
            true => with_total(&self.pin(tenant, search, &found.hits).await?, found.total),
            false => String::new(),
        };
        let pins = found.hits.iter().take(search.page_size).map(Pin::of).collect::<Result<_, _>>()?;
        Ok(Pinned { pins, next_page_token, total: found.total, facets: found.facets })
    }

    /// Pins the list of a search, and gives the token of its second page.
    async fn pin(&self, tenant: &TenantId, search: &Search, hits: &[::search::Hit]) -> Result<String, Error> {
        let (lines, size, now) = (lines(hits), search.page_size, self.database.now());
        if let Some(token) = self.pins.first(&search.asked(tenant), &lines, hits.len(), size, now) {
            return Ok(token);
        }
        let (owner, query) = (tenant.to_string(), search.fingerprint.clone());
        let texts = lines.lines().map(str::to_owned).collect();
        let first = self
            .database
            .write(move |tx| Box::pin(async move { sql::pages::first(tx, &owner, &query, texts, size, now).await }));
        Ok(first.await?.next_page_token)
    }

    async fn next_page(&self, tenant: &TenantId, search: &Search, token: &str) -> Result<Pinned, Error> {
        let (token, total) = without_total(token).ok_or(Error::SearchTokenInvalid)?;
        let (texts, next) = self.next_texts(tenant, search, token).await?;
        let pins = texts.iter().map(|text| Pin::from_text(text)).collect::<Result<_, _>>()?;
        let facets = match search.facets.is_empty() {
            true => Vec::new(),
            false => self.index.search(&self.query(tenant, search, 0)).await?.facets,
        };
        Ok(Pinned { pins, next_page_token: with_total(&next, total), total, facets })
    }

    async fn next_texts(
        &self,
        tenant: &TenantId,
        search: &Search,
        token: String,
    ) -> Result<(Vec<String>, String), Error> {
        let (size, now) = (search.page_size, self.database.now());
        if Pins::gave(&token) {
            return Ok(self.pins.next(&search.asked(tenant), &token, size, now)?);
        }
        let (owner, query) = (tenant.to_string(), search.fingerprint.clone());
        let next = self
            .database
            .read(move |tx| Box::pin(async move { sql::pages::next(tx, &owner, &query, &token, size, now).await }));
        let page = next.await?;
        Ok((page.ids, page.next_page_token))
    }

    fn query(&self, tenant: &TenantId, search: &Search, limit: usize) -> ::search::Query {
        let mut filter = search.filter.clone();
        filter.updated_since = search.max_age.map(|age| self.database.now() - age);
        ::search::Query {
            tenant: tenant.to_string(),
            text: search.text.clone(),
            filter,
            facets: search.facets.clone(),
            limit,
        }
    }
}

impl Hit {
    /// How many bytes of a message it takes, roughly.
    fn weight(&self) -> usize {
        let weight = |matched: &Match| matched.text.len() + 16 * matched.spans.len() + 16;
        let matches = self.matches.iter().map(|why| weight(&why.matched) + why.table.len());
        self.dataset.weight() + matches.sum::<usize>()
    }
}

/// The lines by which hits are pinned.
fn lines(hits: &[::search::Hit]) -> String {
    let mut lines = String::with_capacity(64 * hits.len());
    for hit in hits {
        writeln!(lines, "{}@{}@{}", id_of(hit), hit.version, hit.score).expect("a string takes what is written");
    }
    lines
}

/// Ids of documents are names of datasets, whose last segment is the id.
fn id_of(hit: &::search::Hit) -> &str {
    hit.id.rsplit('/').next().unwrap_or_default()
}

impl Search {
    fn asked(&self, tenant: &TenantId) -> Asked {
        Asked { tenant: tenant.clone(), search: Digest::of(self.fingerprint.as_bytes()) }
    }
}

impl Pin {
    fn of(hit: &::search::Hit) -> Result<Self, Error> {
        let dataset = id_of(hit).parse().map_err(|_| sql::Error::Malformed { column: "the search index" })?;
        Ok(Self { dataset, version: hit.version, score: hit.score })
    }

    fn from_text(text: &str) -> Result<Self, Error> {
        let read = || {
            let mut parts = text.split('@');
            let (dataset, version, score) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Self { dataset: dataset.parse().ok()?, version: version.parse().ok()?, score: score.parse().ok()? })
        };
        Ok(read().ok_or(sql::Error::Malformed { column: "page_pin_chunks.ids" })?)
    }
}

/// Reads each result from the very version that the index named; none for a dataset that was retracted or hidden since.
async fn read_hits(
    store: &dyn Store,
    tx: &mut Tx,
    tenant: &TenantId,
    pins: Vec<Pin>,
    text: &str,
) -> Result<Vec<Option<Hit>>, Error> {
    let ids: Vec<_> = pins.iter().map(|pin| pin.dataset.clone()).collect();
    let wanted: Vec<_> = pins.iter().map(|pin| (pin.dataset.clone(), pin.version)).collect();
    let records = store.records(tx, tenant, &ids).await?;
    let mut records: HashMap<_, _> = records.into_iter().map(|r| (r.name.dataset.clone(), r)).collect();
    let versions = store.versions(tx, tenant, &wanted).await?;
    let mut versions: HashMap<_, _> = versions.into_iter().map(|v| (v.name.dataset.clone(), v)).collect();
    // Without words nothing is highlighted, and the texts need not be read.
    let words = if text.trim().is_empty() { Vec::new() } else { store.words(tx, tenant, &wanted).await? };
    let words: HashMap<_, _> = words.into_iter().collect();

    let none = Words::default();
    let hit = |pin: Pin| {
        let record = records.remove(&pin.dataset).filter(|record| !record.retracted && !record.hidden)?;
        let version = Some(versions.remove(&pin.dataset)?);
        let words = words.get(&pin.dataset).unwrap_or(&none);
        let why = |matched: Match| Why { table: table_of(&record, words, matched.index).to_owned(), matched };
        let matches = highlight(text, &texts(&record, words)).into_iter().map(why).collect();
        Some(Hit { dataset: Dataset { record, version }, score: pin.score, matches })
    };
    Ok(pins.into_iter().map(hit).collect())
}

/// Page tokens of a search carry the total, which later pages repeat.
fn with_total(token: &str, total: u64) -> String {
    if token.is_empty() { String::new() } else { format!("{token}.{total}") }
}

fn without_total(token: &str) -> Option<(String, u64)> {
    let (token, total) = token.rsplit_once('.')?;
    Some((token.to_owned(), total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_reads_back_as_it_was_written() {
        let hit = ::search::Hit { id: "tenants/main/datasets/d1".to_owned(), version: 7, score: 1.0 / 3.0 };
        let pin = Pin { dataset: "d1".parse().unwrap(), version: 7, score: 1.0 / 3.0 };
        assert_eq!(Pin::of(&hit).unwrap(), pin);
        assert_eq!(Pin::from_text(lines(&[hit]).trim_end()).unwrap(), pin);
        assert!(Pin::from_text("d1@7").is_err());
    }

    #[test]
    fn a_token_carries_the_total() {
        assert_eq!(without_total(&with_total("abc", 12)), Some(("abc".to_owned(), 12)));
        assert_eq!(with_total("", 12), "");
        assert_eq!(without_total("abc"), None);
    }
}
