"""The directory where a service finds its leaf: `cert.pem`, `key.pem`, `ca.pem`, replaced together, in memory only."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from gchain_node.errors import ConfigurationError
from gchain_node.tls import Leaf

__all__ = ["TlsDirectory"]

_CURRENT = "current"
_NAMES = ("cert.pem", "key.pem", "ca.pem")
_IN_MEMORY = {"tmpfs", "ramfs"}


@dataclass(frozen=True)
class TlsDirectory:
    """`cert.pem` and its siblings are links through `current`, which one rename moves to the next set of files: a
    reader never finds a certificate with another's key.
    """

    path: Path

    def refuse_disk(self) -> None:
        """Raises `ConfigurationError` if the directory is on anything but memory: a leaf's key must not reach a
        disk.
        """
        kind = _filesystem_of(self.path)
        if kind not in _IN_MEMORY:
            raise ConfigurationError(
                f"{self.path} is on {kind}, tmpfs expected: a leaf's key must not reach a disk",
                remedy="use a directory under /run; --allow-disk is for development",
            )

    def write(self, leaf: Leaf, authority: bytes) -> None:
        """Put a new set in place, the key readable by its owner alone, and remove the old one."""
        fresh = f"set-{secrets.token_hex(8)}"
        try:
            self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
            old = [entry for entry in self.path.iterdir() if entry.name.startswith("set-")]
            (self.path / fresh).mkdir(mode=0o750)
            for name, data, mode in zip(
                _NAMES, (leaf.certificate, leaf.private_key, authority), (0o644, 0o600, 0o644), strict=True
            ):
                self._create(f"{fresh}/{name}", data, mode)
            self._link(_CURRENT, fresh)
            for name in _NAMES:
                self._link(name, f"{_CURRENT}/{name}")
        except OSError as error:
            raise ConfigurationError(f"{error.filename or self.path}: {error.strerror}") from error
        for entry in old:
            shutil.rmtree(entry, ignore_errors=True)

    def leaf(self) -> x509.Certificate | None:
        """The leaf that is in place, or None."""
        try:
            return x509.load_pem_x509_certificate((self.path / "cert.pem").read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def covers(self, hostname: str, addresses: list[str], until: datetime, authority: bytes) -> bool:
        """Whether the leaf in place is for these names, of this issuing certificate, and still valid at `until`
        (UTC).
        """
        leaf = self.leaf()
        if leaf is None or leaf.not_valid_after_utc < until or not (self.path / "key.pem").exists():
            return False
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        present = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
        same = names.get_values_for_type(x509.DNSName) == [hostname] and sorted(present) == sorted(addresses)
        return same and (self.path / "ca.pem").read_bytes() == authority

    def _create(self, name: str, data: bytes, mode: int) -> None:
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)

    def _link(self, name: str, target: str) -> None:
        path = self.path / name
        if path.is_symlink() and str(path.readlink()) == target:
            return
        fresh = self.path / f".{name}.{secrets.token_hex(4)}"
        fresh.symlink_to(target)
        fresh.replace(path)


def _filesystem_of(path: Path) -> str:
    """The type of the file system that `path`, or its nearest existing parent, is on (proc_pid_mountinfo(5))."""
    probe = path.absolute()
    while not probe.exists():
        probe = probe.parent
    device = probe.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == wanted:
            return rest.split()[0]
    return "an unknown file system"
