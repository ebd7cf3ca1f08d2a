//! A service whose handlers do what the name in the request says.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::{Stream, StreamExt as _};
use proto::profiling::v1::profiling_service_server::ProfilingService;
use proto::profiling::v1::*;
use tonic::{Request, Response, Status, Streaming};
use types::{Identity, JobName};

use super::Noted;
use crate::{Error, Signer, permit, to_status, upload};

/// What tests see of the handlers.
#[derive(Default)]
pub(crate) struct Probe {
    /// Handlers and streams that have not been dropped.
    pub(crate) alive: AtomicUsize,
    /// Calls begun.
    pub(crate) begun: AtomicUsize,
    /// How uploads ended: a number of bytes, or a reason.
    pub(crate) uploads: Noted<Result<u64, &'static str>>,
    /// Who called.
    pub(crate) callers: Noted<Option<Identity>>,
    /// Traces that handlers ran in.
    pub(crate) traces: Noted<Option<String>>,
    pub(crate) role_signer: Mutex<Option<Arc<Signer>>>,
}

/// Counts as alive until it is dropped.
struct Alive(Arc<Probe>);

impl Alive {
    fn new(probe: &Arc<Probe>) -> Self {
        probe.begun.fetch_add(1, Ordering::SeqCst);
        probe.alive.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(probe))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) struct Service(pub(crate) Arc<Probe>);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn unknown<T>() -> Result<Response<T>, Status> {
    Err(to_status(&Error::UnknownMethod("not part of the tests".into())))
}

#[tonic::async_trait]
impl ProfilingService for Service {
    async fn get_job(&self, request: Request<GetJobRequest>) -> Result<Response<GetJobResponse>, Status> {
        let _alive = Alive::new(&self.0);
        self.0.callers.lock().unwrap().push(request.extensions().get().cloned());
        self.0.traces.lock().unwrap().push(crate::trace::current_trace_id());
        let name = permit::<JobName>(request.extensions(), "name", &request.get_ref().name)?;
        match name.job.as_str() {
            "hang" => std::future::pending().await,
            "panic" => panic!("as the test wants"),
            "timeout" => {
                let left = request.metadata().get("grpc-timeout").map(|text| text.to_str().unwrap().to_owned());
                Ok(Response::new(job(left.unwrap_or_default())))
            }
            name => Ok(Response::new(job(name))),
        }
    }

    async fn retry_job(&self, request: Request<RetryJobRequest>) -> Result<Response<RetryJobResponse>, Status> {
        let _alive = Alive::new(&self.0);
        permit::<JobName>(request.extensions(), "name", &request.get_ref().name)?;
        Ok(Response::new(RetryJobResponse::default()))
    }

    type WatchJobsStream = Answers<WatchJobsResponse>;
    async fn watch_jobs(&self, request: Request<WatchJobsRequest>) -> Result<Response<Self::WatchJobsStream>, Status> {
        let alive = Alive::new(&self.0);
        let what = request.into_inner().resume_token;
        let first = futures::stream::iter([Ok(WatchJobsResponse::default()), Ok(WatchJobsResponse::default())]);
        let rest = futures::stream::once(async move {
            let _alive = alive;
            match what.as_str() {
                "hang" => std::future::pending().await,
                "panic" => {
                    // tonic sends what is ready together; what is ready when the panic comes is lost with it.
                    tokio::task::yield_now().await;
                    panic!("in the stream, as the test wants")
                }
                "fail" => Err(to_status(&Error::NotReady("as the test wants".into()))),
                _ => Ok(WatchJobsResponse::default()),
            }
        });
        Ok(Response::new(Box::pin(first.chain(rest))))
    }

    type ProfileDataStream = Answers<ProfileDataResponse>;
    async fn profile_data(
        &self,
        request: Request<Streaming<ProfileDataRequest>>,
    ) -> Result<Response<Self::ProfileDataStream>, Status> {
        let alive = Alive::new(&self.0);
        let probe = Arc::clone(&self.0);
        let messages = request.into_inner();
        Ok(Response::new(Box::pin(async_stream::stream! {
            let _alive = alive;
            let result = read(messages).await;
            let noted = result.as_ref().map(|n| *n).map_err(types::Fault::reason);
            probe.uploads.lock().unwrap().push(noted);
            yield match result {
                Ok(read_bytes) => Ok(progress(read_bytes)),
                Err(error) => Err(to_status(&error)),
            };
        })))
    }

    async fn append_to_profile(
        &self,
        _: Request<Streaming<AppendToProfileRequest>>,
    ) -> Result<Response<AppendToProfileResponse>, Status> {
        unknown()
    }
    async fn merge_profiles(
        &self,
        _: Request<MergeProfilesRequest>,
    ) -> Result<Response<MergeProfilesResponse>, Status> {
        unknown()
    }
    async fn get_profile(&self, _: Request<GetProfileRequest>) -> Result<Response<GetProfileResponse>, Status> {
        unknown()
    }
    async fn list_column_profiles(
        &self,
        _: Request<ListColumnProfilesRequest>,
    ) -> Result<Response<ListColumnProfilesResponse>, Status> {
        unknown()
    }
    async fn list_jobs(&self, _: Request<ListJobsRequest>) -> Result<Response<ListJobsResponse>, Status> {
        unknown()
    }
    async fn cancel_job(&self, _: Request<CancelJobRequest>) -> Result<Response<CancelJobResponse>, Status> {
        unknown()
    }
}

async fn read(messages: Streaming<ProfileDataRequest>) -> Result<u64, upload::Error> {
    let (_, mut upload) = upload::open::<ProfileDataRequest, _>(messages).await?;
    while upload.next().await?.is_some() {}
    Ok(upload.size_bytes())
}

fn job(name: impl Into<String>) -> GetJobResponse {
    GetJobResponse { job: Some(Job { name: name.into(), ..Job::default() }) }
}

fn progress(read_bytes: u64) -> ProfileDataResponse {
    let read_bytes = i64::try_from(read_bytes).unwrap();
    let progress = ProfileDataProgress { read_bytes, rows: 0 };
    ProfileDataResponse { item: Some(profile_data_response::Item::Progress(progress)) }
}
