"""A stock Python client: login, source, crawl, search, download, over stubs generated from the contracts.

python_walk.py ADDRESS TOKEN_FILE FOLDER
"""

import hashlib
import importlib
import pathlib
import sys
import tempfile
import time

import grpc
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]


def stubs():
    """Generates the stubs from proto/ and makes them importable."""
    out = tempfile.mkdtemp()
    files = sorted(str(p.relative_to(ROOT / "proto")) for p in (ROOT / "proto/millrace").rglob("*.proto"))
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    arguments = ["", f"-I{ROOT / 'proto'}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}", *files]
    assert protoc.main(arguments) == 0, "the stubs could not be generated"
    sys.path.insert(0, out)


def wait_for(what, check, seconds=120):
    """Asks until `check` gives something true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


def main(address, token_file, folder):
    stubs()
    module = lambda name: importlib.import_module(f"millrace.{name}")
    identity, identity_grpc = module("identity.v1.identity_service_pb2"), module("identity.v1.identity_service_pb2_grpc")
    identities = module("identity.v1.identity_pb2")
    discovery, discovery_grpc = module("discovery.v1.discovery_service_pb2"), module("discovery.v1.discovery_service_pb2_grpc")
    sources = module("discovery.v1.source_pb2")
    catalog, catalog_grpc = module("catalog.v1.catalog_service_pb2"), module("catalog.v1.catalog_service_pb2_grpc")
    datasets = module("catalog.v1.dataset_pb2")
    work = module("common.v1.work_pb2")

    token = wait_for("the administrator's token", lambda: pathlib.Path(token_file).exists() and pathlib.Path(token_file).read_text().strip())
    channel = grpc.insecure_channel(address)
    grpc.channel_ready_future(channel).result(timeout=60)
    bearer = lambda key: [("authorization", f"Bearer {key}")]
    admin = bearer(token)

    # Sign in: the administrator makes a publisher, who logs in with a password.
    users = identity_grpc.IdentityServiceStub(channel)
    wait_for("the mesh", lambda: ready(users, identity, admin))
    users.CreateUser(
        identity.CreateUserRequest(
            parent="tenants/main",
            user_id="walker",
            user=identities.User(roles=[identities.ROLE_PUBLISHER]),
            password="a long enough password",
        ),
        metadata=admin,
    )
    tokens = users.Login(identity.LoginRequest(tenant="main", user="walker", password="a long enough password")).tokens
    me = bearer(tokens.access_token)
    assert users.GetCaller(identity.GetCallerRequest(), metadata=me).caller.user == "tenants/main/users/walker"

    # No credential, no answer; and the answer says why.
    try:
        users.GetCaller(identity.GetCallerRequest())
        raise AssertionError("a call without a credential was answered")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error

    # A source and its crawl.
    discover = discovery_grpc.DiscoveryServiceStub(channel)
    created = discover.CreateSource(
        discovery.CreateSourceRequest(
            parent="tenants/main",
            source_id="walk",
            source=sources.Source(title="walk", folder=sources.FolderSettings(path=folder)),
        ),
        metadata=me,
    )
    def crawled():
        crawl = discover.GetCrawl(discovery.GetCrawlRequest(name=created.crawl.name), metadata=me).crawl
        assert crawl.status.phase != work.WORK_PHASE_FAILED, crawl
        return crawl.status.phase == work.WORK_PHASE_SUCCEEDED and crawl

    wait_for("the crawl", crawled)
    expected = len(list(pathlib.Path(folder).glob("*.csv")))

    # The datasets appear, and each is indexed.
    records = catalog_grpc.CatalogServiceStub(channel)

    def indexed():
        listed = records.ListDatasets(catalog.ListDatasetsRequest(parent="tenants/main", page_size=100), metadata=me).datasets
        failed = [d for d in listed if d.state == datasets.DATASET_STATE_FAILED]
        assert not failed, failed
        return len(listed) == expected and all(d.state == datasets.DATASET_STATE_INDEXED for d in listed)

    wait_for(f"{expected} datasets to be indexed", indexed)

    # Search and download; every chunk and the whole are checked.
    search = module("catalog.v1.search_pb2")
    found = records.SearchDatasets(search.SearchDatasetsRequest(parent="tenants/main", query="seattle weather"), metadata=me)
    assert found.total_size == len(found.results) >= 1, found
    hit = next(r for r in found.results if r.dataset.path == "seattle-weather.csv")
    assert hit.matches and hit.matches[0].spans, hit
    digest, size, whole = hashlib.sha256(), 0, None
    for message in records.DownloadDataset(catalog.DownloadDatasetRequest(name=hit.dataset.name), metadata=me):
        match message.WhichOneof("item"):
            case "chunk":
                assert message.chunk.offset == size
                digest.update(message.chunk.content)
                size += len(message.chunk.content)
            case "finish":
                whole = message.finish
    original = (pathlib.Path(folder) / "seattle-weather.csv").read_bytes()
    assert whole is not None and whole.size_bytes == size == len(original)
    assert whole.digest.value == digest.digest() == hashlib.sha256(original).digest()

    users.Logout(identity.LogoutRequest(refresh_token=tokens.refresh_token))
    print(f"python: {expected} datasets found, searched and downloaded")


def ready(users, identity, admin):
    try:
        return users.GetCaller(identity.GetCallerRequest(), metadata=admin)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            return None
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])
