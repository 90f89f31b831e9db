"""Python client of a node's API: build, sign and submit transactions, wait for their block, fetch what proves it.

A transaction counts as done only when a block has it (`Outcome.committed`): the answer of a check is no promise. Until
then the client sends the same bytes again, which is safe, since a number is used once. Operations are written once, as
generators that yield requests; `Client` and `AsyncClient` carry them out.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import ssl
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import cbor2
import httpx

from gchain_node import tx
from gchain_node.codes import TABLE, Code
from gchain_node.errors import ApiError, TransactionError, VerificationError
from gchain_node.proof.receipt import verify_receipt
from gchain_node.proof.saved import save_state
from gchain_node.proof.signed_header import verify_signed_header
from gchain_node.proof.state import StateProof
from gchain_node.proof.trust import Trust

__all__ = ["AsyncClient", "Client", "Outcome", "QueryAnswer"]

EXPIRES_IN: Final = 1_000  # blocks for which a transaction may still be taken, unless the caller says otherwise
_ROUNDS: Final = 8  # numbers that other clients of the signer may take before this one gives up
_ATTEMPTS: Final = 6
_FIRST_PAUSE: Final = 0.2
_RETRIED: Final = {429, 502, 503}
_CERTIFICATE: Final = "CERTIFICATE_VERIFY_FAILED"
_NOT_YET: Final = 409  # of a receipt: the block that carries the result is not committed yet
_SPREAD: Final = 16  # numbers above the highest that one of several clients of a signer picks from

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a transaction. `height` and `index` are its place once it is committed."""

    hash: bytes
    committed: bool
    code: int
    log: str
    data: Any
    height: int | None = None
    index: int | None = None

    def raise_for_code(self) -> Outcome:
        """Raises `TransactionError` unless a block has the transaction and it took effect."""
        if self.code != 0:
            raise TransactionError(Code(self.code) if self.code in TABLE else Code.INTERNAL, self.log)
        if not self.committed:
            raise TransactionError(Code.INTERNAL, f"transaction {self.hash.hex()} is queued, not committed")
        return self


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """A value of the state after `height`, or None. `proof` shows that it is so under the app hash in the header of
    `height + 1`; `proven` says that this header was checked too, so that the value needs no belief in the node.
    """

    path: str
    value: Any
    height: int
    proof: StateProof | None
    proven: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    params: Mapping[str, str | int | float]
    content: bytes | None = None
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class _Pause:
    seconds: float


_Steps = Generator[_Call | _Pause, "httpx.Response | httpx.TransportError | None", T]


def _get(path: str, **params: str | int | float) -> _Steps[httpx.Response]:
    """One read; repeated while the node is busy or unreachable."""
    answer = yield from _repeat(_Call("GET", path, params))
    return answer


def _repeat(call: _Call, also: int = 0) -> _Steps[httpx.Response]:
    """The answer to an idempotent request. Status `also` may mean "try again" too. Raises `ApiError` without one."""
    pause, answer, attempt = _FIRST_PAUSE, None, 0
    for attempt in range(_ATTEMPTS):
        if attempt:
            yield _Pause(max(pause, _retry_after(answer)) * (1 + secrets.randbelow(500) / 1000))
            pause *= 2
        answer = yield call
        if isinstance(answer, httpx.Response) and answer.status_code not in {*_RETRIED, also}:
            return answer
        if isinstance(answer, httpx.ConnectError) and _CERTIFICATE in str(answer):
            break  # it will not become another node's by asking again
    if isinstance(answer, httpx.Response):
        return answer
    raise ApiError(
        f"no answer to {call.method} {call.path} in {attempt + 1} attempts: {answer or type(answer).__name__}",
        remedy="see whether the node runs and its certificate's issuer is the one given to the client",
    )


