//! The keys that identities are signed with: Ed25519 (RFC 8032), kept in files.

mod settings;

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use types::{Digest, Secret};

use crate::Error;
pub use settings::{IdentitySettings, Trusted};

/// What stands before the key in the text of a public key.
const SCHEME: &str = "ed25519:";
/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key that signs. Clones share it.
#[derive(Clone)]
pub struct KeyPair {
    key: Arc<Ed25519KeyPair>,
    pkcs8: Secret<Vec<u8>>,
}

impl KeyPair {
    /// Makes a new key.
    pub fn generate() -> Result<Self, Error> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| Error::BadKey("the system gives no random numbers"))?;
        Self::from_pkcs8(document.as_ref())
    }

    /// Reads a key from PKCS #8, as [`Self::to_pkcs8`] or `openssl genpkey -algorithm ed25519` wrote it.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<Self, Error> {
        // OpenSSL leaves the public half out, so there is nothing to compare it with.
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes);
        let key = key.map_err(|_| Error::BadKey("it is no Ed25519 key in PKCS #8"))?;
        Ok(Self { key: Arc::new(key), pkcs8: Secret::new(bytes.to_vec()) })
    }

    /// The key in PKCS #8, to be kept where its owner alone can read.
    pub fn to_pkcs8(&self) -> &Secret<Vec<u8>> {
        &self.pkcs8
    }

    /// Reads a key from a file of PKCS #8, PEM or DER. Fails when everybody on the machine may read the file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bad = |problem: String| Error::KeyFile { path: path.to_owned(), problem };
        let cannot = |error: std::io::Error| bad(format!("it cannot be read: {error}"));
        let bytes = Secret::new(std::fs::read(path).map_err(cannot)?);
        if std::fs::metadata(path).map_err(cannot)?.mode() & 0o007 != 0 {
            return Err(bad("everybody on this machine may read or change it; `chmod 600` it".to_owned()));
        }
        let key = match PrivatePkcs8KeyDer::from_pem_slice(bytes.expose()) {
            Ok(der) => Self::from_pkcs8(der.secret_pkcs8_der()),
            Err(_) => Self::from_pkcs8(bytes.expose()),
        };
        key.map_err(|error| bad(error.to_string()))
    }

    /// Writes the key to a new file that its owner alone may read (0600), as PEM. Fails when there is such a file.
    pub fn store(&self, path: &Path) -> Result<(), Error> {
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(pem("PRIVATE KEY", self.pkcs8.expose()).expose().as_bytes())?;
            file.sync_all()
        };
        let bad = |error| Error::KeyFile { path: path.to_owned(), problem: format!("it cannot be written: {error}") };
        write().map_err(bad)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.key.public_key().as_ref());
        PublicKey(bytes)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public())
    }
}

fn pem(label: &str, der: &[u8]) -> Secret<String> {
    let encoded = STANDARD.encode(der);
    let lines: Vec<_> = encoded.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
    Secret::new(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")))
}

/// A key that checks signatures. Its text is `ed25519:` and 43 letters of base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads the 32 bytes of a key.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads all keys of a file: texts, one in a line, lines that begin with `#` left out; or PEM blocks.
    pub fn load_all(path: &Path) -> Result<Vec<Self>, Error> {
        let bad = |problem: String| Error::KeyFile { path: path.to_owned(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| bad(format!("it cannot be read: {error}")))?;
        let keys: Result<Vec<_>, Error> = if text.contains("-----BEGIN") {
            let blocks = SubjectPublicKeyInfoDer::pem_slice_iter(text.as_bytes());
            blocks.map(|der| Self::from_spki(&der.map_err(|_| Error::BadKey("it is no PEM"))?)).collect()
        } else {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.map(str::parse).collect()
        };
        let keys = keys.map_err(|error| bad(error.to_string()))?;
        if keys.is_empty() { Err(bad("it holds no public key".to_owned())) } else { Ok(keys) }
    }

    fn from_spki(der: &[u8]) -> Result<Self, Error> {
        let key = der.strip_prefix(&SPKI_PREFIX).and_then(|bytes| bytes.try_into().ok());
        key.map(Self).ok_or(Error::BadKey("it is no public key of Ed25519"))
    }

    /// The first 8 bytes of its SHA-256.
    pub(crate) fn id(&self) -> Vec<u8> {
        Digest::of(&self.0).as_bytes()[..8].to_vec()
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        const FORM: Error = Error::BadKey("the text of a public key is `ed25519:` and 43 letters of base64");
        let encoded = text.trim().strip_prefix(SCHEME).ok_or(FORM)?.trim_end_matches('=');
        let bytes = STANDARD_NO_PAD.decode(encoded).map_err(|_| FORM)?;
        bytes.try_into().map(Self).map_err(|_| FORM)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_file_which_its_owner_alone_reads() {
        let (dir, key) = (testkit::temp_dir(), KeyPair::generate().unwrap());
        let path = dir.path().join("catalog.key");
        key.store(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(KeyPair::load(&path).unwrap().public(), key.public());
        assert!(key.store(&path).is_err(), "a key is not written over another");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o604)).unwrap();
        assert!(KeyPair::load(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_key_of_openssl_is_read() {
        // `openssl genpkey -algorithm ed25519`, and `openssl pkey -pubout` of it.
        let (dir, private) = (testkit::temp_dir(), "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g");
        let (key, public) = (dir.path().join("key"), dir.path().join("public"));
        std::fs::write(&key, STANDARD.decode(private).unwrap()).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let key = KeyPair::load(&key).unwrap();
        let spki = [&SPKI_PREFIX[..], key.public().as_bytes()].concat();
        std::fs::write(&public, pem("PUBLIC KEY", &spki).expose()).unwrap();
        assert_eq!(PublicKey::load_all(&public).unwrap(), [key.public()]);
    }

    #[test]
    fn public_keys_are_texts_and_a_file_may_hold_several() {
        let (one, two) = (KeyPair::generate().unwrap().public(), KeyPair::generate().unwrap().public());
        assert_eq!(one.to_string().parse::<PublicKey>().unwrap(), one);
        for bad in ["", "ed25519:", "ed25519:AAAA", "rsa:xyz"] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
        }
        let dir = testkit::temp_dir();
        let path = dir.path().join("trusted");
        std::fs::write(&path, format!("# the old one\n{one}\n\n{two}\n")).unwrap();
        assert_eq!(PublicKey::load_all(&path).unwrap(), [one, two]);
        std::fs::write(&path, "# none\n").unwrap();
        assert!(PublicKey::load_all(&path).is_err());
    }
}
