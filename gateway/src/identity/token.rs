//! Secrets that stand for a user: API keys, access tokens, refresh tokens.
//!
//! Each is a prefix, for people and scanners, and 256 random bits. The store keeps HMAC-SHA-256 of it under a key that
//! lies beside the store and not in it, so that a copy of the store opens nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use types::{Digest, KeyId, Secret};

/// The key of the hashes that the store keeps.
#[derive(Clone)]
pub struct HashKey(hmac::Key);

impl HashKey {
    /// Takes the 32 bytes of the key file.
    pub fn new(bytes: &Secret<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes.expose()))
    }

    /// The keyed hash of a secret.
    pub fn hash(&self, secret: &str) -> Hash {
        self.digest(secret.as_bytes())
    }

    /// The keyed hash of a request that may hold a secret.
    pub fn digest(&self, bytes: &[u8]) -> Hash {
        let tag = hmac::sign(&self.0, bytes);
        Digest::try_from(tag.as_ref()).expect("HMAC-SHA-256 has 32 bytes")
    }
}

/// A keyed hash.
pub type Hash = Digest;

/// What kind of credential a bearer token is, by its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// An API key.
    Key(KeyId),
    /// An access token.
    Access,
}

const ACCESS: &str = "mra_";
const REFRESH: &str = "mrr_";
const KEY: &str = "mrk_";

/// Reads the form of a bearer token; nothing is known of its truth then.
pub fn form(token: &str) -> Option<Bearer> {
    if let Some(rest) = token.strip_prefix(KEY) {
        let (id, secret) = rest.split_once('_')?;
        return is_secret(secret).then(|| id.parse().ok().map(Bearer::Key)).flatten();
    }
    token.strip_prefix(ACCESS).filter(|secret| is_secret(secret)).map(|_| Bearer::Access)
}

fn is_secret(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A new access token.
pub fn access() -> Secret<String> {
    Secret::new(format!("{ACCESS}{}", random()))
}

/// A new refresh token.
pub fn refresh() -> Secret<String> {
    Secret::new(format!("{REFRESH}{}", random()))
}

/// A new API key with this id.
pub fn api_key(id: &KeyId) -> Secret<String> {
    Secret::new(format!("{KEY}{id}_{}", random()))
}

fn random() -> String {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).expect("the system has randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_by_their_form() {
        let id = KeyId::random();
        assert_eq!(form(api_key(&id).expose()), Some(Bearer::Key(id)));
        assert_eq!(form(access().expose()), Some(Bearer::Access));
        assert_eq!(form(refresh().expose()), None);
        for bad in ["", "mrk_", "mrk_k1", "mrk_k1_", "mrk_K_x", "mra_", "mra_short", "Bearer x", "eyJhbGciOi"] {
            assert_eq!(form(bad), None, "{bad}");
        }
    }

    #[test]
    fn hashes_differ_by_key_and_by_secret() {
        let (a, b) = (HashKey::new(&Secret::new([1; 32])), HashKey::new(&Secret::new([2; 32])));
        assert_eq!(a.hash("x"), a.hash("x"));
        assert_ne!(a.hash("x"), b.hash("x"));
        assert_ne!(a.hash("x"), a.hash("y"));
    }
}
