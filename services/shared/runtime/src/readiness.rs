//! Whether a role takes calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Whether a role takes calls, and if not, why. Clones share the state.
#[derive(Debug, Clone)]
pub struct Readiness {
    state: Arc<watch::Sender<Result<(), String>>>,
    drains: Arc<AtomicBool>,
}

impl Readiness {
    /// Not ready yet: `starting`.
    pub fn new() -> Self {
        let state = Arc::new(watch::Sender::new(Err("starting".to_owned())));
        Self { state, drains: Arc::default() }
    }

    /// Takes calls from now on.
    pub fn set_ready(&self) {
        self.state.send_if_modified(|state| std::mem::replace(state, Ok(())).is_err());
    }

    /// Takes no calls from now on, because of `reason`.
    pub fn set_not_ready(&self, reason: impl Into<String>) {
        let _before = self.state.send_replace(Err(reason.into()));
    }

    /// Takes no calls from now on, because it stops. Whoever chooses among processes chooses another one; a call that
    /// is here already, or comes by a connection that still stands, is served: it may be one that nobody can repeat.
    pub fn set_stopping(&self) {
        self.drains.store(self.get().is_ok(), Ordering::SeqCst);
        self.set_not_ready("stopping");
    }

    /// Whether a call that came here is served; if not, why.
    pub fn admits(&self) -> Result<(), String> {
        self.get().or_else(|why| if self.drains.load(Ordering::SeqCst) { Ok(()) } else { Err(why) })
    }

    /// The present state.
    pub fn get(&self) -> Result<(), String> {
        self.state.borrow().clone()
    }

    /// Tells of every change.
    pub fn watch(&self) -> watch::Receiver<Result<(), String>> {
        self.state.subscribe()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_not_ready_until_it_is_said_to_be() {
        let ready = Readiness::new();
        assert_eq!(ready.get(), Err("starting".to_owned()));
        let mut watch = ready.clone().watch();
        ready.set_ready();
        assert_eq!(ready.get(), Ok(()));
        assert!(watch.has_changed().unwrap());
        watch.borrow_and_update();
        ready.set_ready();
        assert!(!watch.has_changed().unwrap(), "nothing changed");
        ready.set_not_ready("draining");
        assert_eq!(ready.get(), Err("draining".to_owned()));
        assert!(ready.admits().is_err());
    }

    #[test]
    fn a_role_that_stops_is_not_ready_and_serves_what_comes_all_the_same() {
        let ready = Readiness::new();
        ready.set_stopping();
        assert!(ready.admits().is_err(), "it was never ready");
        let ready = Readiness::new();
        ready.set_ready();
        ready.set_stopping();
        assert_eq!((ready.get(), ready.admits()), (Err("stopping".to_owned()), Ok(())));
    }
}
