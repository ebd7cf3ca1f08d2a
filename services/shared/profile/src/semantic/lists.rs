//! The lists that codes and names are looked up in.
//!
//! Each file is plain text, one entry a line in byte order, after a comment that names its source.

use std::ops::Deref;
use std::sync::LazyLock;

use super::fold::fold;

/// Some words, to be looked up.
pub(super) type Words = LazyLock<Listed>;

/// The words of a text, which spaces divide.
pub(super) fn words(text: &'static str) -> Listed {
    Listed::new(text.split_whitespace().collect())
}

/// A list of codes or names, in byte order.
pub(super) type List = LazyLock<Listed>;

/// Entries, fewer than 65,536, in the order in which they were given, each found by its hash at the first look.
pub(super) struct Listed {
    entries: Vec<&'static str>,
    /// The upper half of an entry's hash of 32 bits, and one more than its place; 0 where there is none.
    slots: Vec<u32>,
}

impl Listed {
    fn new(entries: Vec<&'static str>) -> Self {
        debug_assert!(entries.len() < 1 << 16);
        let mut slots = vec![0; (entries.len() * 2).next_power_of_two()];
        let mask = slots.len() - 1;
        for (place, entry) in entries.iter().enumerate() {
            let (mut slot, tag) = start(entry);
            while slots[slot & mask] != 0 {
                slot += 1;
            }
            slots[slot & mask] = tag | (place as u32 + 1);
        }
        Self { entries, slots }
    }

    /// Tells whether this is an entry.
    pub(super) fn contains(&self, entry: &str) -> bool {
        let mask = self.slots.len() - 1;
        let (mut slot, tag) = start(entry);
        loop {
            let found = self.slots[slot & mask];
            if found == 0 {
                return false;
            }
            if found & TAG == tag && self.entries[(found & !TAG) as usize - 1] == entry {
                return true;
            }
            slot += 1;
        }
    }
}

/// The bits of a slot that come from the hash.
const TAG: u32 = 0xffff_0000;

/// Where an entry is looked for first, and the bits of its hash that stand there.
fn start(entry: &str) -> (usize, u32) {
    let hash = sketch::hash(entry.as_bytes());
    ((hash >> 32) as usize, hash as u32 & TAG)
}

impl Deref for Listed {
    type Target = [&'static str];

    fn deref(&self) -> &[&'static str] {
        &self.entries
    }
}

macro_rules! lists {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) static $name: List = LazyLock::new(|| Listed::new(lines(include_str!(concat!("lists/", $file)))));)*

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
    Listed::new(names)
});

/// Countries by folded name and by code in capitals, in order.
static COUNTRY_KEYS: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let mut keys = Vec::new();
    for line in COUNTRIES.iter() {
        let mut parts = line.split('|');
        let country = parts.next().unwrap_or_default();
        let names = parts.enumerate().filter(|(index, _)| *index != 2).map(|(_, name)| (name, country));
        keys.push((country, country));
        keys.extend(names);
    }
    keys.sort_unstable();
    keys
});

/// The country, ISO 3166-1 alpha-2, of a code of any of the three kinds, of a subdivision's code, or of a name.
pub(crate) fn country_of(value: &str) -> Option<&'static str> {
    let value = value.trim();
    let find = |key: &str| {
        let at = COUNTRY_KEYS.partition_point(|(known, _)| *known < key);
        COUNTRY_KEYS.get(at).filter(|(known, _)| *known == key).map(|(_, country)| *country)
    };
    let is_code = value.len() <= 3 && value.is_ascii();
    if is_code && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return find(&format!("{value:0>3}"));
    }
    let capitals = value.to_ascii_uppercase();
    if is_code {
        return find(&capitals).or_else(|| find(&fold(value)));
    }
    find(&fold(value)).or_else(|| capitals.split_once('-').and_then(|(country, _)| find(country)))
}

pub(super) fn holds(list: &List, entry: &str) -> bool {
    list.contains(entry)
}

fn lines(text: &'static str) -> Vec<&'static str> {
    text.lines().filter(|line| !line.starts_with("# ") && !line.is_empty()).collect()
}

fn column(list: &List, index: usize) -> Listed {
    let mut entries: Vec<&str> = list.iter().filter_map(|line| line.split('|').nth(index)).collect();
    entries.sort_unstable();
    entries.dedup();
    Listed::new(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_in_order_and_holds_no_entry_twice() {
        for (file, list) in all() {
            assert!(list.len() > 50 && list.is_sorted_by(|a, b| a < b), "{file}");
        }
    }

    #[test]
    fn every_entry_is_found_and_nothing_else() {
        for (file, list) in all() {
            let listed = Listed::new(list.clone());
            assert!(list.iter().all(|entry| listed.contains(entry)), "{file}");
            let near = list.iter().map(|entry| format!("{entry}x"));
            assert!(near.into_iter().all(|near| listed.contains(&near) == list.contains(&near.as_str())), "{file}");
        }
        assert!(!words("").contains("") && !words("a").contains(""));
    }

    #[test]
    fn a_country_is_found_by_code_and_by_name() {
        for value in ["DE", "de", "DEU", "276", "Germany", "Deutschland", "DE-BY", "Германия", "德国"] {
            assert_eq!(country_of(value), Some("DE"), "{value}");
        }
        assert_eq!(country_of("76"), Some("BR"));
        assert_eq!(country_of("USA"), Some("US"));
        assert_eq!(country_of("Atlantis"), None);
    }

    #[test]
    fn names_are_folded_as_the_values_are() {
        for list in [&COUNTRY_NAMES, &REGIONS, &MONTH_NAMES, &WEEKDAY_NAMES, &FIRST_NAMES, &SURNAMES, &STATE_NAMES] {
            let unfolded: Vec<&&str> = list.iter().filter(|name| fold(name) != **name).collect();
            assert!(unfolded.is_empty(), "{unfolded:?}");
        }
    }
}
