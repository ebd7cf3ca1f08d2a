//! The audit after a fault: source, records, index, objects and effects, compared with each other and with what was
//! given. Nothing may be lost, doubled, torn or left over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proto::catalog::v1::{Dataset, DatasetState, DownloadForm, Version};
use proto::common::v1::{GetStatusRequest, ListDeadLettersRequest, WorkPhase};
use proto::discovery::v1::RunSourceRequest;
use proto::profiling::v1::GetProfileRequest;
use types::Digest;

use crate::corpus::{Content, Corpus, Held};
use crate::{Ledger, PATIENCE, Session, World};

/// What an audit saw, all of it as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Datasets that can be searched.
    pub live: usize,
    /// Datasets whose files are gone.
    pub retracted: usize,
    /// Their versions.
    pub versions: usize,
    /// Objects that hold bytes of datasets.
    pub objects: usize,
    /// Those that no version names: a sweep takes them after a while.
    pub unreferenced: usize,
    /// Effects of events, each had once.
    pub effects: i64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, retracted, versions, objects, unreferenced, effects } = self;
        write!(
            f,
            "{live} live and {retracted} retracted datasets, {versions} versions, {objects} objects of which \
             {unreferenced} unreferenced, {effects} effects"
        )
    }
}

/// Crawls the corpus once more, waits until all work is done, and compares everything.
///
/// # Panics
/// With all that is wrong.
pub async fn audit(world: &World, corpus: &Corpus) -> Counts {
    let admin = world.mesh.admin().await;
    // The first may join a crawl that has listed already; the second begins after it.
    crawl(&admin).await;
    crawl(&admin).await;
    let datasets = at_rest(&admin, corpus).await;
    let effects =
        testkit::eventually("effects of all events", PATIENCE, || async { Ledger::of(&world.mesh).balance().await })
            .await;
    let mut found = Findings::default();
    let mut referenced = BTreeSet::new();
    let mut versions = 0;
    for dataset in &datasets {
        let recorded = admin.versions(&dataset.name).await;
        versions += recorded.len();
        referenced.extend(recorded.iter().filter(|version| version.kept).map(digest));
        match (corpus.files.get(&dataset.path), corpus.uploads.get(&dataset.path)) {
            (Some(held), _) => found.of_file(dataset, &recorded, held),
            (_, Some(sent)) => found.of_upload(dataset, &recorded, &sent.content),
            _ => found.add(dataset, "nobody gave it"),
        }
        if dataset.state() == DatasetState::Indexed {
            found.of_bytes(&admin, dataset, &recorded[0]).await;
        }
    }
    let live: BTreeMap<_, _> = live_words(&datasets, corpus);
    found.of_index(&admin, corpus, &live).await;
    let objects = found.of_objects(world, corpus, &referenced).await;
    found.of_dead_letters(&admin).await;
    found.nothing();
    testkit::eventually("the queues to be empty", PATIENCE, || busy_queues(&admin)).await;
    let retracted = datasets.iter().filter(|dataset| dataset.state() == DatasetState::Retracted).count();
    let unreferenced = objects.len() - referenced.len();
    Counts { live: live.len(), retracted, versions, objects: objects.len(), unreferenced, effects }
}

