"""The plugin process: a gRPC server on loopback whose port is printed for the engine."""

from __future__ import annotations

import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc

from gchain.sandbox.provider.provider import Provider
from gchain.sandbox.provider.servicer import Servicer

__all__ = ["listen", "main"]

_THREADS = 32  # the engine asks for as many operations at once as it has workers; each waits for the cloud


def listen() -> tuple[grpc.Server, int]:
    """A started server and its port."""
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(Provider()), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main() -> None:
    """Serves until the engine ends the process; the engine's address among the arguments is not needed.

    The engine starts a plugin in a process group of its own, so Ctrl-C does not reach it: an interrupt is the
    engine's way of saying that it is done, and a plugin that lingers makes every operation wait five seconds before
    it is killed.
    """
    server, port = listen()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop(None))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
