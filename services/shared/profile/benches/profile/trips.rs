//! A seeded table of sixteen columns of every common kind, about 228 bytes a row.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

const HEADER: &str = "id,trip,started_at,day,latitude,longitude,passengers,distance_km,fare,tip,payment,city,driver,\
                      email,note,active\n";
const PAYMENTS: [&str; 4] = ["card", "cash", "voucher", "invoice"];
const FIRST: [&str; 8] = ["Anna", "Ben", "Clara", "David", "Eva", "Jürgen", "Greta", "Hans"];
const LAST: [&str; 6] = ["Müller", "Smith", "Rossi", "García", "Novák", "Dubois"];
const WORDS: [&str; 16] = [
    "rain", "falls", "on", "quiet", "streets", "and", "people", "wait", "under", "trees", "for", "their", "late",
    "ride", "home", "again",
];

/// Numbers that look random and are not.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// Writes the rows from `first` on, as many as `rows`; the same rows whatever is written beside them.
pub fn write(path: &Path, first: u64, rows: u64) -> io::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(HEADER.as_bytes())?;
    let (mut line, mut bytes) = (String::new(), HEADER.len() as u64);
    for row in first..first + rows {
        line.clear();
        append(&mut line, row);
        bytes += line.len() as u64;
        out.write_all(line.as_bytes())?;
    }
    out.flush()?;
    Ok(bytes)
}

fn append(line: &mut String, row: u64) {
    let mut draw = Draw(row.wrapping_mul(0xd134_2543_de82_ef95));
    let (month, day) = (1 + draw.below(12), 1 + draw.below(28));
    let (hour, minute, second) = (draw.below(24), draw.below(60), draw.below(60));
    let year = 2021 + draw.below(3);
    let trip = (draw.next(), draw.next());
    let uuid = format!("{:016x}{:016x}", trip.0, trip.1);
    let (first, last) = (draw.of(&FIRST), draw.of(&LAST));
    let driver = draw.below(9_000);
    let written = write!(
        line,
        "{row},{}-{}-{}-{}-{},{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{year}-{month:02}-{day:02},\
         {:.6},{:.6},{},{:.3},{:.2},",
        &uuid[..8],
        &uuid[8..12],
        &uuid[12..16],
        &uuid[16..20],
        &uuid[20..],
        47.0 + 7.0 * draw.share(),
        6.0 + 9.0 * draw.share(),
        1 + draw.below(6),
        -5.0 * (1.0 - draw.share()).ln(),
        2.5 + 40.0 * draw.share() * draw.share(),
    );
    let tip = if draw.below(10) < 3 { String::new() } else { format!("{:.2}", 20.0 * draw.share()) };
    let active = if draw.below(5) > 0 { "true" } else { "false" };
    let payment = draw.of(&PAYMENTS);
    let city = draw.below(310);
    let mail = draw.below(60_000);
    let rest = write!(line, "{tip},{payment},Town {city},{first} {last} {driver},{mail}@example.org,");
    let quoted = draw.below(20) == 0;
    line.push_str(if quoted { "\"" } else { "" });
    for word in 0..4 + draw.below(16) {
        line.push_str(if word > 0 { " " } else { "" });
        line.push_str(draw.of(&WORDS));
    }
    line.push_str(if quoted { ", he said \"\"well\"\"\"," } else { "," });
    let end = writeln!(line, "{active}");
    // Writing into a string does not fail.
    debug_assert!(written.is_ok() && rest.is_ok() && end.is_ok());
}
