//! Passwords: Argon2id (RFC 9106) in the PHC form, checked off the threads that serve calls.

use std::sync::Arc;

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use types::Secret;

use crate::Error;

/// How long a password may be, in characters.
pub const LENGTH: std::ops::RangeInclusive<usize> = 10..=1024;

/// Hashes and checks passwords, a few at a time.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    /// Checked in place of the hash of a user who is not there, so that the time of an answer does not tell.
    nobody: Arc<str>,
}

impl Passwords {
    /// Checks at most `concurrent` at the same time.
    pub async fn new(concurrent: usize) -> Result<Self, Error> {
        let nobody = runtime::blocking(|| hash("nobody has this password")).await?;
        Ok(Self { permits: Arc::new(Semaphore::new(concurrent)), nobody: nobody.into() })
    }

    /// Hashes a new password.
    pub async fn hash(&self, password: Secret<String>) -> Result<String, Error> {
        let _permit = self.permit().await;
        runtime::blocking(move || hash(password.expose())).await
    }

    /// Tells whether this is the password behind `stored`. Takes as long when nothing is stored.
    pub async fn check(&self, password: Secret<String>, stored: Option<String>) -> bool {
        let _permit = self.permit().await;
        let nobody = self.nobody.clone();
        runtime::blocking(move || {
            let fits = |stored: &str| Argon2::default().verify_password(password.expose().as_bytes(), stored).is_ok();
            match stored {
                Some(stored) => fits(&stored),
                None => {
                    fits(&nobody);
                    false
                }
            }
        })
        .await
    }

    async fn permit(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.permits.acquire().await.expect("the semaphore is never closed")
    }
}

fn hash(password: &str) -> Result<String, Error> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| Error::PasswordHash)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_alone() {
        let passwords = Passwords::new(1).await.unwrap();
        let stored = passwords.hash(Secret::new("correct horse".into())).await.unwrap();
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        assert!(passwords.check(Secret::new("correct horse".into()), Some(stored.clone())).await);
        assert!(!passwords.check(Secret::new("wrong horse".into()), Some(stored)).await);
        assert!(!passwords.check(Secret::new("nobody has this password".into()), None).await);
    }
}
