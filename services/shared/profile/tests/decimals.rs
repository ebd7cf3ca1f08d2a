//! Decimal numbers in text, beside an independent computation in whole numbers.

use std::fmt::Write as _;

use millrace_profile::{Hint, Options, State, profile, profile_with_state};
use proto::profiling::v1::{NumericSummary, StructuralType};
use testkit::temp_dir;

fn column(cells: &[String]) -> (StructuralType, NumericSummary) {
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    let mut text = "amount,row\n".to_owned();
    cells.iter().enumerate().for_each(|(row, cell)| writeln!(text, "\"{cell}\",{row}").unwrap());
    std::fs::write(&path, text).unwrap();
    let stored = profile(&path, &Hint::named("file.csv"), &Options::default()).unwrap();
    (stored.columns[0].structural_type(), stored.columns[0].numeric.clone().unwrap())
}

/// Cents as people write them.
fn written(cents: i128) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// Amounts of up to so many digits, the same every time.
fn amounts(count: u64, digits: u32) -> Vec<i128> {
    let mixed = |n: u64| u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let amount = |n: u64| (mixed(n) << 60 | mixed(n + count) >> 3) % 10u128.pow(digits);
    (1..=count).map(|n| if n % 3 == 0 { -(amount(n) as i128) } else { amount(n) as i128 }).collect()
}

#[test]
fn decimals_in_text_lose_no_digit() {
    // Few are all remembered, many are summed up as they go by.
    for (count, digits) in [(500, 30), (20_000, 30), (20_000, 19)] {
        let cents = amounts(count, digits);
        let cells: Vec<String> = cents.iter().map(|cents| written(*cents)).collect();
        let (kind, numeric) = column(&cells);
        assert_eq!((kind, numeric.decimal_places), (StructuralType::Decimal, Some(2)));
        assert_eq!(numeric.exact_sum, written(cents.iter().sum()));
        assert_eq!(numeric.exact_min, written(*cents.iter().min().unwrap()));
        assert_eq!(numeric.exact_max, written(*cents.iter().max().unwrap()));
        assert_eq!(Some(numeric.max), numeric.exact_max.parse().ok());
        assert_eq!(numeric.sum, numeric.exact_sum.parse().ok());
    }
}

/// Where nothing is exact, nothing says so: neither of a sum with too many digits, nor of a cell that was cut.
#[test]
fn what_is_not_known_to_the_last_digit_is_a_float() {
    let apart = ["12345678901234567890123456789012345".to_owned(), "0.12345678901234567891".to_owned()];
    let cut = [format!("{}0.12345678901234567890123456789012345678", " ".repeat(220)), "0.5".to_owned()];
    for cells in [apart, cut] {
        let (kind, numeric) = column(&cells);
        assert_eq!((kind, numeric.exact_sum.as_str(), numeric.exact_max.as_str()), (StructuralType::Float, "", ""));
    }
}

#[test]
fn numbers_that_doubles_tell_apart_are_floats() {
    let usual: Vec<String> = amounts(1_000, 12).into_iter().map(written).collect();
    let (kind, numeric) = column(&usual);
    assert_eq!(kind, StructuralType::Float);
    assert_eq!(numeric.exact_max, written(amounts(1_000, 12).into_iter().max().unwrap()));
    let doubles: Vec<String> = (1..1_000).map(|n| (f64::from(n) / 7.0).to_string()).collect();
    assert_eq!(column(&doubles).0, StructuralType::Float);
    let mut exponents: Vec<String> = amounts(100, 30).into_iter().map(written).collect();
    exponents.push("1e3".to_owned());
    let (kind, numeric) = column(&exponents);
    assert_eq!((kind, numeric.exact_sum.as_str(), numeric.exact_max.as_str()), (StructuralType::Float, "", ""));
    let whole: Vec<String> = amounts(100, 30).into_iter().map(|whole| whole.to_string()).collect();
    let (kind, numeric) = column(&whole);
    let sum: i128 = amounts(100, 30).into_iter().sum();
    assert_eq!((kind, numeric.exact_sum), (StructuralType::Integer, sum.to_string()));
}

#[test]
fn grouped_digits_and_decimal_commas_lose_none_either() {
    let grouped = ["1,234,567,890,123,456,789.25", "2,234,567,890,123,456,789.50", "3.75"].map(str::to_owned);
    let (kind, numeric) = column(&grouped);
    assert_eq!((kind, numeric.exact_sum.as_str()), (StructuralType::Decimal, "3469135780246913582.50"));
    let folder = temp_dir();
    let path = folder.path().join("file.csv");
    std::fs::write(&path, "betrag;zeile\n1.234.567.890.123.456.789,25;1\n-0,75;2\n12345678901234567890,5;3\n").unwrap();
    let stored = profile(&path, &Hint::named("file.csv"), &Options::default()).unwrap();
    let numeric = stored.columns[0].numeric.as_ref().unwrap();
    assert_eq!(stored.columns[0].structural_type(), StructuralType::Decimal);
    assert_eq!(numeric.exact_sum, "13580246791358024679.00");
    assert_eq!((numeric.exact_min.as_str(), numeric.exact_max.as_str()), ("-0.75", "12345678901234567890.5"));
}

#[test]
fn parts_with_and_without_long_numbers_merge() {
    let options = Options::default();
    let part = |cells: &[i128]| -> State {
        let folder = temp_dir();
        let path = folder.path().join("file.csv");
        let mut text = "amount,row\n".to_owned();
        cells.iter().enumerate().for_each(|(row, cell)| writeln!(text, "{},{row}", written(*cell)).unwrap());
        std::fs::write(&path, text).unwrap();
        profile_with_state(&path, &Hint::named("file.csv"), &options).unwrap().1
    };
    let (short, long) = (amounts(50, 8), amounts(50, 30));
    let merged = part(&short).merge(State::decode(&part(&long).encode()).unwrap()).unwrap();
    let stored = merged.profile(&options).unwrap();
    assert_eq!(stored.columns[0].structural_type(), StructuralType::Decimal);
    let sum: i128 = short.iter().chain(&long).sum();
    assert_eq!(stored.columns[0].numeric.as_ref().unwrap().exact_sum, written(sum));
}
