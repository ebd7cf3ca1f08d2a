//! Resource names, as in `tenants/main/datasets/iris` (Google AIP-122).

use std::fmt;
use std::str::FromStr;

use crate::{CrawlId, DatasetId, JobId, KeyId, ProfileId, RebuildId, Scoped, SourceId, TenantId, UserId};

/// Why a text is no resource name of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` does not have the form `{form}`")]
pub struct NameError {
    given: String,
    form: &'static str,
}

impl NameError {
    fn new(given: &str, form: &'static str) -> Self {
        Self { given: given.chars().take(300).collect(), form }
    }
}

macro_rules! name {
    ($(#[$meta:meta])* $name:ident, $form:literal, $($collection:literal $field:ident : $id:ty),+) => {
        $(#[$meta])*
        #[doc = concat!("`", $form, "`.")]
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            $(
                #[doc = concat!("What follows `", $collection, "/`.")]
                pub $field: $id,
            )+
        }

        impl $name {
            /// Puts a name together.
            pub fn new($($field: $id),+) -> Self {
                Self { $($field),+ }
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let wrong = || NameError::new(text, $form);
                let mut segments = text.split('/');
                $(
                    if segments.next() != Some($collection) {
                        return Err(wrong());
                    }
                    let $field = segments.next().and_then(|s| s.parse::<$id>().ok()).ok_or_else(wrong)?;
                )+
                if segments.next().is_some() {
                    return Err(wrong());
                }
                Ok(Self { $($field),+ })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut separator = "";
                $(
                    write!(f, "{separator}{}/{}", $collection, self.$field)?;
                    separator = "/";
                )+
                let _ = separator;
                Ok(())
            }
        }
    };
}

macro_rules! scoped {
    ($($name:ident),+) => {
        $(impl Scoped for $name {
            fn tenant(&self) -> &TenantId {
                &self.tenant
            }
        })+
    };
}

name!(/// The name of a tenant:
    TenantName, "tenants/{tenant}", "tenants" tenant: TenantId);
name!(/// The name of a user:
    UserName, "tenants/{tenant}/users/{user}", "tenants" tenant: TenantId, "users" user: UserId);
name!(/// The name of an API key:
    ApiKeyName, "tenants/{tenant}/users/{user}/apiKeys/{api_key}",
    "tenants" tenant: TenantId, "users" user: UserId, "apiKeys" api_key: KeyId);
name!(/// The name of a source:
    SourceName, "tenants/{tenant}/sources/{source}", "tenants" tenant: TenantId, "sources" source: SourceId);
name!(/// The name of a crawl:
    CrawlName, "tenants/{tenant}/sources/{source}/crawls/{crawl}",
    "tenants" tenant: TenantId, "sources" source: SourceId, "crawls" crawl: CrawlId);
name!(/// The name of a dataset:
    DatasetName, "tenants/{tenant}/datasets/{dataset}", "tenants" tenant: TenantId, "datasets" dataset: DatasetId);
name!(/// The name of a version of a dataset; versions count 1, 2, 3:
    VersionName, "tenants/{tenant}/datasets/{dataset}/versions/{version}",
    "tenants" tenant: TenantId, "datasets" dataset: DatasetId, "versions" version: u64);
name!(/// The name of a profiling job:
    JobName, "tenants/{tenant}/jobs/{job}", "tenants" tenant: TenantId, "jobs" job: JobId);
name!(/// The name of a profile:
    ProfileName, "tenants/{tenant}/profiles/{profile}", "tenants" tenant: TenantId, "profiles" profile: ProfileId);
name!(/// The name of an index rebuild:
    RebuildName, "indexRebuilds/{index_rebuild}", "indexRebuilds" rebuild: RebuildId);

scoped!(TenantName, UserName, ApiKeyName, SourceName, CrawlName, DatasetName, VersionName, JobName, ProfileName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_was_written() {
        let text = "tenants/main/sources/demo/crawls/c1";
        assert_eq!(text.parse::<CrawlName>().unwrap().to_string(), text);
        let version = "tenants/main/datasets/d1/versions/12";
        assert_eq!(version.parse::<VersionName>().unwrap().version, 12);
        assert_eq!(version.parse::<VersionName>().unwrap().to_string(), version);
    }

    #[test]
    fn another_form_is_refused_and_the_right_one_named() {
        for bad in ["", "tenants/main", "tenants/main/datasets/", "tenants/main/datasets/d/x", "tenants/A/datasets/d"] {
            let error = bad.parse::<DatasetName>().unwrap_err();
            assert!(error.to_string().contains("tenants/{tenant}/datasets/{dataset}"), "{error}");
        }
    }
}
