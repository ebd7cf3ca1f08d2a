//! Tells how fast a file is cut into blocks, and how fast the blocks are parsed, on one core.
//!
//! `cargo run --release -p millrace-table --example speed -- FILE`; without a file, 100 MB of CSV are made.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use millrace_table::{Error, Hint, open};

fn main() -> Result<(), Error> {
    let given = std::env::args().nth(1).map(PathBuf::from);
    let made = std::env::temp_dir().join("millrace-speed.csv");
    if given.is_none() {
        std::fs::write(&made, csv(100 << 20)).map_err(Error::Write)?;
    }
    let path = given.unwrap_or(made);
    for _ in 0..3 {
        run(&path)?;
    }
    Ok(())
}

fn run(path: &Path) -> Result<(), Error> {
    let size = std::fs::metadata(path).map_err(Error::Io)?.len() as f64;
    let start = Instant::now();
    let mut blocks = open(path, &Hint::default())?.into_blocks();
    let opened = start.elapsed();
    let (mut splitting, mut parsing, mut rows) = (opened, Duration::ZERO, 0);
    loop {
        let start = Instant::now();
        let Some(block) = blocks.next()? else { break };
        splitting += start.elapsed();
        let start = Instant::now();
        rows += block.read(&mut |_: &RecordBatch| Ok::<(), Error>(()))?.rows;
        parsing += start.elapsed();
    }
    let rate = |time: Duration| size / 1e6 / time.as_secs_f64();
    println!(
        "{rows} rows; opened in {opened:?}; split {:.0} MB/s, parse {:.0} MB/s, both {:.0} MB/s",
        rate(splitting),
        rate(parsing),
        rate(splitting + parsing)
    );
    Ok(())
}

/// Sixteen columns of all kinds, from one seed.
fn csv(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 512);
    text.push_str("id,code,name,town,day,time,price,share,count,flag,mail,url,note,latitude,longitude,empty\n");
    let mut state = 42u64;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let towns = ["Köln", "Oslo", "Roma", "Kraków", "Lisboa", "Wien"];
    let mut id = 0;
    while text.len() < bytes {
        id += 1;
        let town = towns[next(6) as usize];
        let (number, other) = (next(100_000), next(1_000));
        let _ = write!(
            text,
            "{id},C{number:05},Name {other},{town},20{:02}-{:02}-{:02},",
            next(24),
            next(12) + 1,
            next(28) + 1
        );
        let _ = write!(
            text,
            "{:02}:{:02}:{:02},{}.{:02},0.{number},",
            next(24),
            next(60),
            next(60),
            next(5_000),
            next(100)
        );
        let _ = write!(text, "{other},{},user{number}@example.org,https://example.org/items/{id},", next(2) == 1);
        let _ = write!(text, "\"a note, \"\"quoted\"\", of {other}\",{}.{number},-{}.{other},", next(90), next(180));
        text.push('\n');
    }
    text
}
