//! TLS: who is let in, whom a client believes, and certificates that change while connections go on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::Code;

use super::addresses::{Node, client};
use super::calls::{get, watching};
use super::{Mesh, Over};
use crate::{ClientTls, ConnectSettings, ServerTls, TlsSettings, Transport, connect, connections, reason};

/// An authority, and the folder where the files of what it signed lie.
pub(super) struct Authority {
    dir: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = testkit::temp_dir();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { dir, issuer }
    }

    /// Signs a certificate of `name`, and puts it into the files `certificate.pem` and `key.pem` of a folder.
    fn sign(&self, folder: &Path, name: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("certificate.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    }

    pub(super) fn settings(&self, who: &str) -> TlsSettings {
        let (ca, own) = (self.dir.path().join("ca.pem"), self.dir.path().join(who));
        self.sign(&own, "mesh.test");
        let (certificate, key) = (own.join("certificate.pem"), own.join("key.pem"));
        TlsSettings { certificate, key, client_ca: ca.clone(), ca }
    }

    /// A client that believes it, shows nothing, and speaks `protocol`.
    pub(super) fn believer(&self, protocol: &str) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut config =
            builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        Arc::new(config)
    }
}

fn to(node: &Node, tls: &TlsSettings) -> Transport {
    let mut settings = ConnectSettings::new("profiling", [format!("https://{}", node.address)]).impatient();
    settings.tls = Some(ClientTls::load(tls).unwrap());
    settings.server_name = Some("mesh.test".to_owned());
    connect(&settings).unwrap()
}

#[tokio::test]
async fn a_listener_for_the_web_speaks_http_1_too_and_one_for_calls_does_not() {
    let authority = Authority::new();
    let settings = TlsSettings { client_ca: PathBuf::new(), ..authority.settings("server") };
    let connector = TlsConnector::from(authority.believer("http/1.1"));
    for (server, agrees) in [(ServerTls::load_web(&settings), true), (ServerTls::load(&settings), false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = connections(listener, Some(server.unwrap()));
        let client = async {
            let stream = TcpStream::connect(address).await.unwrap();
            connector.connect("mesh.test".try_into().unwrap(), stream).await
        };
        let serving = async { while connections.next().await.is_some() {} };
        let connected = tokio::select! {
            connected = client => connected,
            () = serving => panic!("the listener ended"),
        };
        assert_eq!(connected.is_ok(), agrees, "{:?}", connected.err());
    }
}

#[tokio::test]
async fn only_who_shows_a_certificate_of_the_mesh_is_let_in() {
    let (mesh, ours, others) = (Mesh::start(Over::Process).await, Authority::new(), Authority::new());
    let node = Node::start(&mesh, Some(ServerTls::load(&ours.settings("server")).unwrap())).await;
    let friend = ours.settings("client");
    client(&mesh, to(&node, &friend)).get_job(get("j1")).await.unwrap();

    let bare = TlsSettings { ca: friend.ca.clone(), ..TlsSettings::default() };
    let stranger = TlsSettings { ca: friend.ca.clone(), ..others.settings("client") };
    let deceived = TlsSettings { ca: others.settings("client").ca, ..friend.clone() };
    for tls in [&bare, &stranger, &deceived] {
        let status = client(&mesh, to(&node, tls)).get_job(get("j1")).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_deref()), (Code::Unavailable, Some("PEER_UNREACHABLE")));
    }
    let plain = connect(&ConnectSettings::new("profiling", [node.address.to_string()]).impatient()).unwrap();
    assert_eq!(client(&mesh, plain).get_job(get("j1")).await.unwrap_err().code(), Code::Unavailable);

    let mut misnamed = ConnectSettings::new("profiling", [format!("https://{}", node.address)]).impatient();
    misnamed.tls = Some(ClientTls::load(&friend).unwrap());
    let status = client(&mesh, connect(&misnamed).unwrap()).get_job(get("j1")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "the certificate bears another name than 127.0.0.1");
}

#[tokio::test]
async fn new_certificates_serve_new_connections_and_old_calls_go_on() {
    let (mesh, old, new) = (Mesh::start(Over::Process).await, Authority::new(), Authority::new());
    let settings = TlsSettings { client_ca: Default::default(), ..old.settings("server") };
    let tls = ServerTls::load(&settings).unwrap();
    let node = Node::start(&mesh, Some(tls.clone())).await;
    let believes =
        |authority: &Authority| TlsSettings { ca: authority.dir.path().join("ca.pem"), ..TlsSettings::default() };
    let mut running = client(&mesh, to(&node, &believes(&old)));
    let mut watch = running.watch_jobs(watching("hang")).await.unwrap().into_inner();
    watch.message().await.unwrap();
    assert!(!tls.reload().unwrap(), "nothing has changed");

    // Halfway: the certificate is new, and its key is not.
    let folder = settings.certificate.parent().unwrap();
    let old_key = std::fs::read(&settings.key).unwrap();
    new.sign(folder, "mesh.test");
    let new_key = std::fs::read(&settings.key).unwrap();
    std::fs::write(&settings.key, old_key).unwrap();
    let error = tls.reload().unwrap_err();
    assert!(error.to_string().contains("certificate.pem"), "{error}");
    client(&mesh, to(&node, &believes(&old))).get_job(get("j1")).await.unwrap();

    std::fs::write(&settings.key, new_key).unwrap();
    assert!(tls.reload().unwrap());
    client(&mesh, to(&node, &believes(&new))).get_job(get("j1")).await.unwrap();
    assert!(client(&mesh, to(&node, &believes(&old))).get_job(get("j1")).await.is_err());
    // The connection from before goes on.
    running.get_job(get("j1")).await.unwrap();
    assert_eq!(mesh.probe.alive.load(std::sync::atomic::Ordering::SeqCst), 1);
    drop(watch);
}

#[tokio::test]
async fn who_never_ends_the_handshake_keeps_nobody_out() {
    let (mesh, authority) = (Mesh::start(Over::Process).await, Authority::new());
    let settings = authority.settings("server");
    let node = Node::start(&mesh, Some(ServerTls::load(&settings).unwrap())).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(tokio::net::TcpStream::connect(node.address).await.unwrap());
    }
    client(&mesh, to(&node, &settings)).get_job(get("j1")).await.unwrap();
}

#[test]
fn what_is_wrong_with_settings_and_files_is_told() {
    let authority = Authority::new();
    let good = authority.settings("server");
    assert_eq!((good.problems("tls"), good.file_problems()), (Vec::new(), Vec::new()));
    let half = TlsSettings { key: Default::default(), ..good.clone() };
    assert!(half.problems("gateway.tls")[0].starts_with("gateway.tls.certificate and gateway.tls.key"));
    let lonely = TlsSettings { client_ca: good.ca.clone(), ..TlsSettings::default() };
    assert_eq!(lonely.problems("tls").len(), 1);
    let missing = TlsSettings { certificate: "/no/such.pem".into(), ..good.clone() };
    assert!(missing.file_problems()[0].contains("/no/such.pem"));
    let swapped = TlsSettings { certificate: good.key.clone(), key: good.certificate.clone(), ..good };
    assert!(ServerTls::load(&swapped).is_err());
}
