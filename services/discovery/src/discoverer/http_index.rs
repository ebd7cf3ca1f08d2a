//! Listings of files over HTTP, as Apache and nginx make them.

mod listing;

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use fetch::{Bound, Fetcher};
use proto::discovery::v1::source::Settings;
use proto::discovery::v1::{HttpIndexSettings, SettingSchema};
use types::{ByteSize, Fault, FieldViolation, Origin};
use url::Url;

use super::tree::{Entry, Listing, Look, Tree, TreeWalk};
use super::{Discoverer, Walk, WalkOptions, setting};
use crate::Error;

const DEFAULT_DEPTH: i32 = 8;
/// The longest listing, of about a hundred thousand names. The document that it is read into takes several times that.
const LISTING: Bound = Bound { name: "listing_bytes", bytes: ByteSize::mib(16) };
/// One request is tried so often before its failure counts.
const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The kind *HTTP index*.
pub(super) struct HttpIndex;

fn own(settings: &Settings) -> Option<&HttpIndexSettings> {
    match settings {
        Settings::HttpIndex(index) => Some(index),
        Settings::Folder(_) => None,
    }
}

fn url(settings: &Settings) -> Option<Url> {
    let url: Url = own(settings)?.url.parse().ok()?;
    (matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()).then_some(url)
}

