//! Domain values to and from the shared messages of `proto`.

use std::time::Duration;

use proto::common::v1 as pb;
use proto::identity::v1 as ipb;

use crate::{
    BoundingBox, Digest, Materialization, Origin, Role, TimeRange, Timestamp, WorkError, WorkPhase, WorkStatus,
};

/// A message that does not hold what its contract says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl From<Timestamp> for prost_types::Timestamp {
    fn from(instant: Timestamp) -> Self {
        let micros = instant.as_micros();
        let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).expect("below a thousand million");
        Self { seconds: micros.div_euclid(1_000_000), nanos }
    }
}

impl TryFrom<prost_types::Timestamp> for Timestamp {
    type Error = Malformed;
    fn try_from(message: prost_types::Timestamp) -> Result<Self, Malformed> {
        if !(0..1_000_000_000).contains(&message.nanos) {
            return Err(Malformed("the nanoseconds of a timestamp lie between 0 and 999,999,999".into()));
        }
        message
            .seconds
            .checked_mul(1_000_000)
            .and_then(|micros| micros.checked_add(i64::from(message.nanos / 1_000)))
            .map(Timestamp::from_micros)
            .ok_or_else(|| Malformed("the timestamp is out of range".into()))
    }
}

impl Malformed {
    /// Reads a Protobuf duration, which must not be negative.
    pub fn duration(message: prost_types::Duration) -> Result<Duration, Self> {
        Duration::try_from(message).map_err(|_| Self("the duration is negative or out of range".into()))
    }
}

impl From<TimeRange> for pb::TimeRange {
    fn from(range: TimeRange) -> Self {
        Self { start: range.start.map(Into::into), end: range.end.map(Into::into) }
    }
}

impl TryFrom<pb::TimeRange> for TimeRange {
    type Error = Malformed;
    fn try_from(message: pb::TimeRange) -> Result<Self, Malformed> {
        let start = message.start.map(Timestamp::try_from).transpose()?;
        let end = message.end.map(Timestamp::try_from).transpose()?;
        if let (Some(start), Some(end)) = (start, end)
            && start > end
        {
            return Err(Malformed("the time range ends before it starts".into()));
        }
        Ok(Self { start, end })
    }
}

impl From<BoundingBox> for pb::BoundingBox {
    fn from(b: BoundingBox) -> Self {
        Self { west: b.west, south: b.south, east: b.east, north: b.north }
    }
}

impl TryFrom<pb::BoundingBox> for BoundingBox {
    type Error = Malformed;
    fn try_from(b: pb::BoundingBox) -> Result<Self, Malformed> {
        let value = Self { west: b.west, south: b.south, east: b.east, north: b.north };
        if !value.is_valid() {
            return Err(Malformed(
                "longitudes lie in -180..180, latitudes in -90..90, and south is not above north".into(),
            ));
        }
        Ok(value)
    }
}

impl From<Digest> for pb::Digest {
    fn from(digest: Digest) -> Self {
        Self { algorithm: pb::DigestAlgorithm::Sha256.into(), value: digest.as_bytes().to_vec() }
    }
}

impl TryFrom<pb::Digest> for Digest {
    type Error = Malformed;
    fn try_from(message: pb::Digest) -> Result<Self, Malformed> {
        if message.algorithm() != pb::DigestAlgorithm::Sha256 {
            return Err(Malformed("the digest's algorithm must be DIGEST_ALGORITHM_SHA256".into()));
        }
        Digest::try_from(message.value.as_slice()).map_err(|error| Malformed(error.to_string()))
    }
}

impl From<Materialization> for pb::Materialization {
    fn from(value: Materialization) -> Self {
        use pb::materialization::Origin as Message;
        let origin = match value.origin {
            Origin::File { path } => Message::File(pb::FileOrigin { path: path.to_string_lossy().into_owned() }),
            Origin::Http { url } => Message::Http(pb::HttpOrigin { url: url.into() }),
            Origin::Object { key, digest, size_bytes } => Message::Object(pb::ObjectOrigin {
                key,
                digest: Some(digest.into()),
                size_bytes: i64::try_from(size_bytes).unwrap_or(i64::MAX),
            }),
        };
        Self { origin: Some(origin), version_token: value.version_token }
    }
}

