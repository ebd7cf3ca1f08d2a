//! `dataset …`: datasets and their versions.

use clap::{Args, Subcommand, ValueEnum};
use proto::catalog::v1 as pb;
use proto::common::v1::Metadata;

use super::dataset_transfer::{self, AddArgs, DownloadArgs};
use super::{Context, print_changes};
use crate::client::{Client, PAGE, Seen, pages, request_id};
use crate::failure::Failure;
use crate::output;

/// What to do with datasets.
#[derive(Debug, Subcommand)]
pub enum DatasetCommand {
    /// List datasets.
    List(ListArgs),
    /// Show a dataset.
    Get {
        /// Its name or id.
        dataset: String,
    },
    /// Send the bytes of a dataset to a file.
    Download(DownloadArgs),
    /// Edit what is said about a dataset; a new crawl leaves it alone.
    Edit(EditArgs),
    /// Upload a file as a dataset.
    Add(AddArgs),
    /// List the versions of a dataset, newest first.
    Versions {
        /// Its name or id.
        dataset: String,
    },
    /// Show the profile of a dataset's current version.
    Profile {
        /// Its name or id.
        dataset: String,
        /// Which table of a file with several: the path in an archive, the sheet of a workbook, the table of a database, or
        /// `PATH#TABLE` for both. The first one unless given.
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        table: String,
    },
    /// Show datasets as they change, until interrupted.
    Watch {
        /// Only those of this source.
        #[arg(long)]
        source: Option<String>,
    },
}

/// Which datasets to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this source.
    #[arg(long)]
    source: Option<String>,
    /// Only those in this state.
    #[arg(long, value_enum)]
    state: Option<StateArg>,
    /// Hidden ones too.
    #[arg(long)]
    hidden: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateArg {
    Announced,
    Queued,
    Fetching,
    Profiling,
    Indexed,
    Failed,
    Retracted,
}

impl From<StateArg> for pb::DatasetState {
    fn from(arg: StateArg) -> Self {
        match arg {
            StateArg::Announced => Self::Announced,
            StateArg::Queued => Self::Queued,
            StateArg::Fetching => Self::Fetching,
            StateArg::Profiling => Self::Profiling,
            StateArg::Indexed => Self::Indexed,
            StateArg::Failed => Self::Failed,
            StateArg::Retracted => Self::Retracted,
        }
    }
}

/// What to edit.
#[derive(Debug, Args)]
pub struct EditArgs {
    /// The name or id of the dataset.
    dataset: String,
    /// The new title.
    #[arg(long)]
    title: Option<String>,
    /// The new description.
    #[arg(long)]
    description: Option<String>,
    /// The tags from now on; all are named.
    #[arg(long)]
    tag: Option<Vec<String>>,
    /// Take all tags away.
    #[arg(long, conflicts_with = "tag")]
    no_tags: bool,
    /// Leave it out of search and lists.
    #[arg(long)]
    hide: bool,
    /// Show it in search and lists again.
    #[arg(long, conflicts_with = "hide")]
    show: bool,
}

pub async fn run(context: &Context, command: DatasetCommand) -> Result<(), Failure> {
    let client = context.client().await?;
    match command {
        DatasetCommand::List(args) => list(context, &client, args).await,
        DatasetCommand::Get { dataset } => {
            let name = client.name("datasets", &dataset).await?;
            let reply = client.catalog().get_dataset(pb::GetDatasetRequest { name }).await?.into_inner();
            context.out.reply(&reply, |reply| reply.dataset.as_ref().map(describe).unwrap_or_default())
        }
        DatasetCommand::Download(args) => dataset_transfer::download(context, &client, args).await,
        DatasetCommand::Edit(args) => edit(context, &client, args).await,
        DatasetCommand::Add(args) => dataset_transfer::add(context, &client, args).await,
        DatasetCommand::Versions { dataset } => versions(context, &client, &dataset).await,
        DatasetCommand::Profile { dataset, table } => {
            super::profile::of_dataset(context, &client, &dataset, table).await
        }
        DatasetCommand::Watch { source } => watch(context, &client, source).await,
    }
}

