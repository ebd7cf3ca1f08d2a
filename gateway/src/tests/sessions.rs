//! Passwords, tokens and sessions.

use std::time::Duration;

use proto::identity::v1::Role::Reader;
use proto::identity::v1::{
    DisableUserRequest, EnableUserRequest, LogoutRequest, RefreshTokensRequest, SetPasswordRequest, Tokens,
};
use tonic::{Code, Status};

use super::harness::{Mesh, Over, PASSWORD, info, told};
use super::over_both_transports;

testkit::on_every_store! {
    guessing_is_slowed_down_and_says_when_to_come_back,
    tokens_survive_a_restart_and_are_forgotten_at_last,
}

over_both_transports! {
    a_password_is_traded_for_tokens_that_act_as_the_user,
    a_wrong_login_does_not_tell_what_was_wrong,
    a_refresh_token_serves_once_and_its_second_use_ends_the_session,
    logging_out_ends_the_session_at_once,
    a_new_password_ends_sessions,
    disabling_ends_sessions_for_good,
}

impl Mesh {
    async fn refresh(&self, refresh_token: &str) -> Result<Tokens, Status> {
        let refresh_token = refresh_token.to_owned();
        let answer = self.identity().refresh_tokens(RefreshTokensRequest { refresh_token }).await?;
        Ok(answer.into_inner().tokens.unwrap())
    }
}

async fn a_password_is_traded_for_tokens_that_act_as_the_user(mesh: Mesh) {
    mesh.user("ada", &[Reader]).await;
    let tokens = mesh.login("ada", PASSWORD).await.unwrap();
    mesh.reads(&tokens.access_token).await.unwrap();
    let (caller, _) = mesh.last_seen();
    assert_eq!(caller.subject.to_string(), "users/ada");
    assert_eq!(caller.credential_expires.map(Into::into), tokens.access_expire_time);
    // A refresh token is no access token.
    assert_eq!(told(mesh.reads(&tokens.refresh_token).await).1, "CREDENTIAL_MALFORMED");
}

