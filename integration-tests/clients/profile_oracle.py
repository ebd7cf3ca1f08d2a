"""Holds `millrace profile FILE` against DuckDB, which computes every figure on its own.

profile_oracle.py BINARY

Makes a seeded table with columns of every kind of figure, once with few different values, where every figure must be
exact, and once with many, where sketched ones must keep their word: counts, extremes and sums exact, mean and deviation
to 1e-9, the distinct count within 2 %, ranks of quantiles within 1 %. The smaller table must have the same figures in every
other format and wrapping that Python writes without help: JSON, SQLite, XLSX, compressions and archives.
"""

import bz2
import csv
import gzip
import io

import json
import lzma
import math
import random
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import pathlib
import zipfile

import duckdb

RANKS = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]


def write(path, rows, seed):
    """Writes a table whose columns have few or many different values, depending on how many rows there are."""
    draw = random.Random(seed)
    cities = [f"Town {n}" for n in range(40)]
    with open(path, "w") as out:
        out.write("id,whole,amount,ratio,city,day,stamp,flag,thin\n")
        for row in range(rows):
            cells = [
                str(row),
                str(draw.randrange(-rows, rows)),
                f"{draw.lognormvariate(3, 1):.2f}",
                repr(draw.gauss(0, 1)),
                draw.choice(cities) if draw.random() < 0.9 else "",
                f"20{draw.randrange(10, 24)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}",
                f"2021-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02} {draw.randrange(24):02}:{draw.randrange(60):02}:{draw.randrange(60):02}",
                draw.choice(["true", "false"]),
                str(draw.randrange(9)) if draw.random() < 0.05 else "",
            ]
            out.write(",".join(cells) + "\n")


def parts(path):
    """The names and the rows of the table."""
    with open(path, newline="") as text:
        names, *rows = csv.reader(text)
    return names, rows


def json_array(names, rows):
    nested = [{"outer": {name: cell or None for name, cell in zip(names, row)}} for row in rows]
    return json.dumps(nested).replace('"outer": {', '"outer":{').encode()


def json_lines(names, rows):
    return "".join(json.dumps({name: cell for name, cell in zip(names, row) if cell}) + "\n" for row in rows).encode()


def sqlite(names, rows):
    with tempfile.NamedTemporaryFile() as file:
        db = sqlite3.connect(file.name)
        db.execute(f"CREATE TABLE t ({', '.join(names)})")
        db.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(names))})", [[cell or None for cell in row] for row in rows])
        db.commit()
        db.close()
        return pathlib.Path(file.name).read_bytes()


def xlsx(names, rows):
    """A workbook whose cells are all text."""
    office = "http://schemas.openxmlformats.org"
    line = lambda row: "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>"
    sheet = f'<worksheet xmlns="{office}/spreadsheetml/2006/main"><sheetData>{"".join(map(line, [names, *rows]))}</sheetData></worksheet>'
    relation = f'<Relationships xmlns="{office}/package/2006/relationships"><Relationship Id="r1" Type="{office}/officeDocument/2006/relationships/%s" Target="%s"/></Relationships>'
    return archive(
        {
            "[Content_Types].xml": f'<Types xmlns="{office}/package/2006/content-types"/>',
            "_rels/.rels": relation % ("officeDocument", "xl/workbook.xml"),
            "xl/workbook.xml": f'<workbook xmlns="{office}/spreadsheetml/2006/main" xmlns:r="{office}/officeDocument/2006/relationships">'
            '<sheets><sheet name="One" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relation % ("worksheet", "worksheets/sheet1.xml"),
            "xl/worksheets/sheet1.xml": sheet,
        }
    )


def archive(members):
    bytes_out = io.BytesIO()
    with zipfile.ZipFile(bytes_out, "w", zipfile.ZIP_DEFLATED) as out:
        for name, text in members.items():
            out.writestr(name, text)
    return bytes_out.getvalue()


def tar(text):
    bytes_out = io.BytesIO()
    with tarfile.open(fileobj=bytes_out, mode="w:gz") as out:
        member = tarfile.TarInfo("folder/table.csv")
        member.size = len(text)
        out.addfile(member, io.BytesIO(text))
    return bytes_out.getvalue()


def others(path):
    """The table at `path` in other formats and wrappings: the recipe's words for each, and the bytes."""
    text = pathlib.Path(path).read_bytes()
    names, rows = parts(path)
    yield "csv gzip", gzip.compress(text)
    yield "csv bzip2", bz2.compress(text)
    yield "csv xz", lzma.compress(text)
    yield "csv zip", archive({"folder/table.csv": text})
    yield "csv gzip+tar", tar(text)
    yield "json", json_array(names, rows)
    yield "jsonl", json_lines(names, rows)
    yield "sqlite", sqlite(names, rows)
    yield "xlsx", xlsx(names, rows)


