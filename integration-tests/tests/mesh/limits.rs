//! Limits: which, how much, and when to come back.

use millrace_integration_tests::{Mesh, Setup, reason};
use proto::identity::v1::{GetCallerRequest, LoginRequest};
use proto::profiling::v1::WatchJobsRequest;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

fn says_which_how_much_and_when(status: &Status, name: &str) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let metadata = status.get_details_error_info().unwrap().metadata;
    assert!(metadata.get("limit").is_some_and(|limit| limit.contains(name)), "{metadata:?}");
    assert!(metadata.get("limit_value").is_some_and(|value| !value.is_empty()), "{metadata:?}");
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some_and(|delay| !delay.is_zero()));
}

#[tokio::test]
async fn a_rate_that_is_exceeded_says_which_how_much_and_when_to_come_back() {
    let mesh = Setup::new()
        .set("GATEWAY__LIMITS__PRINCIPAL__CALLS_PER_SECOND", 5)
        .set("GATEWAY__LIMITS__PRINCIPAL__BURST", 20)
        .start()
        .await;
    let admin = mesh.admin().await;
    let mut refused = None;
    for _ in 0..200 {
        if let Err(status) = admin.identity().get_caller(GetCallerRequest {}).await {
            refused = Some(status);
            break;
        }
    }
    let status = refused.expect("200 calls at once exceed 20");
    says_which_how_much_and_when(&status, "principal");
    assert_eq!(reason(&status), "LIMIT_EXCEEDED");
    // It passes again after the time that was told.
    testkit::eventually!(admin.identity().get_caller(GetCallerRequest {}).await.is_ok());
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused() {
    let mesh = Setup::new().set("GATEWAY__LIMITS__PRINCIPAL__CONCURRENT_STREAMS", 2).start().await;
    let admin = mesh.admin().await;
    let request = || WatchJobsRequest { parent: "tenants/main".into(), resume_token: String::new() };
    let first = admin.profiling().watch_jobs(request()).await.unwrap();
    let _second = admin.profiling().watch_jobs(request()).await.unwrap();
    let status = admin.profiling().watch_jobs(request()).await.unwrap_err();
    says_which_how_much_and_when(&status, "streams");
    drop(first);
    testkit::eventually!(admin.profiling().watch_jobs(request()).await.is_ok());
}

#[tokio::test]
async fn failed_logins_are_throttled() {
    let mesh = Mesh::start().await;
    let mut identity = mesh.anonymous().await.identity();
    let mut refused = None;
    for attempt in 0..40 {
        let password = format!("a wrong password {attempt}");
        let request = LoginRequest { tenant: "main".into(), user: "admin".into(), password };
        let status = identity.login(request).await.unwrap_err();
        if status.code() == Code::ResourceExhausted {
            refused = Some(status);
            break;
        }
    }
    says_which_how_much_and_when(&refused.expect("40 failures are too many"), "login");
    // The administrator's key still serves.
    assert!(mesh.answers().await);
}
