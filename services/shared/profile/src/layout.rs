//! What is known of a table before its first row.

use arrow::datatypes::{DataType, Schema};
use proto::profiling::v1::StructuralType;
use sketch::{Corrupt, Reader, Writer, mix};

use crate::budget::Budget;
use crate::form::Form;
use crate::native;
use crate::spatial::{self, Named};

/// How much text and how many cells the whole sample may hold: it travels in one message.
const SAMPLE_BYTES: usize = 1 << 20;
const SAMPLE_CELLS: usize = 20_000;

/// What is known of a table before its first row.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) names: Vec<String>,
    pub(crate) declared: Vec<Option<StructuralType>>,
    pub(crate) named: Vec<Option<Named>>,
    pub(crate) forms: Vec<Form>,
    pub(crate) budget: Budget,
    pub(crate) sample_rows: usize,
    /// How much of a cell the sample of rows keeps.
    pub(crate) cell_bytes: usize,
    pub(crate) seed: u64,
}

impl Layout {
    pub(crate) fn new(
        schema: &Schema,
        decimal_comma: bool,
        memory_bytes: usize,
        sample_rows: usize,
        size_bytes: u64,
    ) -> Self {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let width = names.len();
        let sample_rows = sample_rows.min((SAMPLE_CELLS / width.max(1)).max(1));
        let form = |kind: &DataType| match (native::native(kind), declared(kind)) {
            (Some(native), _) => Form::Native(native),
            (None, Some(StructuralType::Binary | StructuralType::Nested)) => Form::Declared,
            (None, Some(_)) => Form::Text { decimal_comma: false },
            (None, None) => Form::Text { decimal_comma },
        };
        Self {
            declared: schema.fields().iter().map(|field| declared(field.data_type())).collect(),
            named: names.iter().map(|name| spatial::named(name)).collect(),
            forms: schema.fields().iter().map(|field| form(field.data_type())).collect(),
            budget: Budget::new(memory_bytes, width),
            sample_rows,
            cell_bytes: (SAMPLE_BYTES / (sample_rows * width).max(1)).clamp(16, 256),
            seed: names.iter().fold(mix(size_bytes), |seed, name| mix(seed ^ sketch::hash(name.as_bytes()))),
            names,
        }
    }

    /// The columns, in words: what must be alike before rows are added.
    pub(crate) fn describe(&self) -> Vec<String> {
        let column = |(name, form): (&String, &Form)| match form {
            Form::Text { decimal_comma: false } => format!("`{name}`, text"),
            Form::Text { decimal_comma: true } => format!("`{name}`, text with decimal commas"),
            Form::Declared => format!("`{name}`, bytes or nested"),
            Form::Native(native) => format!("`{name}`, {native:?}").to_lowercase(),
        };
        self.names.iter().zip(&self.forms).map(column).collect()
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        self.budget.encode(out);
        out.number(self.sample_rows as u64);
        out.number(self.cell_bytes as u64);
        out.word(self.seed);
        out.number(self.names.len() as u64);
        for ((name, declared), form) in self.names.iter().zip(&self.declared).zip(&self.forms) {
            out.text(name);
            out.optional(*declared, |out, declared| out.signed(i32::from(declared).into()));
            form.encode(out);
        }
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let budget = Budget::decode(from)?;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (sample_rows, cell_bytes, seed) = (size(from.number()?), size(from.number()?), from.word()?);
        let (mut names, mut declared, mut forms) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..from.length(3)? {
            names.push(from.text()?.to_owned());
            let kind = from.optional(Reader::signed)?;
            let kind = kind.map(|kind| i32::try_from(kind).ok().and_then(|kind| StructuralType::try_from(kind).ok()));
            declared.push(kind.map(|kind| kind.ok_or(from.corrupt())).transpose()?);
            forms.push(Form::decode(from)?);
        }
        let named = names.iter().map(|name| spatial::named(name)).collect();
        Ok(Self { names, declared, named, forms, budget, sample_rows, cell_bytes, seed })
    }
}

/// The type that a file declares for a column; nothing for text, whose cells speak for themselves.
fn declared(kind: &DataType) -> Option<StructuralType> {
    match kind {
        DataType::Dictionary(_, values) => declared(values),
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => {
            Some(if *scale <= 0 { StructuralType::Integer } else { StructuralType::Decimal })
        }
        DataType::Boolean => Some(StructuralType::Boolean),
        DataType::Date32 | DataType::Date64 => Some(StructuralType::Date),
        DataType::Time32(_) | DataType::Time64(_) => Some(StructuralType::Time),
        DataType::Duration(_) => Some(StructuralType::Duration),
        DataType::Timestamp(_, None) => Some(StructuralType::Timestamp),
        DataType::Timestamp(_, Some(_)) => Some(StructuralType::TimestampWithZone),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Some(StructuralType::Binary)
        }
        kind if kind.is_integer() => Some(StructuralType::Integer),
        kind if kind.is_floating() => Some(StructuralType::Float),
        kind if kind.is_nested() => Some(StructuralType::Nested),
        _ => None,
    }
}
