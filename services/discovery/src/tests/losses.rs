use super::*;

testkit::on_every_store! {
    what_a_complete_listing_no_longer_holds_is_retracted_and_may_come_back,
    an_implausible_loss_retracts_nothing_and_says_so,
    a_great_loss_is_believed_when_each_dataset_is_proved_gone,
    one_dataset_without_proof_keeps_them_all,
    deleting_a_source_cancels_its_crawl_and_retracts_all,
    a_source_that_comes_back_under_its_name_has_other_datasets,
}

/// A source with these files, crawled once.
async fn crawled(files: &[&str]) -> World {
    let mut world = World::new().await;
    for file in files {
        world.write(file, "1");
    }
    world.create(world.folder()).await.unwrap();
    world.crawl().await;
    assert_eq!(world.told().await.len(), files.len());
    world
}

fn missing() -> Told {
    Told::Retracted("MISSING".to_owned())
}

const EIGHT: [&str; 8] = ["1.csv", "2.csv", "3.csv", "4.csv", "5.csv", "6.csv", "7.csv", "8.csv"];

async fn what_a_complete_listing_no_longer_holds_is_retracted_and_may_come_back() {
    let mut world = crawled(&["a.csv", "b.csv"]).await;
    world.remove("b.csv");
    let crawl = world.crawl_again(false).await;
    assert_eq!((count(&crawl, "missing"), count(&crawl, "retracted")), (1, 1));
    assert_eq!(crawl.retraction(), pb::RetractionOutcome::Retracted);
    assert_eq!(world.told().await, [missing()]);
    assert_eq!(world.source().await.dataset_count, 1);
    assert_eq!(world.crawl_again(false).await.retraction(), pb::RetractionOutcome::NothingMissing);
    world.write("b.csv", "1");
    world.crawl_again(false).await;
    assert_eq!(world.told().await, [told("b.csv", 2)]);
}

async fn an_implausible_loss_retracts_nothing_and_says_so() {
    let mut world = crawled(&EIGHT).await;
    EIGHT.iter().for_each(|file| world.remove(file));
    let crawl = world.crawl_again(false).await;
    assert_eq!((phase(&crawl), crawl.retraction()), (WorkPhase::Succeeded, pb::RetractionOutcome::Implausible));
    assert_eq!((count(&crawl, "missing"), count(&crawl, "retracted")), (8, 0));
    assert_eq!(crawl.warnings[0].reason, "LOSS_IMPLAUSIBLE");
    assert_eq!(world.told().await, []);
    let accepted = world.crawl_again(true).await;
    assert_eq!((accepted.retraction(), count(&accepted, "retracted")), (pb::RetractionOutcome::Retracted, 8));
    assert_eq!(world.told().await.len(), 8);
}

async fn a_great_loss_is_believed_when_each_dataset_is_proved_gone() {
    let mut world = crawled(&EIGHT).await;
    EIGHT.iter().skip(1).for_each(|file| world.remove(file));
    let crawl = world.crawl_again(false).await;
    assert_eq!((crawl.retraction(), count(&crawl, "retracted")), (pb::RetractionOutcome::Retracted, 7));
    assert_eq!(world.told().await.len(), 7);
}

async fn one_dataset_without_proof_keeps_them_all() {
    let mut files = EIGHT.to_vec();
    files.push("sub/9.csv");
    let mut world = crawled(&files).await;
    EIGHT.iter().skip(1).for_each(|file| world.remove(file));
    std::fs::remove_dir_all(world.root().join("sub")).unwrap();
    let crawl = world.crawl_again(false).await;
    assert_eq!(crawl.retraction(), pb::RetractionOutcome::Implausible);
    assert_eq!(world.told().await, []);
    assert_eq!(world.source().await.dataset_count, 9);
}

async fn deleting_a_source_cancels_its_crawl_and_retracts_all() {
    let mut world = crawled(&["a.csv", "b.csv"]).await;
    world.run(false).await;
    let open = world.newest().await.name;
    let request = pb::DeleteSourceRequest { name: SOURCE.into(), revision: 1, request_id: String::new() };
    world.grpc.delete_source(by_ada(request)).await.unwrap();
    let gone = world.grpc.get_source(by_ada(pb::GetSourceRequest { name: SOURCE.into() })).await.unwrap_err();
    assert_eq!(reason(&gone), "SOURCE_NOT_FOUND");
    let crawl = world.grpc.get_crawl(by_ada(pb::GetCrawlRequest { name: open.clone() })).await.unwrap().into_inner();
    assert_eq!(phase(&crawl.crawl.unwrap()), WorkPhase::Cancelled);
    while world.tasks.round("discovery.removal").await.unwrap().again {}
    let deleted = || Told::Retracted("SOURCE_DELETED".to_owned());
    assert_eq!(world.told().await, [deleted(), deleted()]);
    let gone = world.grpc.get_crawl(by_ada(pb::GetCrawlRequest { name: open })).await.unwrap_err();
    assert_eq!(reason(&gone), "CRAWL_NOT_FOUND");
}

async fn a_source_that_comes_back_under_its_name_has_other_datasets() {
    let mut world = crawled(&["a.csv"]).await;
    let before = world.source().await.uid;
    let request = pb::DeleteSourceRequest { name: SOURCE.into(), revision: 0, request_id: String::new() };
    world.grpc.delete_source(by_ada(request)).await.unwrap();
    world.create(world.folder()).await.unwrap();
    world.crawl().await;
    while world.tasks.round("discovery.removal").await.unwrap().again {}
    let all = world.announcements().await;
    assert_eq!(all.iter().filter(|(told, _)| matches!(told, Told::Announced { announcement: 1, .. })).count(), 1);
    assert_ne!(world.source().await.uid, before);
    assert_eq!(world.source().await.dataset_count, 1);
}
