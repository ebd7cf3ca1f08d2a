//! The file that names the generation which answers.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{schema, sync_folder};
use crate::analysis;

const FILE: &str = "CURRENT";
const NEW_FILE: &str = "CURRENT.new";

/// Names a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    schema: u32,
    analysis: u32,
    /// Its number.
    pub generation: u64,
    /// Whether a rebuild has ever brought all documents into it or what it came from.
    pub complete: bool,
}

/// What the file says.
pub enum Pointing {
    /// This.
    At(Pointer),
    /// There is no file.
    Nowhere,
    /// Nothing that makes sense.
    Garbled(String),
}

impl Pointer {
    /// Points at a generation of this version.
    pub fn new(generation: u64, complete: bool) -> Self {
        Self { schema: schema::VERSION, analysis: analysis::VERSION, generation, complete }
    }

    /// Tells whether this program can go on with it.
    pub fn is_of_this_version(&self) -> bool {
        (self.schema, self.analysis) == (schema::VERSION, analysis::VERSION)
    }
}

/// Reads the file in `root`.
pub fn read(root: &Path) -> io::Result<Pointing> {
    match std::fs::read(root.join(FILE)) {
        Ok(bytes) => Ok(match serde_json::from_slice(&bytes) {
            Ok(pointer) => Pointing::At(pointer),
            Err(error) => Pointing::Garbled(format!("the pointer to its files: {error}")),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Pointing::Nowhere),
        Err(error) => Err(error),
    }
}

/// Replaces the file in `root`, atomically and durably.
pub fn write(root: &Path, pointer: &Pointer) -> io::Result<()> {
    let new = root.join(NEW_FILE);
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(pointer)?)?;
    file.sync_all()?;
    std::fs::rename(&new, root.join(FILE))?;
    sync_folder(root)
}
