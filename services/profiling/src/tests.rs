//! The service over embedded back ends, stepped through round by round.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::events::{EventBus, SqliteLog, topology};
use fetch::{Fetcher, Policy};
use objects::{Key, ObjectStoreExt};
use prost::Message;
use proto::common::v1 as common;
use proto::common::v1::EventEnvelope;
use proto::discovery::v1::{DatasetAnnounced, DatasetRetracted};
use proto::profiling::v1::{JobAdvanced, JobFailed, JobStage, JobSucceeded};
use runtime::{Service, Tasks};
use sql::Database;
use tempfile::TempDir;
use testkit::ManualClock;
use tonic::service::Routes;
use types::{Clock, Identity, Permitted, TenantName, WorkPhase};

use super::*;

mod derived;
mod tables;

testkit::on_every_store! {
    an_announced_file_is_profiled_and_told_of_stage_by_stage,
    the_same_bytes_are_profiled_once,
    a_newer_announcement_supersedes_a_queued_job,
    a_retracted_dataset_is_not_profiled,
    what_is_no_table_fails_at_once_with_its_reason,
    a_file_that_vanished_fails_and_can_be_retried_by_a_caller,
    a_job_of_a_killed_process_is_claimed_again,
    a_job_whose_processes_are_killed_tells_that_it_waits,
    a_job_that_a_stop_interrupts_tells_that_it_is_queued,
    a_cancelled_job_tells_so_and_stays_cancelled,
    what_nothing_names_is_swept_after_its_time,
    what_is_named_or_being_taken_up_is_not_swept,
    a_sweep_that_was_killed_harms_nothing_that_came_later,
    objects_of_another_database_are_left_alone,
}

const DATASET: &str = "tenants/main/datasets/d1";

struct Bench {
    folder: TempDir,
    clock: ManualClock,
    db: Database,
    bus: Arc<dyn EventBus>,
    objects: Arc<dyn ObjectStore>,
    tasks: Tasks,
    domain: Profiling,
    sent: i64,
}

impl Bench {
    async fn new() -> Self {
        let folder = testkit::temp_dir();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        let clock = ManualClock::default();
        let at = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
        let db = Self::open(&folder, &clock).await;
        let bus: Arc<dyn EventBus> = Arc::new(SqliteLog::open(&at("events.db"), clock.shared()).await.unwrap());
        let objects = objects::open(&format!("file:{}", folder.path().join("objects").display())).await.unwrap();
        let service = Self::build(&folder, &db, &bus, &objects).await;
        let config = Arc::new(config());
        let domain = Profiling { db: db.clone(), objects: objects.clone(), config };
        Self { folder, clock, db, bus, objects, tasks: service.tasks, domain, sent: 0 }
    }

    async fn open(folder: &TempDir, clock: &ManualClock) -> Database {
        let settings = sql::Settings {
            schema: "profiling".into(),
            user: "postgres".into(),
            server_clock: false,
            ..Default::default()
        };
        let url = testkit::database_url(&folder.path().join("profiling.db"));
        Database::open_with(&url, &settings, &migrations(), clock.shared()).await.unwrap()
    }