impl TryFrom<pb::Materialization> for Materialization {
    type Error = Malformed;
    fn try_from(message: pb::Materialization) -> Result<Self, Malformed> {
        use pb::materialization::Origin as Message;
        let origin = match message.origin.ok_or_else(|| Malformed("the materialization has no origin".into()))? {
            Message::File(file) => Origin::File { path: file.path.into() },
            Message::Http(http) => {
                Origin::Http { url: http.url.parse().map_err(|error| Malformed(format!("the URL: {error}")))? }
            }
            Message::Object(object) => Origin::Object {
                key: object.key,
                digest: object.digest.ok_or_else(|| Malformed("the object has no digest".into()))?.try_into()?,
                size_bytes: u64::try_from(object.size_bytes)
                    .map_err(|_| Malformed("the object's size is negative".into()))?,
            },
        };
        Ok(Self { origin, version_token: message.version_token })
    }
}

impl From<WorkPhase> for pb::WorkPhase {
    fn from(phase: WorkPhase) -> Self {
        match phase {
            WorkPhase::Queued => Self::Queued,
            WorkPhase::Running => Self::Running,
            WorkPhase::Waiting => Self::Waiting,
            WorkPhase::Succeeded => Self::Succeeded,
            WorkPhase::Failed => Self::Failed,
            WorkPhase::Cancelled => Self::Cancelled,
        }
    }
}

impl From<WorkError> for pb::WorkError {
    fn from(error: WorkError) -> Self {
        Self { reason: error.reason, message: error.message, retryable: error.retryable }
    }
}

impl From<pb::WorkError> for WorkError {
    fn from(error: pb::WorkError) -> Self {
        Self { reason: error.reason, message: error.message, retryable: error.retryable }
    }
}

impl From<WorkStatus> for pb::WorkStatus {
    fn from(status: WorkStatus) -> Self {
        Self {
            phase: pb::WorkPhase::from(status.phase).into(),
            progress: status.progress,
            counts: status.counts.into_iter().map(|(name, value)| pb::WorkCount { name, value }).collect(),
            attempts: i32::try_from(status.attempts).unwrap_or(i32::MAX),
            max_attempts: i32::try_from(status.max_attempts).unwrap_or(i32::MAX),
            next_attempt_time: status.next_attempt.map(Into::into),
            error: status.error.map(Into::into),
            create_time: Some(status.created.into()),
            start_time: status.started.map(Into::into),
            end_time: status.ended.map(Into::into),
        }
    }
}

impl From<Role> for ipb::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Publisher => Self::Publisher,
            Role::Reader => Self::Reader,
            Role::Operator => Self::Operator,
        }
    }
}

impl TryFrom<ipb::Role> for Role {
    type Error = Malformed;
    fn try_from(role: ipb::Role) -> Result<Self, Malformed> {
        match role {
            ipb::Role::Unspecified => Err(Malformed("the role must be given".into())),
            ipb::Role::Admin => Ok(Self::Admin),
            ipb::Role::Publisher => Ok(Self::Publisher),
            ipb::Role::Reader => Ok(Self::Reader),
            ipb::Role::Operator => Ok(Self::Operator),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_instant_survives_its_message(micros in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            let instant = Timestamp::from_micros(micros);
            let message = prost_types::Timestamp::from(instant);
            prop_assert_eq!(Timestamp::try_from(message).unwrap(), instant);
        }
    }

    #[test]
    fn the_year_1565_is_a_year_like_any_other() {
        let instant = Timestamp::from_micros(-12_780_547_200_000_000);
        assert_eq!(instant.to_string(), "1565-01-01T00:00:00Z");
        assert_eq!(Timestamp::try_from(prost_types::Timestamp::from(instant)).unwrap(), instant);
    }

    #[test]
    fn a_range_that_ends_before_it_starts_is_refused() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        assert!(TimeRange::try_from(pb::TimeRange { start: at(2), end: at(1) }).is_err());
        assert!(TimeRange::try_from(pb::TimeRange { start: at(1), end: None }).is_ok());
    }
}
