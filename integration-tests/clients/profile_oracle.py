"""Holds `millrace profile FILE` against DuckDB, which computes every figure on its own.

profile_oracle.py BINARY

Makes a seeded table with columns of every kind of figure, once with few different values, where every figure must be
exact, and once with many, where sketched ones must keep their word: counts, extremes and sums exact, mean and deviation
to 1e-9, the distinct count within 2 %, ranks of quantiles within 1 %.
"""

import json
import math
import random
import subprocess
import sys
import tempfile
import pathlib

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


def near(ours, theirs, tolerance):
    scale = max(abs(theirs), 1e-300)
    return math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance * min(scale, 1))


def check(binary, path):
    told = json.loads(subprocess.run([binary, "--output", "json", "profile", str(path)], check=True, capture_output=True).stdout)
    db = duckdb.connect()
    db.execute(f"CREATE TABLE t AS SELECT * FROM read_csv('{path}', sample_size=-1)")
    kinds = {name: kind for name, kind, *_ in db.execute("DESCRIBE t").fetchall()}
    rows = db.execute("SELECT count(*) FROM t").fetchone()[0]
    assert int(told["table"]["rowCount"]) == rows
    for column in told["columns"]:
        check_column(db, column, kinds[column["column"]])
    return rows


def check_column(db, column, kind):
    name = column["column"]
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
