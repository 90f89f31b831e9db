"""Replay protection: each signer's last 1,024 numbers, each used once.

A strict sequence would stall for good when an engine's mempool silently drops one transaction, so numbers may arrive in
any order within the window. `nonces/<signer>` holds {high, used}: the highest number so far, and a bit for each of the
1,024 numbers down from it (bit 0 of the last byte is `high`).
"""

from __future__ import annotations

from typing import Any

from gchain_node.codes import Code
from gchain_node.errors import TransactionError
from gchain_node.state import State

__all__ = ["WINDOW", "refuse_spent", "use"]

WINDOW = 1024
_MASK = (1 << WINDOW) - 1
_NEVER: dict[str, Any] = {"high": 0, "used": b""}


def use(state: State, signer: str, number: int, *, ordered: bool) -> None:
    """Mark `number` as used. Raises `TransactionError` if it was, is below the window, or breaks the order."""
    path = f"nonces/{signer}"
    entry = state.peek(path) or _NEVER
    high, used = entry["high"], int.from_bytes(entry["used"], "big")
    if ordered and number != high + 1:
        raise TransactionError(Code.OUT_OF_ORDER, f"number {number} was sent in strict order; the next is {high + 1}")
    _refuse_spent(signer, number, high, used)
    if number > high:
        shift = number - high
        used = ((used << shift) & _MASK if shift < WINDOW else 0) | 1
        high = number
    else:
        used |= 1 << (high - number)
    state.put_later(path, {"high": high, "used": used.to_bytes(WINDOW // 8, "big")})


def refuse_spent(state: State, signer: str, number: int) -> None:
    """Raise `TransactionError` for a number that can never be used again, whatever comes before it."""
    entry = state.peek(f"nonces/{signer}") or _NEVER
    _refuse_spent(signer, number, entry["high"], int.from_bytes(entry["used"], "big"))


def _refuse_spent(signer: str, number: int, high: int, used: int) -> None:
    below = high - number
    if below >= WINDOW:
        raise TransactionError(
            Code.NONCE_TOO_OLD, f"number {number} is below {signer}'s window, which starts at {high - WINDOW + 1}"
        )
    if below >= 0 and used >> below & 1:
        raise TransactionError(Code.NONCE_USED, f"{signer} used number {number} before")
