//! What stands between a generated client and its transport.

use std::sync::Arc;

use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;
use types::TenantId;

use crate::layers::{ClientDeadlineLayer, ClientTraceLayer, MetricsLayer, RetryLayer, SignLayer};
use crate::{Signer, Transport};

/// The tenant that a role acts for in one call: put it among the request's extensions.
#[derive(Debug, Clone)]
pub struct Acting(pub TenantId);

/// Puts the client's layers around `transport`, outermost first:
///
/// - `Trace` opens the span that the others run in, and sends its context;
/// - `Deadline` passes on what is left, so that it bounds all attempts together;
/// - `Retry` repeats unary reads on `UNAVAILABLE`;
/// - `Metrics` counts each attempt;
/// - with a `signer`, each attempt is signed afresh as `service:<role>`, unless the request carries an identity already.
pub fn client_stack(transport: Transport, signer: Option<Arc<Signer>>) -> Transport {
    let stack = ServiceBuilder::new()
        .layer(ClientTraceLayer {})
        .layer(ClientDeadlineLayer {})
        .layer(RetryLayer {})
        .layer(MetricsLayer::client());
    let inner = transport.into_inner();
    match signer {
        Some(signer) => Transport::new(BoxCloneSyncService::new(stack.layer(SignLayer { signer }).service(inner))),
        None => Transport::new(BoxCloneSyncService::new(stack.service(inner))),
    }
}
