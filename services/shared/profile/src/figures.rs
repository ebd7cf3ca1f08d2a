//! What adds up over the cells of a column, whatever its type turns out to be.

use std::borrow::Cow;

use sketch::{Corrupt, Reader, Sums, Writer};

use crate::cell::{Kind, Value};
use crate::cells::Cell;
use crate::spread::Spread;

/// How many spellings of `NA` and its like are told apart.
pub(crate) const TOKENS: usize = 64;

/// A summary of numbers of one kind. Dates that may be read in two ways feed two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Integer,
    Float,
    Time,
    Duration,
    Date,
    DateMonthFirst,
    DateDayFirst,
    Stamp,
    StampMonthFirst,
    StampDayFirst,
}

impl Slot {
    pub(crate) const COUNT: usize = Self::StampDayFirst as usize + 1;
}

/// What adds up over the cells of a column.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    ranks: usize,
    pub(crate) counts: [u64; Kind::COUNT],
    spreads: [Option<Box<Spread>>; Slot::COUNT],
    /// The spellings of truth that were met.
    pub(crate) spellings: u8,
    pub(crate) codes: Codes,
    /// Of present cells, but for tokens.
    pub(crate) lengths: Option<Lengths>,
    pub(crate) range: Option<(String, String)>,
    /// Cells that may turn out missing.
    pub(crate) tokens: Vec<(Box<str>, u64)>,
}

/// Whole numbers that may be codes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Codes {
    pub(crate) leading_zeros: u64,
    pub(crate) lengths: Option<(u32, u32)>,
}

/// How long cells are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths {
    pub(crate) count: u64,
    pub(crate) bytes: (u32, u32),
    pub(crate) total_bytes: u64,
    pub(crate) characters: (u32, u32),
    pub(crate) total_characters: u64,
}

impl Figures {
    pub(crate) fn new(ranks: usize) -> Self {
        Self {
            ranks,
            counts: [0; Kind::COUNT],
            spreads: Default::default(),
            spellings: 0,
            codes: Codes::default(),
            lengths: None,
            range: None,
            tokens: Vec::new(),
        }
    }

