//! Files that are known and not read say what they are, and what to do.

use millrace_table::{Error, Hint, foreign_parser, open};
use testkit::temp_dir;
use types::Fault;

use crate::files::{file, gzip, zip};

fn refused(bytes: &[u8]) -> Error {
    let (_folder, path) = file(bytes);
    assert_eq!(foreign_parser(&path).filter(|format| *format != "zip"), None, "no parser runs for it");
    open(&path, &Hint::default()).err().expect("it is not read")
}

#[test]
fn a_format_that_is_not_read_is_named() {
    let sas = b"\0\0\0\0\0\0\0\0\0\0\0\0\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\0\x09\xc7\x31\x8c\x18\x1f\x10\x11";
    let duckdb = [&[1, 2, 3, 4, 5, 6, 7, 8], b"DUCK".as_slice(), &[64, 0, 0, 0, 0, 0, 0, 0]].concat();
    let files: [(&[u8], &str); 12] = [
        (b"$FL2@(#) IBM SPSS STATISTICS 64-bit", "SPSS"),
        (b"$FL3@(#) IBM SPSS STATISTICS 64-bit", "SPSS"),
        (sas, "SAS"),
        (b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!000000000000000000000000000000", "SAS transport"),
        (b"\x89HDF\r\n\x1a\n\0\0\0\0", "HDF5 or NetCDF 4"),
        (b"CDF\x01\0\0\0\0", "NetCDF"),
        (b"RDX3\nX\n\0\0\0\x03", "R"),
        (b"\x93NUMPY\x01\0v\0{'descr'", "NumPy"),
        (b"\0\x01\0\0Standard ACE DB\0", "Access"),
        (&duckdb, "DuckDB"),
        (b"FEA1\0\0\0\0\x01\x02\x03", "Feather 1"),
        (b"PARE\x15\x04\x15\0\0\x01", "Parquet with an encrypted footer"),
    ];
    for (bytes, format) in files {
        let error = refused(bytes);
        assert_eq!((error.reason(), error.metadata()), ("FORMAT_NOT_READ", vec![("format", format.to_owned())]));
        assert!(error.to_string().contains("save it as Parquet or CSV"));
        for wrapped in
            [gzip(bytes), zip(&[("read me.html", b"<html><body>It is beside.</body></html>"), ("data", bytes)])]
        {
            let error = refused(&wrapped);
            assert_eq!((error.reason(), error.metadata()), ("FORMAT_NOT_READ", vec![("format", format.to_owned())]));
        }
    }
}

#[test]
fn what_holds_no_data_is_named() {
    let document = |member: &str| zip(&[(member, b"<w:document/>")]);
    let files = [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), "a PDF document"),
        (b"\x7fELF\x02\x01\x01\0".to_vec(), "a program"),
        (document("word/document.xml"), "a Word document"),
        (document("ppt/presentation.xml"), "a PowerPoint presentation"),
    ];
    for (bytes, found) in files {
        let error = refused(&bytes);
        assert_eq!((error.reason(), error.metadata()), ("NOT_A_TABLE", vec![("found", found.to_owned())]));
    }
}

#[test]
fn text_that_begins_like_a_format_is_text() {
    let folder = temp_dir();
    for text in ["PARENT,CHILD\n1,2\n3,4\n", "FEA1,FEA2\n0.5,1\n0.25,2\n", "mallard;DUCK\n1;2\n3;4\n"] {
        let path = folder.path().join("file");
        std::fs::write(&path, text).unwrap();
        assert_eq!(open(&path, &Hint::default()).unwrap().column_names().len(), 2, "{text}");
    }
}
