//! What a role tells its operator.

use std::sync::{Arc, Mutex};

use prost::Message as _;
use proto::common::v1 as pb;
use proto::common::v1::operator_service_client::OperatorServiceClient;
use tonic::Code;
use types::{BoxFuture, DeadLetter, DeadLetters, Loop, LoopState, Loops, OperateError, Queue, Queues, Timestamp};

use crate::{Served, Transport, operator_service, reason};

/// A role with dead letters 1, 2 and 3.
#[derive(Default)]
struct Role(Mutex<Vec<String>>);

fn letter(id: u32) -> DeadLetter {
    let uploaded = pb::TimeRange { start: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }), end: None };
    let envelope = pb::EventEnvelope {
        payload_type: "millrace.common.v1.TimeRange".into(),
        payload: uploaded.encode_to_vec(),
        ..Default::default()
    };
    DeadLetter {
        id: id.to_string(),
        consumer: "catalog.discovery".into(),
        envelope: envelope.encode_to_vec(),
        reason: "POISON".into(),
        message: "cannot be read".into(),
        attempts: 5,
        created: Timestamp::from_micros(0),
        waiting: 2,
    }
}

impl DeadLetters for Role {
    fn list(&self, after: Option<String>, limit: u32) -> BoxFuture<'_, Result<Vec<DeadLetter>, OperateError>> {
        let all = (1..=3).map(letter).filter(|each| after.as_ref().is_none_or(|after| each.id > *after));
        let some = all.take(limit as usize).collect();
        Box::pin(async { Ok(some) })
    }
    fn get(&self, id: String) -> BoxFuture<'_, Result<DeadLetter, OperateError>> {
        Box::pin(async move { if id == "1" { Ok(letter(1)) } else { Err(OperateError::NoSuchDeadLetter(id)) } })
    }
    fn redrive(&self, id: String) -> BoxFuture<'_, Result<(), OperateError>> {
        self.0.lock().unwrap().push(format!("redrive {id}"));
        Box::pin(async { Ok(()) })
    }
    fn purge(&self, id: String) -> BoxFuture<'_, Result<(), OperateError>> {
        self.0.lock().unwrap().push(format!("purge {id}"));
        Box::pin(async { Ok(()) })
    }
}

impl Loops for Role {
    fn loops(&self) -> Vec<Loop> {
        let state = LoopState { last_report: "all indexed".into(), ..LoopState::default() };
        vec![Loop { name: "catalog.indexer".into(), state }]
    }
    fn readiness(&self) -> Result<(), String> {
        Err("it waits".into())
    }
}

impl Queues for Role {
    fn queues(&self) -> BoxFuture<'_, Result<Vec<Queue>, OperateError>> {
        let queue = Queue { name: "catalog.outbox".into(), waiting: 4, ..Queue::default() };
        Box::pin(async { Ok(vec![queue]) })
    }
}

fn client() -> (OperatorServiceClient<Transport>, Arc<Role>) {
    let role = Arc::new(Role::default());
    let service = operator_service("catalog", "1.2.3", role.clone(), role.clone(), role.clone());
    let routes = tonic::service::Routes::new(service).prepare();
    (OperatorServiceClient::new(Transport::new(Served::new(routes))), role)
}

#[tokio::test]
async fn dead_letters_are_paged() {
    let (mut client, _) = client();
    let mut request =
        pb::ListDeadLettersRequest { parent: "services/catalog".into(), page_size: 2, ..Default::default() };
    let first = client.list_dead_letters(request.clone()).await.unwrap().into_inner();
    assert_eq!(first.dead_letters.len(), 2);
    assert_eq!(first.dead_letters[0].name, "services/catalog/deadLetters/1");
    request.page_token = first.next_page_token;
    let last = client.list_dead_letters(request.clone()).await.unwrap().into_inner();
    assert_eq!((last.dead_letters.len(), last.next_page_token.as_str()), (1, ""));
    request.page_token = "!".into();
    let status = client.list_dead_letters(request).await.unwrap_err();
    assert_eq!(reason(&status).as_deref(), Some("PAGE_TOKEN_INVALID"));
}

#[tokio::test]
async fn a_dead_letter_shows_its_payload_as_text() {
    let (mut client, _) = client();
    let name = "services/catalog/deadLetters/1".to_owned();
    let letter = client.get_dead_letter(pb::GetDeadLetterRequest { name }).await.unwrap().into_inner();
    let letter = letter.dead_letter.unwrap();
    assert!(letter.payload_text.contains("1970-01-01T00:00:01Z"), "{}", letter.payload_text);
    let name = "services/catalog/deadLetters/9".to_owned();
    let status = client.get_dead_letter(pb::GetDeadLetterRequest { name }).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_deref()), (Code::NotFound, Some("DEAD_LETTER_NOT_FOUND")));
}

#[tokio::test]
async fn a_dead_letter_is_redriven_or_purged_by_its_own_role() {
    let (mut client, role) = client();
    let name = |role: &str| format!("services/{role}/deadLetters/1");
    client.redrive_dead_letter(pb::RedriveDeadLetterRequest { name: name("catalog") }).await.unwrap();
    client.purge_dead_letter(pb::PurgeDeadLetterRequest { name: name("catalog") }).await.unwrap();
    assert_eq!(*role.0.lock().unwrap(), ["redrive 1", "purge 1"]);
    let other = pb::PurgeDeadLetterRequest { name: name("discovery") };
    assert_eq!(client.purge_dead_letter(other).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_status_shows_loops_queues_and_why_the_role_is_not_ready() {
    let (mut client, _) = client();
    let status = client.get_status(pb::GetStatusRequest::default()).await.unwrap().into_inner();
    let role = &status.roles[0];
    assert_eq!((role.role.as_str(), role.ready, role.message.as_str()), ("catalog", false, "it waits"));
    assert_eq!((role.loops[0].last_report.as_str(), role.queues[0].waiting), ("all indexed", 4));
}
