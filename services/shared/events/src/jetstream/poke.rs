//! Pokes between processes: something was published.

use async_nats::Client;
use futures::StreamExt;
use tokio::sync::watch;

use super::names::Names;
use crate::BusError;

/// Passes the pokes of every publisher on to `published`, until the connection is closed.
///
/// A poke follows the acknowledgement, so whoever looks finds the events; listening to their subjects would be told of
/// a batch before it is stored, and would carry every payload a second time. One may be lost: loops look by themselves.
pub(super) async fn listen(client: &Client, names: &Names, published: &watch::Sender<u64>) -> Result<(), BusError> {
    let mut pokes = client.subscribe(names.poke()).await.map_err(BusError::unavailable)?;
    // The server must know of the subscription before anybody publishes.
    client.flush().await.map_err(BusError::unavailable)?;
    // What was published before is not poked for.
    published.send_modify(|count| *count += 1);
    while pokes.next().await.is_some() {
        published.send_modify(|count| *count += 1);
    }
    Ok(())
}

/// Tells all processes that something was published.
pub(super) async fn tell(client: &Client, names: &Names) {
    // It fails only when the connection is closed; then others find the events when they look by themselves.
    let _ = client.publish(names.poke(), bytes::Bytes::new()).await;
}
