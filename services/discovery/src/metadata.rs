//! What is said about a dataset: by its place, else by its source, else by its name.

use prost::Message;
use proto::common::v1::{self as pb, Metadata};
use types::{Digest, Materialization, Origin};

/// The most characters of a title or a licence.
pub const SHORT: usize = 200;
/// The most characters of a description.
pub const LONG: usize = 10_000;
/// The most characters of a tag.
pub const TAG: usize = 64;
/// The most characters of an origin.
pub const ORIGIN: usize = 2000;
/// The most tags.
pub const TAGS: usize = 100;
/// The most origins.
pub const ORIGINS: usize = 50;

/// Joins what the place says of the dataset at `path` with what its source says of all of its datasets. What is too
/// long is cut: a place may say anything, and what it says goes into an event.
pub fn merge(own: Metadata, source: &Metadata, path: &str) -> Metadata {
    let first = |own: String, general: &str| if own.is_empty() { general.to_owned() } else { own };
    let mut tags = own.tags;
    tags.extend(source.tags.iter().cloned());
    let mut seen = std::collections::HashSet::new();
    tags.retain(|tag| tag.chars().count() <= TAG && seen.insert(tag.clone()));
    tags.truncate(TAGS);
    let mut origins = if own.origins.is_empty() { source.origins.clone() } else { own.origins };
    origins.truncate(ORIGINS);
    Metadata {
        title: cut(first(first(own.title, &source.title), &title_of(path)), SHORT),
        description: cut(first(own.description, &source.description), LONG),
        license: cut(first(own.license, &source.license), SHORT),
        origins: origins.into_iter().map(|origin| cut(origin, ORIGIN)).collect(),
        tags,
    }
}

/// The first `most` characters of a text.
pub fn cut(mut text: String, most: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
    }
    text
}

/// Tells one state of what is said of a dataset, and of where it is, from another. Without the place, bytes that moved
/// with their version token would go on to be looked for where they were.
pub fn digest(metadata: &Metadata, origin: &Origin) -> Digest {
    let place = Materialization { origin: origin.clone(), version_token: String::new() };
    let mut bytes = metadata.encode_length_delimited_to_vec();
    bytes.extend(pb::Materialization::from(place).encode_to_vec());
    Digest::of(&bytes)
}

/// Makes the name of a file readable: without endings, with spaces for dashes, beginning with a capital.
fn title_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let words: Vec<&str> = stem.split(['_', '-', ' ']).filter(|word| !word.is_empty()).collect();
    let title = words.join(" ");
    let mut letters = title.chars();
    match letters.next() {
        Some(letter) => letter.to_uppercase().chain(letters).collect(),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_title() {
        assert_eq!(title_of("x/us_employment-2020.csv.gz"), "Us employment 2020");
        assert_eq!(title_of("co2.v1.json"), "Co2.v1");
        assert_eq!(title_of("--.csv"), "--.csv");
    }

    #[test]
    fn what_a_place_says_is_cut_to_what_an_event_holds() {
        let own = Metadata {
            title: "ä".repeat(9000),
            description: "ä".repeat(90_000),
            license: "ä".repeat(9000),
            tags: (0..900).map(|number| format!("{number}")).chain(["ä".repeat(65)]).collect(),
            origins: vec!["ä".repeat(9000); 900],
        };
        let merged = merge(own, &Metadata { tags: vec!["x".into()], ..Metadata::default() }, "x.csv");
        assert_eq!((merged.title.chars().count(), merged.description.chars().count()), (200, 10_000));
        assert_eq!((merged.tags.len(), merged.origins.len()), (100, 50));
        assert!(merged.encoded_len() < 300_000, "{}", merged.encoded_len());
    }

    #[test]
    fn the_same_bytes_elsewhere_are_another_state() {
        let at = |path: &str| digest(&Metadata::default(), &Origin::File { path: path.into() });
        assert_eq!(at("/a/x.csv"), at("/a/x.csv"));
        assert_ne!(at("/a/x.csv"), at("/b/x.csv"));
    }

    #[test]
    fn the_place_speaks_before_the_source() {
        let source = Metadata {
            license: "CC0".into(),
            description: "All".into(),
            tags: vec!["b".into(), "c".into()],
            ..Metadata::default()
        };
        let own = Metadata {
            title: "Own".into(),
            license: "MIT".into(),
            tags: vec!["a".into(), "b".into()],
            ..Metadata::default()
        };
        let merged = merge(own, &source, "x.csv");
        assert_eq!(
            (merged.title.as_str(), merged.license.as_str(), merged.description.as_str()),
            ("Own", "MIT", "All")
        );
        assert_eq!(merged.tags, ["a", "b", "c"]);
        assert_eq!(merge(Metadata::default(), &source, "a_b.csv").title, "A b");
    }
}