    /// How many cells are of a kind.
    pub(crate) fn count(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    /// How many cells hold more than white space.
    pub(crate) fn present(&self) -> u64 {
        self.counts.iter().sum::<u64>() - self.count(Kind::Blank)
    }

    /// Takes a distinct cell with its count; `text` is nothing for cells that are no text.
    pub(crate) fn add(&mut self, cell: &Cell, text: Option<&str>) {
        self.counts[cell.kind as usize] += cell.count;
        if cell.kind == Kind::Blank {
            return;
        }
        if cell.kind == Kind::Token {
            return self.add_token(text.unwrap_or("NaN"), cell.count);
        }
        // Of a text that was cut nobody knows all digits.
        self.summarise(cell, text.filter(|text| text.len() == cell.length as usize));
        if let Some(text) = text {
            self.measure(text, Lengths::of(cell));
            if cell.kind == Kind::Integer {
                self.codes.add(text.trim(), cell.count);
            }
        }
    }

    /// Takes the length of a text, and the text for the range.
    pub(crate) fn measure(&mut self, text: &str, lengths: Lengths) {
        self.lengths = Some(self.lengths.map_or(lengths, |ours| ours.with(lengths)));
        widen(&mut self.range, text);
    }

    fn summarise(&mut self, cell: &Cell, text: Option<&str>) {
        let (kind, count) = (cell.kind, cell.count);
        match cell.value {
            Value::Nothing => {}
            Value::Spelling(bit) => self.spellings |= bit,
            value @ (Value::Integer(_) | Value::Decimal { .. } | Value::Float(_)) => {
                let slot = match kind {
                    Kind::Integer => Slot::Integer,
                    Kind::Float => Slot::Float,
                    // Infinity.
                    _ => return,
                };
                self.spread(slot).add(value, text, count);
            }
            Value::Micros(micros) => {
                let slot = match kind {
                    Kind::Time => Slot::Time,
                    Kind::Duration => Slot::Duration,
                    Kind::DateMonthFirst => Slot::DateMonthFirst,
                    Kind::DateDayFirst => Slot::DateDayFirst,
                    Kind::Stamp | Kind::StampZoned => Slot::Stamp,
                    Kind::StampMonthFirst => Slot::StampMonthFirst,
                    Kind::StampDayFirst => Slot::StampDayFirst,
                    _ => Slot::Date,
                };
                self.spread(slot).add_micros(micros, count);
            }
            Value::TwoMicros(month_first, day_first) => {
                let stamp = kind == Kind::StampEither;
                let slot = if stamp { Slot::StampMonthFirst } else { Slot::DateMonthFirst };
                self.spread(slot).add_micros(month_first, count);
                let slot = if stamp { Slot::StampDayFirst } else { Slot::DateDayFirst };
                self.spread(slot).add_micros(day_first, count);
            }
        }
    }

    fn spread(&mut self, slot: Slot) -> &mut Spread {
        self.spreads[slot as usize].get_or_insert_with(|| Box::new(Spread::new(self.ranks)))
    }

    fn add_token(&mut self, token: &str, count: u64) {
        // Spelt with other capitals or spaces: there are few, and each is short.
        let known = self.tokens.iter().position(|(other, _)| other.as_ref() == token);
        match known.or_else(|| (self.tokens.len() >= TOKENS).then_some(TOKENS - 1)) {
            Some(index) => self.tokens[index].1 += count,
            None => self.tokens.push((token.into(), count)),
        }
    }

    /// Sums up what waits; before a merge, before figures are read.
    pub(crate) fn settle(&mut self) {
        self.spreads.iter_mut().flatten().for_each(|spread| spread.settle());
    }

    /// Takes what `other`, which is settled, has seen.
    pub(crate) fn merge(&mut self, other: Self) {
        self.ranks = self.ranks.min(other.ranks);
        self.counts.iter_mut().zip(other.counts).for_each(|(ours, theirs)| *ours += theirs);
        for (ours, theirs) in self.spreads.iter_mut().zip(other.spreads) {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => ours.merge(&theirs),
                (ours @ None, theirs) => *ours = theirs,
                (Some(_), None) => {}
            }
        }
        self.spellings |= other.spellings;
        self.codes.leading_zeros += other.codes.leading_zeros;
        self.codes.lengths = joined(self.codes.lengths, other.codes.lengths);
        self.lengths = match (self.lengths, other.lengths) {
            (Some(ours), Some(theirs)) => Some(ours.with(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        if let Some((least, greatest)) = &other.range {
            widen(&mut self.range, least);
            widen(&mut self.range, greatest);
        }
        other.tokens.iter().for_each(|(token, count)| self.add_token(token, *count));
    }

    /// Tells whether the numbers of some slots are decimals that doubles do not tell apart: a double would lose digits.
    pub(crate) fn need_all_digits(&self, slots: &[Slot]) -> bool {
        let filled = || slots.iter().filter_map(|slot| self.spreads[*slot as usize].as_deref());
        let mut sums = Sums::default();
        filled().for_each(|spread| sums.merge(&spread.sums));
        filled().any(|spread| spread.exact.rounds) && sums.total().is_some()
    }

    /// The merged summary of some slots; nothing when all are empty.
    pub(crate) fn merged(&self, slots: &[Slot]) -> Option<Cow<'_, Spread>> {
        let mut filled = slots.iter().filter_map(|slot| self.spreads[*slot as usize].as_deref());
        let mut merged = Cow::Borrowed(filled.next()?);
        filled.for_each(|spread| merged.to_mut().merge(spread));
        Some(merged)
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.number(self.ranks as u64);
        self.counts.iter().for_each(|count| out.number(*count));
        self.spreads.iter().for_each(|spread| out.optional(spread.as_deref(), |out, spread| spread.encode(out)));
        out.number(self.spellings.into());
        out.number(self.codes.leading_zeros);
        out.optional(self.codes.lengths, encode_range);
        out.optional(self.lengths, |out, lengths| {
            out.number(lengths.count);
            encode_range(out, lengths.bytes);
            out.number(lengths.total_bytes);
            encode_range(out, lengths.characters);
            out.number(lengths.total_characters);
        });
        out.optional(self.range.as_ref(), |out, (least, greatest)| {
            out.text(least);
            out.text(greatest);
        });
        out.number(self.tokens.len() as u64);
        for (token, count) in &self.tokens {
            out.text(token);
            out.number(*count);
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let mut figures = Self::new(usize::try_from(from.number()?).map_err(|_| from.corrupt())?);
        for count in &mut figures.counts {
            *count = from.number()?;
        }
        for spread in &mut figures.spreads {
            *spread = from.optional(Spread::decode)?.map(Box::new);
        }
        figures.spellings = u8::try_from(from.number()?).map_err(|_| from.corrupt())?;
        figures.codes.leading_zeros = from.number()?;
        figures.codes.lengths = from.optional(decode_range)?;
        figures.lengths = from.optional(|from| {
            Ok(Lengths {
                count: from.number()?,
                bytes: decode_range(from)?,
                total_bytes: from.number()?,
                characters: decode_range(from)?,
                total_characters: from.number()?,
            })
        })?;
        figures.range = from.optional(|from| Ok((from.text()?.to_owned(), from.text()?.to_owned())))?;
        for _ in 0..from.length(2)? {
            let token = from.text()?.into();
            figures.tokens.push((token, from.number()?));
        }
        Ok(figures)
    }
}

impl Codes {
    fn add(&mut self, digits: &str, count: u64) {
        let length = digits.len() as u32;
        if has_leading_zero(digits) {
            self.leading_zeros += count;
        }
        self.lengths = joined(self.lengths, Some((length, length)));
    }

    /// Numbers of one length, some of which begin with 0, are codes. Two digits may be an hour or a month.
    pub(crate) fn are_codes(&self) -> bool {
        self.leading_zeros > 0 && self.lengths.is_some_and(|(least, most)| least == most && least > 2)
    }
}

/// Tells whether digits begin with a zero that a number would not have.
pub(crate) fn has_leading_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0')
}

impl Lengths {
    pub(crate) fn of(cell: &Cell) -> Self {
        Self {
            count: cell.count,
            bytes: (cell.length, cell.length),
            total_bytes: u64::from(cell.length) * cell.count,
            characters: (cell.characters, cell.characters),
            total_characters: u64::from(cell.characters) * cell.count,
        }
    }

    /// The lengths of `count` occurrences of a short text.
    pub(crate) fn of_text(text: &str, count: u64) -> Self {
        let (bytes, characters) = (text.len() as u32, text.chars().count() as u32);
        Self {
            count,
            bytes: (bytes, bytes),
            total_bytes: u64::from(bytes) * count,
            characters: (characters, characters),
            total_characters: u64::from(characters) * count,
        }
    }

    fn with(self, other: Self) -> Self {
        let wider = |a: (u32, u32), b: (u32, u32)| (a.0.min(b.0), a.1.max(b.1));
        Self {
            count: self.count + other.count,
            bytes: wider(self.bytes, other.bytes),
            total_bytes: self.total_bytes + other.total_bytes,
            characters: wider(self.characters, other.characters),
            total_characters: self.total_characters + other.total_characters,
        }
    }
}

fn joined(ours: Option<(u32, u32)>, theirs: Option<(u32, u32)>) -> Option<(u32, u32)> {
    match (ours, theirs) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (ours, theirs) => ours.or(theirs),
    }
}

fn encode_range(out: &mut Writer, (least, most): (u32, u32)) {
    out.number(least.into());
    out.number(most.into());
}

fn decode_range(from: &mut Reader<'_>) -> Result<(u32, u32), Corrupt> {
    let (least, most) = (from.number()?, from.number()?);
    let small = |number: u64| u32::try_from(number).map_err(|_| from.corrupt());
    Ok((small(least)?, small(most)?))
}

fn widen(range: &mut Option<(String, String)>, text: &str) {
    let Some((least, greatest)) = range else {
        *range = Some((text.to_owned(), text.to_owned()));
        return;
    };
    // In a sorted column each text is the greatest so far: its memory is used again.
    if text < least.as_str() {
        text.clone_into(least);
    } else if text > greatest.as_str() {
        text.clone_into(greatest);
    }
}
