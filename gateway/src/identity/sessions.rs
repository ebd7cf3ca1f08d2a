//! Sessions: from a password to short-lived tokens, and on by refresh tokens that serve once.

use types::{Secret, TenantId, Timestamp, UserId, UserName};

use super::store::{sessions, tenants, users};
use super::{Identities, token};
use crate::Error;

/// The tokens of one session.
pub struct Tokens {
    pub access: Secret<String>,
    pub access_expires: Timestamp,
    pub refresh: Secret<String>,
    pub refresh_expires: Timestamp,
}

/// What a refresh token led to.
enum Refreshed {
    Tokens(Tokens),
    /// Committed, so that the session stays ended, and then told as an error.
    Reused,
}

impl Identities {
    /// Trades a password for tokens. Whether it is tenant, user or password that is wrong, the answer is the same.
    pub async fn login(
        &self,
        tenant: &str,
        user: &str,
        password: Secret<String>,
        address: &str,
    ) -> Result<Tokens, Error> {
        let name = tenant.parse::<TenantId>().ok().zip(user.parse::<UserId>().ok());
        let name = name.map(|(tenant, user)| UserName::new(tenant, user));
        // What is no name counts as one: nobody is to fill the memory with them.
        let who = name.as_ref().map(ToString::to_string).unwrap_or_default();
        self.throttle.begin(&who, address)?;
        let stored = match name.clone() {
            Some(name) => self.db.read(|conn| Box::pin(async move { users::get(conn, &name).await })).await?,
            None => None,
        };
        let fits = self.passwords.check(password, stored.as_ref().and_then(|user| user.password.clone())).await;
        let (Some(name), Some(checked), true) = (name, stored, fits) else { return Err(Error::LoginFailed) };
        self.throttle.succeeded(&who, address);
        let (made, now) = (self.make_tokens(), self.db.now());
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    // Read again: the password may have been changed while it was checked.
                    let user = users::get(conn, &name).await?.ok_or(Error::LoginFailed)?;
                    if user.password != checked.password {
                        return Err(Error::LoginFailed);
                    }
                    enabled(conn, &user).await?;
                    let session = format!("s{}", uuid::Uuid::new_v4().simple());
                    sessions::begin(conn, &session, &name, now).await?;
                    made.store(conn, &session).await
                })
            })
            .await
    }

    /// Trades a refresh token for new tokens. One that was used before ends its session: either its owner or a thief
    /// holds the newer ones, and nobody can tell who.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens, Error> {
        let (hash, made, now) = (self.hash_key.hash(refresh_token), self.make_tokens(), self.db.now());
        let refreshed = self
            .db
            .write(move |conn| {
                Box::pin(async move {
                    let found = sessions::find_refresh(conn, &hash).await?.ok_or(Error::RefreshTokenInvalid)?;
                    if found.used {
                        sessions::end(conn, &found.session, now).await?;
                        return Ok(Refreshed::Reused);
                    }
                    if found.ended || found.expires <= now {
                        return Err(Error::RefreshTokenInvalid);
                    }
                    let user = users::get(conn, &found.user).await?.ok_or(Error::RefreshTokenInvalid)?;
                    enabled(conn, &user).await?;
                    sessions::use_up(conn, &hash, now).await?;
                    made.store(conn, &found.session).await.map(Refreshed::Tokens)
                })
            })
            .await?;
        match refreshed {
            Refreshed::Tokens(tokens) => Ok(tokens),
            Refreshed::Reused => {
                drop(self.revocations.when_done());
                Err(Error::RefreshTokenReused)
            }
        }
    }

    /// Ends the session of a refresh token. One that is not known ends nothing, which is what was asked for.
    pub async fn logout(&self, refresh_token: &str) -> Result<(), Error> {
        let _tell = self.revocations.when_done();
        let (hash, now) = (self.hash_key.hash(refresh_token), self.db.now());
        self.db
            .write(move |conn| {
                Box::pin(async move {
                    match sessions::find_refresh(conn, &hash).await? {
                        Some(found) => sessions::end(conn, &found.session, now).await,
                        None => Ok(()),
                    }
                })
            })
            .await
    }

    fn make_tokens(&self) -> Made {
        let now = self.db.now();
        let tokens = Tokens {
            access: token::access(),
            access_expires: now + self.access_life,
            refresh: token::refresh(),
            refresh_expires: now + self.refresh_life,
        };
        Made { hash_key: self.hash_key.clone(), tokens }
    }
}

struct Made {
    hash_key: token::HashKey,
    tokens: Tokens,
}

impl Made {
    async fn store(self, conn: &mut sql::Conn, session: &str) -> Result<Tokens, Error> {
        let Tokens { access, access_expires, refresh, refresh_expires } = &self.tokens;
        let (access, refresh) = (self.hash_key.hash(access.expose()), self.hash_key.hash(refresh.expose()));
        sessions::add_tokens(conn, session, (&access, *access_expires), (&refresh, *refresh_expires)).await?;
        Ok(self.tokens)
    }
}

async fn enabled(conn: &mut sql::Conn, user: &users::User) -> Result<(), Error> {
    if user.disabled {
        return Err(Error::UserDisabled);
    }
    match tenants::get(conn, &user.name.tenant).await? {
        Some(tenant) if !tenant.disabled => Ok(()),
        _ => Err(Error::TenantDisabled),
    }
}
