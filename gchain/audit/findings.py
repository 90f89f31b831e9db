"""What an audit finds wrong, and how it says so."""

from __future__ import annotations

from typing import Any

from gchain.errors import GchainError

__all__ = ["AuditError", "expect"]


class AuditError(GchainError):
    """The export does not hold. `height` is the first block that does not, None where it is not about a block."""

    exit_code = 5

    def __init__(self, message: str, *, height: int | None = None) -> None:
        place = "" if height is None else f"block {height}: "
        super().__init__(
            place + message,
            remedy="keep the file: it is evidence. Ask another member for an export of the same blocks and compare",
        )
        self.height = height


def expect(what: str, found: Any, expected: Any, height: int | None = None) -> None:
    """Raises `AuditError` unless `found` is `expected`."""
    if found != expected:
        raise AuditError(f"{what} is {_shown(found)}, {_shown(expected)} expected", height=height)


def _shown(value: Any) -> str:
    return value.hex() or "empty" if isinstance(value, bytes) else str(value)[:200]
