//! Leases.

use std::time::Duration;

use super::Store;
use crate::{Error, Lease};

const LEASE: Duration = Duration::from_secs(30);

impl Store {
    async fn take(&self, name: &str, holder: &str) -> Option<Lease> {
        Lease::acquire(&self.db, name, holder, LEASE).await.unwrap()
    }

    async fn act(&self, lease: &Lease) -> Result<(), Error> {
        let (lease, now) = (lease.clone(), self.db.now());
        self.db.write(|conn| Box::pin(async move { lease.check(conn, now).await })).await
    }
}

pub async fn a_lease_is_taken_once(store: Store) {
    let holders = ["a", "b", "c", "d"];
    let taken = futures::future::join_all(holders.map(|holder| store.take("catalog", holder))).await;
    assert_eq!(taken.iter().flatten().count(), 1);
    let (holder, until) = Lease::holder(&store.db, "catalog").await.unwrap().unwrap();
    assert_eq!(until, store.db.now() + LEASE);
    let ticks = store.db.changed();
    assert!(store.take("catalog", &holder).await.is_none(), "its holder cannot take it twice either");
    assert!(!ticks.has_changed().unwrap(), "who finds it taken writes nothing");
}

pub async fn a_lease_that_ended_is_taken_by_another_and_the_first_is_fenced_off(store: Store) {
    let first = store.take("catalog", "a").await.unwrap();
    store.clock.advance(LEASE - Duration::from_micros(1));
    assert!(store.take("catalog", "b").await.is_none());
    store.act(&first).await.unwrap();
    store.clock.advance(Duration::from_micros(1));
    assert!(matches!(store.act(&first).await, Err(Error::LostLease { id }) if id == "catalog"));
    assert_eq!(Lease::holder(&store.db, "catalog").await.unwrap(), None);
    let second = store.take("catalog", "b").await.unwrap();
    assert!(second.fence() > first.fence());
    assert!(matches!(first.renew(&store.db, LEASE).await, Err(Error::LostLease { .. })));
    first.release(&store.db).await.unwrap();
    store.act(&second).await.unwrap();
}

pub async fn a_renewed_lease_is_held(store: Store) {
    let lease = store.take("catalog", "a").await.unwrap();
    for _ in 0..3 {
        store.clock.advance(LEASE - Duration::from_secs(1));
        lease.renew(&store.db, LEASE).await.unwrap();
        assert!(store.take("catalog", "b").await.is_none());
    }
}

pub async fn a_lease_that_ended_and_nobody_took_is_renewed(store: Store) {
    let lease = store.take("catalog", "a").await.unwrap();
    store.clock.advance(LEASE * 2);
    assert!(store.act(&lease).await.is_err());
    lease.renew(&store.db, LEASE).await.unwrap();
    store.act(&lease).await.unwrap();
    assert!(store.take("catalog", "b").await.is_none());
    lease.clone().release(&store.db).await.unwrap();
    assert!(matches!(lease.renew(&store.db, LEASE).await, Err(Error::LostLease { .. })));
}

pub async fn a_lease_is_resumed_by_its_holder_alone_and_fences_off_what_came_before(store: Store) {
    let first = store.take("catalog", "a").await.unwrap();
    assert!(Lease::resume(&store.db, "catalog", "b", LEASE).await.unwrap().is_none());
    let second = Lease::resume(&store.db, "catalog", "a", LEASE).await.unwrap().unwrap();
    assert!(store.act(&first).await.is_err());
    assert!(first.renew(&store.db, LEASE).await.is_err());
    store.act(&second).await.unwrap();
    store.clock.advance(LEASE);
    assert!(Lease::resume(&store.db, "catalog", "b", LEASE).await.unwrap().is_some(), "it ended");
}

pub async fn a_released_lease_is_free_at_once(store: Store) {
    let lease = store.take("catalog", "a").await.unwrap();
    lease.clone().release(&store.db).await.unwrap();
    assert!(matches!(store.act(&lease).await, Err(Error::LostLease { .. })));
    assert!(store.take("catalog", "b").await.unwrap().fence() > lease.fence());
}

pub async fn leases_of_different_names_are_apart(store: Store) {
    let relay = store.take("relay", "a").await.unwrap();
    let catalog = store.take("catalog", "b").await.unwrap();
    relay.release(&store.db).await.unwrap();
    store.act(&catalog).await.unwrap();
}
