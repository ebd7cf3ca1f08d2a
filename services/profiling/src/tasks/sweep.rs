//! Sweeps the objects that nothing names: bytes of jobs that failed or were superseded, what killed workers left.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use objects::{Key, ObjectMeta, ObjectStore, ObjectStoreExt, Put, PutResult};
use runtime::{Reconcile, Report, SystemScope};
use sql::{Database, keeping};
use types::{BoxError, Span};

use crate::{Error, metrics, store};

/// What profiling puts lies beneath these.
const PREFIXES: [&str; 3] = ["content/", "profiles/", "states/"];
/// How many objects one round looks at.
const PAGE: usize = 1000;
/// The object that says which database the objects belong to.
const MARKER: &str = "owners/profiling";

/// The loop `profiling.sweep`. What a round that is lost gave up and had not deleted, the next one deletes; several
/// processes may sweep at once. See [`sql::keeping`] for why none takes what is being taken up.
pub struct Sweep {
    /// The state.
    pub db: Database,
    /// Where profiles and kept bytes lie.
    pub objects: Arc<dyn ObjectStore>,
    /// How old an object is at least that is swept.
    pub grace: Span,
    /// The right to look across tenants.
    pub scope: SystemScope,
    /// Where the next round goes on.
    pub place: Place,
}

/// How far a sweep has come.
#[derive(Debug, Default)]
pub struct Place {
    prefix: usize,
    after: Option<Key>,
    swept: usize,
}

#[async_trait]
impl Reconcile for Sweep {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        if self.place.after.is_none() {
            self.own_objects().await?;
        }
        let page = self
            .objects
            .list(PREFIXES[self.place.prefix], self.place.after.as_ref(), PAGE)
            .await
            .map_err(Error::from)?;
        let (now, grace) = (self.db.now(), self.grace.as_duration());
        let old: Vec<_> =
            page.iter().filter(|object| object.modified.is_some_and(|modified| modified + grace <= now)).collect();
        self.place.swept += self.sweep(&old).await?;
        let (swept, is_last) = (self.place.swept, page.len() < PAGE);
        match (page.into_iter().next_back(), self.place.prefix + 1 == PREFIXES.len()) {
            (Some(last), _) if !is_last => self.place.after = Some(last.key),
            (_, true) => {
                self.place = Place::default();
                return Ok(if swept == 0 { Report::idle() } else { Report::done(format!("swept {swept} objects")) });
            }
            (_, false) => self.place = Place { prefix: self.place.prefix + 1, after: None, swept },
        }
        Ok(Report::more(format!("swept {swept} objects so far")))
    }
}

impl Sweep {
    /// Deletes those of `old` that nothing names; tells how many.
    async fn sweep(&self, old: &[&ObjectMeta]) -> Result<usize, Error> {
        let (keys, scope, now) =
            (old.iter().map(|object| object.key.clone()).collect::<Vec<_>>(), self.scope, self.db.now());
        let unnamed =
            self.db.read(move |conn| Box::pin(async move { store::unnamed(conn, scope, keys).await })).await?;
        if unnamed.is_empty() {
            return Ok(0);
        }
        let give_up =
            self.db.write(move |conn| Box::pin(async move { store::give_up(conn, scope, unnamed, now).await }));
        let given_up = give_up.await?;
        for key in &given_up {
            self.objects.delete(key).await?;
            let size_bytes = old.iter().find(|object| object.key == *key).map_or(0, |object| object.size_bytes);
            metrics::swept(size_bytes);
            tracing::debug!(object.key = %key, size_bytes, "swept an object that nothing names");
        }
        Ok(given_up.len())
    }

    /// Sees that the objects belong to this database: one that is new, or another mesh's, names none of them.
    async fn own_objects(&self) -> Result<(), Error> {
        let ours = self.db.write(|conn| Box::pin(async move { keeping::owner(conn).await })).await?;
        let marker: Key = MARKER.parse().map_err(objects::Error::from)?;
        let put = self.objects.put_bytes(&marker, Bytes::from(ours.clone()), Put::IfAbsent).await?;
        if matches!(put, PutResult::Stored(_)) {
            return Ok(());
        }
        let theirs = String::from_utf8_lossy(&self.objects.get_bytes(&marker, 1 << 10).await?).into_owned();
        if theirs == ours { Ok(()) } else { Err(Error::ForeignObjects { marker: MARKER.to_owned(), ours, theirs }) }
    }
}
