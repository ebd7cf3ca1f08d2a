//! The client of the SDK: TLS, credentials, time-outs, retries.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Credentials, Region, SharedCredentialsProvider, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::settings::{Identity, Place, S3Settings};
use crate::Error;

const CONNECT: Duration = Duration::from_secs(5);
/// How long the bytes of an object may stand still, though they are asked for, before the connection is given up.
const STANDSTILL: Duration = Duration::from_secs(20);
/// Between two attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Makes a client; nothing is asked of the server yet.
pub(super) async fn client(place: &Place, settings: &S3Settings) -> Result<Client, Error> {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let region = Region::new(place.region.clone());
    let credentials = credentials(settings.identity()?, &http, &region).await?;
    let attempt = settings.attempt_timeout.as_duration();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(attempt)
        .operation_attempt_timeout(attempt)
        .operation_timeout(settings.request_timeout.as_duration())
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(settings.attempts)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE);
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(region)
        .credentials_provider(credentials)
        .timeout_config(timeouts)
        .retry_config(retries)
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled().grace_period(STANDSTILL.min(attempt)).build(),
        )
        .force_path_style(place.path_style);
    if let Some(endpoint) = &place.endpoint {
        config = config.endpoint_url(endpoint.as_str().trim_end_matches('/'));
    }
    Ok(Client::from_conf(config.build()))
}

async fn credentials(
    identity: Identity,
    http: &SharedHttpClient,
    region: &Region,
) -> Result<SharedCredentialsProvider, Error> {
    match identity {
        Identity::Keys { id, secret, session } => {
            let session = session.map(|session| session.expose().clone());
            let keys = Credentials::new(id, secret.expose().as_str(), session, None, "settings");
            Ok(SharedCredentialsProvider::new(keys))
        }
        // Only the credentials are taken from there: what else the environment says of S3 is not asked for.
        Identity::Ambient => {
            let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
            let found = loader.region(region.clone()).load().await.credentials_provider();
            let missing = Error::Setting { setting: "ambient_credentials", problem: "nothing to look them up in" };
            found.ok_or(missing)
        }
    }
}
