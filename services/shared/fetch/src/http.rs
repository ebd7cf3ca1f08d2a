//! Foreign URLs: one exchange at a time, redirects by hand, every hop checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use percent_encoding::percent_decode_str;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LOCATION, RETRY_AFTER,
};
use reqwest::{Method, Response, StatusCode};
use types::ByteSize;
use url::{Host, Url};

use crate::address::{GuardedResolver, is_permitted, resolve};
use crate::error::MAX_BYTES;
use crate::{ByteStream, Error, Fetched, Fetcher, Opened, Policy};

/// How many bytes are read at most, and the name by which the error calls that limit.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The name.
    pub name: &'static str,
    /// The most bytes.
    pub bytes: ByteSize,
}

/// What a server tells of a resource without sending it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Where it is, after redirects.
    pub url: Url,
    /// Its length, where told.
    pub size_bytes: Option<u64>,
    /// What tells its states apart; empty when nothing does.
    pub version_token: String,
    /// Its media type, where told.
    pub content_type: Option<String>,
}

/// A text that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Where it is, after redirects: links in it are relative to this.
    pub url: Url,
    /// The text.
    pub text: String,
    /// Its media type, where told.
    pub content_type: Option<String>,
}

/// The longest ETag or date that is taken for one, in bytes.
const LONGEST_TOKEN: usize = 1024;

pub(crate) fn client(policy: &Arc<Policy>) -> Result<reqwest::Client, Error> {
    reqwest::Client::builder()
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(GuardedResolver(policy.clone())))
        .connect_timeout(policy.connect_timeout)
        .read_timeout(policy.idle_timeout)
        .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(Error::Setup)
}

pub(crate) async fn check_url(policy: &Policy, url: &Url) -> Result<(), Error> {
    check_form(policy, url)?;
    if let Some(Host::Domain(domain)) = url.host() {
        resolve(policy, domain).await?;
    }
    Ok(())
}

/// Checks all that can be seen without a resolver. The client connects to addresses in URLs without asking its
/// resolver, so they have to be looked at here.
fn check_form(policy: &Policy, url: &Url) -> Result<(), Error> {
    let refused = |why| Error::UrlRefused { url: without_credentials(url), why };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused("its scheme must be http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it must not hold a user name or password"));
    }
    let address = match url.host() {
        None => return Err(refused("it has no host")),
        Some(Host::Domain(_)) => return Ok(()),
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
    };
    if is_permitted(policy, address) {
        return Ok(());
    }
    Err(Error::AddressForbidden { host: address.to_string(), address })
}

