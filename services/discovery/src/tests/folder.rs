use futures::FutureExt;
use proto::common::v1::materialization::Origin;

use super::*;

const LEASE: std::time::Duration = std::time::Duration::from_secs(60);

testkit::on_every_store! {
    files_are_announced_with_what_their_package_says,
    only_what_changed_is_announced_again,
    a_killed_crawl_goes_on_from_its_checkpoint,
    a_crawl_that_gets_further_between_kills_is_not_put_off,
    a_crawl_that_stops_interrupt_goes_on_at_once,
    a_crawl_tells_how_much_of_what_was_known_it_has_come_to,
    links_that_lead_out_are_warned_of_and_loops_end,
    the_data_directory_is_never_listed,
    a_folder_that_is_not_there_fails_the_crawl_and_touches_nothing,
    excluded_paths_are_left_out_and_then_retracted,
    a_cancelled_crawl_ends_and_keeps_what_it_announced,
}

async fn files_are_announced_with_what_their_package_says() {
    let mut world = World::new().await;
    world.write("b_two.csv", "x\n1\n");
    world.write("sub/a.json.gz", "x");
    world.write("readme.md", "no dataset");
    world.write(".hidden.csv", "no dataset");
    world.write(
        "datapackage.json",
        r#"{"resources": [{"path": "sub/a.json.gz", "title": "Alpha",
        "licenses": [{"name": "CC0"}]}]}"#,
    );
    let created = world.create(world.folder()).await.unwrap();
    assert_eq!(phase(&created.crawl.unwrap()), WorkPhase::Queued);
    let crawl = world.crawl().await;
    assert_eq!(phase(&crawl), WorkPhase::Succeeded);
    assert_eq!((count(&crawl, "listed"), count(&crawl, "announced"), count(&crawl, "skipped")), (2, 2, 1));
    assert_eq!(crawl.retraction(), pb::RetractionOutcome::NothingMissing);
    let told = world.announcements().await;
    let [(_, two), (_, alpha)] = told.as_slice() else { panic!("{told:?}") };
    let metadata = |message: &pb::DatasetAnnounced| message.metadata.clone().unwrap();
    assert_eq!((two.path.as_str(), metadata(two).title.as_str()), ("b_two.csv", "B two"));
    assert_eq!((alpha.path.as_str(), metadata(alpha).title.as_str()), ("sub/a.json.gz", "Alpha"));
    assert_eq!((metadata(alpha).license.as_str(), alpha.source_kind.as_str()), ("CC0", "folder"));
    assert_eq!((two.size_bytes, two.announcement, two.source.as_str()), (Some(4), 1, SOURCE));
    let materialization = two.materialization.clone().unwrap();
    assert!(materialization.version_token.starts_with("4-"));
    let Some(Origin::File(file)) = materialization.origin else { panic!("no file") };
    assert!(file.path.ends_with("data/b_two.csv"));
    assert_eq!(world.source().await.dataset_count, 2);
}

