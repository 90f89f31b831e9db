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
    """Serves until the engine ends the process; the engine's address among the arguments is not needed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine handles Ctrl-C and tells its plugins
    server, port = listen()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
