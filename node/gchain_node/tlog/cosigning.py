"""Bringing a log's checkpoint to witnesses: fetch, ask for the proof that the witness needs, collect cosignatures."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx

from gchain_node.errors import ApiError, NodeError, VerificationError
from gchain_node.tlog.checkpoint import Checkpoint
from gchain_node.tlog.note import Note, NoteSignature
from gchain_node.witness.witness import Request

__all__ = ["cosigned_by", "hand_in"]

_ATTEMPTS = 3


def cosigned_by(
    node: httpx.Client, witnesses: list[httpx.Client], on_problem: Callable[[NodeError], None] | None = None
) -> Note:
    """The node's checkpoint with the cosignatures of `witnesses` (clients of their base addresses).

    Args:
        on_problem: told of a witness that gives none; without it that is an error.

    Raises:
        ApiError: the node or a witness does not answer, or refuses.
        VerificationError: what one of them answers is malformed.
    """
    note = Note.parse(_text(node, "GET", "/checkpoint"))
    size = Checkpoint.parse(note.text).size
    lines = []
    for witness in witnesses:
        try:
            lines.append(_ask(node, witness, note, size))
        except (ApiError, VerificationError) as error:
            if on_problem is None:
                raise
            on_problem(error)
    return Note(note.text, (*note.signatures, *lines))


def hand_in(node: httpx.Client, note: Note) -> None:
    """Give the cosigned checkpoint to a node, which then serves it. Raises `ApiError`."""
    _text(node, "POST", "/v1/log/cosigned", str(note).encode())


def _ask(node: httpx.Client, witness: httpx.Client, note: Note, size: int) -> NoteSignature:
    old = 0
    for _ in range(_ATTEMPTS):
        proof = _proof(node, old, size) if 0 < old < size else ()
        answer = _send(witness, "POST", "/add-checkpoint", bytes(Request(old, proof, note)))
        if answer.status_code == 200:
            return NoteSignature.parse(answer.text.rstrip("\n"))
        if answer.status_code != 409 or not answer.text.strip().isdecimal() or int(answer.text) == old:
            break
        old = int(answer.text)
        if old > size:
            raise VerificationError(f"the witness cosigned size {old}, the node has {size}: it is behind, or forked")
    raise ApiError(f"{witness.base_url}: the witness refused: {answer.text.strip()[:200]}", status=answer.status_code)


def _proof(node: httpx.Client, old: int, size: int) -> tuple[bytes, ...]:
    answer = _send(node, "GET", f"/v1/log/consistency?old={old}&new={size}")
    try:
        body: dict[str, Any] = answer.json()
        return tuple(base64.urlsafe_b64decode(step + "=" * (-len(step) % 4)) for step in body["path"])
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError(f"{node.base_url}: no consistency proof from {old} to {size}: {answer.text[:200]}") from error


def _text(client: httpx.Client, method: str, path: str, content: bytes | None = None) -> str:
    answer = _send(client, method, path, content)
    if answer.status_code != 200:
        raise ApiError(f"{client.base_url}{path} answered {answer.text[:200]}", status=answer.status_code)
    return answer.text


def _send(client: httpx.Client, method: str, path: str, content: bytes | None = None) -> httpx.Response:
    try:
        return client.request(method, path, content=content)
    except httpx.HTTPError as error:
        raise ApiError(f"{client.base_url}{path}: {error or type(error).__name__}") from error
