//! Objects that are not what their digests say.

use millrace_integration_tests::{Rounds, Setup, Shape, audit, csv, reason};
use proto::catalog::v1::{DatasetState, DownloadForm};
use types::Digest;

use super::{begin, test_name};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_changed_under_its_digest_is_never_served() {
    let name = test_name!("an_object_that_changed_under_its_digest_is_never_served");
    for shape in Shape::of_run() {
        let rounds = Rounds::of(name, 1);
        let Some((mut world, corpus)) = begin(name, shape, Setup::new(), 5).await else { continue };
        let admin = world.mesh.admin().await;
        admin.settled(5).await;
        let dataset = admin.in_state("set-003.csv", DatasetState::Indexed).await;
        let digest = corpus.files["set-003.csv"].contents[0].digest;
        let good = admin.download(&dataset.name, DownloadForm::Original).await.unwrap();
        assert_eq!(Digest::of(&good), digest);
        // As long as before, longer, and none at all.
        for bad in [good.to_ascii_uppercase(), csv("else", 200).into_bytes(), Vec::new()] {
            world.replace(digest, &bad).await;
            for form in [DownloadForm::Original, DownloadForm::Csv] {
                let status = admin.download(&dataset.name, form).await.unwrap_err();
                assert_eq!(reason(&status), "CONTENT_DAMAGED", "{status:?}");
            }
        }
        world.replace(digest, &good).await;
        let counts = audit(&world, &corpus).await;
        rounds.tell(&format!("{shape:?}: {counts}"));
        world.mesh.stop().await;
    }
}
