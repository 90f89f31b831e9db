"""Reach a member's node: its API over TLS, trusted through the issuing certificate in the member's contribution."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from gchain.custody.record import KeyRecord
from gchain.environment import Environment
from gchain.errors import ConsortiumError
from gchain.sandbox.layout import Layout, Plan
from gchain.workspace import Workspace
from gchain_node.client import Client

__all__ = ["Node", "contribution_of", "nodes", "open_client"]

_STATUS_PORT = 8080
_API_PORT = 8443


@dataclass(frozen=True)
class Node:
    """One ledger node as this machine reaches it: `status_url` is plain and read-only, `api_url` is TLS for `name`."""

    member: str
    host: str
    name: str
    status_url: str
    api_url: str

    def status(self, *, timeout: float = 3.0) -> dict[str, Any]:
        """`GET /v1/status` as it is now. Raises `httpx.HTTPError` when the node does not answer."""
        answer = httpx.get(f"{self.status_url}/v1/status", timeout=timeout, trust_env=False)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


class _Named(httpx.HTTPTransport):
    """Asks for the host's own name in TLS, whatever address it connects to, and checks the certificate for it."""

    def __init__(self, name: str, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        self._name = name

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": self._name}
        return super().handle_request(request)


def nodes(environment: Environment, workspace: Workspace) -> list[Node]:
    """Every host of every member, in member order; in a sandbox by its loopback forwarders."""
    domain = environment.zone.domain
    found: list[Node] = []
    for member in environment.consortium.members:
        for host in member.hosts:
            name = f"{host.name}.{member.name}.{domain}"
            status, api = _addresses(workspace, name, len(found))
            found.append(Node(member.name, host.name, name, status, api))
    return found


def _addresses(workspace: Workspace, name: str, index: int) -> tuple[str, str]:
    if workspace.sandbox is None:
        return f"http://{name}:{_STATUS_PORT}", f"https://{name}:{_API_PORT}"
    layout = Layout(workspace.sandbox, Plan.read(workspace.root / "sandbox.json").slot)
    ports = {target: port for port, target in layout.forwarded(index).items()}
    return f"http://127.0.0.1:{ports[_STATUS_PORT]}", f"https://127.0.0.1:{ports[_API_PORT]}"


def contribution_of(workspace: Workspace, member: str) -> dict[str, Any]:
    """The member's signed genesis contribution.

    Raises:
        ConsortiumError: the file is missing or is no contribution.
    """
    path = workspace.contributions / f"{member}.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text())
        document["payload"]["member"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConsortiumError(
            f"{path}: no contribution of {member}: {error!r}",
            remedy=f"{member} makes it with `gchain host contribution --member {member}`",
        ) from error
    return document


@contextmanager
def open_client(workspace: Workspace, node: Node) -> Iterator[Client]:
    """A client of the node's API that trusts the node's own agency for its certificate and nobody else."""
    issuer = contribution_of(workspace, node.member)["payload"]["tls_ca"]
    issuer += KeyRecord.read(workspace, node.member).issuers()
    context = ssl.create_default_context(cadata=issuer)
    with Client(node.api_url, transport=_Named(node.name, context)) as client:
        yield client
