"""TLS of the API: a leaf that is replaced while the server runs, and client certificates of registered members only.

The leaf is valid for 24 hours and renewed by a timer outside this process, which replaces the files. `LeafStore`
notices and hands each new connection the newest one. A client certificate is asked for, not demanded; one that no
registered member's TLS-issuing certificate has issued ends the handshake.
"""

from __future__ import annotations

import datetime as dt
import logging
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from gchain_node.errors import VerificationError
from gchain_node.tls import member_of

__all__ = ["ClientTrust", "LeafStore"]

_log = logging.getLogger(__name__)


class ClientTrust:
    """The TLS-issuing certificates of the ledger's members, and who a presented certificate belongs to.

    Args:
        issuers: member name to issuing certificates in PEM (one, or two in a rotation), as the ledger has them.
    """

    def __init__(self, issuers: Mapping[str, str]) -> None:
        self.issuers = dict(issuers)
        self._authorities = _readable(issuers)

    @property
    def pem(self) -> str:
        return "".join(self.issuers[member].strip() + "\n" for member in sorted(self._authorities))

    def member_of(self, certificate: bytes, now: dt.datetime) -> str | None:
        """The member that issued this DER certificate; None when nobody's is, or it is not valid at `now` (UTC).

        Asked at every request, so that a connection does not outlive its member's registration.
        """
        for number in range(max(map(len, self._authorities.values()), default=0)):
            authorities = {name: each[number] for name, each in self._authorities.items() if number < len(each)}
            try:
                return member_of(x509.load_der_x509_certificate(certificate), authorities, now=now)
            except (VerificationError, ValueError):
                continue
        return None


def _readable(issuers: Mapping[str, str]) -> dict[str, list[x509.Certificate]]:
    """One member's certificate that does not parse must not cost the other members their access. A member has two
    while its issuing key is rotated.
    """
    found = {}
    for member, pem in issuers.items():
        try:
            found[member] = x509.load_pem_x509_certificates(pem.encode())
        except ValueError as error:
            _log.warning("the TLS-issuing certificate of %s cannot be read: nobody passes for it (%s)", member, error)
    return found


@dataclass(frozen=True, slots=True)
class _Version:
    """What the current context was made of: modification times and inodes of the files, and the trusted issuers."""

    files: tuple[tuple[int, int], ...]
    issuers: str


class LeafStore:
    """The server's certificate and key in `directory` (`cert.pem`, `key.pem`), and the context for new connections."""

    def __init__(self, directory: Path) -> None:
        self._certificate = directory / "cert.pem"
        self._key = directory / "key.pem"
        self._lock = threading.Lock()
        self._trust = ClientTrust({})
        self._current: ssl.SSLContext | None = None
        self._version: _Version | None = None
        self.not_after: dt.datetime | None = None
        self.problem: str | None = f"no certificate at {self._certificate} yet"

    @property
    def trust(self) -> ClientTrust:
        return self._trust

    def set_issuers(self, issuers: Mapping[str, str]) -> None:
        """Trust client certificates of these members from the next connection on."""
        if dict(issuers) != self._trust.issuers:
            self._trust = ClientTrust(issuers)
            self.refresh()

    def refresh(self) -> bool:
        """Load the files if they changed; a pair that does not load leaves the previous one in use and says why in
        `problem`. True when a new context is in use.
        """
        with self._lock:
            try:
                version = _Version(tuple(map(_stamp, (self._certificate, self._key))), self._trust.pem)
                if version == self._version:
                    return False
                context = self._load()
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                self.problem = f"{self._certificate}: {error}"
                return False
            self._current, self._version, self.problem = context, version, None
            _log.info("serving the TLS certificate that ends %s", self.not_after)
            return True

    def server_context(self) -> ssl.SSLContext:
        """A context for the listener that lasts: at each handshake it hands over to the newest leaf."""
        context = _context()
        context.sni_callback = self._choose
        return context

    def _choose(
        self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext
    ) -> int | None:
        if self._current is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._current
        return None

    def _load(self) -> ssl.SSLContext:
        context = _context()
        context.load_cert_chain(self._certificate, self._key)
        if self._trust.pem:
            context.load_verify_locations(cadata=self._trust.pem)
        self.not_after = x509.load_pem_x509_certificate(self._certificate.read_bytes()).not_valid_after_utc
        return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_OPTIONAL
    context.num_tickets = 0  # a resumed session would carry a client certificate past a change of membership
    context.set_alpn_protocols(["http/1.1"])
    return context


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_ino
