//! Profiles files again and again, for a profiler of CPU time: `again THREADS TIMES FILE…`; prints the digest of each
//! profile, so that two versions can be compared.

use std::num::NonZeroUsize;
use std::path::Path;

use millrace_profile::{Hint, Options, profile};
use prost::Message;
use types::Digest;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [threads, times, files @ ..] = arguments.as_slice() else { return Err("again THREADS TIMES FILE…".into()) };
    let threads: NonZeroUsize = threads.parse()?;
    for time in 0..times.parse::<usize>()? {
        for file in files {
            let options =
                Options { threads, digest: Some(Digest::of(b"")), value_sketches: true, ..Options::default() };
            let found = profile(Path::new(file), &Hint::default(), &options)?;
            if time == 0 {
                println!("{file} {}", Digest::of(&found.encode_to_vec()));
            }
        }
    }
    Ok(())
}
