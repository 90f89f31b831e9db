"""One host: its directory, its boot, its end. What keeps it outlives the daemon, which finds it again by its cgroup."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from gchain.errors import SandboxError
from gchain.sandbox.detached import start_detached
from gchain.sandbox.hosts.base import BaseImage
from gchain.sandbox.hosts.cgroups import Cgroups
from gchain.sandbox.hosts.console import CONSOLE_FILE, finished
from gchain.sandbox.hosts.seed import sow
from gchain.sandbox.layout import Layout
from gchain.sandbox.network.state import Instance, Subnet, Volume, Vpc

__all__ = ["LEDGER_MOUNT", "Machine"]

LEDGER_MOUNT = "/var/lib/gchain"
"""Where the first data volume of an instance is mounted; further ones follow at /mnt/<device>."""

_SUPERVISOR = Path(__file__).with_name("supervise.sh")


@dataclass(frozen=True)
class Machine:
    """The real host behind the instance `id` of one sandbox."""

    layout: Layout
    cgroups: Cgroups
    id: str

    @property
    def directory(self) -> Path:
        return self.layout.hosts / self.id

    @property
    def console(self) -> Path:
        return self.directory / CONSOLE_FILE

    @property
    def exists(self) -> bool:
        return (self.directory / "ready").exists()

    @property
    def running(self) -> bool:
        return self.cgroups.populated(f"{self.id}.sup") or self.cgroups.populated(self.id)

    @property
    def ended(self) -> int | None:
        """The status that the host's last run ended with; None while it runs, or before the first boot."""
        try:
            return int((self.directory / "ended").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def forget_end(self) -> None:
        (self.directory / "ended").unlink(missing_ok=True)

    def console_since_boot(self) -> str:
        """What the host printed since it was last started."""
        try:
            offset = int((self.directory / "boot-offset").read_text())
            with self.console.open("rb") as handle:
                handle.seek(offset)
                return handle.read().decode(errors="replace")
        except (FileNotFoundError, ValueError):
            return ""

    def prepare(self, instance: Instance, subnet: Subnet, vpc: Vpc, layer: str = "") -> None:
        """Make the host's disk, once, on an image's layer if one is given; later boots find it as the host left it."""
        if self.exists:
            return
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        (self.directory / "upper").chmod(0o755)
        sow(self.directory / "upper", instance, subnet, vpc)
        self._layer.write_text(layer)
        self.console.touch(mode=0o600)
        (self.directory / "ready").touch()

    @property
    def _layer(self) -> Path:
        return self.directory / "layer"

    def _image(self, volume: Volume) -> Path:
        return self.directory / f"{volume.id}.img"

    def boot(self, instance: Instance, image: BaseImage, memory_mib: int) -> None:
        """Start the host and return at once; its console tells how far it is."""
        self.forget_end()
        layer = self._layer.read_text() if self._layer.exists() else ""
        (self.directory / "boot-offset").write_text(str(self.console.stat().st_size))
        procs = self.cgroups.make_host(self.id, memory_mib)
        supervisor = self.cgroups.make(f"{self.id}.sup") / "cgroup.procs"
        self._make_volumes(instance)
        self._note_volumes(self._wanted_volumes(instance))
        settings = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "LOWER": ":".join([layer, str(image.root)] if layer else [str(image.root)]),
            "DIR": str(self.directory),
            "GROUP": str(self.cgroups.path(self.id)),
            "PROCS": " ".join(str(path) for path in procs),
            "NETNS": self.layout.host_namespace(self.id),
            "MACHINE": self.id,
        }
        command = ["unshare", "--mount", "--propagation", "slave", str(_SUPERVISOR)]
        start_detached(command, supervisor, env=settings)

    def _make_volumes(self, instance: Instance) -> None:
        """Make the images of new volumes. For the thread that boots and attaches alone: two at once would spoil one."""
        for volume in instance.data_volumes:
            if not self._image(volume).exists():
                _make_volume(self._image(volume), volume.gib)

    def _wanted_volumes(self, instance: Instance) -> list[str]:
        """Lines "image mountpoint" of the volumes that the cloud has attached. Makes none: any thread asks."""
        points = _mount_points(instance)
        return [f"{self._image(each)} {point}" for each, point in zip(instance.data_volumes, points, strict=True)]

    def _note_volumes(self, lines: list[str]) -> None:
        draft = self._volumes.with_suffix(".new")
        draft.write_text("".join(f"{line}\n" for line in lines))
        draft.rename(self._volumes)

    @property
    def _volumes(self) -> Path:
        """What the supervisor mounts at each boot, and what the running host has."""
        return self.directory / "volumes"

    def _late_volumes(self, instance: Instance) -> list[str]:
        """Volumes that were attached after the host had started."""
        try:
            noted = self._volumes.read_text().splitlines()
        except FileNotFoundError:  # not booted yet, or being removed
            return []
        return [line for line in self._wanted_volumes(instance) if line not in noted]

    def up(self, instance: Instance) -> bool:
        """Whether the host said that it can be reached, and has every volume that the cloud attached."""
        return finished(self.console_since_boot()) and not self._late_volumes(instance)

    def attach_volumes(self, instance: Instance) -> None:
        """Mount in the running host what the cloud has attached since it started, once its boot has ended."""
        late = self._late_volumes(instance)
        leader = self._leader() if late and finished(self.console_since_boot()) else None
        if leader is None:
            return
        self._make_volumes(instance)
        for line in late:
            image, _, point = line.partition(" ")
            _mount_inside(leader, image, point)
            self._note_volumes([*self._volumes.read_text().splitlines(), line])

    def stop(self, deadline: float = 20.0) -> None:
        """Shut the host down as its power button would; after the deadline, pull the plug.

        Its end is forgotten: a host that was told to stop did not power itself off.
        """
        leader = self._leader()
        if leader is not None and not self.cgroups.frozen(self.id):
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(leader, 38)  # SIGRTMIN+4: systemd's poweroff.target (systemd(1), "Signals")
            end = time.monotonic() + deadline
            while self.cgroups.populated(self.id) and time.monotonic() < end:
                time.sleep(0.05)
        self.kill()
        self.forget_end()

    def _leader(self) -> int | None:
        """The host's pid 1, seen from here: the only process of its init scope."""
        for pid in self.cgroups.processes(self.id):
            if _pid_inside(pid) == 1:
                return pid
        return None

    def kill(self) -> None:
        """Pull the plug: supervisor first, or it would boot the host again."""
        self.cgroups.kill(f"{self.id}.sup")
        self.cgroups.kill(self.id)

    def remove(self) -> None:
        """Kill the host and delete its disk and groups."""
        self.kill()
        for group in (f"{self.id}.sup", self.id):
            self.cgroups.remove(group)
        if self.directory.exists():
            shutil.rmtree(self.directory)


