//! `crawl …`: visits to a source.

use clap::Subcommand;
use proto::discovery::v1 as pb;

use super::{Context, print_changes};
use crate::client::{Client, PAGE, Seen, pages};
use crate::failure::Failure;
use crate::output;

/// What to do with crawls.
#[derive(Debug, Subcommand)]
pub enum CrawlCommand {
    /// List the crawls of a source, newest first.
    List {
        /// The name or id of the source.
        source: String,
    },
    /// Show a crawl.
    Get {
        /// Its name, or SOURCE/CRAWL.
        crawl: String,
    },
    /// Show crawls as they change, until interrupted.
    Watch {
        /// The name or id of the source; all of the tenant's where it is not given.
        source: Option<String>,
    },
    /// Cancel a crawl. What it announced stays announced.
    Cancel {
        /// Its name, or SOURCE/CRAWL.
        crawl: String,
    },
}

pub async fn run(context: &Context, command: CrawlCommand) -> Result<(), Failure> {
    let client = context.client().await?;
    match command {
        CrawlCommand::List { source } => list(context, &client, &source).await,
        CrawlCommand::Get { crawl } => {
            let name = client.nested("sources", "crawls", &crawl).await?;
            let reply = client.discovery().get_crawl(pb::GetCrawlRequest { name }).await?.into_inner();
            context.out.reply(&reply, |reply| reply.crawl.as_ref().map(describe).unwrap_or_default())
        }
        CrawlCommand::Watch { source } => watch(context, &client, source.as_deref().unwrap_or("-")).await,
        CrawlCommand::Cancel { crawl } => {
            let name = client.nested("sources", "crawls", &crawl).await?;
            let reply = client.discovery().cancel_crawl(pb::CancelCrawlRequest { name }).await?.into_inner();
            context.out.reply(&reply, |reply| reply.crawl.as_ref().map(describe).unwrap_or_default())
        }
    }
}

async fn list(context: &Context, client: &Client, source: &str) -> Result<(), Failure> {
    let parent = client.name("sources", source).await?;
    let page = async |page_token| {
        let request = pb::ListCrawlsRequest { parent: parent.clone(), page_size: PAGE, page_token };
        client.discovery().list_crawls(request).await
    };
    let reply = pages(None, page).await?;
    context.out.reply(&reply, |reply| {
        let rows = reply.crawls.iter().map(|crawl| {
            let started = crawl.status.as_ref().and_then(|status| status.create_time);
            vec![output::short(&crawl.name), output::time(started), output::work(crawl.status.as_ref())]
        });
        output::table(&["id", "asked for", "state"], rows)
    })
}

async fn watch(context: &Context, client: &Client, source: &str) -> Result<(), Failure> {
    let parent = client.name("sources", source).await?;
    let open = async |resume_token| {
        client.discovery().watch_crawls(pb::WatchCrawlsRequest { parent: parent.clone(), resume_token }).await
    };
    print_changes(context, client, open, line).await
}

fn line(seen: Seen<pb::Crawl>) -> Option<String> {
    match seen {
        Seen::Item(crawl) => Some(format!("{}  {}", crawl.name, output::work(crawl.status.as_ref()))),
        Seen::Removed(name) => Some(format!("{name}  gone")),
        Seen::Complete => None,
    }
}

/// A crawl, for people.
pub fn describe(crawl: &pb::Crawl) -> String {
    let outcome = output::lower(crawl.retraction().as_str_name(), "RETRACTION_OUTCOME_");
    let mut text = output::fields(&[
        ("crawl", crawl.name.clone()),
        ("state", output::work(crawl.status.as_ref())),
        ("missing", if outcome == "unspecified" { String::new() } else { outcome }),
        ("took", crawl.status.as_ref().map(output::since).unwrap_or_default()),
    ]);
    for line in warnings(&crawl.warnings, crawl.warnings_omitted) {
        text += &format!("\n{line}");
    }
    text
}

/// What was odd, a line each.
pub fn warnings(kept: &[pb::CrawlWarning], omitted: i64) -> Vec<String> {
    let line = |one: &pb::CrawlWarning| format!("warning  {}: {} ({})", one.path, one.message, one.reason);
    let mut lines: Vec<String> = kept.iter().map(line).collect();
    if omitted > 0 {
        lines.push(format!("warning  and {omitted} more"));
    }
    lines
}
