//! How this service calls the profiler.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use profile::State;
use proto::profiling::v1::StoredProfile;
use types::{ByteSize, Digest, ProfileName};

use crate::Error;
use crate::config::Config;
use crate::spool::Spooled;

/// The digest of what besides the bytes decides how they are read: the ending of the file's name, a hint.
pub fn recipe_digest(file_name: &str) -> Digest {
    let ending = Path::new(file_name).extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    Digest::of(ending.as_bytes())
}

/// The state of a profile, as its object holds it.
#[derive(Debug, Clone)]
pub struct KeptState {
    /// The profile.
    pub profile: ProfileName,
    /// The state.
    pub bytes: Bytes,
}

impl KeptState {
    fn decode(&self) -> Result<State, Error> {
        State::decode(&self.bytes).map_err(|error| match error {
            profile::Error::BadState => Error::StateDamaged { name: self.profile.clone() },
            error => Error::Profile(error),
        })
    }
}

/// What a profile is made of.
#[derive(Debug, Clone)]
pub enum Source {
    /// Of bytes.
    Bytes(Arc<Spooled>),
    /// Of the rows of a profile and the bytes of others that follow.
    Added(KeptState, Arc<Spooled>),
    /// Of the rows of several profiles.
    States(Vec<KeptState>),
}

/// A profile, and what it takes to append rows to it.
pub struct Made {
    /// The profile.
    pub profile: StoredProfile,
    /// The state; none when none is to be kept, it is too long for that, or the file has several tables.
    pub state: Option<Bytes>,
    /// The length of a state that is too long; 0 for none.
    pub left_out_bytes: u64,
}

/// What a profile may take.
#[derive(Debug, Clone)]
pub struct Bounds {
    memory: ByteSize,
    most: profile::Most,
    isolation: profile::Isolation,
}

impl Bounds {
    /// Each of the workers has its share of the memory. `profiler` is the program for files whose parsers are not ours.
    pub fn new(config: &Config, profiler: Option<PathBuf>) -> Self {
        let memory = config.memory_of_a_job();
        let child = |program| profile::Isolation::Child { program, memory };
        Self {
            memory,
            most: config.most_of_a_file(),
            isolation: profiler.map_or_else(profile::Isolation::default, child),
        }
    }
}

/// Profiles one table of spooled bytes, on a thread that may block. Ends soon after `stop` is set.
pub fn profile(
    spooled: &Spooled,
    hint: &profile::Hint,
    bounds: &Bounds,
    stop: Arc<AtomicBool>,
    progress: impl Fn(profile::Progress) + Send + Sync + 'static,
) -> Result<StoredProfile, Error> {
    let options = options(Some(spooled), bounds, stop, progress);
    profile::profile(&spooled.path, hint, &options).map_err(Error::Profile)
}

/// Makes the profile of a source, of every table where it has several, and its state where one of at most `keep` bytes
/// comes of it; 0 makes none.
pub fn make(
    source: &Source,
    file_name: &str,
    bounds: &Bounds,
    keep: u64,
    stop: Arc<AtomicBool>,
    progress: impl Fn(profile::Progress) + Send + Sync + 'static,
) -> Result<Made, Error> {
    let (profile, state) = match source {
        Source::Bytes(spooled) => {
            let options = options(Some(spooled), bounds, stop, progress);
            profile::profile_every(&spooled.path, &hint(file_name), &options, bounds.most, keep > 0)
                .map_err(Error::Profile)?
        }
        Source::Added(earlier, spooled) => {
            let options = options(Some(spooled), bounds, stop, progress);
            let made = profile::append(earlier.decode()?, &spooled.path, &hint(file_name), &options);
            made.map(|(profile, state)| (profile, Some(state))).map_err(Error::Profile)?
        }
        Source::States(states) => {
            let state = merged(states, &stop)?;
            let profile = state.profile(&options(None, bounds, stop, progress)).map_err(Error::Profile)?;
            (profile, Some(state))
        }
    };
    let state = state.filter(|_| keep > 0).map(|state| Bytes::from(state.encode()));
    let length = state.as_ref().map_or(0, |state| state.len() as u64);
    let left_out_bytes = if length > keep { length } else { 0 };
    Ok(Made { profile, state: state.filter(|_| left_out_bytes == 0), left_out_bytes })
}

fn merged(states: &[KeptState], stop: &AtomicBool) -> Result<State, Error> {
    let (first, rest) = states.split_first().ok_or(Error::Cancelled)?;
    rest.iter().try_fold(first.decode()?, |merged, state| {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        merged.merge(state.decode()?).map_err(Error::Profile)
    })
}

fn hint(file_name: &str) -> profile::Hint {
    profile::Hint::named(file_name)
}

fn options(
    spooled: Option<&Spooled>,
    bounds: &Bounds,
    stop: Arc<AtomicBool>,
    progress: impl Fn(profile::Progress) + Send + Sync + 'static,
) -> profile::Options {
    profile::Options {
        digest: spooled.map(|spooled| spooled.digest),
        isolation: bounds.isolation.clone(),
        cancel: stop.into(),
        progress: Some(Box::new(progress)),
        ..profile::Options::within(bounds.memory)
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
