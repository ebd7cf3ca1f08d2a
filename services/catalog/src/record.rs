//! Dataset records: what is known of a dataset, and what each event or edit makes of it. Pure logic, no I/O.
//!
//! Announcements and the events of profiling come on two streams, with no order between them. So a record does not
//! store its state: it keeps the latest fact of each stream, and [`Record::state`] derives the state from both. The
//! same facts give the same state in whichever order they came.

mod metadata;
mod version;

use types::{DatasetName, JobName, Materialization, Revision, SourceName, Timestamp, WorkError};

pub use metadata::{Edit, EditedField, Metadata};
pub use version::{Column, Recipe, Table, TableWords, Tables, Version, Words};

/// What is known of one dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its name.
    pub name: DatasetName,
    /// Where the latest announcement found it.
    pub found: Found,
    /// Whether its source no longer has it.
    pub retracted: bool,
    /// What is said about it.
    pub metadata: Metadata,
    /// The fields of `metadata` that a person edited; announcements leave them alone.
    pub edited: Vec<EditedField>,
    /// Whether it is left out of search, and of lists that do not ask for it.
    pub hidden: bool,
    /// The latest attempt at profiling it.
    pub attempt: Option<Attempt>,
    /// The newest version that was recorded.
    pub newest: Option<Newest>,
    /// The version that readers see: the newest one that went through the indexer.
    pub current: Option<u64>,
    /// What the index has to do with it.
    pub index: IndexMark,
    /// Counts the changes that a reader can see, those of the attempt's progress left out.
    pub revision: Revision,
    /// When it was first announced.
    pub created: Timestamp,
    /// When its revision was last counted up.
    pub updated: Timestamp,
    /// The number of its last change of any kind; the store sets it.
    pub change: i64,
}

/// Where a dataset was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The source that has it; none for an upload.
    pub source: Option<SourceName>,
    /// `folder`, `http_index`, `upload`.
    pub source_kind: String,
    /// The path within the source, or the name of the uploaded file.
    pub path: String,
    /// How to get its bytes.
    pub materialization: Materialization,
}

/// The latest attempt at profiling a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The job.
    pub job: JobName,
    /// How far it came.
    pub phase: AttemptPhase,
    /// Attempts begun.
    pub attempts: u32,
    /// When the next one begins at the earliest, while one is due.
    pub next: Option<Timestamp>,
    /// Why the last one failed.
    pub error: Option<WorkError>,
    /// The version token of the announcement that the job serves.
    pub version_token: String,
}

/// How far an attempt came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptPhase {
    /// Waits for a profiler.
    Queued,
    /// The bytes are being fetched.
    Fetching,
    /// The rows are being profiled.
    Profiling,
    /// Done.
    Succeeded,
    /// Failed for good.
    Failed,
}

/// The newest version of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its number.
    pub version: u64,
    /// The version token under which its bytes were last seen.
    pub version_token: String,
}

/// What the index holds of a record, and whether that is what it should hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexMark {
    /// The number of the last change that concerned the index; the store sets it.
    pub change: i64,
    /// Whether that change has been applied.
    pub done: bool,
    /// The version that the index holds.
    pub held: Option<u64>,
    /// The trace context of that change, so that its trace goes on to the index; the store sets it.
    pub cause: String,
    /// Whether the change that is being made concerns the index.
    pub touched: bool,
}

/// Where the latest attempt at a dataset stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Announced or uploaded; no work was queued yet.
    Announced,
    /// Waits for a profiler.
    Queued,
    /// Its bytes are being fetched.
    Fetching,
    /// Its rows are being profiled.
    Profiling,
    /// Profiled; its version waits for the indexer.
    Indexing,
    /// Its newest version can be searched.
    Indexed,
    /// The latest attempt failed for good.
    Failed,
    /// Gone from its source.
    Retracted,
}

/// The record changed since the revision that an edit is based on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleRevision {
    /// The revision that the record has now.
    pub current: Revision,
}

impl Record {
    /// The record of a dataset that was announced or uploaded for the first time.
    pub fn new(name: DatasetName, found: Found, metadata: Metadata, now: Timestamp) -> Self {
        Self {
            name,
            found,
            retracted: false,
            metadata,
            edited: Vec::new(),
            hidden: false,
            attempt: None,
            newest: None,
            current: None,
            index: IndexMark { done: true, ..IndexMark::default() },
            revision: Revision(1),
            created: now,
            updated: now,
            change: 0,
        }
    }

    /// Takes a later announcement. Edited fields stay as they were edited.
    pub fn announce(&mut self, found: Found, metadata: Metadata, now: Timestamp) {
        let metadata = metadata.keeping(&self.edited, &self.metadata);
        if self.retracted || self.metadata != metadata || self.found.path != found.path {
            self.touch_index();
        }
        self.retracted = false;
        self.metadata = metadata;
        self.found = found;
        self.count_up(now);
    }

