//! Parts that are profiled apart tell what the whole tells, on one thread or many.

use std::fmt::Write as _;
use std::num::NonZeroUsize;

use millrace_profile::{Error, Hint, Options, State, append, profile, profile_with_state};
use proptest::prelude::*;
use proto::profiling::v1::{ColumnProfile, StoredProfile, StructuralType};
use testkit::temp_dir;
use types::Fault;

fn with_state(text: &str, options: &Options) -> (StoredProfile, State) {
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    std::fs::write(&path, text).unwrap();
    profile_with_state(&path, &Hint::named("file.csv"), options).unwrap()
}

fn appended(state: State, text: &str, options: &Options) -> Result<(StoredProfile, State), Error> {
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    std::fs::write(&path, text).unwrap();
    append(state, &path, &Hint::named("file.csv"), options)
}

fn csv(rows: &[(String, String)]) -> String {
    let mut text = "subject,other\n".to_owned();
    rows.iter().for_each(|(cell, other)| writeln!(text, "\"{cell}\",{other}").unwrap());
    text
}

/// Figures that are equal however the rows were parted.
fn exact(column: &ColumnProfile) -> ColumnProfile {
    let mut exact = column.clone();
    exact.top_values.clear();
    exact.null_tokens.clear();
    exact.numeric = exact.numeric.map(|numeric| proto::profiling::v1::NumericSummary {
        min: numeric.min,
        max: numeric.max,
        exact_sum: numeric.exact_sum,
        decimal_places: numeric.decimal_places,
        ..Default::default()
    });
    exact
}

fn assert_alike(merged: &StoredProfile, whole: &StoredProfile) {
    for (a, b) in merged.columns.iter().zip(&whole.columns) {
        assert_eq!(exact(a), exact(b));
        let (Some(ours), Some(theirs)) = (&a.numeric, &b.numeric) else { continue };
        let scale = theirs.max.abs().max(theirs.min.abs()).max(1.0);
        assert!((ours.mean - theirs.mean).abs() <= 1e-9 * scale, "{} {}", ours.mean, theirs.mean);
        assert!((ours.standard_deviation - theirs.standard_deviation).abs() <= 1e-9 * scale);
    }
    let (ours, theirs) = (merged.table.as_ref().unwrap(), whole.table.as_ref().unwrap());
    assert_eq!((ours.row_count, &ours.duplicate_rows), (theirs.row_count, &theirs.duplicate_rows));
    assert_eq!(ours.candidate_keys, theirs.candidate_keys);
    assert_eq!(ours.spatial_coverage, theirs.spatial_coverage);
    assert_eq!(merged.value_sketches.len(), whole.value_sketches.len());
    for (ours, theirs) in merged.value_sketches.iter().zip(&whole.value_sketches) {
        assert_eq!(ours, theirs);
    }
}

