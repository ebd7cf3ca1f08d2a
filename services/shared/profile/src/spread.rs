//! How the numbers of one kind are spread.

use sketch::{Corrupt, Decimal, Moments, Quantiles, Reader, Sums, Writer};

use crate::cell::Value;
use crate::exact::{Exact, decimal};

/// Numbers wait until there are as many, so that what is done with them is done in one loop.
const PENDING: usize = 512;

/// A summary of numbers; instants go in as microseconds and count as seconds.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    pub(crate) moments: Moments,
    pub(crate) quantiles: Quantiles,
    pub(crate) sums: Sums,
    pub(crate) exact: Exact,
    /// The first and the last instant.
    pub(crate) micros: Option<(i64, i64)>,
    pending: Vec<f64>,
    /// Nobody asks for ranks: the numbers themselves tell them.
    unranked: bool,
}

impl Spread {
    /// Ranks by a sketch of this size; without them where it is 0.
    pub(crate) fn new(ranks: usize) -> Self {
        Self {
            moments: Moments::default(),
            quantiles: Quantiles::new(ranks),
            sums: Sums::default(),
            exact: Exact::default(),
            micros: None,
            pending: Vec::new(),
            unranked: ranks == 0,
        }
    }

    /// Takes a number `count` times; `text` is how it was written, where it came as text.
    pub(crate) fn add(&mut self, value: Value, text: Option<&str>, count: u64) {
        let number = match value {
            Value::Integer(value) => {
                self.sums.add(value, 0, count);
                self.exact.add(value as f64, Decimal { digits: value.into(), places: 0 });
                value as f64
            }
            Value::Decimal { digits, places } => {
                self.sums.add(digits, places, count);
                let number = crate::number::decimal_to_f64(digits, places);
                self.exact.add(number, Decimal { digits: digits.into(), places });
                number
            }
            Value::Float(value) => {
                match text.and_then(|text| decimal(text.trim(), value)) {
                    Some(decimal) => {
                        self.sums.add_wide(decimal, count);
                        self.exact.add(value, decimal);
                    }
                    None => self.sums.lose(),
                }
                value
            }
            Value::Nothing | Value::Spelling(_) | Value::Micros(_) | Value::TwoMicros(..) => return,
        };
        self.take(number, count);
    }

    /// Takes an instant `count` times.
    pub(crate) fn add_micros(&mut self, micros: i64, count: u64) {
        let (first, last) = self.micros.unwrap_or((micros, micros));
        self.micros = Some((first.min(micros), last.max(micros)));
        self.take(micros as f64 / 1e6, count);
    }

    fn take(&mut self, number: f64, count: u64) {
        if count > 2 {
            self.moments.add(number, count);
            if !self.unranked {
                self.quantiles.add(number, count);
            }
            return;
        }
        for _ in 0..count {
            self.pending.push(number);
            if self.pending.len() >= PENDING {
                self.settle();
            }
        }
    }

    /// Sums up what waits.
    pub(crate) fn settle(&mut self) {
        self.moments.add_all(&self.pending);
        if !self.unranked {
            self.quantiles.add_all(&self.pending);
        }
        self.pending.clear();
    }

    /// Takes what `other`, which is settled, has seen.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.settle();
        debug_assert!(other.pending.is_empty());
        self.moments.merge(&other.moments);
        self.quantiles.merge(&other.quantiles);
        self.sums.merge(&other.sums);
        self.exact.merge(&other.exact);
        self.micros = match (self.micros, other.micros) {
            (Some(ours), Some(theirs)) => Some((ours.0.min(theirs.0), ours.1.max(theirs.1))),
            (ours, theirs) => ours.or(theirs),
        };
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        debug_assert!(self.pending.is_empty());
        self.moments.encode(out);
        self.quantiles.encode(out);
        self.sums.encode(out);
        self.exact.encode(out);
        out.optional(self.micros, |out, (first, last)| {
            out.signed(first);
            out.signed(last);
        });
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            moments: Moments::decode(from)?,
            quantiles: Quantiles::decode(from)?,
            sums: Sums::decode(from)?,
            exact: Exact::decode(from)?,
            micros: from.optional(|from| Ok((from.signed()?, from.signed()?)))?,
            pending: Vec::new(),
            unranked: false,
        })
    }
}
