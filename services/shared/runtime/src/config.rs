//! Settings: defaults, then a file, then the environment, then flags; read once at start.
//!
//! A service keeps its defaults in a `default.toml`, each with a comment; the binary joins those of all services, each
//! under its name. Unknown keys are refused, and one message lists every problem, with the place of each.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Settings that cannot be used: every problem, one a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings are wrong:\n  {}", problems.join("\n  "))]
pub struct ConfigError {
    /// One sentence each.
    pub problems: Vec<String>,
}

impl ConfigError {
    /// Fails when there are problems.
    pub fn check(problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub struct Loader {
    defaults: Dict,
    problems: Vec<String>,
    file: Option<PathBuf>,
    env_prefix: Option<String>,
    flags: Dict,
}

impl Loader {
    /// No settings at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds defaults: the text of a `default.toml`. Under the table `section`, or at the top where that is empty.
    pub fn defaults(mut self, section: &str, toml: &str) -> Self {
        match toml::from_str::<Dict>(toml) {
            Ok(dict) if section.is_empty() => self.defaults.extend(dict),
            Ok(dict) => drop(self.defaults.insert(section.to_owned(), dict.into())),
            Err(error) => self.problems.push(format!("the defaults of `{section}`: {}", one_line(&error.to_string()))),
        }
        self
    }

    /// Reads a TOML file over the defaults. One that was named must be there.
    pub fn file(mut self, path: Option<&Path>) -> Self {
        self.file = path.map(Path::to_owned);
        self
    }

    /// Reads the environment over the file: `PREFIX__CATALOG__STORE__URL` is `catalog.store.url`.
    pub fn env(mut self, prefix: &str) -> Self {
        self.env_prefix = Some(format!("{prefix}__"));
        self
    }

    /// Sets one value over all others, as a flag does; `key` is dotted.
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        put(&mut self.flags, key, value.into());
        self
    }

    /// Sets one value when it is there.
    pub fn set_some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }

    /// Joins all sources into settings, or tells everything that is wrong with them.
    pub fn load<T: DeserializeOwned>(self) -> Result<T, ConfigError> {
        self.load_checked(|_: &T| Vec::new())
    }

    /// Like [`Loader::load`], with the problems that `validate` finds in the same message. Where a value cannot be
    /// read, `validate` sees its default.
    pub fn load_checked<T: DeserializeOwned>(self, validate: impl FnOnce(&T) -> Vec<String>) -> Result<T, ConfigError> {
        let mut problems = self.problems.clone();
        let mut figment = Figment::from(Serialized::defaults(&self.defaults));
        if let Some(path) = &self.file {
            match std::fs::read_to_string(path) {
                Ok(text) => figment = figment.merge(parsed(path, &text, &mut problems)),
                Err(error) => problems.push(format!("cannot read the file {}: {error}", path.display())),
            }
        }
        if let Some(prefix) = &self.env_prefix {
            figment = figment.merge(Env::prefixed(prefix).split("__"));
        }
        figment = figment.merge(Serialized::defaults(&self.flags));
        extract(&figment, &self.defaults, problems, validate)
    }
}

/// Loads settings from the text of one `default.toml`, a file, and the environment, with `overrides` above all.
pub fn load<T: DeserializeOwned>(
    defaults_toml: &str,
    file: Option<&Path>,
    env_prefix: &str,
    overrides: &[(&str, &str)],
) -> Result<T, ConfigError> {
    let loader = Loader::new().defaults("", defaults_toml).file(file).env(env_prefix);
    overrides.iter().fold(loader, |loader, (key, value)| loader.set(key, *value)).load()
}

/// Settings as TOML, for `--print-config`. A `Secret` shows as `***`.
pub fn print<T: Serialize>(settings: &T) -> Result<String, toml::ser::Error> {
    toml::to_string_pretty(settings)
}

/// One variable of the environment, for a client command; none when it is empty. Settings of services come by
/// [`Loader::env`].
#[allow(clippy::disallowed_methods)] // The environment is read here, and nowhere else.
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The folder for a user's own settings of this program: `$XDG_CONFIG_HOME/millrace`, else `~/.config/millrace`.
pub fn user_folder() -> Option<PathBuf> {
    let named = env("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env("HOME").map(|home| Path::new(&home).join(".config"));
    named.or_else(home).map(|folder| folder.join("millrace"))
}

fn parsed(path: &Path, text: &str, problems: &mut Vec<String>) -> Figment {
    match toml::from_str::<Dict>(text) {
        Ok(_) => Figment::from(Toml::file_exact(path)),
        Err(error) => {
            problems.push(format!("the file {} is no TOML: {}", path.display(), one_line(&error.to_string())));
            Figment::new()
        }
    }
}

/// Reads the settings; each wrong value is noted, put right from the defaults, and the reading goes on, so that one
/// message can name them all.
fn extract<T: DeserializeOwned>(
    figment: &Figment,
    defaults: &Dict,
    mut problems: Vec<String>,
    validate: impl FnOnce(&T) -> Vec<String>,
) -> Result<T, ConfigError> {
    let mut values: Dict = figment.extract().map_err(|error| ConfigError { problems: vec![error.to_string()] })?;
    let mut seen: Vec<Vec<String>> = Vec::new();
    loop {
        let error = match Figment::from(Serialized::defaults(&values)).extract::<T>() {
            Ok(settings) => {
                problems.extend(validate(&settings));
                return ConfigError::check(problems).map(|()| settings);
            }
            Err(error) => error,
        };
        problems.push(describe(figment, &error));
        let path = error.path.clone();
        let mendable = !path.is_empty() && !error.missing() && !seen.contains(&path);
        if !mendable {
            return Err(ConfigError { problems });
        }
        mend(&mut values, &path, find(defaults, &path));
        seen.push(path);
    }
}

fn describe(figment: &Figment, error: &figment::Error) -> String {
    let key = error.path.join(".");
    let place = match figment.find_metadata(&key) {
        Some(metadata) if metadata.name.contains("environment") => " (from the environment)".to_owned(),
        Some(metadata) => match metadata.source.as_ref().and_then(|source| source.file_path()) {
            Some(path) => format!(" (from {})", path.display()),
            None => String::new(),
        },
        None => String::new(),
    };
    match &error.kind {
        Kind::UnknownField(_, known) => {
            format!("`{key}`{place} is no setting; here are: {}", known.join(", "))
        }
        Kind::MissingField(name) => format!("`{}` is missing", [key.as_str(), name].join(".").trim_matches('.')),
        kind => format!("`{key}`{place}: {kind}"),
    }
}

fn put(dict: &mut Dict, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(dict.insert(key.to_owned(), value)),
        Some((table, rest)) => {
            let entry = dict.entry(table.to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = entry {
                put(inner, rest, value);
            }
        }
    }
}

fn find(dict: &Dict, path: &[String]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    match (dict.get(first)?, rest.is_empty()) {
        (value, true) => Some(value.clone()),
        (Value::Dict(_, inner), false) => find(inner, rest),
        _ => None,
    }
}

fn mend(dict: &mut Dict, path: &[String], default: Option<Value>) {
    let Some((first, rest)) = path.split_first() else { return };
    match (dict.get_mut(first), rest.is_empty()) {
        (Some(Value::Dict(_, inner)), false) => mend(inner, rest, default),
        _ => match default {
            Some(value) if rest.is_empty() => drop(dict.insert(first.clone(), value)),
            _ => drop(dict.remove(first)),
        },
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
