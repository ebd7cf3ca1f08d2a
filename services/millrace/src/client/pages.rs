//! Lists: all pages joined into one reply.

use proto::{catalog, common, discovery, identity, profiling};
use tonic::{Response, Status};

use crate::failure::Failure;

/// The size of a page to ask for: large enough to be quick, small enough that no message grows too long.
pub const PAGE: i32 = 200;

/// The reply to a List call.
pub trait Paged: Default {
    /// Takes the token of the next page out; empty at the end.
    fn take_token(&mut self) -> String;
    /// Adds what the next page holds.
    fn join(&mut self, next: Self);
    /// How many there are so far.
    fn count(&self) -> usize;
}

macro_rules! paged {
    ($($package:ident::$reply:ident.$field:ident),+ $(,)?) => {
        $(impl Paged for $package::v1::$reply {
            fn take_token(&mut self) -> String {
                std::mem::take(&mut self.next_page_token)
            }

            fn join(&mut self, next: Self) {
                self.$field.extend(next.$field);
            }

            fn count(&self) -> usize {
                self.$field.len()
            }
        })+
    };
}

paged!(
    common::ListDeadLettersResponse.dead_letters,
    discovery::ListSourcesResponse.sources,
    discovery::ListCrawlsResponse.crawls,
    profiling::ListJobsResponse.jobs,
    profiling::ListColumnProfilesResponse.column_profiles,
    catalog::ListDatasetsResponse.datasets,
    catalog::ListVersionsResponse.versions,
    catalog::ListIndexRebuildsResponse.index_rebuilds,
    catalog::SearchDatasetsResponse.results,
    identity::ListTenantsResponse.tenants,
    identity::ListUsersResponse.users,
    identity::ListApiKeysResponse.api_keys,
);

/// Calls for page after page, up to `limit` entries, and joins them. What the first page says of the whole stays.
pub async fn pages<R: Paged>(
    limit: Option<usize>,
    mut call: impl AsyncFnMut(String) -> Result<Response<R>, Status>,
) -> Result<R, Failure> {
    let mut all = call(String::new()).await?.into_inner();
    let mut token = all.take_token();
    while !token.is_empty() && limit.is_none_or(|limit| all.count() < limit) {
        let mut next = call(token).await?.into_inner();
        token = next.take_token();
        all.join(next);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_pages_are_joined() {
        let page = async |token: String| {
            let source = |name: &str| discovery::v1::Source { name: name.into(), ..Default::default() };
            let (sources, next_page_token) = match token.as_str() {
                "" => (vec![source("a")], "1".to_owned()),
                _ => (vec![source("b")], String::new()),
            };
            Ok(Response::new(discovery::v1::ListSourcesResponse { sources, next_page_token }))
        };
        let all = pages(None, page).await.unwrap();
        assert_eq!(all.sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(all.next_page_token, "");
        assert_eq!(pages(Some(1), page).await.unwrap().count(), 1);
    }
}
