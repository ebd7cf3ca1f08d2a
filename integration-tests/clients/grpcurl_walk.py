"""Walks login, source, crawl, search and download with `grpcurl` alone, by reflection.

grpcurl_walk.py GRPCURL ADDRESS TOKEN_FILE FOLDER
"""

import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import time


class Mesh:
    def __init__(self, grpcurl, address):
        self.grpcurl, self.address, self.token = grpcurl, address, None

    def run(self, *arguments, data=None):
        command = [self.grpcurl, "-plaintext"]
        if self.token:
            command += ["-H", f"authorization: Bearer {self.token}"]
        if data is not None:
            command += ["-d", json.dumps(data)]
        return subprocess.run([*command, self.address, *arguments], capture_output=True, text=True)

    def call(self, method, **request):
        """Calls a method and gives its messages."""
        done = self.run(method, data=request)
        assert done.returncode == 0, f"{method}: {done.stdout}{done.stderr}"
        decoder, messages, text = json.JSONDecoder(), [], done.stdout.strip()
        while text:
            message, end = decoder.raw_decode(text)
            messages.append(message)
            text = text[end:].strip()
        return messages

    def one(self, method, **request):
        (message,) = self.call(method, **request)
        return message


def wait_for(what, check, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


def main(grpcurl, address, token_file, folder):
    mesh = Mesh(grpcurl, address)
    key = wait_for("the token", lambda: pathlib.Path(token_file).exists() and pathlib.Path(token_file).read_text().strip())
    wait_for("the mesh", lambda: mesh.run("grpc.health.v1.Health/Check").stdout.count("SERVING"))

    # Reflection shows the whole mesh as one server, options and error details included.
    services = mesh.run("list").stdout.split()
    for service in ("catalog.v1.CatalogService", "discovery.v1.DiscoveryService", "identity.v1.IdentityService", "profiling.v1.ProfilingService"):
        assert f"millrace.{service}" in services, services
    described = mesh.run("describe", "millrace.catalog.v1.CatalogService.SearchDatasets").stdout
    assert "SearchDatasetsRequest" in described, described

    refused = mesh.run("millrace.identity.v1.IdentityService/GetCaller", data={})
    assert refused.returncode != 0 and "Unauthenticated" in refused.stderr, refused

    mesh.token = key
    mesh.one(
        "millrace.identity.v1.IdentityService/CreateUser",
        parent="tenants/main", user_id="walker", user={"roles": ["ROLE_PUBLISHER"]}, password="a long enough password",
    )
    tokens = mesh.one("millrace.identity.v1.IdentityService/Login", tenant="main", user="walker", password="a long enough password")["tokens"]
    mesh.token = tokens["accessToken"]
    assert mesh.one("millrace.identity.v1.IdentityService/GetCaller")["caller"]["user"] == "tenants/main/users/walker"

    created = mesh.one("millrace.discovery.v1.DiscoveryService/CreateSource", parent="tenants/main", source_id="walk", source={"folder": {"path": folder}})

    def crawled():
        status = mesh.one("millrace.discovery.v1.DiscoveryService/GetCrawl", name=created["crawl"]["name"])["crawl"]["status"]
        assert status["phase"] != "WORK_PHASE_FAILED", status
        return status["phase"] == "WORK_PHASE_SUCCEEDED"

    wait_for("the crawl", crawled)
    expected = len(list(pathlib.Path(folder).glob("*.csv")))

    def indexed():
        listed = mesh.one("millrace.catalog.v1.CatalogService/ListDatasets", parent="tenants/main", page_size=100).get("datasets", [])
        return len(listed) == expected and all(d["state"] == "DATASET_STATE_INDEXED" for d in listed)

    wait_for("the datasets to be indexed", indexed)

    found = mesh.one("millrace.catalog.v1.CatalogService/SearchDatasets", parent="tenants/main", query="seattle weather")
    hit = next(r["dataset"] for r in found["results"] if r["dataset"]["path"] == "seattle-weather.csv")
    messages = mesh.call("millrace.catalog.v1.CatalogService/DownloadDataset", name=hit["name"])
    content = b"".join(base64.b64decode(m["chunk"]["content"]) for m in messages if "chunk" in m)
    original = (pathlib.Path(folder) / "seattle-weather.csv").read_bytes()
    assert content == original
    assert base64.b64decode(messages[-1]["finish"]["digest"]["value"]) == hashlib.sha256(original).digest()
    print(f"grpcurl: {expected} datasets found, searched and downloaded")


if __name__ == "__main__":
    main(*sys.argv[1:])
