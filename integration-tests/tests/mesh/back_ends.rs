//! `up` with its events on a real NATS and its objects in a real bucket.

use millrace_integration_tests::back_ends::{self, Nats};
use millrace_integration_tests::{PATIENCE, Setup, about_up_alone, csv, write};
use proto::catalog::v1::{DatasetState, DownloadForm};
use proto::common::v1::{ListDeadLettersRequest, WorkPhase};

const FILES: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_path_walks_on_nats_and_a_bucket() {
    about_up_alone!();
    let name = concat!(module_path!(), "::the_first_path_walks_on_nats_and_a_bucket");
    let Some((nats, weed)) = back_ends::servers(name).await else { return };
    let mut mesh = Setup::new().on(&nats, &weed).start().await;
    let text = csv("volcanoes", 40);
    write(&mesh.folder(), "eruptions.csv", &text);
    let admin = mesh.admin().await;

    let crawl = admin.crawl_folder("earth", &mesh.folder()).await;
    assert_eq!(crawl.status.unwrap().phase(), WorkPhase::Succeeded);
    let dataset = admin.in_state("eruptions.csv", DatasetState::Indexed).await;
    assert_eq!(admin.search("volcano").await.total_size, 1);

    // What the mesh kept is served when the file is gone, so it came from the bucket.
    std::fs::remove_file(mesh.folder().join("eruptions.csv")).unwrap();
    assert_eq!(admin.download(&dataset.name, DownloadForm::Original).await.unwrap(), text.into_bytes());
    assert_eq!((weed.holds("content").await, weed.holds("profiles").await), (1, 1));
    assert!(!mesh.data_dir().join("objects").exists() && !mesh.data_dir().join("events.db").exists());
    mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_nats_and_a_bucket_leave_every_dataset_indexed_once() {
    about_up_alone!();
    let name = concat!(module_path!(), "::kills_on_nats_and_a_bucket_leave_every_dataset_indexed_once");
    let Some((nats, weed)) = back_ends::servers(name).await else { return };
    let mut mesh = Setup::new().on(&nats, &weed).start().await;
    for number in 0..FILES {
        write(&mesh.folder(), &format!("set-{number:02}.csv"), csv(&format!("topic{number}"), 100 + number));
    }
    mesh.admin().await.create_folder("all", &mesh.folder()).await.unwrap();
    for milliseconds in [40, 200, 600] {
        mesh.kill_after(std::time::Duration::from_millis(milliseconds)).await;
        mesh.spawn();
        mesh.ready().await;
    }

    let admin = mesh.admin().await;
    admin.run_source("all", false).await;
    for dataset in admin.settled(FILES).await {
        assert_eq!(dataset.state(), DatasetState::Indexed, "{dataset:?}");
        assert_eq!(admin.versions(&dataset.name).await.len(), 1, "{dataset:?}");
    }
    assert_eq!(admin.search("").await.total_size, i64::try_from(FILES).unwrap());
    assert_eq!(weed.holds("content").await, FILES);
    let request = ListDeadLettersRequest { parent: "services/-".into(), ..Default::default() };
    let dead = admin.operator().list_dead_letters(request).await.unwrap().into_inner();
    assert!(dead.dead_letters.is_empty(), "{:?}", dead.dead_letters);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_an_event_bus_that_comes_later() {
    about_up_alone!();
    let name = concat!(module_path!(), "::a_start_waits_for_an_event_bus_that_comes_later");
    let Some(nats) = Nats::prepare(name) else { return };
    let mut mesh = Setup::new().set("EVENTS__URL", nats.url()).prepare();
    mesh.spawn();
    let line = format!("for the event bus at {}", nats.url());
    testkit::eventually!(PATIENCE, mesh.log().contains(&line));
    nats.launch().await;
    mesh.ready().await;
    assert_eq!(mesh.log().matches(&line).count(), 1, "it is said once");
    mesh.stop().await;
}

#[tokio::test]
async fn a_start_ends_with_one_line_when_a_store_never_answers_or_must_not_be_used() {
    about_up_alone!();
    let mesh = Setup::new().set("WAIT_FOR_STORES", "1s").set("EVENTS__URL", "nats://127.0.0.1:9").prepare();
    let second = mesh.second();
    let arguments: Vec<&str> = second.iter().map(String::as_str).collect();
    let ended = mesh.run(&arguments).await;
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.stderr.contains("gave up after 1s on the event bus at nats://127.0.0.1:9"), "{ended:?}");
    assert!(ended.stderr.contains("(BUS_UNAVAILABLE)"), "{ended:?}");

    let mesh = Setup::new().set("EVENTS__URL", "nats://me:hunter2@h:4222").set("OBJECTS__URL", "s3://bucket").prepare();
    let second = mesh.second();
    let arguments: Vec<&str> = second.iter().map(String::as_str).collect();
    let ended = mesh.run(&arguments).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for place in ["`events.url`", "`objects.url`", "`objects.s3.access_key_id`"] {
        assert!(ended.stderr.contains(place), "{ended:?}");
    }
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
}
