//! Which addresses may be reached, and the resolver that gives no others.
//!
//! Source: the IANA registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890 and what follows it).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{Error, Policy};

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

const SPECIAL_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 8),       // this network
    v4(10, 0, 0, 8),      // private
    v4(100, 64, 0, 10),   // carrier-grade NAT
    v4(127, 0, 0, 8),     // loopback
    v4(169, 254, 0, 16),  // link-local, metadata services of clouds
    v4(172, 16, 0, 12),   // private
    v4(192, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 24),    // documentation
    v4(192, 88, 99, 24),  // 6to4 relays
    v4(192, 168, 0, 16),  // private
    v4(198, 18, 0, 15),   // benchmarks
    v4(198, 51, 100, 24), // documentation
    v4(203, 0, 113, 24),  // documentation
    v4(224, 0, 0, 4),     // multicast
    v4(240, 0, 0, 4),     // reserved, broadcast
];

/// Global unicast. All else is special: loopback, link-local, unique local, multicast, NAT64, IPv4 in disguise.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

const SPECIAL_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 23),     // protocol assignments: Teredo, ORCHID, benchmarks
    v6(0x2001, 0xdb8, 32), // documentation
    v6(0x2002, 0, 16),     // 6to4, which wraps any IPv4 address
    v6(0x3fff, 0, 20),     // documentation
];

/// Tells whether `address` may be reached: it is public, or the operator allows it.
pub(crate) fn is_permitted(policy: &Policy, address: IpAddr) -> bool {
    // An IPv4 address mapped into IPv6 reaches the same host, so it is judged as what it is.
    let address = address.to_canonical();
    is_public(address) || policy.allow_private.iter().any(|net: &IpNet| net.contains(&address))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => GLOBAL_V6.contains(&address) && !SPECIAL_V6.iter().any(|net| net.contains(&address)),
    }
}

/// Resolves `host` and refuses it when any of its addresses is not permitted: a name that has both kinds is a trick.
pub(crate) async fn resolve(policy: &Policy, host: &str) -> Result<Vec<SocketAddr>, Error> {
    let not_found = |source| Error::HostNotFound { host: host.to_owned(), source };
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await.map_err(not_found)?.collect();
    if addresses.is_empty() {
        return Err(not_found(std::io::Error::from(std::io::ErrorKind::NotFound)));
    }
    match addresses.iter().find(|address| !is_permitted(policy, address.ip())) {
        Some(address) => Err(Error::AddressForbidden { host: host.to_owned(), address: address.ip() }),
        None => Ok(addresses),
    }
}

/// The client's resolver: what it gives is what is connected to, so nothing can change between check and use.
#[derive(Debug)]
pub(crate) struct GuardedResolver(pub(crate) Arc<Policy>);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let addresses = resolve(&policy, name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted(policy: &Policy, address: &str) -> bool {
        is_permitted(policy, address.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_permitted() {
        for address in ["8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"]
        {
            assert!(permitted(&Policy::default(), address), "{address}");
        }
    }

    #[test]
    fn special_addresses_are_refused_in_every_disguise() {
        let special = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "5f00::1",
        ];
        for address in special {
            assert!(!permitted(&Policy::default(), address), "{address}");
        }
    }

    #[test]
    fn the_operator_may_allow_a_network_and_no_more() {
        let policy = Policy { allow_private: vec!["10.1.0.0/16".parse().unwrap()], ..Policy::default() };
        assert!(permitted(&policy, "10.1.2.3"));
        assert!(permitted(&policy, "::ffff:10.1.2.3"));
        assert!(!permitted(&policy, "10.2.0.1"));
        assert!(!permitted(&policy, "127.0.0.1"));
    }
}
