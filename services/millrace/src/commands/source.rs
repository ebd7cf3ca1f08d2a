//! `source …`: places where datasets lie.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::common::v1::{Metadata, WorkPhase};
use proto::discovery::v1 as pb;
use proto::discovery::v1::preview_source_response::Item;
use proto::discovery::v1::source::Settings;
use serde_json::json;
use types::Span;

use super::{Context, crawl, crawl_to_end, datasets_settled};
use crate::client::{Client, PAGE, pages, request_id};
use crate::failure::Failure;
use crate::output::{self, note};

/// What to do with sources.
#[derive(Debug, Subcommand)]
pub enum SourceCommand {
    /// Create a source and start its first crawl.
    Add {
        /// The kind of place.
        #[command(subcommand)]
        kind: AddKind,
    },
    /// List sources.
    List,
    /// Show a source.
    Get {
        /// Its name or id.
        source: String,
    },
    /// Change a source.
    Update(UpdateArgs),
    /// Start a crawl now.
    Run {
        /// The name or id of the source.
        source: String,
        /// Retract what is missing, however much it is.
        #[arg(long)]
        accept_losses: bool,
        /// Wait until what the crawl found is profiled and indexed.
        #[arg(long)]
        wait: bool,
    },
    /// Delete a source and retract its datasets.
    Delete {
        /// Its name or id.
        source: String,
    },
    /// List the kinds of place, with their settings.
    Kinds,
}

/// A kind of place.
#[derive(Debug, Subcommand)]
pub enum AddKind {
    /// A folder of files, beneath a folder root of the mesh.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What else is said of it.
        #[command(flatten)]
        options: AddOptions,
    },
    /// A listing of files over HTTP, as Apache and nginx make it.
    HttpIndex {
        /// The listing.
        url: String,
        /// How many levels of sub-folders to follow, 0 to 32.
        #[arg(long)]
        max_depth: Option<i32>,
        /// What else is said of it.
        #[command(flatten)]
        options: AddOptions,
    },
}

/// What is said of a new source.
#[derive(Debug, Args)]
pub struct AddOptions {
    /// A title for people.
    #[arg(long, default_value = "")]
    title: String,
    /// The id to give it; made up where it is not given.
    #[arg(long, default_value = "")]
    id: String,
    /// How often to crawl it: `1h`, `30m`, `1d`. Without it, later crawls start by `source run` alone.
    #[arg(long, value_name = "DURATION")]
    every: Option<Span>,
    /// Paths to leave out, as globs: `*` within a segment, `**` across segments.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// A tag for every dataset of it.
    #[arg(long)]
    tag: Vec<String>,
    /// The licence of every dataset that does not name its own.
    #[arg(long, default_value = "")]
    license: String,
    /// List what would be found, and create nothing.
    #[arg(long)]
    dry_run: bool,
    /// Wait until what the first crawl finds is profiled and indexed.
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

/// What to change of a source.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Its name or id.
    source: String,
    /// The new title.
    #[arg(long)]
    title: Option<String>,
    /// How often to crawl it from now on.
    #[arg(long, value_name = "DURATION", conflicts_with = "manual")]
    every: Option<Span>,
    /// Crawl it by `source run` alone from now on.
    #[arg(long)]
    manual: bool,
    /// The paths to leave out from now on.
    #[arg(long, value_name = "GLOB")]
    exclude: Option<Vec<String>>,
}

pub async fn run(context: &Context, command: SourceCommand) -> Result<(), Failure> {
    let client = context.client().await?;
    match command {
        SourceCommand::Add { kind } => add(context, &client, kind).await,
        SourceCommand::List => list(context, &client).await,
        SourceCommand::Get { source } => {
            let name = client.name("sources", &source).await?;
            let reply = client.discovery().get_source(pb::GetSourceRequest { name }).await?.into_inner();
            context.out.reply(&reply, |reply| reply.source.as_ref().map(describe).unwrap_or_default())
        }
        SourceCommand::Update(args) => update(context, &client, args).await,
        SourceCommand::Run { source, accept_losses, wait } => {
            start(context, &client, &source, accept_losses, wait).await
        }
        SourceCommand::Delete { source } => {
            let name = client.name("sources", &source).await?;
            let request = pb::DeleteSourceRequest { name: name.clone(), revision: 0, request_id: request_id() };
            let reply = client.discovery().delete_source(request).await?.into_inner();
            context.out.reply(&reply, |_| format!("deleted {name}; its datasets are being retracted"))
        }
        SourceCommand::Kinds => {
            let reply = client.discovery().list_discoverer_kinds(pb::ListDiscovererKindsRequest {}).await?.into_inner();
            context.out.reply(&reply, kinds)
        }
    }
}

