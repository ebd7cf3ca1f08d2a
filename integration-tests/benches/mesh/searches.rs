//! Search over many records through the gateway, and how long it takes to get them there.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use proto::discovery::v1::source::Settings;
use proto::discovery::v1::{CreateSourceRequest, FolderSettings, Source};
use tokio::task::JoinSet;

use crate::Options;
use crate::client::{Client, TENANT, Wait};
use crate::corpus::Corpus;
use crate::figures::{Row, Table, median, micros, millis, progress, quantile, seconds};
use crate::process::{Launch, Mesh};
use crate::start::describe;

const CALLERS: usize = 8;
const WARM_UP: usize = 200;
/// No round of calls takes longer; one that would ends with the calls it made.
const ROUND_LIMIT: Duration = Duration::from_secs(60);
const INDEX_LIMIT: Duration = Duration::from_secs(1800);

/// The limits of one tenant and one user, raised out of the way.
const NO_LIMITS: [(&str, &str); 6] = [
    ("MILLRACE__GATEWAY__LIMITS__TENANT__CALLS_PER_SECOND", "1000000"),
    ("MILLRACE__GATEWAY__LIMITS__TENANT__BURST", "1000000"),
    ("MILLRACE__GATEWAY__LIMITS__TENANT__CONCURRENT_CALLS", "10000"),
    ("MILLRACE__GATEWAY__LIMITS__PRINCIPAL__CALLS_PER_SECOND", "1000000"),
    ("MILLRACE__GATEWAY__LIMITS__PRINCIPAL__BURST", "1000000"),
    ("MILLRACE__GATEWAY__LIMITS__PRINCIPAL__CONCURRENT_CALLS", "10000"),
];

pub async fn measure(options: &Options, work: &Path, table: &mut Table) -> Result<()> {
    let folder = work.join("corpus");
    progress(format_args!("writing {} files", options.records));
    let corpus = Corpus::write(&folder, options.records)?;
    let arguments = vec!["--folder-root".to_owned(), folder.display().to_string()];
    let mesh = Mesh::start(&Launch { binary: &options.binary, work, arguments, settings: NO_LIMITS.to_vec() }).await?;

    let taken = fill(&mesh.client, &folder, options.records).await?;
    let figure = format!("crawl of {} small files until all can be searched", options.records);
    let rate = options.records as f64 / taken.as_secs_f64();
    table.add(Row::new(figure, "", format!("{} ({rate:.0} datasets/s)", seconds(taken)), "1"));

    call(&mesh.client, corpus.queries(WARM_UP, 1)).await?;
    one_by_one(options, &mesh.client, &corpus, table).await?;
    together(options, &mesh.client, &corpus, table).await?;
    get(options, &mesh.client, table).await?;
    let figure = format!("memory with {} records, after these calls", options.records);
    table.add(Row::new(figure, "", describe(&mesh.memory().into_iter().collect::<Vec<_>>()), "1"));
    table.note(
        "Searches: one to three words that stand in one of the files, seeded; 20 results a page, no facets; one \
         connection. The gateway's limits of rate and concurrency were raised by settings for these and the calls below.",
    );
    Ok(())
}

/// Has the folder crawled; gives how long it took until all of it could be searched.
async fn fill(client: &Client, folder: &Path, expected: usize) -> Result<Duration> {
    let settings = Settings::Folder(FolderSettings { path: folder.display().to_string() });
    let source = Source { title: "bench".to_owned(), settings: Some(settings), ..Default::default() };
    let request = CreateSourceRequest {
        parent: TENANT.to_owned(),
        source_id: "bench".to_owned(),
        source: Some(source),
        ..Default::default()
    };
    let begun = Instant::now();
    client.discovery().create_source(request).await.context("cannot create the source")?;
    let wait = Wait { period: Duration::from_millis(100), limit: INDEX_LIMIT };
    client.wait_until_searchable(expected, begun, wait).await
}

async fn one_by_one(options: &Options, client: &Client, corpus: &Corpus, table: &mut Table) -> Result<()> {
    let (mut rounds, mut hits) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let calls = call(client, corpus.queries(options.calls, 100 + round as u64)).await?;
        hits.extend(calls.hits);
        rounds.push(calls.times);
    }
    let figure = format!("search p99 at {} records through the gateway, one after the other", options.records);
    let runs = format!("{} rounds of {}", options.rounds, options.calls);
    let measured = format!("{} (a query finds {} datasets)", quantiles(&rounds), median(&hits));
    table.add(Row::new(figure, "20 ms", measured, runs));
    Ok(())
}

async fn together(options: &Options, client: &Client, corpus: &Corpus, table: &mut Table) -> Result<()> {
    let (mut rounds, mut rates) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let begun = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let queries = corpus.queries(options.calls, (1000 * round + caller) as u64);
            let client = client.clone();
            callers.spawn(async move { call(&client, queries).await });
        }
        let mut times = Vec::new();
        while let Some(calls) = callers.join_next().await {
            times.extend(calls??.times);
        }
        rates.push(times.len() as f64 / begun.elapsed().as_secs_f64());
        rounds.push(times);
    }
    let figure = format!("the same, {CALLERS} at a time");
    let runs = format!("{} rounds of {CALLERS} × {}", options.rounds, options.calls);
    table.add(Row::new(figure, "", format!("{} ({:.0} searches/s)", quantiles(&rounds), median(&rates)), runs));
    Ok(())
}

async fn get(options: &Options, client: &Client, table: &mut Table) -> Result<()> {
    let name = client.any_dataset().await?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut times = Vec::new();
        for _ in 0..options.calls {
            times.push(client.time_get(&name).await?);
        }
        rounds.push(median(&times));
    }
    let runs = format!("{} rounds of {}", options.rounds, options.calls);
    let figure = "`GetDataset` through the gateway of this mesh, one after the other";
    table.add(Row::new(figure, "", format!("p50 {}", micros(median(&rounds))), runs));
    Ok(())
}

struct Calls {
    times: Vec<Duration>,
    /// How many datasets each query found.
    hits: Vec<i64>,
}

async fn call(client: &Client, queries: Vec<String>) -> Result<Calls> {
    let begun = Instant::now();
    let mut calls = Calls { times: Vec::with_capacity(queries.len()), hits: Vec::with_capacity(queries.len()) };
    for query in queries {
        let sent = Instant::now();
        let found = client.search(&query).await.with_context(|| format!("the search for `{query}` failed"))?;
        calls.times.push(sent.elapsed());
        ensure!(found.total_size > 0, "`{query}` finds nothing, though a file holds its words");
        calls.hits.push(found.total_size);
        if begun.elapsed() > ROUND_LIMIT {
            progress(format_args!("a round was cut at {} calls", calls.times.len()));
            break;
        }
    }
    Ok(calls)
}

/// The medians over the rounds.
fn quantiles(rounds: &[Vec<Duration>]) -> String {
    let over = |share: f64| median(&rounds.iter().map(|times| quantile(times, share)).collect::<Vec<_>>());
    format!("p99 {}, p50 {}", millis(over(0.99)), millis(over(0.5)))
}
