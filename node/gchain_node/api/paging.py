"""Paging of lists: at most `limit` entries, and where the next page starts."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request

from gchain_node.api.answers import Refusal

__all__ = ["LONGEST_PAGE", "limit_of", "whole_number"]

LONGEST_PAGE: Final = 50


def whole_number(request: Request, name: str, default: int) -> int:
    """A query parameter that is a whole number of at most 18 digits. Raises `Refusal`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise Refusal(400, f"{name}: expected a whole number, got {text[:40]!r}")
    return int(text)


def limit_of(request: Request) -> int:
    """How many entries a page has. Raises `Refusal`."""
    limit = whole_number(request, "limit", 25)
    if not 1 <= limit <= LONGEST_PAGE:
        raise Refusal(400, f"limit: expected 1 to {LONGEST_PAGE}, got {limit}")
    return limit