def _pid_inside(pid: int) -> int | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    line = next((line for line in status.splitlines() if line.startswith("NSpid:")), "")
    return int(line.split()[-1]) if len(line.split()) > 2 else None


def _mount_points(instance: Instance) -> list[str]:
    extra = [f"/mnt/{volume.device.rpartition('/')[2]}" for volume in instance.data_volumes[1:]]
    return [LEDGER_MOUNT, *extra][: len(instance.data_volumes)]


def _make_volume(image: Path, gib: int) -> None:
    """A sparse file with a file system: its size is a real limit, and costs the machine only what is written."""
    draft = image.with_suffix(".new")
    draft.unlink(missing_ok=True)  # the mkfs of a daemon that was killed may still write to the file of that name
    with draft.open("wb") as handle:
        handle.truncate(gib * 1024**3)
    _run("mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-m", "0", str(draft))
    draft.rename(image)


_MOUNT_INSIDE = (
    'mountpoint -q "$1" && exit 0; rm -f /dev/.volume; '
    'mkdir -p "$1" && mknod /dev/.volume b "${2%:*}" "${2#*:}" && mount -o noatime /dev/.volume "$1"; '
    "status=$?; rm -f /dev/.volume; exit $status"
)


def _mount_inside(leader: int, image: str, point: str) -> None:
    """Mount an image in the host whose pid 1 is `leader`, unless it is. Its loop devices go when the mount does, those
    of a daemon that was killed before it came to that, too.
    """
    loop = _run("losetup", "--find", "--show", image)
    try:
        number = _run("lsblk", "--nodeps", "--noheadings", "--output", "MAJ:MIN", loop)
        enter = ["nsenter", f"--target={leader}", "--mount", "--"]
        _run(*enter, "sh", "-c", _MOUNT_INSIDE, "sh", point, number)
    finally:
        # Detached once unused: a device that is gone already, or still busy for a moment, is no failure of the mount.
        for each in _run("losetup", "--associated", image, "--noheadings", "--output", "NAME").split():
            subprocess.run(["losetup", "--detach", each], capture_output=True, check=False)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()