/// Crawls until one crawl succeeds: the fault may last a moment longer.
async fn crawl(admin: &Session) {
    testkit::eventually("a crawl", PATIENCE, || async {
        let name = "tenants/main/sources/all".to_owned();
        let request = RunSourceRequest { name, accept_losses: false, request_id: String::new() };
        let started = admin.discovery().run_source(request).await.map_err(|status| status.to_string())?.into_inner();
        let crawl = admin.crawl_end(&started.crawl.ok_or("no crawl was started")?.name).await;
        let status = crawl.status.ok_or("no status")?;
        if status.phase() == WorkPhase::Succeeded { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
}

/// Waits until every record says what it should say in the end.
async fn at_rest(admin: &Session, corpus: &Corpus) -> Vec<Dataset> {
    testkit::eventually("the records to rest", PATIENCE, || async {
        let datasets = admin.datasets().await;
        let by_path: BTreeMap<_, _> = datasets.iter().map(|dataset| (dataset.path.as_str(), dataset)).collect();
        if by_path.len() != datasets.len() {
            return Err("there are two datasets of one path".to_owned());
        }
        for (path, held) in &corpus.files {
            expect(
                path,
                by_path.get(path.as_str()).copied(),
                held.present.then(|| &held.contents[held.contents.len() - 1]),
            )?;
        }
        for (path, sent) in &corpus.uploads {
            match by_path.get(path.as_str()) {
                None if !sent.acknowledged => {}
                dataset => expect(path, dataset.copied(), Some(&sent.content))?,
            }
        }
        Ok(datasets)
    })
    .await
}

/// A dataset has this content, or is gone.
fn expect(path: &str, dataset: Option<&Dataset>, content: Option<&Content>) -> Result<(), String> {
    let Some(content) = content else {
        return match dataset {
            None => Ok(()),
            Some(dataset) if dataset.state() == DatasetState::Retracted => Ok(()),
            Some(dataset) => Err(format!("{path} is gone and {:?}", dataset.state())),
        };
    };
    let dataset = dataset.ok_or_else(|| format!("{path} is lost"))?;
    let shown = dataset.current_version.as_ref().map(digest);
    match dataset.state() == DatasetState::Indexed && shown == Some(content.digest) {
        true => Ok(()),
        false => Err(format!("{path} is {:?}, shows {shown:?}: {:?}", dataset.state(), dataset.latest_attempt)),
    }
}

fn live_words(datasets: &[Dataset], corpus: &Corpus) -> BTreeMap<String, String> {
    let live = datasets.iter().filter(|dataset| dataset.state() == DatasetState::Indexed);
    let word = |path: &str| {
        let of_file = corpus.files.get(path).and_then(|held| held.contents.last());
        of_file.or_else(|| corpus.uploads.get(path).map(|sent| &sent.content)).map(|content| content.word.clone())
    };
    live.filter_map(|dataset| Some((word(&dataset.path)?, dataset.name.clone()))).collect()
}

fn digest(version: &Version) -> Digest {
    let digest = version.digest.clone().expect("a version has a digest");
    Digest::try_from(digest).expect("it is a SHA-256")
}

/// No work is left. Jobs that failed count no more once their datasets have newer ones or are gone, which the records say.
async fn busy_queues(admin: &Session) -> Result<(), String> {
    let status = admin.operator().get_status(GetStatusRequest::default()).await.map_err(|status| status.to_string())?;
    let queues = status.into_inner().roles.into_iter().flat_map(|role| role.queues);
    let busy: Vec<_> = queues.filter(|queue| queue.waiting + queue.running > 0).collect();
    if busy.is_empty() { Ok(()) } else { Err(format!("{busy:?}")) }
}

/// What is wrong.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, dataset: &Dataset, what: impl fmt::Display) {
        self.0.push(format!("{} ({}): {what}", dataset.path, dataset.name));
    }

    /// The versions are contents that the file had, in the order in which it had them, each once.
    fn of_file(&mut self, dataset: &Dataset, recorded: &[Version], held: &Held) {
        let mut contents = held.contents.iter();
        for version in recorded.iter().rev() {
            match contents.find(|content| content.digest == digest(version)) {
                Some(content) if content.rows == version.row_count => {}
                Some(content) => {
                    self.add(dataset, format!("{} rows of {} in {version:?}", content.rows, version.row_count))
                }
                None => return self.add(dataset, format!("doubled, foreign or out of order: {version:?}")),
            }
        }
    }

    fn of_upload(&mut self, dataset: &Dataset, recorded: &[Version], content: &Content) {
        if recorded.len() != 1 || digest(&recorded[0]) != content.digest {
            self.add(dataset, format!("an upload has one version: {recorded:?}"));
        }
    }

    /// What is served is what was profiled, and the profile is there.
    async fn of_bytes(&mut self, admin: &Session, dataset: &Dataset, version: &Version) {
        match admin.download(&dataset.name, DownloadForm::Original).await {
            Ok(bytes) if Digest::of(&bytes) == digest(version) => {}
            Ok(bytes) => self.add(dataset, format!("other bytes are served, {} of them", bytes.len())),
            Err(status) => self.add(dataset, format!("its bytes are lost: {status}")),
        }
        let request = GetProfileRequest { name: version.profile.clone(), ..Default::default() };
        if let Err(status) = admin.profiling().get_profile(request).await {
            self.add(dataset, format!("its profile is lost: {status}"));
        }
    }

    /// Each word of what is there finds its dataset alone, each word of what was finds nothing.
    async fn of_index(&mut self, admin: &Session, corpus: &Corpus, live: &BTreeMap<String, String>) {
        let total = admin.search("").await.total_size;
        if usize::try_from(total) != Ok(live.len()) {
            self.0.push(format!("the index holds {total} datasets, {} are there", live.len()));
        }
        let of_files = corpus.files.values().flat_map(|held| &held.contents);
        let words = of_files.chain(corpus.uploads.values().map(|sent| &sent.content)).map(|content| &content.word);
        for word in words {
            let hits: Vec<_> = admin.search(word).await.results.into_iter().filter_map(|hit| hit.dataset).collect();
            let names: Vec<_> = hits.iter().map(|dataset| &dataset.name).collect();
            if names != live.get(word).into_iter().collect::<Vec<_>>() {
                self.0.push(format!("`{word}` finds {names:?} in place of {:?}", live.get(word)));
            }
        }
    }

    /// Every object is whole and was given; every version that kept its bytes has one.
    async fn of_objects(&mut self, world: &World, corpus: &Corpus, referenced: &BTreeSet<Digest>) -> BTreeSet<Digest> {
        let stored = world.stored().await;
        self.0.extend(stored.left_over.iter().map(|path| format!("left over: {path}")));
        let mut whole = BTreeSet::new();
        for (name, actual) in stored.content {
            match name.parse() {
                Ok(named) if actual == named => whole.extend([named]),
                _ => self.0.push(format!("the object {name} is torn: its bytes are {actual}")),
            }
        }
        let of_files = corpus.files.values().flat_map(|held| &held.contents);
        let given = of_files.chain(corpus.uploads.values().map(|sent| &sent.content)).map(|content| content.digest);
        let given: BTreeSet<_> = given.collect();
        self.0.extend(referenced.difference(&whole).map(|digest| format!("the object {digest} is lost")));
        self.0.extend(whole.difference(&given).map(|digest| format!("nobody gave the object {digest}")));
        whole
    }

    /// Nothing was given up.
    async fn of_dead_letters(&mut self, admin: &Session) {
        let request = ListDeadLettersRequest { parent: "services/-".into(), ..Default::default() };
        let dead = admin.operator().list_dead_letters(request).await.expect("dead letters can be listed").into_inner();
        self.0.extend(dead.dead_letters.iter().map(|letter| format!("given up: {letter:?}")));
    }

    fn nothing(&self) {
        assert!(self.0.is_empty(), "the audit found {}:\n{}", self.0.len(), self.0.join("\n"));
    }
}