async fn list(context: &Context, client: &Client, args: ListArgs) -> Result<(), Failure> {
    let source = match &args.source {
        Some(source) => client.name("sources", source).await?,
        None => String::new(),
    };
    let request = pb::ListDatasetsRequest {
        parent: client.parent().await?,
        page_size: PAGE,
        page_token: String::new(),
        source,
        state: args.state.map(pb::DatasetState::from).unwrap_or_default().into(),
        show_hidden: args.hidden,
    };
    let page = async |page_token| {
        client.catalog().list_datasets(pb::ListDatasetsRequest { page_token, ..request.clone() }).await
    };
    let reply = pages(None, page).await?;
    context.out.reply(&reply, |reply| {
        let rows = reply.datasets.iter().map(|dataset| {
            let (rows, columns) = match &dataset.current_version {
                Some(version) => (version.row_count.to_string(), version.column_count.to_string()),
                None => Default::default(),
            };
            vec![output::short(&dataset.name), state(dataset), rows, columns, title(dataset)]
        });
        output::table(&["id", "state", "rows", "columns", "title"], rows)
    })
}

async fn versions(context: &Context, client: &Client, dataset: &str) -> Result<(), Failure> {
    let parent = client.name("datasets", dataset).await?;
    let page = async |page_token| {
        let request = pb::ListVersionsRequest { parent: parent.clone(), page_size: PAGE, page_token };
        client.catalog().list_versions(request).await
    };
    let reply = pages(None, page).await?;
    context.out.reply(&reply, |reply| {
        let rows = reply.versions.iter().map(|version| {
            let digest = version.digest.as_ref().map(digest).unwrap_or_default();
            vec![
                output::short(&version.name),
                version.row_count.to_string(),
                version.column_count.to_string(),
                output::bytes(version.size_bytes),
                if version.kept { "yes" } else { "no" }.to_owned(),
                output::time(version.create_time),
                digest.chars().take(16).collect(),
            ]
        });
        output::table(&["version", "rows", "columns", "size", "kept", "recorded", "sha-256"], rows)
    })
}

async fn edit(context: &Context, client: &Client, args: EditArgs) -> Result<(), Failure> {
    let mut metadata = Metadata::default();
    let mut paths = Vec::new();
    if let Some(title) = args.title {
        metadata.title = title;
        paths.push("metadata.title".to_owned());
    }
    if let Some(description) = args.description {
        metadata.description = description;
        paths.push("metadata.description".to_owned());
    }
    if args.no_tags || args.tag.is_some() {
        metadata.tags = args.tag.unwrap_or_default();
        paths.push("metadata.tags".to_owned());
    }
    if args.hide || args.show {
        paths.push("hidden".to_owned());
    }
    if paths.is_empty() {
        return Err(Failure::usage("nothing to edit; name `--title`, `--description`, `--tag`, `--hide` or `--show`"));
    }
    let name = client.name("datasets", &args.dataset).await?;
    let dataset = pb::Dataset { name, metadata: Some(metadata), hidden: args.hide, ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths });
    let request = pb::UpdateDatasetRequest { dataset: Some(dataset), update_mask, request_id: request_id() };
    let reply = client.catalog().update_dataset(request).await?.into_inner();
    context.out.reply(&reply, |reply| reply.dataset.as_ref().map(describe).unwrap_or_default())
}

async fn watch(context: &Context, client: &Client, source: Option<String>) -> Result<(), Failure> {
    let parent = client.parent().await?;
    let source = match source {
        Some(source) => client.name("sources", &source).await?,
        None => String::new(),
    };
    let open = async |resume_token| {
        let request = pb::WatchDatasetsRequest { parent: parent.clone(), resume_token, source: source.clone() };
        client.catalog().watch_datasets(request).await
    };
    print_changes(context, client, open, line).await
}

fn line(seen: Seen<pb::Dataset>) -> Option<String> {
    match seen {
        Seen::Item(dataset) => {
            Some(format!("{}  {}  {}", output::short(&dataset.name), state(&dataset), title(&dataset)))
        }
        Seen::Removed(name) => Some(format!("{}  gone", output::short(&name))),
        Seen::Complete => None,
    }
}

