//! s3s-fs: a server of S3 over a folder, within the test.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use http::{Method, Request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use types::BoxError;

use super::*;

crate::conformance_tests!(async |_: &str| {
    let fixture = fixture().await;
    Some((fixture.open().await, fixture))
});

super::cases::bucket_tests!(async |_: &str| Some(fixture().await));

/// What the server does beside answering.
pub struct Faults {
    /// Parts of uploads wait for one of these.
    pub parts: Semaphore,
    /// How many parts came so far.
    pub came: AtomicU64,
    /// So many requests that write objects are done, and their answers lost.
    pub lose: AtomicU64,
    /// So many objects break off while they are read,
    pub cut: AtomicU64,
    /// each once it gets one of these.
    pub cuts: Semaphore,
    /// So many objects stand still while they are read.
    pub stall: AtomicU64,
    /// Whether conditions are heeded.
    pub heeds: bool,
}

type Reply = http::Response<UnsyncBoxBody<Bytes, BoxError>>;

pub async fn fixture() -> Fixture {
    faulty(Semaphore::MAX_PERMITS).await.0
}

/// A server that never heard of conditions, and of signatures neither: they cover the headers of conditions.
pub async fn heedless() -> Fixture {
    serving(Semaphore::MAX_PERMITS, false).await.0
}

/// A server that lets so many parts pass before the test lets more pass.
pub async fn faulty(parts: usize) -> (Fixture, Arc<Faults>) {
    serving(parts, true).await
}

async fn serving(parts: usize, heeds: bool) -> (Fixture, Arc<Faults>) {
    let folder = testkit::temp_dir();
    let bucket = bucket_name();
    std::fs::create_dir(folder.path().join(&bucket)).unwrap();
    let files = s3s_fs::FileSystem::new(folder.path()).expect("a folder");
    let mut service = S3ServiceBuilder::new(files);
    if heeds {
        service.set_auth(SimpleAuth::from_single(ID, SECRET));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let none = || AtomicU64::new(0);
    let (parts, cuts) = (Semaphore::new(parts), Semaphore::new(0));
    let faults = Arc::new(Faults { parts, came: none(), lose: none(), cut: none(), cuts, stall: none(), heeds });
    tokio::spawn(serve(listener, service.build(), faults.clone()));
    let path = folder.path().to_owned();
    (Fixture { endpoint, bucket, atomic: false, folder: Some(path), _keep: Box::new(folder) }, faults)
}

async fn serve(listener: TcpListener, service: S3Service, faults: Arc<Faults>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (service, faults) = (service.clone(), faults.clone());
        let answer = hyper::service::service_fn(move |request| answer(service.clone(), faults.clone(), request));
        tokio::spawn(async move {
            let _ended = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}

async fn answer(service: S3Service, faults: Arc<Faults>, mut request: Request<Incoming>) -> Result<Reply, BoxError> {
    let (method, part) = (request.method().clone(), request.uri().query().is_some_and(|q| q.contains("partNumber=")));
    let object = request.uri().path().contains("/mesh/") && !request.uri().path().contains("probe");
    if part {
        faults.came.fetch_add(1, Ordering::SeqCst);
        faults.parts.acquire().await.expect("open").forget();
    }
    let completes = request.uri().query().is_some_and(|query| query.contains("uploadId=")) && method == Method::POST;
    if !faults.heeds {
        request.headers_mut().remove("if-none-match");
        // Without the signature, or the server would want to check it.
        request.headers_mut().remove("authorization");
    }
    let writes = object && !part && (method == Method::PUT || completes);
    let reply = Service::call(&service, request).await.map_err(|_| "the server failed")?;
    if writes && take(&faults.lose) {
        return Err("lost".into());
    }
    let reads = object && method == Method::GET;
    Ok(reply.map(|body| match () {
        () if reads && take(&faults.cut) => {
            let cut = async move {
                faults.cuts.acquire().await.expect("open").forget();
                Err("cut".into())
            };
            beginning_of(body, stream::once(cut).boxed())
        }
        () if reads && take(&faults.stall) => beginning_of(body, stream::pending().boxed()),
        () => body.boxed_unsync(),
    }))
}

fn beginning_of(body: s3s::Body, end: BoxStream<'static, Result<Bytes, BoxError>>) -> UnsyncBoxBody<Bytes, BoxError> {
    let begun = body.into_data_stream().take(1).chain(end);
    StreamBody::new(begun.map_ok(Frame::data)).boxed_unsync()
}

fn take(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}
