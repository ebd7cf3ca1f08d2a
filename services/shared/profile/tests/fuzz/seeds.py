#!/usr/bin/env python3
"""Writes the small files that the fuzzer begins with into `seeds/`, a folder for each target: what other writers make.

Needs pyarrow, pandas, openpyxl, fastavro and odfpy. The files are committed, and nothing but this script writes them.
"""

import bz2
import datetime
import decimal
import gzip
import io
import lzma
import pathlib
import sqlite3
import tarfile
import zipfile

import fastavro
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.orc
import pyarrow.parquet as pq
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P

SEEDS = pathlib.Path(__file__).parent / "seeds"
ROWS = 12


def save(target, name, data):
    path = SEEDS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def texts():
    rows = "".join(f'{n},"name, {n}",{n / 4},2024-0{n % 9 + 1}-1{n % 9},{"" if n % 3 else "NA"}\n' for n in range(ROWS))
    csv = "id,name,share,day,note\n" + rows
    save("delimited", "plain.csv", csv)
    save("delimited", "crlf.csv", csv.replace("\n", "\r\n"))
    save("delimited", "semicolon.csv", csv.replace(",", ";").replace(".", ","))
    save("delimited", "tabs.tsv", csv.replace(",", "\t"))
    save("delimited", "preamble.csv", "Towns of the north\nas of 2024\n\n" + csv + "\nSource: the office of towns\n")
    save("delimited", "quotes.csv", 'a,b\n"x ""y"" z","line\nbreak"\n1,2\n"open,3\n')
    save("delimited", "utf16.csv", csv.encode("utf-16"))
    save("delimited", "latin.csv", "name,place\nJosé,Malmö\nZoë,Liège\n".encode("latin-1"))
    save("delimited", "sjis.csv", "名前,場所\n山田,東京\n鈴木,大阪\n".encode("shift-jis"))
    save("delimited", "places.csv", "lat,lon,shape,when\n48.1,11.5,POINT (1 2),12:30\n-33.9,151.2,\"POLYGON ((0 0, 1 0, 1 1, 0 0))\",23:59\n")
    save("json", "array.json", '[{"a": 1, "b": "x\\u00e9"}, {"a": null, "b": [1, {"c": 2}]}, {"b": {"d": -1.5e300}}]')
    save("json", "lines.json", '{"a":1,"b":true}\n{"a":2,"c":"\\ud83d\\ude00"}\n\n{"a":1e400}\n')
    save("json", "member.json", '{"meta": {"n": 2}, "rows": [{"x": 1}, {"x": "2"}], "more": []}')
    save("json", "arrays.json", '[["a", "b"], [1, 2], [3, null]]')
    save("json", "geo.json", '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"n":1},"geometry":{"type":"Point","coordinates":[1,2]}}]}')
    return csv.encode()


def table():
    utc = datetime.timezone.utc
    return pa.table({
        "id": pa.array(range(ROWS), pa.int64()),
        "small": pa.array([None if n % 5 == 0 else n for n in range(ROWS)], pa.uint8()),
        "share": pa.array([n / 4 for n in range(ROWS)], pa.float64()),
        "name": pa.array([f"name {n % 4}" for n in range(ROWS)]).dictionary_encode(),
        "raw": pa.array([bytes([n, 255]) for n in range(ROWS)], pa.binary()),
        "price": pa.array([decimal.Decimal(n) / 100 for n in range(ROWS)], pa.decimal128(12, 2)),
        "day": pa.array([datetime.date(2024, 1, n + 1) for n in range(ROWS)]),
        "at": pa.array([datetime.datetime(2024, 1, 1, n, tzinfo=utc) for n in range(ROWS)], pa.timestamp("us", "UTC")),
        "took": pa.array([n * 1000 for n in range(ROWS)], pa.duration("ms")),
        "list": pa.array([[n, None] for n in range(ROWS)], pa.list_(pa.int32())),
        "pair": pa.array([{"x": n, "y": str(n)} for n in range(ROWS)], pa.struct([("x", pa.int16()), ("y", pa.string())])),
        "map": pa.array([[("k", n)] for n in range(ROWS)], pa.map_(pa.string(), pa.int32())),
    })


