//! Ends watches when the mesh stops: they have no end of their own, and the drain would wait for them in vain.

use std::convert::Infallible;

use futures::Stream;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use rpc::Served;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt, service_fn};
use types::{ErrorKind, Fault};

/// The mesh stops; the watch goes on where it was once the mesh is back.
#[derive(Debug, thiserror::Error)]
#[error("the mesh is stopping; resume the stream when it is back")]
struct Stopping;

impl Fault for Stopping {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }

    fn reason(&self) -> &'static str {
        "STOPPING"
    }
}

/// Ends what `served` watches as soon as `stop` says so; all other calls run to their end.
pub fn end_watches(served: Served, stop: CancellationToken) -> Served {
    BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
        let (served, stop) = (served.clone(), stop.clone());
        async move {
            let endless = is_endless(request.uri().path());
            let response: Response<Body> = served.oneshot(request).await?;
            // An answer that ended with its headers stays as it is: as a stream it would lose that end, and clients
            // would wait for trailers that never come.
            let ended = http_body::Body::is_end_stream(response.body());
            Ok::<_, Infallible>(match endless && !ended {
                true => response.map(|body| Body::new(StreamBody::new(until(body, stop)))),
                false => response,
            })
        }
    }))
}

/// Watches by name, and what is none of ours: health and reflection keep streams open too.
fn is_endless(path: &str) -> bool {
    let method = path.rsplit('/').next().unwrap_or_default();
    method.starts_with("Watch") || proto::rule(path).is_none()
}

fn until(mut body: Body, stop: CancellationToken) -> impl Stream<Item = Result<Frame<bytes::Bytes>, Status>> {
    async_stream::stream! {
        loop {
            tokio::select! {
                biased;
                frame = body.frame() => match frame {
                    Some(frame) => yield frame,
                    None => return,
                },
                () = stop.cancelled() => {
                    let mut trailers = HeaderMap::new();
                    yield match rpc::to_status(&Stopping).add_header(&mut trailers) {
                        Ok(()) => Ok(Frame::trailers(trailers)),
                        Err(status) => Err(status),
                    };
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_are_endless_and_downloads_are_not() {
        assert!(is_endless("/millrace.catalog.v1.CatalogService/WatchDatasets"));
        assert!(is_endless("/grpc.health.v1.Health/Watch"));
        assert!(is_endless("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"));
        assert!(!is_endless("/millrace.catalog.v1.CatalogService/DownloadDataset"));
        assert!(!is_endless("/millrace.identity.v1.IdentityService/Login"));
    }

    #[tokio::test]
    async fn a_watch_that_is_refused_ends_with_its_headers() {
        let refusing: Served = BoxCloneSyncService::new(service_fn(|_| async {
            Ok::<_, Infallible>(rpc::to_status(&Stopping).into_http::<Body>())
        }));
        let request = Request::builder().uri("/millrace.catalog.v1.CatalogService/WatchDatasets");
        let watching = end_watches(refusing, CancellationToken::new());
        let response = watching.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "14");
        assert!(http_body::Body::is_end_stream(response.body()));
    }

    #[tokio::test]
    async fn a_watch_ends_with_a_word_when_the_mesh_stops() {
        let silent = Body::new(StreamBody::new(futures::stream::pending::<Result<Frame<bytes::Bytes>, Status>>()));
        let stop = CancellationToken::new();
        stop.cancel();
        let collected = Body::new(StreamBody::new(until(silent, stop))).collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap();
        assert_eq!(trailers["grpc-status"], "14");
    }
}
