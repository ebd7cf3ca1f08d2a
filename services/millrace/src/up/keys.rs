//! The keys of one process: Ed25519 for the identities that roles assert, and the key of credentials' hashes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

use ring::rand::SecureRandom;
use rpc::{KeyPair, Signer, Verifier};
use runtime::lock::{DataDir, write_private};
use types::{BoxError, Clock, Secret};

use super::{TOKEN_FILE, failed};
use crate::failure::Failure;

/// Whom identities are asserted to: this mesh.
const AUDIENCE: &str = "millrace";

const HASH_KEY_FILE: &str = "hash.key";

/// Who signs, and whom every role believes.
pub struct Keys {
    /// One signer per role.
    pub signers: BTreeMap<&'static str, Arc<Signer>>,
    /// Trusts the gateway for users, and each role for itself.
    pub verifier: Arc<Verifier>,
}

impl Keys {
    /// Makes new keys. What they sign lives a minute, so nothing outlives the process that would need the old ones.
    pub fn generate(roles: &[&'static str], clock: &Arc<dyn Clock>) -> Result<Self, Failure> {
        let mut verifier = Verifier::new(AUDIENCE, clock.clone());
        let mut signers = BTreeMap::new();
        for role in roles {
            let key = KeyPair::generate().map_err(failed)?;
            verifier = verifier.trust(*role, key.public());
            signers.insert(*role, Arc::new(Signer::new(key, role, AUDIENCE, clock.clone())));
        }
        Ok(Self { signers, verifier: Arc::new(verifier) })
    }
}

/// What to do when the directory has no key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Make one.
    Make,
    /// Fail: there are credentials whose hashes need the one that is gone.
    Refuse,
}

/// The key of the hashes of tokens and API keys, in a file of the data directory that its owner alone reads.
pub fn hash_key(dir: &DataDir, missing: Missing) -> Result<Secret<[u8; 32]>, Failure> {
    let path = dir.join(HASH_KEY_FILE);
    let cannot = |error: std::io::Error| Failure::other(format!("cannot use {}: {error}", path.display()));
    match std::fs::read(&path) {
        Ok(bytes) => {
            let bytes = bytes.try_into();
            bytes.map(Secret::new).map_err(|_| {
                Failure::other(format!(
                    "{} does not hold 32 bytes; restore it, or remove it and run `millrace admin reset-token`",
                    path.display()
                ))
            })
        }
        Err(error) if error.kind() == ErrorKind::NotFound && missing == Missing::Make => {
            let mut bytes = [0; 32];
            let random = ring::rand::SystemRandom::new().fill(&mut bytes);
            random.map_err(|_| Failure::other("the system gives no random numbers"))?;
            dir.write_private(HASH_KEY_FILE, &bytes).map_err(cannot)?;
            Ok(Secret::new(bytes))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::other(format!(
            "{} is missing, and without it no token or key is known; restore it, or run `millrace admin reset-token` for a new one",
            path.display()
        ))),
        Err(error) => Err(cannot(error)),
    }
}

/// Puts the administrator's key into its file, before the store commits it.
pub fn keeper(dir: &DataDir) -> impl FnOnce(&Secret<String>) -> Result<(), BoxError> + Send + 'static {
    let path = dir.join(TOKEN_FILE);
    move |secret| Ok(write_private(&path, format!("{}\n", secret.expose()).as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_key_stays_the_same_and_its_loss_is_noticed() {
        let folder = testkit::temp_dir();
        let dir = DataDir::acquire(folder.path()).unwrap();
        assert!(hash_key(&dir, Missing::Refuse).is_err());
        let first = hash_key(&dir, Missing::Make).ok().unwrap();
        let second = hash_key(&dir, Missing::Refuse).ok().unwrap();
        assert_eq!(first.expose(), second.expose());
        std::fs::write(dir.join(HASH_KEY_FILE), "short").unwrap();
        assert!(hash_key(&dir, Missing::Make).is_err(), "a damaged key is not replaced silently");
    }
}
