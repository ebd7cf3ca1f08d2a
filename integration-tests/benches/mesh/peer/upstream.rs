//! A role that answers at once, so that what stands before it is all that a call costs.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use proto::catalog::v1::{Dataset, GetDatasetResponse};
use proto::common::v1::Metadata;
use rpc::Served;
use tokio::net::TcpListener;
use tonic::Status;
use tonic::body::Body;
use tower::service_fn;
use tower::util::BoxCloneSyncService;

/// Serves on a free port until the bench ends; every method of catalog is answered, whoever asks.
pub async fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let dataset = framed(&GetDatasetResponse { dataset: Some(dataset()) }.encode_to_vec());
    let answer = move |request: Request<Body>| answer(request, dataset.clone());
    let served: Served = BoxCloneSyncService::new(service_fn(answer));
    tokio::spawn(rpc::serve(listener, served, None, std::future::pending()));
    Ok(address)
}

async fn answer(request: Request<Body>, dataset: Bytes) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let _read = body.collect().await;
    let message = match parts.uri.path() {
        "/millrace.catalog.v1.CatalogService/GetDataset" => dataset,
        path if path.starts_with("/millrace.catalog.") => framed(&[]),
        // Whoever asks for its health learns that it has none to tell, and uses it.
        _ => return Ok(Status::unimplemented("").into_http()),
    };
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
    let answer = Response::builder().header(http::header::CONTENT_TYPE, "application/grpc").body(Body::new(body));
    Ok(answer.expect("the header is well-formed"))
}

/// A message behind its five bytes: not compressed, its length.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a message is short");
    [&[0], length.to_be_bytes().as_slice(), message].concat().into()
}

/// A record as large as most.
fn dataset() -> Dataset {
    let description = "Temperature, pressure and visitors of twelve stations, minute by minute. ".repeat(8);
    Dataset {
        name: "tenants/main/datasets/measurements".to_owned(),
        metadata: Some(Metadata { title: "Measurements".to_owned(), description, ..Default::default() }),
        ..Default::default()
    }
}
