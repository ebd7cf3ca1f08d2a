//! Every supported format, dialect and encoding is read as what it is.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::Int32Type;
use millrace_table::{CancelFlag, Format, Hint, TableReader, Warning, open, to_text, write_csv};
use testkit::temp_dir;

use crate::files::{gzip, parquet};

type Rows = Vec<Vec<Option<String>>>;

/// What a file was read as.
struct Read {
    reader: TableReader,
    names: Vec<String>,
    rows: Rows,
}

impl Read {
    fn warning(&self, reason: &str) -> Option<Warning> {
        self.reader.warnings().into_iter().find(|warning| warning.reason == reason)
    }

    fn cells(&self) -> Vec<Vec<&str>> {
        self.rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("∅")).collect()).collect()
    }
}

fn read(bytes: &[u8]) -> Read {
    read_named(bytes, "file")
}

fn read_named(bytes: &[u8], name: &str) -> Read {
    let folder = temp_dir();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    drain(open(&path, &Hint::named(name)).unwrap())
}

fn drain(mut reader: TableReader) -> Read {
    let names = reader.column_names();
    let mut rows = Vec::new();
    while let Some(batch) = reader.next_batch().unwrap() {
        let batch = to_text(&batch).unwrap();
        for row in 0..batch.num_rows() {
            let cell = |column: &ArrayRef| column.as_string::<i32>().iter().nth(row).flatten().map(str::to_owned);
            rows.push(batch.columns().iter().map(cell).collect());
        }
    }
    Read { reader, names, rows }
}

fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
    units.flat_map(|unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn csv_is_read_with_its_quotes_and_missing_cells() {
    let read = read(b"a,b,c\r\n1,\"x, \"\"y\"\"\nz\",\r\n\r\n2,,3\r\n");
    assert_eq!(read.names, ["a", "b", "c"]);
    assert_eq!(read.cells(), [["1", "x, \"y\"\nz", "∅"], ["2", "∅", "3"]]);
    assert_eq!(read.reader.recipe().format, Format::Csv);
    assert!(read.reader.warnings().is_empty());
    assert_eq!(read.reader.read_bytes(), 32);
}

#[test]
fn each_delimiter_is_found() {
    for (delimiter, format) in [(',', Format::Csv), (';', Format::Csv), ('|', Format::Csv), ('\t', Format::Tsv)] {
        let read = read("name,size\nab,1\ncd,2\n".replace(',', &delimiter.to_string()).as_bytes());
        assert_eq!(read.cells(), [["ab", "1"], ["cd", "2"]]);
        assert_eq!((read.reader.recipe().delimiter, read.reader.recipe().format), (Some(delimiter), format));
    }
}

#[test]
fn each_encoding_is_found() {
    let text = "name,town\nJosé,Köln\nZoë,Århus\nRenée,Málaga\n";
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let cases: [(Vec<u8>, &str); 6] = [
        (text.as_bytes().to_vec(), "utf-8"),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "utf-8"),
        (utf16(text, false, true), "utf-16le"),
        (utf16(text, true, true), "utf-16be"),
        (utf16(text, false, false), "utf-16le"),
        (latin, "windows-1252"),
    ];
    for (bytes, label) in cases {
        let read = read(&bytes);
        assert_eq!(read.reader.recipe().encoding_label(), label);
        assert_eq!(read.names, ["name", "town"], "{label}");
        assert_eq!(read.cells(), [["José", "Köln"], ["Zoë", "Århus"], ["Renée", "Málaga"]], "{label}");
        assert_eq!(read.warning("ENCODING_GUESSED").is_some(), label == "windows-1252");
    }
}

#[test]
fn a_file_without_header_gets_names_and_a_warning() {
    let read = read(b"1,2\n3,4\n");
    assert_eq!(read.names, ["column_1", "column_2"]);
    assert_eq!(read.rows.len(), 2);
    assert!(read.warning("NO_HEADER").is_some());
}