def _retry_after(answer: httpx.Response | httpx.TransportError | None) -> float:
    if not isinstance(answer, httpx.Response):
        return 0.0
    text = answer.headers.get("retry-after", "")
    return min(10.0, float(text)) if re.fullmatch(r"\d{1,4}(\.\d+)?", text) else 0.0


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(f"{answer.request.url} answered {answer.status_code} without JSON", status=answer.status_code)
    if "error" in body:
        raise ApiError(str(body["error"].get("message")), status=answer.status_code)
    return body


def _submit(raw: bytes, timeout: float) -> _Steps[Outcome]:
    hash_, deadline = tx.tx_hash(raw), time.monotonic() + timeout
    while True:
        wait = min(30.0, max(0.5, deadline - time.monotonic()))
        params = {"wait": 1, "timeout": round(wait, 3)}
        answer = yield from _repeat(_Call("POST", "/v1/tx", params, raw, wait + 10))
        if answer.status_code != 504:  # 504: no block had it yet
            outcome = _outcome(_json(answer))
            if outcome.hash != hash_:
                raise ApiError(f"the node answered for {outcome.hash.hex()}, not for {hash_.hex()}")
            return outcome
        if time.monotonic() >= deadline:
            raise ApiError(
                f"no block had transaction {hash_.hex()} after {timeout:g} s",
                status=504,
                remedy="it may still come: submit the same bytes again, or look it up by its hash",
            )


