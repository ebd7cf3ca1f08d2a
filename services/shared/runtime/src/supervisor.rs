//! Runs servers and loops, and stops them in order.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use types::{BoxError, BoxFuture, Clock};

use crate::{Grace, Readiness, Tasks, rounds};

/// A server ended though nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[error("the server `{name}` ended by itself")]
pub struct ServerError {
    name: String,
    #[source]
    cause: Option<BoxError>,
}

/// Runs servers and loops, and stops them in order.
///
/// The shutdown is one sequence: readiness off, no new connections, requests under way drained, loops stopped, then
/// the steps given to [`Supervisor::at_end`] in the order they were given: events flushed, stores closed. Dropping a
/// supervisor drops all it runs, as a kill would.
pub struct Supervisor {
    clock: Arc<dyn Clock>,
    grace: Grace,
    readiness: Vec<Readiness>,
    servers: Stage<Result<(), BoxError>>,
    loops: Stage<()>,
    last: Vec<(&'static str, BoxFuture<'static, ()>)>,
}

impl Supervisor {
    /// Nothing runs yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            grace: Grace::default(),
            readiness: Vec::new(),
            servers: Stage::new("server"),
            loops: Stage::new("loop"),
            last: Vec::new(),
        }
    }

    /// Gives each step of the shutdown other times.
    pub fn with_grace(mut self, grace: Grace) -> Self {
        self.grace = grace;
        self
    }

    /// Starts the loops of a role.
    pub fn supervise(&mut self, tasks: Tasks) {
        let board = tasks.board();
        self.readiness.push(tasks.readiness());
        for entry in tasks.entries {
            let stop = self.loops.stop.clone();
            self.loops.spawn(entry.name.clone(), rounds::run(entry, board.clone(), self.clock.clone(), stop));
        }
    }

    /// Starts a server. It gets what tells it to take no new connections; it ends once requests under way have.
    pub fn serve<F>(&mut self, name: impl Into<String>, server: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let future = server(self.servers.stop.clone());
        self.servers.spawn(name.into(), future);
    }

    /// Adds a step to the end of the shutdown, when no loop and no request runs any more.
    pub fn at_end(&mut self, name: &'static str, step: impl Future<Output = ()> + Send + 'static) {
        self.last.push((name, Box::pin(step)));
    }

    /// Says that all roles take calls.
    pub fn ready(&self) {
        for ready in &self.readiness {
            ready.set_ready();
        }
    }

    /// Runs until `stop` ends or a server does, then shuts down. Fails when it was a server.
    pub async fn run(mut self, stop: impl Future<Output = &'static str>) -> Result<(), ServerError> {
        let ended = tokio::select! {
            reason = stop => {
                tracing::info!(reason, "stopping");
                Ok(())
            }
            Some((name, result)) = self.servers.next() => {
                Err(ServerError { name, cause: result.and_then(|end| end).err() })
            }
        };
        self.shut_down().await;
        ended
    }

    async fn shut_down(mut self) {
        for ready in &self.readiness {
            ready.set_stopping();
        }
        self.servers.stop(self.grace.drain).await;
        self.loops.stop(self.grace.loops).await;
        for (name, step) in self.last {
            if tokio::time::timeout(self.grace.close, step).await.is_err() {
                tracing::warn!(step = name, "a step of the shutdown took too long and was left out");
            }
        }
    }
}

/// Tasks that stop together.
struct Stage<T> {
    what: &'static str,
    stop: CancellationToken,
    running: JoinSet<T>,
    names: HashMap<Id, String>,
}

impl<T: Send + 'static> Stage<T> {
    fn new(what: &'static str) -> Self {
        Self { what, stop: CancellationToken::new(), running: JoinSet::new(), names: HashMap::new() }
    }

    fn spawn(&mut self, name: String, future: impl Future<Output = T> + Send + 'static) {
        let id = self.running.spawn(future).id();
        self.names.insert(id, name);
    }

    /// Waits for the next one to end, by itself or by a panic.
    async fn next(&mut self) -> Option<(String, Result<T, BoxError>)> {
        let (id, result) = match self.running.join_next_with_id().await? {
            Ok((id, value)) => (id, Ok(value)),
            Err(error) => (JoinError::id(&error), Err(error.into())),
        };
        Some((self.names.remove(&id).unwrap_or_default(), result))
    }

    async fn stop(&mut self, grace: Duration) {
        self.stop.cancel();
        let all = async { while self.next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_ok() {
            return;
        }
        let mut names: Vec<_> = self.names.values().cloned().collect();
        names.sort();
        tracing::warn!(kind = self.what, names = names.join(", "), "still running after its grace period, dropped");
        self.running.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
