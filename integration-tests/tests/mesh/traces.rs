//! Traces across processes: one per call with all that follows from it, and one per dataset that a crawl finds.

use std::collections::{BTreeMap, BTreeSet};

use millrace_integration_tests::{Collector, Mesh, PATIENCE, Session, Setup, Shape, SpanSeen, csv, write};

const STEPS: [&str; 4] =
    ["announce", "event millrace.discovery.dataset.announced.v1", "job", "event millrace.profiling.job.succeeded.v1"];

#[tokio::test]
async fn each_dataset_has_one_trace_from_its_announcement_to_its_version() {
    let (collector, endpoint) = Collector::start().await;
    let mesh = Setup::new().set("TELEMETRY__OTLP_ENDPOINT", endpoint).start().await;
    for name in ["one.csv", "two.csv"] {
        write(&mesh.folder(), name, csv(name, 20));
    }
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    let datasets = admin.settled(2).await;

    let mut traces = BTreeSet::new();
    for dataset in &datasets {
        let begins =
            |span: &SpanSeen| span.name == "announce" && span.attributes.get("dataset.name") == Some(&dataset.name);
        testkit::eventually!(PATIENCE, collector.spans().iter().any(begins));
        let spans = collector.spans();
        let announce: Vec<_> = spans.iter().filter(|span| begins(span)).collect();
        assert_eq!(announce.len(), 1);
        let trace = announce[0].trace.clone();
        let crawl = spans.iter().find(|span| span.name == "crawl");
        assert!(crawl.is_none_or(|crawl| announce[0].links.contains(&crawl.trace)), "linked to its crawl");
        testkit::eventually!(PATIENCE, {
            let spans = collector.spans();
            let names: BTreeSet<_> =
                spans.iter().filter(|span| span.trace == trace).map(|span| span.name.as_str()).collect();
            STEPS.iter().all(|step| names.contains(step))
        });
        traces.insert(trace);
    }
    assert_eq!(traces.len(), 2, "one trace each");
}

/// The trace that a client began, and its span.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A span as a tree shows it: its role and name, and those of its parent.
type Edge = (&'static str, &'static str, &'static str, &'static str);

/// From the call to the version that can be searched, and the last event.
const UPLOAD: [Edge; 9] = [
    ("gateway", "millrace.catalog.v1.CatalogService/CreateDataset", "", "the caller"),
    (
        "catalog",
        "millrace.catalog.v1.CatalogService/CreateDataset",
        "gateway",
        "millrace.catalog.v1.CatalogService/CreateDataset",
    ),
    (
        "catalog",
        "publish millrace.catalog.dataset.uploaded.v1",
        "catalog",
        "millrace.catalog.v1.CatalogService/CreateDataset",
    ),
    (
        "profiling",
        "event millrace.catalog.dataset.uploaded.v1",
        "catalog",
        "millrace.catalog.v1.CatalogService/CreateDataset",
    ),
    ("profiling", "job", "profiling", "event millrace.catalog.dataset.uploaded.v1"),
    ("profiling", "publish millrace.profiling.job.succeeded.v1", "profiling", "job"),
    ("catalog", "event millrace.profiling.job.succeeded.v1", "profiling", "job"),
    ("catalog", "index", "catalog", "event millrace.profiling.job.succeeded.v1"),
    ("catalog", "publish millrace.catalog.dataset.indexed.v1", "catalog", "index"),
];

/// The first steps of a crawl that somebody asks for. What it finds has traces of its own, which link here.
const RUN: [Edge; 3] = [
    ("gateway", "millrace.discovery.v1.DiscoveryService/RunSource", "", "the caller"),
    (
        "discovery",
        "millrace.discovery.v1.DiscoveryService/RunSource",
        "gateway",
        "millrace.discovery.v1.DiscoveryService/RunSource",
    ),
    ("discovery", "crawl", "discovery", "millrace.discovery.v1.DiscoveryService/RunSource"),
];

