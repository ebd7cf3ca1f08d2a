//! The mix of searches that is timed: few hits, many hits, next pages.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use proto::catalog::v1::SearchDatasetsRequest;

use crate::client::{Client, TENANT};
use crate::rounds::Limit;

/// How many results a page holds.
pub const PAGE: i32 = 20;

/// What a call asks of the mesh.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A search that finds at most a page.
    Few,
    /// The first page of a search that finds more, for which the whole list is kept.
    Many,
    /// The second page of such a list.
    Next,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Few, Self::Many, Self::Next];

    pub fn name(self) -> &'static str {
        match self {
            Self::Few => "searches that find at most a page",
            Self::Many => "first pages of searches that find more",
            Self::Next => "second pages",
        }
    }
}

/// What some calls took.
#[derive(Default)]
pub struct Calls {
    /// By kind, in the order of [`Kind::ALL`].
    pub times: [Vec<Duration>; 3],
    /// How many datasets each query found.
    pub hits: Vec<i64>,
}

impl Calls {
    pub fn count(&self) -> usize {
        self.times.iter().map(Vec::len).sum()
    }

    pub fn extend(&mut self, other: Self) {
        for (times, more) in self.times.iter_mut().zip(other.times) {
            times.extend(more);
        }
        self.hits.extend(other.hits);
    }

    fn add(&mut self, kind: Kind, taken: Duration) {
        self.times[kind as usize].push(taken);
    }
}

/// Makes at most `most` calls, one after the other, and fewer where the limit is reached first.
pub async fn call(client: &Client, queries: Vec<String>, most: usize, limit: Limit) -> Result<Calls> {
    let mut calls = Calls::default();
    for query in queries {
        if calls.count() >= most || limit.is_over() {
            break;
        }
        search(client, query, &mut calls).await?;
    }
    Ok(calls)
}

/// One search, and its second page where there is one.
async fn search(client: &Client, query: String, calls: &mut Calls) -> Result<()> {
    let mut request = SearchDatasetsRequest { parent: TENANT.to_owned(), query, page_size: PAGE, ..Default::default() };
    let begun = Instant::now();
    let first = client.search(request.clone()).await;
    let taken = begun.elapsed();
    let first = first.with_context(|| format!("the search for `{}` failed", request.query))?;
    ensure!(first.total_size > 0, "`{}` finds nothing, though a file holds its words", request.query);
    calls.hits.push(first.total_size);
    if first.next_page_token.is_empty() {
        calls.add(Kind::Few, taken);
        return Ok(());
    }
    calls.add(Kind::Many, taken);

    request.page_token = first.next_page_token;
    let begun = Instant::now();
    let next = client.search(request.clone()).await;
    let taken = begun.elapsed();
    let next = next.with_context(|| format!("the second page of `{}` failed", request.query))?;
    ensure!(!next.results.is_empty(), "the second page of `{}` is empty", request.query);
    calls.add(Kind::Next, taken);
    Ok(())
}
