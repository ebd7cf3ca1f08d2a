//! What it takes to add rows to a profile later.

use prost::Message;
use proto::common::v1::Recipe;
use proto::profiling::v1::StoredProfile;
use sketch::{Corrupt, Reader, Writer};
use types::Digest;

use crate::error::Error;
use crate::finish::{self, Origin};
use crate::options::Options;
use crate::partial::{Layout, Partial};

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

    /// This state with rows that follow.
    pub(crate) fn with(mut self, layout: &Layout, partial: Partial, origin: Origin) -> Result<Self, Error> {
        let (expected, found) = (self.layout.describe(), layout.describe());
        if expected != found {
            let differs = expected.iter().zip(&found).find(|(ours, theirs)| ours != theirs);
            let place = |column: Option<&String>| column.cloned().unwrap_or_else(|| "no more columns".to_owned());
            let (expected, found) = match differs {
                Some((ours, theirs)) => (ours.clone(), theirs.clone()),
                None => (place(expected.get(found.len())), place(found.get(expected.len()))),
            };
            return Err(Error::OtherColumns { expected, found });
        }
        self.partial.merge(partial);
        self.origins.push(origin);
        Ok(self)
    }

    /// This state with the rows of `other`, which follow: what a profile of both files together remembers.
    pub fn merge(self, other: Self) -> Result<Self, Error> {
        let Self { layout, partial, origins, .. } = other;
        let mut origins = origins.into_iter();
        let first = origins.next().ok_or(Error::BadState)?;
        let mut merged = self.with(&layout, partial, first)?;
        merged.origins.extend(origins);
        Ok(merged)
    }

    /// The profile of all rows.
    pub fn profile(&self, options: &Options) -> Result<StoredProfile, Error> {
        finish::profile(&self.layout, &self.partial, &self.origins, &self.recipe, options)
    }

    /// The state as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
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

    /// Reads back the bytes of [`State::encode`]. Fails with [`Error::BadState`] when they are none, or those of
    /// another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut from = Reader::new(bytes);
        if from.text().map_err(bad)? != crate::ENGINE_VERSION {
            return Err(Error::BadState);
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
