//! Claims that were dropped before they ended, to be given back when the process stops in order.
//!
//! A stop drops long work where it stands, and there nothing can be written any more. So the last clone of a claim
//! leaves word of itself, and whoever closes the database gives back what is still held by then. A panic leaves no word:
//! that attempt was lost.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use types::Timestamp;

use super::lost::Orphans;
use crate::{Conn, Database, Error};

/// The claims that were dropped lately, the oldest first. Most of them had ended.
#[derive(Default)]
pub(crate) struct Dropped(Mutex<VecDeque<Word>>);

/// What a claim leaves.
pub(crate) struct Word {
    orphans: Orphans,
    id: String,
    fence: i64,
    /// Its lease has ended by then, because nobody is left to renew it.
    until: Timestamp,
}

impl Dropped {
    fn add(&self, word: Word, now: Timestamp) {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while words.front().is_some_and(|oldest| oldest.until <= now) {
            words.pop_front();
        }
        words.push_back(word);
    }

    fn take(&self) -> VecDeque<Word> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the clones of a claim share.
pub(super) struct Hold {
    pub db: Database,
    pub lease: Duration,
    pub orphans: Orphans,
    pub id: String,
    pub fence: i64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let now = self.db.now();
        let (orphans, id) = (self.orphans.clone(), std::mem::take(&mut self.id));
        self.db.dropped().add(Word { orphans, id, fence: self.fence, until: now + self.lease }, now);
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold").field("id", &self.id).field("fence", &self.fence).finish_non_exhaustive()
    }
}

/// Gives back what was claimed here and dropped, and is still held: it is queued, and that attempt never was. Tells how
/// many there were.
pub(crate) async fn give_back(db: &Database) -> Result<u64, Error> {
    let (words, now) = (db.dropped().take(), db.now());
    if words.is_empty() {
        return Ok(0);
    }
    db.write(move |conn| {
        Box::pin(async move {
            let mut given = 0;
            for (queue, id, fence, lost) in running(conn).await? {
                let is_it = |word: &&Word| word.orphans.queue == queue && word.id == id && word.fence == fence;
                let Some(word) = words.iter().find(is_it) else { continue };
                word.orphans.queue_again(conn, &id, lost, now).await?;
                given += 1;
            }
            Ok(given)
        })
    })
    .await
}

/// Queue, id, fencing number and attempts lost in a row of all that runs.
async fn running(conn: &mut Conn) -> Result<Vec<(String, String, i64, u32)>, Error> {
    crate::query_as("SELECT queue, id, fence, lost FROM work WHERE phase = 'running'").fetch_all(conn).await
}