async fn only_what_changed_is_announced_again() {
    let mut world = World::new().await;
    world.write("a.csv", "1");
    world.write("b.csv", "1");
    world.create(world.folder()).await.unwrap();
    world.crawl().await;
    assert_eq!(world.told().await, [told("a.csv", 1), told("b.csv", 1)]);
    let crawl = world.crawl_again(false).await;
    assert_eq!((count(&crawl, "unchanged"), count(&crawl, "announced")), (2, 0));
    assert_eq!(world.told().await, []);
    world.write("b.csv", "12");
    world.crawl_again(false).await;
    assert_eq!(world.told().await, [told("b.csv", 2)]);
    world.write("datapackage.json", r#"{"resources": [{"path": "a.csv", "title": "New title"}]}"#);
    world.crawl_again(false).await;
    assert_eq!(world.told().await, [told("a.csv", 2)]);
}

async fn a_killed_crawl_goes_on_from_its_checkpoint() {
    let mut world = World::with_pages_of(2).await;
    for name in ["a.csv", "b/1.csv", "b/2.csv", "b/3.csv", "c.csv", "d/e/4.csv", "z.csv"] {
        world.write(name, "1");
    }
    world.create(world.folder()).await.unwrap();
    kill_after_commits(&mut world, 3).await;
    let before = world.told().await;
    assert!((1..7).contains(&before.len()), "{before:?}");
    world.restart().await;
    let crawl = world.crawl().await;
    assert_eq!((phase(&crawl), count(&crawl, "announced")), (WorkPhase::Succeeded, 7));
    assert_eq!(crawl.status.unwrap().attempts, 1, "a kill is no failed attempt");
    let after = world.told().await;
    assert_eq!(before.len() + after.len(), 7, "{before:?} {after:?}");
    assert!(after.iter().all(|one| matches!(one, Told::Announced { announcement: 1, .. })));
}

/// Begins a crawl, and kills it at the next `.await` after so many commits, of which the first is the claim.
async fn kill_after_commits(world: &mut World, wanted: u32) {
    let mut changed = world.database.changed();
    let mut round = Box::pin(world.tasks.round("discovery.crawler-1"));
    let mut commits = 0;
    while commits < wanted {
        tokio::select! {
            biased;
            _ = changed.changed() => commits += 1,
            _ = &mut round => panic!("the crawl ended before it was killed"),
        }
    }
}

async fn a_crawl_that_gets_further_between_kills_is_not_put_off() {
    let mut world = World::with_pages_of(1).await;
    for number in 10..40 {
        world.write(&format!("{number}.csv"), "1");
    }
    world.create(world.folder()).await.unwrap();
    for _ in 0..4 {
        kill_after_commits(&mut world, 3).await;
        world.restart().await;
        assert_eq!(phase(&world.newest().await), WorkPhase::Queued, "it committed pages");
    }
    let backoff = Backoff { first: LEASE, max: LEASE };
    for wanted in [WorkPhase::Queued, WorkPhase::Waiting] {
        Queue::new(world.database.clone(), CRAWLS, LEASE, backoff).claim().await.unwrap().unwrap();
        world.restart().await;
        assert_eq!(phase(&world.newest().await), wanted, "it got no further");
    }
}

async fn a_crawl_that_stops_interrupt_goes_on_at_once() {
    let mut world = World::with_pages_of(1).await;
    for number in 10..40 {
        world.write(&format!("{number}.csv"), "1");
    }
    world.create(world.folder()).await.unwrap();
    for _ in 0..4 {
        kill_after_commits(&mut world, 1).await;
        world.stop().await;
        let crawl = world.newest().await;
        assert_eq!((phase(&crawl), crawl.status.unwrap().attempts), (WorkPhase::Queued, 0));
    }
    assert_eq!(phase(&world.crawl().await), WorkPhase::Succeeded);
}

async fn a_crawl_tells_how_much_of_what_was_known_it_has_come_to() {
    let mut world = World::with_pages_of(2).await;
    for number in 0..8 {
        world.write(&format!("{number}.csv"), "1");
    }
    world.create(world.folder()).await.unwrap();
    let progress = |crawl: pb::Crawl| crawl.status.unwrap().progress;
    kill_after_commits(&mut world, 3).await;
    assert_eq!(progress(world.newest().await), None, "nobody knows how much there is");
    world.restart().await;
    assert_eq!(progress(world.crawl().await), Some(1.0));
    world.run(false).await;
    kill_after_commits(&mut world, 3).await;
    // A commit that was on its way to the server may have come there.
    let half = progress(world.newest().await).unwrap();
    assert!((0.5..1.0).contains(&half), "{half}");
    world.restart().await;
    assert_eq!(progress(world.crawl().await), Some(1.0));
}

#[cfg(unix)]
async fn links_that_lead_out_are_warned_of_and_loops_end() {
    let mut world = World::new().await;
    world.write("a.csv", "1");
    std::fs::write(world.dir.path().join("secret.csv"), "s").unwrap();
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, world.root().join(name)).unwrap();
    link(&world.dir.path().join("secret.csv"), "out.csv");
    link(world.dir.path(), "outside");
    link(&world.root(), "round");
    link(&world.root().join("gone.csv"), "broken.csv");
    link(&world.root().join("a.csv"), "same.csv");
    link(&world.root().join("self.csv"), "self.csv");
    world.create(world.folder()).await.unwrap();
    let crawl = world.crawl().await;
    assert_eq!((phase(&crawl), count(&crawl, "failed")), (WorkPhase::Succeeded, 5));
    let mut reasons: Vec<_> = crawl.warnings.iter().map(|one| (one.path.as_str(), one.reason.as_str())).collect();
    reasons.sort();
    let expected = [
        ("broken.csv", "FILE_NOT_FOUND"),
        ("out.csv", "LINK_LEADS_OUT"),
        ("outside", "LINK_LEADS_OUT"),
        ("round", "LINK_LOOP"),
        ("self.csv", "LINK_LOOP"),
    ];
    assert_eq!(reasons, expected);
    assert_eq!(world.told().await, [told("a.csv", 1), told("same.csv", 1)]);
}

