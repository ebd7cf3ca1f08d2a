#!/usr/bin/env bash
# Brings up a mesh of separate processes on this machine: NATS, an S3 server and PostgreSQL, and one process per role.
#
#   deploy/local-mesh.sh [--state DIR] [--folder-root DIR]… [--profilers N] [--sqlite]
#
# It finds or installs the servers as integration-tests/run.sh does, picks free ports of the loopback, makes keys, writes one
# configuration for all processes, starts them in any order, and prints how to call them. Ctrl-C ends everything it started.
# State lies in --state DIR and is found again by the next start; without it, in a temporary folder that goes with the mesh.
# --sqlite keeps each role's state in its own data directory in place of PostgreSQL. $MILLRACE names the binary to run.
set -euo pipefail
repository="$(cd "$(dirname "$0")/.." && pwd)"

state="" sqlite=no profilers=1 roots=()
while [ $# -gt 0 ]; do
    case "$1" in
        --state) state="$2"; shift ;;
        --folder-root) roots+=("$(cd "$2" && pwd)"); shift ;;
        --profilers) profilers="$2"; shift ;;
        --sqlite) sqlite=yes ;;
        *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
    shift
done
[ ${#roots[@]} -gt 0 ] || roots=("$repository/deploy/demo")
if [ "$sqlite" = yes ] && [ "$profilers" != 1 ]; then
    echo "error: with --sqlite there is one process of each role" >&2
    exit 2
fi

if [ -n "$state" ]; then
    mkdir -p "$state"
    state="$(cd "$state" && pwd)"
    keep=yes
else
    state="$(mktemp -d "${TMPDIR:-/tmp}/millrace-local-mesh.XXXXXX")"
    keep=no
fi
chmod 711 "$state" # PostgreSQL's user passes through to its own folder.
mkdir -p "$state/log" "$state/keys"

pids=() servers=0
finish() {
    trap - EXIT INT TERM
    # The mesh, then its servers.
    end "${pids[@]:servers}"
    end "${pids[@]:0:servers}"
    [ "$keep" = yes ] || rm -rf "$state"
}
end() { # end PID… : asks all of them at once, and does not ask for ever
    local pid
    [ $# = 0 ] || kill "$@" 2>/dev/null || true
    for pid in "$@"; do
        for _ in $(seq 200); do
            kill -0 "$pid" 2>/dev/null || continue 2
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    done
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "error: $1" >&2
    [ -z "${2:-}" ] || { echo "--- the end of $2:" >&2; tail -n 20 "$2" >&2; }
    exit 1
}

start() { # start NAME COMMAND… : in the background, with its output in a file, in a session of its own
    local name="$1"
    shift
    setsid "$@" >>"$state/log/$name.log" 2>&1 </dev/null &
    pids+=("$!")
}

eventually() { # eventually NAME COMMAND… : until it succeeds, or the process NAME that was started last is gone
    local name="$1" pid="${pids[-1]}"
    shift
    for _ in $(seq 600); do
        "$@" >/dev/null 2>&1 && return 0
        kill -0 "$pid" 2>/dev/null || fail "$name ended" "$state/log/$name.log"
        sleep 0.1
    done
    fail "$name did not answer within a minute" "$state/log/$name.log"
}

# --- programs -----------------------------------------------------------------------------------------------------------

tools="${MILLRACE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace/tools}"
export PATH="$tools/python/bin:$PATH"
command -v python3 >/dev/null || fail "python3 is missing; install it"
command -v curl >/dev/null || fail "curl is missing; install it"
if ! command -v nats-server >/dev/null || ! command -v weed >/dev/null; then
    echo "installing nats-server and weed into $tools" >&2
    mkdir -p "$tools"
    [ -x "$tools/python/bin/pip" ] || python3 -m venv "$tools/python" || fail "python3 has no venv; install python3-venv"
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check -r "$repository/integration-tests/clients/requirements.txt"
fi

find_postgres() { # the folder that has all its programs: a link to one of them stands elsewhere
    local initdb
    for initdb in $(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -rV) "$(command -v initdb)"; do
        initdb="$(readlink -f "$initdb")" && [ -x "$(dirname "$initdb")/pg_isready" ] && dirname "$initdb" && return 0
    done
    return 1
}
if [ "$sqlite" = no ] && ! postgres="$(find_postgres)"; then
    echo "installing PostgreSQL" >&2
    sudo="" && [ "$(id -u)" = 0 ] || sudo="sudo -n"
    $sudo apt-get update -qq >/dev/null && $sudo apt-get install -y -qq --no-install-recommends postgresql >/dev/null ||
        fail "PostgreSQL cannot be installed; install it, or say --sqlite"
    postgres="$(find_postgres)" || fail "PostgreSQL is not found; say --sqlite to do without"
fi

millrace="${MILLRACE:-}"
for built in release debug; do
    [ -n "$millrace" ] || [ ! -x "${CARGO_TARGET_DIR:-$repository/target}/$built/millrace" ] ||
        millrace="${CARGO_TARGET_DIR:-$repository/target}/$built/millrace"
done
if [ -z "$millrace" ]; then
    (cd "$repository" && cargo build -p millrace) || fail "the binary cannot be built"
    millrace="${CARGO_TARGET_DIR:-$repository/target}/debug/millrace"
fi

# --- servers ------------------------------------------------------------------------------------------------------------

# The servers remember each other by port, so the next start on the same state takes the same ones.
touch "$state/ports"
python3 - "$state/ports" <<'PYTHON'
import pathlib, socket, sys
path = pathlib.Path(sys.argv[1])
ports = path.read_text().split()
held = [socket.socket() for _ in range(len(ports), 27)]
for one in held:
    one.bind(("127.0.0.1", 0))
path.write_text(" ".join([*ports, *(str(one.getsockname()[1]) for one in held)]) + "\n")
PYTHON
read -ra ports <"$state/ports"
port() { echo "${ports[$1]}"; }
nats=$(port 0) monitor=$(port 1) s3=$(port 2) filer=$(port 3) database=$(port 4) gateway=$(port 5)
secret="local-mesh"

start nats nats-server -a 127.0.0.1 -p "$nats" -m "$monitor" -js -sd "$state/nats"
eventually nats curl -sf "http://127.0.0.1:$monitor/healthz"

mkdir -p "$state/objects"
cat >"$state/objects/identities.json" <<JSON
{"identities":[{"name":"mesh","credentials":[{"accessKey":"mesh","secretKey":"$secret"}],
 "actions":["Admin","Read","Write","List","Tagging"]}]}
JSON
start weed weed server -ip 127.0.0.1 -ip.bind 127.0.0.1 -dir "$state/objects" -filer -s3 -volume.max 100 \
    -s3.config "$state/objects/identities.json" -s3.port.iceberg 0 -s3.port.lance 0 -master.volumeSizeLimitMB 64 -volume.preStopSeconds 0 \
    -s3.port "$s3" -filer.port "$filer" -s3.port.grpc "$(port 6)" -filer.port.grpc "$(port 7)" \
    -master.port "$(port 8)" -master.port.grpc "$(port 9)" -volume.port "$(port 10)" -volume.port.grpc "$(port 11)"
# A folder of the filer is a bucket of the S3 server.
eventually weed curl -sf -X POST "http://127.0.0.1:$filer/buckets/mesh/"
eventually weed curl -s "http://127.0.0.1:$s3/"

store=""
if [ "$sqlite" = no ]; then
    # PostgreSQL does not run as root, so then its own user runs it.
    as=() && [ "$(id -u)" != 0 ] || as=(setpriv --reuid postgres --regid postgres --init-groups)
    if [ ! -f "$state/postgres/data/PG_VERSION" ]; then
        mkdir -p "$state/postgres"
        [ ${#as[@]} = 0 ] || chown postgres: "$state/postgres"
        (cd / && "${as[@]}" "$postgres/initdb" -D "$state/postgres/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8) \
            >"$state/log/initdb.log" 2>&1 || fail "initdb failed" "$state/log/initdb.log"
    fi
    cd /
    start postgres "${as[@]}" "$postgres/postgres" -D "$state/postgres/data" -p "$database" -k "$state/postgres" \
        -c listen_addresses=127.0.0.1 -c max_connections=200
    eventually postgres "$postgres/pg_isready" -q -h 127.0.0.1 -p "$database"
    "$postgres/psql" -qtAX -h 127.0.0.1 -p "$database" -U postgres -c "SELECT 1 FROM pg_database WHERE datname = 'mesh'" | grep -q 1 ||
        "$postgres/psql" -qX -h 127.0.0.1 -p "$database" -U postgres -c 'CREATE DATABASE mesh'
    store="[store]
url = \"postgres://127.0.0.1:$database/mesh\"

[store.postgres]
user = \"postgres\""
fi

servers=${#pids[@]}

# --- the mesh -----------------------------------------------------------------------------------------------------------

[ -f "$state/keys/gateway.key" ] || "$millrace" admin create-key "$state/keys/gateway.key" >"$state/keys/gateway.pub" 2>/dev/null
[ -f "$state/keys/hash.key" ] || "$millrace" admin create-key --hash "$state/keys/hash.key" 2>/dev/null

endpoints() { # endpoints FIRST COUNT : as TOML has a list
    local list=""
    for ((n = 0; n < $2; n++)); do list+="\"http://127.0.0.1:$(port $(($1 + n)))\", "; done
    echo "[${list%, }]"
}
toml_list() { printf '"%s", ' "$@" | sed 's/, $//'; }
cat >"$state/mesh.toml" <<TOML
# One configuration for every process of this mesh; what differs is given by flags.
listen = "127.0.0.1:$gateway"
folder_roots = [$(toml_list "${roots[@]}")]

[fetch]
forbidden = ["$state"]

[peers]
discovery = $(endpoints 12 1)
catalog = $(endpoints 13 1)
profiling = $(endpoints 14 "$profilers")

[identity.keys]
gateway = "$state/keys/gateway.key"

[identity.trusted]
gateway = "$state/keys/gateway.pub"

[gateway]
hash_key_file = "$state/keys/hash.key"
admin_token_file = "$state/admin.token"

$store

[events]
url = "nats://127.0.0.1:$nats"

[events.jetstream]
monitors = ["http://127.0.0.1:$monitor"]

[objects]
url = "s3://mesh/objects?endpoint=http://127.0.0.1:$s3&path_style=true"

[objects.s3]
access_key_id = "mesh"
secret_access_key = "$secret"
TOML
chmod 600 "$state/mesh.toml"

admins=() names=()
serve() { # serve NAME ROLE PORT
    local admin
    # After those that five profilers would listen on.
    admin="$(port $((19 + ${#admins[@]})))"
    start "$1" "$millrace" serve --roles "$2" --config "$state/mesh.toml" --data-dir "$state/$1" \
        --listen "$2=127.0.0.1:$3" --admin-listen "127.0.0.1:$admin"
    admins+=("$admin")
    names+=("$1")
}
[ "$profilers" -le 5 ] || fail "--profilers takes up to 5 here"
serve gateway gateway "$gateway"
serve discovery discovery "$(port 12)"
serve catalog catalog "$(port 13)"
for ((n = 0; n < profilers; n++)); do serve "profiling-$((n + 1))" profiling "$(port $((14 + n)))"; done
for i in "${!names[@]}"; do
    for _ in $(seq 600); do
        curl -sf "http://127.0.0.1:${admins[$i]}/readyz" >/dev/null && continue 2
        kill -0 "${pids[$((servers + i))]}" 2>/dev/null || fail "${names[$i]} ended" "$state/log/${names[$i]}.log"
        sleep 0.1
    done
    fail "${names[$i]} is not ready: $(curl -s "http://127.0.0.1:${admins[$i]}/readyz")" "$state/log/${names[$i]}.log"
done

cat <<TEXT

The mesh is ready: ${#names[@]} processes on NATS, S3 and $([ "$sqlite" = yes ] && echo SQLite || echo PostgreSQL).

  gateway        127.0.0.1:$gateway
  token          $state/admin.token
  configuration  $state/mesh.toml
  logs           $state/log/
$(for i in "${!names[@]}"; do printf '  %-14s http://127.0.0.1:%s/  (process %s)\n' "${names[$i]}" "${admins[$i]}" "${pids[$((servers + i))]}"; done)

Try, in another terminal:

export MILLRACE_ADDRESS=127.0.0.1:$gateway MILLRACE_TOKEN="\$(cat $state/admin.token)"
$millrace source add folder ${roots[0]} --id demo --wait
$millrace search bird strikes
$millrace check --config $state/mesh.toml --data-dir $state/check

Ctrl-C stops the mesh$([ "$keep" = yes ] && echo "; the next start with --state $state goes on" || echo " and removes its state").
TEXT

# Until somebody stops it, or one of them ends by itself.
while :; do
    for i in "${!pids[@]}"; do
        kill -0 "${pids[$i]}" 2>/dev/null || fail "a process of the mesh ended; see $state/log/"
    done
    sleep 1
done
