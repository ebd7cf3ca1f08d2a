//! TLS, with certificates on both sides.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::*;

/// An authority `ca.pem`, and `leaf.pem` with `leaf.key` for 127.0.0.1.
fn certificates() -> tempfile::TempDir {
    let dir = testkit::temp_dir();
    let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
    let (ca_key, leaf_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "ca");
    write("ca.pem", ca.self_signed(&ca_key).unwrap().pem());
    let mut leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, "leaf");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let issuer = Issuer::new(ca, ca_key);
    write("leaf.pem", leaf.signed_by(&leaf_key, &issuer).unwrap().pem());
    write("leaf.key", leaf_key.serialize_pem());
    dir
}

#[tokio::test]
async fn certificates_of_both_sides_are_checked() {
    let test = "certificates_of_both_sides_are_checked";
    let dir = certificates();
    let file = |name: &str| dir.path().join(name);
    let tls = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}",
        file("leaf.pem"),
        file("leaf.key"),
        file("ca.pem")
    );
    let Some(server) = Nats::start_with(test, &format!("{tls}\njetstream {{ store_dir: \"DIR/store\" }}")) else {
        return;
    };
    let url = server.url().replace("nats://", "tls://");
    let trusting = Settings { ca: Some(file("ca.pem")), ..server.settings() };
    let known = Settings { certificate: Some(file("leaf.pem")), key: Some(file("leaf.key")), ..trusting.clone() };
    let bus = server.try_bus(&url, &known).await.unwrap();
    bus.publish(&announced(1..=2)).await.unwrap();
    assert_eq!(take(&bus, &CATALOG_DISCOVERY).await, [1, 2]);
    for settings in [trusting, server.settings()] {
        assert!(JetStream::open(&url, &settings, server.clock.shared()).await.is_err());
    }
}
