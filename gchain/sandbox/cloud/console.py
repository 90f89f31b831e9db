"""EC2 GetConsoleOutput: the console of the real host that stands behind the instance."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, cast

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.responses import EC2Response

from gchain.sandbox.hosts.console import CONSOLE_FILE

__all__ = ["install"]

LIMIT = 64 * 1024
"""EC2 keeps the last 64 KiB."""


def install(consoles: Path | None) -> None:
    """Serve `<consoles>/<instance id>/console.log`; an instance whose host has not booted has an empty console."""

    def get_console_output(self: Any) -> ActionResult:
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        path = consoles / instance.id / CONSOLE_FILE if consoles else None
        text = path.read_bytes()[-LIMIT:] if path and path.exists() else b""
        encoded = base64.b64encode(text).decode()
        return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": encoded})

    # Each call replaces the last: an application serves the consoles that it was given.
    cast("Any", EC2Response).get_console_output = get_console_output