def near(ours, theirs, tolerance):
    scale = max(abs(theirs), 1e-300)
    return math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance * min(scale, 1))


def check(binary, path, form=None):
    told = json.loads(subprocess.run([binary, "--output", "json", "profile", str(path)], check=True, capture_output=True).stdout)
    if form:
        recipe = told["table"]["recipe"]
        words = " ".join(filter(None, [recipe["format"], recipe.get("compression")]))
        assert words == form, (words, form)
        path = PATH
    db = duckdb.connect()
    db.execute(f"CREATE TABLE t AS SELECT * FROM read_csv('{path}', sample_size=-1)")
    kinds = {name: kind for name, kind, *_ in db.execute("DESCRIBE t").fetchall()}
    rows = db.execute("SELECT count(*) FROM t").fetchone()[0]
    assert int(told["table"]["rowCount"]) == rows
    for column in told["columns"]:
        check_column(db, column, kinds[column["column"].removeprefix("outer.")])
    return rows


def check_column(db, column, kind):
    name = column["column"] = column["column"].removeprefix("outer.")
    one = lambda sql: db.execute(f"SELECT {sql} FROM t").fetchone()[0]
    assert int(column["presentCount"]) == one(f'count("{name}")'), name
    assert int(column.get("missingCount", 0)) == one(f'count(*) - count("{name}")'), name
    distinct = one(f'count(DISTINCT "{name}")')
    estimate = column["distinctCount"]
    if estimate.get("relativeStandardError", 0) == 0:
        assert estimate["value"] == distinct, (name, estimate, distinct)
    else:
        assert abs(estimate["value"] - distinct) <= 0.02 * distinct, (name, estimate, distinct)
    for top in column.get("topValues", []):
        least = int(top["count"])
        truth = db.execute(f'SELECT count(*) FROM read_csv(?, all_varchar=true) WHERE "{name}" = ?', [PATH, top["value"]]).fetchone()[0]
        assert least <= truth <= least + int(top.get("countError", 0)), (name, top, truth)
    if kind in ("BIGINT", "INTEGER", "DOUBLE", "DECIMAL(18,2)"):
        check_numbers(db, name, column["numeric"], kind)
    if kind in ("DATE", "TIMESTAMP"):
        for end, figure in (("start", "min"), ("end", "max")):
            theirs = one(f"strftime({figure}(\"{name}\")::TIMESTAMP, '%Y-%m-%dT%H:%M:%SZ')")
            assert column["timeRange"][end] == theirs, (name, end, column["timeRange"], theirs)


def check_numbers(db, name, ours, kind):
    one = lambda sql: db.execute(f"SELECT {sql} FROM t").fetchone()[0]
    assert ours.get("min", 0) == float(one(f'min("{name}")')), name
    assert ours.get("max", 0) == float(one(f'max("{name}")')), name
    if ours.get("exactSum"):
        places = ours.get("decimalPlaces", 0)
        exact = db.execute(f'SELECT sum("{name}"::DECIMAL(38, {places}))::VARCHAR FROM read_csv(?, all_varchar=true)', [PATH]).fetchone()[0]
        assert ours["exactSum"] == exact, (name, ours["exactSum"], exact)
    else:
        assert near(ours["sum"], one(f'fsum("{name}")'), 1e-9), name
    mean = one(f'favg("{name}")')
    deviation = one(f'stddev_pop("{name}"::DOUBLE)')
    assert abs(ours.get("mean", 0) - mean) <= 1e-9 * max(abs(mean), deviation), (name, ours["mean"], mean)
    assert near(ours["standardDeviation"], deviation, 1e-9), (name, ours["standardDeviation"], deviation)
    count = one(f'count("{name}")')
    for quantile in ours["quantiles"]:
        rank, value = quantile.get("rank", 0), quantile.get("value", 0)
        if rank not in RANKS:
            continue
        below = db.execute(f'SELECT count(*) FROM t WHERE "{name}"::DOUBLE < ?', [value]).fetchone()[0] / count
        upto = db.execute(f'SELECT count(*) FROM t WHERE "{name}"::DOUBLE <= ?', [value]).fetchone()[0] / count
        allowed = 1 / count + (0.01 if quantile.get("rankError", 0) else 0)
        assert below - allowed <= rank <= upto + allowed, (name, rank, value, below, upto)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for rows, seed in ((3_000, 1), (120_000, 2)):
            PATH = str(pathlib.Path(folder) / f"{rows}.csv")
            write(PATH, rows, seed)
            print(f"{check(sys.argv[1], PATH)} rows agree with DuckDB {duckdb.__version__}")
            for form, content in others(PATH) if rows < 10_000 else ():
                other = pathlib.Path(folder) / "other"
                other.write_bytes(content)
                print(f"{check(sys.argv[1], other, form)} rows as {form} agree")
