//! Small CSV files with varied words, the same ones at every run, and queries that find some of them.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

const SEED: u64 = 20_260_101;
const VOCABULARY: usize = 6000;
const FILES_PER_FOLDER: usize = 200;

/// What was written, as far as queries need it.
pub struct Corpus {
    /// Some words of each file, from its name, its columns and its values.
    words: Vec<Vec<String>>,
}

impl Corpus {
    /// Writes `count` files of about 2 KB beneath `folder`.
    pub fn write(folder: &Path, count: usize) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(SEED);
        let vocabulary = vocabulary(&mut random);
        let mut words = Vec::with_capacity(count);
        for number in 0..count {
            let within = folder.join(format!("part-{:03}", number / FILES_PER_FOLDER));
            if number % FILES_PER_FOLDER == 0 {
                std::fs::create_dir_all(&within)?;
            }
            let file = File::draw(&vocabulary, &mut random);
            std::fs::write(within.join(format!("{}-{number:05}.csv", file.title.join("-"))), file.csv(&mut random))?;
            words.push(file.words());
        }
        Ok(Self { words })
    }

    /// Draws queries of one to three words that stand in one file together, so that each finds something.
    pub fn queries(&self, count: usize, seed: u64) -> Vec<String> {
        let mut random = StdRng::seed_from_u64(SEED ^ seed);
        let draw = |_| {
            let words = self.words.choose(&mut random).expect("the corpus holds a file");
            let length = *[1, 1, 2, 2, 3].choose(&mut random).expect("it is not empty");
            words.choose_multiple(&mut random, length).cloned().collect::<Vec<_>>().join(" ")
        };
        (0..count).map(draw).collect()
    }
}

struct File {
    title: Vec<String>,
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    name: String,
    kind: Kind,
}

enum Kind {
    Count(i64),
    Measure(f64),
    Day(u32),
    /// One of a few words.
    Category(Vec<String>),
}

impl File {
    fn draw(vocabulary: &[String], random: &mut StdRng) -> Self {
        let title = (0..random.random_range(2..=4)).map(|_| word(vocabulary, random)).collect();
        let columns = (0..random.random_range(4..=8)).map(|place| Column::draw(place, vocabulary, random)).collect();
        Self { title, columns, rows: random.random_range(20..=60) }
    }

    fn csv(&self, random: &mut StdRng) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let mut text = names.join(",") + "\n";
        for row in 0..self.rows {
            let cells: Vec<_> = self.columns.iter().map(|column| column.cell(row, random)).collect();
            text += &cells.join(",");
            text.push('\n');
        }
        text
    }

    fn words(&self) -> Vec<String> {
        let named = self.columns.iter().flat_map(|column| column.name.split('_'));
        let held = self.columns.iter().flat_map(|column| match &column.kind {
            Kind::Category(words) => words.as_slice(),
            Kind::Count(_) | Kind::Measure(_) | Kind::Day(_) => &[],
        });
        let mut words: Vec<_> = self.title.iter().chain(held).cloned().chain(named.map(str::to_owned)).collect();
        words.sort();
        words.dedup();
        words
    }
}

impl Column {
    fn draw(place: usize, vocabulary: &[String], random: &mut StdRng) -> Self {
        // Every file has words among its values, whatever the draw.
        let kind = match if place == 0 { 3 } else { random.random_range(0..4) } {
            0 => Kind::Count(random.random_range(10..100_000)),
            1 => Kind::Measure(random.random_range(1.0..1000.0)),
            2 => Kind::Day(random.random_range(1950..2024)),
            _ => Kind::Category((0..random.random_range(3..=8)).map(|_| word(vocabulary, random)).collect()),
        };
        Self { name: format!("{}_{}", word(vocabulary, random), word(vocabulary, random)), kind }
    }

    fn cell(&self, row: usize, random: &mut StdRng) -> String {
        match &self.kind {
            Kind::Count(most) => random.random_range(0..*most).to_string(),
            Kind::Measure(most) => format!("{:.3}", random.random_range(0.0..*most)),
            Kind::Day(year) => format!("{year}-{:02}-{:02}", 1 + row % 12, 1 + row % 28),
            // In turn, so that each of the words is there and a query for it finds this file.
            Kind::Category(words) => words[row % words.len()].clone(),
        }
    }
}

/// Words of two to four syllables.
fn vocabulary(random: &mut StdRng) -> Vec<String> {
    const ONSETS: [&str; 16] = ["b", "br", "c", "d", "f", "g", "gr", "l", "m", "n", "p", "r", "s", "st", "t", "v"];
    const RIMES: [&str; 14] = ["a", "al", "an", "ar", "e", "el", "en", "i", "ia", "o", "on", "or", "u", "um"];
    let syllable = |random: &mut StdRng, word: &mut String| {
        let (onset, rime) = (ONSETS.choose(random), RIMES.choose(random));
        let _ = write!(word, "{}{}", onset.expect("there are some"), rime.expect("there are some"));
    };
    let mut words = std::collections::BTreeSet::new();
    while words.len() < VOCABULARY {
        let mut word = String::new();
        for _ in 0..random.random_range(2..=4) {
            syllable(random, &mut word);
        }
        // A value that says that there is none counts as missing.
        if word != "none" {
            words.insert(word);
        }
    }
    let mut words: Vec<_> = words.into_iter().collect();
    rand::seq::SliceRandom::shuffle(words.as_mut_slice(), random);
    words
}

/// Draws a word, the first ones far more often than the last, as in a language.
fn word(vocabulary: &[String], random: &mut StdRng) -> String {
    let skewed = random.random::<f64>().powi(3);
    vocabulary[(skewed * vocabulary.len() as f64) as usize].clone()
}
