"""The base image: a Debian 12 root file system built once into the cache, that every sandbox host boots from.

The directory is named after the digest of what it is built from (suite, package list, customisation), so a changed list
is a new image and an interrupted build is never mistaken for a finished one: it is made beside its place and renamed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gchain.errors import SandboxError
from gchain.workspace import cache_directory

__all__ = ["PACKAGES", "BaseImage", "base_image", "ensure_base_image"]

SUITE = "bookworm"

PACKAGES = (
    "auditd",
    "ca-certificates",
    "chrony",
    "curl",
    "dbus",
    "iproute2",
    "iputils-ping",
    "libfaketime",
    "libpam-pwquality",
    "logrotate",
    "netbase",
    "nftables",
    "openssh-server",
    "opensc",
    "openssl",
    "procps",
    "prometheus-node-exporter",
    "python3",
    "python3-apt",
    "python3-venv",
    "python3-yaml",
    "softhsm2",
    "sudo",
    "systemd",
    "systemd-sysv",
)
"""What a host has before any role ran. Roles that need more get it from the zone's mirror."""

_FILES = Path(__file__).parent / "guest"

_MASKED_UNITS = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "auditd.service",  # the audit netlink is refused inside a container; rule files are still checked
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@.service",
    "systemd-networkd-wait-online.service",
)
_ENABLED_UNITS = ("ssh.service", "systemd-networkd.service", "cloud-first-boot.service", "cloud-final.service")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BaseImage:
    """A finished image: `root` is its file system, `digest` that of its inputs."""

    directory: Path
    digest: str

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def archives(self) -> Path:
        """The .deb files that the image was made from: what the zone's mirror serves."""
        return self.directory / "archives"

    @property
    def packages(self) -> Path:
        """`name=version` of every installed package, one a line, sorted."""
        return self.directory / "packages.txt"

    @property
    def packages_digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.packages.read_bytes()).hexdigest()


def _mirror() -> str:
    """Where Debian's packages come from: `$GCHAIN_DEBIAN_MIRROR`, else what this machine's own apt uses for the suite.

    Raises:
        SandboxError: apt knows no source of the suite.
    """
    configured = os.environ.get("GCHAIN_DEBIAN_MIRROR")
    if configured:
        return configured
    asked = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    found = next((line.split()[1] for line in told.splitlines() if line.startswith(f"{SUITE} ")), None)
    if found is None:
        raise SandboxError(
            f"apt on this machine has no source of Debian {SUITE}, which the hosts' base image is made from",
            remedy="run `apt-get update` on a Debian 12 machine, or set GCHAIN_DEBIAN_MIRROR to a mirror's address",
        )
    return found


def _inputs_digest() -> str:
    """Digest of everything that decides what the image holds, apart from the package versions of the day."""
    inputs = {
        "version": 2,
        "suite": SUITE,
        "packages": list(PACKAGES),
        "masked": list(_MASKED_UNITS),
        "enabled": list(_ENABLED_UNITS),
        "files": {
            str(path.relative_to(_FILES)): hashlib.sha256(path.read_bytes()).hexdigest() for path in _guest_files()
        },
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def _guest_files() -> list[Path]:
    return sorted(path for path in _FILES.rglob("*") if path.is_file())


def base_image(digest: str) -> BaseImage:
    """A finished image by its digest: a sandbox stays with the one that it was started with."""
    return BaseImage(cache_directory() / "base" / digest, digest)


def ensure_base_image(progress: Progress = print) -> BaseImage:
    """Return the base image, building it first where the cache has none (about 40 s and 450 MB).

    Safe to interrupt at any point, and to call from two processes at once: the second waits for the first.

    Raises:
        SandboxError: debootstrap is missing or failed; the message carries the last lines of its log.
    """
    digest = _inputs_digest()
    image = base_image(digest)
    if image.packages.exists():
        return image
    image.directory.parent.mkdir(parents=True, exist_ok=True)
    with _building(image.directory.parent / ".lock", progress):
        if not image.packages.exists():
            _build(image, progress)
    return image


@contextmanager
def _building(lock: Path, progress: Progress) -> Iterator[None]:
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process builds the base image: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(image: BaseImage, progress: Progress) -> None:
    if shutil.which("debootstrap") is None:
        raise SandboxError(
            "the base image needs the program debootstrap", remedy="apt-get install debootstrap systemd-container"
        )
    draft = image.directory.with_name(f".building-{image.digest}")
    _remove_tree(draft)
    (draft / "root").mkdir(parents=True)
    progress(f"base image {image.digest}: Debian {SUITE} with {len(PACKAGES)} packages")
    _debootstrap(draft, progress)
    progress("base image: units, user and console")
    _customise(draft / "root")
    _keep_archives(draft)
    _record_packages(draft)
    draft.rename(image.directory)
    progress(f"base image {image.digest}: done, {image.packages_digest}")


def _remove_tree(path: Path) -> None:
    if path.exists():
        subprocess.run(["rm", "-rf", "--one-file-system", str(path)], check=True)


def _debootstrap(draft: Path, progress: Progress) -> None:
    """Run debootstrap in a mount namespace of its own, so that an interrupted run leaves no mount behind."""
    log = draft / "debootstrap.log"
    command = [
        *("unshare", "--mount", "--propagation", "private"),
        *("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        *(SUITE, str(draft / "root"), _mirror()),
    ]
    with (
        log.open("w") as handle,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
    ):
        for line in process.stdout or ():
            handle.write(line)
            _report(line, progress)
        code = process.wait()
    if code != 0:
        tail = "".join(log.read_text().splitlines(keepends=True)[-15:])
        raise SandboxError(
            f"debootstrap ended with status {code}; the last lines of {log}:\n{tail}",
            remedy=f"check that the mirror answers ({_mirror()}; set GCHAIN_DEBIAN_MIRROR for another), then run again",
        )


def _report(line: str, progress: Progress) -> None:
    """Pass on the milestones; a line for each of 180 packages would hide them."""
    if line.startswith("I: ") and not line.startswith(
        ("I: Retrieving", "I: Validating", "I: Extracting", "I: Unpacking", "I: Configuring", "I: Found")
    ):
        progress("base image: " + line[3:].strip())


def _customise(root: Path) -> None:
    for source in _guest_files():
        target = root / source.relative_to(_FILES)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o755 if "sbin" in target.parts else 0o644)
    (root / "etc/sudoers.d/admin").chmod(0o440)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/machine-id").write_text("")
    (root / "etc/hostname").unlink(missing_ok=True)
    _in_image(root, "useradd", "--create-home", "--shell", "/bin/bash", "admin")
    _in_image(root, "systemctl", "mask", *_MASKED_UNITS)
    _in_image(root, "systemctl", "enable", *_ENABLED_UNITS)


def _keep_archives(draft: Path) -> None:
    (draft / "archives").mkdir()
    for archive in (draft / "root/var/cache/apt/archives").glob("*.deb"):
        archive.rename(draft / "archives" / archive.name)


def _in_image(root: Path, *command: str) -> None:
    done = subprocess.run(["chroot", str(root), *command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxError(f"base image: {' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")


def _record_packages(draft: Path) -> None:
    listed = subprocess.run(
        ["chroot", str(draft / "root"), "dpkg-query", "-W", "-f", "${Package}=${Version}\n"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (draft / "packages.txt").write_text("".join(sorted(listed.splitlines(keepends=True))))
