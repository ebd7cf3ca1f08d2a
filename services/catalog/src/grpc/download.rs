//! The messages of a download: start, chunks with their checksums, finish.

use futures::{StreamExt, TryStreamExt};
use proto::catalog::v1::download_dataset_response::Item;
use proto::catalog::v1::{DownloadChunk, DownloadDatasetResponse, DownloadFinish, DownloadStart};
use types::DigestHasher;

use super::Messages;
use crate::convert::signed;
use crate::metrics;
use crate::service::download::Download;

/// The messages of a download. The finish comes only when every byte did.
pub fn messages(download: Download) -> Messages<DownloadDatasetResponse> {
    let Download { version, file_name, size_bytes, mut bytes } = download;
    async_stream::try_stream! {
        let start = DownloadStart { version: Some(version.into()), file_name, size_bytes: size_bytes.map(signed) };
        yield message(Item::Start(start));
        let mut sent = DigestHasher::default();
        while let Some(content) = bytes.try_next().await? {
            let offset = signed(sent.length());
            sent.update(&content);
            metrics::downloaded(content.len());
            let crc32c = crc32c::crc32c(&content);
            yield message(Item::Chunk(DownloadChunk { offset, content: content.into(), crc32c }));
        }
        let size_bytes = signed(sent.length());
        yield message(Item::Finish(DownloadFinish { size_bytes, digest: Some(sent.finish().into()) }));
    }
    .boxed()
}

fn message(item: Item) -> DownloadDatasetResponse {
    DownloadDatasetResponse { item: Some(item) }
}
