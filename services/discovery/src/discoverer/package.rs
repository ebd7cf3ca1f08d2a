//! What a `datapackage.json` says of the files beside it.
//!
//! Source: Frictionless Data, Data Package and Data Resource, versions 1 and 2.

use std::collections::HashMap;

use proto::common::v1::Metadata;
use serde::Deserialize;
use serde_json::Value;

/// The name of the file.
pub(super) const FILE_NAME: &str = "datapackage.json";

/// What a package says, by the path of each resource relative to the package.
#[derive(Debug, Clone, Default)]
pub(super) struct Package {
    resources: HashMap<String, Metadata>,
    /// For what no resource names: the package's own licence, sources and keywords.
    rest: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Raw {
    licenses: Value,
    license: Value,
    sources: Value,
    keywords: Value,
    resources: Vec<Value>,
}

impl Package {
    /// Reads a descriptor. What is odd in a part of it leaves that part out.
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let raw: Raw = serde_json::from_str(text.trim_start_matches('\u{feff}'))?;
        let rest = Metadata {
            license: license(&raw.licenses).or_else(|| license(&raw.license)).unwrap_or_default(),
            origins: origins(&raw.sources),
            tags: texts(&raw.keywords),
            ..Metadata::default()
        };
        let mut resources = HashMap::new();
        for resource in &raw.resources {
            for path in paths(&resource["path"]) {
                resources.insert(path, describe(resource, &rest));
            }
        }
        Ok(Self { resources, rest })
    }

    /// What the package says of the file at `path`, relative to the package.
    pub(super) fn metadata(&self, path: &str) -> Metadata {
        self.resources.get(path).unwrap_or(&self.rest).clone()
    }
}

fn describe(resource: &Value, rest: &Metadata) -> Metadata {
    let own_origins = origins(&resource["sources"]);
    let own_license = license(&resource["licenses"]).or_else(|| license(&resource["license"]));
    let mut tags = texts(&resource["keywords"]);
    tags.extend(rest.tags.iter().filter(|tag| !tags.contains(tag)).cloned().collect::<Vec<_>>());
    Metadata {
        title: text(&resource["title"]).unwrap_or_default(),
        description: text(&resource["description"]).unwrap_or_default(),
        license: own_license.unwrap_or_else(|| rest.license.clone()),
        origins: if own_origins.is_empty() { rest.origins.clone() } else { own_origins },
        tags,
    }
}

/// One path or several; anything but a relative path below the package names no file of ours.
fn paths(value: &Value) -> Vec<String> {
    let listed = match value {
        Value::Array(items) => items.iter().filter_map(text).collect(),
        other => text(other).into_iter().collect::<Vec<_>>(),
    };
    listed.iter().map(|path| path.trim_start_matches("./").to_owned()).collect()
}

/// The first licence: its name, else its title. Version 0 wrote a plain text.
fn license(value: &Value) -> Option<String> {
    let first = value.get(0).unwrap_or(value);
    text(&first["name"]).or_else(|| text(&first["title"])).or_else(|| text(first))
}

/// Sources by title, else by path.
fn origins(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |item: &Value| {
        text(&item["title"]).or_else(|| text(&item["name"])).or_else(|| text(&item["path"])).or_else(|| text(item))
    };
    items.iter().filter_map(name).collect()
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(text).collect()
}

/// A text with something in it.
fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_described_by_its_own_words_first() {
        let package = Package::parse(
            r#"{"licenses": [{"title": "Whole"}], "sources": [{"title": "Office"}], "keywords": ["k"],
                "resources": [
                  {"path": "a.csv", "title": " A ", "description": "About a", "licenses": [{"name": "CC0", "title": "x"}]},
                  {"path": ["./sub/b.csv", "c.csv"], "sources": [{"path": "http://b"}]}]}"#,
        )
        .unwrap();
        let a = package.metadata("a.csv");
        assert_eq!((a.title.as_str(), a.description.as_str(), a.license.as_str()), ("A", "About a", "CC0"));
        assert_eq!((a.origins, a.tags), (vec!["Office".to_owned()], vec!["k".to_owned()]));
        let b = package.metadata("sub/b.csv");
        assert_eq!((b.license.as_str(), b.origins), ("Whole", vec!["http://b".to_owned()]));
        assert_eq!(package.metadata("c.csv").license, "Whole");
        assert_eq!(package.metadata("unknown.csv").title, "");
    }

    #[test]
    fn odd_parts_are_left_out_and_junk_is_refused() {
        let package = Package::parse(r#"{"resources": [{"path": 7, "title": {}}, null], "licenses": "MIT"}"#).unwrap();
        assert_eq!(package.metadata("x").license, "MIT");
        assert!(Package::parse("not json").is_err());
        assert!(Package::parse(r#"{"resources": 3}"#).is_err());
    }
}