    async fn build(
        folder: &TempDir,
        db: &Database,
        bus: &Arc<dyn EventBus>,
        objects: &Arc<dyn ObjectStore>,
    ) -> Service<Routes> {
        let policy = Policy { folder_roots: vec![folder.path().join("root")], ..Policy::default() };
        let deps = Deps {
            database: db.clone(),
            sole_owner: true,
            bus: bus.clone(),
            objects: objects.clone(),
            fetcher: Fetcher::new(policy).unwrap(),
            spool: folder.path().join("spool"),
            profiler: None,
        };
        build(config(), deps).await.unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("root").join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    async fn announce(&mut self, path: &std::path::Path, token: &str) {
        let message = DatasetAnnounced {
            dataset: DATASET.into(),
            path: path.file_name().unwrap().to_string_lossy().into_owned(),
            materialization: Some(common::Materialization {
                origin: Some(common::materialization::Origin::File(common::FileOrigin {
                    path: path.to_string_lossy().into_owned(),
                })),
                version_token: token.into(),
            }),
            ..Default::default()
        };
        self.send(topology::DATASET_ANNOUNCED, message.encode_to_vec()).await;
    }

    async fn send(&mut self, subject: &str, payload: Vec<u8>) {
        self.sent += 1;
        let envelope = EventEnvelope {
            id: uuid::Uuid::now_v7().to_string(),
            subject: subject.into(),
            time: Some(self.clock.now().into()),
            resource: DATASET.into(),
            tenant: "main".into(),
            actor: "services/discovery".into(),
            key: DATASET.into(),
            sequence: self.sent,
            payload_type: topology::payload_type(subject).unwrap().into(),
            payload,
            ..Default::default()
        };
        self.bus.publish(&[envelope]).await.unwrap();
        self.tasks.round("profiling.discovery").await.unwrap();
    }

    async fn work(&mut self) {
        self.tasks.round("profiling.worker.0").await.unwrap();
    }

    /// What profiling published so far, in order.
    async fn published(&mut self) -> Vec<EventEnvelope> {
        self.tasks.round("profiling.relay").await.unwrap();
        let mut subscription = self.bus.subscribe(&topology::CATALOG_PROFILING).await.unwrap();
        let deliveries = subscription.fetch(100, Duration::ZERO).await.unwrap();
        subscription.ack(&deliveries).await.unwrap();
        deliveries.into_iter().map(|delivery| delivery.event).collect()
    }

    /// Looks through all objects, as they are so much later.
    async fn sweep(&mut self, later: Duration) -> Result<(), types::BoxError> {
        // The objects' times are those of the file system.
        self.clock.set(runtime::SystemClock.now() + later);
        while self.tasks.round("profiling.sweep").await?.again {}
        Ok(())
    }

    async fn has(&self, key: &Key) -> bool {
        match self.objects.head(key).await {
            Ok(_) => true,
            Err(objects::Error::NotFound { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    async fn jobs(&self) -> Vec<Job> {
        let parent = Permitted::check(&ada(), "tenants/main".parse::<TenantName>().unwrap()).unwrap();
        self.domain.list_jobs(parent, None, 0, "").await.unwrap().items
    }
}

fn config() -> Config {
    runtime::config::load(Config::DEFAULTS, None, "MILLRACE_TEST_PROFILING__", &[]).unwrap()
}

fn ada() -> Identity {
    Identity {
        subject: types::Subject::User("ada".parse().unwrap()),
        tenant: Some("main".parse().unwrap()),
        roles: vec![],
        credential_expires: None,
    }
}

fn subjects(events: &[EventEnvelope]) -> Vec<&str> {
    events.iter().map(|event| event.subject.as_str()).collect()
}

async fn an_announced_file_is_profiled_and_told_of_stage_by_stage() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"x,y\n1,a\n2,b\n");
    bench.announce(&path, "v1").await;
    bench.work().await;
    let events = bench.published().await;
    let (advanced, succeeded) = (topology::JOB_ADVANCED, topology::JOB_SUCCEEDED);
    assert_eq!(subjects(&events), [advanced, advanced, advanced, succeeded]);
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let stages: Vec<_> =
        events[..3].iter().map(|event| JobAdvanced::decode(event.payload.as_slice()).unwrap().stage()).collect();
    assert_eq!(stages, [JobStage::Unspecified, JobStage::Fetching, JobStage::Profiling]);

    let done = JobSucceeded::decode(events[3].payload.as_slice()).unwrap();
    let name = Permitted::check(&ada(), done.profile.parse::<types::ProfileName>().unwrap()).unwrap();
    let profile = bench.domain.get_profile(name.clone(), "").await.unwrap();
    assert_eq!((profile.row_count, profile.column_count, profile.name), (2, 2, done.profile));
    let page = bench.domain.list_columns(name.clone(), "", 1, "").await.unwrap();
    assert_eq!((page.items[0].column.as_str(), page.next_page_token.as_str()), ("x", "1"));
    let page = bench.domain.list_columns(name, "", 1, &page.next_page_token).await.unwrap();
    assert_eq!((page.items[0].column.as_str(), page.next_page_token.as_str()), ("y", ""));
    let content = done.content_object.unwrap();
    assert_eq!(bench.objects.head(&content.key.parse().unwrap()).await.unwrap().size_bytes, 12);
}

async fn the_same_bytes_are_profiled_once() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"x\n1\n");
    bench.announce(&path, "v1").await;
    bench.work().await;
    bench.announce(&path, "v2").await;
    bench.work().await;
    let jobs = bench.jobs().await;
    assert_eq!(jobs.iter().map(|job| job.reused).collect::<Vec<_>>(), [true, false]);
    assert_eq!(jobs[0].profile, jobs[1].profile);
}

async fn a_newer_announcement_supersedes_a_queued_job() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"x\n1\n");
    bench.announce(&path, "v1").await;
    bench.announce(&path, "v2").await;
    bench.work().await;
    bench.work().await;
    let phases: Vec<_> = bench.jobs().await.iter().map(|job| job.status.phase).collect();
    assert_eq!(phases, [WorkPhase::Succeeded, WorkPhase::Cancelled]);
    let told: Vec<_> =
        bench.published().await.into_iter().filter(|event| event.subject == topology::JOB_FAILED).collect();
    assert!(told.is_empty(), "a superseded job tells nothing");
}

