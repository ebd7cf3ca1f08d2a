//! Messages to and from domain values.

use std::time::Duration;

use proto::common::v1::Metadata;
use proto::discovery::v1 as pb;
use proto::discovery::v1::source::Settings;
use rpc::Violations;
use types::Malformed;

use crate::discoverer::{Glob, Warning};
use crate::metadata::{LONG, ORIGIN, ORIGINS, SHORT, TAG, TAGS};
use crate::service::{Kinds, Previewed};
use crate::source::{Changes, Crawl, Draft, Retraction, Source};

const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);
const LONGEST_INTERVAL: Duration = Duration::from_secs(366 * 86_400);
const UPDATABLE: [&str; 7] = ["title", "interval", "exclude", "metadata", "settings", "folder", "http_index"];
/// The last of [`UPDATABLE`]: what means the settings.
const SETTINGS: &[&str] = UPDATABLE.split_at(4).1;

/// A source as the contract shows it.
pub fn source(source: &Source) -> pb::Source {
    pb::Source {
        name: source.name.to_string(),
        uid: source.uid.clone(),
        title: source.draft.title.clone(),
        settings: Some(source.draft.settings.clone()),
        interval: source.draft.interval.and_then(|interval| interval.try_into().ok()),
        exclude: source.draft.exclude.clone(),
        metadata: Some(source.draft.metadata.clone()),
        revision: source.revision.0,
        create_time: Some(source.created.into()),
        update_time: Some(source.updated.into()),
        next_crawl_time: source.next_crawl.map(Into::into),
        dataset_count: source.dataset_count,
    }
}

/// A crawl as the contract shows it.
pub fn crawl(crawl: &Crawl) -> pb::Crawl {
    pb::Crawl {
        name: crawl.name.to_string(),
        status: Some(crawl.status.clone().into()),
        accept_losses: crawl.input.accept_losses,
        retraction: retraction(crawl.detail.retraction).into(),
        warnings: crawl.detail.warnings.iter().cloned().map(warning).collect(),
        warnings_omitted: number(crawl.detail.warnings_omitted),
        position: crawl.detail.checkpoint.clone().unwrap_or_default(),
    }
}

fn retraction(retraction: Retraction) -> pb::RetractionOutcome {
    match retraction {
        Retraction::Undecided => pb::RetractionOutcome::Unspecified,
        Retraction::NothingMissing => pb::RetractionOutcome::NothingMissing,
        Retraction::Retracted => pb::RetractionOutcome::Retracted,
        Retraction::Implausible => pb::RetractionOutcome::Implausible,
        Retraction::Incomplete => pb::RetractionOutcome::Incomplete,
    }
}

