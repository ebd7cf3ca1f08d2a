//! Runs a plan: counts all that matches, keeps the best, counts facets.
//!
//! Tantivy's own collectors break ties by the number of a document, which changes with every merge, and estimate facets
//! of many values. Here ties break by id, and every count is exact.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use tantivy::columnar::StrColumn;
use tantivy::query::EnableScoring;
use tantivy::{DocId, DocSet, Searcher, SegmentReader, TERMINATED};

use super::plan::Plan;
use super::schema::{self, DOCUMENT_VERSION, ID, UPDATED};
use crate::{Facet, FacetCount, FacetField, Hit, Hits, MAX_FACET_COUNTS, MAX_HITS, Query};

/// Scores are compared in steps of this, lest the order of additions in a segment decide between equals.
const SCORE_STEPS: f64 = 10_000.0;

/// A document that matches.
#[derive(Clone, Copy)]
struct Candidate {
    /// The greater the better.
    rank: i64,
    /// Where its id stands among those of its segment.
    id_order: u64,
    document: DocId,
}

impl Candidate {
    fn place(&self) -> (Reverse<i64>, u64) {
        (Reverse(self.rank), self.id_order)
    }
}

/// Answers `query` by its plan.
pub fn gather(searcher: &Searcher, plan: &Plan, query: &Query) -> tantivy::Result<Hits> {
    let scoring = match plan.scored {
        true => EnableScoring::enabled_from_searcher(searcher),
        false => EnableScoring::disabled_from_searcher(searcher),
    };
    let weight = plan.clause.weight(scoring)?;
    let limit = query.limit.min(MAX_HITS);
    let (mut total, mut ranked) = (0, Vec::new());
    let mut matching = Vec::new();
    for segment in searcher.segment_readers() {
        let mut best = Best::new(segment, plan.scored, limit)?;
        let mut documents = Vec::new();
        let mut scorer = weight.scorer(segment, 1.0)?;
        let mut document = scorer.doc();
        while document != TERMINATED {
            if !segment.is_deleted(document) {
                total += 1;
                best.offer(document, if plan.scored { scorer.score() } else { 0.0 });
                if !query.facets.is_empty() {
                    documents.push(document);
                }
            }
            document = scorer.advance();
        }
        best.resolve(segment, &mut ranked)?;
        matching.push((segment, documents));
    }
    ranked.sort_unstable_by(|(a_rank, a), (b_rank, b)| b_rank.cmp(a_rank).then_with(|| a.id.cmp(&b.id)));
    ranked.truncate(limit);
    let facets = query.facets.iter().map(|field| count(*field, &matching)).collect::<tantivy::Result<_>>()?;
    Ok(Hits { total, hits: ranked.into_iter().map(|(_, hit)| hit).collect(), facets })
}

/// The best candidates of one segment.
struct Best {
    ids: Option<StrColumn>,
    updated: Option<tantivy::columnar::Column<i64>>,
    limit: usize,
    candidates: Vec<Candidate>,
}

impl Best {
    fn new(segment: &SegmentReader, scored: bool, limit: usize) -> tantivy::Result<Self> {
        let ids = segment.fast_fields().str(ID)?;
        let updated = if scored { None } else { segment.fast_fields().column_opt(UPDATED)? };
        Ok(Self { ids, updated, limit, candidates: Vec::new() })
    }

    fn offer(&mut self, document: DocId, score: f32) {
        let rank = match &self.updated {
            Some(updated) => updated.first(document).unwrap_or(i64::MIN),
            None => (f64::from(score) * SCORE_STEPS).round() as i64,
        };
        let id_order = self.ids.as_ref().and_then(|ids| ids.ords().first(document)).unwrap_or(u64::MAX);
        self.candidates.push(Candidate { rank, id_order, document });
        // Now and then, so that a query for everything takes bounded memory.
        if self.candidates.len() >= 2 * self.limit.max(1_000) {
            self.prune();
        }
    }

    fn prune(&mut self) {
        if self.candidates.len() > self.limit {
            if self.limit > 0 {
                self.candidates.select_nth_unstable_by_key(self.limit - 1, Candidate::place);
            }
            self.candidates.truncate(self.limit);
        }
    }

    /// Looks up ids and versions of those that stayed.
    fn resolve(mut self, segment: &SegmentReader, ranked: &mut Vec<(i64, Hit)>) -> tantivy::Result<()> {
        self.prune();
        let Some(ids) = &self.ids else { return Ok(()) };
        let versions = segment.fast_fields().u64(DOCUMENT_VERSION)?;
        self.candidates.sort_unstable_by_key(|candidate| candidate.id_order);
        let order: Vec<u64> = self.candidates.iter().map(|candidate| candidate.id_order).collect();
        for (candidate, id) in self.candidates.iter().zip(texts(ids, &order)?) {
            let version = versions.first(candidate.document).unwrap_or(0);
            let score = if self.updated.is_some() { 0.0 } else { candidate.rank as f64 / SCORE_STEPS };
            ranked.push((candidate.rank, Hit { id, version, score }));
        }
        Ok(())
    }
}

/// The texts with these ordinals, which rise. One pass over the dictionary: to look each up by itself takes ten times as
/// long.
fn texts(column: &StrColumn, ordinals: &[u64]) -> tantivy::Result<Vec<String>> {
    let mut texts = Vec::with_capacity(ordinals.len());
    let add = |bytes: &[u8]| texts.push(String::from_utf8_lossy(bytes).into_owned());
    column.dictionary().sorted_ords_to_term_cb(ordinals, add)?;
    Ok(texts)
}

/// Documents of one segment that match.
type Matching<'a> = (&'a SegmentReader, Vec<DocId>);

fn count(field: FacetField, matching: &[Matching<'_>]) -> tantivy::Result<Facet> {
    let mut all: HashMap<String, u64> = HashMap::new();
    for (segment, documents) in matching {
        let Some(column) = segment.fast_fields().str(schema::facet_column(field))? else { continue };
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for value in documents.iter().flat_map(|document| column.term_ords(*document)) {
            *counts.entry(value).or_default() += 1;
        }
        let ordinals: Vec<u64> = counts.keys().copied().collect();
        for (value, count) in texts(&column, &ordinals)?.into_iter().zip(counts.into_values()) {
            *all.entry(value).or_default() += count;
        }
    }
    let mut counts: Vec<FacetCount> = all.into_iter().map(|(value, count)| FacetCount { value, count }).collect();
    counts.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    let other_count = match counts.len() > MAX_FACET_COUNTS {
        true => {
            counts.truncate(MAX_FACET_COUNTS);
            count_others(field, matching, &counts)?
        }
        false => 0,
    };
    Ok(Facet { field, counts, other_count })
}

/// Counts the documents with a value beyond the listed ones. One with several such values counts once.
fn count_others(field: FacetField, matching: &[Matching<'_>], listed: &[FacetCount]) -> tantivy::Result<u64> {
    let mut others = 0;
    for (segment, documents) in matching {
        let Some(column) = segment.fast_fields().str(schema::facet_column(field))? else { continue };
        let mut known = HashSet::new();
        for value in listed {
            known.extend(column.dictionary().term_ord(value.value.as_bytes())?);
        }
        let beyond = |document: &&DocId| column.term_ords(**document).any(|value| !known.contains(&value));
        others += documents.iter().filter(beyond).count() as u64;
    }
    Ok(others)
}
