//! Identities that the gateway and the roles assert to each other, signed with Ed25519 (RFC 8032).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderValue;
use prost::Message as _;
use proto::identity::v1::{IdentityAssertion, Role as RoleMessage, SignedIdentity};
use types::{Clock, Identity, Role, Subject, TenantId, Timestamp};

use crate::{Error, KeyPair, PublicKey};

/// The header that carries a `SignedIdentity`. The edge strips it from what clients send.
pub const IDENTITY_HEADER: &str = "millrace-identity-bin";

/// How long an assertion holds.
const LIFETIME: Duration = Duration::from_secs(60);
/// How far the clocks of two machines may differ, either way.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(30);
/// A header is used again while it holds at least so long.
const REUSE_WHILE: Duration = Duration::from_secs(40);
/// So many headers are remembered as genuine.
const REMEMBERED: usize = 1024;
/// So many headers are kept for use again; they are looked for one by one.
const SIGNED: usize = 64;

/// Binary headers come with or without padding.
const DECODE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Asserts identities with the key of one issuer.
pub struct Signer {
    key: KeyPair,
    key_id: Vec<u8>,
    issuer: &'static str,
    audience: String,
    clock: Arc<dyn Clock>,
    signed: Mutex<Vec<(Identity, HeaderValue, Timestamp)>>,
}

impl Signer {
    /// Signs as `issuer`, `gateway` or a role, towards the mesh named `audience`.
    pub fn new(key: KeyPair, issuer: &'static str, audience: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        let key_id = key.public().id();
        Self { key, key_id, issuer, audience: audience.into(), clock, signed: Mutex::default() }
    }

    /// The identity of the role that signs, acting for `tenant` or for none.
    pub fn role_identity(&self, tenant: Option<TenantId>) -> Identity {
        let subject = Subject::Service(self.issuer.to_owned());
        Identity { subject, tenant, roles: Vec::new(), credential_expires: None }
    }

    /// Signs `identity`, good for 60 s from now, as the value of [`IDENTITY_HEADER`].
    pub fn sign(&self, identity: &Identity) -> HeaderValue {
        let now = self.clock.now();
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        signed.retain(|(_, _, ends)| *ends > now + REUSE_WHILE && *ends <= now + LIFETIME);
        if let Some((_, value, _)) = signed.iter().find(|(known, ..)| known == identity) {
            return value.clone();
        }
        let value = self.sign_anew(identity, now + LIFETIME);
        if signed.len() >= SIGNED {
            signed.remove(0);
        }
        signed.push((identity.clone(), value.clone(), now + LIFETIME));
        value
    }

    fn sign_anew(&self, identity: &Identity, ends: Timestamp) -> HeaderValue {
        let assertion = IdentityAssertion {
            subject: subject_text(&identity.subject),
            tenant: identity.tenant.as_ref().map(ToString::to_string).unwrap_or_default(),
            roles: identity.roles.iter().map(|role| RoleMessage::from(*role).into()).collect(),
            issuer: self.issuer.to_owned(),
            audience: self.audience.clone(),
            expire_time: Some(ends.into()),
            credential_expire_time: identity.credential_expires.map(Into::into),
        }
        .encode_to_vec();
        let signature = self.key.sign(&assertion);
        let signed = SignedIdentity { assertion, signature, key_id: self.key_id.clone() };
        let text = STANDARD_NO_PAD.encode(signed.encode_to_vec());
        HeaderValue::try_from(text).expect("base64 is a header value")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} for {})", self.issuer, self.audience)
    }
}

/// Believes the identities that known keys assert: the gateway's may assert users, and each issuer's own its role.
pub struct Verifier {
    audience: String,
    clock: Arc<dyn Clock>,
    trusted: HashMap<String, Vec<PublicKey>>,
    verified: Mutex<HashMap<HeaderValue, (Identity, Timestamp)>>,
}

impl Verifier {
    /// Believes nobody yet, for the mesh named `audience`.
    pub fn new(audience: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { audience: audience.into(), clock, trusted: HashMap::new(), verified: Mutex::default() }
    }

