//! Starting: again, on what another has, with what is wrong.

use millrace_integration_tests::{Disk, Mesh, PATIENCE, Setup, about_up_alone, csv, write};
use proto::catalog::v1::DatasetState;
use proto::common::v1::WorkPhase;

#[tokio::test]
async fn a_second_start_profiles_nothing_anew() {
    let mut mesh = Mesh::start().await;
    for number in 0..12 {
        write(&mesh.folder(), &format!("set-{number}.csv"), csv("topic", 20 + number));
    }
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    admin.settled(12).await;
    let (jobs, token) = (admin.jobs().await, mesh.token());

    mesh.restart().await;
    let admin = mesh.admin().await;
    assert_eq!(mesh.token(), token, "the key stays as it is");
    let crawl = admin.run_source("all", false).await;
    let status = crawl.status.unwrap();
    assert_eq!(status.phase(), WorkPhase::Succeeded);
    let count = |name: &str| status.counts.iter().find(|count| count.name == name).map_or(0, |count| count.value);
    assert_eq!((count("listed"), count("unchanged"), count("announced")), (12, 12, 0));
    let datasets = admin.settled(12).await;
    assert_eq!(admin.jobs().await, jobs);
    for dataset in datasets {
        assert_eq!(admin.versions(&dataset.name).await.len(), 1);
    }
}

#[tokio::test]
async fn the_administrators_key_is_readable_by_its_owner_alone() {
    about_up_alone!();
    use std::os::unix::fs::PermissionsExt as _;
    let mesh = Mesh::start().await;
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(mesh.token_file()), 0o600);
    assert_eq!(mode(mesh.data_dir()) & 0o077, 0);
}

#[tokio::test]
async fn whoever_owns_the_directory_gets_access_again() {
    about_up_alone!();
    let mut mesh = Mesh::start().await;
    let old = mesh.token();
    let data = mesh.data_dir().display().to_string();
    let refused = mesh.run(&["admin", "reset-token", "--data-dir", &data]).await;
    assert!(refused.code.is_some_and(|code| code != 0), "it ran beside the mesh: {refused:?}");
    mesh.stop().await;
    std::fs::remove_file(mesh.token_file()).unwrap();
    let reset = mesh.run(&["admin", "reset-token", "--data-dir", &data]).await;
    assert_eq!(reset.code, Some(0), "{reset:?}");
    mesh.spawn();
    mesh.ready().await;
    assert_ne!(mesh.token(), old);
}

