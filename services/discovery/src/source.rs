//! Sources and crawls, as the domain knows them.

use std::time::Duration;

use proto::common::v1::Metadata;
use proto::discovery::v1::source::Settings;
use serde::{Deserialize, Serialize};
use types::{CrawlName, Revision, SourceName, Timestamp, WorkStatus};

use crate::discoverer::{Page, Warning};

/// The queue of crawls.
pub const CRAWLS: &str = "crawls";
/// A crawl keeps this many warnings, and counts the rest.
const KEPT_WARNINGS: usize = 100;

/// A place where datasets lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name.
    pub name: SourceName,
    /// Never used again, unlike the name.
    pub uid: String,
    /// What a caller may choose.
    pub draft: Draft,
    /// Counts its changes.
    pub revision: Revision,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// When the last crawl was asked for.
    pub last_crawl: Option<Timestamp>,
    /// When the next crawl is due.
    pub next_crawl: Option<Timestamp>,
    /// How many datasets are announced and not retracted.
    pub dataset_count: i64,
}

/// What a caller chooses of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// A title for people.
    pub title: String,
    /// The place, by kind.
    pub settings: Settings,
    /// The time between the beginnings of two crawls.
    pub interval: Option<Duration>,
    /// Paths to leave out, as globs.
    pub exclude: Vec<String>,
    /// Said of every dataset that does not say otherwise itself.
    pub metadata: Metadata,
}

/// What to change of a source; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The title.
    pub title: Option<String>,
    /// The place, of the same kind.
    pub settings: Option<Settings>,
    /// The interval, or none from now on.
    pub interval: Option<Option<Duration>>,
    /// The paths to leave out.
    pub exclude: Option<Vec<String>>,
    /// What is said of every dataset.
    pub metadata: Option<Metadata>,
}

impl Changes {
    /// Changes `draft`.
    pub fn apply(self, draft: &mut Draft) {
        if let Some(title) = self.title {
            draft.title = title;
        }
        if let Some(settings) = self.settings {
            draft.settings = settings;
        }
        if let Some(interval) = self.interval {
            draft.interval = interval;
        }
        if let Some(exclude) = self.exclude {
            draft.exclude = exclude;
        }
        if let Some(metadata) = self.metadata {
            draft.metadata = metadata;
        }
    }
}

/// One walk through a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Crawl {
    /// Its name.
    pub name: CrawlName,
    /// Where it stands.
    pub status: WorkStatus,
    /// What it is asked to do.
    pub input: CrawlInput,
    /// How far it has come.
    pub detail: CrawlDetail,
    /// The number of its last change.
    pub change: i64,
}

/// What a crawl is asked to do; kept in the row of its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawlInput {
    /// The source, by uid.
    pub source: String,
    /// Whether all that is missing is retracted, however much it is.
    pub accept_losses: bool,
    /// Who asked for it.
    pub actor: String,
    /// The trace context of the call that asked for it, so that its attempts join that trace; empty when it was due.
    #[serde(default)]
    pub traceparent: String,
}

/// How far a crawl has come; kept in the row of its work, and committed with the effects of each page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrawlDetail {
    /// Where the listing goes on. None: at the start.
    pub checkpoint: Option<String>,
    /// Whether a part could not be listed.
    pub incomplete: bool,
    /// How many datasets of the source were announced when the crawl was asked for.
    pub before: u64,
    /// How many of the datasets listed were announced before this crawl.
    pub known: u64,
    /// What was counted.
    pub counts: Counts,
    /// What it did about what is missing.
    pub retraction: Retraction,
    /// What was odd.
    pub warnings: Vec<Warning>,
    /// How many warnings are not kept.
    pub warnings_omitted: u64,
}

/// What a crawl counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // The contract says what each means.
pub struct Counts {
    pub listed: u64,
    pub announced: u64,
    pub unchanged: u64,
    pub skipped: u64,
    pub failed: u64,
    pub missing: u64,
    pub retracted: u64,
}

/// What a crawl did about the datasets that it no longer found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retraction {
    /// Not decided yet.
    #[default]
    Undecided,
    /// Nothing was missing.
    NothingMissing,
    /// All that was missing is retracted.
    Retracted,
    /// More was missing than is plausible, and not all of it is proved gone.
    Implausible,
    /// The listing was not complete.
    Incomplete,
}

impl CrawlDetail {
    /// Counts what a page tells beside its datasets, and keeps its warnings.
    pub fn note(&mut self, page: &mut Page) {
        self.counts.skipped += page.skipped;
        self.counts.failed += page.warnings.len() as u64;
        page.warnings.drain(..).for_each(|warning| self.warn(warning));
        self.incomplete |= page.incomplete;
    }

    /// The share of the datasets announced before that were listed again or retracted, 0 to 1. None without any: nobody
    /// knows how much a place holds that was never listed.
    pub fn progress(&self) -> Option<f64> {
        let done = self.known + self.counts.retracted;
        (self.before > 0).then(|| (done as f64 / self.before as f64).min(1.0))
    }

    /// Keeps a warning, or counts it when there are too many.
    pub fn warn(&mut self, warning: Warning) {
        if self.warnings.len() < KEPT_WARNINGS {
            self.warnings.push(warning);
        } else {
            self.warnings_omitted += 1;
        }
    }
}

impl Counts {
    /// The counts by the names of the contract.
    pub fn named(&self) -> Vec<(String, i64)> {
        let pairs = [
            ("listed", self.listed),
            ("announced", self.announced),
            ("unchanged", self.unchanged),
            ("skipped", self.skipped),
            ("failed", self.failed),
            ("missing", self.missing),
            ("retracted", self.retracted),
        ];
        pairs.map(|(name, value)| (name.to_owned(), i64::try_from(value).unwrap_or(i64::MAX))).to_vec()
    }
}

/// Tells whether a complete listing that lost `missing` of `known` datasets is to be believed.
pub fn is_plausible(missing: u64, known: u64, loss_share: f64, loss_count: u64) -> bool {
    missing <= loss_count || (missing as f64) <= loss_share * (known as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_implausible_when_it_is_many_and_a_great_share() {
        assert!(is_plausible(5, 5, 0.2, 5));
        assert!(!is_plausible(6, 6, 0.2, 5));
        assert!(!is_plausible(6, 29, 0.2, 5));
        assert!(is_plausible(6, 30, 0.2, 5));
    }

    #[test]
    fn warnings_are_kept_up_to_a_number_and_counted_beyond() {
        let mut detail = CrawlDetail::default();
        for number in 0..120 {
            detail.warn(Warning::new(&number.to_string(), "TIMEOUT", "late"));
        }
        assert_eq!((detail.warnings.len(), detail.warnings_omitted), (100, 20));
    }

    #[test]
    fn progress_is_told_where_something_was_known_before() {
        let detail = |before, known, retracted| {
            let counts = Counts { retracted, ..Counts::default() };
            CrawlDetail { before, known, counts, ..CrawlDetail::default() }.progress()
        };
        assert_eq!(detail(0, 0, 0), None);
        assert_eq!(detail(8, 0, 0), Some(0.0));
        assert_eq!(detail(8, 4, 2), Some(0.75));
        assert_eq!(detail(8, 9, 0), Some(1.0));
    }

    #[test]
    fn the_detail_of_an_older_crawl_still_reads() {
        assert_eq!(serde_json::from_str::<CrawlDetail>("{}").unwrap(), CrawlDetail::default());
    }
}
