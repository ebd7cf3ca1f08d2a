//! What is wrong with settings, as far as that can be told on this machine alone.

use fetch::IpNet;

use super::places::unreadable;
use super::{Settings, named};
use crate::mesh::role::{Role, Shape};
use crate::mesh::sockets;

impl Settings {
    /// All that is wrong with the settings for a process of this shape.
    pub fn problems(&self, shape: &Shape) -> Vec<String> {
        let mut problems = self.logging.problems();
        let listening = shape.listening().map(|role| (sockets::setting(role), self.listen(role), self.has_tls(role)));
        for (setting, address, tls) in
            listening.chain([("admin_listen", self.admin_listen.as_str(), self.admin_tls.serves())])
        {
            problems.extend(sockets::resolve(setting, address, self.allow_plaintext || tls).err());
        }
        for root in self.folder_roots.iter().filter(|root| !root.is_dir()) {
            problems.push(format!("`folder_roots`: there is no folder `{}`", root.display()));
        }
        for network in self.fetch.allow_private.iter().filter(|network| network.parse::<IpNet>().is_err()) {
            problems.push(format!("`fetch.allow_private`: `{network}` is no network; write 10.1.0.0/16 or ::1/128"));
        }
        problems.extend(self.telemetry.problems());
        if self.listeners.max_connections == 0 {
            problems.push("`listeners.max_connections` must not be 0".to_owned());
        }
        if self.fetch.max_bytes.as_bytes() == 0 {
            problems.push("`fetch.max_bytes` must not be 0".to_owned());
        }
        problems.extend(self.store.problems());
        problems.extend(self.events.problems());
        problems.extend(self.objects.problems());
        problems.extend(self.tls.problems());
        problems.extend(self.problems_of_the_admin_listener());
        problems.extend(self.identity.problems());
        problems.extend(self.problems_of_the_door(shape));
        problems.extend(self.problems_between_processes(shape));
        for (role, found) in [
            ("gateway", self.gateway.validate()),
            ("discovery", self.discovery.validate()),
            ("profiling", self.profiling.validate()),
            ("catalog", self.catalog.validate()),
        ] {
            let named = |problem: String| match problem.starts_with(role) {
                true => problem,
                false => format!("{role}.{problem}"),
            };
            problems.extend(found.into_iter().map(named));
        }
        problems
    }

    fn problems_of_the_admin_listener(&self) -> Vec<String> {
        let tls = &self.admin_tls;
        let mut problems = tls.problems("admin_tls");
        if tls.calls() {
            problems.push("`admin_tls.ca` has no use: the admin listener calls nobody; see `client_ca`".to_owned());
        }
        if problems.is_empty() {
            problems.extend(tls.file_problems().iter().map(|problem| format!("`admin_tls`: {problem}")));
        }
        problems
    }

    /// What the gateway needs in this process.
    fn problems_of_the_door(&self, shape: &Shape) -> Vec<String> {
        if !shape.has(Role::Gateway) {
            return Vec::new();
        }
        let mut problems = Vec::new();
        problems.extend(self.gateway.tls.file_problems().iter().map(|problem| format!("`gateway.tls`: {problem}")));
        match named(&self.gateway.hash_key_file) {
            Some(path) => problems.extend(unreadable("gateway.hash_key_file", path)),
            None if self.store.is_shared() => problems.push(
                "`gateway.hash_key_file`: gateways that share a store need the same key; make one with \
                 `millrace admin create-key --hash FILE`"
                    .to_owned(),
            ),
            None => {}
        }
        for role in Role::SERVICES.into_iter().filter(|role| !shape.has(*role)) {
            problems.extend(self.peers.problems(role, &self.tls));
        }
        problems
    }

    /// What roles need to find and believe each other when they are not all in this process.
    fn problems_between_processes(&self, shape: &Shape) -> Vec<String> {
        let mut problems = Vec::new();
        if shape.is_whole() {
            return problems;
        }
        if shape.uses_events() && !self.events.is_shared() {
            problems.push(
                "`events.url`: roles in several processes need an event bus that all of them reach, nats://HOST:PORT; the \
                 log in the data directory serves one process alone"
                    .to_owned(),
            );
        }
        if shape.shares_objects() && self.objects.url.is_empty() {
            problems.push(
                "`objects.url`: profiling and catalog in several processes need an object store that both reach, \
                 s3://BUCKET/PREFIX?endpoint=…"
                    .to_owned(),
            );
        }
        if shape.has(Role::Gateway) {
            match self.identity.key(Role::Gateway) {
                Some(path) => {
                    let problem = rpc::KeyPair::load(path).err();
                    problems.extend(problem.map(|problem| format!("`identity.keys.gateway`: {problem}")));
                }
                None => problems.push(
                    "`identity.keys.gateway`: the gateway needs a key that other processes know; make one with `millrace \
                 admin create-key FILE`"
                        .to_owned(),
                ),
            }
        } else if !self.identity.trusted.contains_key(&Role::Gateway) {
            problems.push(
                "`identity.trusted.gateway`: name the gateway's public key, which `millrace admin create-key` printed"
                    .to_owned(),
            );
        }
        problems
    }
}
