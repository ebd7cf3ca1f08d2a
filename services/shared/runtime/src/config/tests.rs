use serde::Deserialize;
use types::{ByteSize, Secret, Span};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    catalog: Catalog,
    listen: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalog {
    page_size: u32,
    period: Span,
    limit: ByteSize,
    roots: Vec<String>,
    password: Option<Secret<String>>,
}

const CATALOG: &str = "page_size = 50\nperiod = '10s'\nlimit = '64MiB'\nroots = []\n";

fn loader() -> Loader {
    Loader::new().defaults("", "listen = '127.0.0.1:7070'").defaults("catalog", CATALOG)
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn the_file_goes_over_the_defaults_and_flags_over_the_file() {
    let file = file("listen = 'a'\n[catalog]\npage_size = 7\nroots = ['/x']\n");
    let settings: Settings = loader().file(Some(file.path())).set("listen", "b").load().unwrap();
    assert_eq!(settings.listen, "b");
    assert_eq!(settings.catalog.page_size, 7);
    assert_eq!(settings.catalog.roots, ["/x"]);
    assert_eq!(settings.catalog.period, "10s".parse().unwrap());
}

#[test]
fn the_environment_goes_over_the_file() {
    figment::Jail::expect_with(|jail| {
        jail.set_env("RT__CATALOG__PAGE_SIZE", "9");
        jail.set_env("RT__LISTEN", "127.0.0.1:1");
        let settings: Settings = loader().env("RT").load().unwrap();
        assert_eq!((settings.catalog.page_size, settings.listen.as_str()), (9, "127.0.0.1:1"));
        Ok(())
    });
}

#[test]
fn every_problem_is_in_one_message() {
    let file = file("lisen = 'x'\n[catalog]\npage_size = 'many'\nperiod = '10 s'\nlimt = '1GiB'\n[catalogue]\na = 1\n");
    let error = loader().file(Some(file.path())).set("catalog.roots", 3).load::<Settings>().unwrap_err();
    let text = error.to_string();
    for part in
        ["`lisen`", "`catalog.page_size`", "`catalog.period`", "`catalog.limt`", "`catalogue`", "`catalog.roots`"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(error.problems.len(), 6, "{text}");
    let checked = loader().file(Some(file.path())).load_checked(|settings: &Settings| {
        assert_eq!(settings.catalog.page_size, 50, "the default stands for what cannot be read");
        vec!["`listen` is too short".to_owned()]
    });
    assert_eq!(checked.unwrap_err().problems.len(), 6, "one more, and one less without the flag");
    assert!(text.contains("example") || text.contains("as in `10s`"), "{text}");
    assert!(text.contains(&file.path().display().to_string()), "{text}");
    assert!(text.contains("page_size, period"), "what would be right: {text}");
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_a_problem() {
    let error = loader().file(Some(Path::new("/no/such.toml"))).load::<Settings>().unwrap_err();
    assert!(error.to_string().contains("/no/such.toml"), "{error}");
    let file = file("= =");
    let error = loader().file(Some(file.path())).load::<Settings>().unwrap_err();
    assert!(error.to_string().contains("is no TOML"), "{error}");
}

#[test]
fn what_is_missing_is_named() {
    let error = Loader::new().defaults("catalog", CATALOG).load::<Settings>().unwrap_err();
    assert!(error.to_string().contains("`listen` is missing"), "{error}");
}

#[test]
fn printed_settings_hide_secrets_and_read_back() {
    let settings: Settings = loader().set("catalog.password", "hunter2").load().unwrap();
    let text = print(&settings).unwrap();
    assert!(text.contains("password = \"***\"") && !text.contains("hunter2"), "{text}");
    assert!(text.contains("period = \"10s\""), "{text}");
    assert!(toml::from_str::<Settings>(&text).is_ok());
}
