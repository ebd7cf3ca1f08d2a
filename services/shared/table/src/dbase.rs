//! Rows of dBASE tables.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use crate::bytes::{Bytes, Input};
use crate::error::Error;
use crate::workbook::number;

const DESCRIPTOR: usize = 32;
const DELETED: u8 = b'*';
const END: u8 = 0x1a;

/// Tells whether bytes begin a dBASE table: its kind, a date, lengths that agree, and a field of a known type.
pub(crate) fn is_table(head: &[u8]) -> bool {
    let Some(header) = Header::of(head) else { return false };
    let known_kind =
        matches!(head[0], 0x02 | 0x03 | 0x30 | 0x31 | 0x32 | 0x43 | 0x63 | 0x83 | 0x8b | 0x8c | 0xcb | 0xf5);
    let date = (0..=12).contains(&head[2]) && (0..=31).contains(&head[3]);
    known_kind && date && header.length >= 33 && header.record >= 2 && head.get(43).is_some_and(|kind| is_kind(*kind))
}

fn is_kind(kind: u8) -> bool {
    b"CNFLDIBTYMGPO@+WVQ0".contains(&kind)
}

#[derive(Debug, Clone, Copy)]
struct Header {
    rows: u32,
    length: usize,
    record: usize,
}

impl Header {
    fn of(head: &[u8]) -> Option<Self> {
        let rows = u32::from_le_bytes(head.get(4..8)?.try_into().ok()?);
        let pair = |place: usize| Some(usize::from(u16::from_le_bytes(head.get(place..place + 2)?.try_into().ok()?)));
        Some(Self { rows, length: pair(8)?, record: pair(10)? })
    }
}

#[derive(Debug)]
struct Field {
    name: String,
    kind: u8,
    length: usize,
}

/// A table, read row by row.
pub(crate) struct Table {
    bytes: Bytes,
    fields: Vec<Field>,
    record: Vec<u8>,
    encoding: Option<&'static Encoding>,
    rows: u32,
    given: u32,
    /// How many rows are marked as deleted.
    pub(crate) deleted: u64,
}

impl Table {
    /// Reads the header. `label` names the encoding where a file beside the table does.
    pub(crate) fn open(input: &Input, label: Option<&str>) -> Result<Self, Error> {
        let mut bytes = input.bytes()?;
        let mut head = vec![0; DESCRIPTOR];
        let count = bytes.read_full(&mut head)?;
        head.truncate(count);
        let header = Header::of(&head).filter(|header| header.length > DESCRIPTOR && head.len() == DESCRIPTOR);
        let header = header.ok_or_else(|| malformed("its header is cut short"))?;
        let mut rest = vec![0; header.length - DESCRIPTOR];
        if bytes.read_full(&mut rest)? < rest.len() {
            return Err(malformed("its header is cut short"));
        }
        let encoding = label.and_then(encoding_of_label).or_else(|| encoding_of_driver(head[29]));
        let fields = fields(&rest, encoding)?;
        if fields.len() > input.limits.max_columns {
            return Err(Error::TooManyColumns { limit: input.limits.max_columns });
        }
        let total: usize = fields.iter().map(|field| field.length).sum();
        if total + 1 > header.record {
            return Err(malformed("its fields are longer than its records"));
        }
        let record = vec![0; header.record];
        Ok(Self { bytes, fields, record, encoding, rows: header.rows, given: 0, deleted: 0 })
    }

    /// The names of the columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// The names of the columns whose values lie in another file, or are of a kind that is not read.
    pub(crate) fn unread(&self) -> Vec<String> {
        self.fields.iter().filter(|field| !is_read(field)).map(|field| field.name.clone()).collect()
    }

    /// Reads the next record; tells whether it is a row (and not one that was deleted), nothing after the last one.
    pub(crate) fn advance(&mut self) -> Result<Option<bool>, Error> {
        if self.given == self.rows {
            return Ok(None);
        }
        let count = self.bytes.read_full(&mut self.record)?;
        if count < self.record.len() || self.record[0] == END {
            return Err(malformed(&format!("it ends after {} of {} rows", self.given, self.rows)));
        }
        self.given += 1;
        let is_row = self.record[0] != DELETED;
        self.deleted += u64::from(!is_row);
        Ok(Some(is_row))
    }

    /// The cells of the record that was read last.
    pub(crate) fn cells(&self) -> Vec<Option<String>> {
        let mut at = 1;
        let cell = |field: &Field| {
            let bytes = &self.record[at..at + field.length];
            at += field.length;
            self.cell(field, bytes)
        };
        self.fields.iter().map(cell).collect()
    }

    fn cell(&self, field: &Field, bytes: &[u8]) -> Option<String> {
        if !is_read(field) {
            return None;
        }
        match field.kind {
            b'I' => Some(i32::from_le_bytes(bytes.try_into().ok()?).to_string()),
            b'B' => Some(number(f64::from_le_bytes(bytes.try_into().ok()?))),
            b'Y' => Some(money(i64::from_le_bytes(bytes.try_into().ok()?))),
            b'T' => instant(bytes),
            kind => {
                let text = decode(bytes, self.encoding);
                let text = text.trim_matches(|character: char| character.is_whitespace() || character == '\0');
                match kind {
                    _ if text.is_empty() => None,
                    b'L' if matches!(text, "T" | "t" | "Y" | "y") => Some("true".to_owned()),
                    b'L' if matches!(text, "F" | "f" | "N" | "n") => Some("false".to_owned()),
                    b'L' => None,
                    // A number that does not fit its field is written as stars.
                    b'N' | b'F' if text.bytes().all(|byte| byte == b'*') => None,
                    b'D' => day(text),
                    _ => Some(text.to_owned()),
                }
            }
        }
    }
}

