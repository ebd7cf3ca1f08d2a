//! Sizes, durations and revisions.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a text is no size or duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {what}: write a whole number and one of {units}, as in `{example}`")]
pub struct QuantityError {
    given: String,
    what: &'static str,
    units: &'static str,
    example: &'static str,
}

/// A number of bytes. As text: `64MiB`, `512B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(u64);

const SIZE_UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl ByteSize {
    /// So many bytes.
    pub const fn bytes(count: u64) -> Self {
        Self(count)
    }

    /// So many times 1024 × 1024 bytes.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// The number of bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text, &SIZE_UNITS).map(Self).ok_or_else(|| QuantityError {
            given: text.to_owned(),
            what: "size",
            units: "B, KiB, MiB, GiB, TiB",
            example: "64MiB",
        })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in(f, self.0, &SIZE_UNITS)
    }
}

/// A duration in settings. As text: `250ms`, `10s`, `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

const SPAN_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];

impl Span {
    /// The duration.
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Span {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text, &SPAN_UNITS).map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| QuantityError {
            given: text.to_owned(),
            what: "duration",
            units: "ms, s, m, h, d",
            example: "10s",
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
        write_in(f, u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &units)
    }
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (unit, factor) = units.iter().find(|(unit, _)| {
        text.strip_suffix(unit).is_some_and(|number| number.ends_with(|c: char| c.is_ascii_digit()))
    })?;
    let number = text.strip_suffix(unit)?;
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn write_in(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = |factor: u64| value.is_multiple_of(factor) && (value > 0 || factor == 1);
    let (unit, factor) = units.iter().copied().find(|(_, factor)| fits(*factor)).unwrap_or(("B", 1));
    write!(f, "{}{unit}", value / factor)
}

macro_rules! via_string {
    ($($type:ty),+) => {
        $(impl TryFrom<String> for $type {
            type Error = QuantityError;
            fn try_from(text: String) -> Result<Self, QuantityError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.to_string()
            }
        })+
    };
}

via_string!(ByteSize, Span);

/// Counts the changes of a resource: 1 when it was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub i64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_and_durations_read_as_documented() {
        assert_eq!("64MiB".parse::<ByteSize>().unwrap().as_bytes(), 64 << 20);
        assert_eq!("10s".parse::<Span>().unwrap().as_duration(), Duration::from_secs(10));
        assert_eq!("250ms".parse::<Span>().unwrap().as_duration(), Duration::from_millis(250));
        assert_eq!("5m".parse::<Span>().unwrap().as_duration(), Duration::from_secs(300));
        for bad in ["", "10", "s", "-1s", "1.5s", "1 s", "99999999999999999999s", "18446744073709551615d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        assert!("64MB".parse::<ByteSize>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any::<u32>()) {
            let size = ByteSize::bytes(u64::from(value));
            prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
            let span = Span::from(Duration::from_millis(u64::from(value)));
            prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
    }
}
