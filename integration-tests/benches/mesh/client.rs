//! Calls through a gateway, each with the same metadata.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use proto::catalog::v1::catalog_service_client::CatalogServiceClient;
use proto::catalog::v1::{GetDatasetRequest, ListDatasetsRequest, SearchDatasetsRequest, SearchDatasetsResponse};
use proto::discovery::v1::discovery_service_client::DiscoveryServiceClient;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// The tenant of every mesh that `up` starts.
pub const TENANT: &str = "tenants/main";

type Door = InterceptedService<Channel, Sends>;

/// One connection to one door of the mesh.
#[derive(Clone)]
pub struct Client {
    door: Door,
}

/// Makes one header that goes with each call. A signed identity does not last, so it is asked for each time.
pub type Header = Arc<dyn Fn() -> (HeaderName, HeaderValue) + Send + Sync>;

/// Puts a header on every call.
#[derive(Clone)]
pub struct Sends(Header);

impl Interceptor for Sends {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let (name, value) = (self.0)();
        request.metadata_mut().as_mut().insert(name, value);
        Ok(request)
    }
}

impl Client {
    /// Connects to a gateway, as whoever has this token.
    pub async fn connect(address: SocketAddr, token: &str) -> Result<Self> {
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).context("the token is no header value")?;
        Self::connect_with(address, Arc::new(move || (AUTHORIZATION, bearer.clone()))).await
    }

    /// Connects to a server, and sends this header with every call.
    pub async fn connect_with(address: SocketAddr, header: Header) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        let channel = endpoint.connect().await?;
        Ok(Self { door: InterceptedService::new(channel, Sends(header)) })
    }

    pub fn catalog(&self) -> CatalogServiceClient<Door> {
        CatalogServiceClient::new(self.door.clone())
    }

    pub fn discovery(&self) -> DiscoveryServiceClient<Door> {
        DiscoveryServiceClient::new(self.door.clone())
    }

    /// Searches, and gives one page of results.
    pub async fn search(&self, request: SearchDatasetsRequest) -> Result<SearchDatasetsResponse, Status> {
        Ok(self.catalog().search_datasets(request).await?.into_inner())
    }

    /// How many datasets can be searched.
    pub async fn searchable(&self) -> Result<usize, Status> {
        let request = SearchDatasetsRequest { parent: TENANT.to_owned(), page_size: 1, ..Default::default() };
        let found = self.search(request).await?;
        Ok(usize::try_from(found.total_size).unwrap_or(0))
    }

    /// The name of some dataset.
    pub async fn any_dataset(&self) -> Result<String> {
        let request = ListDatasetsRequest { parent: TENANT.to_owned(), page_size: 1, ..Default::default() };
        let listed = self.catalog().list_datasets(request).await?.into_inner();
        Ok(listed.datasets.into_iter().next().context("there is no dataset")?.name)
    }

    /// Times one `GetDataset` of the dataset `name`.
    pub async fn time_get(&self, name: &str) -> Result<Duration> {
        let mut catalog = self.catalog();
        let begun = Instant::now();
        let answer = catalog.get_dataset(GetDatasetRequest { name: name.to_owned() }).await?;
        let taken = begun.elapsed();
        ensure!(answer.get_ref().dataset.is_some(), "the answer holds no dataset");
        Ok(taken)
    }

    /// Waits until `expected` datasets can be searched; gives how long that took from `begun` on.
    pub async fn wait_until_searchable(&self, expected: usize, begun: Instant, wait: Wait) -> Result<Duration> {
        let mut told = Instant::now();
        loop {
            let count = self.searchable().await.context("cannot count what can be searched")?;
            let taken = begun.elapsed();
            if count >= expected {
                return Ok(taken);
            }
            ensure!(taken < wait.limit, "only {count} of {expected} datasets could be searched after {taken:?}");
            if told.elapsed() > Duration::from_secs(10) {
                crate::figures::progress(format_args!("{count} of {expected} datasets after {} s", taken.as_secs()));
                told = Instant::now();
            }
            tokio::time::sleep(wait.period).await;
        }
    }
}

/// How often to look, and for how long.
#[derive(Clone, Copy)]
pub struct Wait {
    pub period: Duration,
    pub limit: Duration,
}
