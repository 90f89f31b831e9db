"""Which reads are public is configuration: the others need a member's client certificate, on a real TLS listener."""

from __future__ import annotations

import asyncio
import datetime as dt
import queue
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from gchain_node.api.application import api_application, status_application
from gchain_node.api.limits import RateLimit
from gchain_node.api.listeners import Listener, bind
from gchain_node.api.tls import LeafStore
from gchain_node.config import Listen
from gchain_node.keys.file_key import FileKey
from gchain_node.metrics import Metrics
from gchain_node.tls import Leaf, issue_leaf, make_authority, read_authority

NOW = dt.datetime.now(dt.UTC)
PRIVATE = [
    "/v1/query/members",
    "/v1/members",
    "/members",
    "/v1/blocks",
    "/blocks",
    "/v1/export",
    "/v1/log",
    "/v1/events",
]
PUBLIC = ["/", "/v1/status", "/v1/codes", "/healthz", "/openapi.json"]


@contextmanager
def over_tls(served: Any, directory: Path) -> Iterator[tuple[str, ssl.SSLContext, Path]]:
    """An API whose only public group is `status`; its URL, a context that trusts it, and a client certificate."""
    key = FileKey(ec.generate_private_key(ec.SECP256R1()))
    pem = make_authority(key, member="treasury", now=NOW).decode()

    def issue(*, client: bool) -> Leaf:
        return issue_leaf(
            key,
            read_authority(pem, "treasury"),
            hostname="localhost",
            addresses=["127.0.0.1"],
            hours=1,
            now=NOW,
            client=client,
        )

    leaf, presented = issue(client=False), issue(client=True)
    (directory / "key.pem").write_bytes(leaf.private_key)
    (directory / "cert.pem").write_bytes(leaf.certificate)
    (directory / "client.pem").write_bytes(presented.private_key + presented.certificate)
    store = LeafStore(directory)
    store.set_issuers({"treasury": pem})
    store.refresh()
    assert store.problem is None, store.problem
    application = api_application(served.view, Metrics(), RateLimit(100, 100), leaf=store, public=("status",))
    started: queue.Queue[Listener] = queue.Queue()

    async def serve() -> None:
        with bind("test", Listen("127.0.0.1", 0)) as bound:
            listener = Listener("test", application, bound, store)
            serving = asyncio.create_task(listener.serve())
            await listener.started.wait()
            started.put(listener)
            await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    listener = started.get(timeout=120)
    yield f"https://127.0.0.1:{listener.port}", ssl.create_default_context(cadata=pem), directory / "client.pem"
    listener.stop()
    thread.join(120)


def test_a_private_read_needs_a_members_certificate(served: Any, tmp_path: Path) -> None:
    directory = tmp_path / "tls"
    directory.mkdir()
    with over_tls(served, directory) as (url, context, certificate):
        with httpx.Client(base_url=url, verify=context, trust_env=False, timeout=60) as stranger:
            assert [stranger.get(path).status_code for path in PUBLIC] == [200] * len(PUBLIC)
            refused = [stranger.get(path) for path in PRIVATE]
            assert [answer.status_code for answer in refused] == [403] * len(PRIVATE)
            assert "members" in refused[0].json()["error"]["message"]
        context.load_cert_chain(certificate)
        with httpx.Client(base_url=url, verify=context, trust_env=False, timeout=60) as member:
            readable = [path for path in PRIVATE if path != "/v1/events"]
            statuses = {path: member.get(path).status_code for path in readable}
            assert 403 not in statuses.values()
            assert statuses["/v1/members"] == statuses["/blocks"] == 200


def test_the_plain_listener_never_gives_what_is_private(served: Any, listening: Any) -> None:
    outcome = served.commit("r1")
    receipts = [f"/v1/receipts/{outcome['hash']}", f"/v1/receipts/{outcome['hash']}/cose"]
    with listening(status_application(served.view, Metrics(), public=("status",))) as client:
        assert {client.get(path).status_code for path in [*PRIVATE, *receipts]} == {403}
        assert client.get("/v1/status").status_code == 200


def test_a_public_log_does_not_make_receipts_public(served: Any, listening: Any) -> None:
    outcome = served.commit("r1")
    with listening(status_application(served.view, Metrics(), public=("log",))) as client:
        assert client.get("/v1/log").status_code == 200
        for path in (f"/v1/receipts/{outcome['hash']}", f"/v1/receipts/{outcome['hash']}/cose"):
            assert client.get(path).status_code == 403


FILLED = {
    "name": "dev", "path": "consortium", "height": "1", "height:int": "1", "hash": "00" * 32, "digest": "00" * 32,
    "path:path": "consortium",
}  # fmt: skip
ALWAYS = {"/v1/codes", "/openapi.json", "/healthz", "/readyz"}


def test_no_read_but_four_is_outside_the_groups(served: Any, listening: Any) -> None:
    """With no public group at all: a route that somebody adds and forgets to guard is found here."""
    application = status_application(served.view, Metrics(), public=())
    with listening(application) as client:
        for route in application.routes:
            path = re.sub(r"{([a-z:]+)}", lambda match: FILLED[match[1]], route.path)
            expected = 200 if path in ALWAYS else 403
            assert client.get(path).status_code == expected, path
    assert len(application.routes) > 25