fn rows() -> impl Strategy<Value = Vec<(String, String)>> {
    let cell = prop_oneof![
        8 => (-300i64..300).prop_map(|n| n.to_string()),
        4 => (-500i64..500).prop_map(|n| format!("{}.{:02}", n / 100, (n % 100).abs())),
        1 => (1u32..13, 1u32..29).prop_map(|(month, day)| format!("{month}/{day}/2001")),
        1 => Just(String::new()),
        1 => Just("NA".to_owned()),
        1 => "[a-c]{1,2}",
    ];
    prop::collection::vec((cell, (0u32..40).prop_map(|n| format!("{n:03}"))), 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_merge_of_parts_is_the_profile_of_the_whole(
        rows in rows(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        little in any::<bool>(),
    ) {
        let options = Options {
            memory_bytes: if little { 1 } else { 128 << 20 },
            value_sketches: true,
            ..Options::default()
        };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(rows.len())).collect();
        cuts.extend([0, rows.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let states = cuts.windows(2).map(|cut| with_state(&csv(&rows[cut[0]..cut[1]]), &options).1);
        let merged = states.reduce(|left, right| left.merge(right).unwrap()).unwrap();
        let state = State::decode(&merged.encode()).unwrap();
        assert_alike(&state.profile(&options).unwrap(), &with_state(&csv(&rows), &options).0);
    }
}

/// A table of several blocks with columns of every kind of figure.
fn great() -> String {
    let mut text = "id,word,amount,day,code\n".to_owned();
    for n in 0..400_000u64 {
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        writeln!(
            text,
            "{n},{:x},{}.{:02},20{:02}-0{}-1{},{:05}",
            mixed % 90_000,
            mixed % 5_000,
            n % 100,
            mixed % 24,
            1 + n % 9,
            mixed % 10,
            mixed % 300
        )
        .unwrap();
    }
    text
}

#[test]
fn the_number_of_threads_leaves_no_trace() {
    let folder = temp_dir();
    let path = folder.path().join("great.csv");
    std::fs::write(&path, great()).unwrap();
    let on = |threads: usize| {
        let threads = NonZeroUsize::new(threads).unwrap();
        let options = Options { threads, value_sketches: true, ..Options::default() };
        profile(&path, &Hint::default(), &options).unwrap()
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(5));
    let types: Vec<StructuralType> = one.columns.iter().map(|column| column.structural_type()).collect();
    use StructuralType::{Date, Float, Integer, Text};
    assert_eq!(types, [Integer, Text, Float, Date, Text]);
    let keys = &one.table.as_ref().unwrap().candidate_keys;
    assert_eq!((keys[0].columns.as_slice(), keys[0].exact), (["id".to_owned()].as_slice(), true));
}

/// Rows that fit in one block, of several batches: threads share them by columns.
fn one_block(rows: std::ops::Range<u64>) -> String {
    let mut text = "id,latitude,longitude,year,month,town,price\n".to_owned();
    for row in rows {
        let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let (latitude, longitude) = (mixed % 9_000, mixed % 17_000);
        let (year, month) = (2000 + mixed % 20, 1 + mixed % 12);
        writeln!(
            text,
            "{row},{}.{:03},{}.5,{year},{month},Town {},{}.25",
            latitude / 100,
            latitude % 1_000,
            longitude / 100,
            mixed % 7_000,
            mixed % 50_000
        )
        .unwrap();
    }
    text
}

#[test]
fn threads_that_share_a_block_or_an_append_leave_no_trace() {
    let on = |threads: usize| {
        let options = Options { threads: NonZeroUsize::new(threads).unwrap(), ..Options::default() };
        let (whole, state) = with_state(&one_block(0..20_000), &options);
        let before = state.encode();
        let (stored, state) = appended(state, &one_block(20_000..30_000), &options).unwrap();
        (whole, before, stored, state.encode())
    };
    let one = on(1);
    assert!(one == on(2) && one == on(3));
    let table = one.2.table.unwrap();
    assert_eq!((table.row_count, table.space_coverage.len()), (30_000, 1));
}

#[test]
fn rows_are_appended_to_a_profile() {
    let options = Options::default();
    let (_, state) = with_state("a,b\n1,x\n2,y\n", &options);
    let state = State::decode(&state.encode()).unwrap();
    let (stored, state) = appended(state, "a,b\n3,z\n", &options).unwrap();
    let table = stored.table.unwrap();
    assert_eq!((table.row_count, table.parts.len(), table.digest), (3, 2, None));
    assert_eq!(stored.columns[0].numeric.as_ref().unwrap().exact_sum, "6");
    let refused = appended(state, "a,c\n3,z\n", &options).unwrap_err();
    assert_eq!(refused.reason(), "OTHER_COLUMNS");
    assert!(refused.to_string().contains("`c`"), "{refused}");
    assert_eq!(State::decode(b"something else").unwrap_err().reason(), "PROFILE_STATE_UNREADABLE");
}

#[test]
fn rows_without_a_header_take_the_names_of_those_before() {
    let options = Options::default();
    let (_, state) = with_state("a,b\n1,2.5\n2,3.5\n", &options);
    let (stored, _) = appended(state, "3,4.5\n4,5.5\n", &options).unwrap();
    assert_eq!(stored.table.unwrap().row_count, 4);
    assert_eq!(stored.columns.iter().map(|column| column.column.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(stored.columns[0].numeric.as_ref().unwrap().exact_sum, "10");
}

#[test]
fn rows_of_another_format_or_engine_are_refused() {
    let options = Options::default();
    let (_, state) = with_state("a,b\n1,x\n2,y\n", &options);
    let encoded = state.encode();
    assert_eq!(encoded, State::decode(&encoded).unwrap().encode(), "a state is written one way");
    let refused = appended(state, "{\"a\": 1, \"b\": \"x\"}\n{\"a\": 2, \"b\": \"y\"}\n", &options).unwrap_err();
    assert_eq!(refused.reason(), "OTHER_FORMAT", "{refused}");
    let at = encoded.windows(2).position(|pair| pair == [1, millrace_profile::ENGINE_VERSION.as_bytes()[0]]).unwrap();
    let mut other = encoded;
    other[at + 1] = b'1';
    assert_eq!(State::decode(&other).unwrap_err().reason(), "PROFILE_OF_ANOTHER_ENGINE");
}
