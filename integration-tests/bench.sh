#!/usr/bin/env bash
# Builds the release binary, runs the bench of the mesh against it, and writes one Markdown table to stdout.
#
#   integration-tests/bench.sh                                     the whole bench, some minutes
#   integration-tests/bench.sh --records 500 --starts 1 --rounds 1 --calls 200    a quick look
#   integration-tests/bench.sh --only start|size|search|edge       one part of it
#
# Each row is a figure that was set as a goal, or one that explains it: the median, what to reach, and how many runs or
# calls it stands on. The calibration line above, said on stderr first of all, tells how fast the disk syncs and one core
# computes, so that tables of two machines can be compared, and the load average tells whether the machine was the
# bench's alone. Run it on a machine that does nothing else. Only loopback is used; data directories are made beneath
# target/tmp and removed. Ctrl-C or SIGTERM ends it early: its mesh ends with it, and the table shows what was measured
# by then. Nothing is judged here, so nothing fails because it is slow; the table is not kept in the repository either.
#
# Needs Rust, a C compiler and `strip`. Progress goes to stderr. The bench itself is benches/mesh/main.rs.
set -euo pipefail
cd "$(dirname "$0")/.."

# In one command, so that what binary and bench share is compiled once.
artifacts="$(cargo build --locked --release -p millrace --bin millrace -p millrace-integration-tests --bench mesh \
    --message-format=json-render-diagnostics)"
executable() { # executable KIND NAME
    sed -n "s/.*\"kind\":\[\"$1\"\].*\"name\":\"$2\".*\"executable\":\"\([^\"]*\)\".*/\1/p" <<<"$artifacts"
}
exec "$(executable bench mesh)" --bench --binary "$(executable bin millrace)" "$@"
