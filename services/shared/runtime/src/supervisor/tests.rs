use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use testkit::{CapturedLogs, ManualClock, eventually};
use tokio::sync::{oneshot, watch};

use super::*;
use crate::{Period, Reconcile, Report};

type Round = Box<dyn FnMut(usize) -> Result<Report, BoxError> + Send>;

struct Counted(Arc<AtomicUsize>, Round);

#[async_trait]
impl Reconcile for Counted {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        let round = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        (self.1)(round)
    }
}

fn counted(round: impl FnMut(usize) -> Result<Report, BoxError> + Send + 'static) -> (Arc<AtomicUsize>, Box<Counted>) {
    let count = Arc::new(AtomicUsize::new(0));
    (count.clone(), Box::new(Counted(count, Box::new(round))))
}

/// Says when it ends.
struct Ending(tokio::sync::mpsc::UnboundedSender<String>);

#[async_trait]
impl Reconcile for Ending {
    async fn reconcile(&mut self) -> Result<Report, BoxError> {
        Ok(Report::idle())
    }

    async fn end(&mut self) -> Result<(), BoxError> {
        Ok(self.0.send("ended".to_owned())?)
    }
}

fn supervisor() -> Supervisor {
    let short = Duration::from_millis(20);
    Supervisor::new(ManualClock::default().shared()).with_grace(Grace { drain: short, loops: short, close: short })
}

#[tokio::test]
async fn a_loop_runs_at_start_when_poked_and_at_once_while_there_is_more() {
    let mut tasks = Tasks::new("catalog");
    let (poke, poked) = watch::channel(0u64);
    let (rounds, task) = counted(|round| Ok(if round < 3 { Report::more("some") } else { Report::idle() }));
    tasks.add_poked("worker", Period::secs(3600), poked, task);
    let mut supervisor = supervisor();
    supervisor.supervise(tasks);
    eventually!(rounds.load(Ordering::SeqCst) == 3);
    poke.send_replace(1);
    eventually!(rounds.load(Ordering::SeqCst) == 4);
    drop(poke);
    tokio::task::yield_now().await;
    assert_eq!(rounds.load(Ordering::SeqCst), 4, "a lost poker must not spin");
}

#[tokio::test]
async fn a_panic_in_a_loop_is_counted_and_the_loop_goes_on() {
    let mut tasks = Tasks::new("catalog");
    let (rounds, task) = counted(|round| if round == 1 { panic!("odd round") } else { Ok(Report::done("fine")) });
    tasks.add("worker", Period::secs(3600), task);
    let states = tasks.states();
    let mut supervisor = supervisor();
    supervisor.supervise(tasks);
    eventually!(states.loops()[0].state.consecutive_failures == 1);
    assert_eq!(states.loops()[0].state.last_error, "panicked: odd round");
    eventually!(rounds.load(Ordering::SeqCst) == 2);
    eventually!(states.loops()[0].state.last_report == "fine");
    assert_eq!(states.loops()[0].state.consecutive_failures, 0);
}

#[tokio::test]
async fn shutdown_goes_in_order_and_readiness_is_off_first() {
    let mut tasks = Tasks::new("catalog");
    let (seen, mut order) = tokio::sync::mpsc::unbounded_channel();
    tasks.add("worker", Period::secs(3600), Box::new(Ending(seen.clone())));
    let ready = tasks.readiness();
    let mut supervisor = supervisor();
    supervisor.supervise(tasks);
    let (at_stop, at_flush, still) = (seen.clone(), seen.clone(), ready.clone());
    supervisor.serve("grpc", |stop| async move {
        stop.cancelled().await;
        at_stop.send(format!("drained while {:?}", still.get()))?;
        Ok(())
    });
    supervisor.at_end("events", async move { at_flush.send("flushed".to_owned()).unwrap() });
    supervisor.at_end("stores", async move { seen.send("closed".to_owned()).unwrap() });
    assert!(ready.get().is_err());
    supervisor.ready();
    assert!(ready.get().is_ok());
    supervisor.run(async { "test" }).await.unwrap();
    let mut steps = Vec::new();
    while let Ok(step) = order.try_recv() {
        steps.push(step);
    }
    assert_eq!(steps, ["drained while Err(\"stopping\")", "ended", "flushed", "closed"]);
}

#[tokio::test]
async fn what_does_not_stop_is_dropped_and_named() {
    let logs = CapturedLogs::start();
    let mut supervisor = supervisor();
    let (held, dropped) = oneshot::channel::<()>();
    supervisor.serve("deaf", |_| async move {
        let _held = held;
        std::future::pending().await
    });
    supervisor.run(async { "test" }).await.unwrap();
    assert!(dropped.await.is_err(), "the server was dropped");
    assert!(logs.has_line(&["WARN", "grace period", "deaf"]), "{}", logs.text());
}

#[tokio::test]
async fn a_server_that_ends_by_itself_ends_the_run() {
    let mut supervisor = supervisor();
    supervisor.serve("grpc", |_| async { Err("socket gone".into()) });
    let error = supervisor.run(std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains("`grpc`"), "{error}");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "socket gone");
}
