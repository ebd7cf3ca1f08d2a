//! Shapes of an ESRI shapefile, beside the rows of its dBASE table.
//!
//! Source: ESRI Shapefile Technical Description, 1998.

use std::fmt::Write;

use crate::bytes::{Bytes, Input};
use crate::dbase::Table;
use crate::error::Error;
use crate::shape_parts::Beside;
use crate::spool::Spool;
use crate::warning::Warning;

const HEADER: usize = 100;
const RECORD: usize = 8;
/// How many rings back a hole looks for the one around it.
const NEAR: usize = 1_000;

/// Tells whether bytes begin a file of shapes.
pub(crate) fn is_shapes(head: &[u8]) -> bool {
    head.len() >= HEADER && head.starts_with(&[0, 0, 0x27, 0x0a]) && head[28..32] == 1_000i32.to_le_bytes()
}

/// Rows that were written out.
pub(crate) struct Written {
    pub(crate) rows: Input,
    pub(crate) width: usize,
    pub(crate) warnings: Vec<Warning>,
}

/// Writes out a table of dBASE below a row with its names.
pub(crate) fn write_table(input: &Input, encoding: Option<&str>) -> Result<Written, Error> {
    let mut table = Table::open(input, encoding)?;
    let mut out = Spool::new(input)?;
    out.row(table.names().map(Some).collect::<Vec<_>>().into_iter())?;
    while let Some(is_row) = table.advance()? {
        if is_row {
            let cells = table.cells();
            out.row(cells.iter().map(Option::as_deref))?;
        }
    }
    let warnings = of_table(&table);
    let (rows, width) = out.finish(input)?;
    Ok(Written { rows, width, warnings })
}

/// Writes out shapes as well-known text in a column `geometry`, the attributes of each behind it, below a row with the names.
pub(crate) fn write_shapes(input: &Input, beside: &Beside) -> Result<Written, Error> {
    let mut shapes = Shapes::open(input)?;
    let table = beside.table.as_ref().map(|table| Table::open(table, beside.encoding.as_deref()));
    let mut table = table.transpose()?;
    let mut out = Spool::new(input)?;
    let names = table.iter().flat_map(Table::names);
    out.row(std::iter::once("geometry").chain(names).map(Some).collect::<Vec<_>>().into_iter())?;
    while let Some(geometry) = shapes.next()? {
        let (is_row, attributes) = match &mut table {
            None => (true, Vec::new()),
            Some(table) => {
                let lacks = || malformed("dbf", "it has fewer rows than there are shapes");
                (table.advance()?.ok_or_else(lacks)?, table.cells())
            }
        };
        if is_row {
            let cells: Vec<Option<&str>> =
                std::iter::once(geometry.as_deref()).chain(attributes.iter().map(Option::as_deref)).collect();
            out.row(cells.into_iter())?;
        }
    }
    if let Some(table) = &mut table
        && table.advance()?.is_some()
    {
        return Err(malformed("dbf", "it has more rows than there are shapes"));
    }
    let mut warnings = table.as_ref().map(of_table).unwrap_or_default();
    if shapes.unread > 0 {
        let message = "Shapes of a kind that is not read, such as surfaces in space: their cells are missing.";
        warnings.push(Warning { count: shapes.unread, ..Warning::whole("SHAPES_LEFT_OUT", message) });
    }
    if let Some(projection) = &beside.projection {
        let message = format!("The coordinates of the shapes are no degrees but those of `{projection}`.");
        warnings.push(Warning::whole("PROJECTED_COORDINATES", message));
    }
    let (rows, width) = out.finish(input)?;
    Ok(Written { rows, width, warnings })
}

fn of_table(table: &Table) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if table.deleted > 0 {
        let message = "Rows that are marked as deleted were left out.";
        warnings.push(Warning { count: table.deleted, ..Warning::whole("DELETED_ROWS", message) });
    }
    let unread = table.unread();
    if !unread.is_empty() {
        let message =
            "Columns whose values lie in another file, or are of a kind that is not read: their cells are missing";
        let names = unread.iter().take(20).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let count = unread.len() as u64;
        warnings.push(Warning { count, ..Warning::whole("COLUMNS_NOT_READ", format!("{message}: {names}.")) });
    }
    warnings
}

