//! `millrace.discovery.v1.DiscoveryService`: decode, call, encode.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use prost::Message;
use proto::discovery::v1 as pb;
use proto::discovery::v1::discovery_service_server::DiscoveryService;
use rpc::watch::{WatchItem, Watched};
use rpc::{Violations, permit, permitted, to_status};
use tonic::{Extensions, Request, Response, Status};
use types::{CrawlName, Digest, Permitted, Revision, SourceId, SourceName, TenantName};

use crate::convert;
use crate::error::Error;
use crate::service::Discovery;
use crate::store::{Changed, RequestKey};

const PREVIEW_LIMIT: i32 = 10_000;
const PREVIEW_DEFAULT: i32 = 1000;

type Answer<T> = Result<Response<T>, Status>;
type Streaming<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves discovery.
pub struct Grpc(pub Discovery);

#[tonic::async_trait]
impl DiscoveryService for Grpc {
    async fn create_source(&self, request: Request<pb::CreateSourceRequest>) -> Answer<pb::CreateSourceResponse> {
        let (_, extensions, message) = request.into_parts();
        let mut violations = Violations::new();
        let request = request_key(&mut violations, "CreateSource", &message.request_id, &message);
        let parent = violations.parse::<TenantName>("parent", &message.parent);
        let id = violations.parse_optional::<SourceId>("source_id", &message.source_id);
        let draft = convert::draft(&mut violations, self.0.kinds(), message.source);
        let (parent, draft) = both(violations, parent, draft)?;
        let parent = permitted(&extensions, parent)?;
        self.0.create(parent, id, draft, request).await.map(Response::new).map_err(refused)
    }

    async fn get_source(&self, request: Request<pb::GetSourceRequest>) -> Answer<pb::GetSourceResponse> {
        let name = permit(request.extensions(), "name", &request.get_ref().name)?;
        let source = self.0.get(name).await.map_err(refused)?;
        Ok(Response::new(pb::GetSourceResponse { source: Some(convert::source(&source)) }))
    }

    async fn list_sources(&self, request: Request<pb::ListSourcesRequest>) -> Answer<pb::ListSourcesResponse> {
        let parent = permit(request.extensions(), "parent", &request.get_ref().parent)?;
        let pb::ListSourcesRequest { page_token, page_size, .. } = request.into_inner();
        let (sources, next_page_token) = self.0.list(parent, &page_token, page_size).await.map_err(refused)?;
        let sources = sources.iter().map(convert::source).collect();
        Ok(Response::new(pb::ListSourcesResponse { sources, next_page_token }))
    }

    async fn update_source(&self, request: Request<pb::UpdateSourceRequest>) -> Answer<pb::UpdateSourceResponse> {
        let (_, extensions, message) = request.into_parts();
        let mut violations = Violations::new();
        let request = request_key(&mut violations, "UpdateSource", &message.request_id, &message);
        let source = violations.required("source", message.source).unwrap_or_default();
        let name = violations.parse::<SourceName>("source.name", &source.name);
        violations.check(source.revision >= 1, "source.revision", "must be the revision that the change is based on");
        let paths = message.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let changes = convert::changes(&mut violations, self.0.kinds(), &source, &paths);
        let (name, ()) = both(violations, name, Some(()))?;
        let name = permitted(&extensions, name)?;
        let revision = Revision(source.revision);
        self.0.update(name, revision, changes, request).await.map(Response::new).map_err(refused)
    }

    async fn delete_source(&self, request: Request<pb::DeleteSourceRequest>) -> Answer<pb::DeleteSourceResponse> {
        let (_, extensions, message) = request.into_parts();
        let mut violations = Violations::new();
        let request = request_key(&mut violations, "DeleteSource", &message.request_id, &message);
        let name = violations.parse::<SourceName>("name", &message.name);
        violations.check(message.revision >= 0, "revision", "must be 0 or the current revision");
        let (name, ()) = both(violations, name, Some(()))?;
        let name = permitted(&extensions, name)?;
        self.0.delete(name, Revision(message.revision), request).await.map_err(refused)?;
        Ok(Response::new(pb::DeleteSourceResponse {}))
    }

    type PreviewSourceStream = Streaming<pb::PreviewSourceResponse>;

    async fn preview_source(&self, request: Request<pb::PreviewSourceRequest>) -> Answer<Self::PreviewSourceStream> {
        let (_, extensions, message) = request.into_parts();
        let mut violations = Violations::new();
        let parent = violations.parse::<TenantName>("parent", &message.parent);
        let draft = convert::draft(&mut violations, self.0.kinds(), message.source);
        violations.check((0..=PREVIEW_LIMIT).contains(&message.limit), "limit", "must be 0 to 10,000");
        let (parent, draft) = both(violations, parent, draft)?;
        let parent = permitted(&extensions, parent)?;
        let limit = if message.limit == 0 { PREVIEW_DEFAULT } else { message.limit };
        let found = self.0.preview(parent, draft, u64::from(limit.unsigned_abs())).await.map_err(refused)?;
        Ok(Response::new(Box::pin(found.map(|item| item.map(convert::previewed).map_err(refused)))))
    }