#[test]
fn repeated_and_empty_names_are_mended_and_told() {
    let read = read(b"a,,a,b\n1,2,3,4\n");
    assert_eq!(read.names, ["a", "column_2", "a_2", "b"]);
    assert_eq!(read.warning("EMPTY_COLUMN_NAME").unwrap().count, 1);
    assert_eq!(read.warning("REPEATED_COLUMN_NAME").unwrap().count, 1);
}

#[test]
fn ragged_rows_are_padded_or_cut_and_told() {
    let read = read(b"a,b,c\n1,2,3\n4,5\n6,7,8,9\n1,2,3\n5\n");
    assert_eq!(read.cells()[1], ["4", "5", "∅"]);
    assert_eq!(read.cells()[2], ["6", "7", "8"]);
    let short = read.warning("SHORT_ROWS").unwrap();
    assert_eq!((short.count, short.first_row, short.first_byte), (2, Some(1), Some(12)));
    let long = read.warning("LONG_ROWS").unwrap();
    assert_eq!((long.count, long.first_row, long.first_byte), (1, Some(2), Some(16)));
}

#[test]
fn a_quote_that_is_never_closed_is_told() {
    let read = read(b"a,b\n1,x\n2,\"y\n3,z\n");
    assert!(read.warning("UNCLOSED_QUOTE").is_some());
}

#[test]
fn one_column_is_a_table() {
    let read = read(b"name\nAnn\n\nBob\n");
    assert_eq!(read.cells(), [["Ann"], ["Bob"]]);
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    let read = read(b"a,b\n");
    assert_eq!((read.names.len(), read.rows.len()), (2, 0));
}

#[test]
fn an_array_of_objects_is_a_table_with_late_columns() {
    let json = br#" [ {"a": 1, "b": "x\n\u00e9"}, {"b": null, "c": {"k": [1, "a b"]}}, {"a": 2.50, "c": true} ] "#;
    let read = read(json);
    assert_eq!(read.names, ["a", "b", "c.k", "c"]);
    let nested = r#"[1,"a b"]"#;
    assert_eq!(read.cells(), [["1", "x\né", "∅", "∅"], ["∅", "∅", nested, "∅"], ["2.50", "∅", "∅", "true"]]);
    assert_eq!(read.reader.recipe().format, Format::Json);
    assert!(read.reader.warnings().is_empty());
}

#[test]
fn lines_of_objects_are_a_table() {
    let read = read(b"{\"a\":1}\n\n{\"a\":2,\"b\":\"x\"}\n");
    assert_eq!(read.cells(), [["1", "∅"], ["2", "x"]]);
    assert_eq!(read.reader.recipe().format, Format::JsonLines);
}

#[test]
fn the_only_array_of_objects_in_an_object_is_the_table() {
    let read = read(br#"{"type": "list", "tags": ["x"], "items": [{"a": 1}, {"a": 2}], "n": 2}"#);
    assert_eq!(read.cells(), [["1"], ["2"]]);
    assert!(read.warning("ROWS_IN_MEMBER").unwrap().message.contains("`items`"));
}

#[test]
fn another_object_is_one_row() {
    let read = read(br#"{"a": [1, 2], "b": {"c": 3}, "d": "x"}"#);
    assert_eq!(read.names, ["a", "b.c", "d"]);
    assert_eq!(read.cells(), [["[1,2]", "3", "x"]]);
    assert!(read.warning("SINGLE_RECORD").is_some());
}

#[test]
fn elements_that_are_not_objects_get_columns_by_position() {
    let read = read(b"[[1, 2], [3, 4, 5]]");
    assert_eq!(read.names, ["column_1", "column_2", "column_3"]);
    assert_eq!(read.warning("NOT_OBJECTS").unwrap().count, 2);
}

#[test]
fn names_in_brackets_are_csv() {
    let read = read(b"[id],[name]\n1,x\n");
    assert_eq!(read.reader.recipe().format, Format::Csv);
}

#[test]
fn gzip_is_found_by_its_bytes_in_one_member_or_more() {
    let two = [gzip(b"a,b\n1,2\n"), gzip(b""), gzip(b"3,4\n"), vec![0; 600]].concat();
    let read = read_named(&two, "misnamed.csv");
    assert_eq!(read.cells(), [["1", "2"], ["3", "4"]]);
    assert_eq!(read.reader.recipe().compression, "gzip");
    assert_eq!(read.reader.read_bytes(), two.len() as u64);
}

fn parquet_bytes() -> Vec<u8> {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ("share", Arc::new(Float64Array::from(vec![0.5, 2.0]))),
        ("good", Arc::new(BooleanArray::from(vec![true, false]))),
        ("day", Arc::new(Date32Array::from(vec![0, -147_926]))),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![1, 0]))),
        ("name", Arc::new(StringArray::from(vec![Some("x, y"), Some("")]))),
        ("list", Arc::new(list)),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap();
    parquet(&batch)
}

