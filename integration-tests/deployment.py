"""Checks of the deployment files that no ready tool makes. Each prints what is wrong, and exits 1 when there is something.

    deployment.py metrics           every metric of the dashboard and the alerts is one that the code counts
    deployment.py expressions FILE  writes the dashboard's expressions as rules, for promtool to check
    deployment.py alerts            docs/operations.md has one paragraph for each alert, and no other
    deployment.py settings          the samples of settings are what the defaults make of them
    deployment.py write-settings    makes them anew
    deployment.py chart FILE        what the chart rendered: rights, probes, secrets, selectors, settings
"""

import json
import pathlib
import re
import sys
import tomllib

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "deploy/grafana/millrace.json"
ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
OPERATIONS = ROOT / "docs/operations.md"
# What Prometheus makes by itself.
GIVEN = {"up"}
DEFAULTS = {
    "": "services/millrace/default.toml",
    "gateway": "gateway/default.toml",
    "discovery": "services/discovery/default.toml",
    "profiling": "services/profiling/default.toml",
    "catalog": "services/catalog/default.toml",
}


def dashboard_expressions():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    for panel in panels:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def alert_rules():
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from group["rules"]


def metric_names(expression):
    """The metrics of an expression: words before a selector or a range, and words that stand alone and are no function."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", "", bare)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    words = re.findall(r"\b([a-z][a-z0-9_]*)\b(?!\s*\()", bare)
    keywords = {"or", "and", "unless", "offset", "by", "on", "bool"}
    durations = re.compile(r"^\d")
    return {word for word in words if word not in keywords and not durations.match(word)}


def check_metrics():
    literals = set()
    for folder in ("services", "gateway"):
        for path in (ROOT / folder).rglob("*.rs"):
            literals.update(re.findall(r'"([a-z][a-z0-9_]+)"', path.read_text()))
    used = [(f"dashboard, {title}", expression) for title, expression in dashboard_expressions()]
    used += [(f"alert {rule['alert']}", rule["expr"]) for rule in alert_rules()]
    for place, expression in used:
        for name in sorted(metric_names(expression) - GIVEN):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            if name not in literals and base not in literals:
                yield f"{place}: the code counts no `{name}`"


def write_expressions(path):
    rules = []
    for number, (_, expression) in enumerate(dashboard_expressions()):
        expression = expression.replace("$__rate_interval", "5m").replace("$instance", ".*")
        rules.append({"record": f"dashboard:panel:{number}", "expr": expression})
    pathlib.Path(path).write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    return []


def check_alerts():
    named = [rule["alert"] for rule in alert_rules()]
    explained = re.findall(r"^\*\*(Millrace\w+)\*\*", OPERATIONS.read_text(), re.MULTILINE)
    yield from (f"docs/operations.md has no paragraph for {name}" for name in named if name not in explained)
    yield from (f"docs/operations.md explains {name}, which is no alert" for name in explained if name not in named)
    yield from (f"{name} stands twice" for name in set(named) if named.count(name) > 1 or explained.count(name) > 1)


# A setting, or one that is shown commented out.
SETTING = re.compile(r"^(# )?([a-z_0-9]+) = ")
TABLE = re.compile(r"^\[([a-z_0-9.]+)\]")

# The samples: how each begins, and what it sets. All else stands there with its default, commented out.
UP = """\
# Settings of the whole mesh in one process: millrace up --config up.toml
#
# Every setting is here with its meaning and, commented out, its default; what is set is what most installations choose.
# The environment goes over this file (`MILLRACE__GATEWAY__LOGIN__FAILURES_PER_USER`), flags over both, and
# `millrace up --config up.toml --print-config` shows what is in effect. Secrets are best given by the environment.
"""
UP_SETS = {
    "data_dir": '"/var/lib/millrace/up/data"',
    "admin_listen": '"127.0.0.1:7071"',
}
MESH = """\
# Settings of a mesh in many processes: millrace serve --roles ROLE --config mesh.toml
#
# All processes read the same file. Every setting is here with its meaning and, commented out, its default; what is set is
# right for deploy/compose.yaml, where each role has a host of its own name. What differs from process to process, and
# secrets, come from the environment, which goes over this file:
#
#   MILLRACE__STORE__POSTGRES__PASSWORD          all
#   MILLRACE__EVENTS__JETSTREAM__TOKEN           all but gateways, where NATS asks for a token
#   MILLRACE__OBJECTS__S3__SECRET_ACCESS_KEY     profiling and catalog
#   MILLRACE__IDENTITY__KEYS__GATEWAY            gateways: the file with the private key
#   MILLRACE__IDENTITY__TRUSTED__GATEWAY         all: ["ed25519:…"], its public key
#   MILLRACE__ADMIN_LISTEN, MILLRACE__DATA_DIR   where several processes share a machine, one each
"""
MESH_SETS = {
    "listen": '"0.0.0.0:7070"',
    "admin_listen": '"0.0.0.0:7071"',
    "data_dir": '"/var/lib/millrace/data"',
    "allow_plaintext": 'true',
    "listeners.discovery": '"0.0.0.0:7072"',
    "listeners.profiling": '"0.0.0.0:7073"',
    "listeners.catalog": '"0.0.0.0:7074"',
    "peers.discovery": '["http://discovery:7072"]',
    "peers.profiling": '["http://profiling:7073"]',
    "peers.catalog": '["http://catalog:7074"]',
    "store.url": '"postgres://postgres:5432/millrace"',
    "store.postgres.tls": '"off"',
    "events.url": '"nats://nats:4222"',
    "events.jetstream.monitors": '["http://nats:8222"]',
    "objects.url": '"s3://millrace/mesh?endpoint=http://seaweedfs:8333&path_style=true"',
    "objects.s3.access_key_id": '"millrace"',
}
NOTES = {
    "mesh.toml": {
        "allow_plaintext": "# Here the network is one of the mesh alone. With `[tls]` and `[gateway.tls]` the admin listener alone needs it.",
    },
}
SAMPLES = {"up.toml": (UP, UP_SETS), "mesh.toml": (MESH, MESH_SETS)}


def dotted(*parts):
    return ".".join(part for part in parts if part)


def settings_of(text, table=""):
    """Every setting of a TOML text with its table, those commented out too."""
    prefix = table
    for line in text.splitlines():
        if match := TABLE.match(line):
            prefix = dotted(table, match[1])
        elif match := SETTING.match(line):
            yield dotted(prefix, match[2])


def known_settings():
    return {name for table, path in DEFAULTS.items() for name in settings_of((ROOT / path).read_text(), table)}


def shown(table, text, sets, notes):
    """The lines of one file of defaults, its tables beneath `table`, its values commented out unless they are set."""
    lines = text.rstrip().splitlines()
    # What a file says of itself is left out.
    if is_heading(lines):
        lines = lines[lines.index("") + 1 :]
    prefix, open_list = table, False
    for line in lines:
        if match := TABLE.match(line):
            prefix = dotted(table, match[1])
            yield f"[{prefix}]"
        elif match := SETTING.match(line):
            name = dotted(prefix, match[2])
            if name in sets:
                yield from filter(None, [notes.get(name)])
                yield f"{match[2]} = {sets[name]}"
            else:
                yield line if match[1] else f"# {line}"
            open_list = not match[1] and line.rstrip().endswith("[")
        elif open_list:
            open_list = not line.startswith("]")
            yield f"# {line}"
        else:
            yield line


def is_heading(lines):
    """Whether a file begins with a comment that an empty line parts from what follows."""
    for line in lines:
        if not line:
            return True
        if not line.startswith("#"):
            return False
    return False


def sample(name):
    """The text of a sample."""
    head, sets = SAMPLES[name]
    lines = [head]
    for table, path in DEFAULTS.items():
        if table:
            lines += ["", f"# ---- {table} ----", "", f"[{table}]"]
        lines += shown(table, (ROOT / path).read_text(), sets, NOTES.get(name, {}))
    text = "\n".join(lines) + "\n"
    return re.sub(r"\n{3,}", "\n\n", text)


def check_settings():
    known = known_settings()
    for name, (_, sets) in SAMPLES.items():
        yield from (f"{name} sets `{setting}`, and there is no such setting" for setting in sets if setting not in known)
        text = sample(name)
        tomllib.loads(text)
        if (ROOT / "deploy/config" / name).read_text() != text:
            yield f"deploy/config/{name} is not what the defaults make of it: integration-tests/deployment.py write-settings"


def write_settings():
    for name in SAMPLES:
        (ROOT / "deploy/config" / name).write_text(sample(name))
    return []


def keys_of(settings, prefix=""):
    """The dotted names of all values of a table."""
    for name, value in settings.items():
        yield from keys_of(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]


def check_settings_map(settings):
    known = known_settings()
    yield from (f"there is no setting `{name}`" for name in keys_of(settings) if name not in known)


def check_pod(pod, config):
    spec = pod["spec"]
    if not spec["securityContext"].get("runAsNonRoot"):
        yield "may run as root"
    if spec.get("automountServiceAccountToken") is not False:
        yield "has a token of Kubernetes, which it does not need"
    volumes = {volume["name"] for volume in spec["volumes"]}
    for container in spec["containers"]:
        context = container["securityContext"]
        if not context.get("readOnlyRootFilesystem") or context.get("allowPrivilegeEscalation") is not False:
            yield "its root file system can be written, or it may gain rights"
        if "ALL" not in context["capabilities"]["drop"]:
            yield "keeps capabilities"
        ports = {port["name"] for port in container["ports"]}
        for probe in ("livenessProbe", "readinessProbe"):
            if container[probe]["httpGet"]["port"] not in ports:
                yield f"{probe} asks a port that it does not have"
        if "memory" not in container["resources"].get("limits", {}):
            yield "has no limit of memory"
        for mount in container["volumeMounts"]:
            if mount["name"] not in volumes and mount["name"] != "data":
                yield f"mounts {mount['name']}, which is no volume"
        paths = [mount["mountPath"] for mount in container["volumeMounts"]]
        if len(paths) != len(set(paths)):
            yield "mounts two volumes at one path"
        for variable in container["env"]:
            name = variable["name"]
            if name.startswith("MILLRACE__"):
                value = {}
                inner = value
                *tables, last = name.removeprefix("MILLRACE__").lower().split("__")
                for table in tables:
                    inner = inner.setdefault(table, {})
                inner[last] = variable.get("value")
                yield from check_settings_map(value)


def check_chart(path):
    objects = [one for one in yaml.safe_load_all(pathlib.Path(path).read_text()) if one]
    named = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    if len(named) != len(objects):
        yield "two objects have one name"
    (config,) = [one for one in objects if one["kind"] == "ConfigMap"]
    settings = tomllib.loads(config["data"]["mesh.toml"])
    yield from (f"ConfigMap: {problem}" for problem in check_settings_map(settings))
    if re.search(r"secret_access_key|password|token =", config["data"]["mesh.toml"]):
        yield "ConfigMap: holds a secret"
    pods = {}
    for one in objects:
        if one["kind"] in ("Deployment", "StatefulSet"):
            role = one["metadata"]["labels"]["app.kubernetes.io/component"]
            pods[role] = one["spec"]["template"]["metadata"]["labels"]
            yield from (f"{role}: {problem}" for problem in check_pod(one["spec"]["template"], config))
            if not one["spec"]["selector"]["matchLabels"].items() <= pods[role].items():
                yield f"{role}: its selector does not select its pods"
    if set(pods) != {"gateway", "discovery", "profiling", "catalog"}:
        yield f"there are workloads for {sorted(pods)}"
    catalog = [one for one in objects if one["kind"] == "StatefulSet"]
    if len(catalog) != 1 or catalog[0]["spec"]["replicas"] != 1:
        yield "catalog does not run singly"
    for one in objects:
        selector = one["spec"].get("selector") if one["kind"] == "Service" else None
        if one["kind"] == "PodDisruptionBudget":
            selector = one["spec"]["selector"]["matchLabels"]
        if selector and not any(selector.items() <= labels.items() for labels in pods.values()):
            yield f"{one['kind']} {one['metadata']['name']} selects no pod"
        if one["kind"] == "HorizontalPodAutoscaler":
            target = one["spec"]["scaleTargetRef"]
            if (target["kind"], target["name"]) not in named:
                yield "the autoscaler scales what is not there"
            elif "replicas" in named[target["kind"], target["name"]]["spec"]:
                yield "the autoscaler and a fixed number of replicas work against each other"
    # Peers are named as the services are.
    services = {name for kind, name in named if kind == "Service"}
    for setting in peer_addresses(settings):
        host = re.sub(r"^[a-z+]+://", "", setting).split(":")[0].split(".")[0]
        if host not in services:
            yield f"no service has the name of the peer {setting}"


def peer_addresses(settings):
    for value in settings.get("peers", {}).values():
        for address in value if isinstance(value, list) else [value]:
            if isinstance(address, str):
                yield from filter(None, address.split(","))


def main(arguments):
    checks = {
        "metrics": check_metrics,
        "alerts": check_alerts,
        "settings": check_settings,
        "write-settings": write_settings,
        "expressions": write_expressions,
        "chart": check_chart,
    }
    problems = list(checks[arguments[0]](*arguments[1:]))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
