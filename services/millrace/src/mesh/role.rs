//! Which roles there are, and which of them a process has.

use std::collections::BTreeSet;
use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A role of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Finds datasets.
    Discovery,
    /// Profiles them.
    Profiling,
    /// Keeps and searches their records.
    Catalog,
    /// The one public door.
    Gateway,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Discovery, Self::Profiling, Self::Catalog, Self::Gateway];
    /// Those that the gateway passes calls to.
    pub const SERVICES: [Self; 3] = [Self::Discovery, Self::Profiling, Self::Catalog];

    /// Its name, as settings, logs and contracts have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discovery => discovery::ROLE,
            Self::Profiling => profiling::ROLE,
            Self::Catalog => "catalog",
            Self::Gateway => gateway::ROLE,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a process is: the roles that run in it, and whether others come to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    roles: BTreeSet<Role>,
    alone: bool,
}

impl Shape {
    /// The whole mesh in one process; the gateway alone listens.
    pub fn alone() -> Self {
        Self { roles: Role::ALL.into(), alone: true }
    }

    /// One process of several: each of its roles listens.
    pub fn of(roles: impl IntoIterator<Item = Role>) -> Self {
        Self { roles: roles.into_iter().collect(), alone: false }
    }

    /// The roles.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        self.roles.iter().copied()
    }

    /// Whether the process has this role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether it has every role, so that nothing it needs is in another process.
    pub fn is_whole(&self) -> bool {
        self.roles.len() == Role::ALL.len()
    }

    /// The roles that listen.
    pub fn listening(&self) -> impl Iterator<Item = Role> {
        self.roles().filter(|role| !self.alone || *role == Role::Gateway)
    }

    /// Whether the process publishes or consumes events.
    pub fn uses_events(&self) -> bool {
        Role::SERVICES.iter().any(|role| self.has(*role))
    }

    /// Whether the process reads or writes objects.
    pub fn uses_objects(&self) -> bool {
        self.has(Role::Profiling) || self.has(Role::Catalog)
    }

    /// Whether objects that it writes are read by another process, or the other way round.
    pub fn shares_objects(&self) -> bool {
        self.has(Role::Profiling) != self.has(Role::Catalog)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_only_the_gateway_listens_and_elsewhere_every_role() {
        assert_eq!(Shape::alone().listening().collect::<Vec<_>>(), [Role::Gateway]);
        assert!(Shape::alone().is_whole() && !Shape::alone().shares_objects());
        let some = Shape::of([Role::Catalog, Role::Discovery]);
        assert_eq!(some.listening().collect::<Vec<_>>(), [Role::Discovery, Role::Catalog]);
        assert!(!some.is_whole() && some.shares_objects() && some.uses_events());
        assert!(!Shape::of([Role::Gateway]).uses_events());
    }

    #[test]
    fn names_are_the_same_everywhere() {
        for role in Role::ALL {
            assert_eq!(role.to_possible_value().unwrap().get_name(), role.name());
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
    }
}
