//! The way to the mesh: one connection to its gateway, with the caller's token on every call.

mod bearer;
mod connection;
mod credential;
mod login;
mod pages;
mod tls;
mod upload;
mod watch;

pub use connection::Connection;
#[cfg(test)]
pub use connection::DEFAULT_ADDRESS;
pub use credential::Credential;
pub use login::Login;
pub use pages::{PAGE, pages};
pub use upload::{Piece, Upload};
pub use watch::{Seen, Watched, follow};

use std::path::Path;

use proto::catalog::v1::catalog_service_client::CatalogServiceClient;
use proto::common::v1::operator_service_client::OperatorServiceClient;
use proto::discovery::v1::discovery_service_client::DiscoveryServiceClient;
use proto::identity::v1::GetCallerRequest;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::profiling::v1::profiling_service_client::ProfilingServiceClient;
use tokio::sync::OnceCell;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::failure::Failure;
use bearer::Bearer;

/// The longest reply that is taken: a page of datasets with very long column names passes the usual 4 MiB.
const LONGEST_REPLY: usize = 64 << 20;

/// What a client's calls go through.
pub type Wire = InterceptedService<Channel, Bearer>;

/// A connection to the gateway.
pub struct Client {
    address: String,
    channel: Channel,
    bearer: Bearer,
    credential: Credential,
    tenant: OnceCell<String>,
}

impl Client {
    /// Connects, with the credential that the options, the environment or the stored login name.
    pub async fn connect(options: &Connection) -> Result<Self, Failure> {
        let (address, credential) = options.resolve()?;
        Self::to(address, options.ca_file().as_deref(), credential).await
    }

    /// Connects to `address` with this credential; by TLS, `ca_file` tells whom to believe.
    pub async fn to(address: String, ca_file: Option<&Path>, credential: Credential) -> Result<Self, Failure> {
        let channel = connection::open(&address, ca_file).await?;
        let client = Self { address, channel, bearer: Bearer::default(), credential, tenant: OnceCell::new() };
        client.refresh().await?;
        Ok(client)
    }

    /// Sees to it that the token is good for a while: stored access tokens are traded for new ones when they end soon.
    pub async fn refresh(&self) -> Result<(), Failure> {
        let token = self.credential.token(IdentityServiceClient::new(self.channel.clone())).await?;
        self.bearer.set(&token)
    }

    /// Where the gateway is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The id of the tenant that the credential acts in.
    pub async fn tenant(&self) -> Result<&str, Failure> {
        let ask = async || {
            let reply = self.identity().get_caller(GetCallerRequest {}).await?.into_inner();
            let tenant = reply.caller.unwrap_or_default().tenant;
            Ok::<_, Failure>(tenant.strip_prefix("tenants/").unwrap_or(&tenant).to_owned())
        };
        Ok(self.tenant.get_or_try_init(ask).await?)
    }

    /// `tenants/{tenant}`.
    pub async fn parent(&self) -> Result<String, Failure> {
        Ok(format!("tenants/{}", self.tenant().await?))
    }

    /// The resource name that a person means: a whole one stays, `demo` becomes `tenants/{tenant}/{collection}/demo`.
    pub async fn name(&self, collection: &str, given: &str) -> Result<String, Failure> {
        if given.starts_with("tenants/") {
            return Ok(given.to_owned());
        }
        let rest = given.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/')).unwrap_or(given);
        Ok(format!("{}/{collection}/{rest}", self.parent().await?))
    }

    /// Like [`Client::name`] for what lies two levels deep: `demo/c1` becomes `…/{collection}/demo/{inner}/c1`.
    pub async fn nested(&self, collection: &str, inner: &str, given: &str) -> Result<String, Failure> {
        let whole = given.starts_with("tenants/") || given.contains(&format!("/{inner}/"));
        match given.split_once('/') {
            Some((outer, id)) if !whole => self.name(collection, &format!("{outer}/{inner}/{id}")).await,
            _ => self.name(collection, given).await,
        }
    }

    /// Sources and crawls.
    pub fn discovery(&self) -> DiscoveryServiceClient<Wire> {
        DiscoveryServiceClient::new(self.wire())
    }

    /// Jobs and profiles.
    pub fn profiling(&self) -> ProfilingServiceClient<Wire> {
        ProfilingServiceClient::new(self.wire()).max_decoding_message_size(LONGEST_REPLY)
    }

    /// Datasets, search, the index.
    pub fn catalog(&self) -> CatalogServiceClient<Wire> {
        CatalogServiceClient::new(self.wire()).max_decoding_message_size(LONGEST_REPLY)
    }

    /// Users, tenants, keys.
    pub fn identity(&self) -> IdentityServiceClient<Wire> {
        IdentityServiceClient::new(self.wire())
    }

    /// Status and dead letters.
    pub fn operator(&self) -> OperatorServiceClient<Wire> {
        OperatorServiceClient::new(self.wire())
    }

    fn wire(&self) -> Wire {
        InterceptedService::new(self.channel.clone(), self.bearer.clone())
    }
}

/// An id that makes a repeated call answer like the first.
pub fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
