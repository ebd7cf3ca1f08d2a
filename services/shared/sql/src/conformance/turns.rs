//! Turns: tenants share the workers.

use std::time::Duration;

use types::{WorkError, WorkPhase};

use super::Store;
use super::work::{BACKOFF, LEASE, new, success};
use crate::work::queue::{CLAIMABLE, DUE, NEXT};
use crate::work::{self, Claim, NewWork, Outcome, Queue};
use crate::{Dialect, Error};

fn of(tenant: &str, id: &str) -> NewWork {
    NewWork { tenant: tenant.parse().unwrap(), ..new(id, 0) }
}

impl Store {
    async fn fill(&self, tenant: &str, count: usize) {
        for n in 0..count {
            self.insert(of(tenant, &format!("{tenant}-{n:02}"))).await;
        }
    }

    /// The ids of the next claims, none of which ends.
    async fn claims(&self, count: usize) -> Vec<Claim> {
        let mut claims = Vec::new();
        for _ in 0..count {
            claims.push(self.claim().await.unwrap());
        }
        claims
    }
}

fn ids(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.row.id.as_str()).collect()
}

pub async fn a_tenant_with_much_work_holds_up_nobody(store: Store) {
    store.fill("ants", 40).await;
    let workers = store.claims(4).await;
    store.clock.advance(Duration::from_secs(1));
    store.insert(NewWork { priority: -5, ..of("zebra", "alone") }).await;
    for worker in workers {
        store.finish(worker, success()).await.unwrap();
        let next = store.claim().await.unwrap();
        if next.row.id == "alone" {
            return;
        }
    }
    panic!("every worker took another row of the tenant with much work");
}

pub async fn who_has_the_fewest_running_comes_first(store: Store) {
    store.fill("a", 4).await;
    let mut running = store.claims(3).await;
    store.fill("b", 4).await;
    assert_eq!(ids(&store.claims(3).await), ["b-00", "b-01", "b-02"], "until both have three");
    store.finish(running.remove(0), success()).await.unwrap();
    assert_eq!(ids(&store.claims(2).await), ["a-03", "b-03"]);
}

pub async fn who_was_served_longest_ago_comes_first(store: Store) {
    for tenant in ["c", "b", "a"] {
        store.fill(tenant, 3).await;
    }
    let mut order = Vec::new();
    while let Some(claim) = store.claim().await {
        order.push(claim.row.id.clone());
        store.finish(claim, success()).await.unwrap();
    }
    assert_eq!(order, ["a-00", "b-00", "c-00", "a-01", "b-01", "c-01", "a-02", "b-02", "c-02"]);
}

pub async fn a_lease_that_ended_does_not_count_as_running(store: Store) {
    store.fill("a", 2).await;
    store.fill("b", 3).await;
    let held = store.claims(4).await;
    assert_eq!(ids(&held), ["a-00", "b-00", "a-01", "b-01"]);
    store.clock.advance(LEASE / 2);
    for claim in [&held[1], &held[3]] {
        claim.renew(&store.queue(), None, Vec::new(), Vec::new()).await.unwrap();
    }
    store.clock.advance(LEASE / 2);
    assert_eq!(ids(&store.claims(2).await), ["a-00", "a-01"], "nothing of `a` runs any more");
}

pub async fn a_lease_renewed_after_its_end_is_kept(store: Store) {
    store.insert(new("slow", 0)).await;
    let slow = store.claim().await.unwrap();
    store.insert(new("urgent", 5)).await;
    store.clock.advance(LEASE);
    assert_eq!(store.claim().await.unwrap().row.id, "urgent");
    slow.renew(&store.queue(), None, Vec::new(), Vec::new()).await.unwrap();
    assert!(store.claim().await.is_none(), "nobody had taken it, so it is still its worker's");
    assert_eq!(store.finish(slow, success()).await.unwrap(), WorkPhase::Succeeded);
}

