//! The listeners: bound before any work starts, so that a port clash fails at once.

use std::net::{SocketAddr, ToSocketAddrs as _};

use tokio::net::TcpListener;

use super::role::{Role, Shape};
use super::settings::Settings;
use crate::failure::Failure;

/// The listeners of the process.
pub struct Sockets {
    /// Each role that listens.
    pub roles: Vec<(Role, TcpListener)>,
    /// The admin page.
    pub admin: TcpListener,
    /// Whether it speaks TLS.
    pub admin_tls: bool,
}

/// Where the listeners are reached on this machine.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Each role that listens.
    pub roles: Vec<(Role, SocketAddr)>,
    /// The URL of the admin page.
    pub admin: String,
}

impl Sockets {
    /// Binds all, or fails on one line.
    pub async fn bind(settings: &Settings, shape: &Shape) -> Result<Self, Failure> {
        let mut roles = Vec::new();
        for role in shape.listening() {
            let plaintext = settings.allow_plaintext || settings.has_tls(role);
            roles.push((role, bind(setting(role), settings.listen(role), plaintext).await?));
        }
        let admin_tls = settings.admin_tls.serves();
        let admin = bind("admin_listen", &settings.admin_listen, settings.allow_plaintext || admin_tls).await?;
        Ok(Self { roles, admin, admin_tls })
    }

    /// Where they are reached on this machine.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            roles: self.roles.iter().map(|(role, listener)| (*role, reachable(listener))).collect(),
            admin: format!("{}://{}/", if self.admin_tls { "https" } else { "http" }, reachable(&self.admin)),
        }
    }
}

impl Addresses {
    /// Where the gateway is, in a process that has it.
    pub fn gateway(&self) -> Option<SocketAddr> {
        self.roles.iter().find(|(role, _)| *role == Role::Gateway).map(|(_, address)| *address)
    }
}

/// The setting that says where a role listens.
pub fn setting(role: Role) -> &'static str {
    match role {
        Role::Gateway => "listen",
        Role::Discovery => "listeners.discovery",
        Role::Profiling => "listeners.profiling",
        Role::Catalog => "listeners.catalog",
    }
}

/// The addresses that a setting names, or what is wrong with it.
pub fn resolve(setting: &str, address: &str, allow_plaintext: bool) -> Result<Vec<SocketAddr>, String> {
    let found = address.to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
    let addresses = found
        .map_err(|error| format!("`{setting}`: {address} is no address to listen on ({error}); write HOST:PORT"))?;
    if !allow_plaintext && !addresses.iter().all(|address| address.ip().to_canonical().is_loopback()) {
        let tls = match setting {
            "listen" => ", or give it a certificate (`gateway.tls`)",
            "admin_listen" => ", or give it a certificate (`admin_tls`)",
            _ => ", or give the roles certificates (`tls`)",
        };
        return Err(format!(
            "`{setting}`: {address} reaches beyond the loopback, where passwords and tokens would travel in plain text; \
             listen on 127.0.0.1{tls}, or say `--allow-plaintext` where the network is trusted"
        ));
    }
    Ok(addresses)
}

async fn bind(setting: &str, address: &str, allow_plaintext: bool) -> Result<TcpListener, Failure> {
    let addresses = resolve(setting, address, allow_plaintext).map_err(Failure::usage)?;
    TcpListener::bind(addresses.as_slice()).await.map_err(|error| {
        let other = match setting.strip_prefix("listeners.") {
            Some(role) => format!("--listen {role}="),
            None => format!("--{}", setting.replace('_', "-")),
        };
        Failure::other(format!(
            "cannot listen on {address} ({error}); stop what listens there, or choose another with `{other}`"
        ))
    })
}

/// The address of a listener; one that takes calls at every address is reached by the loopback.
fn reachable(listener: &TcpListener) -> SocketAddr {
    let mut address = listener.local_addr().expect("a bound socket has an address");
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_beyond_the_loopback_is_refused_without_a_word_for_it() {
        let failure = bind("listen", "0.0.0.0:0", false).await.unwrap_err();
        assert!(format!("{failure:?}").contains("--allow-plaintext"));
        let listener = bind("listen", "0.0.0.0:0", true).await.ok().unwrap();
        assert!(reachable(&listener).ip().is_loopback());
        assert!(bind("listen", "127.0.0.1:0", false).await.is_ok());
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let taken = bind("listen", "127.0.0.1:0", false).await.ok().unwrap();
        let address = taken.local_addr().unwrap().to_string();
        for (setting, flag) in [("listen", "--listen"), ("listeners.catalog", "--listen catalog=")] {
            let text = format!("{:?}", bind(setting, &address, false).await.unwrap_err());
            assert!(text.contains(&address) && text.contains(flag), "{text}");
        }
    }
}
