//! A profile in the form that pprof reads.
//!
//! Source: `profile.proto` of github.com/google/pprof; the fields that are left out have no use here.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message;

/// A frame of a stack: a function, and before it those that were inlined into it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The innermost first.
    pub lines: Vec<Line>,
}

/// A place in a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Line {
    /// The function, for people.
    pub function: String,
    /// The function, as the linker has it.
    pub system_name: String,
    /// The file; empty when the binary does not tell.
    pub file: String,
    /// The line in it; 0 when the binary does not tell.
    pub line: u32,
}

/// A profile that is put together.
pub struct Profile {
    message: pb::Profile,
    strings: HashMap<String, i64>,
    functions: HashMap<(i64, i64), u64>,
    locations: HashMap<Frame, u64>,
    period: u64,
}

impl Profile {
    /// A profile that was begun at `start`, and took a sample each `period` nanoseconds of processor time.
    pub fn new(start: SystemTime, duration: Duration, period: u64) -> Self {
        let (strings, functions, locations) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut profile = Self { message: pb::Profile::default(), strings, functions, locations, period };
        // The first text is the empty one.
        profile.text("");
        let samples = profile.value_type("samples", "count");
        let cpu = profile.value_type("cpu", "nanoseconds");
        profile.message.sample_type = vec![samples, cpu];
        profile.message.period_type = Some(cpu);
        profile.message.period = number(period);
        let start = start.duration_since(UNIX_EPOCH).unwrap_or_default();
        profile.message.time_nanos = nanos(start);
        profile.message.duration_nanos = nanos(duration);
        profile
    }

    /// Adds a stack of a thread, the innermost frame first, that was met `count` times.
    pub fn add(&mut self, frames: impl IntoIterator<Item = Frame>, thread: &str, count: u64) {
        let location_id = frames.into_iter().map(|frame| self.location(frame)).collect();
        let label = pb::Label { key: self.text("thread"), str: self.text(thread) };
        let value = vec![number(count), number(count.saturating_mul(self.period))];
        self.message.sample.push(pb::Sample { location_id, value, label: vec![label] });
    }

    /// The profile as Protobuf.
    pub fn encode(self) -> Vec<u8> {
        self.message.encode_to_vec()
    }

    fn value_type(&mut self, r#type: &str, unit: &str) -> pb::ValueType {
        pb::ValueType { r#type: self.text(r#type), unit: self.text(unit) }
    }

    fn text(&mut self, text: &str) -> i64 {
        if let Some(index) = self.strings.get(text) {
            return *index;
        }
        let index = number(self.message.string_table.len() as u64);
        self.message.string_table.push(text.to_owned());
        self.strings.insert(text.to_owned(), index);
        index
    }

    fn location(&mut self, frame: Frame) -> u64 {
        if let Some(id) = self.locations.get(&frame) {
            return *id;
        }
        let line = frame.lines.iter().map(|line| self.line(line)).collect();
        let id = self.message.location.len() as u64 + 1;
        self.message.location.push(pb::Location { id, line });
        self.locations.insert(frame, id);
        id
    }

    fn line(&mut self, line: &Line) -> pb::Line {
        let (system_name, filename) = (self.text(&line.system_name), self.text(&line.file));
        let known = self.functions.get(&(system_name, filename)).copied();
        let function_id = known.unwrap_or_else(|| {
            let id = self.message.function.len() as u64 + 1;
            let name = self.text(&line.function);
            self.message.function.push(pb::Function { id, name, system_name, filename });
            self.functions.insert((system_name, filename), id);
            id
        });
        pb::Line { function_id, line: i64::from(line.line) }
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// The messages, with the numbers of `profile.proto`. Texts are indices into the table of texts.
pub mod pb {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub sample: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        pub location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        pub string_table: Vec<String>,
        #[prost(int64, tag = "9")]
        pub time_nanos: i64,
        #[prost(int64, tag = "10")]
        pub duration_nanos: i64,
        #[prost(message, optional, tag = "11")]
        pub period_type: Option<ValueType>,
        #[prost(int64, tag = "12")]
        pub period: i64,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct ValueType {
        #[prost(int64, tag = "1")]
        pub r#type: i64,
        #[prost(int64, tag = "2")]
        pub unit: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        pub location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub value: Vec<i64>,
        #[prost(message, repeated, tag = "3")]
        pub label: Vec<Label>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Label {
        #[prost(int64, tag = "1")]
        pub key: i64,
        #[prost(int64, tag = "2")]
        pub str: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Location {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(message, repeated, tag = "4")]
        pub line: Vec<Line>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Line {
        #[prost(uint64, tag = "1")]
        pub function_id: u64,
        #[prost(int64, tag = "2")]
        pub line: i64,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub struct Function {
        #[prost(uint64, tag = "1")]
        pub id: u64,
        #[prost(int64, tag = "2")]
        pub name: i64,
        #[prost(int64, tag = "3")]
        pub system_name: i64,
        #[prost(int64, tag = "4")]
        pub filename: i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_share_their_functions_and_texts() {
        let line = |function: &str, line| {
            let system_name = format!("_{function}");
            Line { function: function.to_owned(), system_name, file: "a.rs".to_owned(), line }
        };
        let frame = |lines: &[Line]| Frame { lines: lines.to_vec() };
        let mut profile = Profile::new(UNIX_EPOCH + Duration::from_secs(1), Duration::from_secs(2), 10);
        profile.add([frame(&[line("inlined", 7), line("work", 9)]), frame(&[line("main", 1)])], "one", 3);
        profile.add([frame(&[line("work", 8)]), frame(&[line("main", 1)])], "two", 1);
        let read = pb::Profile::decode(profile.encode().as_slice()).unwrap();
        assert_eq!((read.time_nanos, read.duration_nanos, read.period), (1_000_000_000, 2_000_000_000, 10));
        assert_eq!((read.function.len(), read.location.len()), (3, 3));
        let values: Vec<_> = read.sample.iter().map(|sample| sample.value.clone()).collect();
        assert_eq!(values, [[3, 30], [1, 10]]);
        let stacks: Vec<_> = read.sample.iter().map(|sample| sample.location_id.clone()).collect();
        assert_eq!(stacks, [[1, 2], [3, 2]]);
        let mut texts = read.string_table.clone();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), read.string_table.len(), "each text once");
    }
}