fn state(dataset: &pb::Dataset) -> String {
    output::lower(dataset.state().as_str_name(), "DATASET_STATE_")
}

fn title(dataset: &pb::Dataset) -> String {
    let title = dataset.metadata.as_ref().map(|metadata| metadata.title.clone()).filter(|title| !title.is_empty());
    title.unwrap_or_else(|| dataset.path.clone())
}

fn digest(digest: &proto::common::v1::Digest) -> String {
    types::Digest::try_from(digest.value.as_slice()).map(|digest| digest.to_hex()).unwrap_or_default()
}

/// A dataset, for people.
pub fn describe(dataset: &pb::Dataset) -> String {
    let metadata = dataset.metadata.clone().unwrap_or_default();
    let attempt = dataset.latest_attempt.clone().unwrap_or_default();
    let error = attempt.error.map(|error| format!("{} ({})", error.message, error.reason)).unwrap_or_default();
    let mut text = output::fields(&[
        ("dataset", dataset.name.clone()),
        ("state", state(dataset)),
        ("error", error),
        ("next attempt", output::time(attempt.next_attempt_time)),
        ("title", metadata.title),
        ("description", metadata.description),
        ("licence", metadata.license),
        ("tags", metadata.tags.join(", ")),
        ("edited", dataset.edited_fields.join(", ")),
        ("hidden", if dataset.hidden { "yes".to_owned() } else { String::new() }),
        ("source", output::short(&dataset.source)),
        ("path", dataset.path.clone()),
        ("updated", output::time(dataset.update_time)),
    ]);
    if let Some(version) = &dataset.current_version {
        text += &format!("\n\n{}", describe_version(version));
    }
    text
}

fn describe_version(version: &pb::Version) -> String {
    let recipe = version.recipe.clone().unwrap_or_default();
    let range = version.time_range.map(|range| format!("{} to {}", output::time(range.start), output::time(range.end)));
    let bounds =
        version.r#box.map(|b| format!("{},{},{},{} (west, south, east, north)", b.west, b.south, b.east, b.north));
    let head = output::fields(&[
        ("version", output::short(&version.name)),
        ("rows", version.row_count.to_string()),
        ("size", output::bytes(version.size_bytes)),
        ("format", [recipe.format, recipe.compression].join(" ").trim().to_owned()),
        ("sha-256", version.digest.as_ref().map(digest).unwrap_or_default()),
        ("time", range.unwrap_or_default()),
        ("box", bounds.unwrap_or_default()),
    ]);
    let rows = version.columns.iter().map(|column| {
        let meanings = column.semantic_types().map(|kind| output::lower(kind.as_str_name(), "SEMANTIC_TYPE_"));
        let kind = output::lower(column.structural_type().as_str_name(), "STRUCTURAL_TYPE_");
        vec![column.column.clone(), kind, meanings.collect::<Vec<_>>().join(", ")]
    });
    let mut text = match version.tables.is_empty() {
        true => head,
        false => format!("{head}\n\n{}\n\nof the first that has a profile:", tables(version)),
    };
    text += &format!("\n\n{}", output::table(&["column", "type", "meaning"], rows));
    let shown = version.columns.len();
    if usize::try_from(version.column_count).is_ok_and(|count| count > shown) {
        text += &format!("\n(the first {shown} of {} columns)", version.column_count);
    }
    text
}

/// The tables of a file with several, each with its size or why it has no profile.
fn tables(version: &pb::Version) -> String {
    let rows = version.tables.iter().map(|table| {
        let figure = |figure: String| if table.has_profile { figure } else { String::new() };
        let why = table.error.as_ref().map(|error| format!("{} ({})", error.message, error.reason));
        let not_tried = || if table.has_profile { String::new() } else { "not profiled".to_owned() };
        let (rows, columns) = (figure(table.row_count.to_string()), figure(table.column_count.to_string()));
        vec![table.table.clone(), rows, columns, why.unwrap_or_else(not_tried)]
    });
    let mut text = output::table(&["table", "rows", "columns", "problem"], rows);
    let shown = version.tables.len();
    if usize::try_from(version.table_count).is_ok_and(|count| count > shown) {
        text += &format!("\n(the first {shown} of {} tables)", version.table_count);
    }
    text
}