async fn add(context: &Context, client: &Client, kind: AddKind) -> Result<(), Failure> {
    let (settings, options) = match kind {
        AddKind::Folder { path, options } => {
            let path = std::path::absolute(&path)?;
            (Settings::Folder(pb::FolderSettings { path: path.to_string_lossy().into_owned() }), options)
        }
        AddKind::HttpIndex { url, max_depth, options } => {
            (Settings::HttpIndex(pb::HttpIndexSettings { url, max_depth }), options)
        }
    };
    let interval = options.every.map(interval).transpose()?;
    let metadata = Metadata { license: options.license, tags: options.tag, ..Default::default() };
    let source = pb::Source {
        title: options.title,
        settings: Some(settings),
        interval,
        exclude: options.exclude,
        metadata: (metadata != Metadata::default()).then_some(metadata),
        ..Default::default()
    };
    if options.dry_run {
        return preview(context, client, source).await;
    }
    let request = pb::CreateSourceRequest {
        parent: client.parent().await?,
        source_id: options.id,
        source: Some(source),
        request_id: request_id(),
    };
    let mut reply = client.discovery().create_source(request).await?.into_inner();
    if !options.wait {
        return context.out.reply(&reply, created);
    }
    reply.crawl = Some(wait(client, reply.crawl.unwrap_or_default()).await?);
    let name = reply.source.map(|source| source.name).unwrap_or_default();
    reply.source = client.discovery().get_source(pb::GetSourceRequest { name }).await?.into_inner().source;
    context.out.reply(&reply, created)?;
    ended_well(reply.crawl.as_ref())
}

async fn preview(context: &Context, client: &Client, source: pb::Source) -> Result<(), Failure> {
    let request = pb::PreviewSourceRequest { parent: client.parent().await?, source: Some(source), limit: 10_000 };
    let mut stream = client.discovery().preview_source(request).await?.into_inner();
    let (mut datasets, mut summary) = (Vec::new(), None);
    while let Some(message) = stream.message().await? {
        match message.item {
            Some(Item::Dataset(dataset)) => datasets.push(dataset),
            Some(Item::Summary(end)) => summary = Some(end),
            None => {}
        }
    }
    let Some(summary) = summary else { return Err(Failure::other("the list broke off; try again")) };
    let listed = datasets.iter().map(output::json).collect::<Result<Vec<_>, _>>()?;
    context.out.document(&json!({ "datasets": listed, "summary": output::json(&summary)? }), || {
        let rows =
            datasets.iter().map(|one| vec![one.path.clone(), one.size_bytes.map(output::bytes).unwrap_or_default()]);
        output::table(&["path", "size"], rows)
    })?;
    for line in crawl::warnings(&summary.warnings, summary.warnings_omitted) {
        note(&line);
    }
    note(&outcome(&summary));
    Ok(())
}

/// How a preview ended, in a sentence.
fn outcome(summary: &pb::PreviewSummary) -> String {
    let more = if summary.truncated { ", and more" } else { "" };
    let skipped = match summary.skipped {
        0 => String::new(),
        1 => ", 1 name left out".to_owned(),
        number => format!(", {number} names left out"),
    };
    let datasets = if summary.datasets == 1 { "dataset" } else { "datasets" };
    format!("{} {datasets} would be found{more}{skipped}; nothing was created", summary.datasets)
}

async fn start(
    context: &Context,
    client: &Client,
    source: &str,
    accept_losses: bool,
    waits: bool,
) -> Result<(), Failure> {
    let name = client.name("sources", source).await?;
    let request = pb::RunSourceRequest { name, accept_losses, request_id: request_id() };
    let mut reply = client.discovery().run_source(request).await?.into_inner();
    if waits {
        reply.crawl = Some(wait(client, reply.crawl.unwrap_or_default()).await?);
    }
    context.out.reply(&reply, |reply| reply.crawl.as_ref().map(crawl::describe).unwrap_or_default())?;
    if waits { ended_well(reply.crawl.as_ref()) } else { Ok(()) }
}

/// Waits for a crawl, and for the datasets that it announced.
async fn wait(client: &Client, started: pb::Crawl) -> Result<pb::Crawl, Failure> {
    let crawl = crawl_to_end(client, started).await?;
    if phase(Some(&crawl)) == WorkPhase::Succeeded {
        datasets_settled(client, &crawl).await?;
    }
    Ok(crawl)
}

fn phase(crawl: Option<&pb::Crawl>) -> WorkPhase {
    crawl.and_then(|crawl| crawl.status.as_ref()).map(|status| status.phase()).unwrap_or_default()
}

