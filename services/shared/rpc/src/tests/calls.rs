//! Calls of every kind, uploads, panics, and what is dropped with the answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use proto::profiling::v1::profiling_service_client::ProfilingServiceClient;
use proto::profiling::v1::*;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

use super::{Mesh, Over, over_both_transports};
use crate::upload::{Part, UploadMessage as _};
use crate::{ConnectSettings, IDENTITY_HEADER, connect, in_process, reason, retry_after, upload};

over_both_transports!(
    calls_of_every_kind_are_answered,
    errors_keep_their_details,
    an_upload_that_was_broken_off_is_not_complete,
    a_cancelled_request_is_seen_as_broken_off_and_not_as_ended,
    an_upload_whose_source_ends_early_is_not_complete,
    a_panic_ends_its_call_alone,
    a_panic_in_a_stream_ends_that_stream_alone,
    who_drops_the_answer_drops_the_handler,
    who_drops_a_stream_drops_its_handler,
    who_drops_a_two_way_call_drops_its_handler,
    an_unknown_method_is_unimplemented,
    a_message_that_cannot_be_read_is_the_callers_fault,
    a_role_that_is_not_ready_says_why,
    a_read_is_repeated_until_the_role_is_ready,
    a_write_is_not_repeated,
);

pub(crate) fn get(name: &str) -> GetJobRequest {
    GetJobRequest { name: format!("tenants/main/jobs/{name}") }
}

pub(crate) fn watching(what: &str) -> WatchJobsRequest {
    WatchJobsRequest { parent: "tenants/main".into(), resume_token: what.into() }
}

fn start() -> ProfileDataRequest {
    ProfileDataRequest::from_part(Part::Start(ProfileDataStart::default()))
}

async fn calls_of_every_kind_are_answered(mesh: Mesh) {
    let mut client = mesh.client();
    let job = client.get_job(get("j1")).await.unwrap().into_inner().job.unwrap();
    assert_eq!(job.name, "j1");
    let watch = client.watch_jobs(watching("")).await.unwrap().into_inner();
    assert_eq!(watch.collect::<Vec<_>>().await.len(), 3);
    let source = std::io::Cursor::new(vec![7; 3_000_000]);
    let (messages, _) = upload::messages(ProfileDataStart::default(), source, |_| ());
    let mut answer = client.profile_data(messages).await.unwrap().into_inner();
    let answer = answer.message().await.unwrap().unwrap().item.unwrap();
    assert!(matches!(answer, profile_data_response::Item::Progress(p) if p.read_bytes == 3_000_000));
}

async fn errors_keep_their_details(mesh: Mesh) {
    let mut client = mesh.client();
    let status = client.get_job(GetJobRequest { name: "nonsense".into() }).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::InvalidArgument, Some("BAD_REQUEST")));
    let mut watch = client.watch_jobs(watching("fail")).await.unwrap().into_inner();
    watch.message().await.unwrap();
    watch.message().await.unwrap();
    let status = watch.message().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Unavailable, Some("NOT_READY")));
    assert!(retry_after(&status).is_some());
}

async fn an_upload_that_was_broken_off_is_not_complete(mesh: Mesh) {
    let mut client = mesh.client();
    let (sender, receiver) = mpsc::channel(4);
    sender.send(start()).await.unwrap();
    sender.send(ProfileDataRequest::from_part(Part::Chunk(vec![1; 10]))).await.unwrap();
    let answer = client.profile_data(ReceiverStream::new(receiver)).await.unwrap();
    testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 1);
    drop(answer);
    testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 0);
    // Within a process the handler is dropped before it sees anything; over a socket it sees the break.
    assert!(mesh.probe.uploads.lock().unwrap().iter().all(|end| *end == Err("UPLOAD_INCOMPLETE")));
    drop(sender);
}

