//! The server's clock, by which leases are told where several machines share a database.

use std::sync::atomic::Ordering;

use types::Clock;

use super::Server;
use crate::Error;

impl Server {
    /// Learns what the server's clock shows beyond ours.
    ///
    /// The answer is as exact as its way here is short. A difference within that is no reason to move our time.
    pub(super) async fn learn_clock(&self, clock: &dyn Clock) -> Result<(), Error> {
        if !self.server_clock {
            return Ok(());
        }
        let mut lent = self.readers.begin("BEGIN READ ONLY").await?;
        let asked = clock.now().as_micros();
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let shown: i64 = lent.run(async |conn| sqlx::query_scalar(sql).fetch_one(conn).await).await?;
        let answered = clock.now().as_micros();
        lent.end("COMMIT").await?;
        let way = (answered - asked).max(0);
        let ahead = shown - (asked + way / 2);
        let known = self.ahead();
        if ahead.abs_diff(known) > way.unsigned_abs() {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        Ok(())
    }
}
