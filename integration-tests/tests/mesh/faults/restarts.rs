//! Processes that start in any order, and that are restarted one after the other under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use millrace_integration_tests::{Corpus, PATIENCE, Rounds, Session, Setup, Shape, Victim, World, audit, pass};
use proto::catalog::v1::ListDatasetsRequest;
use proto::discovery::v1::ListSourcesRequest;
use proto::identity::v1::GetCallerRequest;
use proto::profiling::v1::ListJobsRequest;
use rand::seq::SliceRandom as _;
use tonic::{Code, Status};

use super::{begin, nudge, test_name};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_and_servers_start_in_any_order() {
    let name = test_name!("processes_and_servers_start_in_any_order");
    for shape in Shape::with_servers() {
        let mut rounds = Rounds::of(name, 2);
        let Some(mut world) = World::prepare(name, shape, Setup::new()).await else { continue };
        let mut corpus = Corpus::new(&world.mesh, 10, 60);
        let mut orders = Vec::new();
        for round in 0..rounds.count {
            if round > 0 {
                world.mesh.stop().await;
            }
            let mut order = world.victims();
            for server in order.iter().filter(|victim| !matches!(victim, Victim::Process(_))) {
                world.kill(server).await;
            }
            order.shuffle(&mut rounds.random);
            for each in &order {
                world.revive(each).await;
            }
            world.mesh.ready().await;
            if round == 0 {
                world.mesh.admin().await.create_folder("all", &world.mesh.folder()).await.unwrap();
            }
            corpus.stir(&mut rounds.random);
            orders.push(order);
        }
        let counts = audit(&world, &corpus).await;
        rounds.tell(&format!("{shape:?}: {orders:?}; {counts}"));
        world.mesh.stop().await;
    }
}

/// What clients of the gateway met.
#[derive(Default)]
struct Met {
    over: AtomicBool,
    /// The gateway itself is being restarted, and there is no second one.
    shut: AtomicBool,
    /// By caller.
    answered: [AtomicUsize; CALLERS],
    failed: AtomicUsize,
}

const CALLERS: usize = 3;

impl Met {
    /// Calls one after the other until it is over.
    async fn call(&self, caller: usize, admin: Session) {
        let answered = &self.answered[caller];
        while !self.over.load(Ordering::Relaxed) {
            let parent = || "tenants/main".to_owned();
            let list = ListDatasetsRequest { parent: parent(), ..Default::default() };
            let sources = ListSourcesRequest { parent: parent(), ..Default::default() };
            let jobs = ListJobsRequest { parent: parent(), ..Default::default() };
            self.meet(answered, async { admin.identity().get_caller(GetCallerRequest {}).await.map(drop) }).await;
            self.meet(answered, async { admin.catalog().list_datasets(list).await.map(drop) }).await;
            self.meet(answered, async { admin.discovery().list_sources(sources).await.map(drop) }).await;
            self.meet(answered, async { admin.profiling().list_jobs(jobs).await.map(drop) }).await;
        }
    }

    async fn meet(&self, answered: &AtomicUsize, call: impl Future<Output = Result<(), Status>>) {
        let was_shut = self.shut.load(Ordering::SeqCst);
        let Err(status) = call.await else {
            answered.fetch_add(1, Ordering::Relaxed);
            return;
        };
        assert_eq!(status.code(), Code::Unavailable, "only what may be repeated fails: {status:?}");
        assert!(was_shut || self.shut.load(Ordering::SeqCst), "a client saw {status:?} though a gateway was up");
        self.failed.fetch_add(1, Ordering::Relaxed);
        pass(Duration::from_millis(20)).await;
    }

