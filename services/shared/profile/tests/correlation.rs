//! What profiles tell about columns of numbers of tables that nobody has joined.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::num::NonZeroUsize;

use millrace_profile::{Hint, KeyedNumbers, Options, State, correlation, profile_with_state};
use proptest::prelude::*;
use proto::profiling::v1::TableProfile;
use testkit::temp_dir;

fn with_state(text: &str, options: &Options) -> (TableProfile, State) {
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    std::fs::write(&path, text).unwrap();
    let (stored, state) = profile_with_state(&path, &Hint::named("file.csv"), options).unwrap();
    (stored.table.unwrap(), state)
}

/// A number between 0 and 1 that is the same for the same place.
fn uniform(place: u64) -> f64 {
    let mixed = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 29) as f64 / u64::MAX as f64
}

/// Rows of a station with what was measured there, several for each; and what they are.
fn weather(stations: std::ops::Range<u64>) -> (String, Vec<(u64, f64)>) {
    let (mut text, mut rows) = ("station,kind,rain,note\n".to_owned(), Vec::new());
    for station in stations {
        for visit in 0..1 + station % 3 {
            let rain = uniform(station) * 100.0 + uniform(station * 7 + visit) * 4.0;
            let rain = (rain * 100.0).round() / 100.0;
            writeln!(text, "Station {station},{},{rain:.2},n{visit}", station % 4).unwrap();
            rows.push((station, rain));
        }
    }
    (text, rows)
}

/// The same stations, otherwise written, with what was sold there, the less the more it rains.
fn sales(stations: std::ops::Range<u64>) -> (String, Vec<(u64, f64)>) {
    let (mut text, mut rows) = ("sold,place,price\n".to_owned(), Vec::new());
    for station in stations {
        let sold = (500.0 - uniform(station) * 300.0 + uniform(station * 13 + 5) * 250.0).round();
        writeln!(text, "{sold}, STATION {station},{}.5", station % 9).unwrap();
        rows.push((station, sold));
    }
    (text, rows)
}

/// The coefficient over the joined stations, each once with its mean.
fn exact(first: &[(u64, f64)], second: &[(u64, f64)]) -> (f64, usize) {
    let means = |rows: &[(u64, f64)]| {
        let mut sums: HashMap<u64, (f64, f64)> = HashMap::new();
        for (key, number) in rows {
            let sum = sums.entry(*key).or_default();
            *sum = (sum.0 + 1.0, sum.1 + number);
        }
        sums
    };
    let (first, second) = (means(first), means(second));
    let joined: Vec<(f64, f64)> =
        first.iter().filter_map(|(key, (n, x))| second.get(key).map(|(m, y)| (x / n, y / m))).collect();
    let count = joined.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| joined.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
    let xy = mean(&|pair| (pair.0 - x) * (pair.1 - y));
    let (xx, yy) = (mean(&|pair| (pair.0 - x).powi(2)), mean(&|pair| (pair.1 - y).powi(2)));
    (xy / (xx * yy).sqrt(), joined.len())
}

fn pair(state: &State, key: &str, number: &str) -> KeyedNumbers {
    state.keyed_numbers(key, number).unwrap_or_else(|| panic!("no {number} by {key}"))
}

#[test]
fn the_correlation_of_a_join_is_told_without_joining() {
    let options = Options::default();
    let ((rain, rained), (sold, sales)) = (weather(0..6_000), sales(2_000..9_000));
    let ((told, first), (_, second)) = (with_state(&rain, &options), with_state(&sold, &options));
    let sketch = &told.correlation_sketches[0];
    assert_eq!((sketch.key_column.as_str(), sketch.key_count, sketch.complete), ("station", 256, false));
    assert!(sketch.number_columns.contains(&"rain".to_owned()), "{sketch:?}");
    assert!(sketch.least_error > 0.12 && sketch.least_error < 0.13, "{sketch:?}");
    let found = correlation(&pair(&first, "station", "rain"), &pair(&second, "place", "sold")).unwrap();
    let (truth, common) = exact(&rained, &sales);
    assert!(truth < -0.6, "{truth}");
    assert!(found.linear.low <= truth && truth <= found.linear.high, "{found:?} {truth}");
    assert!(found.linear.high - found.linear.low < 0.3, "{found:?}");
    let common = common as f64;
    assert!(found.common_keys.low <= common && common <= found.common_keys.high, "{found:?} {common}");
}

