//! Profiles that are made of earlier ones.

use objects::Put;
use proto::profiling::v1::{StoredProfile, TableProfile};
use types::{Digest, Fault, JobName, ProfileName};

use super::*;
use crate::service::RequestKey;

testkit::on_every_store! {
    rows_are_appended_to_a_profile_without_its_bytes,
    the_same_rows_appended_again_are_the_same_profile,
    profiles_are_merged_in_their_order,
    what_cannot_be_appended_to_is_refused,
    rows_that_do_not_fit_fail_with_their_reason,
    a_state_that_is_gone_is_made_anew_with_the_profile,
    states_and_added_bytes_are_swept_once_nothing_needs_them,
}

impl Bench {
    /// Profiles a file; gives the profile's name.
    async fn profiled(&mut self, bytes: &[u8]) -> ProfileName {
        let path = self.write("a.csv", bytes);
        self.announce(&path, &Digest::of(bytes).to_hex()).await;
        self.work().await;
        self.jobs().await.remove(0).profile.unwrap()
    }

    pub(super) async fn append(&self, to: &ProfileName, bytes: &'static [u8], request: &str) -> Result<Job, Error> {
        let to = Permitted::check(&ada(), to.clone()).unwrap();
        self.domain.check_append(&to).await?;
        let pieces = futures::stream::iter([Ok::<_, Error>(bytes)]);
        let limit = ("limit", types::ByteSize::bytes(1 << 20));
        let spool = Spool::open(&self.folder.path().join("spool")).unwrap();
        let spooled = spool.take(pieces, limit, |_| ()).await.unwrap();
        let key = RequestKey { id: request.to_owned(), fingerprint: spooled.digest };
        self.domain.append(to, "more.csv".to_owned(), spooled, key).await
    }

    pub(super) async fn merge(&self, profiles: &[&ProfileName]) -> Result<Job, Error> {
        let parent = Permitted::check(&ada(), "tenants/main".parse::<TenantName>().unwrap()).unwrap();
        let named = |name: &&ProfileName| Permitted::check(&ada(), (*name).clone()).unwrap();
        let key = RequestKey { id: String::new(), fingerprint: Digest::of(b"") };
        self.domain.merge(parent, profiles.iter().map(named).collect(), key).await
    }

    async fn ended(&mut self, job: JobName) -> Job {
        self.work().await;
        self.domain.get_job(Permitted::check(&ada(), job).unwrap()).await.unwrap()
    }

    pub(super) async fn table(&self, name: &ProfileName) -> TableProfile {
        self.domain.get_profile(Permitted::check(&ada(), name.clone()).unwrap(), "").await.unwrap()
    }

    /// Changes a profile as it is stored.
    pub(super) async fn change(&self, name: &ProfileName, change: impl FnOnce(&mut StoredProfile)) {
        let key = Key::profile(&name.tenant, &name.profile);
        let bytes = self.objects.get_bytes(&key, 1 << 20).await.unwrap();
        let mut stored = StoredProfile::decode(bytes).unwrap();
        change(&mut stored);
        self.objects.put_bytes(&key, stored.encode_to_vec().into(), Put::Always).await.unwrap();
    }
}

async fn rows_are_appended_to_a_profile_without_its_bytes() {
    let mut bench = Bench::new().await;
    let first = bench.profiled(b"x,y\n1,a\n2,b\n").await;
    let told = bench.published().await.len();
    // Of the earlier rows there is nothing left but the profile and its state.
    bench.objects.delete(&content(b"x,y\n1,a\n2,b\n")).await.unwrap();
    let job = bench.append(&first, b"x,y\n3,c\n", "").await.unwrap();
    assert!(job.dataset().is_none());
    let job = bench.ended(job.name).await;
    assert_eq!(job.status.phase, WorkPhase::Succeeded, "{:?}", job.status.error);
    let second = job.profile.unwrap();
    let table = bench.table(&second).await;
    assert_eq!((table.row_count, table.size_bytes, table.parts.len()), (3, 20, 2));
    assert_eq!((table.appended_to.as_str(), table.digest.is_none()), (first.to_string().as_str(), true));
    assert!(table.state_size_bytes > 0);

    let job = bench.append(&second, b"x,y\n4,a\n", "").await.unwrap();
    let third = bench.ended(job.name).await.profile.unwrap();
    let page = bench.domain.list_columns(Permitted::check(&ada(), third.clone()).unwrap(), "", 0, "").await.unwrap();
    assert_eq!(page.items[0].numeric.as_ref().unwrap().exact_sum, "10");
    assert_eq!(page.items[1].distinct_count.unwrap().value, 3.0);
    assert_eq!(bench.table(&third).await.appended_to, second.to_string());
    assert_eq!(bench.published().await.len(), 0, "after {told} events of the dataset there are no more");
}

async fn the_same_rows_appended_again_are_the_same_profile() {
    let mut bench = Bench::new().await;
    let first = bench.profiled(b"x\n1\n2\n").await;
    let request = uuid::Uuid::now_v7().to_string();
    let job = bench.append(&first, b"x\n3\n", &request).await.unwrap();
    let again = bench.append(&first, b"x\n3\n", &request).await.unwrap();
    assert_eq!(job.name, again.name);
    let other = bench.append(&first, b"x\n4\n", &request).await.unwrap_err();
    assert_eq!(other.reason(), "REQUEST_ID_REUSED");
    let made = bench.ended(job.name).await;
    let job = bench.append(&first, b"x\n3\n", "").await.unwrap();
    let found = bench.ended(job.name).await;
    assert_eq!((made.reused, found.reused), (false, true));
    assert_eq!(made.profile, found.profile);
}

