"""The zone's package mirror: the Debian packages of the base image as a signed flat repository (apt's `deb URI ./`).

The signing key lives as long as the signing: the repository never changes, and hosts get the public half only.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from gchain.errors import SandboxError
from gchain.sandbox.hosts.base import BaseImage
from gchain.sandbox.hosts.image import place
from gchain.workspace import cache_directory

__all__ = ["PackageMirror", "ensure_package_mirror"]

_IDENTITY = "G-Chain zone mirror <mirror@gchain.internal>"


class PackageMirror:
    """A finished repository: `served` is what hosts see, `public_key` is what they check it with."""

    def __init__(self, directory: Path) -> None:
        self.served = directory / "served"
        self.public_key = directory / "key.asc"


def ensure_package_mirror(image: BaseImage) -> PackageMirror:
    """The repository of an image's packages, made once and kept in the cache.

    Raises:
        SandboxError: gpg is missing or failed.
    """
    directory = cache_directory() / "debs" / image.digest
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".building-") as around:
            draft = Path(around) / directory.name
            draft.mkdir()
            _build(draft, image)
            place(draft, directory)
    return PackageMirror(directory)


def _build(draft: Path, image: BaseImage) -> None:
    served = draft / "served"
    served.mkdir()
    for package in sorted(image.archives.glob("*.deb")):
        (served / package.name).hardlink_to(package)
    (served / "Packages").write_text("\n".join(_stanza(package) for package in sorted(served.glob("*.deb"))))
    release = _release([served / "Packages"], datetime.now(UTC))
    _sign(release, served / "InRelease", draft / "key.asc")


def _stanza(package: Path) -> str:
    """One package's entry in `Packages` (Debian repository format): its control fields, then where and what it is."""
    control = subprocess.run(["dpkg-deb", "-f", str(package)], capture_output=True, text=True, check=True).stdout
    content = package.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return f"{control.rstrip()}\nFilename: ./{package.name}\nSize: {len(content)}\nSHA256: {digest}\n"


def _release(indexes: Iterable[Path], date: datetime) -> str:
    lines = ["Origin: G-Chain zone mirror", "Suite: stable", f"Date: {date:%a, %d %b %Y %H:%M:%S} UTC", "SHA256:"]
    for index in indexes:
        content = index.read_bytes()
        lines.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {index.name}")
    return "\n".join(lines) + "\n"


def _sign(text: str, signed: Path, public_key: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="gchain-gpg-") as home:
        try:
            options = ["--pinentry-mode", "loopback", "--passphrase", ""]
            _gpg(home, *options, "--quick-generate-key", _IDENTITY, "rsa3072", "sign", "never")
            signed.write_text(_gpg(home, *options, "--clearsign", "--digest-algo", "SHA256", stdin=text))
            public_key.write_text(_gpg(home, "--armor", "--export"))
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)


def _gpg(home: str, *arguments: str, stdin: str = "") -> str:
    command = ["gpg", "--homedir", home, "--batch", "--quiet", *arguments]
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SandboxError("the zone's mirror is signed with gpg", remedy="apt-get install gnupg") from None
    if done.returncode != 0:
        raise SandboxError(f"gpg {arguments[-1]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