#[test]
fn small_tables_correlate_exactly() {
    let options = Options::default();
    let ((rain, rained), (sold, sales)) = (weather(0..150), sales(50..250));
    let ((told, first), (_, second)) = (with_state(&rain, &options), with_state(&sold, &options));
    assert!(told.correlation_sketches[0].complete && told.correlation_sketches[0].least_error == 0.0);
    let found = correlation(&pair(&first, "station", "rain"), &pair(&second, "place", "sold")).unwrap();
    let (truth, common) = exact(&rained, &sales);
    assert!((found.linear.value - truth).abs() < 1e-9, "{found:?} {truth}");
    assert_eq!((found.keys, found.common_keys.high, found.linear.low), (common, common as f64, found.linear.high));
    // Four kinds are too few to tell anything, and what has no numbers is no column of numbers.
    let keys: Vec<&str> = told.correlation_sketches.iter().map(|sketch| sketch.key_column.as_str()).collect();
    assert_eq!(keys, ["station"]);
    for (key, number) in [("kind", "rain"), ("station", "note"), ("station", "station"), ("station", "sold")] {
        assert!(first.keyed_numbers(key, number).is_none(), "{number} by {key}");
    }
}

#[test]
fn codes_of_three_digits_are_keys_whatever_number_they_would_be() {
    let options = Options::default();
    let table = |digits: usize, factor: f64| {
        let mut text = "code,amount\n".to_owned();
        for code in 0..100u32 {
            // White space around a code makes it no longer.
            let space = if code % 2 == 0 { "" } else { "  " };
            writeln!(text, "{space}{code:0digits$},{:.2}", f64::from(code) * factor + 0.25).unwrap();
        }
        with_state(&text, &options)
    };
    let ((told, first), (_, second)) = (table(3, 1.0), table(3, -0.5));
    let sketches = &told.correlation_sketches;
    assert_eq!(sketches.len(), 1, "{sketches:?}");
    assert_eq!((sketches[0].key_column.as_str(), sketches[0].key_count, sketches[0].complete), ("code", 100, true));
    let found = correlation(&pair(&first, "code", "amount"), &pair(&second, "code", "amount")).unwrap();
    assert_eq!(found.keys, 100);
    assert!((found.linear.value + 1.0).abs() < 1e-6, "{found:?}");
    for digits in [1, 2] {
        assert!(table(digits, 1.0).0.correlation_sketches.is_empty(), "{digits} digits");
    }
}

#[test]
fn a_constant_column_has_no_correlation_however_often_each_key_occurs() {
    let options = Options::default();
    let (mut flat, mut varied) = ("place,flat\n".to_owned(), "place,amount\n".to_owned());
    for place in 0..60 {
        (0..1 + place % 7).for_each(|_| flat.push_str(&format!("place {place},0.1\n")));
        writeln!(varied, "place {place},{}.5", place * 37 % 101).unwrap();
    }
    let ((_, flat), (_, varied)) = (with_state(&flat, &options), with_state(&varied, &options));
    let (flat, varied) = (pair(&flat, "place", "flat"), pair(&varied, "place", "amount"));
    assert!(correlation(&varied, &varied).is_some());
    assert_eq!(correlation(&flat, &varied), None);
}

#[test]
fn of_many_columns_the_first_are_kept() {
    let mut text: String = (0..20).map(|column| format!("k{column},n{column},")).collect();
    text.push_str("last\n");
    for row in 0..300 {
        (0..20).for_each(|column| write!(text, "key {},{}.5,", row * 31 % 97, row + column).unwrap());
        writeln!(text, "{row}").unwrap();
    }
    let (told, _) = with_state(&text, &Options::default());
    let sketches = &told.correlation_sketches;
    assert_eq!(sketches.iter().map(|sketch| sketch.key_column.clone()).collect::<Vec<_>>(), names('k', 6));
    assert!(sketches.iter().all(|sketch| sketch.number_columns == names('n', 8)), "{sketches:?}");
}