async fn profiles_are_merged_in_their_order() {
    let mut bench = Bench::new().await;
    let a = bench.profiled(b"x,y\n1,a\n2,b\n").await;
    let b = bench.profiled(b"x,y\n5,b\n").await;
    let job = bench.merge(&[&b, &a, &b]).await.unwrap();
    let merged = bench.ended(job.name).await.profile.unwrap();
    let table = bench.table(&merged).await;
    assert_eq!((table.row_count, table.parts.len()), (4, 3));
    assert_eq!(table.merged_profiles, [b.to_string(), a.to_string(), b.to_string()]);
    let rows: Vec<_> = table.sample.iter().map(|row| row.cells[0].as_str()).collect();
    assert_eq!(rows, ["5", "1", "2", "5"]);
    let other = bench.merge(&[&a, &b]).await.unwrap();
    assert_ne!(bench.ended(other.name).await.profile.unwrap(), merged);
    let more = bench.append(&merged, b"x,y\n6,z\n", "").await.unwrap();
    let more = bench.ended(more.name).await.profile.unwrap();
    assert_eq!(bench.table(&more).await.parts.len(), 4);
}

async fn what_cannot_be_appended_to_is_refused() {
    let mut bench = Bench::new().await;
    let name = bench.profiled(b"x\n1\n").await;
    let unknown: ProfileName = "tenants/main/profiles/p1".parse().unwrap();
    let refused = async |bench: &Bench, name: &ProfileName| {
        let (append, merge) = (bench.append(name, b"x\n2\n", "").await, bench.merge(&[name, name]).await);
        let (append, merge) = (append.unwrap_err(), merge.unwrap_err());
        assert_eq!(append.reason(), merge.reason());
        append.reason()
    };
    assert_eq!(refused(&bench, &unknown).await, "PROFILE_NOT_FOUND");
    bench.change(&name, |stored| stored.state = None).await;
    assert_eq!(refused(&bench, &name).await, "PROFILE_STATE_NOT_KEPT");
    bench.change(&name, |stored| stored.table.as_mut().unwrap().engine_version = "1".to_owned()).await;
    assert_eq!(refused(&bench, &name).await, "PROFILE_OF_ANOTHER_ENGINE");
    assert_eq!(bench.jobs().await.len(), 1, "none was queued");
}

async fn rows_that_do_not_fit_fail_with_their_reason() {
    let mut bench = Bench::new().await;
    let name = bench.profiled(b"x,y\n1,a\n2,b\n").await;
    let json = b"{\"x\": 1, \"y\": \"a\"}\n{\"x\": 2, \"y\": \"b\"}\n";
    for (bytes, reason) in
        [(b"y,x\na,1\nb,2\n".as_slice(), "OTHER_COLUMNS"), (b"x,y,z\n1,a,b\n", "OTHER_COLUMNS"), (json, "OTHER_FORMAT")]
    {
        let job = bench.append(&name, bytes, "").await.unwrap();
        let error = bench.ended(job.name).await.status.error.unwrap();
        assert_eq!((error.reason.as_str(), error.retryable), (reason, false), "{error:?}");
    }
    let state = Key::state(&name.tenant, &name.profile);
    bench.objects.put_bytes(&state, "no state".into(), Put::Always).await.unwrap();
    let job = bench.append(&name, b"x,y\n3,c\n", "").await.unwrap();
    let failed = bench.ended(job.name).await;
    assert_eq!(failed.status.error.unwrap().reason, "PROFILE_STATE_DAMAGED");
    bench.objects.delete(&state).await.unwrap();
    let job = Permitted::check(&ada(), failed.name).unwrap();
    bench.domain.retry_job(job.clone()).await.unwrap();
    bench.work().await;
    let failed = bench.domain.get_job(job).await.unwrap();
    assert_eq!(failed.status.error.unwrap().reason, "PROFILE_STATE_NOT_KEPT");
}

async fn a_state_that_is_gone_is_made_anew_with_the_profile() {
    let mut bench = Bench::new().await;
    let name = bench.profiled(b"x\n1\n").await;
    for token in ["v2", "v3"] {
        match token {
            "v2" => bench.change(&name, |stored| stored.state = None).await,
            _ => bench.objects.delete(&Key::state(&name.tenant, &name.profile)).await.unwrap(),
        }
        let path = bench.write("a.csv", b"x\n1\n");
        bench.announce(&path, token).await;
        bench.work().await;
        let jobs = bench.jobs().await;
        assert_eq!((jobs[0].profile.as_ref(), jobs[0].reused), (Some(&name), false));
    }
    let job = bench.append(&name, b"x\n2\n", "").await.unwrap();
    assert_eq!(bench.ended(job.name).await.status.phase, WorkPhase::Succeeded);
}

async fn states_and_added_bytes_are_swept_once_nothing_needs_them() {
    let mut bench = Bench::new().await;
    let name = bench.profiled(b"x\n1\n").await;
    let named = Key::state(&name.tenant, &name.profile);
    let left = Key::state(&name.tenant, &"p2".parse().unwrap());
    bench.objects.put_bytes(&left, "a state".into(), Put::Always).await.unwrap();
    let job = bench.append(&name, b"x\n2\n", "").await.unwrap();
    let added = content(b"x\n2\n");
    bench.sweep(GRACE * 2).await.unwrap();
    assert!(bench.has(&named).await && !bench.has(&left).await);
    assert!(bench.has(&added).await, "the job that needs it has not ended");
    assert_eq!(bench.ended(job.name).await.status.phase, WorkPhase::Succeeded);
    bench.sweep(GRACE * 4).await.unwrap();
    assert!(bench.has(&named).await && !bench.has(&added).await);
}
