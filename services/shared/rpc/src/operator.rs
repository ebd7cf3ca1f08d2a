//! What every role tells its operator: its loops and queues, and its dead letters.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use proto::common::v1 as pb;
use proto::common::v1::operator_service_server::{OperatorService, OperatorServiceServer};
use tonic::{Request, Response, Status};
use types::{DeadLetter, DeadLetters, Loop, Loops, OperateError, Queue, Queues};

use crate::{BadRequest, to_status};

/// Serves `millrace.common.v1.OperatorService` for one role.
pub struct Operator {
    role: &'static str,
    version: &'static str,
    dead_letters: Arc<dyn DeadLetters>,
    loops: Arc<dyn Loops>,
    queues: Arc<dyn Queues>,
}

/// Makes the operator's service of `role`.
pub fn operator_service(
    role: &'static str,
    version: &'static str,
    dead_letters: Arc<dyn DeadLetters>,
    loops: Arc<dyn Loops>,
    queues: Arc<dyn Queues>,
) -> OperatorServiceServer<Operator> {
    OperatorServiceServer::new(Operator { role, version, dead_letters, loops, queues })
}

#[tonic::async_trait]
impl OperatorService for Operator {
    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Result<Response<pb::ListDeadLettersResponse>, Status> {
        let request = request.into_inner();
        self.check_role("parent", &request.parent)?;
        let size = page_size(request.page_size)?;
        let after = read_token(&request.page_token)?;
        // One more than asked for tells whether there is a next page.
        let mut letters = self.dead_letters.list(after, size + 1).await.map_err(refused)?;
        let more = letters.len() > size as usize;
        letters.truncate(size as usize);
        let next_page_token = match letters.last() {
            Some(last) if more => URL_SAFE_NO_PAD.encode(&last.id),
            _ => String::new(),
        };
        let dead_letters = letters.into_iter().map(|letter| self.message(letter, false)).collect();
        Ok(Response::new(pb::ListDeadLettersResponse { dead_letters, next_page_token }))
    }

    async fn get_dead_letter(
        &self,
        request: Request<pb::GetDeadLetterRequest>,
    ) -> Result<Response<pb::GetDeadLetterResponse>, Status> {
        let id = self.letter_id(&request.get_ref().name)?;
        let letter = self.dead_letters.get(id).await.map_err(refused)?;
        Ok(Response::new(pb::GetDeadLetterResponse { dead_letter: Some(self.message(letter, true)) }))
    }

    async fn redrive_dead_letter(
        &self,
        request: Request<pb::RedriveDeadLetterRequest>,
    ) -> Result<Response<pb::RedriveDeadLetterResponse>, Status> {
        let id = self.letter_id(&request.get_ref().name)?;
        self.dead_letters.redrive(id).await.map_err(refused)?;
        Ok(Response::new(pb::RedriveDeadLetterResponse {}))
    }

    async fn purge_dead_letter(
        &self,
        request: Request<pb::PurgeDeadLetterRequest>,
    ) -> Result<Response<pb::PurgeDeadLetterResponse>, Status> {
        let id = self.letter_id(&request.get_ref().name)?;
        self.dead_letters.purge(id).await.map_err(refused)?;
        Ok(Response::new(pb::PurgeDeadLetterResponse {}))
    }

    async fn get_status(
        &self,
        request: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        let name = &request.get_ref().name;
        if !name.is_empty() {
            self.check_role("name", name)?;
        }
        let readiness = self.loops.readiness();
        let queues = self.queues.queues().await.map_err(refused)?;
        let role = pb::RoleStatus {
            role: self.role.to_owned(),
            ready: readiness.is_ok(),
            message: readiness.err().unwrap_or_default(),
            version: self.version.to_owned(),
            loops: self.loops.loops().into_iter().map(loop_message).collect(),
            queues: queues.into_iter().map(queue_message).collect(),
        };
        Ok(Response::new(pb::GetStatusResponse { roles: vec![role] }))
    }
}

impl Operator {
    fn check_role(&self, field: &str, text: &str) -> Result<(), Status> {
        match text.strip_prefix("services/") {
            Some(role) if role == self.role || role == "-" => Ok(()),
            _ => {
                Err(BadRequest::field(field, format!("must be `services/{}` here, or `services/-`", self.role)).into())
            }
        }
    }

    fn letter_id(&self, name: &str) -> Result<String, Status> {
        let parts: Vec<_> = name.split('/').collect();
        match parts.as_slice() {
            ["services", role, "deadLetters", id] if *role == self.role && !id.is_empty() => Ok((*id).to_owned()),
            _ => {
                let form = format!("must be `services/{}/deadLetters/{{dead_letter}}`", self.role);
                Err(BadRequest::field("name", form).into())
            }
        }
    }

    fn message(&self, letter: DeadLetter, with_payload: bool) -> pb::DeadLetter {
        let mut event = pb::EventEnvelope::decode(letter.envelope.as_slice()).ok();
        let payload_text = match &event {
            Some(event) if with_payload => payload_text(event).unwrap_or_default(),
            _ => String::new(),
        };
        if let Some(event) = event.as_mut().filter(|_| !with_payload) {
            event.payload.clear();
        }
        pb::DeadLetter {
            name: format!("services/{}/deadLetters/{}", self.role, letter.id),
            consumer: letter.consumer,
            event,
            payload_text,
            reason: letter.reason,
            message: letter.message,
            attempts: i32::try_from(letter.attempts).unwrap_or(i32::MAX),
            create_time: Some(letter.created.into()),
            waiting_events: i64::try_from(letter.waiting).unwrap_or(i64::MAX),
        }
    }
}

/// The payload in the Protobuf JSON mapping; `None` where its type is not known or its bytes are not of that type.
fn payload_text(event: &pb::EventEnvelope) -> Option<String> {
    static POOL: LazyLock<Option<DescriptorPool>> = LazyLock::new(|| DescriptorPool::decode(proto::DESCRIPTORS).ok());
    let descriptor = POOL.as_ref()?.get_message_by_name(&event.payload_type)?;
    let message = DynamicMessage::decode(descriptor, event.payload.as_slice()).ok()?;
    serde_json::to_string_pretty(&message).ok()
}

fn loop_message(each: Loop) -> pb::LoopStatus {
    pb::LoopStatus {
        name: each.name,
        last_run_time: each.state.last_run.map(Into::into),
        last_duration: each.state.last_duration.and_then(|duration| duration.try_into().ok()),
        last_report: each.state.last_report,
        last_error: each.state.last_error,
        consecutive_failures: i32::try_from(each.state.consecutive_failures).unwrap_or(i32::MAX),
    }
}

fn queue_message(queue: Queue) -> pb::QueueStatus {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    pb::QueueStatus {
        name: queue.name,
        waiting: count(queue.waiting),
        running: count(queue.running),
        dead: count(queue.dead),
        oldest_age: queue.oldest_age.and_then(|age| age.try_into().ok()),
    }
}

fn page_size(asked: i32) -> Result<u32, BadRequest> {
    match u32::try_from(asked) {
        Ok(0) => Ok(50),
        Ok(size @ 1..=1000) => Ok(size),
        _ => Err(BadRequest::field("page_size", "must lie between 0 and 1000")),
    }
}

fn read_token(token: &str) -> Result<Option<String>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused(OperateError::PageToken))?;
    String::from_utf8(bytes).map(Some).map_err(|_| refused(OperateError::PageToken))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err takes")]
fn refused(error: OperateError) -> Status {
    to_status(&error)
}