/// As the gateway's: its own client's body, passed on, errors with `Cancelled`, which tonic takes for a good end.
async fn a_cancelled_request_is_seen_as_broken_off_and_not_as_ended(mesh: Mesh) {
    let message = start().encode_to_vec();
    let mut frame = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    frame.extend(message);
    let first = futures::stream::iter([Ok(Frame::data(frame.into()))]);
    let probe = Arc::clone(&mesh.probe);
    let cancelled = futures::stream::once(async move {
        testkit::eventually!(probe.alive.load(Ordering::SeqCst) == 1);
        Err(Status::cancelled("the client went away"))
    });
    let body = StreamBody::new(Box::pin(first.chain(cancelled)));
    let request = http::Request::post("/millrace.profiling.v1.ProfilingService/ProfileData")
        .header("content-type", "application/grpc")
        .header(IDENTITY_HEADER, mesh.signer.sign(&mesh.ada()))
        .body(Body::new(body))
        .unwrap();
    let response = mesh.bare.clone().oneshot(request).await.unwrap();
    let _ = response.into_body().collect().await;
    testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 0);
    assert!(mesh.probe.uploads.lock().unwrap().iter().all(|end| *end == Err("UPLOAD_INCOMPLETE")));
}

async fn an_upload_whose_source_ends_early_is_not_complete(mesh: Mesh) {
    let broken = futures::stream::iter([start(), ProfileDataRequest::from_part(Part::Chunk(vec![1; 10]))]);
    let mut answer = mesh.client().profile_data(broken).await.unwrap().into_inner();
    let status = answer.message().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Aborted, Some("UPLOAD_INCOMPLETE")));
}

async fn a_panic_ends_its_call_alone(mesh: Mesh) {
    let mut client = mesh.client();
    let status = client.get_job(get("panic")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Internal, Some("PANICKED")));
    assert!(!status.message().contains("as the test wants"), "{status:?}");
    client.get_job(get("j1")).await.unwrap();
}

async fn a_panic_in_a_stream_ends_that_stream_alone(mesh: Mesh) {
    let mut client = mesh.client();
    let mut other = client.watch_jobs(watching("hang")).await.unwrap().into_inner();
    let mut watch = client.watch_jobs(watching("panic")).await.unwrap().into_inner();
    watch.message().await.unwrap();
    watch.message().await.unwrap();
    let status = watch.message().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Internal, Some("PANICKED")));
    assert!(other.message().await.unwrap().is_some());
}

async fn who_drops_the_answer_drops_the_handler(mesh: Mesh) {
    let mut client = mesh.client();
    let call = tokio::spawn(async move { client.get_job(get("hang")).await });
    testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 1);
    call.abort();
    testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 0);
}

async fn who_drops_a_stream_drops_its_handler(mesh: Mesh) {
    let mut watch = mesh.client().watch_jobs(watching("hang")).await.unwrap().into_inner();
    watch.message().await.unwrap();
    assert_eq!(mesh.probe.alive.load(Ordering::SeqCst), 1);
    drop(watch);
    testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 0);
}

async fn who_drops_a_two_way_call_drops_its_handler(mesh: Mesh) {
    let (sender, receiver) = mpsc::channel(4);
    sender.send(start()).await.unwrap();
    let answer = mesh.client().profile_data(ReceiverStream::new(receiver)).await.unwrap();
    testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 1);
    // The source of the requests stays open.
    drop(answer);
    testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 0);
    drop(sender);
}

async fn an_unknown_method_is_unimplemented(mesh: Mesh) {
    // The role's routes do not hold this service, and no contract holds the other.
    let mut identity = tonic::client::Grpc::new(mesh.bare.clone());
    identity.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<GetJobRequest, GetJobResponse>::default();
    let path = http::uri::PathAndQuery::from_static("/millrace.none.v1.NoService/GetNothing");
    let status = identity.unary(tonic::Request::new(get("x")), path, codec).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Unimplemented, Some("METHOD_UNKNOWN")));
}

