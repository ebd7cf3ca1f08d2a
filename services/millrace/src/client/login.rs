//! The stored login: a file that its owner alone can read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use proto::identity::v1::Tokens;
use serde::{Deserialize, Serialize};
use types::Timestamp;

use crate::failure::Failure;

/// What `millrace login` stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The gateway that gave the tokens.
    pub address: String,
    /// An API key or an access token.
    pub token: String,
    /// When the access token ends, in microseconds since 1970. None for an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<i64>,
    /// Trades for new tokens, once. None for an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

impl Login {
    /// A login by an API key.
    pub fn by_key(address: String, token: String) -> Self {
        Self { address, token, ends: None, refresh_token: None }
    }

    /// A login by a password.
    pub fn by_tokens(address: String, tokens: Tokens) -> Self {
        let ends = tokens.access_expire_time.and_then(|time| Timestamp::try_from(time).ok());
        Self {
            address,
            token: tokens.access_token,
            ends: ends.map(Timestamp::as_micros),
            refresh_token: Some(tokens.refresh_token),
        }
    }

    /// Reads the stored login, if there is one.
    pub fn load() -> Result<Option<Self>, Failure> {
        let Ok(path) = path() else { return Ok(None) };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::other(format!("cannot read {}: {error}", path.display()))),
        };
        let login = toml::from_str(&text);
        login
            .map(Some)
            .map_err(|_| Failure::other(format!("{} holds no login; `millrace login` writes it anew", path.display())))
    }

    /// Stores it, in a file of mode 0600 within a folder of mode 0700.
    pub fn store(&self) -> Result<PathBuf, Failure> {
        let path = path()?;
        let text = toml::to_string(self).map_err(|error| Failure::other(error.to_string()))?;
        make_folder(&path)
            .and_then(|()| runtime::lock::write_private(&path, text.as_bytes()))
            .map_err(|error| Failure::other(format!("cannot write {}: {error}", path.display())))?;
        Ok(path)
    }

    /// Removes it; says whether there was one.
    pub fn remove() -> Result<bool, Failure> {
        let path = path()?;
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::other(format!("cannot remove {}: {error}", path.display()))),
        }
    }

    /// Keeps other commands from trading the refresh token at the same time: it serves once.
    pub fn lock() -> Result<File, Failure> {
        let path = path()?.with_extension("lock");
        let open = || {
            make_folder(&path)?;
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            file.lock()?;
            Ok::<_, std::io::Error>(file)
        };
        open().map_err(|error| Failure::other(format!("cannot lock {}: {error}", path.display())))
    }
}

fn path() -> Result<PathBuf, Failure> {
    let folder = runtime::config::user_folder();
    let folder = folder.ok_or_else(|| Failure::other("neither $XDG_CONFIG_HOME nor $HOME says where logins lie"))?;
    Ok(folder.join("login.toml"))
}

fn make_folder(path: &std::path::Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) => DirBuilder::new().recursive(true).mode(0o700).create(folder),
        None => Ok(()),
    }
}
