//! `login`, `logout`, `whoami`.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use clap::Args;
use proto::identity::v1::{Caller, GetCallerRequest, LoginRequest, LogoutRequest};

use super::Context;
use crate::client::{Client, Credential, Login};
use crate::failure::Failure;
use crate::output::{self, note};

/// How to sign in: by user and password, or with `--token-file` by an API key.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The tenant.
    #[arg(long, default_value = "main")]
    tenant: String,
    /// The user. Asked for when it is not given.
    #[arg(long)]
    user: Option<String>,
    /// Read the password from the first line of stdin instead of asking for it.
    #[arg(long)]
    password_stdin: bool,
}

pub async fn login(context: &Context, args: LoginArgs) -> Result<(), Failure> {
    let (address, ca_file) = (context.connection.address()?, context.connection.ca_file());
    // A token in the environment serves by itself and is not what somebody who types `login` means.
    let login = match &context.connection.token_file {
        Some(_) => {
            let token = context.connection.named_token()?.unwrap_or_default();
            Login::by_key(address.clone(), token)
        }
        None => by_password(address.clone(), ca_file.as_deref(), args).await?,
    };
    let client = Client::to(address, ca_file.as_deref(), Credential::Token(login.token.clone())).await?;
    let reply = client.identity().get_caller(GetCallerRequest {}).await?.into_inner();
    let path = login.store()?;
    let caller = reply.caller.unwrap_or_default();
    note(&format!("signed in to {} as {}; stored in {}", client.address(), caller.user, path.display()));
    Ok(())
}

async fn by_password(address: String, ca_file: Option<&Path>, args: LoginArgs) -> Result<Login, Failure> {
    let client = Client::to(address.clone(), ca_file, Credential::None).await?;
    let password_stdin = args.password_stdin;
    let asked = move || {
        let user = match args.user {
            Some(user) => user,
            None => ask_user()?,
        };
        Ok::<_, Failure>((user, password(password_stdin, "Password: ")?))
    };
    let (user, password) = runtime::blocking(asked).await?;
    let request = LoginRequest { tenant: args.tenant, user, password };
    let reply = client.identity().login(request).await?.into_inner();
    Ok(Login::by_tokens(address, reply.tokens.unwrap_or_default()))
}

fn ask_user() -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("name the user with `--user`"));
    }
    eprint!("User: ");
    first_line()
}

/// Reads a password: from the first line of stdin, or from the terminal without showing it. Blocks.
pub fn password(stdin: bool, prompt: &str) -> Result<String, Failure> {
    if stdin {
        return first_line();
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask for the password on; use `--password-stdin`"));
    }
    eprint!("{prompt}");
    let password = rpassword::read_password();
    password.map_err(|error| Failure::usage(format!("cannot read the password ({error}); use `--password-stdin`")))
}

fn first_line() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

pub async fn logout(context: &Context) -> Result<(), Failure> {
    let login = Login::load()?;
    // The session ends at the mesh too; where that cannot be reached, the file goes all the same.
    let ended = match login {
        Some(Login { address, refresh_token: Some(refresh_token), .. }) => {
            let ca_file = context.connection.ca_file();
            let client = Client::to(address, ca_file.as_deref(), Credential::None).await;
            match client {
                Ok(client) => {
                    client.identity().logout(LogoutRequest { refresh_token }).await.map(drop).map_err(Failure::from)
                }
                Err(failure) => Err(failure),
            }
        }
        _ => Ok(()),
    };
    note(if Login::remove()? { "signed out" } else { "nobody was signed in" });
    ended
}

pub async fn whoami(context: &Context) -> Result<(), Failure> {
    let client = context.client().await?;
    let reply = client.identity().get_caller(GetCallerRequest {}).await?.into_inner();
    context.out.reply(&reply, |reply| describe(reply.caller.as_ref().unwrap_or(&Caller::default())))
}

fn describe(caller: &Caller) -> String {
    output::fields(&[
        ("user", caller.user.clone()),
        ("tenant", output::short(&caller.tenant)),
        ("roles", output::roles(&caller.roles)),
        ("permissions", caller.permissions.join(", ")),
        ("ends", output::time(caller.expire_time)),
    ])
}
