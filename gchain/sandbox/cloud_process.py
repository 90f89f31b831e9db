"""The local cloud as a process: start it, find it again after the daemon was killed, tell when its memory is gone.

The cloud's state lives in that process alone. When it dies it is never started again on its own: an empty cloud would
look like an order to remove every host.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from gchain.errors import SandboxError
from gchain.sandbox.detached import start_detached
from gchain.sandbox.hosts.cgroups import Cgroups
from gchain.sandbox.layout import Layout, process_alive, read_json

__all__ = ["CloudProcess", "read_changes"]


class CloudProcess:
    """`run/cloud.json` holds the pid and the boot id of the one cloud that this sandbox ever had."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._record = layout.run / "cloud.json"
        self._cgroups = Cgroups(layout.cgroup)

    @property
    def pid(self) -> int | None:
        return read_json(self._record).get("pid")

    def changes(self) -> dict[str, Any] | None:
        """The count of changes; None when the cloud does not answer, or another one answers."""
        try:
            found = read_changes(self._layout.endpoint, timeout=5)
        except (OSError, ValueError):
            return None
        return found if found.get("boot") == read_json(self._record).get("boot") else None

    def ensure(self) -> None:
        """Start the cloud when this sandbox never had one; adopt the living one otherwise.

        Raises:
            SandboxError: its port is taken, or it did not answer in time.
        """
        if self._record.exists():
            return
        _refuse_taken_port(self._layout.cloud_port)
        self._layout.company_token.touch(mode=0o600)
        self._layout.company_token.write_text(secrets.token_hex(16))
        self._launch()
        boot = self._first_answer()
        (pid,) = self._cgroups.processes("cloud")
        draft = self._record.with_suffix(".draft")
        draft.write_text(json.dumps({"pid": pid, "boot": boot}))
        draft.rename(self._record)

    @property
    def _log(self) -> Path:
        return self._layout.log / "cloud.log"

    def _launch(self) -> None:
        procs = self._cgroups.make("cloud") / "cgroup.procs"
        # A start that was cut off may have left a cloud that nobody knows: it is not this one.
        self._cgroups.kill("cloud")
        command = [
            *(sys.executable, "-m", "gchain.sandbox.cloud", "--port", str(self._layout.cloud_port)),
            *("--company-token", str(self._layout.company_token), "--consoles", str(self._layout.hosts)),
        ]
        start_detached(command, procs, log=self._log)

    def _first_answer(self, deadline: float = 60.0) -> str:
        """The boot id of the cloud that was just started."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            if not self._cgroups.populated("cloud"):
                raise SandboxError("the local cloud ended at once", remedy=f"see {self._log}")
            try:
                return str(read_changes(self._layout.endpoint, timeout=2)["boot"])
            except OSError:
                time.sleep(0.05)
        raise SandboxError(f"the local cloud did not answer within {deadline:.0f} s", remedy=f"see {self._log}")

    def alive(self) -> bool:
        pid = self.pid
        return pid is not None and process_alive(pid)


def read_changes(endpoint: str, timeout: float) -> dict[str, Any]:
    """What the cloud counts of its mutating calls (`changes`), and its boot id (`boot`).

    Raises:
        OSError: it does not answer within `timeout` seconds.
    """
    with urllib.request.urlopen(f"{endpoint}/gchain-api/changes", timeout=timeout) as answer:  # noqa: S310 - loopback
        found: dict[str, Any] = json.load(answer)
    return found


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SandboxError(f"port {port} on 127.0.0.1 is taken{holder(port)}", remedy="end that program") from error


def holder(port: int) -> str:
    """` by <program> (pid N)`, as far as the machine tells."""
    listed = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=False).stdout
    name, _, rest = listed.partition('users:(("')[2].partition('",pid=')
    return f" by {name} (pid {rest.partition(',')[0]})" if rest else ""
