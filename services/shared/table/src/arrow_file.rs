//! Rows of Arrow IPC files and streams, and of Avro.

use std::io::{BufReader, Read, Seek, SeekFrom};

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::ipc::{Block, Message, root_as_footer, root_as_message};
use arrow_avro::reader::ReaderBuilder;

use crate::bytes::Input;
use crate::error::Error;
use crate::file_at::FileAt;
use crate::typed::{Batches, TypedSource, guarded, with_unique_names};
use crate::warning::Warning;

/// The first bytes of an Arrow file; a stream begins with the length of its first message.
pub(crate) const MAGIC: &[u8] = b"ARROW1";
/// The first bytes of an Avro file.
pub(crate) const AVRO_MAGIC: &[u8] = b"Obj\x01";
const CONTINUATION: [u8; 4] = [0xff; 4];
const AVRO_ROWS: usize = 4_096;

/// Tells whether bytes begin a stream of Arrow messages.
pub(crate) fn is_stream(head: &[u8]) -> bool {
    let length = head.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(i32::from_le_bytes);
    head.starts_with(&CONTINUATION)
        && length.is_some_and(|length| {
            let end = usize::try_from(length).unwrap_or(0) + 8;
            length > 0 && (end > head.len() || root_as_message(&head[8..end]).is_ok())
        })
}

/// Opens an Arrow file. Every length in it is compared with that of the file before anything is allocated for it.
pub(crate) fn open_file(input: &Input, warnings: &mut Vec<Warning>) -> Result<(TypedSource, SchemaRef), Error> {
    let file = input.in_any_order()?;
    let budget = Budget { file: file.clone(), limit: input.limits.max_resident_bytes };
    guarded("arrow", || budget.check_file())?;
    let reader = guarded("arrow", || FileReader::try_new(BufReader::new(input.counted(file)), None))?;
    let schema = reader.schema();
    typed("arrow", Box::new(reader), &schema, input, warnings)
}

/// Opens a stream of Arrow messages.
pub(crate) fn open_stream(input: &Input, warnings: &mut Vec<Warning>) -> Result<(TypedSource, SchemaRef), Error> {
    let file = input.in_any_order()?;
    let budget = Budget { file: file.clone(), limit: input.limits.max_resident_bytes };
    guarded("arrow", || budget.check_stream())?;
    let reader = guarded("arrow", || StreamReader::try_new(BufReader::new(input.counted(file)), None))?;
    let schema = reader.schema();
    typed("arrow", Box::new(reader), &schema, input, warnings)
}

/// Opens an Avro file.
pub(crate) fn open_avro(input: &Input, warnings: &mut Vec<Warning>) -> Result<(TypedSource, SchemaRef), Error> {
    let bytes = BufReader::with_capacity(64 << 10, input.bytes()?);
    let reader = guarded("avro", || ReaderBuilder::new().with_batch_size(AVRO_ROWS).build(bytes))?;
    let schema = reader.schema();
    typed("avro", Box::new(reader), &schema, input, warnings)
}

fn typed(
    format: &'static str,
    batches: Batches,
    schema: &SchemaRef,
    input: &Input,
    warnings: &mut Vec<Warning>,
) -> Result<(TypedSource, SchemaRef), Error> {
    let schema = with_unique_names(schema, input.limits.max_columns, warnings)?;
    Ok((TypedSource::new(format, batches, schema.clone(), input), schema))
}

/// Compares what messages ask for with what there is.
struct Budget {
    file: FileAt,
    limit: u64,
}

