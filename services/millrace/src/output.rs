//! Results on stdout: a table for people, or the reply message as JSON.

mod named;
mod text;

use std::io::Write;
use std::sync::LazyLock;

use comfy_table::Table;
pub use named::Named;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;
pub use text::{bytes, duration, lower, roles, short, since, time, work};

use crate::failure::Failure;

/// The form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables and sentences, for people.
    Table,
    /// The reply message in the Protobuf JSON mapping.
    Json,
}

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(proto::DESCRIPTORS).expect("the build wrote the descriptors itself"));

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
}

impl Output {
    /// Prints in this form.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether replies are printed as JSON.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Prints a reply: as one JSON document, or as `human` puts it.
    pub fn reply<M: Named>(self, reply: &M, human: impl FnOnce(&M) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => line(&pretty(&json(reply)?)),
            Format::Table => line(&printable(&human(reply))),
        }
    }

    /// Prints one message of a stream: as one line of JSON, or as `human` puts it.
    pub fn item<M: Named>(self, item: &M, human: impl FnOnce(&M) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => line(&json(item)?.to_string()),
            Format::Table => line(&printable(&human(item))),
        }
    }

    /// Prints a JSON document that was put together from several messages, or what `human` gives.
    pub fn document(self, document: &Value, human: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => line(&pretty(document)),
            Format::Table => line(&printable(&human())),
        }
    }
}

/// Says something to the person at the terminal, apart from results.
pub fn note(text: &str) {
    eprintln!("{}", printable(text));
}

/// Text whose control characters are written out, but for line ends: a file's name must not drive a terminal.
pub fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() && c != '\n' { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// Text that stays on one line of a table, whatever it holds.
fn cell(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end())?;
    Ok(stdout.flush()?)
}

fn pretty(document: &Value) -> String {
    serde_json::to_string_pretty(document).expect("a JSON value always prints")
}

/// A message in the Protobuf JSON mapping. Lists at the top are there even when they are empty, so that scripts need
/// not ask.
pub fn json<M: Named>(message: &M) -> Result<Value, Failure> {
    let broken = |error: &dyn std::error::Error| Failure::other(format!("cannot print {}: {error}", M::NAME));
    let descriptor =
        POOL.get_message_by_name(M::NAME).ok_or_else(|| Failure::other(format!("no such message: {}", M::NAME)))?;
    let dynamic = DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice())
        .map_err(|error| broken(&error))?;
    let mut document = dynamic
        .serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())
        .map_err(|error| broken(&error))?;
    if let Value::Object(object) = &mut document {
        for field in descriptor.fields().filter(|field| field.is_list()) {
            object.entry(field.json_name()).or_insert_with(|| Value::Array(Vec::new()));
        }
    }
    Ok(document)
}

/// A table without lines, as wide as it needs to be.
pub fn table<R: IntoIterator<Item = String>>(head: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(head.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row.into_iter().map(|text| cell(&text)));
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Names and values below each other; what is empty is left out.
pub fn fields(pairs: &[(&str, String)]) -> String {
    let shown = pairs.iter().filter(|(_, value)| !value.is_empty());
    let width = shown.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    shown.map(|(name, value)| format!("{name:width$}  {}", cell(value))).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proto::catalog::v1 as catalog;

    use super::*;

    #[test]
    fn a_reply_prints_in_the_protobuf_json_mapping() {
        let dataset = catalog::Dataset {
            name: "tenants/main/datasets/d1".into(),
            state: catalog::DatasetState::Indexed.into(),
            revision: 7,
            ..Default::default()
        };
        let reply = catalog::ListDatasetsResponse { datasets: vec![dataset], next_page_token: String::new() };
        let document = json(&reply).unwrap();
        assert_eq!(document["datasets"][0]["state"], "DATASET_STATE_INDEXED");
        assert_eq!(document["datasets"][0]["revision"], "7");
        assert!(document.get("nextPageToken").is_none());
    }

    #[test]
    fn an_empty_list_is_there() {
        let document = json(&catalog::ListDatasetsResponse::default()).unwrap();
        assert_eq!(document, serde_json::json!({ "datasets": [] }));
    }

    #[test]
    fn a_name_can_neither_break_a_line_nor_drive_the_terminal() {
        let hostile = "a\n\u{1b}]0;x\u{7}b".to_owned();
        let escaped = "a\\n\\u{1b}]0;x\\u{7}b";
        assert_eq!(table(&["name"], [vec![hostile.clone()]]), format!("NAME\n{escaped}"));
        assert_eq!(fields(&[("name", hostile.clone())]), format!("name  {escaped}"));
        assert_eq!(printable(&hostile), "a\n\\u{1b}]0;x\\u{7}b");
    }

    #[test]
    fn a_table_has_no_trailing_blanks() {
        let text = table(&["name", "rows"], [vec!["a".to_owned(), "1".to_owned()]]);
        assert_eq!(text, "NAME  ROWS\na     1");
        assert_eq!(fields(&[("name", "a".into()), ("none", String::new()), ("x", "1".into())]), "name  a\nx     1");
    }
}
