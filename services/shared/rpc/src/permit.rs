//! Who calls, and whether the resource is theirs.

use std::fmt::Display;
use std::str::FromStr;

use http::Extensions;
use tonic::Status;
use types::{Identity, Permitted, Scoped};

use crate::{BadRequest, Error, to_status};

/// The caller, as the layer `Identity` found it.
pub fn identity(extensions: &Extensions) -> Result<&Identity, Status> {
    extensions.get::<Identity>().ok_or_else(|| to_status(&Error::IdentityMissing))
}

/// Reads the resource name in `field` of a request, and sees that its tenant is the caller's, before any look-up.
///
/// A text of another form is `INVALID_ARGUMENT` naming `field`; another tenant's name is `PERMISSION_DENIED`, whether
/// the resource exists or not.
///
/// ```
/// # use millrace_rpc as rpc;
/// # use types::DatasetName;
/// # fn handler(request: tonic::Request<proto::catalog::v1::GetDatasetRequest>) -> Result<(), tonic::Status> {
/// let name = rpc::permit::<DatasetName>(request.extensions(), "name", &request.get_ref().name)?;
/// # Ok(())
/// # }
/// ```
pub fn permit<N>(extensions: &Extensions, field: &str, text: &str) -> Result<Permitted<N>, Status>
where
    N: Scoped + FromStr<Err: Display>,
{
    let name = text.parse::<N>().map_err(|error| BadRequest::field(field, error.to_string()))?;
    permitted(extensions, name)
}

/// Sees that the tenant of `target` is the caller's.
pub fn permitted<N: Scoped>(extensions: &Extensions, target: N) -> Result<Permitted<N>, Status> {
    Permitted::check(identity(extensions)?, target).map_err(|forbidden| to_status(&Error::from(forbidden)))
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use types::{DatasetName, Role, Subject};

    use super::*;
    use crate::reason;

    fn ada() -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(Identity {
            subject: Subject::User("ada".parse().unwrap()),
            tenant: Some("main".parse().unwrap()),
            roles: vec![Role::Reader],
            credential_expires: None,
        });
        extensions
    }

    #[test]
    fn the_own_name_is_permitted() {
        let name = permit::<DatasetName>(&ada(), "name", "tenants/main/datasets/d").unwrap();
        assert_eq!(name.dataset.as_str(), "d");
        assert_eq!(name.caller().subject.to_string(), "users/ada");
    }

    #[test]
    fn a_bad_form_names_the_field_and_another_tenant_is_denied() {
        let status = permit::<DatasetName>(&ada(), "dataset.name", "nonsense").unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("dataset.name"), "{status:?}");
        let status = permit::<DatasetName>(&ada(), "name", "tenants/other/datasets/d").unwrap_err();
        assert_eq!((status.code(), reason(&status).as_deref()), (Code::PermissionDenied, Some("TENANT_FORBIDDEN")));
        let status = permit::<DatasetName>(&Extensions::new(), "name", "tenants/main/datasets/d").unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
    }
}
