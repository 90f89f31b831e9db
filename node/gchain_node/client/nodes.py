"""The nodes that a client may ask: one at a time, the next one when it does not answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import httpx

from gchain_node.client.steps import Call
from gchain_node.errors import ConfigurationError

__all__ = ["Nodes", "is_away"]

_AWAY: Final = {502, 503}


class Nodes:
    """Addresses of nodes of one ledger. A client stays with the one that answered last.

    Raises `ConfigurationError` for an address that is no `http://` or `https://` one, or for none.
    """

    def __init__(self, urls: str | Sequence[str]) -> None:
        self._urls = [urls] if isinstance(urls, str) else list(urls)
        for url in self._urls:
            if not url.startswith(("http://", "https://")):
                raise ConfigurationError(f"{url!r} is no address of a node: https://host:8443 expected")
        self._urls = [url.rstrip("/") for url in self._urls]
        if not self._urls:
            raise ConfigurationError("a client needs the address of a node")
        self._at = 0

    @property
    def current(self) -> str:
        return self._urls[self._at]

    def each(self) -> Iterator[str]:
        """Every address once, from the current one on; the one at which the caller stops becomes the current one."""
        first = self._at
        for step in range(len(self._urls)):
            self._at = (first + step) % len(self._urls)
            yield self.current
        self._at = (first + 1) % len(self._urls)

    def leave(self) -> None:
        """The current one does not answer: the next one is."""
        self._at = (self._at + 1) % len(self._urls)

    @staticmethod
    def request(http: httpx.Client | httpx.AsyncClient, url: str, call: Call) -> httpx.Request:
        headers = {"Content-Type": call.content_type} if call.content is not None else {}
        return http.build_request(
            call.method,
            url + call.path,
            params=dict(call.params),
            content=call.content,
            headers=headers,
            timeout=call.timeout,
        )


def is_away(answer: httpx.Response | httpx.TransportError) -> bool:
    """Whether another node should be asked: this one is not reached, or says that it is not ready."""
    return not isinstance(answer, httpx.Response) or answer.status_code in _AWAY
