//! The export of traces, and what they say of the process that they come from.

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::TelemetryError;

/// The namespace of every service of a mesh.
const NAMESPACE: &str = "millrace";

/// A process, as its traces name it by the semantic conventions of OpenTelemetry
/// (<https://opentelemetry.io/docs/specs/semconv/resource/#service>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    roles: Vec<&'static str>,
    version: &'static str,
    instance: String,
}

impl Process {
    /// The process of these roles, of this version of the binary. `instance` tells it from every other, an earlier one of
    /// the same roles included.
    pub fn new(
        roles: impl IntoIterator<Item = &'static str>,
        version: &'static str,
        instance: impl Into<String>,
    ) -> Self {
        Self { roles: roles.into_iter().collect(), version, instance: instance.into() }
    }

    /// The role, or `millrace` where there are several or none; then spans say which role they are of.
    pub fn service(&self) -> &'static str {
        match self.roles[..] {
            [role] => role,
            _ => NAMESPACE,
        }
    }

    fn resource(&self) -> Resource {
        let roles: Vec<_> = self.roles.iter().map(|role| StringValue::from(*role)).collect();
        Resource::builder()
            .with_service_name(self.service())
            .with_attributes([
                KeyValue::new("service.namespace", NAMESPACE),
                KeyValue::new("service.instance.id", self.instance.clone()),
                KeyValue::new("service.version", self.version),
                KeyValue::new("millrace.roles", Value::Array(Array::String(roles))),
            ])
            .build()
    }
}

pub(super) fn provider(endpoint: Option<&str>, process: &Process) -> Result<SdkTracerProvider, TelemetryError> {
    let mut builder = SdkTracerProvider::builder().with_resource(process.resource());
    if let Some(endpoint) = endpoint {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
        let failed = |error| TelemetryError::Exporter(endpoint.to_owned(), Box::new(error));
        builder = builder.with_batch_exporter(exporter.map_err(failed)?);
    }
    let provider = builder.build();
    opentelemetry::global::set_tracer_provider(provider.clone());
    Ok(provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_named_for_its_role_or_for_the_mesh() {
        assert_eq!(Process::new(["catalog"], "1", "i").service(), "catalog");
        let two = Process::new(["catalog", "discovery"], "1", "i");
        assert_eq!(two.service(), "millrace");
        let text = |key: &'static str| two.resource().get(&key.into()).map(|value| value.to_string());
        assert_eq!(text("service.name").as_deref(), Some("millrace"));
        assert_eq!(text("service.namespace").as_deref(), Some("millrace"));
        assert_eq!(text("service.instance.id").as_deref(), Some("i"));
        assert_eq!(text("service.version").as_deref(), Some("1"));
        assert_eq!(text("millrace.roles").as_deref(), Some(r#"["catalog","discovery"]"#));
    }
}
