//! CSV files of one size with many kinds of columns, the same ones at every run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const SEED: u64 = 20_260_102;
const FILES_PER_FOLDER: usize = 100;
const STATIONS: [&str; 12] = [
    "harbour",
    "old mill",
    "north gate",
    "airport",
    "lighthouse",
    "quarry",
    "reservoir",
    "campus",
    "vineyard",
    "depot",
    "market hall",
    "observatory",
];
const STATES: [&str; 4] = ["ok", "calibrating", "doubtful", "replaced"];

/// Writes `count` files of at least `bytes` each beneath `folder`; gives how many bytes that were.
pub fn write(folder: &Path, count: usize, bytes: usize) -> Result<u64> {
    let mut written = 0;
    for number in 0..count {
        let within = folder.join(format!("year-{:02}", number / FILES_PER_FOLDER));
        std::fs::create_dir_all(&within)?;
        let text = table(number, bytes);
        std::fs::write(within.join(format!("measurements-{number:04}.csv")), &text)?;
        written += text.len() as u64;
    }
    Ok(written)
}

/// One file, which differs from all others in every row.
pub fn table(number: usize, bytes: usize) -> String {
    let mut random = StdRng::seed_from_u64(SEED ^ (number as u64) << 20);
    let mut text = String::with_capacity(bytes + 200);
    text += "id,measured_at,station,latitude,longitude,temperature_c,pressure_hpa,visitors,state,remark\n";
    let mut row = 0_usize;
    while text.len() < bytes {
        let station = random.random_range(0..STATIONS.len());
        let (day, hour, minute) = (1 + row / 1440 % 28, row / 60 % 24, row % 60);
        let _ = write!(text, "{}-{row},2024-{:02}-{day:02}T{hour:02}:{minute:02}:00Z,", number, 1 + number % 12);
        let _ = write!(
            text,
            "{},{:.4},{:.4},",
            STATIONS[station],
            40.0 + station as f64 * 0.37,
            3.0 + station as f64 * 0.21
        );
        let (temperature, pressure) = (random.random_range(-15.0..38.0_f64), random.random_range(960.0..1050.0_f64));
        let _ = write!(text, "{temperature:.1},{pressure:.2},{},", random.random_range(0..5000));
        let _ = writeln!(text, "{},checked by {:x}", STATES[random.random_range(0..4)], random.random_range(0..65_536));
        row += 1;
    }
    text
}

/// The paths of all files beneath `folder`, at most `most`.
pub fn some(folder: &Path, most: usize) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for within in std::fs::read_dir(folder)? {
        for file in std::fs::read_dir(within?.path())? {
            if found.len() < most {
                found.push(file?.path());
            }
        }
    }
    Ok(found)
}