async fn the_data_directory_is_never_listed() {
    let mut world = World::new().await;
    std::fs::create_dir_all(world.dir.path().join("root/own")).unwrap();
    std::fs::write(world.dir.path().join("root/own/state.csv"), "s").unwrap();
    let path = world.dir.path().join("root").to_string_lossy().into_owned();
    let source = pb::Source { settings: Some(Settings::Folder(pb::FolderSettings { path })), ..world.folder() };
    world.write("a.csv", "1");
    world.create(source).await.unwrap();
    world.crawl().await;
    assert_eq!(world.told().await, [told("data/a.csv", 1)]);
}

async fn a_folder_that_is_not_there_fails_the_crawl_and_touches_nothing() {
    let mut world = World::new().await;
    world.write("a.csv", "1");
    world.create(world.folder()).await.unwrap();
    world.crawl().await;
    world.told().await;
    std::fs::rename(world.root(), world.dir.path().join("root/away")).unwrap();
    let crawl = world.crawl_again(true).await;
    assert_eq!(phase(&crawl), WorkPhase::Failed);
    assert_eq!(crawl.status.unwrap().error.unwrap().reason, "FOLDER_NOT_FOUND");
    assert_eq!(world.told().await, []);
    assert_eq!(world.source().await.dataset_count, 1);
}

async fn excluded_paths_are_left_out_and_then_retracted() {
    let mut world = World::new().await;
    for number in 0..8 {
        world.write(&format!("old/{number}.csv"), "1");
    }
    world.write("a.csv", "1");
    world.create(world.folder()).await.unwrap();
    world.crawl().await;
    assert_eq!(world.told().await.len(), 9);
    let source = pb::Source { name: SOURCE.into(), revision: 1, exclude: vec!["old".into()], ..pb::Source::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["exclude".into()] });
    let request = pb::UpdateSourceRequest { source: Some(source), update_mask, request_id: String::new() };
    world.grpc.update_source(by_ada(request)).await.unwrap();
    let crawl = world.crawl_again(false).await;
    assert_eq!((count(&crawl, "retracted"), crawl.retraction()), (8, pb::RetractionOutcome::Retracted));
    assert_eq!(world.told().await.len(), 8);
}

async fn a_cancelled_crawl_ends_and_keeps_what_it_announced() {
    let mut world = World::with_pages_of(1).await;
    for number in 0..50 {
        world.write(&format!("{number}.csv"), "1");
    }
    let crawl = world.create(world.folder()).await.unwrap().crawl.unwrap();
    let mut changed = world.database.changed();
    let mut round = Box::pin(world.tasks.round("discovery.crawler-1"));
    // The claim, and a page.
    for _ in 0..2 {
        tokio::select! {
            biased;
            _ = changed.changed() => {}
            _ = &mut round => panic!("the crawl ended before it was cancelled"),
        }
    }
    let request = pb::CancelCrawlRequest { name: crawl.name };
    // Together: the round may hold the store's one writer.
    let (asked, ended) = tokio::join!(world.grpc.cancel_crawl(by_ada(request)), round);
    ended.unwrap();
    assert_eq!(phase(&asked.unwrap().into_inner().crawl.unwrap()), WorkPhase::Running);
    assert_eq!(phase(&world.newest().await), WorkPhase::Cancelled);
    assert!((1..50).contains(&world.told().await.len()));
    assert!(world.tasks.round("discovery.crawler-1").now_or_never().is_none_or(|done| !done.unwrap().again));
}
