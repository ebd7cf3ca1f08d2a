//! Cells that come as values: neither rendered as text nor read from it.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use sketch::{Decimal, mix};

use crate::calendar::civil;
use crate::cell::{Kind, Value};
use crate::column::Column;
use crate::form::Form;
use crate::number::decimal_to_f64;
use crate::rows::RowHashes;

const DAY: i64 = 86_400_000_000;

/// What a value is, for its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Native {
    Integer,
    /// Of 32 bits.
    Single,
    Float,
    Decimal,
    Boolean,
    Date,
    Time,
    Duration,
    Stamp {
        zoned: bool,
    },
}

impl Native {
    /// Every one; states of profiles hold their places.
    pub(crate) const ALL: [Self; 10] = [
        Self::Integer,
        Self::Single,
        Self::Float,
        Self::Decimal,
        Self::Boolean,
        Self::Date,
        Self::Time,
        Self::Duration,
        Self::Stamp { zoned: false },
        Self::Stamp { zoned: true },
    ];

    /// Tells whether the values are numbers.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Single | Self::Float | Self::Decimal)
    }

    /// The value as text: a number in its shortest form, dates and times as ISO 8601 has them.
    pub(crate) fn render(self, value: Value) -> Box<str> {
        let text = match value {
            Value::Integer(value) => value.to_string(),
            Value::Decimal { digits, places } => Decimal { digits: digits.into(), places }.to_string(),
            Value::Float(value) if self == Self::Integer => format!("{value:.0}"),
            Value::Float(value) if self == Self::Single => format!("{:?}", value as f32),
            Value::Float(value) => format!("{value:?}"),
            Value::Spelling(bit) => (if bit == 1 { "true" } else { "false" }).to_owned(),
            Value::Micros(micros) | Value::TwoMicros(micros, _) => self.instant(micros),
            Value::Nothing => "NaN".to_owned(),
        };
        text.into()
    }

    fn instant(self, micros: i64) -> String {
        let (year, month, day) = civil(micros.div_euclid(DAY));
        let clock = clock(micros.rem_euclid(DAY));
        match self {
            Self::Date => format!("{year:04}-{month:02}-{day:02}"),
            Self::Stamp { zoned } => {
                let zone = if zoned { "Z" } else { "" };
                format!("{year:04}-{month:02}-{day:02}T{clock}{zone}")
            }
            Self::Duration => {
                let sign = if micros < 0 { "-" } else { "" };
                let (seconds, rest) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
                let fraction = if rest > 0 { format!(".{rest:06}") } else { String::new() };
                format!("{sign}PT{seconds}{fraction}S")
            }
            _ => clock,
        }
    }
}

fn clock(micros: i64) -> String {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if rest > 0 { format!("{whole}.{}", format!("{rest:06}").trim_end_matches('0')) } else { whole }
}

/// How the cells of a column of this type come; nothing for what goes through text.
pub(crate) fn native(kind: &DataType) -> Option<Native> {
    Some(match kind {
        kind if kind.is_integer() => Native::Integer,
        DataType::Float32 => Native::Single,
        DataType::Float64 => Native::Float,
        DataType::Boolean => Native::Boolean,
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => match scale {
            0 => Native::Integer,
            1..=18 => Native::Decimal,
            _ => return None,
        },
        DataType::Date32 | DataType::Date64 => Native::Date,
        DataType::Time32(_) | DataType::Time64(_) => Native::Time,
        DataType::Duration(_) => Native::Duration,
        DataType::Timestamp(_, zone) => Native::Stamp { zoned: zone.is_some() },
        _ => return None,
    })
}

/// Takes the values of the next rows; tells whether their type is one that this can.
pub(crate) fn add(
    column: &mut Column,
    array: &ArrayRef,
    first_row: u64,
    rows: &mut RowHashes<'_>,
    numbers: Option<&mut Vec<f64>>,
) -> Result<(), arrow::error::ArrowError> {
    debug_assert!(matches!(column.form(), Form::Native(_)));
    let mut feed = Feed { column, first_row, rows, numbers };
    match array.data_type() {
        DataType::Int8 => feed.integers::<Int8Type>(array),
        DataType::Int16 => feed.integers::<Int16Type>(array),
        DataType::Int32 => feed.integers::<Int32Type>(array),
        DataType::Int64 => feed.integers::<Int64Type>(array),
        DataType::UInt8 => feed.integers::<UInt8Type>(array),
        DataType::UInt16 => feed.integers::<UInt16Type>(array),
        DataType::UInt32 => feed.integers::<UInt32Type>(array),
        DataType::UInt64 => feed.each::<UInt64Type>(array, |value| match i64::try_from(value) {
            Ok(value) => integer(value),
            Err(_) => (mix(value), Kind::Integer, Value::Float(value as f64)),
        }),
        DataType::Float32 => feed.each::<Float32Type>(array, |value| float(f64::from(value))),
        DataType::Float64 => feed.each::<Float64Type>(array, float),
        DataType::Boolean => feed.booleans(array),
        DataType::Decimal128(_, scale) => feed.decimals(array, *scale as u8),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            let wide = cast(array, &DataType::Decimal128(*precision, *scale))?;
            feed.decimals(&wide, *scale as u8);
        }
        DataType::Date32 => {
            feed.each::<Date32Type>(array, |day| moment(Kind::Date, i64::from(day).saturating_mul(DAY)))
        }
        DataType::Date64 => feed.each::<Date64Type>(array, |millis| moment(Kind::Date, millis.saturating_mul(1_000))),
        DataType::Time32(TimeUnit::Second) => {
            feed.each::<Time32SecondType>(array, |value| moment(Kind::Time, i64::from(value) * 1_000_000));
        }
        DataType::Time32(_) => {
            feed.each::<Time32MillisecondType>(array, |value| moment(Kind::Time, i64::from(value) * 1_000));
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            feed.each::<Time64MicrosecondType>(array, |value| moment(Kind::Time, value));
        }
        DataType::Time64(_) => {
            feed.each::<Time64NanosecondType>(array, |value| moment(Kind::Time, value.div_euclid(1_000)));
        }
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => {
                feed.each::<DurationSecondType>(array, |v| moment(Kind::Duration, micros(v, 1_000_000)))
            }
            TimeUnit::Millisecond => {
                feed.each::<DurationMillisecondType>(array, |v| moment(Kind::Duration, micros(v, 1_000)));
            }
            TimeUnit::Microsecond => feed.each::<DurationMicrosecondType>(array, |v| moment(Kind::Duration, v)),
            TimeUnit::Nanosecond => {
                feed.each::<DurationNanosecondType>(array, |v| moment(Kind::Duration, v.div_euclid(1_000)));
            }
        },
        DataType::Timestamp(unit, zone) => {
            let kind = if zone.is_some() { Kind::StampZoned } else { Kind::Stamp };
            match unit {
                TimeUnit::Second => feed.each::<TimestampSecondType>(array, |v| moment(kind, micros(v, 1_000_000))),
                TimeUnit::Millisecond => {
                    feed.each::<TimestampMillisecondType>(array, |v| moment(kind, micros(v, 1_000)));
                }
                TimeUnit::Microsecond => feed.each::<TimestampMicrosecondType>(array, |v| moment(kind, v)),
                TimeUnit::Nanosecond => {
                    feed.each::<TimestampNanosecondType>(array, |v| moment(kind, v.div_euclid(1_000)));
                }
            }
        }
        other => unreachable!("{other} does not come as values"),
    }
    Ok(())
}

