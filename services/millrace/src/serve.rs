//! `serve`: some of the roles, as one process of several.

use std::convert::Infallible;
use std::io::Write;

use clap::{Args, ValueEnum};

use crate::failure::Failure;
use crate::mesh;
use crate::mesh::Ready;
use crate::mesh::role::{Role, Shape};
use crate::mesh::settings::{Flags, Settings};
use crate::output;

/// Which roles to run, and how.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The roles of this process, with commas between.
    #[arg(long, value_enum, value_delimiter = ',', required = true, value_name = "ROLE,…")]
    roles: Vec<Role>,
    /// Where a role listens: `catalog=10.0.0.7:7074`; without a name, the gateway.
    #[arg(long, value_name = "[ROLE=]HOST:PORT", value_parser = listen)]
    listen: Vec<(Role, String)>,
    #[command(flatten)]
    flags: Flags,
}

/// Runs the roles until the process is asked to stop.
pub async fn run(args: ServeArgs) -> Result<(), Failure> {
    let shape = Shape::of(args.roles);
    let settings = Settings::load(&args.flags, &shape, &args.listen, false)?;
    if args.flags.print_config {
        print!("{}", settings.print()?);
        return Ok(());
    }
    mesh::run(settings, shape, tell).await
}

/// Reads where a role listens.
fn listen(text: &str) -> Result<(Role, String), String> {
    match text.split_once('=') {
        None => Ok((Role::Gateway, text.to_owned())),
        Some((role, address)) => Role::from_str(role, false)
            .map(|role| (role, address.to_owned()))
            .map_err(|_| format!("`{role}` is no role; write catalog=HOST:PORT")),
    }
}

/// Says where the roles are. A reader that went away does not stop them.
async fn tell(ready: Ready) -> Infallible {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text(&ready).as_bytes()).and_then(|()| stdout.flush());
    drop(stdout);
    std::future::pending().await
}

fn text(ready: &Ready) -> String {
    let mut places: Vec<_> =
        ready.addresses.roles.iter().map(|(role, address)| (format!("  {role}"), address.to_string())).collect();
    places.push(("  admin page".to_owned(), ready.addresses.admin.clone()));
    if ready.addresses.gateway().is_some() {
        places.push(("  token".to_owned(), ready.token.display().to_string()));
    }
    let places: Vec<_> = places.iter().map(|(name, place)| (name.as_str(), place.clone())).collect();
    format!("Millrace is ready.\n\n{}\n", output::fields(&places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_the_gateways_or_that_of_the_role_it_names() {
        assert_eq!(listen("127.0.0.1:0"), Ok((Role::Gateway, "127.0.0.1:0".to_owned())));
        assert_eq!(listen("catalog=[::1]:7"), Ok((Role::Catalog, "[::1]:7".to_owned())));
        assert!(listen("catalogue=h:1").is_err());
    }
}