fn ended_well(crawl: Option<&pb::Crawl>) -> Result<(), Failure> {
    match phase(crawl) {
        WorkPhase::Succeeded => Ok(()),
        _ => {
            let status = crawl.and_then(|crawl| crawl.status.as_ref());
            Err(Failure::work(format!("the crawl did not succeed: {}", output::work(status))))
        }
    }
}

fn created(reply: &pb::CreateSourceResponse) -> String {
    let source = reply.source.as_ref().map(describe).unwrap_or_default();
    let crawl = reply.crawl.as_ref().map(crawl::describe).unwrap_or_default();
    format!("{source}\n\n{crawl}")
}

async fn list(context: &Context, client: &Client) -> Result<(), Failure> {
    let parent = client.parent().await?;
    let page = async |page_token| {
        let request = pb::ListSourcesRequest { parent: parent.clone(), page_size: PAGE, page_token };
        client.discovery().list_sources(request).await
    };
    let reply = pages(None, page).await?;
    context.out.reply(&reply, |reply| {
        let rows = reply.sources.iter().map(|source| {
            let every = output::duration(source.interval);
            let count = source.dataset_count.to_string();
            vec![output::short(&source.name), kind(source).into(), count, every, source.title.clone(), place(source)]
        });
        output::table(&["id", "kind", "datasets", "every", "title", "place"], rows)
    })
}

async fn update(context: &Context, client: &Client, args: UpdateArgs) -> Result<(), Failure> {
    let name = client.name("sources", &args.source).await?;
    let found = client.discovery().get_source(pb::GetSourceRequest { name }).await?.into_inner();
    let mut source = found.source.unwrap_or_default();
    let mut paths = Vec::new();
    if let Some(title) = args.title {
        source.title = title;
        paths.push("title".to_owned());
    }
    if args.manual || args.every.is_some() {
        source.interval = args.every.map(interval).transpose()?;
        paths.push("interval".to_owned());
    }
    if let Some(exclude) = args.exclude {
        source.exclude = exclude;
        paths.push("exclude".to_owned());
    }
    if paths.is_empty() {
        return Err(Failure::usage("nothing to change; name `--title`, `--every`, `--manual` or `--exclude`"));
    }
    let update_mask = Some(prost_types::FieldMask { paths });
    let request = pb::UpdateSourceRequest { source: Some(source), update_mask, request_id: request_id() };
    let reply = client.discovery().update_source(request).await?.into_inner();
    context.out.reply(&reply, |reply| reply.source.as_ref().map(describe).unwrap_or_default())
}

fn interval(every: Span) -> Result<prost_types::Duration, Failure> {
    every.as_duration().try_into().map_err(|_| Failure::usage(format!("`{every}` is too long a duration")))
}

fn kind(source: &pb::Source) -> &'static str {
    match source.settings {
        Some(Settings::Folder(_)) => "folder",
        Some(Settings::HttpIndex(_)) => "http-index",
        None => "",
    }
}

fn place(source: &pb::Source) -> String {
    match &source.settings {
        Some(Settings::Folder(folder)) => folder.path.clone(),
        Some(Settings::HttpIndex(index)) => index.url.clone(),
        None => String::new(),
    }
}

fn describe(source: &pb::Source) -> String {
    output::fields(&[
        ("source", source.name.clone()),
        ("title", source.title.clone()),
        ("kind", kind(source).to_owned()),
        ("place", place(source)),
        ("every", output::duration(source.interval)),
        ("next crawl", output::time(source.next_crawl_time)),
        ("leaves out", source.exclude.join(" ")),
        ("datasets", source.dataset_count.to_string()),
        ("created", output::time(source.create_time)),
    ])
}

fn kinds(reply: &pb::ListDiscovererKindsResponse) -> String {
    let mut text = String::new();
    for kind in &reply.kinds {
        let rows = kind.settings.iter().map(|setting| {
            let required = if setting.required { "required" } else { "" };
            vec![setting.field.clone(), setting.r#type.clone(), required.to_owned(), setting.description.clone()]
        });
        let settings = output::table(&["setting", "type", "", "meaning"], rows);
        text += &format!("{}: {}\n{settings}\n\n", kind.kind.replace('_', "-"), kind.description);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_says_what_it_left_out() {
        let mut summary = pb::PreviewSummary { datasets: 2, ..pb::PreviewSummary::default() };
        assert_eq!(outcome(&summary), "2 datasets would be found; nothing was created");
        (summary.truncated, summary.skipped) = (true, 3);
        assert_eq!(outcome(&summary), "2 datasets would be found, and more, 3 names left out; nothing was created");
        let odd = pb::CrawlWarning { path: "a".into(), reason: "LINK_LOOP".into(), message: "round".into() };
        assert_eq!(crawl::warnings(&[odd], 2), ["warning  a: round (LINK_LOOP)", "warning  and 2 more"]);
    }
}
