//! `job …`: profiling jobs.

use clap::Subcommand;
use proto::profiling::v1 as pb;

use super::{Context, print_changes};
use crate::client::{Client, PAGE, Seen, pages};
use crate::failure::Failure;
use crate::output;

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// List jobs, newest first.
    List {
        /// Only those of this dataset.
        #[arg(long)]
        dataset: Option<String>,
    },
    /// Show a job.
    Get {
        /// Its name or id.
        job: String,
    },
    /// Queue a failed or cancelled job again.
    Retry {
        /// Its name or id.
        job: String,
    },
    /// Cancel a job.
    Cancel {
        /// Its name or id.
        job: String,
    },
    /// Show jobs as they change, until interrupted.
    Watch,
}

pub async fn run(context: &Context, command: JobCommand) -> Result<(), Failure> {
    let client = context.client().await?;
    let mut profiling = client.profiling();
    match command {
        JobCommand::List { dataset } => list(context, &client, dataset).await,
        JobCommand::Get { job } => {
            let name = client.name("jobs", &job).await?;
            let reply = profiling.get_job(pb::GetJobRequest { name }).await?.into_inner();
            context.out.reply(&reply, |reply| describe(reply.job.as_ref()))
        }
        JobCommand::Retry { job } => {
            let name = client.name("jobs", &job).await?;
            let reply = profiling.retry_job(pb::RetryJobRequest { name }).await?.into_inner();
            context.out.reply(&reply, |reply| describe(reply.job.as_ref()))
        }
        JobCommand::Cancel { job } => {
            let name = client.name("jobs", &job).await?;
            let reply = profiling.cancel_job(pb::CancelJobRequest { name }).await?.into_inner();
            context.out.reply(&reply, |reply| describe(reply.job.as_ref()))
        }
        JobCommand::Watch => watch(context, &client).await,
    }
}

async fn list(context: &Context, client: &Client, dataset: Option<String>) -> Result<(), Failure> {
    let parent = client.parent().await?;
    let dataset = match dataset {
        Some(dataset) => client.name("datasets", &dataset).await?,
        None => String::new(),
    };
    let page = async |page_token| {
        let request =
            pb::ListJobsRequest { parent: parent.clone(), page_size: PAGE, page_token, dataset: dataset.clone() };
        client.profiling().list_jobs(request).await
    };
    let reply = pages(None, page).await?;
    context.out.reply(&reply, |reply| {
        let rows = reply.jobs.iter().map(|job| {
            let asked = job.status.as_ref().and_then(|status| status.create_time);
            let state = output::work(job.status.as_ref());
            vec![output::short(&job.name), output::short(&job.dataset), output::time(asked), state]
        });
        output::table(&["id", "dataset", "asked for", "state"], rows)
    })
}

async fn watch(context: &Context, client: &Client) -> Result<(), Failure> {
    let parent = client.parent().await?;
    let open = async |resume_token| {
        client.profiling().watch_jobs(pb::WatchJobsRequest { parent: parent.clone(), resume_token }).await
    };
    print_changes(context, client, open, line).await
}

fn line(seen: Seen<pb::Job>) -> Option<String> {
    match seen {
        Seen::Item(job) => {
            let (id, dataset) = (output::short(&job.name), output::short(&job.dataset));
            Some(format!("{id}  {dataset}  {}", output::work(job.status.as_ref())))
        }
        Seen::Removed(name) => Some(format!("{}  gone", output::short(&name))),
        Seen::Complete => None,
    }
}

fn describe(job: Option<&pb::Job>) -> String {
    let Some(job) = job else { return String::new() };
    let stage = output::lower(job.stage().as_str_name(), "JOB_STAGE_");
    let status = job.status.clone().unwrap_or_default();
    output::fields(&[
        ("job", job.name.clone()),
        ("dataset", job.dataset.clone()),
        ("state", output::work(Some(&status))),
        ("stage", if stage == "unspecified" { String::new() } else { stage }),
        ("attempts", format!("{} of {}", status.attempts, status.max_attempts)),
        ("next attempt", output::time(status.next_attempt_time)),
        ("profile", job.profile.clone()),
        ("reused", if job.reused { "yes".to_owned() } else { String::new() }),
        ("asked for", output::time(status.create_time)),
        ("took", output::since(&status)),
    ])
}