#[test]
fn parquet_keeps_its_types() {
    for bytes in [parquet_bytes(), gzip(&parquet_bytes())] {
        let read = read(&bytes);
        assert!(read.reader.is_typed());
        assert_eq!(read.reader.recipe().format, Format::Parquet);
        assert_eq!(read.cells()[0], ["1", "0.5", "true", "1970-01-01", "1970-01-01T00:00:00.001", "x, y", "[1,null]"]);
        assert_eq!(read.cells()[1], ["∅", "2.0", "false", "1564-12-29", "1970-01-01T00:00:00", "∅", "∅"]);
    }
}

#[test]
fn any_table_is_written_as_csv_and_read_again() {
    let folder = temp_dir();
    for (name, bytes) in [("t.parquet", parquet_bytes()), ("t.csv", b"a;b\n\"1\n2\";\"x\"\"y\"\n3;\n".to_vec())] {
        let (path, csv) = (folder.path().join(name), folder.path().join("out.csv"));
        std::fs::write(&path, bytes).unwrap();
        let first = drain(open(&path, &Hint::default()).unwrap());
        let rows =
            write_csv(open(&path, &Hint::default()).unwrap(), File::create(&csv).unwrap(), &CancelFlag::default());
        assert_eq!(rows.unwrap(), first.rows.len() as u64);
        let second = drain(open(&csv, &Hint::default()).unwrap());
        assert_eq!((first.names, first.rows), (second.names, second.rows), "{name}");
    }
}

#[test]
fn every_demonstration_file_is_read_whole() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../deploy/demo");
    for (name, rows, columns) in [
        ("airports.csv", 3_376, 7),
        ("birdstrikes.csv", 10_000, 14),
        ("budget.json", 237, 72),
        ("co2-concentration.csv", 741, 3),
        ("countries.json", 620, 9),
        ("flights-airport.csv", 5_366, 3),
        ("gapminder-health-income.csv", 187, 5),
        ("gapminder.json", 682, 6),
        ("iowa-electricity.csv", 51, 3),
        ("obesity.json", 50, 3),
        ("penguins.json", 344, 7),
        ("population_engineers_hurricanes.csv", 52, 5),
        ("seattle-weather.csv", 1_461, 6),
        ("unemployment.tsv", 3_218, 2),
        ("us-employment.csv", 120, 24),
        ("us-state-capitals.json", 50, 4),
        ("weather.csv", 2_922, 7),
        ("wheat.json", 52, 3),
        ("zipcodes.csv", 42_049, 6),
    ] {
        let mut reader = open(&folder.join(name), &Hint::named(name)).unwrap();
        let mut read = 0;
        while let Some(batch) = reader.next_batch().unwrap() {
            read += batch.num_rows();
        }
        assert_eq!((read, reader.column_names().len()), (rows, columns), "{name}");
        assert!(reader.warnings().is_empty(), "{name}");
    }
}

