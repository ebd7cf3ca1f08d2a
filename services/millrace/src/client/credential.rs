//! What a client signs in with.

use std::time::Duration;

use proto::identity::v1::RefreshTokensRequest;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use tonic::Code;
use tonic::transport::Channel;
use types::{Clock, Timestamp};

use super::login::Login;
use crate::failure::Failure;

/// An access token that ends sooner than this is traded first.
const MARGIN: Duration = Duration::from_secs(30);

/// What a client signs in with.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A token that was named.
    Token(String),
    /// The stored login, whose access token is traded for a new one in time.
    Stored,
    /// None, for the calls that anybody may make.
    None,
}

impl Credential {
    /// A token that is good for a while.
    pub(super) async fn token(&self, identity: IdentityServiceClient<Channel>) -> Result<String, Failure> {
        match self {
            Self::Token(token) => Ok(token.clone()),
            Self::None => Ok(String::new()),
            Self::Stored => stored(identity).await,
        }
    }
}

async fn stored(mut identity: IdentityServiceClient<Channel>) -> Result<String, Failure> {
    if let Some(token) = good(&load()?) {
        return Ok(token);
    }
    // Taken off the executor: another command may hold it while it waits for the mesh.
    let _lock = runtime::blocking(Login::lock).await?;
    let login = load()?;
    if let Some(token) = good(&login) {
        return Ok(token);
    }
    let refresh_token = login.refresh_token.clone().unwrap_or_default();
    match identity.refresh_tokens(RefreshTokensRequest { refresh_token }).await {
        Ok(reply) => {
            let login = Login::by_tokens(login.address, reply.into_inner().tokens.unwrap_or_default());
            login.store()?;
            Ok(login.token)
        }
        Err(status) if status.code() == Code::Unauthenticated => {
            Err(Failure::not_signed_in("the stored login has ended; sign in again with `millrace login`"))
        }
        Err(status) => Err(status.into()),
    }
}

fn load() -> Result<Login, Failure> {
    Login::load()?.ok_or_else(|| Failure::not_signed_in("not signed in; use `millrace login`"))
}

fn good(login: &Login) -> Option<String> {
    let ends = login.ends.map(Timestamp::from_micros);
    ends.is_none_or(|ends| ends > runtime::SystemClock.now() + MARGIN).then(|| login.token.clone())
}
