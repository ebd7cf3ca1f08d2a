//! The commands, one file for each kind of thing. A client command makes one or two calls and prints the reply.

pub mod backup;
pub mod crawl;
pub mod dataset;
mod dataset_transfer;
pub mod dead_letters;
mod follow;
pub mod index;
pub mod job;
pub mod key;
pub mod login;
pub mod profile;
mod profile_text;
pub mod search;
pub mod source;
pub mod status;
pub mod tenant;
pub mod user;

use std::io::Write;

use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::client::{Client, Connection};
use crate::failure::Failure;
use crate::output::Output;
use crate::{admin, check, serve, up};

pub use follow::{crawl_to_end, datasets_settled, job_to_end, print_changes, rebuild_to_end};

/// What every client command needs.
pub struct Context {
    /// Which gateway, and as whom.
    pub connection: Connection,
    /// Where results go.
    pub out: Output,
}

impl Context {
    /// Connects and signs in.
    pub async fn client(&self) -> Result<Client, Failure> {
        Client::connect(&self.connection).await
    }
}

/// Runs the command that was asked for.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    let context = Context { connection: cli.connection, out: Output::new(cli.output) };
    match cli.command {
        Command::Up(args) => up::run(*args).await,
        Command::Serve(args) => serve::run(*args).await,
        Command::Check(args) => check::run(&context, *args).await,
        Command::Admin { command } => admin::run(command).await,
        Command::Completions { shell } => completions(shell),
        Command::Profile(args) => profile::run(&context, args).await,
        Command::Backup(args) => until_interrupted(backup::run(&context, args)).await,
        Command::Restore(args) => until_interrupted(backup::restore(&context, args)).await,
        command => until_interrupted(client_command(&context, command)).await,
    }
}

async fn client_command(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Login(args) => login::login(context, args).await,
        Command::Logout => login::logout(context).await,
        Command::Whoami => login::whoami(context).await,
        Command::Source { command } => source::run(context, command).await,
        Command::Crawl { command } => crawl::run(context, command).await,
        Command::Search(args) => search::run(context, *args).await,
        Command::Dataset { command } => dataset::run(context, command).await,
        Command::Job { command } => job::run(context, command).await,
        Command::Index { command } => index::run(context, command).await,
        Command::User { command } => user::run(context, command).await,
        Command::Tenant { command } => tenant::run(context, command).await,
        Command::Key { command } => key::run(context, command).await,
        Command::Status { role } => status::run(context, role).await,
        Command::DeadLetters { command } => dead_letters::run(context, command).await,
        Command::Up(_)
        | Command::Serve(_)
        | Command::Check(_)
        | Command::Admin { .. }
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Completions { .. }
        | Command::Profile(_) => {
            unreachable!("`run` takes these itself")
        }
    }
}

/// An interrupt drops what runs, so that a half-written file beside its target goes too.
async fn until_interrupted(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let interrupted = runtime::stop_signal()?;
    tokio::select! {
        result = command => result,
        _ = interrupted => Err(Failure::interrupted()),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "millrace", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
