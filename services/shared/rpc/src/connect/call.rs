//! One call: from address to address until one has served it.

use std::convert::Infallible;
use std::error::Error as _;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use http::request::Parts;
use http::{Request, Response};
use http_body::Body as _;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, ConnectError, Status};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

use super::peer::{Peer, Standing};
use super::pool::{Pool, Want};
use super::replay::Replay;
use crate::body::{Step, around};
use crate::context::{grpc_timeout, is_idempotent_unary, is_infrastructure, set_grpc_timeout};
use crate::{Error, to_status};

/// However often addresses fail, no call goes to more than so many.
const ATTEMPTS: u32 = 16;

pub(super) async fn call(pool: Arc<Pool>, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let deadline = grpc_timeout(&parts.headers).map(|timeout| Instant::now() + timeout);
    let path = parts.uri.path().to_owned();
    let asks_how_it_is = is_infrastructure(&path) || path.starts_with("/millrace.common.v1.OperatorService/");
    let want = if asks_how_it_is { Want::Any } else { Want::Serving };
    let replay = Replay::new(body);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let peer = match pool.choose(want, deadline).await {
            Ok(peer) => peer,
            Err(error) => return Ok(to_status(&error).into_http()),
        };
        let may_repeat = || attempts < ATTEMPTS && replay.can_repeat();
        match send(&pool, &peer, copy(&parts, deadline, replay.attempt())).await {
            Ok(response) => {
                if want == Want::Serving && says_not_ready(&response, &pool.role) {
                    peer.judge(Standing::NotServing);
                    if may_repeat() && (pool.has_other(&peer) || pool.is_patient()) {
                        continue;
                    }
                }
                replay.settle();
                return Ok(response);
            }
            Err(error) => {
                let unserved = was_not_served(&error);
                let status = Status::from_error(error.into());
                if is_timeout(&status) {
                    return Ok(to_status(&Error::DeadlineExceeded).into_http());
                }
                peer.judge(Standing::Lost(chain(&status)));
                if (unserved || is_idempotent_unary(&path)) && may_repeat() {
                    metrics::counter!("rpc_client_failovers_total", "role" => pool.role.clone()).increment(1);
                    continue;
                }
                return Ok(unreached(&pool.role, status).into_http());
            }
        }
    }
}

fn copy(parts: &Parts, deadline: Option<Instant>, body: Body) -> Request<Body> {
    let mut request = Request::from_parts(parts.clone(), body);
    if let Some(deadline) = deadline {
        set_grpc_timeout(request.headers_mut(), deadline.saturating_duration_since(Instant::now()));
    }
    request
}

async fn send(
    pool: &Arc<Pool>,
    peer: &Arc<Peer>,
    request: Request<Body>,
) -> Result<Response<Body>, tonic::transport::Error> {
    let busy = peer.busy();
    let (alive, dropped) = oneshot::channel::<()>();
    let channel = peer.channel(request.uri().path());
    let response = channel.oneshot(request.map(|body| tie(body, dropped))).await?;
    let role = pool.role.clone();
    Ok(repaired(response).map(|body| tied(body, (alive, busy), role)))
}

/// Whether the role refused the call before anything was done about it.
fn says_not_ready(response: &Response<Body>, role: &str) -> bool {
    let info = || Status::from_header_map(response.headers())?.get_details_error_info();
    let is_of = |domain: &str| domain.strip_prefix("millrace.") == Some(role);
    response.headers().contains_key("grpc-status")
        && info().is_some_and(|info| matches!(&*info.reason, "NOT_READY" | "NOT_PLUGGED_IN") && is_of(&info.domain))
}

/// Whether no handler can have seen the call: there was no connection, hyper kept it, or the peer said that it would
/// not look at it as it went away (RFC 9113, sections 6.8 and 8.7).
fn was_not_served(error: &tonic::transport::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>() || error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
            let went = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
            if error.is_remote() && (refused || went) {
                return true;
            }
        }
        cause = error.source();
    }
    false
}

/// Breaks off the request when the answer is dropped. Otherwise the handler of a bidirectional call lives on until
/// the source of the requests ends.
fn tie(body: Body, mut dropped: oneshot::Receiver<()>) -> Body {
    around(body, move |inner, cx| {
        if Pin::new(&mut dropped).poll(cx).is_ready() {
            return Step::Pass(Poll::Ready(Some(Err(Status::cancelled("the answer was dropped")))));
        }
        Step::Pass(inner.poll_frame(cx))
    })
}

fn tied(body: Body, held: (oneshot::Sender<()>, Arc<()>), role: String) -> Body {
    around(body, move |inner, cx| {
        let _held = &held;
        match inner.poll_frame(cx) {
            Poll::Ready(Some(Err(status))) => Step::End(unreached(&role, status)),
            polled => Step::Pass(polled),
        }
    })
}

/// tonic's own time-outs may arrive as `Cancelled "Timeout expired"`.
fn repaired(response: Response<Body>) -> Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(status) if is_timeout(&status) => to_status(&Error::DeadlineExceeded).into_http(),
        _ => response,
    }
}

fn is_timeout(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message() == "Timeout expired"
}

/// The status of a call that failed beneath gRPC.
fn unreached(role: &str, status: Status) -> Status {
    if is_timeout(&status) {
        return to_status(&Error::DeadlineExceeded);
    }
    match status.code() {
        Code::ResourceExhausted | Code::DeadlineExceeded | Code::PermissionDenied => status,
        _ => to_status(&Error::PeerUnreachable { role: role.to_owned(), why: chain(&status) }),
    }
}

/// A status with its causes, on one line.
pub(super) fn chain(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}
