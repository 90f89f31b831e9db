"""How long a signed statement may hold, and how far its clock may be ahead of ours: the same for all of them."""

from __future__ import annotations

from datetime import timedelta

__all__ = ["CLOCK_SKEW", "MAXIMUM_LIFE"]

MAXIMUM_LIFE = timedelta(days=366)
CLOCK_SKEW = timedelta(minutes=5)
