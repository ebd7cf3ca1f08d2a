//! Search over many records through the gateway.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::corpus::Corpus;
use crate::figures::{Row, Table, median, progress};
use crate::mix::{Calls, Kind, PAGE, call};
use crate::process::{Launch, Mesh};
use crate::rounds::{Limit, ROUND_LIMIT, Rounds};
use crate::start::describe;
use crate::{Options, load};

const CALLERS: usize = 8;
const WARM_UP: usize = 200;

/// The limits of one tenant and one user, raised out of the way.
pub const NO_LIMITS: [(&str, &str); 6] = [
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
    let mut launch = Launch::up(&options.binary, work, arguments);
    launch.settings = NO_LIMITS.iter().chain(&load::SETTINGS).map(|(key, value)| (*key, (*value).to_owned())).collect();
    let mesh = Mesh::start(&launch).await?;

    load::fill(&mesh.client, &folder, options.records, table).await?;
    table.note(format!(
        "Searches: one to three words that stand in one of the files, seeded; {PAGE} results a page, no facets; one \
         connection. The next page is asked for wherever there is one, but no third. A round ends after {} s. The \
         gateway's limits of rate and concurrency were raised by settings, and so were profiling's workers for the \
         crawl.",
        ROUND_LIMIT.as_secs()
    ));

    call(&mesh.client, corpus.queries(WARM_UP, 1), WARM_UP, Limit::start()).await?;
    let memory = |when: &str| {
        let figure = format!("memory with {} records, {when}", options.records);
        Row::new(figure, "", describe(&mesh.memory().into_iter().collect::<Vec<_>>()), "1")
    };
    table.add(memory("before the searches"));
    one_by_one(options, &mesh.client, &corpus, table).await?;
    together(options, &mesh.client, &corpus, table).await?;
    get(options, &mesh.client, table).await?;
    table.add(memory("after all these calls"));
    Ok(())
}

async fn one_by_one(options: &Options, client: &Client, corpus: &Corpus, table: &mut Table) -> Result<()> {
    let (mut seen, mut hits) = (Seen::default(), Vec::new());
    for round in 1..=options.rounds {
        let queries = corpus.queries(options.calls, 100 + round as u64);
        let calls = call(client, queries, options.calls, Limit::start()).await?;
        hits.extend_from_slice(&calls.hits);
        seen.add(calls);
    }
    let figure = format!("search p99 at {} records through the gateway, one after the other", options.records);
    let most = hits.iter().max().copied().unwrap_or(0);
    let found = format!("a query finds {} datasets, at most {most}", median(&hits));
    seen.show(table, &figure, "20 ms", &found);
    Ok(())
}

async fn together(options: &Options, client: &Client, corpus: &Corpus, table: &mut Table) -> Result<()> {
    let (mut seen, mut rates) = (Seen::default(), Vec::new());
    for round in 1..=options.rounds {
        let (begun, limit) = (Instant::now(), Limit::start());
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let queries = corpus.queries(options.calls, (1000 * round + caller) as u64);
            let (client, calls) = (client.clone(), options.calls);
            callers.spawn(async move { call(&client, queries, calls, limit).await });
        }
        let mut all = Calls::default();
        while let Some(calls) = callers.join_next().await {
            all.extend(calls??);
        }
        rates.push(all.count() as f64 / begun.elapsed().as_secs_f64());
        seen.add(all);
    }
    let rate = format!("{:.0} calls/s", median(&rates));
    seen.show(table, &format!("the same, {CALLERS} at a time"), "", &rate);
    Ok(())
}

/// The rounds of one way to call, all calls together and by kind.
#[derive(Default)]
struct Seen {
    all: Rounds,
    kinds: [Rounds; 3],
}

impl Seen {
    fn add(&mut self, calls: Calls) {
        self.all.add(calls.times.concat());
        for (rounds, times) in self.kinds.iter_mut().zip(calls.times) {
            rounds.add(times);
        }
    }

    fn show(&self, table: &mut Table, figure: &str, reach: &'static str, besides: &str) {
        let measured = format!("{} ({besides})", self.all.measured());
        table.add(Row::new(figure, reach, measured, self.all.made()));
        for (kind, rounds) in Kind::ALL.into_iter().zip(&self.kinds) {
            table.add(Row::new(format!("— of these, {}", kind.name()), "", rounds.measured(), rounds.made()));
        }
    }
}

async fn get(options: &Options, client: &Client, table: &mut Table) -> Result<()> {
    let name = client.any_dataset().await.context("cannot find a dataset to get")?;
    let mut rounds = Rounds::default();
    for _ in 0..options.rounds {
        let limit = Limit::start();
        let mut times = Vec::with_capacity(options.calls);
        while times.len() < options.calls && !limit.is_over() {
            times.push(client.time_get(&name).await?);
        }
        rounds.add(times);
    }
    let figure = "`GetDataset` through the gateway of this mesh, one after the other";
    ensure!(rounds.quantile(0.5).is_some(), "no call was made");
    table.add(Row::new(figure, "", rounds.measured(), rounds.made()));
    Ok(())
}