/// Shapes, one after the other.
struct Shapes {
    bytes: Bytes,
    limit: usize,
    offset: u64,
    unread: u64,
}

impl Shapes {
    fn open(input: &Input) -> Result<Self, Error> {
        let mut bytes = input.bytes()?;
        let mut header = [0; HEADER];
        if bytes.read_full(&mut header)? < HEADER || !is_shapes(&header) {
            return Err(malformed("shp", "its header is cut short"));
        }
        Ok(Self { bytes, limit: input.limits.max_record_bytes, offset: HEADER as u64, unread: 0 })
    }

    /// The next shape as well-known text, nothing where it has none; nothing after the last one.
    fn next(&mut self) -> Result<Option<Option<String>>, Error> {
        let mut head = [0; RECORD];
        let count = self.bytes.read_full(&mut head)?;
        if count == 0 {
            return Ok(None);
        }
        let words = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let length = usize::try_from(u64::from(words) * 2).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(Error::RecordTooLong { limit: self.limit, offset: self.offset });
        }
        let mut content = vec![0; length];
        if count < RECORD || self.bytes.read_full(&mut content)? < length {
            return Err(malformed("shp", &format!("it ends within the shape at byte {}", self.offset)));
        }
        let kind = word(&content, 0);
        let text = match kind {
            Some(0) => None,
            Some(kind) if is_known(kind) => {
                let lies =
                    || malformed("shp", &format!("the lengths in the shape at byte {} do not agree", self.offset));
                well_known(kind, &content).ok_or_else(lies)?
            }
            Some(_) => {
                self.unread += 1;
                None
            }
            None => return Err(malformed("shp", &format!("the shape at byte {} has no kind", self.offset))),
        };
        self.offset += (RECORD + length) as u64;
        Ok(Some(text))
    }
}

fn is_known(kind: i32) -> bool {
    matches!(kind, 1 | 3 | 5 | 8 | 11 | 13 | 15 | 18 | 21 | 23 | 25 | 28)
}

fn word(bytes: &[u8], place: usize) -> Option<i32> {
    bytes.get(place..place.checked_add(4)?)?.try_into().ok().map(i32::from_le_bytes)
}

fn double(bytes: &[u8], place: usize) -> Option<f64> {
    bytes.get(place..place.checked_add(8)?)?.try_into().ok().map(f64::from_le_bytes)
}

/// A shape as text, nothing inside for one without points; nothing where its lengths do not agree. Heights are kept, measures
/// are not.
fn well_known(kind: i32, content: &[u8]) -> Option<Option<String>> {
    let high = (11..=18).contains(&kind);
    let dimension = if high { " Z" } else { "" };
    if matches!(kind, 1 | 11 | 21) {
        let point =
            Point { x: double(content, 4)?, y: double(content, 12)?, z: if high { double(content, 20)? } else { 0.0 } };
        let mut text = format!("POINT{dimension} (");
        point.write(&mut text, high);
        return Some(Some(text + ")"));
    }
    let of_points = matches!(kind, 8 | 18 | 28);
    let parts = if of_points { 0 } else { usize::try_from(word(content, 36)?).ok()? };
    let points = usize::try_from(word(content, if of_points { 36 } else { 40 })?).ok()?;
    let first_part = if of_points { 40 } else { 44 };
    let first_point = parts.checked_mul(4)?.checked_add(first_part)?;
    let end = points.checked_mul(16)?.checked_add(first_point)?;
    let heights = end.checked_add(16)?;
    let needed = if high { heights.checked_add(points.checked_mul(8)?)? } else { end };
    if needed > content.len() {
        return None;
    }
    let point = |index: usize| {
        let place = first_point + index * 16;
        let z = if high { double(content, heights + index * 8) } else { Some(0.0) };
        Some(Point { x: double(content, place)?, y: double(content, place + 8)?, z: z? })
    };
    let points: Vec<Point> = (0..points).map(point).collect::<Option<_>>()?;
    if points.is_empty() {
        return Some(None);
    }
    if of_points {
        let mut text = format!("MULTIPOINT{dimension} ");
        write_line(&mut text, &points, high);
        return Some(Some(text));
    }
    let starts: Vec<usize> =
        (0..parts).map(|part| usize::try_from(word(content, first_part + part * 4)?).ok()).collect::<Option<_>>()?;
    let ends = starts.iter().skip(1).copied().chain(std::iter::once(points.len()));
    let lines: Vec<&[Point]> =
        starts.iter().zip(ends).map(|(start, end)| points.get(*start..end)).collect::<Option<_>>()?;
    let lines: Vec<&[Point]> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let is_area = matches!(kind, 5 | 15 | 25);
    Some(
        (!lines.is_empty())
            .then(|| if is_area { areas(&lines, dimension, high) } else { several_lines(&lines, dimension, high) }),
    )
}

