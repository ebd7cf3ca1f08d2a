//! Seeing inside: metrics, readiness, logs.

use millrace_integration_tests::{Mesh, Setup, csv};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The body of an answer of the admin page.
async fn get(mesh: &Mesh, path: &str) -> (u16, String) {
    let log = mesh.log_of("catalog");
    let address = log.lines().find_map(|line| line.split_once("admin page")?.1.trim().strip_prefix("http://")).unwrap();
    let address = address.trim_end_matches('/');
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[tokio::test]
async fn the_admin_page_serves_metrics_with_units_and_readiness() {
    let mesh = Mesh::start().await;
    testkit::eventually!(mesh.log_of("catalog").contains("admin page"));
    let admin = mesh.admin().await;
    admin.upload("mine", "mine.csv", csv("mine", 10).into_bytes()).await.unwrap();
    admin.settled(1).await;
    assert_eq!(get(&mesh, "/healthz").await.0, 200);
    assert_eq!(get(&mesh, "/readyz").await.0, 200);
    let (status, metrics) = get(&mesh, "/metrics").await;
    assert_eq!(status, 200);
    for name in ["rpc_server_calls_total", "rpc_server_call_duration_seconds", "loop_runs_total"] {
        assert!(metrics.contains(name), "{name} is not among:\n{metrics}");
    }
    let (status, page) = get(&mesh, "/").await;
    assert!(status == 200 && page.contains("catalog"), "{page}");
}

#[tokio::test]
async fn logs_are_json_when_asked_for_and_never_hold_a_credential() {
    let mesh = Setup::new().set("LOGGING__FORMAT", "json").set("LOGGING__FILTER", "debug").start().await;
    let admin = mesh.admin().await;
    admin.upload("mine", "mine.csv", csv("mine", 10).into_bytes()).await.unwrap();
    admin.settled(1).await;
    let log = mesh.log();
    let lines: Vec<_> = log.lines().filter(|line| line.starts_with('{')).collect();
    assert!(lines.len() > 10, "{log}");
    for line in lines {
        let parsed: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(parsed.get("level").is_some(), "{line}");
    }
    assert!(!log.contains(&mesh.token()), "the administrator's key stands in the log");
}
