//! Who is believed.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use types::{Clock as _, Identity, Role, Subject};

use super::calls::get;
use super::{Mesh, over_both_transports, with_identity};
use crate::{Acting, KeyPair, Signer, client_stack, reason};
use proto::profiling::v1::profiling_service_client::ProfilingServiceClient;

over_both_transports!(
    a_caller_reaches_the_handler_as_the_gateway_asserted,
    a_call_without_identity_is_unauthenticated,
    an_identity_among_the_extensions_is_no_identity,
    a_forged_identity_is_unauthenticated,
    only_the_gateway_asserts_users,
    a_role_asserts_itself_alone_and_names_its_tenant,
    an_identity_expires,
    clocks_that_differ_are_told_and_little_is_borne,
    another_tenant_is_denied_whatever_exists,
);

async fn call_with(mesh: &Mesh, header: HeaderValue) -> Result<(), Status> {
    let transport = with_identity(mesh.bare.clone(), header);
    ProfilingServiceClient::new(transport).get_job(get("j1")).await.map(|_| ())
}

fn refused(result: Result<(), Status>) -> Option<String> {
    let status = result.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    reason(&status)
}

async fn a_caller_reaches_the_handler_as_the_gateway_asserted(mesh: Mesh) {
    // Twice, because the second time it is remembered.
    mesh.client().get_job(get("j1")).await.unwrap();
    mesh.client().get_job(get("j1")).await.unwrap();
    assert_eq!(*mesh.probe.callers.lock().unwrap(), [Some(mesh.ada()), Some(mesh.ada())]);
}

async fn a_call_without_identity_is_unauthenticated(mesh: Mesh) {
    let status = ProfilingServiceClient::new(mesh.bare.clone()).get_job(get("j1")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::Unauthenticated, Some("IDENTITY_MISSING")));
}

async fn an_identity_among_the_extensions_is_no_identity(mesh: Mesh) {
    let mut request = Request::new(get("j1"));
    request.extensions_mut().insert(mesh.ada());
    let status = ProfilingServiceClient::new(mesh.bare.clone()).get_job(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(mesh.probe.callers.lock().unwrap().is_empty());
}

async fn a_forged_identity_is_unauthenticated(mesh: Mesh) {
    let stranger = Signer::new(KeyPair::generate().unwrap(), "gateway", "test", mesh.clock.shared());
    assert_eq!(refused(call_with(&mesh, stranger.sign(&mesh.ada())).await).as_deref(), Some("IDENTITY_REFUSED"));
    let mut changed = mesh.signer.sign(&mesh.ada()).to_str().unwrap().to_owned();
    changed.replace_range(20..21, if &changed[20..21] == "A" { "B" } else { "A" });
    refused(call_with(&mesh, changed.parse().unwrap()).await);
    for garbage in ["", "!", "AAAA", "eyJhbGciOiJub25lIn0"] {
        refused(call_with(&mesh, garbage.parse().unwrap()).await);
    }
}

fn role_signer(mesh: &Mesh) -> Arc<Signer> {
    mesh.probe.role_signer.lock().unwrap().clone().unwrap()
}

async fn only_the_gateway_asserts_users(mesh: Mesh) {
    refused(call_with(&mesh, role_signer(&mesh).sign(&mesh.ada())).await);
    let other = Identity { subject: Subject::Service("discovery".into()), ..mesh.ada() };
    refused(call_with(&mesh, role_signer(&mesh).sign(&other)).await);
    refused(call_with(&mesh, mesh.signer.sign(&other)).await);
}

async fn a_role_asserts_itself_alone_and_names_its_tenant(mesh: Mesh) {
    let mut client = ProfilingServiceClient::new(client_stack(mesh.bare.clone(), Some(role_signer(&mesh))));
    let mut request = Request::new(get("j1"));
    request.extensions_mut().insert(Acting("main".parse().unwrap()));
    client.get_job(request).await.unwrap();
    let expected = Identity {
        subject: Subject::Service("catalog".into()),
        tenant: Some("main".parse().unwrap()),
        roles: Vec::new(),
        credential_expires: None,
    };
    assert_eq!(*mesh.probe.callers.lock().unwrap(), [Some(expected)]);
    // Without a tenant, no tenant's resource is its own.
    assert_eq!(client.get_job(get("j1")).await.unwrap_err().code(), Code::PermissionDenied);
}

async fn an_identity_expires(mesh: Mesh) {
    let lasting = Identity { credential_expires: None, ..mesh.ada() };
    let header = mesh.signer.sign(&lasting);
    call_with(&mesh, header.clone()).await.unwrap();
    mesh.clock.advance(Duration::from_secs(89));
    call_with(&mesh, header.clone()).await.unwrap();
    mesh.clock.advance(Duration::from_secs(1));
    assert_eq!(refused(call_with(&mesh, header).await).as_deref(), Some("IDENTITY_CLOCK_SKEW"));
    // A credential that has ended is refused however fresh the assertion.
    let ended = Identity { credential_expires: Some(mesh.clock.now()), ..lasting };
    assert_eq!(refused(call_with(&mesh, mesh.signer.sign(&ended)).await).as_deref(), Some("CREDENTIAL_EXPIRED"));
}

/// The clock of the machine that signs is off; that of the role is right.
async fn clocks_that_differ_are_told_and_little_is_borne(mesh: Mesh) {
    let hour = 3600_i64;
    for (off, told) in [(25_i64, None), (-25, None), (hour, Some(hour)), (-hour, Some(-hour))] {
        let clock = testkit::ManualClock::at(mesh.clock.now());
        let shift = Duration::from_secs(off.unsigned_abs());
        clock.set(if off > 0 { mesh.clock.now() + shift } else { mesh.clock.now() - shift });
        let signer = Signer::new(mesh.gateway_key.clone(), "gateway", "test", clock.shared());
        let lasting = Identity { credential_expires: None, ..mesh.ada() };
        let result = call_with(&mesh, signer.sign(&lasting)).await;
        let Some(told) = told else {
            result.unwrap();
            continue;
        };
        let status = result.unwrap_err();
        let info = status.get_details_error_info().unwrap();
        assert_eq!((status.code(), info.reason.as_str()), (Code::Unauthenticated, "IDENTITY_CLOCK_SKEW"));
        assert_eq!(info.metadata["clock_off_seconds"], told.to_string());
        assert!(status.message().contains("clock"), "{status:?}");
    }
}

async fn another_tenant_is_denied_whatever_exists(mesh: Mesh) {
    let stranger = Identity { tenant: Some("other".parse().unwrap()), roles: vec![Role::Admin], ..mesh.ada() };
    let status = call_with(&mesh, mesh.signer.sign(&stranger)).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::PermissionDenied, Some("TENANT_FORBIDDEN")));
}

#[test]
fn a_signature_is_used_again_while_it_is_fresh() {
    let clock = testkit::ManualClock::default();
    let signer = Signer::new(KeyPair::generate().unwrap(), "catalog", "test", clock.shared());
    let first = signer.sign(&signer.role_identity(None));
    assert_eq!(signer.sign(&signer.role_identity(None)), first);
    clock.advance(Duration::from_secs(21));
    assert_ne!(signer.sign(&signer.role_identity(None)), first);
}

#[test]
fn a_key_reads_back_as_it_was_kept() {
    let key = KeyPair::generate().unwrap();
    assert_eq!(KeyPair::from_pkcs8(key.to_pkcs8().expose()).unwrap().public(), key.public());
    assert!(KeyPair::from_pkcs8(b"nonsense").is_err());
}
