//! Whether a role takes calls.

use std::sync::Arc;

use tokio::sync::watch;

/// Whether a role takes calls, and if not, why. Clones share the state.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<watch::Sender<Result<(), String>>>);

impl Readiness {
    /// Not ready yet: `starting`.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Err("starting".to_owned()))))
    }

    /// Takes calls from now on.
    pub fn set_ready(&self) {
        self.0.send_if_modified(|state| std::mem::replace(state, Ok(())).is_err());
    }

    /// Takes no calls from now on, because of `reason`.
    pub fn set_not_ready(&self, reason: impl Into<String>) {
        let _before = self.0.send_replace(Err(reason.into()));
    }

    /// The present state.
    pub fn get(&self) -> Result<(), String> {
        self.0.borrow().clone()
    }

    /// Tells of every change.
    pub fn watch(&self) -> watch::Receiver<Result<(), String>> {
        self.0.subscribe()
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
    }
}
