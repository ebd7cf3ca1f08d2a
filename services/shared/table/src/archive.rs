//! Members of archives.

use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};

use zip::CompressionMethod;

use crate::bytes::{Bytes, Input};
use crate::error::Error;
use crate::layer::{Compression, Layer};

/// How many bytes of a member are looked at.
pub(crate) const HEAD: usize = 64 << 10;
const RECORD: usize = 512;
/// The longest extended header of tar that is read.
const EXTENDED: u64 = 1 << 20;

/// A file in an archive.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) size: u64,
    /// Nothing where it cannot be read: encrypted, or of a method that nobody uses for data.
    pub(crate) input: Option<Input>,
    /// How it begins, where that was read on the way.
    pub(crate) head: Option<Vec<u8>>,
}

/// Lists a zip archive by the directory at its end.
pub(crate) fn zip_members(input: &Input) -> Result<Vec<Member>, Error> {
    let corrupt = || Error::CorruptCompression { compression: "zip", offset: 0 };
    let spooled = input.spooled()?;
    let read = AssertUnwindSafe(|| zip_directory(&spooled));
    catch_unwind(read).map_err(|_| corrupt())?
}

fn zip_directory(input: &Input) -> Result<Vec<Member>, Error> {
    let damaged = |_| Error::CorruptCompression { compression: "zip", offset: 0 };
    let mut archive = zip::ZipArchive::new(BufReader::new(input.in_any_order()?)).map_err(damaged)?;
    check_count(archive.len(), input)?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(damaged)?;
        if file.is_dir() || file.is_symlink() {
            continue;
        }
        let name = String::from_utf8_lossy(file.name_raw()).into_owned();
        let method = match file.compression() {
            CompressionMethod::Stored => Some(None),
            CompressionMethod::Deflated => Some(Some(Layer::Deflated)),
            method if method == CompressionMethod::BZIP2 => Some(Some(Layer::Compressed(Compression::Bzip2))),
            method if method == CompressionMethod::ZSTD => Some(Some(Layer::Compressed(Compression::Zstd))),
            method if method == CompressionMethod::XZ => Some(Some(Layer::Compressed(Compression::Xz))),
            _ => None,
        };
        let (size, crc) = (file.size(), file.crc32());
        let place = file.data_start().filter(|_| !file.encrypted()).zip(method);
        let length = file.compressed_size();
        let input = match place {
            None => None,
            Some((start, method)) => {
                let mut member = input.clone().within(Layer::Name("zip"))?.within(Layer::Slice { start, length })?;
                if let Some(layer) = method {
                    member = member.within(layer)?;
                }
                Some(member.within(Layer::Checked { size, crc })?)
            }
        };
        members.push(Member { name, size, input, head: None });
    }
    Ok(members)
}

fn check_count(count: usize, input: &Input) -> Result<(), Error> {
    let limit = input.limits.max_members;
    if count > limit { Err(Error::TooManyMembers { limit }) } else { Ok(()) }
}

/// Tells whether bytes begin a tar archive.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.first_chunk::<RECORD>().is_some_and(|record| &record[257..262] == b"ustar" && checksum_fits(record))
}

