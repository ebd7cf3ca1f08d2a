//! Column names: never empty, never twice.

use std::collections::{HashMap, HashSet};

use crate::warning::Warning;

/// How many bytes of a name are kept.
const NAME_BYTES: usize = 256;

/// Makes names of what a header holds; cells past its end get made-up names up to `width`.
pub(crate) fn unique(header: Vec<String>, width: usize, warnings: &mut Vec<Warning>) -> Vec<String> {
    let mut given: Vec<String> = header.iter().map(|name| cut(name.trim()).to_owned()).collect();
    let long = header.iter().filter(|name| name.trim().len() > NAME_BYTES).count() as u64;
    given.resize(given.len().max(width), String::new());
    let empty = given.iter().filter(|name| name.is_empty()).count() as u64;
    let mut taken: HashSet<String> = given.iter().filter(|name| !name.is_empty()).cloned().collect();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut repeated = 0;
    let mut names = Vec::with_capacity(given.len());
    for (index, name) in given.into_iter().enumerate() {
        if name.is_empty() {
            names.push(free(&format!("column_{}", index + 1), &mut taken));
            continue;
        }
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        if *times == 1 {
            names.push(name);
        } else {
            repeated += 1;
            names.push(free(&format!("{name}_{times}"), &mut taken));
        }
    }
    let mut warn = |reason, message: &str, count| {
        if count > 0 {
            warnings.push(Warning { count, ..Warning::whole(reason, message) });
        }
    };
    warn("LONG_COLUMN_NAME", "Names of columns were cut to 256 bytes.", long);
    warn("EMPTY_COLUMN_NAME", "Columns without a name were named after their position.", empty);
    warn("REPEATED_COLUMN_NAME", "Columns with the name of an earlier one got a number.", repeated);
    names
}

/// The names of `width` columns that have none.
pub(crate) fn made_up(width: usize) -> Vec<String> {
    (1..=width).map(|number| format!("column_{number}")).collect()
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES)]
}

fn free(wanted: &str, taken: &mut HashSet<String>) -> String {
    let mut name = wanted.to_owned();
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(header: &[&str]) -> (Vec<String>, Vec<&'static str>) {
        let mut warnings = Vec::new();
        let names = unique(header.iter().map(|name| (*name).to_owned()).collect(), 0, &mut warnings);
        (names, warnings.iter().map(|warning| warning.reason).collect())
    }

    #[test]
    fn repeated_and_empty_names_become_unique() {
        let (names, reasons) = names(&["a", "", "a", "a_2", " a "]);
        assert_eq!(names, ["a", "column_2", "a_2_", "a_2", "a_3"]);
        assert_eq!(reasons, ["EMPTY_COLUMN_NAME", "REPEATED_COLUMN_NAME"]);
    }

    #[test]
    fn good_names_stay_as_they_are() {
        assert_eq!(names(&["x", "y"]), (vec!["x".to_owned(), "y".to_owned()], vec![]));
    }
}
