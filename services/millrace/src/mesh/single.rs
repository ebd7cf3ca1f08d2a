//! What one process alone may do: catalog, whose index lies in its data directory.

use std::io;
use std::time::Duration;

use catalog::WhenHeld;
use runtime::lock::DataDir;
use sql::{Database, Lease};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use types::{BoxError, ErrorKind, Fault};

use super::waiting::Waiting;
use super::{failed, unusable};
use crate::failure::Failure;

/// The lease in catalog's store.
const NAME: &str = "catalog";
/// The file in the data directory that names it.
const NAME_FILE: &str = "name";
/// How long it lasts without a word of its holder.
const LASTS: Duration = Duration::from_secs(30);
/// How often its holder renews it.
pub const RENEW: Duration = Duration::from_secs(8);
/// How often it is asked for.
const ASK: Duration = Duration::from_secs(1);

/// Takes the lease, or waits for it, or refuses to, as is set. One that a process with this data directory left behind
/// is taken over: the lock of the directory tells that it is gone.
pub async fn hold(
    database: &Database,
    dir: &DataDir,
    when_held: WhenHeld,
    waiting: &Waiting,
) -> Result<Lease, Failure> {
    let (mut told, holder) = (false, holder(dir).map_err(|error| unusable(dir, error))?);
    loop {
        match Lease::resume(database, NAME, &holder, LASTS).await {
            Ok(Some(lease)) => return Ok(lease),
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Unavailable => {}
            Err(error) => return Err(failed(error)),
        }
        let by = match Lease::holder(database, NAME).await {
            Ok(Some((by, until))) => format!("{by}, until {until} at least"),
            Ok(None) | Err(_) => "nobody that is known".to_owned(),
        };
        if when_held == WhenHeld::Refuse {
            return Err(Failure::other(format!(
                "another process is catalog: {by}; stop it, or set `catalog.when_held = \"wait\"`"
            )));
        }
        waiting.say(format!("waiting to be catalog, which is held by {by}"));
        if !std::mem::replace(&mut told, true) {
            tracing::warn!("waiting to be catalog, which is held by {by}");
        }
        sleep(ASK).await;
    }
}

/// Renews the lease, once in `every`, until `stop`. Fails when it was lost: another process may be catalog then, and this one ends.
pub async fn keep(database: Database, lease: Lease, every: Duration, stop: CancellationToken) -> Result<(), BoxError> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(every) => {}
        }
        match lease.renew(&database, LASTS).await {
            Err(error @ sql::Error::LostLease { .. }) => return Err(error.into()),
            Err(error) => tracing::warn!(%error, "cannot renew the lease of catalog"),
            Ok(()) => {}
        }
    }
}

/// Who holds it: the data directory, by a name that it keeps. For people, where it is.
fn holder(dir: &DataDir) -> io::Result<String> {
    let name = match std::fs::read_to_string(dir.join(NAME_FILE)) {
        Ok(name) => name,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = uuid::Uuid::new_v4().simple().to_string();
            dir.write_private(NAME_FILE, name.as_bytes())?;
            name
        }
        Err(error) => return Err(error),
    };
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Ok(format!("the process of {} on {} ({})", dir.path().display(), machine.trim(), name.trim()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use runtime::{Readiness, SystemClock};

    use super::*;

    async fn store(folder: &tempfile::TempDir) -> Database {
        let url = format!("sqlite:{}", folder.path().join("catalog.db").display());
        Database::open(&url, &[], Arc::new(SystemClock)).await.unwrap()
    }

    #[tokio::test]
    async fn a_second_catalog_refuses_or_waits_as_is_set() {
        let folder = testkit::temp_dir();
        let database = store(&folder).await;
        let [one, other] = ["one", "other"].map(|name| DataDir::acquire(&folder.path().join(name)).unwrap());
        let start = Readiness::new();
        let waiting = Waiting::new(start.clone(), None);
        let first = hold(&database, &one, WhenHeld::Refuse, &waiting).await.ok().unwrap();
        let refused = hold(&database, &other, WhenHeld::Refuse, &waiting).await.unwrap_err();
        assert!(refused.message().contains(&holder(&one).unwrap()), "{}", refused.message());
        let second = async {
            testkit::eventually!(Duration::from_secs(5), start.get().unwrap_err().contains("held by"));
            first.release(&database).await.unwrap();
        };
        let (held, ()) = tokio::join!(hold(&database, &other, WhenHeld::Wait, &waiting), second);
        assert_eq!(held.ok().unwrap().fence(), 2);
    }

    #[tokio::test]
    async fn a_catalog_that_was_killed_goes_on_at_once_where_it_was() {
        let folder = testkit::temp_dir();
        let database = store(&folder).await;
        let waiting = Waiting::new(Readiness::new(), None);
        for fence in 1..3 {
            let dir = DataDir::acquire(&folder.path().join("data")).unwrap();
            let lease = hold(&database, &dir, WhenHeld::Refuse, &waiting).await.ok().unwrap();
            assert_eq!(lease.fence(), fence);
        }
    }

    #[tokio::test]
    async fn who_lost_the_lease_ends() {
        let folder = testkit::temp_dir();
        let database = store(&folder).await;
        let dir = DataDir::acquire(&folder.path().join("data")).unwrap();
        let waiting = Waiting::new(Readiness::new(), None);
        let lease = hold(&database, &dir, WhenHeld::Refuse, &waiting).await.ok().unwrap();
        lease.clone().release(&database).await.unwrap();
        assert!(keep(database, lease, Duration::ZERO, CancellationToken::new()).await.is_err());
    }
}
