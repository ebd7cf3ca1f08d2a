//! The calls of `millrace.profiling.v1.ProfilingService`: decode, call, encode.

mod data;
mod derive;

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use proto::profiling::v1 as pb;
use proto::profiling::v1::profiling_service_server::ProfilingService;
use rpc::watch::{WatchItem, Watched};
use tonic::{Request, Response, Status, Streaming};
use types::{DatasetName, JobName, ProfileName, Scoped, TenantName};

use crate::Error;
use crate::engine::Bounds;
use crate::service::Profiling;
use crate::spool::Spool;

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves the calls.
pub struct Handler {
    profiling: Profiling,
    spool: Spool,
    bounds: Bounds,
}

impl Handler {
    /// Serves what `profiling` knows; uploads go through `spool`, and are profiled within `bounds`.
    pub fn new(profiling: Profiling, spool: Spool, bounds: Bounds) -> Self {
        Self { profiling, spool, bounds }
    }
}

fn status(error: Error) -> Status {
    rpc::to_status(&error)
}

#[tonic::async_trait]
impl ProfilingService for Handler {
    type ProfileDataStream = Messages<pb::ProfileDataResponse>;
    type WatchJobsStream = Messages<pb::WatchJobsResponse>;

    async fn profile_data(
        &self,
        request: Request<Streaming<pb::ProfileDataRequest>>,
    ) -> Result<Response<Self::ProfileDataStream>, Status> {
        let (_, extensions, messages) = request.into_parts();
        let (start, upload) = rpc::upload::open::<pb::ProfileDataRequest, _>(messages).await?;
        rpc::permit::<TenantName>(&extensions, "start.parent", &start.parent)?;
        let upload = upload.with_limit("profiling.max_upload_bytes", self.profiling.config.max_upload_bytes);
        let (spool, bounds, config) = (self.spool.clone(), self.bounds.clone(), Arc::clone(&self.profiling.config));
        let hint = profile::Hint::named(start.file_name).wanting(start.table);
        let answer = data::profile(upload, hint, spool, bounds, config);
        Ok(Response::new(answer.boxed()))
    }

    async fn append_to_profile(
        &self,
        request: Request<Streaming<pb::AppendToProfileRequest>>,
    ) -> Result<Response<pb::AppendToProfileResponse>, Status> {
        derive::append(&self.profiling, &self.spool, request).await
    }

    async fn merge_profiles(
        &self,
        request: Request<pb::MergeProfilesRequest>,
    ) -> Result<Response<pb::MergeProfilesResponse>, Status> {
        derive::merge(&self.profiling, request).await
    }

    async fn get_profile(
        &self,
        request: Request<pb::GetProfileRequest>,
    ) -> Result<Response<pb::GetProfileResponse>, Status> {
        let name = rpc::permit::<ProfileName>(request.extensions(), "name", &request.get_ref().name)?;
        let profile = self.profiling.get_profile(name, &request.get_ref().table).await.map_err(status)?;
        Ok(Response::new(pb::GetProfileResponse { profile: Some(profile) }))
    }

    async fn list_column_profiles(
        &self,
        request: Request<pb::ListColumnProfilesRequest>,
    ) -> Result<Response<pb::ListColumnProfilesResponse>, Status> {
        let parent = rpc::permit::<ProfileName>(request.extensions(), "parent", &request.get_ref().parent)?;
        let asked = request.into_inner();
        let page = self.profiling.list_columns(parent, &asked.table, asked.page_size, &asked.page_token);
        let page = page.await.map_err(status)?;
        Ok(Response::new(pb::ListColumnProfilesResponse {
            column_profiles: page.items,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_job(&self, request: Request<pb::GetJobRequest>) -> Result<Response<pb::GetJobResponse>, Status> {
        let name = rpc::permit::<JobName>(request.extensions(), "name", &request.get_ref().name)?;
        let job = self.profiling.get_job(name).await.map_err(status)?;
        Ok(Response::new(pb::GetJobResponse { job: Some(job.into()) }))
    }

    async fn list_jobs(&self, request: Request<pb::ListJobsRequest>) -> Result<Response<pb::ListJobsResponse>, Status> {
        let parent = rpc::permit::<TenantName>(request.extensions(), "parent", &request.get_ref().parent)?;
        let asked = request.get_ref();
        let dataset = match asked.dataset.as_str() {
            "" => None,
            name => Some(rpc::permit::<DatasetName>(request.extensions(), "dataset", name)?.into_inner()),
        };
        let page = self.profiling.list_jobs(parent, dataset, asked.page_size, &asked.page_token);
        let page = page.await.map_err(status)?;
        let jobs = page.items.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListJobsResponse { jobs, next_page_token: page.next_page_token }))
    }

    async fn watch_jobs(
        &self,
        request: Request<pb::WatchJobsRequest>,
    ) -> Result<Response<Self::WatchJobsStream>, Status> {
        let parent = rpc::permit::<TenantName>(request.extensions(), "parent", &request.get_ref().parent)?;
        let (profiling, parent) = (self.profiling.clone(), TenantName::new(parent.tenant().clone()));
        let poke = profiling.db.changed();
        let fetch = move |after, limit: usize| {
            let (profiling, parent) = (profiling.clone(), parent.clone());
            async move {
                let limit = u32::try_from(limit).unwrap_or(u32::MAX);
                let jobs = profiling.changed_jobs(&parent, after, limit).await?;
                Ok::<_, Error>(jobs.into_iter().map(|job| (job.change, WatchItem::Item(job))).collect::<Vec<_>>())
            }
        };
        let watch = rpc::watch::stream(&request.get_ref().resume_token, poke, fetch);
        Ok(Response::new(watch.map(|message| message.map(watched)).boxed()))
    }

    async fn retry_job(&self, request: Request<pb::RetryJobRequest>) -> Result<Response<pb::RetryJobResponse>, Status> {
        let name = rpc::permit::<JobName>(request.extensions(), "name", &request.get_ref().name)?;
        let job = self.profiling.retry_job(name).await.map_err(status)?;
        Ok(Response::new(pb::RetryJobResponse { job: Some(job.into()) }))
    }

    async fn cancel_job(
        &self,
        request: Request<pb::CancelJobRequest>,
    ) -> Result<Response<pb::CancelJobResponse>, Status> {
        let name = rpc::permit::<JobName>(request.extensions(), "name", &request.get_ref().name)?;
        let job = self.profiling.cancel_job(name).await.map_err(status)?;
        Ok(Response::new(pb::CancelJobResponse { job: Some(job.into()) }))
    }
}

fn watched(message: Watched<crate::job::Job>) -> pb::WatchJobsResponse {
    use pb::watch_jobs_response::Item;
    let item = match message.item {
        WatchItem::Item(job) => Item::Job(job.into()),
        WatchItem::Removed(name) => Item::Removed(name),
        WatchItem::SnapshotComplete => Item::SnapshotComplete(true),
    };
    pb::WatchJobsResponse { item: Some(item), resume_token: message.resume_token }
}
