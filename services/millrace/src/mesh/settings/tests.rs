//! What is wrong with settings is told, all of it, and no secret with it.

use types::Secret;

use super::*;

#[test]
fn the_defaults_are_valid_and_print() {
    let settings = Settings::of_defaults();
    assert_eq!(settings.problems(&Shape::alone()), Vec::<String>::new());
    assert_eq!(settings.listen, crate::client::DEFAULT_ADDRESS);
    assert_eq!(settings.data_dir, PathBuf::from("./millrace-data"));
    let printed = settings.print().ok().unwrap();
    assert!(printed.contains("[gateway.limits.tenant]") && printed.contains("[catalog]"), "{printed}");
    let again: Settings = Loader::new().defaults("", &printed).load().unwrap();
    assert_eq!(again.print().ok(), Some(printed));
}

#[test]
fn every_problem_of_every_role_is_told_at_once() {
    let mut settings = Settings::of_defaults();
    settings.fetch.allow_private = vec!["ten".to_owned()];
    settings.logging.filter = "a=loud".to_owned();
    settings.profiling.workers = 0;
    settings.telemetry.otlp_endpoint = "collector".to_owned();
    settings.listen = "nonsense".to_owned();
    settings.admin_listen = "0.0.0.0:0".to_owned();
    settings.folder_roots = vec!["/no/such/folder".into()];
    let problems = settings.problems(&Shape::alone());
    assert_eq!(problems.len(), 7, "{problems:?}");
    assert!(problems.iter().any(|problem| problem.starts_with("profiling.workers")), "{problems:?}");
}

#[test]
fn what_is_wrong_with_bus_and_bucket_is_told_with_the_rest() {
    let mut settings = Settings::of_defaults();
    settings.events.url = "kafka://h:1".to_owned();
    settings.events.jetstream.replicas = 2;
    settings.objects.url = "s3://bucket".to_owned();
    let problems = settings.problems(&Shape::alone());
    for place in ["`events.url`", "`replicas`", "`objects.url`", "`objects.s3.access_key_id`"] {
        assert!(problems.iter().any(|problem| problem.contains(place)), "{place}: {problems:?}");
    }
    assert_eq!(problems.len(), 4, "{problems:?}");
}

#[test]
fn secrets_of_bus_and_bucket_are_not_printed_and_have_no_place_in_urls() {
    let mut settings = Settings::of_defaults();
    settings.events.jetstream.token = Some(Secret::new("hunter2".to_owned()));
    settings.objects.s3 = objects::S3Settings::with_keys("id", Secret::new("hunter2".to_owned()));
    let printed = settings.print().ok().unwrap();
    assert!(printed.contains("***") && !printed.contains("hunter2"), "{printed}");
    settings.events.url = "nats://me:hunter2@host:4222".to_owned();
    settings.objects.url = "s3://id:hunter2@bucket?region=x".to_owned();
    let problems = settings.problems(&Shape::alone());
    assert!(problems.len() == 2 && !format!("{problems:?}").contains("hunter2"), "{problems:?}");
}

fn part(toml: &str, roles: &[Role]) -> (Settings, Shape) {
    let shape = Shape::of(roles.iter().copied());
    let folder = testkit::temp_dir();
    let file = folder.path().join("mesh.toml");
    std::fs::write(&file, toml).unwrap();
    (defaults(&shape, false).file(Some(&file)).load().unwrap(), shape)
}

#[test]
fn what_processes_need_from_each_other_is_told_at_once() {
    let (settings, shape) = part("", &[Role::Gateway, Role::Catalog]);
    let problems = settings.problems(&shape);
    for place in ["`events.url`", "`objects.url`", "`identity.keys.gateway`"] {
        assert!(problems.iter().any(|problem| problem.contains(place)), "{place}: {problems:?}");
    }
    assert_eq!(problems.len(), 3, "{problems:?}");
    let (settings, shape) = part("events.url = 'nats://h:1'", &[Role::Discovery]);
    let problems = settings.problems(&shape);
    assert!(problems.len() == 1 && problems[0].contains("`identity.trusted.gateway`"), "{problems:?}");
    assert_eq!(settings.patience(), None, "a process waits for what it needs");
    let (settings, shape) = part("", &Role::ALL);
    assert_eq!(settings.problems(&shape), Vec::<String>::new(), "all roles in one process need nobody");
}

#[test]
fn endpoints_and_keys_are_read_closely() {
    let toml = "peers.discovery = []\npeers.profiling = ['https://h:1']\npeers.catalog = ['http://h:1/', 'http://h:2']\n\
                identity.keys.gateway = '/no/such/key'\nidentity.trusted.gateway = ['ed25519:short']\n\
                tls.certificate = 'c.pem'";
    let (mut settings, shape) = part(toml, &[Role::Gateway]);
    let told = settings.problems(&shape).join("\n");
    for place in ["`peers.discovery`", "`identity.keys.gateway`", "identity.trusted.gateway", "`tls`"] {
        assert!(told.contains(place), "{place}: {told}");
    }
    settings.tls.certificate = PathBuf::new();
    let told = settings.problems(&shape).join("\n");
    for endpoint in ["https://h:1 ", "http://h:1/ "] {
        assert!(told.contains(endpoint), "{endpoint}: {told}");
    }
    assert!(!told.contains("h:2"), "{told}");
}

#[test]
fn a_listener_with_a_certificate_may_reach_beyond_the_loopback() {
    let mut settings = Settings::of_defaults();
    settings.listen = "0.0.0.0:0".to_owned();
    assert_eq!(settings.problems(&Shape::alone()).len(), 1);
    settings.gateway.tls =
        gateway::Tls { certificate: "/no/such".into(), key: "/no/such".into(), ..Default::default() };
    let problems = settings.problems(&Shape::alone());
    assert!(problems.len() == 1 && problems[0].starts_with("`gateway.tls`: "), "{problems:?}");
}

#[test]
fn what_is_wrong_with_the_store_is_told_and_no_password_with_it() {
    let mut settings = Settings::of_defaults();
    settings.store.postgres.password = Some(Secret::new("hunter2".to_owned()));
    settings.store.url = "postgres://h/mesh".to_owned();
    let problems = settings.problems(&Shape::alone());
    assert!(problems.len() == 1 && problems[0].starts_with("`gateway.hash_key_file`"), "{problems:?}");
    assert!(!settings.print().ok().unwrap().contains("hunter2"));
    assert_eq!(settings.store.of_role(Role::Catalog).schema, "millrace_catalog");
    settings.store.postgres.pool_size = 1;
    for url in ["postgres://me:hunter2@h/mesh", "sqlite:x.db", "mysql://h/mesh"] {
        settings.store.url = url.to_owned();
        let told = settings.problems(&Shape::alone()).join("\n");
        assert!(told.contains("`store.url`") && !told.contains("hunter2"), "{told}");
    }
}
