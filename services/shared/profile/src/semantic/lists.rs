//! The lists that codes and names are looked up in.
//!
//! Each file is plain text, one entry a line in byte order, after a comment that names its source.

use std::sync::LazyLock;

/// A list of codes or names, in byte order.
pub(super) type List = LazyLock<Vec<&'static str>>;

macro_rules! lists {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) static $name: List = LazyLock::new(|| lines(include_str!(concat!("lists/", $file))));)*

        #[cfg(test)]
        fn all() -> Vec<(&'static str, Vec<&'static str>)> {
            vec![$(($file, lines(include_str!(concat!("lists/", $file))))),*]
        }
    };
}

lists! {
    COUNTRIES = "countries.txt";
    SUBDIVISIONS = "subdivisions.txt";
    REGIONS = "regions.txt";
    CURRENCIES = "currencies.txt";
    LANGUAGES_2 = "iso639_1.txt";
    LANGUAGES_3 = "iso639_2.txt";
    LANGUAGES_3_ALL = "iso639_3.txt";
    US_STATES = "us_states.txt";
    FIPS_COUNTIES = "fips_counties.txt";
    IATA = "iata.txt";
    ICAO = "icao.txt";
    MIME = "mime.txt";
    HS = "hs.txt";
    NAICS = "naics.txt";
    NUTS = "nuts.txt";
    TIME_ZONES = "time_zones.txt";
    MONTHS = "months.txt";
    WEEKDAYS = "weekdays.txt";
    FIRST_NAMES = "first_names.txt";
    SURNAMES = "surnames.txt";
}

/// The first column of a list whose lines hold several, in byte order.
macro_rules! columns {
    ($($name:ident = $list:ident[$column:literal];)*) => {
        $(pub(super) static $name: List = LazyLock::new(|| column(&$list, $column));)*
    };
}

columns! {
    ALPHA_2 = COUNTRIES[0];
    ALPHA_3 = COUNTRIES[1];
    COUNTRY_NUMBERS = COUNTRIES[2];
    STATE_CODES = US_STATES[0];
    STATE_FIPS = US_STATES[1];
    STATE_NAMES = US_STATES[2];
    MONTH_NAMES = MONTHS[0];
    WEEKDAY_NAMES = WEEKDAYS[0];
}

/// Names of countries, folded.
pub(super) static COUNTRY_NAMES: List = LazyLock::new(|| {
    let mut names: Vec<&str> = COUNTRIES.iter().flat_map(|line| line.split('|').skip(4)).collect();
    names.sort_unstable();
    names.dedup();
    names
});

pub(super) fn holds(list: &List, entry: &str) -> bool {
    list.binary_search(&entry).is_ok()
}

fn lines(text: &'static str) -> Vec<&'static str> {
    text.lines().filter(|line| !line.starts_with("# ") && !line.is_empty()).collect()
}

fn column(list: &List, index: usize) -> Vec<&'static str> {
    let mut entries: Vec<&str> = list.iter().filter_map(|line| line.split('|').nth(index)).collect();
    entries.sort_unstable();
    entries.dedup();
    entries
}

#[cfg(test)]
mod tests {
    use super::super::fold::fold;
    use super::*;

    #[test]
    fn every_list_is_in_order_and_holds_no_entry_twice() {
        for (file, list) in all() {
            assert!(list.len() > 50 && list.is_sorted_by(|a, b| a < b), "{file}");
        }
    }

    #[test]
    fn names_are_folded_as_the_values_are() {
        for list in [&COUNTRY_NAMES, &REGIONS, &MONTH_NAMES, &WEEKDAY_NAMES, &FIRST_NAMES, &SURNAMES, &STATE_NAMES] {
            let unfolded: Vec<&&str> = list.iter().filter(|name| fold(name) != **name).collect();
            assert!(unfolded.is_empty(), "{unfolded:?}");
        }
    }
}
