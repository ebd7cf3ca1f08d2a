//! `admin`: the first administrator's token, and the keys of a mesh.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use runtime::lock::DataDir;
use runtime::{Readiness, SystemClock};
use sql::Database;
use types::Secret;

use crate::failure::Failure;
use crate::mesh::failed;
use crate::mesh::keys::{self, Missing};
use crate::mesh::role::{Role, Shape};
use crate::mesh::settings::{Flags, Settings};
use crate::mesh::stores::{self, Stores};
use crate::mesh::waiting::Waiting;
use crate::output::note;

/// How long a store may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to look after.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Write the first administrator's token anew, so that whoever owns the gateway's store has access again.
    ///
    /// With the state in the data directory, the mesh is stopped first.
    ResetToken(ResetArgs),
    /// Make a key for identities, and print its public half; or the key of the hashes of tokens.
    CreateKey {
        /// The file, which must not be there yet. Its owner alone can read it.
        file: PathBuf,
        /// Make the key under which all gateways hash tokens and API keys.
        #[arg(long)]
        hash: bool,
    },
}

/// Whose token.
#[derive(Debug, Args)]
pub struct ResetArgs {
    /// The data directory [default: ./millrace-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The TOML file of settings of the gateway.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(command: AdminCommand) -> Result<(), Failure> {
    match command {
        AdminCommand::ResetToken(args) => reset_token(args).await,
        AdminCommand::CreateKey { file, hash: true } => {
            keys::create_hash(&file)?;
            note(&format!("{} holds the key; give it to every gateway as `gateway.hash_key_file`", file.display()));
            Ok(())
        }
        AdminCommand::CreateKey { file, hash: false } => {
            println!("{}", keys::create(&file)?);
            note(&format!(
                "{} holds the private key, for `identity.keys`; the line above is the public one, for `identity.trusted`",
                file.display()
            ));
            Ok(())
        }
    }
}

async fn reset_token(args: ResetArgs) -> Result<(), Failure> {
    let flags = Flags { data_dir: args.data_dir, config: args.config, ..Flags::default() };
    let settings = Settings::load_unchecked(&flags, &Shape::of([Role::Gateway]))
        .map_err(|error| Failure::usage(error.to_string()))?;
    let token = match settings.store.is_shared() {
        true => reset_in_shared_store(&settings).await?,
        false => reset_in_data_dir(&settings).await?,
    };
    println!("{}", token.display());
    note("a new token of the first administrator lies there; tokens from before still serve until they are revoked");
    Ok(())
}

/// The gateways may run on.
async fn reset_in_shared_store(settings: &Settings) -> Result<PathBuf, Failure> {
    let token = settings.token_file(&settings.data_dir);
    let hash_key = keys::hash_key(&settings.hash_key_file(&settings.data_dir), Missing::Refuse)?;
    let waiting = Waiting::new(Readiness::new(), Some(PATIENCE));
    let clock = Arc::new(SystemClock);
    let database = stores::shared_database(settings, Role::Gateway, &gateway::migrations(), clock, &waiting).await?;
    reset(database, &hash_key, token).await
}

async fn reset_in_data_dir(settings: &Settings) -> Result<PathBuf, Failure> {
    if !settings.data_dir.join("format").exists() {
        return Err(Failure::usage(format!("{} is no data directory of Millrace", settings.data_dir.display())));
    }
    let dir = DataDir::acquire(&settings.data_dir).map_err(failed)?;
    let hash_key = keys::hash_key(&settings.hash_key_file(dir.path()), Missing::Make)?;
    let waiting = Waiting::new(Readiness::new(), Some(PATIENCE));
    let stores = Stores { settings, dir: &dir, clock: Arc::new(SystemClock), waiting };
    let database = stores.database(Role::Gateway, &gateway::migrations()).await?;
    reset(database, &hash_key, settings.token_file(dir.path())).await
}

async fn reset(database: Database, hash_key: &Secret<[u8; 32]>, token: PathBuf) -> Result<PathBuf, Failure> {
    let result = gateway::reset_admin_key(&database, hash_key, keys::keeper(&token)).await;
    database.close().await;
    result.map_err(failed)?;
    Ok(token)
}
