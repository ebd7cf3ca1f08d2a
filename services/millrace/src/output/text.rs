//! Values as people read them.

use proto::common::v1::{WorkPhase, WorkStatus};
use proto::identity::v1::Role;
use types::Timestamp;

/// The last part of a resource name.
pub fn short(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

/// An enum value without its prefix, in lower case: `DATASET_STATE_INDEXED` is `indexed`.
pub fn lower(value: &str, prefix: &str) -> String {
    value.strip_prefix(prefix).unwrap_or(value).to_lowercase().replace('_', " ")
}

/// A number of bytes, to three figures.
pub fn bytes(count: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[allow(clippy::cast_precision_loss)] // Three figures are shown.
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// An instant, to the second.
pub fn time(instant: Option<prost_types::Timestamp>) -> String {
    let whole = instant.map(|instant| prost_types::Timestamp { nanos: 0, ..instant });
    whole.and_then(|instant| Timestamp::try_from(instant).ok()).map(|instant| instant.to_string()).unwrap_or_default()
}

/// A duration.
pub fn duration(span: Option<prost_types::Duration>) -> String {
    let span = span.and_then(|span| std::time::Duration::try_from(span).ok());
    span.map(|span| types::Span::from(span).to_string()).unwrap_or_default()
}

/// How long it took, while it runs or after it ended.
pub fn since(status: &WorkStatus) -> String {
    let instant = |stamp: Option<prost_types::Timestamp>| stamp.and_then(|stamp| Timestamp::try_from(stamp).ok());
    match (instant(status.start_time), instant(status.end_time)) {
        (Some(start), Some(end)) => format!("{:.1?}", end.since(start)),
        _ => String::new(),
    }
}

/// Where long work stands: phase, progress, counts, and why it failed.
pub fn work(status: Option<&WorkStatus>) -> String {
    let Some(status) = status else { return String::new() };
    let mut parts = vec![lower(status.phase().as_str_name(), "WORK_PHASE_")];
    if let (WorkPhase::Running, Some(progress)) = (status.phase(), status.progress) {
        parts.push(format!("{:.0} %", progress * 100.0));
    }
    let counts = status.counts.iter().filter(|count| count.value != 0);
    parts.extend(counts.map(|count| format!("{} {}", count.value, count.name.replace('_', " "))));
    if let Some(error) = &status.error {
        parts.push(format!("{} ({})", error.message, error.reason));
    }
    parts.join(", ")
}

/// Roles, without their prefix.
pub fn roles(roles: &[i32]) -> String {
    let name = |role: &i32| Role::try_from(*role).map(|role| lower(role.as_str_name(), "ROLE_")).unwrap_or_default();
    roles.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        assert_eq!(short("tenants/main/datasets/d1"), "d1");
        assert_eq!(lower("DATASET_STATE_INDEXED", "DATASET_STATE_"), "indexed");
        assert_eq!((bytes(512), bytes(4_404_019)), ("512 B".into(), "4.2 MiB".into()));
        assert_eq!(time(Some(prost_types::Timestamp { seconds: 0, nanos: 5 })), "1970-01-01T00:00:00Z");
        assert_eq!(time(None), "");
    }
}
