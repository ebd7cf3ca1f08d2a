//! What a process tells to those who look inside.

use std::net::SocketAddr;

use runtime::{admin, telemetry};
use serde::{Deserialize, Serialize};

/// What a process tells to those who look inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Where traces are sent; empty: nowhere.
    pub otlp_endpoint: String,
    /// Whether the admin listener takes CPU profiles.
    pub profiles: bool,
    /// Where `tokio-console` is served; empty: nowhere.
    pub console_listen: String,
}

impl Telemetry {
    /// Where it all goes.
    pub fn outlets(&self) -> telemetry::Outlets<'_> {
        let otlp_endpoint = Some(self.otlp_endpoint.as_str()).filter(|endpoint| !endpoint.is_empty());
        telemetry::Outlets { otlp_endpoint, console: self.console_listen.parse().ok() }
    }

    /// Everything that is wrong with these settings.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.otlp_endpoint.is_empty() && !self.otlp_endpoint.starts_with("http://") {
            problems.push("`telemetry.otlp_endpoint`: write http://HOST:PORT".to_owned());
        }
        if self.profiles && !admin::PROFILES {
            problems.push(
                "`telemetry.profiles`: this binary takes none; build one with `cargo build --release --features pprof`"
                    .to_owned(),
            );
        }
        if !self.console_listen.is_empty() {
            problems.extend(self.console_problem());
        }
        problems
    }

    /// The console checks nobody's right to look, so it is for whoever is on the machine.
    fn console_problem(&self) -> Option<String> {
        let address = self.console_listen.parse::<SocketAddr>().ok();
        if !address.is_some_and(|address| address.ip().to_canonical().is_loopback()) {
            return Some("`telemetry.console_listen`: write an address of the loopback, 127.0.0.1:6669".to_owned());
        }
        (!telemetry::CONSOLE).then(|| {
            "`telemetry.console_listen`: this binary has no console; build one with `RUSTFLAGS=\"--cfg tokio_unstable\" \
             cargo build --release --features console`"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_cannot_do_is_refused_with_how_to_build_it() {
        let nothing = Telemetry { otlp_endpoint: String::new(), profiles: false, console_listen: String::new() };
        assert_eq!(nothing.problems(), Vec::<String>::new());
        let asked = Telemetry { profiles: true, console_listen: "127.0.0.1:6669".to_owned(), ..nothing.clone() };
        let wanted = usize::from(!admin::PROFILES) + usize::from(!telemetry::CONSOLE);
        let problems = asked.problems();
        assert_eq!(problems.len(), wanted, "{problems:?}");
        assert!(problems.iter().all(|problem| problem.contains("--features")), "{problems:?}");
        for far in ["0.0.0.0:6669", "192.0.2.1:6669", "console"] {
            let problems = Telemetry { console_listen: far.to_owned(), ..nothing.clone() }.problems();
            assert!(problems.len() == 1 && problems[0].contains("loopback"), "{problems:?}");
        }
    }
}
