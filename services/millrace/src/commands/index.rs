//! `index …`: the search index.

use clap::Subcommand;
use proto::catalog::v1 as pb;
use proto::common::v1::WorkPhase;

use super::{Context, print_changes, rebuild_to_end};
use crate::client::{Client, PAGE, Seen, pages, request_id};
use crate::failure::Failure;
use crate::output;

/// What to do with the index.
#[derive(Debug, Subcommand)]
pub enum IndexCommand {
    /// Build the index anew from the records, beside readers.
    Rebuild {
        /// Wait until it is done.
        #[arg(long)]
        wait: bool,
    },
    /// List rebuilds, newest first.
    List,
    /// Show a rebuild.
    Get {
        /// Its name or id.
        rebuild: String,
    },
    /// Show rebuilds as they change, until interrupted.
    Watch,
    /// Cancel a rebuild. The index stays as it was.
    Cancel {
        /// Its name or id.
        rebuild: String,
    },
}

pub async fn run(context: &Context, command: IndexCommand) -> Result<(), Failure> {
    let client = context.client().await?;
    let mut catalog = client.catalog();
    match command {
        IndexCommand::Rebuild { wait } => rebuild(context, &client, wait).await,
        IndexCommand::List => list(context, &client).await,
        IndexCommand::Get { rebuild } => {
            let request = pb::GetIndexRebuildRequest { name: name(&rebuild) };
            let reply = catalog.get_index_rebuild(request).await?.into_inner();
            context.out.reply(&reply, |reply| describe(reply.index_rebuild.as_ref()))
        }
        IndexCommand::Watch => watch(context, &client).await,
        IndexCommand::Cancel { rebuild } => {
            let request = pb::CancelIndexRebuildRequest { name: name(&rebuild) };
            let reply = catalog.cancel_index_rebuild(request).await?.into_inner();
            context.out.reply(&reply, |reply| describe(reply.index_rebuild.as_ref()))
        }
    }
}

async fn rebuild(context: &Context, client: &Client, wait: bool) -> Result<(), Failure> {
    let request = pb::CreateIndexRebuildRequest { request_id: request_id() };
    let mut reply = client.catalog().create_index_rebuild(request).await?.into_inner();
    if wait {
        reply.index_rebuild = Some(rebuild_to_end(client, reply.index_rebuild.unwrap_or_default()).await?);
    }
    context.out.reply(&reply, |reply| describe(reply.index_rebuild.as_ref()))?;
    let status = reply.index_rebuild.and_then(|rebuild| rebuild.status);
    match status {
        Some(status) if wait && status.phase() != WorkPhase::Succeeded => {
            Err(Failure::work(format!("the rebuild did not succeed: {}", output::work(Some(&status)))))
        }
        _ => Ok(()),
    }
}

async fn list(context: &Context, client: &Client) -> Result<(), Failure> {
    let page = async |page_token| {
        client.catalog().list_index_rebuilds(pb::ListIndexRebuildsRequest { page_size: PAGE, page_token }).await
    };
    let reply = pages(None, page).await?;
    context.out.reply(&reply, |reply| {
        let rows = reply.index_rebuilds.iter().map(|rebuild| {
            let asked = rebuild.status.as_ref().and_then(|status| status.create_time);
            let state = output::work(rebuild.status.as_ref());
            vec![output::short(&rebuild.name), rebuild.cause.clone(), output::time(asked), state]
        });
        output::table(&["id", "cause", "asked for", "state"], rows)
    })
}

async fn watch(context: &Context, client: &Client) -> Result<(), Failure> {
    let open = async |resume_token| {
        client.catalog().watch_index_rebuilds(pb::WatchIndexRebuildsRequest { resume_token }).await
    };
    print_changes(context, client, open, line).await
}

fn line(seen: Seen<pb::IndexRebuild>) -> Option<String> {
    let Seen::Item(rebuild) = seen else { return None };
    Some(format!("{}  {}", output::short(&rebuild.name), output::work(rebuild.status.as_ref())))
}

fn name(given: &str) -> String {
    if given.starts_with("indexRebuilds/") { given.to_owned() } else { format!("indexRebuilds/{given}") }
}

fn describe(rebuild: Option<&pb::IndexRebuild>) -> String {
    let Some(rebuild) = rebuild else { return String::new() };
    output::fields(&[
        ("rebuild", rebuild.name.clone()),
        ("cause", rebuild.cause.clone()),
        ("state", output::work(rebuild.status.as_ref())),
        ("took", rebuild.status.as_ref().map(output::since).unwrap_or_default()),
    ])
}
