//! Shapefiles and tables of dBASE are read as what they are, and bounded.

use millrace_table::{CancelFlag, Error, Hint, Limits, Warning, open, tables};
use types::Fault;

use crate::files::{file, rows, zip};

struct Read {
    format: &'static str,
    member: String,
    rows: Vec<Vec<String>>,
    warnings: Vec<Warning>,
}

/// What a file was read as, the names of its columns as the first row; `∅` for what is missing.
fn read(bytes: &[u8]) -> Result<Read, Error> {
    let (_folder, path) = file(bytes);
    let mut reader = open(&path, &Hint::default())?;
    let names = reader.column_names();
    let rows = [vec![names], rows(&mut reader)?].concat();
    let recipe = reader.recipe();
    Ok(Read { format: recipe.format.name(), member: recipe.member.clone(), rows, warnings: reader.warnings() })
}

/// A dBASE table of fields (name, kind, length) and records.
fn dbf(driver: u8, fields: &[(&str, u8, u8)], records: &[&[u8]]) -> Vec<u8> {
    let length: usize = 1 + fields.iter().map(|field| usize::from(field.2)).sum::<usize>();
    let mut bytes = vec![3, 126, 11, 21];
    bytes.extend((records.len() as u32).to_le_bytes());
    bytes.extend((33 + 32 * fields.len() as u16).to_le_bytes());
    bytes.extend((length as u16).to_le_bytes());
    bytes.resize(32, 0);
    bytes[29] = driver;
    for (name, kind, length) in fields {
        let mut field = [0; 32];
        field[..name.len()].copy_from_slice(name.as_bytes());
        (field[11], field[16]) = (*kind, *length);
        bytes.extend(field);
    }
    bytes.push(b'\r');
    records.iter().for_each(|record| {
        assert_eq!(record.len(), length);
        bytes.extend(*record);
    });
    bytes.push(0x1a);
    bytes
}

