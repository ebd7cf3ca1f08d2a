//! Uploads that a peer refuses as it goes away, after a whole window of them has come.

use std::iter;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::Response;
use proto::profiling::v1::{ProfileDataRequest, ProfileDataStart};
use tokio::net::{TcpListener, TcpStream};
use types::DigestHasher;

use super::addresses::{Node, client};
use super::{Mesh, Over};
use crate::connect::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::upload::{MAX_CHUNK, Part, UploadMessage as _};
use crate::{ConnectSettings, connect};

const CHUNKS: usize = 20;

/// A peer that has no health to tell, and so seems well, and serves nobody. Gives its address, and how many it refused.
async fn refusing() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = refused.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(refuse_all(stream, counted.clone()));
        }
    });
    (address, refused)
}

async fn refuse_all(stream: TcpStream, refused: Arc<AtomicUsize>) {
    let mut server = h2::server::Builder::new();
    server.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    let mut connection = server.handshake::<_, Bytes>(stream).await.unwrap();
    while let Some(Ok((request, mut answer))) = connection.accept().await {
        if request.uri().path().starts_with("/grpc.health.") {
            let unimplemented =
                Response::builder().header("content-type", "application/grpc").header("grpc-status", 12);
            answer.send_response(unimplemented.body(()).unwrap(), true).unwrap();
        } else {
            tokio::spawn(refuse(request.into_body(), answer, refused.clone()));
        }
    }
}

/// Refuses a call once all has come that may come unread.
async fn refuse(mut body: RecvStream, mut answer: SendResponse<Bytes>, refused: Arc<AtomicUsize>) {
    let mut came = 0;
    while came < STREAM_WINDOW as usize {
        came += body.data().await.unwrap().unwrap().len();
    }
    refused.fetch_add(1, Ordering::SeqCst);
    answer.send_reset(Reason::REFUSED_STREAM);
}

/// The messages of an upload of [`CHUNKS`] chunks.
fn upload(chunk: usize) -> impl Iterator<Item = ProfileDataRequest> + Send + 'static {
    let mut hasher = DigestHasher::default();
    (0..CHUNKS).for_each(|_| hasher.update(&vec![1; chunk]));
    let start = Part::Start(ProfileDataStart::default());
    let chunks = (0..CHUNKS).map(move |_| Part::Chunk(vec![1; chunk]));
    let finish = Part::Finish { size_bytes: (CHUNKS * chunk) as i64, digest: Some(hasher.finish().into()) };
    iter::once(start).chain(chunks).chain([finish]).map(ProfileDataRequest::from_part)
}

#[tokio::test]
async fn an_upload_that_was_refused_goes_elsewhere_whatever_the_size_of_its_pieces() {
    let mesh = Mesh::start(Over::Process).await;
    let node = Node::start(&mesh, None).await;
    for chunk in [40 << 10, 200 << 10, 256 << 10, MAX_CHUNK] {
        let (address, refused) = refusing().await;
        let addresses = [address.to_string(), node.address.to_string()];
        let mut client = client(&mesh, connect(&ConnectSettings::new("profiling", addresses)).unwrap());
        // Until the first was seen to be well, the second takes the calls.
        testkit::eventually!({
            let answer = client.profile_data(futures::stream::iter(upload(chunk))).await;
            answer.unwrap().into_inner().message().await.unwrap();
            refused.load(Ordering::SeqCst) > 0
        });
        assert_eq!(mesh.probe.uploads.lock().unwrap().pop(), Some(Ok((CHUNKS * chunk) as u64)));
    }
}
