"""A client's operations, written once: generators that yield requests and pauses, and are sent the answers.

A transaction counts as done only when a block has it (`Outcome.committed`): the answer of a check is no promise. Until
then the same bytes are sent again, which is safe, since a number is used once.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import cbor2
import httpx

from gchain_node import tx
from gchain_node.client.answers import Outcome, QueryAnswer
from gchain_node.codes import Code
from gchain_node.errors import ApiError, VerificationError
from gchain_node.proof.receipt import verify_receipt
from gchain_node.proof.saved import save_state
from gchain_node.proof.signed_header import verify_signed_header
from gchain_node.proof.state import StateProof
from gchain_node.proof.trust import Trust

__all__ = [
    "EXPIRES_IN",
    "Call",
    "Pause",
    "Steps",
    "build",
    "get",
    "hand_in_report",
    "query",
    "read_json",
    "receipt",
    "saved_proof",
    "submit",
    "transact",
]

EXPIRES_IN: Final = 1_000  # blocks for which a transaction may still be taken, unless the caller says otherwise
_ROUNDS: Final = 8  # numbers that other clients of the signer may take before this one gives up
_ATTEMPTS: Final = 6
_FIRST_PAUSE: Final = 0.2
_RETRIED: Final = {429, 502, 503}
_CERTIFICATE: Final = "CERTIFICATE_VERIFY_FAILED"
_NOT_YET: Final = 409  # of a receipt: the block that carries the result is not committed yet
_SAID: Final = 500  # characters of what a node says that an error repeats
_SPREAD: Final = 16  # numbers above the highest that one of several clients of a signer picks from

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    params: Mapping[str, str | int | float]
    content: bytes | None = None
    timeout: float = 30.0
    content_type: str = "application/cbor"


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


Steps = Generator[Call | Pause, "httpx.Response | httpx.TransportError | None", T]


def get(path: str, **params: str | int | float) -> Steps[httpx.Response]:
    """One read; repeated while the node is busy or unreachable."""
    answer = yield from repeat(Call("GET", path, params))
    return answer


def repeat(call: Call, also: int = 0) -> Steps[httpx.Response]:
    """The answer to an idempotent request. Status `also` may mean "try again" too. Raises `ApiError` without one."""
    pause, answer, attempt = _FIRST_PAUSE, None, 0
    for attempt in range(_ATTEMPTS):
        if attempt:
            yield Pause(max(pause, _retry_after(answer)) * (1 + secrets.randbelow(500) / 1000))
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


def read_json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError.of(answer.status_code, f"{answer.request.url} answered {answer.status_code} without JSON")
    if "error" in body:  # in the API's own shape, or in that of something between the node and here
        said = body["error"].get("message") if isinstance(body["error"], dict) else body["error"]
        raise ApiError.of(answer.status_code, str(said)[:_SAID])
    return body


def _read(what: str, read: Callable[[], T]) -> T:
    """What `read` takes out of an answer. Raises `ApiError` that names `what` where the answer has another shape."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, cbor2.CBORError) as error:
        raise ApiError(f"the node's answer is no {what}: {type(error).__name__}: {str(error)[:_SAID]}") from error


def submit(raw: bytes, timeout: float) -> Steps[Outcome]:
    """Send the bytes until a block has them, or they are refused.

    A number that is used may be used by these very bytes, of which an earlier copy went through while its answer was
    lost, or by way of another node: they are looked up before the refusal is believed.
    """
    outcome = yield from _sent(raw, timeout)
    if outcome.code in (Code.NONCE_USED, Code.NONCE_TOO_OLD):
        return (yield from _committed(raw)) or outcome
    return outcome


def _sent(raw: bytes, timeout: float) -> Steps[Outcome]:
    hash_, deadline = tx.tx_hash(raw), time.monotonic() + timeout
    while True:
        wait = min(30.0, max(0.5, deadline - time.monotonic()))
        params = {"wait": 1, "timeout": round(wait, 3)}
        answer = yield from repeat(Call("POST", "/v1/tx", params, raw, wait + 10))
        if answer.status_code != 504:  # 504: no block had it yet
            outcome = _outcome(read_json(answer))
            if outcome.hash != hash_:
                raise ApiError(f"the node answered for {outcome.hash.hex()}, not for {hash_.hex()}")
            return outcome
        if time.monotonic() >= deadline:
            raise ApiError.of(
                504,
                f"no block had transaction {hash_.hex()} after {timeout:g} s",
                remedy="it may still come: submit the same bytes again, or look it up by its hash",
            )


def _outcome(body: Mapping[str, Any]) -> Outcome:
    return _read(
        "outcome of a transaction",
        lambda: Outcome(
            hash=bytes.fromhex(body["hash"]),
            committed=body["committed"] is True,
            code=int(body["code"]),
            log=str(body["log"]),
            data=body.get("data"),
            height=body.get("height"),
            index=body.get("index"),
        ),
    )


