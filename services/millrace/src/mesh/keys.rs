//! The keys of a process: Ed25519 for the identities that roles assert, and the key of credentials' hashes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use ring::rand::SecureRandom;
use rpc::{KeyPair, Signer, Verifier};
use runtime::lock::write_private;
use types::{BoxError, Clock, Secret};

use super::failed;
use super::role::{Role, Shape};
use super::settings::Identity;
use crate::failure::Failure;

/// Who signs, and whom every role believes.
pub struct Keys {
    /// One signer for each role of the process.
    pub signers: BTreeMap<Role, Arc<Signer>>,
    /// Trusts the gateway for users, and each role for itself.
    pub verifier: Arc<Verifier>,
}

impl Keys {
    /// Reads the keys that the settings name. A role of the process that has none gets a new one, which this process alone
    /// believes: what it signs lives a minute, so nothing outlives the process that would need the old one.
    pub fn open(settings: &Identity, shape: &Shape, clock: &Arc<dyn Clock>) -> Result<Self, Failure> {
        let audience = &settings.audience;
        let mut verifier = settings.believed().verifier(audience, clock.clone()).map_err(failed)?;
        let mut signers = BTreeMap::new();
        for role in shape.roles() {
            let key = match settings.key(role) {
                Some(path) => KeyPair::load(path).map_err(failed)?,
                None => KeyPair::generate().map_err(failed)?,
            };
            verifier = verifier.trust(role.name(), key.public());
            signers.insert(role, Arc::new(Signer::new(key, role.name(), audience, clock.clone())));
        }
        Ok(Self { signers, verifier: Arc::new(verifier) })
    }
}

/// Makes a key pair, writes its private half for its owner alone, and gives the public one as settings take it.
pub fn create(path: &Path) -> Result<String, Failure> {
    let key = KeyPair::generate().map_err(failed)?;
    key.store(path).map_err(failed)?;
    Ok(key.public().to_string())
}

/// Makes the key of hashes, in a file for its owner alone. One that is there is never written over: what it hashed would be
/// void.
pub fn create_hash(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::usage(format!("{} is there already; name another file", path.display())));
    }
    write_private(path, random()?.expose()).map_err(|error| cannot(path, &error))
}

/// What to do when there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Make one.
    Make,
    /// Fail: there are credentials whose hashes need the one that is gone.
    Refuse,
}

/// The key of the hashes of tokens and API keys, in a file that its owner alone reads.
pub fn hash_key(path: &Path, missing: Missing) -> Result<Secret<[u8; 32]>, Failure> {
    match std::fs::read(path) {
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
            let key = random()?;
            write_private(path, key.expose()).map_err(|error| cannot(path, &error))?;
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::other(format!(
            "{} is missing, and without it no token or key is known; restore it, or run `millrace admin reset-token` for a new one",
            path.display()
        ))),
        Err(error) => Err(cannot(path, &error)),
    }
}

/// Puts the administrator's key into its file, before the store commits it.
pub fn keeper(path: &Path) -> impl FnOnce(&Secret<String>) -> Result<(), BoxError> + Send + 'static {
    let path = path.to_owned();
    move |secret| Ok(write_private(&path, format!("{}\n", secret.expose()).as_bytes())?)
}

fn random() -> Result<Secret<[u8; 32]>, Failure> {
    let mut bytes = [0; 32];
    let filled = ring::rand::SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Failure::other("the system gives no random numbers"))?;
    Ok(Secret::new(bytes))
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::other(format!("cannot use {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use runtime::SystemClock;

    use super::*;

    #[test]
    fn the_hash_key_stays_the_same_and_its_loss_is_noticed() {
        let folder = testkit::temp_dir();
        let path = folder.path().join("hash.key");
        assert!(hash_key(&path, Missing::Refuse).is_err());
        let first = hash_key(&path, Missing::Make).ok().unwrap();
        let second = hash_key(&path, Missing::Refuse).ok().unwrap();
        assert_eq!(first.expose(), second.expose());
        std::fs::write(&path, "short").unwrap();
        assert!(hash_key(&path, Missing::Make).is_err(), "a damaged key is not replaced silently");
        assert!(create_hash(&path).is_err(), "nor is it written over");
    }

    #[test]
    fn what_one_process_signs_another_believes_by_the_printed_key() {
        let folder = testkit::temp_dir();
        let path = folder.path().join("gateway.key");
        let public = create(&path).ok().unwrap();
        assert!(create(&path).is_err(), "a key is not written over");

        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let nobody = Identity { audience: "mesh".into(), keys: BTreeMap::new(), trusted: BTreeMap::new() };
        let signing = Identity { keys: [(Role::Gateway, path)].into(), ..nobody.clone() };
        let trusting = Identity { trusted: [(Role::Gateway, rpc::Trusted::One(public))].into(), ..nobody.clone() };
        let gateway = Keys::open(&signing, &Shape::of([Role::Gateway]), &clock).ok().unwrap();
        let signer = &gateway.signers[&Role::Gateway];
        let header = signer.sign(&signer.role_identity(None));
        let verifier = |settings| Keys::open(settings, &Shape::of([Role::Catalog]), &clock).ok().unwrap().verifier;
        assert!(verifier(&trusting).verify(&header).is_ok());
        assert!(verifier(&nobody).verify(&header).is_err());
        assert!(verifier(&Identity { audience: "other".into(), ..trusting.clone() }).verify(&header).is_err());
    }
}