fn is_read(field: &Field) -> bool {
    match field.kind {
        b'C' | b'N' | b'F' | b'L' | b'D' => true,
        b'I' => field.length == 4,
        b'B' | b'Y' | b'T' => field.length == 8,
        _ => false,
    }
}

fn fields(rest: &[u8], encoding: Option<&'static Encoding>) -> Result<Vec<Field>, Error> {
    let mut fields = Vec::new();
    for descriptor in rest.chunks(DESCRIPTOR) {
        if descriptor[0] == b'\r' || descriptor[0] == 0 {
            break;
        }
        if descriptor.len() < DESCRIPTOR || !is_kind(descriptor[11]) {
            return Err(malformed("its header names a field of no known type"));
        }
        let (kind, low, high) = (descriptor[11], usize::from(descriptor[16]), usize::from(descriptor[17]));
        // The second byte counts decimals, but in fields of text it belongs to the length.
        let length = if kind == b'C' { low | high << 8 } else { low };
        let name = descriptor[..11].split(|byte| *byte == 0).next().unwrap_or_default();
        fields.push(Field { name: decode(name, encoding).trim().to_owned(), kind, length });
    }
    if fields.is_empty() { Err(malformed("it has no fields")) } else { Ok(fields) }
}

/// Text by the encoding that the table names; else as UTF-8 where it is that, and as Windows-1252 where not.
fn decode(bytes: &[u8], encoding: Option<&'static Encoding>) -> String {
    let fallback = || if std::str::from_utf8(bytes).is_ok() { UTF_8 } else { WINDOWS_1252 };
    encoding.unwrap_or_else(fallback).decode_without_bom_handling(bytes).0.into_owned()
}

/// The encoding that a `.cpg` file names: a label, or the number of a code page.
fn encoding_of_label(label: &str) -> Option<&'static Encoding> {
    let label = label.trim();
    let number = label.trim_start_matches(|character: char| !character.is_ascii_digit());
    Encoding::for_label(label.as_bytes()).or_else(|| Encoding::for_label(format!("windows-{number}").as_bytes()))
}

/// The encoding of a language driver's number.
fn encoding_of_driver(driver: u8) -> Option<&'static Encoding> {
    let label = match driver {
        0x03 | 0x57 | 0x58 | 0x59 => "windows-1252",
        0x13 | 0x7b => "shift_jis",
        0x26 | 0x65 | 0x66 => "ibm866",
        0x4d | 0x7a => "gbk",
        0x4e | 0x79 => "euc-kr",
        0x4f | 0x78 => "big5",
        0x50 | 0x7c => "windows-874",
        0x7d => "windows-1255",
        0x7e => "windows-1256",
        0xc8 => "windows-1250",
        0xc9 => "windows-1251",
        0xca => "windows-1254",
        0xcb => "windows-1253",
        0xcc => "windows-1257",
        _ => return None,
    };
    Encoding::for_label(label.as_bytes())
}

/// `20010328` as `2001-03-28`; as it stands where it is no date.
fn day(text: &str) -> Option<String> {
    let whole = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "00000000" => None,
        _ if whole => Some(format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..])),
        _ => Some(text.to_owned()),
    }
}

/// A sum of money in ten-thousandths.
fn money(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let amount = amount.unsigned_abs();
    format!("{sign}{}.{:04}", amount / 10_000, amount % 10_000)
}

/// A day of the Julian calendar's count and the milliseconds of that day.
///
/// Source: Fliegel and Van Flandern, A machine algorithm for processing calendar dates, 1968.
fn instant(bytes: &[u8]) -> Option<String> {
    let word = |place: usize| bytes.get(place..place + 4)?.try_into().ok().map(i32::from_le_bytes);
    let (day, millis) = (i64::from(word(0)?), i64::from(word(4)?));
    if day <= 0 {
        return None;
    }
    const DAY: i64 = 86_400_000;
    let (day, millis) = (day + millis.div_euclid(DAY), millis.rem_euclid(DAY));
    let l = day + 68_569;
    let n = 4 * l / 146_097;
    let l = l - (146_097 * n + 3) / 4;
    let i = 4_000 * (l + 1) / 1_461_001;
    let l = l - 1_461 * i / 4 + 31;
    let j = 80 * l / 2_447;
    let (day, l) = (l - 2_447 * j / 80, j / 11);
    let (month, year) = (j + 2 - 12 * l, 100 * (n - 49) + i + l);
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}"))
}

fn malformed(message: &str) -> Error {
    Error::Malformed { format: "dbf", message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_sums_of_money_keep_all_their_digits() {
        let at = |day: i32, millis: i32| instant(&[day.to_le_bytes(), millis.to_le_bytes()].concat());
        assert_eq!(at(2_451_545, 45_296_789).as_deref(), Some("2000-01-01T12:34:56.789"));
        assert_eq!(at(2_440_588, 0).as_deref(), Some("1970-01-01T00:00:00"));
        assert_eq!(at(2_460_370, 86_400_000).as_deref(), Some("2024-03-01T00:00:00"), "a day has no more");
        assert_eq!(at(0, 0), None);
        assert_eq!((money(-12_345_678).as_str(), money(500).as_str()), ("-1234.5678", "0.0500"));
        assert_eq!(money(i64::MIN), "-922337203685477.5808");
    }
}
