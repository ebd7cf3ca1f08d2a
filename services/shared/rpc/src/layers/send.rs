//! Signs what a role asks of another.

use std::sync::Arc;

use http::Request;
use tonic::body::Body;

use super::{Answer, Next, tower_layer};
use crate::{Acting, IDENTITY_HEADER, Signer};

tower_layer!(SignLayer => Sign { signer: Arc<Signer> });

impl<S: Next> Sign<S> {
    fn handle(mut self, mut request: Request<Body>) -> Answer {
        // An identity that is there already was put there by the gateway, for its user.
        if !request.headers().contains_key(IDENTITY_HEADER) {
            let tenant = request.extensions_mut().remove::<Acting>().map(|acting| acting.0);
            let identity = self.signer.role_identity(tenant);
            request.headers_mut().insert(IDENTITY_HEADER, self.signer.sign(&identity));
        }
        Box::pin(self.inner.call(request))
    }
}
