//! Dependencies point one way.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

const SHARED: &[&str] =
    &["runtime", "rpc", "objects", "fetch", "events", "search", "sql", "table", "sketch", "profile"];
const SERVICES: &[&str] = &["discovery", "profiling", "catalog", "gateway"];

/// What each package may depend on: `proto <- types <- rpc, … <- services, gateway <- millrace <- integration-tests`.
fn allowed(package: &str) -> Vec<&'static str> {
    let shared = |more: &[&'static str]| [&["proto", "types"], more].concat();
    match package {
        "proto" => vec![],
        "types" => vec!["proto"],
        "testkit" => shared(&[]),
        "rpc" | "runtime" | "objects" | "fetch" | "search" | "sql" | "sketch" | "table" => shared(&[]),
        "events" => shared(&["sql"]),
        "profile" => shared(&["table", "sketch"]),
        "discovery" | "profiling" | "catalog" | "gateway" => shared(SHARED),
        "millrace" => shared(&[SHARED, SERVICES].concat()),
        "integration-tests" => shared(&[SHARED, SERVICES, &["testkit", "millrace"]].concat()),
        other => panic!("`{other}` is new: say in this test what it may depend on, and in docs/architecture.md"),
    }
}

#[test]
fn no_dependency_arrow_turns_round() {
    let metadata = MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec().unwrap();
    let short = |name: &str| name.strip_prefix("millrace-").unwrap_or(name).to_owned();
    let members: BTreeSet<_> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let mut wrong = BTreeMap::new();
    for package in &metadata.packages {
        let allowed = allowed(&short(&package.name));
        let ours = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal && members.contains(&dependency.name));
        for dependency in ours.map(|dependency| short(&dependency.name)) {
            if !allowed.contains(&dependency.as_str()) {
                wrong.entry(short(&package.name)).or_insert_with(Vec::new).push(dependency);
            }
        }
    }
    assert!(wrong.is_empty(), "these depend on what they may not: {wrong:?}");
}
