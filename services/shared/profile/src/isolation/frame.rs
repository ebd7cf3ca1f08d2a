//! What parent and child say to each other: messages, each behind its length.

use std::io::{self, Read, Write};

use prost::Message;
use proto::profiling::v1::{FileTable, StoredProfile};

/// The longest message. A profile of ten thousand columns takes a tenth of it.
const LONGEST: u32 = 1 << 30;

/// What to profile, and how.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Task {
    /// The absolute path, as bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) path: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) file_name: String,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) digest: Option<Vec<u8>>,
    #[prost(uint64, tag = "4")]
    pub(crate) memory_bytes: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) sample_rows: u64,
    #[prost(bool, tag = "6")]
    pub(crate) value_sketches: bool,
    #[prost(uint64, tag = "7")]
    pub(crate) threads: u64,
    /// Whether the profile itself is asked for.
    #[prost(bool, tag = "8")]
    pub(crate) wants_profile: bool,
    /// Whether what it takes to add rows is asked for.
    #[prost(bool, tag = "9")]
    pub(crate) wants_state: bool,
    /// Whether the tables of the file are asked for, and nothing else.
    #[prost(bool, tag = "12")]
    pub(crate) wants_tables: bool,
    #[prost(string, tag = "13")]
    pub(crate) table: String,
    #[prost(message, optional, tag = "10")]
    pub(crate) limits: Option<TableLimits>,
    #[prost(message, optional, tag = "11")]
    pub(crate) confines: Option<Confines>,
    /// Whether every table of the file is asked for, from this one on.
    #[prost(message, optional, tag = "14")]
    pub(crate) every: Option<EveryFrom>,
}

/// Which tables of a file are asked for.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct EveryFrom {
    /// The index of the first one.
    #[prost(uint64, tag = "1")]
    pub(crate) from: u64,
    /// The rows of those before.
    #[prost(uint64, tag = "2")]
    pub(crate) rows: u64,
    /// Up to how many tables of the file are profiled.
    #[prost(uint64, tag = "3")]
    pub(crate) tables: u64,
}

/// [`table::Limits`].
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TableLimits {
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) values: Vec<u64>,
}

/// What the child may take.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Confines {
    #[prost(uint64, tag = "1")]
    pub(crate) data_bytes: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) cpu_seconds: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) file_bytes: u64,
    /// Who started it.
    #[prost(int64, tag = "4")]
    pub(crate) parent: i64,
}

/// One answer: exactly one of its fields is there.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Reply {
    #[prost(message, optional, tag = "1")]
    pub(crate) progress: Option<Seen>,
    #[prost(message, optional, tag = "2")]
    pub(crate) done: Option<Done>,
    #[prost(message, optional, tag = "3")]
    pub(crate) failed: Option<Failed>,
    /// The tables of a file with several, before any of them is read.
    #[prost(message, optional, tag = "4")]
    pub(crate) listed: Option<Listed>,
    /// What came of the next one of them.
    #[prost(message, optional, tag = "5")]
    pub(crate) table: Option<OneTable>,
}

/// The tables of a file.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Listed {
    /// How many there are.
    #[prost(uint64, tag = "1")]
    pub(crate) count: u64,
    /// Those that are named.
    #[prost(message, repeated, tag = "2")]
    pub(crate) tables: Vec<FileTable>,
}

/// What came of a table: exactly one of its fields is there.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OneTable {
    #[prost(message, optional, tag = "1")]
    pub(crate) profile: Option<StoredProfile>,
    #[prost(message, optional, tag = "2")]
    pub(crate) failed: Option<Failed>,
}

/// [`crate::Progress`].
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Seen {
    #[prost(uint64, tag = "1")]
    pub(crate) read_bytes: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) size_bytes: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) rows: u64,
}

/// What was asked for.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Done {
    #[prost(message, optional, tag = "1")]
    pub(crate) profile: Option<StoredProfile>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) state: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) tables: Vec<FileTable>,
    #[prost(string, repeated, tag = "4")]
    pub(crate) left_out: Vec<String>,
}

/// A typed error.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Failed {
    #[prost(uint64, tag = "1")]
    pub(crate) kind: u64,
    #[prost(string, tag = "2")]
    pub(crate) reason: String,
    #[prost(string, tag = "3")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "4")]
    pub(crate) metadata: Vec<Pair>,
    #[prost(message, optional, tag = "5")]
    pub(crate) limit: Option<Pair>,
}

/// A name with its value.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Pair {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

/// Sends a message.
pub(crate) fn write(to: &mut impl Write, message: &impl Message) -> io::Result<()> {
    let length = u32::try_from(message.encoded_len()).ok().filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&message.encode_to_vec())?;
    to.flush()
}

/// Takes a message; nothing at the end. Fails with [`io::ErrorKind::UnexpectedEof`] where one is cut short.
pub(crate) fn read<M: Message + Default>(from: &mut impl Read) -> io::Result<Option<M>> {
    let mut length = Vec::with_capacity(4);
    from.take(4).read_to_end(&mut length)?;
    if length.is_empty() {
        return Ok(None);
    }
    let length = length.try_into().map(u32::from_le_bytes).map_err(|_| io::ErrorKind::UnexpectedEof)?;
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // A length that lies takes no memory before its bytes arrive.
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    M::decode(bytes.as_slice()).map(Some).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_then_comes_the_end() {
        let seen = Seen { read_bytes: 1, size_bytes: 2, rows: 3 };
        let mut bytes = Vec::new();
        write(&mut bytes, &seen).unwrap();
        let mut from = bytes.as_slice();
        assert_eq!(read::<Seen>(&mut from).unwrap(), Some(seen));
        assert_eq!(read::<Seen>(&mut from).unwrap(), None);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let refusal = |bytes: &[u8]| read::<Done>(&mut &*bytes).unwrap_err().kind();
        for cut in [&[1, 0][..], &[9, 0, 0, 0, 10, 1]] {
            assert_eq!(refusal(cut), io::ErrorKind::UnexpectedEof);
        }
        for garbled in [&[0xff; 4][..], &[0xff; 8], &[2, 0, 0, 0, 10, 9]] {
            assert_eq!(refusal(garbled), io::ErrorKind::InvalidData);
        }
    }
}