fn names(letter: char, count: usize) -> Vec<String> {
    (0..count).map(|column| format!("{letter}{column}")).collect()
}

#[test]
fn the_number_of_threads_leaves_no_trace_in_a_state() {
    // Blocks of their own have their first numbers in other columns, and other keys.
    let mut text = "a,b,c,d\n".to_owned();
    for row in 0..700_000u64 {
        let far = if row > 600_000 { row.to_string() } else { String::new() };
        let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        writeln!(text, "{far},k{},{}.{},{}", mixed % 5_000, mixed % 100, row % 10, row % 300).unwrap();
    }
    let folder = temp_dir();
    let path = folder.path().join("great.csv");
    std::fs::write(&path, text).unwrap();
    let on = |threads: usize| {
        let options = Options { threads: NonZeroUsize::new(threads).unwrap(), ..Options::default() };
        let (stored, state) = profile_with_state(&path, &Hint::default(), &options).unwrap();
        (stored, state.encode())
    };
    let one = on(1);
    assert!(one.0.table.as_ref().unwrap().correlation_sketches.len() >= 2);
    assert!(one == on(2), "two threads");
    assert!(one == on(5), "five threads");
}

/// Cells of every kind, in more columns than are kept.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0u32..60).prop_map(|n| format!("k{n}")),
        6 => (60i32..140).prop_map(|n| n.to_string()),
        2 => (1u32..13, 1u32..29).prop_map(|(month, day)| format!("2001-{month:02}-{day:02}")),
        2 => (0i32..50).prop_map(|n| format!("{n}.5")),
        2 => (0u32..120).prop_map(|n| format!("{n:03}")),
        3 => Just(String::new()),
        1 => Just("NA".to_owned()),
    ]
}

fn csv(rows: &[Vec<String>]) -> String {
    let header: Vec<String> = (0..COLUMNS).map(|column| format!("c{column}")).collect();
    let mut text = header.join(",") + ",row\n";
    // Numbers beneath a word tell that the first line is the header.
    rows.iter().enumerate().for_each(|(number, row)| writeln!(text, "{},{}", row.join(","), 100 + number).unwrap());
    text
}

const COLUMNS: usize = 11;

/// All sums by key of a state, as bytes. Halves and whole numbers add up exactly.
fn sums(state: &State) -> Vec<u8> {
    let mut out = sketch::Writer::default();
    for key in 0..COLUMNS {
        for number in 0..COLUMNS {
            let found = state.keyed_numbers(&format!("c{key}"), &format!("c{number}"));
            out.optional(found.as_ref(), |out, found| found.encode(out));
        }
    }
    out.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn parts_merge_to_the_sums_of_the_whole(
        rows in prop::collection::vec(prop::collection::vec(cell(), COLUMNS), 1..200),
        // Columns that have no cell in a part leave room for others in it.
        empty in prop::collection::vec(any::<bool>(), COLUMNS),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        little in any::<bool>(),
    ) {
        let options = Options { memory_bytes: if little { 1 } else { 128 << 20 }, ..Options::default() };
        let mut rows = rows;
        let half = rows.len() / 2;
        for row in &mut rows[..half] {
            row.iter_mut().zip(&empty).filter(|(_, empty)| **empty).for_each(|(cell, _)| cell.clear());
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(rows.len())).collect();
        cuts.extend([0, rows.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let states = cuts.windows(2).map(|cut| with_state(&csv(&rows[cut[0]..cut[1]]), &options).1);
        let merged = states.reduce(|left, right| left.merge(right).unwrap()).unwrap();
        let merged = State::decode(&merged.encode()).unwrap();
        let (told, whole) = with_state(&csv(&rows), &options);
        prop_assert_eq!(sums(&merged), sums(&whole));
        let again = merged.profile(&options).unwrap().table.unwrap();
        prop_assert_eq!(again.correlation_sketches, told.correlation_sketches);
    }
}
