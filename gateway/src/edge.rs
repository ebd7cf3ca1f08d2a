//! What stands before everything else: every call from outside passes here, and is refused here first.
//!
//! In this order: who asks (a credential, unless the method is public), whether a limit is hit, whether one of the roles
//! grants the method's permission. Refused calls count too: those without a good credential, or to no method that there
//! is, for the address that they come from. What gets through carries a signed identity, and none that the client made.
//! The message is never looked at.

mod body;
mod limits;
mod readers;
mod record;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode};
use proto::Access;
use rpc::{IDENTITY_HEADER, Served, Signer};
use tonic::Status;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::{Service, ServiceExt as _};
use types::{ErrorKind, Fault as _};

use crate::Error;
use crate::authenticate::{Authenticator, Credential};
use crate::identity::Peer;
use crate::permission;
use body::{Counted, Metered, Watch};
pub use limits::Limiter;
use limits::{Admission, Weight};
pub use readers::{Cut, Readers};
use record::Record;

/// The door.
#[derive(Clone)]
pub struct Edge {
    shared: Arc<Shared>,
    inner: Served,
}

struct Shared {
    authenticator: Arc<Authenticator>,
    limiter: Arc<Limiter>,
    signer: Arc<Signer>,
    readers: Readers,
}

/// A call that may go on.
struct Admitted {
    admission: Admission,
    /// Ends a stream when the credential behind it is taken back.
    watch: Option<Watch>,
}

impl Edge {
    /// Stands before `inner`.
    pub fn new(
        authenticator: Arc<Authenticator>,
        limiter: Limiter,
        signer: Arc<Signer>,
        readers: Readers,
        inner: Served,
    ) -> Self {
        let shared = Shared { authenticator, limiter: Arc::new(limiter), signer, readers };
        Self { shared: Arc::new(shared), inner }
    }
}

impl Service<Request<Body>> for Edge {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (shared, inner) = (self.shared.clone(), self.inner.clone());
        Box::pin(async move { Ok(shared.handle(inner, request).await) })
    }
}

impl Shared {
    async fn handle(&self, inner: Served, mut request: Request<Body>) -> Response<Body> {
        if !is_grpc(&request) {
            return not_grpc();
        }
        let address = address(&request);
        let mut record = Record::begin(&address);
        record.called(request.uri().path());
        let admitted = match self.admit(&mut request, &address, &mut record).await {
            Ok(admitted) => admitted,
            Err(error) => {
                record.refused(&error);
                return self.metered(refusal(&error).into_http(), record, None, None);
            }
        };
        let Admitted { admission, mut watch } = admitted;
        let request = request.map(|body| Body::new(Counted::new(body, record.request_bytes())));
        let call = inner.oneshot(request);
        let answer = match &mut watch {
            None => call.await,
            Some(watch) => tokio::select! {
                biased;
                status = watch => Ok(status.into_http()),
                answer = call => answer,
            },
        };
        let answer = answer.unwrap_or_else(|never| match never {});
        self.metered(answer, record, Some(admission), watch)
    }

    /// Lets a call in, with a signed identity in its headers, or refuses it.
    async fn admit(&self, request: &mut Request<Body>, address: &str, record: &mut Record) -> Result<Admitted, Error> {
        let headers = request.headers_mut();
        // Nobody outside asserts identities; and no role has any use for a credential.
        headers.remove(IDENTITY_HEADER);
        let credential = headers.remove(AUTHORIZATION);
        let method = Method::of(request.uri().path()).map_err(|error| self.counted(address, error))?;
        request.extensions_mut().insert(Peer(address.to_owned()));
        let Access::Permission(permission) = method.access else {
            let admission = self.limiter.enter_address(address, method.weight)?;
            return Ok(Admitted { admission, watch: None });
        };
        let credential = self.authenticator.authenticate(credential.as_ref()).await;
        let credential = credential.map_err(|error| self.counted(address, error))?;
        record.caller(&credential.identity);
        let admission = self.limiter.enter(&credential.identity, method.weight)?;
        if !permission::grants(&credential.identity.roles, permission) {
            return Err(Error::PermissionMissing { permission: permission.to_owned() });
        }
        request.headers_mut().insert(IDENTITY_HEADER, self.signer.sign(&credential.identity));
        let watch = (method.weight == Weight::Stream).then(|| self.watch(credential));
        Ok(Admitted { admission, watch })
    }

    /// What to tell a caller of whom nothing is known but the address: the error, or that there were too many of them.
    fn counted(&self, address: &str, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Unauthenticated | ErrorKind::Unsupported => {
                self.limiter.count_address(address).err().unwrap_or(error)
            }
            // The store failed, which is no fault of the caller.
            _ => error,
        }
    }

    fn metered(
        &self,
        answer: Response<Body>,
        mut record: Record,
        admission: Option<Admission>,
        watch: Option<Watch>,
    ) -> Response<Body> {
        record.headers(answer.headers());
        answer.map(|body| Body::new(Metered::new(body, record, admission, watch, &self.readers)))
    }

    fn watch(&self, credential: Arc<Credential>) -> Watch {
        let refused = self.authenticator.clone().until_refused(credential);
        Box::pin(async move { refusal(&refused.await) })
    }
}

/// The status of a refusal. The edge stands before the gateway's own layers, which would name the role.
fn refusal(error: &Error) -> Status {
    rpc::as_role(crate::ROLE, || rpc::to_status(error))
}

/// What the contracts say of a method.
struct Method {
    access: Access,
    weight: Weight,
}

impl Method {
    fn of(path: &str) -> Result<Self, Error> {
        if let Some(rule) = proto::rule(path) {
            let streaming = rule.client_streaming || rule.server_streaming;
            return Ok(Self { access: rule.access, weight: if streaming { Weight::Stream } else { Weight::Unary } });
        }
        let weight = match path {
            "/grpc.health.v1.Health/Check" => Weight::Unary,
            "/grpc.health.v1.Health/Watch"
            | "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
            | "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" => Weight::Stream,
            _ => return Err(Error::MethodUnknown { path: path.chars().take(300).collect() }),
        };
        Ok(Self { access: Access::Public, weight })
    }
}

/// The address of whoever calls, without the port; callers within the process have none.
fn address(request: &Request<Body>) -> String {
    let peer = request.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
    peer.map_or_else(|| "local".to_owned(), |peer| peer.ip().to_string())
}

fn is_grpc(request: &Request<Body>) -> bool {
    let content_type = request.headers().get(http::header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    // Not `application/grpc-web`, which frames its trailers otherwise.
    let behind = content_type.and_then(|value| value.strip_prefix(b"application/grpc"));
    request.method() == http::Method::POST
        && behind.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// What is no gRPC call gets an HTTP answer, as the gRPC protocol asks for.
fn not_grpc() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    answer
}
