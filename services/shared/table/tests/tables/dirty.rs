//! Files as people make them: dialect and encoding of thousands of mutations are recognised.

#![allow(clippy::disallowed_methods, reason = "the number of files comes from the environment")]

use encoding_rs::{Encoding, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use millrace_table::{Hint, open};
use testkit::temp_dir;

/// How many files are made; more for hours by hand.
const FILES: u64 = 2_400;

/// The same numbers from the same seed, everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len() as u64) as usize]
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

/// A file and what is true of it.
struct Made {
    bytes: Vec<u8>,
    encoding: &'static Encoding,
    delimiter: char,
    names: Vec<String>,
    header: bool,
    rows: usize,
    what: String,
}

const WESTERN: [&str; 8] = ["Köln", "Málaga", "Århus", "São Paulo", "Besançon", "Göteborg", "Zürich", "Coruña"];
const JAPANESE: [&str; 6] = ["東京都", "大阪府", "北海道", "京都市", "ひらがな", "カタカナ"];
const NAMES: [&str; 12] =
    ["id", "town", "size", "day", "price", "note", "owner", "code", "share", "kind", "last update", "flag"];

fn cell(dice: &mut Dice, column: usize, delimiter: char, towns: &[&str], row: usize) -> String {
    match column % 7 {
        0 => format!("{}", row + 1),
        1 => dice.pick(towns).to_owned(),
        2 => format!("{}", dice.roll(100_000)),
        3 => format!("20{:02}-{:02}-{:02}", dice.roll(24), dice.roll(12) + 1, dice.roll(28) + 1),
        4 if delimiter == ';' => format!("{},{:02}", dice.roll(900), dice.roll(100)),
        4 => format!("{}.{:02}", dice.roll(900), dice.roll(100)),
        5 => dice.pick(&["all good", "see, below", "a; b", "one|two", "so \"quoted\"", "plain"]).to_owned(),
        _ => dice.pick(&["", "yes", "no", "NA"]).to_owned(),
    }
}

fn field(text: &str, delimiter: char, always: bool) -> String {
    if always || text.contains([delimiter, '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn make(seed: u64) -> Made {
    let mut dice = Dice(seed);
    let delimiter = [',', ';', '\t', '|'][dice.roll(4) as usize];
    let encoding = [UTF_8, UTF_8, WINDOWS_1252, UTF_16LE, UTF_16BE, SHIFT_JIS][dice.roll(6) as usize];
    let towns: &[&str] = if encoding == SHIFT_JIS { &JAPANESE } else { &WESTERN };
    let end = *dice.pick(&[&"\n", &"\r\n"]);
    let always = dice.chance(25);
    let width = 3 + dice.roll(8) as usize;
    let rows = 12 + dice.roll(60) as usize;
    let header = dice.chance(85);
    let names: Vec<String> = NAMES[..width].iter().map(|name| (*name).to_owned()).collect();
    let (preamble, footer) =
        (if dice.chance(25) { 1 + dice.roll(3) } else { 0 }, if dice.chance(20) { 1 + dice.roll(2) } else { 0 });
    let (ragged, lines, blank) = (dice.chance(20), dice.chance(20), dice.chance(15));
    let mut text = String::new();
    for line in 0..preamble {
        text += dice.pick(&["Report on the towns of the north", "Made on 3 May 2021", "Source: the office"]);
        text += &end.repeat(if line + 1 == preamble && dice.chance(30) { 2 } else { 1 });
    }
    let line = |cells: &[String]| {
        cells.iter().map(|cell| field(cell, delimiter, always)).collect::<Vec<_>>().join(&delimiter.to_string()) + end
    };
    if header {
        text += &line(&names);
    }
    for row in 0..rows {
        let mut cells: Vec<String> = (0..width).map(|column| cell(&mut dice, column, delimiter, towns, row)).collect();
        if lines && width > 5 && dice.chance(20) {
            cells[5] = format!("first line{end}second line");
        }
        if ragged && row > 3 && dice.chance(6) {
            cells.truncate(width - 1);
        }
        text += &line(&cells);
        if blank && dice.chance(5) {
            text += end;
        }
    }
    for _ in 0..footer {
        text += dice.pick(&["Source: the national office of towns", "* figures are provisional", "End of the report"]);
        text += end;
    }
    let mark = dice.chance(50);
    let bytes = match encoding {
        encoding if encoding == UTF_16LE || encoding == UTF_16BE => {
            let units = std::iter::once(0xfeff).filter(|_| mark).chain(text.encode_utf16());
            units.flat_map(|unit| if encoding == UTF_16LE { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
        }
        encoding if encoding == UTF_8 && mark => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        encoding => encoding.encode(&text).0.into_owned(),
    };
    let what = format!(
        "seed {seed}: {delimiter:?} {} quoted {always}, {width} wide, header {header}, preamble {preamble}, footer {footer}, \
         ragged {ragged}, lines {lines}, blank {blank}",
        encoding.name()
    );
    Made { bytes, encoding, delimiter, names, header, rows, what }
}

/// What was recognised of a file: encoding, dialect, names, rows.
fn outcome(made: &Made, path: &std::path::Path) -> [bool; 4] {
    std::fs::write(path, &made.bytes).unwrap();
    let Ok(mut reader) = open(path, &Hint::default()) else { return [false; 4] };
    let mut rows = 0;
    while let Ok(Some(batch)) = reader.next_batch() {
        rows += batch.num_rows();
    }
    let recipe = reader.recipe();
    let names =
        if made.header { made.names == reader.column_names() } else { reader.column_names().len() == made.names.len() };
    [
        recipe.encoding == Some(made.encoding),
        recipe.delimiter == Some(made.delimiter) && recipe.header == made.header,
        names,
        rows == made.rows,
    ]
}

#[test]
fn dialects_and_encodings_of_dirty_files_are_recognised() {
    let files = std::env::var("MILLRACE_DIRTY_FILES").ok().and_then(|count| count.parse().ok()).unwrap_or(FILES);
    let folder = temp_dir();
    let path = folder.path().join("file");
    let mut right = [0u64; 5];
    let mut shown = 0;
    for seed in 0..files {
        let made = make(seed);
        let found = outcome(&made, &path);
        right.iter_mut().zip(found).for_each(|(right, found)| *right += u64::from(found));
        right[4] += u64::from(found[0] && found[1]);
        if found != [true; 4] && shown < 20 {
            shown += 1;
            println!("{found:?} {}", made.what);
        }
    }
    let share = right.map(|right| right as f64 / files as f64);
    println!(
        "encoding {:.4}, dialect {:.4}, names {:.4}, rows {:.4}; encoding and dialect {:.4}",
        share[0], share[1], share[2], share[3], share[4]
    );
    assert!(share[4] >= 0.97, "{share:?}");
    assert!(share[2] >= 0.95 && share[3] >= 0.95, "{share:?}");
}