async fn a_retracted_dataset_is_not_profiled() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"x\n1\n");
    bench.announce(&path, "v1").await;
    let gone = DatasetRetracted { dataset: DATASET.into(), ..Default::default() };
    bench.send(topology::DATASET_RETRACTED, gone.encode_to_vec()).await;
    bench.work().await;
    assert_eq!(bench.jobs().await[0].status.phase, WorkPhase::Cancelled);
}

async fn what_is_no_table_fails_at_once_with_its_reason() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"");
    bench.announce(&path, "v1").await;
    bench.work().await;
    let events = bench.published().await;
    let failed = JobFailed::decode(events.last().unwrap().payload.as_slice()).unwrap();
    let error = failed.error.unwrap();
    assert!(!error.retryable && !error.reason.is_empty(), "{error:?}");
    assert_eq!((failed.attempts, failed.cancelled), (1, false));
}

async fn a_file_that_vanished_fails_and_can_be_retried_by_a_caller() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"x\n1\n");
    bench.announce(&path, "v1").await;
    std::fs::remove_file(&path).unwrap();
    bench.work().await;
    let job = bench.jobs().await.remove(0);
    assert_eq!(job.status.error.as_ref().unwrap().reason, "FILE_NOT_FOUND");
    bench.write("a.csv", b"x\n1\n");
    let name = Permitted::check(&ada(), job.name).unwrap();
    bench.domain.retry_job(name.clone()).await.unwrap();
    bench.work().await;
    assert_eq!(bench.domain.get_job(name).await.unwrap().status.phase, WorkPhase::Succeeded);
}

async fn a_job_of_a_killed_process_is_claimed_again() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"x\n1\n");
    bench.announce(&path, "v1").await;
    // Claimed, and then nothing more is heard of the worker.
    let queue = job_queue(&bench.db, &config());
    assert!(queue.claim().await.unwrap().is_some());
    bench.tasks = Bench::build(&bench.folder, &bench.db, &bench.bus, &bench.objects).await.tasks;
    bench.work().await;
    let job = bench.jobs().await.remove(0);
    assert_eq!((job.status.phase, job.status.attempts), (WorkPhase::Succeeded, 1));
}

/// The phases that jobs were told to be in, and the last of these words.
fn advances(events: &[EventEnvelope]) -> (Vec<common::WorkPhase>, JobAdvanced) {
    let words = events.iter().map(|event| JobAdvanced::decode(event.payload.as_slice()).unwrap());
    let words: Vec<JobAdvanced> = words.collect();
    (words.iter().map(JobAdvanced::phase).collect(), words.last().unwrap().clone())
}

async fn a_job_whose_processes_are_killed_tells_that_it_waits() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"x\n1\n");
    bench.announce(&path, "v1").await;
    let queue = job_queue(&bench.db, &config());
    for _ in 0..3 {
        assert!(queue.claim().await.unwrap().is_some());
        bench.clock.advance(Duration::from_secs(60));
        bench.tasks = Bench::build(&bench.folder, &bench.db, &bench.bus, &bench.objects).await.tasks;
    }
    let events = bench.published().await;
    let (phases, last) = advances(&events);
    let (queued, waiting) = (common::WorkPhase::Queued, common::WorkPhase::Waiting);
    assert_eq!(phases, [queued, queued, queued, waiting]);
    let (now, next) = (bench.clock.now(), bench.jobs().await.remove(0).status.next_attempt.unwrap());
    assert!(next > now);
    assert_eq!(last.next_attempt_time, Some(next.into()));
    assert_eq!(events.last().unwrap().time, Some(now.into()));
}

async fn a_job_that_a_stop_interrupts_tells_that_it_is_queued() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"x\n1\n");
    bench.announce(&path, "v1").await;
    let process = Bench::open(&bench.folder, &bench.clock).await;
    let mut tasks = Bench::build(&bench.folder, &process, &bench.bus, &bench.objects).await.tasks;
    let (mut changed, mut round) = (process.changed(), Box::pin(tasks.round("profiling.worker.0")));
    // The claim, and the stage that the job is at.
    for _ in 0..2 {
        tokio::select! {
            biased;
            _ = changed.changed() => {}
            _ = &mut round => panic!("the job ended before it was stopped"),
        }
    }
    drop(round);
    process.close().await;
    let (mut phases, last) = advances(&bench.published().await);
    // How many stages it came to in the meantime is nobody's promise.
    phases.dedup();
    let (queued, running) = (common::WorkPhase::Queued, common::WorkPhase::Running);
    assert_eq!(phases, [queued, running, queued]);
    assert_eq!(last.attempts, 0);
    bench.work().await;
    assert_eq!(bench.jobs().await[0].status.phase, WorkPhase::Succeeded);
}

