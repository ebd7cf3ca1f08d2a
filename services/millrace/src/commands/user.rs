//! `user …`: users of a tenant.

use clap::{Subcommand, ValueEnum};
use proto::identity::v1 as pb;

use super::{Context, login};
use crate::client::{Client, PAGE, pages, request_id};
use crate::failure::Failure;
use crate::output;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user. The password is asked for.
    Create {
        /// The id of the user: a-z, 0-9 and `-`, a letter first.
        user: String,
        /// A title for people.
        #[arg(long, default_value = "")]
        title: String,
        /// What the user may do.
        #[arg(long, value_enum, default_value = "reader")]
        role: Vec<RoleArg>,
        /// The tenant, for operators. Without it the caller's.
        #[arg(long)]
        tenant: Option<String>,
        /// Read the password from the first line of stdin.
        #[arg(long)]
        password_stdin: bool,
        /// No password: the user can use API keys alone.
        #[arg(long, conflicts_with = "password_stdin")]
        no_password: bool,
    },
    /// List users.
    List {
        /// The tenant, for operators. Without it the caller's.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Refuse a user's credentials from now on.
    Disable {
        /// The user's name or id.
        user: String,
    },
    /// Take a user's credentials again.
    Enable {
        /// The user's name or id.
        user: String,
    },
    /// Set a user's password, and end the user's sessions.
    SetPassword {
        /// The user's name or id.
        user: String,
        /// Read the password from the first line of stdin.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Replace a user's roles.
    SetRoles {
        /// The user's name or id.
        user: String,
        /// The roles from now on.
        #[arg(value_enum, required = true)]
        role: Vec<RoleArg>,
    },
}

/// What a user may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RoleArg {
    /// Everything within the tenant, its users included.
    Admin,
    /// Reads, and changes sources and datasets.
    Publisher,
    /// Reads.
    Reader,
    /// The platform's own calls.
    Operator,
}

impl From<RoleArg> for pb::Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Admin => Self::Admin,
            RoleArg::Publisher => Self::Publisher,
            RoleArg::Reader => Self::Reader,
            RoleArg::Operator => Self::Operator,
        }
    }
}

/// Roles as the contract numbers them.
pub fn numbers(roles: &[RoleArg]) -> Vec<i32> {
    roles.iter().map(|role| pb::Role::from(*role).into()).collect()
}

pub async fn run(context: &Context, command: UserCommand) -> Result<(), Failure> {
    let client = context.client().await?;
    let mut identity = client.identity();
    let out = context.out;
    match command {
        UserCommand::Create { user, title, role, tenant, password_stdin, no_password } => {
            let password = if no_password { String::new() } else { ask(password_stdin).await? };
            let user_fields = pb::User { title, roles: numbers(&role), ..Default::default() };
            let request = pb::CreateUserRequest {
                parent: parent(&client, tenant).await?,
                user_id: user,
                user: Some(user_fields),
                password,
                request_id: request_id(),
            };
            let reply = identity.create_user(request).await?.into_inner();
            out.reply(&reply, |reply| describe(reply.user.as_ref()))
        }
        UserCommand::List { tenant } => list(context, &client, tenant).await,
        UserCommand::Disable { user } => {
            let name = client.name("users", &user).await?;
            let reply = identity.disable_user(pb::DisableUserRequest { name }).await?.into_inner();
            out.reply(&reply, |reply| describe(reply.user.as_ref()))
        }
        UserCommand::Enable { user } => {
            let name = client.name("users", &user).await?;
            let reply = identity.enable_user(pb::EnableUserRequest { name }).await?.into_inner();
            out.reply(&reply, |reply| describe(reply.user.as_ref()))
        }
        UserCommand::SetPassword { user, password_stdin } => {
            let name = client.name("users", &user).await?;
            let password = ask(password_stdin).await?;
            let request = pb::SetPasswordRequest { name: name.clone(), password };
            let reply = identity.set_password(request).await?.into_inner();
            out.reply(&reply, |_| format!("{name} has a new password, and no session any more"))
        }
        UserCommand::SetRoles { user, role } => {
            let name = client.name("users", &user).await?;
            let request = pb::SetUserRolesRequest { name, roles: numbers(&role) };
            let reply = identity.set_user_roles(request).await?.into_inner();
            out.reply(&reply, |reply| describe(reply.user.as_ref()))
        }
    }
}

async fn ask(stdin: bool) -> Result<String, Failure> {
    let asked = move || {
        let password = login::password(stdin, "New password: ")?;
        if !stdin && login::password(false, "Again: ")? != password {
            return Err(Failure::usage("the two passwords differ"));
        }
        Ok(password)
    };
    runtime::blocking(asked).await
}

async fn parent(client: &Client, tenant: Option<String>) -> Result<String, Failure> {
    match tenant {
        Some(tenant) if tenant.starts_with("tenants/") => Ok(tenant),
        Some(tenant) => Ok(format!("tenants/{tenant}")),
        None => client.parent().await,
    }
}

async fn list(context: &Context, client: &Client, tenant: Option<String>) -> Result<(), Failure> {
    let parent = parent(client, tenant).await?;
    let page = async |page_token| {
        let request = pb::ListUsersRequest { parent: parent.clone(), page_size: PAGE, page_token };
        client.identity().list_users(request).await
    };
    let reply = pages(None, page).await?;
    context.out.reply(&reply, |reply| {
        let rows = reply.users.iter().map(|user| {
            let state = if user.disabled { "disabled" } else { "" };
            vec![output::short(&user.name), output::roles(&user.roles), state.to_owned(), user.title.clone()]
        });
        output::table(&["id", "roles", "state", "title"], rows)
    })
}

fn describe(user: Option<&pb::User>) -> String {
    let Some(user) = user else { return String::new() };
    output::fields(&[
        ("user", user.name.clone()),
        ("title", user.title.clone()),
        ("roles", output::roles(&user.roles)),
        ("state", if user.disabled { "disabled" } else { "enabled" }.to_owned()),
        ("password", if user.has_password { "set" } else { "none" }.to_owned()),
        ("created", output::time(user.create_time)),
    ])
}
