//! The command line.

use clap::{Parser, Subcommand};

use crate::client::Connection;
use crate::commands::{
    backup, crawl, dataset, dead_letters, index, job, key, login, profile, search, source, tenant, user,
};
use crate::failure::EXIT_CODES;
use crate::output::Format;
use crate::{admin, check, serve, up};

/// Finds datasets, profiles them in full, and keeps them searchable.
#[derive(Debug, Parser)]
#[command(name = "millrace", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Which gateway, and as whom.
    #[command(flatten)]
    pub connection: Connection,
    /// The form of results on stdout.
    #[arg(long, global = true, value_enum, default_value = "table", help_heading = "Output")]
    pub output: Format,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole mesh in this process.
    Up(Box<up::UpArgs>),
    /// Run some roles of the mesh, as one process of several.
    Serve(Box<serve::ServeArgs>),
    /// Tell whether settings make sense and what they name answers.
    Check(Box<check::CheckArgs>),
    /// Look after the first administrator's token and the keys of a mesh.
    Admin {
        /// What to do.
        #[command(subcommand)]
        command: admin::AdminCommand,
    },
    /// Back up all that a mesh in one process keeps, also while it runs.
    Backup(backup::BackupArgs),
    /// Put a back-up back into an empty directory.
    Restore(backup::RestoreArgs),
    /// Sign in, and store the login for later commands.
    Login(login::LoginArgs),
    /// End the stored login.
    Logout,
    /// Show who the caller is.
    Whoami,
    /// Places where datasets lie.
    Source {
        /// What to do.
        #[command(subcommand)]
        command: source::SourceCommand,
    },
    /// Visits to a source.
    Crawl {
        /// What to do.
        #[command(subcommand)]
        command: crawl::CrawlCommand,
    },
    /// Find datasets by words and filters.
    Search(Box<search::SearchArgs>),
    /// Datasets and their versions.
    Dataset {
        /// What to do.
        #[command(subcommand)]
        command: dataset::DatasetCommand,
    },
    /// Profile a file here and now, without a mesh.
    Profile(profile::ProfileArgs),
    /// Profiling jobs.
    Job {
        /// What to do.
        #[command(subcommand)]
        command: job::JobCommand,
    },
    /// The search index.
    Index {
        /// What to do.
        #[command(subcommand)]
        command: index::IndexCommand,
    },
    /// Users of a tenant.
    User {
        /// What to do.
        #[command(subcommand)]
        command: user::UserCommand,
    },
    /// Tenants of the platform.
    Tenant {
        /// What to do.
        #[command(subcommand)]
        command: tenant::TenantCommand,
    },
    /// API keys.
    Key {
        /// What to do.
        #[command(subcommand)]
        command: key::KeyCommand,
    },
    /// The state of the mesh: roles, loops, queues.
    Status {
        /// One role alone: `catalog`.
        role: Option<String>,
    },
    /// Events that a role could not apply.
    DeadLetters {
        /// What to do.
        #[command(subcommand)]
        command: dead_letters::DeadLettersCommand,
    },
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_scripts_depend_on_parses() {
        for line in [
            "millrace up --demo --data-dir d --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --folder-root a --folder-root b",
            "millrace admin reset-token --data-dir d",
            "millrace admin reset-token --config mesh.toml",
            "millrace admin create-key gateway.key",
            "millrace admin create-key --hash hash.key",
            "millrace check --config mesh.toml --roles gateway --output json",
            "millrace serve --roles gateway --config mesh.toml --data-dir d --listen 127.0.0.1:0",
            "millrace serve --roles catalog,discovery --listen catalog=127.0.0.1:0 --admin-listen 127.0.0.1:0",
            "millrace backup --data-dir d --config f --local-only there",
            "millrace backup verify there --output json",
            "millrace restore --from there --data-dir d",
            "millrace source add folder data --title T --every 1h --dry-run",
            "millrace source add http-index http://host/data/ --wait",
            "millrace source list --output json",
            "millrace source run demo --accept-losses",
            "millrace source delete demo",
            "millrace search --address 127.0.0.1:7070 --token-file f bird strikes --output json",
            "millrace dataset download d1 --form csv --to -",
            "millrace dataset add f.csv --id mine",
            "millrace dataset profile d1 --table Sheet --output json",
            "millrace dataset edit d1 --title T --tag a --tag b",
            "millrace profile f.csv",
            "millrace profile f.csv --save-state s",
            "millrace profile f.csv --append-to s --save-state s --output json",
            "millrace job append p1 f.csv --wait",
            "millrace job merge p1 p2 --wait",
            "millrace dead-letters redrive services/catalog/deadLetters/1",
            "millrace completions bash",
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
        }
    }
}
