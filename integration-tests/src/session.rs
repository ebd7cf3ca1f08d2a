//! Clients of one mesh with one credential, and the steps that many tests take.

use std::net::SocketAddr;

use http::{HeaderValue, Request};
use proto::catalog::v1::catalog_service_client::CatalogServiceClient;
use proto::catalog::v1::download_dataset_response::Item;
use proto::catalog::v1::{
    CreateDatasetStart, Dataset, DatasetState, DownloadDatasetRequest, DownloadForm, ListDatasetsRequest,
    ListVersionsRequest, SearchDatasetsRequest, SearchDatasetsResponse, Version,
};
use proto::common::v1::WorkPhase;
use proto::common::v1::operator_service_client::OperatorServiceClient;
use proto::discovery::v1::discovery_service_client::DiscoveryServiceClient;
use proto::discovery::v1::source::Settings;
use proto::discovery::v1::{
    Crawl, CreateSourceRequest, CreateSourceResponse, FolderSettings, GetCrawlRequest, RunSourceRequest, Source,
};
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::profiling::v1::profiling_service_client::ProfilingServiceClient;
use proto::profiling::v1::{Job, ListJobsRequest};
use rpc::{ConnectSettings, Served, Transport};
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt as _;
use types::Digest;

use crate::PATIENCE;

/// Clients of one mesh with one credential, over TCP.
#[derive(Clone)]
pub struct Session {
    transport: Transport,
}

impl Session {
    /// Whoever holds `token`, or nobody, at any of these gateways. A call waits for none that is away.
    pub async fn new(addresses: &[SocketAddr], token: Option<&str>) -> Self {
        let header = token.map(|token| ("authorization", format!("Bearer {token}")));
        Self::over(gateways(addresses).impatient(), header.into_iter().collect())
    }

    /// Whoever holds `token`, with a client as it comes: a call waits for a while when no gateway serves.
    pub async fn patient(addresses: &[SocketAddr], token: &str) -> Self {
        Self::over(gateways(addresses), vec![("authorization", format!("Bearer {token}"))])
    }

