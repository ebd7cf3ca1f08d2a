//! What a call carries down to the calls that it makes: the role that serves it, and its deadline.

use std::time::Duration;

use tokio::time::Instant;

/// The deadline of a unary call whose client sets none.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);
/// The longest deadline of a unary call.
pub const MAX_DEADLINE: Duration = Duration::from_secs(300);

tokio::task_local! {
    /// The role whose handler runs.
    pub(crate) static ROLE: &'static str;
    /// The deadline of the call whose handler runs; `None` for a stream without one.
    pub(crate) static DEADLINE: Option<Instant>;
}

/// When a call reached its role: the moment from which its deadline counts. Among the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived(pub(crate) Instant);

/// Runs `make` as `role`, which the statuses made in it name as their domain: for what answers calls outside the layers
/// of [`server_stack`](crate::server_stack).
pub fn as_role<T>(role: &'static str, make: impl FnOnce() -> T) -> T {
    ROLE.sync_scope(role, make)
}

/// The domain of errors made here and now.
pub(crate) fn domain() -> String {
    ROLE.try_with(|role| format!("millrace.{role}")).unwrap_or_else(|_| "millrace".to_owned())
}

/// The deadline of the call whose handler makes this call.
pub(crate) fn deadline() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok().flatten()
}

/// Whether a call of the method at `path` sends or receives a stream.
pub(crate) fn is_streaming(path: &str) -> bool {
    match proto::rule(path) {
        Some(rule) => rule.client_streaming || rule.server_streaming,
        None => path == "/grpc.health.v1.Health/Watch" || path.starts_with("/grpc.reflection."),
    }
}

/// Whether the method at `path` belongs to health or reflection, which anybody may call at any time.
pub(crate) fn is_infrastructure(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.")
}

/// The name of the method at `path`, `package.Service/Method`, as labels have it; none where there is no such method: what
/// clients invent must not become labels.
pub fn known_method(path: &str) -> Option<&'static str> {
    const INFRASTRUCTURE: [&str; 4] = [
        "grpc.health.v1.Health/Check",
        "grpc.health.v1.Health/Watch",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ];
    let method = path.trim_start_matches('/');
    let rule = proto::rule(path).map(|rule| rule.path.trim_start_matches('/'));
    rule.or_else(|| INFRASTRUCTURE.into_iter().find(|known| *known == method))
}

/// Whether a call of the method at `path` may be repeated without a second effect.
pub(crate) fn is_idempotent_unary(path: &str) -> bool {
    let method = path.rsplit('/').next().unwrap_or_default();
    !is_streaming(path) && ["Get", "List", "Search"].iter().any(|verb| method.starts_with(verb))
}

/// Reads the header `grpc-timeout`.
pub(crate) fn grpc_timeout(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.is_empty() || number.len() > 8 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Writes the header `grpc-timeout`, which has eight digits at most.
pub(crate) fn set_grpc_timeout(headers: &mut http::HeaderMap, timeout: Duration) {
    const EIGHT_DIGITS: u128 = 99_999_999;
    let (micros, millis) = (timeout.as_micros(), timeout.as_millis());
    let text = if micros <= EIGHT_DIGITS {
        format!("{micros}u")
    } else if millis <= EIGHT_DIGITS {
        format!("{millis}m")
    } else {
        format!("{}S", timeout.as_secs().min(99_999_999))
    };
    headers.insert("grpc-timeout", text.parse().expect("digits and a letter are a header value"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_reads_back_as_it_was_written() {
        for timeout in
            [Duration::ZERO, Duration::from_millis(1500), Duration::from_secs(300), Duration::from_secs(999_999)]
        {
            let mut headers = http::HeaderMap::new();
            set_grpc_timeout(&mut headers, timeout);
            assert_eq!(grpc_timeout(&headers), Some(timeout));
        }
    }

    #[test]
    fn a_malformed_timeout_counts_as_none() {
        for bad in ["", "S", "1", "1x", "-1S", "123456789S", "1.5S"] {
            let mut headers = http::HeaderMap::new();
            headers.insert("grpc-timeout", bad.parse().unwrap());
            assert_eq!(grpc_timeout(&headers), None, "{bad}");
        }
    }

    #[test]
    fn a_method_is_known_by_its_path_alone() {
        for rule in proto::RULES {
            assert_eq!(known_method(rule.path), rule.path.strip_prefix('/'));
        }
        assert_eq!(known_method("/grpc.health.v1.Health/Check"), Some("grpc.health.v1.Health/Check"));
        assert_eq!(known_method("/grpc.health.v1.Health/Invented"), None);
        assert_eq!(known_method("/millrace.catalog.v1.CatalogService/"), None);
    }

    #[test]
    fn only_unary_reads_are_repeated() {
        assert!(is_idempotent_unary("/millrace.catalog.v1.CatalogService/SearchDatasets"));
        assert!(!is_idempotent_unary("/millrace.catalog.v1.CatalogService/UpdateDataset"));
        assert!(!is_idempotent_unary("/millrace.catalog.v1.CatalogService/WatchDatasets"));
    }
}