/// A file of shapes, each its kind and the rest.
fn shp(shapes: &[(i32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0x27, 0x0a];
    bytes.resize(28, 0);
    bytes.extend(1000i32.to_le_bytes());
    bytes.resize(100, 0);
    for (number, (kind, rest)) in shapes.iter().enumerate() {
        bytes.extend((number as u32 + 1).to_be_bytes());
        bytes.extend((rest.len() as u32 / 2 + 2).to_be_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(rest);
    }
    bytes
}

fn doubles(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// An area of rings.
fn rings(rings: &[&[f64]]) -> Vec<u8> {
    let mut bytes = doubles(&[0.0; 4]);
    bytes.extend((rings.len() as i32).to_le_bytes());
    bytes.extend((rings.iter().map(|ring| ring.len() as i32 / 2).sum::<i32>()).to_le_bytes());
    let mut start = 0;
    for ring in rings {
        bytes.extend(i32::to_le_bytes(start));
        start += ring.len() as i32 / 2;
    }
    rings.iter().for_each(|ring| bytes.extend(doubles(ring)));
    bytes
}

const OUTER: &[f64] = &[0., 0., 0., 9., 9., 9., 9., 0., 0., 0.];
const HOLE: &[f64] = &[1., 1., 2., 1., 2., 2., 1., 1.];
const ISLE: &[f64] = &[20., 0., 20., 1., 21., 1., 20., 0.];

fn shapes() -> Vec<u8> {
    shp(&[
        (1, doubles(&[10.75, 59.9])),
        (5, rings(&[OUTER, HOLE, ISLE])),
        (0, Vec::new()),
        (3, rings(&[&[1., 2., 3., 4.]])),
    ])
}

fn attributes() -> Vec<u8> {
    let fields: [(&str, u8, u8); 4] = [("NAME", b'C', 6), ("SIZE", b'N', 4), ("DAY", b'D', 8), ("NOTE", b'M', 10)];
    dbf(
        0x57,
        &fields,
        &[
            b" K\xf8benh  1220010328         1",
            b" Rome  ****19991231          ",
            b"*gone     319991231          ",
            b" Oslo     400000000          ",
        ],
    )
}

#[test]
fn a_shapefile_in_an_archive_is_one_table_of_shapes_and_attributes() {
    let projection = b"PROJCS[\"ETRS89 / UTM zone 32N\",GEOGCS[]]";
    let archive = zip(&[
        ("a/Towns.shp", &shapes()),
        ("a/towns.DBF", &attributes()),
        ("a/towns.shx", b"\0\0"),
        ("a/towns.prj", projection),
        ("a/towns.shp.xml", b"<?xml version=\"1.0\"?><a/>"),
    ]);
    let (_folder, path) = file(&archive);
    let contents = tables(&path, &Hint::default(), &Limits::default(), &CancelFlag::default()).unwrap();
    assert_eq!((contents.tables.len(), contents.left_out.len()), (1, 0));
    let Read { format, member, rows, warnings } = read(&archive).unwrap();
    assert_eq!((format, member.as_str()), ("shapefile", "a/Towns.shp"));
    let area = "MULTIPOLYGON (((0 0, 0 9, 9 9, 9 0, 0 0), (1 1, 2 1, 2 2, 1 1)), ((20 0, 20 1, 21 1, 20 0)))";
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0], ["geometry", "NAME", "SIZE", "DAY", "NOTE"]);
    assert_eq!(rows[1], ["POINT (10.75 59.9)", "Københ", "12", "2001-03-28", "∅"]);
    assert_eq!(rows[2], [area, "Rome", "∅", "1999-12-31", "∅"]);
    assert_eq!(rows[3], ["LINESTRING (1 2, 3 4)", "Oslo", "4", "∅", "∅"]);
    let reasons: Vec<_> = warnings.iter().map(|warning| warning.reason).collect();
    assert_eq!(reasons, ["DELETED_ROWS", "COLUMNS_NOT_READ", "PROJECTED_COORDINATES"]);
}

#[test]
fn a_table_of_dbase_is_read_alone() {
    let Read { format, rows, .. } = read(&attributes()).unwrap();
    assert_eq!((format, rows[0][0].as_str(), rows.len()), ("dbf", "NAME", 4));
}

#[test]
fn heights_are_kept_and_measures_are_not() {
    let Read { rows, .. } = read(&shp(&[(11, doubles(&[1., 2., 3., 4.])), (21, doubles(&[1., 2., 3.]))])).unwrap();
    assert_eq!(rows, [["geometry"], ["POINT Z (1 2 3)"], ["POINT (1 2)"]]);
}

#[test]
fn shapefiles_that_end_early_or_lie_are_malformed() {
    for whole in [shapes(), attributes()] {
        for length in 101..whole.len() - 1 {
            if let Err(error) = read(&whole[..length]) {
                assert_eq!(error.reason(), "MALFORMED_FILE", "{length}");
            }
        }
        for place in 32..whole.len() {
            let mut changed = whole.clone();
            changed[place] = 0xff;
            if let Err(error) = read(&changed) {
                let known = ["MALFORMED_FILE", "RECORD_TOO_LONG", "NOT_A_TABLE"].contains(&error.reason());
                assert!(known, "{place}: {error}");
            }
        }
    }
    assert_eq!(read(&attributes()[..200]).err().unwrap().reason(), "MALFORMED_FILE");
    assert_eq!(read(&shapes()[..120]).err().unwrap().reason(), "MALFORMED_FILE");
    let few = zip(&[("a.shp", &shapes()), ("a.dbf", &dbf(0, &[("A", b'C', 1)], &[b" x"]))]);
    assert_eq!(read(&few).err().unwrap().reason(), "MALFORMED_FILE");
    let mut many_points = shapes();
    many_points[176..180].copy_from_slice(&i32::MAX.to_le_bytes());
    assert_eq!(read(&many_points).err().unwrap().reason(), "MALFORMED_FILE");
}
