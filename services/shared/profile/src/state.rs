//! What it takes to add rows to a profile later.

use prost::Message;
use proto::common::v1::Recipe;
use proto::profiling::v1::StoredProfile;
use sketch::{Corrupt, KeyedNumbers, Reader, Writer};
use types::Digest;

use crate::correlate;
use crate::error::Error;
use crate::finish::{self, Origin};
use crate::layout::Layout;
use crate::options::Options;
use crate::partial::Partial;

/// How many files a profile may cover: it lists them all, in one message.
pub(crate) const MOST_PARTS: usize = 10_000;

/// What the bytes of a state begin with.
const MAGIC: &str = "millrace profile state";

/// All that was remembered of the rows of a profile.
///
/// Its bytes belong to one version of the engine, [`crate::ENGINE_VERSION`]; another version refuses them.
#[derive(Debug)]
pub struct State {
    layout: Layout,
    partial: Partial,
    recipe: Recipe,
    origins: Vec<Origin>,
}

impl State {
    pub(crate) fn new(layout: Layout, partial: Partial, recipe: Recipe, origin: Origin) -> Self {
        Self { layout, partial, recipe, origins: vec![origin] }
    }

    /// Sees that rows of this layout and format may follow.
    pub(crate) fn expects(&self, layout: &Layout, format: &str) -> Result<(), Error> {
        if self.recipe.format != format {
            return Err(Error::OtherFormat { expected: self.recipe.format.clone(), found: format.to_owned() });
        }
        let (expected, found) = (self.layout.describe(), layout.describe());
        if expected == found {
            return Ok(());
        }
        let differs = expected.iter().zip(&found).find(|(ours, theirs)| ours != theirs);
        let place = |column: Option<&String>| column.cloned().unwrap_or_else(|| "no more columns".to_owned());
        let (expected, found) = match differs {
            Some((ours, theirs)) => (ours.clone(), theirs.clone()),
            None => (place(expected.get(found.len())), place(found.get(expected.len()))),
        };
        Err(Error::OtherColumns { expected, found })
    }

    /// What was remembered of the rows.
    pub(crate) fn partial(&self) -> &Partial {
        &self.partial
    }

    /// The names of the columns, where the rows before had a header to take them from.
    pub(crate) fn header(&self) -> Option<&[String]> {
        self.recipe.header.then_some(self.layout.names.as_slice())
    }

    /// This state with rows that follow, which it [`expects`](State::expects).
    pub(crate) fn with(mut self, partial: Partial, origin: Origin, threads: usize) -> Result<Self, Error> {
        self.partial.merge_on(threads, partial);
        self.origins.push(origin);
        if self.origins.len() > MOST_PARTS { Err(Error::TooManyParts) } else { Ok(self) }
    }

    /// This state with the rows of `other`, which follow: what a profile of both together remembers.
    ///
    /// Fails with [`Error::OtherColumns`] or [`Error::OtherFormat`] when they are not of one table.
    pub fn merge(mut self, other: Self) -> Result<Self, Error> {
        self.expects(&other.layout, &other.recipe.format)?;
        if self.origins.len() + other.origins.len() > MOST_PARTS {
            return Err(Error::TooManyParts);
        }
        self.partial.merge(other.partial);
        self.origins.extend(other.origins);
        Ok(self)
    }

    /// The profile of all rows.
    pub fn profile(&self, options: &Options) -> Result<StoredProfile, Error> {
        finish::profile(&self.layout, &self.partial, &self.origins, &self.recipe, options)
    }

    /// The numbers of the column `number` by the values of the column `key`, for [`crate::correlation`] with those of
    /// another table: how the two columns of numbers go together once the tables are joined over their keys.
    ///
    /// Nothing for a pair that `TableProfile.correlation_sketches` does not list.
    pub fn keyed_numbers(&self, key: &str, number: &str) -> Option<KeyedNumbers> {
        correlate::keyed_numbers(&self.layout, &self.partial, key, number)
    }

    /// The state as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.text(MAGIC);
        out.text(crate::ENGINE_VERSION);
        self.layout.encode(&mut out);
        out.bytes(&self.recipe.encode_to_vec());
        out.number(self.origins.len() as u64);
        for origin in &self.origins {
            out.bytes(origin.digest.as_bytes());
            out.number(origin.size_bytes);
            out.number(origin.rows);
        }
        self.partial.encode(&mut out);
        out.finish()
    }

    /// Reads back the bytes of [`State::encode`]. Fails with [`Error::OtherEngine`] when another version wrote them, and
    /// with [`Error::BadState`] when they are no state.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut from = Reader::new(bytes);
        if from.text().map_err(bad)? != MAGIC {
            return Err(Error::BadState);
        }
        let version = from.text().map_err(bad)?;
        if version != crate::ENGINE_VERSION {
            return Err(Error::OtherEngine { found: version.chars().take(40).collect() });
        }
        let layout = Layout::decode(&mut from).map_err(bad)?;
        let recipe = Recipe::decode(from.bytes().map_err(bad)?).map_err(|_| Error::BadState)?;
        let mut origins = Vec::new();
        for _ in 0..from.length(34).map_err(bad)? {
            let digest = Digest::try_from(from.bytes().map_err(bad)?).map_err(|_| Error::BadState)?;
            let (size_bytes, rows) = (from.number().map_err(bad)?, from.number().map_err(bad)?);
            origins.push(Origin { digest, size_bytes, rows });
        }
        let partial = Partial::decode(&mut from, &layout).map_err(bad)?;
        if !from.is_at_end() || origins.is_empty() {
            return Err(Error::BadState);
        }
        Ok(Self { layout, partial, recipe, origins })
    }
}

fn bad(_: Corrupt) -> Error {
    Error::BadState
}
