//! Fields as people read them in a line of the log.

use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{FormatFields, Writer};

/// Writes fields as `name=value`, without those that only traces need.
///
/// A value may hold the name of a file in somebody's folder, so control characters are escaped: none can begin a line of
/// its own, or drive the terminal that shows the log.
pub(super) struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, begun: false, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'writer> {
    writer: Writer<'writer>,
    begun: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn write(&mut self, field: &str, value: &str) -> fmt::Result {
        if std::mem::replace(&mut self.begun, true) {
            self.writer.write_char(' ')?;
        }
        if field != "message" {
            write!(self.writer, "{field}=")?;
        }
        value.chars().try_for_each(|c| match c.is_control() {
            true => write!(self.writer, "{}", c.escape_default()),
            false => self.writer.write_char(c),
        })
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.result.is_ok() && !is_for_traces(field.name()) {
            self.result = self.write(field.name(), &format!("{value:?}"));
        }
    }
}

/// What follows the conventions of OpenTelemetry says nothing that the rest of the line does not say.
fn is_for_traces(field: &str) -> bool {
    field.starts_with("otel.") || field.starts_with("log.") || field == "rpc.system"
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Log {
        type Writer = Log;
        fn make_writer(&self) -> Log {
            self.clone()
        }
    }

    fn logged(work: impl FnOnce()) -> String {
        let log = Log::default();
        let lines = tracing_subscriber::fmt().fmt_fields(TextFields).with_ansi(false).without_time();
        tracing::subscriber::with_default(lines.with_writer(log.clone()).finish(), work);
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn no_name_of_a_file_makes_a_line_of_its_own() {
        let name = "x\n2026-01-01 ERROR all is lost\x1b[2J.csv";
        let line = logged(|| tracing::warn!(path = name, error = %format!("cannot read {name}"), "a file failed"));
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(
            line.contains("a file failed path=\"x\\n2026") && line.contains("error=cannot read x\\n2026"),
            "{line}"
        );
        assert!(!line.contains('\u{1b}'), "{line}");
    }

    #[test]
    fn what_only_traces_need_is_left_out() {
        let span = || tracing::info_span!("rpc", otel.name = "a/B", rpc.system = "grpc", rpc.method = "B");
        let line = logged(|| span().in_scope(|| tracing::info!(rows = 3, "done")));
        assert!(line.contains("rpc{rpc.method=\"B\"}") && line.contains("done rows=3"), "{line}");
        assert!(!line.contains("otel") && !line.contains("rpc.system"), "{line}");
    }
}
