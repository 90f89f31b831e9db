"""The node's side of the signer's fence: tells the signer what was committed, before the engine is told so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gchain_node.errors import SigningRefused, StateError
from gchain_node.messages import Block
from gchain_node.signer.chain_view import ChainView, Registration, read_view, write_view

__all__ = ["SignerView"]


class SignerView:
    """Keeps the file at `path` in step with the ledger. `member` gives the member's entry as last committed, or None.

    `committed` MUST be called after a block is durable and before the engine gets its answer: the engine asks for
    votes above that block only then.
    """

    def __init__(self, path: Path, chain_id: str, member: Callable[[], Mapping[str, Any] | None]) -> None:
        self._path, self._member = path, member
        try:
            known = read_view(path)
        except SigningRefused:
            known = ChainView(chain_id, 0)
        self._view = known if known.chain_id == chain_id else ChainView(chain_id, 0)

    def start(self, height: int) -> None:
        """The state as the node finds it. Raises `StateError` if the file cannot be written."""
        self._write(self._member(), height, {})

    def committed(self, block: Block) -> None:
        """Raises `StateError` if the file cannot be written."""
        member = self._member()
        ours = set(self._view.signed) | ({_address(member)} if member else set())
        seen = {vote.address.hex().upper() for vote in block.last_commit if vote.signed} & ours
        self._write(member, block.height, dict.fromkeys(seen, block.height - 1))

    def _write(self, member: Mapping[str, Any] | None, height: int, seen: Mapping[str, int]) -> None:
        known = member.get("signer") if member else None
        signed = dict(self._view.signed)
        for address, at in seen.items():
            signed[address] = max(at, signed.get(address, 0))
        registration = Registration(**known) if known else Registration()
        self._view = replace(self._view, height=height, signer=registration, signed=signed)
        try:
            write_view(self._path, self._view)
        except OSError as error:
            raise StateError(f"the signer's view {self._path} cannot be written: {error.strerror}") from error


def _address(member: Mapping[str, Any]) -> str:
    return str(member["validator"]["address"].hex().upper())
