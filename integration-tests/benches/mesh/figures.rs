//! Medians, quantiles and the table that shows them.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::calibration::load_average;

/// What was measured, one row a figure, with the calibration of the machine above.
pub struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
    calibration: String,
}

/// One figure.
pub struct Row {
    /// What was measured.
    pub figure: String,
    /// The goal; empty where none was set.
    pub reach: &'static str,
    /// What came out.
    pub measured: String,
    /// How often it was measured.
    pub runs: String,
}

impl Row {
    pub fn new(
        figure: impl Into<String>,
        reach: &'static str,
        measured: impl Into<String>,
        runs: impl Into<String>,
    ) -> Self {
        Self { figure: figure.into(), reach, measured: measured.into(), runs: runs.into() }
    }
}

impl Table {
    pub fn new(calibration: String) -> Self {
        Self { rows: Vec::new(), notes: Vec::new(), calibration }
    }

    /// Adds a row, and shows it at once.
    pub fn add(&mut self, row: Row) {
        progress(format_args!("{}: {}", row.figure, row.measured));
        self.rows.push(row);
    }

    /// Adds a sentence on how a figure came about.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Calibration: {} Load average {} after.\n", self.calibration, load_average())?;
        writeln!(f, "| figure (median) | reach | measured | runs |")?;
        writeln!(f, "|---|---|---|---|")?;
        for Row { figure, reach, measured, runs } in &self.rows {
            writeln!(f, "| {figure} | {reach} | {measured} | {runs} |")?;
        }
        if cfg!(debug_assertions) {
            writeln!(f, "\n**A debug build measured this: the figures mean nothing.**")?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n- {note}"))
    }
}

/// Says on stderr how far the bench is.
pub fn progress(what: fmt::Arguments<'_>) {
    eprintln!("bench: {what}");
}

/// The value that this share of all values does not exceed (nearest rank).
pub fn quantile<T: Copy + PartialOrd>(values: &[T], share: f64) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).expect("no measured value is NaN"));
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// The middle value; of an even number the lower of the two.
pub fn median<T: Copy + PartialOrd>(values: &[T]) -> T {
    quantile(values, 0.5)
}

pub fn millis(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    if millis < 100.0 { format!("{millis:.2} ms") } else { format!("{millis:.0} ms") }
}

pub fn micros(duration: Duration) -> String {
    format!("{:.0} µs", duration.as_secs_f64() * 1e6)
}

pub fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Decimal megabytes, as the goals are meant.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// The size of a copy of the binary without symbols.
pub fn binary_size(binary: &Path, work: &Path) -> Result<Row> {
    let whole = std::fs::metadata(binary)?.len();
    let stripped = work.join("stripped");
    let status = Command::new("strip").arg("-o").arg(&stripped).arg(binary).status().context("cannot run `strip`")?;
    ensure!(status.success(), "`strip` failed");
    let size = std::fs::metadata(&stripped)?.len();
    let measured = format!("{} (as built: {})", megabytes(size), megabytes(whole));
    Ok(Row::new("size of the binary, stripped", "120 MB", measured, "1"))
}
