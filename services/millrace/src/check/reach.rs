//! Whether what the settings name answers, and will do.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use objects::{Key, ObjectStoreExt, Put};
use proto::common::v1::GetStatusRequest;
use proto::common::v1::operator_service_client::OperatorServiceClient;
use rpc::{KeyPair, Signer};
use runtime::SystemClock;
use runtime::lock::{DataDir, DataDirError};
use tokio::time::timeout;
use types::BoxFuture;

use super::Finding;
use crate::mesh::peers;
use crate::mesh::role::{Role, Shape};
use crate::mesh::settings::Settings;
use crate::mesh::tls::Certificates;
use crate::mesh::waiting::reasoned;

/// What takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clocks that differ by more are worth a word.
const NOTABLE: Duration = Duration::from_secs(2);

/// Looks at everything that these processes need, all at the same time.
pub async fn all(settings: &Settings, shapes: &[Shape]) -> Vec<Finding> {
    let any = |needs: fn(&Shape) -> bool| shapes.iter().any(needs);
    let mut looks: Vec<BoxFuture<'_, Finding>> = vec![Box::pin(data_dir(settings))];
    if settings.store.is_shared() {
        for role in Role::ALL.into_iter().filter(|role| shapes.iter().any(|shape| shape.has(*role))) {
            looks.push(Box::pin(store(settings, role)));
        }
    }
    if any(Shape::uses_events) && settings.events.is_shared() {
        looks.push(Box::pin(in_time("event bus", &settings.events.url, bus(settings))));
    }
    if any(Shape::uses_objects) && !settings.objects.url.is_empty() {
        looks.push(Box::pin(in_time("object store", &settings.objects.url, objects(settings))));
    }
    for role in Role::SERVICES {
        let calls = |shape: &Shape| shape.has(Role::Gateway) && !shape.has(role);
        if let Some(shape) = shapes.iter().find(|shape| calls(shape)) {
            for endpoint in settings.peers.of(role) {
                looks.push(Box::pin(in_time(role.name(), endpoint, peer(settings, shape, role, endpoint))));
            }
        }
    }
    join_all(looks).await
}

/// A finding about the thing at `place`: what it said, or why it will not do.
async fn in_time(about: &str, place: &str, look: impl Future<Output = Result<String, String>>) -> Finding {
    let about = format!("{about} at {place}");
    match timeout(PATIENCE, look).await {
        Ok(Ok(said)) => Finding::ok(about, said),
        Ok(Err(why)) => Finding::error(about, why),
        Err(_) => Finding::error(about, format!("no answer within {PATIENCE:?}")),
    }
}

/// Whether the data directory can be used. One that is in use is: by the process that is checked, most likely.
async fn data_dir(settings: &Settings) -> Finding {
    let (about, path) = ("data directory", settings.data_dir.clone());
    let shown = path.display().to_string();
    if !path.exists() {
        return Finding::ok(about, format!("{shown} is not there yet, and is made at the start"));
    }
    match runtime::blocking(move || DataDir::acquire(&path)).await {
        Ok(_) => Finding::ok(about, format!("{shown} can be used")),
        Err(DataDirError::InUse(_)) => Finding::warning(about, format!("{shown} is in use by a process that runs")),
        Err(error) => Finding::error(about, reasoned(&error)),
    }
}

/// Whether the store of a role can be used, and whether its clock is ours.
async fn store(settings: &Settings, role: Role) -> Finding {
    let (url, postgres) = (&settings.store.url, settings.store.of_role(role));
    let about = format!("store of {role} at {url}");
    let probe = match timeout(PATIENCE, sql::probe(url, &postgres, &SystemClock)).await {
        Ok(Ok(probe)) => probe,
        Ok(Err(error)) => return Finding::error(about, reasoned(&error)),
        Err(_) => return Finding::error(about, format!("no answer within {PATIENCE:?}")),
    };
    let schema = &postgres.schema;
    let ahead = Duration::from_micros(probe.ahead_micros.unsigned_abs());
    let said = format!("PostgreSQL {}, its clock {ahead:.1?} off ours", probe.version);
    match probe {
        _ if probe.read_only => Finding::error(about, format!("{said}; it takes no writes")),
        _ if !probe.has_schema && !probe.may_create => Finding::error(
            about,
            format!("{said}; there is no schema `{schema}`, and `{}` may not make one", postgres.user),
        ),
        _ if ahead > rpc::CLOCK_TOLERANCE => Finding::error(about, format!("{said}; set the clock of this machine")),
        _ if ahead > NOTABLE => Finding::warning(about, said),
        _ if !probe.has_schema => Finding::ok(about, format!("{said}; the schema `{schema}` is made at the start")),
        _ => Finding::ok(about, said),
    }
}

async fn bus(settings: &Settings) -> Result<String, String> {
    let bus = &settings.events;
    events::probe(&bus.url, &bus.jetstream).await.map_err(|error| reasoned(&error))
}

/// Writes an object, reads it and deletes it.
async fn objects(settings: &Settings) -> Result<String, String> {
    let bucket = &settings.objects;
    let work = async {
        let store = objects::open_with(&bucket.url, &bucket.s3).await?;
        let key: Key = format!("check/{}", uuid::Uuid::new_v4()).parse()?;
        store.put_bytes(&key, bytes::Bytes::from_static(b"check"), Put::Always).await?;
        let read = store.get_bytes(&key, 64).await;
        store.delete(&key).await?;
        read.map(|bytes| bytes == "check")
    };
    match work.await {
        Ok(true) => Ok("an object was written, read and deleted".to_owned()),
        Ok(false) => Err("what was read is not what was written".to_owned()),
        Err(error) => Err(reasoned(&error)),
    }
}

/// Asks a role how it is, as the gateway would: with its key and its certificate.
async fn peer(settings: &Settings, shape: &Shape, role: Role, endpoint: &str) -> Result<String, String> {
    let certificates = Certificates::load(settings, shape).map_err(|failure| failure.message().to_owned())?;
    let transport = peers::connect_to(settings, &certificates, role, &[endpoint.to_owned()]);
    let transport = transport.map_err(|failure| failure.message().to_owned())?;
    let key = match settings.identity.key(Role::Gateway) {
        Some(path) => KeyPair::load(path).map_err(|error| reasoned(&error))?,
        None => return Err("there is no key to ask with; set `identity.keys.gateway`".to_owned()),
    };
    let signer = Signer::new(key, gateway::ROLE, &settings.identity.audience, Arc::new(SystemClock));
    let mut client = OperatorServiceClient::new(rpc::client_stack(transport, Some(Arc::new(signer))));
    let request = GetStatusRequest { name: format!("services/{role}") };
    let answer = client.get_status(request).await.map_err(|status| crate::failure::line(&status))?;
    match answer.into_inner().roles.first() {
        Some(status) if status.ready => Ok(format!("ready, version {}", status.version)),
        Some(status) => Err(format!("it answers and is not ready: {}", status.message)),
        None => Err("it answers and knows no such role".to_owned()),
    }
}
