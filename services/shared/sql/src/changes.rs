//! Change numbers, from the table `change_counter`.

use crate::{Conn, Error};

/// Gives the next change number, within the caller's write transaction.
///
/// The counter's row stays locked until that transaction ends, so numbers commit in the order in which they were
/// given: a reader that saw number n has seen all below n. Store it in the column `change` of the row that changed.
pub async fn next_change(conn: &mut Conn) -> Result<i64, Error> {
    let change = crate::query_scalar("UPDATE change_counter SET value = value + 1 WHERE id = 1 RETURNING value")
        .fetch_one(conn)
        .await?;
    Ok(change)
}
