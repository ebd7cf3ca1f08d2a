//! Formats with types, sheets and tables of their own are read as what they are, and bounded.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_avro::writer::AvroWriter;
use millrace_table::{CancelFlag, Error, Format, Hint, Limits, open, open_table, open_with, tables};
use proptest::prelude::*;
use testkit::temp_dir;
use types::Fault;

use crate::files::{self, file, fixture, named_rows};

fn read(bytes: &[u8]) -> Result<Vec<Vec<String>>, Error> {
    let (_folder, path) = file(bytes);
    open(&path, &Hint::default()).and_then(named_rows)
}

fn batch() -> RecordBatch {
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))),
        ("share", Arc::new(Float64Array::from(vec![0.5, 0.1, 2.0]))),
        ("name", Arc::new(StringArray::from(vec![Some("x, y"), Some("é"), None]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn arrow_file(compression: Option<CompressionType>) -> Vec<u8> {
    let batch = batch();
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_stream() -> Vec<u8> {
    let batch = batch();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn avro() -> Vec<u8> {
    let batch = batch();
    let mut bytes = Vec::new();
    let mut writer = AvroWriter::new(&mut bytes, batch.schema().as_ref().clone()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

fn sqlite() -> Vec<u8> {
    let folder = temp_dir();
    let path = folder.path().join("a database.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE \"the towns\" (name TEXT, size INTEGER, share REAL, raw BLOB);
             INSERT INTO \"the towns\" VALUES ('Oslo, \"N\"', 709037, 0.1, x'00ff'), (NULL, 'many', 1e300, ''), ('', 2, 3.0, NULL);
             CREATE TABLE other (id INTEGER PRIMARY KEY);
             CREATE VIEW seen AS SELECT * FROM other;",
        )
        .unwrap();
    drop(connection);
    std::fs::read(path).unwrap()
}

fn zip(members: &[(&str, &str)]) -> Vec<u8> {
    let members: Vec<_> = members.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    files::zip(&members)
}

/// A workbook of two sheets and an empty one, the first as `cells`.
fn xlsx(cells: &str) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/package/2006/relationships";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let sheet = |cells: &str| format!("<worksheet xmlns=\"{main}\"><sheetData>{cells}</sheetData></worksheet>");
    let relation = |id: u8, kind: &str, target: &str| {
        format!("<Relationship Id=\"rId{id}\" Type=\"{office}/{kind}\" Target=\"{target}\"/>")
    };
    let list = [
        relation(1, "worksheet", "worksheets/sheet1.xml"),
        relation(2, "worksheet", "worksheets/sheet2.xml"),
        relation(3, "worksheet", "worksheets/sheet3.xml"),
        relation(4, "sharedStrings", "sharedStrings.xml"),
        relation(5, "styles", "styles.xml"),
    ];
    let workbook = format!(
        "<workbook xmlns=\"{main}\" xmlns:r=\"{office}\"><sheets><sheet name=\"Towns\" sheetId=\"1\" r:id=\"rId1\"/>\
         <sheet name=\"More\" sheetId=\"2\" r:id=\"rId2\"/><sheet name=\"Empty\" sheetId=\"3\" r:id=\"rId3\"/></sheets></workbook>"
    );
    let strings = format!("<sst xmlns=\"{main}\"><si><t>Oslo</t></si><si><t>a, \"b\"</t></si></sst>");
    let styles = format!(
        "<styleSheet xmlns=\"{main}\"><cellXfs count=\"3\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>"
    );
    zip(&[
        ("[Content_Types].xml", "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>"),
        (
            "_rels/.rels",
            &format!(
                "<Relationships xmlns=\"{relations}\">{}</Relationships>",
                relation(1, "officeDocument", "xl/workbook.xml")
            ),
        ),
        ("xl/workbook.xml", &workbook),
        (
            "xl/_rels/workbook.xml.rels",
            &format!("<Relationships xmlns=\"{relations}\">{}</Relationships>", list.concat()),
        ),
        ("xl/sharedStrings.xml", &strings),
        ("xl/styles.xml", &styles),
        ("xl/worksheets/sheet1.xml", &sheet(cells)),
        (
            "xl/worksheets/sheet2.xml",
            &sheet(
                "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>a</t></is></c></row><row r=\"2\"><c r=\"A2\"><v>1</v></c></row>",
            ),
        ),
        ("xl/worksheets/sheet3.xml", &sheet("")),
    ])
}

fn text_cell(place: &str, text: &str) -> String {
    format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
}

fn towns() -> String {
    let header =
        [text_cell("A1", "town"), text_cell("B1", "size"), text_cell("C1", "day"), text_cell("D1", "at")].concat();
    format!(
        "<row r=\"1\">{header}</row>\
         <row r=\"2\"><c r=\"A2\" t=\"s\"><v>0</v></c><c r=\"B2\"><v>0.1</v></c><c r=\"C2\" s=\"1\"><v>36526</v></c><c r=\"D2\" s=\"2\"><v>36526.5</v></c></row>\
         <row r=\"9\"><c r=\"A9\" t=\"s\"><v>1</v></c><c r=\"B9\"><v>12345678.901234567</v></c></row>"
    )
}

#[test]
fn arrow_files_and_streams_keep_their_types() {
    let once = [["1", "0.5", "x, y"], ["∅", "0.1", "é"], ["3", "2.0", "∅"]].map(|row| row.map(str::to_owned).to_vec());
    let names = vec!["id".to_owned(), "share".to_owned(), "name".to_owned()];
    let twice = [vec![names.clone()], once.to_vec(), once.to_vec()].concat();
    for bytes in
        [arrow_file(None), arrow_file(Some(CompressionType::LZ4_FRAME)), arrow_file(Some(CompressionType::ZSTD))]
    {
        assert_eq!(read(&bytes).unwrap(), twice);
    }
    let once = [vec![names], once.to_vec()].concat();
    for (bytes, format) in [(arrow_stream(), Format::ArrowStream), (avro(), Format::Avro)] {
        let (_folder, path) = file(&bytes);
        let reader = open(&path, &Hint::default()).unwrap();
        assert_eq!((reader.recipe().format, reader.is_typed()), (format, true));
        assert_eq!(named_rows(reader).unwrap(), once, "{format}");
    }
}

#[test]
fn every_table_of_a_database_is_one() {
    let (_folder, path) = file(&sqlite());
    let (limits, cancel) = (Limits::default(), CancelFlag::default());
    let found = tables(&path, &Hint::default(), &limits, &cancel).unwrap();
    let names: Vec<String> = found.tables.iter().map(|table| table.name()).collect();
    assert_eq!(names, ["the towns", "other"]);
    assert_eq!(
        named_rows(found.tables[0].open().unwrap()).unwrap(),
        [
            ["name", "size", "share", "raw"],
            ["Oslo, \"N\"", "709037", "0.1", "00ff"],
            ["∅", "many", "1e300", "∅"],
            ["∅", "2", "3", "∅"]
        ]
    );
    let other = open_table(&path, &Hint::default(), ("", "other"), &limits, &cancel).unwrap();
    assert_eq!((other.recipe().format, named_rows(other).unwrap()), (Format::Sqlite, vec![vec!["id".to_owned()]]));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&sqlite()).unwrap();
    assert_eq!(read(&gzip.finish().unwrap()).unwrap().len(), 4);
}

#[test]
fn every_sheet_that_holds_cells_is_a_table() {
    let (_folder, path) = file(&xlsx(&towns()));
    let reader = open(&path, &Hint::default()).unwrap();
    let warnings = reader.warnings();
    assert_eq!((warnings[0].reason, warnings[1].reason), ("MORE_TABLES", "MEMBERS_LEFT_OUT"));
    assert!(warnings[0].message.contains("`More`") && warnings[1].message.contains("`Empty`"));
    assert_eq!((reader.recipe().format, reader.recipe().table.as_str()), (Format::Xlsx, "Towns"));
    assert_eq!(
        named_rows(reader).unwrap(),
        [
            ["town", "size", "day", "at"],
            ["Oslo", "0.1", "2000-01-01", "2000-01-01T12:00:00"],
            ["a, \"b\"", "12345678.901234567", "∅", "∅"]
        ]
    );
    let more = open_table(&path, &Hint::default(), ("", "More"), &Limits::default(), &CancelFlag::default());
    assert_eq!(named_rows(more.unwrap()).unwrap(), [["a"], ["1"]]);
}

#[test]
fn an_old_workbook_is_read() {
    let path = fixture("towns.xls");
    let reader = open(&path, &Hint::default()).unwrap();
    assert_eq!(reader.recipe().format, Format::Xls);
    assert_eq!(
        named_rows(reader).unwrap(),
        [
            ["town", "size", "share", "founded", "open"],
            ["Oslo", "709037", "0.1", "∅", "true"],
            ["Rome", "2748109", "12345678.901234567", "1999-12-31", "false"]
        ]
    );
}

#[test]
fn a_spreadsheet_of_open_document_is_read() {
    let names = "xmlns:office=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\" xmlns:table=\"urn:oasis:names:tc:opendocument:xmlns:table:1.0\" xmlns:text=\"urn:oasis:names:tc:opendocument:xmlns:text:1.0\"";
    let text = |text: &str| {
        format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>")
    };
    let number = |number: &str| format!("<table:table-cell office:value-type=\"float\" office:value=\"{number}\"/>");
    let row = |cells: [String; 2]| format!("<table:table-row>{}</table:table-row>", cells.concat());
    let content = format!(
        "<office:document-content {names}><office:body><office:spreadsheet><table:table table:name=\"Towns\">{}{}</table:table></office:spreadsheet></office:body></office:document-content>",
        row([text("town"), text("size")]),
        row([text("Oslo"), number("1.5")]),
    );
    let bytes = zip(&[
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", &content),
        ("styles.xml", &format!("<office:document-styles {names}/>")),
        (
            "META-INF/manifest.xml",
            "<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\"/>",
        ),
    ]);
    assert_eq!(read(&bytes).unwrap(), [["town", "size"], ["Oslo", "1.5"]]);
}

#[test]
fn a_sparse_sheet_costs_no_more_than_its_cells() {
    let cells = [text_cell("A1", "a"), "</row><row r=\"1048576\">".to_owned(), text_cell("ALL1048576", "far")].concat();
    let bytes = xlsx(&format!("<row r=\"1\">{cells}</row>"));
    let read = read(&bytes).unwrap();
    assert_eq!((read.len(), read[0].len()), (2, 1_000));
    let wide = xlsx(&format!("<row r=\"1\">{}</row>", text_cell("XFD1", "far")));
    assert_eq!(self::read(&wide).unwrap_err().reason(), "TOO_MANY_COLUMNS");
}

#[test]
fn what_must_be_held_whole_has_a_budget() {
    let limits = Limits { max_resident_bytes: 1_000, ..Limits::default() };
    for bytes in [xlsx(&towns()), arrow_file(Some(CompressionType::ZSTD))] {
        let (_folder, path) = file(&bytes);
        let outcome = open_with(
            &path,
            &Hint::default(),
            &Limits { max_resident_bytes: 20, ..limits.clone() },
            &CancelFlag::default(),
        );
        assert_eq!(outcome.and_then(named_rows).unwrap_err().reason(), "MEMORY_BUDGET_EXCEEDED");
    }
}

#[test]
fn lengths_that_lie_cost_nothing() {
    let whole = arrow_file(None);
    let footer = whole.len() - 10;
    let mut lying = whole.clone();
    lying[footer..footer + 4].copy_from_slice(&i32::MAX.to_le_bytes());
    assert_eq!(read(&lying).unwrap_err().reason(), "MALFORMED_FILE");
    let mut lying = arrow_stream();
    lying[4..8].copy_from_slice(&i32::MAX.to_le_bytes());
    assert_eq!(read(&lying).unwrap_err().reason(), "MALFORMED_FILE");
    for whole in [whole, arrow_stream(), avro(), sqlite(), xlsx(&towns())] {
        for length in [whole.len() / 3, whole.len() / 2, whole.len() - 1] {
            let _ = read(&whole[..length]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Without Avro: a block that is longer than its records keeps its parser busy for ever, which is for child processes.
    #[test]
    fn no_damage_causes_a_panic(
        which in 0usize..5,
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = match which {
            0 => arrow_file(None),
            1 => arrow_file(Some(CompressionType::LZ4_FRAME)),
            2 => arrow_stream(),
            3 => sqlite(),
            _ => xlsx(&towns()),
        };
        for (place, value) in places {
            let index = place.index(bytes.len());
            bytes[index] = value;
        }
        let _ = read(&bytes);
    }
}