def typed():
    rows = table()
    plain = rows.drop_columns(["took"])
    for name, options in {
        "plain": {"compression": "none", "use_dictionary": False},
        "dictionary": {"compression": "none", "data_page_version": "2.0"},
        "snappy": {"compression": "snappy"},
        "zstd": {"compression": "zstd", "row_group_size": 5},
        "delta": {"compression": "none", "use_dictionary": False, "column_encoding": {"id": "DELTA_BINARY_PACKED", "share": "BYTE_STREAM_SPLIT"}},
    }.items():
        out = io.BytesIO()
        pq.write_table(plain, out, **options)
        save("parquet", f"{name}.parquet", out.getvalue())
    # The types that Arrow's writer of ORC knows.
    orc_rows = plain.set_column(1, "small", plain["small"].cast(pa.int16())).set_column(3, "name", plain["name"].cast(pa.string()))
    for compression in ["uncompressed", "zlib", "snappy", "lz4", "zstd"]:
        out = io.BytesIO()
        pyarrow.orc.write_table(orc_rows, out, compression=compression, dictionary_key_size_threshold=0.9)
        save("orc", f"{compression}.orc", out.getvalue())
    kinds = {"day": "td", "at": "tc", "month": "tm"}
    frame = pd.DataFrame({
        "id": range(ROWS),
        "kind": [n % 2 for n in range(ROWS)],
        "share": [n / 4 if n % 5 else None for n in range(ROWS)],
        "name": [f"name {n % 4}" for n in range(ROWS)],
        **{name: pd.date_range("2024-01-01 06:00", periods=ROWS) for name in kinds},
    })
    for version in [114, 117, 118]:
        out = io.BytesIO()
        strl = {} if version == 114 else {"convert_strl": ["name"]}
        frame.to_stata(out, version=version, write_index=False, convert_dates=kinds, value_labels={"kind": {0: "a", 1: "b"}}, **strl)
        save("stata", f"{version}.dta", out.getvalue())
    for name, writer in {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}.items():
        for compression in [None, "lz4", "zstd"]:
            out = io.BytesIO()
            with writer(out, rows.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as sink:
                sink.write_table(rows, max_chunksize=5)
            save("arrow", f"{name}-{compression or 'plain'}.arrow", out.getvalue())
    schema = {
        "type": "record", "name": "row", "fields": [
            {"name": "id", "type": "long"},
            {"name": "name", "type": ["null", "string"]},
            {"name": "share", "type": "double"},
            {"name": "raw", "type": "bytes"},
            {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["A", "B"]}},
            {"name": "list", "type": {"type": "array", "items": "int"}},
            {"name": "map", "type": {"type": "map", "values": "string"}},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}},
        ],
    }
    records = [{
        "id": n, "name": None if n % 3 == 0 else f"n{n}", "share": n / 2, "raw": b"\0\1", "kind": "AB"[n % 2], "list": [n],
        "map": {"k": str(n)}, "at": datetime.datetime(2024, 1, 1, n, tzinfo=datetime.timezone.utc), "price": decimal.Decimal(n) / 4,
    } for n in range(ROWS)]
    for codec in ["null", "deflate"]:
        out = io.BytesIO()
        fastavro.writer(out, schema, records, codec=codec)
        save("avro", f"{codec}.avro", out.getvalue())


def databases_and_books():
    path = SEEDS / "sqlite" / "two.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA page_size = 512")
        db.execute("CREATE TABLE towns (id INTEGER PRIMARY KEY, name TEXT, share REAL, raw BLOB)")
        db.execute("CREATE TABLE others (key TEXT PRIMARY KEY, value) WITHOUT ROWID")
        db.execute("CREATE INDEX by_name ON towns (name)")
        db.executemany("INSERT INTO towns VALUES (?, ?, ?, ?)", [(n, f"town {n}" * 9, n / 3, bytes([n])) for n in range(40)])
        db.executemany("INSERT INTO others VALUES (?, ?)", [(str(n), None) for n in range(9)])
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["id", "name", "day"])
    for n in range(ROWS):
        sheet.append([n, f"name {n}", datetime.date(2024, 1, n + 1)])
    book.create_sheet("second").append(["x", True, "=1+1"])
    out = io.BytesIO()
    book.save(out)
    save("workbook", "two.xlsx", out.getvalue())
    document = OpenDocumentSpreadsheet()
    rows = Table(name="towns")
    for n in range(ROWS):
        row = TableRow()
        for value in ("id", "name") if n == 0 else (str(n), f"name {n}"):
            cell = TableCell(valuetype="string")
            cell.addElement(P(text=value))
            row.addElement(cell)
        rows.addElement(row)
    document.spreadsheet.addElement(rows)
    out = io.BytesIO()
    document.save(out)
    save("workbook", "one.ods", out.getvalue())


def wrapped(csv):
    save("archive", "csv.gz", gzip.compress(csv, mtime=0))
    save("archive", "csv.bz2", bz2.compress(csv))
    save("archive", "csv.xz", lzma.compress(csv))
    save("archive", "csv.zst", pa.compress(csv, "zstd", asbytes=True))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("towns.csv", csv)
        bundle.writestr("more/rows.json", '[{"a":1},{"a":2}]')
        bundle.writestr("read.me", "words and words")
    save("archive", "two.zip", out.getvalue())
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as bundle:
        for name, data in {"towns.csv": csv, "a/" + "long" * 40 + ".csv": csv}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            bundle.addfile(entry, io.BytesIO(data))
    save("archive", "two.tar", out.getvalue())
    save("archive", "two.tar.gz", gzip.compress(out.getvalue(), mtime=0))


if __name__ == "__main__":
    wrapped(texts())
    typed()
    databases_and_books()
