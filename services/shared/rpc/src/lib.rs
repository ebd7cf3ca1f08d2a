//! How calls are made and served: transports, layers, deadlines, identity, and the mapping of errors to statuses.
//!
//! A [`Transport`] is what every generated client stands on. [`connect`] makes one over TCP or TLS and [`in_process`] makes one
//! that leads straight to routes in the same process; both pass through the same layers, so there is one code path.
//! [`server_stack`] puts the layers around a role's routes, [`client_stack`] around a transport.
//!
//! Promises, each tested over both transports:
//! - a call ends by its deadline, the stream of its answer included, with `DEADLINE_EXCEEDED`;
//! - an upload that was broken off never looks complete;
//! - a panic in a handler or in a stream ends that call alone, with `INTERNAL`;
//! - who drops the answer drops the handler;
//! - what a client puts among its request's extensions, or into the identity header without the key, is no identity;
//! - every status carries `google.rpc.ErrorInfo`.
//!
//! This crate decides no permissions: the gateway does, by the rules of `proto`; services compare tenants by [`permit`].
// `tonic::Status` is made here and nowhere else.
#![allow(clippy::disallowed_methods)]

mod body;
mod client;
mod connect;
mod connection;
mod context;
mod error;
mod identity;
mod infrastructure;
mod keys;
mod layers;
mod operator;
mod permit;
mod server;
mod status;
pub mod tls;
mod trace;
mod transport;
pub mod upload;
mod violations;
pub mod watch;

pub use client::{Acting, client_stack};
pub use connect::{ConnectSettings, connect};
pub use connection::{ConnectionLimits, connections};
pub use context::{DEFAULT_DEADLINE, MAX_DEADLINE, as_role, known_method};
pub use error::Error;
pub use identity::{CLOCK_TOLERANCE, IDENTITY_HEADER, Signer, Verifier};
pub use keys::{IdentitySettings, KeyPair, PublicKey, Trusted};
pub use layers::code_name;
pub use operator::{Operator, operator_service};
pub use permit::{identity, permit, permitted};
pub use server::{ServerOptions, serve, serve_within, server_stack};
pub use status::{reason, retry_after, to_status};
pub use tls::{ClientTls, ServerTls, TlsSettings};
pub use transport::{Plug, Served, Transport, in_process};
pub use violations::{BadRequest, Violations};

#[cfg(test)]
mod tests;
