//! Whether a column is sorted.

use std::cmp::Ordering;

use proto::profiling::v1::SortOrder;
use sketch::{Corrupt, Reader, Writer};

use crate::cell::Value;

/// How each cell of a run compares with the one before it, by text and by value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    pub(crate) text: Trend<String>,
    pub(crate) value: Trend<Value>,
}

/// How each item of a run compares with the one before it.
#[derive(Debug, Clone)]
pub(crate) struct Trend<T> {
    ends: Option<(T, T)>,
    rises: bool,
    falls: bool,
    ties: bool,
}

impl<T> Default for Trend<T> {
    fn default() -> Self {
        Self { ends: None, rises: false, falls: false, ties: false }
    }
}

impl<T> Trend<T> {
    /// Tells whether the next item may still tell anything.
    pub(crate) fn is_open(&self) -> bool {
        !(self.rises && self.falls)
    }

    fn close(&mut self) {
        (self.rises, self.falls) = (true, true);
    }

    fn note(&mut self, step: Option<Ordering>) {
        match step {
            Some(Ordering::Less) => self.rises = true,
            Some(Ordering::Greater) => self.falls = true,
            Some(Ordering::Equal) => self.ties = true,
            None => self.close(),
        }
    }

    fn join(&mut self, other: Self, compare: impl Fn(&T, &T) -> Option<Ordering>) {
        let Some((first, last)) = other.ends else {
            if !other.is_open() {
                self.close();
            }
            return;
        };
        match &mut self.ends {
            None => self.ends = Some((first, last)),
            Some((_, ours)) => {
                let step = compare(ours, &first);
                *ours = last;
                self.note(step);
            }
        }
        self.rises |= other.rises;
        self.falls |= other.falls;
        self.ties |= other.ties;
    }

    /// What the steps add up to; `Unspecified` for fewer than two items.
    pub(crate) fn sort_order(&self) -> SortOrder {
        match (self.rises, self.falls, self.ties) {
            (true, true, _) => SortOrder::Unsorted,
            (true, false, true) => SortOrder::Ascending,
            (true, false, false) => SortOrder::StrictlyAscending,
            (false, true, true) => SortOrder::Descending,
            (false, true, false) => SortOrder::StrictlyDescending,
            (false, false, true) => SortOrder::Constant,
            (false, false, false) => SortOrder::Unspecified,
        }
    }
}

impl Order {
    pub(crate) fn is_open(&self) -> bool {
        self.text.is_open() || self.value.is_open()
    }

    /// Takes the next cell.
    pub(crate) fn step(&mut self, text: Option<&str>, value: Value) {
        if let Some(text) = text.filter(|_| self.text.is_open()) {
            match &mut self.text.ends {
                None => self.text.ends = Some((text.into(), text.into())),
                Some((_, last)) => {
                    let step = last.as_str().cmp(text);
                    if step != Ordering::Equal {
                        text.clone_into(last);
                    }
                    self.text.note(Some(step));
                }
            }
        } else if text.is_none() {
            self.text.close();
        }
        if self.value.is_open() {
            match &mut self.value.ends {
                None if value.compare(value).is_none() => self.value.close(),
                None => self.value.ends = Some((value, value)),
                Some((_, last)) => {
                    let step = last.compare(value);
                    *last = value;
                    self.value.note(step);
                }
            }
        }
    }

    /// Takes the cell before once more.
    pub(crate) fn repeat(&mut self) {
        self.text.ties = true;
        self.value.ties = true;
    }

    /// Takes the order of what follows.
    pub(crate) fn merge(&mut self, other: Self) {
        self.text.join(other.text, |a, b| Some(a.cmp(b)));
        self.value.join(other.value, |a, b| a.compare(*b));
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        self.text.encode(out, |out, text| out.text(text));
        self.value.encode(out, |out, value| value.encode(out));
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let text = Trend::decode(from, |from| from.text().map(str::to_owned))?;
        Ok(Self { text, value: Trend::decode(from, Value::decode)? })
    }
}

impl<T> Trend<T> {
    fn encode(&self, out: &mut Writer, write: impl Fn(&mut Writer, &T)) {
        out.number(u64::from(self.rises) | u64::from(self.falls) << 1 | u64::from(self.ties) << 2);
        // What is not sorted needs no ends.
        out.optional(self.ends.as_ref().filter(|_| self.is_open()), |out, (first, last)| {
            write(out, first);
            write(out, last);
        });
    }

    fn decode<'a>(
        from: &mut Reader<'a>,
        read: impl Fn(&mut Reader<'a>) -> Result<T, Corrupt>,
    ) -> Result<Self, Corrupt> {
        let bits = from.number()?;
        let ends = from.optional(|from| Ok((read(from)?, read(from)?)))?;
        Ok(Self { ends, rises: bits & 1 > 0, falls: bits & 2 > 0, ties: bits & 4 > 0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[i64]) -> Order {
        let mut order = Order::default();
        values.iter().for_each(|value| order.step(Some(&format!("{value:03}")), Value::Integer(*value)));
        order
    }

    #[test]
    fn each_order_has_a_name() {
        for (values, expected) in [
            (vec![1, 2, 3], SortOrder::StrictlyAscending),
            (vec![1, 1, 3], SortOrder::Ascending),
            (vec![3, 2, 1], SortOrder::StrictlyDescending),
            (vec![3, 2, 2], SortOrder::Descending),
            (vec![2, 2], SortOrder::Constant),
            (vec![1, 3, 2], SortOrder::Unsorted),
            (vec![1], SortOrder::Unspecified),
            (vec![], SortOrder::Unspecified),
        ] {
            let order = of(&values);
            assert_eq!((order.text.sort_order(), order.value.sort_order()), (expected, expected), "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_two_runs_is_that_of_the_whole(mut values in prop::collection::vec(0i64..20, 0..6), sorted: bool, cut in 0usize..6) {
            if sorted {
                values.sort();
            }
            let cut = cut.min(values.len());
            let mut merged = of(&values[..cut]);
            merged.merge(of(&values[cut..]));
            prop_assert_eq!(merged.value.sort_order(), of(&values).value.sort_order());
            prop_assert_eq!(merged.text.sort_order(), of(&values).text.sort_order());
        }
    }
}
