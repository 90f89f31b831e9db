"""`gchain-node export`: a ledger's blocks in one file, from a running node."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import httpx
import typer

from gchain_node.errors import ApiError, ConfigurationError
from gchain_node.export import write_export

__all__ = ["export_command", "fetch_export"]

_TIMEOUT = httpx.Timeout(60.0, connect=5.0)


def export_command(
    out: Annotated[Path, typer.Option(help="The file to write; it appears when it is whole.")],
    first: Annotated[int | None, typer.Option("--from", min=1, help="First block; the ledger's first.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=1, help="Last block; the one before the latest.")] = None,
    url: Annotated[str, typer.Option("--url", envvar="GCHAIN_NODE_URL")] = "http://127.0.0.1:8080",
    ca: Annotated[Path | None, typer.Option("--ca", envvar="GCHAIN_NODE_CA", help="Issuer of the node's leaf.")] = None,
) -> None:
    """Export blocks with all that `gchain audit` needs. A whole audit needs the ledger from its first block."""
    size = fetch_export(url, out, first=first, last=last, verify=_context(ca))
    print(f"{out}: {size} bytes; recompute it with `gchain audit {out} --trust trust.json`")


def fetch_export(
    url: str, out: Path, *, first: int | None = None, last: int | None = None, verify: ssl.SSLContext | bool = True
) -> int:
    """Fetch an export into a file; its size. Raises `ApiError`, `StateError`."""
    params = {name: height for name, height in (("from", first), ("to", last)) if height is not None}
    try:
        with (
            httpx.Client(base_url=url, verify=verify, timeout=_TIMEOUT, trust_env=False) as http,
            http.stream("GET", "/v1/export", params=params) as answer,
        ):
            if answer.status_code != 200:
                raise ApiError(_refusal(answer), status=answer.status_code)
            return write_export(_pieces(answer), out)
    except httpx.HTTPError as error:
        raise ApiError(
            f"{url}: the export broke off: {error or type(error).__name__}", remedy="see the node's log, and try again"
        ) from error


def _pieces(answer: httpx.Response) -> Iterator[bytes]:
    yield from answer.iter_raw()


def _refusal(answer: httpx.Response) -> str:
    answer.read()
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the node answered {answer.status_code} to an export"


def _context(ca: Path | None) -> ssl.SSLContext | bool:
    if ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca))
    except OSError as error:
        raise ConfigurationError(f"--ca {ca}: {error}") from error