    /// Believes what `issuer` signs with `key` too.
    #[must_use]
    pub fn trust(mut self, issuer: impl Into<String>, key: PublicKey) -> Self {
        self.trusted.entry(issuer.into()).or_default().push(key);
        self
    }

    /// Reads an identity, and fails unless it was signed by a key that may assert it, for here and for now.
    pub fn verify(&self, header: &HeaderValue) -> Result<Identity, Error> {
        let now = self.clock.now();
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let (identity, ends) = match verified.get(header) {
            Some(known) => known.clone(),
            None => {
                let known = self.verify_anew(header)?;
                if verified.len() >= REMEMBERED {
                    verified.clear();
                }
                verified.insert(header.clone(), known.clone());
                known
            }
        };
        drop(verified);
        if now >= ends + CLOCK_TOLERANCE || ends > now + LIFETIME + CLOCK_TOLERANCE {
            return Err(Error::ClockSkew { off_seconds: seconds_between(now, ends - LIFETIME) });
        }
        if identity.credential_expires.is_some_and(|ends| now >= ends) {
            return Err(Error::CredentialExpired);
        }
        Ok(identity)
    }

    fn verify_anew(&self, header: &HeaderValue) -> Result<(Identity, Timestamp), Error> {
        const MALFORMED: Error = Error::IdentityRefused("it is malformed");
        let bytes = DECODE.decode(header.as_bytes()).map_err(|_| MALFORMED)?;
        let signed = SignedIdentity::decode(bytes.as_slice()).map_err(|_| MALFORMED)?;
        // The issuer is not believed before the signature is seen to be of one of its keys.
        let assertion = IdentityAssertion::decode(signed.assertion.as_slice()).map_err(|_| MALFORMED)?;
        let keys = self.trusted.get(&assertion.issuer).map(Vec::as_slice).unwrap_or_default();
        let genuine = keys
            .iter()
            .filter(|key| key.id() == signed.key_id)
            .any(|key| key.verifies(&signed.assertion, &signed.signature));
        if !genuine {
            return Err(Error::IdentityRefused("no key that is trusted signed it"));
        }
        if assertion.audience != self.audience {
            return Err(Error::IdentityRefused("it is meant for another mesh"));
        }
        let ends = assertion.expire_time.and_then(|time| Timestamp::try_from(time).ok()).ok_or(MALFORMED)?;
        Ok((read(assertion).ok_or(MALFORMED)??, ends))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({} trusts {:?})", self.audience, self.trusted)
    }
}

/// From `now` to `then`; negative when that is past.
fn seconds_between(now: Timestamp, then: Timestamp) -> i64 {
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    if then >= now { seconds(then.since(now)) } else { -seconds(now.since(then)) }
}

fn subject_text(subject: &Subject) -> String {
    match subject {
        Subject::User(user) => format!("users/{user}"),
        Subject::Service(role) => format!("service:{role}"),
    }
}

/// Reads a genuine assertion; fails when its issuer may not assert its subject.
fn read(assertion: IdentityAssertion) -> Option<Result<Identity, Error>> {
    let subject = match assertion.subject.strip_prefix("service:") {
        Some(role) if role == assertion.issuer => Subject::Service(role.to_owned()),
        Some(_) => return Some(Err(Error::IdentityRefused("its issuer may only assert its own role"))),
        None if assertion.issuer == "gateway" => Subject::User(assertion.subject.strip_prefix("users/")?.parse().ok()?),
        None => return Some(Err(Error::IdentityRefused("only the gateway may assert users"))),
    };
    let roles: Option<Vec<_>> = assertion.roles().map(|role| Role::try_from(role).ok()).collect();
    let tenant = if assertion.tenant.is_empty() { None } else { Some(assertion.tenant.parse().ok()?) };
    let credential_expires = assertion.credential_expire_time.map(Timestamp::try_from).transpose().ok()?;
    Some(Ok(Identity { subject, tenant, roles: roles?, credential_expires }))
}
