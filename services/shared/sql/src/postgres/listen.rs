//! Telling other processes that something changed, and hearing it of them.
//!
//! The word does not travel in the transaction of the change: PostgreSQL lets only one transaction with a notification
//! commit at a time on the whole server, which would make the writers of all schemas wait for each other's disk. It
//! follows the commit, one for all commits since the last. One that is lost, because its process was killed, is made
//! up for by the rounds that loops make anyway.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use types::Clock;

use super::Server;
use crate::Error;

/// How often a process speaks to itself, to learn that it is heard, and looks at the server's clock.
const BEAT: Duration = Duration::from_secs(15);
/// How long a silence may last.
const SILENCE: Duration = Duration::from_secs(40);
/// The least time between two words. The first after a pause is said at once; each costs every process that hears it a
/// look, so that in a busy time one word stands for many commits.
const BREATH: Duration = Duration::from_millis(20);

impl Server {
    /// Ticks `changed` when another process committed, and tells others of our commits, until that fails.
    pub async fn listen(&self, changed: &watch::Sender<u64>, clock: &dyn Clock) -> Result<Infallible, Error> {
        let mut listener = self.listener().await?;
        // What was committed before we listened.
        changed.send_modify(|commits| *commits += 1);
        tokio::select! {
            ended = self.hear(&mut listener, changed) => ended,
            ended = self.tell(clock) => ended,
        }
    }

    async fn listener(&self) -> Result<PgListener, Error> {
        let pool =
            PgPoolOptions::new().max_connections(1).acquire_timeout(SILENCE).connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await?;
        Ok(listener)
    }

    async fn hear(&self, listener: &mut PgListener, changed: &watch::Sender<u64>) -> Result<Infallible, Error> {
        loop {
            let heard = timeout(SILENCE, listener.try_recv()).await;
            let word = heard.map_err(|_| lost("nothing is heard"))??.ok_or_else(|| lost("the connection was cut"))?;
            if !word.payload().starts_with(&self.process) && word.payload().ends_with(COMMITTED) {
                changed.send_modify(|commits| *commits += 1);
            }
        }
    }

    async fn tell(&self, clock: &dyn Clock) -> Result<Infallible, Error> {
        let mut commits = self.committed.subscribe();
        // Commits before this loop began, or while it was broken.
        self.say(COMMITTED).await?;
        let mut beat = Instant::now() + BEAT;
        loop {
            tokio::select! {
                ticked = commits.changed() => {
                    ticked.map_err(|_| lost("the database was closed"))?;
                    commits.mark_unchanged();
                    self.say(COMMITTED).await?;
                    sleep(BREATH).await;
                }
                () = sleep_until(beat) => {
                    self.say("here").await?;
                    self.learn_clock(clock).await?;
                    beat = Instant::now() + BEAT;
                }
            }
        }
    }

    /// Says a word on the schema's channel. It need not be on disk before it is heard.
    async fn say(&self, word: &str) -> Result<(), Error> {
        let mut lent = self.readers.begin("BEGIN; SET LOCAL synchronous_commit = off").await?;
        let notify = format!("NOTIFY \"{}\", '{} {word}'", self.channel, self.process);
        lent.run(async |conn| sqlx::raw_sql(AssertSqlSafe(notify)).execute(conn).await.map(drop)).await?;
        lent.end("COMMIT").await
    }
}

const COMMITTED: &str = "committed";

fn lost(why: &'static str) -> Error {
    Error::Unavailable(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, why)))
}