def build(
    module: str, action: str, args: Mapping[str, Any], key: tx.SigningKey, signer: str, expires_in: int
) -> Steps[bytes]:
    """A signed transaction with the ledger's id, a fresh number and an expiry from the node's height."""
    status = read_json((yield from get("/v1/status")))
    answer = yield from query(f"nonces/{signer}", prove=False)
    high = _read("number of a signer", lambda: int(answer.value["high"]) if answer.value else 0)
    chain_id, height = _read("status", lambda: (str(status["chain_id"]), int(status["height"])))
    asked = tx.Tx(
        chain_id=chain_id,
        module=module,
        action=action,
        args=dict(args),
        signer=signer,
        nonce=high + 1 + secrets.randbelow(_SPREAD),
        expires_height=height + expires_in,
    )
    return tx.sign(asked, key)


def transact(
    module: str,
    action: str,
    args: Mapping[str, Any],
    key: tx.SigningKey,
    signer: str,
    expires_in: int,
    timeout: float,
) -> Steps[Outcome]:
    """Submit; when another client of the signer took the number, sign with a new one."""
    for _ in range(_ROUNDS):
        raw = yield from build(module, action, args, key, signer, expires_in)
        outcome = yield from submit(raw, timeout)
        if outcome.committed or outcome.code not in (Code.NONCE_USED, Code.NONCE_TOO_OLD):
            return outcome
    return outcome


def _committed(raw: bytes) -> Steps[Outcome | None]:
    """What a block answered to these bytes; None if no block has them. Asked twice: an index may lag behind a block."""
    for seconds in (0.0, 1.0):
        if seconds:
            yield Pause(seconds)
        answer = yield from get(f"/v1/tx/{tx.tx_hash(raw).hex()}")
        if answer.status_code == 200:
            return _outcome(read_json(answer))
        if answer.status_code != 404:
            raise ApiError.of(
                answer.status_code,
                f"whether transaction {tx.tx_hash(raw).hex()} is committed cannot be told: {answer.status_code}",
                remedy="look it up by its hash before the action is sent again",
            )
    return None


def query(path: str, *, prove: bool, trust: Trust | None = None) -> Steps[QueryAnswer]:
    answer = yield from get(f"/v1/query/{path}", prove=int(prove))
    body = read_json(answer)
    if _read("answer to a query", lambda: int(body["code"])) not in (Code.OK, Code.NOT_FOUND):
        raise ApiError(str(body.get("log")), status=answer.status_code)
    encoded = _bytes(body, "value_cbor")
    proof = _checked_proof(path, encoded, _bytes(body, "proof")) if prove else None
    height = _read("answer to a query", lambda: int(body["height"]))
    value = _read("value in CBOR", lambda: cbor2.loads(encoded) if encoded else None)
    if proof is None or trust is None:
        return QueryAnswer(path, value, height, proof)
    signed = yield from _signed_header(body)
    header = verify_signed_header(signed, trust)
    if header.height not in (height, height + 1):
        raise VerificationError(f"the node gave header {header.height} for a value that it read at {height}")
    proof.verify(header.app_hash)
    return QueryAnswer(path, value, height, proof, proven=True)


def saved_proof(path: str) -> Steps[dict[str, Any]]:
    body = read_json((yield from get(f"/v1/query/{path}", prove=1)))
    proof = _checked_proof(path, _bytes(body, "value_cbor"), _bytes(body, "proof"))
    signed = yield from _signed_header(body)
    return _read("proof to save", lambda: save_state(path, int(body["height"]), proof, signed))


def _signed_header(body: Mapping[str, Any]) -> Steps[dict[str, Any]]:
    """The header in which the proof of this answer ends; it may be the next block's, which is waited for."""
    height = _read("answer to a query with a proof", lambda: int(body["header"]))
    answer = yield from repeat(Call("GET", f"/v1/headers/{height}", {}, timeout=60), also=_NOT_YET)
    return read_json(answer)


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


def hand_in_report(raw: bytes) -> Steps[None]:
    call = Call(
        "PUT", f"/v1/reports/{hashlib.sha256(raw).hexdigest()}", {}, raw, content_type="application/octet-stream"
    )
    read_json((yield from repeat(call)))


def receipt(hash_: bytes, trust: Trust | None, *, verified: bool) -> Steps[dict[str, Any]]:
    if verified and trust is None:
        raise VerificationError(
            "a receipt cannot be verified without the ledger's trust file",
            remedy="give the client `trust`, or ask with verified=False and verify the receipt before relying on it",
        )
    answer = yield from repeat(Call("GET", f"/v1/receipts/{hash_.hex()}", {}, timeout=60), also=_NOT_YET)
    receipt = read_json(answer)
    if verified and trust is not None and verify_receipt(receipt, trust).tx_hash != hash_:
        raise VerificationError(f"the node gave a receipt of another transaction than {hash_.hex()}")
    return receipt
