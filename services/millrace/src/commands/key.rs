//! `key …`: API keys.

use clap::Subcommand;
use proto::identity::v1 as pb;
use types::Span;

use super::Context;
use super::user::{RoleArg, numbers};
use crate::client::{Client, PAGE, pages};
use crate::failure::Failure;
use crate::output::{self, note};

/// What to do with API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create an API key. It is printed this once.
    Create {
        /// The user whom it speaks for. Without it the caller.
        #[arg(long)]
        user: Option<String>,
        /// A title for people.
        #[arg(long, default_value = "")]
        title: String,
        /// A role of the key. Without it all that the user has.
        #[arg(long, value_enum)]
        role: Vec<RoleArg>,
        /// How long it is good: `30d`. Without it until it is revoked.
        #[arg(long, value_name = "DURATION")]
        lifetime: Option<Span>,
    },
    /// List API keys, without the keys themselves.
    List {
        /// The user whose keys to list. Without it the caller.
        #[arg(long, conflicts_with = "all")]
        user: Option<String>,
        /// Those of all users of the tenant, for administrators.
        #[arg(long)]
        all: bool,
    },
    /// Revoke an API key, at once and for good.
    Revoke {
        /// Its name, or USER/KEY.
        key: String,
    },
}

pub async fn run(context: &Context, command: KeyCommand) -> Result<(), Failure> {
    let client = context.client().await?;
    match command {
        KeyCommand::Create { user, title, role, lifetime } => {
            let too_long = |_| Failure::usage("`--lifetime` is too long a duration");
            let request = pb::CreateApiKeyRequest {
                parent: owner(&client, user).await?,
                title,
                roles: numbers(&role),
                lifetime: lifetime.map(|span| span.as_duration().try_into()).transpose().map_err(too_long)?,
            };
            let reply = client.identity().create_api_key(request).await?.into_inner();
            let name = reply.api_key.as_ref().map(|key| key.name.clone()).unwrap_or_default();
            context.out.reply(&reply, |reply| reply.secret.clone())?;
            note(&format!("{name}: keep it; it cannot be shown again"));
            Ok(())
        }
        KeyCommand::List { user, all } => {
            let parent = if all { client.name("users", "-").await? } else { owner(&client, user).await? };
            list(context, &client, parent).await
        }
        KeyCommand::Revoke { key } => {
            let name = client.nested("users", "apiKeys", &key).await?;
            let reply = client.identity().revoke_api_key(pb::RevokeApiKeyRequest { name }).await?.into_inner();
            context.out.reply(&reply, |reply| {
                let name = reply.api_key.as_ref().map(|key| key.name.clone()).unwrap_or_default();
                format!("{name} is revoked")
            })
        }
    }
}

async fn owner(client: &Client, user: Option<String>) -> Result<String, Failure> {
    match user {
        Some(user) => client.name("users", &user).await,
        None => {
            let reply = client.identity().get_caller(pb::GetCallerRequest {}).await?.into_inner();
            Ok(reply.caller.unwrap_or_default().user)
        }
    }
}

async fn list(context: &Context, client: &Client, parent: String) -> Result<(), Failure> {
    let page = async |page_token| {
        let request = pb::ListApiKeysRequest { parent: parent.clone(), page_size: PAGE, page_token };
        client.identity().list_api_keys(request).await
    };
    let reply = pages(None, page).await?;
    context.out.reply(&reply, |reply| {
        let rows = reply.api_keys.iter().map(|key| {
            let (revoked, ends) = (output::time(key.revoke_time), output::time(key.expire_time));
            vec![
                owned(&key.name),
                output::roles(&key.roles),
                output::time(key.create_time),
                ends,
                revoked,
                key.title.clone(),
            ]
        });
        output::table(&["user/key", "roles", "created", "ends", "revoked", "title"], rows)
    })
}

/// `USER/KEY`, as `key revoke` takes it.
fn owned(name: &str) -> String {
    let parts: Vec<_> = name.split('/').collect();
    match parts.as_slice() {
        [_, _, _, user, _, key] => format!("{user}/{key}"),
        _ => name.to_owned(),
    }
}