impl Budget {
    fn check_file(&self) -> Result<(), ArrowError> {
        let length = self.file.length();
        let mut tail = [0; 10];
        self.read(length.checked_sub(10), &mut tail)?;
        let footer = u64::try_from(i32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]])).unwrap_or(u64::MAX);
        if &tail[4..] != MAGIC || footer > length - 10 {
            return Err(lies("its footer"));
        }
        self.check_length(length - 10 - footer, footer)?;
        let mut bytes = vec![0; footer as usize];
        self.read(Some(length - 10 - footer), &mut bytes)?;
        let footer = root_as_footer(&bytes).map_err(|error| ArrowError::ParseError(error.to_string()))?;
        let blocks = [footer.dictionaries(), footer.recordBatches()];
        blocks.into_iter().flatten().flatten().try_for_each(|block| self.check_block(block))
    }

    fn check_block(&self, block: &Block) -> Result<(), ArrowError> {
        let whole = |number: i64| u64::try_from(number).map_err(|_| lies("a block"));
        let (offset, metadata) = (whole(block.offset())?, whole(block.metaDataLength().into())?);
        self.check_length(offset, metadata)?;
        let mut bytes = vec![0; metadata as usize];
        self.read(Some(offset), &mut bytes)?;
        let skip = if bytes.starts_with(&CONTINUATION) { 8 } else { 4 };
        let message =
            bytes.get(skip..).and_then(|bytes| root_as_message(bytes).ok()).ok_or_else(|| lies("a message"))?;
        self.check_body(message, offset + metadata, whole(block.bodyLength())?.max(whole(message.bodyLength())?))
    }

    fn check_stream(&self) -> Result<(), ArrowError> {
        let mut at = 0;
        while at < self.file.length() {
            let mut word = [0; 4];
            self.read(Some(at), &mut word)?;
            if word == CONTINUATION {
                at += 4;
                self.read(Some(at), &mut word)?;
            }
            at += 4;
            let metadata = u64::try_from(i32::from_le_bytes(word)).map_err(|_| lies("a message"))?;
            if metadata == 0 {
                return Ok(());
            }
            self.check_length(at, metadata)?;
            let mut bytes = vec![0; metadata as usize];
            self.read(Some(at), &mut bytes)?;
            at += metadata;
            let message = root_as_message(&bytes).map_err(|error| ArrowError::ParseError(error.to_string()))?;
            let body = u64::try_from(message.bodyLength()).map_err(|_| lies("a message"))?;
            self.check_body(message, at, body)?;
            at += body;
        }
        Ok(())
    }

    /// What a message holds, and what it becomes when its buffers are decompressed.
    fn check_body(&self, message: Message<'_>, start: u64, length: u64) -> Result<(), ArrowError> {
        self.check_length(start, length)?;
        let batch = message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch()?.data());
        let Some(batch) = batch.filter(|batch| batch.compression().is_some()) else { return Ok(()) };
        let mut total = 0u64;
        for buffer in batch.buffers().into_iter().flatten() {
            if buffer.length() < 8 {
                continue;
            }
            let place = u64::try_from(buffer.offset()).ok().and_then(|offset| start.checked_add(offset));
            let mut size = [0; 8];
            self.read(place, &mut size)?;
            // Minus one: not compressed after all.
            total = total.saturating_add(u64::try_from(i64::from_le_bytes(size)).unwrap_or(0));
        }
        if total > self.limit {
            return Err(ours(Error::OverBudget { format: "arrow", limit: self.limit }));
        }
        Ok(())
    }

    fn check_length(&self, start: u64, length: u64) -> Result<(), ArrowError> {
        if start.checked_add(length).is_none_or(|end| end > self.file.length()) {
            return Err(lies("a block"));
        }
        if length > self.limit {
            return Err(ours(Error::OverBudget { format: "arrow", limit: self.limit }));
        }
        Ok(())
    }

    fn read(&self, place: Option<u64>, bytes: &mut [u8]) -> Result<(), ArrowError> {
        let mut file = self.file.clone();
        file.seek(SeekFrom::Start(place.ok_or_else(|| lies("a block"))?))?;
        file.read_exact(bytes)?;
        Ok(())
    }
}

fn ours(error: Error) -> ArrowError {
    ArrowError::ExternalError(Box::new(error))
}

fn lies(what: &str) -> ArrowError {
    ArrowError::ParseError(format!("{what} goes beyond the end of the file"))
}
