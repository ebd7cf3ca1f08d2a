//! A body cut into parts that fit into one request each.

use bytes::{Bytes, BytesMut};
use types::{Digest, DigestHasher};

use crate::{Error, Key, ObjectBody};

/// Bodies up to here take no more memory than they need.
const SMALL: usize = 64 << 10;

/// How long a part is; servers take no shorter ones but as the last.
pub(super) const PART: usize = 8 << 20;

/// A body that is cut into parts, and digested on the way.
pub(super) struct Parts {
    body: ObjectBody,
    hasher: DigestHasher,
    /// What of the last piece is in no part yet.
    rest: Bytes,
}

/// One part.
pub(super) struct Part {
    pub bytes: Bytes,
    /// Whether no other follows.
    pub last: bool,
}

impl Parts {
    pub fn of(body: ObjectBody) -> Self {
        Self { body, hasher: DigestHasher::default(), rest: Bytes::new() }
    }

    /// The digest that was announced.
    pub fn announced(&self) -> Option<Digest> {
        self.body.digest()
    }

    /// The next part. Every part but the last is [`PART`] long; a body without bytes is one part without bytes.
    pub async fn next(&mut self) -> Result<Part, Error> {
        let mut bytes = BytesMut::new();
        loop {
            let taken = self.rest.split_to(self.rest.len().min(PART - bytes.len()));
            reserve(&mut bytes, taken.len());
            bytes.extend_from_slice(&taken);
            if !self.rest.is_empty() {
                return Ok(Part { bytes: bytes.freeze(), last: false });
            }
            match self.body.next().await? {
                Some(piece) => {
                    self.hasher.update(&piece);
                    self.rest = piece;
                }
                None => return Ok(Part { bytes: bytes.freeze(), last: true }),
            }
        }
    }

    /// Digest and length, once the last part was taken. Fails when another digest was announced.
    pub fn finish(self, key: &Key) -> Result<(Digest, u64), Error> {
        let length = self.hasher.length();
        let digest = self.hasher.finish();
        self.body.check(key, digest)?;
        Ok((digest, length))
    }
}

/// Small bodies take little memory, and larger ones a whole part at once rather than twice that while doubling.
fn reserve(bytes: &mut BytesMut, more: usize) {
    let needed = bytes.len() + more;
    if needed > bytes.capacity() {
        bytes.reserve(if needed <= SMALL { more } else { PART - bytes.len() });
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use types::BoxError;

    use super::*;

    async fn lengths(pieces: &[usize]) -> Vec<usize> {
        let all: Vec<u8> = (0..pieces.iter().sum()).map(|n: usize| (n % 251) as u8).collect();
        let mut from = 0;
        let cut: Vec<Result<Bytes, BoxError>> = pieces
            .iter()
            .map(|length| {
                from += length;
                Ok(Bytes::copy_from_slice(&all[from - length..from]))
            })
            .collect();
        let mut parts = Parts::of(ObjectBody::stream(stream::iter(cut)));
        let (mut lengths, mut read) = (Vec::new(), Vec::new());
        loop {
            let part = parts.next().await.unwrap();
            assert!(part.last || part.bytes.len() == PART);
            lengths.push(part.bytes.len());
            read.extend_from_slice(&part.bytes);
            if part.last {
                break;
            }
        }
        assert_eq!(read, all);
        assert_eq!(parts.finish(&"k".parse().unwrap()).unwrap(), (Digest::of(&all), all.len() as u64));
        lengths
    }

    #[tokio::test]
    async fn pieces_of_any_length_make_parts_of_one() {
        assert_eq!(lengths(&[]).await, [0]);
        assert_eq!(lengths(&[0, 3, 0, 4]).await, [7]);
        assert_eq!(lengths(&[PART]).await, [PART]);
        assert_eq!(lengths(&[PART, 0]).await, [PART]);
        assert_eq!(lengths(&[PART, 1]).await, [PART, 1]);
        assert_eq!(lengths(&[2 * PART + 5]).await, [PART, PART, 5]);
        assert_eq!(lengths(&[PART - 1, 2, PART]).await, [PART, PART, 1]);
    }
}
