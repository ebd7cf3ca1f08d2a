//! `millrace.common.v1.OperatorService` for the whole mesh: asks the role that a name means, or all of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::join_all;
use proto::common::v1 as pb;
use proto::common::v1::operator_service_client::OperatorServiceClient;
use proto::common::v1::operator_service_server::OperatorService;
use rpc::{BadRequest, IDENTITY_HEADER, Transport};
use tonic::{Request, Response, Status};

use crate::Error;
use crate::forward::Mesh;

/// Every role, the gateway included.
const ALL: &str = "services/-";

/// Serves the calls for all roles of the mesh.
pub struct Operator {
    mesh: Mesh,
}

impl Operator {
    /// Asks the roles of `mesh`, whose transports sign what is not signed.
    pub fn new(mesh: Mesh) -> Self {
        Self { mesh }
    }

    fn client(&self, role: &str) -> Result<OperatorServiceClient<Transport>, Error> {
        let transport = self.mesh.transport(role).ok_or_else(|| Error::RoleUnknown { role: role.to_owned() })?;
        Ok(OperatorServiceClient::new(transport))
    }

    /// The client of the role that the name of a dead letter means.
    fn client_of(&self, name: &str) -> Result<OperatorServiceClient<Transport>, Status> {
        let role = name.strip_prefix("services/").and_then(|rest| rest.split_once("/deadLetters/"));
        let (role, _) = role.ok_or_else(|| BadRequest::field("name", LETTER_FORM))?;
        Ok(self.client(role)?)
    }

    /// The roles that a parent means.
    fn roles(&self, field: &str, parent: &str) -> Result<Vec<String>, Status> {
        if parent == ALL {
            return Ok(self.mesh.roles().map(str::to_owned).collect());
        }
        let role = parent.strip_prefix("services/").filter(|role| !role.is_empty() && !role.contains('/'));
        let role = role.ok_or_else(|| BadRequest::field(field, "must be `services/{service}`, or `services/-`"))?;
        self.client(role)?;
        Ok(vec![role.to_owned()])
    }
}

const LETTER_FORM: &str = "must be `services/{service}/deadLetters/{dead_letter}`";

/// What a page of several roles starts at: a role, and a token of its own.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    role: String,
    token: String,
}

impl Place {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}\n{}", self.role, self.token))
    }

    fn decode(text: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (role, token) = text.split_once('\n')?;
        Some(Self { role: role.to_owned(), token: token.to_owned() })
    }
}

/// The same caller as that of `request`, with another message.
fn again<A, B>(request: &Request<A>, message: B) -> Request<B> {
    let mut onward = Request::new(message);
    if let Some(identity) = request.metadata().get_bin(IDENTITY_HEADER) {
        onward.metadata_mut().insert_bin(IDENTITY_HEADER, identity.clone());
    }
    onward
}

#[tonic::async_trait]
impl OperatorService for Operator {
    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Result<Response<pb::ListDeadLettersResponse>, Status> {
        let message = request.get_ref();
        let roles = self.roles("parent", &message.parent)?;
        let size = sql::pages::size(message.page_size).map_err(Error::from)?;
        let mut place = match message.page_token.as_str() {
            "" => roles.first().map(|role| Place { role: role.clone(), token: String::new() }),
            text => Some(Place::decode(text).ok_or(Error::PageTokenInvalid)?),
        };
        let mut dead_letters = Vec::new();
        while let Some(Place { role, token }) = place.take() {
            let index = roles.iter().position(|known| *known == role).ok_or(Error::PageTokenInvalid)?;
            let page_size = i32::try_from(size - dead_letters.len()).unwrap_or(i32::MAX);
            let part = pb::ListDeadLettersRequest { parent: format!("services/{role}"), page_size, page_token: token };
            let part = self.client(&role)?.list_dead_letters(again(&request, part)).await?.into_inner();
            dead_letters.extend(part.dead_letters);
            place = if part.next_page_token.is_empty() {
                roles.get(index + 1).map(|role| Place { role: role.clone(), token: String::new() })
            } else {
                Some(Place { role, token: part.next_page_token })
            };
            if dead_letters.len() >= size {
                break;
            }
        }
        let next_page_token = place.map(|place| place.encode()).unwrap_or_default();
        Ok(Response::new(pb::ListDeadLettersResponse { dead_letters, next_page_token }))
    }

    async fn get_dead_letter(
        &self,
        request: Request<pb::GetDeadLetterRequest>,
    ) -> Result<Response<pb::GetDeadLetterResponse>, Status> {
        let message = request.get_ref().clone();
        self.client_of(&message.name)?.get_dead_letter(again(&request, message)).await
    }

    async fn redrive_dead_letter(
        &self,
        request: Request<pb::RedriveDeadLetterRequest>,
    ) -> Result<Response<pb::RedriveDeadLetterResponse>, Status> {
        let message = request.get_ref().clone();
        self.client_of(&message.name)?.redrive_dead_letter(again(&request, message)).await
    }

    async fn purge_dead_letter(
        &self,
        request: Request<pb::PurgeDeadLetterRequest>,
    ) -> Result<Response<pb::PurgeDeadLetterResponse>, Status> {
        let message = request.get_ref().clone();
        self.client_of(&message.name)?.purge_dead_letter(again(&request, message)).await
    }

    async fn get_status(
        &self,
        request: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        let name = request.get_ref().name.as_str();
        let roles = self.roles("name", if name.is_empty() { ALL } else { name })?;
        let request = &request;
        let asked = roles.iter().map(|role| async move {
            let message = pb::GetStatusRequest { name: format!("services/{role}") };
            match self.client(role)?.get_status(again(request, message)).await {
                Ok(answer) => Ok(answer.into_inner().roles),
                // A role that does not answer is part of the answer.
                Err(status) => {
                    let message = format!("it does not answer: {}", status.message());
                    Ok(vec![pb::RoleStatus { role: role.clone(), message, ..pb::RoleStatus::default() }])
                }
            }
        });
        let answers: Result<Vec<_>, Status> = join_all(asked).await.into_iter().collect();
        Ok(Response::new(pb::GetStatusResponse { roles: answers?.into_iter().flatten().collect() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back() {
        let place = Place { role: "catalog".into(), token: "next".into() };
        assert_eq!(Place::decode(&place.encode()), Some(place));
        assert_eq!(Place::decode("?"), None);
    }
}