/// Lists a tar archive, from its first record to its last.
pub(crate) fn tar_members(input: &Input) -> Result<Vec<Member>, Error> {
    let corrupt = |offset| Error::CorruptCompression { compression: "tar", offset };
    let mut bytes = input.bytes()?;
    let (mut members, mut at) = (Vec::new(), 0u64);
    let (mut long_name, mut long_size) = (None, None);
    loop {
        let mut record = [0; RECORD];
        let count = bytes.read_full(&mut record)?;
        if count == 0 || record.iter().all(|byte| *byte == 0) {
            return Ok(members);
        }
        if count < RECORD {
            return Err(Error::TruncatedCompression { compression: "tar", offset: at + count as u64 });
        }
        if !checksum_fits(&record) {
            return Err(corrupt(at));
        }
        let size = number(&record[124..136]).ok_or_else(|| corrupt(at))?;
        at += RECORD as u64;
        match record[156] {
            b'L' | b'x' => {
                let text = extended(&mut bytes, size).map_err(|error| error.unwrap_or_else(|| corrupt(at)))?;
                if record[156] == b'L' {
                    long_name = Some(text_until_nul(&text));
                } else {
                    (long_name, long_size) = (pax(&text, "path").or(long_name), pax(&text, "size"));
                }
            }
            kind => {
                let name = long_name.take().unwrap_or_else(|| header_name(&record));
                let length = long_size.take().map_or(Some(size), |size: String| size.parse().ok());
                let length = length.ok_or_else(|| corrupt(at))?;
                let mut head = vec![0; HEAD.min(usize::try_from(length).unwrap_or(HEAD))];
                let count = bytes.read_full(&mut head)?;
                head.truncate(count);
                let start = at;
                at = skip(&mut bytes, at, length, count as u64)?;
                if matches!(kind, b'0' | 0 | b'7') {
                    let member = input.clone().within(Layer::Name("tar"))?.within(Layer::Slice { start, length })?;
                    members.push(Member { name, size: length, input: Some(member), head: Some(head) });
                    check_count(members.len(), input)?;
                }
                continue;
            }
        }
        at += size;
        let padding = size.next_multiple_of(RECORD as u64) - size;
        bytes.skip(padding)?;
        at += padding;
    }
}

/// Goes past what belongs to a record, of which `read` bytes were read; gives the place behind.
fn skip(bytes: &mut Bytes, at: u64, length: u64, read: u64) -> Result<u64, Error> {
    let padded = length.checked_next_multiple_of(RECORD as u64);
    let end = padded.and_then(|padded| at.checked_add(padded));
    let end = end.ok_or(Error::CorruptCompression { compression: "tar", offset: at })?;
    let reached = at + read + bytes.skip(end - at - read)?;
    if reached < at + length {
        return Err(Error::TruncatedCompression { compression: "tar", offset: reached });
    }
    Ok(end)
}

fn extended(bytes: &mut Bytes, size: u64) -> Result<Vec<u8>, Option<Error>> {
    if size > EXTENDED {
        return Err(None);
    }
    let mut text = vec![0; size as usize];
    let count = bytes.read_full(&mut text).map_err(Some)?;
    text.truncate(count);
    Ok(text)
}

/// The sum of a record's bytes, where those of the sum itself count as spaces.
fn checksum_fits(record: &[u8; RECORD]) -> bool {
    let sum: u64 = record.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = record[148..156].iter().map(|byte| u64::from(*byte)).sum();
    number(&record[148..156]) == Some(sum - own + 8 * u64::from(b' '))
}

/// A number in octal, or in binary where its first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let high = field[..field.len() - 8].iter().skip(1).all(|byte| *byte == 0);
        let low = field.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        return low.filter(|_| high && field[0] == 0x80);
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches(|character| matches!(character, ' ' | '\0'));
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn text_until_nul(text: &[u8]) -> String {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    String::from_utf8_lossy(&text[..end]).into_owned()
}

fn header_name(record: &[u8; RECORD]) -> String {
    let (name, prefix) = (text_until_nul(&record[..100]), text_until_nul(&record[345..500]));
    if prefix.is_empty() || &record[257..263] != b"ustar\0" { name } else { format!("{prefix}/{name}") }
}

/// The value of a keyword in an extended header: lines of `length keyword=value`.
fn pax(text: &[u8], keyword: &str) -> Option<String> {
    let mut rest = text;
    let mut found = None;
    while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
        let line = rest.get(space + 1..length.checked_sub(1)?)?;
        let value = line.strip_prefix(keyword.as_bytes()).and_then(|line| line.strip_prefix(b"="));
        found = value.map(|value| String::from_utf8_lossy(value).into_owned()).or(found);
        rest = &rest[length..];
    }
    found
}