fn warning(warning: Warning) -> pb::CrawlWarning {
    pb::CrawlWarning { path: warning.path, reason: warning.reason, message: warning.message }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A message of a preview.
pub fn previewed(previewed: Previewed) -> pb::PreviewSourceResponse {
    use pb::preview_source_response::Item;
    let item = match previewed {
        Previewed::Dataset(found) => Item::Dataset(pb::FoundDataset {
            path: found.path,
            size_bytes: found.size_bytes.map(number),
            version_token: found.version_token,
        }),
        Previewed::Summary { detail, truncated } => Item::Summary(pb::PreviewSummary {
            datasets: number(detail.counts.listed),
            truncated,
            warnings: detail.warnings.into_iter().map(warning).collect(),
            warnings_omitted: number(detail.warnings_omitted),
            skipped: number(detail.counts.skipped),
        }),
    };
    pb::PreviewSourceResponse { item: Some(item) }
}

/// Reads a source to be created; what is wrong with it goes to `violations`.
pub fn draft(violations: &mut Violations, kinds: &Kinds, message: Option<pb::Source>) -> Option<Draft> {
    let message = violations.required("source", message)?;
    check_title(violations, &message.title);
    check_exclude(violations, &message.exclude);
    let interval = interval(violations, message.interval);
    let metadata = metadata(violations, message.metadata);
    let settings = settings(violations, kinds, message.settings)?;
    Some(Draft { title: message.title, settings, interval, exclude: message.exclude, metadata })
}

/// Reads what is to change of a source, by the paths of a mask; an empty mask names all that can change.
pub fn changes(violations: &mut Violations, kinds: &Kinds, message: &pb::Source, paths: &[String]) -> Changes {
    for path in paths {
        let rule = format!("`{path}` cannot be changed; what can is {}", UPDATABLE.join(", "));
        violations.check(UPDATABLE.contains(&path.as_str()), "update_mask", rule);
    }
    let named = |path: &str| paths.is_empty() || paths.iter().any(|given| given == path);
    let mut changes = Changes { settings: other_settings(violations, kinds, message, paths), ..Changes::default() };
    if named("title") {
        check_title(violations, &message.title);
        changes.title = Some(message.title.clone());
    }
    if named("interval") {
        changes.interval = Some(interval(violations, message.interval));
    }
    if named("exclude") {
        check_exclude(violations, &message.exclude);
        changes.exclude = Some(message.exclude.clone());
    }
    if named("metadata") {
        changes.metadata = Some(metadata(violations, message.metadata.clone()));
    }
    changes
}

/// Reads the place of a source, which must be given.
fn settings(violations: &mut Violations, kinds: &Kinds, settings: Option<Settings>) -> Option<Settings> {
    let settings = violations.required("source.settings", settings)?;
    check_place(violations, kinds, &settings);
    Some(settings)
}

/// Reads other settings of a source, where a mask names them; an empty mask does where they are given.
fn other_settings(
    violations: &mut Violations,
    kinds: &Kinds,
    message: &pb::Source,
    paths: &[String],
) -> Option<Settings> {
    let named: Vec<&str> = paths.iter().map(String::as_str).filter(|path| SETTINGS.contains(path)).collect();
    if named.is_empty() && (!paths.is_empty() || message.settings.is_none()) {
        return None;
    }
    let given = settings(violations, kinds, message.settings.clone())?;
    let kind = kinds.of(&given).ok()?.kind();
    for path in named {
        let rule = "must be given, because the mask names it";
        violations.check(path == "settings" || path == kind, format!("source.{path}"), rule);
    }
    Some(given)
}

/// Checks the form of a place.
fn check_place(violations: &mut Violations, kinds: &Kinds, settings: &Settings) {
    match kinds.of(settings) {
        Ok(kind) => {
            for violation in kind.violations(settings) {
                violations.add(format!("source.{}", violation.field), violation.description);
            }
        }
        Err(error) => violations.add("source.settings", error.to_string()),
    }
}

fn check_title(violations: &mut Violations, title: &str) {
    violations.check(title.chars().count() <= 200, "source.title", "takes at most 200 characters");
}

fn check_exclude(violations: &mut Violations, exclude: &[String]) {
    violations.check(exclude.len() <= 100, "source.exclude", "takes at most 100 globs");
    for (index, glob) in exclude.iter().enumerate() {
        violations.take(format!("source.exclude[{index}]"), Glob::parse(glob));
    }
}

fn interval(violations: &mut Violations, message: Option<prost_types::Duration>) -> Option<Duration> {
    let interval = violations.take("source.interval", Malformed::duration(message?))?;
    let fits = (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval);
    violations.check(fits, "source.interval", "must be at least one minute and at most 366 days");
    Some(interval)
}

fn metadata(violations: &mut Violations, message: Option<Metadata>) -> Metadata {
    let metadata = message.unwrap_or_default();
    let short = |text: &str, most: usize| text.chars().count() <= most;
    violations.check(short(&metadata.title, SHORT), "source.metadata.title", "takes at most 200 characters");
    let description = "takes at most 10,000 characters";
    violations.check(short(&metadata.description, LONG), "source.metadata.description", description);
    violations.check(short(&metadata.license, SHORT), "source.metadata.license", "takes at most 200 characters");
    violations.check(metadata.tags.len() <= TAGS, "source.metadata.tags", "takes at most 100 tags");
    violations.check(metadata.origins.len() <= ORIGINS, "source.metadata.origins", "takes at most 50 entries");
    for (index, tag) in metadata.tags.iter().enumerate() {
        let fits = !tag.is_empty() && short(tag, TAG);
        violations.check(fits, format!("source.metadata.tags[{index}]"), "takes 1 to 64 characters");
    }
    for (index, origin) in metadata.origins.iter().enumerate() {
        let fits = !origin.is_empty() && short(origin, ORIGIN);
        violations.check(fits, format!("source.metadata.origins[{index}]"), "takes 1 to 2000 characters");
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_of_a_source_is_named() {
        let message = pb::Source {
            title: "x".repeat(201),
            settings: Some(Settings::Folder(pb::FolderSettings { path: "relative".into() })),
            interval: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
            exclude: vec!["ok".into(), "/absolute".into()],
            metadata: Some(Metadata { tags: vec![String::new()], ..Metadata::default() }),
            ..pb::Source::default()
        };
        let mut violations = Violations::new();
        draft(&mut violations, &Kinds::default(), Some(message));
        let bad = types::Fault::violations(&violations.finish().unwrap_err());
        let fields: Vec<&str> = bad.iter().map(|violation| violation.field.as_str()).collect();
        let expected =
            ["source.title", "source.exclude[1]", "source.interval", "source.metadata.tags[0]", "source.folder.path"];
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_mask_changes_what_it_names_alone() {
        let place = Settings::Folder(pb::FolderSettings { path: "/x".into() });
        let message = pb::Source {
            title: "New".into(),
            exclude: vec!["x".into()],
            settings: Some(place.clone()),
            ..pb::Source::default()
        };
        let kinds = Kinds::default();
        let mut violations = Violations::new();
        let some = changes(&mut violations, &kinds, &message, &["title".to_owned()]);
        assert!(violations.is_empty());
        assert_eq!((some.title.as_deref(), some.exclude, some.settings), (Some("New"), None, None));
        let all = changes(&mut violations, &kinds, &message, &[]);
        assert!(violations.is_empty() && all.exclude.is_some() && all.interval == Some(None));
        assert_eq!(all.settings.as_ref(), Some(&place));
        for path in ["folder", "settings"] {
            let one = changes(&mut violations, &kinds, &message, &[path.to_owned()]);
            assert_eq!((one.settings.as_ref(), one.title), (Some(&place), None));
        }
        assert!(violations.is_empty());
        let absent = pb::Source { settings: None, ..message.clone() };
        assert_eq!(changes(&mut violations, &kinds, &absent, &[]).settings, None, "a place is not taken away");
        assert!(violations.is_empty());
        changes(&mut violations, &kinds, &message, &["folder.path".to_owned()]);
        assert!(!violations.is_empty());
        for (message, path) in [(&message, "http_index"), (&absent, "folder"), (&absent, "settings")] {
            let mut violations = Violations::new();
            changes(&mut violations, &kinds, message, &[path.to_owned()]);
            assert!(!violations.is_empty(), "{path}");
        }
    }
}
