//! From the header `authorization` to an identity.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use sql::Database;
use types::{Identity, Timestamp};

use crate::Error;
use crate::identity::token::{self, Bearer, Hash, HashKey};
use crate::identity::{Revocations, credentials};

/// Above so many entries the cache is emptied.
const REMEMBERED: usize = 10_000;

/// A credential that was seen to be good.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Whom it stands for.
    pub identity: Identity,
    bearer: Bearer,
    hash: Hash,
}

/// Tells whose a credential is. Remembers the answer for a short while, but never beyond a revocation of this process.
pub struct Authenticator {
    db: Database,
    hash_key: HashKey,
    revocations: Revocations,
    remember: Duration,
    cache: Mutex<HashMap<Hash, Remembered>>,
}

struct Remembered {
    credential: Arc<Credential>,
    until: Timestamp,
    /// The count of revocations before the look-up.
    revocations: u64,
}

impl Authenticator {
    pub fn new(db: Database, hash_key: HashKey, revocations: Revocations, remember: Duration) -> Self {
        Self { db, hash_key, revocations, remember, cache: Mutex::default() }
    }

    /// Tells whose credential the header `authorization` brings, or why it is none.
    pub async fn authenticate(&self, header: Option<&HeaderValue>) -> Result<Arc<Credential>, Error> {
        let token = bearer(header.ok_or(Error::CredentialMissing)?)?;
        let form = token::form(token).ok_or(Error::CredentialMalformed)?;
        let hash = self.hash_key.hash(token);
        match self.remembered(&hash)? {
            Some(credential) => Ok(credential),
            None => self.look_up(form, hash).await,
        }
    }

    /// Waits until `credential` is no longer good, and tells why.
    pub async fn until_refused(self: Arc<Self>, credential: Arc<Credential>) -> Error {
        let mut changes = self.revocations.watch();
        loop {
            if let Err(error) = self.look_up(credential.bearer.clone(), credential.hash).await {
                // A store that fails for a moment takes nothing from anybody.
                if !matches!(error, Error::Store(_)) {
                    return error;
                }
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn remembered(&self, hash: &Hash) -> Result<Option<Arc<Credential>>, Error> {
        let now = self.db.now();
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = cache.get(hash) else { return Ok(None) };
        if known.until <= now || known.revocations != self.revocations.count() {
            return Ok(None);
        }
        if known.credential.identity.credential_expires.is_some_and(|expires| expires <= now) {
            return Err(Error::CredentialExpired);
        }
        Ok(Some(known.credential.clone()))
    }

    async fn look_up(&self, bearer: Bearer, hash: Hash) -> Result<Arc<Credential>, Error> {
        let (revocations, now) = (self.revocations.count(), self.db.now());
        let form = bearer.clone();
        let identity = self.db.read(move |conn| {
            Box::pin(async move {
                match form {
                    Bearer::Key(id) => credentials::of_key(conn, &id, &hash, now).await,
                    Bearer::Access => credentials::of_access_token(conn, &hash, now).await,
                }
            })
        });
        let credential = Arc::new(Credential { identity: identity.await?, bearer, hash });
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= REMEMBERED {
            cache.clear();
        }
        let known = Remembered { credential: credential.clone(), until: now + self.remember, revocations };
        cache.insert(hash, known);
        Ok(credential)
    }
}

fn bearer(header: &HeaderValue) -> Result<&str, Error> {
    let text = header.to_str().map_err(|_| Error::CredentialMalformed)?;
    let (scheme, token) = text.split_once(' ').ok_or(Error::CredentialMalformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::CredentialMalformed);
    }
    Ok(token.trim())
}
