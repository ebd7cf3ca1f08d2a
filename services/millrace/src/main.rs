//! The one binary of Millrace: `up` runs the whole mesh in one process, `serve` a part of
//! it, and nearly every other command is a thin client.
//!
//! The binary is wiring: it hands each service its back ends and transports, and plugs the finished routes into them.
//! Client commands make one or two calls through the gateway and print the reply. Results go to stdout, progress and
//! messages to stderr; a failure is one line and an exit code that `--help` lists.

mod admin;
mod check;
mod cli;
mod client;
mod commands;
mod failure;
mod mesh;
mod output;
mod progress;
mod serve;
mod up;

use clap::Parser;

use crate::failure::Failure;

fn main() -> std::process::ExitCode {
    // Started by this program itself, to parse one file.
    if let Some(code) = profile::run_as_child() {
        return code;
    }
    let cli = cli::Cli::parse();
    let result = match runtime::block_on(commands::run(cli)) {
        Ok(result) => result,
        Err(error) => Err(Failure::other(format!("cannot start the runtime: {error}"))),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
