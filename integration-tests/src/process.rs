//! One process of a mesh.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use tokio::process::{Child, Command};

use crate::PATIENCE;
use crate::guarded::send;

/// One process of a mesh; it ends with the value.
pub(crate) struct Process {
    /// What it does: `up`, or the roles that it runs.
    pub name: String,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// A process that does not run yet, and what it writes.
    pub fn new(name: &str, log: PathBuf) -> Self {
        Self { name: name.to_owned(), log, child: None }
    }

    /// Starts it, and waits for nothing.
    pub fn spawn(&mut self, mut command: Command) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(&self.log).expect("the log can be written");
        command.stdout(log.try_clone().expect("a file can be cloned")).stderr(log).stdin(Stdio::null());
        self.child = Some(command.kill_on_drop(true).spawn().expect("the binary starts"));
    }

    /// Whether it was started, and not ended by us.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    /// Sends a signal, as `kill` names it.
    pub fn signal(&self, signal: &str) {
        send(self.pid(), signal);
    }

    /// Ends it without warning, as `kill -9` does.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().unwrap_or_else(|| panic!("{} does not run", self.name));
        child.kill().await.expect("a child can be killed");
    }

    /// Waits for the orderly end of a process that was asked to stop.
    pub async fn stopped(&mut self) {
        let mut child = self.child.take().unwrap_or_else(|| panic!("{} does not run", self.name));
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends in time");
        let ended = ended.expect("it can be waited for");
        assert!(ended.success(), "an orderly stop of {} ended with {ended}:\n{}", self.name, self.log());
    }

    /// Fails the test when it has ended by itself.
    pub fn assert_running(&mut self, since: Instant) {
        let Some(child) = self.child.as_mut() else { return };
        let ended = child.try_wait().expect("a child can be asked");
        assert!(ended.is_none(), "{} ended with {ended:?} after {:?}:\n{}", self.name, since.elapsed(), self.log());
    }

    /// All that it wrote, over all its starts.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}
