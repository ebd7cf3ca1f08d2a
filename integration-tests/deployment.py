"""Checks of the deployment files that no ready tool makes. Each prints what is wrong, and exits 1 when there is something.

    deployment.py metrics           every metric of the dashboard and the alerts is one that the code counts
    deployment.py expressions FILE  writes the dashboard's expressions as rules, for promtool to check
    deployment.py alerts            docs/operations.md has one paragraph for each alert, and no other
    deployment.py settings          each sample of settings names every setting once, and no other
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
SAMPLES = {"up.toml": "up", "mesh.toml": "serve"}
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
SETTING = re.compile(r"^(?:# )?([a-z_0-9]+) = ")
TABLE = re.compile(r"^\[([a-z_0-9.]+)\]")


def settings_of(text, table=""):
    """Every setting of a TOML text with its table, those commented out too."""
    found = []
    prefix = table
    for line in text.splitlines():
        if match := TABLE.match(line):
            prefix = ".".join(filter(None, [table, match[1]]))
        elif match := SETTING.match(line):
            found.append(".".join(filter(None, [prefix, match[1]])))
    return found


def check_settings():
    known = []
    for table, path in DEFAULTS.items():
        known += settings_of((ROOT / path).read_text(), table)
    for name in SAMPLES:
        path = ROOT / "deploy/config" / name
        text = path.read_text()
        tomllib.loads(text)
        shown = settings_of(text)
        yield from (f"{name}: `{setting}` is missing" for setting in known if setting not in shown)
        yield from (f"{name}: there is no setting `{setting}`" for setting in shown if setting not in known)
        yield from (f"{name}: `{setting}` stands twice" for setting in sorted(set(shown)) if shown.count(setting) > 1)


def keys_of(settings, prefix=""):
    """The dotted names of all values of a table."""
    for name, value in settings.items():
        yield from keys_of(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]


def check_settings_map(settings):
    known = set()
    for table, path in DEFAULTS.items():
        known.update(settings_of((ROOT / path).read_text(), table))
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
        "expressions": write_expressions,
        "chart": check_chart,
    }
    problems = list(checks[arguments[0]](*arguments[1:]))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
