//! A new generation on its way.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;

use super::{Generation, Inner, blocking};
use crate::{Document, Error, Op, Rebuild};

/// The new generation, and what it must not take from the records because operations brought something newer.
#[derive(Debug)]
pub struct Building {
    generation: Generation,
    touched: HashSet<String>,
    broken: bool,
}

impl Building {
    /// Takes operations that the present index has applied.
    pub fn follow(&mut self, operations: Vec<Op>) {
        if let Err(error) = self.generation.stage(&operations) {
            tracing::warn!(%error, "the rebuild of the search index missed changes and will fail");
            self.broken = true;
        }
        self.touched.extend(operations.iter().map(|operation| operation.id().to_owned()));
    }

    fn add(&mut self, documents: Vec<Document>) -> Result<(), Error> {
        let untouched = documents.into_iter().filter(|document| !self.touched.contains(&document.id));
        let operations: Vec<Op> = untouched.map(Op::put).collect();
        // A failed writer has lost what was staged before, too.
        self.generation.stage(&operations).inspect_err(|_| self.broken = true)
    }
}

/// The handle of a rebuild; dropping it gives the rebuild up.
#[derive(Debug)]
pub struct TantivyRebuild {
    ticket: Ticket,
}

#[derive(Debug)]
struct Ticket {
    inner: Arc<Inner>,
    number: u64,
}

impl TantivyRebuild {
    /// Makes the new generation.
    pub fn begin(inner: Arc<Inner>) -> Result<Self, Error> {
        let mut writing = inner.writing();
        if writing.building.is_some() {
            return Err(Error::RebuildRunning);
        }
        let number = writing.next_generation;
        writing.next_generation += 1;
        let generation = inner.place.new_generation(number)?;
        // Until it takes the other's place, its files go with it.
        generation.retire();
        writing.building = Some(Building { generation, touched: HashSet::new(), broken: false });
        drop(writing);
        Ok(Self { ticket: Ticket { inner, number } })
    }
}

#[async_trait]
impl Rebuild for TantivyRebuild {
    async fn add(&mut self, documents: Vec<Document>) -> Result<(), Error> {
        let (inner, number) = (self.ticket.inner.clone(), self.ticket.number);
        blocking("add documents", move || match &mut inner.writing().building {
            Some(building) if building.generation.number() == number => building.add(documents),
            Some(_) | None => Err(Error::RebuildBroken),
        })
        .await
    }

    async fn finish(self: Box<Self>, change: i64) -> Result<(), Error> {
        blocking("finish the rebuild", move || self.ticket.inner.swap(self.ticket.number, change)).await
    }
}

impl Inner {
    /// Puts the new generation in the place of the present one.
    fn swap(&self, number: u64, change: i64) -> Result<(), Error> {
        let mut writing = self.writing();
        let Some(building) = writing.building.take_if(|building| building.generation.number() == number) else {
            return Err(Error::RebuildBroken);
        };
        if building.broken {
            return Err(Error::RebuildBroken);
        }
        let generation = building.generation;
        generation.commit(change.max(self.current().reached()))?;
        self.place.point_at(number, true)?;
        generation.keep();
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, Arc::new(generation));
        drop(current);
        old.retire();
        Ok(())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let given_up = self.inner.writing().building.take_if(|building| building.generation.number() == self.number);
        drop(given_up);
    }
}
