"""How many examples a property is tried with: all that its test asks for, or a part where a run has to be quick."""

from __future__ import annotations

import os

__all__ = ["examples"]


def examples(count: int) -> int:
    """`count`; a fifth of it in `make test-quick`, which sets GCHAIN_TEST_QUICK and is there for every save."""
    return count // 5 if os.environ.get("GCHAIN_TEST_QUICK") else count