async fn a_message_that_cannot_be_read_is_the_callers_fault(mesh: Mesh) {
    let no_utf8 = vec![0, 0, 0, 0, 4, 0x0a, 2, 0xff, 0xfe];
    let too_long = vec![0, 0x7f, 0, 0, 0];
    for (frame, told) in
        [(no_utf8, "MESSAGE_MALFORMED"), (Vec::new(), "MESSAGE_MALFORMED"), (too_long, "MESSAGE_TOO_LARGE")]
    {
        let body = http_body_util::Full::new(bytes::Bytes::from(frame));
        let request = http::Request::post("/millrace.profiling.v1.ProfilingService/GetJob")
            .header("content-type", "application/grpc")
            .header(IDENTITY_HEADER, mesh.signer.sign(&mesh.ada()))
            .body(Body::new(body))
            .unwrap();
        let response = mesh.bare.clone().oneshot(request).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!((status.code(), reason(&status).as_deref()), (Code::InvalidArgument, Some(told)));
    }
}

async fn a_role_that_is_not_ready_says_why(mesh: Mesh) {
    mesh.ready.store(false, Ordering::SeqCst);
    let mut client = ProfilingServiceClient::new(mesh.bare.clone());
    let status = client.get_job(get("j1")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Unavailable, Some("NOT_READY")));
    assert!(status.message().contains("it waits for the test"), "{status:?}");
    assert!(retry_after(&status).is_some());
}

async fn a_read_is_repeated_until_the_role_is_ready(mesh: Mesh) {
    mesh.ready.store(false, Ordering::SeqCst);
    let mut client = mesh.client();
    let call = tokio::spawn(async move { client.get_job(get("j1")).await });
    tokio::task::yield_now().await;
    mesh.ready.store(true, Ordering::SeqCst);
    assert_eq!(call.await.unwrap().unwrap().into_inner().job.unwrap().name, "j1");
}

async fn a_write_is_not_repeated(mesh: Mesh) {
    mesh.ready.store(false, Ordering::SeqCst);
    let begun = std::time::Instant::now();
    let request = RetryJobRequest { name: "tenants/main/jobs/j1".into() };
    let status = mesh.client().retry_job(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    // A second attempt would have come half a second later, as the status asks.
    assert!(begun.elapsed() < Duration::from_millis(350));
}

#[tokio::test]
async fn a_call_before_the_plug_is_in_is_unavailable() {
    let (transport, plug) = in_process();
    let status = ProfilingServiceClient::new(transport.clone()).get_job(get("j1")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Unavailable, Some("NOT_PLUGGED_IN")));
    let mesh = Mesh::start(Over::Process).await;
    plug.connect(crate::Served::new(mesh.bare.clone()));
    let status = ProfilingServiceClient::new(transport).get_job(get("j1")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let transport = connect(&ConnectSettings::new("profiling", [address.to_string()]).impatient()).unwrap();
    let status = ProfilingServiceClient::new(transport).get_job(get("j1")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Unavailable, Some("PEER_UNREACHABLE")));
    assert!(retry_after(&status).is_some());
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert_eq!(metadata["role"], "profiling");
    assert!(connect(&ConnectSettings::new("profiling", ["not an endpoint"])).is_err());
    assert!(connect(&ConnectSettings::new("profiling", Vec::<String>::new())).is_err());
}

#[tokio::test]
async fn a_full_role_refuses_and_names_its_limit() {
    for over in [Over::Process, Over::Tcp] {
        let mesh = Mesh::start_with(over, |options| options.max_in_flight = 1).await;
        let mut client = mesh.client();
        let mut other = mesh.client();
        let call = tokio::spawn(async move { other.get_job(get("hang")).await });
        testkit::eventually!(mesh.probe.alive.load(Ordering::SeqCst) == 1);
        let status = client.get_job(get("j1")).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_deref()), (Code::ResourceExhausted, Some("OVERLOADED")));
        assert!(retry_after(&status).is_some());
        // Streams have places of their own.
        client.watch_jobs(watching("")).await.unwrap();
        call.abort();
        testkit::eventually!(client.get_job(get("j1")).await.is_ok());
    }
}
