//! Which key a process signs with, and which keys it believes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use types::Clock;

use super::{KeyPair, PublicKey};
use crate::{Error, Verifier};

/// Which key a process signs identities with, and which keys of each role it believes.
///
/// Each entry of `trusted` is one text, `ed25519:…` or the path of a file that holds such texts or PEM, or a list of them.
/// A role may have several keys at once. To exchange a key, the new one becomes trusted everywhere, then the role signs
/// with it, then the old one goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentitySettings {
    /// The file of the private key, PKCS #8; empty: none, so that the process makes one for itself.
    pub key: PathBuf,
    /// By role: whose signatures are believed.
    pub trusted: BTreeMap<String, Trusted>,
}

/// One text, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Trusted {
    /// One key, or the file of one or more.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl IdentitySettings {
    /// Whether a key is configured.
    pub fn is_set(&self) -> bool {
        !self.key.as_os_str().is_empty()
    }

    /// The private key; none when none is configured.
    pub fn key(&self) -> Result<Option<KeyPair>, Error> {
        self.is_set().then(|| KeyPair::load(&self.key)).transpose()
    }

    /// The keys of every role that is trusted.
    pub fn trusted(&self) -> Result<BTreeMap<String, Vec<PublicKey>>, Error> {
        self.trusted.iter().map(|(role, entry)| Ok((role.clone(), entry.keys()?))).collect()
    }

    /// Believes all that is configured, for the mesh named `audience`.
    pub fn verifier(&self, audience: &str, clock: Arc<dyn Clock>) -> Result<Verifier, Error> {
        let mut verifier = Verifier::new(audience, clock);
        for (role, keys) in self.trusted()? {
            verifier = keys.into_iter().fold(verifier, |verifier, key| verifier.trust(role.clone(), key));
        }
        Ok(verifier)
    }

    /// Everything that is wrong with keys and files, one sentence each, under the settings named `at` (`identity`).
    pub fn problems(&self, at: &str) -> Vec<String> {
        let key = self.key().err().map(|error| format!("{at}.key: {error}"));
        let bad = |(role, entry): (&String, &Trusted)| Some(format!("{at}.trusted.{role}: {}", entry.keys().err()?));
        key.into_iter().chain(self.trusted.iter().filter_map(bad)).collect()
    }
}

impl Trusted {
    fn keys(&self) -> Result<Vec<PublicKey>, Error> {
        let entries = match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Several(entries) => entries,
        };
        let mut keys = Vec::new();
        for entry in entries {
            if entry.starts_with(super::SCHEME) {
                keys.push(entry.parse()?);
            } else {
                keys.extend(PublicKey::load_all(Path::new(entry))?);
            }
        }
        if keys.is_empty() { Err(Error::BadKey("there is none in the list")) } else { Ok(keys) }
    }
}

#[cfg(test)]
mod tests {
    use testkit::ManualClock;
    use types::Fault as _;

    use super::*;
    use crate::Signer;

    #[test]
    fn a_role_may_sign_with_its_old_and_its_new_key() {
        let (dir, clock) = (testkit::temp_dir(), ManualClock::default());
        let (old, new) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let file = dir.path().join("catalog.pub");
        std::fs::write(&file, old.public().to_string()).unwrap();
        let several = Trusted::Several(vec![file.display().to_string(), new.public().to_string()]);
        let trusted = BTreeMap::from([("catalog".to_owned(), several)]);
        let settings = IdentitySettings { trusted, ..IdentitySettings::default() };
        assert_eq!(settings.problems("identity"), Vec::<String>::new());
        let verifier = settings.verifier("test", clock.shared()).unwrap();
        for key in [old, new] {
            let signer = Signer::new(key, "catalog", "test", clock.shared());
            verifier.verify(&signer.sign(&signer.role_identity(None))).unwrap();
        }
        let stranger = Signer::new(KeyPair::generate().unwrap(), "catalog", "test", clock.shared());
        let refused = verifier.verify(&stranger.sign(&stranger.role_identity(None)));
        assert_eq!(refused.unwrap_err().reason(), "IDENTITY_REFUSED");
    }

    #[test]
    fn every_bad_key_is_told_with_its_setting() {
        let trusted = [("catalog", "/no/such/file"), ("gateway", "ed25519:short")];
        let trusted = trusted.map(|(role, entry)| (role.to_owned(), Trusted::One(entry.to_owned())));
        let settings = IdentitySettings { key: "/no/key".into(), trusted: trusted.into() };
        let problems = settings.problems("identity");
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[1].starts_with("identity.trusted.catalog: "), "{problems:?}");
    }
}
