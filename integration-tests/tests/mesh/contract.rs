//! Contracts, promises and tests, held against each other.
//!
//! `docs/promises.md` names tests as `` `module::test` `` for those of this binary, and as `` `crate::…::test` `` for
//! those of a crate. It names calls as `` `Service/Method` ``, each beside its tests, or in the section "Calls without
//! a promise", each beside the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use prost_reflect::DescriptorPool;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn promises() -> String {
    std::fs::read_to_string(root().join("docs/promises.md")).expect("docs/promises.md is there")
}

/// What stands between back quotes, line by line.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

fn tests_named(line: &str) -> Vec<&str> {
    // `module::test` itself stands there too, as the form.
    let is_test = |text: &&str| text.contains("::") && !text.contains(' ') && !text.ends_with("::test");
    quoted(line).into_iter().filter(is_test).collect()
}

fn calls_named(line: &str) -> Vec<&str> {
    let is_call = |text: &&str| text.split_once('/').is_some_and(|(service, _)| service.ends_with("Service"));
    quoted(line).into_iter().filter(is_call).collect()
}

/// The tests in Rust files beneath `folder`, by the module of the file.
fn tests_in(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            for (module, tests) in tests_in(&path) {
                found.entry(module).or_default().extend(tests);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let module = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| {
                let name =
                    line.trim_start().trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ")?;
                Some(name.split(['(', '<']).next()?.to_owned())
            });
            found.entry(module).or_default().extend(names);
        }
    }
    found
}

/// The tests of this binary: functions right below a test attribute.
fn tests_here() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    tests_beneath(&root().join("integration-tests/tests/mesh"), "", &mut tests);
    tests
}

fn tests_beneath(folder: &Path, above: &str, tests: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let module = format!("{above}{}::", path.file_stem().unwrap().to_string_lossy());
        if path.is_dir() {
            tests_beneath(&path, &module, tests);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line == "#[test]" || line.starts_with("#[tokio::test") {
                let header = lines.find(|line| line.contains("fn ")).unwrap();
                let name = header.split("fn ").nth(1).unwrap().split('(').next().unwrap();
                tests.insert(format!("{module}{name}"));
            }
        }
    }
}

fn crate_folder(name: &str) -> Option<PathBuf> {
    ["services/shared", "services", ""].iter().map(|folder| root().join(folder).join(name)).find(|path| path.is_dir())
}

#[test]
fn every_promise_has_a_test_and_every_test_a_promise() {
    let promises = promises();
    let named: BTreeSet<&str> = promises.lines().flat_map(tests_named).collect();
    let here = tests_here();
    let without_promise: Vec<_> = here.iter().filter(|test| !named.contains(test.as_str())).collect();
    let in_a_crate = |test: &str| {
        let (first, last) = (test.split("::").next().unwrap(), test.rsplit("::").next().unwrap());
        crate_folder(first).is_some_and(|folder| tests_in(&folder).values().any(|names| names.contains(last)))
    };
    let without_test: Vec<_> = named.iter().filter(|test| !here.contains(**test) && !in_a_crate(test)).collect();
    assert!(without_promise.is_empty(), "docs/promises.md does not name these tests:\n{without_promise:#?}");
    assert!(without_test.is_empty(), "docs/promises.md names tests that there are not:\n{without_test:#?}");
}

#[test]
fn every_call_has_a_rule_and_a_promise_or_a_reason() {
    let promises = promises();
    let (promised, excused) = promises.split_once("## Calls without a promise").unwrap_or((&promises, ""));
    let tested: BTreeSet<_> =
        promised.lines().filter(|line| !tests_named(line).is_empty()).flat_map(calls_named).collect();
    let excused: BTreeSet<_> = excused.lines().filter(|line| line.len() > 60).flat_map(calls_named).collect();
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let services = pool.services().filter(|service| service.full_name().starts_with("millrace."));
    let mut missing = Vec::new();
    let mut all = BTreeSet::new();
    for method in services.flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let call = format!("{}/{}", method.parent_service().name(), method.name());
        assert!(proto::rule(&path).is_some(), "{path} has no rule");
        if !tested.contains(call.as_str()) && !excused.contains(call.as_str()) {
            missing.push(call.clone());
        }
        all.insert(call);
    }
    assert!(missing.is_empty(), "docs/promises.md has neither promise nor reason for:\n{missing:#?}");
    let unknown: Vec<_> = tested.iter().chain(&excused).filter(|call| !all.contains(**call)).collect();
    assert!(unknown.is_empty(), "docs/promises.md names calls that there are not:\n{unknown:#?}");
}

#[test]
fn every_reason_has_a_paragraph() {
    let documented = std::fs::read_to_string(root().join("docs/errors.md")).expect("docs/errors.md is there");
    let mut missing = BTreeMap::new();
    for folder in ["gateway/src", "services"] {
        reasons_in(&root().join(folder), &mut |file, reason| {
            if !documented.contains(&format!("**{reason}**")) {
                missing.entry(reason.to_owned()).or_insert(file.display().to_string());
            }
        });
    }
    assert!(missing.is_empty(), "docs/errors.md has no paragraph for:\n{missing:#?}");
}

/// Finds the reasons in `fn reason` of every `Fault`.
fn reasons_in(folder: &Path, each: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            reasons_in(&path, each);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.to_string_lossy().contains("tests") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for body in text.split("fn reason(&self) -> &'static str {").skip(1) {
                let body = body.split("\n    }").next().unwrap();
                for reason in body.split('"').skip(1).step_by(2) {
                    each(&path, reason);
                }
            }
        }
    }
}
