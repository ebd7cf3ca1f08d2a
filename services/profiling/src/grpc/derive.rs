//! `AppendToProfile` and `MergeProfiles`: what is sent becomes a job.

use std::ops::RangeInclusive;
use std::str::FromStr;

use proto::profiling::v1 as pb;
use rpc::Violations;
use tonic::{Request, Response, Status, Streaming};
use types::{ProfileName, TenantName};

use super::status;
use crate::service::{Profiling, RequestKey};
use crate::spool::Spool;

/// How many profiles one call merges.
const MERGED: RangeInclusive<usize> = 2..=100;
/// The longest name of a file, in bytes.
const FILE_NAME: usize = 255;

pub async fn append(
    profiling: &Profiling,
    spool: &Spool,
    request: Request<Streaming<pb::AppendToProfileRequest>>,
) -> Result<Response<pb::AppendToProfileResponse>, Status> {
    let (_, extensions, messages) = request.into_parts();
    let (start, upload) = rpc::upload::open::<pb::AppendToProfileRequest, _>(messages).await?;
    let to = rpc::permit::<ProfileName>(&extensions, "start.profile", &start.profile)?;
    let mut bad = Violations::new();
    check_id(&mut bad, "start.request_id", &start.request_id);
    bad.check(start.file_name.len() <= FILE_NAME, "start.file_name", "takes at most 255 bytes");
    bad.finish()?;
    profiling.check_append(&to).await.map_err(status)?;

    let limit = ("profiling.max_upload_bytes", profiling.config.max_upload_bytes);
    let bytes = upload.with_limit(limit.0, limit.1).into_stream::<pb::AppendToProfileRequest>();
    let spooled = spool.take(bytes, limit, |_| ()).await.map_err(status)?;
    let key = RequestKey::new(&start.request_id, &start, Some(&spooled.digest));
    let job = profiling.append(to, start.file_name, spooled, key).await.map_err(status)?;
    Ok(Response::new(pb::AppendToProfileResponse { job: Some(job.into()) }))
}

pub async fn merge(
    profiling: &Profiling,
    request: Request<pb::MergeProfilesRequest>,
) -> Result<Response<pb::MergeProfilesResponse>, Status> {
    let (_, extensions, asked) = request.into_parts();
    let parent = rpc::permit::<TenantName>(&extensions, "parent", &asked.parent)?;
    let mut bad = Violations::new();
    check_id(&mut bad, "request_id", &asked.request_id);
    bad.check(MERGED.contains(&asked.profiles.len()), "profiles", "takes 2 to 100");
    bad.finish()?;
    let name =
        |(index, name): (usize, &String)| rpc::permit::<ProfileName>(&extensions, &format!("profiles[{index}]"), name);
    let profiles = asked.profiles.iter().enumerate().map(name).collect::<Result<Vec<_>, _>>()?;
    let key = RequestKey::new(&asked.request_id, &asked, None);
    let job = profiling.merge(parent, profiles, key).await.map_err(status)?;
    Ok(Response::new(pb::MergeProfilesResponse { job: Some(job.into()) }))
}

fn check_id(bad: &mut Violations, field: &str, id: &str) {
    bad.check(id.is_empty() || uuid::Uuid::from_str(id).is_ok(), field, "must be a UUID, or empty");
}
