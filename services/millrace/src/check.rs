//! `check`: whether the settings make sense, and whether what they name answers; everything at once, and nothing changes.

mod expiry;
mod reach;

use std::collections::BTreeSet;
use std::fmt;

use clap::Args;
use runtime::config::ConfigError;
use serde::Serialize;

use crate::commands::Context;
use crate::failure::Failure;
use crate::mesh::role::{Role, Shape};
use crate::mesh::settings::{Flags, Settings};

/// What to check.
///
/// Prints one line per finding. Ends with 0 when there is no error, with 2 when settings are wrong, and with 5 when
/// something that they name does not answer or cannot be used. Warnings do not count.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The roles of the process that would run here. Without them, each role as a process of its own.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROLE,…")]
    roles: Vec<Role>,
    #[command(flatten)]
    flags: Flags,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Warning,
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    about: String,
    message: String,
}

impl Finding {
    fn ok(about: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, about: about.into(), message: message.into() }
    }

    fn warning(about: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Warning, about: about.into(), message: message.into() }
    }

    fn error(about: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Error, about: about.into(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        write!(f, "{level:8} {}: {}", self.about, self.message)
    }
}

/// Checks, and prints what was found.
pub async fn run(context: &Context, args: CheckArgs) -> Result<(), Failure> {
    let shapes: Vec<Shape> = match args.roles.as_slice() {
        [] => Role::ALL.map(|role| Shape::of([role])).into(),
        roles => vec![Shape::of(roles.iter().copied())],
    };
    let (settings, mut findings) = match Settings::load_unchecked(&args.flags, &shapes[0]) {
        Ok(settings) => (Some(settings), Vec::new()),
        Err(error) => (None, unread(&error)),
    };
    if let Some(settings) = &settings {
        findings = of_settings(settings, &shapes);
    }
    let wrong = findings.iter().any(|finding| finding.level == Level::Error);
    if let Some(settings) = &settings {
        findings.extend(expiry::of_certificates(settings));
        findings.extend(reach::all(settings, &shapes).await);
    }
    let document = serde_json::to_value(&findings).map_err(|error| Failure::other(error.to_string()))?;
    let lines = || findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    context.out.document(&document, lines)?;
    match findings.iter().filter(|finding| finding.level == Level::Error).count() {
        0 => Ok(()),
        errors if wrong => Err(Failure::usage(format!("{errors} errors, settings among them"))),
        errors => Err(Failure::unreachable(format!("{errors} errors"))),
    }
}

/// What is wrong with settings that cannot be read: nothing else can be looked at then.
fn unread(error: &ConfigError) -> Vec<Finding> {
    error.problems.iter().map(|problem| Finding::error("settings", problem)).collect()
}

/// What is wrong with settings for these processes, each thing once.
fn of_settings(settings: &Settings, shapes: &[Shape]) -> Vec<Finding> {
    let problems: BTreeSet<String> = shapes.iter().flat_map(|shape| settings.problems(shape)).collect();
    match problems.is_empty() {
        true => vec![Finding::ok("settings", "they make sense")],
        false => problems.into_iter().map(|problem| Finding::error("settings", problem)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_that_is_wrong_for_several_processes_is_told_once() {
        let settings = Settings::of_defaults();
        let shapes = [Shape::of([Role::Discovery]), Shape::of([Role::Catalog])];
        let findings = of_settings(&settings, &shapes);
        let about = |word: &str| findings.iter().filter(|finding| finding.message.contains(word)).count();
        assert_eq!((about("`events.url`"), about("`identity.trusted.gateway`"), about("`objects.url`")), (1, 1, 1));
        assert!(findings.iter().all(|finding| finding.level == Level::Error), "{findings:?}");
        assert_eq!(of_settings(&settings, &[Shape::of(Role::ALL)])[0].level, Level::Ok);
    }
}