#[test]
fn one_level_of_nesting_becomes_columns_and_the_rest_stays_json() {
    let text = r#"[{"a":1,"b":{"c":2,"d":{"e":[3]}},"f":{},"g":[{"h":1}]},
        {"b":null,"a":2,"f":{"x":"y"}},
        {"b":{"d":"z","c":null},"at":{"type":"Point","coordinates":[1.5, 2]}}]"#;
    let read = read(text.as_bytes());
    assert_eq!(read.names, ["a", "b.c", "b.d", "f", "g", "f.x", "at"]);
    assert_eq!(read.reader.recipe().format, Format::Json);
    let cells = read.cells();
    assert_eq!(cells[0], ["1", "2", "{\"e\":[3]}", "{}", "[{\"h\":1}]", "∅", "∅"]);
    assert_eq!(cells[1], ["2", "∅", "∅", "∅", "∅", "y", "∅"]);
    assert_eq!(cells[2], ["∅", "∅", "z", "∅", "∅", "∅", "{\"type\":\"Point\",\"coordinates\":[1.5,2]}"]);
}

#[test]
fn features_become_rows_of_their_properties_and_their_geometry() {
    let feature = |id: u8, name: &str| {
        format!(
            r#"{{"type":"Feature","id":{id},"geometry":{{"type":"Point","coordinates":[{id},2]}},"properties":{{"id":"{name}","size":{{"m":{id}}}}}}}"#
        )
    };
    let bare = r#"{"type":"Feature","geometry":null,"properties":null}"#;
    let collection = format!(
        r#"{{"type":"FeatureCollection","bbox":[1,2,3,4],"features":[{},{},{bare}]}}"#,
        feature(1, "a"),
        feature(2, "b")
    );
    let lines = format!("{}\n{}\n{bare}\n", feature(1, "a"), feature(2, "b"));
    for text in [collection, lines] {
        let read = read(text.as_bytes());
        assert_eq!(read.reader.recipe().format.name(), "geojson");
        assert_eq!(read.names, ["id", "size.m", "feature.id", "geometry"]);
        let cells = read.cells();
        assert_eq!(cells[1], ["b", "2", "2", "{\"type\":\"Point\",\"coordinates\":[2,2]}"]);
        assert_eq!(cells[2], ["∅"; 4]);
    }
}

#[test]
fn columns_of_fixed_width_are_cut_where_the_lines_have_gaps() {
    let mut text = String::from("town          size  founded\n");
    for row in 0..40 {
        let town = ["José", "Köln", "Århus", "Málaga", "Renée"][row % 5];
        text += &format!(
            "{town} no {row:<w$}{:>4}  20{:02}-01-0{}\n",
            row * 7,
            row % 30,
            row % 9 + 1,
            w = 10 - town.chars().count()
        );
    }
    let odd = "A town of the long name 5  2001-01-01\n";
    let long = text.clone() + &text.split_once('\n').unwrap().1.repeat(400) + odd;
    let windows = encoding_rs::WINDOWS_1252.encode(&long).0.into_owned();
    for (bytes, encoding) in [(long.as_bytes(), "utf-8"), (windows.as_slice(), "windows-1252")] {
        let read = read(bytes);
        let recipe = read.reader.recipe();
        assert_eq!(
            (recipe.format, recipe.encoding_label().as_str(), recipe.header),
            (Format::FixedWidth, encoding, true)
        );
        assert_eq!(read.names, ["town", "size", "founded"]);
        assert_eq!(read.rows.len(), 40 * 401 + 1);
        assert_eq!(read.cells()[1], ["Köln no 1", "7", "2001-01-02"]);
        assert_eq!(read.warning("TEXT_BETWEEN_COLUMNS").unwrap().count, 1);
        assert_eq!(read.cells()[16_040].concat().replace(' ', ""), odd.replace(' ', "").trim());
    }
}

#[test]
fn a_letter_that_utf_8_never_has_is_read_as_one() {
    let read = read(b"name,town\nAda,K\xf6ln\nBob,G\xf6teborg\nEva,\xc1vila\n");
    assert_eq!(read.cells(), [["Ada", "Köln"], ["Bob", "Göteborg"], ["Eva", "Ávila"]]);
    assert!(read.warning("ENCODING_GUESSED").is_some());
}
