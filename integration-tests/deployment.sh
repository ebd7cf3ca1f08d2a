# Checks what lies in deploy/. Sourced by run.sh, whose `step`, `skip`, `apt_install` and $TOOLS it uses.
#
# Tools of registries are installed here, and what they cannot check is a skipped step, or a failed one with
# REQUIRE_BACKENDS=1. What only a machine itself can have (a container engine, systemd, Go) is left out without it.

left_out() { # left_out NAME WHY
    printf '\n==> %s\n    left out: %s\n' "$1" "$2"
}

# Debian's package, unpacked rather than installed: it would start a server.
install_promtool() {
    PROMTOOL="$TOOLS/prometheus/usr/bin/promtool"
    [ -x "$PROMTOOL" ] && return 0
    if command -v promtool >/dev/null; then
        PROMTOOL="$(command -v promtool)"
        return 0
    fi
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    rm -rf "$TOOLS/prometheus" && mkdir -p "$TOOLS/prometheus" || return 1
    (
        cd "$TOOLS/prometheus"
        apt-get download -qq prometheus >/dev/null 2>&1 ||
            { $sudo apt-get update -qq >/dev/null 2>&1 && apt-get download -qq prometheus >/dev/null 2>&1; } || exit 1
        dpkg-deb -x prometheus_*.deb . && rm -f prometheus_*.deb
    )
}

install_linters() {
    LINTERS="$TOOLS/linters/bin"
    local list=integration-tests/deployment-tools.txt
    cmp -s "$list" "$TOOLS/linters/.installed" && return 0
    command -v python3 >/dev/null || return 1
    rm -rf "$TOOLS/linters"
    python3 -m venv "$TOOLS/linters" && "$LINTERS/pip" install --quiet --disable-pip-version-check -r "$list" || return 1
    cp "$list" "$TOOLS/linters/.installed"
}

install_helm() {
    HELM="$TOOLS/helm-3.19.2/helm"
    [ -x "$HELM" ] && return 0
    GOBIN="$TOOLS/helm-3.19.2" go install helm.sh/helm/v3/cmd/helm@v3.19.2 >/dev/null 2>&1
}

check_with() { "$LINTERS/python" integration-tests/deployment.py "$@"; }

check_dashboard() {
    local rules result=0
    rules="$(mktemp)"
    check_with expressions "$rules" && "$PROMTOOL" check rules "$rules" || result=1
    rm -f "$rules"
    return "$result"
}

# `verify` wants the program to be there, and ends with 0 when it only warns of a word it does not know.
check_units() {
    local folder said unit
    folder="$(mktemp -d)"
    for unit in millrace-up.service millrace@.service; do
        sed 's,^ExecStart=/usr/local/bin/millrace,ExecStart=/bin/true,' "deploy/systemd/$unit" >"$folder/$unit"
    done
    cp "$folder/millrace@.service" "$folder/millrace@catalog.service"
    said="$(cd "$folder" && systemd-analyze verify --man=no ./millrace-up.service ./millrace@catalog.service 2>&1)" || said="$said (failed)"
    rm -rf "$folder"
    [ -z "$said" ] || { printf '%s\n' "$said"; return 1; }
}

# Sample settings are what the binary takes: no unknown key, no wrong value.
check_samples() {
    local binary="${CARGO_TARGET_DIR:-target}/debug/millrace" folder key role result=0
    folder="$(mktemp -d)"
    "$binary" up --config deploy/config/up.toml --print-config >/dev/null || result=1
    key="$("$binary" admin create-key "$folder/gateway.key")" || result=1
    "$binary" admin create-key --hash "$folder/hash.key" || result=1
    for role in gateway discovery profiling catalog; do
        env MILLRACE__STORE__POSTGRES__PASSWORD=secret \
            MILLRACE__EVENTS__JETSTREAM__TOKEN=secret \
            MILLRACE__OBJECTS__S3__SECRET_ACCESS_KEY=secret \
            MILLRACE__IDENTITY__KEYS__GATEWAY="$folder/gateway.key" \
            MILLRACE__GATEWAY__HASH_KEY_FILE="$folder/hash.key" \
            MILLRACE__IDENTITY__TRUSTED__GATEWAY="[\"$key\"]" \
            "$binary" serve --roles "$role" --config deploy/config/mesh.toml --print-config >/dev/null || result=1
    done
    rm -rf "$folder"
    return "$result"
}

# The chart with its defaults, with everything switched on, and with what must be refused.
check_chart() {
    local chart=deploy/helm/millrace folder values result=0
    folder="$(mktemp -d)"
    for values in "$chart"/ci/*-values.yaml; do
        "$HELM" lint --strict --quiet --kube-version 1.31.0 "$chart" --values "$values" || result=1
        "$HELM" template mesh "$chart" --namespace data --kube-version 1.31.0 --values "$values" >"$folder/objects.yaml" || { result=1; continue; }
        "$LINTERS/kubernetes-validate" --strict --quiet "$folder/objects.yaml" || result=1
        check_with chart "$folder/objects.yaml" || result=1
    done
    if "$HELM" template mesh "$chart" --kube-version 1.31.0 >/dev/null 2>"$folder/said"; then
        echo "the chart renders without the settings that it needs" && result=1
    fi
    rm -rf "$folder"
    return "$result"
}

check_deployment() {
    if install_linters; then
        step "dashboard and alerts: metrics that exist" check_with metrics
        step "alerts: a paragraph of docs/operations.md for each" check_with alerts
        step "sample settings: what the defaults make of them" check_with settings
        step "Dockerfile: hadolint" "$LINTERS/hadolint" deploy/Dockerfile
        step "compose file: its schema" "$LINTERS/check-jsonschema" --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
    else
        skip "deployment files" "the linters of integration-tests/deployment-tools.txt could not be installed"
        return 0
    fi
    step "sample settings: the binary takes them" check_samples
    if install_promtool; then
        step "promtool: the alerts" "$PROMTOOL" check rules deploy/prometheus/alerts.yaml
        step "promtool: tests of the alerts" "$PROMTOOL" test rules deploy/prometheus/alerts-test.yaml
        step "promtool: the sample of scraping" "$PROMTOOL" check config deploy/prometheus/prometheus.yaml
        step "promtool: expressions of the dashboard" check_dashboard
    else
        skip "promtool" "Debian's package prometheus could not be had"
    fi
    if ! command -v go >/dev/null; then
        left_out "Helm chart" "there is no Go here to build helm with"
    elif install_helm; then
        step "Helm chart: lint, templates, schemas of Kubernetes" check_chart
    else
        skip "Helm chart" "helm 3.19.2 could not be built"
    fi
    if command -v systemd-analyze >/dev/null; then
        step "systemd units" check_units
    else
        left_out "systemd units" "there is no systemd-analyze here"
    fi
    if docker compose version >/dev/null 2>&1; then
        step "docker compose config" docker compose --file deploy/compose.yaml --env-file deploy/compose.env.example config --quiet
    else
        left_out "docker compose config" "there is no docker compose here"
    fi
}
