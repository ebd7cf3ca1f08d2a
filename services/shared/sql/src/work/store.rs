//! What everybody may do with rows of work. All of it happens in the caller's transaction.

use types::{TenantId, Timestamp, WorkPhase};

use super::row::{Filter, NewWork, WorkRow};
use crate::{Builder, Conn, Error, next_change};

/// Adds work to `queue`. Fails with [`Error::Unique`] when the queue has had this id before.
pub async fn insert(conn: &mut Conn, queue: &str, work: NewWork, now: Timestamp) -> Result<(), Error> {
    let change = next_change(conn).await?;
    crate::query(
        "INSERT INTO work (queue, id, tenant, resource, priority, phase, max_attempts, next_attempt, due, created, \
         input, detail, change) VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(queue)
    .bind(work.id)
    .bind(work.tenant.as_str())
    .bind(work.resource)
    .bind(work.priority)
    .bind(work.max_attempts.max(1))
    .bind(work.not_before.map(Timestamp::as_micros))
    .bind(work.not_before.filter(|begin| *begin > now).map_or(0, Timestamp::as_micros))
    .bind(now.as_micros())
    .bind(work.input)
    .bind(work.detail)
    .bind(change)
    .execute(conn)
    .await?;
    Ok(())
}

/// Gets one row.
pub async fn get(conn: &mut Conn, queue: &str, id: &str) -> Result<Option<WorkRow>, Error> {
    let row = crate::query("SELECT * FROM work WHERE queue = ? AND id = ?").bind(queue).bind(id);
    row.fetch_optional(conn).await?.as_ref().map(WorkRow::read).transpose()
}

/// Lists rows, newest first.
pub async fn list(conn: &mut Conn, queue: &str, filter: &Filter) -> Result<Vec<WorkRow>, Error> {
    let mut select = Builder::new("SELECT * FROM work");
    narrow(&mut select, queue, filter);
    select.build().fetch_all(conn).await?.iter().map(WorkRow::read).collect()
}

/// Lists the ids of rows, newest first; pages are pinned from them.
pub async fn ids(conn: &mut Conn, queue: &str, filter: &Filter) -> Result<Vec<String>, Error> {
    let mut select = Builder::new("SELECT id FROM work");
    narrow(&mut select, queue, filter);
    select.build_scalar().fetch_all(conn).await
}

fn narrow<'q>(select: &mut Builder<'q>, queue: &'q str, filter: &'q Filter) {
    select.push(" WHERE queue = ").push_bind(queue);
    if let Some(tenant) = &filter.tenant {
        select.push(" AND tenant = ").push_bind(tenant.as_str());
    }
    if let Some(resource) = &filter.resource {
        select.push(" AND resource = ").push_bind(resource);
    }
    if !filter.phases.is_empty() {
        select.push(" AND phase IN ").push_list(filter.phases.iter().map(|phase| phase.as_str()));
    }
    select.push(" ORDER BY created DESC, id DESC");
}

/// Lists rows whose change number is greater than `after`, by change number: what a watch sends next.
pub async fn changed_after(
    conn: &mut Conn,
    queue: &str,
    tenant: Option<&TenantId>,
    after: i64,
    limit: u32,
) -> Result<Vec<WorkRow>, Error> {
    crate::query(
        "SELECT * FROM work WHERE queue = ?1 AND change > ?2 AND (?3 IS NULL OR tenant = ?3) ORDER BY change LIMIT ?4",
    )
    .bind(queue)
    .bind(after)
    .bind(tenant.map(TenantId::as_str))
    .bind(limit)
    .fetch_all(conn)
    .await?
    .iter()
    .map(WorkRow::read)
    .collect()
}

/// Cancels: what nobody works on ends at once, what runs is asked to stop, what has ended stays as it is.
///
/// Gives the row as it then is, or `None` when there is none.
pub async fn cancel(conn: &mut Conn, queue: &str, id: &str, now: Timestamp) -> Result<Option<WorkRow>, Error> {
    let Some(row) = get(conn, queue, id).await? else { return Ok(None) };
    let sql = match row.status.phase {
        WorkPhase::Queued | WorkPhase::Waiting => {
            "UPDATE work SET phase = 'cancelled', cancel_requested = 1, ended = ?1, next_attempt = NULL, due = NULL, \
             change = ?2 WHERE queue = ?3 AND id = ?4"
        }
        WorkPhase::Running if !row.cancel_requested => {
            "UPDATE work SET cancel_requested = 1, change = ?2 WHERE queue = ?3 AND id = ?4"
        }
        WorkPhase::Running | WorkPhase::Succeeded | WorkPhase::Failed | WorkPhase::Cancelled => return Ok(Some(row)),
    };
    update(conn, sql, queue, id, now).await
}

/// Queues failed or cancelled work again, with all its attempts; anything else stays as it is.
///
/// Gives the row as it then is, or `None` when there is none.
pub async fn retry(conn: &mut Conn, queue: &str, id: &str, now: Timestamp) -> Result<Option<WorkRow>, Error> {
    let Some(row) = get(conn, queue, id).await? else { return Ok(None) };
    if !matches!(row.status.phase, WorkPhase::Failed | WorkPhase::Cancelled) {
        return Ok(Some(row));
    }
    let sql = "UPDATE work SET phase = 'queued', attempts = 0, lost = 0, next_attempt = ?1, due = 0, cancel_requested = 0, \
               ended = NULL, progress = NULL, change = ?2 WHERE queue = ?3 AND id = ?4";
    update(conn, sql, queue, id, now).await
}

/// Lets work that has not ended go before work of less priority. What goes first already stays as it is.
pub async fn raise(conn: &mut Conn, queue: &str, id: &str, priority: i32) -> Result<(), Error> {
    let change = next_change(conn).await?;
    let raised = crate::query(
        "UPDATE work SET priority = ?1, change = ?2 WHERE queue = ?3 AND id = ?4 AND priority < ?1 \
         AND phase IN ('queued', 'waiting', 'running')",
    );
    raised.bind(priority).bind(change).bind(queue).bind(id).execute(conn).await?;
    Ok(())
}

/// Runs `sql` with the instant, a new change number, the queue and the id as its parameters 1 to 4.
async fn update(
    conn: &mut Conn,
    sql: &'static str,
    queue: &str,
    id: &str,
    now: Timestamp,
) -> Result<Option<WorkRow>, Error> {
    let change = next_change(conn).await?;
    crate::query(sql).bind(now.as_micros()).bind(change).bind(queue).bind(id).execute(&mut *conn).await?;
    get(conn, queue, id).await
}

/// Forgets a row, whoever works on it; the worker then finds its lease lost. Tells whether there was one.
pub async fn delete(conn: &mut Conn, queue: &str, id: &str) -> Result<bool, Error> {
    let done = crate::query("DELETE FROM work WHERE queue = ? AND id = ?").bind(queue).bind(id).execute(conn).await?;
    Ok(done > 0)
}