async fn a_wrong_login_does_not_tell_what_was_wrong(mesh: Mesh) {
    mesh.user("ada", &[Reader]).await;
    let mut answers = Vec::new();
    for (user, password) in [("ada", "wrong horse battery"), ("eve", PASSWORD), ("No User", PASSWORD)] {
        let status = mesh.login(user, password).await.unwrap_err();
        answers.push((status.code(), info(&status).reason, status.message().to_owned()));
    }
    // The administrator has no password at all.
    let status = mesh.login("admin", PASSWORD).await.unwrap_err();
    answers.push((status.code(), info(&status).reason, status.message().to_owned()));
    assert_eq!((answers[0].0, answers[0].1.as_str()), (Code::Unauthenticated, "LOGIN_FAILED"));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

async fn a_refresh_token_serves_once_and_its_second_use_ends_the_session(mesh: Mesh) {
    mesh.user("ada", &[Reader]).await;
    let first = mesh.login("ada", PASSWORD).await.unwrap();
    let second = mesh.refresh(&first.refresh_token).await.unwrap();
    mesh.reads(&second.access_token).await.unwrap();
    let reused = mesh.refresh(&first.refresh_token).await;
    assert_eq!(told(reused), (Code::Unauthenticated, "REFRESH_TOKEN_REUSED".into()));
    assert_eq!(told(mesh.reads(&second.access_token).await).1, "CREDENTIAL_REVOKED");
    assert_eq!(told(mesh.refresh(&second.refresh_token).await).1, "REFRESH_TOKEN_INVALID");
    // Another session of the same user goes on.
    let other = mesh.login("ada", PASSWORD).await.unwrap();
    mesh.reads(&other.access_token).await.unwrap();
    // Nobody uses a token that was never given, or is too old.
    assert_eq!(told(mesh.refresh("mrr_made-up").await).1, "REFRESH_TOKEN_INVALID");
    mesh.clock.advance(Duration::from_secs(30 * 24 * 3600));
    assert_eq!(told(mesh.refresh(&other.refresh_token).await).1, "REFRESH_TOKEN_INVALID");
}

async fn logging_out_ends_the_session_at_once(mesh: Mesh) {
    mesh.user("ada", &[Reader]).await;
    let tokens = mesh.login("ada", PASSWORD).await.unwrap();
    mesh.reads(&tokens.access_token).await.unwrap();
    let refresh_token = tokens.refresh_token.clone();
    mesh.identity().logout(LogoutRequest { refresh_token }).await.unwrap();
    assert_eq!(told(mesh.reads(&tokens.access_token).await).1, "CREDENTIAL_REVOKED");
    assert_eq!(told(mesh.refresh(&tokens.refresh_token).await).1, "REFRESH_TOKEN_INVALID");
}

async fn a_new_password_ends_sessions(mesh: Mesh) {
    mesh.user("ada", &[Reader]).await;
    let tokens = mesh.login("ada", PASSWORD).await.unwrap();
    let request = SetPasswordRequest { name: "tenants/main/users/ada".into(), password: "another horse".into() };
    mesh.identity().set_password(mesh.asks(request)).await.unwrap();
    assert_eq!(told(mesh.reads(&tokens.access_token).await).1, "CREDENTIAL_REVOKED");
    assert_eq!(told(mesh.login("ada", PASSWORD).await).1, "LOGIN_FAILED");
    mesh.login("ada", "another horse").await.unwrap();
}

async fn disabling_ends_sessions_for_good(mesh: Mesh) {
    mesh.user("ada", &[Reader]).await;
    let tokens = mesh.login("ada", PASSWORD).await.unwrap();
    let name = "tenants/main/users/ada".to_owned();
    mesh.identity().disable_user(mesh.asks(DisableUserRequest { name: name.clone() })).await.unwrap();
    assert_eq!(told(mesh.login("ada", PASSWORD).await).1, "USER_DISABLED");
    mesh.identity().enable_user(mesh.asks(EnableUserRequest { name })).await.unwrap();
    assert_eq!(told(mesh.reads(&tokens.access_token).await).1, "CREDENTIAL_REVOKED");
    mesh.login("ada", PASSWORD).await.unwrap();
}

async fn guessing_is_slowed_down_and_says_when_to_come_back() {
    let mesh = Mesh::start_with(Over::Tcp, |config| config.login.failures_per_user = 2).await;
    mesh.user("ada", &[Reader]).await;
    for _ in 0..2 {
        assert_eq!(told(mesh.login("ada", "wrong horse battery").await).1, "LOGIN_FAILED");
    }
    let status = mesh.login("ada", PASSWORD).await.unwrap_err();
    assert_eq!((status.code(), info(&status).reason.as_str()), (Code::ResourceExhausted, "LOGIN_THROTTLED"));
    assert_eq!(info(&status).metadata["limit"], "gateway.login.failures_per_user");
    mesh.clock.advance(rpc::retry_after(&status).unwrap());
    mesh.login("ada", PASSWORD).await.unwrap();
}

async fn tokens_survive_a_restart_and_are_forgotten_at_last() {
    let mesh = Mesh::start(Over::Process).await;
    mesh.user("ada", &[Reader]).await;
    mesh.login("ada", PASSWORD).await.unwrap();
    let key = crate::identity::token::HashKey::new(&types::Secret::new(super::harness::HASH_KEY));
    let config = super::harness::config();
    let identities = crate::identity::Identities::new(
        mesh.db.clone(),
        key,
        mesh.clock.shared(),
        &config,
        crate::fleet::Share::whole(),
    );
    let identities = identities.await.unwrap();
    assert_eq!(identities.sweep().await.unwrap(), 0);
    mesh.clock.advance(Duration::from_secs(31 * 24 * 3600));
    assert_eq!(identities.sweep().await.unwrap(), 1);
}
