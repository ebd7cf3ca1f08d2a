//! Transports over sockets: to all addresses of a role, of which the living ones share the calls.
//!
//! An address is used once its health was seen to be good, and left out, with back-off, while it cannot be reached or
//! says that it does not serve. Names are resolved again now and then, and when nothing can be reached. A call that was
//! certainly not served goes to another address: its connection could not be made, the peer refused the stream as it
//! went away, or the role answered `NOT_READY`; a unary read does so after any break. Nothing of this needs a task of
//! its own: the calls themselves drive it, and tonic's connections have theirs.

mod call;
mod kept;
mod names;
mod peer;
mod pool;
mod replay;

use std::sync::Arc;
use std::time::Duration;

use tower::service_fn;
use tower::util::BoxCloneSyncService;

use crate::{ClientTls, Error, Transport};
use names::{Lookup, Target};
use pool::Pool;

/// What one stream may send ahead of its reader: HTTP/2 would else hold about 2 MB per stream and hop.
pub(crate) const STREAM_WINDOW: u32 = 512 << 10;
/// What all streams of a connection may.
pub(crate) const CONNECTION_WINDOW: u32 = 4 << 20;

/// Where a role is, and how to get there.
#[derive(Clone)]
pub struct ConnectSettings {
    /// The role, as errors name it.
    pub role: String,
    /// Where it is: `host:port` or `http://host:port`, or `https://host:port` for TLS. Every address of every host is used.
    pub endpoints: Vec<String>,
    /// Whom to believe at `https://` endpoints, and what to show them.
    pub tls: Option<ClientTls>,
    /// The name that certificates must bear; that of the endpoint's host when there is none.
    pub server_name: Option<String>,
    /// How often names are resolved again while there are calls. 10 s.
    pub resolve_every: Duration,
    /// For so long after the last address was lost, calls wait for one to come back, at most until their deadline;
    /// after that they fail at once. 10 s.
    pub patience: Duration,
    pub(crate) lookup: Lookup,
}

impl ConnectSettings {
    /// The usual settings for `role` at `endpoints`.
    pub fn new(role: impl Into<String>, endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            role: role.into(),
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            tls: None,
            server_name: None,
            resolve_every: Duration::from_secs(10),
            patience: Duration::from_secs(10),
            lookup: names::system(),
        }
    }

    /// Calls do not wait for a lost address to come back.
    #[must_use]
    pub fn impatient(self) -> Self {
        Self { patience: Duration::ZERO, ..self }
    }
}

/// Makes a transport to a role. Connects when first used, and again whenever a connection was lost.
///
/// Fails when an endpoint cannot be read or needs TLS that is not there. Must be called within Tokio.
pub fn connect(settings: &ConnectSettings) -> Result<Transport, Error> {
    let targets = settings.endpoints.iter().map(|endpoint| Target::read(endpoint, settings));
    let targets = targets.collect::<Result<Vec<_>, Error>>()?;
    if targets.is_empty() {
        return Err(Error::BadEndpoint { given: String::new() });
    }
    let pool = Arc::new(Pool::new(targets, settings));
    Ok(Transport::new(BoxCloneSyncService::new(service_fn(move |request| call::call(pool.clone(), request)))))
}