    fn answers(&self) -> [usize; CALLERS] {
        self.answered.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Waits until every caller got some answers: until then it may not know that a gateway is back.
    async fn all_are_answered(&self) {
        let before = self.answers();
        testkit::eventually!(PATIENCE, self.answers().iter().zip(before).all(|(now, before)| *now >= before + 8));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_is_seen_by_no_client_of_a_gateway_that_stays_up() {
    let name = test_name!("a_rolling_restart_under_load_is_seen_by_no_client_of_a_gateway_that_stays_up");
    for shape in Shape::of_run() {
        let mut rounds = Rounds::of(name, 1);
        let Some((mut world, mut corpus)) = begin(name, shape, Setup::new(), 30).await else { continue };
        let met = Arc::new(Met::default());
        let mut callers = Vec::new();
        for caller in 0..CALLERS {
            let (met, admin) = (met.clone(), world.mesh.admin().await);
            callers.push(tokio::spawn(async move { met.call(caller, admin).await }));
        }
        let mut restarts = 0;
        for _ in 0..rounds.count {
            for process in world.mesh.names() {
                corpus.stir(&mut rounds.random);
                nudge(&world).await;
                corpus.upload(&world.mesh.admin().await).await;
                met.all_are_answered().await;
                met.shut.store(["gateway", "up"].contains(&process.as_str()), Ordering::SeqCst);
                world.mesh.stop_one(&process).await;
                world.mesh.spawn_one(&process);
                world.mesh.ready().await;
                met.all_are_answered().await;
                met.shut.store(false, Ordering::SeqCst);
                restarts += 1;
            }
        }
        met.over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
        let counts = audit(&world, &corpus).await;
        let (answered, failed) = (met.answers().iter().sum::<usize>(), met.failed.load(Ordering::Relaxed));
        let calls = format!("{answered} calls answered, {failed} to be repeated while the gateway was away");
        rounds.tell(&format!("{shape:?}: {restarts} restarts; {calls}; {counts}"));
        world.mesh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_all_is_seen_by_no_client_that_knows_two_gateways() {
    let name = test_name!("a_rolling_restart_of_all_is_seen_by_no_client_that_knows_two_gateways");
    for shape in Shape::of_processes() {
        let mut rounds = Rounds::of(name, 1);
        let setup = Setup::new().doubling("gateway").doubling("profiling").doubling("discovery");
        let Some((mut world, mut corpus)) = begin(name, shape, setup, 30).await else { continue };
        let (gateways, token) = (world.mesh.gateways(), world.mesh.token());
        let met = Arc::new(Met::default());
        let mut callers = Vec::new();
        for caller in 0..CALLERS {
            let (met, admin) = (met.clone(), Session::patient(&gateways, &token).await);
            callers.push(tokio::spawn(async move { met.call(caller, admin).await }));
        }
        let admin = Session::patient(&gateways, &token).await;
        let mut restarts = 0;
        for _ in 0..rounds.count {
            for process in world.mesh.names() {
                corpus.stir(&mut rounds.random);
                nudge(&world).await;
                met.all_are_answered().await;
                // An upload is no call that may be repeated; some are under way while the process drains, and comes up.
                let restart = async {
                    world.mesh.stop_one(&process).await;
                    world.mesh.spawn_one(&process);
                };
                let uploads = async {
                    for bytes in [200_000, 0, 50_000, 0] {
                        let taken = corpus.try_upload(&admin, bytes).await;
                        taken.unwrap_or_else(|status| panic!("an upload met the restart of {process}: {status:?}"));
                    }
                };
                tokio::join!(restart, uploads);
                world.mesh.ready().await;
                met.all_are_answered().await;
                restarts += 1;
            }
        }
        met.over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
        let counts = audit(&world, &corpus).await;
        let answered = met.answers().iter().sum::<usize>();
        rounds.tell(&format!("{shape:?}: {restarts} restarts; {answered} calls answered, none failed; {counts}"));
        world.mesh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_of_a_data_directory_is_refused() {
    let name = test_name!("a_second_process_of_a_data_directory_is_refused");
    for shape in Shape::of_processes() {
        let Some(mut world) = World::start(name, shape, Setup::new()).await else { continue };
        for role in ["catalog", "profiling"] {
            let arguments = world.mesh.second_of(role);
            let ended = world.mesh.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
            assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
            assert!(ended.stderr.contains("another process uses the data directory"), "{ended:?}");
        }
        assert!(world.mesh.answers().await, "the first ones go on");
        world.mesh.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_store_beside_that_of_a_running_role_is_refused() {
    let name = test_name!("a_second_store_beside_that_of_a_running_role_is_refused");
    for shape in Shape::with_servers().into_iter().filter(|shape| *shape == Shape::Servers) {
        let Some(mut world) = World::start(name, shape, Setup::new()).await else { continue };
        let elsewhere = testkit::temp_dir();
        let mut arguments = world.mesh.second();
        *arguments.last_mut().unwrap() = elsewhere.path().display().to_string();
        let ended = world.mesh.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
        assert!(ended.stderr.contains("belongs to another database of discovery"), "{ended:?}");
        assert!(ended.stderr.contains("(BUS_OTHER_DATABASE)"), "{ended:?}");
        assert!(world.mesh.answers().await, "the first one goes on");
        world.mesh.restart().await;
        assert!(world.mesh.answers().await, "what is its own is left to it");
        world.mesh.stop().await;
    }
}
