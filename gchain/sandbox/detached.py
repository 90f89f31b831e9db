"""Start a process that belongs to its control group, not to its parent: it outlives whoever started it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

__all__ = ["start_detached"]


def start_detached(
    command: list[str], procs: Path, *, log: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run `command` in a session of its own inside the control group of `procs`; returns once it was started.

    Its output is appended to `log`, or thrown away. Nobody waits for it: init inherits it.
    """
    entering = ["sh", "-c", 'echo $$ > "$0" && exec setsid --fork "$@"', str(procs), *command]
    with (log or Path("/dev/null")).open("ab") as out:
        subprocess.run(entering, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True)
