//! What the codes of both databases mean.

use sqlx::postgres::{PgDatabaseError, PgSeverity};
use sqlx::sqlite::SqliteError;

use super::Error;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy(error),
            // SQLite reports these as codes; here they are of the way to a server.
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => Self::Unavailable(error),
            sqlx::Error::Tls(_) => Self::Refused(error),
            sqlx::Error::Database(reported) => {
                if let Some(reported) = reported.try_downcast_ref::<PgDatabaseError>() {
                    of_postgres(reported)(error)
                } else if reported.try_downcast_ref::<SqliteError>().is_some() {
                    let code = reported.code().and_then(|code| code.parse().ok());
                    code.map_or(Self::Other as fn(_) -> _, of_sqlite)(error)
                } else {
                    Self::Other(error)
                }
            }
            _ => Self::Other(error),
        }
    }
}

/// `SQLITE_IOERR_SHMSIZE`.
const SHARED_MEMORY_CANNOT_GROW: u32 = 4874;

/// <https://www.sqlite.org/rescode.html>: the low byte is the primary code.
fn of_sqlite(code: u32) -> fn(sqlx::Error) -> Error {
    match (code & 0xff, code) {
        (5 | 6, _) => Error::Busy,
        (8, _) => Error::ReadOnly,
        (11 | 26, _) => Error::Corrupt,
        // A full disk shows first where the file of shared memory cannot grow, when a database is opened.
        (13, _) | (10, SHARED_MEMORY_CANNOT_GROW) => Error::Full,
        (10, _) => Error::Disk,
        (19, 1555 | 2067) => Error::Unique,
        (19, 787) => Error::ForeignKey,
        _ => Error::Other,
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(reported: &PgDatabaseError) -> fn(sqlx::Error) -> Error {
    let is_fatal = matches!(reported.severity(), PgSeverity::Fatal | PgSeverity::Panic);
    match reported.code() {
        "23505" => Error::Unique,
        "23503" => Error::ForeignKey,
        // Of the resources, only a full disk needs somebody; too many connections, or too little memory, pass.
        "53100" => Error::Full,
        code if code.starts_with("53") => Error::Busy,
        "25006" => Error::ReadOnly,
        code if code.starts_with("58") => Error::Disk,
        // A statement or the wait for a lock took too long; a transaction has to be repeated.
        "57014" | "55P03" | "40001" | "40P01" => Error::Busy,
        // The server goes down, comes up, or has cut a transaction that was silent.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => Error::Unavailable,
        code if code.starts_with("08") => Error::Unavailable,
        // Another process brought the schema up to date under a statement that was prepared before.
        _ if is_outdated(reported) => Error::Unavailable,
        // User, password, database, rights.
        "28000" | "28P01" | "3D000" | "42501" => Error::Refused,
        // What a session is to begin with is unknown to the server, or wrong: no wait mends that.
        "42704" | "22023" | "0A000" if is_fatal => Error::Refused,
        "XX001" | "XX002" => Error::Corrupt,
        "22021" | "22P05" => Error::Unstorable,
        // Whatever was wrong, the server has ended this session and may have others: with a full disk it cannot even write the
        // caches of a new one, and calls that an internal error.
        _ if is_fatal => Error::Unavailable,
        _ => Error::Other,
    }
}

/// Whether a statement was prepared before its tables were changed. On its connection it would fail for ever.
pub(crate) fn is_stale(error: &sqlx::Error) -> bool {
    let reported = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    reported.is_some_and(is_outdated)
}

fn is_outdated(reported: &PgDatabaseError) -> bool {
    reported.code() == "0A000" && reported.routine() == Some("RevalidateCachedQuery")
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;
    use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use types::{ErrorKind, Fault as _};

    use super::*;

    /// What is made of a server that ends a session with `code` as it begins.
    async fn at_start(code: &str) -> Error {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fields = format!("SFATAL\0VFATAL\0C{code}\0Mno\0\0");
        let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
        let answer = [b"E".as_slice(), length.as_slice(), fields.as_bytes()].concat();
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            assert!(socket.read(&mut [0; 1024]).await.unwrap() > 0);
            socket.write_all(&answer).await.unwrap();
        };
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).ssl_mode(PgSslMode::Disable);
        tokio::join!(PgConnection::connect_with(&options), server).0.unwrap_err().into()
    }

    #[tokio::test]
    async fn a_session_that_can_never_begin_is_told_from_a_server_that_is_away() {
        // An option that the server does not know, one that has a wrong value, a protocol that it does not speak.
        for code in ["42704", "22023", "0A000"] {
            assert_eq!(at_start(code).await.reason(), "STORE_REFUSED", "{code}");
        }
        for code in ["57P03", "XX000", "55000"] {
            assert_eq!(at_start(code).await.reason(), "STORE_UNAVAILABLE", "{code}");
        }
    }

    #[tokio::test]
    async fn an_option_that_the_server_does_not_know_is_refused() {
        let Some(server) = testkit::Postgres::shared("an_option_that_the_server_does_not_know_is_refused") else {
            return;
        };
        for (name, value) in [("no_such_setting", "1"), ("statement_timeout", "soon")] {
            let options: PgConnectOptions = server.url("postgres").parse().unwrap();
            let options = options.username("postgres").ssl_mode(PgSslMode::Disable).options([(name, value)]);
            let refused: Error = PgConnection::connect_with(&options).await.unwrap_err().into();
            assert_eq!(refused.reason(), "STORE_REFUSED", "{refused:?}");
        }
    }

    #[test]
    fn a_failure_of_the_disk_is_told_from_a_full_one_and_from_a_defect() {
        let of = |code| of_sqlite(code)(sqlx::Error::PoolClosed);
        // `SQLITE_IOERR_WRITE`, `SQLITE_IOERR_FSYNC`, and what a full disk says.
        assert_eq!(
            [778, 1034, 4874, 13].map(|code| of(code).reason()),
            ["STORE_DISK_FAILED", "STORE_DISK_FAILED", "DISK_FULL", "DISK_FULL"]
        );
        let failed = of(778);
        assert_eq!(failed.kind(), ErrorKind::Unavailable);
        assert!(failed.retry_after().is_some());
    }
}
