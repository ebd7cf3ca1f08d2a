//! Datasets to be found.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A CSV about `topic` with so many rows: numbers, a date, a text, a place.
pub fn csv(topic: &str, rows: usize) -> String {
    let mut text = String::from("id,day,topic,latitude,longitude,amount\n");
    for row in 0..rows {
        let (day, amount) = (row % 28 + 1, row as f64 * 1.5);
        let _ = writeln!(text, "{row},2020-02-{day:02},{topic},{}.5,{}.25,{amount}", 40 + row % 10, row % 90);
    }
    text
}

/// How many rows of data [`csv`] wrote.
pub fn rows_of(text: &str) -> i64 {
    i64::try_from(text.lines().count()).expect("a test's file is short") - 1
}

/// Writes a file, and the folders above it.
///
/// # Panics
/// When the file system refuses.
pub fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("the folder can be made");
    std::fs::write(&path, content).expect("the file can be written");
    path
}
