//! Ids: what stands between the slashes of a resource name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no id: it takes 1 to 63 of a-z, 0-9 and `-`, a letter first and no `-` last")]
pub struct IdError {
    given: String,
}

fn check(text: &str) -> Result<(), IdError> {
    let bytes = text.as_bytes();
    let fits = matches!(bytes.len(), 1..=63)
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && bytes[bytes.len() - 1] != b'-';
    if fits { Ok(()) } else { Err(IdError { given: text.chars().take(80).collect() }) }
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Makes a new id that nothing else has: a letter and a UUID of version 7, so that ids sort by age.
            pub fn random() -> Self {
                Self(format!(concat!($prefix, "{}"), uuid::Uuid::now_v7().simple()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(/// The id of a tenant.
    TenantId, "t");
id!(/// The id of a user within a tenant.
    UserId, "u");
id!(/// The id of an API key within a user.
    KeyId, "k");
id!(/// The id of a source within a tenant.
    SourceId, "s");
id!(/// The id of a crawl within a source.
    CrawlId, "c");
id!(/// The id of a dataset within a tenant.
    DatasetId, "d");
id!(/// The id of a profiling job within a tenant.
    JobId, "j");
id!(/// The id of a profile within a tenant.
    ProfileId, "p");
id!(/// The id of an index rebuild.
    RebuildId, "r");

impl DatasetId {
    /// Derives the id of the dataset at `path` of the source with this `uid`: always the same for the same two, so
    /// that a file keeps its name from crawl to crawl. It is a letter and 128 bits of SHA-256 in hexadecimal.
    pub fn derive(source_uid: &str, path: &str) -> Self {
        let digest = crate::Digest::of(format!("{source_uid}\n{path}").as_bytes());
        Self(format!("d{}", &digest.to_hex()[..32]))
    }
}

impl ProfileId {
    /// Derives the id of the profile of bytes with this `content` digest, read by the recipe with this digest, by
    /// this version of the engine.
    pub fn derive(content: &crate::Digest, recipe: &crate::Digest, engine_version: &str) -> Self {
        let digest = crate::Digest::of(format!("{content}\n{recipe}\n{engine_version}").as_bytes());
        Self(format!("p{}", &digest.to_hex()[..32]))
    }

    /// The digest that stands for the content of rows with the `added` digest after those of the profile `earlier`, in
    /// [`ProfileId::derive`]: the bytes themselves were never seen together.
    pub fn appended(earlier: &Self, added: &crate::Digest) -> crate::Digest {
        crate::Digest::of(format!("append\n{earlier}\n{added}").as_bytes())
    }

    /// The digest that stands for the content of the rows of several profiles, in their order.
    pub fn merged<'a>(profiles: impl IntoIterator<Item = &'a Self>) -> crate::Digest {
        let mut text = "merge".to_owned();
        for profile in profiles {
            text.push('\n');
            text.push_str(profile.as_str());
        }
        crate::Digest::of(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_takes_lower_case_digits_and_dashes() {
        for good in ["a", "main", "a-1", "z9"] {
            assert_eq!(good.parse::<TenantId>().unwrap().as_str(), good);
        }
        for bad in ["", "1a", "-a", "a-", "A", "a_b", "a/b", "ä", &"a".repeat(64)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn random_ids_are_ids_and_differ() {
        let (a, b) = (DatasetId::random(), DatasetId::random());
        assert_ne!(a, b);
        assert_eq!(a.as_str().parse::<DatasetId>().unwrap(), a);
    }

    #[test]
    fn the_same_file_keeps_its_dataset_id() {
        assert_eq!(DatasetId::derive("u", "a.csv"), DatasetId::derive("u", "a.csv"));
        assert_ne!(DatasetId::derive("u", "a.csv"), DatasetId::derive("v", "a.csv"));
        assert!(DatasetId::derive("u", "a.csv").as_str().parse::<DatasetId>().is_ok());
    }
}
