//! Files that harm the parsers of their formats, byte by byte.

/// The root of a Parquet schema, with as many children as its last byte but one says.
const ROOT: &[u8] = &[0x48, 1, b'm', 0x15];

/// A Parquet file of a few dozen bytes that claims two thousand million row groups: its reader allocates room for all of
/// them before it reads one.
pub fn parquet_of_lying_length() -> Vec<u8> {
    let schema = [&[0x19, 0x1c], ROOT, &[0, 0]].concat();
    // No rows; then the list of row groups with its length, and nothing in it.
    let groups = [0x16, 0, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07];
    parquet(&[&VERSION, schema.as_slice(), &groups, &[0]].concat())
}

/// A Parquet file whose groups are nested so deeply that its reader, which calls itself for each, overflows the stack.
pub fn parquet_of_deep_nesting(depth: u32) -> Vec<u8> {
    let group = [0x35, 0, 0x18, 1, b'a', 0x15, 2, 0];
    let leaf = [0x15, 2, 0x25, 0, 0x18, 1, b'a', 0];
    let root = [ROOT, &[2, 0]].concat();
    let schema = [&[0x19, 0xfc], varint(depth + 2).as_slice(), &root, &group.repeat(depth as usize), &leaf].concat();
    // No rows, no row groups.
    parquet(&[&VERSION, schema.as_slice(), &[0x16, 0, 0x19, 0x0c], &[0]].concat())
}

const VERSION: [u8; 2] = [0x15, 2];

/// A file that is all footer.
fn parquet(footer: &[u8]) -> Vec<u8> {
    let length = u32::try_from(footer.len()).expect("a footer of a test is short").to_le_bytes();
    [b"PAR1", footer, &length, b"PAR1"].concat()
}

/// A number as Thrift's compact protocol writes it.
fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push((value as u8) | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
