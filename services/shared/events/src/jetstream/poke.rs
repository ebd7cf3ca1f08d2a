//! Pokes between processes: something was published.

use std::collections::BTreeSet;

use async_nats::Client;
use futures::StreamExt;
use proto::common::v1::EventEnvelope;
use tokio::sync::watch;

use super::names::Names;
use crate::{BusError, event, topology};

/// What changes when something may have been published, in all and in the stream of each service.
#[derive(Clone)]
pub(super) struct Pokes {
    all: watch::Sender<u64>,
    each: Vec<(&'static str, watch::Sender<u64>)>,
}

impl Pokes {
    pub fn new() -> Self {
        let each = topology::STREAMS.iter().map(|stream| (stream.service, watch::Sender::new(0)));
        Self { all: watch::Sender::new(0), each: each.collect() }
    }

    /// Hears of every publication.
    pub fn of_all(&self) -> watch::Receiver<u64> {
        self.all.subscribe()
    }

    /// Hears of publications in the stream of `service`; of all where there is no such stream.
    pub fn of(&self, service: &str) -> watch::Receiver<u64> {
        let stream = self.each.iter().find(|(known, _)| *known == service);
        stream.map_or(&self.all, |(_, poke)| poke).subscribe()
    }

    /// Nobody knows in which streams: all look.
    pub fn poke_all(&self) {
        self.all.send_modify(|count| *count += 1);
        self.each.iter().for_each(|(_, poke)| poke.send_modify(|count| *count += 1));
    }

    /// Pokes those that look at the streams of `services`, names with blanks between. Another process may know streams
    /// that this one does not, or tell no names.
    fn poke(&self, services: &str) {
        let told: Vec<_> = services.split(' ').collect();
        if !told.iter().all(|service| self.each.iter().any(|(known, _)| known == service)) {
            return self.poke_all();
        }
        self.all.send_modify(|count| *count += 1);
        for (_, poke) in self.each.iter().filter(|(service, _)| told.contains(service)) {
            poke.send_modify(|count| *count += 1);
        }
    }
}

/// Passes the pokes of every publisher on to `pokes`, until the connection is closed.
///
/// A poke follows the acknowledgement, so whoever looks finds the events; listening to their subjects would be told of
/// a batch before it is stored, and would carry every payload a second time. One may be lost: loops look by themselves.
pub(super) async fn listen(client: &Client, names: &Names, pokes: &Pokes) -> Result<(), BusError> {
    let mut heard = client.subscribe(names.poke()).await.map_err(BusError::unavailable)?;
    // The server must know of the subscription before anybody publishes.
    client.flush().await.map_err(BusError::unavailable)?;
    // What was published before is not poked for.
    pokes.poke_all();
    while let Some(poke) = heard.next().await {
        pokes.poke(&String::from_utf8_lossy(&poke.payload));
    }
    Ok(())
}

/// Tells this process and all others that `events` were published.
pub(super) async fn tell(client: &Client, names: &Names, pokes: &Pokes, events: &[EventEnvelope]) {
    let services: BTreeSet<_> = events.iter().map(|event| event::service(&event.subject)).collect();
    let services = services.into_iter().collect::<Vec<_>>().join(" ");
    pokes.poke(&services);
    // It fails only when the connection is closed; then others find the events when they look by themselves.
    let _ = client.publish(names.poke(), services.into()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poke_reaches_those_who_look_at_the_stream_and_one_without_names_reaches_all() {
        let pokes = Pokes::new();
        let (all, discovery, catalog) = (pokes.of_all(), pokes.of("discovery"), pokes.of("catalog"));
        let seen = || [&all, &discovery, &catalog].map(|poke| *poke.borrow());
        pokes.poke("discovery profiling");
        assert_eq!(seen(), [1, 1, 0]);
        pokes.poke("");
        assert_eq!(seen(), [2, 2, 1]);
        pokes.poke("catalog a-stream-of-tomorrow");
        assert_eq!(seen(), [3, 3, 2]);
    }
}