def _outcome(body: Mapping[str, Any]) -> Outcome:
    try:
        return Outcome(
            hash=bytes.fromhex(body["hash"]),
            committed=body["committed"] is True,
            code=int(body["code"]),
            log=str(body["log"]),
            data=body.get("data"),
            height=body.get("height"),
            index=body.get("index"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ApiError(f"the node's answer is no outcome of a transaction: {error}") from error


def _build(
    module: str, action: str, args: Mapping[str, Any], key: tx.SigningKey, signer: str, expires_in: int
) -> _Steps[bytes]:
    """A signed transaction with the ledger's id, a fresh number and an expiry from the node's height."""
    status = _json((yield from _get("/v1/status")))
    answer = yield from _query(f"nonces/{signer}", prove=False)
    high = int(answer.value["high"]) if answer.value else 0
    asked = tx.Tx(
        chain_id=str(status["chain_id"]),
        module=module,
        action=action,
        args=dict(args),
        signer=signer,
        nonce=high + 1 + secrets.randbelow(_SPREAD),
        expires_height=int(status["height"]) + expires_in,
    )
    return tx.sign(asked, key)


def _transact(
    module: str,
    action: str,
    args: Mapping[str, Any],
    key: tx.SigningKey,
    signer: str,
    expires_in: int,
    timeout: float,
) -> _Steps[Outcome]:
    """Submit; when another client of the signer took the number, sign with a new one.

    The number may also be used by these very bytes, of which an earlier copy went through while its answer was lost:
    they are looked up before anything is signed anew, so that the action is carried out once.
    """
    for _ in range(_ROUNDS):
        raw = yield from _build(module, action, args, key, signer, expires_in)
        outcome = yield from _submit(raw, timeout)
        if outcome.code not in (Code.NONCE_USED, Code.NONCE_TOO_OLD):
            return outcome
        committed = yield from _committed(raw)
        if committed is not None:
            return committed
    return outcome


def _committed(raw: bytes) -> _Steps[Outcome | None]:
    """What a block answered to these bytes; None if no block has them. Asked twice: an index may lag behind a block."""
    for seconds in (0.0, 1.0):
        if seconds:
            yield _Pause(seconds)
        answer = yield from _get(f"/v1/tx/{tx.tx_hash(raw).hex()}")
        if answer.status_code == 200:
            return _outcome(_json(answer))
        if answer.status_code != 404:
            raise ApiError(
                f"whether transaction {tx.tx_hash(raw).hex()} is committed cannot be told: {answer.status_code}",
                status=answer.status_code,
                remedy="look it up by its hash before the action is sent again",
            )
    return None


def _query(path: str, *, prove: bool, trust: Trust | None = None) -> _Steps[QueryAnswer]:
    answer = yield from _get(f"/v1/query/{path}", prove=int(prove))
    body = _json(answer)
    code = int(body.get("code", -1))
    if code not in (Code.OK, Code.NOT_FOUND):
        raise ApiError(str(body.get("log")), status=answer.status_code)
    encoded = _bytes(body, "value_cbor")
    proof = _checked_proof(path, encoded, _bytes(body, "proof")) if prove else None
    height, value = int(body["height"]), cbor2.loads(encoded) if encoded else None
    if proof is None or trust is None:
        return QueryAnswer(path, value, height, proof)
    signed = _json(
        (yield from _repeat(_Call("GET", f"/v1/headers/{int(body['header'])}", {}, timeout=60), also=_NOT_YET))
    )
    header = verify_signed_header(signed, trust)
    if header.height not in (height, height + 1):
        raise VerificationError(f"the node gave header {header.height} for a value that it read at {height}")
    proof.verify(header.app_hash)
    return QueryAnswer(path, value, height, proof, proven=True)


def _saved_proof(path: str) -> _Steps[dict[str, Any]]:
    body = _json((yield from _get(f"/v1/query/{path}", prove=1)))
    proof = _checked_proof(path, _bytes(body, "value_cbor"), _bytes(body, "proof"))
    header = _Call("GET", f"/v1/headers/{int(body['header'])}", {}, timeout=60)
    signed = _json((yield from _repeat(header, also=_NOT_YET)))
    return save_state(path, int(body["height"]), proof, signed)


def _checked_proof(path: str, value: bytes, encoded: bytes) -> StateProof:
    proof = StateProof.decode(encoded)
    if proof.key != path.encode() or (proof.value or b"") != value:
        raise VerificationError(f"the node's proof is not about {path} and the value that it answered")
    return proof


def _bytes(body: Mapping[str, Any], name: str) -> bytes:
    text = str(body.get(name, ""))
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError as error:
        raise ApiError(f"the node's answer has no base64url in {name}") from error


def _receipt(hash_: bytes, trust: Trust | None, *, verified: bool) -> _Steps[dict[str, Any]]:
    if verified and trust is None:
        raise VerificationError(
            "a receipt cannot be verified without the ledger's trust file",
            remedy="give the client `trust`, or ask with verified=False and verify the receipt before relying on it",
        )
    answer = yield from _repeat(_Call("GET", f"/v1/receipts/{hash_.hex()}", {}, timeout=60), also=_NOT_YET)
    receipt = _json(answer)
    if verified and trust is not None and verify_receipt(receipt, trust).tx_hash != hash_:
        raise VerificationError(f"the node gave a receipt of another transaction than {hash_.hex()}")
    return receipt


class Client:
    """A node's API, synchronously.

    Args:
        url: `https://host:8443`, or a development node's `http://127.0.0.1:port`.
        verify: an SSL context that trusts the node's member's TLS-issuing certificate (and, if wanted, carries a client
            certificate); True for the system's trust store.
        trust: the trust file's content; with it, receipts and values asked for with `prove` are verified before they
            are returned (receipts are refused without it), and what does not verify raises `VerificationError`.
        transport: for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        verify: ssl.SSLContext | bool = True,
        trust: Trust | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._trust = trust
        self._http = httpx.Client(base_url=url, verify=verify, transport=transport, trust_env=False)

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
        expires_in: int = EXPIRES_IN,
        timeout: float = 60.0,
    ) -> Outcome:
        """Sign and submit, and wait until a block has it. A refusal is an `Outcome` too. Raises `ApiError`."""
        return self._carry_out(_transact(module, action, args, key, signer, expires_in, timeout))

    def build(
        self,
        module: str,
        action: str,
        args: Mapping[str, Any],
        *,
        key: tx.SigningKey,
        signer: str,
        expires_in: int = EXPIRES_IN,
    ) -> bytes:
        """A signed transaction, not submitted."""
        return self._carry_out(_build(module, action, args, key, signer, expires_in))

    def submit(self, raw: bytes, *, timeout: float = 60.0) -> Outcome:
        """Submit signed bytes, and wait until a block has them."""
        return self._carry_out(_submit(raw, timeout))

    def query(self, path: str, *, prove: bool = False) -> QueryAnswer:
        return self._carry_out(_query(path, prove=prove, trust=self._trust))

    def receipt(self, hash_: bytes, *, verified: bool = True) -> dict[str, Any]:
        """The receipt, verified (without `trust` it is refused); with `verified=False` as the node gave it."""
        return self._carry_out(_receipt(hash_, self._trust, verified=verified))

    def saved_proof(self, path: str) -> dict[str, Any]:
        """What proves a value, or its absence, offline: `gchain_node.proof.saved.verify_state` reads it."""
        return self._carry_out(_saved_proof(path))

    def raw(self, path: str) -> bytes:
        """The bytes of a read that answers no JSON, such as a COSE receipt. Raises `ApiError`."""
        answer = self._carry_out(_get(path))
        if answer.status_code != 200:
            _json(answer)
        return answer.content

    def get(self, path: str) -> dict[str, Any]:
        """Any read of the API that answers JSON, such as `/v1/status`."""
        return _json(self._carry_out(_get(path)))

    def _carry_out(self, steps: _Steps[T]) -> T:
        answer: httpx.Response | httpx.TransportError | None = None
        try:
            while True:
                step = steps.send(answer)
                if isinstance(step, _Pause):
                    time.sleep(step.seconds)
                    answer = None
                    continue
                try:
                    answer = self._http.send(_request(self._http, step))
                except httpx.TransportError as error:
                    answer = error
        except StopIteration as end:
            result: T = end.value
            return result


class AsyncClient:
    """A node's API on an event loop. Methods and arguments as those of `Client`."""

    def __init__(
        self,
        url: str,
        *,
        verify: ssl.SSLContext | bool = True,
        trust: Trust | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._trust = trust
        self._http = httpx.AsyncClient(base_url=url, verify=verify, transport=transport, trust_env=False)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def transact(
        self,
        module: str,
        action: str,
        args: Mapping[str, Any],
        *,
        key: tx.SigningKey,
        signer: str,
        expires_in: int = EXPIRES_IN,
        timeout: float = 60.0,
    ) -> Outcome:
        return await self._carry_out(_transact(module, action, args, key, signer, expires_in, timeout))

    async def build(
        self,
        module: str,
        action: str,
        args: Mapping[str, Any],
        *,
        key: tx.SigningKey,
        signer: str,
        expires_in: int = EXPIRES_IN,
    ) -> bytes:
        return await self._carry_out(_build(module, action, args, key, signer, expires_in))

    async def submit(self, raw: bytes, *, timeout: float = 60.0) -> Outcome:
        return await self._carry_out(_submit(raw, timeout))

    async def query(self, path: str, *, prove: bool = False) -> QueryAnswer:
        return await self._carry_out(_query(path, prove=prove, trust=self._trust))

    async def receipt(self, hash_: bytes, *, verified: bool = True) -> dict[str, Any]:
        return await self._carry_out(_receipt(hash_, self._trust, verified=verified))

    async def saved_proof(self, path: str) -> dict[str, Any]:
        return await self._carry_out(_saved_proof(path))

    async def get(self, path: str) -> dict[str, Any]:
        return _json(await self._carry_out(_get(path)))

    async def _carry_out(self, steps: _Steps[T]) -> T:
        answer: httpx.Response | httpx.TransportError | None = None
        try:
            while True:
                step = steps.send(answer)
                if isinstance(step, _Pause):
                    await asyncio.sleep(step.seconds)
                    answer = None
                    continue
                try:
                    answer = await self._http.send(_request(self._http, step))
                except httpx.TransportError as error:
                    answer = error
        except StopIteration as end:
            result: T = end.value
            return result


def _request(http: httpx.Client | httpx.AsyncClient, call: _Call) -> httpx.Request:
    headers = {"Content-Type": "application/cbor"} if call.content is not None else {}
    return http.build_request(
        call.method, call.path, params=dict(call.params), content=call.content, headers=headers, timeout=call.timeout
    )