#[async_trait]
impl Discoverer for HttpIndex {
    fn kind(&self) -> &'static str {
        "http_index"
    }

    fn description(&self) -> &'static str {
        "The files of a listing over HTTP, as Apache and nginx make them, and of the listings below it."
    }

    fn settings_type(&self) -> &'static str {
        "millrace.discovery.v1.HttpIndexSettings"
    }

    fn schema(&self) -> Vec<SettingSchema> {
        vec![
            setting("url", "string", true, "The absolute URL of a listing as Apache or nginx make it."),
            setting("max_depth", "int32", false, "How many levels of sub-folders to follow, 0 to 32. Absent: 8."),
        ]
    }

    fn accepts(&self, settings: &Settings) -> bool {
        own(settings).is_some()
    }

    fn violations(&self, settings: &Settings) -> Vec<FieldViolation> {
        let mut violations = Vec::new();
        if url(settings).is_none() {
            let rule = "must be an absolute http or https URL without user name and password";
            violations.push(FieldViolation::new("http_index.url", rule));
        }
        if own(settings).and_then(|index| index.max_depth).is_some_and(|depth| !(0..=32).contains(&depth)) {
            violations.push(FieldViolation::new("http_index.max_depth", "must be 0 to 32"));
        }
        violations
    }

    async fn check(&self, settings: &Settings, fetcher: &Fetcher) -> Result<(), Error> {
        let url = url(settings).ok_or(Error::UnknownKind)?;
        match fetcher.check_url(&url).await {
            Ok(()) | Err(fetch::Error::HostNotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn walk(&self, settings: &Settings, fetcher: &Fetcher, options: WalkOptions) -> Result<Box<dyn Walk>, Error> {
        let url = url(settings).ok_or(Error::UnknownKind)?;
        let depth = own(settings).and_then(|index| index.max_depth).unwrap_or(DEFAULT_DEPTH);
        let max_depth = usize::try_from(depth).unwrap_or(0);
        let tree = IndexTree { start: url, base: OnceLock::new(), max_depth, fetcher: fetcher.clone() };
        Ok(Box::new(TreeWalk::new(tree, options)))
    }
}

struct IndexTree {
    start: Url,
    /// Where the listing really is, after redirects: everything lies below it.
    base: OnceLock<Url>,
    max_depth: usize,
    fetcher: Fetcher,
}

impl IndexTree {
    fn base(&self) -> Url {
        self.base.get().cloned().unwrap_or_else(|| folder_of(&self.start))
    }

    fn url_of(&self, path: &str) -> Result<Url, Error> {
        let mut url = self.base();
        let no_base = || fetch::Error::UrlRefused { url: self.start.to_string(), why: "nothing can lie below it" };
        url.path_segments_mut()
            .map_err(|()| no_base())?
            .pop_if_empty()
            .extend(path.split('/').filter(|s| !s.is_empty()));
        Ok(url)
    }

    /// What is below the start by name must be below it after redirects too.
    fn check_inside(&self, asked: &Url, answered: &Url) -> Result<(), Error> {
        let base = self.base();
        if answered.origin() == base.origin() && answered.path().starts_with(base.path()) {
            return Ok(());
        }
        Err(Error::RedirectLeadsOut { url: asked.to_string() })
    }

    async fn list_start(&self) -> Result<Listing, Error> {
        let text = retrying(|| self.fetcher.get_text(&self.start, LISTING)).await?;
        let base = folder_of(&text.url);
        if base.host_str() != self.start.host_str() {
            return Err(Error::RedirectLeadsOut { url: self.start.to_string() });
        }
        let listing = read(text.text, base.clone(), &self.start).await?;
        self.base.get_or_init(|| base);
        Ok(listing)
    }
}

#[async_trait]
impl Tree for IndexTree {
    const AT_ONCE: usize = 4;

    async fn list(&self, folder: &str) -> Result<Listing, Error> {
        if folder.is_empty() {
            return self.list_start().await;
        }
        let mut url = self.url_of(folder)?;
        url.set_path(&format!("{}/", url.path()));
        let text = retrying(|| self.fetcher.get_text(&url, LISTING)).await?;
        self.check_inside(&url, &text.url)?;
        read(text.text, folder_of(&text.url), &url).await
    }

    async fn look(&self, path: &str, entry: &Entry) -> Result<Look, Error> {
        let url = self.url_of(path)?;
        match retrying(|| self.fetcher.head(&url)).await {
            Ok(head) => {
                self.check_inside(&url, &head.url)?;
                let says_nothing = head.version_token.is_empty();
                let version_token = if says_nothing { entry.note.clone() } else { head.version_token };
                Ok(Look { version_token, size_bytes: head.size_bytes })
            }
            // Some servers answer no HEAD; the listing's own words serve then.
            Err(fetch::Error::HttpStatus { status: 405 | 501, .. }) => {
                Ok(Look { version_token: entry.note.clone(), size_bytes: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn origin(&self, path: &str) -> Result<Origin, Error> {
        Ok(Origin::Http { url: self.url_of(path)? })
    }

    fn max_depth(&self) -> usize {
        self.max_depth
    }

    fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }
}

/// Reads a listing, off the threads that others wait for: a long one takes a while.
async fn read(text: String, folder: Url, asked: &Url) -> Result<Listing, Error> {
    let listing = runtime::blocking(move || listing::parse(&text, &folder)).await;
    listing.ok_or_else(|| Error::NoListing { url: asked.to_string() })
}

/// The folder that a listing stands for: the URL up to its last slash.
fn folder_of(url: &Url) -> Url {
    let mut folder = url.clone();
    folder.set_query(None);
    folder.set_fragment(None);
    let end = folder.path().rfind('/').map_or(0, |slash| slash + 1);
    let path = folder.path()[..end].to_owned();
    folder.set_path(&path);
    folder
}

/// Tries a request again when its failure may pass, a few times, and not for long.
async fn retrying<T, F>(mut request: impl FnMut() -> F) -> Result<T, fetch::Error>
where
    F: Future<Output = Result<T, fetch::Error>>,
{
    let mut wait = FIRST_WAIT;
    for _ in 1..TRIES {
        match request().await {
            Err(error) if error.kind().is_transient() => {
                let asked = error.retry_after().unwrap_or(wait);
                if asked > LONGEST_WAIT {
                    return Err(error);
                }
                tokio::time::sleep(asked.max(wait)).await;
                wait *= 2;
            }
            answer => return answer,
        }
    }
    request().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_stands_for_its_folder() {
        let folder = |text: &str| folder_of(&text.parse().unwrap()).to_string();
        assert_eq!(folder("http://h/data/?C=N;O=D"), "http://h/data/");
        assert_eq!(folder("http://h/data/index.html#x"), "http://h/data/");
        assert_eq!(folder("http://h"), "http://h/");
    }
}
