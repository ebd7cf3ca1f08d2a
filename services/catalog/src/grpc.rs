//! The contract, served: each handler decodes, calls the domain, encodes.

mod download;

use std::time::Instant;

use futures::StreamExt;
use futures::stream::BoxStream;
use proto::catalog::v1 as pb;
use proto::catalog::v1::catalog_service_server::CatalogService;
use rpc::watch::{WatchItem, Watched};
use tonic::{Request, Response, Status, Streaming};
use types::{ByteSize, DatasetName, Digest, DigestHasher};

use crate::Error;
use crate::convert::{self, request as read};
use crate::metrics;
use crate::service::download::Target;
use crate::service::rebuild::Cause;
use crate::service::{Catalog, RequestKey};

/// Serves `millrace.catalog.v1.CatalogService`.
#[derive(Debug)]
pub struct Grpc {
    catalog: Catalog,
    max_upload: ByteSize,
}

type Answer<T> = Result<Response<T>, Status>;
type Messages<T> = BoxStream<'static, Result<T, Status>>;

impl Grpc {
    /// Serves this catalog.
    pub fn new(catalog: Catalog) -> Self {
        let max_upload = catalog.config.max_upload_bytes;
        Self { catalog, max_upload }
    }
}

#[tonic::async_trait]
impl CatalogService for Grpc {
    type WatchDatasetsStream = Messages<pb::WatchDatasetsResponse>;
    type DownloadDatasetStream = Messages<pb::DownloadDatasetResponse>;
    type WatchIndexRebuildsStream = Messages<pb::WatchIndexRebuildsResponse>;

    async fn create_dataset(
        &self,
        request: Request<Streaming<pb::CreateDatasetRequest>>,
    ) -> Answer<pb::CreateDatasetResponse> {
        let (_, extensions, messages) = request.into_parts();
        let (start, upload) = rpc::upload::open(messages).await?;
        let (parent, new, key) = read::new_upload(start)?;
        let parent = rpc::permitted(&extensions, parent)?;
        self.catalog.check_upload(&parent, &new, &key.id).await?;

        let mut upload = upload.with_limit("max_upload_bytes", self.max_upload);
        let mut spool = self.catalog.spool().await?;
        while let Some(bytes) = upload.next().await? {
            spool.write(&bytes).await?;
        }
        let spooled = spool.finish().await?;
        metrics::uploaded(spooled.size_bytes);
        let key = with_bytes(key, &spooled.digest);
        let dataset = self.catalog.create(parent, new, spooled, key).await?;
        Ok(Response::new(pb::CreateDatasetResponse { dataset: Some(dataset.into()) }))
    }

    async fn get_dataset(&self, request: Request<pb::GetDatasetRequest>) -> Answer<pb::GetDatasetResponse> {
        let name = rpc::permit::<DatasetName>(request.extensions(), "name", &request.get_ref().name)?;
        let dataset = self.catalog.get(name).await?;
        Ok(Response::new(pb::GetDatasetResponse { dataset: Some(dataset.into()) }))
    }

