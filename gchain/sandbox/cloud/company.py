"""How the cloud company shows itself to its own cloud."""

from __future__ import annotations

__all__ = ["COMPANY_HEADER"]

COMPANY_HEADER = "x-gchain-company"
