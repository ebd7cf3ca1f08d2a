//! From what the SDK says to what went wrong.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use types::BoxError;

use crate::{Error, Problem};

/// What the SDK said to one request, told apart as far as callers care.
#[derive(Debug)]
pub(super) struct Refusal {
    pub what: What,
    source: BoxError,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// There is no such object, or no such upload.
    Missing,
    /// The range begins behind the end.
    Range,
    /// The condition does not hold.
    Condition,
    /// Another conditional write of the same object is going on.
    Race,
    /// The bytes did not arrive as they were sent.
    Damaged,
    /// The server does not know the request, or a header of it.
    Unsupported,
    /// Nothing that the store can answer for by itself.
    Problem(Problem),
}

impl Refusal {
    /// The error for callers, of a request that was to do `doing` at `place`.
    pub fn into_error(self, place: &str, doing: &'static str) -> Error {
        let problem = match self.what {
            What::Problem(problem) => problem,
            What::Missing | What::Range | What::Condition | What::Race | What::Damaged | What::Unsupported => {
                Problem::Failed
            }
        };
        Error::Remote { place: place.to_owned(), doing, problem, source: self.source }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Refusal
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let what = match &error {
            SdkError::ServiceError(said) => said_by_server(said.err().code(), said.raw().status().as_u16()),
            SdkError::DispatchFailure(failure)
                if failure.is_io() || failure.is_timeout() || failure.as_other().is_some() =>
            {
                What::Problem(Problem::Unreachable)
            }
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) if lacks_credentials(&error) => {
                What::Problem(Problem::CredentialsRefused)
            }
            SdkError::TimeoutError(_) => What::Problem(Problem::Unreachable),
            SdkError::ResponseError(said) => said_by_server(None, said.raw().status().as_u16()),
            _ => What::Problem(Problem::Failed),
        };
        Self { what, source: error.into() }
    }
}

/// Whether the request was never made because no credentials were found for it.
fn lacks_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<CredentialsError>())
}

/// The code where there is one; a reply to HEAD has only a status.
fn said_by_server(code: Option<&str>, status: u16) -> What {
    use Problem::{BucketMissing, Busy, ClockSkewed, CredentialsRefused, Denied, Failed, Full};
    match (code.unwrap_or_default(), status) {
        ("NoSuchBucket", _) => What::Problem(BucketMissing),
        ("NoSuchKey" | "NotFound" | "NoSuchUpload", _) => What::Missing,
        ("InvalidRange", _) | (_, 416) => What::Range,
        ("PreconditionFailed", _) | (_, 412) => What::Condition,
        ("ConditionalRequestConflict", _) => What::Race,
        ("BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch", _) => {
            What::Damaged
        }
        ("NotImplemented" | "MethodNotAllowed", _) | (_, 501 | 405) => What::Unsupported,
        ("RequestTimeTooSkewed" | "RequestExpired", _) => What::Problem(ClockSkewed),
        (
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "NotSignedUp"
            | "AuthorizationHeaderMalformed",
            _,
        )
        | (_, 401) => What::Problem(CredentialsRefused),
        ("XMinioStorageFull" | "QuotaExceeded" | "QuotaExceededException", _) | (_, 507) => What::Problem(Full),
        ("SlowDown" | "ServiceUnavailable" | "TooManyRequests" | "RequestLimitExceeded", _) | (_, 429) => {
            What::Problem(Busy)
        }
        (_, 403) => What::Problem(Denied),
        (_, 404) => What::Missing,
        _ => What::Problem(Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn credentials_that_cannot_be_looked_up_are_named() {
        use aws_credential_types::credential_fn::provide_credentials_fn;
        use aws_sdk_s3::config::{BehaviorVersion, Config, Region};
        let nothing = provide_credentials_fn(|| async { Err(CredentialsError::not_loaded("nowhere")) });
        let config = Config::builder().behavior_version(BehaviorVersion::latest()).credentials_provider(nothing);
        let config = config.http_client(aws_smithy_http_client::Builder::new().build_http()).region(Region::new("x"));
        let asked = aws_sdk_s3::Client::from_conf(config.build()).head_object().bucket("bucket").key("k");
        let refusal = Refusal::from(asked.send().await.unwrap_err());
        assert_eq!(refusal.what, What::Problem(Problem::CredentialsRefused), "{refusal:?}");
    }

    #[test]
    fn codes_and_bare_statuses_are_told_apart() {
        let problem = |code, status| match said_by_server(code, status) {
            What::Problem(problem) => problem.reason(),
            other => panic!("{other:?}"),
        };
        assert_eq!(problem(Some("NoSuchBucket"), 404), "OBJECT_BUCKET_MISSING");
        assert_eq!(problem(Some("InvalidAccessKeyId"), 403), "OBJECT_STORE_CREDENTIALS_REFUSED");
        assert_eq!(problem(Some("AccessDenied"), 403), "OBJECT_STORE_DENIED");
        assert_eq!(problem(None, 403), "OBJECT_STORE_DENIED");
        assert_eq!(problem(Some("RequestTimeTooSkewed"), 403), "OBJECT_STORE_CLOCK_SKEWED");
        assert_eq!(problem(Some("SlowDown"), 503), "OBJECT_STORE_BUSY");
        assert_eq!(problem(Some("XMinioStorageFull"), 507), "DISK_FULL");
        assert_eq!(problem(Some("InternalError"), 500), "OBJECT_STORE_UNAVAILABLE");
        assert_eq!(said_by_server(None, 404), What::Missing);
        assert_eq!(said_by_server(Some("ConditionalRequestConflict"), 409), What::Race);
    }
}
