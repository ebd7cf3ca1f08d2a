//! The certificates of a process: shown and believed, and read again when their files change.

use async_trait::async_trait;
use rpc::{ClientTls, ServerTls};
use runtime::{Period, Reconcile, Report, Tasks};
use types::BoxError;

use super::failed;
use super::role::{Role, Shape};
use super::settings::Settings;
use crate::failure::Failure;

/// How often the files are looked at.
const LOOK: Period = Period::secs(10);

/// What a process shows, and whom it believes; none where it speaks plain text.
#[derive(Clone)]
pub struct Certificates {
    gateway: Option<ServerTls>,
    roles: Option<ServerTls>,
    admin: Option<ServerTls>,
    peers: Option<ClientTls>,
}

impl Certificates {
    /// Reads the files that the settings name, as far as a process of this shape needs them.
    pub fn load(settings: &Settings, shape: &Shape) -> Result<Self, Failure> {
        let (public, between) = (&settings.gateway.tls, settings.tls.both_sides());
        let roles = !shape.is_whole() || shape.listening().any(|role| role != Role::Gateway);
        let mine = shape.has(Role::Gateway) && public.serves();
        Ok(Self {
            gateway: mine.then(|| ServerTls::load(public)).transpose().map_err(failed)?,
            admin: settings
                .admin_tls
                .serves()
                .then(|| ServerTls::load_web(&settings.admin_tls))
                .transpose()
                .map_err(failed)?,
            roles: (roles && between.serves()).then(|| ServerTls::load(&between)).transpose().map_err(failed)?,
            peers: (roles && between.calls()).then(|| ClientTls::load(&between)).transpose().map_err(failed)?,
        })
    }

    /// What the listener of a role shows.
    pub fn of(&self, role: Role) -> Option<ServerTls> {
        match role {
            Role::Gateway => self.gateway.clone(),
            Role::Discovery | Role::Profiling | Role::Catalog => self.roles.clone(),
        }
    }

    /// What the admin listener shows.
    pub fn of_admin(&self) -> Option<ServerTls> {
        self.admin.clone()
    }

    /// Whom calls to other processes believe.
    pub fn to_peers(&self) -> Option<ClientTls> {
        self.peers.clone()
    }

    /// The loop that reads the files again, where there are any.
    pub fn reloading(&self) -> Option<Tasks> {
        let listens = self.gateway.is_some() || self.roles.is_some() || self.admin.is_some();
        let any = listens || self.peers.is_some();
        any.then(|| {
            let mut tasks = Tasks::new("tls");
            tasks.add("reload", LOOK, Box::new(Reload(self.clone())));
            tasks
        })
    }
}

/// Reads the files again. Where it fails, connections go on with what the files held before.
struct Reload(Certificates);

#[async_trait]
impl Reconcile for Reload {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let Certificates { gateway, roles, admin, peers } = self.0.clone();
        let reloaded = runtime::blocking(move || {
            let mut changed = 0;
            for listener in [gateway, roles, admin].into_iter().flatten() {
                changed += u32::from(listener.reload()?);
            }
            if let Some(peers) = peers {
                changed += u32::from(peers.reload()?);
            }
            Ok::<_, rpc::Error>(changed)
        });
        Ok(match reloaded.await? {
            0 => Report::idle(),
            _ => {
                tracing::info!("certificates were read again; new connections use them");
                Report::done("read again")
            }
        })
    }
}
