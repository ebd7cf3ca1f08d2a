//! What stands behind a listener from the first moment: it says what the process waits for until the role is there.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use http::Request;
use rpc::Served;
use runtime::Readiness;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt, service_fn};

/// Takes the routes that a listener leads to.
pub struct Door(Arc<OnceLock<Served>>);

impl Door {
    /// Leads callers to `served` from now on.
    pub fn open(self, served: Served) {
        // A door is used up by this call, so nothing else can have set it.
        let _ = self.0.set(served);
    }
}

/// Makes the door of `role`, and what answers before and after it is opened. Before, every call gets `NOT_READY` with
/// what `start` says.
pub fn door(role: &'static str, start: Readiness) -> (Served, Door) {
    let routes = Arc::new(OnceLock::<Served>::new());
    let door = Door(routes.clone());
    let served = service_fn(move |request: Request<Body>| {
        let (routes, start) = (routes.clone(), start.clone());
        async move {
            match routes.get() {
                Some(served) => served.clone().oneshot(request).await,
                None => Ok::<_, Infallible>(refusal(role, &start).into_http()),
            }
        }
    });
    (BoxCloneSyncService::new(served), door)
}

fn refusal(role: &'static str, start: &Readiness) -> tonic::Status {
    let reason = start.get().err().unwrap_or_else(|| "starting".to_owned());
    rpc::as_role(role, || rpc::to_status(&rpc::Error::NotReady(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_door_says_what_is_waited_for() {
        let start = Readiness::new();
        start.set_not_ready("waiting for the event bus at nats://h:1");
        let (served, door) = door("catalog", start);
        let ask = || served.clone().oneshot(Request::new(Body::empty()));
        let response = ask().await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "14");
        let message = response.headers()["grpc-message"].to_str().unwrap();
        assert!(message.contains("nats"), "{message}");
        door.open(BoxCloneSyncService::new(service_fn(async |_| Ok(http::Response::new(Body::empty())))));
        assert!(!ask().await.unwrap().headers().contains_key("grpc-status"));
    }
}
