//! How many connections a listener takes, and what it says to those who come beyond.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::Wire;

/// How many connections a listener takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Open at once.
    pub most: usize,
    /// Open at once from one address; those of IPv6 count by their first 64 bits.
    pub most_per_address: usize,
}

impl ConnectionLimits {
    /// As many as the system bears.
    pub const NONE: Self = Self { most: usize::MAX, most_per_address: usize::MAX };
}

/// The connections that are open. Clones share them.
#[derive(Clone)]
pub(super) struct Places(Arc<Shared>);

struct Shared {
    limits: ConnectionLimits,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection is open until this is dropped.
pub(super) struct Place {
    places: Places,
    address: IpAddr,
}

/// The limit that is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full {
    scope: &'static str,
    limit: usize,
}

impl Places {
    pub fn new(limits: ConnectionLimits) -> Self {
        Self(Arc::new(Shared { limits, taken: Mutex::default() }))
    }

    pub fn take(&self, address: IpAddr) -> Result<Place, Full> {
        let (limits, address) = (self.0.limits, network(address));
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= limits.most {
            return Err(Full { scope: "listener", limit: limits.most });
        }
        let of_address = taken.by_address.entry(address).or_default();
        if *of_address >= limits.most_per_address {
            return Err(Full { scope: "address", limit: limits.most_per_address });
        }
        *of_address += 1;
        taken.all += 1;
        metrics::gauge!("rpc_connections").increment(1.0);
        Ok(Place { places: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(of_address) = taken.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                taken.by_address.remove(&self.address);
            }
        }
        metrics::gauge!("rpc_connections").decrement(1.0);
    }
}

/// Whoever has an IPv6 address has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6((six.to_bits() >> 64 << 64).into()),
        four => four,
    }
}

impl Full {
    /// Counts the refusal.
    pub fn count(self) {
        metrics::counter!("rpc_connections_refused_total", "limit" => self.scope).increment(1);
    }

    /// Tells the client so in HTTP/2, which lets it try again elsewhere or later: nothing that it sent was looked at.
    pub async fn tell(self, mut stream: Wire) {
        let told = async {
            stream.write_all(&self.frames()).await?;
            stream.shutdown().await?;
            // Closed with bytes unread, the connection would be reset, and the word lost with it.
            let mut unread = [0; 1024];
            while stream.read(&mut unread).await? > 0 {}
            Ok::<_, std::io::Error>(())
        };
        let _it_may_be_gone = timeout(Duration::from_secs(1), told).await;
    }

    /// SETTINGS without any, and GOAWAY of `ENHANCE_YOUR_CALM` before the first stream (RFC 9113, 6.5 and 6.8).
    fn frames(self) -> Vec<u8> {
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let why = format!("the limit of {} connections of this {} is hit; come back later", self.limit, self.scope);
        let length = u8::try_from(8 + why.len()).expect("the sentence has less than 200 bytes");
        let goaway = [0, 0, length, 7, 0, 0, 0, 0, 0, /* last stream */ 0, 0, 0, 0, /* error */ 0, 0, 0, 0xb];
        [SETTINGS.as_slice(), goaway.as_slice(), why.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_per_listener_and_per_address_until_they_are_given_back() {
        let places = Places::new(ConnectionLimits { most: 3, most_per_address: 2 });
        let (one, other): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap());
        let same_network = "2001:db8::2".parse().unwrap();
        let first = places.take(one).ok().unwrap();
        let _second = places.take(same_network).ok().unwrap();
        assert_eq!(places.take(one).err(), Some(Full { scope: "address", limit: 2 }));
        let _third = places.take(other).ok().unwrap();
        assert_eq!(places.take(other).err(), Some(Full { scope: "listener", limit: 3 }));
        drop(first);
        assert!(places.take(one).is_ok());
    }
}
