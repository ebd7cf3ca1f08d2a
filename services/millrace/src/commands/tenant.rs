//! `tenant …`: tenants of the platform.

use clap::Subcommand;
use proto::identity::v1 as pb;

use super::Context;
use crate::client::{Client, PAGE, pages, request_id};
use crate::failure::Failure;
use crate::output;

/// What to do with tenants.
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Create a tenant. `user create --tenant` gives it its first administrator.
    Create {
        /// Its id: a-z, 0-9 and `-`, a letter first.
        tenant: String,
        /// A title for people.
        #[arg(long, default_value = "")]
        title: String,
    },
    /// List tenants.
    List,
    /// Refuse a tenant's credentials from now on; nothing of it is deleted.
    Disable {
        /// Its name or id.
        tenant: String,
    },
    /// Take a tenant's credentials again.
    Enable {
        /// Its name or id.
        tenant: String,
    },
}

pub async fn run(context: &Context, command: TenantCommand) -> Result<(), Failure> {
    let client = context.client().await?;
    let mut identity = client.identity();
    let out = context.out;
    match command {
        TenantCommand::Create { tenant, title } => {
            let fields = pb::Tenant { title, ..Default::default() };
            let request = pb::CreateTenantRequest { tenant_id: tenant, tenant: Some(fields), request_id: request_id() };
            let reply = identity.create_tenant(request).await?.into_inner();
            out.reply(&reply, |reply| describe(reply.tenant.as_ref()))
        }
        TenantCommand::List => list(context, &client).await,
        TenantCommand::Disable { tenant } => {
            let request = pb::DisableTenantRequest { name: name(&tenant) };
            let reply = identity.disable_tenant(request).await?.into_inner();
            out.reply(&reply, |reply| describe(reply.tenant.as_ref()))
        }
        TenantCommand::Enable { tenant } => {
            let request = pb::EnableTenantRequest { name: name(&tenant) };
            let reply = identity.enable_tenant(request).await?.into_inner();
            out.reply(&reply, |reply| describe(reply.tenant.as_ref()))
        }
    }
}

async fn list(context: &Context, client: &Client) -> Result<(), Failure> {
    let page =
        async |page_token| client.identity().list_tenants(pb::ListTenantsRequest { page_size: PAGE, page_token }).await;
    let reply = pages(None, page).await?;
    context.out.reply(&reply, |reply| {
        let rows = reply.tenants.iter().map(|tenant| {
            let state = if tenant.disabled { "disabled" } else { "" };
            vec![output::short(&tenant.name), state.to_owned(), output::time(tenant.create_time), tenant.title.clone()]
        });
        output::table(&["id", "state", "created", "title"], rows)
    })
}

fn name(given: &str) -> String {
    if given.starts_with("tenants/") { given.to_owned() } else { format!("tenants/{given}") }
}

fn describe(tenant: Option<&pb::Tenant>) -> String {
    let Some(tenant) = tenant else { return String::new() };
    output::fields(&[
        ("tenant", tenant.name.clone()),
        ("title", tenant.title.clone()),
        ("state", if tenant.disabled { "disabled" } else { "enabled" }.to_owned()),
        ("created", output::time(tenant.create_time)),
    ])
}
