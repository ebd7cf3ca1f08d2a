//! Where the back ends of tests are, and what happens when one is missing.

#![allow(clippy::disallowed_methods)] // The product reads its settings in `runtime`; tests ask for their back ends here.

use std::env;
use std::path::PathBuf;

/// What the look-up of a back end found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend<T> {
    /// It is there.
    Found(T),
    /// It is not; the test reports itself skipped and returns.
    Skip,
}

impl<T> Backend<T> {
    /// The back end, or `None` for a test that must skip itself.
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(place) => Some(place),
            Self::Skip => None,
        }
    }
}

/// Looks up the back end whose URL stands in the environment variable `variable`, for the test named `test`.
///
/// Where it is missing, the test is reported skipped by name.
///
/// # Panics
/// Where it is missing and `REQUIRE_BACKENDS=1` says that none may be.
pub fn backend(test: &str, variable: &str) -> Backend<String> {
    decide(test, variable, env::var(variable).ok().filter(|url| !url.is_empty()), required())
}

/// Looks up a program, for tests that start a server or drive a foreign client: on the `PATH`, then in the folder that
/// `MILLRACE_TOOLS` names, in the folders of it, and in the `bin` of each.
///
/// # Panics
/// As [`backend`] does.
pub fn command(test: &str, program: &str) -> Backend<PathBuf> {
    let mut folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    folders.extend(env::var_os("MILLRACE_TOOLS").map(PathBuf::from).into_iter().flat_map(folders_of_tools));
    let found = folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file());
    decide(test, program, found, required())
}

fn folders_of_tools(tools: PathBuf) -> Vec<PathBuf> {
    let mut all = vec![tools.clone(), tools.join("bin")];
    for entry in std::fs::read_dir(&tools).into_iter().flatten().flatten() {
        all.extend([entry.path(), entry.path().join("bin")]);
    }
    all
}

fn required() -> bool {
    env::var("REQUIRE_BACKENDS").is_ok_and(|value| value == "1")
}

fn decide<T>(test: &str, what: &str, found: Option<T>, required: bool) -> Backend<T> {
    match found {
        Some(place) => Backend::Found(place),
        None if required => panic!("{test}: `{what}` is missing, and REQUIRE_BACKENDS=1"),
        None => {
            eprintln!("skipped: {test}: `{what}` is missing");
            Backend::Skip
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_back_end_skips_the_test() {
        assert_eq!(decide::<String>("t", "X", None, false).found(), None);
        assert_eq!(decide("t", "X", Some(1), true).found(), Some(1));
    }

    #[test]
    #[should_panic(expected = "REQUIRE_BACKENDS=1")]
    fn a_missing_back_end_fails_the_test_where_all_are_required() {
        decide::<String>("t", "X", None, true);
    }

    #[test]
    fn tools_lie_in_folders_of_their_own() {
        let tools = crate::temp_dir();
        std::fs::create_dir_all(tools.path().join("python/bin")).unwrap();
        assert!(folders_of_tools(tools.path().into()).contains(&tools.path().join("python/bin")));
    }

    #[test]
    fn a_program_is_found_on_the_path() {
        assert!(command("t", "sh").found().is_some());
    }
}
