//! All addresses of a role, and the choice among them.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, join_all, select_all};
use tokio::time::{Instant, sleep_until};

use super::ConnectSettings;
use super::names::{Lookup, Target};
use super::peer::{Peer, Probe, Standing};
use crate::Error;

/// Looks and look-ups that are under way are waited for at least so long.
const LEAST_WAIT: Duration = Duration::from_secs(1);
/// While nothing can be reached, names are resolved again so often.
const RESOLVE_WHEN_LOST: Duration = Duration::from_secs(1);

/// For each target its addresses, or why there are none.
type Found = Arc<Vec<Result<Vec<SocketAddr>, String>>>;
type Resolving = Shared<BoxFuture<'static, Found>>;

pub(super) struct Pool {
    pub(super) role: String,
    targets: Arc<Vec<Target>>,
    lookup: Lookup,
    resolve_every: Duration,
    patience: Duration,
    next: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    peers: Vec<(usize, Arc<Peer>)>,
    resolving: Option<Resolving>,
    resolved: Option<Instant>,
    /// Why a name has no address.
    unresolved: Option<String>,
    /// Since when no address serves.
    outage: Option<Instant>,
}

/// Whether a call also goes to a peer that does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Only when waiting for a better one is over, to learn why.
    Serving,
    /// At once: the call asks how the peer is.
    Any,
}

impl Pool {
    pub(super) fn new(targets: Vec<Target>, settings: &ConnectSettings) -> Self {
        Self {
            role: settings.role.clone(),
            targets: Arc::new(targets),
            lookup: settings.lookup.clone(),
            resolve_every: settings.resolve_every,
            patience: settings.patience,
            next: AtomicUsize::new(0),
            state: Mutex::default(),
        }
    }

    /// Chooses the address for a call, and waits for one, at most until `deadline`.
    pub(super) async fn choose(&self, want: Want, deadline: Option<Instant>) -> Result<Arc<Peer>, Error> {
        let begun = Instant::now();
        loop {
            let resolving = self.resolve();
            let peers = self.peers();
            let probes: Vec<_> = peers.iter().filter_map(Peer::look).collect();
            if let Some(peer) = self.least_busy(&peers, &Standing::Serving) {
                self.state().outage = None;
                return Ok(peer);
            }
            let patient_until = self.outage() + self.patience;
            let waiting = resolving.is_some() || !probes.is_empty();
            let fallback = self.least_busy(&peers, &Standing::NotServing);
            let until = match (want, &fallback) {
                (Want::Any, Some(_)) => begun,
                (Want::Any, None) if waiting => begun + LEAST_WAIT,
                (Want::Any, None) => begun,
                (Want::Serving, _) if waiting => patient_until.max(begun + LEAST_WAIT),
                (Want::Serving, _) => patient_until,
            };
            let until = deadline.map_or(until, |deadline| until.min(deadline));
            if Instant::now() >= until {
                return fallback.ok_or_else(|| self.unreachable(&peers));
            }
            let next_look = peers.iter().filter_map(|peer| peer.next_look()).min();
            news(probes, resolving, next_look.map_or(until, |at| at.min(until))).await;
        }
    }

    /// Whether another peer than `this` serves.
    pub(super) fn has_other(&self, this: &Arc<Peer>) -> bool {
        self.peers().iter().any(|peer| !Arc::ptr_eq(peer, this) && peer.standing() == Standing::Serving)
    }

    /// Whether calls still wait for an address to come back.
    pub(super) fn is_patient(&self) -> bool {
        self.outage() + self.patience > Instant::now()
    }

    /// Since when there is no address that serves; it begins when somebody asks.
    fn outage(&self) -> Instant {
        *self.state().outage.get_or_insert_with(Instant::now)
    }

    /// One of those with the fewest calls; among equals, each in its turn.
    fn least_busy(&self, peers: &[Arc<Peer>], standing: &Standing) -> Option<Arc<Peer>> {
        let fit: Vec<_> = peers.iter().filter(|peer| peer.standing() == *standing).collect();
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % fit.len().max(1);
        let (before, after) = fit.split_at(turn);
        after.iter().chain(before).min_by_key(|peer| peer.calls()).map(|peer| Arc::clone(peer))
    }

    /// Resolves the names when it is time; gives the look-up that is under way.
    fn resolve(&self) -> Option<Resolving> {
        let resolving = {
            let mut state = self.state();
            if state.resolving.is_none() && self.is_time(&state) {
                state.resolving = Some(self.look_up());
            }
            state.resolving.clone()?
        };
        match resolving.clone().now_or_never() {
            Some(found) => {
                self.apply(&found);
                None
            }
            None => Some(resolving),
        }
    }

    fn is_time(&self, state: &State) -> bool {
        let Some(resolved) = state.resolved else { return true };
        let every = if state.outage.is_some() { RESOLVE_WHEN_LOST.min(self.resolve_every) } else { self.resolve_every };
        resolved.elapsed() >= every && self.targets.iter().any(|target| target.literal().is_none())
    }

    fn look_up(&self) -> Resolving {
        let (targets, lookup) = (self.targets.clone(), self.lookup.clone());
        let found = async move { Arc::new(join_all(targets.iter().map(|target| target.resolve(&lookup))).await) };
        found.boxed().shared()
    }

    /// Takes in the addresses that were found. Those of a name that cannot be resolved now stay; those that a name does
    /// not have any more go, once the calls that they have are done.
    fn apply(&self, found: &Found) {
        let mut state = self.state();
        if state.resolving.take().is_none() {
            // Another call has done it.
            return;
        }
        state.resolved = Some(Instant::now());
        state.unresolved = found.iter().find_map(|found| found.as_ref().err().cloned());
        let mut peers = Vec::new();
        for (index, found) in found.iter().enumerate() {
            let known = state.peers.iter().filter(|(of, _)| *of == index);
            match found {
                Err(_) => peers.extend(known.cloned()),
                Ok(addresses) => peers.extend(addresses.iter().map(|address| {
                    let same = state.peers.iter().find(|(of, peer)| *of == index && peer.address == *address);
                    same.cloned().unwrap_or_else(|| (index, Peer::new(*address, &self.targets[index])))
                })),
            }
        }
        state.peers = peers;
    }

    fn peers(&self) -> Vec<Arc<Peer>> {
        self.state().peers.iter().map(|(_, peer)| peer.clone()).collect()
    }

    fn unreachable(&self, peers: &[Arc<Peer>]) -> Error {
        let lost = peers.iter().find_map(|peer| match peer.standing() {
            Standing::Lost(why) => Some(why),
            Standing::Unknown | Standing::Serving | Standing::NotServing => None,
        });
        let why = lost.or_else(|| self.state().unresolved.clone());
        Error::PeerUnreachable { role: self.role.clone(), why: why.unwrap_or_else(|| "no address answers".to_owned()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a look or a look-up ends, at most until `until`.
async fn news(probes: Vec<Probe>, resolving: Option<Resolving>, until: Instant) {
    let looks = async { if probes.is_empty() { pending::<()>().await } else { drop(select_all(probes).await) } };
    let names = async {
        match resolving {
            Some(resolving) => drop(resolving.await),
            None => pending::<()>().await,
        }
    };
    tokio::select! {
        () = looks => {}
        () = names => {}
        () = sleep_until(until) => {}
    }
}
