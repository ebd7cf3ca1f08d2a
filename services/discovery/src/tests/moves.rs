//! Sources whose place is changed.

use tonic::Code;

use super::*;

testkit::on_every_store! {
    a_source_that_moved_keeps_its_datasets_and_sees_what_is_there,
    a_great_loss_by_a_move_is_judged_like_any_other,
    a_crawl_that_began_elsewhere_is_cancelled_and_one_that_waits_goes_to_the_new_place,
    the_kind_of_a_source_stays,
}

fn folder(path: PathBuf) -> Settings {
    Settings::Folder(pb::FolderSettings { path: path.to_string_lossy().into_owned() })
}

async fn a_source_that_moved_keeps_its_datasets_and_sees_what_is_there() {
    let mut world = World::new().await;
    world.write("same.csv", "1");
    world.write("gone.csv", "1");
    world.create(world.folder()).await.unwrap();
    world.crawl().await;
    let before: Vec<_> = world.announcements().await.into_iter().map(|(_, message)| message).collect();
    let there = world.dir.path().join("root/there");
    std::fs::create_dir_all(&there).unwrap();
    std::fs::rename(world.root().join("same.csv"), there.join("same.csv")).unwrap();
    std::fs::write(there.join("new.csv"), "1").unwrap();
    let moved = world.move_to(folder(there.clone()), &["folder"]).await.unwrap();
    assert_eq!((moved.revision, moved.settings, moved.title.as_str()), (2, Some(folder(there.clone())), ""));
    assert_eq!(world.told().await, [], "the next crawl starts by call or interval");
    let crawl = world.crawl_again(false).await;
    assert_eq!(crawl.retraction(), pb::RetractionOutcome::Retracted);
    let after = world.announcements().await;
    let told_of: Vec<_> = after.iter().map(|(told, _)| told).collect();
    assert_eq!(told_of, [&told("new.csv", 1), &told("same.csv", 2), &Told::Retracted("MISSING".into())]);
    let same = before.iter().find(|message| message.path == "same.csv").unwrap();
    assert_eq!(after[1].1.dataset, same.dataset);
    let materialization = after[1].1.materialization.clone().unwrap();
    assert_eq!(materialization.version_token, same.materialization.as_ref().unwrap().version_token);
    let place = there.join("same.csv").to_string_lossy().into_owned();
    assert!(format!("{materialization:?}").contains(&place), "{materialization:?}");
    assert_eq!(crawl_counts(&world.crawl_again(false).await), (2, 0), "and then nothing changed any more");
}

fn crawl_counts(crawl: &pb::Crawl) -> (i64, i64) {
    (count(crawl, "unchanged"), count(crawl, "announced"))
}

async fn a_great_loss_by_a_move_is_judged_like_any_other() {
    let mut world = World::new().await;
    for number in 0..10 {
        world.write(&format!("{number}.csv"), "1");
    }
    world.create(world.folder()).await.unwrap();
    world.crawl().await;
    world.told().await;
    let empty = world.dir.path().join("root/empty");
    std::fs::create_dir_all(&empty).unwrap();
    world.move_to(folder(empty), &["settings"]).await.unwrap();
    assert_eq!(world.crawl_again(false).await.retraction(), pb::RetractionOutcome::Implausible);
    assert_eq!(world.told().await, []);
    assert_eq!(world.crawl_again(true).await.retraction(), pb::RetractionOutcome::Retracted);
    assert_eq!(world.told().await.len(), 10);
}

async fn a_crawl_that_began_elsewhere_is_cancelled_and_one_that_waits_goes_to_the_new_place() {
    let mut world = World::with_pages_of(1).await;
    for number in 0..50 {
        world.write(&format!("{number}.csv"), "1");
    }
    let there = world.dir.path().join("root/there");
    std::fs::create_dir_all(&there).unwrap();
    std::fs::write(there.join("x.csv"), "1").unwrap();
    let first = world.create(world.folder()).await.unwrap().crawl.unwrap();
    let mut changed = world.database.changed();
    let mut tasks = std::mem::replace(&mut world.tasks, Tasks::new(ROLE));
    let mut round = Box::pin(tasks.round("discovery.crawler-1"));
    for _ in 0..2 {
        tokio::select! {
            biased;
            _ = changed.changed() => {}
            _ = &mut round => panic!("the crawl ended before the source moved"),
        }
    }
    let moved = async {
        world.move_to(folder(there.clone()), &["folder"]).await.unwrap();
        world.run(false).await
    };
    // Together: the round may hold the store's one writer.
    let (second, ended) = tokio::join!(moved, round);
    ended.unwrap();
    assert_ne!(second.name, first.name, "one that is to end is no answer");
    world.tasks = tasks;
    let request = pb::GetCrawlRequest { name: first.name };
    let first = world.grpc.get_crawl(by_ada(request)).await.unwrap().into_inner().crawl.unwrap();
    assert_eq!(phase(&first), WorkPhase::Cancelled);
    world.move_to(folder(world.root()), &["folder"]).await.unwrap();
    world.move_to(folder(there), &["folder"]).await.unwrap();
    assert_eq!(world.run(false).await.name, second.name, "it had not begun");
    let second = world.crawl().await;
    assert_eq!((phase(&second), count(&second, "listed")), (WorkPhase::Succeeded, 1));
}

async fn the_kind_of_a_source_stays() {
    let world = World::new().await;
    world.create(world.folder()).await.unwrap();
    let index = Settings::HttpIndex(pb::HttpIndexSettings { url: "http://8.8.8.8/".into(), max_depth: None });
    for mask in [["http_index"], ["settings"], ["folder"]] {
        let status = world.move_to(index.clone(), &mask).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "BAD_REQUEST"), "{mask:?}");
        assert!(status.message().contains("`source."), "{}", status.message());
    }
    assert_eq!(world.source().await.revision, 1);
}