#[derive(Debug, Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
    z: f64,
}

impl Point {
    fn write(self, text: &mut String, high: bool) {
        // Writing to a string cannot fail.
        let _cannot_fail = write!(text, "{} {}", self.x, self.y);
        if high {
            let _cannot_fail = write!(text, " {}", self.z);
        }
    }
}

fn write_line(text: &mut String, points: &[Point], high: bool) {
    text.push('(');
    for (index, point) in points.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        point.write(text, high);
    }
    text.push(')');
}

fn write_lines(text: &mut String, lines: &[&[Point]], high: bool) {
    text.push('(');
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        write_line(text, line, high);
    }
    text.push(')');
}

fn several_lines(lines: &[&[Point]], dimension: &str, high: bool) -> String {
    let mut text = String::new();
    if let [line] = lines {
        text += &format!("LINESTRING{dimension} ");
        write_line(&mut text, line, high);
    } else {
        text += &format!("MULTILINESTRING{dimension} ");
        write_lines(&mut text, lines, high);
    }
    text
}

/// Rings that run clockwise bound areas, others are holes in the last one before them that can hold them.
fn areas(rings: &[&[Point]], dimension: &str, high: bool) -> String {
    let mut areas: Vec<(Bounds, Vec<&[Point]>)> = Vec::new();
    for ring in rings {
        let bounds = Bounds::of(ring);
        if !areas.is_empty() && doubled_area(ring) > 0.0 {
            let last = areas.len() - 1;
            let near = areas.len().saturating_sub(NEAR);
            let around = areas[near..].iter().rposition(|(outer, _)| outer.holds(&bounds));
            areas[around.map_or(last, |place| near + place)].1.push(ring);
        } else {
            areas.push((bounds, vec![ring]));
        }
    }
    let mut text = String::new();
    if let [(_, rings)] = areas.as_slice() {
        text += &format!("POLYGON{dimension} ");
        write_lines(&mut text, rings, high);
        return text;
    }
    text += &format!("MULTIPOLYGON{dimension} (");
    for (index, (_, rings)) in areas.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        write_lines(&mut text, rings, high);
    }
    text.push(')');
    text
}

/// Twice the area of a ring, negative where it runs clockwise.
fn doubled_area(ring: &[Point]) -> f64 {
    let next = ring.iter().cycle().skip(1);
    ring.iter().zip(next).map(|(one, two)| one.x * two.y - two.x * one.y).sum()
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    low: (f64, f64),
    high: (f64, f64),
}

impl Bounds {
    fn of(ring: &[Point]) -> Self {
        let (mut low, mut high) = ((f64::INFINITY, f64::INFINITY), (f64::NEG_INFINITY, f64::NEG_INFINITY));
        for point in ring {
            low = (low.0.min(point.x), low.1.min(point.y));
            high = (high.0.max(point.x), high.1.max(point.y));
        }
        Self { low, high }
    }

    fn holds(&self, inner: &Self) -> bool {
        self.low.0 <= inner.low.0
            && self.low.1 <= inner.low.1
            && self.high.0 >= inner.high.0
            && self.high.1 >= inner.high.1
    }
}

fn malformed(format: &'static str, message: &str) -> Error {
    Error::Malformed { format, message: message.to_owned() }
}
