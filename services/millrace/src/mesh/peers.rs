//! The way to roles in other processes.

use rpc::{ConnectSettings, Transport};

use super::failed;
use super::role::Role;
use super::settings::Settings;
use super::tls::Certificates;
use crate::failure::Failure;

/// Makes the transport to a role. It connects when it is first used, and again when it must.
pub fn connect(settings: &Settings, certificates: &Certificates, role: Role) -> Result<Transport, Failure> {
    connect_to(settings, certificates, role, settings.peers.of(role))
}

/// Makes the transport to these endpoints of a role.
pub fn connect_to(
    settings: &Settings,
    certificates: &Certificates,
    role: Role,
    endpoints: &[String],
) -> Result<Transport, Failure> {
    let mut place = ConnectSettings::new(role.name(), endpoints.iter().map(String::as_str));
    place.tls = certificates.to_peers();
    place.server_name = Some(settings.tls.server_name.clone()).filter(|name| !name.is_empty());
    rpc::connect(&place).map_err(failed)
}
