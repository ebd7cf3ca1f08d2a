//! `job …`: profiling jobs.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use proto::common::v1::WorkPhase;
use proto::profiling::v1 as pb;
use proto::profiling::v1::append_to_profile_request::Item as Up;

use super::{Context, job_to_end, print_changes};
use crate::client::{Client, PAGE, Piece, Seen, Upload, pages, request_id};
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
    /// Profile rows that follow those of an earlier profile; only they are sent.
    Append {
        /// The name or id of the earlier profile.
        profile: String,
        /// The file of the added rows, with the same columns.
        file: PathBuf,
        /// Wait until it has ended.
        #[arg(long)]
        wait: bool,
    },
    /// Make one profile of several, whose rows follow each other.
    Merge {
        /// The names or ids of the profiles, in the order of their rows.
        #[arg(required = true, num_args = 2..=100)]
        profiles: Vec<String>,
        /// Wait until it has ended.
        #[arg(long)]
        wait: bool,
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
        JobCommand::Append { profile, file, wait } => append(context, &client, &profile, &file, wait).await,
        JobCommand::Merge { profiles, wait } => merge(context, &client, &profiles, wait).await,
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
            vec![output::short(&job.name), output::short(of(job)), output::time(asked), state]
        });
        output::table(&["id", "dataset or profile", "asked for", "state"], rows)
    })
}

async fn append(context: &Context, client: &Client, profile: &str, file: &Path, wait: bool) -> Result<(), Failure> {
    let upload = Upload::open(file).await?;
    let start = pb::AppendToProfileStart {
        profile: client.name("profiles", profile).await?,
        file_name: upload.file_name(),
        request_id: request_id(),
    };
    let wrap = |piece| pb::AppendToProfileRequest {
        item: Some(match piece {
            Piece::Chunk(bytes) => Up::Chunk(bytes),
            Piece::Finish(size_bytes, digest) => {
                Up::Finish(pb::AppendToProfileFinish { size_bytes, digest: Some(digest) })
            }
        }),
    };
    let messages = upload.messages(pb::AppendToProfileRequest { item: Some(Up::Start(start)) }, wrap, |_| ());
    let reply = client.profiling().append_to_profile(messages).await?.into_inner();
    tell(context, client, reply.job.unwrap_or_default(), wait).await
}

async fn merge(context: &Context, client: &Client, profiles: &[String], wait: bool) -> Result<(), Failure> {
    let mut names = Vec::with_capacity(profiles.len());
    for profile in profiles {
        names.push(client.name("profiles", profile).await?);
    }
    let parent = client.parent().await?;
    let request = pb::MergeProfilesRequest { parent, profiles: names, request_id: request_id() };
    let reply = client.profiling().merge_profiles(request).await?.into_inner();
    tell(context, client, reply.job.unwrap_or_default(), wait).await
}

/// Shows a job that was queued, at its end where that is waited for.
async fn tell(context: &Context, client: &Client, job: pb::Job, wait: bool) -> Result<(), Failure> {
    let job = if wait { job_to_end(client, job).await? } else { job };
    let reply = pb::GetJobResponse { job: Some(job) };
    context.out.reply(&reply, |reply| describe(reply.job.as_ref()))?;
    let status = reply.job.and_then(|job| job.status).unwrap_or_default();
    match status.phase() {
        WorkPhase::Failed | WorkPhase::Cancelled => Err(Failure::work("the job has not succeeded")),
        _ => Ok(()),
    }
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
            let (id, of) = (output::short(&job.name), output::short(of(&job)));
            Some(format!("{id}  {of}  {}", output::work(job.status.as_ref())))
        }
        Seen::Removed(name) => Some(format!("{}  gone", output::short(&name))),
        Seen::Complete => None,
    }
}

/// What a job is about: a dataset, or the first of the profiles that it goes on from.
fn of(job: &pb::Job) -> &str {
    let profile = job.merged_profiles.first().unwrap_or(&job.appended_to);
    if job.dataset.is_empty() { profile } else { &job.dataset }
}

fn describe(job: Option<&pb::Job>) -> String {
    let Some(job) = job else { return String::new() };
    let stage = output::lower(job.stage().as_str_name(), "JOB_STAGE_");
    let status = job.status.clone().unwrap_or_default();
    output::fields(&[
        ("job", job.name.clone()),
        ("dataset", job.dataset.clone()),
        ("appends to", job.appended_to.clone()),
        ("merges", job.merged_profiles.join(", ")),
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
