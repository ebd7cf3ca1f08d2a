//! TLS, with certificates on both sides.

use std::path::Path;
use std::process::Command;

use super::*;

/// Runs `openssl` in `dir`; `line` is split at blanks.
fn openssl(program: &Path, dir: &Path, line: &str) {
    let output = Command::new(program).args(line.split(' ')).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority `ca.pem`, and `leaf.pem` with `leaf.key` for 127.0.0.1.
fn certificates(program: &Path) -> tempfile::TempDir {
    let dir = testkit::temp_dir();
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(program, dir.path(), &format!("{new} -x509 -keyout ca.key -out ca.pem -days 2 -subj /CN=ca"));
    let leaf = "-keyout leaf.key -out leaf.csr -subj /CN=leaf -addext subjectAltName=IP:127.0.0.1";
    openssl(program, dir.path(), &format!("{new} {leaf}"));
    let sign =
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copy -out leaf.pem";
    openssl(program, dir.path(), sign);
    dir
}

#[tokio::test]
async fn certificates_of_both_sides_are_checked() {
    let test = "certificates_of_both_sides_are_checked";
    let Some(program) = testkit::command(test, "openssl").found() else { return };
    let dir = certificates(&program);
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
