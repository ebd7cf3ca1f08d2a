//! One trace per dataset, across outbox and event.

use std::collections::BTreeSet;

use millrace_integration_tests::{Collector, PATIENCE, Setup, SpanSeen, csv, write};

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