    /// Takes the news that the source no longer has the dataset.
    pub fn retract(&mut self, now: Timestamp) {
        if self.retracted {
            return;
        }
        self.retracted = true;
        self.touch_index();
        self.count_up(now);
    }

    /// Takes the progress of a job. Versions stay as they are.
    pub fn advance(&mut self, attempt: Attempt) {
        self.attempt = Some(attempt);
    }

    /// Takes the success of a job whose bytes are those of `version`, a new one or the newest there was.
    ///
    /// `changed` tells whether anything that search looks at differs from what was recorded before.
    pub fn succeed(&mut self, attempt: Attempt, version: u64, changed: bool, now: Timestamp) {
        self.newest = Some(Newest { version, version_token: attempt.version_token.clone() });
        self.attempt = Some(attempt);
        if changed {
            self.touch_index();
            self.count_up(now);
        }
    }

    /// Edits what is said about the dataset. `based_on` 0 means whichever revision is current.
    pub fn edit(&mut self, edit: Edit, based_on: Revision, now: Timestamp) -> Result<(), StaleRevision> {
        if based_on != Revision(0) && based_on != self.revision {
            return Err(StaleRevision { current: self.revision });
        }
        self.hidden = edit.hidden.unwrap_or(self.hidden);
        edit.apply(&mut self.metadata, &mut self.edited);
        self.touch_index();
        self.count_up(now);
        Ok(())
    }

    /// The version that the index should hold; none when the dataset is not to be found.
    pub fn wanted_in_index(&self) -> Option<u64> {
        self.newest.as_ref().filter(|_| !self.retracted && !self.hidden).map(|newest| newest.version)
    }

    /// Takes the news that the index holds `held` since the change numbered `change`, and tells whether a version can
    /// be searched that could not before.
    ///
    /// A record that changed after `change` is not done: the indexer comes back to it.
    pub fn settle(&mut self, held: Option<u64>, change: i64, now: Timestamp) -> bool {
        let appeared = held.is_some() && held != self.index.held;
        self.index.held = held;
        self.index.done = self.index.change == change;
        // A hidden dataset goes through the indexer too, though nothing is put into the index.
        let passed = held.or(self.newest.as_ref().filter(|_| self.index.done && !self.retracted).map(|n| n.version));
        if passed > self.current {
            self.current = passed;
            self.count_up(now);
        }
        appeared
    }

    /// The state of the latest attempt.
    pub fn state(&self) -> State {
        if self.retracted {
            return State::Retracted;
        }
        let announced = self.found.materialization.version_token.as_str();
        if let Some(attempt) = self.attempt.as_ref().filter(|attempt| attempt.version_token == announced) {
            return match attempt.phase {
                AttemptPhase::Queued => State::Queued,
                AttemptPhase::Fetching => State::Fetching,
                AttemptPhase::Profiling => State::Profiling,
                AttemptPhase::Failed => State::Failed,
                AttemptPhase::Succeeded => self.state_once_profiled(),
            };
        }
        match &self.newest {
            // What was profiled once and comes back unchanged needs no new attempt.
            Some(newest) if newest.version_token == announced => self.state_once_profiled(),
            _ => State::Announced,
        }
    }

    fn state_once_profiled(&self) -> State {
        let held = self.newest.as_ref().map(|newest| newest.version) == self.index.held;
        if self.index.done || held { State::Indexed } else { State::Indexing }
    }

    /// How many bytes of a message it takes, roughly.
    pub fn weight(&self) -> usize {
        let Metadata { title, description, license, tags, origins } = &self.metadata;
        let texts = tags.iter().chain(origins).chain([title, description, license, &self.found.path]);
        // Names, times, the materialization and the latest attempt.
        1024 + texts.map(|text| text.len() + 4).sum::<usize>()
    }

    fn touch_index(&mut self) {
        self.index.touched = self.newest.is_some();
        self.index.done &= !self.index.touched;
    }

    fn count_up(&mut self, now: Timestamp) {
        self.revision = Revision(self.revision.0 + 1);
        self.updated = now;
    }
}

impl State {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Announced,
        Self::Queued,
        Self::Fetching,
        Self::Profiling,
        Self::Indexing,
        Self::Indexed,
        Self::Failed,
        Self::Retracted,
    ];

    /// The form that stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Queued => "queued",
            Self::Fetching => "fetching",
            Self::Profiling => "profiling",
            Self::Indexing => "indexing",
            Self::Indexed => "indexed",
            Self::Failed => "failed",
            Self::Retracted => "retracted",
        }
    }
}

impl AttemptPhase {
    const ALL: [Self; 5] = [Self::Queued, Self::Fetching, Self::Profiling, Self::Succeeded, Self::Failed];

    /// The form that stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Fetching => "fetching",
            Self::Profiling => "profiling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Reads the form that stores keep.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }
}

#[cfg(test)]
mod tests;
