"""Keys of another SoftHSM store than the process's own, used through a child process.

A PKCS#11 module reads its environment once, when a process initialises it: SoftHSM takes its store from SOFTHSM2_CONF
then. A process that signs with keys of several stores (an officer's tools, the sandbox, tests) starts one child per
store, with that store's environment, and talks to it over its standard streams: one JSON object a line. The PIN goes
through the pipe, never through arguments or the environment. The child ends when its standard input closes.

Requests: `{"open": <uri>, "pin": <pin>}` answers `{"public_key": <base64url DER>}`; `{"sign": <hex>}` answers
`{"signature": <hex>}`. A failure answers `{"error": <class>, "message": ..., "remedy": ...}`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from typing import Any

from gchain_node import errors
from gchain_node.errors import KeyAccessError, KeyUnavailable, NodeError
from gchain_node.keys.key import Key
from gchain_node.keys.pin import PinSource, pin_source
from gchain_node.keys.public import PublicKey, encode_public_key, load_public_key
from gchain_node.keys.uri import Pkcs11Uri

__all__ = ["WorkerKey", "serve"]


class WorkerKey(Key):
    """A key in a child process. A child that died is started again by the next call."""

    def __init__(self, uri: Pkcs11Uri, pin: PinSource) -> None:
        self._uri, self._pin = uri, pin
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        with self._lock:
            self._public = self._start()

    @classmethod
    def open(cls, uri: Pkcs11Uri, pin: PinSource) -> WorkerKey:
        """`uri` names its store by `x-softhsm2-conf`. Raises what `Pkcs11Key.open` raises."""
        return cls(uri, pin)

    @property
    def public_key(self) -> PublicKey:
        return self._public

    def sign(self, message: bytes) -> bytes:
        with self._lock:
            if self._child is None or self._child.poll() is not None:
                self._start()
            return bytes.fromhex(self._ask({"sign": message.hex()})["signature"])

    def close(self) -> None:
        with self._lock:
            if self._child is not None:
                _end(self._child)
                self._child = None

    def _start(self) -> PublicKey:
        environment = os.environ | {"SOFTHSM2_CONF": str(self._uri.softhsm2_conf)}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "gchain_node.keys.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        weakref.finalize(self, _end, self._child)
        answer = self._ask({"open": str(replace(self._uri, softhsm2_conf=None)), "pin": self._pin()})
        return load_public_key(answer["public_key"])

    def _ask(self, request: dict[str, str]) -> dict[str, str]:
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            raise KeyUnavailable("the token's process is not running")
        try:
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except OSError as error:
            raise KeyUnavailable(
                f"the process of the token in {self._uri.softhsm2_conf} is gone: {error.strerror}"
            ) from error
        if not line:
            raise KeyUnavailable(
                f"the process of the token in {self._uri.softhsm2_conf} ended with status {child.wait()}"
            )
        answer: dict[str, str] = json.loads(line)
        if "error" in answer:
            kind: type[NodeError] = getattr(errors, answer["error"], KeyAccessError)
            raise kind(answer["message"], remedy=answer["remedy"] or None)
        return answer


def _end(child: subprocess.Popen[str]) -> None:
    if child.stdin is not None:
        child.stdin.close()
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def serve() -> None:
    """The child: answer requests from standard input until it closes."""
    from gchain_node.keys.pkcs11_key import Pkcs11Key  # the module belongs to this process alone

    key: Key | None = None
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        try:
            if "open" in request:
                uri = Pkcs11Uri.parse(request["open"])
                key = Pkcs11Key.open(uri, pin_source(uri, request["pin"]))
                answer = {"public_key": encode_public_key(key.public_key)}
            elif key is None:
                raise KeyAccessError("no key is open")
            else:
                answer = {"signature": key.sign(bytes.fromhex(request["sign"])).hex()}
        except NodeError as error:
            answer = {"error": type(error).__name__, "message": str(error), "remedy": error.remedy or ""}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