    /// A client that sends these headers with each call.
    pub async fn with_headers(address: SocketAddr, headers: Vec<(&'static str, String)>) -> Self {
        Self::over(gateways(&[address]).impatient(), headers)
    }

    fn over(settings: ConnectSettings, headers: Vec<(&'static str, String)>) -> Self {
        let transport = rpc::connect(&settings).expect("an address is an endpoint");
        let headers: Vec<_> = headers
            .into_iter()
            .map(|(name, value)| (name, HeaderValue::try_from(value).expect("tests send header values")))
            .collect();
        let transport = transport.map_request(move |mut request: Request<Body>| {
            for (name, value) in &headers {
                request.headers_mut().insert(*name, value.clone());
            }
            request
        });
        Self { transport: Transport::new(Served::new(transport)) }
    }

    /// The transport under all clients.
    pub fn transport(&self) -> Transport {
        self.transport.clone()
    }

    /// `millrace.discovery.v1`.
    pub fn discovery(&self) -> DiscoveryServiceClient<Transport> {
        DiscoveryServiceClient::new(self.transport())
    }

    /// `millrace.profiling.v1`.
    pub fn profiling(&self) -> ProfilingServiceClient<Transport> {
        ProfilingServiceClient::new(self.transport())
    }

    /// `millrace.catalog.v1`.
    pub fn catalog(&self) -> CatalogServiceClient<Transport> {
        CatalogServiceClient::new(self.transport())
    }

    /// `millrace.identity.v1`.
    pub fn identity(&self) -> IdentityServiceClient<Transport> {
        IdentityServiceClient::new(self.transport())
    }

    /// The operator's calls.
    pub fn operator(&self) -> OperatorServiceClient<Transport> {
        OperatorServiceClient::new(self.transport())
    }

    /// Creates a folder source in tenant `main`.
    pub async fn create_folder(&self, id: &str, path: &std::path::Path) -> Result<CreateSourceResponse, Status> {
        let folder = FolderSettings { path: path.display().to_string() };
        self.create_source(id, Settings::Folder(folder)).await
    }

    /// Creates a source in tenant `main`.
    pub async fn create_source(&self, id: &str, settings: Settings) -> Result<CreateSourceResponse, Status> {
        let source = Source { settings: Some(settings), ..Source::default() };
        let request = CreateSourceRequest {
            parent: "tenants/main".into(),
            source_id: id.into(),
            source: Some(source),
            request_id: String::new(),
        };
        self.discovery().create_source(request).await.map(tonic::Response::into_inner)
    }

    /// Creates a folder source, and waits for the end of its first crawl.
    pub async fn crawl_folder(&self, id: &str, path: &std::path::Path) -> Crawl {
        let created = self.create_folder(id, path).await.expect("the folder lies beneath a root");
        self.crawl_end(&created.crawl.expect("the first crawl starts at once").name).await
    }

    /// Runs a source again; gives the name of that crawl.
    pub async fn start_source(&self, id: &str, accept_losses: bool) -> String {
        let name = format!("tenants/main/sources/{id}");
        let request = RunSourceRequest { name, accept_losses, request_id: String::new() };
        let started = self.discovery().run_source(request).await.expect("a source can be run").into_inner();
        started.crawl.expect("a crawl was started").name
    }

    /// Runs a source again, and waits for the end of that crawl.
    pub async fn run_source(&self, id: &str, accept_losses: bool) -> Crawl {
        self.crawl_end(&self.start_source(id, accept_losses).await).await
    }

    /// Waits for the end of a crawl, however it ends.
    pub async fn crawl_end(&self, name: &str) -> Crawl {
        testkit::eventually("the end of the crawl", PATIENCE, || async {
            let request = GetCrawlRequest { name: name.to_owned() };
            let crawl = self.discovery().get_crawl(request).await.map_err(|status| status.to_string())?;
            let crawl = crawl.into_inner().crawl.ok_or("no crawl in the answer")?;
            if has_ended(&crawl) { Ok(crawl) } else { Err(format!("it is {:?}", crawl.status)) }
        })
        .await
    }

    /// All datasets of tenant `main`, hidden ones too.
    pub async fn datasets(&self) -> Vec<Dataset> {
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListDatasetsRequest {
                parent: "tenants/main".into(),
                page_size: 1000,
                page_token,
                show_hidden: true,
                ..ListDatasetsRequest::default()
            };
            let page = self.catalog().list_datasets(request).await.expect("datasets can be listed").into_inner();
            all.extend(page.datasets);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    /// The dataset at `path` of its source, or of that file name.
    pub async fn dataset_at(&self, path: &str) -> Option<Dataset> {
        self.datasets().await.into_iter().find(|dataset| dataset.path == path)
    }

    /// Waits until there are so many datasets, each indexed, failed or retracted.
    pub async fn settled(&self, count: usize) -> Vec<Dataset> {
        testkit::eventually("the datasets to settle", PATIENCE, || async {
            let datasets = self.datasets().await;
            let under_way: Vec<_> = datasets.iter().filter(|dataset| !is_settled(dataset)).collect();
            match under_way.first() {
                None if datasets.len() == count => Ok(datasets),
                None => Err(format!("there are {} of {count} datasets", datasets.len())),
                Some(first) => {
                    Err(format!("{} are under way, as {} is {:?}", under_way.len(), first.path, first.state()))
                }
            }
        })
        .await
    }

    /// Waits until the dataset at `path` is in this state.
    pub async fn in_state(&self, path: &str, state: DatasetState) -> Dataset {
        testkit::eventually(path, PATIENCE, || async {
            match self.dataset_at(path).await {
                Some(dataset) if dataset.state() == state => Ok(dataset),
                Some(dataset) => Err(format!("it is {:?}: {:?}", dataset.state(), dataset.latest_attempt)),
                None => Err("it is not there".to_owned()),
            }
        })
        .await
    }

    /// The versions of a dataset, newest first.
    pub async fn versions(&self, name: &str) -> Vec<Version> {
        let request = ListVersionsRequest { parent: name.to_owned(), page_size: 1000, page_token: String::new() };
        self.catalog().list_versions(request).await.expect("versions can be listed").into_inner().versions
    }

    /// All jobs of tenant `main`.
    pub async fn jobs(&self) -> Vec<Job> {
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let parent = "tenants/main".to_owned();
            let request = ListJobsRequest { parent, page_size: 1000, page_token, dataset: String::new() };
            let page = self.profiling().list_jobs(request).await.expect("jobs can be listed").into_inner();
            all.extend(page.jobs);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    /// Searches tenant `main` for words.
    pub async fn search(&self, query: &str) -> SearchDatasetsResponse {
        let request = SearchDatasetsRequest {
            parent: "tenants/main".into(),
            query: query.into(),
            page_size: 100,
            ..SearchDatasetsRequest::default()
        };
        self.catalog().search_datasets(request).await.expect("words can be searched for").into_inner()
    }

    /// Uploads a dataset.
    pub async fn upload(&self, id: &str, file_name: &str, bytes: Vec<u8>) -> Result<Dataset, Status> {
        let start = CreateDatasetStart {
            parent: "tenants/main".into(),
            dataset_id: id.into(),
            file_name: file_name.into(),
            ..CreateDatasetStart::default()
        };
        let (messages, _) = rpc::upload::messages(start, std::io::Cursor::new(bytes), |_| ());
        let created = self.catalog().create_dataset(messages).await?.into_inner();
        Ok(created.dataset.expect("an upload answers with its dataset"))
    }

    /// Downloads a dataset or a version; checks offsets, checksums, length and digest on the way.
    pub async fn download(&self, name: &str, form: DownloadForm) -> Result<Vec<u8>, Status> {
        self.download_table(name, form, "").await
    }

    /// The same of a table of a file with several.
    pub async fn download_table(&self, name: &str, form: DownloadForm, table: &str) -> Result<Vec<u8>, Status> {
        let request = DownloadDatasetRequest { name: name.to_owned(), form: form.into(), table: table.to_owned() };
        let mut messages = self.catalog().download_dataset(request).await?.into_inner();
        let (mut bytes, mut started, mut finish) = (Vec::new(), false, None);
        while let Some(message) = messages.message().await? {
            match message.item.expect("a message holds something") {
                Item::Start(_) => started = true,
                Item::Chunk(chunk) => {
                    assert!(started && finish.is_none(), "chunks stand between start and finish");
                    assert_eq!(usize::try_from(chunk.offset), Ok(bytes.len()));
                    assert!(chunk.content.len() <= 1 << 20, "a chunk has at most 1 MiB");
                    assert_eq!(chunk.crc32c, crc32c(&chunk.content), "the checksum of the chunk at {}", chunk.offset);
                    bytes.extend(chunk.content);
                }
                Item::Finish(end) => finish = Some(end),
            }
        }
        let finish = finish.expect("a download ends with its finish");
        assert_eq!(usize::try_from(finish.size_bytes), Ok(bytes.len()));
        let digest = Digest::try_from(finish.digest.expect("the finish has a digest")).expect("it is a SHA-256");
        assert_eq!(digest, Digest::of(&bytes));
        Ok(bytes)
    }
}

fn gateways(addresses: &[SocketAddr]) -> ConnectSettings {
    ConnectSettings::new("gateway", addresses.iter().map(ToString::to_string))
}

fn has_ended(crawl: &Crawl) -> bool {
    let phase = crawl.status.as_ref().map(|status| status.phase()).unwrap_or_default();
    matches!(phase, WorkPhase::Succeeded | WorkPhase::Failed | WorkPhase::Cancelled)
}

fn is_settled(dataset: &Dataset) -> bool {
    matches!(dataset.state(), DatasetState::Indexed | DatasetState::Failed | DatasetState::Retracted)
}

/// The reason in a status.
///
/// # Panics
/// When it has none: every status carries `ErrorInfo`.
pub fn reason(status: &Status) -> String {
    rpc::reason(status).unwrap_or_else(|| panic!("a status without ErrorInfo: {status:?}"))
}

/// CRC-32C (Castagnoli), bit by bit, as a second opinion on the mesh's own.
pub fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(super::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(super::crc32c(b"123456789"), 0xe306_9283);
    }
}
