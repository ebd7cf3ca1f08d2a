//! Readers that stop reading: their calls are cut.
//!
//! While a client takes nothing, HTTP/2 holds its answer back and asks the body for no more, so that no timer within the body
//! ever fires. Hence every answer under way is on a list, and a loop looks through it.
//!
//! - `gateway_stalled_readers_total`: answers that were cut because their client took nothing for too long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use runtime::{Period, Reconcile, Report};
use tokio::time::Instant;
use types::BoxError;

use super::body::Flow;
use crate::Error;

/// The answers under way. Clones share them.
#[derive(Clone)]
pub struct Readers(Arc<Shared>);

struct Shared {
    limit: Duration,
    next: AtomicU64,
    answers: Mutex<HashMap<u64, Weak<Mutex<Flow>>>>,
}

/// An answer is on the list until this is dropped.
pub struct Listed {
    readers: Readers,
    number: u64,
}

impl Readers {
    /// None yet; one that takes nothing for `limit` is cut.
    pub fn new(limit: Duration) -> Self {
        Self(Arc::new(Shared { limit, next: AtomicU64::new(0), answers: Mutex::default() }))
    }

    /// How often to look: a reader is cut at most a quarter of its time too late.
    pub fn period(&self) -> Period {
        Period::every((self.0.limit / 4).clamp(Duration::from_millis(100), Duration::from_secs(60)))
    }

    /// Puts an answer on the list.
    pub fn list(&self, flow: &Arc<Mutex<Flow>>) -> Listed {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.answers().insert(number, Arc::downgrade(flow));
        Listed { readers: self.clone(), number }
    }

    /// Cuts the answers of which nothing was taken for too long; tells how many.
    pub fn cut(&self) -> usize {
        let limit = self.0.limit;
        let now = Instant::now();
        let flows: Vec<_> = self.answers().values().filter_map(Weak::upgrade).collect();
        let mut cut = 0;
        for flow in flows {
            let mut flow = flow.lock().unwrap_or_else(PoisonError::into_inner);
            if flow.waits_since().is_some_and(|since| now.duration_since(since) >= limit) {
                flow.cut(&Error::ReaderStalled { limit });
                cut += 1;
            }
        }
        metrics::counter!("gateway_stalled_readers_total").increment(cut);
        usize::try_from(cut).unwrap_or(usize::MAX)
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<Mutex<Flow>>>> {
        self.0.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.readers.answers().remove(&self.number);
    }
}

/// The loop `gateway.readers`. It keeps nothing: a round that is lost is made up for by the next.
pub struct Cut(pub Readers);

#[async_trait]
impl Reconcile for Cut {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        match self.0.cut() {
            0 => Ok(Report::idle()),
            cut => Ok(Report::done(format!("cut {cut} readers that had stopped reading"))),
        }
    }
}
