//! `GET /debug/pprof/profile?seconds=N`: where the processors' time goes, as `go tool pprof` and others read it.
//!
//! The path and its parameter are those of Go (<https://pkg.go.dev/net/http/pprof>). Samples are taken by a signal, so that
//! a profile costs little, and the process goes on meanwhile. It is off unless the settings turn it on, and there at all
//! only in a binary that was built with the feature `pprof`.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Page;
use sample::take;

#[cfg(feature = "pprof")]
mod encode;
#[cfg(feature = "pprof")]
mod sample;

/// Whether this binary can take CPU profiles: the feature `pprof`.
pub const BUILT: bool = cfg!(feature = "pprof");

/// How long a profile takes when the caller does not say, as with Go.
const USUAL: Duration = Duration::from_secs(30);
/// The longest, so that a caller who mistypes does not keep others from theirs.
const LONGEST: Duration = Duration::from_secs(300);

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The settings do not allow it.
    #[error("profiles are off; set `telemetry.profiles` to have them")]
    Off,
    /// The query cannot be read.
    #[error("{0}; write /debug/pprof/profile?seconds=N, with N from 1 to 300")]
    Malformed(String),
    /// Somebody else takes one.
    #[error("another profile is being taken; come back when it is done")]
    Busy,
    /// The system refuses.
    #[error("a profile cannot be taken: {0}")]
    Failed(String),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Off => StatusCode::NOT_FOUND,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::CONFLICT,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), format!("{self}\n")).into_response()
    }
}

pub(super) async fn profile(State(page): State<Page>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    if !page.0.profiles {
        return Err(Refusal::Off);
    }
    let length = length(query.as_deref().unwrap_or_default())?;
    let _alone = page.0.profiling.try_lock().map_err(|_| Refusal::Busy)?;
    let bytes = take(length).await?;
    let name = "attachment; filename=\"profile.pb\"";
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}

/// Reads how long the profile takes.
fn length(query: &str) -> Result<Duration, Refusal> {
    let mut length = USUAL;
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let Some(seconds) = part.strip_prefix("seconds=") else {
            return Err(Refusal::Malformed(format!("there is no parameter `{part}`")));
        };
        let given = seconds.parse().ok().map(Duration::from_secs);
        let fits = given.filter(|given| (Duration::from_secs(1)..=LONGEST).contains(given));
        length = fits.ok_or_else(|| Refusal::Malformed(format!("`{seconds}` is no number of seconds here")))?;
    }
    Ok(length)
}

/// Without the feature, the settings refuse to turn profiles on.
#[cfg(not(feature = "pprof"))]
mod sample {
    use super::{Duration, Refusal};

    pub(super) async fn take(_: Duration) -> Result<Vec<u8>, Refusal> {
        Err(Refusal::Failed("this binary was built without the feature `pprof`".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_takes_as_long_as_is_asked_within_limits() {
        let seconds = |query: &str| length(query).map(|length| length.as_secs());
        assert_eq!(
            (seconds("").unwrap(), seconds("seconds=1").unwrap(), seconds("seconds=300").unwrap()),
            (30, 1, 300)
        );
        for bad in ["seconds=0", "seconds=301", "seconds=-1", "seconds=1.5", "seconds=", "minutes=1", "seconds=1&x"] {
            let refusal = seconds(bad).unwrap_err();
            assert_eq!(refusal.status(), StatusCode::BAD_REQUEST, "{bad}");
            assert!(refusal.to_string().contains("seconds=N"), "{refusal}");
        }
    }
}
