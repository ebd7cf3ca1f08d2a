//! A connection in a transaction, over either back end.

use crate::{Error, postgres, sqlite};

/// A connection in a transaction, as [`Database::read`](crate::Database::read) and
/// [`Database::write`](crate::Database::write) hand it out. [`query`](crate::query) and its kin run on it.
pub struct Conn {
    pub(crate) link: Link,
    /// A statement failed. PostgreSQL then undoes the whole transaction, whatever is asked of it afterwards.
    pub(crate) failed: bool,
}

pub(crate) enum Link {
    Sqlite(sqlite::Lent),
    Postgres(postgres::Lent),
}

/// Which SQL a connection speaks, for the few statements that cannot be written for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Conn {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, failed: false }
    }

    /// Which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match self.link {
            Link::Sqlite(_) => Dialect::Sqlite,
            Link::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(crate) async fn commit(mut self) -> Result<(), Error> {
        match &mut self.link {
            Link::Sqlite(lent) => lent.commit().await,
            // The server would answer the commit with a rollback, and call that a success.
            Link::Postgres(_) if self.failed => Err(Error::other("a statement of this transaction failed before")),
            Link::Postgres(lent) => lent.end("COMMIT").await,
        }
    }

    /// Ends a transaction without effect. Where that fails, the connection is closed, which has the same effect.
    pub(crate) async fn rollback(mut self) {
        match &mut self.link {
            Link::Sqlite(lent) => lent.rollback().await,
            Link::Postgres(lent) => {
                let _closed_otherwise = lent.end("ROLLBACK").await;
            }
        }
    }
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conn").field("dialect", &self.dialect()).finish_non_exhaustive()
    }
}
