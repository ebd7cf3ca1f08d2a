//! How the cells of a column come.

use std::borrow::Cow;

use sketch::{Corrupt, Reader, Writer};

use crate::cells::Cell;
use crate::native::Native;

/// How the cells of a column come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As text that speaks for itself.
    Text {
        /// A comma divides the fraction of a number.
        decimal_comma: bool,
    },
    /// As text, whose type the file declares.
    Declared,
    /// As values.
    Native(Native),
}

impl Form {
    pub(crate) fn encode(self, out: &mut Writer) {
        match self {
            Self::Text { decimal_comma } => out.number(u64::from(decimal_comma)),
            Self::Declared => out.number(2),
            Self::Native(native) => {
                let place = Native::ALL.iter().position(|other| *other == native).unwrap_or_default();
                out.number(3 + place as u64);
            }
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(match from.number()? {
            number @ (0 | 1) => Self::Text { decimal_comma: number == 1 },
            2 => Self::Declared,
            number => {
                let place = usize::try_from(number - 3).map_err(|_| from.corrupt())?;
                Self::Native(*Native::ALL.get(place).ok_or(from.corrupt())?)
            }
        })
    }

    /// The text of a cell, rendered where it came as a value.
    pub(crate) fn text<'t>(self, cell: &Cell, kept: &'t str) -> Cow<'t, str> {
        match self {
            Self::Native(native) => Cow::Owned(native.render(cell.value).into_string()),
            Self::Text { .. } | Self::Declared => Cow::Borrowed(kept),
        }
    }
}
