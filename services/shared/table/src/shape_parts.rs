//! The files that make up a shapefile.

use std::collections::HashMap;

use crate::archive::Member;
use crate::bytes::Input;
use crate::error::Error;
use crate::shapefile;

/// What a shapefile consists of besides its shapes and its table.
const SIDES: [&str; 12] = ["dbf", "shx", "prj", "cpg", "sbn", "sbx", "qix", "fix", "qmd", "qpj", "cst", "xml"];
/// How much of a small file is read.
const SMALL: usize = 16 << 10;

/// What lies beside a file of shapes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    /// The table of attributes, `.dbf`.
    pub(crate) table: Option<Input>,
    /// What the `.cpg` file says of its encoding.
    pub(crate) encoding: Option<String>,
    /// What the `.prj` file calls its system of coordinates, unless they are degrees.
    pub(crate) projection: Option<String>,
}

/// The shapefiles of an archive, by their paths without the ending.
pub(crate) struct Shapefiles(HashMap<String, Option<Beside>>);

impl Shapefiles {
    /// Finds those whose shapes can be read, and what lies beside them.
    pub(crate) fn of(members: &[Member]) -> Result<Self, Error> {
        let mut found: HashMap<String, Option<Beside>> = HashMap::new();
        for member in members {
            let (stem, ending) = split(&member.name);
            if ending == "shp" && shapefile::is_shapes(&beginning(member)?) {
                found.insert(stem, Some(Beside::default()));
            }
        }
        for member in members {
            let (stem, ending) = split(&member.name);
            let Some(Some(beside)) = found.get_mut(&stem) else { continue };
            let text = |member: &Member| beginning(member).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            match ending.as_str() {
                "dbf" => beside.table = member.input.clone(),
                "cpg" => beside.encoding = Some(text(member)?),
                "prj" => beside.projection = projection(&text(member)?),
                _ => {}
            }
        }
        Ok(Self(found))
    }

    /// Tells whether a file belongs to shapes.
    pub(crate) fn is_beside(&self, name: &str) -> bool {
        let (stem, ending) = split(name);
        SIDES.contains(&ending.as_str()) && self.0.contains_key(&stem)
    }

    /// What lies beside the shapes of this name.
    pub(crate) fn take(&mut self, name: &str) -> Option<Beside> {
        let (stem, ending) = split(name);
        self.0.get_mut(&stem).filter(|_| ending == "shp").and_then(Option::take)
    }
}

/// A path without its ending, and the ending, in lower case; `x.shp.xml` belongs to `x`.
fn split(name: &str) -> (String, String) {
    let name = name.to_lowercase();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
    (stem.strip_suffix(".shp").unwrap_or(stem).to_owned(), ending.to_owned())
}

/// How a file begins; nothing where it cannot be read.
fn beginning(member: &Member) -> Result<Vec<u8>, Error> {
    let Some(input) = &member.input else { return Ok(Vec::new()) };
    let mut bytes = vec![0; SMALL];
    match input.bytes().and_then(|mut stream| stream.read_full(&mut bytes)) {
        Ok(count) => {
            bytes.truncate(count);
            Ok(bytes)
        }
        Err(error) if error.is_of_one_member() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The name of the system of coordinates that a `.prj` file describes, where it is projected.
fn projection(text: &str) -> Option<String> {
    let text = text.trim_start();
    let projected = ["PROJCS[\"", "PROJCRS[\""].iter().find_map(|start| text.strip_prefix(start))?;
    projected.split('"').next().map(|name| name.chars().take(100).collect())
}