async fn a_cancelled_job_tells_so_and_stays_cancelled() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"x\n1\n");
    bench.announce(&path, "v1").await;
    let name = Permitted::check(&ada(), bench.jobs().await.remove(0).name).unwrap();
    assert_eq!(bench.domain.cancel_job(name.clone()).await.unwrap().status.phase, WorkPhase::Cancelled);
    bench.work().await;
    let events = bench.published().await;
    let failed = JobFailed::decode(events.last().unwrap().payload.as_slice()).unwrap();
    assert!(failed.cancelled);
    assert_eq!(bench.domain.get_job(name).await.unwrap().status.phase, WorkPhase::Cancelled);
}

fn content(bytes: &[u8]) -> Key {
    Key::content(&"main".parse().unwrap(), &types::Digest::of(bytes))
}

const GRACE: Duration = Duration::from_secs(24 * 3600);

async fn what_nothing_names_is_swept_after_its_time() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"");
    bench.announce(&path, "v1").await;
    bench.work().await;
    // The job failed, maybe before its bytes were kept: profiling and keeping go on at once.
    let kept = content(b"");
    bench.objects.put_bytes(&kept, "".into(), objects::Put::Always).await.unwrap();
    let left = Key::profile(
        &"main".parse().unwrap(),
        &types::ProfileId::derive(&types::Digest::of(b"a"), &types::Digest::of(b"b"), "1"),
    );
    bench.objects.put_bytes(&left, "a profile".into(), objects::Put::Always).await.unwrap();
    bench.sweep(GRACE / 2).await.unwrap();
    assert!(bench.has(&kept).await && bench.has(&left).await);
    bench.sweep(GRACE * 2).await.unwrap();
    assert!(!bench.has(&kept).await && !bench.has(&left).await);
}

async fn what_is_named_or_being_taken_up_is_not_swept() {
    let mut bench = Bench::new().await;
    let path = bench.write("a.csv", b"x\n1\n");
    bench.announce(&path, "v1").await;
    bench.work().await;
    let (named, held) = (content(b"x\n1\n"), content(b"x\n2\n"));
    bench.objects.put_bytes(&held, "x\n2\n".into(), objects::Put::Always).await.unwrap();
    let later = runtime::SystemClock.now() + GRACE * 3;
    let first = held.to_string();
    let hold = bench.db.write(|conn| Box::pin(async move { sql::keeping::hold(conn, &first, "a job", later).await }));
    let got: Result<_, sql::Error> = hold.await;
    assert_eq!(got.unwrap(), held.as_str());
    bench.sweep(GRACE * 2).await.unwrap();
    assert!(bench.has(&named).await && bench.has(&held).await);
    bench.sweep(GRACE * 4).await.unwrap();
    assert!(bench.has(&named).await && !bench.has(&held).await, "nobody came, so the hold has ended");
}

async fn a_sweep_that_was_killed_harms_nothing_that_came_later() {
    let mut bench = Bench::new().await;
    let left = content(b"x\n1\n");
    bench.objects.put_bytes(&left, "x\n1\n".into(), objects::Put::Always).await.unwrap();
    // It gave the object up, and was killed before it deleted it.
    let (key, now) = (left.to_string(), bench.db.now());
    let given_up: Result<_, sql::Error> =
        bench.db.write(|conn| Box::pin(async move { sql::keeping::give_up(conn, &key, now).await })).await;
    assert!(given_up.unwrap());
    let path = bench.write("a.csv", b"x\n1\n");
    bench.announce(&path, "v1").await;
    bench.work().await;
    let events = bench.published().await;
    let done = JobSucceeded::decode(events.last().unwrap().payload.as_slice()).unwrap();
    let kept: Key = done.content_object.unwrap().key.parse().unwrap();
    assert_ne!(kept, left);
    bench.sweep(GRACE * 2).await.unwrap();
    assert!(bench.has(&kept).await && !bench.has(&left).await);
}

async fn objects_of_another_database_are_left_alone() {
    let mut bench = Bench::new().await;
    let left = content(b"left");
    bench.objects.put_bytes(&left, "left".into(), objects::Put::Always).await.unwrap();
    bench
        .objects
        .put_bytes(&"owners/profiling".parse().unwrap(), "another".into(), objects::Put::Always)
        .await
        .unwrap();
    let refused = bench.sweep(GRACE * 2).await.unwrap_err();
    assert!(refused.to_string().contains("another mesh"), "{refused}");
    assert!(bench.has(&left).await);
}

#[test]
fn wrong_settings_are_all_named() {
    let mut config = config();
    config.workers = 0;
    config.jobs.max_attempts = 0;
    assert_eq!(config.validate().len(), 2);
}