fn without_credentials(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for URLs that cannot hold any.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

pub(crate) async fn open(fetcher: &Fetcher, url: &Url, known: Option<&str>) -> Result<Opened, Error> {
    let condition = known.and_then(condition);
    let conditional = condition.is_some();
    let (response, at) = exchange(fetcher, Method::GET, url, condition).await?;
    if conditional && response.status() == StatusCode::NOT_MODIFIED {
        return Ok(Opened::Unchanged);
    }
    let response = success(response, &at)?;
    let version_token = version_token(response.headers());
    if known.is_some_and(|known| !known.is_empty() && known == version_token) {
        return Ok(Opened::Unchanged);
    }
    let bound = Bound { name: MAX_BYTES, bytes: fetcher.policy.max_bytes };
    check_length(response.content_length(), bound, &at)?;
    Ok(Opened::Fetched(Fetched {
        size_bytes: response.content_length(),
        version_token,
        file_name: file_name(url).or_else(|| file_name(&at)).unwrap_or_default(),
        body: body(response, at, bound),
    }))
}

pub(crate) async fn head(fetcher: &Fetcher, url: &Url) -> Result<Head, Error> {
    let (response, at) = exchange(fetcher, Method::HEAD, url, None).await?;
    let response = success(response, &at)?;
    let headers = response.headers();
    Ok(Head {
        url: at,
        // Of a HEAD the client counts the bytes that follow, which are none.
        size_bytes: text(headers, CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        version_token: version_token(headers),
        content_type: text(headers, CONTENT_TYPE).map(str::to_owned),
    })
}

pub(crate) async fn get_text(fetcher: &Fetcher, url: &Url, bound: Bound) -> Result<Text, Error> {
    let (response, at) = exchange(fetcher, Method::GET, url, None).await?;
    let response = success(response, &at)?;
    check_length(response.content_length(), bound, &at)?;
    let content_type = text(response.headers(), CONTENT_TYPE).map(str::to_owned);
    let bytes: Vec<Bytes> = body(response, at.clone(), bound).try_collect().await?;
    Ok(Text { url: at, text: String::from_utf8_lossy(&bytes.concat()).into_owned(), content_type })
}

/// Sends a request and follows its redirects, all within the time of one exchange.
async fn exchange(
    fetcher: &Fetcher,
    method: Method,
    url: &Url,
    condition: Option<(HeaderName, HeaderValue)>,
) -> Result<(Response, Url), Error> {
    let policy = &fetcher.policy;
    let start = Instant::now();
    let mut at = url.clone();
    for _ in 0..=policy.max_redirects {
        check_form(policy, &at)?;
        let left = policy.timeout.saturating_sub(start.elapsed());
        let mut request = fetcher.client.request(method.clone(), at.clone()).timeout(left);
        request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some((name, value)) = &condition {
            request = request.header(name.clone(), value.clone());
        }
        let response = request.send().await.map_err(|error| failed(error, &at))?;
        match response.status().as_u16() {
            301 | 302 | 303 | 307 | 308 => at = target(&response, &at)?,
            _ => return Ok((response, at)),
        }
    }
    Err(Error::TooManyRedirects { url: url.clone(), limit: policy.max_redirects })
}

fn target(response: &Response, at: &Url) -> Result<Url, Error> {
    let location = text(response.headers(), LOCATION).ok_or_else(|| Error::BadRedirect { url: at.clone() })?;
    at.join(location).map_err(|_| Error::BadRedirect { url: at.clone() })
}

fn success(response: Response, at: &Url) -> Result<Response, Error> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let seconds = text(response.headers(), RETRY_AFTER).and_then(|text| text.parse().ok());
    let retry_after = seconds.map(Duration::from_secs);
    Err(Error::HttpStatus { url: at.clone(), status: status.as_u16(), retry_after })
}

fn check_length(length: Option<u64>, bound: Bound, at: &Url) -> Result<(), Error> {
    if length.is_some_and(|length| length > bound.bytes.as_bytes()) {
        return Err(Error::TooLarge { place: at.to_string(), name: bound.name, limit: bound.bytes });
    }
    Ok(())
}

/// The bytes of an answer, up to `bound` whatever it announced.
fn body(response: Response, at: Url, bound: Bound) -> ByteStream {
    let mut taken = 0;
    let chunks = response.bytes_stream().map(move |chunk| {
        let chunk = chunk.map_err(|error| failed(error, &at))?;
        taken += chunk.len() as u64;
        check_length(Some(taken), bound, &at)?;
        Ok(chunk)
    });
    // An error is the last item, so nobody goes on behind a gap.
    Box::pin(stream::try_unfold(Box::pin(chunks), |mut chunks| async move {
        Ok(chunks.try_next().await?.map(|chunk| (chunk, chunks)))
    }))
}

/// Finds out what a failure of the client was: our own refusal comes wrapped in it.
fn failed(error: reqwest::Error, at: &Url) -> Error {
    let error = error.without_url();
    if let Some(own) = own_error(&error) {
        return own;
    }
    let host = at.host_str().unwrap_or_default().to_owned();
    if error.is_timeout() {
        Error::Timeout { url: at.clone() }
    } else if error.is_connect() {
        Error::Connect { host, source: error }
    } else {
        Error::Interrupted { url: at.clone(), source: error }
    }
}

fn own_error(error: &reqwest::Error) -> Option<Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        match error.downcast_ref::<Error>() {
            Some(Error::AddressForbidden { host, address }) => {
                return Some(Error::AddressForbidden { host: host.clone(), address: *address });
            }
            Some(Error::HostNotFound { host, source }) => {
                let source = std::io::Error::new(source.kind(), source.to_string());
                return Some(Error::HostNotFound { host: host.clone(), source });
            }
            _ => cause = error.source(),
        }
    }
    None
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The ETag; without one the time of the last change with the length, or nothing.
fn version_token(headers: &HeaderMap) -> String {
    // A version token goes into events; one of any length has no place there.
    let told = |name| text(headers, name).filter(|value| value.len() <= LONGEST_TOKEN);
    if let Some(etag) = told(ETAG) {
        return etag.to_owned();
    }
    match told(LAST_MODIFIED) {
        Some(time) => format!("{time};{}", text(headers, CONTENT_LENGTH).unwrap_or_default()),
        None => String::new(),
    }
}

/// The header that asks for bytes newer than `token`, when the token is one that a server gave.
fn condition(token: &str) -> Option<(HeaderName, HeaderValue)> {
    if token.starts_with('"') || token.starts_with("W/\"") {
        return Some((IF_NONE_MATCH, HeaderValue::from_str(token).ok()?));
    }
    let (time, _) = token.split_once(';')?;
    time.ends_with("GMT").then_some((IF_MODIFIED_SINCE, HeaderValue::from_str(time).ok()?))
}

fn file_name(url: &Url) -> Option<String> {
    let last = url.path_segments()?.next_back().filter(|segment| !segment.is_empty())?;
    Some(percent_decode_str(last).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests;