/// An array on its way into a column.
struct Feed<'a, 'r> {
    column: &'a mut Column,
    first_row: u64,
    rows: &'a mut RowHashes<'r>,
    numbers: Option<&'a mut Vec<f64>>,
}

impl Feed<'_, '_> {
    fn each<T: ArrowPrimitiveType>(&mut self, array: &ArrayRef, value: impl Fn(T::Native) -> (u64, Kind, Value)) {
        let values: &PrimitiveArray<T> = array.as_primitive();
        let values = values.iter().map(|cell| cell.map(&value));
        self.column.add_values(values, self.first_row, self.rows, self.numbers.as_deref_mut());
    }

    fn integers<T: ArrowPrimitiveType>(&mut self, array: &ArrayRef)
    where
        T::Native: Into<i64>,
    {
        self.each::<T>(array, |value| integer(value.into()));
    }

    fn booleans(&mut self, array: &ArrayRef) {
        let values = array.as_boolean().iter().map(|cell| {
            cell.map(|truth| {
                let bit = if truth { 1 } else { 2 };
                (mix(bit.into()), Kind::Boolean, Value::Spelling(bit))
            })
        });
        self.column.add_values(values, self.first_row, self.rows, self.numbers.as_deref_mut());
    }

    fn decimals(&mut self, array: &ArrayRef, places: u8) {
        self.each::<Decimal128Type>(array, |value| match i64::try_from(value) {
            Ok(value) if places == 0 => integer(value),
            Ok(digits) => (mix(digits as u64), Kind::Float, Value::Decimal { digits, places }),
            Err(_) => {
                let kind = if places == 0 { Kind::Integer } else { Kind::Float };
                let hash = mix(value as u64) ^ mix((value >> 64) as u64).rotate_left(1);
                (hash, kind, Value::Float(great(value, places)))
            }
        });
    }
}

fn great(digits: i128, places: u8) -> f64 {
    i64::try_from(digits).map_or_else(|_| Decimal { digits, places }.to_f64(), |digits| decimal_to_f64(digits, places))
}

fn integer(value: i64) -> (u64, Kind, Value) {
    (mix(value as u64), Kind::Integer, Value::Integer(value))
}

fn float(value: f64) -> (u64, Kind, Value) {
    // One zero, and one NaN, which is missing.
    let value = if value == 0.0 { 0.0 } else { value };
    if value.is_nan() {
        return (mix(f64::NAN.to_bits()), Kind::Token, Value::Nothing);
    }
    let kind = if value.is_finite() { Kind::Float } else { Kind::Text };
    (mix(value.to_bits()), kind, Value::Float(value))
}

fn moment(kind: Kind, micros: i64) -> (u64, Kind, Value) {
    (mix(micros as u64), kind, Value::Micros(micros))
}

fn micros(value: i64, each: i64) -> i64 {
    value.saturating_mul(each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rendered_as_iso_8601_has_them() {
        for (native, value, text) in [
            (Native::Integer, Value::Integer(-7), "-7"),
            (Native::Float, Value::Float(1.5), "1.5"),
            (Native::Decimal, Value::Decimal { digits: -25, places: 2 }, "-0.25"),
            (Native::Boolean, Value::Spelling(2), "false"),
            (Native::Date, Value::Micros(-DAY), "1969-12-31"),
            (Native::Time, Value::Micros(1_500_000), "00:00:01.5"),
            (Native::Stamp { zoned: true }, Value::Micros(DAY + 1), "1970-01-02T00:00:00.000001Z"),
            (Native::Duration, Value::Micros(-90_000_000), "-PT90S"),
        ] {
            assert_eq!(native.render(value).as_ref(), text);
        }
    }
}
