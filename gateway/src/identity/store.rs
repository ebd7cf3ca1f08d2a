//! The identity store: SQL, and nothing else. Every function runs in the caller's transaction.

pub mod credentials;
pub mod keys;
pub mod sessions;
pub mod tenants;
pub mod users;

use types::{Role, Timestamp};

use crate::Error;

fn write_roles(roles: &[Role]) -> String {
    let words: Vec<_> = roles.iter().map(|role| word(*role)).collect();
    words.join(" ")
}

fn read_roles(text: &str, column: &'static str) -> Result<Vec<Role>, Error> {
    let all = [Role::Admin, Role::Publisher, Role::Reader, Role::Operator];
    let read = |text: &str| all.into_iter().find(|role| word(*role) == text).ok_or(Error::Malformed { column });
    text.split_whitespace().map(read).collect()
}

/// The word of a role in the store, and in messages.
pub fn word(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Publisher => "publisher",
        Role::Reader => "reader",
        Role::Operator => "operator",
    }
}

fn time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}
