"""The client for ordinary programs."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import httpx

from gchain_node import tx
from gchain_node.client import steps
from gchain_node.client.answers import Outcome, QueryAnswer
from gchain_node.client.events import STREAM_TIMEOUT, EventReader, LedgerEvent, check_stream, pause_before, wanted
from gchain_node.client.nodes import Nodes, is_away
from gchain_node.proof.trust import Trust

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """APIs of one ledger's nodes, synchronously.

    Args:
        url: `https://host:8443`, or a development node's `http://127.0.0.1:port`. Of several the first that answers is
            asked; when it is away, the next one.
        verify: an SSL context that trusts the TLS-issuing certificates of the nodes' members (and, if wanted, carries a
            client certificate); True for the system's trust store.
        trust: the trust file's content; with it, receipts and values asked for with `prove` are verified before they
            are returned (receipts are refused without it), and what does not verify raises `VerificationError`.
        transport: for tests.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        verify: ssl.SSLContext | bool = True,
        trust: Trust | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._trust = trust
        self._nodes = Nodes(url)
        self._http = httpx.Client(verify=verify, transport=transport, trust_env=False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def transact(
        self,
        module: str,
        action: str,
        args: Mapping[str, Any],
        *,
        key: tx.SigningKey,
        signer: str,
        expires_in: int = steps.EXPIRES_IN,
        timeout: float = 60.0,
    ) -> Outcome:
        """Sign and submit, and wait until a block has it. A refusal is an `Outcome` too. Raises `ApiError`."""
        return self._carry_out(steps.transact(module, action, args, key, signer, expires_in, timeout))

    def build(
        self,
        module: str,
        action: str,
        args: Mapping[str, Any],
        *,
        key: tx.SigningKey,
        signer: str,
        expires_in: int = steps.EXPIRES_IN,
    ) -> bytes:
        """A signed transaction, not submitted."""
        return self._carry_out(steps.build(module, action, args, key, signer, expires_in))

    def submit(self, raw: bytes, *, timeout: float = 60.0) -> Outcome:
        """Submit signed bytes, and wait until a block has them; what a block has already is its outcome."""
        return self._carry_out(steps.submit(raw, timeout))

    def query(self, path: str, *, prove: bool = False) -> QueryAnswer:
        return self._carry_out(steps.query(path, prove=prove, trust=self._trust))

    def receipt(self, hash_: bytes, *, verified: bool = True) -> dict[str, Any]:
        """The receipt, verified (without `trust` it is refused); with `verified=False` as the node gave it."""
        return self._carry_out(steps.receipt(hash_, self._trust, verified=verified))

    def saved_proof(self, path: str) -> dict[str, Any]:
        """What proves a value, or its absence, offline: `gchain_node.proof.saved.verify_state` reads it."""
        return self._carry_out(steps.saved_proof(path))

    def hand_in_report(self, raw: bytes) -> None:
        """Give the node the bytes of a report whose digest is anchored, so that it can show it. Raises `ApiError`."""
        self._carry_out(steps.hand_in_report(raw))

    def raw(self, path: str) -> bytes:
        """The bytes of a read that answers no JSON, such as a COSE receipt. Raises `ApiError`."""
        answer = self._carry_out(steps.get(path))
        if answer.status_code != 200:
            steps.read_json(answer)
        return answer.content

    def get(self, path: str, **params: str | int | float) -> dict[str, Any]:
        """Any read of the API that answers JSON, such as `/v1/status`. Raises `ApiError`."""
        return steps.read_json(self._carry_out(steps.get(path, **params)))

    def events(
        self, *, after: int | None = None, module: str | None = None, member: str | None = None
    ) -> Iterator[LedgerEvent]:
        """Blocks as they come, without end. A stream that breaks is taken up at the block after the last one, at the
        next node if need be.

        Args:
            after: the height after which to begin; the latest if None.
            module, member: only blocks with a transaction of this module, or of this member; others are passed over.

        Raises:
            ApiError: no node gave a stream in six attempts.
        """
        reader, asked = EventReader(after), wanted(module, member)
        while True:
            why = "the stream ended"
            try:
                with self._stream(asked, reader) as answer:
                    if answer.status_code != 200 and not is_away(answer):
                        answer.read()
                        steps.read_json(answer)
                    if answer.status_code == 200:
                        check_stream(answer)
                        for line in answer.iter_lines():
                            if (event := reader.line(line)) is not None:
                                yield event
            except httpx.TransportError as error:
                why = str(error) or type(error).__name__
            self._nodes.leave()
            reader.interrupted()
            time.sleep(pause_before(reader.failures, why))

    def _stream(self, params: dict[str, str], reader: EventReader) -> AbstractContextManager[httpx.Response]:
        url = f"{self._nodes.current}/v1/events"
        return self._http.stream("GET", url, params=params, headers=reader.headers(), timeout=STREAM_TIMEOUT)

    def _carry_out(self, operation: steps.Steps[T]) -> T:
        answer: httpx.Response | httpx.TransportError | None = None
        try:
            while True:
                step = operation.send(answer)
                if isinstance(step, steps.Pause):
                    time.sleep(step.seconds)
                    answer = None
                else:
                    answer = self._ask(step)
        except StopIteration as end:
            result: T = end.value
            return result

    def _ask(self, call: steps.Call) -> httpx.Response | httpx.TransportError:
        answer: httpx.Response | httpx.TransportError = httpx.ConnectError("no node was asked")
        for url in self._nodes.each():
            try:
                answer = self._http.send(Nodes.request(self._http, url, call))
            except httpx.TransportError as error:
                answer = error
            if not is_away(answer):
                break
        return answer
