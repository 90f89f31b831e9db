"""Committed transactions a second and latency: the four-host ledger beside the same CometBFT with its built-in app."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.load import LoadResult, run_load
from bench.network import run_testnet
from gchain.consortium.ledger import nodes, open_client
from gchain.consortium.officers import officer_key
from gchain.environment import Environment
from gchain.sandbox.sandbox import Sandbox
from gchain_node import tx

__all__ = ["four_hosts", "kvstore"]

_ENGINE_RPC = "http://127.0.0.1:26657"
_WINDOW = 1_000
"""Numbers of one signer that may be under way in any order (the ledger's window is 1,024)."""


def four_hosts(environment: Environment, sandbox: Sandbox, *, rate: float, seconds: float) -> LoadResult:
    """Offer signed records, at most `_WINDOW` of each member's officer, to the engine of the convenor's host."""
    transactions = _signed_records(environment, sandbox, int(rate * seconds))
    namespace = _host_namespace(sandbox)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return LoadResult(**pool.apply(_load_inside, (namespace, transactions, rate, seconds)))


def _host_namespace(sandbox: Sandbox) -> str:
    hosts = (sandbox.status() or {"hosts": []})["hosts"]
    return str(sandbox.layout.host_namespace(hosts[0]["instance_id"]))


def _load_inside(namespace: str, transactions: list[bytes], rate: float, seconds: float) -> dict[str, Any]:
    """In a process of its own that has moved into the host's network: the engine listens there on loopback alone."""
    with Path("/run/netns", namespace).open() as handle:
        _enter(handle.fileno())
    return asdict(run_load([_ENGINE_RPC], iter(transactions), rate=rate, seconds=seconds))


def _enter(descriptor: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, 0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


def _signed_records(environment: Environment, sandbox: Sandbox, count: int) -> list[bytes]:
    members = environment.consortium.members
    share = min(_WINDOW, -(-count // len(members)))
    node = nodes(environment, sandbox.workspace)[0]
    lists = []
    for member in members:
        with officer_key(sandbox.workspace, member) as (signer, key), open_client(sandbox.workspace, node) as client:
            status = client.get("/v1/status")
            used = client.query(f"nonces/{signer}").value
            first = (int(used["high"]) if used else 0) + 1
            lists.append([_record(status, signer, key, first + index) for index in range(share)])
    return [raw for turn in zip(*lists, strict=True) for raw in turn]


def _record(status: dict[str, Any], signer: str, key: tx.SigningKey, nonce: int) -> bytes:
    args = {"id": f"bench-{secrets.token_hex(8)}", "commitment": secrets.token_bytes(32)}
    expires = int(status["height"]) + 1_000
    return tx.sign(tx.Tx(str(status["chain_id"]), "records", "commit", args, signer, nonce, expires), key)


def kvstore(*, size: int, rate: float, seconds: float, timeout_commit: str = "500ms") -> LoadResult:
    """The same load of `size`-byte transactions on four validators of CometBFT with its built-in Go app."""

    def transactions() -> Iterator[bytes]:
        for number in itertools.count():
            head = f"bench-{os.getpid()}-{number}=".encode()
            yield head + secrets.token_hex(size)[: size - len(head)].encode()

    with tempfile.TemporaryDirectory() as scratch:
        settings = {"port": 18_400, "timeout_commit": timeout_commit}
        with run_testnet(Path(scratch, "net"), **settings) as network:  # type: ignore[arg-type]
            return run_load(network.rpcs[:1], transactions(), rate=rate, seconds=seconds)