#[tokio::test]
async fn a_second_process_on_the_same_directory_is_refused() {
    about_up_alone!();
    let mesh = Mesh::start().await;
    let second = mesh.second();
    let ended = mesh.run(&second.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    one_clear_line(&ended.stderr, "another process uses the data directory");
    assert!(mesh.answers().await, "the first goes on");
}

#[tokio::test]
async fn a_taken_port_is_one_clear_line() {
    about_up_alone!();
    let mesh = Mesh::start().await;
    let data = mesh.outside().join("other").display().to_string();
    let listen = mesh.address().to_string();
    let ended = mesh.run(&["up", "--listen", &listen, "--data-dir", &data]).await;
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    one_clear_line(&ended.stderr, &listen);
    assert!(mesh.answers().await, "the first goes on");
}

#[tokio::test]
async fn a_directory_of_a_newer_version_is_refused_and_left_alone() {
    about_up_alone!();
    let mut mesh = Mesh::start().await;
    mesh.stop().await;
    let format = mesh.data_dir().join("format");
    let old = std::fs::read_to_string(&format).unwrap();
    std::fs::write(&format, "999\n").unwrap();
    let data = mesh.data_dir().display().to_string();
    let ended = mesh.run(&["up", "--listen", &mesh.address().to_string(), "--data-dir", &data]).await;
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    one_clear_line(&ended.stderr, "newer");
    std::fs::write(&format, old).unwrap();
    mesh.spawn();
    mesh.ready().await;
}

#[tokio::test]
async fn all_wrong_settings_are_told_in_one_message_before_anything_starts() {
    about_up_alone!();
    let mesh = Setup::new()
        .set("PROFILING__WORKERS", "many")
        .set("CATALOG__NO_SUCH_SETTING", 1)
        .set("GATEWAY__ACCESS_TOKEN_LIFE", "15 parsecs")
        .prepare();
    let data = mesh.data_dir().display().to_string();
    let ended = mesh.run(&["up", "--data-dir", &data, "--listen", &mesh.address().to_string()]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for part in ["profiling.workers", "no_such_setting", "access_token_life"] {
        assert!(ended.stderr.contains(part), "`{part}` is not told of:\n{}", ended.stderr);
    }
    assert!(!mesh.data_dir().join("admin.token").exists());
}

#[tokio::test]
async fn a_listener_beyond_the_loopback_needs_leave_for_plain_text() {
    about_up_alone!();
    let mesh = Setup::new().prepare();
    let data = mesh.data_dir().display().to_string();
    let ended = mesh.run(&["up", "--data-dir", &data, "--listen", "0.0.0.0:0"]).await;
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(ended.stderr.contains("--allow-plaintext"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_stop_answers_the_calls_that_are_under_way() {
    use proto::profiling::v1::{ProfileDataRequest, ProfileDataStart};
    use rpc::upload::{Part, UploadMessage as _};
    let mut mesh = Mesh::start().await;
    let text = csv("late", 50).into_bytes();
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    let start = ProfileDataStart { parent: "tenants/main".into(), file_name: "late.csv".into(), ..Default::default() };
    sender.send(ProfileDataRequest::from_part(Part::Start(start))).await.unwrap();
    let messages = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut answer = mesh.admin().await.profiling().profile_data(messages).await.unwrap().into_inner();

    mesh.ask_to_stop().await;
    testkit::eventually!(!mesh.answers().await);
    let finish = Part::Finish { size_bytes: text.len() as i64, digest: Some(types::Digest::of(&text).into()) };
    sender.send(ProfileDataRequest::from_part(Part::Chunk(text))).await.unwrap();
    sender.send(ProfileDataRequest::from_part(finish)).await.unwrap();
    drop(sender);
    let mut messages = 0;
    while answer.message().await.unwrap().is_some() {
        messages += 1;
    }
    assert!(messages >= 7, "a table and six columns");
    mesh.stopped().await;
}

#[tokio::test]
async fn a_full_disk_is_one_clear_line_and_damages_nothing() {
    about_up_alone!();
    let mut mesh = Setup::new().prepare();
    let data = mesh.data_dir();
    std::fs::create_dir(&data).unwrap();
    let Some(disk) = Disk::in_memory("a_full_disk_is_one_clear_line_and_damages_nothing", &data, "400k") else {
        return;
    };
    let place = data.display().to_string();
    let ended = mesh.run(&["up", "--data-dir", &place, "--listen", &mesh.address().to_string()]).await;
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    one_clear_line(&ended.stderr, "");
    disk.resize("16m");
    mesh.spawn();
    mesh.ready().await;
    let admin = mesh.admin().await;
    admin.upload("small", "small.csv", csv("small", 10).into_bytes()).await.unwrap();
    admin.in_state("small.csv", DatasetState::Indexed).await;
    let status = admin.upload("big", "big.csv", vec![b'x'; 40 << 20]).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
    disk.resize("400m");
    mesh.restart().await;
    assert_eq!(mesh.admin().await.search("small").await.total_size, 1);
    mesh.stop().await;
}

#[tokio::test]
async fn the_demonstration_is_indexed_and_its_printed_calls_work_when_pasted() {
    about_up_alone!();
    let mesh = Setup::new().flags(["--demo"]).start().await;
    let ready = "Millrace is ready.";
    testkit::eventually!(PATIENCE, mesh.log().contains(ready));
    let admin = mesh.admin().await;
    let datasets = admin.settled(19).await;
    assert!(datasets.iter().all(|dataset| dataset.state() == DatasetState::Indexed), "{datasets:?}");
    let log = mesh.log();
    let printed = log.split_once(ready).unwrap().1;
    let calls: Vec<_> =
        printed.lines().filter(|line| line.contains(&mesh.address().to_string()) && line.len() > 60).collect();
    assert_eq!(calls.len(), 3, "{printed}");
    for call in calls {
        if call.starts_with("grpcurl") && testkit::command("the printed grpcurl call", "grpcurl").found().is_none() {
            continue;
        }
        let output = std::process::Command::new("sh").args(["-c", call]).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{call}: {output:?}");
    }
}

fn one_clear_line(text: &str, says: &str) {
    let errors: Vec<_> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "one line of error in:\n{text}");
    assert!(errors[0].contains(says), "{}", errors[0]);
    assert!(!text.contains("panicked"), "{text}");
}
