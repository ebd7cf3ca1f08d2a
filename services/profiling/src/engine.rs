//! How this service calls the profiler.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proto::profiling::v1::StoredProfile;
use types::Digest;

use crate::Error;
use crate::spool::Spooled;

/// The digest of what besides the bytes decides how they are read: the ending of the file's name, a hint.
pub fn recipe_digest(file_name: &str) -> Digest {
    let ending = Path::new(file_name).extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    Digest::of(ending.as_bytes())
}

/// Profiles spooled bytes, on a thread that may block. Ends soon after `stop` is set.
pub fn profile(
    spooled: &Spooled,
    file_name: &str,
    stop: Arc<AtomicBool>,
    progress: impl Fn(profile::Progress) + Send + Sync + 'static,
) -> Result<StoredProfile, Error> {
    let hint = profile::Hint::named(file_name);
    let options = profile::Options {
        digest: Some(spooled.digest),
        cancel: stop.into(),
        progress: Some(Box::new(progress)),
        ..profile::Options::default()
    };
    profile::profile(&spooled.path, &hint, &options).map_err(Error::Profile)
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
