//! Pokes between processes: something was published.

use async_nats::Client;
use futures::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::names::Names;
use crate::BusError;

/// Listens to the pokes of other processes until it is dropped.
pub(super) struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Passes the pokes of every publisher on to `published`.
///
/// A poke follows the acknowledgement, so whoever looks finds the events; listening to their subjects would be told of
/// a batch before it is stored, and would carry every payload a second time. One may be lost: loops look by themselves.
pub(super) async fn listen(
    client: &Client,
    names: &Names,
    published: watch::Sender<u64>,
) -> Result<Listener, BusError> {
    let mut pokes = client.subscribe(names.poke()).await.map_err(BusError::unavailable)?;
    // The server must know of the subscription before anybody publishes.
    client.flush().await.map_err(BusError::unavailable)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "it belongs to the connection, which is a task of the driver itself, \
        holds no work, and ends with the bus"
    )]
    let task = tokio::spawn(async move {
        while pokes.next().await.is_some() {
            published.send_modify(|count| *count += 1);
        }
    });
    Ok(Listener(task))
}

/// Tells all processes that something was published.
pub(super) async fn tell(client: &Client, names: &Names) {
    // It fails only when the connection is closed; then others find the events when they look by themselves.
    let _ = client.publish(names.poke(), bytes::Bytes::new()).await;
}