    async fn run_source(&self, request: Request<pb::RunSourceRequest>) -> Answer<pb::RunSourceResponse> {
        let (_, extensions, message) = request.into_parts();
        let mut violations = Violations::new();
        let request = request_key(&mut violations, "RunSource", &message.request_id, &message);
        let name = violations.parse::<SourceName>("name", &message.name);
        let (name, ()) = both(violations, name, Some(()))?;
        let name = permitted(&extensions, name)?;
        self.0.run(name, message.accept_losses, request).await.map(Response::new).map_err(refused)
    }

    async fn list_discoverer_kinds(
        &self,
        _: Request<pb::ListDiscovererKindsRequest>,
    ) -> Answer<pb::ListDiscovererKindsResponse> {
        Ok(Response::new(pb::ListDiscovererKindsResponse { kinds: self.0.kinds().describe() }))
    }

    async fn get_crawl(&self, request: Request<pb::GetCrawlRequest>) -> Answer<pb::GetCrawlResponse> {
        let name = permit(request.extensions(), "name", &request.get_ref().name)?;
        let crawl = self.0.crawl(name).await.map_err(refused)?;
        Ok(Response::new(pb::GetCrawlResponse { crawl: Some(convert::crawl(&crawl)) }))
    }

    async fn list_crawls(&self, request: Request<pb::ListCrawlsRequest>) -> Answer<pb::ListCrawlsResponse> {
        let parent = permit(request.extensions(), "parent", &request.get_ref().parent)?;
        let pb::ListCrawlsRequest { page_token, page_size, .. } = request.into_inner();
        let (crawls, next_page_token) = self.0.list_crawls(parent, &page_token, page_size).await.map_err(refused)?;
        let crawls = crawls.iter().map(convert::crawl).collect();
        Ok(Response::new(pb::ListCrawlsResponse { crawls, next_page_token }))
    }

    type WatchCrawlsStream = Streaming<pb::WatchCrawlsResponse>;

    async fn watch_crawls(&self, request: Request<pb::WatchCrawlsRequest>) -> Answer<Self::WatchCrawlsStream> {
        let (parent, source) = watched_parent(request.extensions(), &request.get_ref().parent)?;
        if let Some(source) = &source {
            self.0.get(permitted(request.extensions(), source.clone())?).await.map_err(refused)?;
        }
        let discovery = self.0.clone();
        let stream = rpc::watch::stream(&request.get_ref().resume_token, discovery.changed(), move |after, limit| {
            let (discovery, parent, source) = (discovery.clone(), parent.clone(), source.clone());
            async move {
                let limit = u32::try_from(limit).unwrap_or(u32::MAX);
                let changed = discovery.crawls_after(&parent, source.as_ref(), after, limit).await?;
                Ok::<_, Error>(changed.into_iter().map(watch_item).collect())
            }
        });
        Ok(Response::new(Box::pin(stream.map(|message| message.map(watch_message)))))
    }

    async fn cancel_crawl(&self, request: Request<pb::CancelCrawlRequest>) -> Answer<pb::CancelCrawlResponse> {
        let name: Permitted<CrawlName> = permit(request.extensions(), "name", &request.get_ref().name)?;
        self.0.cancel(name).await.map(Response::new).map_err(refused)
    }
}

fn refused(error: Error) -> Status {
    to_status(&error)
}

/// Both values, unless a field is bad: then every bad one is told. What could not be read left a violation.
fn both<A, B>(violations: Violations, a: Option<A>, b: Option<B>) -> Result<(A, B), Status> {
    violations.finish()?;
    a.zip(b).ok_or_else(|| to_status(&Error::Malformed { what: "a request" }))
}

/// What tells a repeated call: its id, and what it asks. The id itself is no part of that.
fn request_key<M: Message>(violations: &mut Violations, method: &'static str, id: &str, message: &M) -> RequestKey {
    let fits = id.is_empty() || uuid::Uuid::try_parse(id).is_ok();
    violations.check(fits, "request_id", "must be a UUID, or empty");
    RequestKey { method, id: id.to_owned(), fingerprint: Digest::of(&message.encode_to_vec()) }
}

/// The parent of a watch: one source, or with `-` all of a tenant's.
fn watched_parent(extensions: &Extensions, text: &str) -> Result<(Permitted<TenantName>, Option<SourceName>), Status> {
    if let Some(tenant) = text.strip_suffix("/sources/-") {
        return Ok((permit(extensions, "parent", tenant)?, None));
    }
    let source = permit::<SourceName>(extensions, "parent", text)?.into_inner();
    let tenant = permitted(extensions, TenantName::new(source.tenant.clone()))?;
    Ok((tenant, Some(source)))
}

fn watch_item(changed: Changed) -> (i64, WatchItem<pb::Crawl>) {
    let change = changed.change();
    let item = match changed {
        Changed::Present(crawl) => WatchItem::Item(convert::crawl(&crawl)),
        Changed::Gone(removed) => WatchItem::Removed(removed.name),
    };
    (change, item)
}

fn watch_message(watched: Watched<pb::Crawl>) -> pb::WatchCrawlsResponse {
    use pb::watch_crawls_response::Item;
    let item = match watched.item {
        WatchItem::Item(crawl) => Item::Crawl(crawl),
        WatchItem::Removed(name) => Item::Removed(name),
        WatchItem::SnapshotComplete => Item::SnapshotComplete(true),
    };
    pb::WatchCrawlsResponse { item: Some(item), resume_token: watched.resume_token }
}
