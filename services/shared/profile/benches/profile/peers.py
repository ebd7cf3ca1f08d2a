"""The peers, on the same files: peers.py PEER FILE [THREADS] prints the seconds of one run, reading included.

PEER is duckdb (SUMMARIZE), datamart (datamart-profiler), or parquet or csv, which write FILE's rows to the third argument.
"""

import sys
import time


def main(peer, path, *rest):
    start = time.perf_counter()
    if peer == "datamart":
        import datamart_profiler

        start = time.perf_counter()
        datamart_profiler.process_dataset(path)
    else:
        import duckdb

        db = duckdb.connect()
        if peer in ("parquet", "csv"):
            db.execute(f"COPY (SELECT * FROM '{path}') TO '{rest[0]}' (FORMAT {peer})")
        else:
            if rest:
                db.execute(f"SET threads = {int(rest[0])}")
            start = time.perf_counter()
            db.execute(f"SUMMARIZE SELECT * FROM '{path}'").fetchall()
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
