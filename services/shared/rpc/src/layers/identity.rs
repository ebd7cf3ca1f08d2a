//! Finds out who calls, and ends streams with the credential behind them.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use http_body::Body as _;
use proto::Access;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::body::Body;
use types::{Clock, Identity as Caller, Timestamp};

use super::{Answer, Next, refuse, tower_layer};
use crate::body::{Step, around};
use crate::context::{is_infrastructure, is_streaming};
use crate::{Error, IDENTITY_HEADER, Verifier, to_status};

/// How often a stream compares the credential's end with the clock.
const LOOK: Duration = Duration::from_secs(1);

tower_layer!(IdentityLayer => Identity { verifier: Arc<Verifier>, clock: Arc<dyn Clock> });

impl<S: Next> Identity<S> {
    fn handle(mut self, mut request: Request<Body>) -> Answer {
        // Over one process the extensions are the client's own: what it put there is no identity.
        request.extensions_mut().remove::<Caller>();
        let caller = match self.caller(&request) {
            Ok(caller) => caller,
            Err(error) => return Box::pin(async move { Ok(refuse(&error)) }),
        };
        let streaming = is_streaming(request.uri().path());
        let expires = caller.as_ref().and_then(|caller| caller.credential_expires).filter(|_| streaming);
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller);
        }
        // A request's body errors with `Cancelled` when its client breaks it off, which tonic takes for its good end.
        let call = self.inner.call(request.map(broken_off_is_no_end));
        let Some(expires) = expires else { return Box::pin(call) };
        let mut credential = Credential::new(self.clock, expires);
        Box::pin(async move {
            tokio::select! {
                biased;
                response = call => Ok(response?.map(|body| credential.bound(body))),
                () = credential.ended() => Ok(refuse(&Error::CredentialExpired)),
            }
        })
    }

    /// The caller; `None` for a public method called without an identity.
    fn caller(&self, request: &Request<Body>) -> Result<Option<Caller>, Error> {
        let path = request.uri().path();
        let public = match proto::rule(path) {
            Some(rule) => rule.access == Access::Public,
            None if is_infrastructure(path) => true,
            None => return Err(Error::UnknownMethod(path.to_owned())),
        };
        match request.headers().get(IDENTITY_HEADER) {
            Some(header) => self.verifier.verify(header).map(Some),
            None if public => Ok(None),
            None => Err(Error::IdentityMissing),
        }
    }
}

fn broken_off_is_no_end(body: Body) -> Body {
    around(body, |inner, cx| {
        let polled = inner.poll_frame(cx).map_err(|status| match status.code() {
            tonic::Code::Cancelled => to_status(&Error::RequestBrokenOff),
            _ => status,
        });
        Step::Pass(polled)
    })
}

/// The credential behind a stream.
struct Credential {
    clock: Arc<dyn Clock>,
    expires: Timestamp,
    looks: Interval,
}

impl Credential {
    fn new(clock: Arc<dyn Clock>, expires: Timestamp) -> Self {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { clock, expires, looks }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.clock.now() < self.expires {
            if self.looks.poll_tick(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    async fn ended(&mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn bound(mut self, body: Body) -> Body {
        around(body, move |inner, cx| match self.poll(cx) {
            Poll::Ready(()) => Step::End(to_status(&Error::CredentialExpired)),
            Poll::Pending => Step::Pass(inner.poll_frame(cx)),
        })
    }
}
