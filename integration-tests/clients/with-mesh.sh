#!/usr/bin/env bash
# Starts a mesh of its own on free ports and a fresh directory, runs a client against it, and ends it by process id.
#   with-mesh.sh COMMAND…   runs COMMAND… ADDRESS TOKEN_FILE FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."

binary="${CARGO_TARGET_DIR:-target}/debug/millrace"
work="$(mktemp -d)"
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
mkdir "$work/folder"
cp deploy/demo/*.csv "$work/folder/"

"$binary" up --data-dir "$work/data" --listen "127.0.0.1:$port" --folder-root "$work/folder" >"$work/log" 2>&1 &
mesh=$!
finish() {
    kill "$mesh" 2>/dev/null || true
    wait "$mesh" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

if ! "$@" "127.0.0.1:$port" "$work/data/admin.token" "$work/folder"; then
    echo "--- the mesh said:"
    tail -n 40 "$work/log"
    exit 1
fi
