//! One trace from a cause to its effect. A binary of its own, because `tracing` caches for the whole process whether
//! anybody listens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use events::{Consumer, Event, Handler, HandlerError, Relay, SqliteLog, outbox, topology};
use millrace_events as events;
use opentelemetry::trace::TracerProvider;
use proto::common::v1::EventEnvelope;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

/// Tells the trace that its effect is part of.
struct Traced(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Handler for Traced {
    type Prepared = ();

    async fn prepare(&self, _: &EventEnvelope) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn handle(&self, _: &mut sql::Conn, _: &EventEnvelope, (): &()) -> Result<(), HandlerError> {
        self.0.lock().unwrap().push(events::trace::current());
        Ok(())
    }
}

#[tokio::test]
async fn the_trace_of_the_cause_goes_on_in_the_effect() {
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let (dir, clock) = (testkit::temp_dir(), testkit::ManualClock::default().shared());
    let url = |file: &str| format!("sqlite:{}", dir.path().join(file).display());
    let db = sql::Database::open(&url("service.db"), &[&events::MIGRATIONS], clock.clone()).await.unwrap();
    let log = Arc::new(SqliteLog::open(&url("events.db"), clock).await.unwrap());

    let cause = tracing::info_span!("crawl");
    let traceparent = cause.in_scope(events::trace::current);
    let (message, payload) =
        (proto::discovery::v1::DatasetRetracted::default(), "millrace.discovery.v1.DatasetRetracted");
    let event =
        Event::new(topology::DATASET_RETRACTED, "d", "main".parse().unwrap(), "services/t", "d", payload, &message);
    let now = db.now();
    db.write(move |conn| Box::pin(async move { outbox::append(conn, &[event], now).await }))
        .instrument(cause)
        .await
        .unwrap();
    Relay::new(db.clone(), log.clone(), "discovery", Duration::ZERO).reconcile().await.unwrap();
    let seen = Arc::new(Mutex::default());
    Consumer::new(&topology::CATALOG_DISCOVERY, db, log, Traced(seen.clone())).reconcile().await.unwrap();

    let effect = seen.lock().unwrap().remove(0);
    assert!(!traceparent.is_empty());
    assert_eq!(effect.split('-').nth(1), traceparent.split('-').nth(1), "the same trace");
    assert_ne!(effect.split('-').nth(2), traceparent.split('-').nth(2), "a span of its own");
}
