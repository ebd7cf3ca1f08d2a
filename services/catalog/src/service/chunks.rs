//! A writer that hands on what is written in pieces of one size.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};

/// Collects what is written, and hands it to `send` in pieces of `size` bytes; `false` means that nobody reads any more.
pub(super) struct Chunks<F> {
    buffer: BytesMut,
    size: usize,
    send: F,
}

impl<F: FnMut(Bytes) -> bool> Chunks<F> {
    pub(super) fn new(size: usize, send: F) -> Self {
        Self { buffer: BytesMut::with_capacity(size), size, send }
    }

    /// Hands on what is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.buffer.is_empty() { Ok(()) } else { self.hand_on() }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        let piece = self.buffer.split().freeze();
        self.buffer.reserve(self.size);
        if (self.send)(piece) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

impl<F: FnMut(Bytes) -> bool> Write for Chunks<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.size - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == self.size {
            self.hand_on()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_one_size_but_for_the_last() {
        let mut pieces = Vec::new();
        let mut chunks = Chunks::new(4, |piece| {
            pieces.push(piece);
            true
        });
        chunks.write_all(b"abcdefghij").unwrap();
        chunks.finish().unwrap();
        assert_eq!(pieces, ["abcd", "efgh", "ij"]);
    }

    #[test]
    fn writing_fails_once_nobody_reads() {
        let mut chunks = Chunks::new(2, |_| false);
        assert_eq!(chunks.write_all(b"abc").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
