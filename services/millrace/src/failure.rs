//! How a command fails: one line that says why and what to do, and an exit code.

use std::process::ExitCode;

use tonic::{Code, Status};
use tonic_types::StatusExt;
use types::{ErrorKind, Fault};

/// The exit codes, as `--help` shows them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed for a reason that has no code of its own
  2  wrong usage, wrong settings, or a request that the mesh refuses as invalid
  3  not found
  4  not signed in, or not allowed
  5  the mesh cannot be reached, is not ready, or did not answer in time
  6  the present state forbids it: exists already, changed meanwhile, a rule stands against it
  7  a limit was hit
  8  the work that was waited for failed or was cancelled
  130  interrupted";

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// A failure without a code of its own.
    pub fn other(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// Wrong usage or settings.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// There is no credential to act with.
    pub fn not_signed_in(message: impl Into<String>) -> Self {
        Self { code: 4, message: message.into() }
    }

    /// The mesh cannot be reached.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self { code: 5, message: message.into() }
    }

    /// The work that was waited for did not succeed.
    pub fn work(message: impl Into<String>) -> Self {
        Self { code: 8, message: message.into() }
    }

    /// The person at the terminal ended it.
    pub fn interrupted() -> Self {
        Self { code: 130, message: String::new() }
    }

    /// What it says.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What went wrong here, without a mesh: told by its kind and its reason.
    pub fn of(error: &impl Fault) -> Self {
        Self { code: exit_code_of(error.kind()), message: format!("{} ({})", crate::mesh::line(error), error.reason()) }
    }

    /// Prints the line, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("error: {}", crate::output::printable(&self.message));
        }
        ExitCode::from(self.code)
    }

    /// The reader of stdout is gone: not worth a word, as with other programs in a pipe.
    fn broken_pipe() -> Self {
        Self { code: 0, message: String::new() }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::broken_pipe();
        }
        Self::other(error.to_string())
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { code: exit_code(status.code()), message: line(&status) }
    }
}

fn exit_code(code: Code) -> u8 {
    match code {
        Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => 2,
        Code::NotFound => 3,
        Code::Unauthenticated | Code::PermissionDenied => 4,
        Code::Unavailable | Code::DeadlineExceeded => 5,
        Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => 6,
        Code::ResourceExhausted => 7,
        Code::Ok | Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => 1,
    }
}

fn exit_code_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Invalid | ErrorKind::Unsupported => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Unauthenticated | ErrorKind::Forbidden => 4,
        ErrorKind::Unavailable | ErrorKind::Timeout => 5,
        ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::Precondition => 6,
        ErrorKind::Exhausted => 7,
        ErrorKind::Internal => 1,
        ErrorKind::Cancelled => 130,
    }
}

/// The reason, the sentence, every bad field, and what to do: on one line.
pub fn line(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info();
    let mut text = match info {
        Some(info) => format!("{} ({})", status.message(), info.reason),
        None => status.message().to_owned(),
    };
    if let Some(request) = details.bad_request() {
        // Most messages name the fields themselves.
        let unsaid = request.field_violations.iter().filter(|bad| !status.message().contains(&bad.description));
        let fields: Vec<_> = unsaid.map(|bad| format!("{}: {}", bad.field, bad.description)).collect();
        if !fields.is_empty() {
            text = format!("{text}: {}", fields.join("; "));
        }
    }
    let setting = info.and_then(|info| info.metadata.get("setting"));
    // A message that names the setting, or a refused login, has said already what to do.
    let said = setting.is_some_and(|setting| setting != "folder_roots" && text.contains(setting.as_str()))
        || info.is_some_and(|info| info.reason == "LOGIN_FAILED");
    if let Some(todo) = todo(status.code(), setting.map(String::as_str)).filter(|_| !said) {
        text = format!("{text}; {todo}");
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        text = format!("{text}; try again in {:.1} s", delay.as_secs_f64());
    }
    if let (Code::Internal | Code::Unknown, Some(trace)) =
        (status.code(), info.and_then(|i| i.metadata.get("trace_id")))
    {
        text = format!("{text}; look for trace {trace} in the log");
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn todo(code: Code, setting: Option<&str>) -> Option<String> {
    Some(match (code, setting) {
        (Code::FailedPrecondition, Some("folder_roots" | "fetch.folder_roots")) => {
            "start the mesh with `--folder-root DIR` for a folder above it".to_owned()
        }
        (Code::FailedPrecondition, Some(setting)) => format!("the setting `{setting}` decides this"),
        (Code::Unauthenticated, _) => "sign in with `millrace login`, or name a token with `--token-file`".to_owned(),
        (Code::PermissionDenied, _) => "ask an administrator for the role, or act in your own tenant".to_owned(),
        (Code::Unavailable, _) => "is the mesh running? `millrace up` starts it".to_owned(),
        (Code::DeadlineExceeded, _) => "try again".to_owned(),
        (Code::Aborted, _) => "somebody else changed it; look again and retry".to_owned(),
        (Code::Unimplemented, _) => "client and mesh are of different versions".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    #[test]
    fn a_failure_is_one_line_with_reason_and_every_bad_field() {
        let mut details = ErrorDetails::new();
        details.set_error_info("BAD_REQUEST", "millrace.discovery", HashMap::new());
        details.add_bad_request_violation("source.title", "too long");
        details.add_bad_request_violation("parent", "not\na name");
        #[allow(clippy::disallowed_methods)] // Plays the server.
        let status = Status::with_error_details(Code::InvalidArgument, "2 fields are wrong", details);
        let failure = Failure::from(status);
        assert_eq!(failure.code, 2);
        assert_eq!(failure.message, "2 fields are wrong (BAD_REQUEST): source.title: too long; parent: not a name");
    }

    #[test]
    fn what_can_be_done_is_said() {
        #[allow(clippy::disallowed_methods)] // Plays the server.
        let failure = Failure::from(Status::new(Code::Unauthenticated, "the token has expired"));
        assert_eq!(failure.code, 4);
        assert!(failure.message.contains("millrace login"), "{}", failure.message);
    }
}
