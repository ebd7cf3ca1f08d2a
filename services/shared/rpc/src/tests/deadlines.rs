//! Deadlines, of calls and of what they call; idle streams; credentials that end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};

use super::calls::{get, watching};
use super::{Mesh, Over, over_both_transports, with_identity};
use crate::context::DEADLINE;
use crate::{DEFAULT_DEADLINE, MAX_DEADLINE, Transport, reason};
use proto::profiling::v1::profiling_service_client::ProfilingServiceClient;
use proto::profiling::v1::{ProfileDataRequest, WatchJobsRequest};

over_both_transports!(
    a_call_ends_at_its_deadline,
    a_server_keeps_the_deadline_of_a_client_that_does_not,
    a_stream_ends_at_its_deadline,
    an_upload_that_stalls_ends_at_its_deadline,
    what_is_left_of_a_deadline_is_passed_on,
    a_stream_ends_with_its_credential,
);

const SHORT: Duration = Duration::from_millis(80);

fn within<T>(timeout: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

/// A client without the layers that keep deadlines on its own side.
fn bare(mesh: &Mesh) -> ProfilingServiceClient<Transport> {
    let header = mesh.signer.sign(&mesh.ada());
    ProfilingServiceClient::new(with_identity(mesh.bare.clone(), header))
}

async fn a_call_ends_at_its_deadline(mesh: Mesh) {
    let status = mesh.client().get_job(within(SHORT, get("hang"))).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::DeadlineExceeded, Some("DEADLINE_EXCEEDED")));
    testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 0);
}

async fn a_server_keeps_the_deadline_of_a_client_that_does_not(mesh: Mesh) {
    // So short a time is for the call alone, not for the way to the server.
    bare(&mesh).get_job(get("j1")).await.unwrap();
    // Many, because of tonic's own time-outs about a tenth arrive as `Cancelled`.
    for _ in 0..30 {
        let timeout = Duration::from_millis(10);
        let status = bare(&mesh).get_job(within(timeout, get("hang"))).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        assert_eq!(reason(&status).as_deref(), Some("DEADLINE_EXCEEDED"));
    }
}

async fn a_stream_ends_at_its_deadline(mesh: Mesh) {
    for mut client in [mesh.client(), bare(&mesh)] {
        let mut watch = client.watch_jobs(within(SHORT, watching("hang"))).await.unwrap().into_inner();
        assert!(watch.message().await.unwrap().is_some());
        assert!(watch.message().await.unwrap().is_some());
        let status = watch.message().await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    }
    testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 0);
}

async fn an_upload_that_stalls_ends_at_its_deadline(mesh: Mesh) {
    let (sender, receiver) = mpsc::channel::<ProfileDataRequest>(1);
    let request = within(SHORT, ReceiverStream::new(receiver));
    let mut answer = bare(&mesh).profile_data(request).await.unwrap().into_inner();
    let status = answer.message().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    drop(sender);
}

async fn what_is_left_of_a_deadline_is_passed_on(mesh: Mesh) {
    let timeout = |answer: tonic::Response<proto::profiling::v1::GetJobResponse>| {
        let mut headers = http::HeaderMap::new();
        headers.insert("grpc-timeout", answer.into_inner().job.unwrap().name.parse().unwrap());
        crate::context::grpc_timeout(&headers).unwrap()
    };
    let mut client = mesh.client();
    let left = timeout(client.get_job(get("timeout")).await.unwrap());
    assert!(left <= DEFAULT_DEADLINE && left > DEFAULT_DEADLINE - Duration::from_secs(5), "{left:?}");
    let ours = Some(Instant::now() + Duration::from_secs(3));
    let answer = DEADLINE.scope(ours, client.get_job(within(Duration::from_secs(20), get("timeout")))).await;
    let left = timeout(answer.unwrap());
    assert!(left <= Duration::from_secs(3) && left > Duration::from_secs(1), "{left:?}");
    // A shorter wish of the call itself holds.
    let answer = DEADLINE.scope(ours, client.get_job(within(Duration::from_secs(1), get("timeout")))).await;
    assert!(timeout(answer.unwrap()) <= Duration::from_secs(1));
}

async fn a_stream_ends_with_its_credential(mesh: Mesh) {
    let mut watch = mesh.client().watch_jobs(watching("hang")).await.unwrap().into_inner();
    watch.message().await.unwrap();
    watch.message().await.unwrap();
    mesh.clock.advance(Duration::from_secs(31));
    let status = watch.message().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Unauthenticated, Some("CREDENTIAL_EXPIRED")));
    testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 0);
}

#[tokio::test]
async fn a_stream_on_which_nothing_is_sent_ends() {
    for over in [Over::Process, Over::Tcp] {
        let mesh = Mesh::start_with(over, |options| options.stream_idle = SHORT).await;
        let request = WatchJobsRequest { resume_token: "hang".into(), ..WatchJobsRequest::default() };
        let mut watch = mesh.client().watch_jobs(request).await.unwrap().into_inner();
        watch.message().await.unwrap();
        watch.message().await.unwrap();
        let status = watch.message().await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_deref()), (Code::DeadlineExceeded, Some("STREAM_IDLE")));
    }
}

/// Tokio's clock stands still here, which it may because no socket is read.
#[tokio::test(start_paused = true)]
async fn a_unary_call_has_a_deadline_whatever_its_client_sets() {
    let mesh = Mesh::start(Over::Process).await;
    let begun = Instant::now();
    assert_eq!(bare(&mesh).get_job(get("hang")).await.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(begun.elapsed().as_secs(), DEFAULT_DEADLINE.as_secs());
    let begun = Instant::now();
    let far = within(Duration::from_secs(9_999), get("hang"));
    assert_eq!(bare(&mesh).get_job(far).await.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(begun.elapsed().as_secs(), MAX_DEADLINE.as_secs());
}
