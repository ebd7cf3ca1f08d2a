//! Which role grants which permission.

use types::Role;

/// Permissions of everybody who is signed in: they concern the caller alone.
const OWN: [&str; 2] = ["caller.read", "keys.read"];

/// Tells whether one of `roles` grants `permission`, `<things>.<verb>`.
///
/// An operator administers users besides, because somebody must give a new tenant its first administrator; the calls
/// themselves say in which tenants.
pub fn grants(roles: &[Role], permission: &str) -> bool {
    let verb = permission.rsplit('.').next().unwrap_or_default();
    OWN.contains(&permission)
        || roles.iter().any(|role| match role {
            Role::Reader => verb == "read",
            Role::Publisher => matches!(verb, "read" | "write"),
            Role::Admin => matches!(verb, "read" | "write" | "administer"),
            Role::Operator => verb == "operate" || permission == "users.administer",
        })
}

/// Tells whether whoever holds `held` may do all that `role` may, so that it can be passed on: an administrator may do
/// what a publisher may, and a publisher what a reader may.
pub fn covers(held: &[Role], role: Role) -> bool {
    held.iter().any(|held| match held {
        Role::Admin => matches!(role, Role::Admin | Role::Publisher | Role::Reader),
        Role::Publisher => matches!(role, Role::Publisher | Role::Reader),
        Role::Reader | Role::Operator => *held == role,
    })
}

/// All permissions that some method asks for and `roles` grant, sorted.
pub fn granted(roles: &[Role]) -> Vec<String> {
    let asked = proto::RULES.iter().filter_map(|rule| match rule.access {
        proto::Access::Permission(permission) => Some(permission),
        proto::Access::Public => None,
    });
    let granted: std::collections::BTreeSet<_> = asked.filter(|permission| grants(roles, permission)).collect();
    granted.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_grant_verbs() {
        let table = [
            (Role::Reader, [true, false, false, false]),
            (Role::Publisher, [true, true, false, false]),
            (Role::Admin, [true, true, true, false]),
            (Role::Operator, [false, false, false, true]),
        ];
        for (role, expected) in table {
            let asked = ["datasets.read", "datasets.write", "datasets.administer", "platform.operate"];
            assert_eq!(asked.map(|permission| grants(&[role], permission)), expected, "{role:?}");
            assert!(grants(&[role], "caller.read"));
        }
        assert!(!grants(&[], "datasets.read"));
        assert!(grants(&[], "keys.read"));
    }

    #[test]
    fn what_a_role_covers_it_grants() {
        let all = [Role::Admin, Role::Publisher, Role::Reader, Role::Operator];
        for (held, role) in all.iter().flat_map(|held| all.map(|role| (*held, role))) {
            let more = granted(&[role]).into_iter().find(|permission| !grants(&[held], permission));
            assert!(!covers(&[held], role) || more.is_none(), "{held:?} does not grant {more:?}");
        }
        assert!(!covers(&[Role::Admin], Role::Operator) && !covers(&[Role::Operator], Role::Reader));
    }

    #[test]
    fn every_verb_of_the_contracts_is_known() {
        for rule in proto::RULES {
            let proto::Access::Permission(permission) = rule.access else { continue };
            let all = [Role::Admin, Role::Publisher, Role::Reader, Role::Operator];
            assert!(grants(&all, permission), "nobody may call {}", rule.path);
        }
    }
}
