//! Envoy with its JWT filter, as a gateway of its own.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::token::{MODULUS, TOKEN};
use crate::client::Client;

const START_LIMIT: Duration = Duration::from_secs(20);

/// A running Envoy with one worker, ended when dropped.
pub struct Envoy {
    child: Child,
    /// A connection with a good token.
    pub address: SocketAddr,
}

impl Envoy {
    /// Starts it before `upstream`. With `remembers`, tokens that were seen to be good are not checked again, which
    /// is not its default.
    pub async fn start(program: &PathBuf, folder: &Path, upstream: SocketAddr, remembers: bool) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (config, log) = (folder.join("envoy.json"), File::create(folder.join("log"))?);
        std::fs::write(&config, configuration(address, upstream, remembers).to_string())?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&config).args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]);
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let mut envoy = Self { child: child.with_context(|| format!("cannot run {}", program.display()))?, address };
        let begun = Instant::now();
        while let Err(error) = envoy.answers().await {
            if begun.elapsed() > START_LIMIT || envoy.child.try_wait()?.is_some() {
                bail!("Envoy does not start: {error:#}; see {}", std::fs::read_to_string(folder.join("log"))?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(envoy)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn answers(&self) -> Result<()> {
        let client = Client::connect(self.address, TOKEN).await?;
        client.time_get("tenants/main/datasets/measurements").await.map(drop)
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(address: SocketAddr, upstream: SocketAddr, remembers: bool) -> Value {
    let place = |address: SocketAddr| json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}});
    let key =
        json!({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "bench", "n": MODULUS, "e": "AQAB"}]});
    let mut provider = json!({
        "issuer": "bench", "audiences": ["millrace"], "local_jwks": {"inline_string": key.to_string()},
    });
    if remembers {
        provider["jwt_cache_config"] = json!({"jwt_cache_size": 1000});
    }
    let checks = json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"bench": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}],
        },
    });
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    });
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "30s"}});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench", "codec_type": "HTTP2", "http_filters": [checks, router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    });
    let filters = json!([{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]);
    let http2 = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }});
    let endpoints = json!([{"lb_endpoints": [{"endpoint": {"address": place(upstream)}}]}]);
    json!({"static_resources": {
        "listeners": [{"name": "bench", "address": place(address), "filter_chains": [{"filters": filters}]}],
        "clusters": [{
            "name": "upstream", "type": "STATIC", "typed_extension_protocol_options": http2,
            "load_assignment": {"cluster_name": "upstream", "endpoints": endpoints},
        }],
    }})
}
