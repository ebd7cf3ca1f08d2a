//! Puts the token on every call.

use std::sync::{Arc, PoisonError, RwLock};

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::failure::Failure;

/// Puts the token on every call. Clones share it, so that a fresh token serves streams opened again as well.
#[derive(Clone, Default)]
pub struct Bearer(Arc<RwLock<Option<MetadataValue<Ascii>>>>);

impl Bearer {
    /// Uses this token from now on; none when it is empty.
    pub(super) fn set(&self, token: &str) -> Result<(), Failure> {
        let bad = |_| Failure::usage("the token holds characters that no token has; is it the right file?");
        let value = match token {
            "" => None,
            token => {
                let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().map_err(bad)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
        Ok(())
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = self.0.read().unwrap_or_else(PoisonError::into_inner).clone() {
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}
