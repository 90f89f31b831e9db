"""The policy pack as the engine starts it: the only place that builds one.

Prints the port of the Analyzer service and serves until the engine goes away. The environment and member come from the
stack's configuration (`gchain:environment`, `gchain:member`), else from `GCHAIN_ENVIRONMENT` and `GCHAIN_MEMBER`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from pulumi.runtime.proto import analyzer_pb2_grpc

from gchain import environment
from gchain.workspace import workspace_of
from policies import own_rules
from policies.analyzer import Analyzer
from policies.errors import PolicyError
from policies.pack import PackSession
from policies.zone import ZonePolicy

_MAX_MESSAGE = 400 * 1024 * 1024  # the engine's own limit: a stack of thousands of resources is one message


def make_session(stack: str, config: dict[str, str], dry_run: bool) -> PackSession:
    """The session of one run.

    Raises:
        ConfigurationError: the environment is unknown or wrong.
        PolicyError: neither the stack's configuration nor the process's environment names one.
    """
    name = config.get("gchain:environment") or os.environ.get("GCHAIN_ENVIRONMENT")
    foundation = config.get("gchain:foundation") == "true"
    member = "foundation" if foundation else config.get("gchain:member") or os.environ.get("GCHAIN_MEMBER")
    if not name or not member:
        raise PolicyError(
            f"stack {stack}: neither its configuration nor GCHAIN_ENVIRONMENT and GCHAIN_MEMBER say whose it is",
            remedy="set gchain:environment and gchain:member in the stack's configuration",
        )
    loaded = environment.load(name)
    own_rules.activate(loaded.directory / "rules")
    keeper = loaded.consortium.convenor if foundation else member
    evidence = _evidence_directory(stack, name, keeper)
    return PackSession(ZonePolicy.of(loaded), stack, member, dry_run, evidence, _ask_the_cloud, _variables())


def _evidence_directory(stack: str, name: str, member: str) -> Path | None:
    """Where the last update's record goes: `$GCHAIN_EVIDENCE`, else the member's directory in an existing workspace."""
    if configured := os.environ.get("GCHAIN_EVIDENCE"):
        return Path(configured)
    prefix = stack.rpartition("-")[0] if stack.endswith("-foundation") else stack
    sandbox = prefix.partition(".")[2].removesuffix(f"-{member}") or "default"
    directory = workspace_of(name, sandbox).member(member)
    return directory.evidence if directory.root.is_dir() else None


def _variables() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in ("PULUMI_SKIP_UPDATE_CHECK", "PULUMI_BACKEND_URL")}


def _ask_the_cloud(bucket: str) -> str | None:
    # Loaded when a name is in no stack and no zone file: it takes as long to load as the rest of the pack.
    from policies.sources.buckets import region_of_bucket

    return region_of_bucket(bucket)


def main() -> None:
    server = grpc.server(
        ThreadPoolExecutor(max_workers=1),  # a session accumulates resources: one call at a time
        options=[("grpc.max_receive_message_length", _MAX_MESSAGE), ("grpc.max_send_message_length", _MAX_MESSAGE)],
    )
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Analyzer(make_session), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    server.stop(grace=None)


if __name__ == "__main__":
    main()
