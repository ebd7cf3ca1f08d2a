//! All bad fields of a request, in one error.

use std::fmt::Display;
use std::str::FromStr;

use tonic::Status;
use types::{ErrorKind, Fault, FieldViolation};

/// Collects every bad field of a request.
#[derive(Debug, Default)]
pub struct Violations {
    found: Vec<FieldViolation>,
}

impl Violations {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `field` is bad.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.found.push(FieldViolation::new(field, description));
    }

    /// Notes that `field` is bad unless `holds`; gives `holds` back.
    pub fn check(&mut self, holds: bool, field: impl Into<String>, description: impl Into<String>) -> bool {
        if !holds {
            self.add(field, description);
        }
        holds
    }

    /// Reads `text` as a `T`, or notes why it is none.
    pub fn parse<T: FromStr<Err: Display>>(&mut self, field: impl Into<String>, text: &str) -> Option<T> {
        self.take(field, text.parse())
    }

    /// Reads `text` as a `T` unless it is empty; notes why it is none.
    pub fn parse_optional<T: FromStr<Err: Display>>(&mut self, field: impl Into<String>, text: &str) -> Option<T> {
        if text.is_empty() { None } else { self.parse(field, text) }
    }

    /// Takes the value of a conversion, or notes why it failed.
    pub fn take<T, E: Display>(&mut self, field: impl Into<String>, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(field, error.to_string());
                None
            }
        }
    }

    /// Takes a field that must be given, or notes that it was not.
    pub fn required<T>(&mut self, field: impl Into<String>, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(field, "must be given");
        }
        value
    }

    /// Whether none was noted.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Fails when any was noted.
    pub fn finish(self) -> Result<(), BadRequest> {
        if self.found.is_empty() { Ok(()) } else { Err(BadRequest { violations: self.found }) }
    }
}

/// A request with bad fields: `INVALID_ARGUMENT`, reason `BAD_REQUEST`, naming every one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request has bad fields: {}", list(violations))]
pub struct BadRequest {
    violations: Vec<FieldViolation>,
}

impl BadRequest {
    /// A request with one bad field.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { violations: vec![FieldViolation::new(field, description)] }
    }
}

fn list(violations: &[FieldViolation]) -> String {
    let each: Vec<_> = violations.iter().map(|v| format!("`{}`: {}", v.field, v.description)).collect();
    each.join("; ")
}

impl Fault for BadRequest {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn reason(&self) -> &'static str {
        "BAD_REQUEST"
    }

    fn violations(&self) -> Vec<FieldViolation> {
        self.violations.clone()
    }
}

impl From<BadRequest> for Status {
    fn from(bad: BadRequest) -> Self {
        crate::to_status(&bad)
    }
}

impl From<crate::Error> for Status {
    fn from(error: crate::Error) -> Self {
        crate::to_status(&error)
    }
}