    async fn list_datasets(&self, request: Request<pb::ListDatasetsRequest>) -> Answer<pb::ListDatasetsResponse> {
        let (_, extensions, request) = request.into_parts();
        let (parent, filter, paging) = read::list(request)?;
        let page = self.catalog.list(rpc::permitted(&extensions, parent)?, filter, paging).await?;
        let datasets = page.items.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListDatasetsResponse { datasets, next_page_token: page.next_token }))
    }

    async fn update_dataset(&self, request: Request<pb::UpdateDatasetRequest>) -> Answer<pb::UpdateDatasetResponse> {
        let (_, extensions, request) = request.into_parts();
        let (name, edit, based_on, key) = read::update(request)?;
        let dataset = self.catalog.update(rpc::permitted(&extensions, name)?, edit, based_on, key).await?;
        Ok(Response::new(pb::UpdateDatasetResponse { dataset: Some(dataset.into()) }))
    }

    async fn list_versions(&self, request: Request<pb::ListVersionsRequest>) -> Answer<pb::ListVersionsResponse> {
        let (_, extensions, request) = request.into_parts();
        let (parent, paging) = read::list_versions(request)?;
        let page = self.catalog.list_versions(rpc::permitted(&extensions, parent)?, paging).await?;
        let versions = page.items.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListVersionsResponse { versions, next_page_token: page.next_token }))
    }

    async fn watch_datasets(&self, request: Request<pb::WatchDatasetsRequest>) -> Answer<Self::WatchDatasetsStream> {
        let (_, extensions, request) = request.into_parts();
        let (parent, source) = read::watch(&request)?;
        let tenant = rpc::permitted(&extensions, parent)?.into_inner().tenant;
        let source = source.map(|source| source.source);
        let catalog = self.catalog.clone();
        let fetch = move |after, limit| {
            let (catalog, tenant, source) = (catalog.clone(), tenant.clone(), source.clone());
            async move {
                let changed = catalog.changed(tenant, source, after, limit_of(limit)).await?;
                let item = |dataset: crate::service::Dataset| (dataset.record.change, WatchItem::Item(dataset.into()));
                Ok::<_, Error>(changed.into_iter().map(item).collect())
            }
        };
        let stream = rpc::watch::stream(&request.resume_token, self.catalog.database.changed(), fetch);
        Ok(Response::new(stream.map(|message| message.map(watch_message)).boxed()))
    }

    async fn search_datasets(&self, request: Request<pb::SearchDatasetsRequest>) -> Answer<pb::SearchDatasetsResponse> {
        let (_, extensions, request) = request.into_parts();
        let (parent, search) = read::search(request)?;
        let begun = Instant::now();
        let found = self.catalog.search(rpc::permitted(&extensions, parent)?, search).await?;
        metrics::searched(begun.elapsed());
        Ok(Response::new(found.into()))
    }

    async fn download_dataset(
        &self,
        request: Request<pb::DownloadDatasetRequest>,
    ) -> Answer<Self::DownloadDatasetStream> {
        let target = rpc::permit::<Target>(request.extensions(), "name", &request.get_ref().name)?;
        let form = read::form(request.get_ref().form, request.get_ref().table.clone())?;
        let download = self.catalog.download(target, form).await?;
        Ok(Response::new(download::messages(download)))
    }

    async fn create_index_rebuild(
        &self,
        request: Request<pb::CreateIndexRebuildRequest>,
    ) -> Answer<pb::CreateIndexRebuildResponse> {
        rpc::identity(request.extensions())?;
        let key = read::new_rebuild(request.get_ref())?;
        let row = self.catalog.create_rebuild(Cause::Requested, key).await?;
        Ok(Response::new(pb::CreateIndexRebuildResponse { index_rebuild: Some(convert::rebuild(row)) }))
    }

    async fn get_index_rebuild(
        &self,
        request: Request<pb::GetIndexRebuildRequest>,
    ) -> Answer<pb::GetIndexRebuildResponse> {
        rpc::identity(request.extensions())?;
        let row = self.catalog.get_rebuild(read::rebuild_name(&request.get_ref().name)?).await?;
        Ok(Response::new(pb::GetIndexRebuildResponse { index_rebuild: Some(convert::rebuild(row)) }))
    }

    async fn list_index_rebuilds(
        &self,
        request: Request<pb::ListIndexRebuildsRequest>,
    ) -> Answer<pb::ListIndexRebuildsResponse> {
        rpc::identity(request.extensions())?;
        let request = request.into_inner();
        let page = self.catalog.list_rebuilds(read::plain_paging(request.page_size, request.page_token)?).await?;
        let index_rebuilds = page.items.into_iter().map(convert::rebuild).collect();
        Ok(Response::new(pb::ListIndexRebuildsResponse { index_rebuilds, next_page_token: page.next_token }))
    }

    async fn watch_index_rebuilds(
        &self,
        request: Request<pb::WatchIndexRebuildsRequest>,
    ) -> Answer<Self::WatchIndexRebuildsStream> {
        rpc::identity(request.extensions())?;
        let catalog = self.catalog.clone();
        let fetch = move |after, limit| {
            let catalog = catalog.clone();
            async move {
                let changed = catalog.changed_rebuilds(after, limit_of(limit)).await?;
                let item = |row: sql::work::WorkRow| (row.change, WatchItem::Item(convert::rebuild(row)));
                Ok::<_, Error>(changed.into_iter().map(item).collect())
            }
        };
        let resume_token = &request.get_ref().resume_token;
        let stream = rpc::watch::stream(resume_token, self.catalog.database.changed(), fetch);
        Ok(Response::new(stream.map(|message| message.map(rebuild_message)).boxed()))
    }

    async fn cancel_index_rebuild(
        &self,
        request: Request<pb::CancelIndexRebuildRequest>,
    ) -> Answer<pb::CancelIndexRebuildResponse> {
        rpc::identity(request.extensions())?;
        let row = self.catalog.cancel_rebuild(read::rebuild_name(&request.get_ref().name)?).await?;
        Ok(Response::new(pb::CancelIndexRebuildResponse { index_rebuild: Some(convert::rebuild(row)) }))
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        rpc::to_status(&error)
    }
}

/// An upload is the same as another when its bytes are, too.
fn with_bytes(key: RequestKey, digest: &Digest) -> RequestKey {
    let mut hasher = DigestHasher::default();
    hasher.update(key.fingerprint.as_bytes());
    hasher.update(digest.as_bytes());
    RequestKey { id: key.id, fingerprint: hasher.finish() }
}

fn limit_of(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

fn watch_message(watched: Watched<pb::Dataset>) -> pb::WatchDatasetsResponse {
    use pb::watch_datasets_response::Item;
    let item = match watched.item {
        WatchItem::Item(dataset) => Item::Dataset(dataset),
        WatchItem::Removed(name) => Item::Removed(name),
        WatchItem::SnapshotComplete => Item::SnapshotComplete(true),
    };
    pb::WatchDatasetsResponse { item: Some(item), resume_token: watched.resume_token }
}

fn rebuild_message(watched: Watched<pb::IndexRebuild>) -> pb::WatchIndexRebuildsResponse {
    use pb::watch_index_rebuilds_response::Item;
    let item = match watched.item {
        WatchItem::Item(rebuild) => Item::IndexRebuild(rebuild),
        WatchItem::Removed(name) => Item::Removed(name),
        WatchItem::SnapshotComplete => Item::SnapshotComplete(true),
    };
    pb::WatchIndexRebuildsResponse { item: Some(item), resume_token: watched.resume_token }
}