#[tokio::test]
async fn an_upload_is_one_trace_from_the_call_to_the_index() {
    let (collector, endpoint) = Collector::start().await;
    let mesh = Setup::new().set("TELEMETRY__OTLP_ENDPOINT", endpoint).start().await;
    traced(&mesh).await.upload("mine", "mine.csv", csv("mine", 20).into_bytes()).await.unwrap();
    mesh.admin().await.settled(1).await;
    assert_tree(&collector, &UPLOAD).await;
    assert_processes(&collector);
}

#[tokio::test]
async fn a_crawl_is_of_the_trace_of_who_asked_for_it_and_its_datasets_link_there() {
    let (collector, endpoint) = Collector::start().await;
    let mesh = Setup::new().set("TELEMETRY__OTLP_ENDPOINT", endpoint).start().await;
    let admin = mesh.admin().await;
    admin.crawl_folder("all", &mesh.folder()).await;
    write(&mesh.folder(), "one.csv", csv("one", 20));
    traced(&mesh).await.run_source("all", false).await;
    admin.settled(1).await;
    assert_tree(&collector, &RUN).await;
    testkit::eventually!(PATIENCE, collector.spans().iter().any(|span| span.name == "announce"));
    let announce = collector.spans().into_iter().find(|span| span.name == "announce").unwrap();
    assert_eq!((announce.links.as_slice(), announce.role()), ([TRACE.to_owned()].as_slice(), "discovery"));
    assert!(announce.parent.is_empty() && announce.trace != TRACE, "{announce:?}");
}

/// The administrator, whose calls are of the trace that he began himself.
async fn traced(mesh: &Mesh) -> Session {
    let parent = ("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    let headers = vec![("authorization", format!("Bearer {}", mesh.token())), parent];
    Session::with_headers(mesh.address(), headers).await
}

/// Waits until the trace has each of these spans, once, beneath its parent.
async fn assert_tree(collector: &Collector, edges: &[Edge]) {
    testkit::eventually("the spans of the trace", PATIENCE, || async {
        let spans = collector.spans();
        let spans: BTreeMap<_, _> =
            spans.iter().filter(|span| span.trace == TRACE).map(|span| (span.id.as_str(), span)).collect();
        for (role, name, parent_role, parent) in edges {
            let found: Vec<_> =
                spans.values().filter(|span| (span.role(), span.name.as_str()) == (*role, *name)).collect();
            let [span] = found[..] else { return Err(format!("{} of {role}: {name}", found.len())) };
            let above = match spans.get(span.parent.as_str()) {
                Some(above) => (above.role(), above.name.as_str()),
                None if span.parent == CALLER => ("", "the caller"),
                None => return Err(format!("the parent of {role}: {name} is not there")),
            };
            assert_eq!(above, (*parent_role, *parent), "the parent of {role}: {name}");
        }
        Ok(())
    })
    .await;
}

/// Each span says of which process it is, by the conventions of OpenTelemetry.
fn assert_processes(collector: &Collector) {
    let mut instances: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for span in collector.spans() {
        let of_process = |key: &str| span.resource.get(key).cloned().unwrap_or_default();
        let service = match Shape::given() {
            Shape::Processes => span.role(),
            Shape::Embedded | Shape::Servers => "millrace",
        };
        assert!(["gateway", "discovery", "profiling", "catalog"].contains(&span.role()), "{span:?}");
        assert_eq!(
            (of_process("service.name").as_str(), of_process("service.namespace").as_str()),
            (service, "millrace")
        );
        assert_eq!(of_process("service.version").as_str(), env!("CARGO_PKG_VERSION"));
        instances.entry(service.to_owned()).or_default().insert(of_process("service.instance.id"));
    }
    let all: BTreeSet<_> = instances.values().flatten().collect();
    assert_eq!(all.len(), instances.len(), "an instance for each process: {instances:?}");
}
