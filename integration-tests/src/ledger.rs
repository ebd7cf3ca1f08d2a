//! What the stores say of events: given, applied, given up.

use std::collections::BTreeMap;
use std::process::Command;

use sqlx::{Connection as _, Row as _, SqliteConnection};

use crate::Mesh;
use crate::postgres::{USER, programs};

/// The things of which a role publishes events.
const THINGS: [(&str, &str); 3] = [
    ("discovery", "millrace.discovery.dataset"),
    ("profiling", "millrace.profiling.job"),
    ("catalog", "millrace.catalog.dataset"),
];

/// Who consumes them, and in whose store it notes so.
const CONSUMERS: [(&str, &str, &str); 4] = [
    ("profiling.discovery", "profiling", "millrace.discovery.dataset"),
    ("profiling.uploads", "profiling", "millrace.catalog.dataset"),
    ("catalog.discovery", "catalog", "millrace.discovery.dataset"),
    ("catalog.profiling", "catalog", "millrace.profiling.job"),
];

/// What must be empty once all is done.
const LEFT_OVERS: [(&str, &str); 4] = [
    (
        "events not published",
        "SELECT CAST(count(*) AS TEXT) FROM outbox
            WHERE NOT EXISTS (SELECT 1 FROM outbox_sent WHERE position BETWEEN first AND last)",
    ),
    ("dead letters", "SELECT CAST(count(*) AS TEXT) FROM dead_letters"),
    ("events parked", "SELECT CAST(count(*) AS TEXT) FROM parked_events"),
    ("failed tries", "SELECT CAST(count(*) AS TEXT) FROM event_attempts"),
];

/// The stores of a mesh.
pub struct Ledger<'a>(&'a Mesh);

impl<'a> Ledger<'a> {
    /// The stores of `mesh`, which may run meanwhile.
    pub fn of(mesh: &'a Mesh) -> Self {
        Self(mesh)
    }

    /// Compares what was given with what was applied. Gives how many events had their effect, or what is wrong.
    pub async fn balance(&self) -> Result<i64, Vec<String>> {
        let (mut wrong, mut applied) = (Vec::new(), 0);
        let mut given = BTreeMap::new();
        for (role, thing) in THINGS {
            given.insert(thing, self.sequences(role, "event_sequences", "").await);
            for (what, query) in LEFT_OVERS {
                let count = self.text(role, query).await;
                if count != "0" {
                    wrong.push(format!("{role} has {count} {what}"));
                }
            }
        }
        for (consumer, role, thing) in CONSUMERS {
            let of_it = format!(" AND consumer = '{consumer}'");
            let last = self.sequences(role, "inbox", &of_it).await;
            applied += last.values().map(|(_, last)| last).sum::<i64>();
            wrong.extend(differences(consumer, thing, &given[thing], &last));
        }
        if wrong.is_empty() { Ok(applied) } else { Err(wrong) }
    }

    /// The last sequence of each key.
    async fn sequences(&self, role: &str, table: &str, filter: &str) -> BTreeMap<String, (String, i64)> {
        let query = format!("SELECT thing, key, CAST(last AS TEXT) FROM {table} WHERE thing LIKE 'millrace.%'{filter}");
        let rows = self.rows(role, &query).await;
        rows.into_iter()
            .map(|row| (format!("{} {}", row[0], row[1]), (row[0].clone(), row[2].parse().expect("it is a number"))))
            .collect()
    }

    /// The one text that a statement gives.
    pub async fn text(&self, role: &str, query: &str) -> String {
        self.rows(role, query).await.remove(0).remove(0)
    }

    /// The rows that a query gives, each column a text.
    async fn rows(&self, role: &str, query: &str) -> Vec<Vec<String>> {
        if let Some(url) = self.0.state_url() {
            let printed = psql(url, role, query);
            return printed.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect();
        }
        let mut store = self.open(role).await;
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&mut store).await;
        let rows = rows.unwrap_or_else(|error| panic!("{role}: {query}: {error}"));
        let texts = rows.iter().map(|row| (0..row.len()).map(|column| row.get::<String, _>(column)).collect());
        let texts = texts.collect();
        store.close().await.expect("a connection can be closed");
        texts
    }

    /// Changes the store of a role by hand, as only a test may.
    pub async fn execute(&self, role: &str, statement: &str) {
        if let Some(url) = self.0.state_url() {
            psql(url, role, statement);
            return;
        }
        let mut store = self.open(role).await;
        let done = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut store).await;
        done.unwrap_or_else(|error| panic!("{role}: {statement}: {error}"));
        store.close().await.expect("a connection can be closed");
    }

    /// Bytes as the store writes them in a statement.
    pub fn bytes(&self, bytes: &[u8]) -> String {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if self.0.state_url().is_some() { format!("'\\x{hex}'") } else { format!("x'{hex}'") }
    }

    /// Makes a role's store refuse new rows of `table` whose `column` is `value`.
    pub async fn refuse(&self, role: &str, table: &str, column: &str, value: &str) {
        let before = format!("CREATE TRIGGER refused BEFORE INSERT ON {table}");
        let Some(url) = self.0.state_url() else {
            let refusal = "BEGIN SELECT RAISE(FAIL, 'refused'); END";
            return self.execute(role, &format!("{before} WHEN NEW.{column} = '{value}' {refusal}")).await;
        };
        let function = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''refused''; END'";
        let trigger = format!("{before} FOR EACH ROW WHEN (NEW.{column} = '{value}') EXECUTE FUNCTION refuse()");
        psql(url, role, &format!("{function}; {trigger}"));
    }

    /// Takes that back.
    pub async fn refuse_no_more(&self, role: &str, table: &str) {
        match self.0.state_url() {
            None => self.execute(role, "DROP TRIGGER refused").await,
            Some(_) => self.execute(role, &format!("DROP TRIGGER refused ON {table}")).await,
        }
    }

    async fn open(&self, role: &str) -> SqliteConnection {
        let url = format!("sqlite:{}", self.0.data_of(role).join(format!("{role}.db")).display());
        SqliteConnection::connect(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"))
    }
}

/// Runs statements in the schema of a role; gives the rows, a line each, with bars between the columns.
fn psql(url: &str, role: &str, statements: &str) -> String {
    let mut psql = Command::new(programs("the ledger").expect("PostgreSQL is there").join("psql"));
    psql.env("PGUSER", USER).env("PGOPTIONS", format!("-c search_path=millrace_{role}"));
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
    let done = psql.args(["-d", url, "-c", statements]).output().expect("psql is there");
    assert!(done.status.success(), "{role}: {statements}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn differences(
    consumer: &str,
    thing: &str,
    given: &BTreeMap<String, (String, i64)>,
    applied: &BTreeMap<String, (String, i64)>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, (_, last)) in given.iter().filter(|(_, (of, _))| of == thing) {
        let seen = applied.get(key).map_or(0, |(_, last)| *last);
        if seen != *last {
            wrong.push(format!("{consumer} applied {seen} of {last} events of {key}"));
        }
    }
    let unknown = applied.iter().filter(|(key, (of, _))| of == thing && !given.contains_key(*key));
    wrong.extend(unknown.map(|(key, _)| format!("{consumer} applied events of {key} that nobody gave")));
    wrong
}
