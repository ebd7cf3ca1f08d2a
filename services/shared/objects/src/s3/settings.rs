//! Where a bucket is, and who asks for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{Secret, Span};
use url::Url;

use crate::Error;

/// What a bucket needs beside its URL.
///
/// Either `access_key_id` and `secret_access_key`, or `ambient_credentials`; nothing is taken from the environment
/// unless that says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Settings {
    /// Whose the bucket is, or who may use it.
    pub access_key_id: Option<String>,
    /// The secret that belongs to it.
    pub secret_access_key: Option<Secret<String>>,
    /// The third part of credentials that were lent for a time.
    pub session_token: Option<Secret<String>>,
    /// Looks credentials up as all tools of AWS do: variables of the environment, profile files, web identity, then the
    /// role of the container or of the machine.
    pub ambient_credentials: bool,
    /// How long one attempt at a request may take, apart from reading the bytes of an object.
    pub attempt_timeout: Span,
    /// How long a request may take with all its attempts.
    pub request_timeout: Span,
    /// How often a request is tried.
    pub attempts: u32,
    /// How old an unfinished upload must be to count as left behind by a process that died. Longer than any put takes.
    pub orphans_after: Span,
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            ambient_credentials: false,
            attempt_timeout: Duration::from_secs(60).into(),
            request_timeout: Duration::from_secs(180).into(),
            attempts: 4,
            orphans_after: Duration::from_secs(24 * 60 * 60).into(),
        }
    }
}

impl S3Settings {
    /// Settings with a pair of keys, and defaults for the rest.
    pub fn with_keys(access_key_id: impl Into<String>, secret_access_key: Secret<String>) -> Self {
        let access_key_id = Some(access_key_id.into());
        Self { access_key_id, secret_access_key: Some(secret_access_key), ..Self::default() }
    }

    /// Which credentials the settings name.
    pub(super) fn identity(&self) -> Result<Identity, Error> {
        match (&self.access_key_id, &self.secret_access_key, self.ambient_credentials) {
            (Some(id), Some(secret), false) if !id.is_empty() => {
                Ok(Identity::Keys { id: id.clone(), secret: secret.clone(), session: self.session_token.clone() })
            }
            (None, None, true) if self.session_token.is_none() => Ok(Identity::Ambient),
            _ => Err(Error::Setting {
                setting: "access_key_id",
                problem: "give `access_key_id` and `secret_access_key`, or `ambient_credentials = true`, not both",
            }),
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let spans = [("attempt_timeout", self.attempt_timeout), ("request_timeout", self.request_timeout)];
        for (setting, span) in spans {
            if span.as_duration().is_zero() {
                return Err(Error::Setting { setting, problem: "must be longer than nothing" });
            }
        }
        if self.attempts == 0 {
            return Err(Error::Setting { setting: "attempts", problem: "must be at least 1" });
        }
        self.identity().map(|_| ())
    }
}

/// Who asks.
pub(super) enum Identity {
    Keys { id: String, secret: Secret<String>, session: Option<Secret<String>> },
    Ambient,
}

/// What the URL of a bucket says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub bucket: String,
    pub prefix: String,
    pub endpoint: Option<Url>,
    pub region: String,
    pub path_style: bool,
}

/// What servers that know no regions take.
const ANY_REGION: &str = "us-east-1";

impl Place {
    /// Reads `s3://BUCKET/PREFIX?endpoint=…&region=…&path_style=true`.
    ///
    /// Without an endpoint the bucket is at AWS, and its region must be named.
    pub fn parse(url: &str) -> Result<Self, Error> {
        Self::read(url).ok_or_else(|| Error::Url { url: url.to_owned() })
    }

    fn read(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "s3")?;
        // Credentials have no place in what is logged and shown.
        if !url.username().is_empty() || url.password().is_some() || url.port().is_some() || url.fragment().is_some() {
            return None;
        }
        let bucket = url.host_str().filter(|bucket| !bucket.is_empty())?.to_owned();
        let (mut endpoint, mut region, mut path_style) = (None, None, false);
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "endpoint" => endpoint = Some(endpoint_of(&value)?),
                "region" if !value.is_empty() => region = Some(value.into_owned()),
                "path_style" => path_style = value.parse().ok()?,
                _ => return None,
            }
        }
        let region = region.or_else(|| endpoint.as_ref().map(|_| ANY_REGION.to_owned()))?;
        Some(Self { bucket, prefix: url.path().trim_matches('/').to_owned(), endpoint, region, path_style })
    }

    /// The place as messages name it.
    pub fn text(&self) -> String {
        let at = self.endpoint.as_ref().map_or(self.region.as_str(), Url::as_str);
        format!("s3://{}/{} at {at}", self.bucket, self.prefix)
    }
}

fn endpoint_of(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && plain).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_bucket_prefix_and_server() {
        let place = Place::parse("s3://mesh-objects/a/b/?endpoint=http://127.0.0.1:8333&path_style=true").unwrap();
        assert_eq!((place.bucket.as_str(), place.prefix.as_str()), ("mesh-objects", "a/b"));
        assert_eq!((place.region.as_str(), place.path_style), ("us-east-1", true));
        assert_eq!(place.endpoint.unwrap().port(), Some(8333));
        let aws = Place::parse("s3://mesh?region=eu-central-1").unwrap();
        assert_eq!((aws.prefix.as_str(), aws.endpoint, aws.path_style), ("", None, false));
    }

    #[test]
    fn what_no_bucket_can_be_found_by_is_refused() {
        for bad in [
            "s3://mesh",
            "s3:///a?region=x",
            "s3:mesh?region=x",
            "s3://key:secret@mesh?region=x",
            "s3://mesh?region=",
            "s3://mesh?region=x&path_style=maybe",
            "s3://mesh?region=x&other=1",
            "s3://mesh?endpoint=ftp://x",
            "s3://mesh?endpoint=http://key:secret@x",
        ] {
            assert!(matches!(Place::parse(bad), Err(Error::Url { .. })), "{bad}");
        }
    }

    #[test]
    fn credentials_are_named_once_and_never_printed() {
        let keys = S3Settings::with_keys("id", Secret::new("hush".to_owned()));
        assert!(matches!(keys.identity(), Ok(Identity::Keys { .. })));
        assert!(!format!("{keys:?}").contains("hush"));
        let ambient = S3Settings { ambient_credentials: true, ..S3Settings::default() };
        assert!(matches!(ambient.identity(), Ok(Identity::Ambient)));
        assert!(S3Settings::default().identity().is_err());
        assert!(S3Settings { ambient_credentials: true, ..keys }.identity().is_err());
    }
}
