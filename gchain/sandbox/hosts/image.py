"""A golden image: what roles did to one host, kept as a layer between the base image and other hosts' own files.

The layer carries no identity: SSH and credential keys, machine id, names, network, logs and cloud seed are left out, so
that every host still makes its own. Its digest is over its content; the base image it belongs to is recorded, and
checked when it is used.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gchain.errors import SandboxError
from gchain.workspace import cache_directory

__all__ = ["IDENTITY", "Image", "capture", "content_digest", "place"]

IDENTITY = (
    "etc/chrony/sources.d/dhcp.sources",
    "etc/hostname",
    "etc/hosts",
    "etc/machine-id",
    "etc/resolv.conf",
    "etc/ssh/ssh_host_*",
    "etc/systemd/network/10-ens5.network",
    "home/admin/.ansible",
    "home/admin/.ssh",
    "root/.ansible",
    "run",
    "tmp",
    "var/lib/chrony",
    "var/lib/cloud",
    "var/lib/dbus",
    "var/lib/systemd/credential.secret",
    "var/lib/systemd/random-seed",
    "var/log/journal",
    "var/tmp",
)
"""Glob patterns of what belongs to one host and never to an image."""


@dataclass(frozen=True)
class Image:
    """A layer in the cache: `image/<key>/layer`, with `image.json` beside it."""

    directory: Path

    @classmethod
    def of_key(cls, key: str) -> Image:
        """`key` says what the layer was made from (roles, versions): whoever makes it chooses it."""
        return cls(cache_directory() / "image" / key)

    @property
    def layer(self) -> Path:
        return self.directory / "layer"

    @property
    def exists(self) -> bool:
        return (self.directory / "image.json").exists()

    @property
    def _record(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.directory / "image.json").read_text())
        return found

    @property
    def digest(self) -> str:
        """`sha256:...` over the layer's content."""
        return self._record["digest"]

    def verify_base(self, base: str) -> None:
        """Raises:
        SandboxError: the layer was made on another base image.
        """
        made_on = self._record["base"]
        if made_on != base:
            raise SandboxError(
                f"image {self.directory.name} was made on base {made_on}, the sandbox has {base}",
                remedy=f"make it again: remove {self.directory}",
            )


def capture(upper: Path, base: str, image: Image) -> Image:
    """Keep a stopped host's upper layer as an image; safe to interrupt."""
    draft = image.directory.with_name(f".building-{image.directory.name}-{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        subprocess.run(["cp", "-a", "--reflink=auto", str(upper), str(draft / "layer")], check=True)
        _strip(draft / "layer")
        record = {"base": base, "digest": content_digest(draft / "layer")}
        (draft / "image.json").write_text(json.dumps(record) + "\n")
        place(draft, image.directory)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return image


def place(draft: Path, directory: Path) -> None:
    """Give a finished directory its name, unless another process that made the same was first: either is as good."""
    try:
        draft.rename(directory)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise


def _strip(layer: Path) -> None:
    for pattern in IDENTITY:
        for path in layer.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def content_digest(layer: Path) -> str:
    """SHA-256 over every path with its mode and content, sorted: the same files give the same digest."""
    whole = hashlib.sha256()
    for path in sorted(layer.rglob("*")):
        status = path.lstat()
        whole.update(f"{path.relative_to(layer)}\0{status.st_mode:o}\0{status.st_uid}:{status.st_gid}\0".encode())
        if path.is_symlink():
            whole.update(str(path.readlink()).encode())
        elif path.is_file():
            whole.update(hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{whole.hexdigest()}"