pub async fn what_comes_due_is_claimed_by_priority(store: Store) {
    for (id, priority) in [("low", 0), ("high", 5)] {
        store.insert(new(id, priority)).await;
    }
    for claim in store.claims(2).await {
        let error = WorkError { reason: "HTTP_STATUS".into(), message: "503".into(), retryable: true };
        store.finish(claim, Outcome::Failed(error)).await.unwrap();
    }
    store.insert(new("middle", 3)).await;
    store.clock.advance(BACKOFF.first);
    assert_eq!(ids(&store.claims(3).await), ["high", "middle", "low"]);
}

pub async fn queues_keep_turns_apart(store: Store) {
    store.fill("a", 2).await;
    store.claims(1).await;
    let now = store.db.now();
    let done: Result<(), Error> = store
        .db
        .write(|conn| {
            Box::pin(async move {
                work::insert(conn, "others", of("b", "b"), now).await?;
                work::insert(conn, "others", of("a", "a"), now).await
            })
        })
        .await;
    done.unwrap();
    let others = Queue::new(store.db.clone(), "others", LEASE, BACKOFF);
    assert_eq!(others.claim().await.unwrap().unwrap().row.id, "a", "what runs elsewhere does not count");
    assert_eq!(store.claim().await.unwrap().row.id, "a-01");
}

/// Fills the queue with `rows` rows that wait, of which one tenant has all but one row for each of the others.
async fn fill(store: &Store, rows: u32, tenants: u32) {
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT n.i + 1 FROM n WHERE n.i < ?1) \
               INSERT INTO work (queue, id, tenant, resource, priority, phase, max_attempts, due, created, input, detail, change) \
               SELECT 'jobs', 'w' || n.i, CASE WHEN n.i < ?2 THEN 't' || n.i ELSE 'big' END, 'r' || n.i, n.i % 3, 'queued', 3, \
                      CASE WHEN n.i % 4 = 1 THEN 4000000000000000 ELSE 0 END, n.i, ?3, ?3, n.i FROM n";
    let filled = store.db.write(|conn| {
        Box::pin(async move {
            let query = crate::query(sql).bind(rows).bind(tenants).bind(b"input".to_vec());
            query.execute(conn).await?;
            crate::query("ANALYZE").execute(conn).await
        })
    });
    let filled: Result<_, Error> = filled.await;
    filled.unwrap();
}

/// How the database would run a statement of the queue.
async fn plan(store: &Store, statement: &str, bound: usize) -> String {
    let explain = match store.db.dialect() {
        Dialect::Sqlite => "EXPLAIN QUERY PLAN",
        Dialect::Postgres => "EXPLAIN",
    };
    let text: &'static str = format!("{explain} {statement}").leak();
    let column = if store.db.dialect() == Dialect::Sqlite { "detail" } else { "QUERY PLAN" };
    let rows = store.db.write(|conn| {
        Box::pin(async move {
            let query = crate::query(text).bind("jobs");
            let query = if bound > 1 { query.bind(1_000_000_i64) } else { query };
            let rows = query.fetch_all(conn).await?;
            rows.iter().map(|row| row.get::<String>(column)).collect::<Result<Vec<_>, Error>>()
        })
    });
    rows.await.unwrap().join("\n")
}

pub async fn a_claim_reads_by_indexes_alone(store: Store) {
    fill(&store, 20_000, 50).await;
    for (statement, bound) in [(CLAIMABLE, 2), (DUE, 2), (NEXT, 1)] {
        let plan = plan(&store, statement, bound).await;
        let wrong = ["SCAN work", "SCAN busy", "Seq Scan on work ", "work_by_", "work_pkey", "autoindex_work_1"];
        assert!(!wrong.iter().any(|scan| plan.contains(scan)), "{statement}\n{plan}");
    }
}

pub async fn a_short_list_is_looked_up_by_key(store: Store) {
    fill(&store, 1_000, 1).await;
    let statement = "SELECT held.* FROM json_each(?) AS wanted \
                     CROSS JOIN work AS held WHERE held.queue = 'jobs' AND held.id = wanted.value ->> 0";
    let plan = plan(&store, statement, 1).await;
    assert!(!["SCAN held", "Seq Scan on work"].iter().any(|scan| plan.contains(scan)), "{plan}");
}
